"""A clock that tests move by hand."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from threading import Lock

from ..clock import aware, micros
from ..errors import InvalidValue


class ManualClock:
    """A `seatperm.clock.Clock` that moves only when told; safe to share between threads.

    Args:
        start: the wall time it begins at; 9 o'clock (UTC) on 1 January 2027 unless said.

    Raises:
        InvalidValue: `start` has no time zone.
    """

    def __init__(self, start: datetime | None = None) -> None:
        self._lock = Lock()
        self._now = datetime(2027, 1, 1, 9, tzinfo=UTC) if start is None else aware("start", start)
        self._elapsed = 0
        self._boots = 1
        self.boot = "boot-1"

    def now(self) -> datetime:
        """Return the wall time in UTC."""
        with self._lock:
            return self._now

    def elapsed(self) -> float:
        """Return seconds since the start or the last reboot."""
        with self._lock:
            return self._elapsed / 1_000_000

    def advance(self, by: timedelta) -> None:
        """Let time pass: the wall clock and the elapsed seconds go on by as much.

        Raises:
            InvalidValue: `by` is below zero; only a stepped wall clock goes back.
        """
        if by < timedelta():
            raise InvalidValue("by", by, "a duration of zero or more; step() moves the wall clock back")
        with self._lock:
            self._now += by
            self._elapsed += micros(by.total_seconds())

    def step(self, by: timedelta) -> None:
        """Set the wall clock forward or back, while no time passes."""
        with self._lock:
            self._now += by

    def reboot(self) -> None:
        """Restart the machine: another boot, counted from zero, at the same wall time."""
        with self._lock:
            self._boots += 1
            self._elapsed = 0
            self.boot = f"boot-{self._boots}"
