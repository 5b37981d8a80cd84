"""The PostgreSQL directory passes the kit, on a real server, and answers as the memory store does."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from contextlib import closing, nullcontext, suppress
from threading import Thread

import psycopg
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from seatperm.directory import Organization, User
from seatperm.errors import InvalidValue, StoreDamaged, StoreUnavailable, StoreVersion, UnknownOrganization
from seatperm.license import License
from seatperm.stores import DirectoryStore
from seatperm.stores.memory import MemoryDirectory
from seatperm.stores.postgres import PostgresDirectory
from seatperm.testing.directory_kit import DirectoryConformance

from . import directory_worker as worker
from .servers import parted, schema_of
from .test_directory_stores import PLACES, Step, book, steps, tried


class TestPostgresDirectory(DirectoryConformance):
    """The PostgreSQL store passes the kit."""

    url: str

    @pytest.fixture(autouse=True, scope="class")
    @classmethod
    def _of_its_own(cls, postgres_url: str) -> Iterator[None]:
        with schema_of(postgres_url) as cls.url:
            yield

    def open(self) -> DirectoryStore:
        return PostgresDirectory(self.url)

    def reopen(self) -> DirectoryStore:
        return PostgresDirectory(self.url)


@pytest.fixture
def url(postgres_store: str) -> str:
    """A store with one organization and two users who count."""
    worker.make(postgres_store)
    return postgres_store


def run(url: str, sql: str) -> None:
    """Do something to the database behind the store's back; `$.` stands for the schema."""
    where, schema = parted(url)
    with psycopg.connect(where, autocommit=True) as connection:
        connection.execute(sql.replace("$.", f"{schema}.").encode())


def test_the_postgresql_store_answers_as_the_memory_store_does(postgres_store: str) -> None:
    """Any steps in any changes, failed ones too: the same answers, refusals, records, revisions and trails."""
    with closing(PostgresDirectory(postgres_store)) as store:
        tables = "organizations, $.users, $.active_users, $.user_roles, $.user_overrides, $.former_ids, $.staff"

        @settings(max_examples=25, deadline=None)
        @given(st.lists(st.lists(steps, max_size=6), max_size=4))
        def holds(changes: list[list[Step]]) -> None:
            run(postgres_store, f"TRUNCATE $.{tables}, $.events, $.history")
            memory = MemoryDirectory()
            for change in changes:
                assert tried(store, change) == tried(memory, change)
                assert list(store.organizations()) == list(memory.organizations())
                assert [book(store, place) for place in PLACES] == [book(memory, place) for place in PLACES]

        holds()


def put(store: DirectoryStore, *ids: str, swallowed: bool = False) -> None:
    """Add users in one change; do not let it fail where a failure is to be swallowed."""
    with store.change() as change:
        for id in ids:
            with suppress(InvalidValue) if swallowed else nullcontext():
                change.put_user("kauri", User(id, f"{id[:9]}@kauri.example", "X"), email_key=None)


@pytest.mark.parametrize("id", ["a\0b", "a\ud800b", "".join(random.Random(1).choices("abcdefghijklmnop", k=9000))])
def test_text_that_postgresql_cannot_hold_is_refused(url: str, id: str) -> None:
    """A NUL character, half a surrogate pair, an id that no index takes: a change with them is not kept."""
    with closing(PostgresDirectory(url)) as store:
        with pytest.raises(InvalidValue):
            put(store, "cat", id)
        assert store.revision("kauri") == 1


def test_what_postgresql_cannot_hold_is_not_found(url: str) -> None:
    """An id from outside is unknown there as in any store, not a mistake."""
    with closing(PostgresDirectory(url)) as store:
        assert store.user("kauri", "ann\0") is None
        assert list(store.users("kauri", roles=["a"], email_key="\0")) == []
        with pytest.raises(UnknownOrganization):
            store.revision("kauri\0")


def test_a_number_that_a_store_cannot_keep_is_refused(url: str) -> None:
    with closing(PostgresDirectory(url)) as store:
        with store.change() as change, pytest.raises(InvalidValue, match="less than 2"):
            change.put_organization(Organization("rimu", License("retail", session_limit=2**63)))
        assert list(store.organizations()) == ["kauri"]


@pytest.mark.parametrize(
    "damage",
    [
        "UPDATE $.users SET state = 'gone'",
        "UPDATE $.users SET base = '7'",
        "UPDATE $.users SET base = '{\"sales\": 7}'",
        "ALTER TABLE $.users DROP COLUMN person",
        "DROP TABLE $.user_roles",
        "ALTER TABLE $.users RENAME TO users_of_old",
    ],
)
def test_tables_that_are_not_as_they_were_made_are_damage(url: str, damage: str) -> None:
    """Rows that can't be read, columns or tables that are gone: said with the store and the cause."""
    run(url, damage)
    with closing(PostgresDirectory(url)) as store, pytest.raises(StoreDamaged, match="postgresql://"):
        store.user("kauri", "ann")


def test_a_store_of_a_newer_seatperm_is_not_touched(url: str) -> None:
    """Neither opened, nor changed by one that had it open before."""
    with closing(PostgresDirectory(url)) as store:
        run(url, "UPDATE $.stores SET version = 99 WHERE name = 'seatperm.directory'")
        with pytest.raises(StoreVersion, match=r"seatperm\.directory has version 99"):
            PostgresDirectory(url)
        with pytest.raises(StoreVersion, match=r"seatperm\.directory has version 99"), store.change():
            pass


def test_a_role_that_may_only_read_reads_and_is_told_what_it_lacks(url: str) -> None:
    """It opens a store that is there, and makes none."""
    schema = parted(url)[1]
    role = f"reader_{schema}"
    run(url, f"CREATE ROLE {role} LOGIN PASSWORD 'se-cret'")
    try:
        run(url, f"GRANT USAGE ON SCHEMA {schema} TO {role}; GRANT SELECT ON ALL TABLES IN SCHEMA {schema} TO {role}")
        reader = url.replace("://postgres@", f"://{role}:se-cret@")
        with closing(PostgresDirectory(reader)) as store:
            assert store.revision("kauri") == 1
            with pytest.raises(StoreUnavailable, match=r"this role may not do that; grant it .*permission denied"):
                store.change().__enter__()
        with pytest.raises(StoreUnavailable, match="permission denied"):
            PostgresDirectory(reader.replace(f"schema={schema}", "schema=another"))
    finally:
        run(url, f"DROP OWNED BY {role}; DROP ROLE {role}")


def test_a_standby_is_an_error_that_names_the_remedy(url: str) -> None:
    with (
        closing(PostgresDirectory(f"{url}&options=-c%20default_transaction_read_only%3Don")) as store,
        pytest.raises(StoreUnavailable, match="target_session_attrs=read-write"),
        store.change(),
    ):
        pass


def test_a_change_that_others_hold_up_ends_within_its_timeout(url: str) -> None:
    with closing(PostgresDirectory(url)) as store, closing(PostgresDirectory(f"{url}&timeout=1")) as other:
        with store.change() as change:
            with pytest.raises(StoreUnavailable, match="others have been changing it"), other.change():
                pass
            worker.count_on(change)
        assert other.revision("kauri") == 2


def test_a_change_whose_failure_was_swallowed_is_not_kept(url: str) -> None:
    """The server has undone it: going on as if nothing was would lose what was written before."""
    long = "".join(random.Random(1).choices("abcdefghijklmnop", k=9000))
    with closing(PostgresDirectory(url)) as store:
        with pytest.raises(StoreUnavailable, match="a statement of this change failed"):
            put(store, "cat", long, swallowed=True)
        assert store.revision("kauri") == 1


def in_threads(tasks: list[Callable[[], None]]) -> None:
    """Run all tasks at once, and wait for them."""
    threads = [Thread(target=task) for task in tasks]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


def test_more_threads_than_connections_take_turns(url: str) -> None:
    """None loses a change, and no more connections are made than the URL says."""
    with closing(PostgresDirectory(f"{url}&pool_max=2")) as store:

        def count() -> None:
            for _ in range(10):
                with store.change() as change:
                    worker.count_on(change)

        in_threads([count] * 6)
        assert store.revision("kauri") == 61
