"""A child made by `fork()` owns none of its parent's sessions."""

from __future__ import annotations

import os
import signal
import warnings
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from datetime import timedelta
from pathlib import Path
from threading import Event

import pytest

import seatperm
from seatperm import Catalog, Organization, SessionEnded, StoreUnavailable
from seatperm.testing import ManualClock

pytestmark = pytest.mark.skipif(not hasattr(os, "fork"), reason="this system has no fork()")


def in_a_child(work: Callable[[], None]) -> None:
    """Do it in a child, and fail where it fails there."""
    child = os.fork()
    if child == 0:
        try:
            work()
        except BaseException:  # noqa: BLE001  told by the exit code
            os._exit(1)
        os._exit(0)
    _, status = os.waitpid(child, 0)
    assert os.waitstatus_to_exitcode(status) == 0


def test_a_session_is_over_in_a_child_and_goes_on_in_its_parent(org: Organization) -> None:
    """Whatever the child does with it, the end of a `with` block too; each refusal says why."""
    with org.sign_in("admin") as session:

        def work() -> None:
            calls: tuple[Callable[[], object], ...] = (
                session.touch,
                session.rotate,
                lambda: session.touch(on_unavailable="grace"),
                lambda: session.can("organization.users", "view"),
                lambda: session.can("organization.users", "view", on_unavailable="grace"),
            )
            for call in calls:
                with pytest.raises(SessionEnded) as over:
                    call()
                assert over.value.reason == "forked"
            with session:
                pass
            session.end()

        in_a_child(work)
        assert [seat.id for seat in org.sessions] == [session.id]
        assert session.can("organization.users", "view")
        session.rotate()
        session.touch()
    assert len(org.sessions) == 0


def test_seats_are_taken_through_an_organization_of_the_childs_own(org: Organization) -> None:
    """The parent's says so."""
    token = org.sign_in("admin").token

    def work() -> None:
        calls: tuple[Callable[[], object], ...] = (
            lambda: org.sign_in("admin"),
            lambda: org.resume(token),
            lambda: org.resume(token, on_unavailable="grace"),
        )
        for call in calls:
            with pytest.raises(StoreUnavailable, match=r"before fork\(\)"):
                call()

    in_a_child(work)
    assert org.resume(token).user.id == "admin"


def test_a_child_that_opens_anew_shares_the_seats(catalog: Catalog, tmp_path: Path) -> None:
    """The parent's session can be taken up there by its token, and is then the child's to end."""
    url = f"sqlite:///{tmp_path / 'books.db'}"
    with closing(seatperm.open(catalog, url)) as org:
        org.users.add(id="ann", email="ann@kauri.example", name="Ann")
        session = org.sign_in("ann")

        def work() -> None:
            with closing(seatperm.open(catalog, url)) as own:
                with pytest.raises(seatperm.SeatsExhausted):
                    own.sign_in("ann", wait=timedelta(0))
                own.resume(session.token).end()

        in_a_child(work)
        assert len(org.sessions) == 0


def test_the_system_is_told_of_all_organizations_at_once(
    catalog: Catalog, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What it is told to do in a child it keeps for good, also of an organization that nobody has any more."""
    told: list[object] = []
    monkeypatch.setattr(os, "register_at_fork", lambda **calls: told.append(calls))
    tenants = seatperm.open_tenants(catalog, f"sqlite:///{tmp_path / 'books.db'}")
    with closing(tenants):
        for number in range(3):
            tenants.create(f"tenant-{number}")
    assert len(told) <= 1


def test_a_child_waits_for_no_thread_of_its_parent(org: Organization, clock: ManualClock) -> None:
    """A lock that another thread held at the moment of `fork()` is nobody's in the child."""
    held, done = Event(), Event()

    def hold() -> None:
        with org._view._lock:
            held.set()
            assert done.wait(60)

    def work() -> None:
        signal.alarm(20)  # ends the child where it waits
        assert org.can("admin", "organization.users", "view")
        assert not org.can("nobody", "organization.users", "view")

    with ThreadPoolExecutor(1) as other:
        holding = other.submit(hold)
        assert held.wait(60)
        clock.advance(timedelta(minutes=1))
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore", DeprecationWarning)  # Python warns of what this test is about
                in_a_child(work)
        finally:
            done.set()
            holding.result(60)
