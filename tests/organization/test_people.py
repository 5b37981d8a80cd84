"""Users: invited, added, accepted, locked, renamed, dismissed."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import timedelta

import pytest

import seatperm
from seatperm import (
    Catalog,
    EmailTaken,
    InvalidValue,
    Invitation,
    InvitationRefused,
    LastAdministrator,
    Organization,
    RoleNotInPackage,
    SessionEnded,
    SignInRefused,
    StoreUnavailable,
    UnknownRole,
    UnknownUser,
    UnknownUserType,
    UserExists,
    UserLimitReached,
)
from seatperm.sessions import Full, Seat, SeatRequest
from seatperm.stores.memory_sessions import MemorySessions
from seatperm.testing.clock import ManualClock

from .conftest import AddUser


def test_an_added_user_is_active_at_once(org: Organization) -> None:
    user = org.users.add(id="42", email="tom@kauri.example", name="Tom", roles=["sales_staff"])
    assert (user.id, user.state, user.type, dict(user.roles)) == ("42", "active", "app", {"sales_staff": None})
    assert org.can("42", "sales.invoices", "edit")
    assert org.users["42"] == user == org.users.get("42") == org.users.by_email("TOM@kauri.example ")


def test_an_invited_user_has_no_access_and_no_seat_until_accepting(org: Organization) -> None:
    invitation = org.users.invite(email="sam@kauri.example", name="Sam", roles=["sales_staff"])
    user = invitation.user
    assert user.state == "invited"
    assert not org.can(user, "sales", "view")
    with pytest.raises(SignInRefused) as refused:
        org.sign_in(user)
    assert refused.value.reason == "not_active"
    assert org.users.accept(invitation.token).state == "active"
    assert org.can(user, "sales", "view")
    assert org.sign_in(user).user.id == user.id


def test_a_token_works_once(org: Organization) -> None:
    invitation = org.users.invite(email="sam@kauri.example", name="Sam")
    org.users.accept(invitation.token)
    with pytest.raises(InvitationRefused) as refused:
        org.users.accept(invitation.token)
    assert refused.value.reason == "unknown"


@pytest.mark.parametrize("token", ["", "forged", "é" * 40])
def test_a_forged_token_is_refused(org: Organization, token: str) -> None:
    org.users.invite(email="sam@kauri.example", name="Sam")
    with pytest.raises(InvitationRefused):
        org.users.accept(token)


def test_a_token_ends(org: Organization, clock: ManualClock) -> None:
    invitation = org.users.invite(email="sam@kauri.example", name="Sam")
    clock.advance(invitation.until - clock.now())
    with pytest.raises(InvitationRefused) as refused:
        org.users.accept(invitation.token)
    assert refused.value.reason == "ended"
    assert org.users[invitation.user.id].state == "invited"


def test_a_new_token_voids_the_one_before(org: Organization) -> None:
    first = org.users.invite(email="sam@kauri.example", name="Sam")
    second = org.users.reinvite(first.user)
    with pytest.raises(InvitationRefused):
        org.users.accept(first.token)
    assert org.users.accept(second.token).id == first.user.id


def test_an_active_user_can_be_issued_a_token_and_stays_active(org: Organization, add: AddUser) -> None:
    add("tom")
    invitation = org.users.reinvite("tom")
    assert org.users["tom"].state == "active"
    assert org.users.accept(invitation.token).state == "active"


@pytest.mark.parametrize(
    "again", ["tom@kauri.example", "TOM@Kauri.Example", "  tom@kauri.example ", "ｔom@kauri.example"]
)
def test_an_address_belongs_to_one_user_however_it_is_spelt(org: Organization, add: AddUser, again: str) -> None:
    add("tom")
    with pytest.raises(EmailTaken):
        org.users.invite(email=again, name="Other")
    with pytest.raises(EmailTaken):
        org.users.add(id="other", email=again, name="Other")
    add("ann")
    with pytest.raises(EmailTaken):
        org.users.change_email("ann", again)
    assert org.users["ann"].email == "ann@kauri.example"


def test_an_address_in_use_is_refused_without_naming_its_holder_locked_and_invited_ones_too(
    org: Organization, add: AddUser
) -> None:
    add("tom")
    org.users.lock("tom")
    org.users.invite(email="sam@kauri.example", name="Samuel", id="s1")
    for address in ("tom@kauri.example", "sam@kauri.example"):
        with pytest.raises(EmailTaken) as taken:
            org.users.invite(email=address, name="New")
        assert "Tom" not in str(taken.value)
        assert "Samuel" not in str(taken.value)
        assert "s1" not in str(taken.value)


def test_an_id_is_used_once(org: Organization, add: AddUser) -> None:
    add("tom")
    with pytest.raises(UserExists):
        org.users.add(id="tom", email="other@kauri.example", name="Other")
    with pytest.raises(UserExists):
        org.users.invite(id="tom", email="other@kauri.example", name="Other")


@pytest.mark.parametrize(
    "email", ["", "tom", "@kauri.example", "tom@", "a b@kauri.example", "a@b@c", "x\n@kauri.example", None, 7]
)
def test_a_malformed_address_is_refused(org: Organization, email: str) -> None:
    with pytest.raises(InvalidValue, match="email"):
        org.users.invite(email=email, name="Tom")


@pytest.mark.parametrize("id", ["", " tom", "x" * 201, "a\nb", 7])
def test_a_malformed_id_is_refused(org: Organization, id: str) -> None:
    with pytest.raises(InvalidValue, match="id"):
        org.users.add(id=id, email="tom@kauri.example", name="Tom")


@pytest.mark.parametrize("name", ["", "   ", "a\nb", None])
def test_a_name_must_be_printable(org: Organization, name: str) -> None:
    with pytest.raises(InvalidValue, match="name"):
        org.users.add(id="tom", email="tom@kauri.example", name=name)


def test_nothing_is_written_where_anything_is_wrong(org: Organization) -> None:
    revision = org.revision
    with pytest.raises(UnknownRole):
        org.users.add(id="tom", email="tom@kauri.example", name="Tom", roles=["sales_staff", "sales_stuff"])
    with pytest.raises(UnknownUserType) as unknown:
        org.users.add(id="tom", email="tom@kauri.example", name="Tom", type="partnr")
    assert unknown.value.nearest == ("partner",)
    with pytest.raises(RoleNotInPackage) as outside:
        org.users.add(id="tom", email="tom@kauri.example", name="Tom", roles=["pay_clerk"])
    assert outside.value.packages == ("payroll",)
    assert org.users.get("tom") is None
    assert org.revision == revision


def test_each_new_user_starts_from_a_copy_of_the_global_permissions(org: Organization, add: AddUser) -> None:
    early = add("early")
    org.set_global_permissions({"ledger": "view"})
    late = add("late")
    assert set(early.base) == {"sales.invoices"}
    assert set(late.base) == {"ledger"}
    assert (org.can("early", "ledger", "view"), org.can("late", "ledger", "view")) == (False, True)


def test_locking_shuts_out_at_once_and_unlocking_restores_everything(org: Organization, add: AddUser) -> None:
    add("tom", "sales_staff")
    add("ann", "sales_staff")
    org.users.override("tom", "ledger", "view")
    session = org.sign_in("tom")
    before = org.users["tom"]
    org.users.lock("tom")
    assert not org.can("tom", "sales", "view")
    assert org.can("ann", "sales", "view")
    with pytest.raises(SessionEnded) as over:
        session.touch()
    assert over.value.reason == "locked"
    with pytest.raises(SignInRefused, match="locked"):
        org.sign_in("tom")
    assert org.users.unlock("tom") == before
    assert org.can("tom", "ledger", "view")


def test_unlocking_who_has_not_accepted_leaves_invited(org: Organization) -> None:
    invitation = org.users.invite(email="sam@kauri.example", name="Sam")
    org.users.lock(invitation.user)
    assert org.users.unlock(invitation.user).state == "invited"


def test_a_change_of_address_asks_for_acceptance_again_and_voids_earlier_tokens(
    org: Organization, add: AddUser
) -> None:
    add("tom", "sales_staff")
    old = org.users.reinvite("tom")
    session = org.sign_in("tom")
    new = org.users.change_email("tom", "Tom.Reid@kauri.example")
    assert new.user.email == "Tom.Reid@kauri.example"
    assert not org.can("tom", "sales", "view")
    with pytest.raises(SessionEnded):
        session.touch()
    with pytest.raises(InvitationRefused):
        org.users.accept(old.token)
    assert dict(org.users.accept(new.token).roles) == {"sales_staff": None}
    assert org.can("tom", "sales", "view")


def test_a_freed_address_can_be_used_by_another(org: Organization, add: AddUser) -> None:
    add("tom")
    org.users.change_email("tom", "reid@kauri.example")
    assert org.users.add(id="tom2", email="tom@kauri.example", name="Tom the second").id == "tom2"


def test_a_dismissed_user_is_gone_from_here_and_voids_the_token(org: Organization, add: AddUser) -> None:
    add("tom", "sales_staff")
    invitation = org.users.reinvite("tom")
    session = org.sign_in("tom")
    org.users.dismiss("tom")
    assert org.users.get("tom") is None
    assert org.users.by_email("tom@kauri.example") is None
    assert "tom" not in {user.id for user in org.users}
    assert not org.can("tom", "sales", "view")
    with pytest.raises(SessionEnded) as over:
        session.touch()
    assert over.value.reason == "unknown_user"
    with pytest.raises(InvitationRefused):
        org.users.accept(invitation.token)
    with pytest.raises(UnknownUser):
        org.users.dismiss("tom")


def test_who_comes_back_starts_afresh_under_the_same_id(org: Organization, add: AddUser) -> None:
    add("tom", "sales_staff")
    org.users.dismiss("tom")
    back = org.users.invite(email="tom@kauri.example", name="Tom")
    assert (back.user.id, dict(back.user.roles), back.user.state) == ("tom", {}, "invited")
    org.users.dismiss("tom")
    other = org.users.add(id="tom-again", email="tom@kauri.example", name="Tom")
    assert org.users.by_email("tom@kauri.example") == other


def test_renaming_changes_what_a_person_is_called(org: Organization, add: AddUser) -> None:
    add("tom")
    assert org.users.rename("tom", " Thomas ").name == "Thomas"
    assert org.users["tom"].name == "Thomas"


@pytest.mark.parametrize(
    "call",
    [
        "assign",
        "unassign",
        "override",
        "clear",
        "reset",
        "set_type",
        "lock",
        "unlock",
        "rename",
        "change_email",
        "dismiss",
        "reinvite",
    ],
)
def test_a_change_to_an_unknown_user_is_an_error_that_names_no_other(org: Organization, call: str) -> None:
    arguments = {
        "assign": ("sales_staff",),
        "unassign": ("sales_staff",),
        "override": ("sales", "view"),
        "clear": ("sales",),
        "set_type": ("partner",),
        "rename": ("X",),
        "change_email": ("x@kauri.example",),
    }.get(call, ())
    with pytest.raises(UnknownUser) as unknown:
        getattr(org.users, call)("admim", *arguments)
    assert unknown.value.name == "admim"
    assert unknown.value.nearest == ()


def test_a_user_limit_bounds_active_counted_users(org: Organization, add: AddUser) -> None:
    org.change_license(user_limit=2)
    add("tom")
    with pytest.raises(UserLimitReached) as reached:
        add("ann")
    assert (reached.value.limit, reached.value.in_use) == (2, 2)
    add("pat", type="partner")
    invitation = org.users.invite(email="sam@kauri.example", name="Sam")
    with pytest.raises(UserLimitReached):
        org.users.accept(invitation.token)
    with pytest.raises(UserLimitReached):
        org.users.set_type("pat", "app")
    org.users.lock("tom")
    assert org.users.accept(invitation.token).state == "active"
    with pytest.raises(UserLimitReached):
        org.users.unlock("tom")


def test_users_come_in_the_order_of_their_ids(org: Organization, add: AddUser) -> None:
    for id in ("tom", "Ann", "zoë", "7"):
        add(id) if id != "zoë" else org.users.add(id=id, email="zoe@kauri.example", name="Zoë")
    assert [user.id for user in org.users] == ["7", "Ann", "admin", "tom", "zoë"]
    assert len(org.users) == 5
    assert "tom" in org.users
    assert "nobody" not in org.users


def test_the_last_administrator_cannot_be_taken_away(org: Organization, add: AddUser, clock: ManualClock) -> None:
    add("ann", "user_manager")
    attempts: list[Callable[[], object]] = [
        lambda: org.users.lock("admin"),
        lambda: org.users.dismiss("admin"),
        lambda: org.users.unassign("admin", "organization_admin"),
        lambda: org.users.assign("admin", "organization_admin", until=clock.now() + timedelta(days=9)),
        lambda: org.users.override("admin", "organization.users", "edit"),
        lambda: org.users.override("admin", "organization", "none"),
        lambda: org.users.change_email("admin", "new@kauri.example"),
    ]
    revision = org.revision
    for attempt in attempts:
        with pytest.raises(LastAdministrator):
            attempt()
    assert org.revision == revision
    add("bob", "organization_admin")
    org.users.lock("admin")
    with pytest.raises(LastAdministrator):
        org.users.lock("bob")


def test_only_a_lasting_system_role_on_every_record_makes_an_administrator(
    org: Organization, add: AddUser, clock: ManualClock
) -> None:
    add("by_override")
    org.users.override("by_override", "organization.users", "full")
    add("for_a_week")
    org.users.assign("for_a_week", "organization_admin", until=clock.now() + timedelta(days=7))
    invited = org.users.invite(email="in@kauri.example", name="In", roles=["organization_admin"])
    locked = add("locked", "organization_admin")
    org.users.lock(locked)
    assert org.can("by_override", "organization.users", "assign")
    with pytest.raises(LastAdministrator):
        org.users.lock("admin")
    org.users.accept(invited.token)
    org.users.lock("admin")


def test_settings_that_end_do_not_hide_that_the_last_administrator_goes(org: Organization, clock: ManualClock) -> None:
    """Today's personal setting gives assign, tomorrow's takes it: tomorrow nobody would be left."""
    org.users.override("admin", "organization.users", "full", until=clock.now() + timedelta(days=1))
    with pytest.raises(LastAdministrator):
        org.users.override("admin", "organization", "none")
    clock.advance(timedelta(days=2))
    assert [user.id for user in org.who_can("organization.users", "assign")] == ["admin"]


@pytest.mark.parametrize("leaving", ["dismiss", "forget", "change_email"])
def test_a_session_from_before_somebody_left_does_not_come_back_with_them(
    org: Organization, add: AddUser, leaving: str
) -> None:
    add("tom", "sales_staff")
    session = org.sign_in("tom")
    if leaving == "change_email":
        org.users.accept(org.users.change_email("tom", "reid@kauri.example").token)
    else:
        getattr(org.users, leaving)("tom")
        org.users.add(id="tom", email="other@kauri.example", name="Other", roles=["organization_admin"])
    assert org.can("tom", "organization.users", "view", scope="own")
    with pytest.raises(SessionEnded):
        org.resume(session.token)
    with pytest.raises(SessionEnded):
        session.can("sales", "view")
    assert len(org.sessions) == 0


class Fickle(MemorySessions):
    """A session store that can be cut off, and that lets a test step in when a seat is asked for."""

    off = False
    before_acquire: Callable[[], object] = staticmethod(lambda: None)

    def live(self, organization: str) -> Iterator[Seat]:
        if self.off:
            raise StoreUnavailable(self.url, "cut off")
        return super().live(organization)

    def acquire(self, request: SeatRequest) -> Seat | Full:
        self.before_acquire()
        return super().acquire(request)


@pytest.fixture
def fickle(catalog: Catalog, clock: ManualClock) -> tuple[Organization, Fickle]:
    """An organization with an administrator, and its fickle session store."""
    seats = Fickle(clock)
    org = seatperm.open(catalog, "memory://", session_store=seats, clock=clock)
    org.users.add(id="admin", email="admin@kauri.example", name="Ada", roles=["organization_admin"])
    org.users.add(id="tom", email="tom@kauri.example", name="Tom")
    return org, seats


def test_an_id_is_not_active_again_before_its_earlier_sessions_are_over(fickle: tuple[Organization, Fickle]) -> None:
    org, seats = fickle
    session = org.sign_in("tom")
    seats.off = True
    with pytest.raises(StoreUnavailable):
        org.users.dismiss("tom")
    assert org.users.get("tom") is None
    with pytest.raises(StoreUnavailable):
        org.users.add(id="tom", email="other@kauri.example", name="Other", roles=["organization_admin"])
    assert org.users.get("tom") is None
    seats.off = False
    org.users.add(id="tom", email="other@kauri.example", name="Other", roles=["organization_admin"])
    with pytest.raises(SessionEnded):
        org.resume(session.token)


def test_who_is_shut_out_while_a_seat_is_taken_does_not_get_it(fickle: tuple[Organization, Fickle]) -> None:
    org, seats = fickle
    seats.before_acquire = lambda: org.users.lock("tom")
    with pytest.raises(SignInRefused):
        org.sign_in("tom")
    assert len(org.sessions) == 0


def test_a_new_address_is_handed_over_even_where_sessions_cannot_be_ended(catalog: Catalog, clock: ManualClock) -> None:
    seats, handed = Fickle(clock), list[Invitation]()
    org = seatperm.open(catalog, "memory://", session_store=seats, clock=clock, on_invitation=handed.append)
    org.users.add(id="tom", email="tom@kauri.example", name="Tom")
    seats.off = True
    with pytest.raises(StoreUnavailable):
        org.users.change_email("tom", "reid@kauri.example")
    seats.off = False
    assert org.users.accept(handed[0].token).email == "reid@kauri.example"


def test_nothing_personal_is_written_of_who_was_forgotten(org: Organization, add: AddUser) -> None:
    add("kay")
    org.change_license(session_limit=9)
    org.sign_in("kay", "Kays-laptop")
    org.sign_in("kay", "Kays-phone")
    org.users.forget("kay")
    with pytest.raises(UnknownUser):
        org.sign_in("kay", "Kays-laptop")
    org.users.forget("kay")
    assert "Kays" not in "".join(repr(event.details) for event in org.audit)
    assert org.audit.verify()
