"""What a seat costs in Redis: `python -m tests.bench.redis_seats [--short] [--unix]`; ratios count, not times.

Each figure is the median of interleaved rounds, on one server of its own. The floor is the same script, called with
the same content by EVALSHA over a raw socket: bytes packed by hand, the answer read until it is whole. Both go through
TCP on this machine, or with --unix through the server's unix socket.
"""

from __future__ import annotations

import secrets
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from itertools import count
from pathlib import Path
from statistics import median

from attrs import frozen

from seatperm.sessions import Full, Seat, SeatRequest
from seatperm.stores.redis_script import SHA, run_id
from seatperm.stores.redis_sessions import RedisSessions, keys
from seatperm.testing.servers.redis import RedisServer

from .measuring import fits
from .seats import LEASE, Step, requests, store_steps

KEEP = b"34560000000"
MICROS = b"%d" % round(LEASE * 1_000_000)


class Raw:
    """The floor: one socket, no client."""

    def __init__(self, url: str, organization: str) -> None:
        scheme, _, place = url.partition("://")
        if scheme == "unix":
            self._socket = socket.socket(socket.AF_UNIX)
            self._socket.connect(place)
        else:
            host, _, port = place.partition(":")
            self._socket = socket.create_connection((host, int(port)))
            self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._head = b"$7\r\nEVALSHA\r\n$40\r\n%b\r\n$1\r\n5\r\n" % SHA
        for key in keys("seatperm", organization)[:4]:
            self._head += b"$%d\r\n%b\r\n" % (len(key), key)
        self._answer = keys("seatperm", organization)[4][:-16]
        self._socket.sendall(b"INFO server\r\n")
        self._run = b""
        while not self._run:
            self._run = run_id(self._socket.recv(65_536))

    def call(self, verb: bytes, *arguments: bytes) -> bytes:
        """Send one call, and return its answer as it comes."""
        words = (self._answer + secrets.token_hex(8).encode(), verb, self._run, b"0", *arguments)
        said = b"".join([b"$%d\r\n%b\r\n" % (len(word), word) for word in words])
        self._socket.sendall(b"*%d\r\n%b%b" % (len(words) + 7, self._head, said))
        answer = self._socket.recv(65_536)
        while not answer.endswith(b"\r\n"):
            answer += self._socket.recv(65_536)
        if answer[:1] == b"-":
            raise RuntimeError(answer)
        return answer

    def steps(self) -> list[Step]:
        """Return the same steps as of a store."""
        call = self.call

        def take(request: SeatRequest) -> bytes:
            client = b"+" + (request.client or "").encode()
            who = request.user_id.encode(), client, request.session_id.encode(), request.token_hash.encode()
            terms = b"wait %b %b %d 0 10000000" % (KEEP, MICROS, request.limit)
            return call(b"acquire", b"", terms, *who, b"", b"", b"")

        return [
            ("take", take),
            ("find", lambda request: call(b"find", request.token_hash.encode())),
            ("renew", lambda request: call(b"renew", request.token_hash.encode(), b"", MICROS, KEEP)),
            ("give back", lambda one: call(b"release", one.session_id.encode(), one.token_hash.encode())),
        ]

    def close(self) -> None:
        """Close the socket."""
        self._socket.close()


@frozen
class Row:
    """One line of the table.

    Attributes:
        live: how many sessions were live.
        step: what was done.
        floor: microseconds of a call over the raw socket.
        store: microseconds of a call of the store.
        ratio: of the two.
    """

    live: int
    step: str
    floor: float
    store: float
    ratio: float


def rounds(subjects: dict[str, list[Step]], number: int, size: int) -> dict[tuple[str, str], float]:
    """Return the median microseconds of every step of every subject; who is first changes with each round."""
    times: dict[tuple[str, str], list[float]] = {}
    for turn in range(number):
        names = list(subjects) if turn % 2 else list(reversed(subjects))
        batches = {name: requests(size) for name in names}
        for at in range(len(subjects[names[0]])):
            for name in names:
                step, call = subjects[name][at]
                start = time.perf_counter()
                for request in batches[name]:
                    call(request)
                times.setdefault((name, step), []).append((time.perf_counter() - start) / size * 1e6)
    return {key: median(values) for key, values in times.items()}


def measure(server: RedisServer, live: int, number: int) -> Iterator[Row]:
    """Measure at so many live sessions."""
    server.ask("FLUSHALL")
    with closing(RedisSessions(server.url)) as store, closing(Raw(server.url, "kauri")) as raw:
        for request in requests(live):
            store.acquire(request)
        steps, floor = store_steps(store), raw.steps()
        refuse: Callable[[SeatRequest], object] = steps[0][1]
        full: Callable[[SeatRequest], object] = floor[0][1]
        found = rounds({"raw": floor, "store": steps}, number, 100)
        limited = [requests(100, limit=1)[0] for _ in range(100)]
        times: dict[str, list[float]] = {"raw": [], "store": []}
        for _ in range(number):
            for name, call in (("raw", full), ("store", refuse)):
                start = time.perf_counter()
                for request in limited:
                    call(request)
                times[name].append((time.perf_counter() - start) / 100 * 1e6)
        assert isinstance(store.acquire(limited[0]), Full)
        for name, values in times.items():
            found[name, "refuse"] = median(values)
    for name, step in list(found):
        if name == "store":
            below, above = found["raw", step], found["store", step]
            yield Row(live, step, round(below, 1), round(above, 1), round(above / below, 2))


def cycles(server: RedisServer, kind: str, processes: int, seconds: float) -> float:
    """Return how many seats a second so many processes take, renew and give back together."""
    command = [sys.executable, "-m", "tests.bench.redis_seats", "--client", kind, server.url, str(seconds)]
    clients = [subprocess.Popen(command, stdout=subprocess.PIPE, text=True) for _ in range(processes)]
    return sum(float(client.communicate()[0]) for client in clients)


def client(kind: str, url: str, seconds: float) -> None:
    """Take, renew and give back seats for so long, and print how many a second."""
    store = RedisSessions(url)
    steps = store_steps(store) if kind == "store" else Raw(url, "kauri").steps()
    (_, take), _, (_, renew), (_, release) = steps
    for request in requests(20):
        take(request), renew(request), release(request)
    done, numbers, end = 0, count(), time.perf_counter() + seconds
    mark = secrets.token_hex(4)
    while time.perf_counter() < end:
        request = SeatRequest("kauri", f"{mark}-{next(numbers)}", "desk", *_names(), lease=LEASE, limit=10**9)
        take(request), renew(request), release(request)
        done += 1
    print(done / seconds)


def _names() -> tuple[str, str]:
    return secrets.token_hex(16), secrets.token_hex(32)


def main(short: bool, unix: bool = False) -> list[Row]:
    """Print the tables and return the first."""
    rows = []
    with (
        tempfile.TemporaryDirectory(prefix="seatperm-bench-") as folder,
        RedisServer(Path(folder), tcp=not unix) as server,
    ):
        print(f"{'live':>8} {'step':>10} {'raw µs':>9} {'store µs':>9} {'× raw':>7}")
        for live in (10, 1_000) if short else (10, 1_000, 100_000):
            for row in measure(server, live, 10 if short else 60):
                rows.append(row)
                print(f"{row.live:>8,} {row.step:>10} {row.floor:>9.1f} {row.store:>9.1f} {row.ratio:>7.2f}")
        for line in fits((row.step, row.live, row.store) for row in rows):
            print(line)
        with closing(RedisSessions(server.url)) as store:
            assert isinstance(store.acquire(requests(1)[0]), Seat)
        seconds = 1.0 if short else 5.0
        for processes in (1, 8):
            raw, ours = (cycles(server, kind, processes, seconds) for kind in ("raw", "store"))
            print(f"{processes} processes: {raw:,.0f} raw, {ours:,.0f} of the store a second: {ours / raw:.2f} ×")
    return rows


if __name__ == "__main__":
    if sys.argv[1:2] == ["--client"]:
        client(sys.argv[2], sys.argv[3], float(sys.argv[4]))
    else:
        main("--short" in sys.argv[1:], "--unix" in sys.argv[1:])
