"""How everything here is measured: what is compared runs in turn, in short rounds, in one process.

A machine drifts, by more than what is looked for: so a subject and its floor run next to each other, over and over,
and the ratio is the median of the rounds' own ratios. A harness that gives each subject a process and a time of its
own, as pyperf does, compares them at different hours of that drift.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from math import log
from statistics import median

from attrs import evolve, frozen


class WrongDecision(Exception):
    """A benchmark of wrong answers proves nothing."""


@frozen
class Bar:
    """What is to be reached.

    Attributes:
        value: the ratio, or whatever the row's `ratio` says.
        least: whether more is better.
    """

    value: float
    least: bool = False

    def met(self, ratio: float) -> bool:
        """Tell whether a ratio is good enough."""
        return ratio >= self.value if self.least else ratio <= self.value

    def __str__(self) -> str:
        return f"{'≥' if self.least else '≤'} {self.value:g}"


@frozen
class Row:
    """One line of the table.

    Attributes:
        part: which part of the bench it is of.
        what: what was measured.
        size: of what size the organization was.
        value: the median, in `unit`.
        unit: "ns", "µs", "ms", "s", "bytes".
        floor: what it is compared with.
        ratio: to that floor; of a peer, how many times slower it is.
        bar: what is to be reached, None for a line that only tells.
        note: what to know about it.
    """

    part: str
    what: str
    size: str
    value: float
    unit: str
    floor: str = ""
    ratio: float = 0.0
    bar: Bar | None = None
    note: str = ""

    def __str__(self) -> str:
        ratio = f"{self.ratio:,.2f}" if self.ratio < 100 else f"{self.ratio:,.0f}"
        told = f"{self.what:<46} {self.size:>7} {self.value:>13,.1f} {self.unit:<5}"
        if self.floor:
            told += f" {ratio:>9} × {self.floor}"
        if self.bar is not None:
            told += f"  ({self.bar}: {'met' if self.bar.met(self.ratio) else 'MISSED'})"
        return f"{told}  {self.note}".rstrip()


@frozen
class Rounds:
    """The times of several subjects, in seconds a call, one for each round."""

    times: Mapping[str, list[float]]

    def value(self, name: str) -> float:
        """Return the median time of a subject."""
        return median(self.times[name])

    def ratio(self, name: str, floor: str) -> float:
        """Return the median of the rounds' own ratios."""
        return median(mine / theirs for mine, theirs in zip(self.times[name], self.times[floor], strict=True))


def rounds(
    subjects: Mapping[str, Callable[[], int]], number: int, clock: Callable[[], int] = time.process_time_ns
) -> Rounds:
    """Run the subjects in turn, so many times; each returns how many calls it made.

    Unless said, what counts is the time that the processor spends on it: others on the machine then disturb less.
    What reads and writes files needs `time.perf_counter_ns`.
    """
    times: dict[str, list[float]] = {name: [] for name in subjects}
    for _ in range(number):
        for name, run in subjects.items():
            start = clock()
            calls = run()
            times[name].append(max(1, clock() - start) / calls / 1e9)
    return Rounds(times)


def growth(sizes: Mapping[float, float]) -> float:
    """Return the exponent of the power law that fits best: 0 is flat, 1 is proportional to the size."""
    points = [(log(size), log(value)) for size, value in sizes.items()]
    middle = sum(x for x, _ in points) / len(points), sum(y for _, y in points) / len(points)
    spread = sum((x - middle[0]) ** 2 for x, _ in points)
    return sum((x - middle[0]) * (y - middle[1]) for x, y in points) / spread if spread else 0.0


def at_each(sizes: Mapping[float, Callable[[], Iterable[Row]]]) -> Iterator[Row]:
    """Measure at each size, smallest first; the rows of the last one tell how each grew over all of them.

    Args:
        sizes: what measures, by what makes the size, such as how many cells a table has.
    """
    found: dict[str, dict[float, float]] = {}
    for size, measure in sizes.items():
        for row in measure():
            if row.value:
                found.setdefault(row.what, {})[size] = row.value
            fit = found.get(row.what, {})
            if size == max(sizes) and len(fit) > 1:
                row = evolve(row, note=f"{row.note} grows as size^{growth(fit):.3f}".strip())
            yield row


def fits(points: Iterable[tuple[str, float, float]]) -> Iterator[str]:
    """Return a line for each thing that was measured at several numbers of live seats: how it grows with them.

    Args:
        points: what was measured, how many seats were live, and what it took.
    """
    found: dict[str, dict[float, float]] = {}
    for what, live, value in points:
        found.setdefault(what, {})[live] = value
    for what, sizes in found.items():
        yield f"{what} grows as live^{growth(sizes):.3f}"
