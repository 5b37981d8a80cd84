"""How tables come into a PostgreSQL database, and how a newer seatperm's are told."""

from __future__ import annotations

from attrs import frozen

from ..errors import StoreUnavailable, StoreVersion
from .postgres_database import PostgresDatabase, PostgresTransaction

LOCK = 0x53454154
"""The class of the advisory lock under which tables are made: "SEAT". The schema's name is its object."""


@frozen
class Schema:
    """A set of tables, as the statements that make it; a schema of the database may hold several sets.

    Attributes:
        name: names the set in the table `stores`, such as "seatperm.directory".
        steps: each one brings the set on by one version, oldest first. A step that was released stays as it is.
    """

    name: str
    steps: tuple[str, ...]


def bring_up_to_date(database: PostgresDatabase, schema: Schema) -> None:
    """Make the tables that are missing, safe from any number of processes that do so at once.

    A role that may only read opens a store whose tables are up to date.

    Raises:
        StoreVersion: a newer seatperm made them.
        StoreUnavailable: the database does not answer, or does not let this role make tables; or they are not there,
            or an older seatperm's, where the URL's mode does not let them be made.
    """
    version = 0
    if database.rows("SELECT to_regclass('$.stores')") != [(None,)]:
        found = database.rows("SELECT version FROM $.stores WHERE name = %s", (schema.name,))
        version = found[0][0] if found else 0
        if _is_whole(database.url, schema, version):
            return
    where = database.where
    if where.mode != "rwc" and not version:
        lacks = f"it has no tables of {schema.name} in the schema {where.schema}"
        raise StoreUnavailable(database.url, f"{lacks}; name the store that has, or let the application make them")
    if where.mode == "ro":
        raise StoreUnavailable(database.url, "an older seatperm made its tables; open it once for writing")
    with database.write() as transaction:
        _make(database, schema, transaction)


def _make(database: PostgresDatabase, schema: Schema, transaction: PostgresTransaction) -> None:
    name = database.where.schema
    transaction.rows("SELECT pg_advisory_xact_lock(%s, hashtext(%s))", (LOCK, name))
    # Asked first: who may make tables in a schema that is there need not be let make schemas.
    if transaction.rows("SELECT to_regnamespace(%s)", (name,)) == [(None,)]:
        transaction.execute(f'CREATE SCHEMA "{name}"')
    transaction.execute(
        "CREATE TABLE IF NOT EXISTS $.stores"
        ' (name text COLLATE "C" PRIMARY KEY, version integer NOT NULL, made timestamptz NOT NULL DEFAULT now())'
    )
    found = transaction.rows("SELECT version FROM $.stores WHERE name = %s", (schema.name,))
    version = found[0][0] if found else 0
    if _is_whole(database.url, schema, version):
        return
    for step in schema.steps[version:]:
        transaction.execute(step)
    transaction.execute(
        "INSERT INTO $.stores (name, version) VALUES (%s, %s)"
        " ON CONFLICT (name) DO UPDATE SET version = excluded.version",
        (schema.name, len(schema.steps)),
    )


def _is_whole(url: str, schema: Schema, version: int) -> bool:
    if version > len(schema.steps):
        raise StoreVersion(url, f"{schema.name} has version {version}, this one knows {len(schema.steps)}")
    return version == len(schema.steps)
