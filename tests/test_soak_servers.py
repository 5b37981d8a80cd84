"""The short form of the soak on Redis and PostgreSQL servers of its own: the rows that need one, and their controls."""

from __future__ import annotations

from pathlib import Path

import psycopg
import pytest

from seatperm.testing.servers.base import ServerMissing
from seatperm.testing.soak import rows_kills
from seatperm.testing.soak.pooler import Pooler
from seatperm.testing.soak.postgres import left_behind, libpq
from seatperm.testing.soak.proxy import Proxy, through, upstream
from seatperm.testing.soak.rows_replies import with_options
from seatperm.testing.soak.starting import aimed
from seatperm.testing.soak.table import Verdict

from .servers import missing
from .test_soak import passed, proved, proved_at_once, why


def on_servers(store: str, folder: Path, *groups: set[int]) -> set[int]:
    """Run groups of rows at once, each on a server of the soak's own, and return which have passed."""
    try:
        return passed(proved_at_once(store, folder, *groups))
    except ServerMissing as error:
        missing(error)


def test_redis_keeps_its_promises(tmp_path: Path) -> None:
    """Lost replies, kills with and without persistence, cut-off clients, a server that may not write, fork."""
    assert on_servers("redis", tmp_path, {4, 8}, {9, 10, 15}) == {4, 8, 9, 10, 15}


def test_postgresql_keeps_its_promises(tmp_path: Path) -> None:
    """The same, and transaction pooling."""
    assert on_servers("postgres", tmp_path, {4, 8, 14}, {9, 10, 15}) == {4, 8, 9, 10, 14, 15}


@pytest.mark.parametrize(
    ("broken", "row", "said"),
    [
        ("repeating", 4, "not exactly one seat"),
        ("forgetful", 8, "seats of 5 were held at the same instant"),
        ("refusing", 8, "no seat was granted within 2 s of the start"),
        ("shut", 8, "no seat was granted within 2 s of a kill"),
        ("hasty", 9, "acts were let pass after the seat was another's"),
    ],
)
def test_a_row_sees_the_promise_broken(
    broken: str, row: int, said: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With a server behind the store too."""
    if "within" in said:
        monkeypatch.setattr(rows_kills, "REOPENS", 2.0)
    # Whether a kill comes while every seat is held is up to chance: more than the short form's two.
    minutes = 0.25 if broken == "forgetful" else 0
    try:
        assert said in why(f"{broken}+redis", tmp_path, row, minutes=minutes)
    except ServerMissing as error:
        missing(error)


def test_a_lock_that_is_left_behind_is_seen(postgres_url: str) -> None:
    """A lock of the session's, not of the transaction's, stays with the pool's connection when its client is gone."""
    with Pooler(upstream(postgres_url), "postgres", "postgres", 2) as pooler:
        with psycopg.connect(libpq(through(postgres_url, pooler.port)), autocommit=True) as client:
            client.execute("SELECT pg_advisory_lock(7)")
        assert any("advisory" in left for left in left_behind(postgres_url, 0.0))
    assert left_behind(postgres_url, 5.0) == []


def test_each_transaction_goes_to_another_connection(postgres_url: str) -> None:
    """That is what the pool is there for, and what is prepared in one is not there in the next."""
    with Pooler(upstream(postgres_url), "postgres", "postgres", 3) as pooler:
        with psycopg.connect(libpq(through(postgres_url, pooler.port)), autocommit=True) as client:
            pids = [client.execute("SELECT pg_backend_pid()", prepare=False).fetchone() for _ in range(6)]
            with client.transaction():
                inside = {client.execute("SELECT pg_backend_pid()", prepare=False).fetchone() for _ in range(3)}
        assert (len(set(pids)), len(inside)) == (3, 1)
        with pytest.raises(psycopg.OperationalError, match="unsupported startup parameter"):
            psycopg.connect(with_options(libpq(through(postgres_url, pooler.port)), options="-c%20jit%3Doff"))


def test_a_proxy_loses_the_reply_that_it_is_told_to(postgres_url: str) -> None:
    """And the server has done what was asked."""
    with Proxy(upstream(postgres_url)) as proxy:
        url = libpq(through(postgres_url, proxy.port))
        with psycopg.connect(url, autocommit=True) as client:
            client.execute("SELECT 1")
            proxy.swallow()
            with pytest.raises(psycopg.OperationalError):
                client.execute("SELECT 2")
        assert proxy.swallowed == 1
        with psycopg.connect(url) as client:
            assert client.execute("SELECT 3").fetchone() == (3,)


def test_somebody_elses_server_is_left_alone(postgres_url: str, tmp_path: Path) -> None:
    """The rows that kill it or change its settings are told as not run."""
    with aimed(postgres_url, tmp_path) as target:
        assert target.server is None
    results = proved(postgres_url, tmp_path, 8, 10)
    assert {result.verdict for result in results.values()} == {Verdict.NOT_RUN}
