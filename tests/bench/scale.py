"""What many organizations cost: `python -m tests.bench.scale [--short] [--json FILE]`, the constants of docs/scale.md.

A million users in 10,000 organizations, few of them large, stand in one SQLite file. Processes open them, check, sign
in and change roles, each choosing organizations by their size, and each process's memory and its calls of the store
are counted. What Redis and PostgreSQL need for a session is measured on servers of their own. `--short` takes seconds.
"""

from __future__ import annotations

import argparse
import json
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import closing
from importlib import import_module
from pathlib import Path

from attrs import asdict

from seatperm.clock import SystemClock
from seatperm.stores.opening import open_directory, open_sessions

from .measuring import Row, WrongDecision
from .scale_work import CHECKS, COUNTED, FULL, SHORT, Size, children, fill, remember, sizes, together

PART = "scale"
PARTS = ("simulation", "redis", "postgres")


def stored(path: Path) -> int:
    """Return how many bytes a SQLite file has, with what stands beside it."""
    return sum(one.stat().st_size for one in path.parent.glob(path.name + "*"))


def simulation(size: Size, folder: Path) -> Iterator[Row]:
    """Measure on one SQLite file.

    Raises:
        WrongDecision: a check is wrong, or sessions were lost or made up.
    """
    path, of = folder / "books.db", sizes(size.organizations, size.users)
    url, start = f"sqlite:///{path}", time.perf_counter()
    with closing(open_directory(url)) as directory:
        fill(directory, of)
    every, users = f"{size.organizations:,}", f"{size.users:,}"
    yield _row("written, a user", users, (time.perf_counter() - start) / size.users * 1e6, "µs")
    yield _row("users of the largest and the median organization", every, of[0], "", note=f"{of[len(of) // 2]:,}")
    yield _row("on disk, a user with three roles", users, stored(path) / size.users, "bytes")

    def one(what: str, number: int = 1, **settings: object) -> list[dict[str, float]]:
        return children(number, what, url, size, **settings)

    (found,) = one("opening", first=True)
    yield _row("opening an organization, the catalog new to it", every, found["each_ms"], "ms")
    (found,) = one("opening", first=False)
    yield _row("opening the store", every, found["open_ms"], "ms")
    yield _row("opening an organization", every, found["each_ms"], "ms")
    yield _row("memory of an open organization", every, found["organization_bytes"], "bytes")
    yield _row("the first check of a user", users, found["first_check_us"], "µs", note=f"{found['known']:,.0f} users")
    yield _row("memory of a user who was checked", users, found["known_bytes"], "bytes")
    yield _row("fork() of that process", every, found["fork_ms"], "ms")
    (found,) = one("holding")
    yield _row("memory of the record of who signed in", users, found["record_bytes"], "bytes")
    yield _row("memory of a held session", users, found["session_bytes"], "bytes")
    yield _row("memory of what is remembered of a session", users, found["remembered_bytes"], "bytes")
    for staleness in (1.0, 10.0) if size is not SHORT else (0.25,):
        (found,) = one("checking", staleness=staleness)
        said = f"staleness {staleness:g} s, {found['rate']:,.0f} requests of {CHECKS} checks"
        told = f"{said}; predicted {found['reads_predicted']:,.0f}"
        yield _row("revisions that a process reads a second", every, found["reads_a_second"], "", note=told)
        yield _row("users that it reads a second", every, found["users_a_second"], "", note=said)
        yield _row("processor time of a check", every, found["cpu_us"], "µs", note=said)
        yield _row("share of checks that read the store", every, found["share_of_checks"] * 100, "%", note=said)
    live, begin = 0, stored(path)
    for processes, events in ((1, True), (4, True), (4, False)):
        found = together(one("streaming", processes, events=events))
        told = f"{processes} processes, {'with' if events else 'without'} events and history"
        yield _row("sign-ins a second", every, found["sign_ins_a_second"], "", note=told)
        yield _row("processor time of a sign-in and all it does", every, found["cpu_ms"], "ms", note=told)
        calls = {name: found[f"{name}_a_sign_in"] for name in COUNTED}
        named = ", ".join(f"{name} {value:.2f}" for name, value in calls.items())
        yield _row("calls of the directory for it", every, sum(calls.values()), "", note=f"{named}; {told}")
        yield _row("the longest sign-in", every, found["longest_ms"], "ms", note=told)
        live += int(found["live"])
        if (processes, events) == (4, True):
            yield _row("on disk, a sign-in and its end", every, (stored(path) - begin) / found["done"], "bytes")
        begin = stored(path)
    with closing(open_sessions(url, SystemClock())) as store:
        there = sum(1 for place in range(size.organizations) for _ in store.live(f"org{place}"))
    if there != live:
        raise WrongDecision(f"{there} sessions are live, not {live}")
    for past in (0, size.past):
        with closing(open_directory(url)) as directory:
            remember(directory, "org0", past)
        (found,) = one("signing")
        yield _row("a process's first sign-in there", f"{past:,}", found["first_ms"], "ms", note="past sign-ins")
        yield _row("later ones", f"{past:,}", found["later_ms"], "ms", note="past sign-ins")


def _row(what: str, size: str, value: float, unit: str, *, note: str = "") -> Row:
    return Row(PART, what, size, value, unit, note=note)


def main(short: bool, only: Sequence[str] = PARTS) -> Iterator[Row]:
    """Measure these parts; what needs a server is left out, and said so, where there is none."""
    if "simulation" in only:
        with tempfile.TemporaryDirectory(prefix="seatperm-bench-") as folder:
            yield from simulation(SHORT if short else FULL, Path(folder))
    for name in [name for name in PARTS[1:] if name in only]:
        try:
            servers = import_module(f"{__package__}.scale_servers")
            yield from getattr(servers, name)(short)
        except ImportError as error:
            print(f"not measured: {error}")
        except Exception as error:
            if type(error).__name__ != "ServerMissing":
                raise
            print(f"not measured: {error}")


def told() -> None:
    """Print every row, and write the file that is asked for."""
    parser = argparse.ArgumentParser(prog="python -m tests.bench.scale", description=__doc__)
    parser.add_argument("--short", action="store_true", help="fewer organizations, users and seconds")
    parser.add_argument("--only", nargs="+", choices=PARTS, default=PARTS, metavar="PART", help=", ".join(PARTS))
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the rows to a file too")
    asked, rows = parser.parse_args(), []
    for row in main(asked.short, asked.only):
        rows.append(row)
        print(row, flush=True)
    if asked.json is not None:
        asked.json.write_text(json.dumps([asdict(row) for row in rows], indent=2) + "\n", "utf-8")


if __name__ == "__main__":
    told()
