"""The PostgreSQL session store passes the kit, and answers as the memory store does."""

from __future__ import annotations

import secrets
from collections.abc import Iterator
from contextlib import closing
from itertools import count, cycle
from typing import ClassVar

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from seatperm.clock import Clock
from seatperm.sessions import Seat, SeatRequest
from seatperm.stores import SessionStore
from seatperm.stores.postgres_sessions import PostgresSessions
from seatperm.testing.session_kit import SessionConformance

from .servers import schema_of
from .session_calls import CALLS, LICENSE, PLACES, Call, Comparison, License, said


@pytest.fixture(scope="module")
def schema(postgres_url: str) -> Iterator[str]:
    with schema_of(postgres_url) as url:
        yield url


class TestPostgresSessions(SessionConformance):
    """The PostgreSQL store passes the kit on a real server."""

    real_time: ClassVar[bool] = True
    lease: ClassVar[float] = 0.8
    patience: ClassVar[float] = 0.3
    tick: ClassVar[float] = 0.1

    url: ClassVar[str]

    @pytest.fixture(autouse=True, scope="class")
    @classmethod
    def _server(cls, schema: str) -> None:
        cls.url = schema

    def open(self, clock: Clock) -> SessionStore:
        return PostgresSessions(self.url)


@settings(max_examples=200)
@given(calls=CALLS, licenses=st.tuples(LICENSE, LICENSE), organization=st.sampled_from(PLACES))
def test_every_call_is_answered_as_the_memory_store_does(
    schema: str, calls: list[Call], licenses: tuple[License, ...], organization: str
) -> None:
    """Any calls one after another by two hosts, while no time passes, in an organization of any name."""
    store, other = PostgresSessions(schema), PostgresSessions(schema)
    with closing(store), closing(other):
        comparison = Comparison.of(cycle([store, other, other]), licenses, organization)
        for call in calls:
            comparison.call(*call)


def test_hosts_that_hear_of_a_new_license_at_different_times_count_alike(schema: str) -> None:
    """One still asks in the plain way while another one's seats are reserved: nobody is counted twice or not at all."""
    first, second = PostgresSessions(schema), PostgresSessions(schema)
    place, number = secrets.token_hex(6), count()

    def request(*, plain: bool = False, holder: bool = False) -> SeatRequest:
        name, reserved = f"{place}-{next(number)}", {} if plain else {"admin": 1}
        holds = frozenset(["admin"] if holder else [])
        return SeatRequest(place, name, None, name, name, 60, 3, reserved=reserved, holds=holds)

    with closing(first), closing(second):
        held = request(holder=True)
        assert isinstance(first.acquire(held), Seat)
        assert first.release(place, held.session_id, held.token_hash)
        assert isinstance(second.acquire(request(plain=True)), Seat)
        assert isinstance(first.acquire(request()), Seat)
        assert said(first.acquire(request())) == (2, False, 0, ())
        assert isinstance(second.acquire(request(plain=True)), Seat)
        assert said(first.acquire(request(holder=True))) == (3, False, 0, ())
