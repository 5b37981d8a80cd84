"""The commands that bring much in or take much out: init, users import, organizations export and restore."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

import seatperm

from .cli_books import Books, make

GOOD = "id,email,name,roles,type\nzoe,zoe@kauri.example,Zoë Ōkahu,sales_staff,app\nmax,max@kauri.example,Max,,partner\n"


@pytest.fixture
def books(tmp_path: Path) -> Books:
    return make(tmp_path)


def written(books: Books, text: str, *, encoding: str = "utf-8") -> str:
    path = books.folder / "people.csv"
    path.write_text(text, encoding)
    return str(path)


def ids(books: Books) -> set[str]:
    org = books.org()
    found = {user.id for user in org.users}
    org.close()
    return found


def test_a_catalog_to_start_from_is_whole_and_opens(books: Books) -> None:
    """What `init` writes needs no correction, and overwrites nothing."""
    path = books.folder / "fresh.toml"
    assert "3 packages, 3 roles" in books.out("init", str(path))
    assert "whole catalog" in books.out("check", str(path))
    org = seatperm.open(path, "memory://")
    org.users.add(id="ana", email="ana@kauri.example", name="Ana", roles=["clerk", "administrator"])
    assert org.can("ana", "invoices", "send", scope="own")
    assert not org.can("ana", "invoices", "send")
    before = path.read_bytes()
    again = books.run("init", str(path))
    assert (again.exit_code, path.read_bytes()) == (2, before)
    assert "is there already" in again.stderr
    assert "can't be written" in books.run("init", str(books.folder / "none" / "c.toml")).stderr


def test_users_come_from_a_file(books: Books) -> None:
    """With roles and types, in a file as spreadsheets write it."""
    assert books.out("users", "import", written(books, GOOD, encoding="utf-8-sig")) == "2 taken in, 0 refused\n"
    org = books.org()
    assert (org.users["zoe"].name, set(org.users["zoe"].roles)) == ("Zoë Ōkahu", {"sales_staff"})
    assert org.users["max"].type == "partner"
    org.close()


def test_every_refused_row_is_told_and_the_others_are_taken_in(books: Books) -> None:
    """With its line and why; exit code 1."""
    text = GOOD + (
        "tom,other@kauri.example,Tom,,\n"
        "new,ZOE@kauri.example,New,,\n"
        "odd,odd,Odd,,\n"
        'two,two@kauri.example,"Two\nLines",,\n'
        "ken,ken@kauri.example,Ken,sales_staff; payclerk,\n"
        "lee,lee@kauri.example\n"
        "mia,mia@kauri.example,Mia,,app,more\n"
        "nan,nan@kauri.example,Nan,,patner\n"
    )
    done = books.run("users", "import", written(books, text), "--format", "json")
    assert done.exit_code == 1
    told = json.loads(done.stdout)
    assert [row["id"] for row in told["taken"]] == ["zoe", "max"]
    assert [(row["line"], row["id"]) for row in told["refused"]] == [
        (4, "tom"),
        (5, "new"),
        (6, "odd"),
        (8, "two"),
        (9, "ken"),
        (10, "lee"),
        (11, "mia"),
        (12, "nan"),
    ]
    why = {row["id"]: row["why"] for row in told["refused"]}
    assert "tom" in why["tom"]
    assert "pay_clerk" in why["ken"]
    assert "another number of cells" in why["lee"]
    assert "another number of cells" in why["mia"]
    assert "partner" in why["nan"]
    assert {"zoe", "max"} < ids(books)
    assert not {"new", "odd", "two", "ken", "lee", "mia", "nan"} & ids(books)


def test_a_dry_run_tells_the_same_and_changes_nothing(books: Books) -> None:
    """Rows that stand in each other's way too."""
    path = written(books, GOOD + "zed,zoe@kauri.example,Zed,,\n")
    before = books.csv("audit")
    tried = books.run("users", "import", path, "--dry-run")
    assert tried.exit_code == 1
    assert "2 would be taken in, 1 refused" in tried.stdout
    assert books.csv("audit") == before
    done = books.run("users", "import", path)
    assert done.stdout.replace("taken in", "would be taken in") == tried.stdout


def test_a_dry_run_knows_the_organizations_own_roles(books: Books) -> None:
    """As the import itself does."""
    org = books.org()
    org.define_role("night", title="Night till", grants={"sales": "view"})
    org.close()
    file = written(books, "id,email,name,roles\nzoe,zoe@kauri.example,Zoe,night\n")
    assert books.out("users", "import", file, "--dry-run") == "1 would be taken in, 0 refused\n"
    assert books.out("users", "import", file) == "1 taken in, 0 refused\n"


def test_invited_users_get_tokens(books: Books) -> None:
    """Printed once; an id may be left out."""
    path = written(books, "email,name,roles\nzoe@kauri.example,Zoe,sales_staff\n")
    done = books.run("users", "import", path, "--invite", "--format", "csv")
    head, row = done.stdout.splitlines()
    assert head == "line,id,email,token"
    line, id, email, token = row.split(",")
    assert (line, email) == ("2", "zoe@kauri.example")
    assert books.json("users", "accept", token)["id"] == id


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("email,name\na@b.example,A\n", "line 1: expected id, email, name"),
        (
            "id,email,name,rolls\n",
            "there is no column 'rolls'; expected id, email, name, roles, type; did you",
        ),
        ("id,id,email,name\n", "each once"),
        ("", "line 1: expected"),
        ('id,email,name\nx,"a@b.example,A\n', "expected CSV in UTF-8"),
    ],
)
def test_a_file_of_another_kind_is_refused_whole(books: Books, text: str, said: str) -> None:
    """Before anything is read of it, or as far as it was CSV."""
    before = ids(books)
    done = books.run("users", "import", written(books, text))
    assert (done.exit_code, ids(books)) == (2, before)
    assert said in " ".join(done.stderr.split())


def test_latin_letters_in_another_encoding_are_told(books: Books) -> None:
    """With the line at which reading stopped."""
    done = books.run("users", "import", written(books, GOOD.replace("Ō", "O"), encoding="latin-1"))
    assert done.exit_code == 2
    assert "UTF-8" in done.stderr


def test_an_organization_goes_out_and_into_another_store(books: Books) -> None:
    """By a file, or by a pipe."""
    file = books.folder / "default.jsonl"
    assert "lines" in books.out("organizations", "export", "default", "--output", str(file))
    assert books.run("organizations", "export", "default", "--output", str(file)).exit_code == 2
    printed = books.out("organizations", "export", "default")
    assert printed == file.read_text("utf-8")
    other = books.folder / "other.db"
    seatperm.open_tenants(books.catalog, f"sqlite:///{other}").close()
    env = {"SEATPERM_STORE": str(other)}
    assert books.run("organizations", "restore", str(file), "--id", "kauri", env=env).exit_code == 0
    assert books.run("organizations", "restore", "-", input=printed, env=env).exit_code == 0
    again = books.run("organizations", "restore", str(file), env=env)
    assert again.exit_code == 2
    assert "default" in again.stderr
    assert books.run("users", "--organization", "kauri", env=env).stdout == books.out("users")
    assert books.run("audit", "--verify", "--organization", "kauri", env=env).exit_code == 0
    unknown = books.run("organizations", "export", "defualt")
    assert (unknown.exit_code, "did you mean 'default'" in unknown.stderr) == (2, True)
