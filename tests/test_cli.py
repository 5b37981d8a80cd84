"""The commands, on a file made by a host, in every format."""

from __future__ import annotations

import json
import os
import sqlite3
import subprocess
import sys
from contextlib import closing
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from pathlib import Path

import pytest

import seatperm
from seatperm.sessions import Past
from seatperm.stores.sqlite import SQLiteDirectory

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


def test_check_sums_a_whole_catalog_up(made: Books) -> None:
    """One line, and exit code 0."""
    path = str(made.catalog)
    told = f"{path} is a whole catalog, 'Kauri accounting': 11 resources, 4 roles, 2 tiers, 1 add-on\n"
    assert made.out("check", path) == told
    assert made.json("check", path) == {
        "file": path,
        "valid": True,
        "name": "Kauri accounting",
        "resources": 11,
        "roles": 4,
        "tiers": 2,
        "add_ons": 1,
        "problems": [],
    }
    assert made.csv("check", path) == ["file,line,path,message,nearest"]


def test_check_tells_every_problem(tmp_path: Path, made: Books) -> None:
    """All at once, with where and the nearest names, and exit code 2."""
    broken = tmp_path / "broken.toml"
    broken.write_text(made.catalog.read_text("utf-8").replace('"stock" ', "").replace("stock = {", "stok = {", 1))
    text = broken.read_text().replace('sales = "view"', 'sales = "veiw"')
    broken.write_text(text)
    done = made.run("check", str(broken))
    assert (done.exit_code, done.stdout) == (2, "")
    assert "the catalog has 2 problems" in done.stderr
    assert "did you mean 'view'?" in done.stderr
    assert "did you mean 'stok'?" in done.stderr
    found = made.json("check", str(broken))
    assert found["valid"] is False
    assert [problem["nearest"] for problem in found["problems"]] == [["view"], ["stok"]]
    assert {problem["file"] for problem in found["problems"]} == {str(broken)}
    assert all(problem["line"] for problem in found["problems"])
    assert made.run("check", str(broken), "--format", "csv").exit_code == 2
    assert len(made.csv("check", str(broken))) == 3


@pytest.mark.parametrize(
    ("question", "answer"),
    [
        (("tom", "sales.invoices", "view"), True),
        (("tom", "sales.invoices", "edit"), False),
        (("tom", "sales.invoices", "edit", "--scope", "own"), True),
        (("tom", "stock", "view"), False),
        (("ana", "sales", "view"), False),
        (("nobody", "sales", "view"), False),
    ],
)
def test_can_says_yes_or_no(made: Books, question: tuple[str, ...], answer: bool) -> None:
    """By word and by exit code; an unknown user may do nothing."""
    done = made.run("can", *question)
    assert (done.stdout, done.exit_code) == (("yes\n", 0) if answer else ("no\n", 1))
    user, resource, action, *rest = question
    scope = rest[1] if rest else None
    assert made.json("can", *question) == {
        "user": user,
        "resource": resource,
        "action": action,
        "scope": scope,
        "allowed": answer,
    }
    assert made.csv("can", *question) == [
        "user,resource,action,scope,allowed",
        f"{user},{resource},{action},{scope or ''},{'yes' if answer else 'no'}",
    ]


def test_explain_reads_as_the_decision_does(made: Books) -> None:
    """The paragraph of `str(Decision)`, broken into lines; JSON is its `to_dict`."""
    org = made.org()
    for question, code in ((("tom", "stock", "edit"), 1), (("tom", "sales", "view"), 0)):
        decision = org.explain(*question)
        done = made.run("explain", *question)
        assert done.exit_code == made.run("explain", *question, "--format", "json").exit_code == code
        assert done.stdout.split() == str(decision).split()
        assert max(map(len, done.stdout.splitlines())) <= 80
        assert made.json("explain", *question) == decision.to_dict()
        head, row = made.csv("explain", *question)
        assert head == "user,resource,action,scope,allowed,level,reason,summary,remedies"
        assert row.startswith(",".join([*question, "all", "no" if code else "yes"]))
    org.close()


def test_who_can_lists_users(made: Books) -> None:
    """As `org.who_can` does."""
    assert [user["id"] for user in made.json("who-can", "sales", "view")] == ["mere", "tom"]
    assert [user["id"] for user in made.json("who-can", "sales.invoices", "edit")] == []
    assert [user["id"] for user in made.json("who-can", "sales.invoices", "edit", "--scope", "own")] == ["mere", "tom"]
    assert "Mere Tāne" in made.out("who-can", "sales", "view")
    assert made.out("who-can", "sales.invoices", "edit") == "none\n"
    assert len(made.csv("who-can", "sales", "view")) == 3


def test_access_is_the_whole_table(made: Books) -> None:
    """A row for each resource and scope, with level, actions and where they come from."""
    org = made.org()
    rows = made.json("access", "tom")
    assert {(row["resource"], row["scope"]): (row["level"], row["actions"]) for row in rows} == {
        (resource, scope): (cell.level, list(cell.actions))
        for resource, cells in org.access("tom").table.items()
        for scope, cell in cells.items()
    }
    org.close()
    assert {row["resource"]: row["from"] for row in rows if row["scope"] == "own"}["sales.cards"] == [
        "override:sales.cards"
    ]
    assert "sales.invoices,own,edit,view; create; edit,role:sales_staff,Invoices," in made.csv("access", "tom")
    told = [line.split() for line in made.out("access", "tom").splitlines()]
    assert ["sales", "own,", "all", "view", "view", "role:sales_staff"] in told
    assert ["sales.invoices", "all", "view", "view", "role:sales_staff"] in told


def test_access_leaves_out_what_gives_nothing(made: Books) -> None:
    """Unless all is asked for; scopes stay on one line."""
    some = made.out("access", "tom")
    assert {line.split()[0] for line in some.splitlines()[2:] if line} == {
        *("organization.users", "sales", "sales.invoices", "sales.cards", "7")
    }
    assert made.out("access", "ana") == "none\n\n11 resources with nothing are left out; --all lists them.\n"
    every = made.out("access", "tom", "--all")
    assert "left out" not in every
    assert {row["resource"] for row in made.json("access", "tom")} <= set(every.split())
    narrow = made.run("access", "mere", "--all", env={"COLUMNS": "60"}).stdout.splitlines()
    assert any("  own, all  " in line for line in narrow)
    assert not any(line.split() == ["all"] for line in narrow)


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


def test_sessions_are_listed_and_ended(books: Books) -> None:
    """Who holds a seat, how many are left, and an end by an operator that the holder is told of."""
    org = books.org()
    session = org.sign_in("tom", client="till 1")
    listed = books.json("sessions")
    assert (listed["limit"], listed["in_use"]) == (3, 1)
    assert [(row["id"], row["user"], row["client"]) for row in listed["sessions"]] == [(session.id, "tom", "till 1")]
    assert datetime.fromisoformat(listed["sessions"][0]["expires_at"]).tzinfo is not None
    told = books.out("sessions")
    assert session.id in told
    assert "1 of 3 seats in use" in told
    assert session.token not in told + json.dumps(listed) + str(books.csv("sessions"))
    assert books.csv("sessions")[1].startswith(f"{session.id},tom,till 1,")
    assert books.out("sessions", "end", session.id) == "ended\n"
    assert books.run("sessions", "end", session.id).exit_code == 1
    assert books.json("sessions", "end", session.id) == {"id": session.id, "ended": False}
    assert books.json("sessions")["sessions"] == []
    with pytest.raises(seatperm.SessionEnded):
        org.resume(session.token)
    org.close()


def test_past_sign_ins_and_their_peak_are_told(books: Books) -> None:
    """Granted and refused, of a user or a time; the table says it in words."""
    org = books.org()
    org.change_license(session_limit=1)
    with org.sign_in("tom", client="till 1") as session, pytest.raises(seatperm.SeatsExhausted):
        org.sign_in("mere", client="till 2")
    org.close()
    granted, refused = books.json("sessions", "history")
    assert (granted["id"], granted["user"], granted["client"]) == (session.id, "tom", "till 1")
    assert (granted["how"], granted["refused"]) == ("by_holder", False)
    assert datetime.fromisoformat(granted["began"]) <= datetime.fromisoformat(granted["ended"])
    assert (refused["user"], refused["how"], refused["refused"]) == ("mere", "seats_exhausted", True)
    assert [row["user"] for row in books.json("sessions", "history", "--user", "mere")] == ["mere"]
    assert books.json("sessions", "history", "--until", "2020-01-01") == []
    told = books.out("sessions", "history").split()
    assert {"by_holder", "refused:", "seats_exhausted"} <= set(told)
    assert session.token not in books.out("sessions", "history")
    peak = books.json("sessions", "peak")
    assert (peak["count"], peak["at"], peak["per"], peak["limit"]) == (1, granted["began"], "session", 1)
    assert books.out("sessions", "peak").startswith("1 session at one time, first at ")
    assert books.out("sessions", "peak", "--until", "2020-01-01") == "0 sessions at one time; the limit is 1\n"
    assert books.run("sessions", "peak", "--since", "2027-01-02", "--until", "2027-01-01").exit_code == 2


def test_the_command_line_drops_nothing_of_the_history(books: Books) -> None:
    """How long an application keeps it, only the application knows."""
    org = books.org()
    held = org.sign_in("tom")
    long_ago = datetime.now(UTC) - timedelta(days=1000)
    with closing(SQLiteDirectory(books.store)) as store, store.change() as change:
        change.put_past(org.id, Past("old", "tom", None, long_ago, long_ago, "by_holder"))
    org.close()
    assert books.out("sessions", "end", held.id) == "ended\n"
    assert [row["id"] for row in books.json("sessions", "history")] == ["old", held.id]


def test_seats_shared_by_user_are_counted_by_user(books: Books) -> None:
    """Two connections of one user are one seat where the license says so."""
    org = books.org()
    org.change_license(seat_per="user")
    org.sign_in("tom")
    org.sign_in("tom")
    org.close()
    assert "1 of 3 seats in use" in books.out("sessions")


def test_seats_kept_elsewhere_are_found_there(books: Books, tmp_path: Path) -> None:
    """The option, or the variable, names the session store; the directory's file gets no tables of it."""
    seats = str(tmp_path / "seats.db")
    org = seatperm.open(books.catalog, f"sqlite:///{books.store}", session_store=f"sqlite:///{seats}")
    session = org.sign_in("tom")
    org.close()
    assert books.json("sessions")["sessions"] == []
    assert [row["id"] for row in books.json("sessions", "--session-store", seats)["sessions"]] == [session.id]
    assert books.run("sessions", "end", session.id, env={"SEATPERM_SESSION_STORE": seats}).exit_code == 0


def test_license_shows_terms_and_charge(made: Books) -> None:
    """What was bought, and what it costs a month."""
    told = made.out("license")
    assert "Essentials" in told
    assert "120.00 NZD" in told
    assert made.json("license") == {
        "package": "essentials",
        "add_ons": [],
        "session_limit": 3,
        "user_limit": None,
        "seat_per": "session",
        "reserved": {},
        "valid_from": None,
        "valid_until": None,
        "grace": 0,
        "standing": "valid",
        "monthly_charge": "120.00 NZD",
    }
    assert made.csv("license")[1] == "essentials,,3,,session,{},,,0,valid,120.00 NZD"


def test_a_preview_changes_nothing(books: Books) -> None:
    """It shows the charge and who would gain or lose what, and the license stays."""
    terms = ("--package", "trade", "--add-on", "payroll", "--session-limit", "5")
    told = books.out("license", "preview", *terms)
    assert "397.50 NZD" in told
    assert "stock (view, create, edit, delete)" in told
    found = books.json("license", "preview", *terms)
    assert (found["before"]["monthly_charge"], found["after"]["monthly_charge"]) == ("120.00 NZD", "397.50 NZD")
    assert [effect["user"] for effect in found["effects"]] == ["tom"]
    assert {"resource": "stock", "action": "delete", "scope": "own"} in found["effects"][0]["gained"]
    assert found["effects"][0]["lost"] == []
    rows = books.csv("license", "preview", *terms)
    assert rows[0] == "user,change,resource,action,scope"
    assert "tom,gained,stock,view,all" in rows
    assert books.json("license")["package"] == "essentials"


def test_a_change_of_license_is_made(books: Books) -> None:
    """With every term that a license has; what is not said stays."""
    books.out(
        *("license", "change", "--package", "trade", "--add-on", "payroll", "--session-limit", "4"),
        *("--user-limit", "9", "--seat-per", "user", "--reserve", "organization_admin=1"),
        *("--valid-from", "2020-01-01", "--valid-until", "2999-06-30T12:00:00+12:00", "--grace", "14d"),
    )
    assert books.json("license") == {
        "package": "trade",
        "add_ons": ["payroll"],
        "session_limit": 4,
        "user_limit": 9,
        "seat_per": "user",
        "reserved": {"organization_admin": 1},
        "valid_from": "2020-01-01T00:00:00+00:00",
        "valid_until": "2999-06-30T00:00:00+00:00",
        "grace": 14 * 86_400,
        "standing": "valid",
        "monthly_charge": "318.00 NZD",
    }
    told = books.out("license")
    assert "1 for Organization admin" in told
    assert "2999-06-30" in told
    assert "14 days" in told
    books.out("license", "change", "--no-add-ons", "--no-reserve", "--user-limit", "none", "--valid-until", "none")
    found = books.json("license")
    assert (found["add_ons"], found["reserved"], found["user_limit"], found["valid_until"]) == ([], {}, None, None)
    assert found["session_limit"] == 4
    lost = books.json("license", "change", "--package", "essentials")["effects"]
    assert [effect["user"] for effect in lost if effect["lost"]] == ["tom"]


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


def test_color_is_for_terminals(made: Books) -> None:
    """None in a pipe, and none where NO_COLOR is set."""
    question = ("can", "tom", "sales", "view")
    assert made.run(*question).stdout == "yes\n"
    assert made.run(*question, color=True).stdout == "\x1b[32myes\x1b[0m\n"
    assert made.run(*question, color=True, env={"NO_COLOR": "1"}).stdout == "yes\n"
    assert "\x1b[1mId" in made.run("users", color=True).stdout
    assert "\x1b" not in made.run("users", "--format", "csv", color=True).stdout


def process(books: Books, *args: str, **env: str) -> subprocess.Popen[bytes]:
    said = {"SEATPERM_CATALOG": str(books.catalog), "SEATPERM_STORE": str(books.store), "PYTHONIOENCODING": "utf-8"}
    return subprocess.Popen(
        [sys.executable, "-m", "seatperm", *args],
        env={**os.environ, **said, **env},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )


def test_it_runs_as_a_module(made: Books) -> None:
    """`python -m seatperm` is the same command, exit codes and all."""
    asked = process(made, "can", "tom", "stock", "view")
    assert asked.communicate() == (b"no\n", b"")
    assert asked.returncode == 1
    version, _ = process(made, "--version").communicate()
    assert version.startswith(b"seatperm, version ")


def test_a_closed_pipe_is_no_error(made: Books) -> None:
    """`seatperm users | head` ends quietly, as what a broken pipe ends."""
    listing = process(made, "users", "--format", "csv")
    assert listing.stdout is not None
    listing.stdout.close()
    assert listing.stderr is not None
    assert listing.stderr.read() == b""
    listing.stderr.close()
    assert listing.wait() == 141


def test_a_terminal_without_the_letters_gets_the_rest(made: Books) -> None:
    """A name that its encoding does not have is written with escapes."""
    out, err = process(made, "users", "--format", "csv", PYTHONIOENCODING="latin-1").communicate()
    assert err == b""
    assert b"Mere T\\u0101ne" in out


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_completion_prints_the_script(made: Books, shell: str) -> None:
    """To be evaluated by the shell."""
    assert "_SEATPERM_COMPLETE" in made.out("completion", shell)


@pytest.mark.parametrize(
    ("words", "offered"),
    [
        (("can", ""), ["ana", "mere", "rob", "tom"]),
        (("can", "t"), ["tom"]),
        (("can", "tom", "sa"), ["sales", "sales.invoices", "sales.cards"]),
        (("can", "tom", "sales.invoices", ""), ["view", "create", "edit", "delete", "approve"]),
        (("can", "tom", "sales", "view", "--scope", ""), ["own", "all"]),
        (("who-can", "st"), ["stock"]),
        (("users", "assign", "tom", "s"), ["sales_staff", "stock_keeper"]),
        (("users", "add", "x", "--role", "org"), ["organization_admin"]),
        (("users", "add", "x", "--type", ""), ["app", "partner"]),
        (("license", "change", "--package", ""), ["essentials", "trade"]),
        (("license", "change", "--add-on", ""), ["payroll"]),
        (("users", "--organization", ""), ["default"]),
        (("can", "--catalog", "nowhere.toml", "tom", "sa"), []),
        (("can", "--store", "nowhere.db", ""), []),
        (("can", "tom", "nothing", ""), []),
        (("wh",), ["who-can"]),
    ],
    ids=" ".join,
)
def test_shells_complete_names_and_ids(made: Books, words: tuple[str, ...], offered: list[str]) -> None:
    """Of the catalog and of the store; where those can't be read, nothing, and no message in between."""
    line = " ".join(["seatperm", *words])
    done = made.run(env={"_SEATPERM_COMPLETE": "bash_complete", "COMP_WORDS": line, "COMP_CWORD": str(len(words))})
    assert [row.partition(",")[2] for row in done.stdout.split()] == offered
    assert done.stderr == ""


def test_shells_complete_live_sessions(books: Books) -> None:
    """To end one."""
    org = books.org()
    session = org.sign_in("tom")
    org.close()
    done = books.run(
        env={"_SEATPERM_COMPLETE": "bash_complete", "COMP_WORDS": "seatperm sessions end ", "COMP_CWORD": "3"}
    )
    assert done.stdout == f"plain,{session.id}\n"


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


def test_a_diff_tells_whether_a_new_catalog_changes_anything(books: Books) -> None:
    """Exit code 0 for nothing, 1 for something, 2 for a catalog that is none; the store stays as it is."""
    new = books.folder / "new.toml"
    text = books.catalog.read_text("utf-8")
    new.write_text(text.replace("Kauri accounting", "Kauri accounting 2"), "utf-8")
    same = books.run("diff", str(books.catalog), str(new))
    assert (same.exit_code, same.stdout.split()) == (0, ["Who", "gains", "or", "loses", "access", "none"])
    new.write_text(text.replace('"sales.invoices" = ["view", "edit:own"]', '"sales.invoices" = "view"'), "utf-8")
    before = sha256(books.store.read_bytes()).digest()
    done = books.run("diff", str(books.catalog), str(new), "--format", "csv")
    cause = """"the role 'sales_staff' says ""view"" on 'sales.invoices' instead of [""view"", ""edit:own""]\""""
    assert done.exit_code == 1
    assert done.stdout.splitlines()[1:] == [
        f"{user},lost,sales.invoices,{action},own,{cause}" for user in ("mere", "tom") for action in ("create", "edit")
    ]
    told = books.run("diff", str(books.catalog), str(new)).stdout
    assert "sales.invoices (create:own, edit:own)" in " ".join(told.split()) or "(create:own," in told
    new.write_text(text.replace("[roles]", "[roles]\nclerk = {}"), "utf-8")
    broken = books.run("diff", str(books.catalog), str(new))
    assert (broken.exit_code, broken.stdout) == (2, "")
    assert sha256(books.store.read_bytes()).digest() == before
