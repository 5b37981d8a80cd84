"""The sessions of an organization, live and past: `org.sessions`."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta

from attrs import define

from ..clock import aware
from ..directory import User
from ..errors import InvalidValue
from ..sessions import Past, Seat
from . import history
from .asking import Asking, user_id
from .history import Peak
from .seating import Seating, store_time


@define(eq=False, repr=False)
class Sessions:
    """The live sessions of an organization, first started first, and the history of those that are over.

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
        self._seating.over(seat)
        how = "by_holder" if own else "by_other"
        self._seating.tell_end(seat, self._asking.actor, how, store_time(seat))
        return True

    def history(
        self, *, since: datetime | None = None, until: datetime | None = None, user: str | User | None = None
    ) -> Iterator[Past]:
        """Iterate over the sign-ins, granted and refused, that went on in a time, first begun first.

        Through `as_user` one's own, or all where that user may view `organization.sessions`. What was over for
        longer than the retention is not there; it is said with `open(..., history=)`.

        Args:
            since: the moment by which they were not over, with a time zone.
            until: the moment before which they began, with a time zone.
            user: whose; everybody's unless said.

        Raises:
            AccessDenied: called through `as_user` for another user, without `organization.sessions:view`.
            InvalidValue: a time has no zone, or the earliest moment is after the other.
        """
        who = None if user is None else user_id(user)
        since, until = self._span(since, until)
        if not self._asking.may("organization.sessions"):
            if who is not None and not self._asking.is_actor(who):
                self._asking.ask("organization.sessions")
            who = self._asking.actor
        return self._seating.view.directory.history(self._seating.view.id, since=since, until=until, user=who)

    def peak(self, *, since: datetime | None = None, until: datetime | None = None) -> Peak:
        """Return the most sessions that there were at one time, or users, where `seat_per` is "user" now.

        A session that goes on counts until now. One whose end nobody has told yet, because its holder crashed
        and nobody has asked for a seat since, counts for one lease, until its end is told.

        Args:
            since: the earliest moment that counts, with a time zone.
            until: the moment before which they began, with a time zone.

        Raises:
            AccessDenied: `organization.sessions:view` is needed.
            InvalidValue: a time has no zone, or the earliest moment is after the other.
            StoreUnavailable: a store does not answer.
        """
        self._asking.ask("organization.sessions")
        seating, view = self._seating, self._seating.view
        since, until = self._span(since, until)
        view.fresh()
        live = {seat.id for seat in seating.store.live(view.id)}
        pasts = view.directory.history(view.id, since=since, until=until)
        sessions = history.spans(pasts, live, timedelta(seconds=seating.lease), view.now())
        return history.peak(sessions, since, view.record.license.seat_per)

    def _span(self, since: datetime | None, until: datetime | None) -> tuple[datetime | None, datetime | None]:
        """Return both moments in UTC, the first one not before what the history keeps."""
        first = None if since is None else aware("since", since)
        end = None if until is None else aware("until", until)
        if first is not None and end is not None and first > end:
            raise InvalidValue("since", since, f"a moment that is not after until, {end.isoformat()}")
        kept = self._seating.view.now() - self._seating.retention
        return (kept if first is None else max(first, kept)), end
