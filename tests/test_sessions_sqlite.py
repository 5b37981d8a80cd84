"""What only the SQLite session store promises: flat cost, refusals that need no lock, tables that people can read."""

from __future__ import annotations

import sqlite3
from collections.abc import Collection, Iterator
from datetime import timedelta
from pathlib import Path

import pytest
from sqlite_utils import Database

from seatperm.errors import StoreUnavailable
from seatperm.sessions import Full, Seat, SeatRequest, new_token, token_hash
from seatperm.stores.memory_sessions import MemorySessions
from seatperm.stores.sqlite_sessions import SQLiteSessions
from seatperm.testing import ManualClock


def request(
    user: str = "ann",
    client: str | None = None,
    *,
    limit: int = 1,
    per_user: bool = False,
    holds: Collection[str] = (),
    ticket: str | None = None,
) -> SeatRequest:
    return SeatRequest(
        organization="kauri",
        user_id=user,
        client=client,
        session_id=new_token(),
        token_hash=token_hash(new_token()),
        lease=60,
        limit=limit,
        per_user=per_user,
        holds=frozenset(holds),
        ticket=ticket,
    )


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock()


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "seats.db"


@pytest.fixture
def store(path: Path, clock: ManualClock) -> Iterator[SQLiteSessions]:
    store = SQLiteSessions(path, clock, timeout=0.1)
    yield store
    store.close()


def test_sessions_outlive_the_process_that_took_them(store: SQLiteSessions, path: Path, clock: ManualClock) -> None:
    """Another opening of the file finds the same seat, and it counts."""
    mine = request("ann", "desk", holds=["admin"])
    seat = store.acquire(mine)
    store.close()
    again = SQLiteSessions(path, clock)
    assert again.find("kauri", mine.token_hash) == seat
    assert isinstance(again.acquire(request("ben")), Full)
    again.close()


def test_a_refusal_waits_for_no_writer(store: SQLiteSessions, path: Path) -> None:
    """While all seats are taken, being refused needs no lock; a seat of one's own does."""
    mine = request("ann", "desk")
    assert isinstance(store.acquire(mine), Seat)
    assert isinstance(store.acquire(request("ben")), Full)
    with sqlite3.connect(path, isolation_level=None) as writer:
        writer.execute("BEGIN IMMEDIATE")
        full = store.acquire(request("ben"))
        assert full == Full(in_use=1, next_free_in=60)
        with pytest.raises(StoreUnavailable):
            store.acquire(request("ann", "desk"))
        writer.execute("ROLLBACK")
    writer.close()


def test_a_refusal_without_the_lock_misses_no_free_seat(store: SQLiteSessions, clock: ManualClock) -> None:
    """After a refusal: a lease that ran out, a seat given back, a raised limit, one's own client."""
    mine = request("ann", "desk")
    assert isinstance(store.acquire(mine), Seat)
    assert isinstance(store.acquire(request("ben")), Full)
    assert isinstance(store.acquire(request("ann", "desk")), Seat)
    assert isinstance(store.acquire(request("ben")), Full)
    assert isinstance(store.acquire(request("ben", limit=2)), Seat)
    assert isinstance(store.acquire(request("ann", limit=2)), Full)
    assert isinstance(store.acquire(request("ann", limit=2, per_user=True)), Seat)
    assert isinstance(store.acquire(request("cat")), Full)
    clock.advance(timedelta(seconds=60))
    assert isinstance(store.acquire(request("cat")), Seat)


def test_the_work_does_not_grow_with_the_live_sessions(path: Path, clock: ManualClock) -> None:
    """SQLite's own count of steps, for taking, refusing, renewing and giving back, is the same at 3 as at 3,000."""
    store = SQLiteSessions(path, clock)
    steps = 0

    def step() -> int:
        nonlocal steps
        steps += 1
        return 0

    with store._file.write() as connection:
        connection.set_progress_handler(step, 1)

    def measured() -> list[int]:
        nonlocal steps
        mine, counts = request(limit=10_000), list[int]()
        for call in (
            lambda: store.acquire(mine),
            lambda: store.renew("kauri", mine.token_hash, 60),
            lambda: store.acquire(request(limit=1, ticket="t")),
            lambda: store.leave("kauri", "t"),
            lambda: store.release("kauri", mine.session_id, mine.token_hash),
        ):
            steps = 0
            assert call() is not False
            counts.append(steps)
        return counts

    for number in range(3):
        store.acquire(request(f"user-{number}", limit=10_000))
    few = measured()
    for number in range(3_000):
        store.acquire(request(f"user-{number}", limit=10_000))
    many = measured()
    store.close()
    assert min(few) > 10
    assert many == pytest.approx(few, rel=0.1)


def test_people_can_read_and_edit_the_tables(store: SQLiteSessions, path: Path, clock: ManualClock) -> None:
    """Rows say who, since when and until when; one removed by hand gives its seat back."""
    for user in ("ann", "ann", "ben"):
        store.acquire(request(user, limit=3, holds=["admin"]))
    database = Database(path)
    assert {"sessions", "seats", "seat_holders", "seat_queue"} <= set(database.table_names())
    row = next(iter(database.table("sessions").rows_where(order_by="number")))
    assert (row["organization"], row["user_id"], row["holds"]) == ("kauri", "ann", '["admin"]')
    assert row["started_at"] == clock.now().isoformat(timespec="microseconds")
    assert list(database.query("SELECT sessions, users FROM seats")) == [{"sessions": 3, "users": 2}]
    with database.conn:
        database.table("sessions").delete_where("user_id = ?", ["ann"])
    assert list(database.query("SELECT sessions, users FROM seats")) == [{"sessions": 1, "users": 1}]
    assert database.table("seat_holders").count == 1
    database.close()
    assert isinstance(store.acquire(request("cat", limit=2)), Seat)
    assert isinstance(store.acquire(request("cat", limit=2)), Full)


def test_a_closed_store_says_so(store: SQLiteSessions) -> None:
    memory = MemorySessions(ManualClock())
    for closed in (store, memory):
        closed.close()
        with pytest.raises(StoreUnavailable, match="closed"):
            closed.acquire(request())
        with pytest.raises(StoreUnavailable, match="closed"):
            closed.find("kauri", "token")


def test_the_memory_store_forgets_what_is_over() -> None:
    """Ended sessions leave nothing behind, long before their leases would have run out."""
    store = MemorySessions(ManualClock())
    for _ in range(2_000):
        mine = request()
        assert isinstance(store.acquire(mine), Seat)
        assert store.release("kauri", mine.session_id, mine.token_hash)
    assert store._books is not None
    assert len(store._books["kauri"].due) < 20
