"""Roles of an organization's own: line 13 of what the issue of the organization's books asks for."""

from __future__ import annotations

import tomllib
from collections.abc import Iterator, Mapping
from datetime import timedelta
from typing import Any, Literal, Protocol

import pytest
from attrs import evolve

import seatperm
from seatperm import (
    AccessDenied,
    Catalog,
    CatalogMismatch,
    InvalidGrant,
    InvalidValue,
    Organization,
    RoleExists,
    RoleNotInPackage,
    UnknownResource,
    UnknownRole,
)
from seatperm.catalog import USERS
from seatperm.stores import DirectoryStore
from seatperm.stores.opening import open_directory
from seatperm.testing.clock import ManualClock

from ..books import CATALOG, AddUser
from .test_roles_and_packages import everything, ids, told

SCOPES = ("own", "team", "all")


class Opening(Protocol):
    """Opens the same store once more, as another process would: nothing is shared but the store."""

    def __call__(
        self, catalog: Catalog | Mapping[str, object], *, orphans: Literal["refuse", "keep"] = "refuse"
    ) -> Organization: ...


@pytest.fixture
def directory(url: str) -> Iterator[DirectoryStore]:
    """A new store that several openings share."""
    store = open_directory(url)
    yield store
    store.close()


@pytest.fixture
def opening(directory: DirectoryStore, clock: ManualClock) -> Opening:
    """Open the store."""

    def opening(
        catalog: Catalog | Mapping[str, object], *, orphans: Literal["refuse", "keep"] = "refuse"
    ) -> Organization:
        return seatperm.open(catalog, directory, session_store="memory://", clock=clock, orphans=orphans)

    return opening


@pytest.fixture
def first(catalog: Catalog, opening: Opening) -> Organization:
    """The store's organization, on the package trade; tom holds nothing."""
    opened = opening(catalog)
    opened.change_license(package="trade", session_limit=3)
    opened.users.add(id="tom", email="tom@kauri.example", name="Tom")
    return opened


def test_an_organization_admin_defines_a_role_that_is_given_like_any_other(org: Organization, add: AddUser) -> None:
    add("tom")
    acting = org.as_user("admin")
    listed = acting.define_role(
        "night", title="Night till", description="Nights only", grants={"sales": ["view", "edit:own"]}
    )
    assert (listed.id, listed.title, listed.custom, listed.package) == ("night", "Night till", True, "essentials")
    acting.users.assign("tom", "night")
    assert org.can("tom", "sales", "view")
    assert org.widest_scope("tom", "sales.invoices", "edit") == "own"
    assert "Night till" in str(org.explain("tom", "sales", "view"))
    assert org.access("tom").table["sales"]["all"].roles == ("night",)
    assert [user.id for user in org.who_can("sales", "view")] == ["tom"]


def test_it_is_listed_beside_the_vendors_and_marked(org: Organization, add: AddUser) -> None:
    add("tom")
    org.define_role("night", title="Night till", grants={"sales": "view"})
    org.users.assign("tom", "night")
    assert {role.id for role in org.roles().current_package if role.custom} == {"night"}
    assert [(role.id, role.custom) for role in org.roles("tom").held] == [("night", True)]


def test_defining_and_removing_one_takes_assign(org: Organization, add: AddUser) -> None:
    add("mia", "user_manager")
    org.define_role("night", title="Night till", grants={"sales": "view"})
    for refused in (
        lambda: org.as_user("mia").define_role("day", title="Day", grants={"sales": "view"}),
        lambda: org.as_user("mia").define_role("night", title="Night till", grants={"sales": "full"}),
        lambda: org.as_user("mia").remove_role("night"),
    ):
        with pytest.raises(AccessDenied) as denied:
            refused()
        assert denied.value.decision.action == "assign"
    assert [role.id for role in org.roles().current_package if role.custom] == ["night"]


def test_only_what_the_license_contains_can_be_in_one(org: Organization) -> None:
    with pytest.raises(InvalidGrant, match="comes with 'payroll'"):
        org.define_role("pay", title="Pay", grants={"payroll": "view"})
    with pytest.raises(RoleNotInPackage):
        org.define_role("pay", title="Pay", grants={}, includes=["pay_clerk"])
    org.change_license(add_ons=["payroll"])
    assert org.define_role("pay", title="Pay", grants={"payroll": "view"}).package == "payroll"


def test_nothing_of_the_organization_can_be_in_one(org: Organization) -> None:
    for path in ("organization", "organization.users", "organization.settings"):
        with pytest.raises(InvalidGrant, match="nothing of 'organization'"):
            org.define_role("boss", title="Boss", grants={path: "full"})
    with pytest.raises(InvalidValue, match="system role"):
        org.define_role("boss", title="Boss", grants={}, includes=["organization_admin"])


def test_what_is_wrong_is_refused_and_keeps_nothing(org: Organization) -> None:
    revision = org.revision
    with pytest.raises(RoleExists) as exists:
        org.define_role("sales_staff", title="Mine", grants={"sales": "full"})
    assert exists.value.role == "sales_staff"
    with pytest.raises(InvalidGrant, match="edt"):
        org.define_role("night", title="Night", grants={"sales": "edt"})
    with pytest.raises(UnknownResource):
        org.define_role("night", title="Night", grants={"sale": "edit"})
    with pytest.raises(UnknownRole):
        org.define_role("night", title="Night", grants={}, includes=["clerk"])
    for id, title in (("", "Night"), ("9", "Night"), ("a b", "Night"), ("night", ""), ("night", " Night")):
        with pytest.raises(InvalidValue):
            org.define_role(id, title=title, grants={"sales": "edit"})
    assert org.revision == revision


def test_it_belongs_to_the_cheapest_tier_that_contains_all_of_it(org: Organization) -> None:
    assert org.define_role("a", title="A", grants={"sales": "view"}).package == "essentials"
    assert org.define_role("b", title="B", grants={"sales": "view", "sales.quotes": "view"}).package == "trade"
    assert org.define_role("c", title="C", grants={}, includes=["estimator"]).package == "trade"
    assert org.define_role("d", title="D", grants={}).package == "essentials"


def test_after_a_downgrade_it_is_dormant_and_an_upgrade_revives_it(org: Organization, add: AddUser) -> None:
    add("tom")
    org.define_role("quoter", title="Quoter", grants={"sales": "view", "sales.quotes": "edit"})
    org.users.assign("tom", "quoter")
    org.change_license(package="essentials")
    assert not org.can("tom", "sales", "view")
    assert [(role.id, role.comes_with) for role in org.roles("tom").dormant] == [("quoter", ("trade",))]
    assert "quoter" in ids(org.roles().other_packages)
    with pytest.raises(RoleNotInPackage):
        org.users.assign("admin", "quoter")
    org.change_license(package="trade")
    assert org.can("tom", "sales.quotes", "edit")


def test_one_defined_anew_counts_for_its_holders_at_once(org: Organization, add: AddUser) -> None:
    add("tom")
    org.define_role("night", title="Night", grants={"sales": "view"})
    org.users.assign("tom", "night")
    org.define_role("night", title="Night", grants={"ledger": "view"})
    assert not org.can("tom", "sales", "view")
    assert org.can("tom", "ledger", "view")


def test_one_may_include_others_but_not_in_a_circle(org: Organization, add: AddUser) -> None:
    add("tom")
    org.define_role("a", title="A", grants={"ledger": "view"}, includes=["sales_staff"])
    org.define_role("b", title="B", grants={}, includes=["a"])
    org.users.assign("tom", "b")
    assert org.can("tom", "sales", "edit")
    assert org.can("tom", "ledger", "view")
    for id, included in (("a", "b"), ("a", "a")):
        with pytest.raises(InvalidValue, match="includes"):
            org.define_role(id, title="A", grants={}, includes=[included])


def test_a_removed_one_is_taken_from_its_holders_in_the_same_change(org: Organization, add: AddUser) -> None:
    add("tom")
    add("ann")
    org.define_role("night", title="Night", grants={"sales": "view"})
    org.define_role("day", title="Day", grants={}, includes=["night"])
    org.users.assign("tom", "night")
    org.users.assign("ann", "day")
    org.change_license(reserved={"night": 1})
    revision = org.revision
    org.remove_role("night")
    assert org.revision == revision + 1
    assert dict(org.users["tom"].roles) == {}
    assert not org.can("ann", "sales", "view")
    assert dict(org.license.reserved) == {}
    assert "night" not in ids(org.roles().current_package)
    with pytest.raises(UnknownRole):
        org.users.assign("tom", "night")
    for id in ("night", "sales_staff"):
        with pytest.raises(UnknownRole):
            org.remove_role(id)


def test_every_change_of_one_is_in_the_trail(org: Organization, add: AddUser) -> None:
    add("tom")
    acting = org.as_user("admin")
    acting.define_role("night", title="Night", grants={"sales": "view:own"})
    acting.users.assign("admin", "night")
    acting.define_role("night", title="Night", grants={"sales": "view"})
    org.users.assign("tom", "night")
    acting.remove_role("night")
    events = [event for event in org.audit if event.kind.startswith("role.")]
    kinds = ["defined", "assigned", "defined", "assigned", "removed", "unassigned", "unassigned"]
    assert [event.kind for event in events] == [f"role.{kind}" for kind in kinds]
    first, again, removed = (event.details or {} for event in (events[0], events[2], events[4]))
    assert (first["before"], first.get("to_oneself")) == (None, None)
    assert isinstance(again["after"], dict)
    assert again["after"]["grants"] == {"sales": "view"}
    assert again["to_oneself"] is True, "a wider role is handed out to whoever holds it"
    assert removed["before"] == again["after"]
    assert org.audit.verify()


def test_the_same_definition_again_changes_nothing(org: Organization) -> None:
    org.define_role("night", title="Night", grants={"sales": "view"})
    revision = org.revision
    org.define_role("night", title="Night", grants={"sales": ["view"]})
    assert org.revision == revision


def test_another_process_sees_it_within_staleness(
    first: Organization, catalog: Catalog, opening: Opening, clock: ManualClock
) -> None:
    other = opening(catalog)
    assert not other.can("tom", "sales", "view")
    first.define_role("night", title="Night", grants={"sales": "view"})
    first.users.assign("tom", "night")
    clock.advance(timedelta(seconds=1))
    assert other.can("tom", "sales", "view")
    assert other.roles("tom").held[0].custom
    first.remove_role("night")
    clock.advance(timedelta(seconds=1))
    assert not other.can("tom", "sales", "view")


def test_another_process_gives_it_at_once_and_never_one_that_is_gone(
    first: Organization, catalog: Catalog, opening: Opening
) -> None:
    """Inside a change, names are looked up as the store has them, not as old as staleness allows."""
    other = opening(catalog)
    first.define_role("night", title="Night", grants={"sales": "view"})
    other.users.assign("tom", "night")
    first.remove_role("night")
    with pytest.raises(UnknownRole):
        other.users.assign("tom", "night")


def without_cards() -> dict[str, object]:
    """The catalog without one of its resources."""
    written = tomllib.loads(CATALOG)
    del written["resources"]["sales.cards"]
    return written


def test_what_a_new_catalog_cannot_read_is_told(first: Organization, opening: Opening) -> None:
    first.define_role("cards", title="Cards", grants={"sales.cards": "yes", "ledger": "view"})
    first.define_role("both", title="Both", grants={"sales": "view"}, includes=["cards"])
    first.define_role("plain", title="Plain", grants={"sales.invoices": "view"})
    for role in ("cards", "both", "plain"):
        first.users.assign("tom", role)
    with pytest.raises(CatalogMismatch) as mismatch:
        opening(without_cards())
    said = "\n".join(mismatch.value.unknown)
    assert "role 'cards' of the organization's own: resource 'sales.cards'" in said
    assert "role 'both' of the organization's own: it includes 'cards'" in said
    assert "plain" not in said


def test_a_kept_one_that_cannot_be_read_sleeps_until_it_can(
    first: Organization, catalog: Catalog, opening: Opening
) -> None:
    first.define_role("cards", title="Cards", grants={"sales.cards": "yes", "ledger": "view"})
    first.users.assign("tom", "cards")
    kept = opening(without_cards(), orphans="keep")
    assert not kept.can("tom", "ledger", "view")
    assert [(role.id, role.title, role.custom) for role in kept.roles("tom").dormant] == [("cards", "Cards", True)]
    kept.define_role("other", title="Other", grants={"ledger": "view"})
    again = opening(catalog)
    assert again.can("tom", "sales.cards", "use")
    assert again.can("tom", "ledger", "view")


def with_auditor() -> dict[str, object]:
    """The catalog with a new system role."""
    written = tomllib.loads(CATALOG)
    written["roles"]["auditor"] = {"kind": "system", "grants": {"organization": "full"}}
    return written


def test_a_vendors_new_role_of_the_same_name_is_told(first: Organization, opening: Opening) -> None:
    first.define_role("auditor", title="Our auditor", grants={"ledger": "view"})
    with pytest.raises(CatalogMismatch, match="the catalog has a role of that name"):
        opening(with_auditor())


def test_a_vendors_new_role_of_the_same_name_is_given_to_nobody_unasked(first: Organization, opening: Opening) -> None:
    """Who was given the organization's role of that name does not wake up with the vendor's."""
    first.define_role("auditor", title="Our auditor", grants={"ledger": "view"})
    first.users.assign("tom", "auditor")
    kept = opening(with_auditor(), orphans="keep")
    assert everything(kept, "tom") == {(USERS, "view", "own"), ("sales.invoices", "view", "own")}
    kept.remove_role("auditor")
    assert dict(kept.users["tom"].roles) == {}
    kept.users.assign("tom", "auditor")
    assert kept.can("tom", USERS, "assign")


def test_one_organizations_roles_are_nothing_to_another(tenants: seatperm.Tenants) -> None:
    kauri, tui = tenants["kauri"], tenants["tui"]
    kauri.define_role("night", title="Night", grants={"sales": "view"})
    assert "night" not in ids(tui.roles().current_package)
    with pytest.raises(UnknownRole):
        tui.users.invite(email="tom@tui.example", name="Tom", roles=["night"])
    tui.define_role("night", title="Other", grants={"ledger": "view"})
    assert {role.title for role in kauri.roles().current_package if role.custom} == {"Night"}


def test_a_preview_of_a_new_catalog_counts_them_in(org: Organization, add: AddUser) -> None:
    add("tom")
    org.define_role("cards", title="Cards", grants={"sales.cards": "yes", "ledger": "view"})
    org.users.assign("tom", "cards")
    change = org.preview_catalog(without_cards())
    (unknown,) = change.unknown
    assert unknown.startswith("role 'cards' of the organization's own: resource 'sales.cards' in its grants")
    (effect,) = change.effects
    assert {one.cause for one in effect.lost} == {"the resource 'sales.cards' is removed"}
    assert told(effect.lost) == {
        *((("sales.cards"), "use", scope) for scope in SCOPES),
        *(("ledger", "view", scope) for scope in SCOPES),
    }


@pytest.mark.parametrize(
    "altered",
    [
        {"kind": "system", "package": None, "grants": {"organization": (seatperm.Grant("full"),)}},
        {"kind": "system", "grants": {"sales": (seatperm.Grant("full"),)}},
        {"grants": {"organization": (seatperm.Grant("full"),)}},
        {"everything": True, "grants": {}},
    ],
    ids=["system", "system in a package", "of the organization", "everything"],
)
def test_a_stored_one_that_no_organization_could_define_gives_nothing(
    first: Organization, directory: DirectoryStore, clock: ManualClock, altered: dict[str, Any]
) -> None:
    """A store that somebody altered by hand makes nobody an administrator."""
    first.set_global_permissions({})
    first.users.reset("tom")
    first.define_role("night", title="Night", grants={"sales": "view"})
    first.users.assign("tom", "night")
    with directory.change() as store:
        record = store.organization(first.id)
        store.put_organization(evolve(record, roles={"night": evolve(record.roles["night"], **altered)}))
    clock.advance(timedelta(seconds=1))
    assert everything(first, "tom") == {(USERS, "view", "own")}
    assert ids(first.roles("tom").dormant) == ["night"]
