"""Seats are not oversold among real processes and threads, killed ones included."""

from __future__ import annotations

import random
import subprocess
import sys
import time
from collections.abc import Callable
from itertools import count
from pathlib import Path
from threading import Barrier, Lock, Thread

import pytest

from seatperm.clock import SystemClock
from seatperm.sessions import Full, Seat, SeatRequest, new_token, token_hash
from seatperm.stores import SessionStore
from seatperm.stores.memory_sessions import MemorySessions
from seatperm.stores.sqlite_sessions import SQLiteSessions

from .session_hammer import LEASE, LIMIT

ROOT = Path(__file__).parent.parent


def request(user: str, client: str | None = None, *, limit: int = LIMIT, lease: float = LEASE) -> SeatRequest:
    return SeatRequest("kauri", user, client, new_token(), token_hash(new_token()), lease, limit)


Grants = list[tuple[float, float]]
"""When each grant began to hold, and until when it did."""


def hammer(kind: str, folder: Path, enough: Callable[[Grants], bool], *, kills: int) -> Grants:
    """Run eight clients and kill some in the middle of their work, until there are grants enough, or for a minute."""
    stop, numbers = folder / "stop", count()

    def start() -> tuple[subprocess.Popen[bytes], Path]:
        log = folder / f"{next(numbers)}.log"
        arguments = [kind, str(folder / "seats.db"), str(log), str(stop)]
        return subprocess.Popen([sys.executable, "-m", "tests.session_hammer", *arguments], cwd=ROOT), log

    clients = [start() for _ in range(8)]
    chance, end = random.Random(7), time.monotonic() + 60
    while (kills > 0 or not enough(grants(folder))) and time.monotonic() < end:
        time.sleep(0.1)
        number = chance.randrange(8)
        client, log = clients[number]
        if kills > 0 and log.exists() and log.stat().st_size > 1_000:
            client.kill()
            client.wait()
            kills -= 1
            clients[number] = start()
    stop.touch()
    assert [client.wait(timeout=60) for client, _ in clients] == [0] * 8
    assert kills == 0
    return grants(folder)


def grants(folder: Path) -> Grants:
    """Read what the clients have written down so far."""
    found: dict[str, tuple[float, float]] = {}
    for log in folder.glob("*.log"):
        for line in log.read_text().splitlines():
            id, start, end = line.split()
            found[id] = (float(start), float(end))
    return list(found.values())


def most_at_once(grants: Grants) -> int:
    """Sweep over the grants and return how many held at the same instant, at most."""
    steps = sorted(
        [(start, 1) for start, end in grants if start < end] + [(end, -1) for start, end in grants if start < end]
    )
    most = now = 0
    for _, change in steps:
        now += change
        most = max(most, now)
    return most


def test_eight_processes_never_hold_more_seats_than_there_are(tmp_path: Path) -> None:
    """G1: at no instant, clients killed in the middle of anything included."""
    found = hammer("seats", tmp_path, lambda found: len(found) > 800 and most_at_once(found) >= LIMIT, kills=10)
    assert len(found) > 800
    assert most_at_once(found) == LIMIT
    time.sleep(LEASE)
    store = SQLiteSessions(tmp_path / "seats.db", SystemClock())
    answers = [store.acquire(request(f"user-{number}")) for number in range(LIMIT + 1)]
    store.close()
    assert [type(answer) for answer in answers] == [Seat] * LIMIT + [Full]


def test_counting_first_and_inserting_later_is_caught(tmp_path: Path) -> None:
    """The test above can fail: the control store oversells, and the sweep sees it."""
    found = hammer("control", tmp_path, lambda found: most_at_once(found) > LIMIT, kills=0)
    assert most_at_once(found) > LIMIT


def test_a_killed_holders_seat_is_free_when_its_lease_runs_out(tmp_path: Path) -> None:
    """No earlier, and no later than a second after."""
    path = tmp_path / "seats.db"
    script = (
        "import sys, time; from tests.test_sessions_concurrency import *\n"
        "store = SQLiteSessions(sys.argv[1], SystemClock()); asked = SystemClock().elapsed()\n"
        "store.acquire(request('ann', limit=1, lease=0.5)); print(asked, flush=True); time.sleep(60)"
    )
    holder = subprocess.Popen([sys.executable, "-c", script, str(path)], cwd=ROOT, stdout=subprocess.PIPE, text=True)
    assert holder.stdout is not None
    asked = float(holder.stdout.readline())
    holder.kill()
    holder.wait()
    holder.stdout.close()
    store = SQLiteSessions(path, SystemClock())
    while isinstance(store.acquire(request("ben", limit=1)), Full):
        time.sleep(0.005)
    store.close()
    assert 0.5 <= SystemClock().elapsed() - asked <= 1.5


def test_a_child_after_fork_works_on_its_own_connection(tmp_path: Path) -> None:
    """Both go on, and each sees what the other did."""
    script = (
        "import os, sys; from tests.test_sessions_concurrency import *\n"
        "store = SQLiteSessions(sys.argv[1], SystemClock()); assert isinstance(store.acquire(request('ann')), Seat)\n"
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
    subprocess.run([sys.executable, "-c", script, str(tmp_path / "seats.db")], cwd=ROOT, check=True, timeout=60)


@pytest.mark.parametrize("kind", ["memory", "sqlite"])
def test_threads_never_hold_more_seats_than_there_are(kind: str, tmp_path: Path) -> None:
    """G1, and no seat is lost on the way."""
    store: SessionStore = (
        MemorySessions(SystemClock()) if kind == "memory" else SQLiteSessions(tmp_path / "seats.db", SystemClock())
    )
    barrier, lock, inside, granted, wrong = Barrier(8), Lock(), set[str](), list[str](), list[str]()

    def work(user: str) -> None:
        barrier.wait()
        for _ in range(150):
            mine = request(user, lease=60)
            if isinstance(store.acquire(mine), Full):
                continue
            with lock:
                inside.add(mine.session_id)
                granted.append(user)
                if len(inside) > LIMIT:
                    wrong.append(user)
            with lock:
                inside.discard(mine.session_id)
            if not store.release("kauri", mine.session_id, mine.token_hash):
                wrong.append(user)

    interval = sys.getswitchinterval()
    sys.setswitchinterval(1e-5)
    try:
        threads = [Thread(target=work, args=(f"user-{number}",)) for number in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    finally:
        sys.setswitchinterval(interval)
    assert not wrong
    assert len(granted) > LIMIT
    assert list(store.live("kauri")) == []
    store.close()


def test_one_clients_retries_from_many_threads_take_one_seat(tmp_path: Path) -> None:
    """However often a reply is lost."""
    store = SQLiteSessions(tmp_path / "seats.db", SystemClock())
    ids = set[str]()

    def work() -> None:
        for _ in range(25):
            answer = store.acquire(request("ann", "desk", lease=60))
            assert isinstance(answer, Seat)
            ids.add(answer.id)

    threads = [Thread(target=work) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(ids) == 1
    assert [seat.id for seat in store.live("kauri")] == list(ids)
    store.close()
