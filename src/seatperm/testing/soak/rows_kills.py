"""Row 8: the store is killed in the middle of acquires, again and again."""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Iterable
from contextlib import ExitStack, closing, suppress
from pathlib import Path

from attrs import Factory, define, frozen

from ...errors import StoreUnavailable
from ...stores import SessionStore
from ..servers.base import Server
from .broken import ANY, split
from .clocks import now
from .crew import Processes, several
from .journal import Line, grants, most_at_once, read
from .table import Figure
from .target import Finding, NotApplicable, Target

LEASE = 0.5
"""Seconds of the leases on a server that is killed: short, as long as its doors may be closed after each kill."""

SEATS = 5
"""Seats on a server that is killed."""

REOPENS = 30.0
"""Seconds after the start of a server within which somebody must be granted a seat, on however busy a machine."""

MODES = {"redis": ("none", "everysec", "always"), "postgresql": ("",)}
"""How a server may keep its data, by kind of store."""


def killed_store_forgets_nothing(target: Target) -> Finding:
    """Row 8: what was acknowledged is there afterwards, or nobody new is admitted for one lease.

    A server is killed whole, in each of the ways it may keep its data. The store in a file has none: there the
    processes that write are killed.
    """
    if target.kind == "memory":
        raise NotApplicable("it is killed with its one process, and every holder with it")
    if target.kind not in MODES:
        return _writers_killed(target)
    target.own_server()
    make = target.make_server
    assert make is not None
    figures: dict[str, Figure] = {}
    wrong = list[str]()
    for mode in MODES[target.kind]:
        keeping = "durable" if target.kind == "postgresql" and target.minutes else mode
        with make(target.folder / f"killed-{mode}", keeping) as server:
            found = _server_killed(target, server)
        name = f", {mode}" if mode else ""
        figures |= {f"{what}{name}": number for what, number in found.figures.items()}
        wrong += [f"{said}{name}" for said in found.wrong]
        if wrong:
            break
    return Finding(figures, tuple(wrong))


def _writers_killed(target: Target) -> Finding:
    organization, kills, chance = target.organization(8), target.count(30, 500), target.chance(8)
    acknowledged = lost = 0
    with target.staffed() as (crew, store):
        task = target.task("hammer", organization, lease=600.0, limit=ANY, keep=1.0, think=0.001)
        there, number = several(crew, task, 6), 6
        for _ in range(kills):
            time.sleep(0.01 + chance.random() * 0.06)
            worker = chance.choice(list(there))
            crew.kill(worker)
            killed = there.pop(worker)
            for line in grants(read(Path(killed.journal))).values():
                acknowledged += 1
                lost += store.find(organization, line.token) is None
            there |= several(crew, task, 1, first=number)
            number += 1
        wrong = crew.finish()
        said = {line.id for line in grants(read(*target.journals(task))).values()}
        kept = {seat.id for seat in store.live(organization)}
    lost += len(said - kept)
    wrong += [f"{lost} grants that were acknowledged are not there"] if lost else []
    if not acknowledged:
        wrong.append("nobody held a seat when killed, which shows nothing")
    figures: dict[str, Figure] = {"writers killed": kills, "acknowledged": len(said), "lost": lost}
    if target.kind == "sqlite":
        sound = integrity(target.path)
        figures["file"] = sound
        wrong += [f"the file is damaged: {sound}"] if sound != "ok" else []
    return Finding(figures, tuple(wrong))


def integrity(path: Path) -> str:
    """Return what SQLite says of a file's integrity: "ok", or what is wrong."""
    with closing(sqlite3.connect(path)) as connection:
        (said,) = connection.execute("PRAGMA integrity_check(1)").fetchone()
    return str(said)


@frozen
class _Kill:
    """One kill of a server: when it began, when the server was back, and what was not there by then."""

    at: float
    back: float
    looked: tuple[tuple[Line, float], ...] = Factory(tuple)


@define(eq=False)
class _Lost:
    """What the kills have lost, judged when all workers have written down their last."""

    kills: list[_Kill] = Factory(list)

    def lost(self, kill: _Kill, final: dict[str, Line]) -> int:
        """Count the grants that were not found while their holders could still rely on them."""
        return sum(1 for line, when in kill.looked if final[line.id].end > when)

    def admitted(self, kill: _Kill, final: Iterable[Line]) -> int:
        """Count who was let in after the kill, before every lease of before had run out."""
        return sum(1 for line in final if kill.back < line.start < kill.at + LEASE)


def _server_killed(target: Target, server: Server) -> Finding:
    how = split(target.url)[0]
    url = f"{how}+{server.url}" if how else server.url
    organization, chance, seen = target.organization(8), target.chance(8), _Lost()
    held, wrong, planned = 0, list[str](), target.count(2, 300)
    with ExitStack() as opened:
        store = target.open(url=url)
        opened.callback(store.close)
        target.client(store, organization).request("first")
        crew = opened.enter_context(Processes(url, target.folder))
        task = target.task("hammer", organization, url=url, lease=LEASE, limit=SEATS, hold=0.2, keep=0.2)
        journals = [Path(each.journal) for each in several(crew, task, 4).values()]
        back, open_again = 0.0, _granted_after(journals, 0.0)
        # A restart that takes longer than the leases last leaves nothing to look for: then once more.
        while open_again and (len(seen.kills) < planned or (not held and len(seen.kills) < 5 * planned)):
            time.sleep(chance.random() * 0.15)
            at = now()
            server.kill()
            server.start()
            back = now()
            relied_on = [line for line in grants(read(*journals)).values() if line.end > back]
            held += len(relied_on)
            seen.kills.append(_Kill(at, back, tuple(_not_found(store, organization, relied_on))))
            open_again = _granted_after(journals, back)
        wrong += crew.finish()
    final = grants(read(*journals))
    most = most_at_once((line.start, line.end) for line in final.values())
    losses = [(seen.lost(kill, final), seen.admitted(kill, final.values())) for kill in seen.kills]
    early = sum(admitted for lost, admitted in losses if lost)
    if not open_again:
        wrong.append(f"no seat was granted within {REOPENS:g} s of " + ("a kill" if seen.kills else "the start"))
    elif not held:
        wrong.append("no seat was held at a kill, which shows nothing")
    if early:
        wrong.append(f"{early} were admitted within a lease of a kill that had lost what was acknowledged")
    if most > SEATS:
        wrong.append(f"{most} seats of {SEATS} were held at the same instant")
    return Finding(
        {
            "kills": len(seen.kills),
            "grants": len(final),
            "relied on at a kill": held,
            "lost": sum(lost for lost, _ in losses),
            "admitted too early": early,
            "most at once": most,
        },
        tuple(wrong),
    )


def _not_found(store: SessionStore, organization: str, relied_on: Iterable[Line]) -> list[tuple[Line, float]]:
    missing = []
    for line in relied_on:
        with suppress(StoreUnavailable):
            if store.find(organization, line.token) is None:
                missing.append((line, now()))
    return missing


def _granted_after(journals: list[Path], moment: float) -> bool:
    end = time.monotonic() + REOPENS
    while not any(line.start > moment for line in grants(read(*journals)).values()):
        if time.monotonic() > end:
            return False
        time.sleep(0.02)
    return True
