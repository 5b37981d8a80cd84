"""Users and staff: addresses, invitations, locks, staff records, persons of several organizations, user types."""

from __future__ import annotations

import smtplib
from collections.abc import Callable, Iterator
from datetime import timedelta
from email.message import EmailMessage
from pathlib import Path

import pytest
from click.testing import CliRunner

import seatperm
from seatperm import (
    AccessDenied,
    Catalog,
    EmailTaken,
    InvalidValue,
    Invitation,
    InvitationRefused,
    Organization,
    Reason,
    RoleNotInPackage,
    SeatsExhausted,
    SessionEnded,
    SignInRefused,
    StaffLinked,
    Tenants,
    UnknownStaff,
    UnknownUser,
    UnknownUserType,
    UserLimitReached,
)
from seatperm.cli import main
from seatperm.testing import ManualClock

from ..books import CATALOG, AddUser
from ..mail import MailServer

LINK = "https://books.kauri.example/welcome?token={token}"
SENDER = "Kauri <no-reply@kauri.example>"


@pytest.fixture
def handed_over() -> list[Invitation]:
    """What the host was handed, in order."""
    return []


@pytest.fixture
def hooked(catalog: Catalog, url: str, clock: ManualClock, handed_over: list[Invitation]) -> Iterator[Organization]:
    """An organization whose host is handed its invitations."""
    opened = seatperm.open(catalog, url, clock=clock, on_invitation=handed_over.append)
    opened.users.add(id="admin", email="admin@kauri.example", name="Ada", roles=["organization_admin"])
    yield opened
    opened.close()


# Addresses


def test_each_user_is_found_by_an_own_address(org: Organization, add: AddUser) -> None:
    tom, ann = add("tom"), add("ann")
    assert org.users.by_email("tom@kauri.example") == tom
    assert org.users.by_email("ann@kauri.example") == ann


@pytest.mark.parametrize(
    "again",
    [
        "ZOË@kauri.example",
        "zoe\N{COMBINING DIAERESIS}@kauri.example",
        "  zoë@KAURI.example\t",
        "\N{FULLWIDTH LATIN SMALL LETTER Z}oë@kauri.example",
    ],
)
def test_neither_case_nor_outer_space_nor_unicode_form_makes_another_address(org: Organization, again: str) -> None:
    org.users.add(id="zoe", email="zoë@kauri.example", name="Zoë")
    found = org.users.by_email(again)
    assert found is not None
    assert found.id == "zoe"
    with pytest.raises(EmailTaken):
        org.users.invite(email=again, name="Other")
    with pytest.raises(EmailTaken):
        org.users.add(id="other", email=again, name="Other")
    with pytest.raises(EmailTaken):
        org.users.change_email("admin", again)


@pytest.mark.parametrize("holder", ["active", "locked", "invited"])
def test_a_second_use_of_an_address_is_refused_with_a_notice_that_names_no_one(
    org: Organization, add: AddUser, holder: str
) -> None:
    if holder == "invited":
        org.users.invite(id="holder", email="holder@kauri.example", name="Hana Tui")
    else:
        org.users.add(id="holder", email="holder@kauri.example", name="Hana Tui")
    if holder == "locked":
        org.users.lock("holder")
    with pytest.raises(EmailTaken) as taken:
        org.users.invite(email="Holder@kauri.example", name="New")
    assert (
        str(taken.value)
        == "the e-mail address 'Holder@kauri.example' is in use already; look its user up, or give another"
    )
    assert vars(taken.value) == {"email": "Holder@kauri.example"}


def test_mail_only_ever_goes_to_the_address_as_stored(hooked: Organization, handed_over: list[Invitation]) -> None:
    hooked.users.invite(id="zoe", email=" Zoe.Reid@Kauri.Example ", name="Zoe")
    hooked.users.reinvite("zoe")
    assert [each.user.email for each in handed_over] == ["Zoe.Reid@Kauri.Example"] * 2
    assert [each.message(sender=SENDER, link=LINK)["To"].addresses[0].addr_spec for each in handed_over] == [
        "Zoe.Reid@Kauri.Example"
    ] * 2


# Adding and inviting


def test_inviting_takes_type_name_address_and_roles_and_results_in_a_token(org: Organization) -> None:
    invitation = org.users.invite(
        email="pia@audit.example", name="Pia Lund", type="partner", roles=["bookkeeper", "reader"]
    )
    user = invitation.user
    assert (user.type, user.name, user.email, set(user.roles)) == (
        "partner",
        "Pia Lund",
        "pia@audit.example",
        {"bookkeeper", "reader"},
    )
    assert len(invitation.token) >= 43
    assert invitation.token not in repr(invitation)
    with pytest.raises(RoleNotInPackage):
        org.users.invite(email="x@audit.example", name="X", roles=["pay_clerk"])
    with pytest.raises(UnknownUserType):
        org.users.invite(email="x@audit.example", name="X", type="guest")


def test_the_host_is_handed_each_invitation_once_it_is_kept(
    hooked: Organization, handed_over: list[Invitation]
) -> None:
    first = hooked.users.invite(id="sam", email="sam@kauri.example", name="Sam")
    second = hooked.users.reinvite("sam")
    third = hooked.as_user("admin").users.change_email("sam", "samuel@kauri.example")
    assert handed_over == [first, second, third]
    assert {each.organization for each in handed_over} == {hooked.id}
    with pytest.raises(EmailTaken):
        hooked.users.invite(email="samuel@kauri.example", name="Other")
    assert len(handed_over) == 3


def test_what_the_host_cannot_send_is_invited_all_the_same_and_can_be_invited_again(
    catalog: Catalog, url: str, handed_over: list[Invitation]
) -> None:
    def refuse(invitation: Invitation) -> None:
        handed_over.append(invitation)
        if len(handed_over) == 1:
            raise ConnectionRefusedError

    org = seatperm.open(catalog, url, on_invitation=refuse)
    with pytest.raises(ConnectionRefusedError):
        org.users.invite(id="sam", email="sam@kauri.example", name="Sam")
    assert org.users["sam"].state == "invited"
    org.users.reinvite("sam")
    assert org.users.accept(handed_over[1].token).id == "sam"
    org.close()


def test_a_hook_may_use_the_organization_that_it_is_called_for(catalog: Catalog, url: str) -> None:
    seen: list[str] = []

    def look(invitation: Invitation) -> None:
        seen.append(org.users[invitation.user.id].state)
        org.users.rename(invitation.user, "Samuel")

    org = seatperm.open(catalog, url, on_invitation=look)
    org.users.invite(id="sam", email="sam@kauri.example", name="Sam")
    assert (seen, org.users["sam"].name) == (["invited"], "Samuel")
    org.close()


def test_an_invitation_is_an_e_mail_away(org: Organization) -> None:
    invitation = org.users.invite(email="zoë@kauri.example", name="Zoë, the 'first' {link}")
    message = invitation.message(sender=SENDER, link=LINK)
    assert isinstance(message, EmailMessage)
    to = message["To"].addresses[0]
    assert (to.addr_spec, to.display_name) == ("zoë@kauri.example", "Zoë, the 'first' {link}")
    assert (message["From"], message["Subject"]) == (SENDER, "Your invitation")
    text = message.get_content()
    assert LINK.replace("{token}", invitation.token) in text
    assert text.count(invitation.token) == 1
    assert "2027-03-08 09:00 UTC" in text
    own = invitation.message(sender=SENDER, link=LINK, subject="Kia ora", text="{name}: {link}")
    assert own["Subject"] == "Kia ora"
    assert own.get_content() == f"Zoë, the 'first' {{link}}: {LINK.replace('{token}', invitation.token)}\n"


@pytest.mark.parametrize(
    "wrong",
    [
        {"link": "https://books.kauri.example/"},
        {"text": "Welcome!"},
        {"subject": "two\nBcc: everybody@kauri.example"},
        {"sender": "a@kauri.example\r\nBcc: everybody@kauri.example"},
        {"sender": ""},
    ],
)
def test_a_message_that_could_not_let_anybody_in_is_refused(org: Organization, wrong: dict[str, str]) -> None:
    invitation = org.users.invite(email="sam@kauri.example", name="Sam")
    with pytest.raises(InvalidValue) as refused:
        invitation.message(**{"sender": SENDER, "link": LINK, **wrong})
    assert refused.value.what in wrong


@pytest.mark.parametrize("address", ["Sam@kauri.example", "Zoë@kauri.example"])
def test_the_welcome_mail_lets_its_reader_in(catalog: Catalog, url: str, address: str) -> None:
    """By way of a real mail server; addresses in every script arrive as they are."""
    with MailServer() as server:

        def welcome(invitation: Invitation) -> None:
            with smtplib.SMTP("127.0.0.1", server.port) as mail:
                mail.send_message(invitation.message(sender=SENDER, link=LINK))

        org = seatperm.open(catalog, url, on_invitation=welcome)
        invitation = org.users.invite(id="sam", email=address, name="Sam")
    (sent,) = server.received
    assert (sent.sender, sent.recipients) == ("no-reply@kauri.example", [address])
    assert sent.message["To"] == f"Sam <{address}>"
    assert address.encode() in invitation.message(sender=SENDER, link=LINK).as_bytes()
    token = sent.message.get_content().partition("token=")[2].split()[0]
    assert org.users.accept(token).id == "sam"
    org.close()


# Accepting


def test_until_accepting_a_user_is_shown_as_not_activated_beside_the_address(tmp_path: Path) -> None:
    """On the command line, where an operator lists the users."""
    catalog, url = tmp_path / "catalog.toml", f"sqlite:///{tmp_path / 'books.db'}"
    catalog.write_text(CATALOG, "utf-8")
    org = seatperm.open(catalog, url)
    invitation = org.users.invite(id="sam", email="sam@kauri.example", name="Sam")

    def listed() -> list[str]:
        options = ["users", "--catalog", str(catalog), "--store", url]
        return CliRunner(env={"COLUMNS": "120"}).invoke(main, options).stdout.splitlines()[-1].split()

    assert listed()[:5] == ["sam", "Sam", "sam@kauri.example", "Not", "activated"]
    org.users.accept(invitation.token)
    assert listed()[:4] == ["sam", "Sam", "sam@kauri.example", "app"]
    org.close()


def test_until_accepting_a_user_has_no_access_and_no_seat(org: Organization) -> None:
    invitation = org.users.invite(id="sam", email="sam@kauri.example", name="Sam", roles=["owner"])
    assert invitation.user.state == "invited"
    assert not any(cell.actions for cells in org.access("sam").table.values() for cell in cells.values())
    with pytest.raises(SignInRefused) as refused:
        org.sign_in("sam")
    assert refused.value.reason == "not_active"
    assert len(org.sessions) == 0
    org.users.accept(invitation.token)
    assert org.users["sam"].state == "active"
    assert org.can("sam", "sales", "delete")
    assert org.sign_in("sam").user.id == "sam"


def test_a_token_works_once(org: Organization) -> None:
    invitation = org.users.invite(email="sam@kauri.example", name="Sam")
    org.users.accept(invitation.token)
    with pytest.raises(InvitationRefused):
        org.users.accept(invitation.token)


def test_a_token_ends(org: Organization, clock: ManualClock) -> None:
    invitation = org.users.invite(email="sam@kauri.example", name="Sam")
    clock.advance(invitation.until - clock.now() - timedelta(seconds=1))
    late = org.users.invite(email="li@kauri.example", name="Li")
    clock.advance(timedelta(seconds=1))
    with pytest.raises(InvitationRefused) as refused:
        org.users.accept(invitation.token)
    assert refused.value.reason == "ended"
    assert org.users.accept(late.token).state == "active"


@pytest.mark.parametrize("state", ["invited", "active"])
def test_who_lost_the_mail_is_issued_a_new_token_which_voids_the_old_one(org: Organization, state: str) -> None:
    """The route of a forgotten password too: an active user stays active."""
    first = org.users.invite(id="sam", email="sam@kauri.example", name="Sam", roles=["sales_staff"])
    if state == "active":
        org.users.accept(first.token)
        first = org.users.reinvite("sam")
    second = org.users.reinvite("sam")
    assert (second.user.id, second.user.state) == ("sam", state)
    assert org.can("sam", "sales", "edit") is (state == "active")
    with pytest.raises(InvitationRefused):
        org.users.accept(first.token)
    assert org.users.accept(second.token).state == "active"
    assert org.can("sam", "sales", "edit")


# Locking and leaving


def test_locking_shuts_out_one_member_at_once_and_unlocking_restores_everything(
    org: Organization, add: AddUser
) -> None:
    add("tom", "sales_staff", "reader")
    add("ann", "sales_staff")
    org.users.override("tom", "ledger", "view")
    before, sessions = org.users["tom"], {id: org.sign_in(id) for id in ("tom", "ann")}
    org.users.lock("tom")
    assert not any(cell.actions for cells in org.access("tom").table.values() for cell in cells.values())
    calls: list[Callable[[], object]] = [
        sessions["tom"].touch,
        lambda: sessions["tom"].can("sales", "view"),
        lambda: org.resume(sessions["tom"].token),
    ]
    for call in calls:
        with pytest.raises(SessionEnded) as ended:
            call()
        assert ended.value.reason == "locked"
    assert sessions["ann"].can("sales", "edit")
    assert org.users.unlock("tom") == before
    assert org.can("tom", "ledger", "view")
    assert org.can("tom", "sales", "edit")


def test_changing_the_address_voids_the_old_sign_in_and_asks_to_activate_again(org: Organization, add: AddUser) -> None:
    add("tom", "sales_staff")
    session, pending = org.sign_in("tom"), org.users.reinvite("tom")
    invitation = org.users.change_email("tom", "reid@kauri.example")
    assert org.users["tom"].state == "invited"
    assert org.users.by_email("tom@kauri.example") is None
    with pytest.raises(SessionEnded):
        session.touch()
    with pytest.raises(SignInRefused):
        org.sign_in("tom")
    with pytest.raises(InvitationRefused):
        org.users.accept(pending.token)
    assert set(org.users.accept(invitation.token).roles) == {"sales_staff"}
    assert org.sign_in("tom").can("sales", "edit")


def test_nobody_is_ever_deleted(org: Organization, add: AddUser) -> None:
    """Every call that takes somebody away leaves the id, and its events, in the trail."""
    add("tom", "sales_staff")
    org.users.lock("tom")
    assert org.users["tom"].name == "Tom"
    org.users.dismiss("tom")
    before = [event for event in org.audit if event.user == "tom"]
    assert before[-1].kind == "user.dismissed"
    assert before[-1].details is not None
    assert before[-1].details["before"] == {
        "locked": True,
        "roles": {"sales_staff": None},
        "base": {"sales.invoices": "view:own"},
    }


@pytest.mark.parametrize("first", ["active", "locked", "dismissed", "invited"])
def test_forgetting_erases_what_is_personal_while_the_trail_stays_verifiable(
    org: Organization, add: AddUser, first: str
) -> None:
    if first == "invited":
        org.users.invite(id="tom", email="tom@kauri.example", name="Tom Reid", roles=["sales_staff"])
    else:
        org.users.add(id="tom", email="tom@kauri.example", name="Tom Reid", roles=["sales_staff"])
    org.users.rename("tom", "Thomas Reid")
    if first == "locked":
        org.users.lock("tom")
    if first == "dismissed":
        org.users.dismiss("tom")
    events = [event.hash for event in org.audit]
    org.users.forget("tom")
    assert org.users.get("tom") is None
    assert not org.can("tom", "sales", "view")
    assert org.users.by_email("tom@kauri.example") is None
    about = [event for event in org.audit if event.user == "tom"]
    assert about[-1].kind == "user.forgotten"
    assert [event.details for event in about[:-1]] == [None] * (len(about) - 1)
    told = " ".join(str(event) for event in org.audit)
    assert "Reid" not in told
    assert "tom@kauri.example" not in told
    assert [event.hash for event in org.audit][: len(events)] == events
    assert org.audit.verify()


def test_others_keep_their_events_when_one_is_forgotten(org: Organization, add: AddUser) -> None:
    add("tom")
    add("ann")
    org.users.forget("tom")
    assert next(event for event in org.audit if event.user == "ann").details is not None


def test_a_forgotten_address_is_free_and_its_next_user_starts_afresh(org: Organization, add: AddUser) -> None:
    add("tom", "sales_staff")
    org.users.forget("tom")
    again = org.users.invite(email="tom@kauri.example", name="Tom the second")
    assert again.user.id != "tom"
    assert dict(again.user.roles) == {}


def test_forgetting_twice_is_no_mistake_and_an_unknown_user_is_one(org: Organization, add: AddUser) -> None:
    add("tom")
    org.users.forget("tom")
    revision, events = org.revision, len(org.audit)
    org.users.forget("tom")
    assert (org.revision, len(org.audit)) == (revision, events)
    with pytest.raises(UnknownUser):
        org.users.forget("nobody")


def test_only_the_host_forgets(org: Organization, add: AddUser) -> None:
    add("tom")
    with pytest.raises(AccessDenied) as denied:
        org.as_user("admin").users.forget("tom")
    assert denied.value.decision.reason is Reason.HOST_ONLY
    with pytest.raises(seatperm.LastAdministrator):
        org.users.forget("admin")


# Staff


def test_staff_are_recorded_whether_users_or_not_and_get_no_access_by_it(org: Organization, add: AddUser) -> None:
    add("tom", "sales_staff")
    joe = org.staff.add("Joe Marsh", id="s-2")
    tom = org.staff.add("Tom Reid", user="tom", id="s-1")
    assert (joe.user, joe.active, tom.user) == (None, True, "tom")
    assert list(org.staff) == [tom, joe]
    assert (len(org.staff), org.staff["s-2"], org.staff.get("s-9")) == (2, joe, None)
    assert org.users["tom"].staff == "s-1"
    assert not org.can("s-2", "sales", "view")
    with pytest.raises(UnknownUser):
        org.sign_in("s-2")
    with pytest.raises(UnknownStaff):
        org.staff["s-9"]


def test_a_user_has_at_most_one_staff_record_and_a_record_at_most_one_user(org: Organization, add: AddUser) -> None:
    add("tom")
    add("ann")
    org.staff.add("Tom", user="tom", id="s-1")
    org.staff.add("Other", id="s-2")
    with pytest.raises(StaffLinked) as taken:
        org.staff.link("s-1", "ann")
    assert (taken.value.staff, taken.value.user, taken.value.taken) == ("s-1", "ann", "staff")
    assert "tom" not in str(taken.value)
    with pytest.raises(StaffLinked) as taken:
        org.staff.link("s-2", "tom")
    assert taken.value.taken == "user"
    assert "s-1" not in str(taken.value)
    with pytest.raises(StaffLinked):
        org.staff.add("Third", user="tom")
    org.staff.unlink("s-1")
    assert (org.users["tom"].staff, org.staff["s-1"].user) == (None, None)
    assert org.staff.link("s-2", "tom").user == "tom"
    assert org.users["tom"].staff == "s-2"
    assert len(org.staff) == 2


def test_roles_belong_to_users_whatever_their_staff_record_is(org: Organization, add: AddUser) -> None:
    add("tom", "sales_staff")
    org.staff.add("Tom", user="tom", id="s-1")
    for call in (org.staff.deactivate, org.staff.reactivate, org.staff.unlink):
        call("s-1")
        assert set(org.users["tom"].roles) == {"sales_staff"}
        assert org.can("tom", "sales", "edit")


def test_staff_are_deactivated_not_deleted_and_independently_of_the_users_lock(org: Organization, add: AddUser) -> None:
    add("tom", "sales_staff")
    org.staff.add("Tom", user="tom", id="s-1")
    assert not org.staff.deactivate("s-1").active
    assert org.users["tom"].active
    org.users.lock("tom")
    assert org.staff.reactivate("s-1").active
    assert org.users["tom"].locked
    assert not any("delete" in name or "remove" in name for name in dir(org.staff))


@pytest.mark.parametrize("how", ["dismiss", "forget"])
def test_a_user_who_leaves_leaves_the_staff_record_behind(org: Organization, add: AddUser, how: str) -> None:
    add("tom")
    org.staff.add("Tom", user="tom", id="s-1")
    getattr(org.users, how)("tom")
    assert org.staff["s-1"].user is None
    assert org.staff["s-1"].active
    add("ann")
    assert org.staff.link("s-1", "ann").user == "ann"
    assert org.audit.verify()


def test_every_change_of_staff_is_an_event(org: Organization, add: AddUser) -> None:
    add("tom")
    before = org.revision
    org.staff.add("Tom", id="s-1")
    org.staff.link("s-1", "tom")
    org.staff.deactivate("s-1")
    org.staff.reactivate("s-1")
    org.staff.unlink("s-1")
    events = [event for event in org.audit if event.revision > before]
    assert [(event.kind, event.user) for event in events] == [
        ("staff.added", None),
        ("staff.linked", "tom"),
        ("staff.deactivated", "tom"),
        ("staff.reactivated", "tom"),
        ("staff.unlinked", "tom"),
    ]
    assert org.revision == before + 5
    org.staff.unlink("s-1")
    org.staff.reactivate("s-1")
    assert org.revision == before + 5


# One person, several organizations


@pytest.fixture
def rob(tenants: Tenants) -> Invitation:
    """Rob Hale of kauri, a bookkeeper there, asked to join tui; each has its administrator."""
    for org in tenants:
        org.users.add(id=f"{org.id}-admin", email=f"admin@{org.id}.example", name="Ada", roles=["organization_admin"])
    tenants["kauri"].users.add(id="rob", email="rob@bluff.example", name="Rob Hale", roles=["bookkeeper"])
    return tenants["tui"].as_user("tui-admin").users.invite(email="rob@bluff.example", name="R.", roles=["sales_staff"])


def test_a_bookkeeper_of_two_organizations_holds_different_roles_and_is_locked_in_one_only(
    tenants: Tenants, rob: Invitation
) -> None:
    kauri, tui = tenants["kauri"], tenants["tui"]
    assert not tui.can("rob", "sales", "view")
    assert tui.users.accept(rob.token).id == "rob"
    assert (kauri.can("rob", "ledger", "edit"), kauri.can("rob", "sales", "edit")) == (True, False)
    assert (tui.can("rob", "ledger", "edit"), tui.can("rob", "sales", "edit")) == (False, True)
    session = tui.sign_in("rob")
    kauri.users.lock("rob")
    assert not kauri.can("rob", "ledger", "view")
    session.touch()
    assert session.can("sales", "edit")
    with pytest.raises(SignInRefused):
        kauri.sign_in("rob")


def test_an_inviter_learns_nothing_about_other_organizations(tenants: Tenants, rob: Invitation) -> None:
    tui = tenants["tui"]
    fresh = tui.as_user("tui-admin").users.invite(email="new@bluff.example", name="N.", roles=["sales_staff"])
    for invitation in (rob, fresh):
        shown = tui.as_user("tui-admin").users[invitation.user.id]
        assert (shown.state, set(shown.roles), len(shown.name), len(shown.id)) == ("invited", {"sales_staff"}, 2, 36)
    assert [event.kind for event in tui.audit][-2:] == ["user.invited", "user.invited"]
    told = [event.details for event in list(tui.audit)[-2:]]
    assert all(details is not None and "Hale" not in str(details) and "rob'" not in str(details) for details in told)
    assert len({str(details).replace("rob@", "new@").replace("R.", "N.") for details in told}) == 1


def test_two_inviters_of_the_same_person_learn_nothing_of_each_other(tenants: Tenants, rob: Invitation) -> None:
    """Who joins is known by the name of the organization that knows the person, not by an open invitation's."""
    bluff = tenants.create("bluff")
    second = bluff.users.invite(email="rob@bluff.example", name="B.", roles=["bookkeeper"])
    assert tenants["tui"].users.accept(rob.token).name == "Rob Hale"
    assert bluff.users.accept(second.token).name == "Rob Hale"
    assert {org.users["rob"].name for org in tenants} == {"Rob Hale"}


def test_an_administrator_of_one_organization_reaches_the_other_in_no_way(tenants: Tenants, rob: Invitation) -> None:
    kauri, tui = tenants["kauri"], tenants["tui"]
    tui.users.accept(rob.token)
    before = kauri.users["rob"], len(kauri.audit), kauri.revision
    acting = tui.as_user("tui-admin")
    for call in (
        lambda: acting.users.change_email("rob", "mallory@tui.example"),
        lambda: acting.users.rename("rob", "Mallory"),
    ):
        with pytest.raises(AccessDenied) as denied:
            call()
        assert denied.value.decision.reason is Reason.HOST_ONLY
    acting.users.assign("rob", "owner")
    acting.users.override("rob", "organization.users", "full")
    acting.users.lock("rob")
    acting.users.unlock("rob")
    acting.users.dismiss("rob")
    tui.users.forget("rob")
    assert (kauri.users["rob"], len(kauri.audit), kauri.revision) == before
    with pytest.raises(AccessDenied):
        kauri.as_user("tui-admin").users["rob"]
    assert not kauri.can("tui-admin", "organization.users", "view")


def test_nothing_of_one_organization_is_visible_from_another(tenants: Tenants, rob: Invitation) -> None:
    kauri, tui = tenants["kauri"], tenants["tui"]
    kauri.staff.add("Rob", user="rob", id="s-1")
    with kauri.sign_in("rob"):
        assert [user.id for user in tui.users if user.id not in (rob.user.id, "tui-admin")] == []
        assert (tui.users.get("rob"), tui.staff.get("s-1"), len(tui.staff)) == (None, None, 0)
        assert len(tui.sessions) == 0
        assert list(tui.who_can("ledger", "view")) == []
        assert {event.user for event in tui.audit} <= {None, rob.user.id, "tui-admin"}
    assert tui.staff.add("Other", id="s-1").name == "Other"
    assert kauri.staff["s-1"].name == "Rob"


def test_who_is_forgotten_in_one_organization_is_as_before_in_the_other(tenants: Tenants, rob: Invitation) -> None:
    kauri, tui = tenants["kauri"], tenants["tui"]
    tui.users.accept(rob.token)
    tui.users.forget("rob")
    assert kauri.users["rob"].email == "rob@bluff.example"
    assert kauri.users.rename("rob", "Robert Hale").name == "Robert Hale"
    told = " ".join(str(event) for event in tui.audit)
    assert not any(word in told for word in ("Robert", "Hale", "'R.'", "rob@bluff.example"))
    again = tui.users.invite(email="rob@bluff.example", name="R.")
    assert tui.users.accept(again.token).name == "Robert Hale"
    assert tui.audit.verify()


def test_who_was_forgotten_before_joining_joins_as_somebody_new(tenants: Tenants, rob: Invitation) -> None:
    kauri, tui = tenants["kauri"], tenants["tui"]
    kauri.users.forget("rob")
    joined = tui.users.accept(rob.token)
    assert (joined.id, joined.email, joined.name) == (rob.user.id, "rob@bluff.example", "R.")
    kauri.users.add(id="rob", email="another@bluff.example", name="Robin")
    again = tui.users.accept(tui.users.reinvite(joined).token)
    assert (again.id, again.name) == (joined.id, "R.")
    assert tui.users.change_email(joined, "robert@bluff.example").user.email == "robert@bluff.example"


def test_a_staff_record_follows_who_joins_under_a_shared_id(tenants: Tenants, rob: Invitation) -> None:
    tui = tenants["tui"]
    tui.staff.add("Rob", user=rob.user, id="s-1")
    tui.users.accept(rob.token)
    assert (tui.staff["s-1"].user, tui.users["rob"].staff) == ("rob", "s-1")


# Types


def test_a_partner_takes_no_named_users_license_and_an_app_user_does(org: Organization, add: AddUser) -> None:
    org.change_license(user_limit=2)
    add("tom")
    add("pat", type="partner")
    with pytest.raises(UserLimitReached) as reached:
        add("ann")
    assert (reached.value.limit, reached.value.in_use) == (2, 2)
    with pytest.raises(UserLimitReached):
        org.users.set_type("pat", "app")


def test_both_types_take_seats(org: Organization, add: AddUser) -> None:
    org.change_license(session_limit=1)
    add("tom")
    add("pat", type="partner")
    with org.sign_in("pat"), pytest.raises(SeatsExhausted):
        org.sign_in("tom")
    with org.sign_in("tom"), pytest.raises(SeatsExhausted):
        org.sign_in("pat")


def test_only_who_may_assign_sets_a_type(org: Organization, add: AddUser) -> None:
    add("tom")
    add("clerk", "user_manager")
    acting = org.as_user("clerk").users
    calls: list[Callable[[], object]] = [
        lambda: acting.set_type("tom", "partner"),
        lambda: acting.add(id="new", email="new@kauri.example", name="New", type="partner"),
        lambda: acting.invite(email="new@kauri.example", name="New", type="partner"),
    ]
    for call in calls:
        with pytest.raises(AccessDenied) as denied:
            call()
        assert denied.value.decision.action == "assign"
    assert org.as_user("admin").users.set_type("tom", "partner").type == "partner"
