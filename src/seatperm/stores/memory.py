"""The directory in memory: the rules of `DirectoryStore` in the fewest lines, for tests and for reading."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager
from datetime import datetime
from itertools import islice

from attrs import Factory, define, evolve, frozen

from ..audit import Event, Head
from ..directory import Organization, Staff, User
from ..errors import EmailTaken, StoreUnavailable, UnknownOrganization, UnknownUser, UserExists
from ..sessions import Past
from . import Changes
from .waiting import AmongThreads, Waiting

URL = "memory://"


@frozen
class Kept:
    """A user as it was last written.

    Attributes:
        user: the record.
        email_key: the address that the user occupies, if any.
        revision: the revision that wrote it.
    """

    user: User
    email_key: str | None
    revision: int


@define
class Book:
    """All that is kept of one organization. What the store holds is never altered: a change works on a copy.

    Attributes:
        record: the organization's record, which has the revision.
        record_revision: the revision that last wrote the record.
        users: by id.
        ids: whose each address is.
        former: the revision at which an id was given up for another.
        staff: by id.
        events: the trail.
        history: past sign-ins, by id.
    """

    record: Organization
    record_revision: int = 0
    users: dict[str, Kept] = Factory(dict)
    ids: dict[str, str] = Factory(dict)
    former: dict[str, int] = Factory(dict)
    staff: dict[str, Staff] = Factory(dict)
    events: list[Event] = Factory(list)
    history: dict[str, Past] = Factory(dict)

    def at(self, revision: int) -> Book:
        """Return a book of that revision, whose records can be altered without altering this one's."""
        return evolve(
            self,
            record=evolve(self.record, revision=revision),
            users=dict(self.users),
            ids=dict(self.ids),
            former=dict(self.former),
            staff=dict(self.staff),
        )

    def remove(self, id: str) -> None:
        """Take a user out, if there is one of this id, and give the address free."""
        kept = self.users.pop(id, None)
        if kept is not None and kept.email_key is not None:
            del self.ids[kept.email_key]


class MemoryReader:
    """What may be read both inside a change and outside."""

    _books: dict[str, Book]

    def organization(self, organization: str) -> Organization:
        """Return the organization's record, or raise `UnknownOrganization`."""
        return self._book(organization).record

    def user(self, organization: str, id: str) -> User | None:
        """Return a user by id, dismissed ones too; None where there is none."""
        kept = self._users(organization).get(id)
        return None if kept is None else kept.user

    def users(
        self, organization: str, *, email_key: str | None = None, roles: Collection[str] | None = None
    ) -> Iterator[User]:
        """Iterate over users in the order of their ids, all of one moment."""
        users = self._users(organization)
        for id in sorted(users):
            kept = users.get(id)
            if kept is None or (email_key is not None and kept.email_key != email_key):
                continue
            if roles is None or not kept.user.roles.keys().isdisjoint(roles):
                yield kept.user

    def staff(self, organization: str) -> Iterator[Staff]:
        """Iterate over the staff records in the order of their ids, all of one moment."""
        staff = self._staff(organization)
        for id in sorted(staff):
            yield staff[id]

    def staff_member(self, organization: str, id: str) -> Staff | None:
        """Return a staff record by id; None where there is none."""
        return self._staff(organization).get(id)

    def head(self, organization: str) -> Head:
        """Return where the organization's trail ends."""
        book = self._open().get(organization)
        return Head(len(book.events), book.events[-1].hash) if book is not None and book.events else Head()

    def history(
        self,
        organization: str,
        *,
        since: datetime | None = None,
        until: datetime | None = None,
        user: str | None = None,
    ) -> Iterator[Past]:
        """Iterate over the past sign-ins in the order of (`began`, `id`), all of one moment."""
        book = self._open().get(organization)
        found = (
            past
            for past in ({} if book is None else book.history).values()
            if (since is None or past.ended is None or past.ended > since)
            and (until is None or past.began < until)
            and (user is None or past.user_id == user)
        )
        return iter(sorted(found, key=lambda past: (past.began, past.id)))

    def _open(self) -> dict[str, Book]:
        return self._books

    def _book(self, organization: str) -> Book:
        try:
            return self._open()[organization]
        except KeyError:
            raise UnknownOrganization(organization) from None

    def _users(self, organization: str) -> Mapping[str, Kept]:
        book = self._open().get(organization)
        return {} if book is None else book.users

    def _staff(self, organization: str) -> Mapping[str, Staff]:
        book = self._open().get(organization)
        return {} if book is None else book.staff


class MemoryChange(MemoryReader):
    """One transaction: works on copies, which take the place of the store's own books at its end."""

    def __init__(self, books: Mapping[str, Book]) -> None:
        self._books = dict(books)
        self._made: dict[str, int] = {}
        self._trails: set[str] = set()
        self._histories: set[str] = set()
        self._ended = False

    def end(self) -> dict[str, Book]:
        """Give the books as this change leaves them; nothing more can be done with it."""
        self._ended = True
        return self._books

    def revision(self, organization: str) -> int:
        """Return the revision that this change will make."""
        book = self._open().get(organization)
        return self._made.get(organization, 1 if book is None else book.record.revision + 1)

    def people(self, email_key: str) -> Iterator[tuple[str, User]]:
        """Iterate over all users of that address in every organization."""
        for place, book in sorted(self._open().items()):
            if email_key in book.ids:
                yield place, book.users[book.ids[email_key]].user

    def person(self, person: str) -> Iterator[tuple[str, User]]:
        """Iterate over all users with that `id` or `person` in every organization."""
        return ((place, user) for place, user in self._everywhere() if person in (user.id, user.person))

    def invited(self, token_hash: str) -> tuple[str, User] | None:
        """Return whose pending invitation has this token."""
        for place, user in self._everywhere():
            if user.invitation is not None and user.invitation.token_hash == token_hash:
                return place, user
        return None

    def count_active(self, organization: str, types: Collection[str]) -> int:
        """Return how many users of these types are active and neither locked nor dismissed."""
        return sum(kept.user.active and kept.user.type in types for kept in self._users(organization).values())

    def put_organization(self, record: Organization) -> None:
        """Write the organization's record, new or not."""
        if record.id not in self._open():
            self._books[record.id] = Book(record)
            self._made[record.id] = 1
        book = self._touched(record.id)
        book.record_revision = self._made[record.id]
        book.record = evolve(record, revision=book.record_revision)

    def put_user(self, organization: str, user: User, *, email_key: str | None) -> None:
        """Write a user, new or not."""
        if email_key is not None and self._book(organization).ids.get(email_key, user.id) != user.id:
            raise EmailTaken(user.email)
        book = self._touched(organization)
        book.remove(user.id)
        book.users[user.id] = Kept(user, email_key, book.record.revision)
        if email_key is not None:
            book.ids[email_key] = user.id

    def rename(self, organization: str, id: str, user: User, *, email_key: str | None) -> None:
        """Write `user` in place of the user that had `id`."""
        if id not in self._users(organization):
            raise UnknownUser(id)
        book = self._book(organization)
        if id != user.id and user.id in book.users and not book.users[user.id].user.dismissed:
            raise UserExists(user.id)
        if email_key is not None and book.ids.get(email_key, id) not in (id, user.id):
            raise EmailTaken(user.email)
        if id != user.id:
            book = self._touched(organization)
            book.remove(id)
            book.former[id] = book.record.revision
        self.put_user(organization, user, email_key=email_key)

    def put_staff(self, organization: str, staff: Staff) -> None:
        """Write a staff record, new or not."""
        self._touched(organization).staff[staff.id] = staff

    def put_past(self, organization: str, past: Past) -> None:
        """Write what the history says of a sign-in, in place of what it said under that id."""
        self._history(organization)[past.id] = past

    def drop_history(
        self,
        organization: str,
        *,
        before: datetime | None = None,
        user: str | None = None,
        limit: int | None = None,
    ) -> None:
        """Take out of the history what was over by `before`, or all of a user's; both said, what is both."""
        history = self._history(organization)
        found = [
            past
            for past in history.values()
            if (before is None or (past.ended is not None and past.ended <= before))
            and (user is None or past.user_id == user)
        ]
        for past in sorted(found, key=lambda past: (past.ended or past.began, past.id))[:limit]:
            del history[past.id]

    def append(self, organization: str, event: Event) -> None:
        """Add an event at the end of the trail."""
        self._trail(organization).append(event)

    def erase(self, organization: str, user: str) -> None:
        """Set the details of every event of that user to None."""
        trail = self._trail(organization)
        trail[:] = (evolve(event, details=None) if event.user == user else event for event in trail)

    def _touched(self, organization: str) -> Book:
        book = self._book(organization)
        if organization not in self._made:
            self._made[organization] = book.record.revision + 1
            book = self._books[organization] = book.at(self._made[organization])
        return book

    def _trail(self, organization: str) -> list[Event]:
        book = self._book(organization)
        if organization not in self._trails:
            self._trails.add(organization)
            book = self._books[organization] = evolve(book, events=list(book.events))
        return book.events

    def _history(self, organization: str) -> dict[str, Past]:
        book = self._book(organization)
        if organization not in self._histories:
            self._histories.add(organization)
            book = self._books[organization] = evolve(book, history=dict(book.history))
        return book.history

    def _everywhere(self) -> Iterator[tuple[str, User]]:
        for place, book in sorted(self._open().items()):
            for id in sorted(book.users):
                yield place, book.users[id].user

    def _open(self) -> dict[str, Book]:
        if self._ended:
            raise StoreUnavailable(URL, "this change has ended; begin another one")
        return self._books


class MemoryDirectory(MemoryReader):
    """Keeps organizations, users, staff and trails in this process.

    A reader sees the books of one moment; a change puts others in their place, all at once.
    """

    def __init__(self, waiting: Waiting | None = None) -> None:
        self.url = URL
        self._books = {}
        self._waiting = waiting or AmongThreads()
        self._changing = self._waiting.lock()
        self._changer: object = None
        self._closed = False

    def __repr__(self) -> str:
        return "<MemoryDirectory>"

    def organizations(self) -> Iterator[str]:
        """Iterate over the ids of all organizations, in the order of their making."""
        return iter(tuple(self._open()))

    def revision(self, organization: str) -> int:
        """Return the present revision, or raise `UnknownOrganization`."""
        return self._book(organization).record.revision

    def changes(self, organization: str, since: int) -> Changes:
        """Return what has changed after the revision `since`."""
        book = self._book(organization)
        written = {id for id, kept in book.users.items() if kept.revision > since}
        former = {id for id, revision in book.former.items() if revision > since}
        return Changes(book.record.revision, frozenset(written | former), book.record_revision > since)

    def events(self, organization: str, *, after: int = 0) -> Iterator[Event]:
        """Iterate over the trail in order, from the event with the number `after` + 1 on."""
        book = self._open().get(organization)
        return iter(()) if book is None else islice(book.events, after, None)

    @contextmanager
    def change(self) -> Iterator[MemoryChange]:
        """Begin a transaction; it is kept at the end of the `with` block, or, after an exception, dropped."""
        caller = self._waiting.caller()
        if self._changer == caller:
            raise StoreUnavailable(URL, "this thread is in the middle of a change; end that one first")
        with self._changing:
            self._changer = caller
            change = MemoryChange(self._open())
            try:
                yield change
                self._books = change.end()
            finally:
                change.end()
                self._changer = None

    def close(self) -> None:
        """Drop everything; later calls raise `StoreUnavailable`."""
        self._closed = True
        self._books = {}

    def _open(self) -> dict[str, Book]:
        if self._closed:
            raise StoreUnavailable(URL, "it has been closed; open it again")
        return self._books
