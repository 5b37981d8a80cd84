"""What the SQLite session store says to SQLite, and what it reads from the rows."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterator
from datetime import datetime
from typing import NamedTuple

from ..errors import InvalidValue
from ..sessions import Full, Seat, SeatRequest, admits

COUNT = """
    SELECT boot, sessions, users, last_number,
        (SELECT min(ends) FROM sessions WHERE organization = seats.organization),
        EXISTS (SELECT 1 FROM seat_queue WHERE organization = seats.organization)
    FROM seats WHERE organization = ?
"""
SEAT = "id, user_id, client, started_at, expires_at, ends"
SAME_BOOT = "EXISTS (SELECT 1 FROM seats WHERE organization = sessions.organization AND boot = ?)"
DELETE = "DELETE FROM sessions WHERE organization = ?"
KEEP = "UPDATE sessions SET token_hash = ?, holds = ?, expires_at = ?, ends = ? WHERE organization = ?"


# One statement decides and takes, where nothing needs a closer look: no lease has run out, nobody waits, no seat is
# reserved, and nobody is there by this client or this id (what is unique says so, and the row is ignored).
# The triggers count.
TAKE = """
    INSERT OR IGNORE INTO sessions
        (organization, token_hash, id, number, user_id, client, holds, started_at, expires_at, ends)
    SELECT organization, ?, ?, last_number + 1, ?, ?, '[]', ?, ?, ? FROM seats
    WHERE organization = ? AND boot = ? AND sessions < ?
        AND NOT EXISTS (SELECT 1 FROM sessions WHERE organization = seats.organization AND ends <= ?)
        AND NOT EXISTS (SELECT 1 FROM seat_queue WHERE organization = seats.organization)
    RETURNING 1
"""
_LIVE = f"WHERE organization = ? AND token_hash = ? AND ends > ? AND {SAME_BOOT} RETURNING {SEAT}"
RENEW = f"UPDATE sessions SET expires_at = ?, ends = ? {_LIVE}"
ROTATE = f"UPDATE sessions SET token_hash = ?, expires_at = ?, ends = ? {_LIVE}"
END = f"""
    DELETE FROM sessions WHERE organization = ? AND id = ? AND token_hash = coalesce(?, token_hash)
        AND ends > ? AND {SAME_BOOT}
    RETURNING 1
"""

SeatRow = tuple[str, str, str | None, str, str, int]
"""What `SEAT` selects."""


class Count(NamedTuple):
    """What `COUNT` selects.

    Attributes:
        boot: what the ends of the leases count from.
        sessions: how many there are.
        users: how many users have them.
        last_number: of the session that began last.
        next_end: when the first lease ends.
        queued: whether anybody waits.
    """

    boot: str
    sessions: int
    users: int
    last_number: int
    next_end: int | None
    queued: int

    def in_use(self, per_user: bool) -> int:
        """Return how many seats are taken."""
        return self.users if per_user else self.sessions

    def full(self, per_user: bool, now: int, lapsed: tuple[Seat, ...] = ()) -> Full:
        """Return a refusal."""
        next_free_in = None if self.next_end is None else (self.next_end - now) / 1_000_000
        return Full(in_use=self.in_use(per_user), next_free_in=next_free_in, lapsed=lapsed)


def count_of(connection: sqlite3.Connection, organization: str) -> Count | None:
    """Return what is known of an organization; None before its first request."""
    row = connection.execute(COUNT, (organization,)).fetchone()
    return Count(*row) if row is not None else None


def needs_no_seat(request: SeatRequest) -> tuple[str, tuple[str, ...]]:
    """Return what a session is that leaves who asks in no need of a further seat, as SQL and its values.

    So is one of the id that is asked with, whoever's it is.
    """
    inside = "EXISTS (SELECT 1 FROM sessions WHERE organization = seats.organization AND"
    if request.per_user:
        return f"{inside} user_id = ?) OR {inside} id = ?)", (request.user_id, request.session_id)
    if request.client is not None:
        key = (request.user_id, request.client, request.session_id)
        return f"{inside} user_id = ? AND client = ?) OR {inside} id = ?)", key
    return f"{inside} id = ?)", (request.session_id,)


def keep(connection: sqlite3.Connection, request: SeatRequest, expires_at: str, ends: int) -> SeatRow | None:
    """Give the live session of the same client, or of that id, its new token and lease.

    Raises:
        InvalidValue: another user or client has a session of that id.
    """
    values = (request.token_hash, names_text(request.holds), expires_at, ends, request.organization)
    if request.client is not None:
        where, key = "user_id = ? AND client = ?", (request.user_id, request.client)
    else:
        where, key = "id = ? AND user_id = ? AND client IS NULL", (request.session_id, request.user_id)
    row: SeatRow | None = connection.execute(f"{KEEP} AND {where} RETURNING {SEAT}", values + key).fetchone()
    if row is None:
        named = (request.organization, request.session_id)
        if connection.execute("SELECT 1 FROM sessions WHERE organization = ? AND id = ?", named).fetchone():
            raise InvalidValue("session_id", request.session_id, "an id that no other session has")
    return row


def has_room(connection: sqlite3.Connection, request: SeatRequest, count: Count) -> bool:
    """Tell whether there is a seat for who asks, after those who wait in front."""
    if request.per_user:
        mine = (request.organization, request.user_id)
        if connection.execute("SELECT 1 FROM sessions WHERE organization = ? AND user_id = ?", mine).fetchone():
            return True
    who = "DISTINCT user_id" if request.per_user else "1"
    # More holders than are reserved for make no difference, so no more are counted.
    inside = {
        role: connection.execute(
            f"SELECT count(*) FROM (SELECT {who} FROM seat_holders WHERE organization = ? AND role = ? LIMIT ?)",
            (request.organization, role, reserved),
        ).fetchone()[0]
        for role, reserved in request.reserved.items()
    }
    waiting = in_front(connection, request) if count.queued else ()
    return admits(request.limit, count.in_use(request.per_user), request.reserved, inside, request.holds, waiting)


def in_front(connection: sqlite3.Connection, request: SeatRequest) -> Iterator[frozenset[str]]:
    """Iterate over the reserved roles of those who wait in front, first come first."""
    # Where users share a seat, a user's second place takes none, nor does one of who asks.
    passed = {request.user_id}
    for ticket, user_id, holds, inside in connection.execute(
        "SELECT ticket, user_id, holds, EXISTS (SELECT 1 FROM sessions "
        "WHERE organization = seat_queue.organization AND user_id = seat_queue.user_id) "
        "FROM seat_queue WHERE organization = ? ORDER BY place",
        (request.organization,),
    ):
        if ticket == request.ticket:
            return
        if request.per_user:
            if inside or user_id in passed:
                continue
            passed.add(user_id)
        yield frozenset(json.loads(holds))


def places_ahead(connection: sqlite3.Connection, organization: str, ticket: str) -> int:
    """Return how many places are in front of the ticket's."""
    ((count,),) = connection.execute(
        "SELECT count(*) FROM seat_queue WHERE organization = ? AND place < "
        "(SELECT place FROM seat_queue WHERE organization = ? AND ticket = ?)",
        (organization, organization, ticket),
    )
    return int(count)


def seat_of(row: SeatRow, now: int, lapsed: tuple[Seat, ...] = ()) -> Seat:
    """Return a row that `SEAT` selects, as a seat."""
    id, user_id, client, started_at, expires_at, ends = row
    return Seat(
        id,
        user_id,
        client,
        datetime.fromisoformat(started_at),
        datetime.fromisoformat(expires_at),
        (ends - now) / 1_000_000,
        lapsed,
    )


def names_text(holds: frozenset[str]) -> str:
    """Return names as the tables keep them: JSON, sorted."""
    return json.dumps(sorted(holds)) if holds else "[]"


def time_text(time: datetime) -> str:
    """Return a time as the tables keep it: ISO, of one length, so that it sorts."""
    return time.isoformat(timespec="microseconds")
