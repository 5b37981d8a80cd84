"""The Redis store among processes and places: many clients, a cluster, sentinels, TLS, and how it grows."""

from __future__ import annotations

import os
import random
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from datetime import UTC, datetime, timedelta
from itertools import count
from pathlib import Path
from typing import TypeVar

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from seatperm.errors import StoreUnavailable
from seatperm.sessions import Full, Seat
from seatperm.stores.redis_sessions import KEEP, RedisSessions, keys
from seatperm.testing.servers.base import ServerMissing
from seatperm.testing.servers.redis import RedisServer, installed

from .redis_seats import Proxy, request
from .servers import missing
from .test_sessions_concurrency import grants, most_at_once

ROOT = Path(__file__).parent.parent
LIMIT = 10
LEASE = 0.4

T = TypeVar("T")


@pytest.fixture
def server(tmp_path: Path) -> Iterator[RedisServer]:
    try:
        with RedisServer(tmp_path / "redis") as server:
            yield server
    except ServerMissing as error:
        missing(error)


def test_eight_processes_never_hold_more_seats_than_there_are(server: RedisServer, tmp_path: Path) -> None:
    """G1: at no instant, clients killed in the middle of anything included."""
    stop, chance = tmp_path / "stop", random.Random(7)
    clients: list[tuple[subprocess.Popen[bytes], Path]] = []
    numbers = count()

    def start() -> None:
        log = tmp_path / f"{next(numbers)}.log"
        command = [sys.executable, "-m", "tests.test_redis_places", server.url, str(log), str(stop)]
        clients.append((subprocess.Popen(command, cwd=ROOT), log))

    for _ in range(8):
        start()
    kills, end = 6, time.monotonic() + 60
    try:
        while time.monotonic() < end:
            time.sleep(0.2)
            client, log = clients[0]
            chance.shuffle(clients)
            if kills and log.exists() and log.stat().st_size > 1_000:
                client.kill()
                client.wait()
                clients.remove((client, log))
                start()
                kills -= 1
            seen = grants(tmp_path)
            if not kills and len(seen) > 2_000 and most_at_once(seen) >= LIMIT:
                break
    finally:
        stop.touch()
        ends = [client.wait(timeout=60) for client, _ in clients]
    assert ends == [0] * 8
    assert not kills
    found = grants(tmp_path)
    assert len(found) > 2_000
    assert most_at_once(found) == LIMIT
    time.sleep(LEASE)
    with closing(RedisSessions(server.url)) as store:
        answers = [store.acquire(request(f"user-{number}", limit=LIMIT)) for number in range(LIMIT + 1)]
    assert [type(answer) for answer in answers] == [Seat] * LIMIT + [Full]


def main(url: str, log: str, stop: str) -> None:
    """Be one of the clients: each line of the log names a grant, since when and until when it may be relied on."""
    chance = random.Random(os.getpid())
    book = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND)

    def note(id: str, start: float, end: float) -> None:
        os.write(book, f"{id} {start!r} {end!r}\n".encode())

    with closing(RedisSessions(url)) as store:
        while not Path(stop).exists():
            asked = time.monotonic()
            mine = request(f"user-{os.getpid()}", limit=LIMIT, lease=LEASE)
            if isinstance(store.acquire(mine), Full):
                time.sleep(chance.random() * 0.004)
                continue
            start = time.monotonic()
            note(mine.session_id, start, asked + LEASE)
            time.sleep(chance.random() * 0.02)
            if chance.random() < 0.2:
                asked = time.monotonic()
                if store.renew("kauri", mine.token_hash, LEASE) is not None:
                    note(mine.session_id, start, asked + LEASE)
            if chance.random() < 0.97:
                note(mine.session_id, start, time.monotonic())
                store.release("kauri", mine.session_id, mine.token_hash)


def test_the_work_does_not_grow_with_the_live_sessions(server: RedisServer) -> None:
    """The server's own count of commands, for every verb, is the same at 3 as at 3,000."""
    with closing(RedisSessions(server.url)) as store:

        def commands() -> int:
            lines = server.ask("INFO commandstats").decode().splitlines()
            return sum(int(line.partition("calls=")[2].partition(",")[0]) for line in lines if "calls=" in line)

        def measured() -> list[int]:
            mine, counts = request("mine", "desk", limit=10_000, holds=["admin"]), list[int]()
            for call in (
                lambda: store.acquire(mine),
                lambda: store.find("kauri", mine.token_hash),
                lambda: store.renew("kauri", mine.token_hash, 60),
                lambda: store.acquire(request("other", limit=1, reserved={"admin": 1}, ticket="t")),
                lambda: store.leave("kauri", "t"),
                lambda: store.release("kauri", mine.session_id, None),
            ):
                before = commands()
                assert call() is not False
                counts.append(commands() - before)
            return counts

        for number in range(3):
            store.acquire(request(f"user-{number}", "desk", limit=10_000))
        few = measured()
        for number in range(3_000):
            store.acquire(request(f"user-{number}", limit=10_000))
        many = measured()
        assert min(few) > 2
        assert many == few
        assert len(list(store.live("kauri"))) == 3_003


def test_what_nobody_asks_for_any_more_is_gone_after_a_year_and_not_before(server: RedisServer) -> None:
    """Every key has an end, pushed back as the organization is used; ended sessions leave nothing behind."""
    with closing(RedisSessions(server.url)) as store:
        epoch = store.epoch("kauri")
        mine = request("ann", "desk", holds=["admin"], limit=1, epoch=epoch)
        store.acquire(mine)
        store.acquire(request("ben", ticket="t", limit=1, epoch=epoch))

        def ends() -> list[int]:
            return [int(server.ask(f"PTTL {key.decode()}")[1:]) for key in keys("seatperm", "kauri")[:4]]

        year = 366 * 24 * 3600 * 1000
        assert KEEP.days >= 366
        assert all(end >= year for end in ends())
        for key in keys("seatperm", "kauri")[:4]:
            server.ask(f"PEXPIRE {key.decode()} 100000")
        assert store.renew("kauri", mine.token_hash, 60) is not None
        store.acquire(request("ben", ticket="t", limit=1, epoch=epoch))
        assert all(end >= year for end in ends())
        assert store.release("kauri", mine.session_id, None)
        store.leave("kauri", "t")
        left = server.ask(f"HKEYS {keys('seatperm', 'kauri')[0].decode()}").splitlines()[2::2]
        assert set(left) == {b"epoch", b"run", b"number"}
        assert server.ask("KEYS seatperm:*:ends") == b"*0\r\n"
        long = request("ann", lease=4 * year / 1000)
        store.acquire(long)
        assert ends()[1] >= 4 * year


def test_a_cluster_keeps_seats(tmp_path: Path) -> None:
    """All keys of a call are in one slot; a restart of the node closes the doors."""
    try:
        server = RedisServer(tmp_path, cluster=True, persistence="always")
    except ServerMissing as error:
        missing(error)
    with server, closing(RedisSessions(server.url)) as store:
        for place in ("kauri", "rimu {x}", "", "}{"):
            epoch = store.epoch(place)
            mine = request("ann", "desk", organization=place, limit=1, reserved={"a": 0}, epoch=epoch)
            seat = store.acquire(mine)
            assert isinstance(seat, Seat)
            full = store.acquire(request("ben", organization=place, limit=1, ticket="t", epoch=epoch))
            assert isinstance(full, Full)
            assert store.find(place, mine.token_hash) is not None
            assert store.renew(place, mine.token_hash, 60) is not None
            assert [each.id for each in store.live(place)] == [seat.id]
        server.ask("SCRIPT FLUSH")
        assert store.release("kauri", mine.session_id, None) is False
        with closing(RedisSessions(server.url.replace("+cluster", ""))) as plain:
            plain.acquire(request())
        epoch = store.epoch("kauri")
        server.kill()
        asked = time.monotonic()
        with pytest.raises(StoreUnavailable):
            store.find("kauri", "token")
        assert time.monotonic() - asked < 6
        server.start()
        with pytest.raises(StoreUnavailable, match="started anew"):
            store.acquire(request("cat", limit=9, epoch=epoch))
        assert len(list(store.live("kauri"))) >= 1


def test_sentinels_name_the_server(tmp_path: Path) -> None:
    """And after a failover the other one; the doors are closed there for a lease."""
    try:
        binary = installed()[0]
    except IndexError:
        missing(ServerMissing("Redis or Valkey", "install one"))
    first = RedisServer(tmp_path / "1", tcp=True, settings={"repl-diskless-sync-delay": "0"})
    second = RedisServer(tmp_path / "2", tcp=True, settings={"replica-priority": "1"})
    port = first.port + 12_000
    config = tmp_path / "sentinel.conf"
    config.write_text(
        f"port {port}\nbind 127.0.0.1\ndir {tmp_path}\nsentinel monitor seats 127.0.0.1 {first.port} 1\n"
        "sentinel down-after-milliseconds seats 300\nsentinel failover-timeout seats 2000\n"
    )
    with first, second, (tmp_path / "sentinel.log").open("wb") as log:
        second.ask(f"REPLICAOF 127.0.0.1 {first.port}")
        while b"master_link_status:up" not in second.ask("INFO replication"):
            time.sleep(0.02)
        sentinel = subprocess.Popen([binary, config, "--sentinel"], stdout=log, stderr=log, start_new_session=True)
        url = f"redis+sentinel://127.0.0.1:1,127.0.0.1:{port}/seats"
        try:
            with closing(RedisSessions(url)) as store, closing(RedisSessions(f"{url[:-5]}other")) as wrong:
                epoch = _patiently(lambda: store.epoch("kauri"))
                mine = request("ann", "desk", epoch=epoch)
                assert isinstance(store.acquire(mine), Seat)
                with pytest.raises(StoreUnavailable, match="other"):
                    wrong.epoch("kauri")
                while second.ask("EXISTS seatperm:{kauri}:seats") != b":1\r\n":
                    time.sleep(0.02)
                while str(second.port).encode() not in _ask(port, "SENTINEL replicas seats"):
                    time.sleep(0.02)
                first.kill()
                assert _patiently(lambda: store.find("kauri", mine.token_hash)) is not None
                with pytest.raises(StoreUnavailable, match="started anew"):
                    store.acquire(request("ben", epoch=epoch))
        finally:
            sentinel.kill()
            sentinel.wait()


def _patiently(call: Callable[[], T]) -> T:
    end = time.monotonic() + 30
    while True:
        try:
            return call()
        except StoreUnavailable:
            if time.monotonic() > end:
                raise
            time.sleep(0.05)


def _ask(port: int, command: str) -> bytes:
    with socket.create_connection(("127.0.0.1", port), 5) as line:
        line.sendall(command.encode() + b"\r\n")
        return line.recv(65_536)


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A certificate for localhost, signed by its own key, both in one file."""
    key, name = ec.generate_private_key(ec.SECP256R1()), x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "seats")])
    now = datetime.now(UTC)
    signed = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName("localhost")]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    path = tmp_path_factory.mktemp("tls") / "both.pem"
    path.write_bytes(
        signed.public_bytes(serialization.Encoding.PEM)
        + key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    )
    return path


def test_tls_checks_whom_it_talks_to(server: RedisServer, certificate: Path) -> None:
    """A certificate that nobody vouches for, or of another host, is refused unless the URL says otherwise."""
    with Proxy(server.socket, certificate) as proxy:
        port = proxy.url.rpartition(":")[2]
        for url in (
            f"rediss://localhost:{port}?ssl_ca_certs={certificate}",
            f"valkeys://localhost:{port}?ssl_ca_certs={certificate}",
            f"rediss://127.0.0.1:{port}?ssl_ca_certs={certificate}&ssl_check_hostname=no",
            f"rediss://127.0.0.1:{port}?ssl_cert_reqs=none",
        ):
            with closing(RedisSessions(url)) as store:
                assert isinstance(store.acquire(request("ann", limit=9)), Seat)
        for url in (
            f"rediss://localhost:{port}?retry_attempts=0",
            f"rediss://127.0.0.1:{port}?ssl_ca_certs={certificate}&retry_attempts=0",
            f"redis://localhost:{port}?retry_attempts=0&timeout=0.3",
            f"rediss://localhost:{port}?ssl_ca_certs=/no/such/file.pem",
        ):
            with closing(RedisSessions(url)) as store, pytest.raises(StoreUnavailable):
                store.acquire(request("ben", limit=9))


if __name__ == "__main__":
    main(*sys.argv[1:])
