"""A fresh token for the same session: `session.rotate`."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from datetime import timedelta
from threading import Barrier, Thread

import pytest

import seatperm
from seatperm import Catalog, Organization, Session, SessionEnded, StoreUnavailable
from seatperm.sessions import Seat, token_hash
from seatperm.stores.memory_sessions import MemorySessions
from seatperm.testing.clock import ManualClock

LEASE = timedelta(minutes=30)


def test_a_rotation_keeps_seat_and_id_and_kills_the_old_token(org: Organization, clock: ManualClock) -> None:
    """And renews the lease."""
    session = org.sign_in("admin", "desk")
    old = session.token
    clock.advance(LEASE / 2)
    session.rotate()
    assert session.token != old
    assert [(seat.id, seat.client) for seat in org.sessions] == [(session.id, "desk")]
    assert session.expires_at == clock.now() + LEASE
    with pytest.raises(SessionEnded) as over:
        org.resume(old)
    assert over.value.reason == "not_found"
    assert org.resume(session.token).id == session.id
    session.touch()
    session.end()
    assert len(org.sessions) == 0


def test_each_rotation_gives_another_token(org: Organization) -> None:
    session = org.sign_in("admin")
    seen = {session.token}
    for _ in range(5):
        session.rotate()
        seen.add(session.token)
    assert len(seen) == 6


def test_other_objects_of_the_session_are_over_at_their_next_call(org: Organization) -> None:
    """Theirs is the old token."""
    session = org.sign_in("admin")
    other = org.resume(session.token)
    session.rotate()
    with pytest.raises(SessionEnded):
        other.can("organization.users", "view")
    other.end()
    assert session.can("organization.users", "view")
    assert len(org.sessions) == 1


def test_so_are_they_when_the_client_signs_in_again(org: Organization) -> None:
    """Within the process at once; the new one goes on."""
    first = org.sign_in("admin", "desk")
    again = org.sign_in("admin", "desk")
    with pytest.raises(SessionEnded):
        first.can("organization.users", "view")
    assert again.can("organization.users", "view")


def test_a_session_that_is_over_is_not_rotated(org: Organization, clock: ManualClock) -> None:
    ended, expired, locked = org.sign_in("admin"), org.sign_in("admin"), org.sign_in("admin")
    tokens = [session.token for session in (ended, expired, locked)]
    org.sessions.end(ended.id)
    clock.advance(LEASE)
    for session in (ended, expired):
        with pytest.raises(SessionEnded):
            session.rotate()
    org.users.add(id="bea", email="bea@kauri.example", name="Bea", roles=["organization_admin"])
    held = org.sign_in("admin")
    org.users.lock("admin")
    with pytest.raises(SessionEnded) as over:
        held.rotate()
    assert over.value.reason == "locked"
    assert [session.token for session in (ended, expired, locked)] == tokens


class Lossy(MemorySessions):
    """A session store whose answers to a rotation can be lost, before it or after it."""

    lost: str | None = None

    def renew(
        self, organization: str, token_hash: str, lease: float, *, new_token_hash: str | None = None
    ) -> Seat | None:
        if new_token_hash is None or self.lost is None:
            return super().renew(organization, token_hash, lease, new_token_hash=new_token_hash)
        if self.lost == "after":
            super().renew(organization, token_hash, lease, new_token_hash=new_token_hash)
        raise StoreUnavailable(self.url, "no answer")


@pytest.fixture
def lossy(clock: ManualClock) -> Lossy:
    return Lossy(clock)


@pytest.fixture
def booked(catalog: Catalog, lossy: Lossy, clock: ManualClock) -> Iterator[Organization]:
    with closing(seatperm.open(catalog, "memory://", session_store=lossy, clock=clock)) as opened:
        opened.users.add(id="ann", email="ann@kauri.example", name="Ann")
        yield opened


@pytest.mark.parametrize("lost", ["before", "after"])
@pytest.mark.parametrize("times", [1, 3])
def test_a_rotation_whose_answer_was_lost_is_one_rotation_when_called_again(
    booked: Organization, lossy: Lossy, lost: str, times: int
) -> None:
    session = booked.sign_in("ann")
    old = session.token
    lossy.lost = lost
    for _ in range(times):
        with pytest.raises(StoreUnavailable):
            session.rotate()
        assert session.token == old
    lossy.lost = None
    found = next(iter(lossy.live(booked.id)))
    session.rotate()
    assert session.token != old
    assert booked.resume(session.token).id == session.id == found.id
    assert lossy.find(booked.id, token_hash(old)) is None


@pytest.mark.parametrize("lost", ["before", "after"])
def test_until_then_the_session_goes_on_by_either_token(
    booked: Organization, lossy: Lossy, clock: ManualClock, lost: str
) -> None:
    session = booked.sign_in("ann")
    lossy.lost = lost
    with pytest.raises(StoreUnavailable):
        session.rotate()
    clock.advance(LEASE / 2)
    assert not session.can("ledger", "delete")
    session.touch()
    assert session.expires_at == clock.now() + LEASE
    session.end()
    assert len(booked.sessions) == 0


class Between(MemorySessions):
    """A session store before whose answer something else happens."""

    meanwhile: Callable[[], None] | None = None

    def _happen(self) -> None:
        happens, self.meanwhile = self.meanwhile, None
        if happens is not None:
            happens()

    def find(self, organization: str, token_hash: str) -> Seat | None:
        self._happen()
        return super().find(organization, token_hash)

    def renew(
        self, organization: str, token_hash: str, lease: float, *, new_token_hash: str | None = None
    ) -> Seat | None:
        self._happen()
        return super().renew(organization, token_hash, lease, new_token_hash=new_token_hash)


@pytest.mark.parametrize("call", ["can", "touch", "rotate"])
def test_a_token_that_another_thread_changes_meanwhile_is_no_end(
    catalog: Catalog, clock: ManualClock, call: str
) -> None:
    """The question is asked again with the fresh one."""
    seats = Between(clock)
    with closing(seatperm.open(catalog, "memory://", session_store=seats, clock=clock)) as org:
        org.users.add(id="ann", email="ann@kauri.example", name="Ann")
        session = org.sign_in("ann")
        clock.advance(LEASE / 2)
        seats.meanwhile = session.rotate
        if call == "can":
            assert not session.can("ledger", "view")
        else:
            getattr(session, call)()
        assert org.resume(session.token).id == session.id


def test_threads_may_rotate_and_renew_one_session_at_the_same_time(catalog: Catalog) -> None:
    """The last token is the live one, and nobody takes a token that has just been changed for an end."""
    with closing(seatperm.open(catalog, "memory://", staleness=timedelta(0), lease=timedelta(seconds=10))) as org:
        org.users.add(id="ann", email="ann@kauri.example", name="Ann")
        session = org.sign_in("ann")
        errors: list[Exception] = []

        def work(rotating: bool) -> None:
            try:
                for _ in range(200):
                    if rotating:
                        session.rotate()
                    else:
                        session.can("ledger", "view")
            except Exception as error:  # noqa: BLE001  whatever it is, the test tells of it
                errors.append(error)

        threads = [Thread(target=work, args=(number % 2 == 0,)) for number in range(6)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert errors == []
        assert org.resume(session.token).id == session.id
        assert len(org.sessions) == 1


def test_threads_that_rotate_at_once_lose_no_session(catalog: Catalog, clock: ManualClock) -> None:
    """The object has a live token afterwards, and its seat, however slow the store's answers are."""

    class Slow(MemorySessions):
        def renew(
            self, organization: str, token_hash: str, lease: float, *, new_token_hash: str | None = None
        ) -> Seat | None:
            answer = super().renew(organization, token_hash, lease, new_token_hash=new_token_hash)
            time.sleep(0.001)
            return answer

    failed: list[SessionEnded] = []
    often = sys.getswitchinterval()
    with closing(seatperm.open(catalog, "memory://", session_store=Slow(clock), clock=clock)) as org:
        org.users.add(id="ann", email="ann@kauri.example", name="Ann", roles=["sales_staff"])
        sys.setswitchinterval(1e-6)
        try:
            for _ in range(300):
                session, barrier = org.sign_in("ann"), Barrier(4)

                def rotate(session: Session = session, barrier: Barrier = barrier) -> None:
                    barrier.wait()
                    try:
                        session.rotate()
                    except SessionEnded as over:
                        failed.append(over)

                threads = [Thread(target=rotate) for _ in range(4)]
                for thread in threads:
                    thread.start()
                for thread in threads:
                    thread.join()
                assert not failed
                assert org.resume(session.token).id == session.id
                session.end()
        finally:
            sys.setswitchinterval(often)
