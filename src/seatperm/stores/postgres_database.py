"""A PostgreSQL database as the stores use it: statements, transactions, and nothing else of the driver.

This is the only module that waits for psycopg. It keeps connections of its own and not those of
`psycopg_pool`: that one connects in threads and after pauses of its own, so that neither a `fork()` nor a
timeout of ours would reach them.

What holds for PgBouncer in its transaction mode, so that it may stand in between: every setting is made for one
transaction (`SET LOCAL`), locks end with their transaction, nothing is prepared, and tables are named with
their schema.
"""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from threading import Semaphore, get_ident
from time import monotonic
from typing import Any, TypeVar

from attrs import Factory, define

from ..errors import MissingExtra, StoreUnavailable

try:
    import psycopg
    from psycopg.abc import PQGen
    from psycopg.pq import TransactionStatus
except ImportError as error:
    raise MissingExtra("postgres") from error

from .postgres_errors import check, explained
from .postgres_url import PostgresURL
from .waiting import Slots

T = TypeVar("T")

SPARE = 60.0
"""Seconds after which a connection beyond `pool_min` that nobody uses is closed."""

RESTED = 0.05
"""Seconds after which a connection that nobody used is looked at closely: a server may have stopped meanwhile."""

ANSWER = 0.9
"""The part of the timeout in which an answer is waited for; in the rest the server is told to give up."""

LOCK = 0.8
"""The part of the timeout in which a transaction waits for others: it is told so, and not that it took too long."""

Value = str | int | float | bytes | bool | None | list[str] | list[int] | list[str | None]
Values = tuple[Value, ...]
Row = tuple[Any, ...]


class _Late(Exception):
    """An answer did not come in time."""


class PostgresConnection(psycopg.Connection[Row]):
    """One that waits no longer than until its deadline."""

    deadline: float = float("inf")

    def wait(self, gen: PQGen[T], *rest: Any, **named: Any) -> T:
        """Wait as psycopg does, until the deadline."""
        return super().wait(until(gen, self.deadline), *rest, **named)


@define(eq=False)
class _Process:
    """What one process has open; a child made by `fork()` has its own and leaves its parent's alone."""

    slots: Slots
    idle: deque[tuple[float, PostgresConnection]] = Factory(deque)
    writing: set[object] = Factory(set)
    pid: int = Factory(os.getpid)


@define(eq=False)
class PostgresTransaction:
    """One transaction, for as long as its block lasts. Made by `PostgresDatabase.write`."""

    _database: PostgresDatabase
    _connection: PostgresConnection | None
    _failed: bool = False

    def rows(self, sql: str, values: Values = ()) -> list[Row]:
        """Return the rows of a statement that gives rows. For the rest see `PostgresDatabase.rows`."""
        return self._run(sql, values).fetchall()

    def execute(self, sql: str, values: Values = ()) -> int:
        """Run a statement, and return how many rows it touched."""
        return self._run(sql, values).rowcount

    def end(self) -> None:
        """Let the connection go; whoever kept this object can do nothing more with it."""
        self._connection = None

    def check(self) -> None:
        """Go on only if no statement has failed.

        Raises:
            StoreUnavailable: one has, and the server keeps nothing of the transaction.
        """
        if self._failed:
            raise StoreUnavailable(self._database.url, "a statement of this change failed; begin another one")

    def _run(self, sql: str, values: Values) -> psycopg.Cursor[Row]:
        if self._connection is None:
            raise StoreUnavailable(self._database.url, "this change has ended; begin another one")
        self.check()
        check(values)
        try:
            return self._database.run(self._connection, sql, values, monotonic() + self._database.timeout)
        except BaseException:
            self._failed = True
            raise


class PostgresDatabase:
    """A database that any number of threads, processes and hosts use at the same time.

    In a statement `$.` stands for the schema ("SELECT id FROM $.users WHERE id = %s") and `%s` for a value; a
    literal percent sign is doubled.

    Args:
        url: see `PostgresURL`. Nothing is connected yet.

    Attributes:
        url: names the database in messages; without secrets.
        where: what the URL says.
        timeout: seconds within which each call ends: connecting, waiting for others, the answer. (Connecting
            alone may take two seconds for each host, libpq's least.)

    Raises:
        InvalidValue: the URL says what it can't.
        MissingExtra: the extra `postgres` is not installed.
    """

    def __init__(self, url: str) -> None:
        self.where = PostgresURL.parse(url)
        self.url = self.where.shown
        self.timeout = self.where.timeout
        self._processes: dict[int, _Process] = {}
        self._texts: dict[str, bytes] = {}
        self._closed = False

    def __repr__(self) -> str:
        return f"<PostgresDatabase {self.url}>"

    def rows(self, sql: str, values: Values = ()) -> list[Row]:
        """Return the rows of one statement, a transaction by itself, in one round trip. It is sent once at most.

        With mode=ro it takes three, and the server lets it write nothing.

        Raises:
            InvalidValue: the database can't hold one of the values.
            StoreUnavailable: no answer came within the timeout, or it was none; a statement that writes may
                have been kept where the connection was lost.
            StoreDamaged: the tables are not as they were made.
        """
        check(values)
        process, end = self._process(), monotonic() + self.timeout
        connection = self._take(process, end)
        try:
            if self.where.mode != "ro":
                return self.run(connection, sql, values, end).fetchall()
            self.run(connection, "BEGIN READ ONLY", (), end)
            found = self.run(connection, sql, values, end).fetchall()
            self.run(connection, "COMMIT", (), end)
            return found
        finally:
            self._give_back(process, connection)

    @contextmanager
    def write(self) -> Iterator[PostgresTransaction]:
        """Begin a transaction: kept at the end of the block, undone after any exception.

        Each statement sees what is committed when it begins (READ COMMITTED): take a lock first. Every lock wait
        and every pause of the client's ends within the timeout, also where the client stands still or is gone.

        Raises:
            StoreUnavailable: as `rows`; or this thread is in the middle of another one; or the URL says mode=ro.
        """
        if self.where.mode == "ro":
            raise StoreUnavailable(self.url, "it was opened with mode=ro, for reading only")
        process, end = self._process(), monotonic() + self.timeout
        caller = self._caller()
        if caller in process.writing:
            raise StoreUnavailable(self.url, "this thread is in the middle of a change; end that one first")
        connection = self._take(process, end)
        transaction = PostgresTransaction(self, connection)
        process.writing.add(caller)
        try:
            self.run(connection, self._begin(), (), end)
            yield transaction
            if process.pid != os.getpid():
                raise StoreUnavailable(self.url, "a change ends in the process that began it")
            transaction.check()
            self._commit(connection)
        except BaseException:
            self._undo(process, connection)
            raise
        finally:
            transaction.end()
            process.writing.discard(caller)
            self._give_back(process, connection)

    def run(self, connection: PostgresConnection, sql: str, values: Values, end: float) -> psycopg.Cursor[Row]:
        """Run a statement on a connection; wait for its answer until `end` by the monotonic clock at the latest."""
        connection.deadline = end - self.timeout * (1 - ANSWER)
        try:
            return connection.execute(self._text(sql), values or None)
        except _Late:
            connection.deadline = float("inf")
            with suppress(psycopg.Error):
                self._cancel(connection)
            connection.close()
            raise StoreUnavailable(self.url, f"no answer within {self.timeout:g} s; look at the server") from None
        except psycopg.Error as error:
            raise explained(error, self.url, values) from error

    def connect(self, end: float) -> PostgresConnection:
        """Return a new connection of the caller's own, made until `end` by the monotonic clock."""
        try:
            return self._connected(self.where.conninfo(end - monotonic()))
        except psycopg.Error as error:
            raise explained(error, self.url) from error

    # What waits for the driver or for others, and is another thing where tasks wait and not threads.

    def _slots(self) -> Slots:
        return Semaphore(self.where.pool_max)

    def _caller(self) -> object:
        return get_ident()

    def _connected(self, conninfo: str) -> PostgresConnection:
        return PostgresConnection.connect(conninfo, autocommit=True, prepare_threshold=None)

    def _cancel(self, connection: PostgresConnection) -> None:
        connection.cancel_safe(timeout=self.timeout * (1 - ANSWER))

    def close(self) -> None:
        """Close every connection of this process; one that is in use is closed when it is done."""
        self._closed = True
        process = self._processes.get(os.getpid())
        while process is not None and process.idle:
            process.idle.pop()[1].close()

    def _process(self) -> _Process:
        if self._closed:
            raise StoreUnavailable(self.url, "it has been closed; open it again")
        pid = os.getpid()
        return self._processes.get(pid) or self._processes.setdefault(pid, _Process(self._slots()))

    def _take(self, process: _Process, end: float) -> PostgresConnection:
        if not process.slots.acquire(timeout=self.timeout):
            raise StoreUnavailable(self.url, f"all {self.where.pool_max} connections are in use; raise pool_max")
        try:
            while process.idle:
                since, connection = process.idle.pop()
                if _is_alive(connection, since):
                    return connection
                connection.close()
            return self.connect(end)
        except BaseException:
            process.slots.release()
            raise

    def _give_back(self, process: _Process, connection: PostgresConnection) -> None:
        if process.pid != os.getpid():
            return
        if self._closed or connection.closed or connection.pgconn.transaction_status != TransactionStatus.IDLE:
            connection.close()
        else:
            process.idle.append((monotonic(), connection))
            with suppress(IndexError):
                if len(process.idle) > self.where.pool_min and process.idle[0][0] < monotonic() - SPARE:
                    process.idle.popleft()[1].close()
            if self._closed:
                self.close()
        process.slots.release()

    def _begin(self) -> str:
        limits = {
            "lock_timeout": self.timeout * LOCK,
            "statement_timeout": self.timeout * ANSWER,
            "idle_in_transaction_session_timeout": self.timeout,
        }
        settings = (f"SET LOCAL {name} = {max(1, int(seconds * 1000))}" for name, seconds in limits.items())
        return "; ".join(["BEGIN", *settings])

    def _commit(self, connection: PostgresConnection) -> None:
        try:
            answer = self.run(connection, "COMMIT", (), monotonic() + self.timeout)
        except StoreUnavailable as error:
            if not connection.closed and not connection.broken:
                raise
            found = f"{error.cause}; whether the change was kept is not known, read it again"
            raise StoreUnavailable(self.url, found) from error
        if answer.statusmessage != "COMMIT":
            raise StoreUnavailable(self.url, "the server undid the change; begin another one")

    def _undo(self, process: _Process, connection: PostgresConnection) -> None:
        if process.pid != os.getpid() or connection.closed:
            return
        if connection.pgconn.transaction_status in (TransactionStatus.INTRANS, TransactionStatus.INERROR):
            with suppress(StoreUnavailable):
                self.run(connection, "ROLLBACK", (), monotonic() + self.timeout)

    def _text(self, sql: str) -> bytes:
        text = self._texts.get(sql)
        if text is None:
            text = self._texts[sql] = sql.replace("$.", f'"{self.where.schema}".').encode()
        return text


def until(gen: PQGen[T], deadline: float) -> PQGen[T]:
    """Go on with what waits for the driver, but give up at the deadline by the monotonic clock."""
    try:
        wanted = next(gen)
        while True:
            ready = yield wanted
            if not ready and monotonic() >= deadline:
                raise _Late
            wanted = gen.send(ready)
    except StopIteration as end:
        value: T = end.value
        return value


def _is_alive(connection: PostgresConnection, since: float) -> bool:
    # Whoever shut the connection from the other side has said so: it is read without a round trip. A server that
    # stops says why first, and only a second look sees that nothing more will come.
    try:
        connection.pgconn.consume_input()
        if since < monotonic() - RESTED:
            connection.pgconn.consume_input()
    except psycopg.Error:
        return False
    return not connection.closed
