"""The seats of one organization, as one process sees them, and what the trail and the history are told of them."""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Collection, Generator, Iterable, Iterator
from contextlib import suppress
from datetime import datetime, timedelta
from functools import cache, partial
from logging import INFO, WARNING
from time import monotonic
from typing import NamedTuple
from uuid import uuid4
from weakref import WeakSet

from attrs import Factory, define, evolve, field

from .. import rules
from ..directory import User, identifier
from ..errors import InvalidValue, SeatpermError, SeatsExhausted, SignInRefused, StoreUnavailable, UnknownUser
from ..sessions import Full, Past, Seat, SeatRequest, new_token, token_hash
from ..stores import SessionStore
from ..stores.opening import without_secrets
from .history import RETENTION
from .known import Held, Known
from .logs import SESSIONS, Health, line
from .trail import Happening, tell
from .view import View

PATIENCE = 10.0
"""Seconds that a place in the queue is kept for who does not ask again."""

FIRST_LOOK = 0.01
"""Seconds between the first two looks of one who waits; from then on twice as long each time."""

LOOK = 0.1
"""The longest time, in seconds, between two looks of the first in the queue; for everybody in front it is once more."""

LONGEST_LOOK = 0.3
"""The longest time between two looks of anybody, as a part of the patience: two may fail and the place is kept."""


OWED = 1_000
"""How many endings that could not be told are kept for the next telling."""


class _Endings(NamedTuple):
    actor: str | None
    seats: Collection[Seat]
    how: str
    at: datetime


@define(eq=False, repr=False)
class Seating:
    """The seats of one organization, as one process sees them.

    Attributes:
        view: the organization.
        store: where the seats are kept.
        lease: seconds that a seat is held unless it is renewed.
        told: whether sign-ins, refusals and ends of sessions are events.
        retention: how long the history keeps a sign-in that is over; zero keeps none.
        patience: seconds that a place in the queue is kept for who does not ask again.
        health: whether the store answers.
        turns: rises whenever this process ended a session or changed its token, so that every other `Session`
            object asks what is known.
        ask_at: when (by the clock's `elapsed`) a store that did not answer is asked again by those who can wait.
        known: the sessions that this process has seen.
    """

    view: View
    store: SessionStore
    lease: float
    told: bool = True
    retention: timedelta = RETENTION
    patience: float = PATIENCE
    health: Health = Factory(lambda self: Health("sessions", without_secrets(self.store.url)), takes_self=True)
    turns: int = field(init=False, default=0)
    ask_at: float = field(init=False, default=0.0)
    known: Known = field(init=False, factory=Known)
    _pid: int = field(init=False, factory=os.getpid)
    _without_epoch: bool = field(init=False, default=False)
    _settled: bool = field(init=False, default=False)
    _owed: deque[_Endings] = field(init=False, factory=lambda: deque[_Endings](maxlen=OWED))

    def __attrs_post_init__(self) -> None:
        _seatings().add(self)

    def here(self) -> None:
        """Go on only in the process that opened the organization.

        Raises:
            StoreUnavailable: this one was forked from it.
        """
        if os.getpid() != self._pid:
            found = "it was opened before fork(); call seatperm.open in each process of its own"
            raise StoreUnavailable(self.store.url, found)

    def taking(
        self, user: User, client: str | None, wait: timedelta | None, actor: str | None
    ) -> Generator[float, None, tuple[Seat, str, float]]:
        """Return a seat, its token, and when (by the clock's `elapsed`) it is gone unless renewed.

        A generator of the seconds to wait before each next look.

        Raises:
            SeatsExhausted: there is none, or none came free in time.
            StoreUnavailable: a store did not answer, or the event could not be written; no seat is taken.
        """
        session_id, token = uuid4().hex, new_token()
        ticket = None if wait is None else uuid4().hex
        until = monotonic() + (0.0 if wait is None else wait.total_seconds())
        longest = FIRST_LOOK
        self._write_epoch()
        self._settle()
        queued = ticket is not None
        try:
            while True:
                asked = self.view.clock.elapsed()
                try:
                    answer = self._acquire(self._request(user, client, session_id, token_hash(token), ticket))
                except StoreUnavailable:
                    queued = False  # to leave would wait for the store's whole timeout once more
                    raise
                if isinstance(answer, Seat):
                    queued = False
                    self._confirm(answer, user, session_id, token, actor)
                    gone = asked + answer.remaining
                    self.remember(answer, token, gone)
                    self.turns += answer.id != session_id
                    return answer, token, gone
                self._tell_lapsed(answer.lapsed)
                if not queued or monotonic() >= until:
                    full = self._exhausted(answer)
                    self.tell_refusal(
                        user.id, client, actor, reason="seats_exhausted", limit=full.limit, in_use=full.in_use
                    )
                    raise full
                pause = min(longest, LOOK * (1 + answer.ahead), LONGEST_LOOK * self.patience)
                yield min(pause, max(0.0, until - monotonic()))
                longest *= 2
                self.view.fresh()
                user = self.admitted(user.id, client, actor)
        finally:
            if ticket is not None and queued:
                with suppress(SeatpermError):  # the place is lost by itself when the patience is over
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

    def remember(self, seat: Seat, token: str, gone: float) -> None:
        """Remember a session that the store has just told of."""
        self.answered()
        self.known.keep(Held(evolve(seat, lapsed=()), gone, self.view.clock.boot, token_hash(token)))

    def end_all(self, user: str, actor: str | None) -> None:
        """End every live session of a user: what was signed in before the user left does not come back with them."""
        live = [seat for seat in self.store.live(self.view.id) if seat.user_id == user]
        ended = [seat for seat in live if self.store.release(self.view.id, seat.id, None)]
        for seat in ended:
            self.over(seat)
        if ended:
            self._tell_ends(ended, actor, how="by_other", at=store_time(ended[0]))

    def not_answered(self, error: StoreUnavailable) -> None:
        """Leave the store alone for a while: one that is down may take its whole timeout to say so."""
        elapsed = self.view.clock.elapsed()
        self.ask_at = elapsed + self.view.staleness
        self.health.failed(error, elapsed)

    def answered(self) -> None:
        """Take in that the store has answered."""
        self.health.answered(self.view.clock.elapsed)

    def over(self, seat: Seat) -> None:
        """Let every `Session` object of this process know that a session was ended here."""
        self.known.end(seat.id)
        self.turns += 1

    def tell_refusal(self, user: str | None, client: str | None, actor: str | None, **why: str | int) -> None:
        """Tell of a sign-in that was refused."""
        client, now = self._kept(user, client), self.view.now()
        level = WARNING if why["reason"] == "seats_exhausted" else INFO
        line(
            SESSIONS,
            level,
            "session.refused",
            organization=self.view.id,
            user=user,
            client=client,
            actor=actor,
            reason=why["reason"],
            limit=why.get("limit"),
            in_use=why.get("in_use"),
        )
        past = Past(uuid4().hex, user, client, now, now, str(why["reason"]), refused=True)
        self._tell(actor, [Happening("session.refused", user, {"client": client, **why})], [past])

    def tell_end(self, seat: Seat, actor: str | None, how: str, at: datetime) -> None:
        """Tell of a session that somebody ended, `at` that moment by the store's wall clock."""
        self._tell_ends([seat], actor, how=how, at=at)

    def _acquire(self, request: SeatRequest) -> Seat | Full:
        try:
            answer = self.store.acquire(request)
            self.answered()
            if isinstance(answer, Seat):
                self.health.opened()
            return answer
        except StoreUnavailable as error:
            if error.opens_at is None:
                self.health.failed(error, self.view.clock.elapsed())
            else:
                self.answered()
                self.health.closed(self.view.id, error, self.view.now())
            raise
        except Exception:
            raise
        except BaseException:
            # Broken off from outside: the seat may have been taken all the same.
            with suppress(SeatpermError):
                self.store.release(request.organization, request.session_id, request.token_hash)
            raise

    def _write_epoch(self) -> None:
        """Write which memory the seats are kept in, before the first one is asked for (rule 9 of `SessionStore`)."""
        if self._without_epoch or self.view.record.epoch is not None:
            return
        epoch = self.store.epoch(self.view.id)
        if epoch is None:
            self._without_epoch = True
            return
        with self.view.directory.change() as change:
            record = change.organization(self.view.id)
            if record.epoch is None:
                change.put_organization(evolve(record, epoch=epoch))
        self.view.reread()

    def _settle(self) -> None:
        """Once a process, end in the history what is over and was never told: its teller was killed in between."""
        if self._settled or not self.retention:
            return
        now, lease = self.view.now(), timedelta(seconds=self.lease)
        begun = [past for past in self._going_on(now) if past.began + lease < now]
        live = {seat.id for seat in self.store.live(self.view.id)} if begun else set[str]()
        over = [past for past in begun if past.id not in live]
        if over:
            self._tell(None, (), [evolve(past, ended=past.began + lease, how="lost") for past in over])
            for past in over:
                self._log("session.ended", past, None, "lost")
        self._settled = True

    def _going_on(self, now: datetime) -> Iterator[Past]:
        return (past for past in self.view.directory.history(self.view.id, since=now) if past.ended is None)

    def _confirm(self, seat: Seat, user: User, session_id: str, token: str, actor: str | None) -> None:
        """Look at the user again and tell of the seat, or give it back."""
        try:
            self._tell_lapsed(seat.lapsed)
            # Between the look at the user and the seat, somebody may have shut the user out.
            self.view.fresh(staleness=0)
            self.admitted(user.id, seat.client, actor)
            # The seat is taken first: an event never stands for a seat that was not to be had.
            self._tell_start(seat, actor, new=seat.id == session_id)
        except BaseException:
            with suppress(SeatpermError):
                if self.store.release(self.view.id, seat.id, token_hash(token)) and seat.id != session_id:
                    self._owed.append(_Endings(actor, (seat,), "by_holder", store_time(seat)))
            raise

    def _tell_start(self, seat: Seat, actor: str | None, *, new: bool) -> None:
        kind = "session.started" if new else "session.kept"
        begun = [Past(seat.id, seat.user_id, seat.client, seat.started_at)] if new else []
        self._tell(actor, [Happening(kind, seat.user_id, {"session": seat.id, "client": seat.client})], begun)
        self._log(kind, seat, actor)

    def _tell_lapsed(self, seats: Collection[Seat]) -> None:
        self._tell_ends(seats, None, how="expired", at=self.view.now())

    def _tell_ends(self, seats: Collection[Seat], actor: str | None, *, how: str, at: datetime) -> None:
        """Tell of endings; what can't be told now, nobody else could tell: it is told with the next ones."""
        for seat in seats:
            self._log("session.ended", seat, actor, how)
        owed = deque[_Endings]()
        with suppress(IndexError):  # another thread may take some of them
            while True:
                owed.append(self._owed.popleft())
        if seats:
            owed.append(_Endings(actor, seats, how, at))
        while owed:
            try:
                ends = [self._end(seat, owed[0].how) for seat in owed[0].seats]
                pasts = [self._past(seat, owed[0].how, owed[0].at) for seat in owed[0].seats]
                self._tell(owed[0].actor, ends, pasts)
            except BaseException:
                self._owed.extendleft(reversed(owed))
                raise
            owed.popleft()

    def _log(self, kind: str, seat: Seat | Past, actor: str | None, how: str | None = None) -> None:
        id, user, client = seat.id, seat.user_id, seat.client
        line(
            SESSIONS, INFO, kind, organization=self.view.id, user=user, client=client, session=id, actor=actor, how=how
        )

    def _end(self, seat: Seat, how: str) -> Happening:
        when = {"expired_at": seat.expires_at.isoformat()} if how == "expired" else {}
        client = self._kept(seat.user_id, seat.client)
        return Happening("session.ended", seat.user_id, {"session": seat.id, "client": client, "how": how, **when})

    def _past(self, seat: Seat, how: str, at: datetime) -> Past:
        # Wall clocks may have been set.
        ended = max(seat.started_at, min(at, seat.expires_at) if how == "expired" else at)
        return Past(seat.id, seat.user_id, self._kept(seat.user_id, seat.client), seat.started_at, ended, how)

    def _kept(self, user: str | None, client: str | None) -> str | None:
        # Of who is no user any more, nothing is written that would have to be erased again.
        return None if user is None or self.view.user(user) is None else client

    def _tell(self, actor: str | None, happenings: Iterable[Happening], pasts: Iterable[Past]) -> None:
        if self.told or self.retention:
            tell(
                self.view,
                actor,
                happenings if self.told else (),
                pasts if self.retention else (),
                self.retention,
            )

    def _request(self, user: User, client: str | None, id: str, hash: str, ticket: str | None) -> SeatRequest:
        record = self.view.record
        license = record.license
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
            patience=self.patience,
            epoch=record.epoch,
        )

    def _exhausted(self, full: Full) -> SeatsExhausted:
        in_seconds = full.next_free_in
        at = None if in_seconds is None else self.view.now() + timedelta(seconds=in_seconds)
        return SeatsExhausted(self.view.record.license.session_limit, full.in_use, at)


def store_time(seat: Seat, passed: float = 0.0) -> datetime:
    """Return the store's wall time so many seconds after it told of a seat.

    No later than it is, so that nobody's end comes after the beginning of who got the seat next.
    """
    return seat.expires_at + timedelta(seconds=passed - seat.remaining)


def _asked_for(id: str) -> str | None:
    # What no user of any organization can have for an id is not written where nothing is ever taken out.
    try:
        return identifier("id", id)
    except InvalidValue:
        return None


@cache
def _seatings() -> WeakSet[Seating]:
    # To ask for the process id is a system call, too much for every check: a child is told once. What is registered
    # stays for good, so it is one thing for all.
    seatings = WeakSet[Seating]()
    if hasattr(os, "register_at_fork"):
        os.register_at_fork(after_in_child=partial(_forked, seatings))
    return seatings


def _forked(seatings: WeakSet[Seating]) -> None:
    for seating in seatings:
        seating.turns += 1  # every session object looks, and finds itself in another process
        seating.view.unlock()
