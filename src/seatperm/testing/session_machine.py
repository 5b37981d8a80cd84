"""A state machine that compares a session store with the memory store, step by step; needs hypothesis."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta

from attrs import evolve, frozen
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from ..clock import Clock
from ..errors import InvalidValue
from ..sessions import Full, Seat, SeatRequest
from ..stores import SessionStore
from ..stores.memory_sessions import MemorySessions
from .clock import ManualClock

_ORGANIZATIONS = ("kauri", "rimu")
_RESERVED: tuple[Mapping[str, int], ...] = ({}, {"admin": 1}, {"admin": 1, "chief": 1})


@frozen
class _Taken:
    organization: str
    id: str
    token_hash: str


class SessionMachine(RuleBasedStateMachine):
    """Subclass it, override `open`, and run its `TestCase`.

    The store must tell the time by the clock that it is given. After every step both stores list the same
    sessions, and every call gets the same answer from both.
    """

    def open(self, clock: Clock) -> SessionStore:
        """Return an empty store; called once for each generated run."""
        raise NotImplementedError

    def __init__(self) -> None:
        super().__init__()
        self.clock = ManualClock()
        self.model = MemorySessions(self.clock)
        self.taken: list[_Taken] = []
        self.requests: list[SeatRequest] = []
        self.asked = 0

    @initialize()
    def begin(self) -> None:
        """Open the store."""
        self.store = self.open(self.clock)

    def teardown(self) -> None:
        """Close the store."""
        if hasattr(self, "store"):
            self.store.close()

    @rule(
        organization=st.sampled_from(_ORGANIZATIONS),
        user=st.sampled_from(["ann", "ben", "cat"]),
        client=st.sampled_from([None, "desk", "phone"]),
        limit=st.integers(1, 4),
        per_user=st.booleans(),
        reserved=st.sampled_from(_RESERVED),
        holds=st.sets(st.sampled_from(["admin", "chief"])),
        ticket=st.sampled_from([None, None, "first", "second", "third"]),
        lease=st.sampled_from([5.0, 10.0, 20.5]),
        patience=st.sampled_from([2.5, 10.0]),
    )
    def acquire(
        self,
        organization: str,
        user: str,
        client: str | None,
        limit: int,
        per_user: bool,
        reserved: Mapping[str, int],
        holds: set[str],
        ticket: str | None,
        lease: float,
        patience: float,
    ) -> None:
        """Ask both for a seat; whoever takes a new one is within the limit."""
        self.asked += 1
        request = SeatRequest(
            organization=organization,
            user_id=user,
            client=client,
            session_id=f"session-{self.asked}",
            token_hash=f"token-{self.asked}",
            lease=lease,
            limit=limit,
            per_user=per_user,
            reserved=reserved,
            holds=frozenset(holds),
            ticket=ticket,
            patience=patience,
        )
        self._ask(request)

    @rule(
        data=st.data(),
        user=st.sampled_from([None, None, "ann", "ben"]),
        client=st.sampled_from([None, None, None, "desk"]),
        fresh=st.booleans(),
    )
    def ask_again(self, data: st.DataObject, user: str | None, client: str | None, fresh: bool) -> None:
        """Send any request again, however late; or let another user or client ask with its session id."""
        if self.requests:
            request = data.draw(st.sampled_from(self.requests))
            if fresh or user is not None or client is not None:
                self.asked += 1
                user, client = user or request.user_id, client or request.client
                request = evolve(request, user_id=user, client=client, token_hash=f"token-{self.asked}")
            self._ask(request)

    def _ask(self, request: SeatRequest) -> None:
        before = self._in_use(request.organization, request.per_user)
        answer = self._said(self.store, request)
        assert answer == self._said(self.model, request)
        after = self._in_use(request.organization, request.per_user)
        assert after <= max(before, request.limit)
        self.requests.append(request)
        if isinstance(answer, Seat):
            self.taken.append(_Taken(request.organization, answer.id, request.token_hash))

    def _said(self, store: SessionStore, request: SeatRequest) -> Seat | Full | str:
        try:
            return store.acquire(request)
        except InvalidValue as error:
            return str(error)

    @rule(data=st.data(), lease=st.sampled_from([1.0, 10.0, 20.5]))
    def renew(self, data: st.DataObject, lease: float) -> None:
        """Renew any session that ever was."""
        taken = self._any(data)
        if taken is not None:
            answer = self.store.renew(taken.organization, taken.token_hash, lease)
            assert answer == self.model.renew(taken.organization, taken.token_hash, lease)

    @rule(data=st.data(), lease=st.sampled_from([1.0, 10.0]), again=st.booleans())
    def rotate(self, data: st.DataObject, lease: float, again: bool) -> None:
        """Give any session that ever was a fresh token, or send such a call again."""
        taken = self._any(data)
        if taken is not None:
            self.asked += 1
            known = [each for each in self.taken if (each.organization, each.id) == (taken.organization, taken.id)]
            fresh = known[-1].token_hash if again else f"token-{self.asked}"
            place, token = taken.organization, taken.token_hash
            answer = self.store.renew(place, token, lease, new_token_hash=fresh)
            assert answer == self.model.renew(place, token, lease, new_token_hash=fresh)
            if answer is not None:
                self.taken.append(_Taken(place, answer.id, fresh))

    @rule(data=st.data(), whose=st.sampled_from(["own", "none", "another's"]))
    def release(self, data: st.DataObject, whose: str) -> None:
        """End any session that ever was, with its token, without one, or with another's."""
        taken, other = self._any(data), self._any(data)
        if taken is not None and other is not None:
            token = {"own": taken.token_hash, "none": None, "another's": other.token_hash}[whose]
            answer = self.store.release(taken.organization, taken.id, token)
            assert answer == self.model.release(taken.organization, taken.id, token)

    @rule(data=st.data())
    def find(self, data: st.DataObject) -> None:
        """Look for any session that ever was."""
        taken = self._any(data)
        if taken is not None:
            answer = self.store.find(taken.organization, taken.token_hash)
            assert answer == self.model.find(taken.organization, taken.token_hash)

    @rule(organization=st.sampled_from(_ORGANIZATIONS), ticket=st.sampled_from(["first", "second", "third"]))
    def leave(self, organization: str, ticket: str) -> None:
        """Give up a place, had or not."""
        self.store.leave(organization, ticket)
        self.model.leave(organization, ticket)

    @rule(seconds=st.sampled_from([0.5, 2.5, 5.0, 10.0]))
    def advance(self, seconds: float) -> None:
        """Let time pass."""
        self.clock.advance(timedelta(seconds=seconds))

    @rule(hours=st.sampled_from([-1, 1]))
    def step(self, hours: int) -> None:
        """Step the wall clock: nobody's lease ends or lasts for it."""
        before = [self._in_use(organization, False) for organization in _ORGANIZATIONS]
        self.clock.step(timedelta(hours=hours))
        assert [self._in_use(organization, False) for organization in _ORGANIZATIONS] == before

    @rule()
    def reboot(self) -> None:
        """Restart the machine: every lease is void."""
        self.clock.reboot()
        assert not any(self._in_use(organization, False) for organization in _ORGANIZATIONS)

    @invariant()
    def both_list_the_same_sessions(self) -> None:
        """In the same order, to the last attribute."""
        if hasattr(self, "store"):
            for organization in _ORGANIZATIONS:
                assert list(self.store.live(organization)) == list(self.model.live(organization))

    def _in_use(self, organization: str, per_user: bool) -> int:
        users = [seat.user_id for seat in self.store.live(organization)]
        return len(set(users)) if per_user else len(users)

    def _any(self, data: st.DataObject) -> _Taken | None:
        return data.draw(st.sampled_from(self.taken)) if self.taken else None
