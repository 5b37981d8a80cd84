"""What the Redis store does when things go wrong: lost data, lost answers, and servers that refuse."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import closing
from itertools import count
from pathlib import Path
from threading import Barrier, Thread
from typing import Literal

import pytest
from attrs import evolve

from seatperm.errors import InvalidValue, StoreUnavailable
from seatperm.sessions import Full, Seat, SeatRequest
from seatperm.stores.redis_sessions import RedisSessions, keys
from seatperm.testing.servers.base import ServerMissing
from seatperm.testing.servers.redis import RedisServer

from .redis_seats import Proxy, request
from .servers import missing

LEASE = 0.6


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RedisServer]:
    """A server for tests that leave it as it was."""
    try:
        with RedisServer(tmp_path_factory.mktemp("redis")) as server:
            yield server
    except ServerMissing as error:
        missing(error)


@pytest.fixture
def store(server: RedisServer) -> Iterator[RedisSessions]:
    server.ask("FLUSHALL")
    with closing(RedisSessions(server.url)) as store:
        yield store


def granted(store: RedisSessions, asked: SeatRequest) -> Seat:
    answer = store.acquire(asked)
    assert isinstance(answer, Seat)
    return answer


# Rule 9: lost data and restarts


def test_the_doors_close_for_a_lease_after_the_data_was_lost(server: RedisServer, store: RedisSessions) -> None:
    """Nobody gets a seat whose earlier holder may still believe in it; who waits that long does."""
    epoch = store.epoch("kauri")
    granted(store, request("ann", limit=1, lease=LEASE, epoch=epoch))
    server.ask("FLUSHALL")
    asked = time.monotonic()
    for _ in range(2):
        with pytest.raises(StoreUnavailable, match=r"lost its data.* from 20\d\d-.*\+00:00 on"):
            store.acquire(request("ben", limit=1, lease=LEASE, epoch=epoch))
    while True:
        try:
            granted(store, request("ben", limit=1, lease=LEASE, epoch=epoch))
            break
        except StoreUnavailable:
            time.sleep(0.01)
    assert time.monotonic() - asked >= LEASE
    assert store.epoch("kauri") == epoch
    assert isinstance(store.acquire(request("cat", limit=1, epoch=epoch)), Full)


def test_another_epoch_closes_the_doors_but_not_for_who_is_inside(store: RedisSessions) -> None:
    """Sessions that are there go on, are kept by their clients, and end; a user's further one takes no seat."""
    store.epoch("kauri")
    mine = request("ann", "desk", limit=3)
    seat = granted(store, mine)
    with pytest.raises(StoreUnavailable):
        store.acquire(request("ben", epoch="another"))
    assert store.renew("kauri", mine.token_hash, 60) is not None
    assert granted(store, request("ann", "desk", epoch="another")).id == seat.id
    assert granted(store, request("ann", "phone", per_user=True, epoch="another")).id != seat.id
    assert isinstance(store.acquire(request("ben", limit=2, epoch="another")), Full)
    assert store.release("kauri", seat.id, None)
    with pytest.raises(StoreUnavailable):
        store.acquire(request("ben", epoch="another"))


def test_an_organization_without_an_epoch_has_no_doors(server: RedisServer, store: RedisSessions) -> None:
    """A host that asks for none gets none."""
    granted(store, request("ann", limit=1))
    server.ask("FLUSHALL")
    granted(store, request("ben", limit=1))


@pytest.mark.parametrize(
    ("persistence", "after", "closes"),
    [
        ("none", "wait", True),
        ("none", "check", True),
        ("none", "admit", False),
        ("always", "wait", True),
        ("always", "check", False),
        ("always", "admit", False),
    ],
)
def test_what_a_killed_server_means_is_the_hosts_choice(
    tmp_path: Path, persistence: Literal["none", "always"], after: str, closes: bool
) -> None:
    """Doors close where grants are lost, or may be; with a disk that keeps all, what is there is known to be all."""
    server = RedisServer(tmp_path, persistence=persistence)
    with server, closing(RedisSessions(f"{server.url}?after_restart={after}")) as store:
        epoch = store.epoch("kauri")
        mine = request("ann", "desk", epoch=epoch)
        granted(store, mine)
        server.kill()
        with pytest.raises(StoreUnavailable, match="can't be reached"):
            store.find("kauri", mine.token_hash)
        server.start()
        assert (store.find("kauri", mine.token_hash) is not None) == (persistence == "always")
        if closes:
            with pytest.raises(StoreUnavailable, match="started anew"):
                store.acquire(request("ben", epoch=epoch))
        else:
            granted(store, request("ben", epoch=epoch))
        assert store.epoch("kauri") == epoch


@pytest.mark.parametrize("key", [0, 1])
def test_a_key_that_the_server_threw_away_is_lost_data(server: RedisServer, store: RedisSessions, key: int) -> None:
    """Evicted from a full memory, say: what is left is worth nothing, and the doors close."""
    epoch = store.epoch("kauri")
    granted(store, request("ann", "desk", epoch=epoch))
    server.ask(f"DEL {keys('seatperm', 'kauri')[key].decode()}")
    with pytest.raises(StoreUnavailable, match="lost its data"):
        store.acquire(request("ben", epoch=epoch, lease=LEASE))
    assert list(store.live("kauri")) == []
    time.sleep(LEASE)
    assert granted(store, request("ann", "desk", epoch=epoch))
    assert [seat.client for seat in store.live("kauri")] == ["desk"]


def test_a_queue_that_the_server_threw_away_keeps_nobody_out(server: RedisServer, store: RedisSessions) -> None:
    """Nobody is left in front who could never be passed."""
    mine = request("ann", limit=1)
    granted(store, mine)
    assert isinstance(store.acquire(request("ben", limit=1, ticket="b")), Full)
    server.ask(f"DEL {keys('seatperm', 'kauri')[3].decode()}")
    assert store.release("kauri", mine.session_id, mine.token_hash)
    granted(store, request("cat", limit=1))


def test_a_request_that_arrives_again_after_its_token_was_renewed_takes_no_second_seat(store: RedisSessions) -> None:
    """However late; and an id that is somebody else's by now is a mistake, not a seat."""
    for mine in (request("ann", limit=9), request("ann", "desk", limit=9)):
        seat = granted(store, mine)
        assert store.renew("kauri", mine.token_hash, 60, new_token_hash=f"{mine.token_hash}-2") is not None
        assert granted(store, mine).id == seat.id
        for other in (
            evolve(mine, user_id="ben"),
            evolve(mine, client="phone"),
            evolve(mine, user_id="c", client=None),
        ):
            with pytest.raises(InvalidValue, match="an id that no other session has"):
                store.acquire(other)
    assert len(list(store.live("kauri"))) == 2


def test_an_empty_token_ends_nothing(store: RedisSessions) -> None:
    """Only None says that no token is needed."""
    mine = request("ann")
    granted(store, mine)
    assert not store.release("kauri", mine.session_id, "")
    assert store.renew("kauri", "", 60) is None
    assert store.find("kauri", "") is None
    assert store.release("kauri", mine.session_id, None)


# Rules 4 and 10: lost answers, servers that do not answer


def test_a_call_whose_answer_was_lost_is_sent_again_and_does_it_once(server: RedisServer, store: RedisSessions) -> None:
    """One seat; sessions that ran out are named all the same; who ended a session learns it."""
    with Proxy(server.socket) as proxy, closing(RedisSessions(proxy.url)) as behind:
        gone = granted(store, request("gone", lease=0.05))
        granted(behind, request("ann"))
        time.sleep(0.05)
        lost = count()
        proxy.loses = lambda _: next(lost) == 0
        mine = request("ben")
        seat = granted(behind, mine)
        assert next(lost) > 1
        assert seat.id == mine.session_id
        assert [each.id for each in seat.lapsed] == [gone.id]
        assert len(list(store.live("kauri"))) == 2
        again = count()
        proxy.loses = lambda _: next(again) == 0
        assert behind.release("kauri", seat.id, mine.token_hash)
        assert next(again) > 1
        assert not behind.release("kauri", seat.id, mine.token_hash)
        assert granted(behind, mine).lapsed == ()


def test_a_server_that_stands_still_costs_a_call_no_more_than_its_timeout(tmp_path: Path) -> None:
    """Rule 10; and once it goes on, the store does too, with no answer taken for another's."""
    with (
        RedisServer(tmp_path) as server,
        closing(RedisSessions(f"{server.url}?timeout=0.7&socket_timeout=0.3")) as store,
    ):
        seat = granted(store, request("ann", "desk"))
        server.pause()
        for call in (
            lambda: store.acquire(request("ben", "desk")),
            lambda: store.find("kauri", "token"),
            lambda: store.epoch("kauri"),
        ):
            asked = time.monotonic()
            with pytest.raises(StoreUnavailable, match="did not answer in time"):
                call()
            assert time.monotonic() - asked < 1.5
        server.resume()
        assert granted(store, request("ann", "desk")).id == seat.id
        assert {each.user_id for each in store.live("kauri")} <= {"ann", "ben"}


def test_a_silent_network_costs_a_call_no_more_than_its_timeout(server: RedisServer, store: RedisSessions) -> None:
    """The server answers and nothing arrives: each fresh connection is as silent."""
    url = "?timeout=0.6&socket_timeout=0.25"
    with Proxy(server.socket) as proxy, closing(RedisSessions(proxy.url + url)) as behind:
        granted(behind, request("ann"))
        proxy.holds.set()
        asked = time.monotonic()
        with pytest.raises(StoreUnavailable, match="did not answer in time"):
            behind.acquire(request("ben"))
        assert time.monotonic() - asked < 1.5
        proxy.holds.clear()
        granted(behind, request("cat"))


def test_nobody_listens(tmp_path: Path) -> None:
    store = RedisSessions(f"unix://{tmp_path}/none.sock")
    with closing(store), pytest.raises(StoreUnavailable, match="can't be reached"):
        store.acquire(request())


def test_a_server_that_forgot_the_script_gets_it_again(server: RedisServer, store: RedisSessions) -> None:
    granted(store, request("ann"))
    server.ask("SCRIPT FLUSH")
    granted(store, request("ben"))
    assert len(list(store.live("kauri"))) == 2


def test_whoever_needs_a_connection_too_many_waits_and_then_says_so(server: RedisServer, store: RedisSessions) -> None:
    """Sixteen threads share two connections; with none left in time, the URL's setting is named."""
    with closing(RedisSessions(f"{server.url}?max_connections=2")) as few:
        barrier, wrong = Barrier(16), list[object]()

        def work(user: str) -> None:
            barrier.wait()
            for _ in range(20):
                mine = request(user, limit=16)
                if not isinstance(few.acquire(mine), Seat) or not few.release("kauri", mine.session_id, None):
                    wrong.append(user)

        threads = [Thread(target=work, args=(f"user-{number}",)) for number in range(16)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert not wrong
        assert b"connected_clients:" in server.ask("INFO clients")
    assert list(store.live("kauri")) == []
    with (
        Proxy(server.socket) as proxy,
        closing(RedisSessions(f"{proxy.url}?max_connections=1&timeout=0.5")) as one,
    ):
        granted(one, request("ann"))
        proxy.holds.set()
        failed = list[str]()

        def ask() -> None:
            try:
                one.find("kauri", "token")
            except StoreUnavailable as error:
                failed.append(error.cause)

        # More than two: the second in line may get the connection in its last moment, and then the server is silent.
        threads = [Thread(target=ask) for _ in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert any("raise max_connections" in cause for cause in failed)


# Servers that refuse


def test_a_full_memory_is_named_and_leaves_nothing_half_done(tmp_path: Path) -> None:
    """Sessions may still end, which makes room."""
    with RedisServer(tmp_path) as server, closing(RedisSessions(server.url)) as store:
        mine = request("ann", "desk", holds=["admin"])
        granted(store, mine)
        server.ask("CONFIG SET maxmemory 1")
        for each in (request("ben", holds=["admin"]), request("cat", limit=1, ticket="t")):
            with pytest.raises(StoreUnavailable, match="raise its maxmemory"):
                store.acquire(each)
        assert store.find("kauri", mine.token_hash) is not None
        assert store.release("kauri", mine.session_id, mine.token_hash)
        server.ask("CONFIG SET maxmemory 0")
        server.ask("SCRIPT FLUSH")
        assert list(store.live("kauri")) == []
        granted(store, request("ben", limit=1))
        assert isinstance(store.acquire(request("cat", limit=1)), Full)


def test_passwords_and_permissions_that_are_missing_are_named_and_no_secret_is(tmp_path: Path) -> None:
    acl = ("~seatperm:*", "+@read", "+@write", "+@scripting", "+time", "+info")
    with RedisServer(tmp_path, tcp=True) as server:
        server.ask("ACL SETUSER default on >s3cret")
        for user, rights in {"ann": acl, "ben": acl[:-1], "cat": ("~other:*", *acl[1:])}.items():
            with_password = f"{server.url}".replace("127", "default:s3cret@127")
            with closing(RedisSessions(with_password)) as admin:
                granted(admin, request(limit=99))
            said = subprocess.run(
                [sys.executable, "-c", _SET_USER, with_password, user, *rights], capture_output=True, text=True
            )
            assert said.returncode == 0, said.stderr
        place = server.url.removeprefix("redis://")
        for who, cause in {
            "": "asks for a password",
            "default:wr0ng@": "knows no such user and password",
            "ann:wr0ng@": "knows no such user and password",
            "ben:s3cret@": r"\+info",
            "cat:s3cret@": "may not do this",
        }.items():
            with closing(RedisSessions(f"redis://{who}{place}")) as store:
                with pytest.raises(StoreUnavailable, match=cause) as caught:
                    store.acquire(request(limit=99))
                shown = f"{caught.value} {caught.value!r} {store!r} {store.url} {caught.value.__cause__}"
                assert "s3cret" not in shown
                assert "wr0ng" not in shown
        for url in (f"redis://ann:s3cret@{place}", f"redis://{place}?username=ann&password=s3cret"):
            with closing(RedisSessions(url)) as store:
                granted(store, request("ann", limit=99))
                assert store.url == f"redis://{place}"
                assert "s3cret" not in repr(vars(store))
        with closing(RedisSessions(f"redis://ben:s3cret@{place}?after_restart=check")) as store:
            assert list(store.live("kauri"))


_SET_USER = """
import sys, redis
client = redis.Redis.from_url(sys.argv[1])
client.execute_command("ACL SETUSER", sys.argv[2], "on", ">s3cret", *sys.argv[3:])
client.close()
"""


def test_a_replica_is_no_place_for_seats(tmp_path: Path) -> None:
    with RedisServer(tmp_path / "first") as first, RedisServer(tmp_path / "second", tcp=True) as second:
        second.ask("CONFIG SET replica-serve-stale-data yes")
        second.ask("REPLICAOF 127.0.0.1 1")
        with closing(RedisSessions(second.url)) as store:
            with pytest.raises(StoreUnavailable, match="read-only replica; name the primary"):
                store.acquire(request())
            second.ask("CONFIG SET replica-serve-stale-data no")
            with pytest.raises(StoreUnavailable, match="lost its primary"):
                store.acquire(request())
        assert first.ask("DBSIZE") == b":0\r\n"


def test_a_server_with_somebodys_long_script_is_busy(tmp_path: Path) -> None:
    server = RedisServer(tmp_path, settings={"busy-reply-threshold": "50"})
    with server, closing(RedisSessions(f"{server.url}?socket_timeout=1")) as store:
        granted(store, request("ann"))
        with pytest.raises(TimeoutError):
            server.ask('EVAL "while true do end" 0')
        with pytest.raises(StoreUnavailable, match="SCRIPT KILL"):
            store.acquire(request("ben"))
        while b"BUSY" in server.ask("SCRIPT KILL") or b"BUSY" in server.ask("PING"):
            time.sleep(0.01)
        granted(store, request("ben"))


# Fork, and the end


def test_a_child_after_fork_shares_no_connection(server: RedisServer, store: RedisSessions) -> None:
    """Both go on, and each sees what the other did."""
    script = (
        "import os, sys; from tests.redis_seats import request\n"
        "from seatperm.stores.redis_sessions import RedisSessions\n"
        "from seatperm.sessions import Seat\n"
        "store = RedisSessions(sys.argv[1]); assert isinstance(store.acquire(request('ann', limit=9)), Seat)\n"
        "child = os.fork()\n"
        "for _ in range(200):\n"
        "    mine = request('child' if child == 0 else 'parent', limit=9)\n"
        "    assert store.acquire(mine).id == mine.session_id\n"
        "    assert store.find('kauri', mine.token_hash).id == mine.session_id\n"
        "    assert store.release('kauri', mine.session_id, mine.token_hash)\n"
        "if child == 0:\n"
        "    assert isinstance(store.acquire(request('child', limit=9)), Seat)\n"
        "    os._exit(0)\n"
        "assert os.waitpid(child, 0)[1] == 0\n"
        "assert 'child' in [seat.user_id for seat in store.live('kauri')]\n"
    )
    subprocess.run([sys.executable, "-c", script, server.url], cwd=Path(__file__).parent.parent, check=True, timeout=60)
    assert os.getpid()


def test_a_closed_store_says_so(store: RedisSessions) -> None:
    granted(store, request("ann"))
    store.close()
    with pytest.raises(StoreUnavailable, match="it is closed"):
        store.acquire(request("ben"))
    with pytest.raises(StoreUnavailable, match="it is closed"):
        store.find("kauri", "token")
