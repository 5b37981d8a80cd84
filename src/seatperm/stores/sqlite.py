"""The directory in one SQLite file, for any number of processes, in tables that people can read."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from functools import lru_cache
from os import PathLike
from typing import Final, Literal

from ..errors import InvalidValue, StoreUnavailable, UnknownOrganization
from . import Changes
from .sqlite_file import SQLiteFile
from .sqlite_schema import DIRECTORY
from .tables import Dialect, Row, TablesDirectory, Values
from .tables_change import TablesChange

SQLITE: Final = Dialect(
    organization="""
        SELECT id, package, add_ons, session_limit, user_limit, seat_per, reserved, valid_from, valid_until, grace,
               global_permissions, roles, license_issued, catalog, epoch, revision
        FROM organizations""",
    user="""
        SELECT id, email, name, type, state, locked, base, staff, invitation_hash, invitation_until, dismissed,
               person,
               (SELECT json_group_object(role, until) FROM user_roles AS held
                WHERE held.organization = users.organization AND held.user = users.id),
               (SELECT json_group_array(json_array(resource, grants, until)) FROM user_overrides AS kept
                WHERE kept.organization = users.organization AND kept.user = users.id),
               organization
        FROM users""",
    past="SELECT id, user, client, began, ended, how, refused FROM history",
    event="SELECT number, at, actor, kind, user, revision, details, salt, seal, hash FROM events",
    listed="SELECT value FROM json_each(?)",
    before="",
)
"""Times and JSON are text there."""


KEEP_USER = """
    UPDATE users SET email = ?, name = ?, type = ?, state = ?, locked = ?, dismissed = ?, staff = ?, base = ?,
        invitation_until = ?, revision = ?
    WHERE organization = ? AND id = ? AND person = ? AND email_key IS ? AND invitation_hash IS ?"""
"""Writes the row of a user who has the same person, address and invitation as before.

SQLite writes anew every index whose columns a statement sets, changed or not: three more pages that go to the disk.
"""


class SQLiteChange(TablesChange):
    """One transaction on the file."""

    def __init__(self, url: str, connection: sqlite3.Connection) -> None:
        super().__init__(url, SQLITE)
        self._connection: sqlite3.Connection | None = connection

    def end(self) -> None:
        """Let the connection go; whoever kept this object can do nothing more with it."""
        self._connection = None

    def _write_user(self, values: Values) -> None:
        organization, id, person, email, email_key, *rest, invitation_hash, invitation_until, revision = values
        kept = organization, id, person, email_key, invitation_hash
        if not self._execute(KEEP_USER, (email, *rest, invitation_until, revision, *kept)):
            super()._write_user(values)

    def _select(self, sql: str, values: Values = ()) -> list[Row]:
        return self._run(sql, values).fetchall()

    def _execute(self, sql: str, values: Values) -> int:
        return self._run(sql, values).rowcount

    def _run(self, sql: str, values: Values) -> sqlite3.Cursor:
        if self._connection is None:
            raise StoreUnavailable(self.url, "this change has ended; begin another one")
        try:
            return self._connection.execute(_own(sql), values)
        except OverflowError as error:
            largest = max(value for value in values if isinstance(value, int))
            raise InvalidValue("a number", largest, "less than 2**63, as a store keeps it") from error


class SQLiteDirectory(TablesDirectory):
    """Keeps organizations, users, staff and trails in one SQLite file.

    Args:
        path: of the file, made if missing; its folder must exist.
        synchronous: "full": what was changed survives a power cut. "normal": it survives a crash of the
            process; after a power cut the last changes may be missing, and the file is whole.
        timeout: seconds to wait for other writers.
        mode: "rwc", "rw" or "ro", see `SQLiteFile`.

    Raises:
        InvalidValue: the path names no file.
        StoreUnavailable, StoreDamaged, StoreVersion: the file can't be opened.
    """

    def __init__(
        self,
        path: str | PathLike[str],
        *,
        synchronous: Literal["full", "normal"] = "full",
        timeout: float = 30.0,
        mode: Literal["rwc", "rw", "ro"] = "rwc",
    ) -> None:
        self._file = SQLiteFile(path, DIRECTORY, synchronous=synchronous, timeout=timeout, mode=mode)
        super().__init__(self._file.url, SQLITE)

    def __repr__(self) -> str:
        return f"<SQLiteDirectory {self.url}>"

    def changes(self, organization: str, since: int) -> Changes:
        """Return what has changed after the revision `since`."""
        with self._file.read() as connection:
            row = connection.execute(
                "SELECT revision, record_revision FROM organizations WHERE id = ?", (organization,)
            ).fetchone()
            if row is None:
                raise UnknownOrganization(organization)
            written = connection.execute(
                "SELECT id FROM users WHERE organization = ? AND revision > ?"
                " UNION SELECT id FROM former_ids WHERE organization = ? AND revision > ?",
                (organization, since, organization, since),
            )
            return Changes(row[0], frozenset(id for (id,) in written), row[1] > since)

    @contextmanager
    def change(self) -> Iterator[SQLiteChange]:
        """Begin a transaction; it is kept at the end of the `with` block, or, after an exception, undone."""
        with self._file.write() as connection:
            change = SQLiteChange(self.url, connection)
            try:
                yield change
            finally:
                change.end()

    def close(self) -> None:
        """Close the file's connections; later calls raise `StoreUnavailable`."""
        self._file.close()

    def _select(self, sql: str, values: Values = ()) -> list[Row]:
        return self._file.rows(_own(sql), values)


@lru_cache(1_000)
def _own(sql: str) -> str:
    return sql.replace("$.", "")
