"""The asyncio names are those of the synchronous facade, one by one."""

from __future__ import annotations

import inspect
import subprocess
import sys
from collections.abc import Callable

import pytest

import seatperm
from seatperm import aio, organization

PAIRS = (
    (organization.Organization, aio.Organization),
    (organization.Users, aio.Users),
    (organization.StaffRecords, aio.StaffRecords),
    (organization.Sessions, aio.Sessions),
    (organization.Session, aio.Session),
    (organization.Trail, aio.Trail),
    (organization.Tenants, aio.Tenants),
)

AT_ONCE = {"as_user", "relate"}
"""The methods that wait for nothing, and are not awaited."""

ITERATED = {"who_can", "history", "filter"}
"""The methods whose answer is iterated over."""

INSTEAD = {
    "__len__": "count",
    "__iter__": "__aiter__",
    "__enter__": "__aenter__",
    "__exit__": "__aexit__",
    "__getitem__": "__getitem__",
}
"""What stands for what can't be awaited under its own name."""

ALL = [(plain, awaited, name) for plain, awaited in PAIRS for name in dir(plain) if name[0] != "_"]


def parameters(function: Callable[..., object]) -> list[tuple[str, object]]:
    """Return the names of a function's parameters, each with its default."""
    return [(one.name, one.default) for one in inspect.signature(function).parameters.values()]


@pytest.mark.parametrize(("plain", "awaited", "name"), ALL, ids=lambda it: getattr(it, "__name__", it))
def test_every_name_is_there_with_the_same_parameters(plain: type, awaited: type, name: str) -> None:
    """A method is a coroutine method, or answers at once as it does there; a property is a property."""
    before, after = inspect.getattr_static(plain, name), inspect.getattr_static(awaited, name)
    if not inspect.isfunction(before):
        assert isinstance(after, property)
        return
    assert parameters(before) == parameters(after)
    assert after.__doc__
    assert inspect.iscoroutinefunction(after) == (name not in AT_ONCE | ITERATED)


@pytest.mark.parametrize(("plain", "awaited"), PAIRS, ids=lambda it: it.__name__)
def test_what_python_asks_by_other_names_is_there_too(plain: type, awaited: type) -> None:
    """`len()` is `count()`, `for` is `async for`, `with` is `async with`."""
    assert [name for name, other in INSTEAD.items() if hasattr(plain, name) and not hasattr(awaited, other)] == []


@pytest.mark.parametrize("plain_function", [seatperm.open, seatperm.open_tenants], ids=lambda it: it.__name__)
def test_opening_takes_what_it_takes_elsewhere(plain_function: Callable[..., object]) -> None:
    """And the number of threads."""
    awaited = getattr(aio, plain_function.__name__)
    assert [*parameters(plain_function), ("threads", 8)] == parameters(awaited)


def test_nothing_new_needs_learning() -> None:
    """What is public and is not in the synchronous facade is `count()` alone."""
    more = {(awaited.__name__, name) for plain, awaited in PAIRS for name in set(dir(awaited)) - set(dir(plain))}
    assert {name for _, name in more if name[0] != "_"} == {"count"}


def test_importing_it_loads_no_greenlet_and_no_driver() -> None:
    """They are loaded with the stores that need them."""
    code = "import sys, seatperm.aio; print(*{name.partition('.')[0] for name in sys.modules})"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert set(done.stdout.split()) & {"greenlet", "redis", "psycopg", "sqlite3", "click"} == set()


WITHOUT_GREENLET = """
import asyncio, sys
sys.modules["greenlet"] = None
from seatperm import MissingExtra, aio
catalog = {"packages": {"one": {}}}
async def main():
    async with await aio.open(catalog, "sqlite:///" + sys.argv[1]) as org:
        print(await org.users.count())
    try:
        await aio.open(catalog, "memory://")
    except MissingExtra as error:
        print(error.extra)
asyncio.run(main())
"""


def test_threads_need_no_extra(tmp_path: object) -> None:
    """Without greenlet SQLite works, and what needs it says so."""
    command = [sys.executable, "-c", WITHOUT_GREENLET, f"{tmp_path}/books.db"]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["0", "aio"]
