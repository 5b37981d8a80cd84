"""To the end: awaiting what has to be finished, whoever cancels meanwhile."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable
from typing import TypeVar

R = TypeVar("R")


async def finished(awaitable: Awaitable[R]) -> tuple[asyncio.Future[R], asyncio.CancelledError | None]:
    """Await to its end, and return its outcome and the first of the cancellations that came meanwhile."""
    outcome = asyncio.ensure_future(awaitable)
    cancelled: asyncio.CancelledError | None = None
    while not outcome.done():
        try:
            await asyncio.wait([outcome])
        except asyncio.CancelledError as error:
            cancelled = cancelled or error
    return outcome, cancelled
