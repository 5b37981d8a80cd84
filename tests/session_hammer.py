"""One client of a session store, as a process: takes, holds, renews and gives back seats, and writes down when.

    python -m tests.session_hammer STORE FILE LOG STOP

Each line of the log names a grant, and from when on and until when, by the boot clock, its holder may rely on it;
a later line of the same grant replaces the end. A process that is killed leaves what it had written; the
others go on until the file STOP is there.
"""

from __future__ import annotations

import os
import random
import sqlite3
import sys
import time
from contextlib import closing
from pathlib import Path

from seatperm.clock import SystemClock
from seatperm.errors import StoreUnavailable
from seatperm.sessions import Full, Seat, SeatRequest, new_token, token_hash
from seatperm.stores.sqlite_sessions import SQLiteSessions

LIMIT = 5
LEASE = 0.3


class CountThenInsert:
    """The control: counts first and inserts later, as nobody should."""

    def __init__(self, path: str, clock: SystemClock) -> None:
        self._clock = clock
        self._file = sqlite3.connect(path, isolation_level=None, timeout=30)
        self._file.execute("PRAGMA journal_mode=WAL")
        self._file.execute("PRAGMA synchronous=OFF")
        self._file.execute("CREATE TABLE IF NOT EXISTS seat (id TEXT, token_hash TEXT, ends REAL)")

    def acquire(self, request: SeatRequest) -> Seat | Full:
        now = self._clock.elapsed()
        (in_use,) = self._file.execute("SELECT count(*) FROM seat WHERE ends > ?", (now,)).fetchone()
        if in_use >= request.limit:
            return Full(in_use, None)
        time.sleep(0.005)
        self._file.execute(
            "INSERT INTO seat VALUES (?, ?, ?)", (request.session_id, request.token_hash, now + request.lease)
        )
        wall = self._clock.now()
        return Seat(request.session_id, request.user_id, request.client, wall, wall, request.lease)

    def renew(self, organization: str, token_hash: str, lease: float) -> object:
        now = self._clock.elapsed()
        return (
            self._file.execute(
                "UPDATE seat SET ends = ? WHERE token_hash = ? AND ends > ?", (now + lease, token_hash, now)
            ).rowcount
            or None
        )

    def release(self, organization: str, session_id: str, token_hash: str | None) -> bool:
        return self._file.execute("DELETE FROM seat WHERE id = ?", (session_id,)).rowcount == 1

    def close(self) -> None:
        self._file.close()


def main(kind: str, path: str, log: str, stop: str) -> None:
    clock, chance = SystemClock(), random.Random(os.getpid())
    store = CountThenInsert(path, clock) if kind == "control" else SQLiteSessions(path, clock)
    book = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND)

    def note(id: str, start: float, end: float) -> None:
        os.write(book, f"{id} {start!r} {end!r}\n".encode())

    with closing(store):
        while not Path(stop).exists():
            asked = clock.elapsed()
            id, token = new_token(), token_hash(new_token())
            try:
                answer = store.acquire(SeatRequest("kauri", f"user-{os.getpid()}", None, id, token, LEASE, LIMIT))
            except StoreUnavailable:
                continue  # on a very busy machine; what is shown here is that nothing is oversold
            if isinstance(answer, Full):
                time.sleep(chance.random() * 0.004)
                continue
            start = clock.elapsed()
            note(id, start, asked + LEASE)
            time.sleep(chance.random() * 0.03)
            if chance.random() < 0.2:
                asked = clock.elapsed()
                if store.renew("kauri", token, LEASE) is not None:
                    note(id, start, asked + LEASE)
            if chance.random() < 0.99:
                note(id, start, clock.elapsed())
                store.release("kauri", id, token)


if __name__ == "__main__":
    main(*sys.argv[1:])
