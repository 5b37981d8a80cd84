"""Every use of the driver, redis-py: connections to one server, to the one that sentinels name, or to a cluster.

All that the store asks of it is `Server.run` of `redis_script`: one call of the script, one answer or
`StoreUnavailable`, within the URL's `timeout`. A lost connection is tried again on a fresh one, `retry_attempts`
times at most; the script takes the same call sent twice as one. Needs the extra `redis`.
"""

from __future__ import annotations

import os
import time
from collections.abc import Mapping, Sequence
from queue import Empty, SimpleQueue
from typing import Any, Final, Protocol, cast

from attrs import define, field, frozen
from redis import Connection, RedisCluster, SSLConnection, UnixDomainSocketConnection
from redis.backoff import NoBackoff
from redis.cluster import ClusterNode
from redis.exceptions import (
    ConnectionError,
    NoScriptError,
    RedisClusterException,
    RedisError,
    ResponseError,
    TimeoutError,
)
from redis.retry import Retry
from redis.sentinel import Sentinel

from ..errors import StoreUnavailable
from .redis_failures import meaning, passing
from .redis_script import SCRIPT, SHA, Server, command, run_id
from .redis_url import RedisURL

PAUSE: Final = 0.02
"""Seconds before the second fresh connection; twice as long before each further one."""


def connect(url: RedisURL) -> Server:
    """Return what runs scripts at this URL; nothing is connected before the first call."""
    return Cluster(url) if url.kind == "cluster" else Lines(url)


class Wire(Protocol):
    """What is used of the driver's connections."""

    def connect(self) -> None:
        """Connect, and say who one is."""
        ...

    def send_packed_command(self, command: list[bytes], check_health: bool) -> None:
        """Send bytes as they are."""
        ...

    def read_response(self, *, disconnect_on_error: bool) -> object:
        """Wait for an answer."""
        ...

    def disconnect(self) -> None:
        """Close it."""
        ...


@frozen
class Line:
    """A connection.

    Attributes:
        connection: the driver's.
        run_id: the run of the server at its other end; empty where nobody needs it.
        spare: whether it was there before the call that uses it.
    """

    connection: Wire
    run_id: bytes
    spare: bool = True


@define(eq=False)
class Lines:
    """Connections to one server at a time, each used by one call at a time, the last used first.

    A child after `fork()` opens its own.
    """

    _url: RedisURL
    _idle: list[Line] = field(init=False, factory=list, repr=False)
    _free: SimpleQueue[None] = field(init=False, factory=SimpleQueue, repr=False)
    _pid: int = field(init=False, factory=os.getpid)
    _closed: bool = field(init=False, default=False)

    def __attrs_post_init__(self) -> None:
        for _ in range(self._url.max_connections):
            self._free.put(None)

    def run(self, verb: bytes, keys: Sequence[bytes], arguments: Sequence[bytes]) -> bytes | None:
        """Run the script, see `Server.run`."""
        if self._pid != os.getpid():
            self._pid, self._idle, self._free = os.getpid(), [], SimpleQueue()
            self.__attrs_post_init__()
        until = time.monotonic() + self._url.timeout
        free = self._free
        try:
            free.get(timeout=self._url.timeout)
        except Empty:
            raise self._unavailable(
                f"all {self._url.max_connections} connections are in use; raise max_connections in the URL"
            ) from None
        try:
            return self._run(verb, keys, arguments, until)
        finally:
            free.put(None)

    def close(self) -> None:
        """Close every connection; later calls raise `StoreUnavailable`."""
        self._closed = True
        self._drop()

    def _run(self, verb: bytes, keys: Sequence[bytes], arguments: Sequence[bytes], until: float) -> bytes | None:
        again, attempts = b"0", 0
        while True:
            line: Line | None = None
            try:
                line = self._line(until)
                answer = self._ask(line.connection, keys, (verb, line.run_id, again, *arguments))
            except (RedisError, OSError) as error:
                lost = passing(error, self._url)
                if line is not None:
                    self._give_back(line, lost=lost or not isinstance(error, ResponseError))
                    again = b"1"
                if lost:
                    self._drop()
                attempts += 1
                pause = 0.0 if attempts == 1 else PAUSE * 2 ** (attempts - 2)
                if not lost or attempts > self._url.retry_attempts or time.monotonic() + pause >= until:
                    raise self._unavailable(meaning(error, self._url)) from error
                self._pause(pause)
            except BaseException:
                # Its answer may still be on the way: nobody else may read it as their own.
                if line is not None:
                    self._give_back(line, lost=True)
                raise
            else:
                self._give_back(line, lost=False)
                return answer

    def _ask(self, connection: Wire, keys: Sequence[bytes], arguments: Sequence[bytes]) -> bytes | None:
        connection.send_packed_command([command(keys, arguments)], check_health=False)
        try:
            return cast(bytes | None, connection.read_response(disconnect_on_error=False))
        except NoScriptError:
            connection.send_packed_command([command(keys, arguments, whole=True)], check_health=False)
            return cast(bytes | None, connection.read_response(disconnect_on_error=False))

    def _line(self, until: float) -> Line:
        if self._closed:
            raise self._unavailable("it is closed")
        left = until - time.monotonic()
        if left >= self._url.socket_timeout:
            try:
                return self._idle.pop()
            except IndexError:
                pass
        return self._dial(max(0.001, left))

    def _dial(self, seconds: float) -> Line:
        url = self._url
        settings: dict[str, Any] = {
            **url.connection,
            "socket_timeout": min(url.socket_timeout, seconds),
            "socket_connect_timeout": min(url.socket_connect_timeout, seconds),
            "protocol": 2,
        }
        if "path" not in settings:
            settings["host"], settings["port"] = self._place(settings)
        connection = self._wire(settings)
        try:
            connection.connect()
            known = b""
            if url.after_restart == "wait":
                connection.send_packed_command([b"INFO server\r\n"], check_health=False)
                known = run_id(cast(bytes, connection.read_response(disconnect_on_error=True)))
        except BaseException:
            connection.disconnect()
            raise
        # One that was given less time than usual, at the end of a call, is not kept for others.
        return Line(connection, known, spare=seconds >= url.socket_timeout)

    # What waits, and is another thing where tasks wait and not threads: this, `_place`, and `_free`.

    def _wire(self, settings: dict[str, Any]) -> Wire:
        kind: Any = UnixDomainSocketConnection if "path" in settings else Connection
        made: Wire = (SSLConnection if self._url.tls and "path" not in settings else kind)(**settings)
        return made

    def _pause(self, seconds: float) -> None:
        time.sleep(seconds)

    def _place(self, settings: Mapping[str, object]) -> tuple[str, int]:
        if self._url.kind == "one":
            return self._url.hosts[0]
        # All of them may be asked, one after another, and the driver would ask each ten times over.
        timeouts = ("socket_timeout", "socket_connect_timeout")
        options = {
            **self._url.sentinels,
            **{name: float(str(settings[name])) / len(self._url.hosts) for name in timeouts},
            "ssl": self._url.tls,
            "protocol": 2,
            "retry": Retry(NoBackoff(), 0),
        }
        make: Any = Sentinel  # which says nothing of its types
        sentinel, said = make(self._url.hosts, sentinel_kwargs=options), list[str]()
        try:
            for (host, port), asked in zip(self._url.hosts, sentinel.sentinels, strict=True):
                try:
                    state = asked.sentinel_masters().get(self._url.service)
                except (ConnectionError, TimeoutError) as error:
                    said.append(f"{host}:{port} says nothing: {error}")
                    continue
                if state and sentinel.check_master_state(state, self._url.service):
                    return str(state["ip"]), int(state["port"])
                said.append(f"{host}:{port} knows " + ("one that is down" if state else "no such service"))
        finally:
            for asked in sentinel.sentinels:
                asked.close()
        # The driver's own way tells of its objects, with all that they were made with.
        raise ConnectionError(f"no sentinel names the primary of {self._url.service!r}; {', '.join(said)}")

    def _give_back(self, line: Line, *, lost: bool) -> None:
        if lost or self._closed or not line.spare:
            line.connection.disconnect()
        else:
            self._idle.append(line)

    def _drop(self) -> None:
        """Close the connections that nobody uses: where one is lost, the others likely are."""
        idle, self._idle = self._idle, []
        for line in idle:
            line.connection.disconnect()

    def _unavailable(self, cause: str) -> StoreUnavailable:
        return StoreUnavailable(self._url.shown, cause)


@define(eq=False)
class Cluster:
    """A cluster. The driver finds the node of the keys, and follows where they move.

    The script itself asks for the run id there: which connection serves a call is the driver's to choose.
    """

    _url: RedisURL
    _client: Any = field(init=False, default=None, repr=False)
    _pid: int = field(init=False, factory=os.getpid)
    _closed: bool = field(init=False, default=False)

    def run(self, verb: bytes, keys: Sequence[bytes], arguments: Sequence[bytes]) -> bytes | None:
        """Run the script, see `Server.run`."""
        until = time.monotonic() + self._url.timeout
        attempts = 0
        while True:
            again = b"1" if attempts else b"0"
            try:
                return self._ask(self._opened(), keys, (verb, b"", again, *arguments))
            except (RedisError, RedisClusterException, OSError) as error:
                attempts += 1
                pause = PAUSE * 2 ** (attempts - 1)
                spent = time.monotonic() + pause + self._url.socket_timeout >= until
                if spent or attempts > self._url.retry_attempts or not passing(error, self._url):
                    raise StoreUnavailable(self._url.shown, meaning(error, self._url)) from error
                time.sleep(pause)

    def close(self) -> None:
        """Close every connection; later calls raise `StoreUnavailable`."""
        self._closed = True
        if self._client is not None and self._pid == os.getpid():
            self._client.close()
        self._client = None

    def _opened(self) -> Any:
        if self._closed:
            raise StoreUnavailable(self._url.shown, "it is closed")
        if self._client is None or self._pid != os.getpid():
            url = self._url
            settings = {name: value for name, value in url.connection.items() if name != "db"}
            make: Any = RedisCluster
            node: Any = ClusterNode
            self._client = make(
                startup_nodes=[node(host, port) for host, port in url.hosts],
                ssl=url.tls,
                socket_timeout=url.socket_timeout,
                socket_connect_timeout=min(url.socket_connect_timeout, url.timeout / (len(url.hosts) + 1)),
                max_connections=url.max_connections,
                retry=Retry(NoBackoff(), 0),
                protocol=2,
                **settings,
            )
            self._pid = os.getpid()
        return self._client

    def _ask(self, client: Any, keys: Sequence[bytes], arguments: Sequence[bytes]) -> bytes | None:
        try:
            return cast(bytes | None, client.execute_command("EVALSHA", SHA, len(keys), *keys, *arguments))
        except NoScriptError:
            return cast(bytes | None, client.execute_command("EVAL", SCRIPT, len(keys), *keys, *arguments))
