"""What workers write down, so that it outlives their being killed, and the sweep over it."""

from __future__ import annotations

import os
import time
from collections.abc import Iterable, Iterator
from pathlib import Path

from attrs import frozen

NONE = "-"
"""Stands where a line has no id, or no token."""

Interval = tuple[float, float]
"""From when on, and until when, in seconds of the boot clock."""


@frozen
class Line:
    """One line of a journal.

    Attributes:
        kind: what happened: "grant" and what the work says of itself.
        id: of the session, or another name; "-" for none.
        token: the hash of the session's token; "-" for none.
        start: when, by the boot clock, or a count.
        end: until when, by the boot clock, or a count.
    """

    kind: str
    id: str
    token: str
    start: float
    end: float


class Journal:
    """A file to which one worker adds a line at a time, each written before the next thing is done."""

    def __init__(self, path: str | os.PathLike[str]) -> None:
        self._file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o666)

    def note(self, kind: str, id: str = NONE, token: str = NONE, start: float = 0.0, end: float = 0.0) -> None:
        """Add a line."""
        os.write(self._file, f"{kind} {id} {token} {start!r} {end!r}\n".encode())

    def close(self) -> None:
        """Close the file."""
        os.close(self._file)


def read(*paths: Path) -> Iterator[Line]:
    """Iterate over the lines of journals; one that a kill has cut off is left out."""
    for path in paths:
        if path.exists():
            for text in path.read_text("utf-8").splitlines(keepends=True):
                if text.endswith("\n"):
                    kind, id, token, start, end = text.split()
                    yield Line(kind, id, token, float(start), float(end))


def grants(lines: Iterable[Line]) -> dict[str, Line]:
    """Return the last line of each grant, by session: from when to when its holder could rely on it."""
    return {line.id: line for line in lines if line.kind == "grant"}


def until(journal: Path, kind: str, within: float) -> bool:
    """Wait until a worker has written a line of that kind, so many seconds at most; tell whether it has."""
    end = time.monotonic() + within
    while not any(line.kind == kind for line in read(journal)):
        if time.monotonic() > end:
            return False
        time.sleep(0.01)
    return True


def last_count(path: Path) -> int:
    """Return how often one worker had asked when it wrote its last line."""
    return int(max((line.start for line in read(path) if line.kind == "count"), default=0))


def most_at_once(intervals: Iterable[Interval]) -> int:
    """Sweep over intervals and return how many there were at the same instant, at most."""
    certain = [(start, end) for start, end in intervals if start < end]
    # An end and a start at the same instant do not overlap: -1 sorts before 1.
    steps = sorted([(start, 1) for start, _ in certain] + [(end, -1) for _, end in certain])
    most = now = 0
    for _, change in steps:
        now += change
        most = max(most, now)
    return most


def percentile(values: Iterable[float], part: float) -> float:
    """Return the value below which that part of the values lies; 0 of none."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(len(ordered) * part))] if ordered else 0.0
