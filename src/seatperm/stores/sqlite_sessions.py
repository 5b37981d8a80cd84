"""The SQLite session store: any number of processes of one machine share its seats."""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Literal, cast

from attrs import evolve

from ..clock import Clock, micros
from ..sessions import Full, Seat, SeatRequest
from .sqlite_file import SQLiteFile, Values
from .sqlite_session_rows import (
    COUNT,
    DELETE,
    END,
    RENEW,
    ROTATE,
    SAME_BOOT,
    SEAT,
    TAKE,
    Count,
    SeatRow,
    count_of,
    has_room,
    keep,
    names_text,
    needs_no_seat,
    places_ahead,
    seat_of,
    time_text,
)
from .sqlite_session_schema import SCHEMA

_NEVER = datetime.min.replace(tzinfo=UTC)


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
        """Take a seat, or say that there is none.

        Raises:
            InvalidValue: another user or client has a live session of that id.
        """
        # Where the last answer was a refusal, the next one likely is: look without the write lock.
        if request.ticket is None and request.organization in self._seen_full:
            full = self._refusal(request)
            if full is not None:
                return full
        if not (request.per_user or request.reserved or request.holds):
            seat = self._take(request)
            if seat is not None:
                self._seen_full.discard(request.organization)
                return seat
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
                request.token_hash,
                request.session_id,
                request.user_id,
                request.client,
                time_text(wall),
                time_text(expires),
                now + micros(request.lease),
                request.organization,
                self._clock.boot,
                request.limit,
                now,
            )

        if not self._file.once(TAKE, values):
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
            f"SELECT {SEAT} FROM sessions WHERE organization = ? AND token_hash = ? AND {SAME_BOOT}",
            (organization, token_hash, self._clock.boot),
        )
        now = self._now()
        seat = seat_of(cast(SeatRow, row), now) if row is not None else None
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
                expires_at = time_text(self._clock.now() + timedelta(seconds=lease))
                live = (expires_at, now + micros(lease), organization, known, now, self._clock.boot)
                return live if new_token_hash is None else (new_token_hash, *live)

            rows = self._file.once(RENEW if new_token_hash is None else ROTATE, values)
            if rows:
                return seat_of(cast(SeatRow, rows[0]), now)
        return None

    def release(self, organization: str, session_id: str, token_hash: str | None) -> bool:
        """End a live session, if the token is its own, or None is given; tell whether it did."""

        def values() -> Values:
            return organization, session_id, token_hash, self._now(), self._clock.boot

        return bool(self._file.once(END, values))

    def epoch(self, organization: str) -> None:
        """Return None: what the file lost was granted before this boot of the machine, and is void."""

    def live(self, organization: str) -> Iterator[Seat]:
        """Iterate over the live sessions, first started first."""
        with self._file.read() as connection:
            now = self._now()
            rows = connection.execute(
                f"SELECT {SEAT} FROM sessions WHERE organization = ? AND ends > ? AND {SAME_BOOT} ORDER BY number",
                (organization, now, self._clock.boot),
            ).fetchall()
        return (seat_of(row, now) for row in rows)

    def close(self) -> None:
        """Close the file's connections; later calls raise `StoreUnavailable`."""
        self._file.close()

    def _now(self) -> int:
        return micros(self._clock.elapsed())

    def _refusal(self, request: SeatRequest) -> Full | None:
        inside, key = needs_no_seat(request)
        row = self._file.row(f"{COUNT} AND NOT ({inside})", (request.organization, *key))
        # Read after the count: what has not ended by now had not ended then.
        now = self._now()
        count = Count(*row) if row is not None else None
        if count is None or count.boot != self._clock.boot or count.in_use(request.per_user) < request.limit:
            return None
        if count.next_end is None or count.next_end <= now:
            return None
        return count.full(request.per_user, now)

    def _decide(self, connection: sqlite3.Connection, request: SeatRequest) -> Seat | Full:
        now, wall = self._now(), self._clock.now()
        count, lapsed = self._expire(connection, request.organization, now)
        ends, started_at = now + micros(request.lease), time_text(wall)
        expires_at = time_text(wall + timedelta(seconds=request.lease))
        row = keep(connection, request, expires_at, ends)
        if row is None and not has_room(connection, request, count):
            if request.ticket is not None:
                connection.execute(
                    "INSERT INTO seat_queue (organization, ticket, user_id, holds, ends) VALUES (?, ?, ?, ?, ?) "
                    "ON CONFLICT DO UPDATE SET user_id = excluded.user_id, holds = excluded.holds, "
                    "ends = excluded.ends",
                    (
                        request.organization,
                        request.ticket,
                        request.user_id,
                        names_text(request.holds),
                        now + micros(request.patience),
                    ),
                )
                full = count.full(request.per_user, now, lapsed)
                return evolve(full, ahead=places_ahead(connection, request.organization, request.ticket))
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
                    names_text(request.holds),
                    started_at,
                    expires_at,
                    ends,
                ),
            )
            row = (request.session_id, request.user_id, request.client, started_at, expires_at, ends)
        return seat_of(row, now, lapsed)

    def _expire(self, connection: sqlite3.Connection, organization: str, now: int) -> tuple[Count, tuple[Seat, ...]]:
        """End what has run out by now, sessions and waiters; count what is left, and return the sessions."""
        count = count_of(connection, organization)
        ended: list[SeatRow] = []
        boot = self._clock.boot
        while count is None or count.boot != boot or (count.next_end is not None and count.next_end <= now):
            if count is None:
                connection.execute("INSERT INTO seats (organization, boot) VALUES (?, ?)", (organization, boot))
            elif count.boot != boot:
                ended += connection.execute(f"{DELETE} RETURNING {SEAT}", (organization,)).fetchall()
                connection.execute("DELETE FROM seat_queue WHERE organization = ?", (organization,))
                connection.execute("UPDATE seats SET boot = ? WHERE organization = ?", (boot, organization))
            else:
                ended += connection.execute(f"{DELETE} AND ends <= ? RETURNING {SEAT}", (organization, now)).fetchall()
            count = count_of(connection, organization)
        if count.queued:
            connection.execute("DELETE FROM seat_queue WHERE organization = ? AND ends <= ?", (organization, now))
        lapsed = sorted((seat_of(row, row[-1]) for row in ended), key=lambda seat: (seat.expires_at, seat.id))
        return count, tuple(lapsed)
