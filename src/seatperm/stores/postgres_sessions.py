"""The PostgreSQL session store: any number of hosts share its seats."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

from ..clock import micros
from ..errors import InvalidValue, StoreDamaged, StoreUnavailable
from ..sessions import Full, Seat, SeatRequest
from .postgres_database import PostgresDatabase, Values
from .postgres_errors import is_conflict
from .postgres_schema import bring_up_to_date
from .postgres_session_schema import SCHEMA

_TAKE = "SELECT $.seat_take(%s, %s, %s, %s, %s, %s, %s::text[], %s, %s, %s)"
_DECIDE = "SELECT $.seat_decide(%s, %s, %s, %s, %s, %s, %s::text[], %s, %s, %s, %s::text[], %s::bigint[], %s::text, %s)"
_SEAT = (
    "SELECT json_build_object('id', id, 'user_id', user_id, 'client', client, 'started_at', started_at, "
    "'expires_at', ends, 'remaining', extract(epoch FROM ends - statement_timestamp()))::text FROM $.seats "
    "WHERE organization = %s AND ends > statement_timestamp()"
)


_Row = dict[str, Any]
"""What a function says of a session, or why there is none."""


class PostgresSessions:
    """Keeps seats in a PostgreSQL database.

    Each call is one round trip: a function in the database decides and takes in one transaction. Nothing in it takes
    longer the more sessions there are. (Where it turns out that more than a free seat must be looked for, a second
    one follows.) Leases are counted by the server's clock. What was granted is on the server's disk, also where
    `synchronous_commit` is off; after the promotion of a standby, which may lack the last grants, nobody takes a
    further seat for one lease.

    Args:
        url: as `seatperm.stores.postgres_url.PostgresURL` says.
        database: what talks to the database; one of its own unless said.

    Raises:
        InvalidValue, MissingExtra: as `PostgresDatabase`.
        StoreUnavailable, StoreDamaged, StoreVersion: the tables can't be made or read.
    """

    def __init__(self, url: str, *, database: PostgresDatabase | None = None) -> None:
        self._database = PostgresDatabase(url) if database is None else database
        self._decided = set[str]()
        self.url = self._database.url
        try:
            bring_up_to_date(self._database, SCHEMA)
        except BaseException:
            self._database.close()
            raise

    def acquire(self, request: SeatRequest) -> Seat | Full:
        """Take a seat, or say that there is none.

        Raises:
            InvalidValue: another user or client has a live session of that id.
            StoreUnavailable: the doors are closed since a standby was promoted.
        """
        who = (
            request.organization,
            request.user_id,
            request.client,
            _key(request),
            request.session_id,
            request.token_hash,
            sorted(request.holds),
            micros(request.lease),
            request.limit,
        )
        plain = not request.per_user and not request.reserved
        if plain and request.organization not in self._decided:
            answer = self._taken((*who, request.ticket is not None))
            if answer is not None:
                return self._read(answer, request)
        roles = sorted(request.reserved)
        kept = [request.reserved[role] for role in roles]
        answer = self._call(_DECIDE, (*who, request.per_user, roles, kept, request.ticket, micros(request.patience)))
        if answer is None:
            raise StoreUnavailable(self.url, "its functions are not as they were made")
        # Only what is remembered here saves the second round trip; the functions look for themselves.
        if answer.get("counted"):
            self._decided.add(request.organization)
        else:
            self._decided.discard(request.organization)
        return self._read(answer, request)

    def leave(self, organization: str, ticket: str) -> None:
        """Give up a place in the queue."""
        self._database.rows(
            "DELETE FROM $.seat_queue WHERE organization = %s AND ticket = %s RETURNING place", (organization, ticket)
        )

    def find(self, organization: str, token_hash: str) -> Seat | None:
        """Return the live session with this token; None once it is over."""
        row = self._call(f"{_SEAT} AND token_hash = %s", (organization, token_hash))
        return _seat(row) if row is not None else None

    def renew(
        self, organization: str, token_hash: str, lease: float, *, new_token_hash: str | None = None
    ) -> Seat | None:
        """Let the live session's lease run for `lease` seconds from now, with a new token if one is given."""
        row = self._call(
            "SELECT $.seat_renew(%s, %s, %s, %s)", (organization, token_hash, micros(lease), new_token_hash)
        )
        return _seat(row, micros(lease) / 1_000_000) if row is not None else None

    def release(self, organization: str, session_id: str, token_hash: str | None) -> bool:
        """End a live session, if the token is its own, or None is given; tell whether it did."""
        ((ended,),) = self._database.rows("SELECT $.seat_release(%s, %s, %s)", (organization, session_id, token_hash))
        return bool(ended)

    def epoch(self, organization: str) -> None:
        """Return None: the database keeps what it has granted, and itself tells a promoted standby from before."""

    def live(self, organization: str) -> Iterator[Seat]:
        """Iterate over the live sessions, first started first."""
        rows = self._database.rows(f"{_SEAT} ORDER BY started_at, id", (organization,))
        return (_seat(json.loads(row)) for (row,) in rows)

    def close(self) -> None:
        """Close the connections; later calls raise `StoreUnavailable`."""
        self._database.close()

    def _taken(self, values: Values) -> _Row | None:
        try:
            return self._call(_TAKE, values)
        except StoreDamaged as error:
            # A session of that id is there, live or over: `seat_decide` looks which.
            if is_conflict(error):
                return None
            raise

    def _call(self, sql: str, values: Values) -> _Row | None:
        rows = self._database.rows(sql, values)
        if not rows or rows[0][0] is None:
            return None
        answer: _Row = json.loads(rows[0][0])
        return answer

    def _read(self, answer: _Row, request: SeatRequest) -> Seat | Full:
        if "taken" in answer:
            raise InvalidValue("session_id", request.session_id, "an id that no other session has")
        if "closed_for" in answer:
            raise StoreUnavailable(
                self.url,
                f"a standby was promoted, which may not know of the last seats taken; for {answer['closed_for']:.0f} s "
                "more nobody takes a further seat",
                datetime.now(UTC) + timedelta(seconds=answer["closed_for"]),
            )
        lapsed = tuple(_seat(row, 0.0) for row in answer.get("lapsed") or ())
        if "in_use" in answer:
            soon = answer["next_free_in"]
            return Full(answer["in_use"], None if soon is None else float(soon), lapsed, answer.get("ahead", 0))
        answer["user_id"], answer["client"] = request.user_id, request.client
        return _seat(answer, micros(request.lease) / 1_000_000, lapsed)


def _key(request: SeatRequest) -> str:
    """Return what is the same of two requests that shall have one session: rule 4 of `SessionStore`."""
    if request.client is None:
        named = json.dumps([request.user_id, None, request.session_id])
    else:
        named = json.dumps([request.user_id, request.client])
    return hashlib.sha256(named.encode()).hexdigest()[:40]


def _seat(row: _Row, remaining: float | None = None, lapsed: tuple[Seat, ...] = ()) -> Seat:
    return Seat(
        row["id"],
        row["user_id"],
        row["client"],
        datetime.fromisoformat(row["started_at"]).astimezone(UTC),
        datetime.fromisoformat(row["expires_at"]).astimezone(UTC),
        float(row["remaining"]) if remaining is None else remaining,
        lapsed,
    )
