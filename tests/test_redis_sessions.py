"""The Redis store passes the kit, and answers as the memory store does."""

from __future__ import annotations

import secrets
from contextlib import closing
from typing import Any, ClassVar

import pytest
from attrs import evolve
from hypothesis import given, settings
from hypothesis import strategies as st

from seatperm.clock import Clock
from seatperm.errors import InvalidValue
from seatperm.sessions import Full, Seat, SeatRequest
from seatperm.stores import SessionStore
from seatperm.stores.memory_sessions import MemorySessions
from seatperm.stores.redis_sessions import RedisSessions
from seatperm.testing import ManualClock
from seatperm.testing.session_kit import SessionConformance

from .servers import redis_url

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


USERS = ["ann", "ben", "cat", "Mere 🌳", "a:b"]
ROLES = ["admin", 'kai "mahi"', "rôle:1"]
ASKING = st.fixed_dictionaries(
    {
        "user_id": st.sampled_from(USERS),
        "client": st.sampled_from([None, None, "desk", "phone", "", "+desk"]),
        "holds": st.frozensets(st.sampled_from(ROLES), max_size=2),
        "ticket": st.sampled_from([None, None, "first", "second", "third", ""]),
    }
)
LICENSES = st.lists(
    st.fixed_dictionaries(
        {
            "limit": st.integers(1, 4),
            "per_user": st.booleans(),
            "reserved": st.dictionaries(st.sampled_from(ROLES), st.integers(0, 2), max_size=2),
        }
    ),
    min_size=1,
    max_size=2,
)
CALLS = st.lists(
    st.one_of(
        st.tuples(st.just("acquire"), ASKING, st.integers(0, 1)),
        st.tuples(st.just("again"), st.integers(0, 99)),
        st.tuples(st.just("borrow"), ASKING, st.integers(0, 99)),
        st.tuples(st.just("find"), st.integers(0, 99)),
        st.tuples(st.just("renew"), st.integers(0, 99)),
        st.tuples(st.just("rotate"), st.integers(0, 99)),
        st.tuples(st.just("release"), st.integers(0, 99), st.sampled_from(["own", "none", "another's"])),
        st.tuples(st.just("leave"), st.sampled_from(["first", "second", "third", ""])),
    ),
    max_size=40,
)


def said(answer: Seat | Full | bool | None) -> object:
    """Return what an answer says, times apart."""
    match answer:
        case Seat():
            return answer.id, answer.user_id, answer.client, answer.lapsed
        case Full():
            return answer.in_use, answer.next_free_in is None, answer.ahead, answer.lapsed
    return answer


@settings(max_examples=400)
@given(
    calls=CALLS, licenses=LICENSES, organization=st.sampled_from(["kauri", "{", "}{", "a{b}c", "sp ace", "ōtaki", "%"])
)
def test_every_call_is_answered_as_the_memory_store_does(
    redis_url: str, calls: list[tuple[object, ...]], licenses: list[dict[str, Any]], organization: str
) -> None:
    """Any calls one after another, while no time passes, in an organization of any name."""
    model, store = MemorySessions(ManualClock()), RedisSessions(redis_url)
    place = f"{organization}-{secrets.token_hex(6)}"
    asked: list[SeatRequest] = []
    tokens = ["never given"]

    def told(of: SessionStore, verb: str, *values: object, **named: object) -> object:
        try:
            return said(getattr(of, verb)(*values, **named))
        except InvalidValue as error:
            return str(error)

    def both(verb: str, *values: object, **named: object) -> None:
        assert told(store, verb, *values, **named) == told(model, verb, *values, **named)

    with closing(store):
        for verb, *rest in calls:
            match verb, rest:
                case "acquire", [dict(asking), int(which)]:
                    number = len(asked)
                    asked.append(
                        SeatRequest(
                            organization=place,
                            session_id=f"s{number}",
                            token_hash=f"t{number}",
                            lease=60,
                            **asking,
                            **licenses[which % len(licenses)],
                        )
                    )
                    tokens.append(asked[-1].token_hash)
                    both("acquire", asked[-1])
                case "again", [int(which)] if asked:
                    both("acquire", asked[which % len(asked)])
                case "borrow", [dict(asking), int(which)] if asked:
                    borrowed = evolve(asked[which % len(asked)], token_hash=f"b{len(tokens)}", **asking)
                    tokens.append(borrowed.token_hash)
                    both("acquire", borrowed)
                case "find", [int(which)]:
                    both("find", place, tokens[which % len(tokens)])
                case "renew", [int(which)]:
                    both("renew", place, tokens[which % len(tokens)], 60)
                case "rotate", [int(which)]:
                    old, fresh = tokens[which % len(tokens)], f"r{len(tokens)}"
                    tokens.append(fresh)
                    both("renew", place, old, 60, new_token_hash=fresh)
                    both("renew", place, old, 60, new_token_hash=fresh)
                case "release", [int(which), str(whose)] if asked:
                    request = asked[which % len(asked)]
                    token = {"own": request.token_hash, "none": None, "another's": tokens[0]}[whose]
                    both("release", place, request.session_id, token)
                case "leave", [str(ticket)]:
                    both("leave", place, ticket)
            assert [said(seat) for seat in store.live(place)] == [said(seat) for seat in model.live(place)]


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
