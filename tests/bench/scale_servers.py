"""What a session needs of Redis and of PostgreSQL: memory, rows, log, and the server's own processor time."""

from __future__ import annotations

import multiprocessing
import os
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from pathlib import Path

import psycopg
from attrs import evolve

import seatperm
from seatperm.clock import SystemClock
from seatperm.organization.history import RETENTION
from seatperm.sessions import SeatRequest, new_token, token_hash
from seatperm.stores import SessionStore
from seatperm.stores.opening import open_directory, open_sessions
from seatperm.testing.servers.base import Server
from seatperm.testing.servers.postgres import PostgresServer
from seatperm.testing.servers.redis import RedisServer

from .measuring import Row
from .preview import written
from .redis_seats import cycles
from .scale_work import FULL, SHORT, Asked, children, fill, sizes, together

PART = "scale"
LEASE = 1800.0
SIZES = "SELECT pg_relation_size(name), pg_indexes_size(name) FROM (SELECT %s::regclass AS name) AS one"
PROCESSES = 4


def requests(of: Sequence[int], number: int, seed: int = 7) -> list[SeatRequest]:
    """Return requests for seats in organizations as large as they are, each of a client of its own."""
    return [
        SeatRequest(organization, user, f"desk{n}", new_token(), token_hash(new_token()), LEASE, limit=10**6)
        for n, (organization, user) in enumerate(Asked(of, seed).some(number))
    ]


def processor(server: Server) -> float:
    """Return the seconds that a server's processes have spent."""
    assert server._process is not None
    ticks, parent = 0, str(server._process.pid)
    for path in Path("/proc").glob("[0-9]*/stat"):
        try:
            name, _, rest = path.read_text("utf-8", "replace").rpartition(")")
        except OSError:
            continue
        fields = rest.split()
        if name.split()[0] == parent:
            ticks += sum(map(int, fields[11:15]))
        elif fields[1] == parent:
            ticks += sum(map(int, fields[11:13]))
    return ticks / os.sysconf("SC_CLK_TCK")


def verbs(store: SessionStore) -> list[tuple[str, Callable[[SeatRequest], object]]]:
    """Return what is done with a session, in its order."""
    return [
        ("take", store.acquire),
        ("renew", lambda one: store.renew(one.organization, one.token_hash, LEASE)),
        ("find", lambda one: store.find(one.organization, one.token_hash)),
        ("give back", lambda one: store.release(one.organization, one.session_id, one.token_hash)),
    ]


def redis(short: bool) -> Iterator[Row]:
    """Measure a Redis server that writes nothing to its disk."""
    of = sizes(200, 5_000) if short else sizes(10_000, 1_000_000)
    number = 1_000 if short else 100_000
    with tempfile.TemporaryDirectory(prefix="seatperm-bench-") as folder, RedisServer(Path(folder)) as server:

        def info(section: str, name: str) -> float:
            return float(server.ask(f"INFO {section}").decode().partition(f"\n{name}:")[2].split()[0])

        with closing(open_sessions(server.url, SystemClock())) as store:
            empty = info("memory", "used_memory")
            for place in range(len(of)):
                store.epoch(f"org{place}")
            made = info("memory", "used_memory")
            yield _row("Redis: memory of an organization without sessions", len(of), (made - empty) / len(of), "bytes")
            asked, seat = requests(of, number), 0.0
            for verb, call in verbs(store):
                before, spent = info("stats", "total_commands_processed"), processor(server)
                for one in asked:
                    call(one)
                sent = info("stats", "total_commands_processed") - before - 1
                spent = (processor(server) - spent) / number * 1e6
                told = f"one command sent; {sent / number:.1f} run, those of its script counted"
                yield _row(f"Redis: processor time of one {verb}", number, spent, "µs", told)
                if verb == "take":
                    seat = (info("memory", "used_memory") - made) / number
                    yield _row("Redis: memory of a session", number, seat, "bytes", f"in {len(of):,} organizations")
            asked = [SeatRequest("one", f"user{n}", "desk", new_token(), token_hash(new_token()), LEASE, 10**6)
                     for n in range(number)]  # fmt: skip
            begin, spent = info("memory", "used_memory"), processor(server)
            for one in asked:
                store.acquire(one)
            seat, spent = (info("memory", "used_memory") - begin) / number, (processor(server) - spent) / number * 1e6
            yield _row("Redis: memory of a session", number, seat, "bytes", "in one organization")
            yield _row("Redis: processor time of one take", number, spent, "µs", "in one organization")
        spent, seconds = processor(server), 1.0 if short else 8.0
        done = cycles(server, "raw", 8, seconds)
        spent = (processor(server) - spent) / (done * seconds) * 1e6
        told = f"8 processes at once, {done:,.0f} a second"
        yield _row("Redis: processor time of take, renew, give back", 1, spent, "µs", told)
        size = SHORT if short else evolve(FULL, organizations=1_000, users=50_000)
        url = f"sqlite:///{Path(folder) / 'books.db'}"
        with closing(open_directory(url)) as directory:
            fill(directory, sizes(size.organizations, size.users))
        spent = processor(server)
        found = together(children(PROCESSES, "streaming", url, size, events=False, seats=server.url))
        spent = (processor(server) - spent) / found["done"] * 1e6
        told = f"{PROCESSES} processes, users in SQLite, without events and history"
        yield _row("Redis: sign-ins a second", size.organizations, found["sign_ins_a_second"], "", told)
        yield _row("Redis: processor time of the process", size.organizations, found["cpu_ms"], "ms", told)
        yield _row("Redis: processor time of the server", size.organizations, spent, "µs", told)


def postgres(short: bool) -> Iterator[Row]:
    """Measure a PostgreSQL server each of whose commits waits for the disk."""
    of = sizes(20, 500) if short else sizes(1_000, 20_000)
    number = 200 if short else 5_000
    with (
        tempfile.TemporaryDirectory(prefix="seatperm-bench-") as folder,
        PostgresServer(Path(folder), durable=True) as server,
    ):
        url = server.url + "&schema=s0"
        start = time.perf_counter()
        with closing(open_directory(url)) as directory:
            fill(directory, of)
        yield _row("PostgreSQL: written, a user", sum(of), (time.perf_counter() - start) / sum(of) * 1e6, "µs")
        with (
            psycopg.connect(server.url, autocommit=True) as db,
            closing(open_sessions(url, SystemClock())) as store,
        ):

            def one(sql: str, *values: object) -> int:
                row = db.execute(sql.encode(), values).fetchone()
                return int(row[0]) if row else 0

            def log() -> int:
                return one("SELECT pg_current_wal_insert_lsn() - '0/0'")

            def space(table: str) -> tuple[int, int]:
                row = db.execute(SIZES, (f"s0.{table}",)).fetchone()
                return (int(row[0]), int(row[1])) if row else (0, 0)

            for table in ("users", "user_roles", "organizations"):
                db.execute(f"VACUUM FULL s0.{table}".encode())
            rows, indexes = (sum(found) for found in zip(space("users"), space("user_roles"), strict=True))
            yield _row("PostgreSQL: rows of a user with three roles", sum(of), rows / sum(of), "bytes", "four rows")
            yield _row("PostgreSQL: their indexes", sum(of), indexes / sum(of), "bytes")
            rows, indexes = space("organizations")
            yield _row("PostgreSQL: an organization", len(of), (rows + indexes) / len(of), "bytes")
            asked = requests(of, number)
            for verb, call in verbs(store):
                wal, spent, start = log(), processor(server), time.perf_counter()
                for seat in asked:
                    call(seat)
                took, spent = (time.perf_counter() - start) / number * 1e6, (processor(server) - spent) / number * 1e6
                told = f"{(log() - wal) / number:,.0f} bytes of log; {took:,.0f} µs for the caller"
                yield _row(f"PostgreSQL: processor time of one {verb}", number, spent, "µs", told)
                if verb in ("take", "renew"):
                    rows, indexes = space("seats")
                    told = f"{indexes / number:,.0f} more in its indexes; after each session's one {verb}"
                    yield _row("PostgreSQL: a session's row", number, rows / number, "bytes", told)
            yield from _sign_ins(server, url, of, number // 5, log, space)
        for together, schemas in ((1, 1), (PROCESSES, 1), (PROCESSES, PROCESSES)):
            done = _at_once(server.url, of, together, schemas, 2.0 if short else 8.0)
            told = f"{together} processes on {schemas} schemas, events and history written"
            yield _row("PostgreSQL: sign-ins a second", len(of), done, "", told)


def _sign_ins(
    server: Server,
    url: str,
    of: Sequence[int],
    number: int,
    log: Callable[[], int],
    space: Callable[[str], tuple[int, int]],
) -> Iterator[Row]:
    for events in (True, False):
        told = "with events and history" if events else "without"
        with closing(
            seatperm.open_tenants(written(), url, session_events=events, history=RETENTION if events else None)
        ) as tenants:
            for organization, user in (pairs := Asked(of, 8).some(number)):
                tenants[organization].can(user, "area1.function1", "view")
            before, kept = log(), [sum(space(table)) for table in ("events", "history")]
            spent, own, start = processor(server), time.process_time(), time.perf_counter()
            held = [tenants[organization].sign_in(user) for organization, user in pairs]
            took, spent = (time.perf_counter() - start) / number * 1e3, (processor(server) - spent) / number * 1e3
            own = (time.process_time() - own) / number * 1e3
            written_log = (log() - before) / number
            for session in held:
                session.end()
            grown = [(sum(space(table)) - was) / number for table, was in zip(("events", "history"), kept, strict=True)]
            note = f"{written_log:,.0f} bytes of log; {took:.2f} ms for the caller, {own:.2f} of its processor; {told}"
            yield _row("PostgreSQL: processor time of a sign-in", number, spent, "ms", note)
            if events:
                yield _row("PostgreSQL: events of a sign-in and its end", number, grown[0], "bytes", "with indexes")
                yield _row("PostgreSQL: history of the same", number, grown[1], "bytes", "with indexes")


def _at_once(url: str, of: Sequence[int], processes: int, schemas: int, seconds: float) -> float:
    for schema in range(schemas):
        with closing(open_directory(f"{url}&schema=s{schema}")) as directory:
            if next(directory.organizations(), None) is None:
                fill(directory, of[: max(2, len(of) // 20)])
    context = multiprocessing.get_context("spawn")
    with context.Pool(processes) as pool:
        few = of[: max(2, len(of) // 20)]
        work = [(f"{url}&schema=s{n % schemas}", few, n, seconds) for n in range(processes)]
        return sum(pool.starmap(_client, work, chunksize=1))


def _client(url: str, of: Sequence[int], seed: int, seconds: float) -> float:
    tenants, asked = seatperm.open_tenants(written(), url), Asked(of, seed)
    for org in tenants:
        org.can("nobody", "area1.function1", "view")
    done, start = 0, time.perf_counter()
    while time.perf_counter() - start < seconds:
        for organization, user in asked.some(5):
            tenants[organization].sign_in(user).end()
            done += 1
    return done / (time.perf_counter() - start)


def _row(what: str, size: int, value: float, unit: str, note: str = "") -> Row:
    return Row(PART, what, f"{size:,}", value, unit, note=note)
