"""From what `--store` says to a target, with a server of the soak's own where that is what it says."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from ..servers.base import Server
from .target import MakeServer, Target, known


@contextmanager
def aimed(store: str, folder: Path, *, minutes: float = 0.0, seed: int = 0) -> Iterator[Target]:
    """Give the target of a URL, or of "memory", "sqlite", "redis" or "postgres" for a store of the soak's own.

    Args:
        store: what to prove; a name of `broken` and "+" may stand before it.
        folder: for journals, files and servers.
        minutes: how long all rows may take, roughly; 0 is the short form.
        seed: of all choices.

    Raises:
        InvalidValue: it is neither.
        ServerMissing: no such server can be run here.
    """
    how, plus, what = store.rpartition("+") if "://" not in store else ("", "", store)
    if what in SERVERS:
        make = SERVERS[what]
        with make(folder / "server", "") as server:
            yield Target(f"{how}{plus}{server.url}", folder, minutes, seed, server, make)
        return
    urls = {"memory": "memory://", "sqlite": f"sqlite:///{folder / 'seats.db'}"}
    yield Target(how + plus + known(urls.get(what, what)), folder, minutes, seed)


def _redis(folder: Path, keeping: str) -> Server:
    from ..servers.redis import RedisServer

    match keeping:
        case "everysec" | "always":
            return RedisServer(folder, persistence=keeping)
        case _:
            return RedisServer(folder)


def _postgres(folder: Path, keeping: str) -> Server:
    from ..servers.postgres import PostgresServer

    return PostgresServer(folder, durable=keeping == "durable")


SERVERS: dict[str, MakeServer] = {"postgres": _postgres, "redis": _redis}
"""Makes the servers of the soak's own, by what `--store` says."""
