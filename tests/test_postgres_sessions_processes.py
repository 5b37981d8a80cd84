"""The PostgreSQL session store among real processes, killed ones included, and where its server stands still."""

from __future__ import annotations

import json
import os
import random
import subprocess
import sys
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from itertools import count
from pathlib import Path

import psycopg
import pytest
from attrs import evolve

from seatperm.clock import SystemClock
from seatperm.errors import StoreUnavailable
from seatperm.sessions import Full, Seat, SeatRequest, new_token, token_hash
from seatperm.stores.postgres_database import PostgresDatabase, Row, Values
from seatperm.stores.postgres_sessions import PostgresSessions
from seatperm.testing.servers.base import ServerMissing
from seatperm.testing.servers.postgres import PostgresServer

from .servers import missing
from .test_sessions_concurrency import grants, most_at_once

ROOT = Path(__file__).parent.parent
LIMIT = 5
LEASE = 0.3


def request(
    user: str,
    client: str | None = None,
    *,
    limit: int = LIMIT,
    lease: float = LEASE,
    reserved: bool = False,
    ticket: str | None = None,
) -> SeatRequest:
    return SeatRequest(
        "kauri",
        user,
        client,
        new_token(),
        token_hash(new_token()),
        lease,
        limit,
        reserved={"admin": 1} if reserved else {},
        holds=frozenset(["admin"]) if reserved else frozenset(),
        ticket=ticket,
        patience=0.5,
    )


def work(url: str, log: str, stop: str) -> None:
    """Take, hold, renew and give back seats in every way there is, and write down when."""
    clock, chance = SystemClock(), random.Random(os.getpid())
    store = PostgresSessions(url)
    book = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND)

    def note(id: str, start: float, end: float) -> None:
        os.write(book, f"{id} {start!r} {end!r}\n".encode())

    while not Path(stop).exists():
        way, asked = chance.random(), clock.elapsed()
        ticket = new_token() if 0.1 < way < 0.2 else None
        mine = request(f"user-{os.getpid()}", reserved=way < 0.1, limit=LIMIT - (way > 0.9), ticket=ticket)
        if isinstance(store.acquire(mine), Full):
            time.sleep(chance.random() * 0.004)
            if ticket is not None and chance.random() < 0.95:
                store.leave("kauri", ticket)
            continue
        start = clock.elapsed()
        note(mine.session_id, start, asked + LEASE)
        time.sleep(chance.random() * 0.02)
        if chance.random() < 0.2:
            asked = clock.elapsed()
            if store.renew("kauri", mine.token_hash, LEASE) is not None:
                note(mine.session_id, start, asked + LEASE)
        if chance.random() < 0.97:
            note(mine.session_id, start, clock.elapsed())
            store.release("kauri", mine.session_id, mine.token_hash)


def python(*arguments: str) -> subprocess.Popen[bytes]:
    script = "import sys; from tests.test_postgres_sessions_processes import work; work(*sys.argv[1:])"
    return subprocess.Popen([sys.executable, "-c", script, *arguments], cwd=ROOT)


def test_killed_processes_never_hold_more_than_the_limit_and_leave_no_lock(postgres_store: str, tmp_path: Path) -> None:
    """G1, by a sweep over the log of grants; with the plain way, reserved seats, a queue and a limit that changes."""
    PostgresSessions(postgres_store).close()
    stop, numbers, chance = tmp_path / "stop", count(), random.Random(7)

    def start() -> subprocess.Popen[bytes]:
        return python(postgres_store, str(tmp_path / f"{next(numbers)}.log"), str(stop))

    clients = [start() for _ in range(8)]
    done = kills = 0
    stands = time.monotonic()
    try:
        while kills < 8 or done < 800:
            time.sleep(0.1)
            before, done = done, len(grants(tmp_path))
            stands = stands if done == before else time.monotonic()
            assert time.monotonic() < stands + 60, f"nothing more is granted after {done} grants and {kills} kills"
            if done > 100 * kills:
                victim = chance.randrange(8)
                clients[victim].kill()
                clients[victim].wait()
                clients[victim] = start()
                kills += 1
        stop.touch()
        assert [client.wait(timeout=60) for client in clients] == [0] * 8
    finally:
        for client in clients:
            client.kill()
            client.wait()
    found = grants(tmp_path)
    assert 1 < most_at_once(found) <= LIMIT
    store = PostgresSessions(postgres_store)
    assert store._database.rows("SELECT count(*) FROM pg_locks WHERE locktype = 'advisory'") == [(0,)]
    time.sleep(max(LEASE, 0.5))
    assert isinstance(store.acquire(request("ann", limit=1)), Seat)
    store.close()


def test_a_call_that_is_sent_again_from_many_threads_takes_one_seat(postgres_store: str) -> None:
    """However often a reply is lost, with a client or without, in the plain way or the other."""
    store = PostgresSessions(postgres_store)
    store.acquire(request("zoe", limit=99, lease=60))
    for mine in (
        request("ann", limit=99, lease=60),
        request("ann", "desk", limit=99, lease=60),
        request("eve", limit=99, lease=60, reserved=True),
    ):
        with ThreadPoolExecutor(8) as pool:
            answers = list(pool.map(store.acquire, [mine] * 60))
        assert {answer.id for answer in answers if isinstance(answer, Seat)} == {mine.session_id}
        assert not any(isinstance(answer, Full) for answer in answers)
    assert Counter(seat.user_id for seat in store.live("kauri")) == {"zoe": 1, "ann": 2, "eve": 1}
    store.close()


def test_waiters_are_served_in_the_order_of_their_asking(postgres_store: str) -> None:
    """And who does not wait gets in after them."""
    store = PostgresSessions(postgres_store)
    held = request("ann", limit=1, lease=60)
    store.acquire(held)
    waiting = [request(f"user-{number}", limit=1, lease=60, ticket=f"t{number}") for number in range(6)]
    assert [answer.ahead for each in waiting if isinstance(answer := store.acquire(each), Full)] == list(range(6))
    served = list[str]()
    while len(served) < len(waiting):
        store.release("kauri", held.session_id, held.token_hash)
        assert isinstance(store.acquire(request("pusher", limit=1)), Full)
        for each in random.Random(len(served)).sample(waiting, len(waiting)):
            if each.user_id not in served and isinstance(store.acquire(each), Seat):
                served.append(each.user_id)
                held = each
    assert served == [each.user_id for each in waiting]
    store.close()


class Pooled(PostgresDatabase):
    """Runs every transaction on the next of three server connections, as a pooler of transactions does."""

    def rows(self, sql: str, values: Values = ()) -> list[Row]:
        process, end = self._process(), time.monotonic() + self.timeout
        process.idle.rotate(1)
        while len(process.idle) < 3:
            process.idle.append((0.0, self.connect(end)))
        found = super().rows(sql, values)
        process.idle.rotate(1)
        return found


def test_no_call_leaves_anything_to_its_connection(postgres_store: str) -> None:
    """Every call may run on another one: no lock, setting, statement or temporary table stays behind."""
    database = Pooled(f"{postgres_store}&pool_min=3")
    store = PostgresSessions(postgres_store, database=database)
    settings = "SELECT name, setting FROM pg_settings WHERE source = 'session' AND name <> 'client_encoding'"
    before = [database.rows(settings) for _ in range(3)]
    held = request("ann", "desk", limit=2, lease=60)
    for _ in range(2):
        assert isinstance(store.acquire(held), Seat)
        assert store.find("kauri", held.token_hash) is not None
        assert store.renew("kauri", held.token_hash, 60) is not None
        assert isinstance(store.acquire(request("eve", limit=2, lease=60, reserved=True)), Seat)
        assert isinstance(store.acquire(request("ben", limit=1, lease=60, ticket="b")), Full)
        store.leave("kauri", "b")
        for seat in list(store.live("kauri")):
            assert store.release("kauri", seat.id, None)
    pids = set[int]()
    for number in range(3):
        assert database.rows(settings) == before[number]
        assert database.rows("SELECT count(*) FROM pg_locks WHERE locktype = 'advisory'") == [(0,)]
        assert database.rows("SELECT count(*) FROM pg_prepared_statements") == [(0,)]
        assert database.rows("SELECT pg_my_temp_schema()") == [(0,)]
        pids.add(database.rows("SELECT pg_backend_pid()")[0][0])
    assert len(pids) == 3
    store.close()


@pytest.fixture
def server(tmp_path: Path) -> PostgresServer:
    try:
        return PostgresServer(tmp_path / "server")
    except ServerMissing as error:
        missing(error)


def test_every_call_ends_in_time_while_the_server_stands_still(server: PostgresServer) -> None:
    """With an error of ours; afterwards the store goes on, and a call sent again has one seat."""
    with server:
        store = PostgresSessions(f"{server.url}&timeout=1")
        held, mine = request("ann", limit=2, lease=60), request("ben", limit=2, lease=60)
        store.acquire(held)
        server.pause()
        try:
            for call in (
                lambda: store.acquire(mine),
                lambda: store.find("kauri", held.token_hash),
                lambda: store.renew("kauri", held.token_hash, 60),
            ):
                with pytest.raises(StoreUnavailable):
                    call()
        finally:
            server.resume()
        assert isinstance(store.acquire(mine), Seat)
        assert [seat.user_id for seat in store.live("kauri")].count("ben") == 1
        store.close()


def test_after_a_standby_was_promoted_nobody_takes_a_further_seat_for_one_lease(server: PostgresServer) -> None:
    """It may lack the last grants. Who has a seat goes on; a database that says so opens at once."""
    with server:
        store = PostgresSessions(server.url)
        held, other = request("ann", "desk", limit=3, lease=1.0), request("ben", limit=3, lease=1.0)
        store.acquire(held)
        promote(server)
        deadline = time.monotonic() + 10
        while True:
            try:
                renewed = store.renew("kauri", held.token_hash, 30)
                break
            except StoreUnavailable:
                assert time.monotonic() < deadline
        asked_at = datetime.now(UTC)
        with pytest.raises(StoreUnavailable, match="promoted") as closed:
            store.acquire(other)
        assert closed.value.opens_at is not None
        assert closed.value.opens_at > asked_at
        for mine in (
            request("cat", limit=3, lease=1.0),
            request("eve", limit=3, lease=1.0, reserved=True),
            evolve(other, organization="unheard of"),
        ):
            with pytest.raises(StoreUnavailable, match="promoted"):
                store.acquire(mine)
        if renewed is not None:  # else the server took longer to start than the lease lasts
            kept = store.acquire(held)
            assert isinstance(kept, Seat)
            assert kept.id == renewed.id
        time.sleep(1.1)
        assert isinstance(store.acquire(other), Seat)
        with psycopg.connect(server.url, autocommit=True) as connection:
            connection.execute("ALTER DATABASE postgres SET seatperm.after_promotion = 'open'")
        store.close()
        promote(server)
        store = PostgresSessions(server.url)
        assert isinstance(store.acquire(request("cat", limit=3, lease=1.0)), Seat)
        store.close()


def promote(server: PostgresServer) -> None:
    """Let the server come back as a standby of nobody, and promote it."""
    server.stop()
    (server.folder / "data" / "standby.signal").touch()
    server.start()
    with psycopg.connect(server.url, autocommit=True) as connection:
        connection.execute("SELECT pg_promote()")


def test_a_child_after_fork_works_on_connections_of_its_own(postgres_store: str) -> None:
    """Both go on, and each sees what the other did."""
    script = (
        "import os, sys; from tests.test_postgres_sessions_processes import *\n"
        "store = PostgresSessions(sys.argv[1]); assert isinstance(store.acquire(request('ann')), Seat)\n"
        "child = os.fork()\n"
        "for _ in range(50):\n"
        "    mine = request('child' if child == 0 else 'parent', lease=60)\n"
        "    assert isinstance(store.acquire(mine), Seat)\n"
        "    assert store.release('kauri', mine.session_id, mine.token_hash)\n"
        "if child == 0:\n"
        "    assert isinstance(store.acquire(request('child', lease=60)), Seat)\n"
        "    os._exit(0)\n"
        "assert os.waitpid(child, 0)[1] == 0\n"
        "assert 'child' in [seat.user_id for seat in store.live('kauri')]\n"
    )
    subprocess.run([sys.executable, "-c", script, postgres_store], cwd=ROOT, check=True, timeout=60)


def test_the_work_does_not_grow_with_the_live_sessions(postgres_store: str) -> None:
    """The server's own count of rows looked at, for each verb, is the same at 10 as at 3,000."""
    store = PostgresSessions(postgres_store)
    database = store._database
    counted = (
        "SELECT sum(coalesce(seq_tup_read, 0) + coalesce(idx_tup_fetch, 0)) FROM pg_stat_xact_user_tables "
        "WHERE schemaname = %s AND relname LIKE 'seat%%'"
    )

    def measured() -> dict[str, int]:
        mine = request("mine", limit=10_000, lease=60)
        who = json.dumps(["mine"])
        calls: dict[str, tuple[str, Values]] = {
            "take": (
                "SELECT $.seat_take('kauri', 'mine', NULL, %s, %s, %s, '{}', 60000000, 10000, false)",
                (who, mine.session_id, mine.token_hash),
            ),
            "renew": ("SELECT $.seat_renew('kauri', %s, 60000000, NULL)", (mine.token_hash,)),
            "release": ("SELECT $.seat_release('kauri', %s, %s)", (mine.session_id, mine.token_hash)),
        }
        found = dict[str, int]()
        for name, (sql, values) in calls.items():
            with database.write() as transaction:
                ((before,),) = transaction.rows(counted, (database.where.schema,))
                ((answer,),) = transaction.rows(sql, values)
                assert answer
                ((after,),) = transaction.rows(counted, (database.where.schema,))
                found[name] = int(after) - int(before)
        return found

    for number in range(10):
        store.acquire(request(f"user-{number}", limit=10_000, lease=60))
    few = measured()
    for number in range(3_000):
        store.acquire(request(f"user-{number}", limit=10_000, lease=60))
    many = measured()
    store.close()
    assert max(few.values()) < 5
    assert max(many.values()) < 5
