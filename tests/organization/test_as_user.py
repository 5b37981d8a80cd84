"""Who may change what, and read what, through `as_user`: each line of the contract's table, both ways."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta

import pytest

from seatperm import AccessDenied, Organization, Reason
from seatperm.testing.clock import ManualClock

from .conftest import AddUser

Call = Callable[[Organization], object]

CHANGES: dict[str, tuple[str, Call]] = {
    "invite": ("create", lambda org: org.users.invite(email="new@kauri.example", name="New")),
    "add": ("create", lambda org: org.users.add(id="new", email="new@kauri.example", name="New")),
    "reinvite": ("create", lambda org: org.users.reinvite("tom")),
    "rename": ("edit", lambda org: org.users.rename("tom", "Thomas")),
    "change_email": ("edit", lambda org: org.users.change_email("tom", "new@kauri.example")),
    "lock": ("edit", lambda org: org.users.lock("tom")),
    "unlock": ("edit", lambda org: org.users.unlock("tom")),
    "dismiss": ("delete", lambda org: org.users.dismiss("tom")),
    "assign": ("assign", lambda org: org.users.assign("tom", "bookkeeper")),
    "unassign": ("assign", lambda org: org.users.unassign("tom", "sales_staff")),
    "override": ("assign", lambda org: org.users.override("tom", "ledger", "view")),
    "clear": ("assign", lambda org: org.users.clear("tom", "ledger")),
    "reset": ("assign", lambda org: org.users.reset("tom")),
    "set_type": ("assign", lambda org: org.users.set_type("tom", "partner")),
    "set_global_permissions": ("assign", lambda org: org.set_global_permissions({"ledger": "view"})),
}


@pytest.fixture(autouse=True)
def _tom(add: AddUser) -> None:
    add("tom", "sales_staff")
    add("clerk")


@pytest.mark.parametrize("name", CHANGES)
def test_who_holds_what_a_change_asks_for_may_make_it(org: Organization, name: str) -> None:
    action, call = CHANGES[name]
    if name in ("clear", "reset"):
        org.users.override("tom", "ledger", "view")
    if name == "unlock":
        org.users.lock("tom")
    org.users.override("clerk", "organization.users", {"actions": [action]})
    call(org.as_user("clerk"))
    assert list(org.audit)[-1].actor == "clerk"


@pytest.mark.parametrize("name", CHANGES)
def test_who_holds_everything_but_what_a_change_asks_for_may_not(org: Organization, name: str) -> None:
    action, call = CHANGES[name]
    others = [other for other in ("view", "create", "edit", "delete", "assign") if other != action]
    org.users.override("clerk", "organization.users", {"actions": others})
    revision = org.revision
    with pytest.raises(AccessDenied) as denied:
        call(org.as_user("clerk"))
    assert denied.value.decision.action == action
    assert denied.value.decision.user == "clerk"
    assert org.revision == revision


@pytest.mark.parametrize("name", CHANGES)
def test_the_host_itself_may_do_all(org: Organization, name: str) -> None:
    CHANGES[name][1](org)


@pytest.mark.parametrize("name", ["create", "delete"])
def test_what_is_asked_of_every_record_is_not_given_by_own(org: Organization, name: str) -> None:
    org.users.override("clerk", "organization.users", {"actions": [name], "scope": "own"})
    with pytest.raises(AccessDenied):
        org.as_user("clerk").users.dismiss("clerk") if name == "delete" else org.as_user("clerk").users.reinvite(
            "clerk"
        )


def test_edit_own_reaches_oneself_and_nobody_else(org: Organization) -> None:
    org.users.override("clerk", "organization.users", "edit:own")
    assert org.as_user("clerk").users.rename("clerk", "Claire").name == "Claire"
    with pytest.raises(AccessDenied):
        org.as_user("clerk").users.rename("tom", "Thomas")


@pytest.mark.parametrize("how", ["roles", "type"])
def test_roles_and_types_handed_out_with_an_invitation_take_assign(org: Organization, how: str) -> None:
    org.users.override("clerk", "organization.users", {"actions": ["create"]})
    extra = {"roles": ["sales_staff"]} if how == "roles" else {"type": "partner"}
    for call in (
        lambda: org.as_user("clerk").users.invite(email="new@kauri.example", name="New", **extra),
        lambda: org.as_user("clerk").users.add(id="new", email="new@kauri.example", name="New", **extra),
    ):
        with pytest.raises(AccessDenied) as denied:
            call()
        assert denied.value.decision.action == "assign"


@pytest.mark.parametrize("name", ["rename", "change_email", "lock", "unlock", "reinvite", "dismiss"])
@pytest.mark.parametrize("state", ["active", "locked", "invited"])
def test_touching_who_may_assign_takes_assign(org: Organization, add: AddUser, name: str, state: str) -> None:
    org.users.override("clerk", "organization.users", {"actions": ["create", "edit", "delete"]})
    if state == "invited":
        org.users.dismiss("tom")
        org.users.invite(id="tom", email="tom@kauri.example", name="Tom", roles=["organization_admin"])
    else:
        org.users.assign("tom", "organization_admin")
    if state == "locked":
        org.users.lock("tom")
    with pytest.raises(AccessDenied) as denied:
        CHANGES[name][1](org.as_user("clerk"))
    assert denied.value.decision.action == "assign"
    add("second", "organization_admin")
    org.users.override("clerk", "organization.users", {"actions": ["create", "edit", "delete", "assign"]})
    CHANGES[name][1](org.as_user("clerk"))


def test_who_lacks_assign_hands_out_nothing_to_oneself(org: Organization, add: AddUser) -> None:
    add("manager", "user_manager")
    acting = org.as_user("manager")
    for call in (
        lambda: acting.users.assign("manager", "organization_admin"),
        lambda: acting.users.override("manager", "organization.users", "full"),
        lambda: acting.users.reset("manager"),
        lambda: acting.users.set_type("manager", "partner"),
        lambda: acting.set_global_permissions({"organization.users": "full"}),
    ):
        with pytest.raises(AccessDenied):
            call()


def test_a_hand_out_to_oneself_is_marked_in_the_trail(org: Organization) -> None:
    org.as_user("admin").users.assign("admin", "bookkeeper")
    event = list(org.audit)[-1]
    assert (event.actor, event.user, event.details and event.details["to_oneself"]) == ("admin", "admin", True)


READS: dict[str, tuple[str, Call]] = {
    "users[...]": ("organization.users", lambda org: org.users["tom"]),
    "users.get": ("organization.users", lambda org: org.users.get("tom")),
    "users.by_email": ("organization.users", lambda org: org.users.by_email("tom@kauri.example")),
    "can": ("organization.users", lambda org: org.can("tom", "sales", "view")),
    "explain": ("organization.users", lambda org: org.explain("tom", "sales", "view")),
    "widest_scope": ("organization.users", lambda org: org.widest_scope("tom", "sales", "view")),
    "access": ("organization.users", lambda org: org.access("tom")),
    "roles": ("organization.users", lambda org: org.roles("tom")),
    "global_permissions": ("organization.users", lambda org: org.global_permissions),
    "license": ("organization.license", lambda org: org.license),
    "monthly_charge": ("organization.license", lambda org: org.monthly_charge),
    "preview_license": ("organization.license", lambda org: org.preview_license(session_limit=9)),
    "audit": ("organization.audit", lambda org: org.audit),
}


@pytest.mark.parametrize("name", READS)
def test_reading_takes_view_on_the_one_that_is_read(org: Organization, name: str) -> None:
    resource, call = READS[name]
    with pytest.raises(AccessDenied) as denied:
        call(org.as_user("clerk"))
    assert (denied.value.decision.resource, denied.value.decision.action) == (resource, "view")
    org.users.override("clerk", resource, "view")
    call(org.as_user("clerk"))


@pytest.mark.parametrize("name", ["users[...]", "users.get", "users.by_email", "can", "explain", "access", "roles"])
def test_ones_own_is_always_read(org: Organization, name: str) -> None:
    org.users.override("tom", "organization.users", "none")
    READS[name][1](org.as_user("tom"))


def test_own_details_may_be_seen_not_changed(org: Organization) -> None:
    assert org.as_user("tom").users["tom"].name == "Tom"
    with pytest.raises(AccessDenied):
        org.as_user("tom").users.rename("tom", "Thomas")


def test_an_unknown_id_and_a_known_one_are_refused_alike(org: Organization) -> None:
    texts = set()
    for id in ("tom", "nobody"):
        with pytest.raises(AccessDenied) as denied:
            org.as_user("clerk").users[id]
        texts.add(str(denied.value))
    assert len(texts) == 1


def test_listings_show_whom_one_may_view(org: Organization) -> None:
    assert [user.id for user in org.as_user("clerk").users] == ["clerk"]
    assert len(org.as_user("admin").users) == 3
    assert [user.id for user in org.as_user("tom").who_can("sales", "edit")] == ["tom"]
    assert [user.id for user in org.as_user("admin").who_can("sales", "edit")] == ["tom"]


def test_sessions_are_ones_own_unless_one_may_view_them(org: Organization) -> None:
    own, other = org.sign_in("clerk"), org.sign_in("tom")
    assert [seat.id for seat in org.as_user("clerk").sessions] == [own.id]
    assert len(org.as_user("admin").sessions) == 2
    with pytest.raises(AccessDenied) as denied:
        org.as_user("clerk").sessions.end(other.id)
    assert (denied.value.decision.resource, denied.value.decision.action) == ("organization.sessions", "edit")
    assert org.as_user("clerk").sessions.end(own.id)
    assert org.as_user("admin").sessions.end(other.id)
    assert not org.as_user("admin").sessions.end(other.id)


def test_changing_the_license_takes_edit_on_it(org: Organization) -> None:
    org.users.override("clerk", "organization.license", "view")
    with pytest.raises(AccessDenied):
        org.as_user("clerk").change_license(session_limit=4)
    org.users.override("clerk", "organization.license", "edit")
    assert org.as_user("clerk").change_license(session_limit=4).after.session_limit == 4


def test_one_signs_in_and_resumes_only_oneself(org: Organization) -> None:
    session = org.as_user("tom").sign_in("tom")
    assert org.as_user("tom").resume(session.token).id == session.id
    calls: list[Callable[[], object]] = [
        lambda: org.as_user("admin").sign_in("tom"),
        lambda: org.as_user("admin").resume(session.token),
    ]
    for call in calls:
        with pytest.raises(AccessDenied) as denied:
            call()
        assert denied.value.decision.reason is Reason.HOST_ONLY


def test_some_calls_are_the_hosts_alone(org: Organization) -> None:
    invitation = org.users.invite(email="sam@kauri.example", name="Sam")
    acting = org.as_user("admin")
    calls: list[Callable[[], object]] = [
        lambda: acting.users.accept(invitation.token),
        lambda: acting.relate("sales", lambda user, record, action: None),
        lambda: acting.as_user("tom"),
        lambda: acting.close(),
    ]
    for call in calls:
        with pytest.raises(AccessDenied) as denied:
            call()
        assert denied.value.decision.reason is Reason.HOST_ONLY
    assert org.users.accept(invitation.token).state == "active"


@pytest.mark.parametrize("ending", ["lock", "dismiss", "unassign"])
def test_who_lost_it_may_no_longer_act_at_the_very_next_call(org: Organization, add: AddUser, ending: str) -> None:
    add("second", "organization_admin")
    acting = org.as_user("second")
    acting.users.rename("tom", "Thomas")
    org.users.unassign("second", "organization_admin") if ending == "unassign" else getattr(org.users, ending)("second")
    with pytest.raises(AccessDenied):
        acting.users.rename("tom", "Tom")


def test_a_right_that_ends_is_gone_to_the_second(org: Organization, add: AddUser, clock: ManualClock) -> None:
    add("temp")
    until = clock.now() + timedelta(hours=1)
    org.users.override("temp", "organization.users", "edit", until=until)
    org.as_user("temp").users.rename("tom", "Thomas")
    clock.advance(timedelta(hours=1))
    with pytest.raises(AccessDenied):
        org.as_user("temp").users.rename("tom", "Tom")


def test_an_administrator_whose_setting_only_sleeps_is_not_touched_without_assign(
    org: Organization, add: AddUser, clock: ManualClock
) -> None:
    add("sleeping", "organization_admin")
    org.users.override("sleeping", "organization.users", "none", until=clock.now() + timedelta(days=1))
    add("manager", "user_manager")
    with pytest.raises(AccessDenied) as denied:
        org.as_user("manager").users.change_email("sleeping", "mine@kauri.example")
    assert denied.value.decision.action == "assign"


def test_a_denied_resumption_renews_nothing(org: Organization, clock: ManualClock) -> None:
    session = org.sign_in("tom")
    clock.advance(timedelta(minutes=20))
    with pytest.raises(AccessDenied):
        org.as_user("clerk").resume(session.token)
    assert next(iter(org.sessions)).expires_at == session.expires_at


def test_a_preview_names_only_whom_one_may_view(org: Organization) -> None:
    org.users.assign("clerk", "sales_staff")
    org.users.override("clerk", "organization.license", "view")
    assert {effect.user_id for effect in org.as_user("clerk").preview_license(package="essentials").effects} == {
        "clerk"
    }
    assert {effect.user_id for effect in org.preview_license(package="essentials").effects} == {"clerk", "tom"}


@pytest.mark.parametrize("who", ["ghost", "locked"])
def test_who_is_nobody_here_reads_nothing(org: Organization, add: AddUser, who: str) -> None:
    add("locked", "organization_admin")
    org.users.lock("locked")
    acting = org.as_user(who)
    for call in (acting.roles, lambda: acting.users.by_email("locked@kauri.example"), lambda: acting.users["locked"]):
        with pytest.raises(AccessDenied):
            call()
    assert list(acting.users) == []
