"""One signed-in session: `org.sign_in`, `org.resume`."""

from __future__ import annotations

import os
from collections.abc import Callable, Generator
from contextlib import AbstractContextManager
from datetime import datetime, timedelta
from types import TracebackType
from typing import Literal, NoReturn, Protocol, Self, TypeVar

from attrs import define, field

from ..clock import Clock
from ..directory import User
from ..errors import InvalidValue, SessionEnded, StoreUnavailable
from ..sessions import Seat, new_token, token_hash
from .asking import Asking
from .seating import Seating, store_time
from .view import NEVER, Tables

RENEW_AFTER = 0.1
"""The part of a lease that goes by before `touch` writes."""

OnUnavailable = Literal["deny", "grace"]
"""What a call does for a session that is held while the store does not answer."""

A = TypeVar("A", Seat, bool)


class Checks(Protocol):
    """What a session asks of its organization."""

    def can(self, user: str, resource: str, action: str, record: object = None) -> bool:
        """Tell whether the user may do it."""
        ...


@define(eq=False)
class Session:
    """One connection of one user; it holds one seat until it ends or its lease runs out.

    A context manager: the seat is given back at the end of the `with` block. Its holder knows by the
    machine's own clock, without asking anybody, when the lease has run out. It belongs to the process that signed
    in: in a child made by `fork()` it is over, and its end gives nothing back.

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
    _fresh: str | None = field(init=False, default=None, repr=False)
    _one_at_a_time: dict[str, AbstractContextManager[object]] = field(init=False, factory=dict, repr=False)
    _looked: float = field(init=False, repr=False)
    _told: float = field(init=False, repr=False)
    _renewed: float = field(init=False, repr=False)
    _turns: int = field(init=False, repr=False)
    _over: str | None = field(init=False, default=None, repr=False)
    _owed: bool = field(init=False, default=False, repr=False)
    _look_at: float = field(init=False, repr=False)
    _boot: str = field(init=False, repr=False)
    _clock: Clock = field(init=False, repr=False)
    _stood: Tables | None = field(init=False, default=None, repr=False)
    _stands_until: float = field(init=False, default=NEVER, repr=False)
    _pid: int = field(init=False, factory=os.getpid, repr=False)

    def __attrs_post_init__(self) -> None:
        clock = self._clock = self._seating.view.clock
        self._looked = self._told = clock.elapsed()
        self._look_at = self._looked + self._seating.view.staleness
        self._renewed = self._gone - self._seating.lease
        self._turns = self._seating.turns
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

    def touch(self, *, on_unavailable: OnUnavailable = "deny") -> None:
        """Renew the lease; a write only when a tenth of it has gone.

        Args:
            on_unavailable: what to do while a store does not answer: "deny", or "grace", which goes on with the
                lease as it was until it runs out.

        Raises:
            SessionEnded: it is over, with the reason.
            StoreUnavailable: the store did not answer; the lease goes on as it was.
        """
        grace = is_grace(on_unavailable)
        seating, clock = self._seating, self._seating.view.clock
        due = clock.elapsed() - self._renewed >= seating.lease * RENEW_AFTER
        self._stand(grace, look=not due)  # to renew is to look
        asked = clock.elapsed()
        if due and not (grace and asked < seating.ask_at):
            try:
                self._renew(asked)
            except StoreUnavailable as error:
                seating.not_answered(error)
                if not grace:
                    raise
        self._keep_to_lease()

    def rotate(self) -> None:
        """Give the session a fresh token: the same seat and id, and the old token is dead; renews as well.

        Call it when what the session may do has changed hands or grown, such as after a sign-in or before a task
        for administrators, so that a token that somebody saw before is worth nothing. `token` is the fresh one as
        soon as the call returns. One that raised `StoreUnavailable` may have reached the store: called again, it is
        one rotation, and until then this object goes by both tokens.

        Raises:
            SessionEnded: it is over, with the reason.
            StoreUnavailable: the store did not answer.
        """
        # Of two threads that rotated at once, one would take the other's fresh token for the end of the session.
        with self._one_at_a_time.setdefault("rotate", self._seating.view.waiting.lock()):
            self._rotate()

    def end(self) -> None:
        """Give the seat back; for a session that is over already, nothing happens, nor in a child made by `fork()`.

        Raises:
            StoreUnavailable: the session store did not answer, and a later call tries again; or the event could
                not be written yet, and the seat is free.
        """
        if os.getpid() != self._pid or (self._over is not None and not self._owed):
            return
        self._over, self._owed = "ended", True
        seating = self._seating
        for token in self._tokens():
            seating.known.forget(token_hash(token))
        at = store_time(self._seat, self._clock.elapsed() - self._told)
        released = self._ask(lambda token: seating.store.release(seating.view.id, self.id, token))
        self._owed = False
        if released:
            seating.over(self._seat)
            seating.tell_end(self._seat, self._actor, "by_holder", at)

    def can(self, resource: str, action: str, record: object = None, *, on_unavailable: OnUnavailable = "deny") -> bool:
        """Tell whether the session's user may do it, as `org.can`.

        Args:
            resource, action, record: as `org.can`.
            on_unavailable: what to do while the session store does not answer: "deny" believes for `max_stale`
                that the session was not ended by others, "grace" until its lease runs out.

        Raises:
            SessionEnded: the session is over.
            StoreUnavailable: the session store has not answered for `max_stale`, or as `org.can`.
            UnknownResource, UnknownAction, NoRelation: as `org.can`.
        """
        seating, clock = self._seating, self._clock
        tables = seating.view.tables
        if (
            self._stood is tables
            and self._turns == seating.turns
            and self._over is None
            and record is None
            and on_unavailable == "deny"
            and clock.boot is self._boot
        ):
            # Nothing but time can have ended it since it was last looked at, and the tables hold for longer. Signed in
            # through `as_user`, it is one's own, and of oneself everybody may know.
            _, _, rows, slots, _ = tables
            try:
                byte, answers = slots[action][resource]
                allowed = answers[rows[self.user.id][byte]]
            except (KeyError, TypeError):
                pass  # not among those kept in memory, or a mistake
            else:
                if clock.elapsed() < self._stands_until:
                    return allowed
        self._stand(is_grace(on_unavailable))
        allowed = self._org.can(self.user.id, resource, action, record)
        self._keep_to_lease()  # whatever took how long: nobody acts on a seat that is another's by now
        return allowed

    def _rotate(self) -> None:
        self._stand(grace=False, look=False)
        fresh = self._fresh = self._fresh or new_token()
        view, asked = self._seating.view, self._seating.view.clock.elapsed()

        def change(hash: str) -> Seat | None:
            return self._seating.store.renew(view.id, hash, self._seating.lease, new_token_hash=token_hash(fresh))

        seat = self._ask(change)
        if seat is not None:
            self.token, self._fresh = fresh, None
        self._keep(asked, seat)
        self._renewed = asked
        self._seating.turns += 1  # other objects of this session have a dead token
        self._keep_to_lease()

    def _stand(self, grace: bool, *, look: bool = True) -> None:
        """Go on only if the session is not over, as far as this process may believe what it knows."""
        self._stood = None
        if os.getpid() != self._pid:
            raise SessionEnded("forked")
        self._keep_to_lease()
        view, seating = self._seating.view, self._seating
        tables = None
        try:
            view.fresh()
            tables = view.tables
            barred = view.barred(view.user(self.user.id))
        except StoreUnavailable:
            if not grace:
                raise
            barred = None
        if barred is not None:
            raise SessionEnded(barred)
        turned = self._turns != seating.turns
        if turned:
            self._turns = seating.turns
            if seating.known.ended(self.id):
                self._finish("ended")
            turned = seating.known.renamed(self.id, token_hash(self.token))
        now = view.clock.elapsed()
        may_wait = now < seating.ask_at and (grace or now - self._looked < view.max_stale)
        if look and (turned or now >= self._look_at) and not may_wait:
            self._look(now, grace)
        if tables is not None:
            self._stands_until = min(tables[1], self._look_at, self._gone)
            self._stood = tables

    def _look(self, now: float, grace: bool) -> None:
        view = self._seating.view
        try:
            seat = self._ask(lambda token: self._seating.store.find(view.id, token))
        except StoreUnavailable as error:
            # The holder knows its lease without the store; whether it was ended, for as long as tables are believed.
            self._seating.not_answered(error)
            failed = view.clock.elapsed()  # it may have taken its whole timeout to fail
            if not grace and failed - self._looked >= view.max_stale:
                raise
            self._look_at = failed + view.staleness
            return
        self._look_at = now + view.staleness
        self._keep(now, seat)

    def _renew(self, asked: float) -> None:
        seating = self._seating
        self._keep(asked, self._ask(lambda token: seating.store.renew(seating.view.id, token, seating.lease)))
        self._renewed = asked

    def _ask(self, question: Callable[[str], A | None]) -> A | None:
        """Ask the store about the session by its token, and by the one that a rotation may have given it."""
        while True:
            tokens = self._tokens()
            for token in tokens:
                answer = question(token_hash(token))
                if answer:
                    return answer
            if tokens == self._tokens():
                return None

    def _tokens(self) -> tuple[str, ...]:
        fresh = self._fresh
        return (self.token,) if fresh is None else (self.token, fresh)

    def _keep(self, asked: float, seat: Seat | None) -> None:
        if seat is None:
            for token in self._tokens():
                self._seating.known.forget(token_hash(token))
            self._seating.answered()
            self._finish("ended")
        else:
            self._looked, self._gone, self._seat = asked, asked + seat.remaining, seat
            self._told = self._clock.elapsed()
            self._seating.remember(seat, self.token, self._gone)

    def _keep_to_lease(self) -> None:
        """Go on only while the lease runs, by the machine's own clock."""
        clock = self._seating.view.clock
        if self._over is None and (clock.elapsed() >= self._gone or clock.boot != self._boot):
            self._over = "expired"
        if self._over is not None:
            raise SessionEnded(self._over)

    def _finish(self, reason: str) -> NoReturn:
        self._over = reason
        raise SessionEnded(reason)


def is_grace(on_unavailable: str) -> bool:
    """Tell whether a call goes on with a session that is held while the store does not answer.

    Raises:
        InvalidValue: it is neither "deny" nor "grace".
    """
    if on_unavailable not in ("deny", "grace"):
        raise InvalidValue("on_unavailable", on_unavailable, "'deny' or 'grace'")
    return on_unavailable == "grace"


def signing_in(
    seating: Seating, org: Checks, id: str, client: str | None, wait: timedelta | None, actor: str | None
) -> Generator[float, None, Session]:
    """Sign a user in, as `Organization.sign_in` says: a generator of the seconds to wait before each next step."""
    if client is not None and (not isinstance(client, str) or not client):
        raise InvalidValue("client", client, "a string that names the connection, or None")
    if wait is not None and (not isinstance(wait, timedelta) or wait < timedelta(0)):
        raise InvalidValue("wait", wait, "a timedelta of zero or more, or None")
    seating.here()
    view = seating.view
    view.fresh(staleness=0)
    user = seating.admitted(id, client, actor)
    seat, token, gone = yield from seating.taking(user, client, wait, actor)
    return Session(seat.id, token, user, seat.client, seat, gone, seating, org, actor)


def resume(seating: Seating, org: Checks, token: str, asking: Asking, on_unavailable: OnUnavailable) -> Session:
    """Take up the session of a token, as `Organization.resume` says."""
    if not isinstance(token, str):
        raise InvalidValue("token", type(token), "the token of a session, a string")
    grace = is_grace(on_unavailable)
    seating.here()
    view = seating.view
    seat, gone = _find(seating, token_hash(token), grace)
    if seat is None:
        seating.answered()
        raise SessionEnded("not_found")
    if not asking.is_actor(seat.user_id):
        asking.host_only("resume", "organization.sessions")
    try:
        view.fresh()
    except StoreUnavailable:
        if not grace:
            raise
    user = view.user(seat.user_id)
    barred = view.barred(user)
    if user is None or barred is not None:
        raise SessionEnded(barred or "unknown_user")
    session = Session(seat.id, token, user, seat.client, seat, gone, seating, org, asking.actor)
    session.touch(on_unavailable=on_unavailable)
    return session


def _find(seating: Seating, hash: str, grace: bool) -> tuple[Seat | None, float]:
    clock = seating.view.clock
    asked = clock.elapsed()
    held = seating.known.find(hash) if grace else None
    if held is not None and held.boot == clock.boot and asked < seating.ask_at:
        return held.seat, held.gone
    try:
        seat = seating.store.find(seating.view.id, hash)
    except StoreUnavailable as error:
        seating.not_answered(error)
        if held is None or held.boot != clock.boot:
            raise
        return held.seat, held.gone
    return (None, asked) if seat is None else (seat, asked + seat.remaining)
