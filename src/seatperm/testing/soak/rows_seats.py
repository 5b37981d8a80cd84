"""Rows about who has a seat: 1 (many processes, kills), 3 (foreign calls), 13 (a lowered limit)."""

from __future__ import annotations

import json
import time
from secrets import token_hex

from attrs import frozen

from ...sessions import Full, token_hash
from .broken import split
from .clocks import now
from .crew import several
from .journal import grants, last_count, most_at_once, read
from .table import Figure
from .target import LIMIT, Finding, Target
from .task import Client, NoSeat, Task

LEASE = 0.5
"""Seconds of the leases of row 1: short, so that the seats of the killed come back."""


def never_oversold(target: Target) -> Finding:
    """Row 1: hammer the store from many processes, kill them at random, and sweep over what they wrote down.

    The same is then done to a control, which counts first and inserts later, and which the sweep has to catch.
    """
    done = _hammer(target, target.url, 32 if target.minutes else 8, target.seconds(2.5, 0.2))
    wrong = list(done.wrong)
    if done.most > LIMIT:
        wrong.append(f"{done.most} seats of {LIMIT} were held at the same instant")
    if done.most < LIMIT:
        wrong.append(f"only {done.most} seats of {LIMIT} were ever held at once, which shows nothing")
    if done.free != LIMIT:
        wrong.append(f"{done.free} of {LIMIT} seats could be had when all leases had run out")
    figures: dict[str, Figure] = {
        "workers": done.workers,
        "asks": done.asks,
        "grants": done.grants,
        "kills": done.kills,
        "seats": LIMIT,
        "most at once": done.most,
    }
    if not split(target.url)[0]:
        control = _hammer(target, f"count-then-insert+{target.url}", 8, 20.0, until=LIMIT + 1)
        figures["most at once, control"] = control.most
        if control.most <= LIMIT:
            wrong.append("the control, which counts first and inserts later, was not caught")
    return Finding(figures, tuple(wrong))


@frozen
class _Hammered:
    workers: int
    asks: int
    grants: int
    kills: int
    most: int
    free: int
    wrong: tuple[str, ...]


def _hammer(target: Target, url: str, workers: int, seconds: float, *, until: int | None = None) -> _Hammered:
    """Hammer for some seconds, or until so many seats were held at once."""
    organization, chance, kills = target.organization(1), target.chance(1), 0
    with target.staffed(url=url) as (crew, store):
        task = target.task("hammer", organization, url=url, lease=LEASE)
        there, number = list(several(crew, task, workers)), workers
        end, look = time.monotonic() + seconds, time.monotonic() + 1
        while time.monotonic() < end:
            time.sleep(0.02 + chance.random() * 0.1)
            if until is None and target.kind != "memory":
                crew.kill(there.pop(chance.randrange(len(there))))
                there += several(crew, task, 1, first=number)
                kills, number = kills + 1, number + 1
            elif until is not None and time.monotonic() > look:
                look += 1
                if _most(target, task) >= until:
                    break
        wrong = crew.finish()
        time.sleep(LEASE + 0.01)
        free = 0 if until is not None else _free(target.client(store, organization, lease=60.0))
    paths = target.journals(task)
    return _Hammered(
        workers=workers,
        asks=sum(last_count(path) for path in paths),
        grants=len(grants(read(*paths))),
        kills=kills,
        most=_most(target, task),
        free=free,
        wrong=tuple(wrong),
    )


def _most(target: Target, task: Task) -> int:
    found = grants(read(*target.journals(task))).values()
    return most_at_once((line.start, line.end) for line in found)


def _free(here: Client) -> int:
    """Take every seat there is, one after the other, and return how many."""
    for number in range(LIMIT):
        try:
            here.take(f"last-{number}", 5)
        except NoSeat:
            return number
    return LIMIT if isinstance(here.store.acquire(here.request("one-more")), Full) else LIMIT + 1


def meddling_changes_nothing(target: Target) -> Finding:
    """Row 3: late, repeated and foreign releases and renewals by the thousand, while others hold every seat."""
    organization, calls = target.organization(3), target.count(2_000, 200_000)
    with target.staffed() as (crew, store):
        here = target.client(store, organization, lease=600.0)
        brief = [here.take("brief", 30, request=here.request("brief", lease=0.3))[1] for _ in range(LIMIT)]
        time.sleep(0.35)
        holders = []
        for number, late in enumerate(brief):
            # Each has signed in twice, so that its first token is dead, and has the seat of one who came too late.
            user = f"user-{number}"
            _, first = here.take(user, 30, request=here.request(user, "desk"))
            seat, last = here.take(user, 30, request=here.request(user, "desk"))
            holders.append({"id": seat.id, "token": last.token_hash, "dead": [late.token_hash, first.token_hash]})
        file = target.folder / f"known-{token_hex(4)}.json"
        file.write_text(json.dumps(holders), "utf-8")
        task = target.task("meddle", organization, lease=600.0, times=calls // 4, known=str(file))
        for worker in several(crew, task, 4):
            crew.wait(worker, 600)
        wrong = crew.finish()
        did = sum(int(line.start) for line in read(*target.journals(task)) if line.kind == "wrong")
        late_did = sum(
            store.release(organization, late.session_id, token)
            for late in brief
            for token in (late.token_hash, None, token_hash("x"))
        )
        there = {seat.id for seat in store.live(organization)}
        one_more = store.acquire(here.request("one-more"))
    if did or late_did:
        wrong.append(f"{did + late_did} calls said that they had ended or renewed a session that is not theirs")
    if there != {str(holder["id"]) for holder in holders}:
        wrong.append(f"{len(there)} of {LIMIT} sessions are there, or others")
    if not isinstance(one_more, Full):
        wrong.append("a seat was free afterwards")
    return Finding({"calls": calls + 3 * LIMIT, "seats held": len(there), "changed": did + late_did}, tuple(wrong))


def lowered_limit_admits_nobody(target: Target) -> Finding:
    """Row 13: 40 of 50 seats are live when the limit becomes 10; one after the other is given back."""
    organization = target.organization(13)
    with target.staffed() as (crew, store):
        here = target.client(store, organization, lease=600.0, limit=50)
        held = [here.take(f"user-{number}", 30)[1] for number in range(40)]
        task = target.task("ask", organization, lease=600.0, limit=10)
        several(crew, task, 4)
        room_at, paused = 0.0, target.seconds(1.0, 0.02) / 40
        live_before = sum(1 for _ in store.live(organization))
        for number, request in enumerate(held[:31]):
            if number == 30:
                room_at = now()
            store.release(organization, request.session_id, request.token_hash)
            time.sleep(paused)
        end = time.monotonic() + 20
        while not (found := grants(read(*target.journals(task)))) and time.monotonic() < end:
            time.sleep(0.01)
        time.sleep(0.2)
        wrong = crew.finish()
        found = grants(read(*target.journals(task)))
        asked = sum(last_count(path) for path in target.journals(task))
        still = {seat.id for seat in store.live(organization)}
    if live_before != 40:
        wrong.append(f"{live_before} of 40 sessions are there after the limit was lowered")
    early = [line for line in found.values() if line.start < room_at]
    if early:
        wrong.append(f"{len(early)} were admitted while 10 or more were live")
    if len(found) != 1:
        wrong.append(f"{len(found)} were admitted when one seat was free")
    if not {request.session_id for request in held[31:]} <= still:
        wrong.append("a session was ended by the lowered limit")
    return Finding({"live": 40, "asks": asked, "admitted too early": len(early), "admitted": len(found)}, tuple(wrong))
