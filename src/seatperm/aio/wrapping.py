"""Awaited forms of synchronous methods: the same names and parameters, made from the methods themselves."""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from functools import wraps
from typing import Any, Concatenate, Generic, ParamSpec, TypeVar

from attrs import define

from ..stores.waiting import WouldWait
from .modes import Mode

P = ParamSpec("P")
R = TypeVar("R")
W = TypeVar("W")
W_co = TypeVar("W_co", covariant=True)


@define(eq=False, repr=False)
class Awaited(Generic[W_co]):
    """An object of the synchronous facade, for asyncio."""

    _sync: W_co
    _mode: Mode

    def __repr__(self) -> str:
        return f"<asyncio {self._sync!r}>"


Method = Callable[Concatenate[W, P], R]
AwaitedMethod = Callable[Concatenate[Awaited[W], P], Coroutine[Any, Any, R]]


def reading(function: Method[W, P, R]) -> AwaitedMethod[W, P, R]:
    """Return the awaited form of a method that changes nothing: a task that is cancelled leaves it at once."""

    @wraps(function)
    async def read(self: Awaited[W], /, *args: P.args, **kwargs: P.kwargs) -> R:
        return await self._mode.read(function, self._sync, *args, **kwargs)

    return read


def writing(function: Method[W, P, R]) -> AwaitedMethod[W, P, R]:
    """Return the awaited form of a method that changes something: a task that is cancelled finishes it first."""

    @wraps(function)
    async def write(self: Awaited[W], /, *args: P.args, **kwargs: P.kwargs) -> R:
        return await self._mode.finish(function, self._sync, *args, **kwargs)

    return write


def asking(function: Method[W, P, R]) -> AwaitedMethod[W, P, R]:
    """Return the awaited form of a method that seldom has to wait: it answers at once where it need not."""

    @wraps(function)
    async def ask(self: Awaited[W], /, *args: P.args, **kwargs: P.kwargs) -> R:
        try:
            return function(self._sync, *args, **kwargs)
        except WouldWait:
            return await self._mode.finish(function, self._sync, *args, **kwargs)

    return ask
