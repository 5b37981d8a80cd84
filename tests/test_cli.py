"""The commands, on a file made by a host: the books, and what holds for every command."""

from __future__ import annotations

import json
import sqlite3
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from pathlib import Path

import pytest

import seatperm

from .cli_books import Books, make

LOOKING = (
    ("can", "tom", "sales", "view"),
    ("explain", "tom", "stock", "edit"),
    ("who-can", "sales", "view"),
    ("access", "tom"),
    ("users",),
    ("roles",),
    ("roles", "tom"),
    ("sessions",),
    ("sessions", "history"),
    ("sessions", "peak"),
    ("license",),
    ("license", "preview", "--package", "trade"),
    ("audit",),
    ("audit", "--verify"),
)
"""Every command that only looks."""


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Books:
    return make(tmp_path_factory.mktemp("books"))


@pytest.fixture
def books(made: Books, tmp_path: Path) -> Books:
    return made.copied(tmp_path)


def test_users_tells_who_has_not_accepted(made: Books) -> None:
    """'Not activated' stands beside them, and who is locked is said; roles of the two kinds stand apart."""
    lines = {line.split()[0]: line for line in made.out("users").splitlines()[2:] if not line.startswith(" ")}
    assert "Not" in lines["ana"]
    assert "activated" in made.out("users")
    assert "Locked" in lines["rob"]
    assert "Not" not in lines["mere"] + lines["tom"] + lines["rob"]
    rows = {row["id"]: row for row in made.json("users")}
    assert rows["mere"] == {
        "id": "mere",
        "name": "Mere Tāne",
        "email": "mere@kauri.example",
        "state": "active",
        "locked": False,
        "type": "app",
        "licensee_roles": ["sales_staff"],
        "system_roles": ["organization_admin"],
    }
    assert (rows["ana"]["state"], rows["rob"]["locked"], rows["rob"]["type"]) == ("invited", True, "partner")
    assert made.csv("users")[0] == "id,name,email,state,locked,type,licensee_roles,system_roles"
    assert "tom,Tom Harris,tom@kauri.example,active,no,app,sales_staff; stock_keeper," in made.csv("users")


def test_roles_are_sorted_by_the_license(made: Books) -> None:
    """Those of the current package, those of others with what brings them, and those of the system."""
    found = made.json("roles")
    assert {group: [role["id"] for role in roles] for group, roles in found.items()} == {
        "current_package": ["sales_staff"],
        "other_packages": ["stock_keeper", "pay_clerk"],
        "system": ["organization_admin"],
    }
    assert found["other_packages"][0]["comes_with"] == ["trade"]
    told = made.out("roles")
    assert told.index("Current Package") < told.index("Other Packages") < told.index("System")
    assert "Held" not in told
    assert made.csv("roles")[2] == "other_packages,stock_keeper,Stock keeper,trade,trade,,no"


def test_roles_of_a_user_are_live_or_dormant(books: Books) -> None:
    """What is held and gives nothing says why: its package, or its end."""
    org = books.org()
    soon = datetime.now(UTC) + timedelta(microseconds=200_000)
    org.users.assign("tom", "sales_staff", until=soon)
    org.users.assign("tom", "organization_admin", until=datetime(2999, 1, 31, tzinfo=UTC))
    org.close()
    while datetime.now(UTC) < soon:
        pass
    found = books.json("roles", "tom")
    assert [(role["id"], role["until"]) for role in found["held"]] == [
        ("organization_admin", "2999-01-31T00:00:00+00:00")
    ]
    assert [role["id"] for role in found["dormant"]] == ["sales_staff", "stock_keeper"]
    told = books.out("roles", "tom")
    assert "its time has ended" in told
    assert "comes with Trade" in told
    assert "2999-01-31" in told
    assert books.csv("roles", "tom")[1].startswith("held,organization_admin,")


def test_audit_lists_the_trail(made: Books) -> None:
    """Every change with its time, by whom, and what was there before and after."""
    events = made.json("audit")
    assert [event["number"] for event in events] == list(range(1, len(events) + 1))
    locked = next(event for event in events if event["kind"] == "user.locked")
    assert locked["at"] == "2027-01-01T09:00:00+00:00"
    assert locked["actor"] is None
    assert locked["details"] == {"before": {"locked": False}, "after": {"locked": True}}
    told = made.out("audit")
    assert "2027-01-01 09:00" in " ".join(told.split())
    assert "locked: no -> yes" in " ".join(told.split())
    assert "sales.cards yes" in " ".join(told.split())
    assert made.csv("audit")[0] == "number,at,actor,kind,user,revision,details"
    assert len(made.csv("audit")) == len(events) + 1


def test_audit_verify_tells_of_a_broken_trail(books: Books) -> None:
    """Exit code 0 while it is whole; 1, with what is wrong, once an event was altered."""
    count = len(books.json("audit"))
    assert books.out("audit", "--verify") == f"whole: {count} events\n"
    assert books.json("audit", "--verify") == {"whole": True, "events": count, "problems": []}
    with sqlite3.connect(books.store) as connection:
        connection.execute("UPDATE events SET user = 'ana' WHERE kind = 'user.locked'")
    connection.close()
    done = books.run("audit", "--verify")
    assert done.exit_code == 1
    assert done.stdout.startswith(f"not whole: {count} events were read\n  event 8 ")
    assert books.run("audit", "--verify", "--format", "json").exit_code == 1
    assert books.csv("audit", "--verify")[1].startswith(f'no,{count},"event 8 ')


def test_users_are_added_and_invited(books: Books) -> None:
    """With roles and a type; an invitation's token is printed once, and can be accepted."""
    mail = ("--email", "hana@kauri.example", "--name", "Hana Mere")
    added = books.json("users", "add", "hana", *mail, "--role", "sales_staff", "--role", "organization_admin")
    assert (added["id"], added["state"], added["licensee_roles"]) == ("hana", "active", ["sales_staff"])
    assert "ivy" in books.out(
        "users", "add", "ivy", "--email", "ivy@books.example", "--name", "Ivy", "--type", "partner"
    )
    invited = books.json("users", "invite", "--email", "li@kauri.example", "--name", "Li Wen", "--id", "li")
    org = books.org()
    assert org.users.accept(invited["token"]).id == "li"
    assert datetime.fromisoformat(invited["token_until"]) > datetime.now(UTC)
    assert (org.users["hana"].active, org.users["ivy"].type) == (True, "partner")
    org.close()
    assert "Token" in books.out("users", "invite", "--email", "x@kauri.example", "--name", "X")
    head, row = books.csv("users", "invite", "--email", "y@kauri.example", "--name", "Y", "--id", "y")
    assert head.endswith("system_roles,token,token_until")
    assert row.startswith("y,Y,y@kauri.example,invited,no,app,,,")


def test_users_are_changed(books: Books) -> None:
    """Lock and unlock, assign and unassign, dismiss: each prints the user as it is then."""
    assert books.json("users", "lock", "tom")["locked"] is True
    assert books.json("users", "unlock", "tom")["locked"] is False
    assert "organization_admin" in books.json("users", "assign", "tom", "organization_admin")["system_roles"]
    assert books.json("users", "unassign", "tom", "organization_admin")["system_roles"] == []
    books.out("users", "assign", "tom", "sales_staff", "--until", "2999-01-31")
    org = books.org()
    assert org.users["tom"].roles["sales_staff"] == datetime(2999, 1, 31, tzinfo=UTC)
    org.close()
    refused = books.run("users", "dismiss", "tom", input="n\n")
    assert refused.exit_code == 1
    assert books.run("users", "dismiss", "tom", input="y\n").exit_code == 0
    assert books.run("users", "dismiss", "rob", "--yes").exit_code == 0
    assert [row["id"] for row in books.json("users")] == ["ana", "mere"]


@pytest.mark.parametrize("format", ["table", "json", "csv"])
@pytest.mark.parametrize("command", LOOKING, ids=" ".join)
def test_looking_writes_nothing(books: Books, command: tuple[str, ...], format: str) -> None:
    """Not even which catalog the store was looked at with; and the file is made by nobody who looks."""
    books.org().close()
    catalog = books.catalog.read_text("utf-8").replace("Kauri accounting", "Kauri accounting 2")
    books.catalog.write_text(catalog, "utf-8")
    before = sha256(books.store.read_bytes()).digest()
    assert books.run(*command, "--format", format).exit_code in (0, 1)
    assert sha256(books.store.read_bytes()).digest() == before
    assert sorted(path.name for path in books.folder.iterdir()) == ["books.db", "catalog.toml"]


@pytest.mark.parametrize("command", LOOKING, ids=" ".join)
def test_tables_fit_80_columns(made: Books, command: tuple[str, ...]) -> None:
    """Also where they are not printed to a terminal."""
    assert max(map(len, made.run(*command).stdout.splitlines())) <= 80


def test_one_of_several_organizations_is_named(tmp_path: Path) -> None:
    """By option or variable; without, the command says which there are."""
    books = Books(tmp_path)
    books.catalog.write_text('[packages.one]\ntitle = "One"\n')
    tenants = seatperm.open_tenants(books.catalog, f"sqlite:///{books.store}")
    for id in ("kauri", "rimu"):
        tenants.create(id, session_limit=len(id))
    tenants.close()
    assert books.json("license", "--organization", "rimu")["session_limit"] == 4
    assert books.run("license", env={"SEATPERM_ORGANIZATION": "kauri"}).exit_code == 0
    done = books.run("license")
    assert done.exit_code == 2
    assert "name one with --organization (kauri, rimu)" in done.stderr
    done = books.run("license", "--organization", "rimi")
    assert (done.exit_code, done.stderr) == (2, "Error: unknown organization 'rimi'; did you mean 'rimu'?\n")


def test_common_options_may_stand_before_a_subcommand(books: Books) -> None:
    """One after it counts for more, and a variable for less."""
    format, store = ("--format", "json"), ("--store", str(books.store))
    assert json.loads(books.run("users", *format, "lock", "tom").stdout)["locked"] is True
    assert books.run("users", *format, "lock", "tom", "--format", "csv").stdout.startswith("id,name")
    assert books.run("users", *store, "lock", "tom", env={"SEATPERM_STORE": "nowhere.db"}).exit_code == 0
    assert books.run("users", "--store", "nowhere.db", "lock", "tom", *store).exit_code == 0


def test_a_url_is_as_good_as_a_path(made: Books) -> None:
    """With its options, too."""
    assert made.run("can", "tom", "sales", "view", "--store", f"sqlite:///{made.store}").exit_code == 0
    assert made.run("can", "tom", "sales", "view", "--store", f"sqlite:///{made.store}?timeout=5").exit_code == 0
    done = made.run("users", "lock", "tom", "--store", f"sqlite:///{made.store}?mode=ro")
    assert done.exit_code == 2
    assert "for reading only" in done.stderr


def test_orphans_are_refused_or_kept(books: Books) -> None:
    """As `seatperm.open` does."""
    text = books.catalog.read_text("utf-8")
    books.catalog.write_text("\n".join(line for line in text.splitlines() if not line.startswith("pay_clerk")))
    assert books.run("users").exit_code == 0
    books.catalog.write_text("\n".join(line for line in text.splitlines() if not line.startswith("stock_keeper")))
    done = books.run("users")
    assert done.exit_code == 2
    assert "role 'stock_keeper'" in done.stderr
    kept = {row["id"]: row for row in books.json("users", "--orphans", "keep")}
    assert kept["tom"]["licensee_roles"] == ["sales_staff", "stock_keeper"]
    assert "no longer in the catalog" in books.out("roles", "tom", "--orphans", "keep")


def test_an_operator_defines_and_removes_a_role_of_the_organizations_own(books: Books) -> None:
    """It is listed, marked, given, and defined anew; what it can't hold is refused in one block."""
    defined = books.json(
        "define-role", "quotes", "--title", "Quotes", "--grant", "sales=view", "--grant", "sales=edit:own"
    )
    assert (defined["id"], defined["package"], defined["custom"]) == ("quotes", "essentials", True)
    books.out("users", "assign", "tom", "quotes")
    assert books.run("can", "tom", "sales", "edit", "--scope", "own").exit_code == 0
    assert ["quotes", "Quotes", "own"] in [line.split() for line in books.out("roles").splitlines()]
    books.out("define-role", "quotes", "--title", "Quotes", "--grant", "sales=view", "--include", "sales_staff")
    assert books.run("can", "tom", "sales", "edit", "--scope", "own").exit_code == 1
    for args, said in (
        (("define-role", "quotes", "--title", "Quotes", "--grant", "stock=view"), "comes with 'trade'"),
        (("define-role", "sales_staff", "--title", "Mine"), "in the catalog"),
        (("define-role", "quotes", "--title", "Quotes", "--grant", "sales"), "no resource and level"),
        (("remove-role", "sales_staff"), "unknown role 'sales_staff' among the organization's own"),
    ):
        done = books.run(*args)
        assert (done.exit_code, done.stdout) == (2, "")
        assert said in done.stderr
    assert books.out("remove-role", "quotes") == "removed\n"
    assert "quotes" not in books.out("roles", "tom")
