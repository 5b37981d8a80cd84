"""The commands about sessions and the license."""

from __future__ import annotations

import json
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

import seatperm
from seatperm.sessions import Past
from seatperm.stores.sqlite import SQLiteDirectory

from .cli_books import Books, make


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Books:
    return make(tmp_path_factory.mktemp("books"))


@pytest.fixture
def books(made: Books, tmp_path: Path) -> Books:
    return made.copied(tmp_path)


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


def test_a_sign_in_that_goes_on_has_no_end(books: Books) -> None:
    """Neither in the table nor for programs."""
    org = books.org()
    session = org.sign_in("tom", client="till")
    org.close()
    assert books.out("sessions", "history").split()[-5:-2] == [session.id, "tom", "till"]
    (row,) = books.json("sessions", "history")
    assert (row["ended"], row["how"]) == (None, None)


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
