"""Rows about calls that get no answer: 4 (the reply is lost) and 9 (the client is cut off)."""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from threading import Thread

from ...errors import StoreUnavailable
from ...sessions import Full, SeatRequest
from ...stores import SessionStore
from .broken import split
from .clocks import now
from .crew import Processes
from .journal import read, until
from .proxy import Proxy, through, upstream
from .target import Finding, NotApplicable, Target
from .task import Client
from .watch import watch

TRIES = 20
"""How often a call that got no answer is sent again."""

TIMEOUT = 0.5
"""Seconds that a store in row 9 may wait for an answer."""

LONGER = {"postgresql": 2.0}
"""The same for stores that need longer: libpq gives no connection less."""

LATENESS = 1.0
"""Seconds by which a call may end after its timeout on a busy machine."""

SERVERS = ("redis", "postgresql")
"""The kinds of store that are reached through a network."""


def retried_call_takes_one_seat(target: Target) -> Finding:
    """Row 4: the reply to an acquire is lost, and the call is sent again until there is an answer.

    Before a server stands a proxy that swallows replies. In memory and in a file there are none: there the call
    is sent twice, and the process that made it is killed at a random moment and its client asks again.
    """
    times = target.count(100, 10_000)
    if target.kind in SERVERS:
        with Proxy(upstream(split(target.url)[1])) as proxy:
            return _through_a_proxy(target, proxy, times)
    organization, wrong, killed = target.organization(4), 0, 0
    with target.staffed() as (crew, store):
        here = target.client(store, organization, lease=60.0)
        for number in range(times):
            asked = here.request(f"user-{number}", "desk" if number % 2 else None)
            wrong += _one_seat(store, here, asked, [asked] * (2 + number % 3))
        if target.kind != "memory":
            chance = target.chance(4)
            for _ in range(target.count(20, 1_000)):
                worker = crew.start(target.task("hold", organization, lease=60.0, client="desk"))
                time.sleep(chance.random() * 0.01)
                crew.kill(worker)
                killed += 1
                wrong += _one_seat(store, here, again := here.request("holder", "desk"), [again])
        failed = crew.finish()
    failed += [f"{wrong} times there was not exactly one seat"] if wrong else []
    return Finding({"calls sent again": times, "callers killed": killed, "not one seat": wrong}, tuple(failed))


def _one_seat(store: SessionStore, here: Client, last: SeatRequest, asked: list[SeatRequest]) -> bool:
    """Send requests, look whether there is just one seat, give it back, and tell whether there was not."""
    for request in asked:
        here.take(request.user_id, 30, request=request)
    seats = list(store.live(here.organization))
    for seat in seats:
        store.release(here.organization, seat.id, None)
    return len(seats) != 1 or (last.client is None and seats[0].id != last.session_id)


def _through_a_proxy(target: Target, proxy: Proxy, times: int) -> Finding:
    organization, wrong, granted, cycles, theirs = target.organization(4), 0, 0, 0, list[str]()
    chance = target.chance(4)
    # A store may send a call again by itself: half of the calls go through one that is told not to, where it can be.
    once = {"retry_attempts": "0"} if target.kind == "redis" else {}
    direct = target.open()
    stores = [target.open(url=through_url(target.url, proxy.port, **options)) for options in ({}, once)]
    try:
        here = target.client(direct, organization, lease=60.0)
        here.take("first", 90)
        _empty(direct, organization)
        while proxy.swallowed < times and cycles < 4 * times:
            cycles += 1
            request = here.request(f"user-{cycles}", "desk" if cycles % 2 else None)
            proxy.swallow(chance.choice((1, 1, 1, 2, 3)))
            behind = stores[cycles // 2 % 2]
            for _ in range(TRIES):
                try:
                    answer = behind.acquire(request)
                except StoreUnavailable:
                    granted += any(seat.user_id == request.user_id for seat in direct.live(organization))
                    if request.client is not None and cycles % 4 == 1:
                        request = here.request(request.user_id, request.client)
                except Exception as error:  # noqa: BLE001 - what it is has to be told
                    theirs.append(repr(error))
                else:
                    wrong += isinstance(answer, Full)
                    break
            proxy.swallow(0)
            wrong += sum(1 for _ in direct.live(organization)) != 1
            _empty(direct, organization)
    finally:
        for store in (direct, *stores):
            store.close()
    failed = [f"{wrong} times there was not exactly one seat"] if wrong else []
    failed += [f"an error that is not ours: {theirs[0]}"] if theirs else []
    failed += [f"only {proxy.swallowed} of {times} replies were lost"] if proxy.swallowed < times else []
    return Finding(
        {
            "acquires": cycles,
            "replies lost": proxy.swallowed,
            "a seat taken unseen": granted,
            "not one seat": wrong,
        },
        tuple(failed),
    )


def _empty(store: SessionStore, organization: str) -> None:
    for seat in list(store.live(organization)):
        store.release(organization, seat.id, None)


def through_url(url: str, port: int, **options: str) -> str:
    """Return the URL of a target, broken as it is, through what listens on that port of this machine."""
    how, inner = split(url)
    return (f"{how}+" if how else "") + with_options(through(inner, port), **options)


def with_options(url: str, **options: str) -> str:
    """Return a URL with options after its question mark."""
    added = "&".join(f"{name}={value}" for name, value in options.items())
    return url + ("&" if "?" in url else "?") + added if added else url


def cut_off_holder_gives_up_first(target: Target) -> Finding:
    """Row 9: holders are cut off from the store; somebody else gets their seats when the leases have run out.

    Before a server stands a proxy that drops every byte and closes nothing. A file is cut off by somebody who has
    begun to write and does not end; there the seats can be had when that one is gone.
    """
    if target.kind == "memory":
        raise NotApplicable("nothing stands between a process and its own memory")
    if target.kind == "sqlite":
        with closing(sqlite3.connect(target.path, isolation_level=None, timeout=30)) as writer:
            return _cut_off(
                target,
                with_options(target.url, timeout=str(TIMEOUT)),
                TIMEOUT,
                lambda: writer.execute("BEGIN IMMEDIATE"),
                lambda: writer.execute("ROLLBACK"),
            )
    timeout = LONGER.get(target.kind, TIMEOUT)
    with Proxy(upstream(split(target.url)[1])) as proxy:
        url = through_url(target.url, proxy.port, timeout=str(timeout))
        return _cut_off(target, url, timeout, proxy.cut, lambda: None)


def _cut_off(
    target: Target, url: str, timeout: float, cut: Callable[[], object], mend: Callable[[], object]
) -> Finding:
    lease = 3 * timeout
    number, unavailable, longest, wrong, late, given_up = target.count(3, 30), 0, 0.0, list[str](), 0, 0
    store = target.open()
    try:
        with Processes(url, target.folder) as crew:
            tasks = [target.task("act", target.organization(9), url=url, lease=lease, limit=1) for _ in range(number)]
            there = [crew.start(task) for task in tasks]
            if not all(until(Path(task.journal), "act", 30) for task in tasks):
                wrong.append("a holder never acted")
            cut()
            watches = [watch(target, task, store) for task in tasks]
            rivals = [Thread(target=each.until_free, daemon=True) for each in watches]
            time.sleep(2 * lease if target.kind == "sqlite" else 0)
            mended = now()
            if target.kind == "sqlite":
                mend()
            for rival in rivals:
                rival.start()
            for rival in rivals:
                rival.join()
            end = time.monotonic() + 10
            for worker in there:
                crew.wait(worker, max(0.0, end - time.monotonic()))
            wrong += crew.finish()
            for each in watches:
                lines = list(read(Path(each.holder.journal)))
                calls = [line for line in lines if line.kind in ("act", "unavailable", "ended")]
                longest = max([longest, *(line.end - line.start for line in lines if line.kind == "call")])
                unavailable += sum(line.kind == "unavailable" for line in calls)
                ended = [line for line in calls if line.kind == "ended"]
                given_up += bool(ended)
                if not each.free_at:
                    wrong.append("nobody else got the seat of a holder who was cut off")
                late += sum(line.kind == "act" and line.start > (each.free_at or mended) for line in calls)
    finally:
        store.close()
    if late:
        wrong.append(f"{late} acts were let pass after the seat was another's")
    if given_up < number:
        wrong.append(f"{number - given_up} of {number} holders never gave up")
    if not unavailable:
        wrong.append("no call said that the store did not answer")
    if longest > timeout + LATENESS:
        wrong.append(f"a call took {longest:.3f} s, with a timeout of {timeout:g} s")
    return Finding(
        {
            "holders cut off": number,
            "gave up in time": given_up,
            "acts too late": late,
            "calls without an answer": unavailable,
            "timeout_s": timeout,
            "longest call_s": round(longest, 4),
        },
        tuple(wrong),
    )
