"""From a URL to a store: the scheme picks it, one of seatperm's own or one that another package brings.

A package brings a store by an entry point of the group `seatperm.stores`. Its name is the URL's scheme; what it
names, a module or any object, has `open_directory(url)`, `open_sessions(url, clock)`, or both.
"""

from __future__ import annotations

import re
from importlib.metadata import EntryPoint, entry_points
from typing import Final, Never

from ..clock import Clock
from ..errors import InvalidValue, StoreUnavailable
from ..spelling import did_you_mean, nearest
from . import DirectoryStore, SessionStore
from .redis_url import SCHEMES as REDIS
from .sqlite_url import SQLITE, SQLiteURL

SECRET: Final = re.compile(r"((?i:[?&][^=&]*(?:pass|secret|token|key)[^=&]*=))[^&]+")
"""A setting of a URL that nobody is to see."""

GROUP: Final = "seatperm.stores"
"""The entry points that bring stores."""

DIRECTORIES: Final = {
    "memory": "memory://",
    "sqlite": "sqlite:///path/to/file.db",
    "postgresql": "postgresql://user@host/database",
}
"""An example of each URL of seatperm's own that names a directory store, by scheme."""

SESSIONS: Final = {
    "memory": "memory://",
    "sqlite": "sqlite:///path/to/file.db",
    "redis": "redis://host:6379/0",
    "postgresql": "postgresql://user@host/database",
}
"""An example of each URL of seatperm's own that names a session store, by scheme."""


def open_directory(url: str) -> DirectoryStore:
    """Return the directory store that a URL names.

    Raises:
        InvalidValue: the URL names no store that keeps a directory.
        StoreUnavailable, StoreDamaged, StoreVersion: it can't be opened.
    """
    match url.partition("://")[0]:
        case "memory" if url == DIRECTORIES["memory"]:
            from .memory import MemoryDirectory

            return MemoryDirectory()
        case "sqlite" if url.startswith(SQLITE):
            from .sqlite import SQLiteDirectory

            where = SQLiteURL.parse(url)
            return SQLiteDirectory(
                where.path, synchronous=where.synchronous or "full", timeout=where.timeout, mode=where.mode
            )
        case "postgresql" | "postgres":
            from .postgres import PostgresDirectory

            return PostgresDirectory(url)
        case scheme:
            opener = getattr(_brought(url, scheme, DIRECTORIES), "open_directory", None)
            if opener is None:
                _refuse("store", url, DIRECTORIES)
            directory: DirectoryStore = opener(url)
            return directory


def open_sessions(url: str, clock: Clock) -> SessionStore:
    """Return the session store that a URL names.

    Raises:
        InvalidValue: the URL names no store that keeps sessions.
        StoreUnavailable, StoreDamaged, StoreVersion: it can't be opened.
    """
    match url.partition("://")[0]:
        case "memory" if url == SESSIONS["memory"]:
            from .memory_sessions import MemorySessions

            return MemorySessions(clock)
        case "sqlite" if url.startswith(SQLITE):
            from .sqlite_sessions import SQLiteSessions

            where = SQLiteURL.parse(url)
            return SQLiteSessions(
                where.path, clock, synchronous=where.synchronous or "normal", timeout=where.timeout, mode=where.mode
            )
        case "postgresql" | "postgres":
            from .postgres_sessions import PostgresSessions

            return PostgresSessions(url)
        case scheme if scheme in REDIS:
            from .redis_sessions import RedisSessions

            return RedisSessions(url)
        case scheme:
            opener = getattr(_brought(url, scheme, SESSIONS), "open_sessions", None)
            if opener is None:
                _refuse("session_store", url, SESSIONS)
            sessions: SessionStore = opener(url, clock)
            return sessions


def without_secrets(url: str) -> str:
    """Return a URL without what stands before its host, a user's name and password, and without secret settings."""
    scheme, separator, rest = url.partition("://")
    return SECRET.sub(r"\1…", f"{scheme}{separator}{rest.rpartition('@')[2]}")


def _entry_points() -> dict[str, EntryPoint]:
    return {entry.name: entry for entry in entry_points(group=GROUP)}


def _brought(url: str, scheme: str, own: dict[str, str]) -> object:
    entry = None if scheme in own else _entry_points().get(scheme)
    if entry is None:
        return None
    try:
        return entry.load()
    except Exception as error:  # whatever another package does when it is imported
        found = f"the store {entry.value!r} of another package can't be loaded ({error!r})"
        raise StoreUnavailable(without_secrets(url), found) from error


def _refuse(what: str, url: str, own: dict[str, str]) -> Never:
    scheme = url.partition("://")[0]
    brought = sorted(set(_entry_points()) - set(own))
    expected = " or ".join(repr(example) for example in own.values())
    if brought:
        expected += f", or a URL that begins with {', '.join(f'{name}://' for name in brought)}"
    near = () if scheme in own else nearest(scheme, [*own, *brought], 2)
    raise InvalidValue(what, without_secrets(url), expected + did_you_mean(near))
