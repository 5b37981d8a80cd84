"""An organization lives its whole life on any mix of stores, through restarts of their servers."""

from __future__ import annotations

import time
import tomllib
from collections.abc import Iterator
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

import seatperm
from seatperm import Organization, SeatsExhausted, SessionEnded, StoreUnavailable
from seatperm.testing.servers.base import Server, ServerMissing
from seatperm.testing.servers.postgres import PostgresServer
from seatperm.testing.servers.redis import RedisServer

from .books import CATALOG
from .servers import missing, schema_of

LEASE = timedelta(seconds=2)
LONG = timedelta(minutes=5)
MIXES = ("sqlite + redis", "postgres + redis", "postgres + postgres")


@pytest.fixture(scope="module")
def servers(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, Server]]:
    """A server of each kind, of this module's own: they are stopped and started again."""
    started: dict[str, Server] = {}
    try:
        started["postgres"] = PostgresServer(tmp_path_factory.mktemp("postgres"))
        started["redis"] = RedisServer(tmp_path_factory.mktemp("redis"), persistence="none")
        for server in started.values():
            server.start()
        yield started
    except ServerMissing as error:
        missing(error)
    finally:
        for server in started.values():
            server.close()


@pytest.fixture(params=MIXES)
def mix(
    request: pytest.FixtureRequest, servers: dict[str, Server], tmp_path: Path
) -> Iterator[tuple[str, str, Server]]:
    """The URL of a directory, the URL of a store of seats, and the server of the seats."""
    directory, seats = str(request.param).split(" + ")
    with schema_of(servers["postgres"].url) as schema:
        urls = {
            "sqlite": f"sqlite:///{tmp_path / 'books.db'}",
            "postgres": schema,
            "redis": servers["redis"].url,
        }
        if isinstance(servers["redis"], RedisServer):
            servers["redis"].ask("FLUSHALL")
        yield urls[directory], urls[seats], servers[seats]


def opened(mix: tuple[str, str, Server], lease: timedelta = LONG) -> Organization:
    return seatperm.open(tomllib.loads(CATALOG), mix[0], session_store=mix[1], lease=lease, staleness=timedelta(0))


def test_the_life_of_an_organization(mix: tuple[str, str, Server]) -> None:
    """Users, license, sessions, a limit, a wait, a restart, history, peak and trail, seen by two openings alike."""
    began = datetime.now(UTC)
    with closing(opened(mix)) as org, closing(opened(mix)) as other:
        org.users.add(id="eve", email="eve@kauri.example", name="Eve", roles=["organization_admin"])
        for id in ("ann", "ben", "cat"):
            org.users.add(id=id, email=f"{id}@kauri.example", name=id, roles=["sales_staff"])
        org.change_license(session_limit=2)
        assert other.license.session_limit == 2
        ann = org.sign_in("ann", client="desk")
        assert other.sign_in("ann", client="desk").id == ann.id
        with pytest.raises(SessionEnded):
            ann.touch()
        ann = org.sign_in("ann", client="desk")
        ben = other.sign_in("ben")
        for each in (org, other):
            with pytest.raises(SeatsExhausted) as full:
                each.sign_in("cat")
            assert (full.value.limit, full.value.in_use) == (2, 2)
        old = ann.token
        ann.rotate()
        with pytest.raises(SessionEnded):
            other.resume(old)
        assert other.resume(ann.token).can("sales.invoices", "edit")
        assert not ann.can("ledger", "edit")

        if isinstance(mix[2], PostgresServer):
            restarted(mix[2], org)
            assert other.resume(ann.token).id == ann.id
            ann.touch()
            ben.touch()
        assert {seat.user_id for seat in org.sessions} == {"ann", "ben"}

        ben.end()
        with org.sign_in("cat", wait=timedelta(seconds=5)) as cat:
            org.change_license(session_limit=1)
            assert cat.can("sales.invoices", "edit")
            with pytest.raises(SeatsExhausted):
                other.sign_in("ben", wait=timedelta(0))
        with pytest.raises(SeatsExhausted):
            other.sign_in("ben")
        admin = other.as_user("eve")
        assert admin.sessions.end(ann.id)
        with pytest.raises(SessionEnded):
            ann.touch()
        ben = org.sign_in("ben")
        org.users.lock("ben")
        with pytest.raises(SessionEnded):
            ben.can("sales.invoices", "edit")
        ben.end()
        for each in (org, other):
            assert len(each.sessions) == 0
            how = [(past.user_id, past.how) for past in each.sessions.history(since=began) if not past.refused]
            assert how == [("ann", "by_other"), ("ben", "by_holder"), ("cat", "by_holder"), ("ben", "by_holder")]
            assert each.sessions.peak(since=began).count == 2
            assert each.audit.verify()
        assert {past.user_id for past in org.as_user("ann").sessions.history()} == {"ann"}
        if isinstance(mix[2], RedisServer):
            lose_all_seats(mix[2], org, other)


def restarted(server: Server, org: Organization) -> None:
    """Stop the server, see that nobody comes in, and start it again."""
    server.stop()
    with pytest.raises(StoreUnavailable):
        org.sign_in("cat")
    server.start()


def lose_all_seats(server: RedisServer, org: Organization, other: Organization) -> None:
    """Holders are told that their seats are gone, and nobody else comes in for a lease, however often that happens."""
    ann = org.sign_in("ann")
    server.stop()
    with pytest.raises(StoreUnavailable):
        org.sign_in("cat")
    ann.touch(on_unavailable="grace")
    assert ann.can("sales.invoices", "edit", on_unavailable="grace")
    server.start()
    with pytest.raises(SessionEnded):
        other.resume(ann.token)
    for again in (True, False):
        for each in (org, other):
            with pytest.raises(StoreUnavailable, match="started anew or lost"):
                each.sign_in("cat")
        if again:
            server.ask("FLUSHALL")


def test_after_lost_data_the_doors_open_a_lease_later_and_history_is_right(mix: tuple[str, str, Server]) -> None:
    """Of Redis; PostgreSQL loses nothing and lets the holder go on."""
    began = datetime.now(UTC)
    with closing(opened(mix, LEASE)) as org:
        org.users.add(id="ann", email="ann@kauri.example", name="Ann", roles=["sales_staff"])
        org.users.add(id="ben", email="ben@kauri.example", name="Ben", roles=["sales_staff"])
        ann = org.sign_in("ann", client="desk")
        if not isinstance(mix[2], RedisServer):
            mix[2].stop()
            mix[2].start()
            ann.touch()
            ann.end()
            return
        mix[2].ask("FLUSHALL")
        with closing(opened(mix, LEASE)) as other:
            with pytest.raises(StoreUnavailable, match="lost its data"):
                other.sign_in("ben")
            with pytest.raises(SessionEnded):
                ann.rotate()
            time.sleep(LEASE.total_seconds() + 0.1)
            ben = other.sign_in("ben")
            assert [seat.user_id for seat in org.sessions] == ["ben"]
            ben.end()
    with closing(opened(mix, LEASE)) as again:
        again.sign_in("ann").end()
        pasts = [past for past in again.sessions.history(since=began) if not past.refused]
        assert [(past.user_id, past.how) for past in pasts] == [
            ("ann", "lost"),
            ("ben", "by_holder"),
            ("ann", "by_holder"),
        ]
        assert again.sessions.peak(since=began).count == 1
        assert again.audit.verify()
