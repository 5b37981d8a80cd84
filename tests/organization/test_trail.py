"""The audit trail: every change an event, chained so that tampering shows."""

from __future__ import annotations

import json
import re
import sqlite3
from collections.abc import Callable
from datetime import datetime, timedelta
from io import StringIO
from pathlib import Path

import pytest

import seatperm
from seatperm import AccessDenied, Catalog, EmailTaken, InvalidValue, Organization, audit
from seatperm.testing.clock import ManualClock

from .conftest import AddUser


def test_every_change_is_an_event_with_its_revision(org: Organization, clock: ManualClock) -> None:
    started = org.revision
    users = org.users
    invitation = users.invite(email="sam@kauri.example", name="Sam")
    id = invitation.user.id
    users.reinvite(id)
    users.accept(users.reinvite(id).token)
    users.assign(id, "sales_staff")
    users.unassign(id, "sales_staff")
    users.override(id, "sales", "view")
    users.clear(id, "sales")
    users.override(id, "sales", "view")
    users.reset(id)
    users.set_type(id, "partner")
    users.lock(id)
    users.unlock(id)
    users.rename(id, "Samuel")
    users.change_email(id, "samuel@kauri.example")
    users.dismiss(id)
    org.set_global_permissions({})
    org.change_license(session_limit=9)
    events = [event for event in org.audit if event.revision > started]
    assert [event.kind for event in events] == [
        "user.invited",
        "user.reinvited",
        "user.reinvited",
        "user.accepted",
        "role.assigned",
        "role.unassigned",
        "override.set",
        "override.cleared",
        "override.set",
        "override.reset",
        "user.type_set",
        "user.locked",
        "user.unlocked",
        "user.renamed",
        "user.email_changed",
        "user.dismissed",
        "global_permissions.set",
        "license.changed",
    ]
    assert [event.revision for event in events] == list(range(started + 1, started + 1 + len(events)))
    assert {event.at for event in events} == {clock.now()}
    assert {event.actor for event in events} == {None}
    assert org.audit.verify()
    assert len(org.audit) == len(list(org.audit))


def test_an_event_tells_before_and_after(org: Organization, add: AddUser) -> None:
    add("tom")
    org.as_user("admin").users.assign("tom", "sales_staff")
    event = list(org.audit)[-1]
    assert (event.actor, event.user, event.kind) == ("admin", "tom", "role.assigned")
    assert event.details == {"before": {"roles": {}}, "after": {"roles": {"sales_staff": None}}}


def test_what_is_refused_leaves_no_event(org: Organization, add: AddUser) -> None:
    add("tom")
    before = len(org.audit)
    with pytest.raises(EmailTaken):
        org.users.invite(email="tom@kauri.example", name="T")
    with pytest.raises(AccessDenied):
        org.as_user("tom").users.lock("admin")
    assert len(org.audit) == before
    assert org.audit.verify()


def test_no_token_is_in_the_trail(org: Organization) -> None:
    tokens = [org.users.invite(email="sam@kauri.example", name="Sam").token]
    tokens.append(org.users.reinvite(org.users.by_email("sam@kauri.example") or "").token)
    session = org.sign_in("admin", "till-1")
    tokens += [session.token, org.sign_in("admin", "till-1").token]
    session.end()
    written = " ".join(json.dumps(dict(event.details or {})) for event in org.audit)
    assert not any(token in written for token in tokens)


TAMPERING = {
    "altered": "UPDATE events SET kind = 'user.locked' WHERE number = 3",
    "details": "UPDATE events SET details = '{}' WHERE number = 3",
    "actor": "UPDATE events SET actor = 'tom' WHERE number = 3",
    "removed": "DELETE FROM events WHERE number = 3",
    "truncated": "DELETE FROM events WHERE number >= 4",
    "reordered": "UPDATE events SET number = CASE number WHEN 2 THEN 3 ELSE 2 END WHERE number IN (2, 3)",
}


@pytest.mark.parametrize("how", TAMPERING)
def test_verify_finds_a_tampered_trail(catalog: Catalog, tmp_path: Path, how: str) -> None:
    path = tmp_path / "books.db"
    org = seatperm.open(catalog, f"sqlite:///{path}")
    for number in range(4):
        org.users.add(id=f"u{number}", email=f"u{number}@kauri.example", name="U")
    assert org.audit.verify()
    assert org.audit.verify().events == 5
    with sqlite3.connect(path) as connection:
        if how == "reordered":
            connection.execute("UPDATE events SET number = -1 WHERE number = 2")
            connection.execute("UPDATE events SET number = 2 WHERE number = 3")
            connection.execute("UPDATE events SET number = 3 WHERE number = -1")
        else:
            connection.execute(TAMPERING[how])
    connection.close()
    found = org.audit.verify()
    assert not found
    assert found.problems
    org.close()


def test_a_trail_that_was_written_anew_is_found_by_a_head_that_was_kept(org: Organization, add: AddUser) -> None:
    """Chaining alone can't tell: who may write to the store can chain a trail of their own."""
    kept = org.audit.head
    add("tom")
    assert org.audit.verify(kept)
    head, forged = audit.Head(), []
    for event in org.audit:
        details = {**(event.details or {}), "forged": True}
        forged.append(
            audit.link(head, at=event.at, actor=None, kind=event.kind, user=event.user, revision=1, details=details)
        )
        head = audit.Head(event.number, forged[-1].hash)
    assert audit.verify(forged, head)
    assert audit.verify(forged, head, kept).problems == (
        f"event {kept.number} is not the one that the kept head names",
    )
    assert audit.verify(forged[:1], None, kept).problems == (
        f"the trail ends at event 1, before the kept head, {kept.number}",
    )


@pytest.fixture
def told(org: Organization, add: AddUser, clock: ManualClock) -> Organization:
    """A trail with some events of an hour later, by admin on tom."""
    add("tom")
    add("ann")
    clock.advance(timedelta(hours=1))
    org.as_user("admin").users.assign("tom", "bookkeeper")
    org.sign_in("tom").end()
    return org


def kinds(events: list[audit.Event]) -> list[str]:
    return [event.kind for event in events]


def test_the_trail_is_filtered_by_who_acted_or_was_acted_on(told: Organization) -> None:
    on_tom = list(told.audit.filter(user="tom"))
    assert kinds(on_tom) == ["user.added", "role.assigned", "session.started", "session.ended"]
    assert list(told.audit.filter(user=told.users["tom"])) == on_tom
    assert kinds(list(told.audit.filter(user="admin"))) == ["user.added", "role.assigned"]
    assert list(told.audit.filter(user="nobody")) == []
    assert list(told.audit.filter()) == list(told.audit)


def test_the_trail_is_filtered_by_kind_or_by_what_kinds_begin_with(told: Organization) -> None:
    assert kinds(list(told.audit.filter(kind="session."))) == ["session.started", "session.ended"]
    assert kinds(list(told.audit.filter(kind="session.ended"))) == ["session.ended"]
    assert list(told.audit.filter(kind="session")) == list(told.audit.filter(kind="session."))


def test_the_trail_is_filtered_by_time_from_and_up_to(told: Organization, clock: ManualClock) -> None:
    later = list(told.audit.filter(since=clock.now()))
    assert kinds(later) == ["role.assigned", "session.started", "session.ended"]
    assert list(told.audit.filter(until=clock.now())) + later == list(told.audit)
    assert kinds(list(told.audit.filter(user="tom", kind="role.", since=clock.now()))) == ["role.assigned"]


def test_a_time_without_a_zone_filters_nothing_and_is_refused(org: Organization) -> None:
    with pytest.raises(InvalidValue):
        org.audit.filter(since=datetime.fromisoformat("2027-01-01"))


def exported(org: Organization) -> tuple[list[str], audit.Head]:
    stream = StringIO()
    head = org.audit.export(stream)
    return stream.getvalue().splitlines(keepends=True), head


def test_an_exported_trail_is_read_again_and_verified_without_its_store(told: Organization) -> None:
    lines, head = exported(told)
    assert list(audit.read_lines(lines)) == list(told.audit)
    assert head == told.audit.head
    assert audit.verify_lines(lines, head)
    assert audit.verify_lines(lines, head).events == len(told.audit)
    assert audit.verify_lines(lines)


SPOILING: dict[str, tuple[Callable[[list[str]], list[str]], str]] = {
    "altered": (lambda lines: [lines[0], lines[1].replace("trade", "payroll"), *lines[2:]], "the details of event 2"),
    "resealed": (lambda lines: [lines[0], lines[1].replace("license", "user"), *lines[2:]], "event 2 is not as"),
    "removed": (lambda lines: [lines[0], *lines[2:]], "event 2 is missing"),
    "reordered": (lambda lines: [lines[1], lines[0], *lines[2:]], "event 1 is missing"),
    "cut off": (lambda lines: lines[:-1], "the trail ends at event "),
    "no event": (lambda lines: [lines[0], "{}\n", *lines[2:]], "line 2 is no event"),
    "no JSON": (lambda lines: [lines[0][:40], *lines[1:]], "line 1 is no event"),
    "of another type": (
        lambda lines: [lines[0].replace('"revision": 1', '"revision": "1"'), *lines[1:]],
        "line 1 is no event",
    ),
    "salted with what no file can hold": (
        lambda lines: [lines[0].replace('"salt": "', '"salt": "\\ud800'), *lines[1:]],
        "the details of event 1",
    ),
}


@pytest.mark.parametrize("how", SPOILING)
def test_verify_finds_a_tampered_export(told: Organization, how: str) -> None:
    lines, head = exported(told)
    spoil, said = SPOILING[how]
    spoilt = spoil(lines)
    assert spoilt != lines
    found = audit.verify_lines(spoilt, head)
    assert not found
    assert found.problems[0].startswith(said)


def test_every_kind_of_event_is_explained() -> None:
    """docs/audit.md names each kind that the sources write, and no other."""
    top = Path(__file__).parents[2]
    areas = "organization|user|role|override|settings|staff|license|global_permissions|session"
    sources = " ".join(file.read_text("utf-8") for file in (top / "src" / "seatperm" / "organization").glob("*.py"))
    resources = {"organization.users", "organization.staff", "organization.license", "organization.sessions"}
    written = set(re.findall(rf'"((?:{areas})\.[a-z_]+)"', sources)) - resources - {"organization.audit"}
    rows = re.findall(r"^\| (`[^|]*) \|", (top / "docs" / "audit.md").read_text("utf-8"), flags=re.MULTILINE)
    assert set(re.findall(r"`([a-z_]+\.[a-z_]+)`", " ".join(rows))) == written
