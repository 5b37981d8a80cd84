"""Who writes next: the threads of a process in the order in which they came, its processes by their manners.

SQLite lets whoever asks at the right moment write, so that one writer may be passed over again and again.
"""

from __future__ import annotations

import time
from collections import deque
from threading import Lock

from attrs import define, field

BUSY = 0.1
"""Seconds for which others who were met are expected to be there still."""

STEP_BACK = 0.000_5
"""Seconds between two turns of one process while others are there."""

LONGEST_PAUSE, SHORTEST_PAUSE = 0.001, 0.000_2
"""Seconds between two tries, at most: of who has just come, and of who has waited long."""

IMPATIENCE = 0.000_02
"""Seconds squared: what the longest pause and the time waited make when they are multiplied."""


@define(eq=False)
class Turns:
    """A lock that threads get in the order in which they asked."""

    _guard: Lock = field(init=False, factory=Lock)
    _taken: bool = field(init=False, default=False)
    _waiting: deque[Lock] = field(init=False, factory=deque)

    def acquire(self, timeout: float) -> bool:
        """Wait for so many seconds at most; tell whether it is this thread's turn."""
        with self._guard:
            if not self._taken:
                self._taken = True
                return True
            mine = Lock()
            mine.acquire()
            self._waiting.append(mine)
        try:
            got = mine.acquire(timeout=timeout) if timeout > 0 else False
        except BaseException:
            if not self._stopped_waiting(mine):
                self.release()
            raise
        return got or not self._stopped_waiting(mine)

    def release(self) -> None:
        """Let the next one go on; handed over, so that nobody who comes by takes it first."""
        with self._guard:
            if self._waiting:
                self._waiting.popleft().release()
            else:
                self._taken = False

    def _stopped_waiting(self, mine: Lock) -> bool:
        """Give up one's place; False if it was one's turn already."""
        with self._guard:
            if mine in self._waiting:
                self._waiting.remove(mine)
                return True
            return False


@define(eq=False)
class Manners:
    """How one process asks for the file beside others: more often the longer it has waited, and not twice in a row.

    There is no line of processes that one could stand in: the system's locks let late comers pass early ones too,
    and a line in a file of its own would have to be cleared of the dead. So all ask again and again, whoever waits
    longest the most often, and whoever has just written lets the others go first.
    """

    _met_at: float = field(init=False, default=-BUSY)
    _left_at: float = field(init=False, default=0.0)

    def step_back(self) -> None:
        """Let those who wait go first, if this process has written a moment ago and met others before that."""
        if self._left_at < self._met_at + BUSY:
            moment = self._left_at + STEP_BACK - time.monotonic()
            if moment > 0:
                time.sleep(moment)

    def pause(self, since: float) -> None:
        """Wait for a moment; `since` tells, by `time.monotonic()`, how long one has waited."""
        self._met_at = time.monotonic()
        longest = min(LONGEST_PAUSE, max(SHORTEST_PAUSE, IMPATIENCE / max(self._met_at - since, 1e-9)))
        time.sleep(time.monotonic_ns() % 1_000 / 1_000 * longest)

    def done(self) -> None:
        """Say that this process has written."""
        self._left_at = time.monotonic()
