"""Calls of every kind, one after another while no time passes: two stores have to answer them alike."""

from __future__ import annotations

import secrets
from collections.abc import Iterator, Sequence
from typing import Any

from attrs import define, evolve, field
from hypothesis import strategies as st

from seatperm.errors import InvalidValue
from seatperm.sessions import Full, Seat, SeatRequest
from seatperm.stores import SessionStore
from seatperm.stores.memory_sessions import MemorySessions
from seatperm.testing import ManualClock

Call = tuple[object, ...]
License = dict[str, Any]

USERS = ["ann", "ben", "cat", "Mere 🌳", "a:b"]
ROLES = ["admin", "chief", 'kai "mahi"', "rôle:1", "{x,NULL}"]
PLACES = ["kauri", "{", "}{", "a{b}c", "sp ace", "ōtaki", "%", "%s", "$.", "a'b"]

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
        st.tuples(st.just("borrow"), ASKING, st.integers(0, 99)),
        st.tuples(st.just("find"), st.integers(0, 99)),
        st.tuples(st.just("renew"), st.integers(0, 99)),
        st.tuples(st.just("rotate"), st.integers(0, 99)),
        st.tuples(st.just("release"), st.integers(0, 99), st.sampled_from(["own", "none", "another's"])),
        st.tuples(st.just("leave"), st.sampled_from(["first", "second", "third", ""])),
    ),
    max_size=40,
)


def said(answer: object) -> object:
    """Return what an answer says, times apart."""
    match answer:
        case Seat():
            return answer.id, answer.user_id, answer.client, answer.lapsed
        case Full():
            return answer.in_use, answer.next_free_in is None, answer.ahead, answer.lapsed
    return answer


@define
class Comparison:
    """The same calls of a store, by hosts in turn, and of the memory store.

    Attributes:
        hosts: which object of the store is asked next.
        licenses: what a request may be asked with.
        place: the organization.
    """

    hosts: Iterator[SessionStore]
    licenses: Sequence[License]
    place: str
    model: SessionStore = field(factory=lambda: MemorySessions(ManualClock()))
    asked: list[SeatRequest] = field(factory=list)
    tokens: list[str] = field(factory=lambda: ["never given"])

    @classmethod
    def of(cls, hosts: Iterator[SessionStore], licenses: Sequence[License], organization: str) -> Comparison:
        """Begin with an organization that nobody has asked for."""
        return cls(hosts, licenses, f"{organization}-{secrets.token_hex(6)}")

    def call(self, verb: object, *rest: Any) -> None:
        """Make one call of both, and compare what they say and who is live."""
        match verb, rest:
            case "acquire", [asking, which]:
                number = f"{self.place}-{len(self.asked)}"
                license = self.licenses[which]
                self.asked.append(
                    SeatRequest(
                        organization=self.place,
                        session_id=f"s{number}",
                        token_hash=f"t{number}",
                        lease=60,
                        **asking,
                        **license,
                    )
                )
                self.tokens.append(self.asked[-1].token_hash)
                self._both("acquire", self.asked[-1])
            case "again", [which] if self.asked:
                self._both("acquire", self.asked[which % len(self.asked)])
            case "borrow", [asking, which] if self.asked:
                fresh = self._fresh("b")
                self._both("acquire", evolve(self.asked[which % len(self.asked)], token_hash=fresh, **asking))
            case "find", [which]:
                self._both("find", self.place, self.tokens[which % len(self.tokens)])
            case "renew", [which]:
                self._both("renew", self.place, self.tokens[which % len(self.tokens)], 60)
            case "rotate", [which]:
                old, fresh = self.tokens[which % len(self.tokens)], self._fresh("r")
                for _ in range(2):
                    self._both("renew", self.place, old, 60, new_token_hash=fresh)
            case "release", [which, whose] if self.asked:
                request = self.asked[which % len(self.asked)]
                token = {"own": request.token_hash, "none": None, "another's": self.tokens[0]}[whose]
                self._both("release", self.place, request.session_id, token)
            case "leave", [ticket]:
                self._both("leave", self.place, ticket)
        live = [list(map(said, each.live(self.place))) for each in (next(self.hosts), self.model)]
        assert live[0] == live[1]

    def _fresh(self, letter: str) -> str:
        self.tokens.append(f"{letter}{self.place}-{len(self.tokens)}")
        return self.tokens[-1]

    def _both(self, verb: str, *values: object, **named: object) -> None:
        told = [self._told(each, verb, *values, **named) for each in (next(self.hosts), self.model)]
        assert told[0] == told[1]

    @staticmethod
    def _told(store: SessionStore, verb: str, *values: object, **named: object) -> object:
        try:
            return said(getattr(store, verb)(*values, **named))
        except InvalidValue as error:
            return str(error)
