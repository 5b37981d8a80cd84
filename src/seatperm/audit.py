"""The audit trail: events chained by hash, so that an altered, removed or reordered one shows.

An event's details are sealed by a salted hash of their own, and the chain runs over that seal: details
may be erased on request and the chain still verifies.
"""

from __future__ import annotations

import hashlib
import hmac
import json
import secrets
from collections.abc import Iterable, Mapping
from datetime import datetime
from types import MappingProxyType

from attrs import evolve, field, frozen

START = "0" * 64
"""What the first event is chained to."""


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
        revision: the organization's revision that it made.
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


def verify(events: Iterable[Event], head: Head) -> Verification:
    """Read a whole trail and tell whether it is the one that ends at `head`."""
    problems: list[str] = []
    number, before = 0, START
    for event in events:
        number += 1
        if event.number != number:
            problems.append(f"event {number} is missing, or stands in another place")
            number = event.number
        elif not hmac.compare_digest(event.hash, _hash(before, event)):
            problems.append(f"event {event.number} is not as it was written, or not after the one before it")
        elif event.details is not None and not hmac.compare_digest(event.seal, _seal(event.salt, event.details)):
            problems.append(f"the details of event {event.number} are not as they were written")
        before = event.hash
    if (number, before) != (head.number, head.hash):
        problems.append(f"the trail ends at event {number}; {head.number} were written")
    return Verification(number, tuple(problems))


def _seal(salt: str, details: Mapping[str, object]) -> str:
    return hashlib.sha256((salt + canonical(dict(details))).encode()).hexdigest()


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
