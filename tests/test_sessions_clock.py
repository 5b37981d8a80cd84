"""The clock decides when leases end: the boot clock, whatever the wall clock says."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from seatperm.errors import InvalidValue
from seatperm.sessions import Full, Seat, SeatRequest, new_token, token_hash
from seatperm.stores import SessionStore
from seatperm.stores.opening import open_sessions
from seatperm.testing import ManualClock


def request(user: str = "ann", *, limit: int = 1, lease: float = 1800) -> SeatRequest:
    return SeatRequest("kauri", user, None, new_token(), token_hash(new_token()), lease, limit)


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock()


@pytest.fixture(params=["memory", "sqlite"])
def store(request: pytest.FixtureRequest, clock: ManualClock, tmp_path: Path) -> Iterator[SessionStore]:
    url = "memory://" if request.param == "memory" else f"sqlite:///{tmp_path}/seats.db"
    store = open_sessions(url, clock)
    yield store
    store.close()


@pytest.mark.parametrize("hours", [-1, 1])
def test_a_stepped_wall_clock_frees_and_keeps_nobody(store: SessionStore, clock: ManualClock, hours: int) -> None:
    mine = request()
    assert isinstance(store.acquire(mine), Seat)
    clock.step(timedelta(hours=hours))
    assert store.find("kauri", mine.token_hash) is not None
    assert isinstance(store.acquire(request("ben")), Full)
    clock.advance(timedelta(seconds=1799.999999))
    assert store.find("kauri", mine.token_hash) is not None
    clock.advance(timedelta(microseconds=1))
    assert store.find("kauri", mine.token_hash) is None
    assert isinstance(store.acquire(request("ben")), Seat)


def test_a_reboot_ends_every_lease_and_every_place(store: SessionStore, clock: ManualClock) -> None:
    """Nothing of before the boot is renewed, released, found or waited for."""
    clock.advance(timedelta(days=3))
    mine = request()
    assert isinstance(store.acquire(mine), Seat)
    waiting = SeatRequest("kauri", "ben", None, "session", token_hash("b"), 60, 1, ticket="b")
    assert isinstance(store.acquire(waiting), Full)
    clock.reboot()
    assert store.find("kauri", mine.token_hash) is None
    assert store.renew("kauri", mine.token_hash, 60) is None
    assert not store.release("kauri", mine.session_id, mine.token_hash)
    assert not store.release("kauri", mine.session_id, None)
    assert list(store.live("kauri")) == []
    assert isinstance(store.acquire(request("cat")), Seat)
    assert isinstance(store.acquire(request("dan")), Full)


def test_ten_tenths_of_a_lease_are_a_lease(store: SessionStore, clock: ManualClock) -> None:
    """Parts add up to the tick."""
    clock.advance(timedelta(seconds=0.3))
    mine = request(lease=0.7)
    assert isinstance(store.acquire(mine), Seat)
    for _ in range(6):
        clock.advance(timedelta(seconds=0.1))
    assert store.find("kauri", mine.token_hash) is not None
    clock.advance(timedelta(seconds=0.1))
    assert store.find("kauri", mine.token_hash) is None


def test_times_for_people_are_in_utc(store: SessionStore, clock: ManualClock) -> None:
    seat = store.acquire(request(lease=60))
    assert isinstance(seat, Seat)
    assert (seat.started_at, seat.expires_at) == (clock.now(), clock.now() + timedelta(minutes=1))
    assert seat.started_at.tzinfo is UTC


def test_a_manual_clock_moves_only_when_told() -> None:
    clock = ManualClock(datetime(2027, 3, 1, tzinfo=UTC))
    clock.advance(timedelta(minutes=1))
    assert (clock.now(), clock.elapsed()) == (datetime(2027, 3, 1, 0, 1, tzinfo=UTC), 60)
    clock.step(timedelta(minutes=-1))
    assert (clock.now(), clock.elapsed()) == (datetime(2027, 3, 1, tzinfo=UTC), 60)
    boot = clock.boot
    clock.reboot()
    assert clock.boot != boot
    assert (clock.now(), clock.elapsed()) == (datetime(2027, 3, 1, tzinfo=UTC), 0)


def test_a_manual_clock_refuses_to_run_backwards_or_without_a_zone() -> None:
    with pytest.raises(InvalidValue, match=r"step\(\)"):
        ManualClock().advance(timedelta(seconds=-1))
    with pytest.raises(InvalidValue, match="time zone"):
        ManualClock(datetime(2027, 3, 1))
