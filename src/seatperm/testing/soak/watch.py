"""Watching one seat from outside: when its holder was given it, and when somebody else can have it."""

from __future__ import annotations

import time
from contextlib import suppress
from math import inf
from pathlib import Path

from attrs import define, field

from ...errors import StoreUnavailable
from ...sessions import Full
from ...stores import SessionStore
from .clocks import now
from .journal import Line, grants, read
from .target import Target
from .task import PAUSE, Client, Task


@define(eq=False)
class Watch:
    """One holder, who takes a seat and is heard of no more, and one who waits for that seat.

    Attributes:
        holder: what the holder is told.
        rival: asks for the seat.
        worker: the holder's number in its crew.
        granted: what the holder wrote down.
        refused_until: when the last ask that was refused had been sent.
        free_at: when the answer was there that granted the seat to the rival; 0 before that.
    """

    holder: Task
    rival: Client
    worker: int = 0
    granted: Line | None = field(init=False, default=None)
    refused_until: float = field(init=False, default=0.0)
    free_at: float = field(init=False, default=0.0)

    def until_held(self, within: float) -> None:
        """Wait until the holder has its seat."""
        end = time.monotonic() + within
        while self.granted is None and time.monotonic() < end:
            self.granted = next(iter(grants(read(Path(self.holder.journal))).values()), None)
            time.sleep(PAUSE)

    def until_free(self, enough: float = inf) -> None:
        """Ask for the seat until it is free, or certainly is not by so many seconds too late; keep it for a moment."""
        end = time.monotonic() + 4 * self.holder.lease + 15
        while time.monotonic() < end and self.late <= enough:
            asked = now()
            with suppress(StoreUnavailable):
                if not isinstance(self.rival.store.acquire(self.rival.request("rival")), Full):
                    self.free_at = now()
                    return
            self.refused_until = asked
            time.sleep(PAUSE)

    @property
    def early(self) -> float:
        """Seconds by which the seat was certainly free too early; below zero where it was not."""
        return 0.0 if self.granted is None or not self.free_at else self.granted.end - self.free_at

    @property
    def late(self) -> float:
        """Seconds after the end of the lease at which the seat was certainly not free yet."""
        return 0.0 if self.granted is None else self.refused_until - (self.granted.start + self.holder.lease)


def watch(target: Target, holder: Task, store: SessionStore) -> Watch:
    """Return the watch of a holder that is yet to start, from a store of this process."""
    return Watch(holder, target.client(store, holder.organization, lease=0.2, limit=1))
