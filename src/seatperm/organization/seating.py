"""Signed-in sessions: `org.sign_in`, `org.resume`, `org.sessions`."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta
from time import monotonic, sleep
from types import TracebackType
from typing import Protocol, Self
from uuid import uuid4

from attrs import define, field

from .. import rules
from ..directory import User
from ..errors import InvalidValue, SeatsExhausted, SessionEnded, SignInRefused, UnknownUser
from ..sessions import Full, Seat, SeatRequest, new_token, token_hash
from ..stores import SessionStore
from .asking import Asking
from .view import View

RENEW_AFTER = 0.1
"""The part of a lease that goes by before `touch` writes."""

POLL = (0.01, 0.25)
"""Seconds between two looks of one who waits: the first, and the longest."""


class Checks(Protocol):
    """What a session asks of its organization."""

    def can(self, user: str, resource: str, action: str, record: object = None) -> bool:
        """Tell whether the user may do it."""
        ...


@define(eq=False, repr=False)
class Seating:
    """The seats of one organization, as one process sees them.

    Attributes:
        view: the organization.
        store: where the seats are kept.
        lease: seconds that a seat is held unless it is renewed.
        endings: rises whenever this process ended a session, so that every other `Session` object looks again.
    """

    view: View
    store: SessionStore
    lease: float
    endings: int = field(init=False, default=0)

    def take(self, user: User, client: str | None, wait: timedelta | None) -> tuple[Seat, str, float]:
        """Return a seat, its token, and when (by the clock's `elapsed`) it is gone unless renewed.

        Raises:
            SeatsExhausted: there is none, or none came free in time.
        """
        session_id, token = uuid4().hex, new_token()
        ticket = None if wait is None else uuid4().hex
        until = monotonic() + (0.0 if wait is None else wait.total_seconds())
        pause = POLL[0]
        queued = False
        try:
            while True:
                asked = self.view.clock.elapsed()
                answer = self.store.acquire(self._request(user, client, session_id, token_hash(token), ticket))
                queued = ticket is not None and isinstance(answer, Full)
                if isinstance(answer, Seat):
                    return answer, token, asked + answer.remaining
                if not queued or monotonic() >= until:
                    raise self._exhausted(answer)
                sleep(min(pause, max(0.0, until - monotonic())))
                pause = min(pause * 2, POLL[1])
                self.view.fresh()
        finally:
            if ticket is not None and queued:
                self.store.leave(self.view.id, ticket)

    def _request(self, user: User, client: str | None, id: str, hash: str, ticket: str | None) -> SeatRequest:
        license = self.view.record.license
        holds = rules.live_roles(self.view.catalog, license, user, self.view.now())
        return SeatRequest(
            organization=self.view.id,
            user_id=user.id,
            client=client,
            session_id=id,
            token_hash=hash,
            lease=self.lease,
            limit=license.session_limit,
            per_user=license.seat_per == "user",
            reserved=license.reserved,
            holds=frozenset(role for role in license.reserved if role in holds),
            ticket=ticket,
        )

    def _exhausted(self, full: Full) -> SeatsExhausted:
        in_seconds = full.next_free_in
        at = None if in_seconds is None else self.view.now() + timedelta(seconds=in_seconds)
        return SeatsExhausted(self.view.record.license.session_limit, full.in_use, at)


@define(eq=False)
class Session:
    """One connection of one user; it holds one seat until it ends or its lease runs out.

    A context manager: the seat is given back at the end of the `with` block. Its holder knows by the
    machine's own clock, without asking anybody, when the lease has run out.

    Attributes:
        id: the session's id, which may be shown.
        token: what `org.resume` takes; a secret.
        user: the user, as of the sign-in.
        client: the connection's name, None where none was given.
    """

    id: str
    token: str = field(repr=False)
    user: User
    client: str | None
    _expires_at: datetime
    _gone: float = field(repr=False)
    _seating: Seating = field(repr=False)
    _org: Checks = field(repr=False)
    _looked: float = field(init=False, repr=False)
    _renewed: float = field(init=False, repr=False)
    _endings: int = field(init=False, repr=False)
    _over: str | None = field(init=False, default=None, repr=False)
    _boot: str = field(init=False, repr=False)

    def __attrs_post_init__(self) -> None:
        clock = self._seating.view.clock
        self._looked = clock.elapsed()
        self._renewed = self._gone - self._seating.lease
        self._endings = self._seating.endings
        self._boot = clock.boot

    @property
    def expires_at(self) -> datetime:
        """When the lease ends unless it is renewed, as wall time for people to read."""
        return self._expires_at

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.end()

    def touch(self) -> None:
        """Renew the lease; a write only when a tenth of it has gone.

        Raises:
            SessionEnded: it is over, with the reason.
            StoreUnavailable: the store did not answer; the lease goes on as it was.
        """
        self._stand()
        asked = self._seating.view.clock.elapsed()
        if asked - self._renewed >= self._seating.lease * RENEW_AFTER:
            self._keep(
                asked, self._seating.store.renew(self._seating.view.id, token_hash(self.token), self._seating.lease)
            )
            self._renewed = asked

    def end(self) -> None:
        """Give the seat back; for a session that is over already, nothing happens."""
        if self._over is None:
            self._over = "ended"
            self._seating.endings += 1
            self._seating.store.release(self._seating.view.id, self.id, token_hash(self.token))

    def can(self, resource: str, action: str, record: object = None) -> bool:
        """Tell whether the session's user may do it, as `org.can`.

        Raises:
            SessionEnded: the session is over.
            UnknownResource, UnknownAction, NoRelation, StoreUnavailable: as `org.can`.
        """
        self._stand()
        return self._org.can(self.user.id, resource, action, record)

    def _stand(self) -> None:
        """Go on only if the session is not over, as far as this process may believe what it knows."""
        view = self._seating.view
        now = view.clock.elapsed()
        if self._over is None and (now >= self._gone or view.clock.boot != self._boot):
            self._over = "expired"
        if self._over is not None:
            raise SessionEnded(self._over)
        view.fresh()
        barred = view.barred(view.user(self.user.id))
        if barred is not None:
            raise SessionEnded(barred)
        if self._endings != self._seating.endings or now - self._looked >= view.staleness:
            self._endings = self._seating.endings
            self._keep(now, self._seating.store.find(view.id, token_hash(self.token)))

    def _keep(self, asked: float, seat: Seat | None) -> None:
        if seat is None:
            self._over = "ended"
            raise SessionEnded(self._over)
        self._looked, self._gone, self._expires_at = asked, asked + seat.remaining, seat.expires_at


@define(eq=False, repr=False)
class Sessions:
    """The live sessions of an organization, first started first.

    Iteration and `len()` speak of those that may be seen: for the host all, for `as_user` one's own, or all
    where that user may view `organization.sessions`.
    """

    _seating: Seating
    _asking: Asking

    def __iter__(self) -> Iterator[Seat]:
        everyones = self._asking.may("organization.sessions")
        live = self._seating.store.live(self._seating.view.id)
        return (seat for seat in live if everyones or self._asking.is_actor(seat.user_id))

    def __len__(self) -> int:
        return sum(1 for _ in self)

    @property
    def limit(self) -> int:
        """How many sessions the license admits at one time."""
        self._seating.view.fresh()
        return self._seating.view.record.license.session_limit

    def end(self, session_id: str) -> bool:
        """End a session; its holder is told at the next call. Return whether it was live.

        Raises:
            AccessDenied: `organization.sessions:edit` is needed, except for one's own.
        """
        if session_id not in {seat.id for seat in self if self._asking.is_actor(seat.user_id)}:
            self._asking.ask("organization.sessions", "edit")
        ended = self._seating.store.release(self._seating.view.id, session_id, None)
        self._seating.endings += 1
        return ended


def sign_in(seating: Seating, org: Checks, id: str, client: str | None, wait: timedelta | None) -> Session:
    """Sign a user in, as `Organization.sign_in` says."""
    if client is not None and (not isinstance(client, str) or not client):
        raise InvalidValue("client", client, "a string that names the connection, or None")
    if wait is not None and (not isinstance(wait, timedelta) or wait < timedelta(0)):
        raise InvalidValue("wait", wait, "a timedelta of zero or more, or None")
    view = seating.view
    view.fresh(staleness=0)
    user = view.user(id)
    barred = view.barred(user)
    if user is None:
        raise UnknownUser(id)
    if barred is not None:
        raise SignInRefused(barred)
    seat, token, gone = seating.take(user, client, wait)
    return Session(seat.id, token, user, seat.client, seat.expires_at, gone, seating, org)


def resume(seating: Seating, org: Checks, token: str) -> Session:
    """Take up the session of a token, as `Organization.resume` says."""
    if not isinstance(token, str):
        raise InvalidValue("token", token, "the token of a session, a string")
    view = seating.view
    asked = view.clock.elapsed()
    seat = seating.store.find(view.id, token_hash(token))
    if seat is None:
        raise SessionEnded("not_found")
    view.fresh()
    user = view.user(seat.user_id)
    barred = view.barred(user)
    if user is None or barred is not None:
        raise SessionEnded(barred or "unknown_user")
    session = Session(seat.id, token, user, seat.client, seat.expires_at, asked + seat.remaining, seating, org)
    session.touch()
    return session
