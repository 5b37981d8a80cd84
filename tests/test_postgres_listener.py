"""A change in PostgreSQL is heard of sooner than it is asked for, where that can be, and asked for where it can't."""

from __future__ import annotations

import os
import select
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from datetime import timedelta

import psycopg
import pytest

import seatperm
from seatperm import Catalog, Organization
from seatperm.stores import Notifying
from seatperm.stores.postgres import PostgresDirectory
from seatperm.stores.postgres_url import PostgresURL
from seatperm.testing import ManualClock

from . import directory_worker as worker
from .books import START, catalog
from .servers import parted

__all__ = ["catalog"]

LONG = timedelta(hours=1)


@pytest.fixture
def url(postgres_store: str) -> str:
    """A store with one organization and two users who count."""
    worker.make(postgres_store)
    return postgres_store


def count_on(store: PostgresDirectory) -> None:
    with store.change() as change:
        worker.count_on(change)


def listening(store: PostgresDirectory) -> int | None:
    """Let the store listen, and return its number."""
    assert store.notified("kauri") is None
    store.revision("kauri")
    return store.notified("kauri")


def heard(store: PostgresDirectory, before: int | None) -> bool:
    """Wait for another number."""
    end = time.monotonic() + 10
    while store.notified("kauri") == before and time.monotonic() < end:
        time.sleep(0.001)
    return store.notified("kauri") != before


def test_a_change_of_another_store_object_is_heard_of(url: str) -> None:
    """One of this organization, and one that was kept; another organization's number stays."""
    with closing(PostgresDirectory(url)) as store, closing(PostgresDirectory(url)) as other:
        assert isinstance(store, Notifying)
        before = listening(store)
        assert before is not None
        elsewhere = store.notified("rimu")
        with suppress(ZeroDivisionError), other.change() as change:
            worker.count_on(change)
            raise ZeroDivisionError
        count_on(other)
        assert heard(store, before)
        assert store.notified("kauri") == before + 1
        assert store.notified("rimu") == elsewhere


def test_a_listener_whose_connection_is_lost_says_so_and_begins_again_with_another_number(url: str) -> None:
    """What was changed meanwhile is not missed: the number is none that was there before."""
    with closing(PostgresDirectory(url)) as store:
        before = listening(store)
        where, channel = parted(url)
        with psycopg.connect(where, autocommit=True) as connection:
            ended = connection.execute(
                "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity WHERE query = %s",
                (f'LISTEN "{channel}"',),
            ).fetchone()
        assert ended == (1,)
        assert heard(store, before)
        assert store.notified("kauri") is None
        end = time.monotonic() + 20
        while store.notified("kauri") is None and time.monotonic() < end:
            store.revision("kauri")
            time.sleep(0.05)
        after = store.notified("kauri")
        assert after is not None
        assert after != before


def test_a_forked_child_listens_by_itself(url: str) -> None:
    with closing(PostgresDirectory(url)) as store:
        before = listening(store)
        child = os.fork()
        if child == 0:
            os._exit(0 if store.notified("kauri") is None else 1)
        assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
        count_on(store)
        assert heard(store, before)


@contextmanager
def pooler(url: str) -> Iterator[str]:
    """Give a URL at which each client is told of a backend that is not its own, as poolers do."""
    where = PostgresURL.parse(url)
    user = f"{where.libpq.get('user', '')}:{where.libpq.get('password', '')}"
    with socket.create_server(("127.0.0.1", 0)) as listener:
        place = f"127.0.0.1:{listener.getsockname()[1]}/{where.libpq.get('dbname', '')}"
        threading.Thread(target=serve, args=(listener, where.libpq), daemon=True).start()
        yield f"postgresql://{user}@{place}?schema={where.schema}&sslmode=disable&gssencmode=disable"


def reached(libpq: dict[str, str]) -> socket.socket:
    """Return a connection to the server."""
    host, port = libpq.get("host", "localhost"), libpq.get("port", "5432")
    if not host.startswith("/"):
        return socket.create_connection((host, int(port)))
    found = socket.socket(socket.AF_UNIX)
    found.connect(f"{host}/.s.PGSQL.{port}")
    return found


def serve(listener: socket.socket, libpq: dict[str, str]) -> None:
    with suppress(OSError):
        while True:
            client = listener.accept()[0]
            threading.Thread(target=pass_on, args=(client, reached(libpq)), daemon=True).start()


def pass_on(client: socket.socket, upstream: socket.socket) -> None:
    key = b"K\0\0\0\x0c"
    with suppress(OSError), client, upstream:
        while True:
            for source in select.select([client, upstream], [], [])[0]:
                data = source.recv(65536)
                if not data:
                    return
                if source is upstream and key in data:
                    begin, _, end = data.partition(key)
                    data, key = begin + key + b"\0\0\0\x07" + end[4:], b"none of it again"
                (upstream if source is client else client).sendall(data)


def test_behind_a_pooler_it_asks_as_any_store_does(url: str) -> None:
    """It does not leave a LISTEN behind on a connection that is another client's next."""
    with pooler(url) as pooled, closing(PostgresDirectory(pooled)) as store:
        assert store.revision("kauri") == 1
        for _ in range(3):
            assert listening(store) is None
        count_on(store)
        assert store.revision("kauri") == 2


def test_an_organization_sees_a_change_sooner_than_it_would_ask(catalog: Catalog, postgres_store: str) -> None:
    """By its clock a twentieth of a second after it was told, where an hour would pass before the next asking."""
    clock = ManualClock(START)

    def opened() -> Organization:
        return seatperm.open(catalog, postgres_store, clock=clock, staleness=LONG, max_stale=LONG)

    with closing(opened()) as here, closing(opened()) as there:
        here.users.add(id="ann", email="ann@kauri.example", name="Ann", roles=["bookkeeper"])
        clock.advance(timedelta(seconds=1))
        assert there.can("ann", "ledger", "edit")
        clock.advance(timedelta(seconds=0.1))
        assert there.can("ann", "ledger", "edit")
        for role, holds in (("unassign", False), ("assign", True), ("unassign", False)):
            getattr(here.users, role)("ann", "bookkeeper")
            end = time.monotonic() + 10
            while there.can("ann", "ledger", "edit") != holds and time.monotonic() < end:
                clock.advance(timedelta(seconds=0.05))
                time.sleep(0.001)
            assert there.can("ann", "ledger", "edit") == holds
        assert clock.now() - START < LONG / 2
