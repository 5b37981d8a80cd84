"""The history of sign-ins, and the most that there were at one time."""

from __future__ import annotations

import os
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Self

import pytest
from hypothesis import given
from hypothesis import strategies as st

import seatperm
from seatperm import (
    AccessDenied,
    Catalog,
    InvalidValue,
    Organization,
    Past,
    Peak,
    SeatsExhausted,
    SignInRefused,
    StoreUnavailable,
    UnknownUser,
)
from seatperm.organization import history
from seatperm.sessions import Full, Seat, SeatRequest
from seatperm.stores.memory import MemoryDirectory
from seatperm.stores.memory_sessions import MemorySessions
from seatperm.stores.sqlite import SQLiteDirectory
from seatperm.testing.clock import ManualClock

from .conftest import AddUser
from .test_seats import Unwritable

LEASE = timedelta(minutes=30)
MINUTE = timedelta(minutes=1)


def test_a_session_is_remembered_with_its_start_its_end_and_how_it_ended(
    org: Organization, add: AddUser, clock: ManualClock
) -> None:
    """By its holder, by another, or because its lease ran out; one that goes on has no end yet."""
    add("tom")
    start = clock.now()
    one, two, three = org.sign_in("admin", "desk"), org.sign_in("tom"), org.sign_in("tom", "phone")
    clock.advance(MINUTE)
    one.end()
    clock.advance(MINUTE)
    org.sessions.end(two.id)
    clock.advance(LEASE)
    four = org.sign_in("admin")
    assert list(org.sessions.history(user="admin")) == [
        Past(one.id, "admin", "desk", start, start + MINUTE, "by_holder"),
        Past(four.id, "admin", None, clock.now()),
    ]
    assert set(org.sessions.history(user=two.user)) == {
        Past(two.id, "tom", None, start, start + MINUTE * 2, "by_other"),
        Past(three.id, "tom", "phone", start, start + LEASE, "expired"),
    }


def test_a_refusal_is_remembered_with_its_reason(org: Organization, add: AddUser, clock: ManualClock) -> None:
    """And of who is no user, nothing but the id that was asked for."""
    add("tom")
    org.users.lock("tom")
    with pytest.raises(SignInRefused):
        org.sign_in("tom", "desk")
    for id in ("nobody", "not\nan id"):
        with pytest.raises(UnknownUser):
            org.sign_in(id, "desk")
    org.change_license(session_limit=1)
    org.sign_in("admin")
    with pytest.raises(SeatsExhausted):
        org.sign_in("admin")
    refused = [past for past in org.sessions.history(since=clock.now() - MINUTE) if past.refused]
    assert {(past.user_id, past.client, past.how) for past in refused} == {
        ("tom", "desk", "locked"),
        ("nobody", None, "unknown_user"),
        (None, None, "unknown_user"),
        ("admin", None, "seats_exhausted"),
    }
    assert {(past.began, past.ended) for past in refused} == {(clock.now(), clock.now())}
    assert len({past.id for past in refused}) == 4


def test_a_client_that_signs_in_again_is_one_session(org: Organization, clock: ManualClock) -> None:
    start = clock.now()
    org.sign_in("admin", "desk")
    clock.advance(MINUTE)
    again = org.sign_in("admin", "desk")
    assert list(org.sessions.history()) == [Past(again.id, "admin", "desk", start)]


def test_history_and_trail_are_told_apart(catalog: Catalog, url: str, clock: ManualClock) -> None:
    """A host may want the one without the other."""
    with closing(seatperm.open(catalog, url, clock=clock, session_events=False)) as org:
        org.users.add(id="ann", email="ann@kauri.example", name="Ann")
        with org.sign_in("ann"), pytest.raises(SeatsExhausted):
            org.sign_in("ann")
        clock.advance(MINUTE)
        org.sign_in("ann")
        clock.advance(LEASE)
        org.sign_in("ann").end()
        assert list(org.audit.filter(kind="session")) == []
        assert sorted(past.how or "" for past in org.sessions.history()) == [
            "by_holder",
            "by_holder",
            "expired",
            "seats_exhausted",
        ]


@pytest.mark.parametrize("nothing", [None, timedelta(0)])
def test_no_history_is_kept_where_none_is_wanted(
    catalog: Catalog, clock: ManualClock, nothing: timedelta | None
) -> None:
    """What was kept before is seen no more at once, and goes out in passing; the trail goes on."""
    directory = MemoryDirectory()
    with closing(seatperm.open(catalog, directory, session_store="memory://", clock=clock)) as org:
        org.users.add(id="ann", email="ann@kauri.example", name="Ann")
        org.sign_in("ann").end()
        assert len(list(org.sessions.history())) == 1
        place = org.id
    with closing(seatperm.open(catalog, directory, session_store="memory://", clock=clock, history=nothing)) as org:
        assert list(org.sessions.history()) == []
        org.sign_in("ann").end()
        assert list(directory.history(place)) == []
        assert [event.kind for event in org.audit.filter(kind="session")][2:] == ["session.started", "session.ended"]
        assert org.sessions.peak() == Peak(0, None, "session")


def test_what_is_over_for_longer_than_the_retention_is_dropped_bit_by_bit(catalog: Catalog, clock: ManualClock) -> None:
    """No sign-in takes long because years are to be dropped; what is not dropped yet is not shown."""
    directory, many, day = MemoryDirectory(), history.DROPPED * 5, timedelta(days=1)
    seats = MemorySessions(clock)
    with closing(seatperm.open(catalog, directory, session_store=seats, clock=clock, history=day)) as org:
        org.users.add(id="ann", email="ann@kauri.example", name="Ann")
        for _ in range(many):
            org.sign_in("ann").end()
        clock.advance(MINUTE)
        org.sign_in("ann").end()
        clock.advance(day)
        assert len(list(directory.history(org.id))) == many + 1
        assert list(org.sessions.history()) == list(org.sessions.history(since=clock.now() - day * 9)) == []
        assert org.sessions.peak(since=clock.now() - day * 9).count == 0
        left = many + 1
        while left > 1:
            org.sign_in("ann").end()
            still = [past for past in directory.history(org.id) if past.began <= clock.now() - day]
            assert left - history.DROPPED * 2 <= len(still) < left
            left = len(still)
        assert len(list(org.sessions.history())) == len(list(directory.history(org.id))) - left


@pytest.mark.parametrize("odd", [timedelta(-1), timedelta(days=4000), 400, "400 days"])
def test_a_retention_is_a_duration(catalog: Catalog, odd: Any) -> None:
    with pytest.raises(InvalidValue, match="history"):
        seatperm.open(catalog, "memory://", history=odd)


def test_a_forgotten_users_history_goes(org: Organization, add: AddUser, clock: ManualClock) -> None:
    add("tom")
    org.sign_in("tom", "toms-laptop").end()
    org.sign_in("tom", "toms-phone")
    with org.sign_in("admin"):
        clock.advance(MINUTE)
    org.users.forget("tom")
    assert [past.user_id for past in org.sessions.history()] == ["admin"]
    assert list(org.sessions.history(user="tom")) == []


def test_one_sees_ones_own_and_who_may_view_sessions_sees_all(
    org: Organization, add: AddUser, clock: ManualClock
) -> None:
    """As with the live ones; another's, asked for by name, is refused, and so is the peak."""
    add("tom")
    add("rea", "reader")
    for id in ("admin", "tom"):
        with org.sign_in(id):
            clock.advance(MINUTE)
    toms = org.as_user("tom").sessions
    assert [past.user_id for past in toms.history()] == ["tom"]
    assert [past.user_id for past in toms.history(user="tom")] == ["tom"]
    with pytest.raises(AccessDenied):
        toms.history(user="admin")
    with pytest.raises(AccessDenied):
        toms.peak()
    seen = org.as_user("rea").sessions
    assert {past.user_id for past in seen.history()} == {"admin", "tom"}
    assert [past.user_id for past in seen.history(user="tom")] == ["tom"]
    assert seen.peak().count == 1


@pytest.mark.parametrize("call", ["history", "peak"])
def test_a_time_is_asked_for_in_order_and_with_its_zone(org: Organization, clock: ManualClock, call: str) -> None:
    now = clock.now()
    ask = getattr(org.sessions, call)
    for odd in ({"since": now.replace(tzinfo=None)}, {"until": "today"}, {"since": now, "until": now - MINUTE}):
        with pytest.raises(InvalidValue):
            ask(**odd)


def test_the_peak_is_the_most_at_one_time_and_when_that_was_first(
    org: Organization, add: AddUser, clock: ManualClock
) -> None:
    add("tom")
    assert org.sessions.peak() == Peak(0, None, "session")
    start = clock.now()
    one = org.sign_in("admin")
    clock.advance(MINUTE)
    two = org.sign_in("tom")
    clock.advance(MINUTE)
    one.end()
    three = org.sign_in("tom")
    clock.advance(MINUTE)
    two.end()
    clock.advance(MINUTE)
    assert org.sessions.peak() == Peak(2, start + MINUTE, "session")
    assert org.sessions.peak(until=start + MINUTE) == Peak(1, start, "session")
    assert org.sessions.peak(since=start + MINUTE * 3) == Peak(1, start + MINUTE * 3, "session")
    org.change_license(seat_per="user")
    assert org.sessions.peak() == Peak(2, start + MINUTE, "user")
    assert org.sessions.peak(since=start + MINUTE * 2) == Peak(1, start + MINUTE * 2, "user")
    three.end()
    assert org.sessions.peak(since=clock.now()) == Peak(0, None, "user")


def test_a_crashed_session_counts_for_its_lease_and_right_once_its_end_is_told(
    org: Organization, clock: ManualClock
) -> None:
    """Nobody tells when a holder crashes: the next sign-in does, with the end of its lease."""
    start = clock.now()
    crashed = org.sign_in("admin", "desk")
    clock.advance(LEASE / 2)
    crashed.touch()
    clock.advance(LEASE * 4)
    assert list(org.sessions.history()) == [Past(crashed.id, "admin", "desk", start)]
    assert org.sessions.peak() == Peak(1, start, "session")
    assert org.sessions.peak(since=start + LEASE) == Peak(0, None, "session")
    org.sign_in("admin").end()
    ended = start + LEASE / 2 + LEASE
    assert Past(crashed.id, "admin", "desk", start, ended, "expired") in list(org.sessions.history())
    assert org.sessions.peak(since=start + LEASE) == Peak(1, start + LEASE, "session")
    assert org.sessions.peak(since=ended) == Peak(0, None, "session")


def test_a_live_session_counts_until_now(org: Organization, clock: ManualClock) -> None:
    """However often its lease was renewed."""
    session = org.sign_in("admin")
    for _ in range(9):
        clock.advance(LEASE / 2)
        session.touch()
    assert org.sessions.peak(since=clock.now()) == Peak(1, clock.now(), "session")


class Hasty(MemorySessions):
    """A session store where an administrator's end comes between a seat and the telling of it."""

    other: Organization | None = None

    def acquire(self, request: SeatRequest) -> Seat | Full:
        answer = super().acquire(request)
        if self.other is not None and isinstance(answer, Seat):
            assert self.other.sessions.end(answer.id)
        return answer


def test_an_end_that_is_told_before_the_start_stays(catalog: Catalog, clock: ManualClock) -> None:
    directory, seats = MemoryDirectory(), Hasty(clock)
    orgs = [seatperm.open(catalog, directory, session_store=seats, clock=clock) for _ in range(2)]
    orgs[0].users.add(id="ann", email="ann@kauri.example", name="Ann")
    seats.other = orgs[1]
    session = orgs[0].sign_in("ann")
    assert list(orgs[0].sessions.history()) == [Past(session.id, "ann", None, clock.now(), clock.now(), "by_other")]


def test_an_end_that_cant_be_told_is_told_with_the_next_one(catalog: Catalog, clock: ManualClock) -> None:
    """With the moment of its own; so is one that ran out, which the session store names only once."""
    directory = Unwritable()
    with closing(seatperm.open(catalog, directory, session_store=MemorySessions(clock), clock=clock)) as org:
        org.users.add(id="ann", email="ann@kauri.example", name="Ann")
        start = clock.now()
        session = org.sign_in("ann")
        directory.full = True
        clock.advance(MINUTE)
        with pytest.raises(StoreUnavailable):
            session.end()
        directory.full = False
        clock.advance(MINUTE)
        crashed = org.sign_in("ann")
        assert next(org.sessions.history(user="ann")) == Past(
            session.id, "ann", None, start, start + MINUTE, "by_holder"
        )
        clock.advance(LEASE)
        directory.full = True
        with pytest.raises(StoreUnavailable):
            org.sign_in("ann")
        directory.full = False
        org.sign_in("ann").end()
        assert Past(crashed.id, "ann", None, start + MINUTE * 2, start + MINUTE * 2 + LEASE, "expired") in list(
            org.sessions.history()
        )
        assert [event.kind for event in org.audit.filter(kind="session")].count("session.ended") == 3
        assert org.audit.verify()


def test_an_end_that_nobody_could_tell_is_settled_by_the_next_process(catalog: Catalog, clock: ManualClock) -> None:
    """Its teller was killed between the seat and the telling; what is live, or young, is left alone."""
    directory, seats = MemoryDirectory(), MemorySessions(clock)

    def opened() -> Organization:
        return seatperm.open(catalog, directory, session_store=seats, clock=clock)

    org = opened()
    org.change_license(session_limit=9)
    org.users.add(id="ann", email="ann@kauri.example", name="Ann")
    start = clock.now()
    untold, live = org.sign_in("ann"), org.sign_in("ann", "desk")
    assert seats.release(org.id, untold.id, None)
    clock.advance(LEASE / 2)
    live.touch()
    clock.advance(LEASE / 2 + MINUTE)
    young = org.sign_in("ann", "young")
    assert seats.release(org.id, young.id, None)
    assert {past.how for past in org.sessions.history()} == {None}
    opened().sign_in("ann").end()
    told = {past.id: (past.ended, past.how) for past in org.sessions.history()}
    assert told[untold.id] == (start + LEASE, "lost")
    assert told[live.id] == told[young.id] == (None, None)


def test_what_could_not_be_told_names_no_client_of_who_was_forgotten_since(
    catalog: Catalog, clock: ManualClock
) -> None:
    directory = Unwritable()
    with closing(seatperm.open(catalog, directory, session_store=MemorySessions(clock), clock=clock)) as org:
        org.users.add(id="ann", email="ann@kauri.example", name="Ann")
        session = org.sign_in("ann", "anns-laptop")
        directory.full = True
        with pytest.raises(StoreUnavailable):
            session.end()
        directory.full = False
        org.users.forget("ann")
        org.users.add(id="ben", email="ben@kauri.example", name="Ben")
        org.sign_in("ben").end()
        assert "anns-laptop" not in f"{list(org.sessions.history())} {list(org.audit)}"


MOMENTS = st.integers(0, 12).map(lambda minutes: datetime(2027, 3, 1, tzinfo=UTC) + MINUTE * minutes)
PASTS = st.builds(
    lambda name, user, began, lasted, refused: Past(
        f"{name}", user, None, began, began + MINUTE * lasted, "by_holder", refused
    ),
    st.uuids(),
    st.sampled_from(["ann", "ben", "cat"]),
    MOMENTS,
    st.integers(0, 8),
    st.booleans(),
)


@given(st.lists(PASTS, max_size=12), st.none() | MOMENTS, st.sampled_from(["session", "user"]))
def test_the_peak_is_what_counting_at_every_minute_finds(pasts: list[Past], since: datetime | None, per: str) -> None:
    def count(at: datetime) -> int:
        there = [past for past in pasts if not past.refused and past.began <= at < (past.ended or at)]
        return len({past.user_id for past in there}) if per == "user" else len(there)

    minutes = [datetime(2027, 3, 1, tzinfo=UTC) + MINUTE * minute for minute in range(24)]
    counts = {at: count(at) for at in minutes if since is None or at >= since}
    most = max(counts.values())
    expected = Peak(most, next(at for at in counts if counts[at] == most) if most else None, per)
    assert history.peak(sorted(pasts, key=lambda past: (past.began, past.id)), since, per) == expected


def test_the_peak_of_a_long_history_takes_the_memory_of_those_at_one_time() -> None:
    """It is read as it comes."""
    start, alive = datetime(2027, 3, 1, tzinfo=UTC), 0

    class Counted(str):
        __slots__ = ()

        def __new__(cls, text: str) -> Self:
            nonlocal alive
            alive += 1
            return super().__new__(cls, text)

        def __del__(self) -> None:
            nonlocal alive
            alive -= 1

    most = 0

    def pasts() -> Iterator[Past]:
        nonlocal most
        for number in range(20_000):
            most = max(most, alive)
            yield Past(
                Counted(f"{number}"), "ann", None, start + MINUTE * number, start + MINUTE * (number + 3), "expired"
            )

    assert history.peak(pasts(), None, "session").count == 3
    assert most < 10


def test_the_peak_is_never_above_the_limit(catalog: Catalog, tmp_path: Path) -> None:
    """However threads come and go: who gets a seat begins after the one who gave it back had ended."""
    with closing(seatperm.open(catalog, f"sqlite:///{tmp_path / 'books.db'}", session_events=False)) as org:
        org.change_license(session_limit=3)
        org.users.add(id="ann", email="ann@kauri.example", name="Ann")

        def work(number: int) -> None:
            for _ in range(12):
                org.sign_in("ann", wait=timedelta(seconds=60)).end()

        with ThreadPoolExecutor(6) as pool:
            list(pool.map(work, range(6)))
        pasts = [past for past in org.sessions.history() if not past.refused]
        assert len(pasts) == 72
        assert {past.how for past in pasts} == {"by_holder"}
        assert 1 <= org.sessions.peak().count <= 3


def test_processes_write_one_history(catalog: Catalog, tmp_path: Path, clock: ManualClock) -> None:
    """A real second process, which dies with its session: its end is told by the first."""
    url = f"sqlite:///{tmp_path / 'books.db'}"
    with closing(seatperm.open(catalog, url, lease=timedelta(seconds=1))) as org:
        org.users.add(id="ann", email="ann@kauri.example", name="Ann")
    child = os.fork()
    if child == 0:
        opened = seatperm.open(catalog, url, lease=timedelta(seconds=1))
        opened.sign_in("ann", "child")
        os._exit(0)
    os.waitpid(child, 0)
    with closing(seatperm.open(catalog, url, lease=timedelta(seconds=1))) as org:
        with org.sign_in("ann", wait=timedelta(seconds=20)) as session:
            assert session.user.id == "ann"
        first, *_ = org.sessions.history()
        assert (first.client, first.how) == ("child", "expired")
        assert first.ended is not None
        assert first.ended - first.began == timedelta(seconds=1)
    with closing(SQLiteDirectory(tmp_path / "books.db")) as store:
        assert len(list(store.history("default"))) == 2


def test_a_kept_session_that_could_not_be_told_of_is_over_in_the_history_too(
    catalog: Catalog, clock: ManualClock
) -> None:
    """Its seat is given back where the directory fails; that it ended is told with the next ending."""
    directory = Unwritable()
    org = seatperm.open(catalog, directory, session_store=MemorySessions(clock), clock=clock)
    org.users.add(id="admin", email="admin@kauri.example", name="Ada", roles=["organization_admin"])
    first = org.sign_in("admin", "desk")
    directory.full = True
    with pytest.raises(StoreUnavailable):
        org.sign_in("admin", "desk")
    assert list(org.sessions) == []
    directory.full = False
    org.sign_in("admin", "phone").end()
    told = {past.id: past.how for past in org.sessions.history()}
    assert told[first.id] == "by_holder"
    assert set(told.values()) == {"by_holder"}
    org.close()
