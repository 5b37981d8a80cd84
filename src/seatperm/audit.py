"""The audit trail: events chained by hash, so that an altered, removed or reordered one shows.

An event's details are sealed by a salted hash of their own, and the chain runs over that seal: details
may be erased on request and the chain still verifies.
"""

from __future__ import annotations

import hashlib
import json
import secrets
from collections.abc import Iterable, Iterator, Mapping
from datetime import datetime
from types import MappingProxyType

from attrs import evolve, field, fields_dict, frozen

from .errors import InvalidValue

START = "0" * 64
"""What the first event is chained to."""

_TYPES = {
    "number": int,
    "revision": int,
    "actor": str | None,
    "user": str | None,
    "details": dict | None,
}


def _frozen_details(value: Mapping[str, object] | None) -> Mapping[str, object] | None:
    return None if value is None else MappingProxyType(dict(value))


@frozen
class Event:
    """One entry of the audit trail.

    Attributes:
        number: its place in the organization's trail, from 1.
        at: when, in UTC.
        actor: the id of the user who did it, None for the host.
        kind: what was done, such as "role.assigned".
        user: the id of the user it was done to, if any.
        revision: the organization's revision that it made, or, where nothing changed, that was present.
        details: what was there before and after, as JSON values; None once erased.
        salt: random, so that erased details can't be guessed from their seal.
        seal: SHA-256 of salt and details.
        hash: SHA-256 of the event before and everything above.
    """

    number: int
    at: datetime
    actor: str | None
    kind: str
    user: str | None
    revision: int
    details: Mapping[str, object] | None = field(converter=_frozen_details)
    salt: str = field(repr=False)
    seal: str = field(repr=False)
    hash: str = field(repr=False)


@frozen
class Head:
    """Where a trail ends: how many events it has and the hash of the last."""

    number: int = 0
    hash: str = START


@frozen
class Verification:
    """What `verify` found; true when the trail is whole.

    Attributes:
        events: how many events were read.
        problems: one sentence for each fault, the first one first.
    """

    events: int
    problems: tuple[str, ...]

    def __bool__(self) -> bool:
        return not self.problems


def link(
    head: Head,
    *,
    at: datetime,
    actor: str | None,
    kind: str,
    user: str | None,
    revision: int,
    details: Mapping[str, object],
) -> Event:
    """Return the next event of the trail that ends at `head`."""
    salt = secrets.token_hex(16)
    event = Event(
        number=head.number + 1,
        at=at,
        actor=actor,
        kind=kind,
        user=user,
        revision=revision,
        details=details,
        salt=salt,
        seal=_seal(salt, details),
        hash="",
    )
    return evolve(event, hash=_hash(head.hash, event))


def verify(events: Iterable[Event], head: Head | None, kept: Head | None = None) -> Verification:
    """Read a whole trail and tell whether every event is as it was written.

    Args:
        events: the trail, from its first event on.
        head: where it has to end; None where that is not known, and a missing end can't be told.
        kept: an earlier head that it has to have gone through.
    """
    problems: list[str] = []
    number, before = 0, START
    for event in events:
        number += 1
        if event.number != number:
            problems.append(f"event {number} is missing, or stands in another place")
            number = event.number
        elif event.hash != _hash(before, event):
            problems.append(f"event {event.number} is not as it was written, or not after the one before it")
        elif event.details is not None and event.seal != _seal(event.salt, event.details):
            problems.append(f"the details of event {event.number} are not as they were written")
        before = event.hash
        if kept is not None and kept.number == event.number and kept.hash != event.hash:
            problems.append(f"event {number} is not the one that the kept head names")
    if head is not None and (number, before) != (head.number, head.hash):
        problems.append(f"the trail ends at event {number}; {head.number} were written")
    if kept is not None and kept.number > number:
        problems.append(f"the trail ends at event {number}, before the kept head, {kept.number}")
    return Verification(number, tuple(problems))


def line(event: Event) -> str:
    """Return an event as one line of JSON, with all that its hash is made of; `read_lines` reads it again."""
    return json.dumps(written_event(event))


def written_event(event: Event) -> dict[str, object]:
    """Return an event as JSON values, with all that its hash is made of; `read_event` reads it again."""
    written = {name: getattr(event, name) for name in fields_dict(Event)}
    details = None if event.details is None else dict(event.details)
    return {**written, "at": event.at.isoformat(), "details": details}


def read_lines(lines: Iterable[str]) -> Iterator[Event]:
    """Iterate over the events of exported lines.

    Raises:
        InvalidValue: a line is no event.
    """
    for number, text in enumerate(lines, 1):
        try:
            event = read_event(json.loads(text))
        except (ValueError, RecursionError) as error:
            raise InvalidValue(f"line {number}", text[:80], "an event, as the trail is exported") from error
        yield event


def verify_lines(lines: Iterable[str], head: Head | None = None) -> Verification:
    """Read an exported trail, without its store, and tell whether every event is as it was written.

    Args:
        lines: of the whole trail, such as an open file.
        head: where it has to end, as `export` said; None where that is not known, and a missing end can't be told.
    """
    problems: list[str] = []

    def readable() -> Iterator[Event]:
        try:
            yield from read_lines(lines)
        except InvalidValue as error:
            problems.append(f"{error.what} is no event, and what comes after it was not read")

    found = verify(readable(), head)
    return evolve(found, problems=(*problems, *found.problems))


def read_event(values: object) -> Event:
    """Return what `written_event` wrote.

    Raises:
        ValueError: the values are no event's.
    """
    names = fields_dict(Event)
    if not isinstance(values, dict) or values.keys() != names.keys():
        raise ValueError("other keys")
    for name, value in values.items():
        if not isinstance(value, _TYPES.get(name, str)):
            raise ValueError(f"{name} is of another type")
    return Event(**{**values, "at": datetime.fromisoformat(values["at"])})


def _seal(salt: str, details: Mapping[str, object]) -> str:
    # A damaged salt may hold what UTF-8 can't write; it has to be found, not to stop the search.
    return hashlib.sha256((salt + canonical(dict(details))).encode(errors="surrogatepass")).hexdigest()


def _hash(before: str, event: Event) -> str:
    body = [
        before,
        event.number,
        event.at.isoformat(),
        event.actor,
        event.kind,
        event.user,
        event.revision,
        event.seal,
    ]
    return hashlib.sha256(canonical(body).encode()).hexdigest()


def canonical(value: object) -> str:
    """Return the one JSON text of a value."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=True)
