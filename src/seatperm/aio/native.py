"""The stores that need no thread: opened on the bridge, they wait there."""

from __future__ import annotations

from ..clock import Clock
from ..stores import DirectoryStore, SessionStore

MEMORY = "memory://"


def is_native(store: object) -> bool:
    """Tell whether a store is named by a URL whose store waits on the bridge."""
    return isinstance(store, str) and store == MEMORY


def open_directory(url: str) -> DirectoryStore:
    """Return the directory store that a URL names, in its form for the bridge."""
    from ..stores.bridge import AmongTasks
    from ..stores.memory import MemoryDirectory

    return MemoryDirectory(AmongTasks())


def open_sessions(url: str, clock: Clock) -> SessionStore:
    """Return the session store that a URL names, in its form for the bridge."""
    from ..stores.memory_sessions import MemorySessions

    return MemorySessions(clock)
