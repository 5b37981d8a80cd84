"""Which memory the seats are kept in is written down before the first is asked for; a call broken off keeps none."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from datetime import timedelta
from pathlib import Path

import pytest

import seatperm
from seatperm import Catalog, Organization, SeatsExhausted, StoreUnavailable
from seatperm.sessions import Full, Seat, SeatRequest
from seatperm.stores.memory import MemoryDirectory
from seatperm.stores.memory_sessions import MemorySessions
from seatperm.stores.sqlite import SQLiteDirectory
from seatperm.testing.clock import ManualClock


class Forgetful(MemorySessions):
    """A session store with an epoch, which notes what it is asked; a call may be broken off once it is granted."""

    name: str | None = "e1"
    cut_off = False
    broken_off: type[BaseException] | None = None

    def __init__(self, clock: ManualClock) -> None:
        super().__init__(clock)
        self.asked: list[str | None] = []

    def epoch(self, organization: str) -> str | None:  # type: ignore[override]  # the reference has none
        if self.cut_off:
            raise StoreUnavailable(self.url, "no answer")
        self.asked.append("epoch")
        return self.name

    def acquire(self, request: SeatRequest) -> Seat | Full:
        self.asked.append(request.epoch)
        answer = super().acquire(request)
        if self.broken_off is not None:
            raise self.broken_off
        return answer


@pytest.fixture
def seats(clock: ManualClock) -> Forgetful:
    return Forgetful(clock)


@pytest.fixture
def booked(catalog: Catalog, seats: Forgetful, clock: ManualClock) -> Iterator[Organization]:
    with closing(seatperm.open(catalog, "memory://", session_store=seats, clock=clock)) as opened:
        opened.users.add(id="ann", email="ann@kauri.example", name="Ann")
        yield opened


def test_the_epoch_is_written_before_the_first_seat_is_asked_for(
    catalog: Catalog, seats: Forgetful, clock: ManualClock, tmp_path: Path
) -> None:
    """Once for all processes; it goes with every request."""
    path = tmp_path / "books.db"
    for _ in range(2):
        with (
            closing(SQLiteDirectory(path)) as directory,
            closing(seatperm.open(catalog, directory, session_store=seats, clock=clock)) as org,
        ):
            if "ann" not in {user.id for user in org.users}:
                org.users.add(id="ann", email="ann@kauri.example", name="Ann")
            for _ in range(2):
                org.sign_in("ann").end()
            assert directory.organization(org.id).epoch == "e1"
    assert seats.asked == ["epoch", "e1", "e1", "e1", "e1"]


def test_what_the_directory_says_stays_when_the_store_is_another(
    catalog: Catalog, seats: Forgetful, clock: ManualClock
) -> None:
    """Nobody but the store makes anything of it: it gets what was written, and closes its doors for a while."""
    directory = MemoryDirectory()
    org = seatperm.open(catalog, directory, session_store=seats, clock=clock)
    org.users.add(id="ann", email="ann@kauri.example", name="Ann")
    org.sign_in("ann").end()
    other = Forgetful(clock)
    other.name = "e2"
    moved = seatperm.open(catalog, directory, session_store=other, clock=clock)
    moved.sign_in("ann").end()
    assert other.asked == ["e1"]
    assert directory.organization(moved.id).epoch == "e1"


def test_a_store_that_loses_nothing_is_asked_for_its_epoch_once(booked: Organization, seats: Forgetful) -> None:
    seats.name = None
    for _ in range(3):
        booked.sign_in("ann").end()
    assert seats.asked == ["epoch", None, None, None]


def test_no_seat_is_asked_for_while_the_epoch_is_not_known(booked: Organization, seats: Forgetful) -> None:
    """Else a store that lost its memory in between would know nothing of it."""
    seats.cut_off = True
    with pytest.raises(StoreUnavailable):
        booked.sign_in("ann")
    assert seats.asked == []


@pytest.mark.parametrize("client", [None, "desk"])
def test_a_sign_in_that_is_broken_off_leaves_no_seat_behind(
    booked: Organization, seats: Forgetful, client: str | None
) -> None:
    """Whether the store had answered or not; nothing is told of it."""
    seats.broken_off = KeyboardInterrupt
    with pytest.raises(KeyboardInterrupt):
        booked.sign_in("ann", client)
    assert len(booked.sessions) == 0
    assert list(booked.sessions.history()) == []


def test_a_wait_that_is_broken_off_leaves_no_place_behind(booked: Organization, seats: Forgetful) -> None:
    """The next one need not wait for its patience."""
    held = booked.sign_in("ann")
    seats.broken_off = KeyboardInterrupt
    with pytest.raises(KeyboardInterrupt):
        booked.sign_in("ann", wait=timedelta(seconds=60))
    seats.broken_off = None
    held.end()
    booked.sign_in("ann").end()
    held = booked.sign_in("ann")
    with pytest.raises(SeatsExhausted):
        booked.sign_in("ann", wait=timedelta(milliseconds=20))
    held.end()
    booked.sign_in("ann").end()
