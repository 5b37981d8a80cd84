"""Several processes on one SQLite directory, and processes that are killed in the middle of what they do."""

from __future__ import annotations

import subprocess
import sys
import time
from pathlib import Path
from random import Random

import pytest

from seatperm import audit
from seatperm.errors import StoreUnavailable
from seatperm.stores.sqlite import SQLiteDirectory

from . import directory_worker as worker

KILLS = 20


def start(task: str, path: Path, *more: object) -> subprocess.Popen[str]:
    """Begin a task in another process."""
    return subprocess.Popen(
        [sys.executable, worker.__file__, task, str(path), *map(str, more)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )


def run(task: str, path: Path, *more: object) -> str:
    """Do a task in another process, and return what it printed."""
    process = start(task, path, *more)
    printed, _ = process.communicate(timeout=60)
    assert process.returncode == 0
    return printed


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """A store with one organization and two users who count."""
    worker.make(str(tmp_path / "books.db"))
    return tmp_path / "books.db"


def test_killed_at_any_point_the_users_the_trail_and_the_revision_agree(path: Path) -> None:
    """SIGKILL, at another moment each time."""
    moments = Random(7)
    counted = 0
    for _ in range(KILLS):
        process = start("count", path)
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
        time.sleep(moments.uniform(0, 0.02))
        process.kill()
        process.communicate()
        store = SQLiteDirectory(path)
        events = list(store.events("kauri"))
        assert audit.verify(events, store.head("kauri"))
        assert [user.name for user in store.users("kauri")] == [str(len(events))] * 2
        assert store.revision("kauri") == len(events) + 1 >= counted
        counted = store.revision("kauri")
        assert [event.revision for event in events] == list(range(2, counted + 1))
        store.close()
    assert counted > KILLS


def test_two_processes_that_change_the_same_user_lose_neither_change(path: Path) -> None:
    for process in [start("give", path, number) for number in range(2)]:
        process.communicate(timeout=60)
        assert process.returncode == 0
    store = SQLiteDirectory(path)
    ann = store.user("kauri", "ann")
    assert ann is not None
    assert set(ann.roles) == {f"role-{number}-{role}" for number in range(2) for role in range(50)}
    assert store.revision("kauri") == 101
    store.close()


def test_processes_that_make_the_same_file_at_once_make_one(tmp_path: Path) -> None:
    moment = time.time() + 1.5
    processes = [start("first", tmp_path / "new.db", moment) for _ in range(8)]
    for process in processes:
        assert process.communicate(timeout=60)[0] == ""
    store = SQLiteDirectory(tmp_path / "new.db")
    assert set(store.organizations()) == {f"of-{process.pid}" for process in processes}
    store.close()


def test_a_change_of_another_process_is_seen_by_the_next_call(path: Path) -> None:
    store = SQLiteDirectory(path)
    assert store.revision("kauri") == 1
    run("give", path, 0)
    assert store.revision("kauri") == 51
    assert store.changes("kauri", 1).users == {"ann"}
    store.close()


def test_a_store_that_others_are_writing_to_is_read_and_waited_for(path: Path) -> None:
    """No longer than the timeout, and then it says so."""
    store = SQLiteDirectory(path, timeout=0.2)
    holder = start("hold", path)
    assert holder.stdout is not None
    assert holder.stdout.readline() == "ready\n"
    assert store.revision("kauri") == 1
    began = time.monotonic()
    with pytest.raises(StoreUnavailable, match=r"others have been writing to it for 0\.2 s"), store.change():
        pass
    assert 0.2 <= time.monotonic() - began < 5
    holder.communicate()
    with store.change() as change:
        worker.count_on(change)
    assert store.revision("kauri") == 2
    store.close()


def test_after_a_fork_parent_and_child_use_connections_of_their_own(path: Path) -> None:
    """The child can't even end its parent's change by leaving the block."""
    printed = run("fork", path).splitlines()
    refusal = printed.pop(2)
    assert refusal.startswith("StoreUnavailable: ")
    assert refusal.endswith("a change ends in the process that began it")
    assert printed == [
        "child reads 1",
        "child is told that others have been writing to it for 0.2 s; try again, or end what holds it",
        "parent 2 ['ben']",
        "child 3",
        "parent 4",
    ]
    store = SQLiteDirectory(path)
    assert audit.verify(store.events("kauri"), store.head("kauri"))
    store.close()


def test_opening_a_store_that_is_up_to_date_loads_no_sqlite_utils(path: Path) -> None:
    assert run("quick", path) == "False\n"
