"""The commands on addresses, invitations, types, global permissions and organizations."""

from __future__ import annotations

from pathlib import Path

import pytest

import seatperm

from .cli_books import Books, make

BARE: dict[str, str | None] = {"SEATPERM_CATALOG": None}


@pytest.fixture
def books(tmp_path: Path) -> Books:
    return make(tmp_path)


def test_a_person_is_renamed_and_gets_a_type(books: Books) -> None:
    assert books.json("users", "rename", "tom", "Tom Hale")["name"] == "Tom Hale"
    assert books.json("users", "set-type", "tom", "partner")["type"] == "partner"
    org = books.org()
    assert (org.users["tom"].name, org.users["tom"].type) == ("Tom Hale", "partner")
    org.close()


def test_a_changed_address_is_accepted_by_its_token(books: Books) -> None:
    """The token is printed once, and works once."""
    changed = books.json("users", "change-email", "tom", "tom@rimu.example")
    assert (changed["email"], changed["state"]) == ("tom@rimu.example", "invited")
    assert books.json("users", "accept", changed["token"])["state"] == "active"
    again = books.run("users", "accept", changed["token"])
    assert (again.exit_code, again.stdout) == (2, "")
    assert "the invitation is not known here" in again.stderr


@pytest.mark.parametrize("beginning", ["-", "-h", "--"])
def test_a_token_that_looks_like_an_option_is_a_token(books: Books, beginning: str) -> None:
    """One in 64 begins with a dash."""
    token = beginning + "A" * (43 - len(beginning))
    refused = books.run("users", "accept", token)
    assert (refused.exit_code, "the invitation is not known here" in refused.stderr) == (2, True)
    assert "Usage: " in books.out("users", "accept", "--help")


@pytest.mark.parametrize(
    "leaving", [("dismiss", "tom", "--yes"), ("forget", "tom", "--yes"), ("change-email", "tom", "tom@rimu.example")]
)
def test_who_leaves_by_the_command_line_has_no_seat_left(books: Books, leaving: tuple[str, ...]) -> None:
    """What was signed in before does not come back with a user of the same id."""
    org = books.org()
    session = org.sign_in("tom", "till")
    org.close()
    books.out("users", *leaving)
    assert books.json("sessions")["sessions"] == []
    if leaving[0] == "dismiss":
        books.out("users", "add", "tom", "--email", "tom@kauri.example", "--name", "Tom")
    org = books.org()
    with pytest.raises(seatperm.SessionEnded):
        org.resume(session.token)
    org.close()


def test_seats_that_are_kept_elsewhere_have_to_be_named(books: Books, tmp_path: Path) -> None:
    """Nobody is taken out whose seat can't be ended."""
    url = f"sqlite:///{tmp_path}/alone.db"
    org = seatperm.open(books.catalog, url, session_store=f"sqlite:///{tmp_path}/seats.db")
    org.users.add(id="tom", email="tom@kauri.example", name="Tom")
    org.sign_in("tom")
    org.close()
    refused = books.run("users", "dismiss", "tom", "--yes", "--store", url)
    assert (refused.exit_code, refused.stdout) == (2, "")
    assert "name the store that has" in " ".join(refused.stderr.split())
    seats = ("--session-store", f"{tmp_path}/seats.db")
    books.out("users", "dismiss", "tom", "--yes", "--store", url, *seats)
    assert books.json("sessions", "--store", url, *seats)["in_use"] == 0


def test_global_permissions_are_listed_set_and_cleared(books: Books) -> None:
    """New users start from them."""
    assert books.json("permissions") == []
    named = '{"actions": ["approve"], "scope": "own"}'
    assert books.json("permissions", "set", "sales", "view") == [{"resource": "sales", "grant": "view"}]
    listed = books.json("permissions", "set", "sales.invoices", "view", named)
    assert [row["resource"] for row in listed] == ["sales", "sales.invoices"]
    assert listed == books.json("permissions")
    books.out("users", "add", "li", "--email", "li@kauri.example", "--name", "Li")
    assert books.run("can", "li", "sales.invoices", "approve", "--scope", "own").exit_code == 0
    assert books.run("can", "li", "sales.invoices", "approve").exit_code == 1
    assert [row["resource"] for row in books.json("permissions", "clear", "sales")] == ["sales.invoices"]
    assert books.json("permissions", "clear", "stock") == books.json("permissions")
    assert books.out("permissions", "clear", "sales.invoices") == "none\n"
    assert "did you mean 'sales'" in books.run("permissions", "clear", "sale").stderr


def test_grants_name_actions_in_json(books: Books) -> None:
    """As a catalog writes them, one or a list; in personal settings and in roles."""
    named = {"actions": ["approve"], "scope": "own"}
    rows = books.json(
        "users", "override", "tom", "sales.invoices", '["view", {"actions": ["approve"], "scope": "own"}]'
    )
    assert next(row["grant"] for row in rows if row["resource"] == "sales.invoices") == ["view", named]
    approve = 'sales.invoices={"actions": ["approve"]}'
    books.out("define-role", "approver", "--title", "Approver", "--grant", approve, "--grant", "sales.invoices=view")
    books.out("users", "assign", "mere", "approver")
    assert books.run("can", "mere", "sales.invoices", "approve").exit_code == 0


def test_organizations_are_listed_without_a_catalog_and_made(books: Books) -> None:
    """With what is said of the license; the first package otherwise."""
    assert [row["id"] for row in books.json("organizations")] == ["default"]
    made = books.json("organizations", "create", "rimu", "--package", "trade", "--session-limit", "4")
    assert (made["id"], made["package"], made["session_limit"], made["standing"]) == ("rimu", "trade", 4, "valid")
    assert books.json("organizations", "create", "nikau")["package"] == "essentials"
    listed = books.run("organizations", env=BARE)
    assert listed.exit_code == 0
    assert [line.split()[0] for line in listed.stdout.splitlines()[2:]] == ["default", "rimu", "nikau"]
    tenants = seatperm.open_tenants(books.catalog, f"sqlite:///{books.store}")
    assert tenants["rimu"].license.session_limit == 4
    tenants.close()


@pytest.mark.parametrize(
    ("args", "said"),
    [
        (("organizations", "create", "default"), "there is an organization 'default' already"),
        (("organizations", "create", "rimu", "--package", "trad"), "did you mean 'trade'?"),
        (("organizations", "create", "rimu", "--store", "nowhere.db"), "there is no such file"),
        (("users", "accept", "no-token"), "the invitation is not known here"),
        (("users", "set-type", "tom", "partnr"), "did you mean 'partner'?"),
        (("users", "rename", "tom", " "), "name is ' '"),
        (("users", "change-email", "tom", "mere@kauri.example"), "is in use already"),
        (("permissions", "set", "sales", "edti"), "'edti' is no grant on 'sales'"),
        (("permissions", "set", "sales", '{"actions": '), "is no JSON"),
        (("users", "override", "tom", "sales", "edti"), "'edti' is no grant on 'sales'"),
        (("users", "override", "tom", "sales", '["view", 7]'), "is no grant on 'sales'"),
        (("users", "override", "tom", "sales", "[]"), "is no grant on 'sales'"),
        (("define-role", "x", "--title", "X", "--grant", "sales=["), "is no JSON"),
        (("users", "dismiss", "nobody"), "unknown user 'nobody'"),
        (("users", "assign", "tom", "sales_staff", "--until", "2020-01-31"), "until is 2020-01-31T00:00:00+00:00;"),
        (("users", "assign", "tom", "sales_staff", "--until", "2999-01-31T10:00"), "the offset from UTC is missing"),
        (("license", "change", "--session-limit", "99999999999999999999"), "at most 1000000000"),
        (("license", "change", "--session-limit", "9" * 5000), "at most 1000000000"),
        (("license", "change", "--grace", "9999999999d"), "at most 9 digits"),
    ],
    ids=lambda value: " ".join(value)[:60] if isinstance(value, tuple) else "",
)
def test_what_is_refused_is_said_and_changes_nothing(books: Books, args: tuple[str, ...], said: str) -> None:
    """Exit code 2."""
    before = books.csv("audit")
    done = books.run(*args)
    assert (done.exit_code, done.stdout) == (2, "")
    assert said in " ".join(done.stderr.split())
    assert books.csv("audit") == before


def test_a_question_names_the_user_and_the_organization(books: Books) -> None:
    """Whom it is about, and where, before anything is taken away."""
    asked = books.run("users", "dismiss", "tom", input="n\n")
    assert asked.exit_code == 1
    assert "Tom Harris (tom) out of default" in asked.stderr
    assert "of tom in default" in books.run("users", "forget", "tom", input="n\n").stderr
    assert books.json("users", "dismiss", "tom", "--yes")["id"] == "tom"


def test_a_store_with_names_of_another_catalog_is_kept_by_an_option(books: Books) -> None:
    """The message says how on the command line, and that works."""
    text = books.catalog.read_text("utf-8")
    lines = [line for line in text.splitlines() if not line.startswith("stock_keeper")]
    books.catalog.write_text("\n".join(lines), "utf-8")
    refused = books.run("users")
    assert refused.exit_code == 2
    assert "--orphans keep" in refused.stderr
    assert "orphans=" not in refused.stderr
    assert books.run("users", "--orphans", "keep").exit_code == 0
