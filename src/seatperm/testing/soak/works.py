"""What workers do, by name: each takes what `Work` holds and writes down what it did and when."""

from __future__ import annotations

import json
import os
import signal
import sqlite3
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from ...errors import SeatpermError, SessionEnded, StoreUnavailable
from ...sessions import Full
from .clocks import now
from .forks import fork
from .holding import signed_in
from .task import PAUSE, Work
from .timed import Timed

NOBODY = 65534
"""The user and the group that own nothing."""


def hammer(work: Work) -> None:
    """Take, hold, renew and give back seats as fast as they come, until told to end.

    Options: `hold` (seconds that a seat is held, on average), `keep` (the part of the seats that is never given
    back), `think` (seconds between two asks, on average), `timed` (each ask that was granted is written down).
    """
    hold, keep = work.task.number("hold", 0.01), work.task.number("keep", 0.02)
    think, timed = work.task.number("think", PAUSE), work.task.number("timed")
    asks = full = 0
    user = f"user-{work.chance.getrandbits(32):x}"
    while work.alive():
        work.sleep(work.chance.random() * 2 * think)
        asked = now()
        try:
            request = work.client.request(user)
            answer = work.store.acquire(request)
        except StoreUnavailable:
            work.journal.note("unavailable", start=asked, end=now())
            time.sleep(0.01)
            continue
        replied = now()
        asks += 1
        if isinstance(answer, Full):
            full += 1
            if full % 50 == 0:
                work.journal.note("count", start=asks, end=full)
            continue
        if timed:
            work.journal.note("granted", start=asked, end=replied)
        id, token, until = request.session_id, request.token_hash, asked + request.lease
        work.journal.note("grant", id, token, replied, until)
        work.journal.note("count", start=asks, end=full)
        if work.chance.random() < keep:
            continue
        work.sleep(work.chance.random() * 2 * hold)
        with suppress(StoreUnavailable):
            again = now()
            if work.chance.random() < 0.2 and work.store.renew(request.organization, token, request.lease) is not None:
                until = again + request.lease
                work.journal.note("grant", id, token, replied, until)
        work.journal.note("grant", id, token, replied, min(until, now()))
        with suppress(StoreUnavailable):
            work.store.release(request.organization, id, token)
    work.journal.note("count", start=asks, end=full)


def hold(work: Work) -> None:
    """Take one seat and do nothing more, until told to end or killed. Option: `client`, the connection's name."""
    client = str(work.task.options["client"]) if "client" in work.task.options else None
    while work.alive():
        asked = now()
        with suppress(StoreUnavailable):
            request = work.client.request("holder", client)
            answer = work.store.acquire(request)
            if not isinstance(answer, Full):
                work.journal.note("grant", answer.id, request.token_hash, now(), asked + request.lease)
                break
        time.sleep(PAUSE)
    while work.alive():
        time.sleep(0.01)


def ask(work: Work) -> None:
    """Ask for seats and give none back, until told to end; a refusal is written down as one ask among others."""
    asks = 0
    while work.alive():
        asked = now()
        with suppress(StoreUnavailable):
            request = work.client.request(f"asker-{asks}")
            if not isinstance(work.store.acquire(request), Full):
                work.journal.note("grant", request.session_id, request.token_hash, now(), asked + request.lease)
            asks += 1
            if asks % 20 == 0:
                work.journal.note("count", start=asks)
        time.sleep(PAUSE)
    work.journal.note("count", start=asks)


def meddle(work: Work) -> None:
    """Release and renew what is not one's own, `times` times, with the ids and tokens of the file `known`.

    The file says of each session its id, its token and its earlier tokens, and whether it is over.
    """
    known = json.loads(Path(str(work.task.options["known"])).read_text("utf-8"))
    wrong = 0
    organization = work.task.organization
    for _ in range(int(work.task.number("times"))):
        one, other = work.chance.sample(known, 2)
        forged = f"{work.chance.getrandbits(256):064x}"
        token = work.chance.choice([other["token"], forged, *one["dead"]])
        if work.chance.random() < 0.5:
            wrong += work.store.release(organization, one["id"], token)
        elif token in (forged, *one["dead"]):
            wrong += work.store.renew(organization, token, work.task.lease) is not None
        else:
            wrong += work.store.release(organization, "no such session", token)
    work.journal.note("wrong", start=wrong)


def act(work: Work) -> None:
    """Sign in as an application does, and act as long as the session says that it may.

    Each act that the session has let pass is written down with when it was asked and when it was answered. While
    the store does not answer, the session is asked with a grace, so that nothing but its lease ends it.
    """
    with signed_in(Timed(work.store, work.journal), work.task, work.clock) as session:
        work.journal.note("signed-in", session.id, start=now())
        asked = now()
        try:
            while work.alive():
                asked = now()
                try:
                    session.touch()
                except StoreUnavailable:
                    work.journal.note("unavailable", start=asked, end=now())
                asked = now()
                try:
                    session.can("organization.users", "view", on_unavailable="grace")
                except StoreUnavailable:
                    work.journal.note("unavailable", start=asked, end=now())
                else:
                    work.journal.note("act", start=asked, end=now())
                time.sleep(0.005)
        except SessionEnded:
            work.journal.note("ended", start=asked, end=now())


def contend(work: Work) -> None:
    """Act as above, and let a rival in the same process wait for the seat: for stores in a process's memory."""
    from threading import Thread

    def rival() -> None:
        while work.alive():
            asked = work.client.request("rival")
            if not isinstance(work.store.acquire(asked), Full):
                work.journal.note("rival", start=now())
                return
            time.sleep(PAUSE)

    waiting = Thread(target=rival, daemon=True)
    with signed_in(work.store, work.task, work.clock) as session:
        waiting.start()
        while work.alive():
            asked = now()
            try:
                session.touch()
            except SessionEnded:
                work.journal.note("ended", start=asked, end=now())
                break
            work.journal.note("act", start=asked, end=now())
            time.sleep(0.005)
        waiting.join(5)


def wait(work: Work) -> None:
    """Stand in the queue with many waiters, each of whom gives its seat back as soon as it has it.

    Options: `waiters`, how many; `patience`, seconds. They are written down as they come and as they are served:
    "came" with when the first ask was sent and answered, "served" the same of the last one, "late" where this
    worker has let one's patience run out.
    """
    patience = work.task.number("patience")
    waiting: dict[str, tuple[float, float]] = {}
    tickets = [f"{work.chance.getrandbits(64):016x}" for _ in range(int(work.task.number("waiters")))]
    come = list(tickets)
    while (come or waiting) and work.alive():
        due = [ticket for ticket, (when, _) in waiting.items() if when <= now()]
        if come and (not due or work.chance.random() < 0.5):
            due = [come.pop()]
        for ticket in due:
            last = waiting[ticket][1] if ticket in waiting else None
            asked = now()
            try:
                answer = work.store.acquire(work.client.request(f"waiter-{ticket}", ticket=ticket, patience=patience))
            except StoreUnavailable:
                waiting[ticket] = (asked + 0.05, asked if last is None else last)
                continue
            replied = now()
            if last is None:
                work.journal.note("came", ticket, start=asked, end=replied)
            elif replied - last > patience * 0.9:
                work.journal.note("late", ticket, start=last, end=replied)
            if isinstance(answer, Full):
                waiting[ticket] = (replied + min(patience / 4, 0.002 + 0.01 * answer.ahead), asked)
                continue
            waiting.pop(ticket, None)
            work.journal.note("served", ticket, start=asked, end=replied)
            work.store.release(work.task.organization, answer.id, None)
        time.sleep(0.0005)


def break_in(work: Work) -> None:
    """Open the store and ask, so often or until told to end; write down each grant, and whose each error was.

    Options: `calls`, how often to ask; `file_limit`, the bytes that no file of this process may grow beyond;
    `user`, anything: as one who is not root; `pause`, seconds between two asks. An error is "ours" or "theirs".
    """
    calls, count = int(work.task.number("calls")), 0
    _limit(work)
    while work.alive() and (not calls or count < calls):
        count += 1
        asked = now()
        try:
            request = work.client.request(f"user-{count}")
            if not isinstance(work.store.acquire(request), Full):
                work.journal.note("grant", request.session_id, request.token_hash, now(), asked + request.lease)
            sum(1 for _ in work.store.live(work.task.organization))
            work.store.renew(work.task.organization, request.token_hash, work.task.lease)
        except SeatpermError as error:
            work.journal.note("ours", type(error).__name__, start=asked, end=now())
        except Exception as error:  # noqa: BLE001 - what it is has to be told
            work.journal.note("theirs", type(error).__name__, start=asked, end=now())
        time.sleep(work.task.number("pause"))


def _limit(work: Work) -> None:
    if "file_limit" in work.task.options:
        import resource

        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        most = int(work.task.number("file_limit"))
        resource.setrlimit(resource.RLIMIT_FSIZE, (most, most))
    if "user" in work.task.options and os.geteuid() == 0:
        os.setgroups([])
        os.setresgid(NOBODY, NOBODY, NOBODY)
        os.setresuid(NOBODY, NOBODY, NOBODY)


def read_slowly(work: Work) -> None:
    """Read the SQLite file `path` in transactions of a second each, which keep its log from being written back."""
    reading = sqlite3.connect(str(work.task.options["path"]), isolation_level=None)
    while work.alive():
        reading.execute("BEGIN")
        reading.execute("SELECT count(*) FROM sessions").fetchone()
        work.sleep(1.0)
        reading.execute("COMMIT")
    reading.close()


WORKS: dict[str, Callable[[Work], None]] = {
    "act": act,
    "ask": ask,
    "break_in": break_in,
    "contend": contend,
    "fork": fork,
    "hammer": hammer,
    "hold": hold,
    "meddle": meddle,
    "read_slowly": read_slowly,
    "wait": wait,
}
"""What workers can be told to do."""
