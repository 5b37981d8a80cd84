"""A directory in the tables of a database, read: what SQLite and PostgreSQL share.

In a statement `$.` stands before the name of a table, and `?` for a value.
"""

from __future__ import annotations

import heapq
import json
from abc import ABC, abstractmethod
from collections.abc import Callable, Collection, Iterator, Mapping
from datetime import datetime, timedelta
from functools import lru_cache
from itertools import groupby, islice
from types import MappingProxyType
from typing import Any, TypeVar

from attrs import frozen

from ..audit import Event, Head
from ..directory import Organization, Override, PendingInvitation, Staff, User
from ..errors import StoreDamaged, UnknownOrganization
from ..license import License, problems
from ..sessions import Past
from .written import read_entries, read_entry, read_roles, read_time, write_json, write_time

T = TypeVar("T")

PAGE = 256
"""How many rows are in memory at one time while users or events are read."""

STAFF = 'SELECT id, name, "user", active FROM $.staff'

ALL = 2**62
"""A limit that no table reaches."""

Value = str | int | float | bytes | bool | None
Values = tuple[Value, ...]
Row = tuple[Any, ...]


@frozen
class Dialect:
    """What a database has words of its own for.

    Attributes:
        organization: the SELECT of organizations, up to its WHERE; times and JSON as text.
        user: the same of users.
        past: the same of the history.
        event: the same of the trail.
        listed: a SELECT of the texts in the JSON list that is its one value.
        before: comes before every time.
    """

    organization: str
    user: str
    past: str
    event: str
    listed: str
    before: str


# Bases and overrides repeat from user to user: a text that was read lately is not read again.
_entries = lru_cache(4096)(read_entries)
_entry = lru_cache(4096)(read_entry)


# Of many users, few hold what nobody else holds.
@lru_cache(4096)
def _roles(text: str) -> Mapping[str, datetime | None]:
    return MappingProxyType({role: read_time(until) for role, until in json.loads(text).items()})


@lru_cache(4096)
def _overrides(text: str) -> Mapping[str, Override]:
    rows = json.loads(text)
    return MappingProxyType({path: Override(_entry(grants), read_time(until)) for path, grants, until in rows})


class TablesReader(ABC):
    """What may be read both inside a change and outside."""

    def __init__(self, url: str, dialect: Dialect) -> None:
        self.url = url
        self._dialect = dialect

    def organization(self, organization: str) -> Organization:
        """Return the organization's record, or raise `UnknownOrganization`."""
        rows = self._select(f"{self._dialect.organization} WHERE id = ?", (organization,))
        if not rows:
            raise UnknownOrganization(organization)
        return self._read("the organization", _organization, rows[0])

    def user(self, organization: str, id: str) -> User | None:
        """Return a user by id, dismissed ones too; None where there is none."""
        rows = self._select(f"{self._dialect.user} WHERE organization = ? AND id = ?", (organization, id))
        return self._read("the user", _user, rows[0]) if rows else None

    def users(
        self, organization: str, *, email_key: str | None = None, roles: Collection[str] | None = None
    ) -> Iterator[User]:
        """Iterate over users in the order of their ids, in pages, each page of one moment."""
        found: Iterator[User]
        if email_key is not None:
            found = (user for _, user in self._placed("email_key = ? AND organization = ?", email_key, organization))
        elif roles is not None:
            found = self._holders(organization, roles)
        else:
            found = self._everyone(organization)
        return found if roles is None else (user for user in found if not user.roles.keys().isdisjoint(roles))

    def staff(self, organization: str) -> Iterator[Staff]:
        """Iterate over the staff records in the order of their ids, in pages, each page of one moment."""
        page, last = f"{STAFF} WHERE organization = ? AND id > ? ORDER BY id LIMIT ?", ""
        while rows := self._select(page, (organization, last, PAGE)):
            for row in rows:
                yield self._read("the staff record", _staff, row)
            last = rows[-1][0]

    def staff_member(self, organization: str, id: str) -> Staff | None:
        """Return a staff record by id; None where there is none."""
        rows = self._select(f"{STAFF} WHERE organization = ? AND id = ?", (organization, id))
        return self._read("the staff record", _staff, rows[0]) if rows else None

    def head(self, organization: str) -> Head:
        """Return where the organization's trail ends."""
        rows = self._select("SELECT events, last_hash FROM $.organizations WHERE id = ?", (organization,))
        return Head(*rows[0]) if rows else Head()

    def history(
        self,
        organization: str,
        *,
        since: datetime | None = None,
        until: datetime | None = None,
        user: str | None = None,
    ) -> Iterator[Past]:
        """Iterate over the past sign-ins in the order of (`began`, `id`), in pages, each page of one moment."""
        asked = (
            ("(ended IS NULL OR ended > ?)", write_time(since)),
            ("began < ?", write_time(until)),
            ('"user" = ?', user),
        )
        said = [(where, value) for where, value in asked if value is not None]
        where = " AND ".join(["organization = ?", "(began, id) > (?, ?)", *(where for where, _ in said)])
        page = f"{self._dialect.past} WHERE {where} ORDER BY began, id LIMIT ?"
        values, last = [value for _, value in said], (self._dialect.before, "")
        while rows := self._select(page, (organization, *last, *values, PAGE)):
            for row in rows:
                yield self._read("the past sign-in", _past, row)
            last = (rows[-1][3], rows[-1][0])

    def _everyone(self, organization: str) -> Iterator[User]:
        page, last = f"{self._dialect.user} WHERE organization = ? AND id > ? ORDER BY id LIMIT ?", ""
        while rows := self._select(page, (organization, last, PAGE)):
            for row in rows:
                yield self._read("the user", _user, row)
            last = rows[-1][0]

    def _holders(self, organization: str, roles: Collection[str]) -> Iterator[User]:
        # Each role's holders come in order, so merging them never sorts all holders of a common role.
        ids = (id for id, _ in groupby(heapq.merge(*(self._ids(organization, role) for role in set(roles)))))
        page = f"{self._dialect.user} WHERE organization = ? AND id IN ({self._dialect.listed}) ORDER BY id"
        while wanted := list(islice(ids, PAGE)):
            for row in self._select(page, (organization, write_json(wanted))):
                yield self._read("the user", _user, row)

    def _ids(self, organization: str, role: str) -> Iterator[str]:
        page = (
            'SELECT "user" FROM $.user_roles WHERE organization = ? AND role = ? AND "user" > ? ORDER BY "user" LIMIT ?'
        )
        last = ""
        while rows := self._select(page, (organization, role, last, PAGE)):
            yield from (id for (id,) in rows)
            (last,) = rows[-1]

    def _placed(self, where: str, *values: str) -> Iterator[tuple[str, User]]:
        for row in self._select(f"{self._dialect.user} WHERE {where} ORDER BY organization, id", values):
            yield row[-1], self._read("the user", _user, row)

    def _read(self, what: str, reading: Callable[[Row], T], row: Row) -> T:
        try:
            return reading(row)
        except (ValueError, TypeError, AttributeError, OverflowError) as error:
            raise StoreDamaged(self.url, f"{what} {row[0]!r} can't be read: {error}") from error

    @abstractmethod
    def _select(self, sql: str, values: Values = ()) -> list[Row]:
        """Run one SELECT."""


class TablesDirectory(TablesReader):
    """What may be read outside a change only."""

    def organizations(self) -> Iterator[str]:
        """Iterate over the ids of all organizations, in the order of their making."""
        page, last = "SELECT number, id FROM $.organizations WHERE number > ? ORDER BY number LIMIT ?", 0
        while rows := self._select(page, (last, PAGE)):
            yield from (id for _, id in rows)
            last = rows[-1][0]

    def revision(self, organization: str) -> int:
        """Return the present revision, or raise `UnknownOrganization`."""
        for (revision,) in self._select("SELECT revision FROM $.organizations WHERE id = ?", (organization,)):
            return int(revision)
        raise UnknownOrganization(organization)

    def events(self, organization: str, *, after: int = 0) -> Iterator[Event]:
        """Iterate over the trail in order, in pages, from the event with the number `after` + 1 on."""
        page = f"{self._dialect.event} WHERE organization = ? AND number > ? ORDER BY number LIMIT ?"
        while rows := self._select(page, (organization, after, PAGE)):
            for row in rows:
                yield self._read("the event", _event, row)
            after = rows[-1][0]


def _organization(row: Row) -> Organization:
    id, package, add_ons, session_limit, user_limit, seat_per, reserved, begin, end, grace, *rest = row
    permissions, roles, issued, catalog, epoch, revision = rest
    license = License(
        package,
        json.loads(add_ons),
        session_limit,
        user_limit,
        seat_per,
        json.loads(reserved),
        read_time(begin),
        read_time(end),
        timedelta(seconds=grace),
    )
    for problem in problems(license):
        raise ValueError(problem)
    return Organization(
        id, license, _entries(permissions), read_roles(roles), read_time(issued), catalog, epoch, revision
    )


def _staff(row: Row) -> Staff:
    id, name, user, active = row
    return Staff(id, name, user, active != 0)


def _past(row: Row) -> Past:
    id, user, client, began, ended, how, refused = row
    return Past(id, user, client, datetime.fromisoformat(began), read_time(ended), how, refused != 0)


def _user(row: Row) -> User:
    id, email, name, type, state, locked, base, staff, token, ends, dismissed, person, roles, overrides, _ = row
    until = read_time(ends)
    if state not in ("invited", "active"):
        raise ValueError(f"state is {state!r}")
    return User(
        id=id,
        email=email,
        name=name,
        type=type,
        state=state,
        locked=locked != 0,
        roles=_roles(roles),
        base=_entries(base),
        overrides=_overrides(overrides),
        staff=staff,
        invitation=None if until is None else PendingInvitation(token, until),
        dismissed=dismissed != 0,
        person=person,
    )


def _event(row: Row) -> Event:
    number, at, actor, kind, user, revision, details, salt, seal, hash = row
    return Event(
        number=number,
        at=datetime.fromisoformat(at),
        actor=actor,
        kind=kind,
        user=user,
        revision=revision,
        details=None if details is None else json.loads(details),
        salt=salt,
        seal=seal,
        hash=hash,
    )
