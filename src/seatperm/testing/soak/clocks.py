"""Clocks that are wrong, as a client's or a machine's may be."""

from __future__ import annotations

from datetime import datetime, timedelta
from pathlib import Path

from ...clock import SystemClock

HOUR = 3600.0
"""Seconds that wrong clocks are wrong by."""

now = SystemClock().elapsed
"""The boot clock, which all processes of a machine share."""


class SkewedClock(SystemClock):
    """The machine's clocks, with the wall clock off by a while.

    Args:
        wall: seconds that the wall clock is ahead.
        machine: a file that says by how many more: the wall clock of a whole machine, stepped while it runs.
        uptime: seconds that the boot clock is ahead: another machine's, which was started earlier.
    """

    def __init__(self, wall: float = 0.0, machine: Path | None = None, uptime: float = 0.0) -> None:
        super().__init__()
        self._wall = wall
        self._machine = machine
        real = self.elapsed
        if uptime:
            self.boot = f"{self.boot}-{uptime:g}"
            self.elapsed = lambda: real() + uptime

    def now(self) -> datetime:
        """Return the wrong wall time in UTC."""
        step = 0.0 if self._machine is None else float(self._machine.read_text("ascii"))
        return super().now() + timedelta(seconds=self._wall + step)
