"""The tables in which the SQLite session store keeps seats.

`seats` counts what `sessions` holds, and names the boot that the microseconds in `ends` count from. Triggers keep
the counts, so that rows removed by hand are counted too. `seat_holders` has a row for each reserved role that a
session's user holds, and `seat_queue` one for each place, first come first.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from .sqlite_file import Schema

if TYPE_CHECKING:
    from sqlite_utils import Database

_TABLES = (
    """
    CREATE TABLE seats (
        organization TEXT PRIMARY KEY,
        boot TEXT NOT NULL,
        sessions INTEGER NOT NULL DEFAULT 0,
        users INTEGER NOT NULL DEFAULT 0,
        last_number INTEGER NOT NULL DEFAULT 0
    ) WITHOUT ROWID
    """,
    """
    CREATE TABLE sessions (
        organization TEXT NOT NULL,
        token_hash TEXT NOT NULL,
        id TEXT NOT NULL,
        number INTEGER NOT NULL,
        user_id TEXT NOT NULL,
        client TEXT,
        holds TEXT NOT NULL,
        started_at TEXT NOT NULL,
        expires_at TEXT NOT NULL,
        ends INTEGER NOT NULL,
        PRIMARY KEY (organization, token_hash)
    ) WITHOUT ROWID
    """,
    "CREATE UNIQUE INDEX sessions_of_user ON sessions (organization, user_id, client)",
    "CREATE INDEX sessions_by_end ON sessions (organization, ends)",
    """
    CREATE TABLE seat_holders (
        organization TEXT NOT NULL,
        role TEXT NOT NULL,
        user_id TEXT NOT NULL,
        session TEXT NOT NULL,
        PRIMARY KEY (organization, role, user_id, session)
    ) WITHOUT ROWID
    """,
    """
    CREATE TABLE seat_queue (
        place INTEGER PRIMARY KEY,
        organization TEXT NOT NULL,
        ticket TEXT NOT NULL,
        user_id TEXT NOT NULL,
        holds TEXT NOT NULL,
        ends INTEGER NOT NULL,
        UNIQUE (organization, ticket)
    )
    """,
    "CREATE INDEX seat_queue_by_place ON seat_queue (organization, place)",
    "CREATE INDEX seat_queue_by_end ON seat_queue (organization, ends)",
    """
    CREATE TRIGGER session_begins AFTER INSERT ON sessions BEGIN
        UPDATE seats SET sessions = sessions + 1, last_number = new.number, users = users + NOT EXISTS (
            SELECT 1 FROM sessions
            WHERE organization = new.organization AND user_id = new.user_id AND token_hash <> new.token_hash
        ) WHERE organization = new.organization;
    END
    """,
    """
    CREATE TRIGGER session_ends AFTER DELETE ON sessions BEGIN
        UPDATE seats SET sessions = sessions - 1, users = users - NOT EXISTS (
            SELECT 1 FROM sessions WHERE organization = old.organization AND user_id = old.user_id
        ) WHERE organization = old.organization;
    END
    """,
    """
    CREATE TRIGGER holder_begins AFTER INSERT ON sessions WHEN new.holds <> '[]' BEGIN
        INSERT INTO seat_holders SELECT new.organization, value, new.user_id, new.id FROM json_each(new.holds);
    END
    """,
    """
    CREATE TRIGGER holder_ends AFTER DELETE ON sessions WHEN old.holds <> '[]' BEGIN
        DELETE FROM seat_holders WHERE organization = old.organization AND user_id = old.user_id
            AND session = old.id AND role IN (SELECT value FROM json_each(old.holds));
    END
    """,
    """
    CREATE TRIGGER holder_changes AFTER UPDATE OF holds ON sessions WHEN old.holds <> new.holds BEGIN
        DELETE FROM seat_holders WHERE organization = old.organization AND user_id = old.user_id
            AND session = old.id AND role IN (SELECT value FROM json_each(old.holds));
        INSERT INTO seat_holders SELECT new.organization, value, new.user_id, new.id FROM json_each(new.holds);
    END
    """,
)


def _make_tables(database: Database) -> None:
    for statement in _TABLES:
        database.execute(statement)


def _name_each_once(database: Database) -> None:
    # Of two sessions of one id, which were possible, the one that was made by mistake is the later one.
    database.execute(
        "DELETE FROM sessions WHERE EXISTS (SELECT 1 FROM sessions AS first WHERE first.id = sessions.id "
        "AND first.organization = sessions.organization AND first.number < sessions.number)"
    )
    database.execute("CREATE UNIQUE INDEX sessions_by_id ON sessions (organization, id)")


SCHEMA = Schema(name="seatperm.sessions", steps={"0001_sessions": _make_tables, "0002_ids": _name_each_once})
