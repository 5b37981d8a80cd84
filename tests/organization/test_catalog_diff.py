"""What a new catalog would come to: exact for everybody, and each cause shown by a catalog with that part alone."""

from __future__ import annotations

import copy
import tomllib
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import pytest
from attrs import evolve
from hypothesis import HealthCheck, event, given, settings
from hypothesis import strategies as st

from seatperm import Catalog, CatalogError, Organization, rules
from seatperm.directory import Organization as Record
from seatperm.directory import User
from seatperm.license import License
from seatperm.organization.catalog_diff import CatalogEffect, Difference, catalog_effects
from seatperm.organization.catalog_parts import Cause
from seatperm.organization.orphans import Reader
from seatperm.testing.strategies import catalogs, licenses, users

from ..books import CATALOG, AddUser

NOON = datetime(2027, 1, 1, 12, tzinfo=UTC)


def reaches(catalog: Catalog, license: License, user: User) -> set[tuple[str, str, str]]:
    """Return what the rules, read plainly, allow; names that the catalog does not have give nothing."""
    if license.package not in catalog.tiers:
        license = License("none")
    known = Reader(catalog).user(user)
    return {
        (path, action, scope)
        for path in catalog.resources
        for scope in catalog.scopes
        for action in rules.actions(catalog, license, known, NOON, path, scope)
    }


def effect_on(old: Catalog, new: Catalog, license: License, user: User) -> CatalogEffect:
    effects = list(catalog_effects(old, new, Record("kauri", license), [user], NOON))
    return effects[0] if effects else CatalogEffect(user.id, (), ())


def patched(base: Catalog, cause: Cause, other: Catalog) -> Catalog | None:
    """Return the one catalog with the other's part, by way of their files; None where that is no whole catalog."""
    written: dict[str, Any] = copy.deepcopy(base.dump())
    target = written
    source: dict[str, Any] = copy.deepcopy(other.dump())
    for key in cause.path[:-1]:
        target = target.setdefault(key, {})
        source = source.get(key, {})
    last = cause.path[-1]
    target.pop(last, None)
    if last in source:
        target[last] = source[last]
    try:
        return Catalog.load(written)
    except CatalogError:
        return None


@settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large])
@given(st.data())
def test_it_is_exact_and_its_causes_are_true(data: st.DataObject) -> None:
    """Gained and lost are what the rules say of both catalogs; a part said to suffice alone does."""
    old, new = data.draw(catalogs()), data.draw(catalogs())
    license, user = data.draw(licenses(old)), data.draw(users(old))
    before, after = reaches(old, license, user), reaches(new, license, user)
    effect = effect_on(old, new, license, user)
    by_cause: dict[tuple[Cause, bool], set[tuple[str, str, str]] | None] = {}

    def with_only(cause: Cause, base: Catalog, other: Catalog) -> set[tuple[str, str, str]] | None:
        key = cause, base is old
        if key not in by_cause:
            mixed = patched(base, cause, other)
            by_cause[key] = None if mixed is None else reaches(mixed, license, user)
        return by_cause[key]

    for side, expected, by_part in ((effect.gained, after - before, True), (effect.lost, before - after, False)):
        assert {(one.resource, one.action, one.scope) for one in side} == expected
        for one in side:
            event(("together" if one.together else "alone") if one.causes else "none")
            for cause in one.causes:
                allowed = with_only(cause, *((new, old) if one.together else (old, new)))
                if allowed is not None:
                    there = (one.resource, one.action, one.scope) in allowed
                    assert there is (by_part is not one.together)


Edit = Callable[[dict[str, Any]], None]


def edited(*edits: Edit) -> dict[str, Any]:
    """The catalog of this folder, edited."""
    written = tomllib.loads(CATALOG)
    for edit in edits:
        edit(written)
    return written


def causes(org: Organization, *edits: Edit) -> dict[str, set[str]]:
    """Return, by user, why anything is gained or lost."""
    effects = org.preview_catalog(edited(*edits)).effects
    return {effect.user_id: {one.cause for one in (*effect.gained, *effect.lost)} for effect in effects}


def to_view(catalog: dict[str, Any]) -> None:
    catalog["roles"]["sales_staff"]["grants"]["sales"] = "view"


def bookkeepers_elsewhere(catalog: dict[str, Any]) -> None:
    catalog["roles"]["bookkeeper"]["package"] = "payroll"


def invoices_elsewhere(catalog: dict[str, Any]) -> None:
    catalog["resources"]["sales.invoices"]["package"] = "payroll"


def quotes_capped(catalog: dict[str, Any]) -> None:
    catalog["packages"]["trade"]["caps"] = {"sales.quotes": "edit"}


def easy_delete(catalog: dict[str, Any]) -> None:
    catalog["ladders"]["default"]["actions"]["delete"] = "edit"


def ledger_first(catalog: dict[str, Any]) -> None:
    catalog["resources"]["sales"]["actions"] = {"edit": {"level": "edit", "requires": ["ledger:view"]}}


def fewer_included(catalog: dict[str, Any]) -> None:
    catalog["packages"]["trade"]["includes"] = []


def two_scopes(catalog: dict[str, Any]) -> None:
    catalog["scopes"]["order"] = ["own", "all"]
    catalog["roles"]["own_sales"]["grants"]["sales"] = ["view:own", "edit:own"]


@pytest.mark.parametrize(
    ("edit", "user", "cause"),
    [
        (to_view, "sal", "the role 'sales_staff' says \"view\" on 'sales' instead of \"edit\""),
        (
            bookkeepers_elsewhere,
            "bob",
            "the role 'bookkeeper' belongs to the package 'payroll' instead of the package 'essentials'",
        ),
        (
            invoices_elsewhere,
            "sal",
            "the resource 'sales.invoices' belongs to the package 'payroll' instead of its parent's package",
        ),
        (quotes_capped, "est", "the package 'trade' caps 'sales.quotes' at 'edit' instead of nothing"),
        (easy_delete, "sal", "the action 'delete' of the ladder 'default' needs 'edit' instead of 'full'"),
        (ledger_first, "sal", "the action 'edit' of the resource 'sales' is added"),
        (fewer_included, "bob", "the package 'trade' includes nothing instead of 'essentials'"),
        (two_scopes, "bob", "the scopes are 'own', 'all' instead of 'own', 'team', 'all'"),
    ],
    ids=lambda value: value.__name__ if callable(value) else "",
)
def test_each_kind_of_difference_is_named(org: Organization, add: AddUser, edit: Edit, user: str, cause: str) -> None:
    for id, role in {"sal": "sales_staff", "bob": "bookkeeper", "est": "estimator"}.items():
        add(id, role)
    assert causes(org, edit)[user] == {cause}


def test_what_takes_two_differences_at_once_names_both(org: Organization, add: AddUser) -> None:
    add("bob", "bookkeeper")
    org.set_global_permissions({})

    def new_role(catalog: dict[str, Any]) -> None:
        catalog["roles"]["clerk"] = {"package": "essentials", "grants": {"sales": "view"}}

    def included(catalog: dict[str, Any]) -> None:
        catalog["roles"]["bookkeeper"]["includes"] = ["clerk"]

    effects = org.preview_catalog(edited(new_role, included)).effects
    (effect,) = effects
    assert all(one.together for one in effect.gained)
    assert {one.cause for one in effect.gained} == {
        "the role 'bookkeeper' includes 'clerk' instead of nothing and the role 'clerk' is added"
    }


def test_two_differences_each_of_which_would_do_are_both_named(org: Organization, add: AddUser) -> None:
    add("sal", "sales_staff")
    found = {cause for cause in causes(org, to_view, fewer_included)["sal"] if "; also " in cause}
    assert len(found) == 1
    assert not any(one.together for one in lost(org, "sal", to_view, fewer_included))


def lost(org: Organization, user: str, *edits: Edit) -> tuple[Difference, ...]:
    effects = org.preview_catalog(edited(*edits)).effects
    return next(effect.lost for effect in effects if effect.user_id == user)


def test_users_with_the_same_holdings_are_computed_once(org: Organization, add: AddUser) -> None:
    """Their effects are the very same objects."""
    for number in range(5):
        add(f"sal-{number}", "sales_staff")
    found = {id(effect.lost) for effect in org.preview_catalog(edited(to_view)).effects}
    assert len(found) == 1


def test_a_package_that_is_gone_takes_everything_with_it(org: Organization, add: AddUser) -> None:
    """With such a catalog nobody can tell what was bought: `open` refuses it even when orphans are kept."""
    add("sal", "sales_staff")

    def no_trade(catalog: dict[str, Any]) -> None:
        del catalog["packages"]["trade"], catalog["resources"]["sales.quotes"], catalog["roles"]["estimator"]

    change = org.preview_catalog(edited(no_trade))
    assert change.unknown == ("package 'trade' of the license",)
    allowed = {(one.resource, one.action, one.scope) for one in lost(org, "sal", no_trade)}
    assert allowed == {
        (path, action, scope)
        for path in ("sales", "sales.invoices", "sales.quotes")
        for action in ("view", "create", "edit")
        for scope in ("own", "team", "all")
    }


def test_a_tier_that_became_an_add_on_is_gone_too(org: Organization, add: AddUser) -> None:
    add("est", "estimator")

    def add_on(catalog: dict[str, Any]) -> None:
        catalog["packages"]["trade"] = {"add_on": True}

    change = org.preview_catalog(edited(add_on))
    assert change.unknown == ("package 'trade' of the license",)
    assert {one.action for one in lost(org, "est", add_on)} >= {"view", "delete"}


def test_titles_prices_and_types_change_nothing(org: Organization, add: AddUser) -> None:
    add("sal", "sales_staff")

    def cosmetic(catalog: dict[str, Any]) -> None:
        catalog["roles"]["sales_staff"]["title"] = "Salespeople"
        catalog["packages"]["trade"]["price_per_session"] = "99.00 NZD"
        catalog["user_types"]["guest"] = {}

    assert causes(org, cosmetic) == {}


def test_locked_users_have_nothing_to_lose(org: Organization, add: AddUser) -> None:
    add("sal", "sales_staff")
    org.users.lock("sal")
    assert "sal" not in causes(org, to_view)


def test_ended_roles_do_not_count() -> None:
    catalog = Catalog.load(tomllib.loads(CATALOG))
    user = User("sal", "sal@kauri.example", "Sal", roles={"sales_staff": NOON})
    assert effect_on(catalog, Catalog.load(edited(to_view)), License("trade"), user).lost == ()
    lasting = evolve(user, roles={"sales_staff": None})
    assert effect_on(catalog, Catalog.load(edited(to_view)), License("trade"), lasting).lost
