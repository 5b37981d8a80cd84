"""The command line on stores of servers: it looks without making anything, changes what is there, shows no secret."""

from __future__ import annotations

from pathlib import Path

import psycopg
import pytest
import redis as redis_py
from attrs import frozen

import seatperm

from .cli_books import CATALOG, Books
from .servers import parted, postgres_store, postgres_url, redis_url

__all__ = ["postgres_store", "postgres_url", "redis_url"]

LOOKING = (
    ("users",),
    ("can", "tom", "sales", "view"),
    ("sessions",),
    ("sessions", "history"),
    ("sessions", "peak"),
    ("license", "preview", "--package", "trade"),
    ("organizations",),
    ("organizations", "export", "default"),
    ("audit", "--verify"),
)


@frozen
class Servers:
    """A catalog's file, and the URLs of a directory and of its seats."""

    books: Books
    directory: str
    seats: str

    @property
    def env(self) -> dict[str, str | None]:
        return {"SEATPERM_STORE": self.directory, "SEATPERM_SESSION_STORE": self.seats}

    def run(self, *args: str) -> tuple[int, str, str]:
        done = self.books.run(*args, env=self.env)
        return done.exit_code, done.stdout, done.stderr

    def org(self) -> seatperm.Organization:
        return seatperm.open(self.books.catalog, self.directory, session_store=self.seats)


@pytest.fixture(params=["redis", "postgres"])
def servers(request: pytest.FixtureRequest, postgres_store: str, redis_url: str, tmp_path: Path) -> Servers:
    """A new place for a directory in PostgreSQL, with its seats in Redis, or beside it."""
    books = Books(tmp_path)
    books.catalog.write_text(CATALOG, "utf-8")
    prefix = f"t{tmp_path.name}".replace("[", "").replace("]", "")
    seats = postgres_store if request.param == "postgres" else f"{redis_url}?prefix={prefix}"
    return Servers(books, postgres_store, seats)


@pytest.fixture
def made(servers: Servers) -> Servers:
    """The same, once an application has been at work: tom is signed in."""
    org = servers.org()
    org.users.add(id="tom", email="tom@kauri.example", name="Tom", roles=["sales_staff"])
    org.sign_in("tom", client="office")
    org.close()
    return servers


def content(servers: Servers) -> list[object]:
    """Return all that is kept: every row of every table with its last transaction, and every key of Redis."""
    url, schema = parted(servers.directory)
    with psycopg.connect(url) as connection:
        listed = connection.execute("SELECT tablename FROM pg_tables WHERE schemaname = %s ORDER BY 1", (schema,))
        names = [name for (name,) in listed]
        rows: list[object] = [
            (name, sorted(map(repr, connection.execute(f"SELECT xmin, t::text FROM {schema}.{name} AS t".encode()))))
            for name in names
        ]
    if servers.seats.startswith("redis") or servers.seats.startswith("unix"):
        client = redis_py.Redis.from_url(servers.seats.partition("?")[0])
        rows += sorted((key, client.type(key)) for key in client.scan_iter())
        client.close()
    return rows


@pytest.mark.parametrize(
    "command",
    [*LOOKING, ("users", "lock", "tom"), ("sessions", "end", "x"), ("organizations", "create", "rimu")],
    ids=" ".join,
)
def test_no_command_makes_a_store(servers: Servers, command: tuple[str, ...]) -> None:
    """Whoever names the wrong database is told, and nothing is in it afterwards."""
    code, out, err = servers.run(*command)
    assert (code, out) == (2, "")
    assert "it has no tables of seatperm.directory in the schema" in err
    assert content(servers) == []


def test_looking_writes_nothing(made: Servers) -> None:
    """No row and no key is another afterwards, whatever was looked at."""
    before = content(made)
    for command in LOOKING:
        code, _, err = made.run(*command)
        assert (code, err) == (0, "")
    assert content(made) == before


def test_an_operator_looks_and_changes(made: Servers, tmp_path: Path) -> None:
    """As in a file: users, sessions, organizations, out and back in."""
    org = made.org()
    assert "tom@kauri.example" in made.run("users")[1]
    assert "1 of 1 seats in use" in made.run("sessions")[1]
    (session,) = org.sessions
    assert made.run("sessions", "end", session.id) == (0, "ended\n", "")
    assert len(org.sessions) == 0
    assert made.run("users", "lock", "tom")[0] == 0
    assert org.can("tom", "sales", "view", at_least=org.revision) is False
    assert made.run("organizations", "create", "rimu", "--package", "trade")[0] == 0
    assert made.run("organizations", "export", "rimu", "--output", str(tmp_path / "rimu.jsonl"))[0] == 0
    assert made.run("organizations", "restore", str(tmp_path / "rimu.jsonl"), "--id", "rimu2")[0] == 0
    assert made.books.json("organizations", "--store", made.directory)[-1]["id"] == "rimu2"
    org.close()


def test_who_leaves_has_no_seat_left_elsewhere(made: Servers) -> None:
    """The store of the seats is asked too."""
    assert made.run("users", "dismiss", "tom", "--yes")[0] == 0
    org = made.org()
    assert len(org.sessions) == 0
    org.close()


@pytest.mark.parametrize(("words", "number"), [("seatperm can t", 2), ("seatperm users --organization d", 3)])
def test_shells_complete_what_is_on_a_server(made: Servers, words: str, number: int) -> None:
    """Ids of users, sessions, organizations."""
    env = {**made.env, "_SEATPERM_COMPLETE": "bash_complete", "COMP_WORDS": words, "COMP_CWORD": str(number)}
    done = made.books.run(env=env)
    assert (done.stdout, done.stderr) == ("plain,tom\n" if number == 2 else "plain,default\n", "")


SECRET = "hunter2"
NOWHERE = (
    f"postgresql://app:{SECRET}@localhost:1/books?timeout=1",
    f"postgresql://app:{SECRET}@localhost:1/books?tmeout=1",
    f"postgresql://app:{SECRET}@localhost:1/books?mode=readonly",
    f"postgresql://app@localhost:1/books?timeout=1&password={SECRET}",
    f"postgresql://app@localhost:port/books?password={SECRET}",
    f"postgres:/app:{SECRET}@localhost/books",
    f"postgresql:app:{SECRET}@localhost/books",
    f"host=localhost user=app password={SECRET}",
    f"postgressql://app:{SECRET}@localhost/books",
    f"mysql://app:{SECRET}@localhost/books",
    f"redis://:{SECRET}@localhost:1/0",
    f"rediss://app:{SECRET}@localhost:1/0?timeout=none",
    f"redis:/:{SECRET}@localhost:1/0",
    f"redis://localhost:1/0?password={SECRET}",
)


@pytest.mark.parametrize("url", NOWHERE)
@pytest.mark.parametrize("option", ["--store", "--session-store"])
def test_no_message_shows_a_secret(tmp_path: Path, url: str, option: str) -> None:
    """Whatever is wrong with a URL, and wherever it stands."""
    books = Books(tmp_path)
    books.catalog.write_text(CATALOG, "utf-8")
    books.org().close()
    for command in (("sessions",), ("sessions", "end", "x")):
        done = books.run(*command, option, url)
        assert (done.exit_code, done.stdout) == (2, "")
        assert done.stderr.count("Error: ") == 1
        assert SECRET not in done.stderr
    words = f"seatperm sessions {option} {url} end "
    done = books.run(env={"_SEATPERM_COMPLETE": "bash_complete", "COMP_WORDS": words, "COMP_CWORD": "5"})
    assert SECRET not in done.stdout + done.stderr
