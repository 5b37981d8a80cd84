"""The Redis store passes the kit, and answers as the memory store does."""

from __future__ import annotations

import secrets
from contextlib import closing
from itertools import repeat
from typing import Any, ClassVar

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from seatperm.clock import Clock
from seatperm.sessions import Full, Seat, SeatRequest
from seatperm.stores import SessionStore
from seatperm.stores.redis_sessions import RedisSessions
from seatperm.testing.session_kit import SessionConformance

from .servers import redis_url
from .session_calls import CALLS, LICENSE, PLACES, Call, Comparison, License

__all__ = ["redis_url"]


class TestRedisSessions(SessionConformance):
    """The Redis store passes the kit on a real server."""

    real_time: ClassVar[bool] = True
    lease: ClassVar[float] = 0.5
    patience: ClassVar[float] = 0.2
    tick: ClassVar[float] = 0.05

    url: ClassVar[str]

    @pytest.fixture(autouse=True, scope="class")
    @classmethod
    def _server(cls, redis_url: str) -> None:
        cls.url = redis_url

    def open(self, clock: Clock) -> SessionStore:
        return RedisSessions(self.url)


@settings(max_examples=400)
@given(calls=CALLS, licenses=st.tuples(LICENSE, LICENSE), organization=st.sampled_from(PLACES))
def test_every_call_is_answered_as_the_memory_store_does(
    redis_url: str, calls: list[Call], licenses: tuple[License, ...], organization: str
) -> None:
    """Any calls one after another, while no time passes, in an organization of any name."""
    with closing(RedisSessions(redis_url)) as store:
        comparison = Comparison.of(repeat(store), licenses, organization)
        for call in calls:
            comparison.call(*call)


def test_a_holder_who_left_is_no_holder_any_more_where_users_share_a_seat(redis_url: str) -> None:
    """The seat that was reserved is kept back again, after the last of the holder's sessions and not before."""
    asked: dict[str, Any] = {"lease": 60.0, "limit": 2, "per_user": True, "reserved": {"admin": 1}}

    def request(user: str, *holds: str) -> SeatRequest:
        return SeatRequest(
            place, user, None, secrets.token_hex(8), secrets.token_hex(8), holds=frozenset(holds), **asked
        )

    place = f"kauri-{secrets.token_hex(6)}"
    with closing(RedisSessions(redis_url)) as store:
        sessions = [store.acquire(request("eve", "admin")) for _ in range(2)]
        for session in sessions:
            assert isinstance(session, Seat)
            assert store.release(place, session.id, None)
        assert isinstance(store.acquire(request("ann")), Seat)
        assert isinstance(store.acquire(request("ben")), Full)
        assert isinstance(store.acquire(request("eve", "admin")), Seat)
