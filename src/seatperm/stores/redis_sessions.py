"""The Redis and Valkey session store: any number of machines share its seats. Needs the extra `redis`."""

from __future__ import annotations

import json
import math
import secrets
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from ..errors import InvalidValue, MissingExtra, StoreUnavailable
from ..sessions import Full, Seat, SeatRequest
from .redis_script import Server
from .redis_url import RedisURL

KEEP: Final = timedelta(days=400)
"""How long an organization that nobody asks for any more is kept, epoch and all."""

_KEEP: Final = KEEP // timedelta(milliseconds=1)
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)


class RedisSessions:
    """Keeps seats in a Redis or Valkey server, or a cluster of them.

    One script decides, in one round trip and by the server's own time. Nothing in it takes longer the more sessions
    there are, but for the leases that have run out, each of which it ends.

    Args:
        url: see `RedisURL`.
        server: what runs the script; connections to what the URL names unless said.

    Raises:
        InvalidValue: the URL names nothing of the kind.
        MissingExtra: the driver, redis-py, is not installed.
    """

    def __init__(self, url: str, *, server: Server | None = None) -> None:
        self._where = RedisURL.parse(url)
        self._server = server if server is not None else _connect(self._where)
        self._mode = self._where.after_restart.encode()
        self.url = self._where.shown

    def acquire(self, request: SeatRequest) -> Seat | Full:
        """Take a seat, or say that there is none.

        Raises:
            InvalidValue: another user or client has a session of that id.
        """
        client = request.client
        answer = self._ask(
            b"acquire",
            request.organization,
            _bytes(request.epoch or ""),
            b"%b %d %d %d %d %d"
            % (
                self._mode,
                _keep(request.lease),
                _micros(request.lease),
                request.limit,
                request.per_user,
                _micros(request.patience),
            ),
            _bytes(request.user_id),
            _named(client),
            _bytes(request.session_id),
            _bytes(request.token_hash),
            _named(request.ticket),
            _json(dict(request.reserved)) if request.reserved else b"",
            _json(sorted(request.holds)) if request.holds else b"",
        )
        match answer:
            case [1, id, started, ends, remaining, gone]:
                lapsed = tuple(map(_seat, gone))
                return Seat(id, request.user_id, client, _time(started), _time(ends), remaining / 1_000_000, lapsed)
            case [0, in_use, next_free, ahead, gone]:
                next_free_in = None if next_free < 0 else next_free / 1_000_000
                return Full(int(in_use), next_free_in, tuple(map(_seat, gone)), int(ahead))
            case [3]:
                raise InvalidValue("session_id", request.session_id, "an id that no other session has")
        opens_at = _time(answer[1])
        raise StoreUnavailable(
            self.url,
            "it was started anew or lost its data, and earlier holders may still believe in their seats; further ones "
            f"are given from {opens_at.isoformat(timespec='seconds')} on, and sessions that are still there go on",
            opens_at,
        )

    def leave(self, organization: str, ticket: str) -> None:
        """Give up a place in the queue."""
        self._ask(b"leave", organization, _named(ticket))

    def find(self, organization: str, token_hash: str) -> Seat | None:
        """Return the live session with this token; None once it is over."""
        row = self._ask(b"find", organization, _bytes(token_hash))
        return None if row is None else _seat(row)

    def renew(
        self, organization: str, token_hash: str, lease: float, *, new_token_hash: str | None = None
    ) -> Seat | None:
        """Let the live session's lease run for `lease` seconds from now, with a new token if one is given."""
        fresh = _bytes(new_token_hash or "")
        row = self._ask(b"renew", organization, _bytes(token_hash), fresh, b"%d" % _micros(lease), b"%d" % _keep(lease))
        return None if row is None else _seat(row)

    def release(self, organization: str, session_id: str, token_hash: str | None) -> bool:
        """End a live session, if the token is its own, or None is given; tell whether it did."""
        return bool(self._ask(b"release", organization, _bytes(session_id), _named(token_hash)))

    def epoch(self, organization: str) -> str:
        """Return what names the memory in which the organization's seats are kept, made at the first call."""
        return str(self._ask(b"epoch", organization, self._mode, b"%d" % _keep(0), secrets.token_hex(16).encode()))

    def live(self, organization: str) -> Iterator[Seat]:
        """Iterate over the live sessions, first started first. They are read in pages, so that the server goes on."""
        found: dict[str, tuple[int, Seat]] = {}
        cursor = "0"
        while True:
            cursor, *rows = self._ask(b"live", organization, cursor.encode())
            for *row, number in rows:
                seat = _seat(row)
                found[seat.id] = (number, seat)
            if cursor == "0":
                return iter([seat for _, seat in sorted(found.values(), key=lambda row: row[0])])

    def close(self) -> None:
        """Close every connection; later calls raise `StoreUnavailable`."""
        self._server.close()

    def _ask(self, verb: bytes, organization: str, *arguments: bytes) -> Any:
        answer = self._server.run(verb, keys(self._where.prefix, organization), arguments)
        return None if answer is None else json.loads(answer)


def keys(prefix: str, organization: str) -> tuple[bytes, ...]:
    """Return the keys of an organization, all in one slot of a cluster, and one for the answer of this very call."""
    # Braces mark what a cluster hashes: in the name they are written as URLs write them.
    tag = organization.replace("%", "%25").replace("{", "%7B").replace("}", "%7D") or "%"
    begin = _bytes(f"{prefix}:{{{tag}}}:")
    return (
        begin + b"seats",
        begin + b"ends",
        begin + b"queue",
        begin + b"patience",
        begin + b"answer:" + secrets.token_hex(8).encode(),
    )


def _connect(where: RedisURL) -> Server:
    try:
        from .redis_server import connect
    except ImportError as error:
        raise MissingExtra("redis") from error
    return connect(where)


def _seat(row: Sequence[Any]) -> Seat:
    id, user_id, client, started, ends, remaining = row
    return Seat(id, user_id, client[1:] if client else None, _time(started), _time(ends), remaining / 1_000_000)


def _bytes(text: str) -> bytes:
    return text.encode("utf-8", "surrogatepass")


def _named(text: str | None) -> bytes:
    return b"" if text is None else b"+" + _bytes(text)


def _json(value: Mapping[str, int] | list[str]) -> bytes:
    return _bytes(json.dumps(value, ensure_ascii=False))


def _micros(seconds: float) -> int:
    return math.ceil(seconds * 1_000_000)


def _keep(lease: float) -> int:
    return max(_KEEP, math.ceil(lease * 4000))


def _time(micros: str) -> datetime:
    return _EPOCH + timedelta(microseconds=int(micros))
