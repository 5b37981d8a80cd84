"""How a PostgreSQL store is opened: its tables made where they are missing, or not, or only looked at."""

from __future__ import annotations

from contextlib import closing

import psycopg
import pytest

import seatperm
from seatperm.clock import SystemClock
from seatperm.stores.opening import open_directory, open_sessions
from seatperm.stores.postgres_url import PostgresURL

from .servers import parted, postgres_store, postgres_url

__all__ = ["postgres_store", "postgres_url"]

CATALOG: dict[str, object] = {"packages": {"one": {}}}


def tables(store: str) -> list[str]:
    """Return the tables in the store's schema."""
    url, schema = parted(store)
    with psycopg.connect(url) as connection:
        found = connection.execute("SELECT tablename FROM pg_tables WHERE schemaname = %s ORDER BY 1", (schema,))
        return [name for (name,) in found]


@pytest.mark.parametrize("mode", ["ro", "rw"])
def test_only_rwc_makes_tables(postgres_store: str, mode: str) -> None:
    """A database that was mistaken for another must not become an empty store."""
    with pytest.raises(seatperm.StoreUnavailable, match=r"no tables of seatperm\.directory"):
        open_directory(f"{postgres_store}&mode={mode}")
    with pytest.raises(seatperm.StoreUnavailable, match=r"no tables of seatperm\.sessions"):
        open_sessions(f"{postgres_store}&mode={mode}", SystemClock())
    assert tables(postgres_store) == []
    seatperm.open(CATALOG, postgres_store, session_store="memory://").close()
    made = tables(postgres_store)
    with pytest.raises(seatperm.StoreUnavailable, match=r"no tables of seatperm\.sessions"):
        open_sessions(f"{postgres_store}&mode={mode}", SystemClock())
    assert tables(postgres_store) == made


def test_ro_reads_while_others_write_and_writes_nothing(postgres_store: str) -> None:
    """What others change is seen; a change through it is refused, by seatperm or by the server."""
    with (
        closing(seatperm.open(CATALOG, postgres_store)) as host,
        closing(seatperm.open({**CATALOG, "catalog": {"name": "Another"}}, f"{postgres_store}&mode=ro")) as looking,
    ):
        host.users.add(id="tom", email="tom@kauri.example", name="Tom")
        session = host.sign_in("tom")
        assert [user.id for user in looking.users] == ["tom"]
        assert [seat.id for seat in looking.sessions] == [session.id]
        for change in (lambda: looking.users.lock("tom"), lambda: looking.sessions.end(session.id)):
            with pytest.raises(seatperm.StoreUnavailable, match="read"):
                change()
        assert session.can("organization.users", "view") is host.can("tom", "organization.users", "view")
        assert not host.users["tom"].locked


def test_rw_changes_what_is_there(postgres_store: str) -> None:
    """As if nothing had been said."""
    seatperm.open(CATALOG, postgres_store).close()
    with closing(seatperm.open(CATALOG, f"{postgres_store}&mode=rw")) as org:
        org.users.add(id="tom", email="tom@kauri.example", name="Tom")
        org.sign_in("tom").end()


def test_a_mode_is_one_of_three() -> None:
    """Anything else is refused, without the password."""
    with pytest.raises(seatperm.InvalidValue, match="'rwc', 'rw' or 'ro'") as refused:
        PostgresURL.parse("postgresql://app:hunter2@db.example/books?mode=readonly")
    assert "hunter2" not in str(refused.value)
