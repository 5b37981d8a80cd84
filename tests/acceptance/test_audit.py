"""The audit trail: every change, sign-in, refusal and end of a session, and what of it a killed process leaves."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections.abc import Mapping
from datetime import timedelta
from io import StringIO
from pathlib import Path
from random import Random
from typing import Any

import pytest

import seatperm
from seatperm import Catalog, Event, Organization, SeatsExhausted, audit, license
from seatperm.catalog import written_entry
from seatperm.directory import summary
from seatperm.stores.sqlite import SQLiteDirectory
from seatperm.testing import ManualClock

from ..books import AddUser
from . import audit_worker as worker

KILLS = 20


def last(org: Organization) -> Event:
    return list(org.audit)[-1]


def test_a_change_is_an_event_that_tells_when_who_for_whom_what_and_the_revision(
    org: Organization, add: AddUser, clock: ManualClock
) -> None:
    add("tom")
    org.as_user("admin").users.lock("tom")
    event = last(org)
    assert (event.at, event.actor, event.user, event.kind) == (clock.now(), "admin", "tom", "user.locked")
    assert event.details == {"before": {"locked": False}, "after": {"locked": True}}
    assert event.revision == org.revision


def test_a_sign_in_a_refusal_and_an_end_are_events_of_the_present_revision(
    catalog: Catalog, url: str, clock: ManualClock
) -> None:
    """Seats in memory, as no server's clock can be moved."""
    org = seatperm.open(catalog, url, session_store="memory://", clock=clock)
    org.change_license(package="trade", session_limit=3)
    org.users.add(id="admin", email="admin@kauri.example", name="Ada", roles=["organization_admin"])
    revision = org.revision
    held = [org.sign_in("admin") for _ in range(3)]
    with pytest.raises(SeatsExhausted):
        org.sign_in("admin")
    held[0].end()
    org.as_user("admin").sessions.end(held[1].id)
    clock.advance(timedelta(minutes=30))
    org.sign_in("admin")
    told = [(event.kind, (event.details or {}).get("how")) for event in org.audit.filter(kind="session.")]
    assert told == [
        *[("session.started", None)] * 3,
        ("session.refused", None),
        ("session.ended", "by_holder"),
        ("session.ended", "by_holder"),
        ("session.ended", "expired"),
        ("session.started", None),
    ]
    assert {event.revision for event in org.audit.filter(kind="session.")} == {revision} == {org.revision}
    org.close()


def test_the_trail_is_kept_out_of_the_way_of_can(org: Organization) -> None:
    before = len(org.audit)
    for action in ("view", "edit"):
        org.can("admin", "organization.users", action)
        org.explain("admin", "sales", action)
    assert len(org.audit) == before


def test_the_trail_can_be_exported_and_what_was_altered_afterwards_shows(org: Organization) -> None:
    org.sign_in("admin").end()
    stream = StringIO()
    head = org.audit.export(stream)
    lines = stream.getvalue().splitlines()
    assert all(json.loads(line).keys() >= {"number", "at", "actor", "kind", "user", "revision"} for line in lines)
    assert audit.verify_lines(lines, head)
    for number in range(len(lines)):
        altered = [line.replace("2027", "2026") if place == number else line for place, line in enumerate(lines)]
        assert not audit.verify_lines(altered, head)
        assert not audit.verify_lines(lines[:number] + lines[number + 1 :], head)
        assert not audit.verify_lines(lines[number:] + lines[:number], head) or number == 0


def test_what_was_erased_leaves_the_trail_whole(org: Organization, add: AddUser) -> None:
    add("tom")
    org.sign_in("tom", "tom's own phone").end()
    org.users.forget("tom")
    of_tom = [event for event in org.audit.filter(user="tom") if event.kind != "user.forgotten"]
    assert [event.details for event in of_tom] == [None] * 3
    assert org.audit.verify()


@pytest.fixture
def file(catalog: Catalog, tmp_path: Path) -> Path:
    """The catalog as a file, with a hundred functions and roles more, for other processes."""
    dumped: dict[str, Any] = dict(catalog.dump())
    for process in range(2):
        dumped["resources"] |= {f"desk{process}": {"package": "essentials"}}
        for turn in range(worker.ROUNDS):
            dumped["resources"] |= {f"desk{process}.d{turn}": {}}
            dumped["roles"] |= {f"role{process}_{turn}": {"package": "essentials", "grants": {"sales": "view"}}}
    path = tmp_path / "catalog.json"
    path.write_text(json.dumps(dumped), "utf-8")
    return path


@pytest.fixture
def store(file: Path, tmp_path: Path) -> str:
    """The URL of a file with the users tom and ann and two seats."""
    url = f"sqlite:///{tmp_path / 'books.db'}"
    org = seatperm.open(file, url)
    org.change_license(package="trade", session_limit=2)
    for id in ("tom", "ann"):
        org.users.add(id=id, email=f"{id}@k.example", name=id.title(), roles=["sales_staff"])
    org.close()
    return url


def start(task: str, file: Path, store: str, *more: object) -> subprocess.Popen[str]:
    """Begin a task in another process."""
    return subprocess.Popen(
        [sys.executable, "-m", worker.__name__, task, str(file), store, *map(str, more)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )


def read(process: subprocess.Popen[str]) -> str:
    assert process.stdout is not None
    return process.stdout.readline().strip()


Written = dict[str, Any]
"""By id or name, what the trail tells of it, as JSON values."""


def replay(events: list[Event]) -> tuple[Written, Written, Written]:
    """Return users, staff and all else as the trail tells them; each event begins where the one before ended."""
    users: Written = {}
    staff: Written = {}
    rest: Written = {}
    for event in events:
        details: Mapping[str, Any] = event.details or {}
        before, after = details.get("before"), details.get("after")
        if event.kind.startswith("staff."):
            assert staff.get(details["staff"]) == before
            staff[details["staff"]] = after
        elif event.kind.startswith(("role.defined", "role.removed")):
            assert rest.get(f"role {details['role']}") == before
            rest[f"role {details['role']}"] = after
        elif event.user is None:
            name = "global_permissions" if event.kind.startswith("global") else "license"
            assert before is None or rest[name] == before
            rest[name] = after
            if event.kind == "organization.created":
                rest["global_permissions"] = details["global_permissions"]
        elif not event.kind.startswith("session."):
            known = users.setdefault(event.user, {})
            linked = [member for member, told in staff.items() if told["user"] == event.user]
            known["staff"] = linked[0] if linked else None
            assert before is None or {name: known[name] for name in before} == before
            known.update(after or {})
    return users, staff, {name: told for name, told in rest.items() if told is not None}


def agree(store: str) -> int:
    """Hold the directory to its trail; return the revision."""
    directory = SQLiteDirectory(store.removeprefix("sqlite:///"))
    (id,) = directory.organizations()
    events = list(directory.events(id))
    assert audit.verify(events, directory.head(id))
    users, staff, rest = replay(events)
    found = {user.id: summary(user) for user in directory.users(id)}
    linked = {told["user"]: member for member, told in staff.items() if told["user"] is not None}
    for user in users:
        users[user]["staff"] = linked.get(user)
    assert found == users
    members = {one.id: {"name": one.name, "user": one.user, "active": one.active} for one in directory.staff(id)}
    assert members == staff
    record = directory.organization(id)
    assert license.summary(record.license) == rest.pop("license")
    given = {path: written_entry(entry) for path, entry in record.global_permissions.items()}
    assert given == rest.pop("global_permissions")
    assert {f"role {role}" for role in record.roles} == rest.keys()
    made = [event.revision for event in events if not event.kind.startswith("session.")]
    assert made == sorted(made)
    assert set(made) == set(range(1, record.revision + 1))
    directory.close()
    return record.revision


def open_sessions(org: Organization) -> set[str]:
    """Return the sessions that the trail tells the beginning of, and not the end."""
    is_open: set[str] = set()
    for event in org.audit.filter(kind="session."):
        session = (event.details or {}).get("session")
        if isinstance(session, str):
            (is_open.discard if event.kind == "session.ended" else is_open.add)(session)
    return is_open


def test_killed_at_any_point_the_directory_and_its_trail_agree(file: Path, store: str) -> None:
    """SIGKILL, at another moment each time, in the middle of changes of every kind and of sign-ins.

    A session's seat and its event are two transactions: a kill may fall between them, once.
    """
    moments, revisions = Random(11), [agree(store)]
    for _ in range(KILLS):
        process = start("live", file, store)
        assert read(process) == "ready"
        time.sleep(moments.uniform(0, 0.08))
        assert process.poll() is None
        process.kill()
        process.communicate()
        revisions.append(agree(store))
    assert revisions == sorted(revisions)
    assert revisions[-1] > KILLS
    org = seatperm.open(file, store, orphans="keep")
    assert len(open_sessions(org) ^ {seat.id for seat in org.sessions}) <= KILLS
    kinds = {event.kind.partition(".")[0] for event in org.audit}
    assert kinds >= {"user", "staff", "role", "override", "license", "global_permissions", "session"}
    print(
        len(org.audit),
        org.revision,
        len({event.kind for event in org.audit}),
        len(open_sessions(org) ^ {seat.id for seat in org.sessions}),
    )
    org.close()


def test_two_processes_that_change_the_same_user_lose_neither_change(file: Path, store: str) -> None:
    """Nor any event: of changes, sign-ins and ends that both make at the same time."""
    began = agree(store)
    processes = [start("give", file, store, number) for number in range(2)]
    for process in processes:
        process.communicate(timeout=120)
        assert process.returncode == 0
    assert agree(store) == began + 2 * 2 * worker.ROUNDS
    org = seatperm.open(file, store)
    tom = org.users["tom"]
    pairs = [(process, turn) for process in range(2) for turn in range(worker.ROUNDS)]
    assert tom.overrides.keys() == {f"desk{process}.d{turn}" for process, turn in pairs}
    assert tom.roles.keys() == {"sales_staff"} | {f"role{process}_{turn}" for process, turn in pairs}
    told = [event.kind for event in org.audit.filter(kind="session.")]
    assert (told.count("session.started"), told.count("session.ended")) == (2 * worker.ROUNDS, 2 * worker.ROUNDS)
    assert open_sessions(org) == set()
    org.close()


def test_at_least_is_exact_where_a_process_holds_an_old_table(file: Path, store: str) -> None:
    """The other process takes an hour to look again by itself; `test_freshness` has it within a second."""
    org = seatperm.open(file, store)
    with start("look", file, store) as process:
        assert process.stdin is not None
        assert read(process) == "False"
        org.users.assign("tom", "bookkeeper")
        print(org.revision, file=process.stdin, flush=True)
        assert read(process) == "False"
        assert read(process) == "False"
        assert read(process) == f"True {org.revision}"
    assert process.returncode == 0
    org.close()
