"""The seam for waiting: what one process locks with, and who the caller is; threads here, tasks in `bridge`."""

from __future__ import annotations

from collections.abc import Generator
from contextlib import AbstractContextManager, closing
from threading import RLock, get_ident
from time import sleep
from typing import Protocol, TypeVar

R = TypeVar("R")


class WouldWait(RuntimeError):
    """Raised where code that may not wait comes to a call that has to; nothing was changed.

    An organization of `seatperm.aio` catches it and goes on where waiting is allowed.
    """

    def __init__(self) -> None:
        super().__init__("this has to wait for a store, and would stop the event loop: await it through seatperm.aio")


class Waiting(Protocol):
    """How code that calls stores waits: among threads, or among the tasks of an event loop."""

    def lock(self) -> AbstractContextManager[object]:
        """Return a new lock, which its holder may take again."""
        ...

    def caller(self) -> object:
        """Return what tells this caller from every other one that runs at the same time."""
        ...


class Slots(Protocol):
    """A number of places: who takes one gives it back."""

    def acquire(self, *, timeout: float) -> bool:
        """Take one, waiting so many seconds at the most; tell whether there was one."""
        ...

    def release(self) -> None:
        """Give one back."""
        ...


class AmongThreads:
    """Waiting as threads do."""

    def lock(self) -> AbstractContextManager[object]:
        """Return a new lock, which its thread may take again."""
        return RLock()

    def caller(self) -> object:
        """Return the thread's id."""
        return get_ident()


def waited(steps: Generator[float, None, R]) -> R:
    """Go through steps, sleeping as long as each says, and return what they come to."""
    with closing(steps):
        while True:
            try:
                seconds = next(steps)
            except StopIteration as done:
                result: R = done.value
                return result
            sleep(seconds)
