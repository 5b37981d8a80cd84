"""Stores that break one promise each: what a row must be able to see.

`open_store("count-then-insert+sqlite:///seats.db", clock)` opens the store of a URL and breaks it so.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from secrets import token_hex as fresh

from attrs import evolve

from ...clock import Clock
from ...errors import StoreUnavailable
from ...sessions import Full, Seat, SeatRequest
from ...stores import SessionStore
from ...stores.opening import open_sessions
from .clocks import HOUR

ANY = 1_000_000
"""A limit that nobody reaches."""


class Passing:
    """A store that hands every call to another one; those that follow change one thing.

    Args:
        inner: the other one.
    """

    def __init__(self, inner: SessionStore) -> None:
        self._inner = inner
        self.url = inner.url

    def acquire(self, request: SeatRequest) -> Seat | Full:
        """Take a seat, or say that there is none."""
        return self._inner.acquire(request)

    def leave(self, organization: str, ticket: str) -> None:
        """Give up a place in the queue."""
        self._inner.leave(organization, ticket)

    def find(self, organization: str, token_hash: str) -> Seat | None:
        """Return the live session with this token."""
        return self._inner.find(organization, token_hash)

    def renew(
        self, organization: str, token_hash: str, lease: float, *, new_token_hash: str | None = None
    ) -> Seat | None:
        """Let the live session's lease run from now."""
        return self._inner.renew(organization, token_hash, lease, new_token_hash=new_token_hash)

    def release(self, organization: str, session_id: str, token_hash: str | None) -> bool:
        """End a live session."""
        return self._inner.release(organization, session_id, token_hash)

    def epoch(self, organization: str) -> str | None:
        """Return what names the memory in which the seats are."""
        return self._inner.epoch(organization)

    def live(self, organization: str) -> Iterator[Seat]:
        """Iterate over the live sessions."""
        return self._inner.live(organization)

    def close(self) -> None:
        """Give back what the store holds open."""
        self._inner.close()


class CountThenInsert(Passing):
    """Counts first and inserts later, in two steps, as nobody should: breaks row 1."""

    def acquire(self, request: SeatRequest) -> Seat | Full:
        """Count, and take a seat a moment later."""
        in_use = sum(1 for _ in self._inner.live(request.organization))
        if in_use >= request.limit:
            return Full(in_use, None)
        time.sleep(0.002)
        return self._inner.acquire(evolve(request, limit=ANY))


class Careless(Passing):
    """Ends a session whatever the token: breaks row 3."""

    def release(self, organization: str, session_id: str, token_hash: str | None) -> bool:
        """End the session of that id."""
        del token_hash
        return self._inner.release(organization, session_id, None)


class Hasty(Passing):
    """Ends a lease early and tells its holder otherwise: breaks rows 2, 6, 7 and, on a server, 9."""

    def acquire(self, request: SeatRequest) -> Seat | Full:
        """Take a seat for half the time."""
        answer = self._inner.acquire(evolve(request, lease=request.lease / 2))
        return evolve(answer, remaining=request.lease) if isinstance(answer, Seat) else answer

    def renew(
        self, organization: str, token_hash: str, lease: float, *, new_token_hash: str | None = None
    ) -> Seat | None:
        """Let the lease run for half the time."""
        seat = self._inner.renew(organization, token_hash, lease / 2, new_token_hash=new_token_hash)
        return None if seat is None else evolve(seat, remaining=lease)


class Clinging(Passing):
    """Keeps a seat for longer than the lease: breaks rows 2 and 6."""

    def acquire(self, request: SeatRequest) -> Seat | Full:
        """Take a seat for some seconds more."""
        return self._inner.acquire(evolve(request, lease=request.lease + 3))


class Repeating(Passing):
    """Takes a request that is sent again for another one: breaks row 4."""

    def acquire(self, request: SeatRequest) -> Seat | Full:
        """Take one more seat at every call."""
        return self._inner.acquire(evolve(request, session_id=fresh(8), token_hash=fresh(32), client=None))


class Forgetful(Passing):
    """Says that it has granted a seat, now and then, and has not: breaks row 8."""

    def acquire(self, request: SeatRequest) -> Seat | Full:
        """Take a seat, and lose it."""
        answer = self._inner.acquire(request)
        if isinstance(answer, Seat):
            self._inner.release(request.organization, answer.id, request.token_hash)
        return answer


class Reassuring(Passing):
    """Says of a session that is over that it goes on: breaks row 5."""

    def __init__(self, inner: SessionStore) -> None:
        super().__init__(inner)
        self._last: Seat | None = None

    def acquire(self, request: SeatRequest) -> Seat | Full:
        """Take a seat, for an hour as it says."""
        answer = self._inner.acquire(request)
        if isinstance(answer, Seat):
            answer = self._last = evolve(answer, remaining=HOUR)
        return answer

    def find(self, organization: str, token_hash: str) -> Seat | None:
        """Return the session that was granted last, whatever there is."""
        super().find(organization, token_hash)
        return self._last

    def renew(
        self, organization: str, token_hash: str, lease: float, *, new_token_hash: str | None = None
    ) -> Seat | None:
        """Renew the lease if there is one, and say in any case that there is."""
        self._inner.renew(organization, token_hash, lease, new_token_hash=new_token_hash)
        return self._last


class Pushing(Passing):
    """Keeps no queue, whatever it says: breaks row 12."""

    def acquire(self, request: SeatRequest) -> Seat | Full:
        """Give a free seat to whoever asks next."""
        return self._inner.acquire(evolve(request, ticket=None))


class Generous(Passing):
    """Counts against the highest limit that there ever was: breaks row 13."""

    def __init__(self, inner: SessionStore) -> None:
        super().__init__(inner)
        self._highest = 50

    def acquire(self, request: SeatRequest) -> Seat | Full:
        """Take a seat under the old limit."""
        self._highest = max(self._highest, request.limit)
        return self._inner.acquire(evolve(request, limit=self._highest))


class Refusing(Passing):
    """Grants nothing to anybody: breaks every row that needs a seat to be held, such as 8 and 11."""

    def acquire(self, request: SeatRequest) -> Full:
        """Say that there is no seat."""
        del request
        return Full(0, None)


class Shut(Passing):
    """Grants nothing more once its server was away: breaks row 8 on a server."""

    def __init__(self, inner: SessionStore) -> None:
        super().__init__(inner)
        self._away: StoreUnavailable | None = None

    def acquire(self, request: SeatRequest) -> Seat | Full:
        """Take a seat, if the server was always there."""
        if self._away is not None:
            raise StoreUnavailable(self.url, self._away.cause)
        try:
            return self._inner.acquire(request)
        except StoreUnavailable as error:
            self._away = error
            raise


class _WallTimed:
    """A clock whose leases are counted by the wall."""

    def __init__(self, clock: Clock) -> None:
        self.boot = "wall"
        self.now = clock.now

    def elapsed(self) -> float:
        return self.now().timestamp()


class Failing(Passing):
    """Lets errors through in a driver's words, not in ours: breaks rows 9 and 10."""

    def acquire(self, request: SeatRequest) -> Seat | Full:
        """Take a seat, or fail in a driver's words."""
        try:
            return self._inner.acquire(request)
        except Exception as error:
            raise OSError(str(error)) from error


BREAKS: dict[str, type[Passing]] = {
    "careless": Careless,
    "clinging": Clinging,
    "count-then-insert": CountThenInsert,
    "failing": Failing,
    "forgetful": Forgetful,
    "generous": Generous,
    "hasty": Hasty,
    "pushing": Pushing,
    "reassuring": Reassuring,
    "refusing": Refusing,
    "repeating": Repeating,
    "shut": Shut,
}
"""The broken stores, by what stands before the URL."""

WALL_TIMED = "wall-timed"
"""What stands before a URL whose store counts leases by the wall clock: breaks rows 6 and 7."""


def split(url: str) -> tuple[str, str]:
    """Return how a store is to be broken (empty: not at all), and its URL."""
    how, plus, inner = url.partition("+")
    return (how, inner) if plus and (how in BREAKS or how == WALL_TIMED) else ("", url)


def open_store(url: str, clock: Clock) -> SessionStore:
    """Return the session store that a URL names, broken where the URL says so.

    Raises:
        InvalidValue, StoreUnavailable, StoreDamaged, StoreVersion: as `seatperm.stores.opening.open_sessions`.
    """
    how, inner = split(url)
    if how == WALL_TIMED:
        return open_sessions(inner, _WallTimed(clock))
    store = open_sessions(inner, clock)
    return BREAKS[how](store) if how else store
