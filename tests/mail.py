"""A mail server for tests: it keeps what it is sent."""

from __future__ import annotations

import email
from email.message import EmailMessage
from email.policy import SMTPUTF8
from socketserver import StreamRequestHandler, TCPServer, ThreadingTCPServer
from threading import Thread
from typing import Self

from attrs import define, field, frozen


@frozen
class Sent:
    """A mail as it arrived, with the envelope's addresses."""

    sender: str
    recipients: list[str]
    message: EmailMessage


@define(eq=False)
class MailServer:
    """Listens on a free port of this machine within its `with` block."""

    received: list[Sent] = field(factory=list)
    _server: TCPServer = field(init=False)
    _thread: Thread = field(init=False)

    @property
    def port(self) -> int:
        return int(self._server.server_address[1])

    def __enter__(self) -> Self:
        received = self.received

        class Conversation(StreamRequestHandler):
            def handle(self) -> None:
                sender, recipients = "", list[str]()
                self._say("220 here")
                for line in self.rfile:
                    command = line.decode().strip()
                    verb, address = command[:4].upper(), command.partition("<")[2].partition(">")[0]
                    if verb == "MAIL":
                        sender = address
                    elif verb == "RCPT":
                        recipients.append(address)
                    elif verb == "DATA":
                        self._say("354 go on")
                        message = email.message_from_bytes(self._data(), EmailMessage, policy=SMTPUTF8)
                        received.append(Sent(sender, recipients, message))
                    self._say(
                        {"EHLO": "250-here\r\n250-8BITMIME\r\n250 SMTPUTF8", "QUIT": "221 bye"}.get(verb, "250 ok")
                    )

            def _data(self) -> bytes:
                lines = list(iter(self.rfile.readline, b".\r\n"))
                return b"".join(line.removeprefix(b".") if line.startswith(b"..") else line for line in lines)

            def _say(self, text: str) -> None:
                self.wfile.write(f"{text}\r\n".encode())

        self._server = ThreadingTCPServer(("127.0.0.1", 0), Conversation)
        self._thread = Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.05})
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()
