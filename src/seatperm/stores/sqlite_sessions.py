"""The SQLite session store: any number of processes of one machine share its seats."""

from __future__ import annotations

import json
import os
import sqlite3
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Literal, NamedTuple, cast

from attrs import evolve

from ..clock import Clock, micros
from ..sessions import Full, Seat, SeatRequest, admits
from .sqlite_file import SQLiteFile, Values
from .sqlite_session_schema import SCHEMA

_COUNT = """
    SELECT boot, sessions, users, last_number,
        (SELECT min(ends) FROM sessions WHERE organization = seats.organization),
        EXISTS (SELECT 1 FROM seat_queue WHERE organization = seats.organization)
    FROM seats WHERE organization = ?
"""
_SEAT = "id, user_id, client, started_at, expires_at, ends"
_SAME_BOOT = "EXISTS (SELECT 1 FROM seats WHERE organization = sessions.organization AND boot = ?)"
_DELETE = "DELETE FROM sessions WHERE organization = ?"
_KEEP = "UPDATE sessions SET token_hash = ?, holds = ?, expires_at = ?, ends = ? WHERE organization = ?"


# One statement decides and takes, where nothing needs a closer look: no lease has run out, nobody waits, no seat is
# reserved, and nobody is there by this client or this request (what is unique says so, and the row is ignored).
# The triggers count.
_TAKE = """
    INSERT OR IGNORE INTO sessions
        (organization, token_hash, id, number, user_id, client, holds, started_at, expires_at, ends)
    SELECT ?1, ?2, ?3, last_number + 1, ?4, ?5, '[]', ?6, ?7, ?8 FROM seats
    WHERE organization = ?1 AND boot = ?9 AND sessions < ?10
        AND NOT EXISTS (SELECT 1 FROM sessions WHERE organization = ?1 AND ends <= ?11)
        AND NOT EXISTS (SELECT 1 FROM seat_queue WHERE organization = ?1)
    RETURNING 1
"""
_RENEW = f"""
    UPDATE sessions SET token_hash = ?, expires_at = ?, ends = ?
    WHERE organization = ? AND token_hash = ? AND ends > ? AND {_SAME_BOOT}
    RETURNING {_SEAT}
"""
_END = f"""
    DELETE FROM sessions WHERE organization = ? AND token_hash = ? AND id = ? AND ends > ? AND {_SAME_BOOT}
    RETURNING 1
"""

_SeatRow = tuple[str, str, str | None, str, str, int]
"""What `_SEAT` selects."""


_NEVER = datetime.min.replace(tzinfo=UTC)


class _Count(NamedTuple):
    boot: str
    sessions: int
    users: int
    last_number: int
    next_end: int | None
    queued: int

    def in_use(self, per_user: bool) -> int:
        return self.users if per_user else self.sessions

    def full(self, per_user: bool, now: int, lapsed: tuple[Seat, ...] = ()) -> Full:
        next_free_in = None if self.next_end is None else (self.next_end - now) / 1_000_000
        return Full(in_use=self.in_use(per_user), next_free_in=next_free_in, lapsed=lapsed)


class SQLiteSessions:
    """Keeps seats in a SQLite file.

    One write transaction decides. Nothing in it takes longer the more sessions there are, but for the leases
    that have run out, each of which it ends. Leases are counted by the machine's boot clock: those of an
    earlier boot are void, and so nothing is lost when a power cut takes the last transactions with it.

    Args:
        path: of the file; a directory store may share it.
        clock: tells when leases end.
        synchronous: "normal" or "full", see `SQLiteFile`.
        timeout: seconds to wait for another writer.
        mode: "rwc", "rw" or "ro", see `SQLiteFile`.

    Raises:
        InvalidValue, StoreUnavailable, StoreDamaged, StoreVersion: as `SQLiteFile` does.
    """

    def __init__(
        self,
        path: str | os.PathLike[str],
        clock: Clock,
        *,
        synchronous: Literal["full", "normal"] = "normal",
        timeout: float = 30.0,
        mode: Literal["rwc", "rw", "ro"] = "rwc",
    ) -> None:
        self._clock = clock
        self._file = SQLiteFile(path, SCHEMA, synchronous=synchronous, timeout=timeout, mode=mode)
        self._seen_full: set[str] = set()
        self.url = self._file.url

    def acquire(self, request: SeatRequest) -> Seat | Full:
        """Take a seat, or say that there is none."""
        if request.organization not in self._seen_full:
            seat = None if request.per_user or request.reserved or request.holds else self._take(request)
            if seat is not None:
                return seat
        # Where the last answer was a refusal, the next one likely is: look without the write lock.
        elif request.ticket is None:
            full = self._refusal(request)
            if full is not None:
                return full
        with self._file.write() as connection:
            answer = self._decide(connection, request)
        if isinstance(answer, Full):
            self._seen_full.add(request.organization)
        else:
            self._seen_full.discard(request.organization)
        return answer

    def _take(self, request: SeatRequest) -> Seat | None:
        """Take a seat in one statement; None where that alone can't tell whether there is one."""
        now, wall, expires = 0, _NEVER, _NEVER

        def values() -> Values:
            nonlocal now, wall, expires
            now, wall = self._now(), self._clock.now()
            expires = wall + timedelta(seconds=request.lease)
            return (
                request.organization,
                request.token_hash,
                request.session_id,
                request.user_id,
                request.client,
                _text(wall),
                _text(expires),
                now + micros(request.lease),
                self._clock.boot,
                request.limit,
                now,
            )

        if not self._file.once(_TAKE, values):
            return None
        # As it will be read: in UTC and to the microsecond.
        return Seat(
            request.session_id, request.user_id, request.client, wall, expires, micros(request.lease) / 1_000_000
        )

    def leave(self, organization: str, ticket: str) -> None:
        """Give up a place in the queue."""
        with self._file.write() as connection:
            connection.execute("DELETE FROM seat_queue WHERE organization = ? AND ticket = ?", (organization, ticket))

    def find(self, organization: str, token_hash: str) -> Seat | None:
        """Return the live session with this token; None once it is over."""
        row = self._file.row(
            f"SELECT {_SEAT} FROM sessions WHERE organization = ? AND token_hash = ? AND {_SAME_BOOT}",
            (organization, token_hash, self._clock.boot),
        )
        now = self._now()
        seat = _seat(cast(_SeatRow, row), now) if row is not None else None
        return seat if seat is not None and seat.remaining > 0 else None

    def renew(
        self, organization: str, token_hash: str, lease: float, *, new_token_hash: str | None = None
    ) -> Seat | None:
        """Let the live session's lease run for `lease` seconds from now, with a new token if one is given."""
        now = 0
        for known in (token_hash,) if new_token_hash is None else (token_hash, new_token_hash):

            def values(known: str = known) -> Values:
                nonlocal now
                now = self._now()
                expires_at = _text(self._clock.now() + timedelta(seconds=lease))
                ends, boot = now + micros(lease), self._clock.boot
                return (new_token_hash or token_hash, expires_at, ends, organization, known, now, boot)

            rows = self._file.once(_RENEW, values)
            if rows:
                return _seat(cast(_SeatRow, rows[0]), now)
        return None

    def release(self, organization: str, session_id: str, token_hash: str | None) -> bool:
        """End a live session, if the token is its own, or None is given; tell whether it did.

        Without a token all of the organization's sessions are looked through, outside the write lock.
        """
        if token_hash is not None:
            return self._delete(organization, session_id, token_hash)
        while True:
            row = self._file.row(
                f"SELECT token_hash FROM sessions WHERE organization = ? AND id = ? AND ends > ? AND {_SAME_BOOT}",
                (organization, session_id, self._now(), self._clock.boot),
            )
            if row is None:
                return False
            if self._delete(organization, session_id, str(row[0])):
                return True

    def epoch(self, organization: str) -> None:
        """Return None: what the file lost was granted before this boot of the machine, and is void."""

    def live(self, organization: str) -> Iterator[Seat]:
        """Iterate over the live sessions, first started first."""
        with self._file.read() as connection:
            now = self._now()
            rows = connection.execute(
                f"SELECT {_SEAT} FROM sessions WHERE organization = ? AND ends > ? AND {_SAME_BOOT} ORDER BY number",
                (organization, now, self._clock.boot),
            ).fetchall()
        return (_seat(row, now) for row in rows)

    def close(self) -> None:
        """Close the file's connections; later calls raise `StoreUnavailable`."""
        self._file.close()

    def _now(self) -> int:
        return micros(self._clock.elapsed())

    def _refusal(self, request: SeatRequest) -> Full | None:
        where, key = _needs_no_seat(request)
        inside = f"EXISTS (SELECT 1 FROM sessions WHERE organization = seats.organization AND {where})"
        row = self._file.row(f"{_COUNT} AND NOT {inside}", (request.organization, *key))
        # Read after the count: what has not ended by now had not ended then.
        now = self._now()
        count = _Count(*row) if row is not None else None
        if count is None or count.boot != self._clock.boot or count.in_use(request.per_user) < request.limit:
            return None
        if count.next_end is None or count.next_end <= now:
            return None
        return count.full(request.per_user, now)

    def _decide(self, connection: sqlite3.Connection, request: SeatRequest) -> Seat | Full:
        now, wall = self._now(), self._clock.now()
        count, lapsed = self._expire(connection, request.organization, now)
        ends, started_at = now + micros(request.lease), _text(wall)
        expires_at = _text(wall + timedelta(seconds=request.lease))
        row = _keep(connection, request, expires_at, ends)
        if row is None and not _admits(connection, request, count):
            if request.ticket is not None:
                connection.execute(
                    "INSERT INTO seat_queue (organization, ticket, user_id, holds, ends) VALUES (?, ?, ?, ?, ?) "
                    "ON CONFLICT DO UPDATE SET user_id = excluded.user_id, holds = excluded.holds, "
                    "ends = excluded.ends",
                    (
                        request.organization,
                        request.ticket,
                        request.user_id,
                        _names(request.holds),
                        now + micros(request.patience),
                    ),
                )
                full = count.full(request.per_user, now, lapsed)
                return evolve(full, ahead=_ahead(connection, request.organization, request.ticket))
            return count.full(request.per_user, now, lapsed)
        if count.queued and request.ticket is not None:
            connection.execute(
                "DELETE FROM seat_queue WHERE organization = ? AND ticket = ?", (request.organization, request.ticket)
            )
        if row is None:
            connection.execute(
                "INSERT INTO sessions (organization, token_hash, id, number, user_id, client, holds, started_at, "
                "expires_at, ends) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
                (
                    request.organization,
                    request.token_hash,
                    request.session_id,
                    count.last_number + 1,
                    request.user_id,
                    request.client,
                    _names(request.holds),
                    started_at,
                    expires_at,
                    ends,
                ),
            )
            row = (request.session_id, request.user_id, request.client, started_at, expires_at, ends)
        return _seat(row, now, lapsed)

    def _expire(self, connection: sqlite3.Connection, organization: str, now: int) -> tuple[_Count, tuple[Seat, ...]]:
        """End what has run out by now, sessions and waiters; count what is left, and return the sessions."""
        count = _count(connection, organization)
        ended: list[_SeatRow] = []
        boot = self._clock.boot
        while count is None or count.boot != boot or (count.next_end is not None and count.next_end <= now):
            if count is None:
                connection.execute("INSERT INTO seats (organization, boot) VALUES (?, ?)", (organization, boot))
            elif count.boot != boot:
                ended += connection.execute(f"{_DELETE} RETURNING {_SEAT}", (organization,)).fetchall()
                connection.execute("DELETE FROM seat_queue WHERE organization = ?", (organization,))
                connection.execute("UPDATE seats SET boot = ? WHERE organization = ?", (boot, organization))
            else:
                ended += connection.execute(
                    f"{_DELETE} AND ends <= ? RETURNING {_SEAT}", (organization, now)
                ).fetchall()
            count = _count(connection, organization)
        if count.queued:
            connection.execute("DELETE FROM seat_queue WHERE organization = ? AND ends <= ?", (organization, now))
        lapsed = sorted((_seat(row, row[-1]) for row in ended), key=lambda seat: (seat.expires_at, seat.id))
        return count, tuple(lapsed)

    def _delete(self, organization: str, session_id: str, token_hash: str) -> bool:
        def values() -> Values:
            return organization, token_hash, session_id, self._now(), self._clock.boot

        return bool(self._file.once(_END, values))


def _count(connection: sqlite3.Connection, organization: str) -> _Count | None:
    row = connection.execute(_COUNT, (organization,)).fetchone()
    return _Count(*row) if row is not None else None


def _needs_no_seat(request: SeatRequest) -> tuple[str, tuple[str, ...]]:
    """Return what a session is that leaves who asks in no need of a further seat, as SQL and its values."""
    if request.per_user:
        return "user_id = ?", (request.user_id,)
    if request.client is not None:
        return "user_id = ? AND client = ?", (request.user_id, request.client)
    return "token_hash = ?", (request.token_hash,)


def _keep(connection: sqlite3.Connection, request: SeatRequest, expires_at: str, ends: int) -> _SeatRow | None:
    """Give the live session of the same client, or of the same request sent before, its new token and lease."""
    values = (request.token_hash, _names(request.holds), expires_at, ends, request.organization)
    if request.client is not None:
        where, key = "user_id = ? AND client = ?", (request.user_id, request.client)
    else:
        where, key = "token_hash = ? AND id = ?", (request.token_hash, request.session_id)
    row: _SeatRow | None = connection.execute(f"{_KEEP} AND {where} RETURNING {_SEAT}", values + key).fetchone()
    return row


def _admits(connection: sqlite3.Connection, request: SeatRequest, count: _Count) -> bool:
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
    waiting = _in_front(connection, request) if count.queued else ()
    return admits(request.limit, count.in_use(request.per_user), request.reserved, inside, request.holds, waiting)


def _in_front(connection: sqlite3.Connection, request: SeatRequest) -> Iterator[frozenset[str]]:
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


def _ahead(connection: sqlite3.Connection, organization: str, ticket: str) -> int:
    ((count,),) = connection.execute(
        "SELECT count(*) FROM seat_queue WHERE organization = ? AND place < "
        "(SELECT place FROM seat_queue WHERE organization = ? AND ticket = ?)",
        (organization, organization, ticket),
    )
    return int(count)


def _seat(row: _SeatRow, now: int, lapsed: tuple[Seat, ...] = ()) -> Seat:
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


def _names(holds: frozenset[str]) -> str:
    return json.dumps(sorted(holds)) if holds else "[]"


def _text(time: datetime) -> str:
    return time.isoformat(timespec="microseconds")
