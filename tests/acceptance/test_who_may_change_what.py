"""Who may change what: the table of rights, the last administrator, settings, groups, own and all."""

from __future__ import annotations

import json
import subprocess
import sys
import tomllib
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from pathlib import Path
from threading import Barrier

import pytest
from attrs import frozen
from click.testing import CliRunner

import seatperm
from seatperm import (
    AccessDenied,
    LastAdministrator,
    Organization,
    Reason,
    SettingsMasked,
    UserLimitReached,
)
from seatperm.cli import main
from seatperm.testing import ManualClock

from ..books import CATALOG, AddUser
from . import administrators

Call = Callable[[Organization], object]

USERS = "organization.users"

CHANGES: dict[str, tuple[str, str, Call]] = {
    "invite": (USERS, "create", lambda org: org.users.invite(email="new@kauri.example", name="New")),
    "add": (USERS, "create", lambda org: org.users.add(id="new", email="new@kauri.example", name="New")),
    "reinvite": (USERS, "create", lambda org: org.users.reinvite("tom")),
    "rename": (USERS, "edit", lambda org: org.users.rename("tom", "Thomas")),
    "change_email": (USERS, "edit", lambda org: org.users.change_email("tom", "new@kauri.example")),
    "lock": (USERS, "edit", lambda org: org.users.lock("tom")),
    "unlock": (USERS, "edit", lambda org: org.users.unlock("tom")),
    "assign": (USERS, "assign", lambda org: org.users.assign("tom", "bookkeeper")),
    "unassign": (USERS, "assign", lambda org: org.users.unassign("tom", "sales_staff")),
    "override": (USERS, "assign", lambda org: org.users.override("tom", "ledger", "view")),
    "clear": (USERS, "assign", lambda org: org.users.clear("tom", "ledger")),
    "reset": (USERS, "assign", lambda org: org.users.reset("tom")),
    "copy_settings": (USERS, "assign", lambda org: org.users.copy_settings("admin", "tom")),
    "set_type": (USERS, "assign", lambda org: org.users.set_type("tom", "partner")),
    "set_global_permissions": (USERS, "assign", lambda org: org.set_global_permissions({"ledger": "view"})),
    "define_role": (USERS, "assign", lambda org: org.define_role("own", title="Own", grants={"ledger": "view"})),
    "remove_role": (USERS, "assign", lambda org: org.remove_role("ours")),
    "dismiss": (USERS, "delete", lambda org: org.users.dismiss("tom")),
    "staff.add": ("organization.staff", "edit", lambda org: org.staff.add("Joe")),
    "staff.link": ("organization.staff", "edit", lambda org: org.staff.link("s-1", "tom")),
    "staff.unlink": ("organization.staff", "edit", lambda org: org.staff.unlink("s-2")),
    "staff.deactivate": ("organization.staff", "edit", lambda org: org.staff.deactivate("s-1")),
    "staff.reactivate": ("organization.staff", "edit", lambda org: org.staff.reactivate("s-1")),
    "change_license": ("organization.license", "edit", lambda org: org.change_license(session_limit=4)),
}
"""Each call that changes something, with what it asks for."""

READS: dict[str, tuple[str, Call]] = {
    "users": (USERS, lambda org: org.users["tom"]),
    "by_email": (USERS, lambda org: org.users.by_email("tom@kauri.example")),
    "can": (USERS, lambda org: org.can("tom", "sales", "view")),
    "explain": (USERS, lambda org: org.explain("tom", "sales", "view")),
    "access": (USERS, lambda org: org.access("tom")),
    "roles": (USERS, lambda org: org.roles("tom")),
    "staff": ("organization.staff", lambda org: org.staff["s-1"]),
    "license": ("organization.license", lambda org: org.license),
    "audit": ("organization.audit", lambda org: org.audit),
}
"""Each call that reads about somebody or something, with the resource on which it asks for `view`."""


@pytest.fixture
def people(org: Organization, add: AddUser) -> None:
    """`tom`, of sales; `clerk`, who holds nothing; staff, and a role of the organization's own."""
    add("tom", "sales_staff")
    add("ann")
    add("clerk")
    org.staff.add("Joe", id="s-1")
    org.staff.add("Ann", user="ann", id="s-2")
    org.define_role("ours", title="Ours", grants={"ledger": "view"})


# The table


@pytest.mark.usefixtures("people")
@pytest.mark.parametrize("name", CHANGES)
def test_who_holds_nothing_but_what_a_change_asks_for_may_make_it(org: Organization, name: str) -> None:
    resource, action, call = CHANGES[name]
    if name in ("clear", "reset"):
        org.users.override("tom", "ledger", "view")
    if name == "unlock":
        org.users.lock("tom")
    if name == "staff.reactivate":
        org.staff.deactivate("s-1")
    if name == "copy_settings":
        org.users.override("admin", "ledger", "view")
    org.users.override("clerk", resource, {"actions": [action]})
    call(org.as_user("clerk"))
    assert list(org.audit)[-1].actor == "clerk"


@pytest.mark.usefixtures("people")
@pytest.mark.parametrize("name", CHANGES)
def test_who_holds_everything_but_what_a_change_asks_for_may_not(org: Organization, name: str) -> None:
    resource, action, call = CHANGES[name]
    for other in (USERS, "organization.staff", "organization.license"):
        held = [each for each in org.catalog.actions(other) if (other, each) != (resource, action)]
        org.users.override("clerk", other, {"actions": held})
    revision = org.revision
    with pytest.raises(AccessDenied) as denied:
        call(org.as_user("clerk"))
    assert (denied.value.decision.resource, denied.value.decision.action) == (resource, action)
    assert org.revision == revision


@pytest.mark.usefixtures("people")
@pytest.mark.parametrize("name", CHANGES)
def test_the_host_itself_may_do_all(org: Organization, name: str) -> None:
    CHANGES[name][2](org)


@pytest.mark.usefixtures("people")
@pytest.mark.parametrize("name", READS)
def test_reading_asks_for_view_on_what_is_read(org: Organization, name: str) -> None:
    resource, call = READS[name]
    with pytest.raises(AccessDenied) as denied:
        call(org.as_user("clerk"))
    assert (denied.value.decision.resource, denied.value.decision.action) == (resource, "view")
    org.users.override("clerk", resource, "view")
    call(org.as_user("clerk"))


@pytest.mark.usefixtures("people")
def test_ending_anothers_session_takes_edit_on_sessions(org: Organization) -> None:
    own, other = org.sign_in("clerk"), org.sign_in("tom")
    org.users.override("clerk", "organization.sessions", "view")
    with pytest.raises(AccessDenied) as denied:
        org.as_user("clerk").sessions.end(other.id)
    assert (denied.value.decision.resource, denied.value.decision.action) == ("organization.sessions", "edit")
    assert org.as_user("clerk").sessions.end(own.id)
    org.users.override("clerk", "organization.sessions", "edit")
    assert org.as_user("clerk").sessions.end(other.id)


@pytest.mark.usefixtures("people")
def test_everybody_may_view_own_details_and_not_change_them(org: Organization) -> None:
    for setting in ("none", "full"):
        org.users.override("ann", USERS, "none")
        org.users.override("ann", "organization.staff", "none" if setting == "none" else "view:own")
        acting = org.as_user("ann")
        assert acting.users["ann"].name == "Ann"
        assert acting.roles("ann").held == ()
        assert acting.can("ann", "sales.invoices", "view", scope="own")
        assert (acting.staff["s-2"].name, [each.id for each in acting.staff]) == ("Ann", ["s-2"])
        calls: list[Callable[[], object]] = [
            lambda: org.as_user("ann").users.rename("ann", "Anna"),
            lambda: org.as_user("ann").users.change_email("ann", "anna@kauri.example"),
            lambda: org.as_user("ann").staff.unlink("s-2"),
            lambda: org.as_user("ann").staff["s-1"],
        ]
        for call in calls:
            with pytest.raises(AccessDenied):
                call()


@pytest.mark.usefixtures("people")
def test_a_new_session_limit_with_a_new_user_takes_edit_on_the_license(org: Organization) -> None:
    org.users.override("clerk", USERS, {"actions": ["create"]})
    calls: list[Call] = [
        lambda org: org.users.add(id="li", email="li@kauri.example", name="Li", session_limit=5),
        lambda org: org.users.invite(email="sam@kauri.example", name="Sam", session_limit=6),
    ]
    for call, limit in zip(calls, (5, 6), strict=True):
        org.users.clear("clerk", "organization.license")
        revision = org.revision
        with pytest.raises(AccessDenied) as denied:
            call(org.as_user("clerk"))
        assert (denied.value.decision.resource, denied.value.decision.action) == ("organization.license", "edit")
        assert org.revision == revision
        org.users.override("clerk", "organization.license", "edit")
        revision = org.revision
        call(org.as_user("clerk"))
        assert (org.license.session_limit, org.revision) == (limit, revision + 1)


def test_a_user_and_a_session_limit_come_together_or_not_at_all(org: Organization, add: AddUser) -> None:
    assert add("tom")
    assert org.license.session_limit == 3
    with pytest.raises(seatperm.InvalidLicense):
        org.users.add(id="li", email="li@kauri.example", name="Li", session_limit=0)
    with pytest.raises(seatperm.EmailTaken):
        org.users.add(id="li", email="tom@kauri.example", name="Li", session_limit=9)
    assert org.users.get("li") is None
    assert org.license.session_limit == 3


@pytest.mark.usefixtures("people")
def test_some_calls_are_the_hosts_alone(org: Organization) -> None:
    invitation = org.users.invite(email="sam@kauri.example", name="Sam")
    session = org.sign_in("ann")
    acting = org.as_user("admin")
    calls: list[Callable[[], object]] = [
        lambda: acting.users.accept(invitation.token),
        lambda: acting.users.forget("tom"),
        lambda: acting.relate("sales", lambda user, record, action: None),
        lambda: acting.as_user("tom"),
        lambda: acting.sign_in("tom"),
        lambda: acting.resume(session.token),
    ]
    for call in calls:
        with pytest.raises(AccessDenied) as denied:
            call()
        assert denied.value.decision.reason is Reason.HOST_ONLY
    assert org.as_user("ann").resume(session.token).id == session.id


@pytest.mark.usefixtures("people")
@pytest.mark.parametrize("name", ["rename", "change_email", "lock", "unlock", "reinvite", "dismiss"])
def test_touching_who_may_assign_takes_assign_too(org: Organization, name: str) -> None:
    org.users.assign("tom", "organization_admin")
    org.users.override("clerk", USERS, {"actions": ["create", "edit", "delete"]})
    with pytest.raises(AccessDenied) as denied:
        CHANGES[name][2](org.as_user("clerk"))
    assert denied.value.decision.action == "assign"


# The last administrator


def test_the_last_who_may_assign_cannot_be_locked_dismissed_or_deprived_of_it(
    org: Organization, clock: ManualClock
) -> None:
    attempts: list[Call] = [
        lambda org: org.users.lock("admin"),
        lambda org: org.users.dismiss("admin"),
        lambda org: org.users.forget("admin"),
        lambda org: org.users.unassign("admin", "organization_admin"),
        lambda org: org.users.assign("admin", "organization_admin", until=clock.now() + timedelta(days=1)),
        lambda org: org.users.override("admin", USERS, "edit"),
        lambda org: org.users.override("admin", USERS, "view", until=clock.now() + timedelta(days=1)),
        lambda org: org.users.change_email("admin", "new@kauri.example"),
    ]
    org.users.add(id="modest", email="modest@kauri.example", name="Mo")
    org.users.override("modest", USERS, "none")
    attempts.append(lambda org: org.users.copy_settings("modest", "admin"))
    revision = org.revision
    for attempt in attempts:
        with pytest.raises(LastAdministrator):
            attempt(org)
    assert org.revision == revision
    assert org.can("admin", USERS, "assign")


@pytest.mark.parametrize("how", ["lock", "resign"])
def test_of_two_administrators_acting_at_once_exactly_one_is_left(org: Organization, add: AddUser, how: str) -> None:
    """Each locks the other, or gives the role up."""
    add("ann", "organization_admin")
    add("bob", "organization_admin")
    org.users.lock("admin")

    def act(who: str, whom: str, start: Barrier) -> str:
        start.wait()
        return administrators.act(org, how, who, whom)

    with ThreadPoolExecutor(2) as pool:
        for _ in range(20):
            start = Barrier(2)
            answers = list(pool.map(act, ("ann", "bob"), ("bob", "ann"), (start, start)))
            check(org, how, answers)


@pytest.mark.parametrize("how", ["lock", "resign"])
def test_of_two_administrators_in_two_processes_exactly_one_is_left(tmp_path: Path, how: str) -> None:
    """On one SQLite file."""
    catalog, url = tmp_path / "catalog.toml", f"sqlite:///{tmp_path / 'books.db'}"
    catalog.write_text(CATALOG, "utf-8")
    org = seatperm.open(catalog, url, staleness=timedelta(0))
    for id in ("ann", "bob"):
        org.users.add(id=id, email=f"{id}@kauri.example", name=id, roles=["organization_admin"])

    def begin(who: str, whom: str) -> subprocess.Popen[str]:
        command = [sys.executable, str(administrators.__file__), url, str(catalog), how, who, whom]
        return subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, bufsize=1)

    def heard(process: subprocess.Popen[str]) -> str:
        assert process.stdout is not None
        return process.stdout.readline().strip()

    with begin("ann", "bob") as one, begin("bob", "ann") as other:
        assert [heard(process) for process in (one, other)] == ["ready", "ready"]
        for turn in range(20):
            for process in (one, other) if turn % 2 else (other, one):
                assert process.stdin is not None
                process.stdin.write("now\n")
            check(org, how, [heard(process) for process in (one, other)])
    assert (one.returncode, other.returncode) == (0, 0)
    org.close()


def check(org: Organization, how: str, answers: list[str]) -> None:
    """One of ann and bob did it, and one is an administrator still; then both are again."""
    assert sorted(answers) == (["AccessDenied", "done"] if how == "lock" else ["LastAdministrator", "done"])
    assert [org.can(id, USERS, "assign") for id in ("ann", "bob")].count(True) == 1
    for id in ("ann", "bob"):
        org.users.unlock(id)
        org.users.assign(id, "organization_admin")


# Handing out


HANDING_OUT: dict[str, Callable[[Organization, str], object]] = {
    "role": lambda org, whom: org.users.assign(whom, "bookkeeper"),
    "override": lambda org, whom: org.users.override(whom, "ledger", "full"),
    "reset": lambda org, whom: org.users.reset(whom),
    "copy": lambda org, whom: org.users.copy_settings("rich", whom),
    "type": lambda org, whom: org.users.set_type(whom, "partner"),
}


@pytest.fixture
def rich(org: Organization, add: AddUser) -> None:
    """`rich` has a setting to copy; `manager` may do all to users but assign; `tom` has nothing."""
    add("rich")
    add("manager", "user_manager")
    add("tom")
    org.users.override("manager", USERS, {"actions": ["view", "create", "edit", "delete"]})
    org.users.override("rich", "ledger", "full")
    org.set_global_permissions({"ledger": "view"})


@pytest.mark.usefixtures("rich")
@pytest.mark.parametrize("whom", ["tom", "manager"])
@pytest.mark.parametrize("how", HANDING_OUT)
def test_who_lacks_assign_hands_out_nothing_to_others_or_to_oneself(org: Organization, how: str, whom: str) -> None:
    before = org.access(whom)
    with pytest.raises(AccessDenied) as denied:
        HANDING_OUT[how](org.as_user("manager"), whom)
    assert denied.value.decision.action == "assign"
    assert org.access(whom) == before


@pytest.mark.usefixtures("rich")
def test_who_lacks_assign_hands_out_nothing_by_custom_role_or_global_permission(org: Organization) -> None:
    org.define_role("ours", title="Ours", grants={"ledger": "view"})
    org.users.assign("manager", "ours")
    acting = org.as_user("manager")
    calls: list[Callable[[], object]] = [
        lambda: acting.define_role("ours", title="Ours", grants={"ledger": "full"}),
        lambda: acting.define_role("other", title="Other", grants={"ledger": "full"}),
        lambda: acting.set_global_permissions({"ledger": "full"}),
    ]
    for call in calls:
        with pytest.raises(AccessDenied) as denied:
            call()
        assert denied.value.decision.action == "assign"
    assert not org.can("manager", "ledger", "edit")


@pytest.mark.usefixtures("rich")
@pytest.mark.parametrize("how", HANDING_OUT)
def test_every_hand_out_to_oneself_is_marked_in_the_trail(org: Organization, how: str) -> None:
    for whom, marked in (("tom", False), ("admin", True)):
        HANDING_OUT[how](org.as_user("admin"), whom)
        event = list(org.audit)[-1]
        assert (event.actor, event.user) == ("admin", whom)
        assert event.details is not None
        assert event.details.get("to_oneself", False) is marked


# Global permissions and personal settings


def test_global_permissions_are_copied_to_each_new_user_and_a_later_change_leaves_existing_users_alone(
    org: Organization, add: AddUser
) -> None:
    early = add("early")
    assert early.base == org.global_permissions
    org.set_global_permissions({"ledger": "edit"})
    invited = org.users.invite(id="late", email="late@kauri.example", name="Late")
    org.set_global_permissions({})
    org.users.accept(invited.token)
    assert (org.can("early", "ledger", "view"), org.can("late", "ledger", "edit")) == (False, True)
    assert org.can("early", "sales.invoices", "view", scope="own")
    assert dict(add("latest").base) == {}


@pytest.mark.parametrize(
    ("resource", "setting", "action", "reach"),
    [
        ("sales.cards", "yes", "use", "all"),
        ("sales.cards", "no", "use", None),
        ("ledger", "edit", "edit", "all"),
        ("ledger", "edit", "delete", None),
        ("sales", "edit:own", "edit", "own"),
        ("sales", "view:team", "view", "team"),
        ("sales", "none", "view", None),
        ("sales", "full", "delete", "all"),
    ],
)
def test_a_personal_setting_is_yes_or_no_or_a_level_or_a_scope_up_or_down(
    org: Organization, add: AddUser, resource: str, setting: str, action: str, reach: str | None
) -> None:
    add("tom", "sales_staff")
    org.users.override("tom", resource, setting)
    assert org.widest_scope("tom", resource, action) == reach


def test_a_personal_setting_may_have_an_end(org: Organization, add: AddUser, clock: ManualClock) -> None:
    add("tom", "sales_staff")
    org.users.override("tom", "sales", "none", until=clock.now() + timedelta(days=1))
    org.users.override("tom", "ledger", "view", until=clock.now() + timedelta(days=2))
    clock.advance(timedelta(days=1) - timedelta(seconds=1))
    assert (org.can("tom", "sales", "view"), org.can("tom", "ledger", "view")) == (False, True)
    clock.advance(timedelta(seconds=1))
    assert (org.can("tom", "sales", "view"), org.can("tom", "ledger", "view")) == (True, True)
    clock.advance(timedelta(days=1))
    assert (org.can("tom", "sales", "view"), org.can("tom", "ledger", "view")) == (True, False)


def test_clear_removes_one_setting_and_reset_all_copying_todays_global_permissions(
    org: Organization, add: AddUser
) -> None:
    add("tom")
    org.users.override("tom", "ledger", "full")
    org.users.override("tom", "sales", "edit")
    assert set(org.users.clear("tom", "ledger").overrides) == {"sales"}
    org.set_global_permissions({"ledger": "view"})
    user = org.users.reset("tom")
    assert (dict(user.overrides), user.base) == ({}, org.global_permissions)
    assert org.can("tom", "ledger", "view")
    assert not org.can("tom", "sales.invoices", "view", scope="own")


def test_one_users_settings_are_copied_to_others(org: Organization, add: AddUser, clock: ManualClock) -> None:
    end = clock.now() + timedelta(days=1)
    add("model", "bookkeeper")
    org.users.override("model", "sales", "edit:own")
    org.users.override("model", "ledger", "view", until=end)
    org.set_global_permissions({})
    for id in ("tom", "ann"):
        add(id)
        org.users.override(id, "sales.cards", "yes")
    revision = org.revision
    copied = org.users.copy_settings("model", "tom", "ann")
    model = org.users["model"]
    assert [(user.id, user.overrides, user.base) for user in copied] == [
        (id, model.overrides, model.base) for id in ("tom", "ann")
    ]
    assert model.overrides["ledger"].until == end
    assert [dict(user.roles) for user in copied] == [{}, {}]
    assert org.revision == revision + 1
    assert [(event.kind, event.user) for event in list(org.audit)[-2:]] == [
        ("settings.copied", "tom"),
        ("settings.copied", "ann"),
    ]
    assert org.users.copy_settings("model", "tom", "ann") == copied
    assert org.revision == revision + 1


def test_copying_to_many_changes_all_or_none(org: Organization, add: AddUser) -> None:
    add("model")
    org.users.override("model", "ledger", "view")
    before = add("tom")
    add("boss", "owner")
    with pytest.raises(SettingsMasked) as masked:
        org.users.copy_settings("model", "tom", "boss")
    assert masked.value.user == "boss"
    with pytest.raises(seatperm.UnknownUser):
        org.users.copy_settings("model", "tom", "nobody")
    assert org.users["tom"] == before


def test_every_permission_has_a_description_that_the_listing_shows(tmp_path: Path, url: str) -> None:
    """Every catalog's own too; by `org.access`, and on the command line."""
    described = tomllib.loads(CATALOG)
    for path, resource in described["resources"].items():
        resource["description"] = f"What {path} is for."
    org = seatperm.open(described, url)
    org.users.add(id="tom", email="tom@kauri.example", name="Tom")
    found = org.access("tom")
    assert found.table.keys() == found.resources.keys()
    assert found.resources["sales"].description == "What sales is for."
    assert [path for path, resource in found.resources.items() if not (resource.title or resource.description)] == []
    assert all(found.resources[path].description for path in found.table)
    org.close()
    if url == "memory://":
        url = f"sqlite:///{tmp_path / 'for-the-command-line.db'}"
        again = seatperm.open(described, url)
        again.users.add(id="tom", email="tom@kauri.example", name="Tom")
        again.close()
    catalog = tmp_path / "catalog.json"
    catalog.write_text(json.dumps(described), "utf-8")
    options = ["access", "tom", "--catalog", str(catalog), "--store", url]
    printed = CliRunner().invoke(main, [*options, "--format", "json"])
    assert {row["resource"]: row["description"] for row in json.loads(printed.stdout)} == {
        path: resource.description for path, resource in found.resources.items()
    }
    wide = CliRunner(env={"COLUMNS": "200"}).invoke(main, [*options, "--describe"]).stdout
    assert "What sales.invoices is for." in wide
    assert "Who may sign in, and what they may do." in wide


# Groups


@pytest.fixture
def crm(url: str) -> Iterator[Organization]:
    """A catalog of groups: an Admin group, a Sales Rep group, and one without grants."""
    opened = seatperm.open(
        {
            "ladders": {"switch": {"levels": ["no", "yes"], "actions": {"use": "yes"}}},
            "packages": {"crm": {}},
            "resources": {
                "contacts": {"package": "crm", "ladder": "switch"},
                "export": {"package": "crm", "ladder": "switch"},
            },
            "roles": {
                "admin": {"package": "crm", "everything": True},
                "sales_rep": {"package": "crm", "title": "Sales Rep"},
                "supervisors": {"package": "crm"},
            },
            "global_permissions": {"contacts": "yes:own"},
        },
        url,
    )
    yield opened
    opened.close()


def test_members_of_an_admin_group_may_do_all_that_the_package_contains(org: Organization, add: AddUser) -> None:
    add("jan", "owner")
    org.users.assign("jan", "own_sales")
    for resource, cells in org.access("jan").table.items():
        inside = not resource.startswith("organization") and resource != "payroll"
        assert (cells["all"].actions == tuple(org.catalog.actions(resource))) is inside, resource


def test_settings_of_an_admin_group_s_member_cannot_be_changed_and_come_back_on_leaving(crm: Organization) -> None:
    crm.users.add(id="jan", email="jan@crm.example", name="Jan")
    crm.users.override("jan", "contacts", "no")
    settings = crm.users["jan"].overrides
    crm.users.assign("jan", "admin")
    assert crm.can("jan", "contacts", "use")
    calls: list[Callable[[], object]] = [
        lambda: crm.users.override("jan", "export", "no"),
        lambda: crm.users.clear("jan", "contacts"),
        lambda: crm.users.reset("jan"),
        lambda: crm.users.copy_settings("jan", "jan"),
    ]
    for call in calls:
        with pytest.raises(SettingsMasked) as masked:
            call()
        assert (masked.value.user, masked.value.role) == ("jan", "admin")
    crm.users.unassign("jan", "admin")
    assert crm.users["jan"].overrides == settings
    assert not crm.can("jan", "contacts", "use", scope="own")
    assert not crm.can("jan", "export", "use")


def test_membership_of_a_sales_rep_group_alone_makes_eligible_as_an_owner(crm: Organization) -> None:
    """The application asks for the membership itself: it says nothing of what its holders may do."""
    for id, roles in (("raj", ["sales_rep"]), ("kim", ["sales_rep"]), ("jan", ["admin"]), ("bo", [])):
        crm.users.add(id=id, email=f"{id}@crm.example", name=id, roles=roles)
    assert [user.id for user in crm.users if "sales_rep" in user.roles] == ["kim", "raj"]
    assert [role.title for role in crm.roles("raj").held] == ["Sales Rep"]
    assert crm.access("raj").table == crm.access("bo").table


def test_a_group_without_grants_does_nothing(crm: Organization) -> None:
    crm.users.add(id="mia", email="mia@crm.example", name="Mia")
    before = crm.access("mia")
    crm.users.assign("mia", "supervisors")
    assert [role.id for role in crm.roles("mia").held] == ["supervisors"]
    assert crm.access("mia") == before


# Own and all


@frozen
class Contact:
    """A record of the host's."""

    owner: str
    viewers: tuple[str, ...] = ()
    editors: tuple[str, ...] = ()


@pytest.fixture
def contacts(url: str) -> Iterator[Organization]:
    """View and edit of contacts as two permissions; sharing to view is not sharing to edit."""
    opened = seatperm.open(
        {
            "ladders": {"switch": {"levels": ["no", "yes"], "actions": {"use": "yes"}}},
            "packages": {"crm": {}},
            "resources": {
                "contacts": {"package": "crm", "ladder": "switch"},
                "contacts.view": {"ladder": "switch"},
                "contacts.edit": {
                    "ladder": "switch",
                    "actions": {"use": {"level": "yes", "implies": ["contacts.view:use"]}},
                },
                "contacts.touch": {"ladder": "switch"},
            },
        },
        url,
    )

    @opened.relate("contacts.view")
    def to_view(user: seatperm.User, record: Contact, action: str) -> str | None:
        return "own" if user.id in (record.owner, *record.viewers, *record.editors) else None

    @opened.relate("contacts.edit")
    def to_edit(user: seatperm.User, record: Contact, action: str) -> str | None:
        return "own" if user.id in (record.owner, *record.editors) else None

    opened.users.add(id="kim", email="kim@crm.example", name="Kim")
    yield opened
    opened.close()


def test_view_all_and_edit_all_are_apart(contacts: Organization) -> None:
    other = Contact("raj")
    contacts.users.override("kim", "contacts.view", "yes")
    assert contacts.can("kim", "contacts.view", "use", other)
    assert not contacts.can("kim", "contacts.edit", "use", other)
    assert not contacts.can("kim", "contacts.touch", "use")


def test_edit_all_implies_view_where_the_catalog_says_so(contacts: Organization) -> None:
    contacts.users.override("kim", "contacts.edit", "yes")
    assert contacts.can("kim", "contacts.view", "use", Contact("raj"))
    contacts.users.clear("kim", "contacts.edit")
    contacts.users.override("kim", "contacts.touch", "yes")
    assert not contacts.can("kim", "contacts.view", "use", Contact("raj"))


def test_own_means_owned_or_shared_as_the_hosts_relation_says_for_that_action(contacts: Organization) -> None:
    contacts.users.override("kim", "contacts.view", "yes:own")
    contacts.users.override("kim", "contacts.edit", "yes:own")
    records = {
        "own": Contact("kim"),
        "shared to view": Contact("raj", viewers=("kim",)),
        "shared to edit": Contact("raj", editors=("kim",)),
        "another's": Contact("raj", viewers=("bo",), editors=("bo",)),
    }
    found = {
        name: tuple(contacts.can("kim", f"contacts.{what}", "use", record) for what in ("view", "edit"))
        for name, record in records.items()
    }
    assert found == {
        "own": (True, True),
        "shared to view": (True, False),
        "shared to edit": (True, True),
        "another's": (False, False),
    }


def test_one_single_permission_can_be_given_to_one_user_who_has_nothing_else(org: Organization, add: AddUser) -> None:
    org.set_global_permissions({})
    add("pia", type="partner")
    org.users.override("pia", "ledger", {"actions": ["delete"]})
    allowed = {
        (resource, action) for resource, cells in org.access("pia").table.items() for action in cells["all"].actions
    }
    assert allowed == {("ledger", "delete")}


# Who could be locked


def test_the_refusal_of_one_more_named_user_says_who_could_be_locked(org: Organization, add: AddUser) -> None:
    for number in range(11):
        add(f"u-{number:02}")
    add("pat", type="partner")
    org.users.lock("u-03")
    org.change_license(user_limit=11)
    with pytest.raises(UserLimitReached) as reached:
        add("ann")
    assert (reached.value.limit, reached.value.in_use) == (11, 11)
    assert reached.value.could_lock == tuple(f"u-{number:02}" for number in range(11) if number != 3)
    assert "u-00" not in str(reached.value)
    org.users.lock(reached.value.could_lock[0])
    assert add("ann").active


def test_who_may_not_view_users_is_not_told_who_could_be_locked(org: Organization, add: AddUser) -> None:
    add("clerk")
    org.users.override("clerk", USERS, {"actions": ["create"]})
    org.change_license(user_limit=2)
    with pytest.raises(UserLimitReached) as reached:
        org.as_user("clerk").users.add(id="new", email="new@kauri.example", name="New")
    assert reached.value.could_lock == ()
