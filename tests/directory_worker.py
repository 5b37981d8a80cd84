"""What the tests of the directory let other processes do: `python directory_worker.py TASK PATH [NUMBER]`.

The path may be a URL.
"""

from __future__ import annotations

import os
import resource
import signal
import sqlite3
import sys
import tempfile
import time
from collections.abc import Callable
from contextlib import suppress
from datetime import UTC, datetime
from typing import NoReturn

from attrs import evolve

from seatperm import audit
from seatperm.directory import Organization, User, with_role
from seatperm.errors import SeatpermError
from seatperm.license import License
from seatperm.stores import DirectoryChange, DirectoryStore
from seatperm.stores.opening import open_directory
from seatperm.stores.sqlite import SQLiteDirectory

NOBODY = 65534


def opened(path: str, timeout: float = 30.0) -> DirectoryStore:
    """Open the store at a path, or at a URL, which says the timeout itself."""
    return open_directory(path) if "://" in path else SQLiteDirectory(path, timeout=timeout)


def make(path: str) -> None:
    """Begin a store: one organization, two users who are at 0."""
    store = opened(path)
    with store.change() as change:
        change.put_organization(Organization("kauri", License("retail")))
        for id in ("ann", "ben"):
            change.put_user("kauri", User(id, f"{id}@kauri.example", "0"), email_key=f"{id}@kauri.example")
    store.close()


def count_on(change: DirectoryChange) -> None:
    """Bring both users on by one, with an event."""
    for id in ("ann", "ben"):
        user = change.user("kauri", id)
        assert user is not None
        change.put_user("kauri", evolve(user, name=str(int(user.name) + 1)), email_key=user.email)
    event = audit.link(
        change.head("kauri"),
        at=datetime.now(UTC),
        actor=None,
        kind="counted",
        user="ann",
        revision=change.revision("kauri"),
        details={"filling": "x" * 400},
    )
    change.append("kauri", event)


def count(path: str) -> NoReturn:
    """Count until killed."""
    store = opened(path)
    print("ready", flush=True)
    while True:
        with store.change() as change:
            count_on(change)


def give(path: str, number: str) -> None:
    """Give ann fifty roles, one at a time, each named after this process."""
    store = opened(path)
    for role in range(50):
        with store.change() as change:
            ann = change.user("kauri", "ann")
            assert ann is not None
            change.put_user("kauri", with_role(ann, f"role-{number}-{role}", None), email_key=ann.email)


def first(path: str, number: str) -> None:
    """Open a store that is not there yet, at a given moment, and add an organization."""
    time.sleep(max(0.0, float(number) - time.time()))
    with opened(path).change() as change:
        change.put_organization(Organization(f"of-{os.getpid()}", License("retail")))


def hold(path: str) -> None:
    """Hold the write lock until standard input ends."""
    connection = sqlite3.connect(path, isolation_level=None)
    connection.execute("BEGIN IMMEDIATE")
    print("ready", flush=True)
    sys.stdin.read()


def rehearse() -> None:
    """Do it all once, faults included: what Python loads late may be out of reach later."""
    with tempfile.TemporaryDirectory() as folder:
        path = f"{folder}/books.db"
        make(path)
        with suppress(SeatpermError):
            SQLiteDirectory(f"{folder}/missing/books.db")
        store = SQLiteDirectory(path, timeout=1)
        with suppress(SeatpermError), store.change() as change:
            count_on(change)
            change.put_user("nowhere", User("ann", "ann@kauri.example", "0"), email_key=None)
        store.close()
        with suppress(SeatpermError):
            store.revision("kauri")


def nobody(path: str) -> None:
    """Read, then write, as a user who may not; say what came of it."""
    if os.getuid() == 0:
        rehearse()
        os.setgroups([])
        os.setgid(NOBODY)
        os.setuid(NOBODY)
    store = SQLiteDirectory(path, timeout=1)
    print("revision", store.revision("kauri"), flush=True)
    with store.change() as change:
        count_on(change)
    print("written", flush=True)


def fill(path: str, number: str) -> None:
    """Write until files may grow no more."""
    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (int(number), int(number)))
    store = SQLiteDirectory(path)
    while True:
        with store.change() as change:
            count_on(change)


def fork(path: str) -> None:
    """Use one store object in parent and child of a `fork()` that falls in the middle of a change."""
    store = opened(path, timeout=0.2)
    reading = store.users("kauri")
    next(reading)
    with store.change() as change:
        count_on(change)
        child = os.fork()
        if child == 0:
            print("child reads", store.revision("kauri"), flush=True)
            try:
                store.change().__enter__()
            except SeatpermError as error:
                print("child is told that", str(error).rpartition("now: ")[2], flush=True)
        else:
            os.waitpid(child, 0)
            count_on(change)
    print("parent", store.revision("kauri"), [user.id for user in reading], flush=True)
    child = os.fork()
    if child == 0:
        with store.change() as change:
            count_on(change)
        print("child", store.revision("kauri"), flush=True)
        sys.exit(0)
    os.waitpid(child, 0)
    with store.change() as change:
        count_on(change)
    print("parent", store.revision("kauri"), flush=True)


def quick(path: str) -> None:
    """Open a store that is up to date, and tell whether sqlite-utils was loaded for it."""
    SQLiteDirectory(path).revision("kauri")
    print("sqlite_utils" in sys.modules)


TASKS: dict[str, Callable[..., None]] = {
    task.__name__: task for task in (make, count, give, first, hold, nobody, fill, fork, quick)
}

if __name__ == "__main__":
    try:
        TASKS[sys.argv[1]](*sys.argv[2:])
    except SeatpermError as error:
        print(f"{type(error).__name__}: {error}", flush=True)
