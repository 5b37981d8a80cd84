"""A proxy between a client and a server's store: it loses replies, and drops everything when told to."""

from __future__ import annotations

import socket
from contextlib import suppress
from threading import Lock, Thread
from typing import Self
from urllib.parse import parse_qsl, quote, unquote, urlencode, urlsplit, urlunsplit

from attrs import define, field

from .target import NotRun

Address = str | tuple[str, int]
"""The path of a unix socket, or host and port."""


def upstream(url: str) -> Address:
    """Return where a server's URL leads to.

    Raises:
        NotRun: that can't be told, or it speaks TLS.
    """
    parts = urlsplit(url)
    options = dict(parse_qsl(parts.query))
    match parts.scheme:
        case "unix" | "redis+unix" | "valkey+unix":
            return unquote(parts.path)
        case "redis" | "valkey":
            return parts.hostname or "127.0.0.1", parts.port or 6379
        case "postgresql" | "postgres":
            host, port = options.get("host", parts.hostname), int(options.get("port", parts.port or 5432))
            if host and host.startswith("/"):
                return f"{host}/.s.PGSQL.{port}"
            return host or "127.0.0.1", port
        case scheme:
            raise NotRun(f"no proxy can be put before a URL that begins with {scheme}://")


def connected(to: Address) -> socket.socket:
    """Return a connection to a server."""
    if isinstance(to, tuple):
        return socket.create_connection(to)
    server = socket.socket(socket.AF_UNIX)
    server.connect(to)
    return server


def through(url: str, port: int) -> str:
    """Return a URL that leads to the same store through a proxy on that port of this machine."""
    parts = urlsplit(url)
    user = f"{parts.netloc.rpartition('@')[0]}@" if "@" in parts.netloc else ""
    options = {name: value for name, value in parse_qsl(parts.query) if name not in ("host", "port")}
    path, scheme = parts.path, parts.scheme
    if scheme.endswith("unix"):
        scheme, path = "redis", f"/{options.pop('db', '0')}"
    return urlunsplit((scheme, f"{user}127.0.0.1:{port}", path, urlencode(options, quote_via=quote), ""))


@define(eq=False)
class Proxy:
    """Passes bytes between clients and one server, until it is told to lose some.

    A context manager; it listens from its making on.

    Args:
        to: the server.

    Attributes:
        port: where clients connect, at 127.0.0.1.
        swallowed: how many replies it has lost.
    """

    _to: Address
    port: int = field(init=False)
    swallowed: int = field(init=False, default=0)
    _listening: socket.socket = field(init=False)
    _pairs: list[tuple[socket.socket, socket.socket]] = field(init=False, factory=list)
    _lock: Lock = field(init=False, factory=Lock)
    _dropping: bool = field(init=False, default=False)
    _swallow: int = field(init=False, default=0)

    def __attrs_post_init__(self) -> None:
        self._listening = socket.create_server(("127.0.0.1", 0))
        self.port = self._listening.getsockname()[1]
        Thread(target=self._accept, daemon=True).start()

    def swallow(self, reply: int = 1) -> None:
        """Lose that reply, counted from now, and cut the connection that it was to go over; 0 loses none."""
        with self._lock:
            self._swallow = reply

    def cut(self) -> None:
        """Drop every byte in both directions from now on, of new connections too, and close none."""
        self._dropping = True

    def mend(self) -> None:
        """Pass bytes again; connections that have lost some are closed."""
        self._hang_up()
        self._dropping = False

    def close(self) -> None:
        """Close every connection and listen no more."""
        self._dropping = True
        with suppress(OSError):
            self._listening.shutdown(socket.SHUT_RDWR)
        self._listening.close()
        self._hang_up()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _accept(self) -> None:
        while True:
            try:
                client, _ = self._listening.accept()
            except OSError:
                return
            try:
                server = connected(self._to)
            except OSError:
                client.close()
                continue
            client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            with self._lock:
                self._pairs.append((client, server))
            Thread(target=self._pump, args=(client, server, False), daemon=True).start()
            Thread(target=self._pump, args=(server, client, True), daemon=True).start()

    def _pump(self, source: socket.socket, sink: socket.socket, replies: bool) -> None:
        with suppress(OSError):
            while data := source.recv(65536):
                if self._dropping:
                    continue
                if replies and self._lost():
                    break
                sink.sendall(data)
        _end(source, sink)
        if replies:
            with self._lock, suppress(ValueError):
                self._pairs.remove((sink, source))
            source.close()
            sink.close()

    def _lost(self) -> bool:
        with self._lock:
            if self._swallow:
                self._swallow -= 1
                if not self._swallow:
                    self.swallowed += 1
                    return True
            return False

    def _hang_up(self) -> None:
        with self._lock:
            pairs = list(self._pairs)
        for pair in pairs:
            _end(*pair)


def _end(*sockets: socket.socket) -> None:
    for each in sockets:
        with suppress(OSError):
            each.shutdown(socket.SHUT_RDWR)
