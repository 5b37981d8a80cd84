"""The two store protocols, as rules.

Every call may raise `StoreUnavailable` (it did not answer, or could not write: nothing was changed),
`StoreDamaged` or `StoreVersion`. Every store is safe to share between threads. Records go in and come out
as they are: whole, equal, times in UTC.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator
from contextlib import AbstractContextManager
from datetime import datetime
from typing import Protocol, runtime_checkable

from attrs import frozen

from ..audit import Event, Head
from ..directory import Organization, Staff, User
from ..sessions import Full, Past, Seat, SeatRequest


@frozen
class Changes:
    """What has changed in an organization since a revision.

    Attributes:
        revision: the present one.
        users: the ids of users added, changed, renamed or dismissed since.
        organization: whether the organization's own record (license, global permissions) changed.
    """

    revision: int
    users: frozenset[str]
    organization: bool


class DirectoryReader(Protocol):
    """What may be read, outside a change (each call by itself) or inside one (all of one moment).

    An organization that there is not has no users, no staff, no events and an empty head; its record and its
    revision raise `UnknownOrganization`.
    """

    def organization(self, organization: str) -> Organization:
        """Return the organization's record, or raise `UnknownOrganization`."""
        ...

    def user(self, organization: str, id: str) -> User | None:
        """Return a user by id, dismissed ones too; None where there is none."""
        ...

    def users(
        self, organization: str, *, email_key: str | None = None, roles: Collection[str] | None = None
    ) -> Iterator[User]:
        """Iterate over users in the order of their ids (by code point), dismissed ones too, never all in memory.

        With `email_key` those of that address, with `roles` those who hold at least one of them (ended or not).
        A user who is changed while the iterator is read is there as before or as after.
        """
        ...

    def staff(self, organization: str) -> Iterator[Staff]:
        """Iterate over the staff records in the order of their ids (by code point), never all in memory."""
        ...

    def staff_member(self, organization: str, id: str) -> Staff | None:
        """Return a staff record by id; None where there is none."""
        ...

    def history(
        self,
        organization: str,
        *,
        since: datetime | None = None,
        until: datetime | None = None,
        user: str | None = None,
    ) -> Iterator[Past]:
        """Iterate over the past sign-ins in the order of (`began`, `id`), never all in memory.

        With `until` those that began before it, with `since` those that were not over by then (an end at that
        very moment is over), with `user` those of that user.
        """
        ...


class DirectoryChange(DirectoryReader, Protocol):
    """One transaction. All of it is kept, or, after any exception, nothing; ended, it raises `StoreUnavailable`.

    A call that raises has written nothing. What is written to an organization that there is not is refused with
    `UnknownOrganization`.
    """

    def revision(self, organization: str) -> int:
        """Return the revision that this change will make: the present one and one more, however often it is asked.

        1 for an organization that there is not yet.
        """
        ...

    def head(self, organization: str) -> Head:
        """Return where the organization's trail ends, this change's events included."""
        ...

    def people(self, email_key: str) -> Iterator[tuple[str, User]]:
        """Iterate over all users of that address in every organization of the store, as (organization, user)."""
        ...

    def person(self, person: str) -> Iterator[tuple[str, User]]:
        """Iterate over all users with that `id` or `person` in every organization of the store."""
        ...

    def invited(self, token_hash: str) -> tuple[str, User] | None:
        """Return whose pending invitation has this token, as (organization, user)."""
        ...

    def count_active(self, organization: str, types: Collection[str]) -> int:
        """Return how many users of these types are active and neither locked nor dismissed."""
        ...

    def put_organization(self, record: Organization) -> None:
        """Write the organization's record, new or not; its `revision` is the store's to set."""
        ...

    def put_user(self, organization: str, user: User, *, email_key: str | None) -> None:
        """Write a user, new or not; `email_key` None gives the address free.

        Raises:
            EmailTaken: another user of the organization has the `email_key`.
        """
        ...

    def rename(self, organization: str, id: str, user: User, *, email_key: str | None) -> None:
        """Write `user` in place of the user that had `id`, whose row is gone: an accepted invitation's shared id.

        A dismissed user who had the new id is overwritten.

        Raises:
            UnknownUser: nobody has `id`.
            UserExists: another user has the new id.
            EmailTaken: another user of the organization has the `email_key`.
        """
        ...

    def put_staff(self, organization: str, staff: Staff) -> None:
        """Write a staff record, new or not."""
        ...

    def put_past(self, organization: str, past: Past) -> None:
        """Write what the history says of a sign-in, in place of what it said under that id."""
        ...

    def drop_history(
        self,
        organization: str,
        *,
        before: datetime | None = None,
        user: str | None = None,
        limit: int | None = None,
    ) -> None:
        """Take out of the history what was over by `before`, or all of a user's; both said, what is both.

        With `limit` no more than that, those that were over first.
        """
        ...

    def append(self, organization: str, event: Event) -> None:
        """Add an event at the end of the trail. Only `erase` ever touches one again."""
        ...

    def erase(self, organization: str, user: str) -> None:
        """Set the details of every event of that user to None; the rest of each event stays as it is."""
        ...


class DirectoryStore(DirectoryReader, Protocol):
    """Keeps organizations, users, staff and trails.

    Rules:
        1. `change` is a serializable transaction: what it reads stays as it is until it ends, and no other
           change of the same store runs in between.
        2. A change that wrote a record (organization, user or staff) raises the revision of its organization
           by one, however much it wrote; one that failed, wrote nothing, or only events and history, raises none.
        3. What a finished change wrote is seen by every later call of every process, and survives a crash.
        4. `changes(organization, since)` names every user written after the revision `since`, and every id
           that was given up for another.
        5. Two users of one organization never have the same id or `email_key`.
        6. A change begun by a thread that is in the middle of another one on the same store raises
           `StoreUnavailable` at once; a reading call in the middle of a change sees nothing of it.
    """

    url: str
    """Names the store in messages; without secrets."""

    def organizations(self) -> Iterator[str]:
        """Iterate over the ids of all organizations, in the order of their making."""
        ...

    def revision(self, organization: str) -> int:
        """Return the present revision, or raise `UnknownOrganization`. The cheapest call of all."""
        ...

    def changes(self, organization: str, since: int) -> Changes:
        """Return what has changed after the revision `since`."""
        ...

    def events(self, organization: str, *, after: int = 0) -> Iterator[Event]:
        """Iterate over the trail in order, from the event with the number `after` + 1 on."""
        ...

    def head(self, organization: str) -> Head:
        """Return where the trail ends."""
        ...

    def change(self) -> AbstractContextManager[DirectoryChange]:
        """Begin a transaction; it is kept at the end of the `with` block, or, after an exception, undone."""
        ...

    def close(self) -> None:
        """Give back what the store holds open; later calls raise `StoreUnavailable`."""
        ...


@runtime_checkable
class Notifying(Protocol):
    """A directory store that hears of other processes' changes; no store has to.

    Whoever sees the number that was there before a revision was read may leave out reading it again, for
    `staleness` at the most. What is told may come late or be lost: it only makes changes known sooner.
    """

    def notified(self, organization: str) -> int | None:
        """Return a number that is another one after each change; None while nobody listens. It waits for nothing."""
        ...


class SessionStore(Protocol):
    """Keeps seats.

    Rules:
        1. G1: the leases granted and not run out are never more than the limit they were asked with, by the
           store's own clock, whatever clients, crashes, retries and clock changes do. `acquire` decides and
           takes in one step.
        2. G2: a lease ends by the store's clock no earlier than `lease` seconds after the call that granted
           or renewed it began.
        3. G3: `renew` and `release` with a token that is not the session's present one change nothing.
        4. A session is keyed by (user, client): an `acquire` with a live key keeps the session's id and seat,
           takes the new token (the old one is dead) and renews the lease, whatever the limit. A `client` of
           None has no key. Without a live key, a session id that is live is that session: asked with by its own
           user and client (a request sent twice, say) it keeps its seat and takes the request's token, whatever
           token it has by now; by another user or client it is `InvalidValue`, and nothing is changed.
        5. Seats: with `per_user` a user with a live session takes no further seat; `in_use` counts users then.
           Who gets one is `seatperm.sessions.admits`, over live seats and live waiters in front.
        6. A refused request with a `ticket` keeps its place, by first asking, for `patience` seconds from the
           last asking; a granted one gives it up. Nobody without a ticket passes a waiter who would be admitted.
        7. A lowered limit ends nothing.
        8. Each session whose lease ran out is named once, among the `lapsed` of one answer of `acquire`, at the
           latest of the one that gives its seat away: by `expires_at`, then `id`, with nothing `remaining`.
        9. A store whose server may lose what was granted has an epoch. An `acquire` with another epoch than the
           store's, and any after the server began anew, closes the doors: for `lease` seconds from then on,
           whoever would take a further seat gets `StoreUnavailable`. A store that loses nothing has none.
        10. Each call ends within the store's timeout, and then with `StoreUnavailable`. One that may have taken
            a seat unseen is sent again with the same request, or its lease runs out.
    """

    url: str
    """Names the store in messages; without secrets."""

    def acquire(self, request: SeatRequest) -> Seat | Full:
        """Take a seat, or say that there is none.

        Raises:
            InvalidValue: another user or client has a live session of that id.
        """
        ...

    def leave(self, organization: str, ticket: str) -> None:
        """Give up a place in the queue."""
        ...

    def find(self, organization: str, token_hash: str) -> Seat | None:
        """Return the live session with this token; None once it is over. Writes nothing."""
        ...

    def renew(
        self, organization: str, token_hash: str, lease: float, *, new_token_hash: str | None = None
    ) -> Seat | None:
        """Let the live session's lease run for `lease` seconds from now; None once it is over.

        With `new_token_hash` that is its token from now on, and the old one is dead; the same call sent again
        finds the session by the new one.
        """
        ...

    def release(self, organization: str, session_id: str, token_hash: str | None) -> bool:
        """End a live session, if the token is its own, or None is given; tell whether it did."""
        ...

    def epoch(self, organization: str) -> str | None:
        """Return what names the memory in which the organization's seats are kept, made at the first call.

        None from a store that loses nothing.
        """
        ...

    def live(self, organization: str) -> Iterator[Seat]:
        """Iterate over the live sessions, first started first."""
        ...

    def close(self) -> None:
        """Give back what the store holds open; later calls raise `StoreUnavailable`."""
        ...
