"""The seats of one organization, as one process sees them, and what the trail is told of them."""

from __future__ import annotations

from collections.abc import Iterable
from contextlib import suppress
from datetime import timedelta
from time import monotonic, sleep
from uuid import uuid4

from attrs import define, field

from .. import rules
from ..directory import User, identifier
from ..errors import InvalidValue, SeatpermError, SeatsExhausted, SignInRefused, UnknownUser
from ..sessions import Full, Seat, SeatRequest, new_token, token_hash
from ..stores import SessionStore
from .trail import Happening, tell
from .view import View

POLL = (0.01, 0.25)
"""Seconds between two looks of one who waits: the first, and the longest."""


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
                    self._recheck(answer, user, token, actor)
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
        live = [seat for seat in self.store.live(self.view.id) if seat.user_id == user]
        ended = [seat for seat in live if self.store.release(self.view.id, seat.id, None)]
        if ended:
            self.endings += 1
            self._tell_ends(ended, actor, how="by_other")

    def _recheck(self, seat: Seat, user: User, token: str, actor: str | None) -> None:
        # Between the look at the user and the seat, somebody may have shut the user out.
        try:
            self.view.fresh(staleness=0)
            self.admitted(user.id, seat.client, actor)
        except BaseException:
            with suppress(SeatpermError):
                self.store.release(self.view.id, seat.id, token_hash(token))
            raise

    def tell_refusal(self, user: str | None, client: str | None, actor: str | None, **why: str | int) -> None:
        """Tell of a sign-in that was refused."""
        if self.told:
            tell(self.view, actor, [Happening("session.refused", user, {"client": self._kept(user, client), **why})])

    def tell_end(self, seat: Seat, actor: str | None, how: str) -> None:
        """Tell of a session that somebody ended."""
        self._tell_ends([seat], actor, how=how)

    def _tell_ends(self, seats: Iterable[Seat], actor: str | None, *, how: str) -> None:
        if self.told:
            tell(self.view, actor, [self._end(seat, how) for seat in seats])

    def _end(self, seat: Seat, how: str) -> Happening:
        when = {"expired_at": seat.expires_at.isoformat()} if how == "expired" else {}
        client = self._kept(seat.user_id, seat.client)
        return Happening("session.ended", seat.user_id, {"session": seat.id, "client": client, "how": how, **when})

    def _kept(self, user: str | None, client: str | None) -> str | None:
        # Of who is no user any more, nothing is written that would have to be erased again.
        return None if user is None or self.view.user(user) is None else client

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
        if answer.lapsed:
            self._tell_ends(answer.lapsed, None, how="expired")

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


def _asked_for(id: str) -> str | None:
    # What no user of any organization can have for an id is not written where nothing is ever taken out.
    try:
        return identifier("id", id)
    except InvalidValue:
        return None
