"""A store file that can't be used says so in an error of ours that tells what to do, and stays as it was."""

from __future__ import annotations

import sqlite3
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import closing
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path
from threading import Barrier, Thread, Timer

import pytest

from seatperm import audit
from seatperm.catalog import Grant, Role
from seatperm.clock import SystemClock
from seatperm.directory import Organization, Override, Staff, User
from seatperm.errors import InvalidValue, StoreDamaged, StoreUnavailable, StoreVersion
from seatperm.license import License
from seatperm.stores.opening import open_directory
from seatperm.stores.sqlite import SQLiteDirectory
from seatperm.stores.sqlite_file import APPLICATION_ID, SQLiteFile
from seatperm.stores.sqlite_schema import DIRECTORY
from seatperm.stores.sqlite_sessions import SQLiteSessions
from seatperm.stores.sqlite_turns import Turns
from seatperm.stores.sqlite_url import SQLiteURL

from . import directory_worker as worker


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """A store with one organization and two users who count."""
    worker.make(str(tmp_path / "books.db"))
    return tmp_path / "books.db"


@pytest.fixture
def shared() -> Iterator[Path]:
    """A store as `path`, in a folder that every user of the machine may enter."""
    with tempfile.TemporaryDirectory(prefix="seatperm-") as folder:
        Path(folder).chmod(0o755)
        worker.make(f"{folder}/books.db")
        yield Path(folder) / "books.db"


def run(task: str, path: Path, *more: object) -> str:
    """Do a task in another process, and return the last line that it printed."""
    command = [sys.executable, worker.__file__, task, str(path), *map(str, more)]
    return subprocess.run(command, capture_output=True, text=True, check=True, timeout=60).stdout.splitlines()[-1]


def refused(error: type[Exception], path: Path, words: str) -> None:
    """Check that the file is refused in these words, naming it, and that no byte of it or beside it changes."""

    def read() -> None:
        with closing(SQLiteDirectory(path)) as store:
            store.organization("kauri")
            list(store.users("kauri"))

    before = files(path)
    with pytest.raises(error, match=words) as caught:
        read()
    assert str(path) in str(caught.value)
    assert files(path) == before


def files(path: Path) -> dict[str, bytes]:
    """Return the content of the file and of every other one beside it."""
    folder = path.parent if path.parent.is_dir() else path.parent.parent
    return {each.name: each.read_bytes() for each in folder.iterdir() if each.is_file()}


def whole(path: Path) -> int:
    """Return the revision of a store that is in good order."""
    with closing(SQLiteDirectory(path)) as store:
        revision = store.revision("kauri")
        assert audit.verify(store.events("kauri"), store.head("kauri"))
        assert {user.name for user in store.users("kauri")} == {str(revision - 1)}
        return revision


# Files that are not ours


@pytest.mark.parametrize("content", [b"hi", b"Dear store,\n" * 500, bytes(5000), b"SQLite format 3\0" + b"\x07" * 9000])
def test_a_file_that_is_no_database_is_refused(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "letter.txt").write_bytes(content)
    refused(StoreDamaged, tmp_path / "letter.txt", "not seatperm's: .*name another path")


@pytest.mark.parametrize("application", [0, 7])
def test_another_applications_database_is_refused_and_left_alone(tmp_path: Path, application: int) -> None:
    with closing(sqlite3.connect(tmp_path / "other.db")) as other:
        other.execute(f"PRAGMA application_id={application}")
        other.execute("CREATE TABLE customers (name TEXT)")
    refused(StoreDamaged, tmp_path / "other.db", "another application's; name another path")


def test_an_empty_file_becomes_a_store(tmp_path: Path) -> None:
    (tmp_path / "books.db").touch()
    worker.make(str(tmp_path / "books.db"))
    assert whole(tmp_path / "books.db") == 1


def test_a_file_of_a_newer_seatperm_is_refused_and_left_alone(path: Path) -> None:
    with closing(sqlite3.connect(path)) as newer, newer:
        newer.execute(
            "INSERT INTO _sqlite_migrations (migration_set, name, applied_at) VALUES (?, '0099_more', '2031-01-01')",
            (DIRECTORY.name,),
        )
    refused(StoreVersion, path, "newer seatperm .*'0099_more'.*; upgrade seatperm")


def test_a_file_whose_tables_were_taken_away_is_refused(path: Path) -> None:
    with closing(sqlite3.connect(path)) as other:
        other.execute("DROP TABLE user_roles")
    refused(StoreDamaged, path, "no such table")


# Paths


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("none/books.db", "the folder .*none does not exist; make it first"),
        ("", "it is a folder; name a file in it"),
        ("books.txt/books.db", "the folder .*books.txt does not exist"),
    ],
)
def test_a_path_where_no_file_can_be_is_refused(tmp_path: Path, name: str, words: str) -> None:
    (tmp_path / "books.txt").touch()
    refused(StoreUnavailable, tmp_path / name, words)


@pytest.mark.parametrize("name", ["", ":memory:", "a\0b"])
def test_what_names_no_file_is_refused(name: str) -> None:
    with pytest.raises(InvalidValue, match="memory://"):
        SQLiteDirectory(name)


def test_a_path_is_taken_by_the_letter(tmp_path: Path) -> None:
    """Whatever it has that means something in a URL."""
    for name in ("a?mode=ro", "a#b", "a%20b", "kāuri 🌳.db", ":memory: 2"):
        worker.make(str(tmp_path / name))
        assert whole(tmp_path / name) == 1


def test_a_url_names_a_relative_or_an_absolute_path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A relative one stays the same file when the process changes its folder."""
    monkeypatch.chdir(tmp_path)
    store = open_directory("sqlite:///books.db?timeout=2.5&synchronous=normal")
    monkeypatch.chdir("/")
    with store.change() as change:
        change.put_organization(Organization("kauri", License("retail")))
    store.close()
    assert store.url == "sqlite:///books.db"
    absolute = open_directory(f"sqlite:///{tmp_path / 'books.db'}")
    assert absolute.revision("kauri") == 1
    absolute.close()


def test_a_url_says_how_long_to_wait_and_how_much_survives_a_power_cut() -> None:
    assert SQLiteURL.parse("sqlite:///b.db") == SQLiteURL("b.db", None, 30.0)
    assert SQLiteURL.parse("sqlite:////b.db?timeout=0.5&synchronous=full") == SQLiteURL("/b.db", "full", 0.5)


@pytest.mark.parametrize("option", ["timeout=soon", "timeout=-1", "synchronous=off", "cache=9", "timeout"])
def test_a_url_that_says_anything_else_is_refused(option: str) -> None:
    with pytest.raises(InvalidValue, match="'timeout=' and seconds"):
        open_directory(f"sqlite:///b.db?{option}")


@pytest.mark.parametrize(("synchronous", "number"), [("full", 2), ("normal", 1)])
def test_writes_are_as_durable_as_was_asked(path: Path, synchronous: str, number: int) -> None:
    file = SQLiteFile(path, DIRECTORY, synchronous="full" if synchronous == "full" else "normal")
    with file.write() as connection:
        assert connection.execute("PRAGMA synchronous").fetchone() == (number,)
        assert connection.execute("PRAGMA journal_mode").fetchone() == ("wal",)
        assert connection.execute("PRAGMA foreign_keys").fetchone() == (1,)
        assert connection.execute("PRAGMA application_id").fetchone() == (APPLICATION_ID,)
    file.close()


def test_looking_at_a_store_makes_and_writes_nothing(path: Path) -> None:
    """With mode=ro, and with mode=rw no more than is asked for."""
    before = files(path)
    looking = open_directory(f"sqlite:///{path}?mode=ro")
    assert looking.user("kauri", "ann") is not None
    with pytest.raises(StoreUnavailable, match="for reading only"), looking.change():
        pass
    looking.close()
    for mode in ("ro", "rw"):
        with pytest.raises(StoreUnavailable, match="there is no such file"):
            open_directory(f"sqlite:///{path.parent}/none.db?mode={mode}")
    assert files(path) == before


# Files that can't be written


def test_a_read_only_file_is_read_and_says_that_it_can_not_be_written(shared: Path) -> None:
    """While a process that may write has it open, SQLite lets others read it without leave to write."""
    with closing(SQLiteDirectory(shared)) as store:
        assert store.revision("kauri") == 1
        shared.chmod(0o444)
        shared.parent.chmod(0o555)
        printed = run("nobody", shared)
        shared.parent.chmod(0o755)
        shared.chmod(0o644)
    assert printed.startswith(f"StoreUnavailable: the store sqlite:///{shared} can't be used now: ")
    assert "read-only; let this process write both" in printed
    assert whole(shared) == 1


@pytest.mark.parametrize(
    ("file", "folder", "words"),
    [
        (0o444, 0o555, "the file or its folder is read-only; let this process write both"),
        (0o666, 0o555, "the file or its folder is read-only; let this process write both"),
        (0o000, 0o755, "the file can't be opened; let this process read and write it"),
        (0o666, 0o700, "can't be searched; let this process read and write it"),
    ],
)
def test_a_file_that_may_not_be_used_says_what_it_needs(shared: Path, file: int, folder: int, words: str) -> None:
    shared.chmod(file)
    shared.parent.chmod(folder)
    printed = run("nobody", shared)
    shared.parent.chmod(0o755)
    shared.chmod(0o644)
    assert printed.startswith("StoreUnavailable: ")
    assert words in printed
    assert whole(shared) == 1


def test_a_change_that_the_disk_refuses_is_undone(path: Path) -> None:
    """A file may grow no more: a real failed write, in the middle of a change."""
    assert "look at the disk and its limits" in run("fill", path, path.stat().st_size + 200_000)
    revision = whole(path)
    assert revision > 1
    with closing(SQLiteDirectory(path)) as store:
        with store.change() as change:
            worker.count_on(change)
        assert store.revision("kauri") == revision + 1


def test_a_full_disk_says_so_and_the_same_store_goes_on_when_there_is_room(path: Path) -> None:
    file = SQLiteFile(path, DIRECTORY)
    with file.write() as connection:
        (pages,) = connection.execute("PRAGMA page_count").fetchone()
        connection.execute(f"PRAGMA max_page_count={pages}")

    def fill() -> None:
        with file.write() as connection:
            connection.execute("UPDATE organizations SET package = ?", ("x" * 100_000,))

    with pytest.raises(StoreUnavailable, match="the disk is full; nothing was changed, make room and try again"):
        fill()
    assert whole(path) == 1
    with file.write() as connection:
        connection.execute("PRAGMA max_page_count=1000000")
    fill()
    file.close()
    assert whole(path) == 1


# Damage


def test_bytes_overwritten_in_the_middle_are_told_and_nothing_is_made_up(path: Path) -> None:
    with closing(SQLiteDirectory(path)) as store, store.change() as change:
        for number in range(2000):
            change.put_user("kauri", User(f"u{number:04}", "", "0"), email_key=None)
    content = path.read_bytes()
    for start in (len(content) // 2, 4096 * 3):
        path.write_bytes(content[:start] + b"\xa5" * 40_000 + content[start + 40_000 :])
        refused(StoreDamaged, path, "put back a copy that is whole")
    path.write_bytes(content[: len(content) // 3])
    refused(StoreDamaged, path, "put back a copy that is whole")


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE users SET base = 'view'",
        "UPDATE users SET base = '{\"sales\": 7}'",
        "UPDATE users SET base = '[]'",
        "UPDATE users SET base = CAST(x'ff' AS TEXT)",
        "UPDATE organizations SET roles = ''",
        "UPDATE organizations SET roles = '[]'",
        'UPDATE organizations SET roles = \'{"helper": "view"}\'',
        'UPDATE organizations SET roles = \'{"helper": {"everything": "no"}}\'',
        'UPDATE organizations SET roles = \'{"helper": {"kind": "vendor"}}\'',
        'UPDATE organizations SET roles = \'{"helper": {"includes": "cashier"}}\'',
        'UPDATE organizations SET roles = \'{"helper": {"includes": [7]}}\'',
        'UPDATE organizations SET roles = \'{"helper": {"grants": {"sales": 7}}}\'',
        'UPDATE organizations SET roles = \'{"helper": {"grant": {"sales": "view"}}}\'',
        "UPDATE organizations SET grace = 'long'",
        "UPDATE organizations SET grace = 9e999",
        "UPDATE organizations SET license_issued = 'today'",
        "INSERT INTO user_roles VALUES ('kauri', 'ann', 'cashier', 'tomorrow')",
        "INSERT INTO user_overrides VALUES ('kauri', 'ann', 'sales', 'view', NULL)",
        "UPDATE users SET invitation_until = 5",
    ],
)
def test_a_row_that_can_not_be_read_is_told(path: Path, statement: str) -> None:
    """A setting nobody can read never opens or closes anything by chance."""
    with closing(sqlite3.connect(path)) as other, other:
        other.execute(statement)
    refused(StoreDamaged, path, "damaged")


# What was erased


def test_what_was_erased_is_in_no_file_once_the_store_is_closed(path: Path) -> None:
    """Neither in the rows nor in what they leave behind, for small details and for such as fill several pages."""
    secret = b"Mere of Kauri Road"
    with closing(SQLiteDirectory(path)) as store:
        for times in (1, 1000):
            with store.change() as change:
                event = audit.link(
                    change.head("kauri"),
                    at=datetime(2027, 3, 1, 12, tzinfo=UTC),
                    actor=None,
                    kind="user.renamed",
                    user="ann",
                    revision=1,
                    details={"name": secret.decode() * times},
                )
                change.append("kauri", event)
    assert secret in path.read_bytes()
    with closing(SQLiteDirectory(path)) as store:
        with store.change() as change:
            change.erase("kauri", "ann")
        assert audit.verify(store.events("kauri"), store.head("kauri"))
    assert [name for name, content in files(path).items() if secret in content] == []


# Transactions and connections


def test_the_directory_and_the_sessions_share_a_file_in_either_order(tmp_path: Path) -> None:
    for first in ("directory", "sessions"):
        path = tmp_path / f"{first}.db"
        if first == "sessions":
            SQLiteSessions(path, SystemClock()).close()
        worker.make(str(path))
        SQLiteSessions(path, SystemClock()).close()
        assert whole(path) == 1


def test_a_file_that_was_removed_does_not_come_back_empty(path: Path) -> None:
    store = SQLiteDirectory(path)
    for each in path.parent.iterdir():
        each.unlink()
    with pytest.raises(StoreUnavailable):
        store.revision("kauri")
    assert not path.exists()
    store.close()


def test_a_reader_sees_one_moment_however_many_statements_it_reads(path: Path) -> None:
    file, store = SQLiteFile(path, DIRECTORY), SQLiteDirectory(path)
    with file.read() as connection:
        before = connection.execute("SELECT revision FROM organizations").fetchall()
        with store.change() as change:
            worker.count_on(change)
        assert connection.execute("SELECT revision FROM organizations").fetchall() == before
    assert file.row("SELECT revision FROM organizations") == (2,)
    file.close()
    store.close()


def descriptors() -> int:
    """Return how many files this process has open."""
    return len(list(Path("/proc/self/fd").iterdir()))


def test_threads_that_come_and_go_leave_no_connection_behind(path: Path) -> None:
    """No more connections stay open than were in use at one time."""
    with closing(SQLiteDirectory(path)) as store:
        start = Barrier(4)
        before = descriptors()

        def read() -> None:
            start.wait()
            for _ in range(20):
                assert store.revision("kauri") == 1

        for _ in range(10):
            threads = [Thread(target=read) for _ in range(4)]
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join()
        assert descriptors() - before <= 4 * 3
    assert descriptors() <= before


def test_a_store_closed_in_the_middle_of_a_change_lets_that_change_end(path: Path) -> None:
    store = SQLiteDirectory(path)
    with store.change() as change:
        worker.count_on(change)
        closer = Thread(target=store.close)
        closer.start()
        closer.join()
        with pytest.raises(StoreUnavailable, match="closed; open it again"):
            store.revision("kauri")
        assert change.revision("kauri") == 2
    assert whole(path) == 2


def test_a_store_closed_in_the_middle_of_reading_closes_that_connection_when_it_is_done(path: Path) -> None:
    before = descriptors()
    file = SQLiteFile(path, DIRECTORY)
    with file.read() as connection:
        file.close()
        assert connection.execute("SELECT revision FROM organizations").fetchone() == (1,)
        assert descriptors() > before
    assert descriptors() == before


def test_people_can_read_the_tables(path: Path) -> None:
    """With sqlite-utils, Datasette or any SQLite tool: names, ISO times, and entries as a catalog file has them."""
    entry = (Grant("view"), Grant("edit", scope="own"))
    mere = User(
        "mere",
        "mere@kāuri.example",
        "Mere Pōtae",
        roles={"cashier": None, "seller": datetime(2027, 3, 1, 12, tzinfo=UTC)},
        base={"sales": entry},
        overrides={"crm": Override((Grant("view", ["refund"]),)), "pay": Override((Grant("none"),))},
    )
    kauri = Organization(
        "kauri",
        License("retail", grace=timedelta(days=14)),
        roles={"helper": Role("Kaiāwhina", package="retail", grants={"sales": entry})},
        license_issued=datetime(2027, 3, 2, 1, tzinfo=timezone(timedelta(hours=13))),
    )
    with closing(SQLiteDirectory(path)) as store, store.change() as change:
        change.put_organization(kauri)
        change.put_user("kauri", mere, email_key="mere@kāuri.example")
        change.put_staff("kauri", Staff("s-1", "Mere Pōtae", "mere"))
        change.put_staff("kauri", Staff("s-2", "Tom Reid", active=False))
    with closing(sqlite3.connect(path)) as tool:
        row = tool.execute("SELECT name, email, state, base FROM users WHERE id = 'mere'").fetchone()
        assert row == ("Mere Pōtae", "mere@kāuri.example", "active", '{"sales": ["view", "edit:own"]}')
        assert tool.execute("SELECT role, until FROM user_roles ORDER BY role").fetchall() == [
            ("cashier", None),
            ("seller", "2027-03-01T12:00:00+00:00"),
        ]
        assert tool.execute("SELECT resource, grants FROM user_overrides ORDER BY resource").fetchall() == [
            ("crm", '{"level": "view", "actions": ["refund"]}'),
            ("pay", '"none"'),
        ]
        assert tool.execute("SELECT roles, grace, license_issued FROM organizations").fetchall() == [
            (
                '{"helper": {"title": "Kaiāwhina", "package": "retail", "grants": {"sales": ["view", "edit:own"]}}}',
                1209600,
                "2027-03-01T12:00:00+00:00",
            )
        ]
        assert tool.execute("SELECT id, name, user, active FROM staff ORDER BY id").fetchall() == [
            ("s-1", "Mere Pōtae", "mere", 1),
            ("s-2", "Tom Reid", None, 0),
        ]
        assert tool.execute("PRAGMA foreign_key_check").fetchall() == []


# Turns


def test_threads_write_in_the_order_in_which_they_came() -> None:
    """Handed over: neither who gives up waiting nor who comes by changes the order."""
    turns, order = Turns(), list[int]()
    assert turns.acquire(1)

    def wait(number: int) -> None:
        if turns.acquire(0.01 if number == 2 else 60):
            order.append(number)
            turns.release()

    threads = [Thread(target=wait, args=(number,)) for number in range(6)]
    for number, thread in enumerate(threads):
        thread.start()
        while len(turns._waiting) < (number + 1 if number < 2 else number) and thread.is_alive():
            pass
        if number == 2:
            thread.join()
    assert not turns.acquire(0)
    turns.release()
    for thread in threads:
        thread.join()
    assert order == [0, 1, 3, 4, 5]
    assert turns.acquire(0)


def test_a_file_that_is_locked_for_a_moment_is_waited_for_by_who_opens_a_connection(tmp_path: Path) -> None:
    """Not refused at once with the words of a long wait, as a writer among eight was."""
    path = tmp_path / "books.db"
    with closing(SQLiteFile(path, DIRECTORY)) as file:
        other = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
        other.execute("PRAGMA locking_mode=EXCLUSIVE")
        other.execute("BEGIN IMMEDIATE")
        release = Timer(0.2, other.close)
        release.start()
        with file.write() as connection:
            assert connection.execute("SELECT count(*) FROM organizations").fetchone() == (0,)
        release.join()


def test_a_statement_by_itself_waits_for_others_and_for_no_longer_than_the_timeout(path: Path) -> None:
    """Its values are told anew at each try."""
    with closing(SQLiteFile(path, DIRECTORY, timeout=0.2)) as file, closing(sqlite3.connect(path)) as other:
        told = list[int]()

        def values() -> tuple[str]:
            told.append(len(told))
            if len(told) == 5:
                other.rollback()
            return ("retail",)

        other.isolation_level = None
        other.execute("BEGIN IMMEDIATE")
        assert file.once("UPDATE organizations SET package = ? RETURNING id", values) == [("kauri",)]
        assert len(told) == 5
        other.execute("BEGIN IMMEDIATE")
        with pytest.raises(StoreUnavailable, match=r"for 0\.2 s"):
            file.once("UPDATE organizations SET package = ?", values)
        other.rollback()
        assert whole(path) == 1
