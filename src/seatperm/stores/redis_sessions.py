"""The Redis and Valkey session store: any number of machines share its seats. Needs the extra `redis`."""

from __future__ import annotations

import json
import math
import secrets
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime, timedelta
from typing import Final, cast

from ..errors import MissingExtra, StoreUnavailable
from ..sessions import Full, Seat, SeatRequest
from .redis_script import Answer, Server
from .redis_url import RedisURL

KEEP: Final = timedelta(days=400)
"""How long an organization that nobody asks for any more is kept, epoch and all."""

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
        """Take a seat, or say that there is none."""
        client = request.client
        answer = self._run(
            b"acquire",
            request.organization,
            _bytes(request.epoch or ""),
            self._mode,
            _keep(request.lease),
            _micros(request.lease),
            b"%d" % request.limit,
            b"1" if request.per_user else b"0",
            _bytes(request.user_id),
            b"" if client is None else b"+" + _bytes(client),
            _bytes(request.session_id),
            _bytes(request.token_hash),
            b"" if request.ticket is None else b"+" + _bytes(request.ticket),
            _micros(request.patience),
            _json(dict(request.reserved)) if request.reserved else b"",
            _json(sorted(request.holds)) if request.holds else b"",
        )
        match answer:
            case [1, bytes(id), int(started), int(ends), int(now), list(gone)]:
                return Seat(
                    _text(id),
                    request.user_id,
                    client,
                    _time(started),
                    _time(ends),
                    (ends - now) / 1_000_000,
                    tuple(map(_lapsed, gone)),
                )
            case [0, int(in_use), int(next_free), int(ahead), list(gone)]:
                return Full(in_use, None if next_free < 0 else next_free / 1_000_000, tuple(map(_lapsed, gone)), ahead)
            case [2, int(until)]:
                raise StoreUnavailable(
                    self.url,
                    "it was started anew or lost its data, and earlier holders may still believe in their seats; "
                    f"further ones are given from {_time(until).isoformat(timespec='seconds')} on, and sessions that "
                    "are still there go on",
                )
        raise self._odd(answer)

    def leave(self, organization: str, ticket: str) -> None:
        """Give up a place in the queue."""
        self._run(b"leave", organization, b"+" + _bytes(ticket))

    def find(self, organization: str, token_hash: str) -> Seat | None:
        """Return the live session with this token; None once it is over."""
        return self._seat(self._run(b"find", organization, _bytes(token_hash)))

    def renew(
        self, organization: str, token_hash: str, lease: float, *, new_token_hash: str | None = None
    ) -> Seat | None:
        """Let the live session's lease run for `lease` seconds from now, with a new token if one is given."""
        fresh = _bytes(new_token_hash or "")
        return self._seat(self._run(b"renew", organization, _bytes(token_hash), fresh, _micros(lease), _keep(lease)))

    def release(self, organization: str, session_id: str, token_hash: str | None) -> bool:
        """End a live session, if the token is its own, or None is given; tell whether it did."""
        return self._run(b"release", organization, _bytes(session_id), _bytes(token_hash or "")) == 1

    def epoch(self, organization: str) -> str:
        """Return what names the memory in which the organization's seats are kept, made at the first call."""
        answer = self._run(b"epoch", organization, self._mode, _keep(0), secrets.token_hex(16).encode())
        return _text(cast(bytes, answer))

    def live(self, organization: str) -> Iterator[Seat]:
        """Iterate over the live sessions, first started first. They are read in pages, so that the server goes on."""
        found: dict[str, tuple[int, Seat]] = {}
        cursor = b"0"
        while True:
            match self._run(b"live", organization, cursor):
                case [bytes(cursor), int(now), *rows]:
                    for row in cast(list[list[Answer]], rows):
                        seat = _read([*row[:5], now])
                        found[seat.id] = (cast(int, row[5]), seat)
                case answer:
                    raise self._odd(answer)
            if cursor == b"0":
                return iter([seat for _, seat in sorted(found.values(), key=lambda row: row[0])])

    def close(self) -> None:
        """Close every connection; later calls raise `StoreUnavailable`."""
        self._server.close()

    def _run(self, verb: bytes, organization: str, *arguments: bytes) -> Answer:
        return self._server.run(verb, keys(self._where.prefix, organization), arguments)

    def _seat(self, answer: Answer) -> Seat | None:
        return None if answer is None else _read(cast(list[Answer], answer))

    def _odd(self, answer: Answer) -> StoreUnavailable:
        return StoreUnavailable(self.url, f"it answered what no script of seatperm's answers: {str(answer)[:100]}")


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


def _read(row: list[Answer]) -> Seat:
    id, user, client, started, ends, now = cast(tuple[bytes, bytes, bytes, int, int, int], tuple(row))
    return Seat(
        _text(id),
        _text(user),
        _text(client[1:]) if client else None,
        _time(started),
        _time(ends),
        (ends - now) / 1_000_000,
    )


def _lapsed(row: Answer) -> Seat:
    found = cast(list[Answer], row)
    return _read([*found, found[4]])


def _bytes(text: str) -> bytes:
    return text.encode("utf-8", "surrogatepass")


def _text(found: bytes) -> str:
    return found.decode("utf-8", "surrogatepass")


def _json(value: Mapping[str, int] | list[str]) -> bytes:
    return _bytes(json.dumps(value, ensure_ascii=False))


def _micros(seconds: float) -> bytes:
    return b"%d" % math.ceil(seconds * 1_000_000)


def _keep(lease: float) -> bytes:
    return b"%d" % max(KEEP // timedelta(milliseconds=1), math.ceil(lease * 4000))


def _time(micros: int) -> datetime:
    return _EPOCH + timedelta(microseconds=micros)
