"""Servers for tests: what `seatperm.testing.servers` gives to whoever tests against real ones."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from seatperm.clock import SystemClock
from seatperm.sessions import Seat, SeatRequest
from seatperm.stores.opening import open_sessions
from seatperm.testing.servers.base import Server, ServerMissing
from seatperm.testing.servers.postgres import PostgresServer
from seatperm.testing.servers.redis import RedisServer

from .servers import missing


@pytest.fixture
def open_folder(monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """The working folder: one that every account can reach, as PostgreSQL, which runs as another one, has to."""
    with tempfile.TemporaryDirectory(prefix="seat-") as name:
        Path(name).chmod(0o755)
        monkeypatch.chdir(name)
        yield Path(name)


@pytest.mark.parametrize("make", [PostgresServer, RedisServer])
def test_a_server_starts_in_a_relative_folder(make: Callable[[Path], Server], open_folder: Path) -> None:
    """Its data stands there, and nowhere below it once more."""
    try:
        server = make(Path("mine"))
    except ServerMissing as error:
        missing(error)
    with server:
        assert server.folder == open_folder / "mine"
        store = open_sessions(server.url, SystemClock())
        request = SeatRequest("acme", "ada", None, "s", "0" * 64, 60, 1)
        assert isinstance(store.acquire(request), Seat)
        store.close()
    assert (open_folder / "mine" / "log").exists()
    assert not (open_folder / "mine" / "mine").exists()
