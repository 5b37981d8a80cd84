"""An organization goes out of one store and into another, whole."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path

import pytest

import seatperm
from seatperm.demo import CATALOG
from seatperm.errors import EmailTaken, InvalidValue, OrganizationExists, UnknownOrganization, UserExists
from seatperm.stores.opening import open_directory
from seatperm.stores.transfer import export, restore
from seatperm.testing import ManualClock

Url = Callable[[str], str]


@pytest.fixture
def url(tmp_path: Path, request: pytest.FixtureRequest) -> Url:
    """Return the URL of an empty store of a kind."""

    def url(kind: str) -> str:
        if kind == "sqlite":
            return f"sqlite:///{tmp_path / 'other.db'}"
        found: str = request.getfixturevalue("postgres_store") if kind == "postgres" else "memory://"
        return found

    return url


@pytest.fixture
def tenants(tmp_path: Path) -> Iterator[seatperm.Tenants]:
    """A store whose organization has had everything happen to it."""
    clock = ManualClock()
    tenants = seatperm.open_tenants(CATALOG, f"sqlite:///{tmp_path / 'books.db'}", clock=clock)
    org = tenants.create("kauri", package=list(tenants.catalog.tiers)[-1], session_limit=3, reserved={})
    roles = [role.id for role in org.roles().current_package][:3]
    for number, name in enumerate(["ana", "ben", "cat", "dee"]):
        org.users.add(id=name, email=f"{name}@kauri.example", name=name.title(), roles=roles[: number % 3])
    org.users.assign("ana", roles[2], until=clock.now() + timedelta(days=3))
    resource = next(path for path in org.catalog.resources if not path.startswith("organization"))
    ladder = org.catalog.ladders[org.catalog.resources[resource].ladder or "default"]
    org.users.override("ben", resource, ladder.levels[1], until=clock.now() + timedelta(hours=1))
    org.users.dismiss("cat")
    org.users.add(id="cat2", email="Cat@Kauri.example", name="Cat Two")
    org.users.lock("dee")
    org.users.invite(email="eve@kauri.example", name="Ēve 🌳", roles=roles[:1])
    org.staff.add("Fay Low", user="ana")
    org.define_role("own", title="Our own", grants={resource: ladder.levels[1]})
    org.set_global_permissions({resource: ladder.levels[1]})
    with org.sign_in("ana", client="desk"):
        clock.advance(timedelta(minutes=5))
    org.users.forget("cat")
    yield tenants
    tenants.close()


def lines(tenants: seatperm.Tenants) -> list[str]:
    return list(export(tenants._directory, "kauri"))


@pytest.mark.parametrize("kind", ["memory", "sqlite", "postgres"])
def test_what_comes_out_of_another_store_is_what_went_in(tenants: seatperm.Tenants, url: Url, kind: str) -> None:
    """Line by line, into every kind of store; and every answer is the same."""
    written = lines(tenants)
    with_directory = open_directory(url(kind))
    assert restore(with_directory, written) == "kauri"
    assert list(export(with_directory, "kauri")) == written
    there = seatperm.open(CATALOG, with_directory, session_store="memory://", clock=tenants._clock)
    here = tenants["kauri"]
    assert there.audit.verify()
    assert there.audit.head == here.audit.head
    assert list(there.sessions.history()) == list(here.sessions.history())
    assert list(there.users) == list(here.users)
    assert there.license == here.license
    for user in here.users:
        assert there.access(user).table == here.access(user).table
    with_directory.close()


def test_an_organization_may_get_another_id(tenants: seatperm.Tenants) -> None:
    """Beside itself it can't stand: its people's addresses are theirs there too, and so they may."""
    restore(tenants._directory, lines(tenants), organization="rimu")
    assert len(tenants["rimu"].users) == len(tenants["kauri"].users)
    with pytest.raises(OrganizationExists):
        restore(tenants._directory, lines(tenants))


def test_people_of_other_organizations_are_not_mixed_up(tenants: seatperm.Tenants) -> None:
    """An address or an id that is somebody else's in the store refuses the whole file."""
    for user, error in (("zoe", EmailTaken), ("ana", UserExists)):
        other = seatperm.open_tenants(CATALOG, "memory://")
        place = other.create("totara")
        place.users.add(id=user, email="ana@kauri.example" if user == "zoe" else "other@kauri.example", name="Zoe")
        with pytest.raises(error):
            restore(other._directory, lines(tenants))
        with pytest.raises(UnknownOrganization):
            other["kauri"]


@pytest.mark.parametrize(
    ("spoil", "said"),
    [
        (lambda lines: lines[:-1], "it was cut off"),
        (lambda lines: lines[:3] + lines[4:], "line"),
        (lambda lines: [*lines[:-2], lines[-1]], "line"),
        (lambda lines: lines[1:], "the first line of an export"),
        (lambda lines: [], "begins with an organization"),
        (lambda lines: [lines[0], "{", *lines[1:]], "line 2 is '{'"),
        (lambda lines: [lines[0], '{"user": {"id": 7}}', *lines[1:]], "line 2"),
        (lambda lines: [lines[0], '{"pet": {}}', *lines[1:]], "line 2"),
        (lambda lines: [*lines[:-2], '{"event": {"number": 1}}', lines[-1]], r"line \d\d is .*number"),
        (lambda lines: [line.replace("role.assigned", "role.unassigned") for line in lines], "not as it was written"),
    ],
)
def test_a_file_that_is_not_whole_writes_nothing(
    tenants: seatperm.Tenants, spoil: Callable[[list[str]], list[str]], said: str
) -> None:
    """It is cut off, has lost or won a line, or its trail was altered."""
    directory = open_directory("memory://")
    with pytest.raises(InvalidValue, match=said):
        restore(directory, spoil(lines(tenants)))
    assert list(directory.organizations()) == []


def test_a_change_while_it_is_read_is_told(tenants: seatperm.Tenants) -> None:
    """What was read would be of two moments."""
    reading = export(tenants._directory, "kauri")
    assert json.loads(next(reading))["organization"]["id"] == "kauri"
    tenants["kauri"].users.unlock("dee")
    with pytest.raises(InvalidValue, match="export it anew"):
        list(reading)
