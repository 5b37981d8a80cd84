"""The commands on staff and personal settings do what they say, and a host sees it."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import pytest

from .cli_books import Books, make


@pytest.fixture
def books(tmp_path: Path) -> Books:
    return make(tmp_path)


def test_staff_are_listed_and_changed(books: Books) -> None:
    """Each command prints the record as it is then."""
    assert books.csv("staff") == ["id,name,user,active", "s-1,Tom Harris,tom,yes", "s-2,Joe Marsh,,yes"]
    assert books.json("staff", "add", "Ana Lemalu", "--user", "ana", "--id", "s-3")["user"] == "ana"
    assert books.json("staff", "link", "s-2", "rob")["user"] == "rob"
    assert books.json("staff", "unlink", "s-2")["user"] is None
    assert books.json("staff", "deactivate", "s-1") == {
        "id": "s-1",
        "name": "Tom Harris",
        "user": "tom",
        "active": False,
    }
    assert "Left" in books.out("staff")
    assert books.json("staff", "reactivate", "s-1")["active"] is True
    assert "Left" not in books.out("staff")
    org = books.org()
    assert [(each.id, each.user) for each in org.staff] == [("s-1", "tom"), ("s-2", None), ("s-3", "ana")]
    org.close()


@pytest.mark.parametrize(
    ("args", "said"),
    [
        (("staff", "link", "s-1", "rob"), "the staff record 's-1' is linked to another user; unlink it first"),
        (("staff", "link", "s-2", "tom"), "the user 'tom' has another staff record; unlink that one first"),
        (("staff", "unlink", "s-9"), "unknown staff record 's-9'"),
        (("staff", "add", "X", "--id", "s-1"), "there is a staff record 's-1' already"),
        (("staff", "add", " "), "name is ' '"),
        (("users", "override", "tom", "sales", "edt"), "unknown level 'edt'"),
        (("users", "copy-settings", "tom", "nobody"), "unknown user 'nobody'"),
        (("users", "forget", "mere", "--yes"), "this would leave nobody who may assign roles"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, tuple) else "",
)
def test_what_is_refused_is_said_and_changes_nothing(books: Books, args: tuple[str, ...], said: str) -> None:
    """Exit code 2."""
    before = books.csv("audit")
    done = books.run(*args)
    assert done.exit_code == 2
    assert said in done.stderr
    assert books.csv("audit") == before


def test_personal_settings_are_set_listed_copied_and_removed(books: Books) -> None:
    """Grants in the words of a catalog, several of them in one entry, with an end if one is said."""
    found = books.json("users", "override", "tom", "sales", "view", "edit:own", "--until", "2999-01-31")
    assert found == books.json("users", "settings", "tom")
    assert {row["resource"]: (row["grant"], row["until"]) for row in found} == {
        "sales": (["view", "edit:own"], "2999-01-31T00:00:00+00:00"),
        "sales.cards": ("yes", None),
    }
    assert [(row["user"], row["resource"]) for row in books.json("users", "copy-settings", "tom", "rob", "mere")] == [
        (user, resource) for user in ("rob", "mere") for resource in ("sales", "sales.cards")
    ]
    org = books.org()
    assert org.users["rob"].overrides == org.users["tom"].overrides
    assert org.users["tom"].overrides["sales"].until == datetime(2999, 1, 31, tzinfo=UTC)
    org.close()
    assert [row["resource"] for row in books.json("users", "clear", "tom", "sales")] == ["sales.cards"]
    assert books.json("users", "reset", "tom")["id"] == "tom"
    assert books.json("users", "settings", "tom") == []


def test_a_new_token_voids_the_one_before(books: Books) -> None:
    """Of who is invited, and of who is active."""
    first, second = (books.json("users", "reinvite", "ana")["token"] for _ in "12")
    assert first != second
    org = books.org()
    assert org.users.accept(second).id == "ana"
    org.close()
    assert books.json("users", "reinvite", "ana")["state"] == "active"


def test_forgetting_asks_first_and_leaves_a_trail_that_verifies(books: Books) -> None:
    """Nothing personal is left in what the trail lists."""
    assert books.run("users", "forget", "tom", input="n\n").exit_code == 1
    assert "Tom Harris" in " ".join(books.csv("audit"))
    books.out("users", "dismiss", "tom", "--yes")
    assert books.out("users", "forget", "tom", "--yes") == "forgotten\n"
    told = " ".join(line for line in books.csv("audit") if ",tom," in line)
    assert "Harris" not in told
    assert "tom@kauri.example" not in told
    assert books.out("audit", "--verify").startswith("whole")


def test_a_session_limit_comes_with_a_user(books: Books) -> None:
    """In one change."""
    books.out("users", "add", "li", "--email", "li@kauri.example", "--name", "Li", "--session-limit", "4")
    assert books.json("license")["session_limit"] == 4


def test_resources_are_described_on_request(books: Books) -> None:
    """By their description, or else their title."""
    assert "Who may sign in" not in books.out("access", "tom")
    told = books.run("access", "tom", "--all", "--describe", env={"COLUMNS": "160"}).stdout
    assert "Who may sign in, and what they may do." in told
    assert told.splitlines()[-1].endswith("Payroll")
