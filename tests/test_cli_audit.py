"""`seatperm audit`: finding events, and taking them elsewhere."""

from __future__ import annotations

import io
import json
import re
from datetime import timedelta
from pathlib import Path

import pytest

from seatperm import InvalidValue, audit
from seatperm.organization.trail import KINDS

from .cli_books import Books, make


@pytest.fixture
def books(tmp_path: Path) -> Books:
    """The books of a host, and a session that an operator ended."""
    made = make(tmp_path)
    org = made.org()
    session = org.sign_in("tom", "till")
    org.close()
    assert made.out("sessions", "end", session.id) == "ended\n"
    return made


def numbers(books: Books, *args: str) -> list[int]:
    return [event["number"] for event in books.json("audit", *args)]


def test_events_are_found_by_user_kind_and_time(books: Books) -> None:
    events = books.json("audit")
    of_tom = [event["number"] for event in events if event["user"] == "tom"]
    assert numbers(books, "--user", "tom") == of_tom
    assert numbers(books, "--kind", "session.") == [events[-2]["number"], events[-1]["number"]]
    assert numbers(books, "--kind", "session.", "--user", "mere") == []
    assert [event["number"] for event in events if event["kind"] == "user.locked"] == numbers(
        books, "--kind", "user.locked"
    )
    in_2027 = [event["number"] for event in events if event["at"].startswith("2027-01-01")]
    assert numbers(books, "--since", "2027-01-01", "--until", "2027-01-02") == in_2027
    assert numbers(books, "--since", "2027-01-01T22:00:00+13:00", "--until", "2027-01-01T09:00:01+00:00") == in_2027
    assert numbers(books, "--until", "2020-01-01") == []
    assert books.out("audit", "--until", "2020-01-01") == "none\n"
    assert books.csv("audit", "--user", "tom")[1:] == [line for line in books.csv("audit") if ",tom," in line]


def test_an_end_by_an_operator_is_told(books: Books) -> None:
    """So is the sign-in; of both the table shows the session and the client."""
    started, ended = books.json("audit", "--kind", "session.")
    assert ended["details"] == {**started["details"], "how": "by_other"}
    assert (ended["actor"], ended["user"]) == (None, "tom")
    assert "client: till" in " ".join(books.out("audit", "--kind", "session.ended").split())


def test_json_lines_are_the_export(books: Books) -> None:
    """They verify without the store; those of a filter are some of them."""
    lines = books.out("audit", "--format", "jsonl").splitlines()
    org = books.org()
    assert list(audit.read_lines(lines)) == list(org.audit)
    assert audit.verify_lines(lines, org.audit.head)
    org.close()
    some = books.out("audit", "--format", "jsonl", "--user", "tom").splitlines()
    assert some == [line for line in lines if json.loads(line)["user"] == "tom"]
    assert json.loads(books.out("audit", "--verify", "--format", "jsonl"))["whole"] is True


@pytest.mark.parametrize(
    "args", [("--verify", "--user", "tom"), ("--since", "yesterday"), ("--until", "2027-01-01T09:00:00")]
)
def test_what_makes_no_sense_is_refused(books: Books, args: tuple[str, ...]) -> None:
    """A part can't be verified; a time without its offset is no moment."""
    done = books.run("audit", *args)
    assert (done.exit_code, done.stdout) == (2, "")


def test_json_lines_are_the_trails_only(books: Books) -> None:
    assert books.run("users", "--format", "jsonl").exit_code == 2


ROOT = Path(__file__).parent.parent


def test_every_kind_of_event_is_known_and_told() -> None:
    """What the code writes, what a filter takes and what the page tells are the same."""
    sources = (path.read_text("utf-8") for path in (ROOT / "src" / "seatperm" / "organization").glob("*.py"))
    begun = r'(?:\b(?:put|put_staff|event|rename|Happening)\(|\bkind ?= ?)"(\w+\.\w+)"(?: if .*? else "(\w+\.\w+)")?'
    written = {kind for text in sources for found in re.findall(begun, text) for kind in found if kind}
    page = (ROOT / "docs" / "audit.md").read_text("utf-8").partition("## What is in it")[2].partition("\n## ")[0]
    told = {kind for row in re.findall(r"^\| (`.*?) \|", page, re.MULTILINE) for kind in re.findall(r"`(.*?)`", row)}
    assert written == set(KINDS) == told


@pytest.mark.parametrize(
    ("args", "said"),
    [
        (("--kind", "role.asigned"), "did you mean 'role.assigned'"),
        (("--kind", "sesion"), "did you mean 'session'"),
        (("--kind", "role.assigned."), "did you mean 'role.assigned'"),
        (("--kind", ""), "expected a kind of event"),
        (("--since", "2027-02-01", "--until", "2027-01-01"), "since is 2027-02-01T00:00:00+00:00; expected a moment"),
        (("--since", "never"), "'--since'"),
    ],
    ids=" ".join,
)
def test_what_can_find_nothing_is_refused(books: Books, args: tuple[str, ...], said: str) -> None:
    """A misspelt kind would look like a quiet organization."""
    done = books.run("audit", *args)
    assert (done.exit_code, done.stdout) == (2, "")
    assert said in " ".join(done.stderr.split())


def test_kinds_are_found_by_their_beginning_with_or_without_the_dot(books: Books) -> None:
    assert numbers(books, "--kind", "session") == numbers(books, "--kind", "session.") != []


def test_the_trail_refuses_the_same(books: Books) -> None:
    """In Python as on the command line, before anything is read or written."""
    org = books.org()
    event = next(iter(org.audit))
    for kind in ("role.asigned", "", ".", 7):
        with pytest.raises(InvalidValue):
            org.audit.filter(kind=kind)  # type: ignore[arg-type] # one is of another type on purpose
    with pytest.raises(InvalidValue, match="since"):
        org.audit.filter(since=event.at, until=event.at - timedelta(seconds=1))
    assert list(org.audit.filter(since=event.at, until=event.at)) == []
    for stream in (str(books.folder / "trail.jsonl"), io.BytesIO()):
        with pytest.raises(InvalidValue, match="an open text file"):
            org.audit.export(stream)  # type: ignore[arg-type] # neither is a text file, on purpose
    org.close()
