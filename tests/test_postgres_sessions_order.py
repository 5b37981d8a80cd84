"""Two transactions in the PostgreSQL session store at once, in each order that could go wrong."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager

import psycopg
import pytest
from attrs import evolve

from seatperm.errors import StoreDamaged, StoreUnavailable
from seatperm.sessions import Full, Seat, SeatRequest, new_token, token_hash
from seatperm.stores.postgres_database import PostgresDatabase, PostgresTransaction, Row, Values
from seatperm.stores.postgres_sessions import PostgresSessions


class OneTransaction(PostgresDatabase):
    """A database whose every statement is part of one transaction, ended when the test says so."""

    inside: PostgresTransaction | None = None

    def rows(self, sql: str, values: Values = ()) -> list[Row]:
        return super().rows(sql, values) if self.inside is None else self.inside.rows(sql, values)


def request(user: str, client: str | None = None, *, limit: int = 1, lease: float = 60.0) -> SeatRequest:
    return SeatRequest("kauri", user, client, new_token(), token_hash(new_token()), lease, limit)


def reserved(request: SeatRequest) -> SeatRequest:
    """Return the request with a reserved role in its license, so that the slower function decides."""
    return evolve(request, reserved={"admin": 1}, holds=frozenset(["admin"]))


@pytest.fixture
def store(postgres_store: str) -> Iterator[PostgresSessions]:
    store = PostgresSessions(postgres_store)
    yield store
    store.close()


@contextmanager
def open_transaction(store: PostgresSessions, url: str) -> Iterator[PostgresSessions]:
    """Give a store whose calls are kept together at the end of the block, or undone after `Undo`."""
    database = OneTransaction(url)
    slow = PostgresSessions(url, database=database)
    try:
        with database.write() as database.inside:
            yield slow
    except Undo:
        pass
    finally:
        slow.close()


def commit(slow: PostgresSessions) -> None:
    """Keep what an open transaction has done so far."""
    database = slow._database
    assert isinstance(database, OneTransaction)
    assert database.inside is not None
    database.inside.execute("COMMIT")


class Undo(Exception):
    """Undoes an open transaction."""


@contextmanager
def waits(store: PostgresSessions, call: Callable[[], object]) -> Iterator[Future[object]]:
    """Run a call in a thread; it must be waiting for a lock when the block begins."""
    with ThreadPoolExecutor(1) as pool:
        future = pool.submit(call)
        end = time.monotonic() + 5
        while not store._database.rows("SELECT 1 FROM pg_stat_activity WHERE wait_event_type = 'Lock'"):
            assert not future.done(), f"it did not wait: {future.result()}"
            assert time.monotonic() < end
        yield future


def test_a_seat_that_another_is_taking_is_not_given_and_not_waited_for(
    store: PostgresSessions, postgres_store: str
) -> None:
    """The refusal may come early by one commit; where that other one fails, the seat is there again."""
    ended = request("ann")
    store.acquire(ended)
    store.release("kauri", ended.session_id, ended.token_hash)
    with open_transaction(store, postgres_store) as slow:
        assert isinstance(slow.acquire(request("ben")), Seat)
        assert isinstance(store.acquire(request("cat")), Full)
        raise Undo
    assert isinstance(store.acquire(request("cat")), Seat)


@pytest.mark.parametrize("first_decides", [True, False])
def test_two_ways_of_taking_the_last_seat_wait_for_each_other(
    store: PostgresSessions, postgres_store: str, first_decides: bool
) -> None:
    """Whichever comes first, the other one sees what it did."""
    for user in ("ann", "ben"):
        ended = request(user, limit=2)
        store.acquire(ended)
        if user == "ben":
            store.release("kauri", ended.session_id, ended.token_hash)
    plain, decided = request("cat", limit=2), reserved(request("dan", limit=2))
    first, second = (decided, plain) if first_decides else (plain, decided)
    with open_transaction(store, postgres_store) as slow:
        assert isinstance(slow.acquire(first), Seat)
        with waits(store, lambda: store.acquire(second)) as answer:
            commit(slow)
        full = answer.result()
        assert isinstance(full, Full)
        assert full.in_use == 2


def test_a_lowered_limit_waits_for_who_asked_with_the_higher_one(store: PostgresSessions, postgres_store: str) -> None:
    """And then refuses: both are counted."""
    store.acquire(request("ann", limit=3))
    with open_transaction(store, postgres_store) as slow:
        assert isinstance(slow.acquire(request("ben", limit=3)), Seat)
        with waits(store, lambda: store.acquire(request("cat", limit=2))) as answer:
            commit(slow)
        full = answer.result()
        assert isinstance(full, Full)
        assert full.in_use == 2


@pytest.mark.parametrize("client", [None, "desk"])
def test_a_request_that_overtakes_itself_takes_one_seat(
    store: PostgresSessions, postgres_store: str, client: str | None
) -> None:
    """Sent again while the first one is still being decided, it waits and keeps the session."""
    store.acquire(request("ann", limit=5))
    mine = request("ben", client, limit=5)
    with open_transaction(store, postgres_store) as slow:
        first = slow.acquire(mine)
        with waits(store, lambda: store.acquire(mine)) as answer:
            commit(slow)
        second = answer.result()
        assert isinstance(first, Seat)
        assert isinstance(second, Seat)
        assert first.id == second.id
    assert [seat.user_id for seat in store.live("kauri")] == ["ann", "ben"]


def test_a_client_comes_back_while_its_session_is_being_ended(store: PostgresSessions, postgres_store: str) -> None:
    """It waits for the end and takes a new session."""
    mine = request("ann", "desk")
    store.acquire(mine)
    with open_transaction(store, postgres_store) as slow:
        assert slow.release("kauri", mine.session_id, mine.token_hash)
        with waits(store, lambda: store.acquire(request("ann", "desk"))) as answer:
            commit(slow)
        seat = answer.result()
        assert isinstance(seat, Seat)
        assert seat.id != mine.session_id


def test_a_late_renewal_finds_that_another_has_the_seat(store: PostgresSessions, postgres_store: str) -> None:
    """It waited for the row, and looks at what the row says by then."""
    mine = request("ann", lease=0.3)
    store.acquire(mine)
    time.sleep(0.2)
    with open_transaction(store, postgres_store) as slow:
        time.sleep(0.15)
        other = request("ben")
        assert isinstance(slow.acquire(other), Seat)
        # As if it had begun before the end of the lease, and come to the row only now.
        late = "UPDATE $.seats SET ends = ends + interval '1 hour' WHERE token_hash = %s AND ends > %s RETURNING id"
        values = (mine.token_hash, "2000-01-01T00:00:00Z")
        with waits(store, lambda: store._database.rows(late, values)) as answer:
            commit(slow)
        assert answer.result() == []
    assert store.find("kauri", other.token_hash) is not None


def test_a_renewal_on_its_way_keeps_its_seat(store: PostgresSessions, postgres_store: str) -> None:
    """Though its lease has run out, by what is committed so far."""
    mine = request("ann", lease=0.3)
    store.acquire(mine)
    with open_transaction(store, postgres_store) as slow:
        assert slow.renew("kauri", mine.token_hash, 60) is not None
        time.sleep(0.35)
        assert isinstance(store.acquire(request("ben")), Full)
        with waits(store, lambda: store.acquire(reserved(request("cat")))) as answer:
            commit(slow)
        full = answer.result()
        assert isinstance(full, Full)
        assert full.in_use == 1
    assert store.find("kauri", mine.token_hash) is not None


def test_a_lease_taken_after_a_wait_runs_from_after_the_wait(store: PostgresSessions, postgres_store: str) -> None:
    """`now()` would be older by the wait."""
    store.acquire(request("ann", limit=5))
    with open_transaction(store, postgres_store) as slow:
        slow.acquire(reserved(request("ben", limit=5)))
        with waits(store, lambda: store.acquire(request("cat", limit=5, lease=1.0))) as answer:
            time.sleep(0.5)
            commit(slow)
        seat = answer.result()
        assert isinstance(seat, Seat)
    found = next(each for each in store.live("kauri") if each.user_id == "cat")
    assert found.remaining > 0.6


def test_only_read_committed_decides(postgres_store: str) -> None:
    """An older snapshot would see seats that are gone: no seat is taken so."""
    separator = "&" if "?" in postgres_store else "?"
    url = f"{postgres_store}{separator}options=-c%20default_transaction_isolation%3Dserializable"
    store = PostgresSessions(url)
    for asking in (request("ann"), reserved(request("ann"))):
        with pytest.raises(StoreUnavailable, match="default_transaction_isolation"):
            store.acquire(asking)
    store.close()


def test_a_grant_is_on_the_disk_whatever_the_server_is_set_to(postgres_store: str) -> None:
    """`synchronous_commit` is on in each transaction that grants, renews or ends; a mere refusal may go without."""
    separator = "&" if "?" in postgres_store else "?"
    url = f"{postgres_store}{separator}options=-c%20synchronous_commit%3Doff"
    database = OneTransaction(url)
    store = PostgresSessions(url, database=database)
    mine, found = request("ann", "desk", limit=2), list[str]()

    def after(call: Callable[[], object]) -> None:
        with database.write() as database.inside:
            call()
            ((setting,),) = database.inside.rows("SHOW synchronous_commit")
            found.append(setting)

    after(lambda: store.acquire(mine))
    after(lambda: store.acquire(request("ben", limit=2)))
    after(lambda: store.acquire(mine))
    after(lambda: store.acquire(reserved(mine)))
    after(lambda: store.renew("kauri", mine.token_hash, 60))
    after(lambda: store.release("kauri", mine.session_id, mine.token_hash))
    assert found == ["on"] * 6
    store.close()


def test_rows_removed_by_hand_open_no_door(store: PostgresSessions, postgres_url: str, postgres_store: str) -> None:
    """Without the row of an organization its seats are counted anew; without the store's own, nobody gets in."""
    schema = postgres_store.rpartition("schema=")[2]
    with psycopg.connect(postgres_url, autocommit=True) as connection:
        assert isinstance(store.acquire(request("ann", limit=3)), Seat)
        connection.execute(f"DELETE FROM {schema}.seat_books WHERE organization = 'kauri'".encode())
        assert isinstance(store.acquire(request("ben", limit=1)), Full)
        connection.execute(f"DELETE FROM {schema}.seat_books".encode())
        with pytest.raises(StoreDamaged, match="lacks the row"):
            store.acquire(request("ben", limit=3))
