"""One SQLite file: its schema, its connections, its transactions, its errors."""

from __future__ import annotations

import os
import sqlite3
import time
from collections import deque
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from threading import get_ident
from typing import TYPE_CHECKING, Any, Literal

from attrs import Factory, define, field, frozen

from ..errors import InvalidValue, StoreDamaged, StoreUnavailable, StoreVersion
from .sqlite_errors import Trouble, primary
from .sqlite_turns import Manners, Turns

if TYPE_CHECKING:
    from sqlite_utils import Database

APPLICATION_ID = 0x53454154
"""What `PRAGMA application_id` says of a store file: "SEAT"."""

CACHE_KIB = 16_384
"""What a connection may keep of the file in memory, in KiB; it takes what it has read only."""

CHECKPOINT_PAGES = 4_000
"""How many pages may stand in the -wal before they go to the file: 16 MB."""

Values = tuple[str | int | float | bytes | None, ...]
Row = tuple[Any, ...]


@frozen
class Schema:
    """A set of tables, as the steps that make it; a file may hold several sets.

    Attributes:
        name: names the set in the file, such as "seatperm.directory".
        steps: each one brings the set on by one version; by name, oldest first. A step that was released
            stays as it is.
    """

    name: str
    steps: Mapping[str, Callable[[Database], None]]


@define
class _Process:
    """What one process has open; a child made by `fork()` has its own and leaves its parent's alone."""

    idle: deque[sqlite3.Connection] = Factory(deque)
    writer: sqlite3.Connection | None = None
    writing: Turns = Factory(Turns)
    manners: Manners = Factory(Manners)
    writing_thread: int | None = None
    pid: int = Factory(os.getpid)


@define(eq=False)
class SQLiteFile:
    """A store file that any number of threads and processes use at the same time.

    A connection serves one thread at a time. Reads wait for nobody (WAL); writers come one at a time, in the
    process and then in the file.

    Args:
        path: of the file, made if missing; its folder must exist.
        schema: the tables that it shall have.
        synchronous: "full": what was written survives a power cut. "normal": it survives a crash of the
            process; after a power cut the last changes may be missing, and the file is whole.
        timeout: seconds to wait for another writer.
        mode: "rwc", or "rw": file and tables must be there, or "ro": so they must, and nothing is written.

    Raises:
        InvalidValue: the path names no file.
        StoreUnavailable: the file can't be opened.
        StoreDamaged: it is not seatperm's.
        StoreVersion: it was written by a newer seatperm.
    """

    path: str | os.PathLike[str]
    schema: Schema
    synchronous: Literal["full", "normal"] = field(default="full", kw_only=True)
    timeout: float = field(default=30.0, kw_only=True)
    mode: Literal["rwc", "rw", "ro"] = field(default="rwc", kw_only=True)
    url: str = field(init=False)
    _file: Path = field(init=False, repr=False)
    _trouble: Trouble = field(init=False, repr=False)
    _processes: dict[int, _Process] = field(init=False, factory=dict, repr=False)
    _closed: bool = field(init=False, default=False, repr=False)

    def __attrs_post_init__(self) -> None:
        name = os.fspath(self.path)
        if name in ("", ":memory:") or "\0" in name:
            raise InvalidValue("store", f"sqlite:///{name}", "a file's path; a store in memory is 'memory://'")
        self.url = f"sqlite:///{name}"
        self._file = Path(name).absolute()
        self._trouble = Trouble(self.url, self._file, self.timeout, self.mode == "rwc")
        with self._translating():
            connection = self._connect("rwc" if self.mode == "rwc" else "rw", self.timeout)
            try:
                if self._pending(connection):
                    self._bring_up_to_date(connection)
            finally:
                connection.close()

    def rows(self, sql: str, values: Values = ()) -> list[Row]:
        """Return the rows of one SELECT; cheaper than `read`."""
        process = self._process()
        connection = self._reader(process)
        try:
            return connection.execute(sql, values).fetchall()
        except (sqlite3.Error, UnicodeEncodeError) as error:
            raise self._trouble.translated(error) from error
        finally:
            self._give_back(process, connection)

    def row(self, sql: str, values: Values = ()) -> Row | None:
        """Return the first row of one SELECT, None where there is none."""
        rows = self.rows(sql, values)
        return rows[0] if rows else None

    @contextmanager
    def read(self) -> Iterator[sqlite3.Connection]:
        """Give a connection for reading, of one moment however many statements are read."""
        process = self._process()
        connection = self._reader(process)
        try:
            with self._translating():
                connection.execute("BEGIN")
                try:
                    yield connection
                finally:
                    if process.pid == os.getpid() and connection.in_transaction:
                        connection.execute("ROLLBACK")
        finally:
            self._give_back(process, connection)

    @contextmanager
    def write(self) -> Iterator[sqlite3.Connection]:
        """Give the connection for one transaction: kept at the end of the block, undone after any exception.

        Nobody else writes from the first statement on.

        Raises:
            StoreUnavailable: others are writing for longer than the timeout, or nothing can be written.
        """
        process = self._process()
        end = self._take_turn(process)
        try:
            process.manners.step_back()
            with self._translating():
                writer = self._writer(process)
                self._insist(writer, "BEGIN IMMEDIATE", end, process.manners)
                try:
                    yield writer
                    if process.pid != os.getpid():
                        raise StoreUnavailable(self.url, "a change ends in the process that began it")
                    self._insist(writer, "COMMIT", time.monotonic() + self.timeout, process.manners)
                except BaseException:
                    self._undo(process)
                    raise
        finally:
            self._end_turn(process)

    def once(self, sql: str, values: Callable[[], Values]) -> list[Row]:
        """Do one statement that is a transaction by itself, and return its rows; cheaper than `write`.

        Args:
            sql: the statement.
            values: tells its values, anew at each try: nobody else writes between that and the statement, but
                for those who had begun before.

        Raises:
            StoreUnavailable: as `write` does.
        """
        process = self._process()
        end = self._take_turn(process)
        try:
            process.manners.step_back()
            writer = self._writer(process)
            since = 0.0
            while True:
                try:
                    return writer.execute(sql, values()).fetchall()
                except sqlite3.OperationalError as error:
                    if primary(error) != sqlite3.SQLITE_BUSY or time.monotonic() >= end:
                        raise
                    since = since or time.monotonic()
                    process.manners.pause(since)
        except (sqlite3.Error, UnicodeEncodeError) as error:
            raise self._trouble.translated(error) from error
        finally:
            self._end_turn(process)

    def close(self) -> None:
        """Close every connection of this process; one that is in use is closed when it is done."""
        self._closed = True
        process = self._processes.get(os.getpid())
        if process is None:
            return
        while process.idle:
            process.idle.pop().close()
        if process.writing.acquire(0):
            self._drop_writer(process)
            process.writing.release()

    def _process(self) -> _Process:
        if self._closed:
            raise StoreUnavailable(self.url, "it has been closed; open it again")
        pid = os.getpid()
        return self._processes.get(pid) or self._processes.setdefault(pid, _Process())

    def _take_turn(self, process: _Process) -> float:
        """Be the one thread of this process that writes; return when it shall have given up."""
        if self.mode == "ro":
            raise StoreUnavailable(self.url, "it was opened with mode=ro, for reading only")
        if process.writing_thread == get_ident():
            raise StoreUnavailable(self.url, "this thread is in the middle of a change; end that one first")
        end = time.monotonic() + self.timeout
        if not process.writing.acquire(self.timeout):
            raise StoreUnavailable(self.url, self._trouble.locked())
        process.writing_thread = get_ident()
        return end

    def _end_turn(self, process: _Process) -> None:
        if self._closed:
            self._drop_writer(process)
        process.writing_thread = None
        process.manners.done()
        process.writing.release()

    def _reader(self, process: _Process) -> sqlite3.Connection:
        try:
            return process.idle.pop()
        except IndexError:
            with self._translating():
                return self._connect("rw", self.timeout)

    def _give_back(self, process: _Process, connection: sqlite3.Connection) -> None:
        process.idle.append(connection)
        if self._closed:
            self.close()

    def _connect(self, mode: Literal["rw", "rwc"], timeout: float) -> sqlite3.Connection:
        # Only the first opening may make the file: one that was removed since must not come back empty.
        connection = sqlite3.connect(
            f"{self._file.as_uri()}?mode={mode}",
            uri=True,
            timeout=timeout,
            isolation_level=None,
            check_same_thread=False,
        )
        try:
            connection.execute("PRAGMA foreign_keys=ON")
            # What was erased must be gone from the file; not every SQLite does that unless told.
            connection.execute("PRAGMA secure_delete=ON")
            connection.execute(f"PRAGMA synchronous={self.synchronous}")
            # Room for the tables of 100,000 sessions; and what is written goes from the -wal to the file less often.
            connection.execute(f"PRAGMA cache_size={-CACHE_KIB}")
            connection.execute(f"PRAGMA wal_autocheckpoint={CHECKPOINT_PAGES}")
            # SQLite's own read-only mode would leave its two files behind.
            connection.execute(f"PRAGMA query_only={self.mode == 'ro'}")
        except sqlite3.Error:
            connection.close()
            raise
        return connection

    def _writer(self, process: _Process) -> sqlite3.Connection:
        if process.writer is None:
            # With no time to wait at all, even opening may find the file locked for a moment.
            process.writer = self._connect("rw", self.timeout)
            process.writer.execute("PRAGMA busy_timeout=0")
        return process.writer

    def _insist(self, connection: sqlite3.Connection, sql: str, end: float, manners: Manners) -> None:
        if _got(connection, sql):
            return
        since = time.monotonic()
        while True:
            if time.monotonic() >= end:
                raise StoreUnavailable(self.url, self._trouble.locked())
            manners.pause(since)
            if _got(connection, sql):
                return

    def _undo(self, process: _Process) -> None:
        writer = process.writer
        if process.pid == os.getpid() and writer is not None and writer.in_transaction:
            try:
                writer.execute("ROLLBACK")
            except sqlite3.Error:
                self._drop_writer(process)

    def _drop_writer(self, process: _Process) -> None:
        if process.pid == os.getpid() and process.writer is not None:
            process.writer.close()
            process.writer = None

    def _pending(self, connection: sqlite3.Connection) -> bool:
        (application,) = connection.execute("PRAGMA application_id").fetchone()
        tables = {name for (name,) in connection.execute("SELECT name FROM sqlite_master")}
        if application != APPLICATION_ID:
            if application or tables:
                raise StoreDamaged(self.url, "the file is another application's; name another path")
            if self.mode != "rwc":
                raise StoreDamaged(self.url, "the file is empty; name another path")
            return True
        done = connection.execute("SELECT name FROM _sqlite_migrations WHERE migration_set=?", (self.schema.name,))
        names = {name for (name,) in done}
        newer = sorted(names - set(self.schema.steps))
        if newer:
            raise StoreVersion(self.url, f"{self.schema.name} has the step {newer[0]!r}")
        if self.mode != "rwc" and not names:
            raise StoreUnavailable(self.url, f"it has no tables of {self.schema.name}; name the store that has")
        if self.mode == "ro" and names != set(self.schema.steps):
            raise StoreUnavailable(self.url, "an older seatperm wrote it; open it once for writing")
        return names != set(self.schema.steps)

    def _bring_up_to_date(self, connection: sqlite3.Connection) -> None:
        from sqlite_utils import Database, Migrations  # 100 ms, for files that are new or old only

        end, manners = time.monotonic() + self.timeout, Manners()
        self._insist(connection, "PRAGMA journal_mode=WAL", end, manners)
        self._insist(connection, "BEGIN IMMEDIATE", end, manners)
        try:
            if self._pending(connection):
                migrations = Migrations(self.schema.name)
                for name, step in self.schema.steps.items():
                    migrations(name=name)(step)
                migrations.apply(Database(connection, execute_plugins=False))
                connection.execute(f"PRAGMA application_id={APPLICATION_ID}")
            connection.execute("COMMIT")
        finally:
            if connection.in_transaction:
                connection.execute("ROLLBACK")

    @contextmanager
    def _translating(self) -> Iterator[None]:
        try:
            yield
        except (sqlite3.Error, UnicodeEncodeError) as error:
            raise self._trouble.translated(error) from error


def _got(connection: sqlite3.Connection, sql: str) -> bool:
    """Run a statement; False while others are in its way."""
    try:
        connection.execute(sql)
    except sqlite3.OperationalError as error:
        if primary(error) != sqlite3.SQLITE_BUSY:
            raise
        return False
    return True
