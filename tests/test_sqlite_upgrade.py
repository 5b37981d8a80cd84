"""A file that an earlier seatperm wrote is brought up to date when it is opened, with all that is in it."""

from __future__ import annotations

from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from attrs import evolve

from seatperm.directory import Organization, User
from seatperm.errors import StoreUnavailable
from seatperm.license import License
from seatperm.sessions import Full, Past, SeatRequest
from seatperm.stores.sqlite import SQLiteDirectory
from seatperm.stores.sqlite_file import Schema, SQLiteFile
from seatperm.stores.sqlite_schema import DIRECTORY
from seatperm.stores.sqlite_session_schema import SCHEMA
from seatperm.stores.sqlite_sessions import SQLiteSessions
from seatperm.testing import ManualClock

NOON = datetime(2027, 3, 1, 12, tzinfo=UTC)
FIRST = Schema(DIRECTORY.name, {"0001_tables": DIRECTORY.steps["0001_tables"]})


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """A file of the first schema, with an organization of one user."""
    path = tmp_path / "books.db"
    with closing(SQLiteFile(path, FIRST)) as file, file.write() as connection:
        connection.execute(
            "INSERT INTO organizations (id, package, add_ons, session_limit, seat_per, reserved, grace,"
            " global_permissions, roles, catalog, revision, record_revision, events, last_hash)"
            " VALUES ('kauri', 'retail', '[]', 3, 'session', '{}', 0, '{}', '{}', 'a1', 2, 1, 0, '')"
        )
        connection.execute(
            "INSERT INTO users (organization, id, person, email, name, type, state, locked, dismissed, base, revision)"
            " VALUES ('kauri', 'ann', 'ann', 'ann@kauri.example', 'Ann', 'app', 'active', 0, 0, '{}', 2)"
        )
    return path


def test_a_file_without_a_history_gets_one_and_keeps_what_it_has(path: Path) -> None:
    past = Past("s1", "ann", "desk", NOON, NOON + timedelta(hours=1), "by_holder")
    for _ in range(2):
        with closing(SQLiteDirectory(path)) as store:
            record = store.organization("kauri")
            assert evolve(record, epoch=None, revision=2) == Organization(
                "kauri", License("retail", session_limit=3), catalog="a1", revision=2
            )
            assert store.user("kauri", "ann") == User("ann", "ann@kauri.example", "Ann", person="ann")
            with store.change() as change:
                change.put_past("kauri", past)
                change.put_organization(evolve(record, epoch="2027-a1"))
    with closing(SQLiteDirectory(path)) as store:
        assert list(store.history("kauri")) == [past]
        assert store.organization("kauri").epoch == "2027-a1"


def test_a_file_that_is_only_looked_at_is_not_brought_up_to_date(path: Path) -> None:
    """The message says what to do."""
    before = path.read_bytes()
    with pytest.raises(StoreUnavailable, match="an older seatperm wrote it; open it once for writing"):
        SQLiteDirectory(path, mode="ro")
    assert path.read_bytes() == before


def test_of_two_sessions_of_one_id_a_file_keeps_the_one_that_was_meant(path: Path) -> None:
    """The first one; the seat of the other is free again."""
    clock = ManualClock()
    first = Schema(SCHEMA.name, {"0001_sessions": SCHEMA.steps["0001_sessions"]})
    with closing(SQLiteFile(path, first)) as file, file.write() as connection:
        connection.execute("INSERT INTO seats (organization, boot) VALUES ('kauri', ?)", (clock.boot,))
        for number, (token, id) in enumerate([("t1", "s1"), ("t2", "s1"), ("t3", "s3")], 1):
            connection.execute(
                "INSERT INTO sessions (organization, token_hash, id, number, user_id, holds, started_at, expires_at,"
                " ends) VALUES ('kauri', ?, ?, ?, 'ann', '[]', ?, ?, ?)",
                (token, id, number, NOON.isoformat(), NOON.isoformat(), 10**15),
            )
    for _ in range(2):
        with closing(SQLiteSessions(path, clock)) as store:
            assert [seat.id for seat in store.live("kauri")] == ["s1", "s3"]
            assert store.find("kauri", "t2") is None
            full = store.acquire(SeatRequest("kauri", "ben", None, "s4", "t4", 60, 2))
            assert isinstance(full, Full)
            assert full.in_use == 2
