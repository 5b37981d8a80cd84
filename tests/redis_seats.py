"""What the tests of the Redis store share: requests, and a proxy that loses answers."""

from __future__ import annotations

import socket
import ssl
from collections.abc import Callable, Collection, Mapping
from pathlib import Path
from threading import Event, Thread
from types import TracebackType
from typing import Self

from seatperm.sessions import SeatRequest, new_token, token_hash


def request(
    user: str = "ann",
    client: str | None = None,
    *,
    organization: str = "kauri",
    limit: int = 3,
    lease: float = 60.0,
    per_user: bool = False,
    reserved: Mapping[str, int] | None = None,
    holds: Collection[str] = (),
    ticket: str | None = None,
    epoch: str | None = None,
) -> SeatRequest:
    """Return a request with a fresh id and token."""
    return SeatRequest(
        organization=organization,
        user_id=user,
        client=client,
        session_id=new_token(),
        token_hash=token_hash(new_token()),
        lease=lease,
        limit=limit,
        per_user=per_user,
        reserved=reserved or {},
        holds=frozenset(holds),
        ticket=ticket,
        epoch=epoch,
    )


class Proxy:
    """Stands between a store and a server's socket, with TLS where it has a certificate; told so, it loses answers.

    Attributes:
        loses: told each answer, whether to lose it, and with it the connection.
        holds: while set, nothing that the server says is passed on, and no connection is closed.
        calls: how many answers the server has given.
    """

    def __init__(self, server: Path, certificate: Path | None = None) -> None:
        self._tls: ssl.SSLContext | None = None
        if certificate is not None:
            self._tls = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
            self._tls.load_cert_chain(certificate)
        self.loses: Callable[[bytes], bool] = lambda _: False
        self.holds = Event()
        self.calls = 0
        self._server = server
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._open: list[socket.socket] = []
        self.url = f"redis://127.0.0.1:{self._listener.getsockname()[1]}"
        self._thread = Thread(target=self._accept, daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._listener.shutdown(socket.SHUT_RDWR)
        self._thread.join()
        for each in (self._listener, *self._open):
            each.close()

    def _accept(self) -> None:
        while True:
            try:
                client, _ = self._listener.accept()
            except OSError:
                return
            if self._tls is not None:
                try:
                    client = self._tls.wrap_socket(client, server_side=True)
                except OSError:
                    client.close()
                    continue
            server = socket.socket(socket.AF_UNIX)
            server.connect(str(self._server))
            self._open += [client, server]
            Thread(target=self._pass_on, args=(client, server), daemon=True).start()
            Thread(target=self._answer, args=(server, client), daemon=True).start()

    def _pass_on(self, client: socket.socket, server: socket.socket) -> None:
        try:
            while data := client.recv(65_536):
                server.sendall(data)
            server.shutdown(socket.SHUT_RDWR)
        except OSError:
            return

    def _answer(self, server: socket.socket, client: socket.socket) -> None:
        try:
            while data := server.recv(65_536):
                self.calls += 1
                if self.holds.is_set():
                    continue
                if self.loses(data):
                    break
                client.sendall(data)
            client.shutdown(socket.SHUT_RDWR)
        except OSError:
            return
