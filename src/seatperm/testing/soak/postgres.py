"""What the rows ask of a PostgreSQL server beside its store; needs the extra `postgres`."""

from __future__ import annotations

import time
from collections.abc import Callable

import psycopg

from ..servers.base import Server
from .broken import split

OWN = ("schema", "timeout", "pool_min", "pool_max")
"""The settings of a store's URL that are not libpq's."""


def libpq(url: str) -> str:
    """Return the URL of a store as libpq reads it."""
    place, _, query = split(url)[1].partition("?")
    theirs = [pair for pair in query.split("&") if pair and pair.partition("=")[0] not in OWN]
    return place + ("?" if theirs else "") + "&".join(theirs)


def ask(url: str, *statements: str) -> list[tuple[object, ...]]:
    """Run statements, each by itself, and return the rows of the last one."""
    with psycopg.connect(libpq(url), autocommit=True) as connection:
        cursor = connection.cursor()
        for statement in statements:
            cursor.execute(statement.encode())
        return cursor.fetchall() if cursor.description else []


def left_behind(url: str, within: float) -> list[str]:
    """Return which locks and open transactions clients have left behind, waiting some seconds for them to go."""
    end = time.monotonic() + within
    while True:
        found = [
            " ".join(map(str, row))
            for row in ask(
                url,
                "SELECT a.state, l.locktype, l.mode, count(*) FROM pg_stat_activity a LEFT JOIN pg_locks l USING (pid) "
                "WHERE a.pid <> pg_backend_pid() AND a.backend_type = 'client backend' "
                "AND (l.pid IS NOT NULL OR a.state <> 'idle') GROUP BY 1, 2, 3",
            )
        ]
        if not found or time.monotonic() > end:
            return found
        time.sleep(0.05)


_OTHERS = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE pid <> pg_backend_pid() AND datname IS NOT NULL"


def _saying(*statements: str, elsewhere: bool = False) -> Callable[[Server], None]:
    def say(server: Server) -> None:
        # A database that takes no connections is told so from another one.
        ask(server.url.replace("/postgres?", "/template1?", 1) if elsewhere else server.url, *statements)

    return say


FAULTS = (
    (
        "read only",
        _saying("ALTER DATABASE postgres SET default_transaction_read_only = on", _OTHERS),
        _saying(
            "SET default_transaction_read_only = off",
            "ALTER DATABASE postgres RESET default_transaction_read_only",
            _OTHERS,
        ),
    ),
    (
        "no connections",
        _saying("ALTER DATABASE postgres ALLOW_CONNECTIONS false", _OTHERS, elsewhere=True),
        _saying("ALTER DATABASE postgres ALLOW_CONNECTIONS true", elsewhere=True),
    ),
    ("clients cut off", _saying(*[_OTHERS, "SELECT pg_sleep(0.05)"] * 4), _saying()),
)
"""What can happen to a server's storage and connections: its name, what brings it about, what ends it."""
