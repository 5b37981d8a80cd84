"""What a user holds: roles, ends, personal settings, types."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta, timezone

import pytest

from seatperm import (
    Grant,
    InvalidGrant,
    InvalidValue,
    Organization,
    RoleNotInPackage,
    SettingsMasked,
    UnknownResource,
    UnknownRole,
    UnknownUserType,
)
from seatperm.testing.clock import ManualClock

from .conftest import AddUser


def test_overlapping_roles_give_the_highest(org: Organization, add: AddUser) -> None:
    add("tom", "own_sales", "sales_staff")
    assert org.can("tom", "sales", "edit")
    org.users.unassign("tom", "sales_staff")
    assert org.widest_scope("tom", "sales", "edit") == "own"
    assert org.widest_scope("tom", "sales", "view") == "team"
    org.users.unassign("tom", "own_sales")
    assert org.widest_scope("tom", "sales.quotes", "view") is None
    assert org.sign_in("tom")


def test_a_role_of_another_package_is_not_given(org: Organization, add: AddUser) -> None:
    add("tom")
    org.change_license(package="essentials")
    with pytest.raises(RoleNotInPackage) as outside:
        org.users.assign("tom", "estimator")
    assert (outside.value.role, outside.value.package, outside.value.packages) == (
        "estimator",
        "essentials",
        ("trade",),
    )
    with pytest.raises(UnknownRole) as unknown:
        org.users.assign("tom", "estimater")
    assert unknown.value.nearest == ("estimator",)
    assert dict(org.users["tom"].roles) == {}


def test_a_downgrade_keeps_roles_dormant_and_an_upgrade_revives_them(org: Organization, add: AddUser) -> None:
    add("tom", "estimator")
    org.change_license(package="essentials")
    assert dict(org.users["tom"].roles) == {"estimator": None}
    assert [role.id for role in org.roles("tom").dormant] == ["estimator"]
    assert not org.can("tom", "sales.quotes", "view")
    org.change_license(package="trade")
    assert [role.id for role in org.roles("tom").held] == ["estimator"]
    assert org.can("tom", "sales.quotes", "view")


def test_a_role_ends_to_the_second(org: Organization, add: AddUser, clock: ManualClock) -> None:
    add("tom")
    org.users.assign("tom", "sales_staff", until=clock.now() + timedelta(seconds=10))
    clock.advance(timedelta(seconds=9.5))
    assert org.can("tom", "sales", "edit")
    clock.advance(timedelta(seconds=0.5))
    assert not org.can("tom", "sales", "edit")
    assert org.users["tom"].roles["sales_staff"] is not None


def test_an_override_ends_to_the_second(org: Organization, add: AddUser, clock: ManualClock) -> None:
    add("tom", "sales_staff")
    org.users.override("tom", "sales", "none", until=clock.now() + timedelta(hours=1))
    assert not org.can("tom", "sales", "view")
    clock.advance(timedelta(hours=1))
    assert org.can("tom", "sales", "view")


@pytest.mark.parametrize(
    "until",
    [
        datetime(2030, 1, 1),
        datetime(2020, 1, 1, tzinfo=UTC),
        datetime(2027, 3, 1, 9, 0, tzinfo=UTC),
        "2030-01-01",
    ],
)
def test_an_end_needs_a_time_zone_and_lies_ahead(org: Organization, add: AddUser, until: datetime) -> None:
    add("tom")
    with pytest.raises(InvalidValue, match="until"):
        org.users.assign("tom", "sales_staff", until=until)
    with pytest.raises(InvalidValue, match="until"):
        org.users.override("tom", "sales", "view", until=until)
    assert dict(org.users["tom"].roles) == {}


def test_times_are_kept_in_utc(org: Organization, add: AddUser) -> None:
    add("tom")
    auckland = timezone(timedelta(hours=13))
    user = org.users.assign("tom", "sales_staff", until=datetime(2027, 4, 1, 1, 0, tzinfo=auckland))
    assert user.roles["sales_staff"] == datetime(2027, 3, 31, 12, 0, tzinfo=UTC)
    assert org.users["tom"] == user


def test_an_override_replaces_up_and_down_until_cleared(org: Organization, add: AddUser) -> None:
    add("tom", "sales_staff")
    org.users.override("tom", "sales.invoices", "view:own")
    assert org.widest_scope("tom", "sales.invoices", "view") == "own"
    assert not org.can("tom", "sales.invoices", "edit", scope="own")
    org.users.override("tom", "ledger", "full")
    assert org.can("tom", "ledger", "delete")
    org.users.clear("tom", "sales.invoices")
    org.users.clear("tom", "ledger")
    assert org.can("tom", "sales.invoices", "edit")
    assert not org.can("tom", "ledger", "view")


def test_reset_clears_all_and_copies_todays_global_permissions(org: Organization, add: AddUser) -> None:
    add("tom")
    org.users.override("tom", "ledger", "full")
    org.users.override("tom", "sales", "none")
    org.set_global_permissions({"ledger": "view"})
    user = org.users.reset("tom")
    assert dict(user.overrides) == {}
    assert user.base == org.global_permissions
    assert (org.can("tom", "ledger", "view"), org.can("tom", "ledger", "edit")) == (True, False)


def test_one_single_permission_can_be_given_to_one_user_who_has_nothing_else(org: Organization, add: AddUser) -> None:
    add("pia", type="partner")
    org.users.override("pia", "sales", {"actions": ["delete"]})
    allowed = {
        (resource, scope, cell.actions)
        for resource, scopes in org.access("pia").table.items()
        for scope, cell in scopes.items()
        if cell.actions and resource not in ("organization.users", "sales.invoices")
    }
    assert allowed == {("sales", scope, ("delete",)) for scope in ("own", "team", "all")}


@pytest.mark.parametrize(
    "grant",
    [
        "veiw",
        "yes",
        "view:everyone",
        "none:own",
        "",
        [],
        {},
        {"actions": ["approve"]},
        {"level": "view", "scop": "own"},
        7,
        None,
    ],
)
def test_a_grant_that_does_not_fit_is_refused_and_nothing_is_written(
    org: Organization, add: AddUser, grant: object
) -> None:
    add("tom")
    revision = org.revision
    with pytest.raises(InvalidGrant) as invalid:
        org.users.override("tom", "sales", grant)  # type: ignore[arg-type]
    assert invalid.value.resource == "sales"
    with pytest.raises(InvalidGrant):
        org.set_global_permissions({"ledger": "view", "sales": grant})  # type: ignore[dict-item]
    assert org.revision == revision


def test_an_override_on_an_unknown_resource_is_refused(org: Organization, add: AddUser) -> None:
    add("tom")
    calls: list[Callable[[], object]] = [
        lambda: org.users.override("tom", "sales.invoice", "view"),
        lambda: org.users.clear("tom", "sales.invoice"),
        lambda: org.set_global_permissions({"sales.invoice": "view"}),
    ]
    for call in calls:
        with pytest.raises(UnknownResource) as unknown:
            call()
        assert unknown.value.nearest[0] == "sales.invoices"


def test_a_grant_may_be_given_in_every_form(org: Organization, add: AddUser) -> None:
    add("tom")
    for grant in ("edit:own", Grant("edit", scope="own"), {"level": "edit", "scope": "own"}, ["edit:own"]):
        assert org.users.override("tom", "sales", grant).overrides["sales"].entry == (Grant("edit", scope="own"),)


def test_settings_are_masked_while_a_role_of_everything_is_held(org: Organization, add: AddUser) -> None:
    add("tom", "sales_staff")
    org.users.override("tom", "ledger", "view")
    org.users.assign("tom", "owner")
    assert org.can("tom", "ledger", "delete")
    calls: list[Callable[[], object]] = [
        lambda: org.users.override("tom", "sales", "none"),
        lambda: org.users.clear("tom", "ledger"),
        lambda: org.users.reset("tom"),
    ]
    for call in calls:
        with pytest.raises(SettingsMasked) as masked:
            call()
        assert (masked.value.user, masked.value.role) == ("tom", "owner")
    org.users.unassign("tom", "owner")
    assert org.widest_scope("tom", "ledger", "view") == "all"
    assert not org.can("tom", "ledger", "delete")


def test_a_licensee_role_of_everything_does_not_mask_settings_on_the_organization(
    org: Organization, add: AddUser
) -> None:
    add("tom", "owner")
    org.users.override("tom", "organization.license", "view")
    assert org.can("tom", "organization.license", "view")
    org.users.clear("tom", "organization.license")
    assert not org.can("tom", "organization.license", "view")


def test_only_a_type_of_the_catalog_is_set(org: Organization, add: AddUser) -> None:
    add("tom")
    assert org.users.set_type("tom", "partner").type == "partner"
    with pytest.raises(UnknownUserType) as unknown:
        org.users.set_type("tom", "partners")
    assert unknown.value.nearest == ("partner",)


def test_what_changes_nothing_writes_nothing(org: Organization, add: AddUser) -> None:
    add("tom", "sales_staff")
    revision, events = org.revision, len(org.audit)
    org.users.assign("tom", "sales_staff")
    org.users.unassign("tom", "bookkeeper")
    org.users.clear("tom", "ledger")
    org.users.unlock("tom")
    org.users.rename("tom", "Tom")
    org.set_global_permissions({"sales.invoices": "view:own"})
    org.change_license(session_limit=3)
    assert (org.revision, len(org.audit)) == (revision, events)


def test_roles_are_listed_by_what_the_license_contains(org: Organization) -> None:
    listing = org.roles()
    assert [role.id for role in listing.current_package] == [
        "sales_staff",
        "own_sales",
        "bookkeeper",
        "estimator",
        "owner",
    ]
    assert [(role.id, role.comes_with) for role in listing.other_packages] == [("pay_clerk", ("payroll",))]
    assert [role.id for role in listing.system] == ["organization_admin", "user_manager", "reader"]
    org.change_license(add_ons=["payroll"])
    assert org.roles().other_packages == ()
    org.change_license(package="essentials", add_ons=[])
    assert [(role.id, role.comes_with) for role in org.roles().other_packages] == [
        ("estimator", ("trade",)),
        ("pay_clerk", ("payroll",)),
    ]
