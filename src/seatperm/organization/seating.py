"""Signed-in sessions: `org.sign_in`, `org.resume`, `org.sessions`."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from datetime import datetime, timedelta
from time import monotonic, sleep
from types import TracebackType
from typing import Protocol, Self
from uuid import uuid4

from attrs import define, field

from .. import rules
from ..directory import User, identifier
from ..errors import (
    InvalidValue,
    SeatpermError,
    SeatsExhausted,
    SessionEnded,
    SignInRefused,
    StoreUnavailable,
    UnknownUser,
)
from ..sessions import Full, Seat, SeatRequest, new_token, token_hash
from ..stores import SessionStore
from .asking import Asking
from .trail import Happening, tell
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
        told: whether sign-ins, refusals and ends of sessions are events.
        endings: rises whenever this process ended a session, so that every other `Session` object looks again.
    """

    view: View
    store: SessionStore
    lease: float
    told: bool = True
    endings: int = field(init=False, default=0)

    def take(
        self, user: User, client: str | None, wait: timedelta | None, actor: str | None
    ) -> tuple[Seat, str, float]:
        """Return a seat, its token, and when (by the clock's `elapsed`) it is gone unless renewed.

        Raises:
            SeatsExhausted: there is none, or none came free in time.
            StoreUnavailable: a store did not answer, or the event could not be written; no seat is taken.
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
                    self._tell_start(answer, session_id, token, actor)
                    return answer, token, asked + answer.remaining
                self._tell_lapsed(answer)
                if not queued or monotonic() >= until:
                    full = self._exhausted(answer)
                    self.tell_refusal(
                        user.id, client, actor, reason="seats_exhausted", limit=full.limit, in_use=full.in_use
                    )
                    raise full
                sleep(min(pause, max(0.0, until - monotonic())))
                pause = min(pause * 2, POLL[1])
                self.view.fresh()
                user = self.admitted(user.id, client, actor)
        finally:
            if ticket is not None and queued:
                self.store.leave(self.view.id, ticket)

    def admitted(self, id: str, client: str | None, actor: str | None) -> User:
        """Return the user if nothing but a missing seat is in the way.

        Raises:
            UnknownUser, SignInRefused: there is no such user, or the user may not be signed in.
        """
        user = self.view.user(id)
        reason = self.view.barred(user)
        if user is None or reason is not None:
            self.tell_refusal(_asked_for(id), client, actor, reason=reason or "unknown_user")
            raise UnknownUser(id) if user is None or reason is None else SignInRefused(reason)
        return user

    def end_all(self, user: str, actor: str | None) -> None:
        """End every live session of a user: what was signed in before the user left does not come back with them."""
        for seat in tuple(self.store.live(self.view.id)):
            if seat.user_id == user and self.store.release(self.view.id, seat.id, None):
                self.endings += 1
                self.tell_end(seat.id, user, seat.client, actor, "by_other")

    def tell_refusal(self, user: str | None, client: str | None, actor: str | None, **why: str | int) -> None:
        """Tell of a sign-in that was refused."""
        if self.told:
            tell(self.view, actor, [Happening("session.refused", user, {"client": client, **why})])

    def tell_end(self, id: str, user: str, client: str | None, actor: str | None, how: str) -> None:
        """Tell of a session that somebody ended."""
        if self.told:
            tell(self.view, actor, [_end(id, user, client, how=how)])

    def _tell_start(self, seat: Seat, session_id: str, token: str, actor: str | None) -> None:
        # The seat is taken first: an event never stands for a seat that was not to be had.
        if not self.told:
            return
        kind = "session.started" if seat.id == session_id else "session.kept"
        try:
            self._tell_lapsed(seat)
            tell(self.view, actor, [Happening(kind, seat.user_id, {"session": seat.id, "client": seat.client})])
        except BaseException:
            with suppress(SeatpermError):
                self.store.release(self.view.id, seat.id, token_hash(token))
            raise

    def _tell_lapsed(self, answer: Seat | Full) -> None:
        if self.told and answer.lapsed:
            ends = (
                _end(seat.id, seat.user_id, seat.client, how="expired", expired_at=seat.expires_at.isoformat())
                for seat in answer.lapsed
            )
            tell(self.view, None, ends)

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
    _actor: str | None = field(repr=False)
    _looked: float = field(init=False, repr=False)
    _renewed: float = field(init=False, repr=False)
    _endings: int = field(init=False, repr=False)
    _over: str | None = field(init=False, default=None, repr=False)
    _owed: bool = field(init=False, default=False, repr=False)
    _look_at: float = field(init=False, repr=False)
    _boot: str = field(init=False, repr=False)

    def __attrs_post_init__(self) -> None:
        clock = self._seating.view.clock
        self._looked = clock.elapsed()
        self._look_at = self._looked + self._seating.view.staleness
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
        """Give the seat back; for a session that is over already, nothing happens.

        Raises:
            StoreUnavailable: the session store did not answer, and a later call tries again; or the event could
                not be written, and the seat is free.
        """
        if self._over is None or self._owed:
            self._over, self._owed = "ended", True
            self._seating.endings += 1
            released = self._seating.store.release(self._seating.view.id, self.id, token_hash(self.token))
            self._owed = False
            if released:
                self._seating.tell_end(self.id, self.user.id, self.client, self._actor, "by_holder")

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
        if self._endings != self._seating.endings or now >= self._look_at:
            self._look(now)

    def _look(self, now: float) -> None:
        view, endings = self._seating.view, self._seating.endings
        self._look_at = now + view.staleness
        try:
            seat = self._seating.store.find(view.id, token_hash(self.token))
        except StoreUnavailable:
            # The holder knows its lease without the store; whether it was ended, for as long as tables are believed.
            if now - self._looked >= view.max_stale:
                self._look_at = now
                raise
            return
        self._endings = endings
        self._keep(now, seat)

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
        if not isinstance(session_id, str):
            raise InvalidValue("session_id", session_id, "the id of a session, a string")
        seats = self._seating.store.live(self._seating.view.id)
        seat = next((seat for seat in seats if seat.id == session_id), None)
        own = seat is not None and self._asking.is_actor(seat.user_id)
        if not own:
            self._asking.ask("organization.sessions", "edit")
        if seat is None or not self._seating.store.release(self._seating.view.id, session_id, None):
            return False
        self._seating.endings += 1
        how = "by_holder" if own else "by_other"
        self._seating.tell_end(seat.id, seat.user_id, seat.client, self._asking.actor, how)
        return True


def sign_in(
    seating: Seating, org: Checks, id: str, client: str | None, wait: timedelta | None, actor: str | None
) -> Session:
    """Sign a user in, as `Organization.sign_in` says."""
    if client is not None and (not isinstance(client, str) or not client):
        raise InvalidValue("client", client, "a string that names the connection, or None")
    if wait is not None and (not isinstance(wait, timedelta) or wait < timedelta(0)):
        raise InvalidValue("wait", wait, "a timedelta of zero or more, or None")
    view = seating.view
    view.fresh(staleness=0)
    user = seating.admitted(id, client, actor)
    seat, token, gone = seating.take(user, client, wait, actor)
    return Session(seat.id, token, user, seat.client, seat.expires_at, gone, seating, org, actor)


def resume(seating: Seating, org: Checks, token: str, asking: Asking) -> Session:
    """Take up the session of a token, as `Organization.resume` says."""
    if not isinstance(token, str):
        raise InvalidValue("token", type(token), "the token of a session, a string")
    view = seating.view
    asked = view.clock.elapsed()
    seat = seating.store.find(view.id, token_hash(token))
    if seat is None:
        raise SessionEnded("not_found")
    if not asking.is_actor(seat.user_id):
        asking.host_only("resume", "organization.sessions")
    view.fresh()
    user = view.user(seat.user_id)
    barred = view.barred(user)
    if user is None or barred is not None:
        raise SessionEnded(barred or "unknown_user")
    session = Session(
        seat.id, token, user, seat.client, seat.expires_at, asked + seat.remaining, seating, org, asking.actor
    )
    session.touch()
    return session


def _end(id: str, user: str, client: str | None, **how: str) -> Happening:
    return Happening("session.ended", user, {"session": id, "client": client, **how})


def _asked_for(id: str) -> str | None:
    # What no user of any organization can have for an id is not written where nothing is ever taken out.
    try:
        return identifier("id", id)
    except InvalidValue:
        return None
