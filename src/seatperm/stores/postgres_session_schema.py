"""The tables and functions in which the PostgreSQL session store keeps seats.

`seats` has a row for each seat that was ever needed, free or not, at most as many as the limit where every session
takes one. To take a seat is to write oneself into a free row, so that more holders than rows can't be. A row's
`ends` tells what it is: '-infinity' a free one; up to now one that is over and not yet told of; later a live
session. `seat_books` has a row for each organization; only who has its lock alone changes it, or the number of its
seats. The row of '' tells a new organization whether the doors are closed. `seat_queue` has the places, first come
first. `seat_tally` counts sessions by user, and by reserved role (all under ''), for as long as `counted` says that
somebody asks for it.
"""

from __future__ import annotations

from typing import Final

from .postgres_schema import Schema
from .postgres_session_decide import DECIDE
from .postgres_session_take import RELEASE, RENEW, TAKE, TIMELINE

TABLES: Final = (
    """
    CREATE TABLE $.seat_books (
        organization text COLLATE "C" PRIMARY KEY,
        seats bigint NOT NULL DEFAULT 0,
        counted boolean NOT NULL DEFAULT false,
        sessions bigint NOT NULL DEFAULT 0,
        users bigint NOT NULL DEFAULT 0,
        queue_until timestamptz NOT NULL DEFAULT '-infinity',
        timeline text NOT NULL,
        closed_until timestamptz NOT NULL DEFAULT '-infinity'
    ) WITH (fillfactor = 50)
    """,
    f"INSERT INTO $.seat_books (organization, timeline) VALUES ('', {TIMELINE})",
    """
    CREATE TABLE $.seats (
        organization text COLLATE "C" NOT NULL,
        key text COLLATE "C",
        token_hash text COLLATE "C",
        id text COLLATE "C",
        user_id text COLLATE "C",
        client text COLLATE "C",
        holds text[] NOT NULL DEFAULT '{}',
        started_at timestamptz,
        ends timestamptz NOT NULL DEFAULT '-infinity'
    ) WITH (fillfactor = 80, autovacuum_vacuum_scale_factor = 0.05, autovacuum_vacuum_threshold = 200)
    """,
    "CREATE UNIQUE INDEX seats_by_key ON $.seats (organization, key)",
    "CREATE UNIQUE INDEX seats_by_token ON $.seats (organization, token_hash)",
    "CREATE UNIQUE INDEX seats_by_id ON $.seats (organization, id)",
    "CREATE INDEX seats_by_end ON $.seats (organization, ends)",
    """
    CREATE TABLE $.seat_queue (
        place bigint GENERATED ALWAYS AS IDENTITY,
        organization text COLLATE "C" NOT NULL,
        ticket text COLLATE "C" NOT NULL,
        user_id text COLLATE "C" NOT NULL,
        holds text[] NOT NULL,
        ends timestamptz NOT NULL,
        PRIMARY KEY (organization, ticket)
    )
    """,
    "CREATE INDEX seat_queue_by_place ON $.seat_queue (organization, place)",
    """
    CREATE TABLE $.seat_tally (
        organization text COLLATE "C" NOT NULL,
        role text COLLATE "C" NOT NULL,
        user_id text COLLATE "C" NOT NULL,
        sessions bigint NOT NULL,
        PRIMARY KEY (organization, role, user_id)
    )
    """,
)
"""The statements that make the tables."""

FUNCTIONS: Final = (TAKE, RENEW, RELEASE, *DECIDE)
"""The statements that make the functions, or replace them."""

SCHEMA: Final = Schema(name="seatperm.sessions", steps=(";".join((*TABLES, *FUNCTIONS)),))
