"""Connections to a Redis server for the tasks of an event loop: the same calls, waited for on the bridge.

Only the driver's connections differ. Needs the extras `redis` and `aio`.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from queue import Empty, SimpleQueue
from typing import Any, cast

from attrs import define
from redis.asyncio import Connection, SSLConnection, UnixDomainSocketConnection

from .bridge import TaskSlots, await_, finishing, must_be_on_bridge
from .redis_server import Lines, Wire


@define(eq=False)
class BridgedLines(Lines):
    """Connections to one server at a time that the tasks of an event loop use, each on the bridge."""

    def __attrs_post_init__(self) -> None:
        self._free = cast("SimpleQueue[None]", _Places(self._url.max_connections))

    def run(self, verb: bytes, keys: Sequence[bytes], arguments: Sequence[bytes]) -> bytes | None:
        """Run the script, see `Server.run`."""
        must_be_on_bridge()
        return Lines.run(self, verb, keys, arguments)

    def _wire(self, settings: dict[str, Any]) -> Wire:
        if "path" in settings:
            return _BridgedWire(UnixDomainSocketConnection(**settings))
        return _BridgedWire((SSLConnection if self._url.tls else Connection)(**settings))

    def _pause(self, seconds: float) -> None:
        await_(asyncio.sleep(seconds))

    def _place(self, settings: Mapping[str, object]) -> tuple[str, int]:
        return await_(asyncio.to_thread(Lines._place, self, settings))


class _Places(TaskSlots):
    """Places in the form in which `Lines` asks for them."""

    def get(self, *, timeout: float) -> None:
        if not self.acquire(timeout=timeout):
            raise Empty

    def put(self, _: None) -> None:
        self.release()


class _BridgedWire:
    """A connection of the driver's for asyncio, as `Wire` has it."""

    def __init__(self, connection: Any) -> None:
        self._connection = connection

    def connect(self) -> None:
        await_(self._connection.connect())

    def send_packed_command(self, command: list[bytes], check_health: bool) -> None:
        await_(self._connection.send_packed_command(command, check_health=check_health))

    def read_response(self, *, disconnect_on_error: bool) -> object:
        return await_(self._connection.read_response(disconnect_on_error=disconnect_on_error))

    def disconnect(self) -> None:
        with finishing():
            await_(self._connection.disconnect(nowait=True))
