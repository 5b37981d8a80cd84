"""Seats through the organization: sign-in, renewal, ends, the queue."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from datetime import timedelta
from typing import Any

import pytest

import seatperm
from seatperm import (
    Catalog,
    Event,
    InvalidValue,
    Organization,
    SeatsExhausted,
    SessionEnded,
    SignInRefused,
    StoreUnavailable,
    UnknownUser,
)
from seatperm.clock import Clock, SystemClock
from seatperm.sessions import Full, Seat, SeatRequest
from seatperm.stores.memory import MemoryChange, MemoryDirectory
from seatperm.stores.memory_sessions import MemorySessions
from seatperm.testing.clock import ManualClock

from .conftest import AddUser

LEASE = timedelta(minutes=30)


def test_the_limit_admits_so_many_and_refuses_the_next(org: Organization, clock: ManualClock) -> None:
    sessions = [org.sign_in("admin") for _ in range(3)]
    with pytest.raises(SeatsExhausted) as full:
        org.sign_in("admin")
    assert (full.value.limit, full.value.in_use) == (3, 3)
    assert full.value.next_free_at == clock.now() + LEASE
    sessions[0].end()
    assert org.sign_in("admin")
    assert len(org.sessions) == org.sessions.limit == 3


def test_a_session_is_a_context_manager_that_gives_its_seat_back(org: Organization) -> None:
    with org.sign_in("admin") as session:
        assert [seat.id for seat in org.sessions] == [session.id]
    assert len(org.sessions) == 0
    session.end()


def test_the_same_client_keeps_its_seat_and_gets_a_fresh_token(org: Organization) -> None:
    first = org.sign_in("admin", "till-1")
    second = org.sign_in("admin", "till-1")
    assert (second.id, len(org.sessions)) == (first.id, 1)
    assert second.token != first.token
    with pytest.raises(SessionEnded):
        org.resume(first.token)
    org.sign_in("admin", "till-2")
    assert len(org.sessions) == 2


def test_an_end_that_comes_late_frees_no_other_seat(org: Organization) -> None:
    first = org.sign_in("admin", "till-1")
    second = org.sign_in("admin", "till-1")
    first.end()
    assert len(org.sessions) == 1
    second.touch()


def test_a_lease_runs_out_to_the_tick_and_frees_the_seat(org: Organization, clock: ManualClock) -> None:
    org.change_license(session_limit=1)
    session = org.sign_in("admin")
    clock.advance(LEASE - timedelta(seconds=1))
    with pytest.raises(SeatsExhausted):
        org.sign_in("admin")
    assert session.can("organization.users", "view")
    clock.advance(timedelta(seconds=1))
    with pytest.raises(SessionEnded) as over:
        session.can("organization.users", "view")
    assert over.value.reason == "expired"
    with pytest.raises(SessionEnded):
        session.touch()
    session.end()
    assert org.sign_in("admin")


def test_touch_renews_and_writes_only_when_a_tenth_has_gone(org: Organization, clock: ManualClock) -> None:
    session = org.sign_in("admin")
    ends = session.expires_at
    clock.advance(LEASE / 10 - timedelta(seconds=1))
    session.touch()
    assert session.expires_at == ends
    clock.advance(timedelta(seconds=1))
    session.touch()
    assert session.expires_at == clock.now() + LEASE
    assert next(iter(org.sessions)).expires_at == session.expires_at


def test_a_touched_session_outlives_many_leases(org: Organization, clock: ManualClock) -> None:
    session = org.sign_in("admin")
    for _ in range(8):
        clock.advance(LEASE / 2)
        session.touch()
    assert len(org.sessions) == 1


def test_resume_takes_up_the_session_and_renews(org: Organization, clock: ManualClock) -> None:
    session = org.sign_in("admin", "browser")
    clock.advance(LEASE / 2)
    again = org.resume(session.token)
    assert (again.id, again.user.id, again.client) == (session.id, "admin", "browser")
    assert again.expires_at == clock.now() + LEASE
    clock.advance(LEASE)
    with pytest.raises(SessionEnded) as over:
        org.resume(session.token)
    assert over.value.reason == "not_found"


@pytest.mark.parametrize("token", ["", "forged"])
def test_a_forged_token_resumes_nothing(org: Organization, token: str) -> None:
    org.sign_in("admin")
    with pytest.raises(SessionEnded):
        org.resume(token)


def test_an_ended_session_is_over_at_its_very_next_call(org: Organization) -> None:
    session = org.sign_in("admin")
    assert org.sessions.end(session.id)
    with pytest.raises(SessionEnded) as over:
        session.can("sales", "view")
    assert over.value.reason == "ended"
    session.end()


def test_a_lowered_limit_ends_no_session_and_admits_nobody_until_there_is_room(org: Organization) -> None:
    sessions = [org.sign_in("admin") for _ in range(3)]
    org.change_license(session_limit=2)
    for session in sessions:
        session.touch()
    sessions[0].end()
    with pytest.raises(SeatsExhausted) as full:
        org.sign_in("admin")
    assert (full.value.limit, full.value.in_use) == (2, 2)
    sessions[1].end()
    assert org.sign_in("admin")


def test_a_stepped_wall_clock_frees_and_keeps_no_seat(org: Organization, clock: ManualClock) -> None:
    org.change_license(session_limit=1)
    session = org.sign_in("admin")
    for step in (timedelta(hours=1), timedelta(hours=-2)):
        clock.step(step)
        session.touch()
        with pytest.raises(SeatsExhausted):
            org.sign_in("admin")
    clock.advance(LEASE)
    assert org.sign_in("admin")


def test_seats_per_user_are_shared_by_all_connections_of_one_user(org: Organization, add: AddUser) -> None:
    add("tom")
    add("ann")
    org.change_license(session_limit=2, seat_per="user")
    for _ in range(4):
        org.sign_in("tom")
    org.sign_in("ann")
    with pytest.raises(SeatsExhausted) as full:
        org.sign_in("admin")
    assert full.value.in_use == 2
    assert len(org.sessions) == 5


def test_reserved_seats_are_kept_back_for_holders_of_the_role(org: Organization, add: AddUser) -> None:
    add("tom")
    org.change_license(reserved={"organization_admin": 1})
    org.sign_in("tom")
    held = org.sign_in("tom")
    with pytest.raises(SeatsExhausted) as full:
        org.sign_in("tom")
    assert (full.value.in_use, full.value.limit) == (2, 3)
    admin = org.sign_in("admin")
    held.end()
    assert org.sign_in("tom")
    admin.end()
    with pytest.raises(SeatsExhausted):
        org.sign_in("tom")


def test_an_unknown_user_does_not_sign_in(org: Organization) -> None:
    with pytest.raises(UnknownUser):
        org.sign_in("nobody")


@pytest.mark.parametrize("arguments", [{"client": ""}, {"client": 7}, {"wait": 5}, {"wait": timedelta(seconds=-1)}])
def test_a_malformed_client_or_wait_is_refused(org: Organization, arguments: dict[str, Any]) -> None:
    with pytest.raises(InvalidValue):
        org.sign_in("admin", **arguments)
    assert len(org.sessions) == 0


def test_no_representation_shows_a_token(org: Organization) -> None:
    session = org.sign_in("admin")
    invitation = org.users.invite(email="sam@kauri.example", name="Sam")
    shown = (
        f"{session!r} {invitation!r} {org!r} {list(org.sessions)!r} {list(org.users)!r} {org.users!r} {org.sessions!r}"
    )
    assert session.token not in shown
    assert invitation.token not in shown
    assert all(invitation.token not in repr(event) for event in org.audit)


class WatchedSeats(MemorySessions):
    """A session store that tells when somebody has been told to wait."""

    def __init__(self, clock: Clock) -> None:
        super().__init__(clock)
        self.waiting = threading.Event()

    def acquire(self, request: SeatRequest) -> Seat | Full:
        answer = super().acquire(request)
        if request.ticket is not None and isinstance(answer, Full):
            self.waiting.set()
        return answer


def test_who_waits_gets_the_seat_that_comes_free(catalog: Catalog) -> None:
    """Waiting is in real time, so this one runs by the machine's clock."""
    seats = WatchedSeats(SystemClock())
    org = seatperm.open(catalog, "memory://", session_store=seats)
    org.users.add(id="admin", email="admin@kauri.example", name="Ada", roles=["organization_admin"])
    held = org.sign_in("admin")
    got: list[seatperm.Session] = []
    waiter = threading.Thread(target=lambda: got.append(org.sign_in("admin", wait=timedelta(seconds=20))))
    waiter.start()
    assert seats.waiting.wait(20)
    held.end()
    waiter.join(20)
    assert len(got) == 1
    with pytest.raises(SeatsExhausted):
        org.sign_in("admin", wait=timedelta(milliseconds=30))
    got[0].end()
    org.sign_in("admin").end()
    org.close()


def test_who_does_not_wait_is_told_that_others_do(catalog: Catalog) -> None:
    """A free seat is theirs first; nothing need be reserved for that."""
    seats = MemorySessions(SystemClock())
    org = seatperm.open(catalog, "memory://", session_store=seats)
    org.users.add(id="admin", email="admin@kauri.example", name="Ada", roles=["organization_admin"])
    held = org.sign_in("admin")
    waiting = SeatRequest(org.id, "tom", None, "s", "0" * 64, 60.0, 1, ticket="tom's place", patience=60.0)
    assert isinstance(seats.acquire(waiting), Full)
    held.end()
    with pytest.raises(SeatsExhausted, match="0 of 1 in use, the rest are kept back or waited for"):
        org.sign_in("admin")
    org.close()


def told(org: Organization) -> list[Event]:
    """Return the events of sessions."""
    return list(org.audit.filter(kind="session."))


def test_a_sign_in_and_its_end_are_events(org: Organization, clock: ManualClock) -> None:
    """With session and client, never a token; and they are no changes, so that nobody reads anything anew."""
    revision = org.revision
    session = org.sign_in("admin", "till-1")
    clock.advance(timedelta(minutes=1))
    session.end()
    session.end()
    started, ended = told(org)
    assert (started.kind, started.actor, started.user) == ("session.started", None, "admin")
    assert started.details == {"session": session.id, "client": "till-1"}
    assert (ended.kind, ended.actor, ended.user) == ("session.ended", None, "admin")
    assert ended.details == {"session": session.id, "client": "till-1", "how": "by_holder"}
    assert (started.revision, ended.revision, org.revision) == (revision, revision, revision)
    assert ended.at - started.at == timedelta(minutes=1)
    assert org.audit.verify()


def test_a_client_that_signs_in_again_is_an_event_of_the_same_session(org: Organization) -> None:
    first = org.sign_in("admin", "till-1")
    org.sign_in("admin", "till-1").end()
    first.end()
    assert [event.kind for event in told(org)] == ["session.started", "session.kept", "session.ended"]
    assert {(event.details or {})["session"] for event in told(org)} == {first.id}


def test_an_event_tells_who_ended_the_session(org: Organization, add: AddUser) -> None:
    add("tom")
    of_tom = org.as_user("tom")
    org.as_user("admin").sessions.end(of_tom.sign_in("tom").id)
    of_tom.sessions.end(of_tom.sign_in("tom").id)
    of_tom.sign_in("tom").end()
    org.resume(org.sign_in("tom").token).end()
    org.sessions.end("no such session")
    ended = [event for event in told(org) if event.kind == "session.ended"]
    assert [(event.actor, event.user, (event.details or {})["how"]) for event in ended] == [
        ("admin", "tom", "by_other"),
        ("tom", "tom", "by_holder"),
        ("tom", "tom", "by_holder"),
        (None, "tom", "by_holder"),
    ]


def test_every_refused_sign_in_is_an_event_with_its_reason(org: Organization, add: AddUser, clock: ManualClock) -> None:
    add("tom")
    org.users.invite(id="sam", email="sam@kauri.example", name="Sam")
    org.users.lock("tom")
    for id in ("tom", "sam"):
        with pytest.raises(SignInRefused):
            org.sign_in(id, "till-1")
    for id in ("nobody", "not\nan id"):
        with pytest.raises(UnknownUser):
            org.sign_in(id)
    org.change_license(session_limit=1)
    org.sign_in("admin")
    with pytest.raises(SeatsExhausted):
        org.as_user("admin").sign_in("admin")
    org.users.unlock("tom")
    org.change_license(valid_until=clock.now())
    with pytest.raises(SignInRefused):
        org.sign_in("tom")
    refused = [event for event in told(org) if event.kind == "session.refused"]
    assert [(event.actor, event.user, event.details) for event in refused] == [
        (None, "tom", {"client": "till-1", "reason": "locked"}),
        (None, "sam", {"client": "till-1", "reason": "not_active"}),
        (None, "nobody", {"client": None, "reason": "unknown_user"}),
        (None, None, {"client": None, "reason": "unknown_user"}),
        ("admin", "admin", {"client": None, "reason": "seats_exhausted", "limit": 1, "in_use": 1}),
        (None, "tom", {"client": None, "reason": "license_not_valid"}),
    ]


def test_a_session_that_ran_out_is_told_once_by_the_next_sign_in(org: Organization, clock: ManualClock) -> None:
    """Nobody is there when it runs out; a sign-in that is refused for want of seats tells of it too."""
    gone = org.sign_in("admin", "till-1")
    ends = gone.expires_at
    clock.advance(LEASE / 2)
    org.sign_in("admin", "till-2")
    clock.advance(LEASE / 2)
    gone.end()
    org.change_license(session_limit=1)
    for _ in range(2):
        with pytest.raises(SeatsExhausted):
            org.sign_in("admin")
    ended = [event for event in told(org) if event.kind == "session.ended"]
    assert [(event.actor, event.user, event.details) for event in ended] == [
        (
            None,
            "admin",
            {"session": gone.id, "client": "till-1", "how": "expired", "expired_at": ends.isoformat()},
        )
    ]


def test_sessions_that_a_restart_ended_are_told(org: Organization, clock: ManualClock) -> None:
    gone = {org.sign_in("admin").id for _ in range(3)}
    clock.reboot()
    org.sign_in("admin").end()
    expired = [event.details or {} for event in told(org) if (event.details or {}).get("how") == "expired"]
    assert {details["session"] for details in expired} == gone
    assert len(expired) == 3


class Unwritable(MemoryDirectory):
    """A directory that can be told to keep no more changes."""

    def __init__(self) -> None:
        super().__init__()
        self.full = False

    @contextmanager
    def change(self) -> Iterator[MemoryChange]:
        with super().change() as made:
            yield made
            if self.full:
                raise StoreUnavailable(self.url, "the disk is full")


@pytest.fixture
def unwritable() -> Unwritable:
    return Unwritable()


@pytest.fixture
def booked(catalog: Catalog, unwritable: Unwritable, clock: ManualClock) -> Iterator[Organization]:
    """An organization with one seat, over that directory."""
    opened = seatperm.open(catalog, unwritable, session_store=MemorySessions(clock), clock=clock)
    opened.users.add(id="admin", email="admin@kauri.example", name="Ada", roles=["organization_admin"])
    yield opened
    opened.close()


@pytest.mark.parametrize("client", [None, "till-1"])
def test_a_sign_in_whose_event_cant_be_written_gives_its_seat_back(
    booked: Organization, unwritable: Unwritable, client: str | None
) -> None:
    unwritable.full = True
    for _ in range(2):
        with pytest.raises(StoreUnavailable, match="the disk is full"):
            booked.sign_in("admin", client)
        assert list(booked.sessions) == []
    unwritable.full = False
    assert told(booked) == []
    booked.sign_in("admin", client).end()
    assert [event.kind for event in told(booked)] == ["session.started", "session.ended"]


def test_an_end_whose_event_cant_be_written_frees_the_seat_all_the_same(
    booked: Organization, unwritable: Unwritable
) -> None:
    session = booked.sign_in("admin")
    unwritable.full = True
    with pytest.raises(StoreUnavailable):
        session.end()
    assert list(booked.sessions) == []


def test_a_refusal_that_cant_be_told_is_no_seat(booked: Organization, unwritable: Unwritable) -> None:
    held = booked.sign_in("admin")
    unwritable.full = True
    with pytest.raises(StoreUnavailable):
        booked.sign_in("admin")
    assert [seat.id for seat in booked.sessions] == [held.id]


def test_a_host_may_leave_sessions_out_of_the_trail(catalog: Catalog, url: str, clock: ManualClock) -> None:
    org = seatperm.open(catalog, url, clock=clock, session_events=False)
    org.users.add(id="admin", email="admin@kauri.example", name="Ada", roles=["organization_admin"])
    session = org.sign_in("admin")
    with pytest.raises(SeatsExhausted):
        org.sign_in("admin")
    clock.advance(LEASE)
    org.sign_in("admin").end()
    org.sessions.end(org.sign_in("admin").id)
    session.end()
    assert told(org) == []
    org.close()


def test_who_is_locked_while_waiting_is_not_let_in(catalog: Catalog) -> None:
    seats = WatchedSeats(SystemClock())
    org = seatperm.open(catalog, "memory://", session_store=seats)
    org.users.add(id="admin", email="admin@kauri.example", name="Ada", roles=["organization_admin"])
    org.users.add(id="tom", email="tom@kauri.example", name="Tom")
    held = org.sign_in("admin")
    with ThreadPoolExecutor(1) as pool:
        waiting = pool.submit(org.sign_in, "tom", wait=timedelta(seconds=20))
        assert seats.waiting.wait(20)
        org.users.lock("tom")
        held.end()
        error = waiting.exception()
    assert isinstance(error, SignInRefused)
    assert error.reason == "locked"
    assert len(org.sessions) == 0
    org.close()


class Unreliable(MemorySessions):
    """A session store that can be cut off."""

    off = False

    def _answer(self) -> None:
        if self.off:
            raise StoreUnavailable(self.url, "cut off")

    def find(self, organization: str, token_hash: str) -> Seat | None:
        self._answer()
        return super().find(organization, token_hash)

    def release(self, organization: str, session_id: str, token_hash: str | None) -> bool:
        self._answer()
        return super().release(organization, session_id, token_hash)


@pytest.fixture
def cut(catalog: Catalog, clock: ManualClock) -> tuple[Organization, Unreliable]:
    """An organization whose seats are kept in a store that can be cut off."""
    seats = Unreliable(clock)
    org = seatperm.open(catalog, "memory://", session_store=seats, clock=clock)
    org.users.add(id="admin", email="admin@kauri.example", name="Ada", roles=["organization_admin"])
    return org, seats


def test_a_session_outlives_a_short_outage_of_its_store(
    cut: tuple[Organization, Unreliable], clock: ManualClock
) -> None:
    org, seats = cut
    session = org.sign_in("admin")
    seats.off = True
    clock.advance(timedelta(seconds=30))
    assert session.can("organization.users", "view")
    clock.advance(timedelta(seconds=30))
    for _ in range(2):
        with pytest.raises(StoreUnavailable):
            session.can("organization.users", "view")
    seats.off = False
    assert session.can("organization.users", "view")


def test_an_end_that_the_store_did_not_hear_is_said_again(cut: tuple[Organization, Unreliable]) -> None:
    org, seats = cut
    session = org.sign_in("admin")
    seats.off = True
    with pytest.raises(StoreUnavailable):
        session.end()
    with pytest.raises(SessionEnded):
        session.touch()
    seats.off = False
    assert len(org.sessions) == 1
    session.end()
    assert len(org.sessions) == 0


def test_a_visit_of_fifty_touches_takes_one_write_at_each_end(catalog: Catalog, clock: ManualClock) -> None:
    """Renewals come only when a tenth of the lease has gone, and looks only once in `staleness`."""

    class Counting(MemorySessions):
        def __init__(self, clock: ManualClock) -> None:
            super().__init__(clock)
            self.calls: list[str] = []

        def __getattribute__(self, name: str) -> Any:
            if name in ("acquire", "renew", "release", "find", "leave", "live"):
                self.calls.append(name)
            return super().__getattribute__(name)

    store = Counting(clock)
    org = seatperm.open(catalog, "memory://", session_store=store, clock=clock, lease=timedelta(minutes=30))
    org.users.add(id="tom", email="tom@kauri.example", name="Tom")
    org.sign_in("tom").end()
    store.calls.clear()
    with org.sign_in("tom") as session:
        for _ in range(50):
            session.touch()
    assert store.calls == ["acquire", "release"]
    store.calls.clear()
    with org.sign_in("tom") as session:
        for _ in range(50):
            clock.advance(timedelta(seconds=18))
            session.touch()
    assert [call for call in store.calls if call != "find"] == ["acquire", *["renew"] * 5, "release"]
    org.close()
