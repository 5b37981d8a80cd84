"""What a seat costs in PostgreSQL: `python -m tests.bench.postgres_seats [--short]`; ratios count, not times.

A server of its own, durable (each commit waits for the disk). The floor is a bare INSERT of the same content, a
transaction by itself, through psycopg with the settings of the store, into a table with a primary key (plain)
and into one with the store's lookups (same). Figures are medians of interleaved rounds.
"""

from __future__ import annotations

import multiprocessing
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from multiprocessing.synchronize import Barrier, Event
from pathlib import Path
from statistics import median

from seatperm.sessions import Full, Seat, SeatRequest, new_token, token_hash
from seatperm.stores.postgres_database import PostgresDatabase
from seatperm.stores.postgres_sessions import PostgresSessions
from seatperm.testing.servers.postgres import PostgresServer

from .measuring import fits

LEASE = 1800.0
LIMIT = 10**9
PROCESSES = 8
FLOORS = {
    "plain": (),
    "same": (
        "CREATE UNIQUE INDEX same_by_user ON $.same (organization, user_id, client)",
        "CREATE INDEX same_by_end ON $.same (organization, ends)",
    ),
}


def requests(number: int, limit: int = LIMIT) -> list[SeatRequest]:
    """Return requests of as many new clients."""
    return [
        SeatRequest("kauri", f"user-{new_token()}", "desk", new_token(), token_hash(new_token()), LEASE, limit)
        for _ in range(number)
    ]


def prepare(store: PostgresSessions, live: int, free: int) -> None:
    """Let there be so many live sessions, and so many free seats that were needed before."""
    database = store._database
    with database.write() as transaction:
        transaction.execute("TRUNCATE $.seats, $.seat_queue, $.seat_tally")
        transaction.execute("DELETE FROM $.seat_books WHERE organization = 'kauri'")
    taken = requests(1)[0]
    assert isinstance(store.acquire(taken), Seat)
    assert store.release("kauri", taken.session_id, taken.token_hash)
    with database.write() as transaction:
        transaction.execute("DELETE FROM $.seats")
        transaction.execute(
            "INSERT INTO $.seats (organization, key, token_hash, id, user_id, client, started_at, ends) "
            "SELECT 'kauri', md5(n::text), sha256(n::text::bytea)::text, 's' || n, 'u' || n, 'desk', now(), "
            "now() + interval '1 hour' + n * interval '1 ms' FROM generate_series(1, %s) n",
            (live,),
        )
        transaction.execute("INSERT INTO $.seats (organization) SELECT 'kauri' FROM generate_series(1, %s)", (free,))
        transaction.execute("UPDATE $.seat_books SET seats = %s WHERE organization = 'kauri'", (live + free,))
        for name, lookups in FLOORS.items():
            transaction.execute(f"DROP TABLE IF EXISTS $.{name}")
            transaction.execute(
                f'CREATE TABLE $.{name} (organization text COLLATE "C", token_hash text COLLATE "C", id text, '
                'user_id text COLLATE "C", client text COLLATE "C", started_at timestamptz, ends timestamptz, '
                "PRIMARY KEY (organization, token_hash))"
            )
            for lookup in lookups:
                transaction.execute(lookup)
            transaction.execute(
                f"INSERT INTO $.{name} SELECT organization, token_hash, id, user_id, client, started_at, ends "
                "FROM $.seats WHERE id IS NOT NULL"
            )
    for table in ("seats", *FLOORS):
        analyze(database, table)


def analyze(database: PostgresDatabase, table: str) -> None:
    """Let the server know its table, as its own daemon would in a minute."""
    with database.write() as transaction:
        transaction.execute(f"ANALYZE $.{table}")


def bare(database: PostgresDatabase, table: str) -> Callable[[SeatRequest], object]:
    """Return the bare INSERT into a table, through the driver with nothing around it."""
    connection = database.connect(time.monotonic() + 10)
    text = f"INSERT INTO {database.where.schema}.{table} VALUES (%s, %s, %s, %s, %s, now(), now() + %s)".encode()

    def insert(request: SeatRequest) -> None:
        connection.execute(
            text,
            ("kauri", request.token_hash, request.session_id, request.user_id, request.client, "1800 s"),
        )

    return insert


def alone(store: PostgresSessions, live: int, rounds: int, size: int) -> dict[str, float]:
    """Return the median microseconds of each step, by one process."""
    prepare(store, live, 4 * size)
    times: dict[str, list[float]] = {}
    floors = {name: bare(store._database, name) for name in FLOORS}

    def timed(name: str, call: Callable[[SeatRequest], object], batch: list[SeatRequest]) -> None:
        start = time.perf_counter()
        for request in batch:
            call(request)
        times.setdefault(name, []).append((time.perf_counter() - start) / len(batch) * 1e6)

    def give_back(request: SeatRequest) -> None:
        assert store.release("kauri", request.session_id, request.token_hash)

    for _ in range(rounds):
        for name, insert in floors.items():
            timed(name, insert, requests(size))
        batch = requests(size)
        timed("take", store.acquire, batch)
        timed("find", lambda request: store.find("kauri", request.token_hash), batch)
        timed("renew", lambda request: store.renew("kauri", request.token_hash, LEASE), batch)
        timed("give back", give_back, batch)
    prepare(store, live, 0)
    for _ in range(rounds):
        timed("plain again", floors["plain"], requests(size))
        timed("refuse", lambda request: _refused(store.acquire(request)), requests(size, live))
    return {name: median(found) for name, found in times.items()}


def _refused(answer: Seat | Full) -> None:
    assert isinstance(answer, Full)


def client(url: str, what: str, begin: Barrier, end: Event, counted: multiprocessing.Queue[int]) -> None:
    """Do one thing over and over, and tell how often it was done."""
    store = PostgresSessions(url)
    call = store.acquire if what == "take" else bare(store._database, what)
    call(requests(1)[0])
    done = 0
    begin.wait()
    while not end.is_set():
        call(requests(1)[0])
        done += 1
    counted.put(done)
    store.close()


def together(store: PostgresSessions, url: str, what: str, seconds: float) -> float:
    """Return how often a second so many processes do it."""
    context = multiprocessing.get_context("spawn")
    begin, end, counted = context.Barrier(PROCESSES + 1), context.Event(), context.Queue()
    clients = [context.Process(target=client, args=(url, what, begin, end, counted)) for _ in range(PROCESSES)]
    for each in clients:
        each.start()
    begin.wait()
    time.sleep(seconds)
    end.set()
    found: int = sum(counted.get() for _ in clients)
    for each in clients:
        each.join()
    return found / seconds


def report(url: str, short: bool) -> Iterator[str]:
    """Measure, a line of the table at a time."""
    store = PostgresSessions(url)
    yield f"{'live':>8} {'step':>10} {'µs':>8} {'× plain':>8} {'× same':>8}"
    points = list[tuple[str, float, float]]()
    for live in (10, 1_000) if short else (10, 1_000, 100_000):
        found = alone(store, live, 5 if short else 30, 50)
        for name, micros in found.items():
            points.append((name, live, micros))
            floor = found["plain again" if name == "refuse" else "plain"]
            yield f"{live:>8,} {name:>10} {micros:>8.0f} {micros / floor:>8.2f} {micros / found['same']:>8.2f}"
    yield from fits(points)
    yield f"{PROCESSES} processes, calls a second, and × plain"
    rates: dict[str, list[float]] = {}
    for _ in range(1 if short else 5):
        for what in (*FLOORS, "take"):
            prepare(store, 1_000, 30_000)
            rates.setdefault(what, []).append(together(store, url, what, 1 if short else 3))
    for what, each in rates.items():
        yield f"{what:>8} {median(each):>8.0f} {median(each) / median(rates['plain']):>8.2f}"
    store.close()


def main(short: bool) -> None:
    """Print the table."""
    with (
        tempfile.TemporaryDirectory(prefix="seatperm-bench-") as folder,
        PostgresServer(Path(folder), durable=True) as server,
    ):
        for line in report(f"{server.url}&timeout=60" if "?" in server.url else f"{server.url}?timeout=60", short):
            print(line, flush=True)


if __name__ == "__main__":
    main("--short" in sys.argv[1:])
