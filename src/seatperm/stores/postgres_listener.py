"""Hears of changes that other processes made in PostgreSQL, as far as it can (LISTEN)."""

from __future__ import annotations

import os
from collections import Counter
from contextlib import suppress
from math import inf
from threading import Lock
from time import monotonic

import psycopg

from ..errors import StoreUnavailable
from .postgres_database import PostgresConnection, PostgresDatabase

AGAIN = 5.0
"""Seconds between two tries to listen."""

EPOCH = 2**40
"""What the count begins with anew after each time that nothing was heard."""


class PostgresListener:
    """Counts what a database tells of its organizations, on a connection of its own.

    It has no thread: what came is read when somebody asks for a count. Behind a pooler, which lends each transaction
    another connection, nothing would ever come: there it does not listen.

    Args:
        database: where to listen, on the channel that is named as its schema.
    """

    def __init__(self, database: PostgresDatabase) -> None:
        self._database = database
        self._connections: dict[int, PostgresConnection] = {}
        self._counts: Counter[str] = Counter()
        self._begin = 0
        self._asked = False
        self._next = 0.0
        self._lock = Lock()

    def count(self, organization: str) -> int | None:
        """Return a number that is another one after each change; None while nobody listens. It waits for nothing."""
        self._asked = True
        connection = self._connections.get(os.getpid())
        if connection is None:
            return None
        if self._lock.acquire(blocking=False):
            try:
                self._read(connection)
            except psycopg.Error:
                self.close()
                return None
            finally:
                self._lock.release()
        return self._begin + self._counts[organization]

    def keep(self) -> None:
        """Begin to listen where somebody asked for it and nobody does; call it when the server has just answered."""
        if not self._asked or os.getpid() in self._connections or monotonic() < self._next:
            return
        if self._lock.acquire(blocking=False):
            try:
                self._next = monotonic() + AGAIN
                with suppress(StoreUnavailable, psycopg.Error):
                    self._listen(monotonic() + self._database.timeout)
            finally:
                self._lock.release()

    def close(self) -> None:
        """Give back the connection of this process."""
        connection = self._connections.pop(os.getpid(), None)
        if connection is not None:
            connection.close()

    def _listen(self, end: float) -> None:
        connection = self._database.connect(end)
        try:
            ((pid,),) = self._database.run(connection, "SELECT pg_backend_pid()", (), end).fetchall()
            if pid != connection.pgconn.backend_pid:
                self._next = inf
                return
            self._database.run(connection, f'LISTEN "{self._database.where.schema}"', (), end)
            self._begin += EPOCH
            self._connections[os.getpid()] = connection
        finally:
            if os.getpid() not in self._connections:
                connection.close()

    def _read(self, connection: PostgresConnection) -> None:
        connection.pgconn.consume_input()
        while (told := connection.pgconn.notifies()) is not None:
            self._counts[told.extra.decode()] += 1
