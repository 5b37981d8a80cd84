"""The directory in PostgreSQL, for any number of processes and hosts, in tables that people can read."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from ..errors import StoreVersion, UnknownOrganization
from . import Changes
from .postgres_database import PostgresDatabase, PostgresTransaction
from .postgres_listener import PostgresListener
from .postgres_schema import bring_up_to_date
from .postgres_tables import DIRECTORY, POSTGRES
from .tables import Row, TablesDirectory, Values
from .tables_change import TablesChange

CHANGED = """
    SELECT revision, record_revision, ARRAY(
        SELECT id FROM $.users WHERE organization = %s AND revision > %s
        UNION SELECT id FROM $.former_ids WHERE organization = %s AND revision > %s)
    FROM $.organizations WHERE id = %s"""


class PostgresChange(TablesChange):
    """One transaction in the database."""

    def __init__(self, url: str, transaction: PostgresTransaction) -> None:
        super().__init__(url, POSTGRES)
        self._transaction = transaction

    def _select(self, sql: str, values: Values = ()) -> list[Row]:
        return [] if _nowhere(values) else self._transaction.rows(_own(sql), values)

    def _execute(self, sql: str, values: Values) -> int:
        return self._transaction.execute(_own(sql), values)


class PostgresDirectory(TablesDirectory):
    """Keeps organizations, users, staff and trails in a PostgreSQL database, in a schema of their own.

    Changes come one at a time, whichever process or host makes them: each locks one row (`stores`) until it ends.

    Args:
        url: `postgresql://user@host/database`, with libpq's settings and these after the question mark:
            `schema=` (seatperm), `timeout=` in seconds (10), `pool_min=` (1) and `pool_max=` (8) connections,
            and `mode=`: "rwc", "rw" or "ro", see `PostgresURL`.

        database: what talks to the database; one of its own unless said.

    Raises:
        InvalidValue: the URL says what it can't.
        StoreUnavailable, StoreDamaged, StoreVersion: the store can't be opened.
    """

    def __init__(self, url: str, *, database: PostgresDatabase | None = None) -> None:
        self._database = PostgresDatabase(url) if database is None else database
        self._listener = PostgresListener(self._database)
        super().__init__(self._database.url, POSTGRES)
        try:
            bring_up_to_date(self._database, DIRECTORY)
        except BaseException:
            self._database.close()
            raise

    def __repr__(self) -> str:
        return f"<PostgresDirectory {self.url}>"

    def revision(self, organization: str) -> int:
        """Return the present revision, or raise `UnknownOrganization`."""
        revision = super().revision(organization)
        self._listener.keep()
        return revision

    def notified(self, organization: str) -> int | None:
        """Return a number that is another one after each change; None while nobody listens (see `Notifying`)."""
        return self._listener.count(organization)

    def changes(self, organization: str, since: int) -> Changes:
        """Return what has changed after the revision `since`."""
        values = (organization, since, organization, since, organization)
        for revision, record_revision, written in self._database.rows(CHANGED, values):
            return Changes(revision, frozenset(written), record_revision > since)
        raise UnknownOrganization(organization)

    @contextmanager
    def change(self) -> Iterator[PostgresChange]:
        """Begin a transaction; it is kept at the end of the `with` block, or, after an exception, undone."""
        with self._database.write() as transaction:
            lock = "SELECT version FROM $.stores WHERE name = %s FOR UPDATE"
            for (version,) in transaction.rows(lock, (DIRECTORY.name,)):
                if version > len(DIRECTORY.steps):
                    raise StoreVersion(self.url, f"{DIRECTORY.name} has version {version}")
            change = PostgresChange(self.url, transaction)
            yield change
            if change.made:
                self._tell(transaction, list(change.made))

    def close(self) -> None:
        """Close the connections; later calls raise `StoreUnavailable`."""
        self._listener.close()
        self._database.close()

    def _tell(self, transaction: PostgresTransaction, organizations: list[str]) -> None:
        transaction.rows(
            "SELECT pg_notify(%s, id) FROM unnest(%s::text[]) AS id", (self._database.where.schema, organizations)
        )

    def _select(self, sql: str, values: Values = ()) -> list[Row]:
        return [] if _nowhere(values) else self._database.rows(_own(sql), values)


def _own(sql: str) -> str:
    return sql.replace("?", "%s")


def _nowhere(values: Values) -> bool:
    # What PostgreSQL can't hold is nowhere to be found, as in any other store that does not have it.
    return any(isinstance(value, str) and "\0" in value for value in values)
