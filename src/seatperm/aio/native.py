"""The stores that need no thread: opened on the bridge, they wait there."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from ..clock import Clock
from ..errors import MissingExtra
from ..stores import DirectoryStore, SessionStore
from ..stores.redis_url import SCHEMES as REDIS
from ..stores.redis_url import RedisURL

if TYPE_CHECKING:
    from collections.abc import Callable

    from ..stores.postgres_database_aio import BridgedDatabase
    from ..stores.redis_server_aio import BridgedLines

MEMORY: Final = "memory://"
POSTGRES: Final = ("postgresql", "postgres")


def has_directory(store: object) -> bool:
    """Tell whether a directory store is named by a URL whose store waits on the bridge."""
    return isinstance(store, str) and (store == MEMORY or store.partition("://")[0] in POSTGRES)


def has_sessions(store: object) -> bool:
    """Tell whether a session store is named by a URL whose store waits on the bridge; a Redis cluster does not."""
    if has_directory(store):
        return True
    scheme = store.partition("://")[0] if isinstance(store, str) else ""
    return scheme in REDIS and not scheme.endswith("+cluster")


def load(*urls: object) -> None:
    """Load the modules of these stores, which takes too long for the event loop's thread."""
    for url in urls:
        scheme = str(url).partition("://")[0]
        if scheme in POSTGRES:
            _postgres()
        elif scheme in REDIS:
            _redis()


def open_directory(url: str) -> DirectoryStore:
    """Return the directory store that a URL names, in its form for the bridge."""
    from ..stores.bridge import AmongTasks

    if url == MEMORY:
        from ..stores.memory import MemoryDirectory

        return MemoryDirectory(AmongTasks())
    from ..stores.postgres import PostgresDirectory

    return PostgresDirectory(url, database=_postgres()(url))


def open_sessions(url: str, clock: Clock) -> SessionStore:
    """Return the session store that a URL names, in its form for the bridge."""
    if url == MEMORY:
        from ..stores.memory_sessions import MemorySessions

        return MemorySessions(clock)
    if url.partition("://")[0] in POSTGRES:
        from ..stores.postgres_sessions import PostgresSessions

        return PostgresSessions(url, database=_postgres()(url))
    from ..stores.redis_sessions import RedisSessions

    return RedisSessions(url, server=_redis()(RedisURL.parse(url)))


def _redis() -> Callable[[RedisURL], BridgedLines]:
    try:
        from ..stores.redis_server_aio import BridgedLines
    except ModuleNotFoundError as error:
        raise MissingExtra("redis") from error
    return BridgedLines


def _postgres() -> Callable[[str], BridgedDatabase]:
    from ..stores import postgres_url  # noqa: F401  the one that tells that the driver is missing
    from ..stores.postgres_database_aio import BridgedDatabase

    return BridgedDatabase
