"""A PostgreSQL database for the tasks of an event loop: the same connections, waited for on the bridge.

psycopg's own connections do the talking: how they wait is all that differs. Needs the extras `postgres` and `aio`.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from threading import Lock
from typing import Any, TypeVar

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
        return await_(_Dialling(conninfo).done())

    def _cancel(self, connection: PostgresConnection) -> None:
        with finishing():
            await_(asyncio.to_thread(PostgresDatabase._cancel, self, connection))


class _Dialling:
    """A connection that is being made in a thread; where nobody waits for it any more, it is closed."""

    def __init__(self, conninfo: str) -> None:
        self._conninfo = conninfo
        self._lock = Lock()
        self._made: BridgedConnection | None = None
        self._wanted = True

    async def done(self) -> BridgedConnection:
        """Return it."""
        try:
            return await asyncio.to_thread(self._dial)
        except asyncio.CancelledError:
            with self._lock:
                self._wanted = False
                if self._made is not None:
                    self._made.close()
            raise

    def _dial(self) -> BridgedConnection:
        made = BridgedConnection.connect(self._conninfo, autocommit=True, prepare_threshold=None)
        with self._lock:
            self._made = made
            if not self._wanted:
                made.close()
        return made
