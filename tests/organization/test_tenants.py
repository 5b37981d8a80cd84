"""Many organizations in one store."""

from __future__ import annotations

import pytest

import seatperm
from seatperm import (
    AccessDenied,
    Catalog,
    EmailTaken,
    InvalidLicense,
    InvalidValue,
    InvitationRefused,
    OrganizationExists,
    Reason,
    Tenants,
    UnknownOrganization,
    UnknownPackage,
    UserExists,
)
from seatperm.testing.clock import ManualClock


def test_organizations_come_in_the_order_of_their_making(tenants: Tenants) -> None:
    assert [org.id for org in tenants] == ["kauri", "tui"]
    assert len(tenants) == 2
    assert tenants["kauri"] is tenants["kauri"]


def test_a_new_organization_begins_with_the_first_tier_and_one_session(tenants: Tenants) -> None:
    license = tenants["tui"].license
    assert (license.package, license.session_limit) == ("essentials", 1)
    assert (tenants["kauri"].license.package, tenants["kauri"].license.session_limit) == ("trade", 3)


def test_an_unknown_organization_is_an_error(tenants: Tenants) -> None:
    with pytest.raises(UnknownOrganization):
        tenants["kaury"]


def test_an_organization_is_made_once(tenants: Tenants) -> None:
    with pytest.raises(OrganizationExists):
        tenants.create("tui", package="trade")
    assert tenants["tui"].license.package == "essentials"


def test_nothing_is_made_on_wrong_terms(tenants: Tenants) -> None:
    with pytest.raises(UnknownPackage) as unknown:
        tenants.create("rata", package="trad")
    assert unknown.value.nearest == ("trade",)
    with pytest.raises(InvalidLicense):
        tenants.create("rata", session_limit=0)
    with pytest.raises(InvalidValue):
        tenants.create("")
    assert len(tenants) == 2


def test_a_store_of_several_is_not_opened_as_one(tenants: Tenants, catalog: Catalog, url: str) -> None:
    if url == "memory://":
        with pytest.raises(UnknownOrganization, match="several"):
            tenants.only()
    else:
        with pytest.raises(UnknownOrganization, match="open_tenants"):
            seatperm.open(catalog, url)


def test_the_one_organization_of_a_store_is_made_at_first_use_and_found_again(
    catalog: Catalog, url: str, clock: ManualClock
) -> None:
    org = seatperm.open(catalog, url, clock=clock)
    org.change_license(session_limit=2)
    assert org.license.session_limit == 2
    if url != "memory://":
        again = seatperm.open(catalog, url, clock=clock)
        assert (again.id, again.license, again.revision) == (org.id, org.license, org.revision)
        again.close()
    org.close()


def test_nothing_of_one_organization_is_seen_from_another(tenants: Tenants) -> None:
    kauri, tui = tenants["kauri"], tenants["tui"]
    kauri.users.add(id="tom", email="tom@kauri.example", name="Tom", roles=["sales_staff"])
    with kauri.sign_in("tom"):
        assert tui.users.get("tom") is None
        assert tui.users.by_email("tom@kauri.example") is None
        assert not tui.can("tom", "sales", "view")
        assert (len(kauri.sessions), len(tui.sessions)) == (1, 0)
        assert [event.kind for event in tui.audit] == ["organization.created"]
    assert list(tui.users) == []


def test_seats_are_each_organizations_own(tenants: Tenants) -> None:
    for org in tenants:
        org.users.add(id=f"{org.id}-user", email=f"u@{org.id}.example", name="U")
    with tenants["tui"].sign_in("tui-user"), tenants["kauri"].sign_in("kauri-user"):
        with pytest.raises(seatperm.SeatsExhausted):
            tenants["tui"].sign_in("tui-user")
        tenants["kauri"].sign_in("kauri-user").end()


def test_who_is_known_elsewhere_is_asked_to_join_in_the_same_words_as_anybody(tenants: Tenants) -> None:
    kauri, tui = tenants["kauri"], tenants["tui"]
    kauri.users.add(id="rob", email="rob@bluff.example", name="Rob Hale", roles=["bookkeeper"])
    known = tui.users.invite(email="Rob@bluff.example", name="Robert", roles=["sales_staff"])
    fresh = tui.users.invite(email="new@bluff.example", name="New", roles=["sales_staff"])
    assert known.user.id != "rob"
    assert known.user.name == "Robert"
    assert len(known.user.id) == len(fresh.user.id)
    assert tui.users[known.user.id].email == "Rob@bluff.example"
    assert not tui.can("rob", "sales", "view")
    joined = tui.users.accept(known.token)
    assert (joined.id, joined.name, joined.email) == ("rob", "Rob Hale", "rob@bluff.example")
    assert tui.users.get(known.user.id) is None
    assert tui.can("rob", "sales", "view")
    assert not tui.can("rob", "ledger", "view")
    assert kauri.can("rob", "ledger", "view")


def test_add_does_not_take_who_is_known_elsewhere(tenants: Tenants) -> None:
    tenants["kauri"].users.add(id="rob", email="rob@bluff.example", name="Rob")
    with pytest.raises(EmailTaken):
        tenants["tui"].users.add(id="rob", email="rob@bluff.example", name="Rob")
    with pytest.raises(UserExists):
        tenants["tui"].users.add(id="rob", email="other@bluff.example", name="Other")
    with pytest.raises(UserExists):
        tenants["tui"].users.invite(id="rob", email="other@bluff.example", name="Other")


def test_a_person_is_locked_in_one_organization_only(tenants: Tenants) -> None:
    kauri, tui = tenants["kauri"], tenants["tui"]
    kauri.users.add(id="rob", email="rob@bluff.example", name="Rob", roles=["bookkeeper"])
    tui.users.accept(tui.users.invite(email="rob@bluff.example", name="Rob", roles=["bookkeeper"]).token)
    kauri.users.lock("rob")
    assert (kauri.can("rob", "ledger", "view"), tui.can("rob", "ledger", "view")) == (False, True)
    kauri.users.dismiss("rob")
    assert tui.users["rob"].email == "rob@bluff.example"


def test_a_token_of_one_organization_is_unknown_to_another(tenants: Tenants) -> None:
    invitation = tenants["kauri"].users.invite(email="rob@bluff.example", name="Rob")
    with pytest.raises(InvitationRefused):
        tenants["tui"].users.accept(invitation.token)
    assert tenants["kauri"].users.accept(invitation.token).state == "active"


def test_whoever_moves_the_address_of_a_pending_invitation_does_not_become_that_person(tenants: Tenants) -> None:
    kauri, tui = tenants["kauri"], tenants["tui"]
    kauri.users.add(id="rob", email="rob@bluff.example", name="Rob Hale")
    pending = tui.users.invite(email="rob@bluff.example", name="Rob")
    moved = tui.users.change_email(pending.user, "mallory@tui.example")
    joined = tui.users.accept(moved.token)
    assert (joined.id, joined.email, joined.name) == (pending.user.id, "mallory@tui.example", "Rob")
    assert kauri.users["rob"].email == "rob@bluff.example"


def test_a_change_of_address_voids_a_pending_invitation_elsewhere(tenants: Tenants) -> None:
    kauri, tui = tenants["kauri"], tenants["tui"]
    kauri.users.add(id="rob", email="rob@bluff.example", name="Rob")
    pending = tui.users.invite(email="rob@bluff.example", name="Rob")
    kauri.users.change_email("rob", "robert@bluff.example")
    with pytest.raises(InvitationRefused):
        tui.users.accept(pending.token)


def test_a_change_of_address_reaches_every_organization_of_the_person(tenants: Tenants) -> None:
    kauri, tui = tenants["kauri"], tenants["tui"]
    kauri.users.add(id="rob", email="rob@bluff.example", name="Rob")
    tui.users.accept(tui.users.invite(email="rob@bluff.example", name="Rob").token)
    kauri.users.change_email("rob", "robert@bluff.example")
    assert tui.users.by_email("robert@bluff.example") == tui.users["rob"]
    assert tui.users["rob"].state == "active"
    assert kauri.users["rob"].state == "invited"
    assert tui.audit.verify()
    assert kauri.audit.verify()


def test_of_a_person_in_several_organizations_only_the_host_changes_name_and_address(tenants: Tenants) -> None:
    kauri, tui = tenants["kauri"], tenants["tui"]
    kauri.users.add(id="rob", email="rob@bluff.example", name="Rob")
    kauri.users.add(id="admin", email="admin@kauri.example", name="Ada", roles=["organization_admin"])
    tui.users.accept(tui.users.invite(email="rob@bluff.example", name="Rob").token)
    for call in (
        lambda: kauri.as_user("admin").users.rename("rob", "Robert"),
        lambda: kauri.as_user("admin").users.change_email("rob", "robert@bluff.example"),
    ):
        with pytest.raises(AccessDenied) as denied:
            call()
        assert denied.value.decision.reason is Reason.HOST_ONLY
    kauri.users.rename("rob", "Robert")
    assert tui.users["rob"].name == "Robert"
    assert kauri.as_user("admin").users.lock("rob").locked
    assert not tui.users["rob"].locked


def test_a_relation_may_be_told_for_every_organization_or_for_one(tenants: Tenants) -> None:
    tenants.relate("sales", lambda user, record, action: "own")
    for org in tenants:
        org.users.add(id=f"{org.id}-user", email=f"u@{org.id}.example", name="U", roles=["own_sales"])
    tenants["tui"].relate("sales", lambda user, record, action: None)
    record = object()
    assert tenants["kauri"].can("kauri-user", "sales.invoices", "edit", record)
    assert not tenants["tui"].can("tui-user", "sales.invoices", "edit", record)


def test_nothing_of_an_invitation_tells_that_the_person_is_known_elsewhere(tenants: Tenants) -> None:
    kauri, tui = tenants["kauri"], tenants["tui"]
    kauri.users.add(id="rob", email="rob@bluff.example", name="Rob Hale")
    invitation = tui.users.invite(email="rob@bluff.example", name="Robert")
    seen = [
        invitation.user,
        tui.users[invitation.user.id],
        tui.users.by_email("rob@bluff.example"),
        *tui.users,
        tui.users.lock(invitation.user),
        tui.users.reinvite(invitation.user).user,
        tui.users.rename(invitation.user, "Bob"),
    ]
    for user in seen:
        assert user is not None
        assert user.person == user.id == invitation.user.id


def test_who_comes_back_is_called_what_the_person_is_called_elsewhere(tenants: Tenants) -> None:
    kauri, tui = tenants["kauri"], tenants["tui"]
    kauri.users.add(id="rob", email="rob@bluff.example", name="Rob Hale")
    tui.users.accept(tui.users.invite(email="rob@bluff.example", name="R").token)
    tui.users.dismiss("rob")
    back = tui.users.accept(tui.users.invite(email="rob@bluff.example", name="Totally Else").token)
    assert (back.id, back.name) == ("rob", "Rob Hale")
    assert kauri.users["rob"].name == "Rob Hale"
