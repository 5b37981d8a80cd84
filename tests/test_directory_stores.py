"""Every directory store passes the kit, and answers as the memory store does whatever happens."""

from __future__ import annotations

import shutil
import sqlite3
import tempfile
from collections.abc import Callable, Mapping
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from seatperm.audit import Event
from seatperm.catalog import Grant, Role
from seatperm.directory import Organization, Override, PendingInvitation, Staff, User
from seatperm.errors import InvalidValue, SeatpermError, StoreDamaged
from seatperm.license import License, problems
from seatperm.sessions import Past
from seatperm.stores import DirectoryChange, DirectoryStore
from seatperm.stores.memory import MemoryDirectory
from seatperm.stores.sqlite import SQLiteDirectory
from seatperm.testing.directory_kit import DirectoryConformance


class TestMemoryDirectory(DirectoryConformance):
    """The memory store passes the kit."""

    def open(self) -> DirectoryStore:
        return MemoryDirectory()


class TestSQLiteDirectory(DirectoryConformance):
    """The SQLite store passes the kit."""

    def open(self) -> DirectoryStore:
        self.folder = tempfile.TemporaryDirectory(prefix="seatperm-")
        return SQLiteDirectory(Path(self.folder.name) / "books.db")

    def reopen(self) -> DirectoryStore:
        return SQLiteDirectory(Path(self.folder.name) / "books.db")

    def teardown_method(self) -> None:
        super().teardown_method()
        self.folder.cleanup()


Step = Callable[[DirectoryChange], object]

PLACES = ("rimu", "kauri")
IDS = ("a", "B", "é", "🌳 1")
ROLES = ("cashier", "seller", "buyer")
KEYS = ("a@x", "b@x")
HASHES = ("0a", "0b")
MEMBERS = ("s", "S", "ā 1")

places, keys = st.sampled_from(PLACES), st.none() | st.sampled_from(KEYS)
texts = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=8)
times = st.datetimes(timezones=st.just(UTC))
moments = st.none() | times
levels = st.sampled_from(["none", "view", "edit"])
actions = st.lists(st.sampled_from(["approve", "refund"]), unique=True).map(tuple)
scopes = st.sampled_from(["own", "team", "all"])
entries = st.lists(st.builds(Grant, st.none() | levels, actions, scopes), max_size=3).map(tuple)
bases = st.dictionaries(st.sampled_from(["sales", "sales.invoices", "crm"]), entries)
users = st.builds(
    User,
    id=st.sampled_from(IDS),
    email=texts,
    name=texts,
    type=st.sampled_from(["app", "partner"]),
    state=st.sampled_from(["invited", "active"]),
    locked=st.booleans(),
    roles=st.dictionaries(st.sampled_from(ROLES), moments),
    base=bases,
    overrides=st.dictionaries(st.sampled_from(["sales", "crm"]), st.builds(Override, entries, moments)),
    staff=st.none() | texts,
    invitation=st.none() | st.builds(PendingInvitation, st.sampled_from(HASHES), times),
    dismissed=st.booleans(),
    person=st.sampled_from(IDS),
)
licenses = st.builds(
    License,
    package=texts,
    add_ons=st.frozensets(texts, max_size=3),
    session_limit=st.integers(1, 10**9),
    user_limit=st.none() | st.integers(1, 9),
    seat_per=st.sampled_from(["session", "user"]),
    reserved=st.dictionaries(texts, st.integers(1, 9), max_size=3),
    valid_from=moments,
    valid_until=moments,
    grace=st.integers(0, 10**6).map(lambda seconds: timedelta(seconds=seconds)),
).filter(lambda terms: not list(problems(terms)))
roles = st.builds(
    Role,
    title=texts,
    description=texts,
    kind=st.sampled_from(["licensee", "system"]),
    package=st.none() | texts,
    everything=st.booleans(),
    includes=st.lists(texts, max_size=2),
    grants=bases,
)
records = st.builds(
    Organization,
    id=places,
    license=licenses,
    global_permissions=bases,
    roles=st.dictionaries(texts, roles, max_size=2),
    license_issued=moments,
    catalog=texts,
    epoch=st.none() | texts,
)
staff = st.builds(
    Staff, id=st.sampled_from(MEMBERS), name=texts, user=st.none() | st.sampled_from(IDS), active=st.booleans()
)
pasts = st.builds(
    Past,
    id=st.sampled_from(MEMBERS),
    user_id=st.none() | st.sampled_from(IDS),
    client=st.none() | texts,
    began=times,
    ended=moments,
    how=st.none() | texts,
    refused=st.booleans(),
)
values = st.none() | st.booleans() | st.integers() | texts
details = st.none() | st.dictionaries(texts, st.recursive(values, st.lists, max_leaves=4), max_size=3)


def put_organization(record: Organization) -> Step:
    return lambda change: change.put_organization(record)


def put_user(place: str, user: User, key: str | None) -> Step:
    return lambda change: change.put_user(place, user, email_key=key)


def rename(place: str, id: str, user: User, key: str | None) -> Step:
    return lambda change: change.rename(place, id, user, email_key=key)


def put_staff(place: str, record: Staff) -> Step:
    return lambda change: change.put_staff(place, record)


def append(place: str, at: datetime, user: str | None, details: Mapping[str, object] | None) -> Step:
    def step(change: DirectoryChange) -> None:
        number, revision = change.head(place).number + 1, change.revision(place)
        change.append(place, Event(number, at, None, "tried", user, revision, details, "salt", "seal", f"#{number}"))

    return step


def erase(place: str, user: str) -> Step:
    return lambda change: change.erase(place, user)


def put_past(place: str, past: Past) -> Step:
    return lambda change: change.put_past(place, past)


def drop_history(place: str, before: datetime, user: str | None, limit: int | None) -> Step:
    return lambda change: change.drop_history(place, before=before, user=user, limit=limit)


def fail(_: DirectoryChange) -> None:
    raise ZeroDivisionError


steps = st.one_of(
    st.builds(put_organization, records),
    st.builds(put_user, places, users, keys),
    st.builds(rename, places, st.sampled_from(IDS), users, keys),
    st.builds(put_staff, places, staff),
    st.builds(append, places, times, st.none() | st.sampled_from(IDS), details),
    st.builds(erase, places, st.sampled_from(IDS)),
    st.builds(put_past, places, pasts),
    st.builds(drop_history, places, times, st.none() | st.sampled_from(IDS), st.none() | st.integers(0, 2)),
    st.just(fail),
)


def outcome(change: DirectoryChange, step: Step) -> object:
    """Take a step; return what it raised that is ours, and all that the change can see then."""
    raised = None
    try:
        step(change)
    except SeatpermError as error:
        raised = (type(error), str(error))
    return (
        raised,
        [(change.revision(place), change.head(place), list(change.users(place))) for place in PLACES],
        [list(change.staff(place)) for place in PLACES],
        [change.staff_member(place, id) for place in PLACES for id in MEMBERS],
        [list(change.people(key)) for key in KEYS],
        [list(change.person(id)) for id in IDS],
        [change.invited(hash) for hash in HASHES],
        [list(change.history(place)) for place in PLACES],
        [change.count_active(place, ["app"]) for place in PLACES],
    )


def book(store: DirectoryStore, place: str) -> object:
    """Return all that can be read of an organization."""
    try:
        record = store.organization(place)
    except SeatpermError as error:
        return type(error)
    return (
        record,
        store.revision(place),
        store.head(place),
        [store.user(place, id) for id in IDS],
        list(store.users(place)),
        [list(store.users(place, email_key=key)) for key in KEYS],
        [list(store.users(place, roles=[role])) for role in ROLES],
        list(store.users(place, roles=ROLES)),
        list(store.staff(place)),
        [store.staff_member(place, id) for id in MEMBERS],
        list(store.history(place)),
        [list(store.history(place, user=id)) for id in IDS],
        list(store.events(place)),
        list(store.events(place, after=1)),
        [store.changes(place, since) for since in range(record.revision + 1)],
    )


def test_the_sqlite_store_answers_as_the_memory_store_does(tmp_path: Path) -> None:
    """Any steps in any changes, failed ones too: the same answers, refusals, records, revisions and trails."""
    SQLiteDirectory(tmp_path / "empty.db").close()

    @settings(max_examples=150, deadline=None)
    @given(st.lists(st.lists(steps, max_size=6), max_size=6))
    def holds(changes: list[list[Step]]) -> None:
        memory = MemoryDirectory()
        shutil.copy(tmp_path / "empty.db", tmp_path / "books.db")
        with closing(SQLiteDirectory(tmp_path / "books.db", synchronous="normal")) as store:
            for change in changes:
                assert tried(store, change) == tried(memory, change)
                assert list(store.organizations()) == list(memory.organizations())
                assert [book(store, place) for place in PLACES] == [book(memory, place) for place in PLACES]

    holds()


def tried(store: DirectoryStore, steps: list[Step]) -> list[object]:
    """Make a change of these steps; return what came of each."""
    outcomes: list[object] = []
    try:
        with store.change() as change:
            outcomes += [outcome(change, step) for step in steps]
    except ZeroDivisionError:
        outcomes.append("failed")
    return outcomes


def test_a_number_that_a_store_cannot_keep_is_refused(tmp_path: Path) -> None:
    with closing(SQLiteDirectory(tmp_path / "books.db")) as store:
        with store.change() as change, pytest.raises(InvalidValue, match="less than 2"):
            change.put_organization(Organization("kauri", License("retail", session_limit=2**63)))
        assert list(store.organizations()) == []


@pytest.mark.parametrize(
    "damage",
    [
        "UPDATE organizations SET session_limit = 'x'",
        "UPDATE organizations SET session_limit = 1.5",
        "UPDATE organizations SET session_limit = 0",
        "UPDATE organizations SET seat_per = 'chair'",
        "UPDATE users SET state = 'zap'",
    ],
)
def test_a_row_that_says_what_no_change_wrote_is_damage(tmp_path: Path, damage: str) -> None:
    path = tmp_path / "books.db"
    with closing(SQLiteDirectory(path)) as store, store.change() as change:
        change.put_organization(Organization("kauri", License("retail")))
        change.put_user("kauri", User("ann", "ann@kauri.example", "Ann", person="ann"), email_key="ann@kauri.example")
    with closing(sqlite3.connect(path)) as connection, connection:
        connection.execute(damage)
    with closing(SQLiteDirectory(path)) as store:

        def read() -> None:
            store.organization("kauri")
            list(store.users("kauri"))

        with pytest.raises(StoreDamaged):
            read()
