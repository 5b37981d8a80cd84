"""A PostgreSQL database for the tasks of an event loop: the same connections, waited for on the bridge.

psycopg's own connections do the talking: how they wait is all that differs. Needs the extras `postgres` and `aio`.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, ParamSpec, TypeVar

from psycopg.abc import PQGen
from psycopg.waiting import wait_async

from .bridge import TaskSlots, await_, caller, finishing, must_be_on_bridge
from .postgres_database import (
    PostgresConnection,
    PostgresDatabase,
    PostgresTransaction,
    Row,
    Values,
    until,
)
from .waiting import Slots

P = ParamSpec("P")
T = TypeVar("T")

LOOK = 0.1
"""Seconds between two looks at the deadline."""


class BridgedConnection(PostgresConnection):
    """One that is waited for on the bridge, no longer than until its deadline."""

    def wait(self, gen: PQGen[T], *_: Any, **__: Any) -> T:
        """Wait as psycopg's own asyncio connections do, until the deadline."""
        return await_(wait_async(until(gen, self.deadline), self.pgconn.socket, interval=LOOK))


class BridgedDatabase(PostgresDatabase):
    """A database that the tasks of an event loop use at the same time, each on the bridge."""

    def rows(self, sql: str, values: Values = ()) -> list[Row]:
        """Return the rows of one statement, see `PostgresDatabase.rows`."""
        must_be_on_bridge()
        return super().rows(sql, values)

    @contextmanager
    def write(self) -> Iterator[PostgresTransaction]:
        """Begin a transaction, see `PostgresDatabase.write`."""
        must_be_on_bridge()
        with super().write() as transaction:
            yield transaction

    def _slots(self) -> Slots:
        return TaskSlots(self.where.pool_max)

    def _caller(self) -> object:
        return caller()

    def _connected(self, conninfo: str) -> PostgresConnection:
        # libpq looks names up and shakes hands in ways that stop its thread: that is done in another one.
        return _elsewhere(lambda: BridgedConnection.connect(conninfo, autocommit=True, prepare_threshold=None))

    def _cancel(self, connection: PostgresConnection) -> None:
        _elsewhere(lambda: PostgresDatabase._cancel(self, connection))


def _elsewhere(function: Callable[[], T]) -> T:
    with finishing():  # what it opens is not lost to a task that is cancelled
        return await_(asyncio.to_thread(function))
