"""Nothing stops the event loop: other tasks go on while a store is paused, slow or locked."""

from __future__ import annotations

import asyncio
import logging
import sqlite3
from collections.abc import AsyncIterator, Coroutine, Iterator
from contextlib import asynccontextmanager, closing
from datetime import timedelta
from pathlib import Path
from time import monotonic
from typing import Any, TypeVar
from uuid import uuid4

import pytest

import seatperm
from seatperm import aio
from seatperm.testing.servers.base import Server, ServerMissing
from seatperm.testing.servers.postgres import PostgresServer
from seatperm.testing.servers.redis import RedisServer

from ..servers import missing
from .conftest import CATALOG, Opener

T = TypeVar("T")

NOW = timedelta(0)


def at_once(call: Coroutine[Any, Any, T]) -> T:
    """Return the result of a coroutine that waits for nothing."""
    with pytest.raises(StopIteration) as done:
        call.send(None)
    result: T = done.value.value
    return result


@asynccontextmanager
async def heartbeat() -> AsyncIterator[list[float]]:
    """Give the gaps between the beats of another task, as they come."""
    gaps: list[float] = []

    async def beat() -> None:
        while True:
            before = monotonic()
            await asyncio.sleep(0.01)
            gaps.append(monotonic() - before)

    task = asyncio.create_task(beat())
    try:
        yield gaps
    finally:
        task.cancel()
        print(f"{len(gaps)} beats, the longest gap {max(gaps, default=0) * 1000:.1f} ms")


@pytest.fixture(params=[RedisServer, PostgresServer], ids=["redis", "postgres"], scope="module")
def running(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A server of this module's own."""
    try:
        server: Server = request.param(tmp_path_factory.mktemp("server"))
        server.start()
    except ServerMissing as error:
        missing(error)
    yield server
    server.close()


@pytest.fixture
def server(running: Server) -> Iterator[Server]:
    """A server that the test may pause."""
    yield running
    running.resume()


@pytest.fixture
def stores(server: Server) -> tuple[str, str]:
    """The URLs of an empty directory and an empty session store, one of which is at the server."""
    joined, name = "&" if "?" in server.url else "?", f"t_{uuid4().hex}"
    url = f"{server.url}{joined}timeout=1&"
    return ("memory://", f"{url}prefix={name}") if isinstance(server, RedisServer) else (f"{url}schema={name}",) * 2


def test_a_check_waits_for_nothing_once_the_user_is_known(opened: Opener) -> None:
    """Neither for a thread nor for a turn of the loop; nor do a session's own checks and early renewals."""

    async def main() -> None:
        async with opened(staleness=timedelta(hours=1), max_stale=timedelta(hours=1)) as org:
            assert await org.can("tom", "sales", "edit")
            async with await org.sign_in("tom") as session:
                await session.touch()
                for _ in range(3):
                    assert at_once(org.can("tom", "sales", "edit"))
                    assert not at_once(org.can("tom", "stock", "edit"))
                    assert at_once(org.can_each("tom", [("sales", "edit")])) == [True]
                    assert at_once(org.widest_scope("tom", "sales", "view")) == "all"
                    assert at_once(session.can("sales", "edit"))
                    at_once(org.require("tom", "sales", "edit"))
                    at_once(session.touch())

    asyncio.run(main())


def test_other_tasks_go_on_while_a_server_is_paused(
    server: Server, stores: tuple[str, str], caplog: pytest.LogCaptureFixture
) -> None:
    """Each call to it ends within its timeout with `StoreUnavailable`; afterwards all is as before."""

    async def main() -> None:
        loop = asyncio.get_running_loop()
        loop.slow_callback_duration = 0.7
        options: dict[str, Any] = {"session_store": stores[1], "staleness": NOW, "max_stale": NOW}
        async with await aio.open(CATALOG, stores[0], **options) as org, heartbeat() as gaps:
            await org.users.add(id="tom", email="tom@kauri.example", name="Tom", roles=["clerk"])
            session = await org.sign_in("tom")
            gaps.clear()
            server.pause()
            calls = [org.sessions.count(), org.sign_in("tom"), session.end(), *(org.sessions.count() for _ in range(4))]
            outcomes = await asyncio.gather(*calls, return_exceptions=True)
            assert {type(outcome) for outcome in outcomes} == {seatperm.StoreUnavailable}
            assert len(gaps) > 10
            server.resume()
            await session.end()
            assert await asyncio.gather(*(org.sessions.count() for _ in range(20))) == [0] * 20
            async with await org.sign_in("tom"):
                pass

    with caplog.at_level(logging.WARNING, "asyncio"):
        asyncio.run(main(), debug=True)
    assert [record.message for record in caplog.records if " took " in record.message] == []


def test_who_gives_up_on_a_paused_server_goes_at_once(server: Server, stores: tuple[str, str]) -> None:
    """A reading call ends when its task's own time is over, long before the store's."""

    async def main() -> None:
        patient = [url.replace("timeout=1", "timeout=30") for url in stores]
        async with await aio.open(CATALOG, patient[0], session_store=patient[1]) as org:
            await org.sessions.count()
            server.pause()
            for _ in range(12):
                with pytest.raises(TimeoutError):
                    async with asyncio.timeout(0.02):
                        await org.sessions.count()
            server.resume()
            assert await asyncio.gather(*(org.sessions.count() for _ in range(20))) == [0] * 20

    asyncio.run(main())


def test_other_tasks_go_on_while_sqlite_is_locked(tmp_path: Path) -> None:
    """A change waits for another process's transaction in its thread."""

    async def main() -> None:
        async with await aio.open(CATALOG, f"sqlite:///{tmp_path}/books.db") as org, heartbeat() as gaps:
            with closing(sqlite3.connect(tmp_path / "books.db", isolation_level=None)) as other:
                other.execute("BEGIN IMMEDIATE")
                adding = asyncio.create_task(org.users.add(id="tom", email="tom@kauri.example", name="Tom"))
                beats = len(gaps)
                while len(gaps) < beats + 30:
                    await asyncio.sleep(0.01)
                assert not adding.done()
                other.execute("ROLLBACK")
            assert (await adding).id == "tom"

    asyncio.run(main())


def test_the_tables_outlive_a_paused_server(server: Server, stores: tuple[str, str]) -> None:
    """For `max_stale`, as elsewhere: a late answer is no reason to deny, nor to wait at every check."""
    options: dict[str, Any] = {"staleness": NOW, "max_stale": timedelta(minutes=5)}

    async def main() -> None:
        async with await aio.open(CATALOG, stores[0], session_store=stores[1], **options) as org:
            await org.users.add(id="tom", email="tom@kauri.example", name="Tom", roles=["clerk"])
            assert await org.can("tom", "sales", "edit")
            server.pause()
            assert await org.can("tom", "sales", "edit")
            server.resume()

    asyncio.run(main())


async def interleaved(org: aio.Organization) -> None:
    """Lock and unlock the user while many ask, and look at the answer after each change."""
    for number in range(20):
        asking = [asyncio.create_task(org.can("tom", "sales", "edit")) for _ in range(10)]
        await (org.users.unlock if number % 2 else org.users.lock)("tom")
        assert await org.can("tom", "sales", "edit") == bool(number % 2)
        await asyncio.gather(*asking)
        assert await org.can("tom", "sales", "edit") == bool(number % 2)


def test_a_late_answer_never_replaces_a_newer_one(opened: Opener) -> None:
    """Tasks that refresh at the same time take turns."""

    async def main() -> None:
        async with opened(staleness=NOW) as org:
            await asyncio.gather(interleaved(org))

    asyncio.run(main())


def test_a_server_that_was_killed_is_used_again_when_it_is_back(server: Server, stores: tuple[str, str]) -> None:
    """Its lost connections are no one's, and every call meanwhile ends with `StoreUnavailable`."""

    async def main() -> None:
        url = stores[1].replace("timeout=1&", "timeout=5&")
        url = f"{url}&after_restart=admit" if isinstance(server, RedisServer) else url
        async with await aio.open(CATALOG, "memory://", session_store=url) as org:
            await org.users.add(id="tom", email="tom@kauri.example", name="Tom", roles=["clerk"])
            await asyncio.gather(*(org.sessions.count() for _ in range(5)))
            server.kill()
            outcomes = await asyncio.gather(*(org.sessions.count() for _ in range(10)), return_exceptions=True)
            assert {type(outcome) for outcome in outcomes} == {seatperm.StoreUnavailable}
            await asyncio.to_thread(server.start)
            assert await asyncio.gather(*(org.sessions.count() for _ in range(20))) == [0] * 20

    asyncio.run(main())
