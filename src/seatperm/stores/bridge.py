"""The bridge from synchronous code to an event loop: what runs on it waits, and the loop goes on.

`run` runs a function in a greenlet; where that calls `await_`, the greenlet is suspended while the task awaits. So
all that talks to a store is written once. Needs the extra `aio`; imported only when it is used.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Coroutine, Iterator
from contextlib import AbstractContextManager, contextmanager, suppress
from typing import Any, ParamSpec, Self, TypeVar

from greenlet import getcurrent, greenlet

from .finished import finished
from .waiting import WouldWait

P = ParamSpec("P")
R = TypeVar("R")

UNWINDING = 100
"""How many awaits of one cleanup are told that the event loop is gone, before the rest is left alone."""


class _Crossing:
    """One function on the bridge.

    Attributes:
        greenlet: what the function runs in.
        finishing: how many blocks it is in that go on though the task was cancelled.
    """

    def __init__(self, function: Callable[[], object]) -> None:
        self.greenlet: Any = greenlet(function)
        self.greenlet.gr_context = getcurrent().gr_context  # the task's own variables: what is set is seen there too
        self.greenlet.crossing = self
        self.finishing = 0

    @staticmethod
    def here() -> _Crossing | None:
        """Return the one that this code runs on, None where it runs on none."""
        found: _Crossing | None = getattr(getcurrent(), "crossing", None)
        return found


async def run(function: Callable[P, R], *args: P.args, **kwargs: P.kwargs) -> R:
    """Run a function on the bridge and return its result.

    A task that is cancelled is told so where the function awaits, as by any other exception; in a block that is
    `finishing`, after that block.

    Raises:
        All that the function raises.
    """
    crossing = _Crossing(lambda: function(*args, **kwargs))
    running = crossing.greenlet
    cancelled: asyncio.CancelledError | None = None
    step: Any = running.switch()
    while not running.dead:
        try:
            if crossing.finishing:
                outcome, late = await finished(step)
                cancelled = cancelled or late
                value = outcome.result()
            elif cancelled is not None:
                _drop(step)
                told, cancelled = cancelled, None
                raise told
            else:
                value = await step
        except GeneratorExit as gone:
            _unwind(running, gone)
            raise
        except BaseException as error:  # noqa: BLE001  whatever it is, it is the function's
            step = running.throw(error)
        else:
            step = running.switch(value)
    if cancelled is not None:
        raise cancelled
    result: R = step
    return result


def await_(awaitable: Awaitable[R]) -> R:
    """Wait, on the bridge, for what can be awaited, and return its result; what it raises comes out here.

    Raises:
        WouldWait: this code is not on the bridge.
    """
    crossing = _Crossing.here()
    if crossing is None:
        _drop(awaitable)
        raise WouldWait
    result: R = crossing.greenlet.parent.switch(awaitable)
    return result


def caller() -> object:
    """Return what tells this call on the bridge from every other one."""
    return getcurrent()


def must_be_on_bridge() -> None:
    """Go on only on the bridge.

    Raises:
        WouldWait: this code is not there.
    """
    if _Crossing.here() is None:
        raise WouldWait


@contextmanager
def finishing() -> Iterator[None]:
    """Go on to the end of this block though the task was cancelled; that is told afterwards."""
    crossing = _Crossing.here()
    if crossing is None:
        raise WouldWait
    crossing.finishing += 1
    try:
        yield
    finally:
        crossing.finishing -= 1


class AmongTasks:
    """Waiting as tasks of one event loop do, each on the bridge: the `Waiting` of code that runs there."""

    def lock(self) -> AbstractContextManager[object]:
        """Return a new lock, which its task may take again."""
        return TaskLock()

    def caller(self) -> object:
        """Return what stands for the task's present call."""
        return caller()


class TaskLock:
    """A lock for the tasks of one event loop, held while its holder awaits; its holder may take it again."""

    def __init__(self) -> None:
        self._holder: _Crossing | None = None
        self._depth = 0
        self._queue: deque[asyncio.Future[None]] = deque()

    def __enter__(self) -> Self:
        here = _Crossing.here()
        while self._depth and self._holder is not here:
            if here is None:
                raise WouldWait
            turn: asyncio.Future[None] = asyncio.get_running_loop().create_future()
            self._queue.append(turn)
            try:
                await_(turn)
            except BaseException:
                if not self._depth:  # woken and cancelled at one time: the turn is the next one's
                    self._wake()
                raise
            finally:
                self._queue.remove(turn)
        self._holder = here
        self._depth += 1
        return self

    def __exit__(self, *_: object) -> None:
        self._depth -= 1
        if not self._depth:
            self._holder = None
            self._wake()

    def _wake(self) -> None:
        for turn in self._queue:
            if not turn.done():
                turn.set_result(None)
                return


class TaskSlots:
    """A number of places for the tasks of one event loop: who waits longest is next."""

    def __init__(self, count: int) -> None:
        self._free = count
        self._queue: deque[asyncio.Future[None]] = deque()

    def acquire(self, *, timeout: float) -> bool:
        """Take one, waiting so many seconds at the most; tell whether there was one."""
        if self._free and not self._queue:
            self._free -= 1
            return True
        turn: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._queue.append(turn)
        try:
            await_(asyncio.wait([turn], timeout=timeout))
        except BaseException:
            if turn.done():
                self.release()
            raise
        finally:
            if turn in self._queue:
                self._queue.remove(turn)
        return turn.done()

    def release(self) -> None:
        """Give one back, to the one who waits longest."""
        if self._queue:
            self._queue.popleft().set_result(None)
        else:
            self._free += 1


def _drop(awaitable: Awaitable[object]) -> None:
    """Let go of what nobody will await."""
    if isinstance(awaitable, Coroutine):
        awaitable.close()
    elif isinstance(awaitable, asyncio.Future):
        awaitable.cancel()


def _unwind(running: greenlet, gone: GeneratorExit) -> None:
    """End a function whose event loop was closed over it: its cleanup runs, as far as it need not await."""
    with suppress(GeneratorExit):
        for _ in range(UNWINDING):
            if running.dead:
                return
            step = running.throw(gone)
            if not running.dead:
                _drop(step)
