"""What the URL of a Redis or Valkey server says."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Final, Literal, Never
from urllib.parse import unquote, unquote_plus

from attrs import field, frozen

from ..errors import InvalidValue
from ..spelling import did_you_mean, nearest

SCHEMES: Final = {
    "redis": "redis://host:6379/0",
    "rediss": "rediss://host:6379/0",
    "unix": "unix:///path/to/redis.sock",
    "valkey": "valkey://host:6379/0",
    "valkeys": "valkeys://host:6379/0",
    "redis+sentinel": "redis+sentinel://host:26379,host:26379/service",
    "rediss+sentinel": "rediss+sentinel://host:26379,host:26379/service",
    "valkey+sentinel": "valkey+sentinel://host:26379,host:26379/service",
    "valkeys+sentinel": "valkeys+sentinel://host:26379,host:26379/service",
    "redis+cluster": "redis+cluster://host:6379,host:6379",
    "rediss+cluster": "rediss+cluster://host:6379,host:6379",
    "valkey+cluster": "valkey+cluster://host:6379,host:6379",
    "valkeys+cluster": "valkeys+cluster://host:6379,host:6379",
}
"""An example of each URL that names a Redis or Valkey server, by scheme; those with an s after the name use TLS."""


@frozen
class Option:
    """One setting of the URL, after its question mark.

    Attributes:
        read: makes the value from its text; raises ValueError or KeyError where it is none.
        expected: what a value is, in words.
        unless_said: the value where none is given, in words.
        only: where it is of use: everywhere, with TLS, or with sentinels.
    """

    read: Callable[[str], object]
    expected: str
    unless_said: str
    only: Literal["", "tls", "sentinel"] = ""


def _whole(least: int, most: int) -> Callable[[str], int]:
    def read(text: str) -> int:
        if not re.fullmatch(r"[0-9]{1,9}", text) or not least <= int(text) <= most:
            raise ValueError(text)
        return int(text)

    return read


def _seconds(text: str) -> float:
    if not re.fullmatch(r"[0-9]{1,6}(\.[0-9]{1,6})?", text) or float(text) == 0:
        raise ValueError(text)
    return float(text)


def _one_of(**values: object) -> Callable[[str], object]:
    def read(text: str) -> object:
        return values[text.lower()]

    return read


def _prefix(text: str) -> str:
    if not text or "{" in text or "}" in text:
        raise ValueError(text)
    return text


def _text(text: str) -> str:
    if not text:
        raise ValueError(text)
    return text


_YES_OR_NO = _one_of(yes=True, true=True, no=False, false=False)
_SECONDS = "seconds, more than zero, such as '2.5'"

OPTIONS: Final[Mapping[str, Option]] = MappingProxyType(
    {
        "db": Option(_whole(0, 9999), "the number of a database", "0"),
        "username": Option(_text, "the name of an ACL user", "the one before the host"),
        "password": Option(_text, "that user's password", "the one before the host"),
        "prefix": Option(_prefix, "a text without braces, with which every key begins", "seatperm"),
        "after_restart": Option(
            _one_of(wait="wait", check="check", admit="admit"), "'wait', 'check' or 'admit'", "wait"
        ),
        "timeout": Option(_seconds, _SECONDS, "5"),
        "socket_timeout": Option(_seconds, _SECONDS, "2"),
        "socket_connect_timeout": Option(_seconds, _SECONDS, "2"),
        "retry_attempts": Option(_whole(0, 100), "a whole number from 0 to 100", "3"),
        "max_connections": Option(_whole(1, 100_000), "a whole number from 1 on", "50"),
        "socket_keepalive": Option(_YES_OR_NO, "'yes' or 'no'", "yes"),
        "client_name": Option(_text, "a name without spaces", "none"),
        "ssl_ca_certs": Option(_text, "the path of a file of certificates", "those of the system", "tls"),
        "ssl_certfile": Option(_text, "the path of the client's certificate", "none", "tls"),
        "ssl_keyfile": Option(_text, "the path of the client's key", "none", "tls"),
        "ssl_password": Option(_text, "the password of that key", "none", "tls"),
        "ssl_cert_reqs": Option(
            _one_of(required="required", optional="optional", none="none"),
            "'required', 'optional' or 'none'",
            "required",
            "tls",
        ),
        "ssl_check_hostname": Option(_YES_OR_NO, "'yes' or 'no'", "yes", "tls"),
        "sentinel_username": Option(_text, "the name of the sentinels' ACL user", "none", "sentinel"),
        "sentinel_password": Option(_text, "that user's password", "none", "sentinel"),
    }
)
"""Every setting, by name."""

_OF_THE_CONNECTION = {"db", "username", "password", "socket_keepalive", "client_name"}


@frozen
class RedisURL:
    """What a URL says.

    Attributes:
        shown: the URL without user, password and settings, for messages.
        kind: one server, a server that sentinels name, or a cluster.
        hosts: the names and ports of the server, of the sentinels, or of some nodes; none with a socket's path.
        service: what the sentinels call the server.
        tls: whether connections use TLS.
        connection: settings of every connection to a server, as the driver names them: `path`, `db`, `username`,
            `password`, `socket_keepalive`, `client_name`, `ssl_*`.
        sentinels: the same of connections to sentinels.
        prefix: with which every key begins.
        after_restart: when the doors close: "wait", after a restart or loss; "check", after a loss; "admit", never.
        timeout: seconds after which a call has ended, whatever happened.
        socket_timeout: seconds that a server has for each answer.
        socket_connect_timeout: seconds that a connection may take.
        retry_attempts: how often a call is sent again after a lost connection.
        max_connections: how many connections there are at most; whoever needs one more waits for it.
    """

    shown: str
    kind: Literal["one", "sentinel", "cluster"]
    hosts: tuple[tuple[str, int], ...]
    service: str
    tls: bool
    connection: Mapping[str, object] = field(repr=False)
    sentinels: Mapping[str, object] = field(repr=False)
    prefix: str
    after_restart: str
    timeout: float
    socket_timeout: float
    socket_connect_timeout: float
    retry_attempts: int
    max_connections: int

    @classmethod
    def parse(cls, url: str) -> RedisURL:
        """Read a URL.

        Raises:
            InvalidValue: it is none of `SCHEMES`, or has a setting that there is not.
        """
        scheme, _, rest = url.partition("://")
        if scheme not in SCHEMES:
            _refuse(url, f"a URL such as {SCHEMES['redis']!r}{did_you_mean(nearest(scheme, SCHEMES, 1))}")
        rest, _, query = rest.partition("?")
        authority, _, path = rest.partition("/")
        user, _, places = authority.rpartition("@")
        name, _, kind = scheme.partition("+")
        tls = name in ("rediss", "valkeys")
        said = _settings(url, query, tls=tls, sentinel=kind == "sentinel")
        for what, text in zip(("username", "password"), user.split(":", 1), strict=False):
            if text:
                said.setdefault(what, unquote(text))
        if name == "unix":
            hosts: tuple[tuple[str, int], ...] = ()
            said["path"] = f"/{unquote(path)}"
            if places or not path:
                _refuse(url, f"a URL such as {SCHEMES['unix']!r}")
            said.pop("socket_keepalive", None)
        else:
            hosts = _hosts(url, scheme, places, 26379 if kind == "sentinel" else 6379)
            _place(url, scheme, path, said)
        service = unquote(path) if kind == "sentinel" else ""
        timeout, of_socket, of_connect = _timeouts(said)
        connection = {
            key: value for key, value in said.items() if key in {*_OF_THE_CONNECTION, "path"} or key[:4] == "ssl_"
        }
        connection.setdefault("db", 0)
        if tls:
            connection.setdefault("ssl_cert_reqs", "required")
            connection.setdefault("ssl_check_hostname", connection["ssl_cert_reqs"] != "none")
        sentinels = {key: value for key, value in connection.items() if key[:4] == "ssl_"}
        for what in ("username", "password"):
            if f"sentinel_{what}" in said:
                sentinels[what] = said[f"sentinel_{what}"]
        return cls(
            shown=f"{scheme}://{places}/{path}" if path else f"{scheme}://{places}",
            kind="sentinel" if kind == "sentinel" else "cluster" if kind == "cluster" else "one",
            hosts=hosts,
            service=service,
            tls=tls,
            connection=MappingProxyType(connection),
            sentinels=MappingProxyType(sentinels),
            prefix=str(said.get("prefix", "seatperm")),
            after_restart=str(said.get("after_restart", "wait")),
            timeout=timeout,
            socket_timeout=of_socket,
            socket_connect_timeout=of_connect,
            retry_attempts=int(str(said.get("retry_attempts", 3))),
            max_connections=int(str(said.get("max_connections", 50))),
        )


def _settings(url: str, query: str, *, tls: bool, sentinel: bool) -> dict[str, object]:
    said: dict[str, object] = {}
    for pair in filter(None, query.split("&")):
        name, _, text = pair.partition("=")
        option = OPTIONS.get(name)
        if option is None and "@" in url.partition("?")[2]:
            _refuse(url, f"a URL such as {SCHEMES['redis']!r}; an @ or ? of a password is percent-encoded")
        if option is None:
            _refuse(url, f"no setting {name!r}{did_you_mean(nearest(name, OPTIONS, 1)) or _known()}")
        if (option.only == "tls" and not tls) or (option.only == "sentinel" and not sentinel):
            _refuse(
                url,
                f"{name!r} only in a URL such as {SCHEMES['rediss' if option.only == 'tls' else 'redis+sentinel']!r}",
            )
        try:
            said[name] = option.read(unquote_plus(text))
        except (ValueError, KeyError):
            _refuse(url, f"{option.expected}, for {name!r}")
    return said


def _known() -> str:
    return f"; known are {', '.join(OPTIONS)}"


def _hosts(url: str, scheme: str, places: str, port: int) -> tuple[tuple[str, int], ...]:
    found = []
    for place in places.split(",") if places else ["localhost"]:
        match = re.fullmatch(r"(?:\[([0-9A-Fa-f:.]+)\]|([^\[\]:/]+))(?::([0-9]{1,5}))?", place)
        if match is None or int(match[3] or 1) > 65535:
            _refuse(
                url,
                f"a URL such as {SCHEMES[scheme]!r}; user and password are percent-encoded but for letters and digits",
            )
        found.append((unquote(match[1] or match[2]), int(match[3] or port)))
    if len(found) > 1 and "+" not in scheme:
        _refuse(url, f"one host; several are named as in {SCHEMES['redis+sentinel']!r} or {SCHEMES['redis+cluster']!r}")
    return tuple(found)


def _place(url: str, scheme: str, path: str, said: dict[str, object]) -> None:
    """Read what stands after the host: a database's number, a service's name, or nothing."""
    if scheme.endswith("+sentinel"):
        if not path or "/" in path:
            _refuse(url, f"the service's name after the hosts, as in {SCHEMES[scheme]!r}")
    elif scheme.endswith("+cluster"):
        if path or said.get("db"):
            _refuse(url, f"a URL such as {SCHEMES[scheme]!r}; a cluster has one database")
    elif path:
        if not re.fullmatch(r"[0-9]{1,4}", path):
            _refuse(url, f"the number of a database after the host, as in {SCHEMES[scheme]!r}")
        said.setdefault("db", int(path))


def _timeouts(said: Mapping[str, object]) -> tuple[float, float, float]:
    of_socket = float(str(said.get("socket_timeout", 2.0)))
    of_connect = float(str(said.get("socket_connect_timeout", 2.0)))
    timeout = float(str(said.get("timeout", max(5.0, of_socket + of_connect))))
    # A little is left for what else a call does, so that one answer in time is a call in time.
    return timeout, min(of_socket, timeout * 0.9), min(of_connect, timeout * 0.9)


def _refuse(url: str, expected: str) -> Never:
    # Whatever stands before the last @, and every setting, may be a secret.
    scheme, _, rest = url.partition("://")
    shown = rest.rpartition("@")[2].partition("?")[0]
    raise InvalidValue("session_store", f"{scheme}://{shown}", expected)
