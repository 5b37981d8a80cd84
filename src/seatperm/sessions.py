"""Sessions: who holds a seat, and who may have one. Frozen records and pure decisions."""

from __future__ import annotations

import hashlib
import secrets
from collections.abc import Iterable, Mapping
from datetime import datetime
from types import MappingProxyType

from attrs import field, frozen

TOKEN_BYTES = 32
"""256 random bits a token."""


def new_token() -> str:
    """Return a fresh token: 256 random bits, safe in URLs and cookies."""
    return secrets.token_urlsafe(TOKEN_BYTES)


def token_hash(token: str) -> str:
    """Return what a store keeps of a token: its SHA-256, in hex."""
    return hashlib.sha256(token.encode("utf-8", "surrogatepass")).hexdigest()


def _counts(value: Mapping[str, int]) -> Mapping[str, int]:
    return MappingProxyType(dict(value))


def _names(value: Iterable[str]) -> frozenset[str]:
    return frozenset(value)


def _seats(value: Iterable[Seat]) -> tuple[Seat, ...]:
    return tuple(value)


@frozen
class SeatRequest:
    """What a session store is asked for at sign-in.

    Attributes:
        organization: whose seats.
        user_id: who signs in.
        client: names the connection; None takes a seat of its own at every call.
        session_id: the id of the session if a new one is made.
        token_hash: of the token that the session shall have from now on.
        lease: seconds that the seat is held unless it is renewed.
        limit: how many seats there are.
        per_user: all of one user's sessions share one seat.
        reserved: seats kept back, by role.
        holds: those of the reserved roles that the user holds.
        ticket: names a place in the queue, None for who does not wait. A refusal leaves the place kept.
        patience: seconds that the place in the queue is kept without being asked for again.
        epoch: what the directory says the store's `epoch` is; None from a store that has none.
    """

    organization: str
    user_id: str
    client: str | None
    session_id: str
    token_hash: str = field(repr=False)
    lease: float
    limit: int
    per_user: bool = False
    reserved: Mapping[str, int] = field(factory=dict, converter=_counts)
    holds: frozenset[str] = field(default=frozenset(), converter=_names)
    ticket: str | None = None
    patience: float = 10.0
    epoch: str | None = None


@frozen(slots=False)  # a third less to make than with slots, and one is made at each call of a store
class Seat:
    """A session as a store keeps it.

    Attributes:
        id: the session's id.
        user_id: whose it is.
        client: the connection, None where none was named.
        started_at: when it began.
        expires_at: when its lease ends unless renewed: wall time, for people to read.
        remaining: seconds until then by the store's own clock, which is the one that counts.
        lapsed: from `acquire` only: the sessions that this call found run out, see rule 8 of `SessionStore`.
    """

    id: str
    user_id: str
    client: str | None
    started_at: datetime
    expires_at: datetime
    remaining: float
    lapsed: tuple[Seat, ...] = field(default=(), repr=False, converter=_seats)


@frozen
class Full:
    """What a session store says when there is no seat.

    Attributes:
        in_use: how many seats are in use.
        next_free_in: seconds until the first lease in use ends unless renewed; None where nobody holds one.
        lapsed: the sessions that this call found run out, see rule 8 of `SessionStore`.
        ahead: how many places in the queue are in front of who asked with a ticket.
    """

    in_use: int
    next_free_in: float | None
    lapsed: tuple[Seat, ...] = field(default=(), repr=False, converter=_seats)
    ahead: int = 0


@frozen
class Past:
    """What the history says of one sign-in, granted or refused.

    Attributes:
        id: the session's id; of a refusal an id of its own.
        user_id: who asked; None where that is nobody whom a store can name.
        client: the connection, None where none was named.
        began: when the session started, or was refused.
        ended: when it was over, a refusal at once; None while it goes on.
        how: how it ended, such as "by_holder" or "expired", or why it was refused, such as "seats_exhausted"; None
            while it goes on.
        refused: whether there was no session.
    """

    id: str
    user_id: str | None
    client: str | None
    began: datetime
    ended: datetime | None = None
    how: str | None = None
    refused: bool = False


def admits(
    limit: int,
    in_use: int,
    reserved: Mapping[str, int],
    inside: Mapping[str, int],
    holds: frozenset[str],
    waiting: Iterable[frozenset[str]] = (),
) -> bool:
    """Tell whether there is a seat for somebody, after those who wait in front.

    Args:
        limit: how many seats there are.
        in_use: how many are in use.
        reserved: seats kept back, by role.
        inside: how many holders of each reserved role have a seat.
        holds: the reserved roles that this somebody holds.
        waiting: the reserved roles that each waiter in front holds, first come first.

    Kept back for a role is what is reserved less the holders already in (the contract, section 5). A waiter
    in front is counted in when there is a seat for that waiter, and passed over when there is not.
    """
    inside = dict(inside)

    def room(roles: frozenset[str]) -> bool:
        kept = sum(max(0, count - inside.get(role, 0)) for role, count in reserved.items() if role not in roles)
        return in_use + kept < limit

    for roles in waiting:
        if in_use >= limit:
            return False
        if room(roles):
            in_use += 1
            for role in roles:
                inside[role] = inside.get(role, 0) + 1
    return room(holds)
