"""The bridge: synchronous code that waits, while the event loop goes on."""

from __future__ import annotations

import asyncio
import gc
from contextvars import ContextVar

import pytest

from seatperm.stores.bridge import TaskLock, TaskSlots, await_, finishing, run
from seatperm.stores.waiting import WouldWait

COLOUR: ContextVar[str] = ContextVar("COLOUR")


def test_code_on_the_bridge_waits_and_others_go_on() -> None:
    """Two functions that sleep by turns run at the same time."""
    told: list[str] = []

    def count(name: str) -> str:
        for _ in range(2):
            await_(asyncio.sleep(0))
            told.append(name)
        return name

    async def main() -> tuple[str, str]:
        first, second = await asyncio.gather(run(count, "a"), run(count, "b"))
        return first, second

    assert asyncio.run(main()) == ("a", "b")
    assert told == ["a", "b", "a", "b"]


def test_off_the_bridge_nothing_waits() -> None:
    """Neither in a coroutine nor outside an event loop; and nothing is left that was never awaited."""

    async def main() -> None:
        await_(asyncio.sleep(0))

    with pytest.raises(WouldWait, match=r"await it through seatperm\.aio"):
        asyncio.run(main())
    with pytest.raises(WouldWait), finishing():
        pass
    gc.collect()


def test_what_is_awaited_raises_where_it_is_awaited() -> None:
    """An error of the awaited is the function's to catch, and its own comes out of `run`."""

    async def fail() -> None:
        raise KeyError("inner")

    def catch() -> str:
        with pytest.raises(KeyError, match="inner"):
            await_(fail())
        raise ValueError("outer")

    with pytest.raises(ValueError, match="outer"):
        asyncio.run(run(catch))


def test_the_task_s_variables_are_seen_and_set() -> None:
    """A context variable is the task's own on both sides of the bridge."""

    def change() -> str:
        seen = COLOUR.get()
        await_(asyncio.sleep(0))
        COLOUR.set("blue")
        return seen

    async def main() -> tuple[str, str]:
        COLOUR.set("red")
        return await run(change), COLOUR.get()

    assert asyncio.run(main()) == ("red", "blue")


def test_a_cancelled_task_is_told_where_it_waits() -> None:
    """So that `with` and `finally` clean up, which may wait themselves."""
    told: list[str] = []

    def wait() -> None:
        try:
            await_(asyncio.sleep(60))
        finally:
            await_(asyncio.sleep(0))
            told.append("cleaned up")

    async def main() -> None:
        task = asyncio.create_task(run(wait))
        await asyncio.sleep(0)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    asyncio.run(main())
    assert told == ["cleaned up"]


def test_what_is_finishing_goes_on_though_cancelled_twice() -> None:
    """The task is told afterwards, at the next wait or at the end."""
    told: list[str] = []

    def finish(wait_afterwards: bool) -> None:
        with finishing():
            for _ in range(5):
                await_(asyncio.sleep(0))
            told.append("finished")
        if wait_afterwards:
            await_(asyncio.sleep(60))

    async def main(wait_afterwards: bool) -> None:
        task = asyncio.create_task(run(finish, wait_afterwards))
        for _ in range(3):
            await asyncio.sleep(0)
            task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    asyncio.run(main(wait_afterwards=True))
    asyncio.run(main(wait_afterwards=False))
    assert told == ["finished", "finished"]


def test_a_function_whose_loop_is_gone_is_unwound() -> None:
    """Its cleanup runs as far as it need not wait."""
    told: list[str] = []

    def wait() -> None:
        try:
            await_(asyncio.get_running_loop().create_future())
        finally:
            told.append("cleaned up")
            await_(asyncio.sleep(0))

    async def main() -> None:
        crossing = run(wait)
        assert crossing.send(None) is not None
        crossing.close()

    asyncio.run(main())
    gc.collect()
    assert told == ["cleaned up"]


def test_a_lock_is_held_while_its_holder_waits() -> None:
    """A `threading.RLock` would let every task of the thread in; the holder itself may take it again."""
    lock, inside, most = TaskLock(), 0, 0

    def enter() -> None:
        nonlocal inside, most
        with lock, lock:
            inside += 1
            most = max(most, inside)
            await_(asyncio.sleep(0))
            inside -= 1

    async def main() -> None:
        await asyncio.gather(*(run(enter) for _ in range(20)))

    asyncio.run(main())
    assert (most, inside) == (1, 0)


@pytest.mark.parametrize("at", range(12))
def test_no_turn_at_a_lock_is_lost_to_a_cancelled_task(at: int) -> None:
    """Whenever one of three is cancelled, the others get in."""
    lock, told = TaskLock(), list[int]()

    def enter(number: int) -> None:
        with lock:
            await_(asyncio.sleep(0))
            told.append(number)

    async def main() -> None:
        tasks = [asyncio.create_task(run(enter, number)) for number in range(3)]
        for _ in range(at):
            await asyncio.sleep(0)
        tasks[1].cancel()
        async with asyncio.timeout(5):
            await asyncio.gather(*tasks, return_exceptions=True)

    asyncio.run(main())
    assert set(told) >= {0, 2}


@pytest.mark.parametrize("at", range(12))
def test_no_place_is_lost_to_a_cancelled_task(at: int) -> None:
    """Whenever one of three is cancelled, as many places are free afterwards as before."""
    slots = TaskSlots(1)

    def take() -> None:
        assert slots.acquire(timeout=5)
        try:
            await_(asyncio.sleep(0))
        finally:
            slots.release()

    async def main() -> None:
        tasks = [asyncio.create_task(run(take)) for _ in range(3)]
        for _ in range(at):
            await asyncio.sleep(0)
        tasks[1].cancel()
        async with asyncio.timeout(5):
            await asyncio.gather(*tasks, return_exceptions=True)
            await run(take)

    asyncio.run(main())


def test_a_place_is_waited_for_no_longer_than_said() -> None:
    """Who got none is told, and holds up nobody afterwards."""
    slots = TaskSlots(1)

    async def main() -> None:
        assert await run(slots.acquire, timeout=1)
        assert not await run(slots.acquire, timeout=0.01)
        slots.release()
        assert await run(slots.acquire, timeout=0)

    asyncio.run(main())
