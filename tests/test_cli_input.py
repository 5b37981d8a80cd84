"""Wrong calls and bad input: exit code 2, one block that says what, where and what is near, never a traceback."""

from __future__ import annotations

import sqlite3
from collections.abc import Mapping
from pathlib import Path

import pytest
from click.testing import CliRunner

import seatperm
from seatperm.cli import main
from seatperm.clock import SystemClock
from seatperm.stores.memory_sessions import MemorySessions

from .cli_books import NOTHING, Books, make

MAIL = ("--email", "new@kauri.example", "--name", "New")


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Books:
    return make(tmp_path_factory.mktemp("books"))


def refused(books: Books, *args: str, env: Mapping[str, str | None] = NOTHING) -> str:
    """Return what a command says that is refused."""
    done = books.run(*args, env=env)
    assert done.exit_code == 2
    assert done.stdout == ""
    assert "Traceback" not in done.stderr
    assert done.stderr.count("Error: ") == 1
    return done.stderr.partition("Error: ")[2]


@pytest.mark.parametrize(
    ("args", "told"),
    [
        (("can", "tom", "sale", "view"), "unknown resource 'sale'; did you mean 'sales'?"),
        (("can", "tom", "sales", "veiw"), "unknown action 'veiw' on 'sales'; did you mean 'view'?"),
        (("can", "tom", "sales", "view", "--scope", "al"), "unknown scope 'al'; did you mean 'all'?"),
        (("explain", "tom", "stok", "view"), "unknown resource 'stok'; did you mean 'stock'?"),
        (("explain", "nobody", "sales", "veiw"), "unknown action 'veiw' on 'sales'"),
        (("who-can", "sales", "veiw"), "unknown action 'veiw' on 'sales'"),
        (("access", "nobody"), "unknown user 'nobody'"),
        (("roles", "nobody"), "unknown user 'nobody'"),
        (("users", "lock", "nobody"), "unknown user 'nobody'"),
        (("users", "dismiss", "nobody", "--yes"), "unknown user 'nobody'"),
        (("users", "lock", "mere"), "this would leave nobody who may assign roles"),
        (("users", "assign", "tom", "sales_stuff"), "unknown role 'sales_stuff'; did you mean 'sales_staff'?"),
        (("users", "assign", "rob", "stock_keeper"), "it comes with 'trade'"),
        (("users", "assign", "rob", "sales_staff", "--until", "2020-01-31"), "expected a moment after now"),
        (("users", "assign", "rob", "sales_staff", "--until", "soon"), "'soon' is no time"),
        (("users", "assign", "rob", "sales_staff", "--until", "2999-01-31T10:00"), "the offset from UTC is missing"),
        (("users", "add", "tom", *MAIL), "the user id 'tom' is in use already"),
        (("users", "add", "new", "--email", "TOM@kauri.example", "--name", "T"), "'TOM@kauri.example' is in use"),
        (("users", "add", "new", "--email", "tom", "--name", "T"), "email is 'tom'"),
        (("users", "add", "new", *MAIL, "--type", "ap"), "unknown user type 'ap'; did you mean 'app'?"),
        (("users", "add", "new"), "Missing option '--email'"),
        (("users", "invite", *MAIL, "--id", "tom"), "the user id 'tom' is in use already"),
        (("users", "nothing"), "No such command 'nothing'"),
        (("license", "change"), "Say what shall be different"),
        (("license", "preview"), "Say what shall be different"),
        (("license", "change", "--package", "trad"), "unknown package 'trad'; did you mean 'trade'?"),
        (("license", "change", "--package", "payroll"), "unknown package 'payroll'"),
        (("license", "change", "--add-on", "trade"), "unknown package 'trade'"),
        (("license", "change", "--session-limit", "0"), "session_limit is 0; expected a whole number of at least 1"),
        (("license", "change", "--session-limit", "x"), "'x' is no whole number"),
        (("license", "change", "--user-limit", "-1"), "user_limit is -1"),
        (("license", "change", "--reserve", "organization_admin"), "no role and number"),
        (("license", "change", "--reserve", "admin=1"), "unknown role 'admin'"),
        (("license", "change", "--reserve", "organization_admin=3"), "fewer than the session limit of 3"),
        (("license", "change", "--valid-until", "today"), "'today' is no time"),
        (("license", "change", "--add-on", "payroll", "--no-add-ons"), "not both"),
        (("can", "tom", "sales"), "Missing argument 'ACTION'"),
        (("users", "--format", "xml"), "'xml' is not one of 'table', 'json', 'csv'"),
        (("users", "--store", "memory://"), "A store in memory is seen by its own process only"),
        (("sessions", "--session-store", "memory://"), "--session-store needs a file's path"),
        (("users", "--store", "shelf://books"), "store is 'shelf://books'"),
        (("users", "--store", "redis://x"), "store is 'redis://x'; expected 'memory://' or 'sqlite:///path"),
        (("users", "--store", "sqlite:///books.db?journal=off"), "'journal=off'"),
        (("users", "--organization", "defualt"), "unknown organization 'defualt'; did you mean 'default'?"),
        (("users", "--catalog", "nowhere.toml"), "nowhere.toml"),
        (("check", "nowhere.toml"), "nowhere.toml"),
        (("check",), "Missing argument 'FILE'"),
        (("completion", "tcsh"), "'tcsh' is not one of"),
        (("nothing",), "No such command 'nothing'"),
        (("users", "--nothing"), "No such option"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, tuple) else "",
)
def test_bad_input_is_told(made: Books, args: tuple[str, ...], told: str) -> None:
    """And the store is as it was."""
    before = made.store.read_bytes()
    assert told in refused(made, *args)
    assert made.store.read_bytes() == before


def test_every_problem_of_a_broken_catalog_is_told(made: Books, tmp_path: Path) -> None:
    """Whatever command needed the catalog."""
    broken = tmp_path / "broken.toml"
    broken.write_text(
        made.catalog.read_text("utf-8").replace("stock_keeper = {", "stock_keeper = { colour = 1,") + "x = 1"
    )
    told = refused(made, "users", "--catalog", str(broken))
    assert told.startswith("the catalog has 2 problems:\n")
    assert "colour" in told


def test_catalog_and_store_have_to_be_said(made: Books) -> None:
    """What is missing is named, with the variable that would do; all at once."""
    none: dict[str, str | None] = {"SEATPERM_CATALOG": None, "SEATPERM_STORE": None}
    told = refused(made, "can", "tom", "sales", "view", env=none)
    assert told == (
        "Missing --catalog (or SEATPERM_CATALOG in the environment) "
        "and --store (or SEATPERM_STORE in the environment).\n"
    )
    assert "--catalog" not in refused(made, "users", "lock", "tom", env={**none, "SEATPERM_CATALOG": "catalog.toml"})
    assert "--store" not in refused(made, "license", env={**none, "SEATPERM_STORE": "books.db"})


CHANGING = ("users", "lock", "tom")
LOOKING = ("users",)


@pytest.mark.parametrize("command", [LOOKING, CHANGING, ("sessions",), ("sessions", "end", "x")], ids=" ".join)
@pytest.mark.parametrize("kind", ["nowhere", "nowhere_else", "empty", "text", "another", "newer", "folder", "no_one"])
def test_a_store_that_is_none_is_left_alone(made: Books, tmp_path: Path, command: tuple[str, ...], kind: str) -> None:
    """No command makes a store, or makes one of a file that is something else."""
    path = tmp_path / "place" / "some.db"
    path.parent.mkdir()
    told = {
        "nowhere": "there is no such file",
        "nowhere_else": "does not exist",
        "empty": "the file is empty",
        "text": "not a database",
        "another": "another application's",
        "newer": "written by a newer seatperm",
        "folder": "it is a folder",
        "no_one": "holds no organization yet",
    }[kind]
    if kind == "nowhere_else":
        path = path.parent / "else" / "some.db"
    elif kind == "empty":
        path.touch()
    elif kind == "text":
        path.write_text("This is a letter to a friend, long enough to be taken for what it is." * 20)
    elif kind == "folder":
        path.mkdir()
    elif kind == "another":
        with sqlite3.connect(path) as connection:
            connection.execute("CREATE TABLE songs (title)")
        connection.close()
    elif kind in ("newer", "no_one"):
        path.write_bytes(made.store.read_bytes())
        with sqlite3.connect(path) as connection:
            if kind == "newer":
                connection.execute(
                    "INSERT INTO _sqlite_migrations (migration_set, name, applied_at) "
                    "VALUES ('seatperm.directory', '9999_later', '2030-01-01')"
                )
            else:
                for table in ("user_overrides", "user_roles", "users", "events", "organizations"):
                    connection.execute(f"DELETE FROM {table}")
        connection.close()
    before = {each: each.read_bytes() for each in tmp_path.rglob("*") if each.is_file()}
    said = refused(made, *command, "--store", str(path))
    assert told in said
    assert str(path.parent if kind == "nowhere_else" else path) in said
    after = {each: each.read_bytes() for each in tmp_path.rglob("*") if each.is_file()}
    assert {each: after[each] for each in after if not each.name.endswith(("-wal", "-shm"))} == before


def test_a_store_without_seats_gets_none_by_being_looked_at(made: Books, tmp_path: Path) -> None:
    """Where a host keeps seats elsewhere, its directory's file has no tables for them, and keeps none."""
    url = f"sqlite:///{tmp_path}/alone.db"
    seatperm.open(made.catalog, url, session_store=MemorySessions(SystemClock())).close()
    assert "it has no tables of seatperm.sessions" in refused(made, "sessions", "--store", url)
    assert "it has no tables of seatperm.sessions" in refused(made, "sessions", "end", "x", "--store", url)
    assert made.run("users", "--store", url).exit_code == 0


def test_help_is_given() -> None:
    """By -h as by --help, and without a command."""
    for args in (["-h"], ["--help"], ["users", "-h"], ["license", "change", "--help"]):
        done = CliRunner().invoke(main, args)
        assert done.exit_code == 0
        assert done.stdout.startswith("Usage: seatperm")
    assert CliRunner().invoke(main, []).exit_code == 2
