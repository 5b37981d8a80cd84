"""What a `postgresql://` URL says: libpq's settings, and seatperm's own after the question mark."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Final, Never
from urllib.parse import quote, unquote

from attrs import Factory, frozen

from ..errors import InvalidValue, MissingExtra
from ..spelling import did_you_mean, nearest

try:
    from psycopg import Error, pq
    from psycopg.conninfo import conninfo_to_dict, make_conninfo
except ImportError as error:
    raise MissingExtra("postgres") from error

OWN: Final = ("schema", "timeout", "pool_min", "pool_max", "mode")
"""The settings of seatperm's own."""


@frozen
class PostgresURL:
    """What a URL says, such as `postgresql://app@db.example/books?sslmode=verify-full&schema=seatperm&timeout=5`.

    Attributes:
        shown: the server and the database, without a user, a password or settings.
        libpq: libpq's settings by name, as they are given to it; with the password.
        schema: where the tables are: lower-case letters, digits and underscores, at most 48.
        timeout: seconds within which a call ends.
        pool_min: how many connections stay open while nothing is done.
        pool_max: how many there are at the most.
        hosts: how many are named, to be tried one after the other.
        mode: "rwc": missing tables are made. "rw": they must be there. "ro": so they must, and nothing is written.
    """

    shown: str
    libpq: dict[str, str] = Factory(dict)
    schema: str = "seatperm"
    timeout: float = 10.0
    pool_min: int = 1
    pool_max: int = 8
    hosts: int = 1
    mode: str = "rwc"

    def __repr__(self) -> str:
        return f"<PostgresURL {self.shown}>"

    @classmethod
    def parse(cls, url: str) -> PostgresURL:
        """Read a URL; `postgres://` is the same.

        Raises:
            InvalidValue: it is no URL of PostgreSQL, a setting is misspelt, or its value is none. No value of
                libpq's is shown: any may be a secret.
        """
        place, _, query = url.partition("?")
        if "@" in query and "@" not in place:
            _refuse(url, "the special characters of a user or a password as %40, %3F and so on")
        settings = dict(_pairs(place, query))
        theirs = "&".join(f"{name}={value}" for name, value in settings.items() if name not in OWN)
        try:
            libpq = {name: str(value) for name, value in conninfo_to_dict(f"{place}?{theirs}").items()}
        except (Error, UnicodeError, ValueError):
            _refuse(place, "a URL that libpq can read: postgresql://user@host:5432/database?sslmode=verify-full")
        ports = libpq.get("port", "").split(",")
        if not all(re.fullmatch(r"\d{0,5}", port) for port in ports):
            _refuse(place, "a number for the port; write the special characters of a password as %40 and so on")
        own = {name: unquote(settings[name]) for name in OWN if name in settings}
        if not re.fullmatch("(?!pg_)[a-z_][a-z0-9_]{0,47}", schema := own.get("schema", "seatperm")):
            letters = "lower-case letters, digits and underscores, at most 48 and not beginning with pg_"
            _refuse(place, f"{letters}, for 'schema={schema}'")
        timeout = own.get("timeout", "10")
        if not re.fullmatch(r"\d{1,5}(\.\d{1,6})?", timeout) or not float(timeout) > 0:
            _refuse(place, f"seconds for 'timeout={timeout}'")
        at_least, at_most = own.get("pool_min", "1"), own.get("pool_max", "8")
        if not re.fullmatch(r"\d{1,4}", at_most) or int(at_most) < 1:
            _refuse(place, f"a number of connections, at least 1, for 'pool_max={at_most}'")
        if not re.fullmatch(r"\d{1,4}", at_least):
            _refuse(place, f"a number of connections for 'pool_min={at_least}'")
        if (mode := own.get("mode", "rwc")) not in ("rwc", "rw", "ro"):
            _refuse(place, f"'rwc', 'rw' or 'ro' for 'mode={mode}'")
        return cls(
            _shown(libpq),
            libpq,
            schema,
            float(timeout),
            min(int(at_least), int(at_most)),
            int(at_most),
            max(len(ports), libpq.get("host", "").count(",") + 1),
            mode,
        )

    def conninfo(self, seconds: float) -> str:
        """Return libpq's connection string for a connection that is made within so many seconds.

        libpq waits for each host, two seconds at the least.
        """
        settings = {
            "fallback_application_name": "seatperm",
            "tcp_user_timeout": str(int(self.timeout * 1000)),
            **self.libpq,
            "client_encoding": "UTF8",
        }
        each = max(2, int(seconds / self.hosts))
        asked = self.libpq.get("connect_timeout", "")
        settings["connect_timeout"] = str(min(each, int(asked)) if asked.isdecimal() and int(asked) else each)
        return make_conninfo("", **settings)


def _pairs(place: str, query: str) -> Iterable[tuple[str, str]]:
    known = {*OWN, "ssl", *(option.keyword.decode() for option in pq.Conninfo.get_defaults())}
    for item in filter(None, query.split("&")):
        name, separator, value = item.partition("=")
        if name not in known or not separator:
            _refuse(place, f"a setting of libpq's or of {', '.join(OWN)}, not {name!r}", nearest(name, known))
        yield name, value


def _shown(libpq: dict[str, str]) -> str:
    hosts, ports = libpq.get("host", "").split(","), libpq.get("port", "").split(",")
    database = quote(libpq.get("dbname", ""))
    if hosts[0].startswith(("/", "@")):
        port = f"&port={ports[0]}" if ports[0] else ""
        return f"postgresql:///{database}?host={hosts[0]}{port}"
    ports += ports[-1:] * (len(hosts) - len(ports))
    where = ",".join(f"{host}:{port}" if port else host for host, port in zip(hosts, ports, strict=False))
    return f"postgresql://{where}/{database}"


def _refuse(place: str, expected: str, near: Iterable[str] = ()) -> Never:
    scheme, _, rest = place.partition("://")
    shown = re.split("[?&]", rest.rpartition("@")[2])[0]
    raise InvalidValue("store", f"{scheme}://{shown}", expected + did_you_mean(near))
