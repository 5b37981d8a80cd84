"""The audit trail: every change an event, chained so that tampering shows."""

from __future__ import annotations

import json
import sqlite3
from pathlib import Path

import pytest

import seatperm
from seatperm import AccessDenied, Catalog, EmailTaken, Organization
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
        add("tom2") and org.users.invite(email="tom@kauri.example", name="T")
    with pytest.raises(AccessDenied):
        org.as_user("tom").users.lock("admin")
    assert len(org.audit) == before + 1
    assert org.audit.verify()


def test_no_token_is_in_the_trail(org: Organization) -> None:
    tokens = [org.users.invite(email="sam@kauri.example", name="Sam").token]
    tokens.append(org.users.reinvite(org.users.by_email("sam@kauri.example") or "").token)
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
