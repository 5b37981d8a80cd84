"""The servers that tests talk to: those that the environment names, else one of each for every pytest worker."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from typing import NoReturn
from uuid import uuid4

import psycopg
import pytest

from seatperm.testing.servers.base import ServerMissing
from seatperm.testing.servers.postgres import PostgresServer

POSTGRES = "SEATPERM_TEST_POSTGRES_URL"
REDIS = "SEATPERM_TEST_REDIS_URL"
REQUIRE = "SEATPERM_REQUIRE_SERVERS"


def missing(error: ServerMissing) -> NoReturn:
    """Skip for want of a server, or fail where the environment says that servers must be there."""
    if os.environ.get(REQUIRE) == "1":
        pytest.fail(f"{REQUIRE}=1, but {error}")
    pytest.skip(str(error))


def parted(url: str) -> tuple[str, str]:
    """Return the URL of the database alone, and the schema that a URL of `schema_of` names."""
    where, schema = re.split("[?&]schema=", url)
    return where, schema


@contextmanager
def schema_of(url: str) -> Iterator[str]:
    """Give the URL of a schema of one's own in the database, dropped at the end with all that is in it."""
    name = f"t_{uuid4().hex[:16]}"
    try:
        yield f"{url}{'&' if '?' in url else '?'}schema={name}"
    finally:
        with psycopg.connect(url, autocommit=True) as connection:
            connection.execute(f"DROP SCHEMA IF EXISTS {name} CASCADE".encode())


@pytest.fixture(scope="session")
def postgres_url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The URL of a PostgreSQL database, with a role that may make schemas and roles."""
    if POSTGRES in os.environ:
        yield os.environ[POSTGRES]
        return
    try:
        server = PostgresServer(tmp_path_factory.mktemp("postgres"), settings={"max_connections": "200"})
        server.start()
    except ServerMissing as error:
        missing(error)
    yield server.url
    server.close()


@pytest.fixture
def postgres_store(postgres_url: str) -> Iterator[str]:
    """The URL of a PostgreSQL store of the test's own, with nothing in it."""
    with schema_of(postgres_url) as url:
        yield url


@pytest.fixture(scope="session")
def _lasting_store(postgres_url: str) -> Iterator[str]:
    with schema_of(postgres_url) as url:
        yield url


@pytest.fixture
def empty_postgres_store(_lasting_store: str) -> str:
    """The URL of a PostgreSQL store with nothing in its tables; sooner there than one that has yet to be made."""
    url, schema = parted(_lasting_store)
    with psycopg.connect(url, autocommit=True) as connection:
        listed = connection.execute("SELECT tablename FROM pg_tables WHERE schemaname = %s", (schema,))
        names = [name for (name,) in listed if name != "stores"]
        if "seat_books" in names:  # it begins with a row of the store's own
            names.remove("seat_books")
            connection.execute(f"DELETE FROM {schema}.seat_books WHERE organization <> ''".encode())
        if names:
            connection.execute(f"TRUNCATE {', '.join(f'{schema}.{name}' for name in names)}".encode())
    return _lasting_store


@pytest.fixture(scope="session")
def redis_url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The URL of a Redis database."""
    from seatperm.testing.servers.redis import RedisServer

    if REDIS in os.environ:
        yield os.environ[REDIS]
        return
    try:
        server = RedisServer(tmp_path_factory.mktemp("redis"))
        server.start()
    except ServerMissing as error:
        missing(error)
    yield server.url
    server.close()
