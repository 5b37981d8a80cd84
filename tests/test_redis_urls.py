"""What the URL of a Redis server may say, and what becomes of it."""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from traceback import format_exception

import pytest
from hypothesis import given
from hypothesis import strategies as st
from redis.crc import key_slot

from seatperm.clock import SystemClock
from seatperm.errors import InvalidValue, StoreUnavailable
from seatperm.sessions import Seat
from seatperm.stores.opening import open_sessions
from seatperm.stores.redis_sessions import RedisSessions, keys
from seatperm.stores.redis_url import OPTIONS, SCHEMES, RedisURL

from .redis_seats import request
from .servers import redis_url

__all__ = ["redis_url"]


@pytest.mark.parametrize("scheme", SCHEMES)
def test_every_example_names_what_it_says(scheme: str) -> None:
    """And opens a store, which connects to nothing before the first call."""
    url = SCHEMES[scheme]
    read = RedisURL.parse(url)
    assert read.shown == url
    assert read.kind == (scheme.partition("+")[2] or "one")
    assert read.tls == (scheme.partition("+")[0] in ("rediss", "valkeys"))
    assert len(read.hosts) == (0 if scheme == "unix" else 2 if "+" in scheme else 1)
    assert read.service == ("service" if "sentinel" in scheme else "")
    with closing(open_sessions(url, SystemClock())) as store:
        assert store.url == url


@pytest.mark.parametrize(
    ("url", "hosts", "db"),
    [
        ("redis://", (("localhost", 6379),), 0),
        ("redis://seats.example", (("seats.example", 6379),), 0),
        ("redis://seats.example:1234/7", (("seats.example", 1234),), 7),
        ("redis://[::1]:1234/?db=3", (("::1", 1234),), 3),
        ("redis://[fe80::1]", (("fe80::1", 6379),), 0),
        ("redis+sentinel://one,two:5,three/seats?db=2", (("one", 26379), ("two", 5), ("three", 26379)), 2),
        ("unix:///run/redis.sock?db=4", (), 4),
    ],
)
def test_hosts_ports_and_databases_are_read(url: str, hosts: tuple[tuple[str, int], ...], db: int) -> None:
    read = RedisURL.parse(url)
    assert read.hosts == hosts
    assert read.connection["db"] == db


def test_every_setting_is_read() -> None:
    """Each arrives where it belongs, percent-encoded or not."""
    read = RedisURL.parse(
        "rediss+sentinel://us%40er:p%3Aw%2F%3F@one/seats?prefix=my+app&after_restart=check&timeout=9&socket_timeout=2.5"
        "&socket_connect_timeout=1&retry_attempts=7&max_connections=4&socket_keepalive=no&client_name=host-1"
        "&ssl_ca_certs=%2Fetc%2Fca.pem&ssl_certfile=c.pem&ssl_keyfile=k.pem&ssl_password=kp&ssl_cert_reqs=optional"
        "&ssl_check_hostname=no&sentinel_username=su&sentinel_password=sp&db=3"
    )
    tls = {
        "ssl_ca_certs": "/etc/ca.pem",
        "ssl_certfile": "c.pem",
        "ssl_keyfile": "k.pem",
        "ssl_password": "kp",
        "ssl_cert_reqs": "optional",
        "ssl_check_hostname": False,
    }
    who = {"username": "us@er", "password": "p:w/?"}
    assert read.connection == {**who, "db": 3, "socket_keepalive": False, "client_name": "host-1", **tls}
    assert read.sentinels == {"username": "su", "password": "sp", **tls}
    assert (read.prefix, read.after_restart) == ("my app", "check")
    assert (read.timeout, read.socket_timeout, read.socket_connect_timeout) == (9, 2.5, 1)
    assert (read.retry_attempts, read.max_connections) == (7, 4)


def test_what_is_left_out_is_safe() -> None:
    """Certificates are checked, calls end, and nothing asks for settings."""
    read = RedisURL.parse("rediss://host")
    assert read.connection == {"db": 0, "ssl_cert_reqs": "required", "ssl_check_hostname": True}
    assert (read.timeout, read.socket_timeout, read.socket_connect_timeout) == (5, 2, 2)
    assert RedisURL.parse("redis://host?socket_timeout=8").timeout == 10
    assert RedisURL.parse("redis://host?socket_timeout=8&timeout=3").socket_timeout == 2.7
    assert RedisURL.parse("rediss://host?ssl_cert_reqs=none").connection["ssl_check_hostname"] is False


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("rediss+sentinal://host/s", "did you mean 'rediss+sentinel'"),
        ("redis://host?socket_timeuot=3", "no setting 'socket_timeuot'; did you mean 'socket_timeout'"),
        ("redis://host?zzz=3", "no setting 'zzz'; known are db, username, "),
        ("redis://host?timeout=0", "seconds, more than zero, such as '2.5', for 'timeout'"),
        ("redis://host?timeout=soon", "for 'timeout'"),
        ("redis://host?timeout=nan", "for 'timeout'"),
        ("redis://host?timeout", "for 'timeout'"),
        ("redis://host?max_connections=0", "a whole number from 1 on, for 'max_connections'"),
        ("redis://host?retry_attempts=-1", "a whole number from 0 to 100, for 'retry_attempts'"),
        ("redis://host?after_restart=go", "'wait', 'check' or 'admit', for 'after_restart'"),
        ("redis://host?prefix=a{b", "a text without braces"),
        ("redis://host?prefix=", "a text without braces"),
        ("redis://host?ssl_ca_certs=ca.pem", "'ssl_ca_certs' only in a URL such as 'rediss://"),
        ("redis://host?sentinel_password=x", "'sentinel_password' only in a URL such as 'redis+sentinel://"),
        ("redis://host:port", "a URL such as 'redis://host:6379/0'"),
        ("redis://host:65536", "a URL such as 'redis://host:6379/0'"),
        ("redis://one,two", "one host; several are named as in 'redis+sentinel://"),
        ("redis://host/db", "the number of a database after the host"),
        ("redis+sentinel://host", "the service's name after the hosts"),
        ("redis+sentinel://host/a/b", "the service's name after the hosts"),
        ("redis+cluster://host/1", "a cluster has one database"),
        ("redis+cluster://host?db=1", "a cluster has one database"),
        ("unix://redis.sock", "a URL such as 'unix:///path/to/redis.sock'"),
    ],
)
def test_what_is_misspelt_is_named(url: str, expected: str) -> None:
    """Before anything is connected, with the nearest name."""
    with pytest.raises(InvalidValue, match=re.escape(expected)):
        RedisSessions(url)


@pytest.mark.parametrize(
    "url",
    [
        "redis://user:s3cret@host:port",
        "redis://user:s3cret@host?nothing=1",
        "redis://host?password=s3cret&nothing=1",
        "redis://host?nothing=1&password=s3cret",
        "redis://user:s3/cret@host",
        "redis://user:a?s3cret@host",
        "redis://user:s3cret@one,two",
        "redis+sentinel://user:s3cret@one?sentinel_password=s3cret",
    ],
)
def test_no_secret_is_in_the_message_about_a_wrong_url(url: str) -> None:
    with pytest.raises(InvalidValue) as caught:
        RedisSessions(url)
    assert "cret" not in f"{caught.value} {vars(caught.value)}"


def test_no_secret_is_in_what_is_shown() -> None:
    read = RedisURL.parse("rediss+sentinel://user:s3cret@one/s?sentinel_password=s4cret&ssl_password=s5cret")
    assert "cret" not in f"{read} {read.shown}"
    assert read.shown == "rediss+sentinel://one/s"


def test_sentinels_that_are_away_are_named_in_words() -> None:
    """And none of the driver's objects, which tell what they were made with; nor is one the error's cause."""
    url = "rediss+sentinel://user:s3cret@127.0.0.1:1,127.0.0.1:2/seats?sentinel_password=s4cret&retry_attempts=0"
    with closing(RedisSessions(url)) as store, pytest.raises(StoreUnavailable) as away:
        list(store.live("kauri"))
    assert "no sentinel names the primary of 'seats'; 127.0.0.1:1 says nothing: " in away.value.cause
    assert ", 127.0.0.1:2 says nothing: " in away.value.cause
    said = "".join(format_exception(away.value))
    assert re.search(r"<redis|[Pp]assword=|cret", said) is None


@given(organization=st.text(), prefix=st.text(min_size=1).filter(lambda text: not set(text) & set("{}")))
def test_all_keys_of_an_organization_are_in_one_slot(organization: str, prefix: str) -> None:
    """Whatever it is called; and no two organizations share a key."""
    try:
        organization.encode()
        prefix.encode()
    except UnicodeEncodeError:
        return
    slots = {key_slot(key) for key in keys(prefix, organization)}
    assert len(slots) == 1
    inside = keys(prefix, organization)[0].split(b"{", 1)[1].split(b"}", 1)[0]
    assert slots == {key_slot(inside)}


@given(one=st.text(alphabet="{}%ab7BD"), other=st.text(alphabet="{}%ab7BD"))
def test_no_two_organizations_share_a_key(one: str, other: str) -> None:
    assert (keys("p", one)[:4] == keys("p", other)[:4]) == (one == other)


@pytest.fixture
def stores(redis_url: str) -> Iterator[tuple[RedisSessions, RedisSessions]]:
    mark = "&" if "?" in redis_url else "?"
    first, second = RedisSessions(f"{redis_url}{mark}prefix=one"), RedisSessions(f"{redis_url}{mark}prefix=two")
    with closing(first), closing(second):
        yield first, second


def test_two_prefixes_are_two_stores(stores: tuple[RedisSessions, RedisSessions]) -> None:
    first, second = stores
    mine = request("ann", organization="{prefixed} %7B")
    assert isinstance(first.acquire(mine), Seat)
    assert [seat.id for seat in first.live(mine.organization)] == [mine.session_id]
    assert list(second.live(mine.organization)) == []
    assert first.release(mine.organization, mine.session_id, None)


def test_the_page_has_every_setting_as_the_code_has_it() -> None:
    """docs/redis.md names each with what it is unless said, and no other."""
    page = (Path(__file__).parent.parent / "docs" / "redis.md").read_text("utf-8")
    rows = re.findall(r"^\| `(\w+)=` \| ([^|]+) \|", page, flags=re.MULTILINE)
    assert rows == [(name, option.unless_said) for name, option in OPTIONS.items()]
    assert [scheme for scheme in SCHEMES if f"`{scheme}://" not in page] == []


def test_without_the_driver_its_extra_is_named() -> None:
    """As soon as the store is opened."""
    code = (
        "import sys; sys.modules['redis'] = None\n"
        "import seatperm.stores.redis_sessions as it\n"
        "from seatperm.errors import MissingExtra\n"
        "try:\n    it.RedisSessions('redis://host')\n"
        "except MissingExtra as error:\n    assert error.extra == 'redis'\nelse:\n    raise AssertionError\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True, timeout=60)
