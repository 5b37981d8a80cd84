"""What the conformance tests for session stores stand on: the store, its clock, and asking it for seats."""

from __future__ import annotations

import secrets
import time
from collections.abc import Collection, Mapping
from datetime import timedelta
from typing import ClassVar

from ..clock import Clock
from ..sessions import Full, Seat, SeatRequest, new_token, token_hash
from ..stores import SessionStore
from .clock import ManualClock


class SessionFixture:
    """Opens a store for each test; `seatperm.testing.session_kit` says how to use it.

    Attributes:
        real_time: the store's clock can't be moved, so that `advance` waits.
        lease: seconds of the leases in the tests.
        patience: seconds that places in the queue are kept in the tests.
        tick: the shortest time, in seconds, by which before and after are told apart; with `real_time` longer
            than any test takes for a few calls.
    """

    real_time: ClassVar[bool] = False
    lease: ClassVar[float] = 2.0
    patience: ClassVar[float] = 1.0
    tick: ClassVar[float] = 0.000_001

    clock: ManualClock
    store: SessionStore
    organization: str

    def open(self, clock: Clock) -> SessionStore:
        """Return the store; called once a test. Other tests' content may be there already."""
        raise NotImplementedError

    def advance(self, seconds: float) -> None:
        """Let the store's clock go on: moves `clock`, or, with `real_time`, waits."""
        if self.real_time:
            time.sleep(seconds)
        else:
            self.clock.advance(timedelta(seconds=seconds))

    def setup_method(self) -> None:
        """Open the store before each test, for an organization of its own."""
        self.clock = ManualClock()
        self.organization = f"kit-{secrets.token_hex(6)}"
        self.store = self.open(self.clock)

    def teardown_method(self) -> None:
        """Close the store after each test."""
        self.store.close()

    def request(
        self,
        user: str = "ann",
        client: str | None = None,
        *,
        limit: int = 1,
        per_user: bool = False,
        reserved: Mapping[str, int] | None = None,
        holds: Collection[str] = (),
        ticket: str | None = None,
    ) -> SeatRequest:
        """Return a request with a fresh id and token."""
        return SeatRequest(
            organization=self.organization,
            user_id=user,
            client=client,
            session_id=secrets.token_hex(8),
            token_hash=token_hash(new_token()),
            lease=self.lease,
            limit=limit,
            per_user=per_user,
            reserved=reserved or {},
            holds=frozenset(holds),
            ticket=ticket,
            patience=self.patience,
        )

    def take(self, request: SeatRequest) -> Seat:
        """Acquire a seat that must be there."""
        answer = self.store.acquire(request)
        assert isinstance(answer, Seat), f"a seat was refused: {answer}"
        assert (answer.user_id, answer.client) == (request.user_id, request.client)
        assert answer.remaining <= request.lease + self.tick
        return answer

    def refuse(self, request: SeatRequest) -> Full:
        """Ask for a seat that must not be there."""
        answer = self.store.acquire(request)
        assert isinstance(answer, Full), f"a seat was granted: {answer}"
        return answer

    def ids(self) -> list[str]:
        """Return the ids of the live sessions, in the store's order."""
        return [seat.id for seat in self.store.live(self.organization)]

    def find(self, request: SeatRequest) -> Seat | None:
        """Look for the session by the token that was asked with."""
        return self.store.find(self.organization, request.token_hash)
