"""Several processes on one PostgreSQL directory, and processes and servers that are killed, stopped or in the way."""

from __future__ import annotations

import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from random import Random

import psycopg
import pytest

from seatperm import audit
from seatperm.errors import StoreUnavailable
from seatperm.stores.postgres import PostgresDirectory
from seatperm.testing.servers.base import ServerMissing
from seatperm.testing.servers.postgres import PostgresServer

from . import directory_worker as worker
from .servers import missing, parted

KILLS = 15


def start(task: str, *more: object) -> subprocess.Popen[str]:
    """Begin a task in another process."""
    return subprocess.Popen(
        [sys.executable, "-m", "tests.directory_worker", task, *map(str, more)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        cwd=Path(__file__).parent.parent,
    )


@pytest.fixture
def url(postgres_store: str) -> str:
    """A store with one organization and two users who count."""
    worker.make(postgres_store)
    return postgres_store


@pytest.fixture
def server(tmp_path: Path) -> Iterator[PostgresServer]:
    """A server of the test's own, to be killed."""
    try:
        with PostgresServer(tmp_path) as server:
            yield server
    except ServerMissing as error:
        missing(error)


def count_on(store: PostgresDirectory, meanwhile: Callable[[], None] = lambda: None) -> None:
    """Bring both users on by one, and let something happen before that is kept."""
    with store.change() as change:
        worker.count_on(change)
        meanwhile()


def test_killed_at_any_point_a_client_leaves_no_lock_and_no_half_change(url: str) -> None:
    """SIGKILL, at another moment each time; the next change goes through at once, and all agrees."""
    moments = Random(7)
    counted = 0
    with closing(PostgresDirectory(url)) as store:
        for _ in range(KILLS):
            process = start("count", url)
            assert process.stdout is not None
            assert process.stdout.readline() == "ready\n"
            time.sleep(moments.uniform(0, 0.15))
            process.kill()
            process.communicate()
            count_on(store)
            events = list(store.events("kauri"))
            assert audit.verify(events, store.head("kauri"))
            assert [user.name for user in store.users("kauri")] == [str(len(events))] * 2
            assert store.revision("kauri") == len(events) + 1 > counted
            counted = store.revision("kauri")
            assert [event.revision for event in events] == list(range(2, counted + 1))
    assert counted > KILLS * 2


def test_two_processes_that_change_the_same_user_lose_neither_change(url: str) -> None:
    for process in [start("give", url, number) for number in range(2)]:
        process.communicate(timeout=60)
        assert process.returncode == 0
    with closing(PostgresDirectory(url)) as store:
        ann = store.user("kauri", "ann")
        assert ann is not None
        assert set(ann.roles) == {f"role-{number}-{role}" for number in range(2) for role in range(50)}
        assert store.revision("kauri") == 101


def test_processes_that_make_the_same_tables_at_once_make_them_once(postgres_store: str) -> None:
    moment = time.time() + 2.5
    processes = [start("first", postgres_store, moment) for _ in range(8)]
    for process in processes:
        assert process.communicate(timeout=60)[0] == ""
        assert process.returncode == 0
    with closing(PostgresDirectory(postgres_store)) as store:
        assert set(store.organizations()) == {f"of-{process.pid}" for process in processes}


def test_a_client_that_stands_still_in_a_change_keeps_others_out_no_longer_than_the_timeout(url: str) -> None:
    """SIGSTOP; meanwhile others read, and wait in vain for less than their own timeout."""
    holder = start("count", f"{url}&timeout=2")
    assert holder.stdout is not None
    assert holder.stdout.readline() == "ready\n"
    with closing(PostgresDirectory(url)) as watcher, psycopg.connect(parted(url)[0]) as connection:
        sessions = (
            "SELECT count(*) FROM pg_stat_activity WHERE state = 'idle in transaction' AND pid <> pg_backend_pid()"
        )
        while True:
            holder.send_signal(signal.SIGSTOP)
            if connection.execute(sessions).fetchone() == (1,):
                break
            connection.rollback()
            holder.send_signal(signal.SIGCONT)
        revision = watcher.revision("kauri")
        count_on(watcher)
        assert watcher.revision("kauri") == revision + 1
    holder.send_signal(signal.SIGCONT)
    assert holder.communicate(timeout=30)[0].startswith("StoreUnavailable: ")


def test_after_a_fork_parent_and_child_use_connections_of_their_own(url: str) -> None:
    """The child can't even end its parent's change by leaving the block."""
    process = start("fork", f"{url}&timeout=3")
    printed = process.communicate(timeout=60)[0].splitlines()
    refusal = printed.pop(2)
    assert refusal.startswith("StoreUnavailable: ")
    assert refusal.endswith("a change ends in the process that began it")
    assert printed[1].startswith("child is told that others have been changing it for as long as the timeout")
    assert [printed[0], *printed[2:]] == ["child reads 1", "parent 2 ['ben']", "child 3", "parent 4"]
    with closing(PostgresDirectory(url)) as store:
        assert audit.verify(store.events("kauri"), store.head("kauri"))


def test_a_server_that_was_killed_is_an_error_and_one_that_is_back_is_used_again(server: PostgresServer) -> None:
    """In the middle of a change too: nothing of that is kept, and all that was finished is."""
    worker.make(server.url)
    with closing(PostgresDirectory(server.url)) as store:
        count_on(store)
        with pytest.raises(StoreUnavailable, match="no connection"):
            count_on(store, server.kill)
        with pytest.raises(StoreUnavailable, match="no connection"):
            store.revision("kauri")
        server.start()
        assert store.revision("kauri") == 2
        assert [user.name for user in store.users("kauri")] == ["1", "1"]
        count_on(store)
        assert store.revision("kauri") == 3


def test_a_server_that_stands_still_is_waited_for_no_longer_than_the_timeout(server: PostgresServer) -> None:
    """On connections that are there, and on new ones; in a change and at its end."""
    worker.make(server.url)
    with closing(PostgresDirectory(f"{server.url}&timeout=2")) as store:
        assert store.revision("kauri") == 1
        server.pause()
        for _ in range(2):
            began = time.monotonic()
            with pytest.raises(StoreUnavailable, match=r"no answer within 2 s|connection timeout expired"):
                store.revision("kauri")
            assert time.monotonic() - began < 4
        server.resume()
        assert store.revision("kauri") == 1
        began = time.monotonic()
        with pytest.raises(StoreUnavailable, match="no answer within 2 s"):
            count_on(store, server.pause)
        assert time.monotonic() - began < 8
        server.resume()
        assert store.revision("kauri") in (1, 2)


def test_a_server_without_a_connection_to_spare_is_an_error_that_says_so(tmp_path: Path) -> None:
    try:
        server = PostgresServer(tmp_path, settings={"max_connections": "4", "superuser_reserved_connections": "0"})
        server.start()
    except ServerMissing as error:
        missing(error)
    with closing(server):
        worker.make(server.url)
        others = [psycopg.connect(server.url) for _ in range(4)]
        with pytest.raises(StoreUnavailable, match=r"too many clients|remaining connection slots"):
            PostgresDirectory(server.url)
        for other in others:
            other.close()
