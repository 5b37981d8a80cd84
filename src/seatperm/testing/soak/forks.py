"""What a worker does that forks while it holds a session: row 15."""

from __future__ import annotations

import gc
import os
from pathlib import Path

from ...errors import SeatpermError
from ...organization.session import Session
from ...sessions import Full
from .holding import signed_in
from .task import Work


def fork(work: Work) -> None:
    """Sign in and fork; use the store from both sides; let the child end all that it has, and go on.

    Option: `calls`, how often each takes and gives back a seat. Written down are "parent" and "child" with how
    many calls went right and, in place of an id, what went wrong; "shared", how many connections both used;
    "kept", when the parent has its session still.
    """
    calls = int(work.task.number("calls"))
    with signed_in(work.store, work.task, work.clock) as session:
        before = _sockets()
        child = os.fork()
        if child == 0:
            status = 1
            try:
                work.journal.note("child", *_used(work, "child", calls))
                work.journal.note("shared", start=len(before) if before and not _sockets() - before else 0)
                _end_all(work, session)
                status = 0
            finally:
                os._exit(status)
        done, wrong = _used(work, "parent", calls), ""
        _, status = os.waitpid(child, 0)
        try:
            session.touch()
            there = session.id in {seat.id for seat in work.store.live(work.task.organization)}
        except SeatpermError as error:
            wrong, there = type(error).__name__, False
        work.journal.note("parent", wrong or done[0], start=done[2])
        if there and status == 0:
            work.journal.note("kept")


def _used(work: Work, user: str, calls: int) -> tuple[str, str, float]:
    """Take and give back seats; return what went wrong ("-" for nothing), "-", and how often nothing did."""
    for call in range(calls):
        try:
            request = work.client.request(f"{user}-{call}")
            answer = work.store.acquire(request)
            if isinstance(answer, Full) or answer.id != request.session_id or answer.user_id != request.user_id:
                return "a-foreign-answer", "-", call
            if not work.store.release(request.organization, request.session_id, request.token_hash):
                return "a-seat-that-was-not-there", "-", call
        except Exception as error:  # noqa: BLE001 - what it is has to be told
            return type(error).__name__, "-", call
    return "-", "-", calls


def _end_all(work: Work, session: Session) -> None:
    for ending in (session.end, work.store.close):
        try:
            ending()
        except SeatpermError:
            continue
    gc.collect()


def _sockets() -> set[str]:
    """Return the sockets that this process has open, where the system tells."""
    found = set[str]()
    for path in Path("/proc/self/fd").glob("*"):
        try:
            name = str(path.readlink())
        except OSError:
            continue
        if name.startswith("socket:"):
            found.add(name)
    return found
