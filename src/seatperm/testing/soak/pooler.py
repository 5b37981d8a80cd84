"""A pool of server connections as PgBouncer keeps one in transaction mode: each transaction on another connection."""

from __future__ import annotations

import select
import socket
import struct
from collections import deque
from contextlib import suppress
from threading import Condition, Thread
from typing import Self

from attrs import define, field

from .proxy import Address, connected

SSL_REQUEST, GSS_REQUEST, CANCEL_REQUEST = 80877103, 80877104, 80877102
"""What a client may send in place of a startup message."""

KNOWN = {
    "user",
    "database",
    "application_name",
    "client_encoding",
    "datestyle",
    "timezone",
    "standard_conforming_strings",
}
"""Startup parameters that PgBouncer takes; it refuses every other one."""

READY = b"Z"
"""The server's message that a statement or a pipeline is done, with whether a transaction is open."""


class _Gone(OSError):
    """The other end has hung up."""


@define(eq=False)
class Pooler:
    """Gives each transaction of any client the server connection that has been idle for longest.

    A client that hangs up in the middle of a transaction takes the server connection with it. A context manager;
    it listens from its making on.

    Args:
        to: the server.
        user: whom all connections are of.
        database: the database they are to.
        size: how many server connections there are.

    Attributes:
        port: where clients connect, at 127.0.0.1.
        transactions: how many there were.
    """

    _to: Address
    _user: str
    _database: str
    _size: int
    port: int = field(init=False)
    transactions: int = field(init=False, default=0)
    _listening: socket.socket = field(init=False)
    _idle: deque[socket.socket] = field(init=False, factory=deque)
    _made: int = field(init=False, default=0)
    _given: Condition = field(init=False, factory=Condition)
    _clients: set[socket.socket] = field(init=False, factory=set)
    _greeting: bytes = field(init=False, default=b"")

    def __attrs_post_init__(self) -> None:
        self._idle.append(self._connect())
        self._made = 1
        self._listening = socket.create_server(("127.0.0.1", 0), backlog=128)
        self.port = self._listening.getsockname()[1]
        Thread(target=self._accept, daemon=True).start()

    def close(self) -> None:
        """Close every connection and listen no more."""
        with suppress(OSError):
            self._listening.shutdown(socket.SHUT_RDWR)
        self._listening.close()
        with self._given:
            for each in (*self._clients, *self._idle):
                with suppress(OSError):
                    each.shutdown(socket.SHUT_RDWR)
            for each in self._idle:
                each.close()
            self._idle.clear()

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
            client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            Thread(target=self._serve, args=(client,), daemon=True).start()

    def _connect(self) -> socket.socket:
        server = connected(self._to)
        said = b"".join(_text(part) for part in ("user", self._user, "database", self._database)) + b"\0"
        server.sendall(struct.pack("!II", len(said) + 8, 196608) + said)
        greeting = b""
        while True:
            kind, body = _message(server)
            if kind == b"E":
                raise _Gone(body.decode("utf-8", "replace"))
            if kind == b"S":
                greeting += _packed(kind, body)
            if kind == READY:
                self._greeting = greeting
                return server

    def _serve(self, client: socket.socket) -> None:
        with self._given:
            self._clients.add(client)
        try:
            if self._welcome(client):
                while True:
                    kind, body = _message(client)
                    if kind == b"X":
                        break
                    self._transaction(client, _packed(kind, body), pending=kind in (b"Q", b"S", b"F"))
        except OSError:
            pass
        finally:
            with self._given:
                self._clients.discard(client)
            client.close()

    def _welcome(self, client: socket.socket) -> bool:
        while True:
            size, code = struct.unpack("!II", _exactly(client, 8))
            rest = _exactly(client, size - 8)
            if code in (SSL_REQUEST, GSS_REQUEST):
                client.sendall(b"N")
                continue
            if code == CANCEL_REQUEST:
                return False
            words = rest.rstrip(b"\0").split(b"\0")
            if strange := {word.decode().lower() for word in words[::2]} - KNOWN:
                text = f"unsupported startup parameter: {min(strange)}"
                client.sendall(_packed(b"E", b"SFATAL\0VFATAL\0C08P01\0M" + text.encode() + b"\0\0"))
                return False
            ready = _packed(b"K", struct.pack("!II", 1, 1)) + _packed(READY, b"I")
            client.sendall(_packed(b"R", struct.pack("!I", 0)) + self._greeting + ready)
            return True

    def _transaction(self, client: socket.socket, first: bytes, *, pending: bool) -> None:
        """Serve one client from its first message until no transaction of it is open."""
        server, whole = self._take(), False
        try:
            server.sendall(first)
            waited = int(pending)
            while True:
                for source in select.select([client, server], [], [])[0]:
                    kind, body = _message(source)
                    if source is client:
                        if kind == b"X":
                            raise _Gone
                        waited += kind in (b"Q", b"S", b"F")
                        server.sendall(_packed(kind, body))
                        continue
                    if kind == READY:
                        waited -= 1
                        whole = waited == 0 and body == b"I"
                    client.sendall(_packed(kind, body))
                if whole:
                    return
        finally:
            self._give_back(server, whole=whole)

    def _take(self) -> socket.socket:
        with self._given:
            if self._made < self._size:
                self._made += 1
                try:
                    self._idle.append(self._connect())
                except OSError:
                    self._made -= 1
                    raise
            while not self._idle:
                if not self._given.wait(10):
                    raise _Gone("no server connection is free")
            return self._idle.popleft()

    def _give_back(self, server: socket.socket, *, whole: bool) -> None:
        with self._given:
            self.transactions += 1
            if whole:
                self._idle.append(server)
            else:
                self._made -= 1
                server.close()
            self._given.notify()


def _exactly(source: socket.socket, size: int) -> bytes:
    found = b""
    while len(found) < size:
        more = source.recv(size - len(found))
        if not more:
            raise _Gone("the other end has hung up")
        found += more
    return found


def _message(source: socket.socket) -> tuple[bytes, bytes]:
    kind, size = struct.unpack("!cI", _exactly(source, 5))
    return kind, _exactly(source, size - 4)


def _packed(kind: bytes, body: bytes) -> bytes:
    return kind + struct.pack("!I", len(body) + 4) + body


def _text(word: str) -> bytes:
    return word.encode() + b"\0"
