"""How long writers of one SQLite file wait for each other: `python -m tests.bench.waiting [--short]`.

So many processes take and give back seats, with a pause between calls or without one; beside the 32 somebody reads
slowly all the while. The floor is the same in a table without an index, with SQLite's own busy handler.
"""

from __future__ import annotations

import json
import os
import sqlite3
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

from attrs import asdict, frozen

from seatperm.clock import SystemClock
from seatperm.errors import StoreUnavailable
from seatperm.sessions import SeatRequest, new_token, token_hash
from seatperm.stores.sqlite_sessions import SQLiteSessions

ROOT = Path(__file__).parent.parent.parent


@frozen
class Row:
    """What one crowd of writers waited, in milliseconds.

    Attributes:
        writers: how many processes.
        gap: milliseconds between two calls of one.
        store: "sqlite", or "busy handler" for the floor.
        calls: how many seats were taken.
        fewest: by the process that took the fewest.
        median: of all calls.
        p99: which one in a hundred took longer.
        worst: of all.
        errors: how many failed.
    """

    writers: int
    gap: float
    store: str
    calls: int
    fewest: int
    median: float
    p99: float
    worst: float
    errors: int


def taker(kind: str, path: str) -> tuple[Callable[[SeatRequest], object], Callable[[SeatRequest], object]]:
    """Return how to take a seat and how to give it back."""
    if kind == "sqlite":
        store = SQLiteSessions(path, SystemClock())
        return store.acquire, lambda request: store.release("kauri", request.session_id, request.token_hash)
    file = sqlite3.connect(path, isolation_level=None, timeout=30)
    file.execute("PRAGMA journal_mode=WAL")
    file.execute("PRAGMA synchronous=NORMAL")
    file.execute("CREATE TABLE IF NOT EXISTS sessions (id TEXT PRIMARY KEY, user_id TEXT)")
    return (
        lambda request: file.execute("INSERT INTO sessions VALUES (?, ?)", (request.session_id, request.user_id)),
        lambda request: file.execute("DELETE FROM sessions WHERE id = ?", (request.session_id,)),
    )


def work(kind: str, path: str, begin: float, seconds: float, gap: float) -> None:
    """Be one of the writers; print the seconds that each call took, and how many failed."""
    take, give_back = taker(kind, path)
    times, errors = list[float](), 0
    time.sleep(max(0.0, begin - time.monotonic()))
    while time.monotonic() < begin + seconds:
        request = SeatRequest("kauri", f"user-{os.getpid()}", None, new_token(), token_hash(new_token()), 60, 1_000)
        start = time.perf_counter()
        try:
            take(request)
            times.append(time.perf_counter() - start)
            time.sleep(gap)
            give_back(request)
        except (StoreUnavailable, sqlite3.Error):
            errors += 1
        time.sleep(gap)
    sys.stdout.write(json.dumps([times, errors]))


def measure(kind: str, writers: int, gap: float, seconds: float, *, reader: bool) -> Row:
    """Let so many processes write for so long."""
    with tempfile.TemporaryDirectory(prefix="seatperm-bench-") as folder:
        path = f"{folder}/seats.db"
        taker(kind, path)
        begin = time.monotonic() + 1 + writers * 0.15
        values = [kind, path, str(begin), str(seconds), str(gap)]
        command = [sys.executable, "-m", "tests.bench.waiting", *values]
        processes = [subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True) for _ in range(writers)]
        with closing(sqlite3.connect(path, isolation_level=None)) as slow:
            while reader and time.monotonic() < begin + seconds:
                slow.execute("BEGIN")
                slow.execute("SELECT count(*) FROM sessions").fetchall()
                time.sleep(0.5)
                slow.execute("ROLLBACK")
        found = [json.loads(process.communicate()[0]) for process in processes]
    waits = sorted(wait * 1000 for times, _ in found for wait in times)
    return Row(
        writers=writers,
        gap=gap * 1000,
        store=kind,
        calls=len(waits),
        fewest=min(len(times) for times, _ in found),
        median=round(waits[len(waits) // 2], 2),
        p99=round(waits[len(waits) * 99 // 100], 2),
        worst=round(waits[-1], 1),
        errors=sum(errors for _, errors in found),
    )


def main(short: bool) -> list[Row]:
    """Print the table and return it."""
    rows = list[Row]()
    alone = [] if short else [(writers, 0.0, False) for writers in (1, 2, 4, 8)]
    for writers, gap, reader in (*alone, (8, 0.005, False), (32, 0.0, True)):
        for kind in ("sqlite", "busy handler"):
            rows.append(measure(kind, writers, gap, 1.0 if short else 5.0, reader=reader))
            print(", ".join(f"{name} {value}" for name, value in asdict(rows[-1]).items()))
    return rows


if __name__ == "__main__":
    match sys.argv[1:]:
        case [kind, path, begin, seconds, gap]:
            work(kind, path, float(begin), float(seconds), float(gap))
        case options:
            main("--short" in options)
