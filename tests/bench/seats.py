"""What a seat costs: `python -m tests.bench.seats [--short]` prints a table; ratios count, not times.

Each figure is the median of interleaved rounds. A bare INSERT is one row of the same content in its own
transaction, through sqlite3, into a table without an index (plain) and into one with the store's lookups (same).
"""

from __future__ import annotations

import sqlite3
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from itertools import count
from pathlib import Path
from statistics import median
from typing import Literal

from attrs import frozen

from seatperm.clock import SystemClock
from seatperm.sessions import Full, SeatRequest, new_token, token_hash
from seatperm.stores import SessionStore
from seatperm.stores.memory_sessions import MemorySessions
from seatperm.stores.sqlite_file import CACHE_KIB, CHECKPOINT_PAGES
from seatperm.stores.sqlite_sessions import SQLiteSessions

from .measuring import fits

LEASE = 1800.0
COLUMNS = (
    "organization TEXT, token_hash TEXT, id TEXT, user_id TEXT, client TEXT, started_at TEXT, expires_at TEXT, ends"
)
LOOKUPS = (
    "CREATE UNIQUE INDEX by_token ON session (organization, token_hash)",
    "CREATE UNIQUE INDEX by_user ON session (organization, user_id, client)",
    "CREATE INDEX by_end ON session (organization, ends)",
)
_numbers = count()

Step = tuple[str, Callable[[SeatRequest], object]]


def requests(number: int, limit: int = 10**9) -> list[SeatRequest]:
    """Return requests of as many new clients."""
    return [
        SeatRequest(
            organization="kauri",
            user_id=f"user-{next(_numbers)}",
            client="desk",
            session_id=new_token(),
            token_hash=token_hash(new_token()),
            lease=LEASE,
            limit=limit,
        )
        for _ in range(number)
    ]


def store_steps(store: SessionStore) -> list[Step]:
    """Return what is measured of a store, in the order in which it is done."""
    return [
        ("take", store.acquire),
        ("find", lambda request: store.find("kauri", request.token_hash)),
        ("renew", lambda request: store.renew("kauri", request.token_hash, LEASE)),
        ("give back", lambda request: store.release("kauri", request.session_id, request.token_hash)),
    ]


def bare(path: Path, synchronous: str, lookups: tuple[str, ...]) -> tuple[sqlite3.Connection, list[Step]]:
    """Return a connection, and the bare INSERT through it."""
    connection = sqlite3.connect(path, isolation_level=None)
    connection.execute("PRAGMA journal_mode=WAL")
    connection.execute(f"PRAGMA synchronous={synchronous}")
    connection.execute(f"PRAGMA cache_size={-CACHE_KIB}")
    connection.execute(f"PRAGMA wal_autocheckpoint={CHECKPOINT_PAGES}")
    connection.execute(f"CREATE TABLE session ({COLUMNS})")
    for lookup in lookups:
        connection.execute(lookup)
    clock = SystemClock()

    def insert(request: SeatRequest) -> None:
        now = clock.now().isoformat()
        connection.execute(
            "INSERT INTO session VALUES ('kauri', ?, ?, ?, ?, ?, ?, ?)",
            (request.token_hash, request.session_id, request.user_id, request.client, now, now, clock.elapsed()),
        )

    return connection, [("insert", insert)]


def rounds(subjects: dict[str, list[Step]], number: int, size: int) -> dict[tuple[str, str], float]:
    """Return the median microseconds of every step of every subject, in interleaved rounds."""
    times: dict[tuple[str, str], list[float]] = {}
    for _ in range(number):
        for name, steps in subjects.items():
            batch = requests(size)
            for step, call in steps:
                start = time.perf_counter()
                for request in batch:
                    call(request)
                times.setdefault((name, step), []).append((time.perf_counter() - start) / size * 1e6)
    return {key: median(values) for key, values in times.items()}


def refusals(store: SessionStore, number: int, live: int) -> float:
    """Return the median microseconds of a refusal while all seats are taken."""
    times = []
    for _ in range(number):
        batch = requests(50, limit=live)
        start = time.perf_counter()
        for request in batch:
            assert isinstance(store.acquire(request), Full)
        times.append((time.perf_counter() - start) / 50 * 1e6)
    return median(times)


@frozen
class Row:
    """One line of the table.

    Attributes:
        live: how many sessions were live.
        synchronous: SQLite's setting.
        store: what was called: a store, or the bare INSERT into one of the two tables.
        step: what was done.
        microseconds: the median of all rounds, a call.
        to_plain: the ratio to the bare INSERT into a table without an index.
        to_same: the ratio to the one into a table with the store's lookups.
    """

    live: int
    synchronous: str
    store: str
    step: str
    microseconds: float
    to_plain: float
    to_same: float


def measure(live: int, synchronous: Literal["full", "normal"], number: int, folder: Path) -> Iterator[Row]:
    """Measure at so many live sessions."""
    clock = SystemClock()
    memory, sqlite = MemorySessions(clock), SQLiteSessions(folder / "seats.db", clock, synchronous=synchronous)
    plain, plain_steps = bare(folder / "plain.db", synchronous, ())
    same, same_steps = bare(folder / "same.db", synchronous, LOOKUPS)
    with closing(memory), closing(sqlite), closing(plain), closing(same):
        for store in (memory, sqlite):
            for request in requests(live):
                store.acquire(request)
        for connection, ((_, insert),) in ((plain, plain_steps), (same, same_steps)):
            connection.execute("BEGIN")
            for request in requests(live):
                insert(request)
            connection.execute("COMMIT")
        subjects = {
            "plain": plain_steps,
            "same": same_steps,
            "sqlite": store_steps(sqlite),
        }
        found = rounds(subjects, number, 50)
        found |= rounds({"memory": store_steps(memory)}, number, 50)  # it has no floor, and an fsync cools its caches
        found["sqlite", "refuse"] = refusals(sqlite, number, live)
        found["memory", "refuse"] = refusals(memory, number, live)
    floor, indexed = found["plain", "insert"], found["same", "insert"]
    for (name, step), micros in found.items():
        ratios = round(micros / floor, 2), round(micros / indexed, 2)
        yield Row(live, synchronous, name, step, round(micros, 1), *ratios)


def main(short: bool) -> list[Row]:
    """Print the table and return it."""
    rows = []
    print(f"{'live':>8} {'sync':>7} {'store':>8} {'step':>10} {'µs':>9} {'× plain':>8} {'× same':>8}")
    for synchronous in ("normal", "full"):
        for live in (10, 1_000) if short else (10, 1_000, 100_000):
            with tempfile.TemporaryDirectory(prefix="seatperm-bench-") as folder:
                for row in measure(live, synchronous, 5 if short else 30, Path(folder)):
                    rows.append(row)
                    print(
                        f"{row.live:>8,} {row.synchronous:>7} {row.store:>8} {row.step:>10} "
                        f"{row.microseconds:>9.1f} {row.to_plain:>8.2f} {row.to_same:>8.2f}"
                    )
    for line in fits((f"{it.store} {it.step}, {it.synchronous}", it.live, it.microseconds) for it in rows):
        print(line)
    return rows


if __name__ == "__main__":
    main("--short" in sys.argv[1:])
