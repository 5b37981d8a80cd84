"""Rows about many at once: 11 (writers beside a slow reader) and 12 (a long queue, a third of it dead)."""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping
from pathlib import Path

from attrs import frozen

from ...sessions import Full
from .clocks import now
from .crew import several
from .journal import Line, percentile, read
from .target import Finding, Target

PATIENCE = (2.0, 5.0)
"""Seconds that a place in the queue of row 12 is kept without being asked for again: in the short form, and else."""

WRITERS = 32
"""Processes that write in row 11, and seats: every acquire is granted, and so writes."""

BAR = 0.25
"""Seconds that 99 of 100 grants of row 11 may take."""


def writers_beside_a_slow_reader(target: Target) -> Finding:
    """Row 11: 32 processes write, while one keeps a read transaction open for a second at a time."""
    target.only("sqlite", why="it is about the one file of SQLite")
    with target.staffed() as (crew, _):
        task = target.task("hammer", target.organization(11), limit=WRITERS, lease=5.0, think=0.01, timed=1, keep=0.0)
        crew.start(target.task("read_slowly", "-", path=str(target.path)))
        journals = [Path(each.journal) for each in several(crew, task, WRITERS).values()]
        time.sleep(target.seconds(3, 0.1))
        wrong = crew.finish()
    lines = [list(read(path)) for path in journals]
    took = [line.end - line.start for each in lines for line in each if line.kind == "granted"]
    locked = sum(line.kind == "unavailable" for each in lines for line in each)
    idle = sum(not any(line.kind == "granted" for line in each) for each in lines)
    if idle:
        wrong.append(f"{idle} of {WRITERS} writers were granted no seat, which shows nothing")
    if locked:
        wrong.append(f"{locked} acquires could not be done")
    high = percentile(took, 0.99)
    if high > BAR:
        wrong.append(f"the 99th percentile of an acquire is {high:.3f} s")
    return Finding(
        {
            "writers": WRITERS,
            "grants": len(took),
            "could not": locked,
            "median_s": round(percentile(took, 0.5), 5),
            "99th percentile_s": round(high, 5),
            "longest_s": round(max(took, default=0.0), 5),
        },
        tuple(wrong),
    )


def first_come_first_served(target: Target) -> Finding:
    """Row 12: many wait for one seat, a third of them are killed, and the others are served one after the other.

    Meanwhile somebody without a place in the queue asks again and again.
    """
    workers = target.count(6, 21)
    each = -(-target.count(120, 1_000) // workers)
    organization = target.organization(12)
    with target.staffed() as (crew, store):
        here = target.client(store, organization, lease=600.0, limit=1)
        _, first = here.take("first", 90)
        task = target.task(
            "wait", organization, lease=600.0, limit=1, waiters=each, patience=PATIENCE[target.minutes > 0]
        )
        journals = {worker: Path(told.journal) for worker, told in several(crew, task, workers).items()}
        end = time.monotonic() + 120
        while any(_count(path, "came") < each for path in journals.values()) and time.monotonic() < end:
            time.sleep(0.05)
        dead = list(journals)[::3]
        for worker in dead:
            crew.kill(worker)
        store.release(organization, first.session_id, first.token_hash)
        living, barged, end = set(journals) - set(dead), list[float](), time.monotonic() + 120
        while living and time.monotonic() < end:
            barging = here.request("barging")
            if not isinstance(store.acquire(barging), Full):
                barged.append(now())
                store.release(organization, barging.session_id, barging.token_hash)
            living = {worker for worker in living if not crew.wait(worker, 0.01)}
        wrong = crew.finish()
    queue = _Queue.read([journals[worker] for worker in journals if worker not in dead])
    passed, jumped = queue.passed(), sum(moment < queue.last_served for moment in barged)
    if forgotten := len(queue.came) - len(queue.served):
        wrong.append(f"{forgotten} of {len(queue.came)} living waiters were never served")
    if passed:
        wrong.append(f"{passed} waiters were served after somebody who came later")
    if jumped:
        wrong.append(f"{jumped} times a seat went to somebody who did not wait")
    return Finding(
        {
            "waiters": each * workers,
            "killed": each * len(dead),
            "served": len(queue.served),
            "out of turn": passed,
            "without a place": jumped,
            "too late themselves": len(queue.late),
            "from the first to the last_s": round(queue.last_served - queue.first_served, 3),
        },
        tuple(wrong),
    )


def _count(journal: Path, kind: str) -> int:
    return sum(line.kind == kind for line in read(journal))


@frozen
class _Queue:
    """The living waiters: when each came and was served, and who had not asked again in time."""

    came: Mapping[str, Line]
    served: Mapping[str, Line]
    late: frozenset[str]

    @classmethod
    def read(cls, journals: Iterable[Path]) -> _Queue:
        lines = list(read(*journals))
        kinds = {kind: {line.id: line for line in lines if line.kind == kind} for kind in ("came", "served", "late")}
        return cls(kinds["came"], kinds["served"], frozenset(kinds["late"]))

    @property
    def first_served(self) -> float:
        return min((line.start for line in self.served.values()), default=0.0)

    @property
    def last_served(self) -> float:
        """When the last ask that was granted had been sent."""
        return max((line.start for line in self.served.values()), default=0.0)

    def passed(self) -> int:
        """Count those before whom somebody was certainly served who had certainly come later."""
        waiting = [self.came[id] for id in self.served if id in self.came and id not in self.late]
        earliest = float("inf")
        passed = 0
        # From the last who came to the first: the earliest answer among those who came after this one's answer.
        later = sorted(waiting, key=lambda line: line.start, reverse=True)
        at = 0
        for line in sorted(waiting, key=lambda line: line.end, reverse=True):
            while at < len(later) and later[at].start > line.end:
                earliest = min(earliest, self.served[later[at].id].end)
                at += 1
            passed += earliest < self.served[line.id].start
        return passed
