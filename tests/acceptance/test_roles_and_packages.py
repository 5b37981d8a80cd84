"""Roles and packages: lines 8 to 12 of what the issue of the organization's books asks for."""

from __future__ import annotations

import json
import tomllib
from collections.abc import Iterable
from pathlib import Path

import pytest
from click.testing import CliRunner

import seatperm
from seatperm import AccessDenied, Catalog, Organization, RoleNotInPackage
from seatperm.catalog import USERS
from seatperm.cli import main
from seatperm.organization import Difference, ListedRole
from seatperm.organization.answers import Terms
from seatperm.stores.opening import open_directory
from seatperm.testing.clock import ManualClock

from ..books import CATALOG, AddUser


def ids(roles: Iterable[ListedRole]) -> list[str]:
    return [role.id for role in roles]


def everything(org: Organization, user: str) -> set[tuple[str, str, str]]:
    """Ask every question there is about a user."""
    return {
        (resource, action, scope)
        for resource in org.catalog.resources
        for action in org.catalog.actions(resource)
        for scope in org.catalog.scopes
        if org.can(user, resource, action, scope=scope)
    }


def told(differences: Iterable[Difference]) -> set[tuple[str, str, str]]:
    return {(one.resource, one.action, one.scope) for one in differences}


# Holding roles


def test_a_user_holds_any_number_of_roles_and_overlaps_take_the_highest(org: Organization, add: AddUser) -> None:
    add("tom", "own_sales", "sales_staff", "bookkeeper", "estimator", "reader")
    assert len(org.users["tom"].roles) == 5
    assert org.widest_scope("tom", "sales", "edit") == "all"
    org.users.unassign("tom", "sales_staff")
    assert org.widest_scope("tom", "sales", "edit") == "own"
    assert org.widest_scope("tom", "sales", "view") == "team"
    assert org.can("tom", "sales.quotes", "delete")


def test_removing_every_role_leaves_a_sign_in_that_may_do_nothing(org: Organization, add: AddUser) -> None:
    org.set_global_permissions({})
    add("tom", "sales_staff", "bookkeeper")
    for role in ("sales_staff", "bookkeeper"):
        org.users.unassign("tom", role)
    with org.sign_in("tom"):
        assert everything(org, "tom") == {(USERS, "view", "own")}


def test_a_role_covers_the_sub_functions_that_it_does_not_name(org: Organization, add: AddUser) -> None:
    add("tom")
    org.define_role("desk", title="Desk", grants={"sales": "edit", "sales.quotes": "view", "sales.cards": "yes"})
    org.users.assign("tom", "desk")
    assert org.can("tom", "sales.invoices", "edit")
    assert org.can("tom", "sales.quotes", "view")
    assert not org.can("tom", "sales.quotes", "edit")
    assert org.can("tom", "sales.cards", "use"), "another ladder is opened by its own entry"


# Listing them


def test_system_and_licensee_roles_are_listed_apart(org: Organization) -> None:
    listing = org.roles()
    assert ids(listing.system) == ["organization_admin", "user_manager", "reader"]
    assert not {*ids(listing.current_package), *ids(listing.other_packages)} & set(ids(listing.system))


def test_the_user_list_shows_the_roles_of_both_kinds(org: Organization, add: AddUser) -> None:
    add("tom", "sales_staff", "reader")
    kinds = {role: org.catalog.roles[role].kind for role in org.users["tom"].roles}
    assert kinds == {"sales_staff": "licensee", "reader": "system"}


def test_what_can_be_given_is_under_current_package_and_the_rest_under_other_with_what_brings_it(
    org: Organization, add: AddUser
) -> None:
    add("tom")
    org.change_license(package="essentials")
    listing = org.roles()
    assert ids(listing.current_package) == ["sales_staff", "own_sales", "bookkeeper", "owner"]
    assert {role.id: role.comes_with for role in listing.other_packages} == {
        "estimator": ("trade",),
        "pay_clerk": ("payroll",),
    }
    for role in listing.current_package:
        org.users.assign("tom", role.id)
    for role in listing.other_packages:
        with pytest.raises(RoleNotInPackage) as refused:
            org.users.assign("tom", role.id)
        assert refused.value.packages == role.comes_with


def test_on_the_largest_package_nothing_is_left_under_other(org: Organization) -> None:
    org.change_license(package="trade", add_ons=["payroll"])
    assert org.roles().other_packages == ()


# Downgrades and previews


def test_roles_and_settings_stay_dormant_and_come_back_with_an_upgrade(org: Organization, add: AddUser) -> None:
    add("tom", "estimator", "bookkeeper")
    org.users.override("tom", "sales.quotes", "view:own")
    org.users.override("tom", "ledger", "view")
    user, before = org.users["tom"], everything(org, "tom")
    org.change_license(package="essentials")
    assert org.users["tom"] == user
    assert (ids(org.roles("tom").held), ids(org.roles("tom").dormant)) == (["bookkeeper"], ["estimator"])
    assert everything(org, "tom") == {reach for reach in before if reach[0] != "sales.quotes"}
    org.change_license(package="trade")
    assert everything(org, "tom") == before
    assert org.roles("tom").dormant == ()


def test_a_preview_names_exactly_what_each_user_would_lose_or_gain(org: Organization, add: AddUser) -> None:
    """The same questions asked before and after give the same sets, for everybody, up and down."""
    add("tom", "estimator", "own_sales")
    add("ann", "sales_staff")
    org.change_license(add_ons=["payroll"])
    add("pay", "pay_clerk")
    org.users.override("ann", "sales.quotes", "full:team")
    everybody = ["admin", "ann", "pay", "tom"]
    moves: list[Terms] = [
        {"package": "essentials", "add_ons": []},
        {"package": "essentials", "add_ons": ["payroll"]},
        {"package": "trade", "add_ons": []},
    ]
    for terms in moves:
        preview = {effect.user_id: effect for effect in org.preview_license(**terms).effects}
        before = {user: everything(org, user) for user in everybody}
        org.change_license(**terms)
        for user in everybody:
            after = everything(org, user)
            effect = preview.get(user)
            assert set(effect.gained if effect else ()) == after - before[user]
            assert set(effect.lost if effect else ()) == before[user] - after


def test_a_preview_changes_nothing(org: Organization, add: AddUser) -> None:
    add("tom", "estimator")
    revision, license = org.revision, org.license
    list(org.preview_license(package="essentials").effects)
    list(org.preview_catalog(newer(without="estimator")).effects)
    assert (org.revision, org.license) == (revision, license)


def test_the_command_line_names_all_of_it_as_table_json_and_csv(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path / 'books.db'}"
    org = seatperm.open(tomllib.loads(CATALOG), url)
    org.change_license(package="trade", session_limit=3)
    org.users.add(id="tom", email="tom@kauri.example", name="Tom", roles=["estimator"])
    org.users.add(id="ann", email="ann@kauri.example", name="Ann", roles=["own_sales"])
    expected = {effect.user_id: set(effect.lost) for effect in org.preview_license(package="essentials").effects}
    org.close()
    (tmp_path / "catalog.toml").write_text(CATALOG, "utf-8")
    args = ["license", "preview", "--package", "essentials", "--catalog", str(tmp_path / "catalog.toml")]
    outputs = {
        format: CliRunner(env={"COLUMNS": "200"}).invoke(main, [*args, "--store", url, "--format", format]).output
        for format in ("table", "json", "csv")
    }
    by_json = {
        one["user"]: {(reach["resource"], reach["action"], reach["scope"]) for reach in one["lost"]}
        for one in json.loads(outputs["json"])["effects"]
    }
    by_csv: dict[str, set[tuple[str, str, str]]] = {}
    for line in outputs["csv"].splitlines()[1:]:
        user, change, resource, action, scope = line.split(",")
        assert change == "lost"
        by_csv.setdefault(user, set()).add((resource, action, scope))
    assert by_json == by_csv == expected
    table = [line.split(maxsplit=1) for line in outputs["table"].splitlines()]
    assert ["tom", "sales.quotes (view, create, edit, delete)"] in table
    assert ["ann", "sales.quotes (view:own+team, create:own, edit:own)"] in table


def newer(*, without: str = "") -> Catalog:
    """The catalog with one role less."""
    written = tomllib.loads(CATALOG)
    if without:
        del written["roles"][without]
    return Catalog.load(written)


# A new version of the catalog


def test_a_new_catalog_is_told_for_every_user_with_the_cause(org: Organization, add: AddUser) -> None:
    add("tom", "sales_staff", "own_sales")
    add("ann", "bookkeeper")
    before = everything(org, "tom")
    change = org.preview_catalog(newer(without="sales_staff"))
    assert change.unknown == ("role 'sales_staff', of 1 user",)
    (effect,) = change.effects
    org.users.unassign("tom", "sales_staff")
    assert effect.user_id == "tom"
    assert effect.gained == ()
    assert told(effect.lost) == before - everything(org, "tom")
    assert {one.cause for one in effect.lost} == {"the role 'sales_staff' is removed"}


def test_what_the_preview_says_is_what_opening_with_the_new_catalog_does(
    catalog: Catalog, url: str, clock: ManualClock
) -> None:
    directory = open_directory(url)
    org = seatperm.open(catalog, directory, session_store="memory://", clock=clock)
    org.change_license(package="trade", session_limit=3)
    for id, roles in {"tom": ["sales_staff", "estimator"], "ann": ["own_sales"], "bob": ["owner"]}.items():
        org.users.add(id=id, email=f"{id}@kauri.example", name=id, roles=roles)
    org.users.override("ann", "sales.quotes", "edit:team")
    written = tomllib.loads(CATALOG)
    written["ladders"]["default"]["actions"]["delete"] = "edit"
    written["resources"]["sales.invoices"]["package"] = "trade"
    written["packages"]["trade"]["caps"] = {"sales.quotes": "view"}
    written["roles"]["own_sales"]["grants"]["sales"] = "edit"
    new = Catalog.load(written)
    effects = {effect.user_id: effect for effect in org.preview_catalog(new).effects}
    assert set(effects) == {"tom", "ann", "bob"}
    before = {user.id: everything(org, user.id) for user in org.users}
    opened = seatperm.open(new, directory, session_store="memory://", clock=clock)
    for user, had in before.items():
        assert told(effects[user].gained) == everything(opened, user) - had
        assert told(effects[user].lost) == had - everything(opened, user)
        assert all(one.causes for one in (*effects[user].gained, *effects[user].lost))
    directory.close()


def test_only_the_host_previews_a_catalog(org: Organization) -> None:
    with pytest.raises(AccessDenied):
        org.as_user("admin").preview_catalog(newer())
