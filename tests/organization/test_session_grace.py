"""What a session does while a store does not answer, and how its holder learns in time that its seat is gone."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import closing
from datetime import timedelta
from typing import Any

import pytest

import seatperm
from seatperm import Catalog, InvalidValue, Organization, SessionEnded, StoreUnavailable
from seatperm.organization import known
from seatperm.sessions import Full, Seat, SeatRequest
from seatperm.stores.memory import MemoryDirectory
from seatperm.stores.memory_sessions import MemorySessions
from seatperm.testing.clock import ManualClock

LEASE = timedelta(minutes=30)
MAX_STALE = timedelta(minutes=1)


class Cut(MemorySessions):
    """A session store that can be cut off, that counts how often it is asked then, or whose answers take long."""

    off = False
    asked = 0
    slow = timedelta(0)

    def _answer(self) -> None:
        self.asked += 1
        if self.off:
            raise StoreUnavailable(self.url, "cut off")

    def _later(self) -> None:
        clock = self._clock
        assert isinstance(clock, ManualClock)
        clock.advance(self.slow)

    def acquire(self, request: SeatRequest) -> Seat | Full:
        self._answer()
        return super().acquire(request)

    def find(self, organization: str, token_hash: str) -> Seat | None:
        self._answer()
        seat = super().find(organization, token_hash)
        self._later()
        return seat

    def renew(
        self, organization: str, token_hash: str, lease: float, *, new_token_hash: str | None = None
    ) -> Seat | None:
        self._answer()
        seat = super().renew(organization, token_hash, lease, new_token_hash=new_token_hash)
        self._later()
        return seat

    def release(self, organization: str, session_id: str, token_hash: str | None) -> bool:
        self._answer()
        return super().release(organization, session_id, token_hash)


class Gone(MemoryDirectory):
    """A directory that can be cut off."""

    off = False

    def revision(self, organization: str) -> int:
        if self.off:
            raise StoreUnavailable(self.url, "cut off")
        return super().revision(organization)


@pytest.fixture
def seats(clock: ManualClock) -> Cut:
    return Cut(clock)


@pytest.fixture
def directory() -> Gone:
    return Gone()


@pytest.fixture
def booked(catalog: Catalog, directory: Gone, seats: Cut, clock: ManualClock) -> Iterator[Organization]:
    """An organization of three seats whose stores can be cut off."""
    with closing(seatperm.open(catalog, directory, session_store=seats, clock=clock)) as opened:
        opened.change_license(session_limit=3)
        opened.users.add(id="ann", email="ann@kauri.example", name="Ann", roles=["organization_admin"])
        yield opened


Call = Callable[[Organization, seatperm.Session, Any], object]
TOUCH: Call = lambda org, session, how: session.touch(on_unavailable=how)  # noqa: E731
CAN: Call = lambda org, session, how: session.can("organization.users", "view", on_unavailable=how)  # noqa: E731
RESUME: Call = lambda org, session, how: org.resume(session.token, on_unavailable=how)  # noqa: E731
CALLS = pytest.mark.parametrize("call", [TOUCH, CAN, RESUME], ids=["touch", "can", "resume"])


@CALLS
@pytest.mark.parametrize("odd", ["allow", "", None, True])
def test_a_host_says_deny_or_grace(booked: Organization, call: Call, odd: Any) -> None:
    """Whether the store answers or not: a mistyped word must not come out at the first outage."""
    session = booked.sign_in("ann")
    with pytest.raises(InvalidValue, match="on_unavailable"):
        call(booked, session, odd)


@CALLS
def test_with_grace_a_session_goes_on_until_its_lease_runs_out(
    booked: Organization, seats: Cut, clock: ManualClock, call: Call
) -> None:
    """To the tick, and not longer however often it asks."""
    session = booked.sign_in("ann")
    seats.off = True
    for part in (0.05, 0.45, 0.4999):
        clock.advance(LEASE * part)
        call(booked, session, "grace")
    clock.advance(LEASE * 0.0001)
    with pytest.raises(SessionEnded) as over:
        call(booked, session, "grace")
    assert over.value.reason == "expired"


@pytest.mark.parametrize(
    ("call", "after", "answers"),
    [
        (TOUCH, timedelta(seconds=30), True),
        (TOUCH, LEASE / 10, False),
        (CAN, MAX_STALE - timedelta(seconds=1), True),
        (CAN, MAX_STALE, False),
        (RESUME, timedelta(0), False),
    ],
)
def test_denied_is_what_can_not_be_known(
    booked: Organization, seats: Cut, clock: ManualClock, call: Call, after: timedelta, answers: bool
) -> None:
    """Nothing was ended by others as far as was known lately: for `max_stale`, and not to who renews or resumes."""
    session = booked.sign_in("ann")
    seats.off = True
    clock.advance(after)
    if answers:
        call(booked, session, "deny")
    else:
        with pytest.raises(StoreUnavailable):
            call(booked, session, "deny")
    seats.off = False
    call(booked, session, "deny")


@CALLS
def test_a_grace_ends_when_the_store_answers_that_it_is_over(
    booked: Organization, seats: Cut, clock: ManualClock, call: Call
) -> None:
    session = booked.sign_in("ann")
    seats.off = True
    clock.advance(LEASE / 2)
    call(booked, session, "grace")
    seats.off = False
    assert seats.release(booked.id, session.id, None)
    clock.advance(timedelta(seconds=1))
    with pytest.raises(SessionEnded):
        call(booked, session, "grace")


def test_nobody_new_is_let_in_by_grace(
    booked: Organization, catalog: Catalog, directory: Gone, seats: Cut, clock: ManualClock
) -> None:
    """Neither a sign-in, nor a token that this process has not seen, or seen die."""
    session = booked.sign_in("ann", "desk")
    old = session.token
    session.rotate()
    with closing(seatperm.open(catalog, directory, session_store=seats, clock=clock)) as elsewhere:
        seats.off = True
        for org, token in ((elsewhere, session.token), (booked, old), (booked, "forged")):
            with pytest.raises(StoreUnavailable):
                org.resume(token, on_unavailable="grace")
    with pytest.raises(StoreUnavailable):
        booked.sign_in("ann")
    assert booked.resume(session.token, on_unavailable="grace").id == session.id


def test_what_this_process_has_ended_is_over_though_the_store_is_gone(booked: Organization, seats: Cut) -> None:
    """By its holder, by an administrator, by a lock; and an end that the store has not heard yet."""
    ended, by_admin, unheard = (booked.sign_in("ann") for _ in range(3))
    ended.end()
    booked.sessions.end(by_admin.id)
    seats.off = True
    with pytest.raises(StoreUnavailable):
        unheard.end()
    with pytest.raises(SessionEnded):
        by_admin.can("organization.users", "view", on_unavailable="grace")
    for session in (ended, by_admin, unheard):
        with pytest.raises(StoreUnavailable):
            booked.resume(session.token, on_unavailable="grace")


def test_a_locked_user_has_no_grace(booked: Organization, seats: Cut) -> None:
    booked.users.add(id="tom", email="tom@kauri.example", name="Tom")
    session = booked.sign_in("tom")
    seats.off = True
    booked.users.lock("tom")
    for call in (TOUCH, RESUME):
        with pytest.raises(SessionEnded) as over:
            call(booked, session, "grace")
        assert over.value.reason == "locked"


def test_a_dead_store_is_not_asked_at_every_call_of_those_with_a_grace(
    booked: Organization, seats: Cut, clock: ManualClock
) -> None:
    """It may take its whole timeout to say so."""
    session = booked.sign_in("ann")
    seats.off = True
    clock.advance(LEASE / 2)
    CAN(booked, session, "grace")
    seats.asked = 0
    for _ in range(50):
        for call in (TOUCH, CAN, RESUME):
            call(booked, session, "grace")
    assert seats.asked == 0
    clock.advance(timedelta(seconds=1))
    CAN(booked, session, "grace")
    assert seats.asked == 1


def test_a_grace_for_the_session_is_none_for_the_tables(
    booked: Organization, directory: Gone, seats: Cut, clock: ManualClock
) -> None:
    """What may be done is decided from the last known tables for `max_stale`, and then not at all."""
    session = booked.sign_in("ann")
    directory.off = seats.off = True
    clock.advance(MAX_STALE - timedelta(seconds=1))
    assert CAN(booked, session, "grace")
    clock.advance(timedelta(seconds=1))
    with pytest.raises(StoreUnavailable):
        CAN(booked, session, "grace")
    TOUCH(booked, session, "grace")
    assert RESUME(booked, session, "grace")


def test_a_restart_of_the_machine_ends_every_grace(booked: Organization, seats: Cut, clock: ManualClock) -> None:
    session = booked.sign_in("ann")
    seats.off = True
    clock.reboot()
    with pytest.raises(StoreUnavailable):
        booked.resume(session.token, on_unavailable="grace")
    with pytest.raises(SessionEnded):
        CAN(booked, session, "grace")


def test_a_process_remembers_so_many_sessions_the_latest(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each by the hash of its last token."""
    monkeypatch.setattr(known, "KNOWN", 3)
    seen = known.Known()
    now = ManualClock().now()

    def keep(id: str, hash: str) -> None:
        seen.keep(known.Held(Seat(id, "ann", None, now, now, 1.0), 1.0, "boot", hash))

    for number in range(3):
        keep(f"s{number}", f"h{number}")
    keep("s0", "h0-new")
    keep("s3", "h3")
    kept = {hash: seen.find(hash) for hash in ("h0", "h1", "h0-new", "h2", "h3")}
    assert [hash for hash, held in kept.items() if held is not None] == ["h0-new", "h2", "h3"]
    assert (seen.renamed("s0", "h0"), seen.renamed("s0", "h0-new"), seen.renamed("s1", "h1")) == (True, False, False)
    for number in range(5):
        seen.end(f"s{number}")
    assert [seen.ended(f"s{number}") for number in range(5)] == [False, False, True, True, True]
    assert seen.find("h3") is None


# Who was stopped, or whose store took long


@pytest.mark.parametrize("call", [TOUCH, CAN, RESUME], ids=["touch", "can", "resume"])
@pytest.mark.parametrize("how", ["deny", "grace"])
def test_a_holder_that_was_stopped_in_the_middle_of_a_call_learns_that_its_seat_is_gone(
    booked: Organization, seats: Cut, clock: ManualClock, call: Call, how: str
) -> None:
    """The store answered in time, and the answer was read two leases later: nobody acts on it."""
    session = booked.sign_in("ann")
    clock.advance(LEASE / 5)
    seats.slow = LEASE * 2
    with pytest.raises(SessionEnded) as over:
        call(booked, session, how)
    assert over.value.reason == "expired"


def test_a_rotation_that_took_longer_than_the_lease_is_no_session(
    booked: Organization, seats: Cut, clock: ManualClock
) -> None:
    session = booked.sign_in("ann")
    seats.slow = LEASE
    with pytest.raises(SessionEnded):
        session.rotate()


def test_a_decision_that_took_longer_than_the_lease_is_none(booked: Organization, clock: ManualClock) -> None:
    """What relates user and record is the host's own, and may take as long as it likes."""
    booked.users.assign("ann", "own_sales")

    def relation(user: seatperm.User, record: object, action: str) -> str:
        clock.advance(LEASE)
        return "own"

    booked.relate("sales", relation)
    session = booked.sign_in("ann")
    with pytest.raises(SessionEnded):
        session.can("sales", "edit", object())


def test_a_suspended_machine_counts_the_time_that_it_slept(booked: Organization, clock: ManualClock) -> None:
    """The boot clock goes on; the wall clock may say what it likes."""
    session = booked.sign_in("ann")
    clock.advance(LEASE)
    clock.step(-LEASE * 2)
    with pytest.raises(SessionEnded):
        session.can("organization.users", "view")
