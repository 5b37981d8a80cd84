"""Where synchronous code runs for asyncio: in worker threads, or on the bridge."""

from __future__ import annotations

import asyncio
from abc import ABC, abstractmethod
from collections.abc import AsyncGenerator, Awaitable, Callable, Coroutine, Generator, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, suppress
from contextvars import copy_context
from functools import partial
from itertools import islice
from threading import RLock, get_ident
from typing import Any, ParamSpec, Self, TypeVar

from ..errors import MissingExtra, SeatpermError, StoreUnavailable
from ..organization import Invitation
from ..stores import DirectoryStore, SessionStore
from ..stores.finished import finished
from ..stores.waiting import Waiting, WouldWait

P = ParamSpec("P")
R = TypeVar("R")
T = TypeVar("T")

PAGE = 100
"""How many entries are fetched at a time while something is iterated over."""


class Mode(ABC):
    """Where synchronous code runs while one event loop goes on.

    Attributes:
        url: of the store, for messages.
        waiting: how that code waits.
        on_invitation: what is done with an invitation; it may be a coroutine function.
    """

    on_invitation: Callable[[Invitation], Awaitable[object] | None] | None = None

    def __init__(self, url: str, waiting: Waiting) -> None:
        self.url = url
        self.waiting = waiting
        self.closed = False
        self._going_on: set[asyncio.Future[Any]] = set()
        self._loop = asyncio.get_running_loop()

    async def read(self, function: Callable[P, R], *args: P.args, **kwargs: P.kwargs) -> R:
        """Run a function that changes nothing, and return its result; a task that is cancelled leaves at once."""
        self._check()
        return await self._begin(partial(function, *args, **kwargs))

    async def finish(self, function: Callable[P, R], *args: P.args, **kwargs: P.kwargs) -> R:
        """Run a function to its end and return its result; a task that is cancelled is told so afterwards."""
        self._check()
        going_on = asyncio.ensure_future(self._begin(partial(function, *args, **kwargs)))
        self._going_on.add(going_on)
        going_on.add_done_callback(self._going_on.discard)
        outcome, cancelled = await finished(going_on)
        error = outcome.exception()
        if cancelled is not None:
            raise cancelled
        if error is not None:
            raise error
        return outcome.result()

    async def finish_last(self, function: Callable[[], object]) -> None:
        """Run to its end what closes everything, after what is going on; a second time there is nothing to close."""
        if self.closed:
            function()
            return
        self._check()
        if self._going_on:
            await finished(asyncio.wait(set(self._going_on)))
        await self.finish(function)

    async def stepped(self, steps: Generator[float, None, R], undo: Callable[[R], object] | None = None) -> R:
        """Go through steps, sleeping as long as each says, and return what they come to.

        Args:
            steps: each runs to its end.
            undo: what is done with a result that a cancelled task can't take any more.
        """
        results: list[R] = []

        def step() -> float | None:
            try:
                return next(steps)
            except StopIteration as done:
                results.append(done.value)
                return None

        try:
            while (seconds := await self.finish(step)) is not None:
                await asyncio.sleep(seconds)
        except BaseException as error:
            if isinstance(error, asyncio.CancelledError):
                await finished(self._undone(steps, results, undo))
            with suppress(SeatpermError, WouldWait):  # closed meanwhile: a place in the queue ends by itself
                steps.close()
            raise
        return results[0]

    async def stream(self, start: Callable[[], Iterator[T]]) -> AsyncGenerator[T, None]:
        """Iterate over what synchronous code iterates over, a page at a time."""
        found = await self.read(start)
        while page := await self.read(lambda: list(islice(found, PAGE))):
            for one in page:
                yield one

    async def _undone(
        self, steps: Generator[float, None, R], results: list[R], undo: Callable[[R], object] | None
    ) -> None:
        with suppress(SeatpermError):  # a store that is down: what was taken ends by itself
            if not results:
                await self.finish(steps.close)
            elif undo is not None:
                await self.finish(undo, results[0])

    def _check(self) -> None:
        if self.closed:
            raise StoreUnavailable(self.url, "it has been closed; open it again")
        if asyncio.get_running_loop() is not self._loop:
            found = "it was opened in another event loop; call seatperm.aio.open in each loop of its own"
            raise StoreUnavailable(self.url, found)

    @abstractmethod
    def _begin(self, function: Callable[[], R]) -> Awaitable[R]:
        """Run a function."""

    @abstractmethod
    def wait_for(self, coroutine: Coroutine[Any, Any, R]) -> R:
        """Wait, in a function that runs here, for what runs in the event loop."""

    def close(self) -> None:
        """Let nothing more run."""
        self.closed = True


class Threads(Mode):
    """In worker threads of its own, so many at the most."""

    def __init__(self, url: str, threads: int) -> None:
        self._idents: set[int] = set()
        super().__init__(url, _AmongWorkers(self))
        self._executor = ThreadPoolExecutor(threads, "seatperm", lambda: self._idents.add(get_ident()))

    def inside(self) -> bool:
        """Tell whether this is one of the worker threads."""
        return get_ident() in self._idents

    def _begin(self, function: Callable[[], R]) -> Awaitable[R]:
        return asyncio.wrap_future(self._executor.submit(copy_context().run, function))

    def wait_for(self, coroutine: Coroutine[Any, Any, R]) -> R:
        """Wait, in a worker thread, for what runs in the event loop."""
        return asyncio.run_coroutine_threadsafe(coroutine, self._loop).result()

    def close(self) -> None:
        """Let nothing more run, and the threads end."""
        super().close()
        self._executor.shutdown(wait=False)


class Native(Mode):
    """In the event loop's own thread, on the bridge."""

    def __init__(self, url: str) -> None:
        try:
            from ..stores import bridge
        except ModuleNotFoundError as error:
            raise MissingExtra("aio") from error
        super().__init__(url, bridge.AmongTasks())
        self._bridge = bridge

    def _begin(self, function: Callable[[], R]) -> Awaitable[R]:
        return self._bridge.run(function)

    def wait_for(self, coroutine: Coroutine[Any, Any, R]) -> R:
        """Wait, on the bridge, for what runs in the event loop."""
        return self._bridge.await_(coroutine)


class Guarded:
    """A store that is called in worker threads: anywhere else a call would stop the event loop, and is refused."""

    def __init__(self, store: DirectoryStore | SessionStore, threads: Threads) -> None:
        self.url = store.url
        self._store = store
        self._threads = threads

    def __getattr__(self, name: str) -> object:
        if not self._threads.inside():
            raise WouldWait
        return getattr(self._store, name)


class _AmongWorkers:
    """Waiting as worker threads do; nobody else waits."""

    def __init__(self, threads: Threads) -> None:
        self._threads = threads

    def lock(self) -> AbstractContextManager[object]:
        return _WorkerLock(self._threads)

    def caller(self) -> object:
        return get_ident()


class _WorkerLock:
    def __init__(self, threads: Threads) -> None:
        self._threads = threads
        self._lock = RLock()

    def __enter__(self) -> Self:
        if not self._threads.inside():
            raise WouldWait
        self._lock.acquire()
        return self

    def __exit__(self, *_: object) -> None:
        self._lock.release()
