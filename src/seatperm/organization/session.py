"""Signed-in sessions: `org.sign_in`, `org.resume`, `org.sessions`."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta
from types import TracebackType
from typing import Protocol, Self

from attrs import define, field

from ..directory import User
from ..errors import InvalidValue, SessionEnded, StoreUnavailable
from ..sessions import Seat, token_hash
from .asking import Asking
from .seating import Seating

RENEW_AFTER = 0.1
"""The part of a lease that goes by before `touch` writes."""


class Checks(Protocol):
    """What a session asks of its organization."""

    def can(self, user: str, resource: str, action: str, record: object = None) -> bool:
        """Tell whether the user may do it."""
        ...


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
    _seat: Seat = field(repr=False)
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
        return self._seat.expires_at

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
                self._seating.tell_end(self._seat, self._actor, "by_holder")

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
        self._looked, self._gone, self._seat = asked, asked + seat.remaining, seat


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
        self._seating.tell_end(seat, self._asking.actor, how)
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
    return Session(seat.id, token, user, seat.client, seat, gone, seating, org, actor)


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
    session = Session(seat.id, token, user, seat.client, seat, asked + seat.remaining, seating, org, asking.actor)
    session.touch()
    return session
