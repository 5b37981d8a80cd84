"""The PostgreSQL session store passes the kit, and answers as the memory store does."""

from __future__ import annotations

import secrets
from collections.abc import Iterator
from contextlib import closing
from itertools import count, cycle
from typing import Any, ClassVar

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from seatperm.clock import Clock
from seatperm.sessions import Full, Seat, SeatRequest
from seatperm.stores import SessionStore
from seatperm.stores.memory_sessions import MemorySessions
from seatperm.stores.postgres_sessions import PostgresSessions
from seatperm.testing import ManualClock
from seatperm.testing.session_kit import SessionConformance

from .servers import schema_of


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


USERS = ["ann", "ben", "cat", "Mere 🌳", "a:b"]
PLACES = ["kauri", "{", "sp ace", "ōtaki", "%s", "$.", "a'b"]
ROLES = ["admin", "chief", 'kai "mahi"', "rôle:1", "{x,NULL}"]
ASKING = st.fixed_dictionaries(
    {
        "user_id": st.sampled_from(USERS),
        "client": st.sampled_from([None, None, "desk", "phone", "", "+desk"]),
        "holds": st.frozensets(st.sampled_from(ROLES), max_size=2),
        "ticket": st.sampled_from([None, None, "first", "second", "third", ""]),
    }
)
LICENSE = st.fixed_dictionaries(
    {
        "limit": st.integers(1, 4),
        "per_user": st.sampled_from([False, False, True]),
        "reserved": st.one_of(st.just({}), st.dictionaries(st.sampled_from(ROLES), st.integers(0, 2), max_size=2)),
    }
)
CALLS = st.lists(
    st.one_of(
        st.tuples(st.just("acquire"), ASKING, st.integers(0, 1)),
        st.tuples(st.just("acquire"), ASKING, st.just(0)),
        st.tuples(st.just("again"), st.integers(0, 99)),
        st.tuples(st.just("find"), st.integers(0, 99)),
        st.tuples(st.just("renew"), st.integers(0, 99)),
        st.tuples(st.just("rotate"), st.integers(0, 99)),
        st.tuples(st.just("release"), st.integers(0, 99), st.sampled_from(["own", "none", "another's"])),
        st.tuples(st.just("leave"), st.sampled_from(["first", "second", "third", ""])),
    ),
    max_size=30,
)


def said(answer: Seat | Full | bool | None) -> object:
    """Return what an answer says, times apart."""
    match answer:
        case Seat():
            return answer.id, answer.user_id, answer.client, answer.lapsed
        case Full():
            return answer.in_use, answer.next_free_in is None, answer.ahead, answer.lapsed
    return answer


@settings(max_examples=200)
@given(
    calls=CALLS,
    licenses=st.tuples(LICENSE, LICENSE),
    organization=st.sampled_from(["kauri", "{", "sp ace", "ōtaki", "%s", "$.", "a'b"]),
)
def test_every_call_is_answered_as_the_memory_store_does(
    schema: str, calls: list[tuple[object, ...]], licenses: tuple[dict[str, Any], ...], organization: str
) -> None:
    """Any calls one after another by two hosts, while no time passes, in an organization of any name."""
    model, store, other = MemorySessions(ManualClock()), PostgresSessions(schema), PostgresSessions(schema)
    hosts = cycle([store, other, other])
    place = f"{organization}-{secrets.token_hex(6)}"
    asked: list[SeatRequest] = []
    tokens = ["never given"]

    def both(verb: str, *values: object, **named: object) -> None:
        assert said(getattr(next(hosts), verb)(*values, **named)) == said(getattr(model, verb)(*values, **named))

    with closing(store), closing(other):
        for verb, *rest in calls:
            match verb, rest:
                case "acquire", [dict(asking), int(which)]:
                    number = f"{place}-{len(asked)}"
                    asked.append(
                        SeatRequest(
                            organization=place,
                            session_id=f"s{number}",
                            token_hash=f"t{number}",
                            lease=60,
                            **asking,
                            **licenses[which],
                        )
                    )
                    tokens.append(asked[-1].token_hash)
                    both("acquire", asked[-1])
                case "again", [int(which)] if asked and len(tokens) == len(asked) + 1:  # none was rotated away
                    both("acquire", asked[which % len(asked)])
                case "find", [int(which)]:
                    both("find", place, tokens[which % len(tokens)])
                case "renew", [int(which)]:
                    both("renew", place, tokens[which % len(tokens)], 60)
                case "rotate", [int(which)]:
                    tokens.append(f"r{len(tokens)}")
                    both("renew", place, tokens[which % (len(tokens) - 1)], 60, new_token_hash=tokens[-1])
                    both("renew", place, tokens[which % (len(tokens) - 1)], 60, new_token_hash=tokens[-1])
                case "release", [int(which), str(whose)] if asked:
                    request = asked[which % len(asked)]
                    token = {"own": request.token_hash, "none": None, "another's": tokens[0]}[whose]
                    both("release", place, request.session_id, token)
                case "leave", [str(ticket)]:
                    both("leave", place, ticket)
            assert [said(seat) for seat in store.live(place)] == [said(seat) for seat in model.live(place)]


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
