"""The stores that wait on the bridge pass the same kit as those that wait in threads."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from threading import Thread
from typing import Any, ClassVar, cast

import pytest

from seatperm.aio import native
from seatperm.clock import Clock, SystemClock
from seatperm.stores import SessionStore
from seatperm.stores.bridge import run
from seatperm.testing.session_kit import SessionConformance

from ..servers import schema_of


class OnBridge:
    """A session store of the bridge, called from any thread: each call runs in an event loop of another thread."""

    def __init__(self, url: str) -> None:
        self._loop = asyncio.new_event_loop()
        self._thread = Thread(target=self._loop.run_forever)
        self._thread.start()
        self._store: Any = self._run(native.open_sessions, url, SystemClock())

    def __getattr__(self, name: str) -> object:
        found = getattr(self._store, name)
        return (lambda *args, **kwargs: self._run(found, *args, **kwargs)) if callable(found) else found

    def close(self) -> None:
        """Close the store and end its loop."""
        self._run(self._store.close)
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.run_until_complete(self._loop.shutdown_default_executor())
        self._loop.close()

    def _run(self, function: Callable[..., Any], *args: object, **kwargs: object) -> Any:
        return asyncio.run_coroutine_threadsafe(run(function, *args, **kwargs), self._loop).result()


class TestRedisOnTheBridge(SessionConformance):
    """Redis, as asyncio hosts have it."""

    real_time: ClassVar[bool] = True
    lease: ClassVar[float] = 0.5
    patience: ClassVar[float] = 0.2
    tick: ClassVar[float] = 0.05

    url: ClassVar[str]

    @pytest.fixture(autouse=True, scope="class")
    @classmethod
    def _server(cls, redis_url: str) -> None:
        cls.url = redis_url

    def open(self, clock: Clock) -> SessionStore:
        return cast(SessionStore, OnBridge(self.url))


class TestPostgresOnTheBridge(SessionConformance):
    """PostgreSQL, as asyncio hosts have it."""

    real_time: ClassVar[bool] = True
    lease: ClassVar[float] = 0.8
    patience: ClassVar[float] = 0.3
    tick: ClassVar[float] = 0.1

    url: ClassVar[str]

    @pytest.fixture(autouse=True, scope="class")
    @classmethod
    def _server(cls, postgres_url: str) -> Iterator[None]:
        with schema_of(postgres_url) as url:
            cls.url = url
            yield

    def open(self, clock: Clock) -> SessionStore:
        return cast(SessionStore, OnBridge(self.url))
