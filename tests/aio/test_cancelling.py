"""A task may be cancelled at any moment: no seat, no place in the queue and no connection is lost to it.

The stores have three connections at the most: one that leaked at each of many moments would be missed soon.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from datetime import timedelta
from random import Random
from typing import TypeVar

import pytest

import seatperm
from seatperm import aio

from .conftest import Opener

T = TypeVar("T")

Cancel = Callable[["asyncio.Task[T]", int], Awaitable[T | None]]


async def cancelled(task: asyncio.Task[T], at: int) -> T | None:
    """Cancel a task at that turn of the event loop; return its result where it was done before."""
    for _ in range(at):
        if task.done():
            break
        await asyncio.sleep(0)
    was_done = task.done()
    task.cancel()
    try:
        return await task
    except asyncio.CancelledError:
        assert not was_done
        return None


async def cancelled_on_and_on(task: asyncio.Task[T], at: int) -> T | None:
    """Cancel a task at that turn of the event loop, and then at every turn until it ends, as anyio does."""
    for _ in range(at):
        if task.done():
            break
        await asyncio.sleep(0)
    was_done = task.done()
    while not task.done():
        task.cancel()
        await asyncio.sleep(0)
    try:
        return task.result()
    except asyncio.CancelledError:
        assert not was_done
        return None


both = pytest.mark.parametrize("cancel", [cancelled, cancelled_on_and_on])


def moments(kind: str) -> range:
    """The turns at which tasks are cancelled: in memory all there are, elsewhere some of the many."""
    return range(40) if kind == "memory" else range(0, 400, 9)


async def assert_free(org: aio.Organization) -> None:
    """Nobody holds the one seat, and nobody waits for it."""
    assert [seat async for seat in org.sessions] == []
    async with await org.sign_in("tom"):
        pass


@both
def test_a_sign_in_that_was_cancelled_holds_no_seat(opened: Opener, kind: str, cancel: Cancel[aio.Session]) -> None:
    """Whenever that was: what it took is given back before the task ends."""
    outcomes = set[bool]()

    async def main() -> None:
        async with opened() as org:
            for at in moments(kind):
                session = await cancel(asyncio.create_task(org.sign_in("tom")), at)
                outcomes.add(session is not None)
                if session is not None:
                    await session.end()
                await assert_free(org)
            assert await org.audit.verify()

    asyncio.run(main())
    assert False in outcomes


@both
def test_a_client_that_signs_in_again_and_is_cancelled_holds_no_seat(
    opened: Opener, kind: str, cancel: Cancel[aio.Session]
) -> None:
    """The token of before is dead by then, or the seat is still the earlier session's."""

    async def main() -> None:
        async with opened() as org:
            for at in moments(kind)[::3]:
                before = await org.sign_in("tom", client="tab")
                session = await cancel(asyncio.create_task(org.sign_in("tom", client="tab")), at)
                for held in (before, session):
                    if held is not None:
                        await held.end()
                await assert_free(org)

    asyncio.run(main())


@both
def test_a_wait_that_was_cancelled_leaves_no_place_in_the_queue(
    opened: Opener, kind: str, cancel: Cancel[aio.Session]
) -> None:
    """Whoever asks next gets the seat at once."""

    async def main() -> None:
        async with opened() as org:
            for at in [*moments(kind)[::3], 3000]:
                holder = await org.sign_in("tom")
                waiting = asyncio.create_task(org.sign_in("tom", wait=timedelta(seconds=30)))
                assert await cancel(waiting, at) is None
                await holder.end()
                await assert_free(org)

    asyncio.run(main())


@both
def test_a_change_that_was_cancelled_is_made_or_not(opened: Opener, kind: str, cancel: Cancel[seatperm.User]) -> None:
    """Never by half: the user, the trail and what is allowed agree at once."""

    async def main() -> None:
        async with opened(staleness=timedelta(hours=1), max_stale=timedelta(hours=1)) as org:
            for at in moments(kind):
                locks = at % 2 == 0
                await cancel(asyncio.create_task((org.users.lock if locks else org.users.unlock)("tom")), at)
                locked = (await org.users["tom"]).locked
                events = [event.kind async for event in org.audit.filter(kind="user")]
                assert locked == (events[-1] == "user.locked")
                assert await org.can("tom", "sales", "edit") is not locked
            assert await org.audit.verify()

    asyncio.run(main())


@both
def test_reading_that_was_cancelled_costs_no_connection(opened: Opener, kind: str, cancel: Cancel[object]) -> None:
    """Nor leaves an answer on one that the next call would take for its own."""

    async def main() -> None:
        async with opened(staleness=timedelta(0)) as org:
            holder = await org.sign_in("tom")

            async def read() -> None:
                assert await org.can("tom", "sales", "edit")
                assert [user.id async for user in org.users] == ["tom"]
                assert [seat.id async for seat in org.sessions] == [holder.id]
                assert await org.sessions.limit == 1
                assert (await org.users["tom"]).name == "Tom"

            for at in moments(kind):
                await cancel(asyncio.create_task(read()), at)
            await read()

    asyncio.run(main())


@both
def test_a_session_s_own_calls_are_finished_though_cancelled(opened: Opener, kind: str, cancel: Cancel[None]) -> None:
    """A rotation that reached the store is known to the holder, and an end is an end."""

    async def main() -> None:
        async with opened() as org:
            for at in moments(kind)[::3]:
                session = await org.sign_in("tom")
                await cancel(asyncio.create_task(session.rotate()), at)
                assert (await org.resume(session.token)).id == session.id
                await cancel(asyncio.create_task(session.end()), at)
                await session.end()
                await assert_free(org)

    asyncio.run(main())


def test_opening_that_was_cancelled_leaves_nothing_open(opened: Opener, kind: str) -> None:
    """The store can be opened again at once."""

    async def main() -> None:
        async def open_it() -> None:
            async with opened():
                pass

        for at in moments(kind)[::4]:
            await cancelled(asyncio.create_task(open_it()), at)
        await open_it()

    asyncio.run(main())


def test_closing_waits_for_what_is_going_on(opened: Opener, kind: str) -> None:
    """A sign-in that has begun is granted or refused, not left in between."""
    outcomes = set[str]()

    async def main() -> None:
        for at in moments(kind)[::4]:
            async with opened() as org:
                signing_in = asyncio.create_task(org.sign_in("tom"))
                for _ in range(at):
                    await asyncio.sleep(0)
                await org.close()
                try:
                    await signing_in
                    outcomes.add("granted")
                    break  # nobody is left to give it back
                except seatperm.StoreUnavailable as refused:
                    outcomes.add("closed" if "closed" in refused.cause else refused.cause)

    asyncio.run(main())
    assert outcomes <= {"granted", "closed"}


def test_at_random_moments_no_seat_is_oversold_or_lost(opened: Opener) -> None:
    """Twenty tasks sign in, wait, change and read, and are cancelled as it happens: after that all is free."""
    chance = Random(5)
    inside, most = 0, 0

    async def main() -> None:
        nonlocal inside, most
        async with opened() as org:
            await org.change_license(session_limit=3)

            async def work() -> None:
                nonlocal inside, most
                async with await org.sign_in("tom", wait=timedelta(seconds=30)):
                    inside += 1
                    most = max(most, inside)
                    try:
                        await org.users.rename("tom", f"Tom {chance.random()}")
                        await asyncio.sleep(0.001)
                    finally:
                        inside -= 1

            for _ in range(4):
                tasks = [asyncio.create_task(work()) for _ in range(20)]
                for task in tasks:
                    await asyncio.sleep(chance.random() * 0.01)
                    task.cancel()
                await asyncio.gather(*tasks, return_exceptions=True)
                assert inside == 0
            await assert_free(org)
            sessions = [await org.sign_in("tom") for _ in range(3)]
            for session in sessions:
                await session.end()

    asyncio.run(main())
    assert most <= 3
