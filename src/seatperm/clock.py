"""The one seam for time: wall time for terms, elapsed time for leases."""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Protocol

from .errors import InvalidValue


class Clock(Protocol):
    """What tells the time; `seatperm.testing.ManualClock` is the other one."""

    boot: str
    """Names what `elapsed` counts from; another value means that every earlier count is void."""

    def now(self) -> datetime:
        """Return the wall time, timezone-aware."""
        ...

    def elapsed(self) -> float:
        """Return seconds since the boot: never stepped, and counted through a suspend where the system can."""
        ...


class SystemClock:
    """The machine's clocks."""

    def __init__(self) -> None:
        self.boot = _boot_id()
        boot_clock = getattr(time, "CLOCK_BOOTTIME", None)  # it counts through a suspend; Linux has it
        self.elapsed: Callable[[], float] = (
            time.monotonic if boot_clock is None else partial(time.clock_gettime, boot_clock)
        )

    def now(self) -> datetime:
        """Return the wall time in UTC."""
        return datetime.now(UTC)


def _boot_id() -> str:
    try:
        return Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii").strip()
    except OSError:
        # A guess that two processes make differently would void leases that are held: better none.
        return "unknown"


def micros(seconds: float) -> int:
    """Return whole microseconds: what stores keep and compare, so that sums of durations stay exact."""
    return round(seconds * 1_000_000)


def aware(what: str, value: datetime) -> datetime:
    """Return `value` in UTC.

    Raises:
        InvalidValue: it is no datetime, or has no time zone.
    """
    if not isinstance(value, datetime) or value.utcoffset() is None:
        raise InvalidValue(what, value, "a datetime with a time zone, such as datetime(2027, 1, 1, tzinfo=UTC)")
    try:
        return value.astimezone(UTC)
    except OverflowError:
        raise InvalidValue(what, value, "a moment between the years 1 and 9999 in UTC") from None
