"""An organization as JSON lines: out of one store and into another, of whatever kind.

The first line says what the file is and has the organization's record. Then comes a line for each user, staff record,
past sign-in and event of the trail, which verifies as before; the last one says how many there are. Live sessions
stay where they are, and the revision begins anew.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator, Mapping
from datetime import datetime
from itertools import chain
from typing import Any, Final, TypeVar

from attrs import asdict, define, evolve

from .. import audit
from .. import license as licenses
from ..catalog import written_entry
from ..directory import Organization, Override, PendingInvitation, Staff, User, email_key, identifier, summary
from ..errors import EmailTaken, InvalidValue, OrganizationExists, UnknownOrganization, UserExists
from ..license_files import read_terms
from ..sessions import Past
from . import DirectoryChange, DirectoryStore
from .written import (
    read_entries,
    read_entry,
    read_roles,
    read_time,
    write_roles,
    write_time,
)

FORMAT: Final = "seatperm organization, version 1"
"""What the first line says that the file is."""

T = TypeVar("T")

Json = Mapping[str, Any]
"""What a line holds."""


def export(directory: DirectoryStore, organization: str) -> Iterator[str]:
    """Return an organization's books as JSON lines, without line ends.

    They are of one moment: where something was changed while they were read, the end says so.

    Args:
        directory: where the organization is kept.
        organization: its id.

    Raises:
        UnknownOrganization: there is none of that id.
        InvalidValue: something was changed while they were read.
        StoreUnavailable, StoreDamaged: the store can't be read.
    """
    record, head = directory.organization(organization), directory.head(organization)
    yield _line("organization", {"format": FORMAT, **_organization(record)})
    count = 0
    # Who is here first: a dismissed user's address may be another's by now.
    for kind, values in chain(
        (("user", _user(user)) for user in directory.users(organization) if not user.dismissed),
        (("user", _user(user)) for user in directory.users(organization) if user.dismissed),
        (("staff", asdict(staff)) for staff in directory.staff(organization)),
        (("past", _past(past)) for past in directory.history(organization)),
        (("event", audit.written_event(event)) for event in _upto(directory, organization, head)),
    ):
        count += 1
        yield _line(kind, values)
    if directory.revision(organization) != record.revision:
        raise InvalidValue("organization", organization, "one that nobody changes meanwhile; export it anew")
    yield _line("end", {"lines": count})


def restore(directory: DirectoryStore, lines: Iterable[str], *, organization: str | None = None) -> str:
    """Write an organization's books from what `export` returned, in one transaction; return its id.

    Args:
        directory: where the organization shall be kept.
        lines: of the file, such as the file itself, opened for reading.
        organization: its id from now on; the one that it had unless said.

    Raises:
        OrganizationExists: the store has one of that id.
        EmailTaken, UserExists: another organization of the store knows a user's address, or id, as somebody else's.
        InvalidValue: a line can't be read, lines are missing, or the trail is not whole; nothing is written.
        StoreUnavailable: the store can't be written; nothing is.
    """
    reading = _Reading(iter(lines))
    record = reading.record()
    id = record.id if organization is None else identifier("organization", organization)
    with directory.change() as change:
        try:
            change.organization(id)
        except UnknownOrganization:
            change.put_organization(evolve(record, id=id))
        else:
            raise OrganizationExists(id)
        found = audit.verify(_written(change, id, reading), None)
        if not found:
            raise InvalidValue("the trail", found.problems[0], "the trail as it was exported")
    return id


@define
class _Reading:
    lines: Iterator[str]
    number: int = 0

    def record(self) -> Organization:
        """Return what the first line says."""
        for kind, values in self:
            if kind != "organization" or values.get("format") != FORMAT:
                raise InvalidValue("line 1", str(values)[:80], f"the first line of an export, with {FORMAT!r}")
            return self.read(_read_organization, values)
        raise InvalidValue("the file", "", "an export, which begins with an organization")

    def __iter__(self) -> Iterator[tuple[str, Json]]:
        for line in self.lines:
            self.number += 1
            try:
                ((kind, values),) = json.loads(line).items()
                values.items()
            except (ValueError, AttributeError, RecursionError) as error:
                raise self.wrong(line) from error
            yield kind, values

    def read(self, reading: Callable[[Json], T], values: Json) -> T:
        """Return what a line's values stand for."""
        try:
            return reading(values)
        except (ValueError, TypeError, KeyError, AttributeError, OverflowError) as error:
            raise self.wrong(str(values)) from error

    def wrong(self, text: str) -> InvalidValue:
        """Return the error of a line that can't be read."""
        return InvalidValue(f"line {self.number}", text[:80], "a line as it was exported")


def _written(change: DirectoryChange, id: str, reading: _Reading) -> Iterator[audit.Event]:
    """Write line after line, and hand on the events."""
    first = reading.number
    for kind, values in reading:
        match kind:
            case "user":
                _put_user(change, id, reading.read(_read_user, values))
            case "staff":
                change.put_staff(id, reading.read(lambda it: Staff(**it), values))
            case "past":
                change.put_past(id, reading.read(_read_past, values))
            case "event":
                event = reading.read(audit.read_event, values)
                change.append(id, event)
                yield event
            case "end" if values == {"lines": reading.number - first - 1}:
                return
            case _:
                raise reading.wrong(kind)
    raise InvalidValue(
        "the file", f"{reading.number} lines", "a last line that says how many there are: it was cut off"
    )


def _put_user(change: DirectoryChange, id: str, user: User) -> None:
    key = email_key(user.email) if user.email else None
    if key is not None:
        if user.dismissed and next(change.users(id, email_key=key), None) is not None:
            key = None  # somebody else has the address by now
        elif any(where != id and other.person != user.person for where, other in change.people(key or "")):
            raise EmailTaken(user.email)
    for where, other in change.person(user.person):
        if where != id and key is not None and other.email and email_key(other.email) != key:
            raise UserExists(user.id)
    change.put_user(id, user, email_key=key)


def _upto(directory: DirectoryStore, organization: str, head: audit.Head) -> Iterator[audit.Event]:
    return (event for event in directory.events(organization) if event.number <= head.number)


def _line(kind: str, values: Json) -> str:
    return json.dumps({kind: values}, ensure_ascii=False)


def _organization(record: Organization) -> Json:
    return {
        "id": record.id,
        "license": licenses.summary(record.license),
        "license_issued": write_time(record.license_issued),
        "global_permissions": {path: written_entry(entry) for path, entry in record.global_permissions.items()},
        "roles": json.loads(write_roles(record.roles)),
    }


def _read_organization(values: Json) -> Organization:
    license = read_terms(values["license"])
    for problem in licenses.problems(license):
        raise ValueError(problem)
    return Organization(
        identifier("id", values["id"]),
        license,
        read_entries(json.dumps(values["global_permissions"])),
        read_roles(json.dumps(values["roles"])),
        read_time(values["license_issued"]),
    )


def _user(user: User) -> Json:
    invitation = user.invitation
    pending = invitation and {"token_hash": invitation.token_hash, "until": write_time(invitation.until)}
    return {"id": user.id, **summary(user), "invitation": pending, "dismissed": user.dismissed, "person": user.person}


def _read_user(values: Json) -> User:
    if values["state"] not in ("invited", "active"):
        raise ValueError(f"state is {values['state']!r}")
    texts = ("id", "email", "name", "type", "person")
    if not all(isinstance(values[name], str) for name in texts):
        raise TypeError("a text is none")
    invitation = values["invitation"]
    read: dict[str, Any] = {
        **values,
        "id": identifier("id", values["id"]),
        "locked": values["locked"] is True,
        "dismissed": values["dismissed"] is True,
        "roles": {role: read_time(until) for role, until in values["roles"].items()},
        "base": read_entries(json.dumps(values["base"])),
        "overrides": {
            path: Override(read_entry(json.dumps(kept["grant"])), read_time(kept["until"]))
            for path, kept in values["overrides"].items()
        },
        "invitation": None
        if invitation is None
        else PendingInvitation(invitation["token_hash"], datetime.fromisoformat(invitation["until"])),
    }
    return User(**read)


def _past(past: Past) -> Json:
    return {**asdict(past), "began": write_time(past.began), "ended": write_time(past.ended)}


def _read_past(values: Json) -> Past:
    began = datetime.fromisoformat(values["began"])
    return Past(**{**values, "began": began, "ended": read_time(values["ended"])})
