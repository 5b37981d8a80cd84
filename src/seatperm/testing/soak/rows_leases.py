"""Rows about when a lease ends: 2 (a killed holder), 5 (a stopped one), 6 and 7 (wrong clocks)."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterable
from pathlib import Path
from threading import Thread

from attrs import evolve

from .clocks import HOUR, SkewedClock, now
from .crew import Crew, Processes
from .journal import read, until
from .table import Figure
from .target import Finding, NotApplicable, Target
from .watch import Watch, watch

LEASE = 1.0
"""Seconds of the leases in these rows."""

SLACK = 1.0
"""Seconds after the end of a lease by which its seat must be free."""

SOON = 5.0
"""Seconds after waking by which holders have to know that they hold nothing, on however busy a machine."""

AT_ONCE = 10
"""Holders that are watched at the same time."""


def killed_holder_frees_its_seat_in_time(target: Target) -> Finding:
    """Row 2: kill holders, and look when each one's seat can be had again."""
    with target.staffed() as (crew, store):
        tasks = [target.task("hold", target.organization(2), lease=LEASE, limit=1) for _ in range(target.count(5, 200))]
        return _judged(crew, [watch(target, task, store) for task in tasks], target)


def client_clock_has_no_effect(target: Target) -> Finding:
    """Row 6: as row 2, with holders and waiters whose wall clocks are an hour slow, right, or an hour fast.

    With the store on a server, their boot clocks differ as well, as those of other machines do.
    """
    if target.kind == "memory":
        raise NotApplicable("a store in memory has no clients beside its own process: see row 7")
    skews = (-HOUR, 0.0, HOUR)
    elsewhere = target.kind != "sqlite"
    with target.staffed() as (crew, _):
        stores = {
            skew: target.open(SkewedClock(skew, uptime=abs(skew) * 2 + skew if elsewhere else 0.0)) for skew in skews
        }
        try:
            watches = []
            for _ in range(target.count(1, 10)):
                for holders in skews:
                    for rivals in skews:
                        uptime = abs(holders) * 2 + holders if elsewhere else 0.0
                        task = target.task("hold", target.organization(6), lease=LEASE, limit=1)
                        watches.append(watch(target, evolve(task, wall=holders, uptime=uptime), stores[rivals]))
            return _judged(crew, watches, target, {"clock_offset_s": HOUR})
        finally:
            for store in stores.values():
                store.close()


def stepped_wall_clock_has_no_effect(target: Target) -> Finding:
    """Row 7: as row 2, while the whole machine's wall clock is set an hour on, and back, in the middle of the leases.

    The step is made in the clock that the store is given: nobody else's time is touched.
    """
    target.only(
        "memory", "sqlite", why="its leases are counted by its server's clock, not by that of this machine: see row 6"
    )
    machine = target.folder / "machine-wall-clock"
    steps = 0
    _set(machine, 0.0)
    with target.staffed(clock=SkewedClock(machine=machine)) as (crew, store):
        tasks = [
            evolve(target.task("hold", target.organization(7), lease=LEASE, limit=1), machine=str(machine))
            for _ in range(target.count(8, 200))
        ]

        def step() -> None:
            nonlocal steps
            steps += 1
            _set(machine, HOUR if steps % 2 else -HOUR)

        watches = [watch(target, task, store) for task in tasks]
        at_once = min(AT_ONCE, len(watches) // 2)
        found = _judged(crew, watches, target, {"clock_step_s": HOUR}, during=step, at_once=at_once)
    if steps < 2:
        found = evolve(found, wrong=(*found.wrong, "the clock was never set back"))
    return evolve(found, figures={**found.figures, "steps": steps})


def _set(machine: Path, ahead: float) -> None:
    new = machine.with_suffix(".new")
    new.write_text(repr(ahead), "ascii")
    os.replace(new, machine)  # noqa: PTH105 - a clock that is read meanwhile must find the one or the other


def _judged(
    crew: Crew,
    watches: Iterable[Watch],
    target: Target,
    figures: dict[str, Figure] | None = None,
    during: Callable[[], None] | None = None,
    at_once: int = AT_ONCE,
) -> Finding:
    watches, chance = list(watches), target.chance(2)
    for first in range(0, len(watches), at_once):
        batch = watches[first : first + at_once]
        for each in batch:
            each.worker = crew.start(each.holder)
        for each in batch:
            each.until_held(30)
        rivals = [Thread(target=each.until_free, args=(SLACK,), daemon=True) for each in batch]
        for rival in rivals:
            rival.start()
        for each in batch:
            time.sleep(chance.random() * LEASE / 2 / at_once)
            crew.kill(each.worker)
        if during is not None:
            during()
        for rival in rivals:
            rival.join()
    seen = [each for each in watches if each.granted is not None and each.free_at]
    wrong = crew.finish()
    if len(seen) < len(watches):
        wrong.append(f"{len(watches) - len(seen)} seats were never had, or never again")
    early = max((each.early for each in seen), default=0.0)
    late = max((each.late for each in watches), default=0.0)
    if early > 0:
        wrong.append(f"a seat was given away {early:.3f} s before its lease had run out")
    if late > SLACK:
        wrong.append(f"a seat was not free {late:.3f} s after its lease had run out")
    return Finding(
        {
            "holders killed": len(watches),
            "lease_s": LEASE,
            "earliest after the end_s": round(-early, 4),
            "latest after the end_s": round(late, 4),
            **(figures or {}),
        },
        tuple(wrong),
    )


def stopped_holder_learns_it_first(target: Target) -> Finding:
    """Row 5: holders are stopped for two leases, while somebody else gets their seats; then they go on."""
    stops, wrong, late_acts, learned, acts = target.count(4, 60), list[str](), 0, 0, 0
    worst = 0.0
    store = target.open()
    try:
        with Processes(target.url, target.folder) as crew:
            for first in range(0, stops, AT_ONCE):
                work = "contend" if target.kind == "memory" else "act"
                tasks = [
                    target.task(work, target.organization(5), lease=LEASE, limit=1)
                    for _ in range(min(AT_ONCE, stops - first))
                ]
                there = {crew.start(task): task for task in tasks}
                if not all(until(Path(task.journal), "act", 30) for task in tasks):
                    wrong.append("a holder never acted")
                for worker in there:
                    crew.pause(worker)
                watches = [] if target.kind == "memory" else [watch(target, task, store) for task in tasks]
                rivals = [Thread(target=each.until_free, daemon=True) for each in watches]
                for rival in rivals:
                    rival.start()
                time.sleep(2 * LEASE)
                for rival in rivals:
                    rival.join()
                resumed = now()
                for worker in there:
                    crew.go_on(worker)
                end = time.monotonic() + SOON
                for worker in there:
                    crew.wait(worker, max(0.0, end - time.monotonic()))
                for number, task in enumerate(tasks):
                    lines = list(read(Path(task.journal)))
                    given = next((line.start for line in lines if line.kind == "rival"), None)
                    if watches:
                        given = watches[number].free_at or None
                    if given is None:
                        wrong.append("nobody else got the seat of a stopped holder")
                        continue
                    acts += sum(line.kind == "act" for line in lines)
                    late_acts += sum(line.kind == "act" and line.start > given for line in lines)
                    for line in lines:
                        if line.kind == "ended":
                            learned += 1
                            worst = max(worst, line.end - resumed)
            wrong += crew.finish()
    finally:
        store.close()
    if late_acts:
        wrong.append(f"{late_acts} acts were let pass after the seat was another's")
    if learned != stops:
        wrong.append(f"{stops - learned} of {stops} holders were never told that their session is over")
    return Finding(
        {
            "holders stopped": stops,
            "stopped_s": 2 * LEASE,
            "acts": acts,
            "acts too late": late_acts,
            "told": learned,
            "told after waking, at most_s": round(worst, 4),
        },
        tuple(wrong),
    )
