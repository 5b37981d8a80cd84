"""A thousand wait for a seat, a third of them die: first come first served among the living, nobody forgotten."""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterator
from contextlib import closing
from datetime import timedelta
from heapq import heappop, heappush
from pathlib import Path
from random import Random

import pytest
from attrs import define, field

import seatperm
from seatperm import Catalog, StoreUnavailable, User
from seatperm.clock import Clock
from seatperm.compiled import Compiled
from seatperm.directory import Organization as Record
from seatperm.license import License
from seatperm.organization.seating import LONGEST_LOOK, LOOK, PATIENCE, Seating
from seatperm.organization.view import View
from seatperm.sessions import Full, Seat, SeatRequest
from seatperm.stores import SessionStore
from seatperm.stores.memory import MemoryDirectory
from seatperm.stores.memory_sessions import MemorySessions
from seatperm.stores.sqlite_sessions import SQLiteSessions
from seatperm.testing.clock import ManualClock

HOLD = 0.02
"""Seconds that each holds its seat."""


@define
class Crowd:
    """Waiters in a time of their own: each goes on when the time comes that it wanted to wait for."""

    seating: Seating
    clock: ManualClock
    dies: Callable[[int], float | None]
    granted: list[int] = field(factory=list)
    at: list[float] = field(factory=list)
    most: int = 0
    asked: int = 0
    _due: list[tuple[float, int, Generator[float, None, None]]] = field(factory=list)

    def wait(self, count: int) -> None:
        """Let so many come, one each millisecond, and go on until the last has gone."""
        for number in range(count):
            heappush(self._due, (number / 1000, number, self._one(number)))
        gone: list[Generator[float, None, None]] = []
        while self._due:
            moment, number, steps = heappop(self._due)
            dies = self.dies(number)
            if dies is not None and moment >= dies:
                gone.append(steps)  # killed: nothing of it runs any more, not even its cleanup
                continue
            self.clock.advance(timedelta(seconds=max(0.0, moment - self.clock.elapsed())))
            self.asked += 1
            try:
                pause = next(steps)
            except StopIteration:
                continue
            heappush(self._due, (self.clock.elapsed() + pause, number, steps))

    def _one(self, number: int) -> Generator[float, None, None]:
        user = User(f"user-{number}", "", "")
        seat, token, _ = yield from self.seating.taking(user, None, timedelta(hours=1), None)
        self.granted.append(number)
        self.at.append(self.clock.elapsed())
        live = len(list(self.seating.store.live("kauri")))
        self.most = max(self.most, live)
        yield HOLD
        assert self.seating.store.release("kauri", seat.id, None), token


def crowd(
    catalog: Catalog, store: SessionStore, clock: ManualClock, limit: int, dies: Callable[[int], float | None]
) -> Crowd:
    directory = MemoryDirectory()
    with directory.change() as change:
        change.put_organization(Record("kauri", License("trade", session_limit=limit)))
        for number in range(1000):
            change.put_user("kauri", User(f"user-{number}", "", ""), email_key=None)
    view = View("kauri", Compiled(catalog), directory, clock, 1e9, 1e9)
    return Crowd(Seating(view, store, 1800.0, told=False, retention=timedelta(0)), clock, dies)


@pytest.fixture(params=["memory", "sqlite"])
def store(request: pytest.FixtureRequest, tmp_path: Path, clock: Clock) -> Iterator[SessionStore]:
    with closing(
        MemorySessions(clock) if request.param == "memory" else SQLiteSessions(tmp_path / "seats.db", clock)
    ) as opened:
        yield opened


def test_a_thousand_wait_a_third_dies_and_nobody_living_is_forgotten_or_passed(
    catalog: Catalog, store: SessionStore, clock: ManualClock
) -> None:
    """A dead one delays nobody beyond one patience, and the queue does not press upon the store."""
    chance = Random(7)
    deaths = {number: chance.uniform(0, 20) for number in range(1000) if number % 3 == 1}
    waiting = crowd(catalog, store, clock, 5, deaths.get)
    waiting.wait(1000)
    living = [number for number in range(1000) if number not in deaths]
    assert set(living) <= set(waiting.granted)
    assert waiting.most <= 5
    # Five seats: who asks at the same moment may be up to four places early, and no more.
    order = [number for number in waiting.granted if number not in deaths]
    assert all(abs(place - living.index(number)) < 5 for place, number in enumerate(order))
    gaps = [after - before for before, after in zip(waiting.at, waiting.at[1:], strict=False)]
    assert max(gaps) <= PATIENCE + LOOK * 6 + HOLD
    assert waiting.asked / waiting.at[-1] < 400


def test_one_seat_is_given_strictly_in_the_order_of_asking(
    catalog: Catalog, store: SessionStore, clock: ManualClock
) -> None:
    """And when nobody is dead, it is never free for longer than the next one takes to look."""
    waiting = crowd(catalog, store, clock, 1, lambda number: None)
    waiting.wait(150)
    assert waiting.granted == list(range(150))
    gaps = [after - before for before, after in zip(waiting.at, waiting.at[1:], strict=False)]
    assert max(gaps) <= LOOK * 2 + HOLD + 0.001


def test_a_wave_of_free_seats_wakes_everybody_within_the_longest_look(
    catalog: Catalog, store: SessionStore, clock: ManualClock
) -> None:
    """Who stands far behind asks rarely, and yet well within the patience."""
    waiting = crowd(catalog, store, clock, 1, lambda number: None)
    held = crowd(catalog, store, clock, 1, lambda number: None).seating
    steps = held.taking(User("user-0", "", ""), None, None, None)
    with pytest.raises(StopIteration):
        next(steps)
    crowd_of = 300
    view = waiting.seating.view

    def open_doors(number: int) -> float | None:
        if clock.elapsed() > 30 and view.record.license.session_limit == 1:
            with view.directory.change() as change:
                change.put_organization(Record("kauri", License("trade", session_limit=1000)))
            view.reread()
        return None

    waiting.dies = open_doors
    waiting.wait(crowd_of)
    assert len(waiting.granted) == crowd_of
    assert max(waiting.at) - 30 <= LONGEST_LOOK * PATIENCE + 0.1
    assert sorted(waiting.granted) == list(range(crowd_of))


def test_who_waits_at_a_store_that_fails_waits_for_no_second_timeout(catalog: Catalog) -> None:
    """The place in the queue is not given up by another call: its patience ends it."""

    class Failing(MemorySessions):
        left = 0

        def acquire(self, request: SeatRequest) -> Seat | Full:
            raise StoreUnavailable(self.url, "it did not answer in 5 s")

        def leave(self, organization: str, ticket: str) -> None:
            self.left += 1

    clock = ManualClock()
    store = Failing(clock)
    with closing(seatperm.open(catalog, "memory://", session_store=store, clock=clock)) as org:
        org.users.add(id="tom", email="tom@kauri.example", name="Tom")
        with pytest.raises(StoreUnavailable):
            org.sign_in("tom", wait=timedelta(seconds=5))
    assert store.left == 0
