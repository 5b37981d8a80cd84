"""The shipped accounting catalog says what the data that it is made from says."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import UTC, datetime
from importlib.resources import files
from pathlib import Path
from typing import Any

import pytest

from seatperm.catalog import BUILT_IN_RESOURCES, Catalog
from seatperm.directory import User
from seatperm.license import License, monthly_charge
from seatperm.money import Money
from seatperm.rules import actions

NOW = datetime(2026, 1, 1, tzinfo=UTC)
PACKAGES = ("essentials", "trade", "retail", "elite")
DEMO = Path(str(files("seatperm.demo")))
CATALOG = Catalog.load(DEMO / "accounting.toml")


def spelled(text: str) -> str:
    """Return the data's text in the catalog's spelling."""
    for ours, theirs in (("organization", "organisation"), ("license", "licence")):
        text = text.replace(theirs, ours).replace(theirs.capitalize(), ours.capitalize())
    return text


def read(path: Path) -> Any:
    return json.loads(path.read_text(encoding="utf-8"))


DATA: Mapping[str, Any] = read(Path(__file__).parents[1] / "examples" / "data" / "infusion_accounting.json")
ORGANIZATIONS: Mapping[str, Any] = {each["id"]: each for each in read(DEMO / "organizations.json")}
FUNCTIONS: Mapping[str, Mapping[str, Any]] = {spelled(each["id"]): each for each in DATA["functions"]}
ROLES: Mapping[str, Mapping[str, Any]] = {spelled(each["id"]): each for each in DATA["roles"]}


def user(*roles: str, locked: bool = False, active: bool = True) -> User:
    return User(
        id="someone",
        email="someone@kauri.example",
        name="Someone",
        state="active" if active else "invited",
        locked=locked,
        roles=dict.fromkeys(roles),
    )


def level(holder: User, function: str, package: str) -> str:
    """Return the level whose actions the rules allow on every record; there must be one."""
    allowed = actions(CATALOG, License(package=package), holder, NOW, function, "all")
    ladder = CATALOG.ladder(function)
    by_actions = {
        frozenset(name for name, action in ladder.actions.items() if ladder.rank(action.level) <= rank): level
        for rank, level in enumerate(ladder.levels)
    }
    return by_actions[allowed]


def in_data(role: str, function: str) -> str:
    """Return the level that the data gives a role on a function, by its own rules."""
    access = {spelled(path): level for path, level in ROLES[role]["access"].items()}
    if FUNCTIONS[function]["kind"] == "yes/no":
        return str(access.get(function, "no"))
    parent = FUNCTIONS[function]["parent"]
    return str(access.get(function) or access.get(spelled(parent or ""), "none"))


def in_package(function: str, package: str) -> bool:
    """Tell whether the data puts a function into a package; `organization` is in every one."""
    return PACKAGES.index(FUNCTIONS[function]["first_package"]) <= PACKAGES.index(package)


def test_every_function_role_and_package_of_the_data_is_in_the_catalog() -> None:
    """58 functions, 20 roles and 4 packages, by name, beside what every catalog has; nothing else."""
    assert set(CATALOG.resources) == set(FUNCTIONS) | set(BUILT_IN_RESOURCES)
    assert (len(FUNCTIONS), len(CATALOG.roles), len(CATALOG.packages)) == (58, 20, 4)
    assert set(CATALOG.roles) == set(ROLES)
    assert tuple(CATALOG.packages) == PACKAGES
    assert set(CATALOG.user_types) == {"app", "support_partner"}
    assert not CATALOG.global_permissions


def test_titles_kinds_and_packages_are_the_data_s() -> None:
    """What a function or role is called, and where it first appears, is told as the data tells it."""
    for path, function in FUNCTIONS.items():
        assert CATALOG.resources[path].title == spelled(function["name"])
        assert CATALOG.ladder(path).levels[-1] == ("yes" if function["kind"] == "yes/no" else "full")
        assert CATALOG.package(path) == (None if path.startswith("organization") else function["first_package"])
    for name, role in ROLES.items():
        ours = CATALOG.roles[name]
        assert (ours.title, ours.kind) == (spelled(role["name"]), role["kind"])
        assert ours.package == (role["first_package"] if role["kind"] == "licensee" else None)
    for package in DATA["packages_in_order"]:
        assert CATALOG.packages[package["id"]].title == package["name"]
        assert CATALOG.packages[package["id"]].includes == tuple(filter(None, [package["includes_all_of"]]))
        assert CATALOG.packages[package["id"]].price_per_session == Money.parse(
            f"{package['fee_per_session_per_month_nzd']}.00 NZD"
        )


def test_the_catalog_comes_back_whole_from_its_dump() -> None:
    """Its own titles for the built-in resources too."""
    assert Catalog.load(CATALOG.dump()) == CATALOG


@pytest.mark.parametrize("role", ROLES)
def test_a_role_alone_gives_on_the_highest_package_what_the_data_gives(role: str) -> None:
    """Each of the 20 roles, on each of the 58 functions."""
    given = {function: level(user(role), function, "elite") for function in FUNCTIONS}
    assert given == {function: in_data(role, function) for function in FUNCTIONS}


@pytest.mark.parametrize("package", PACKAGES)
def test_a_function_of_a_higher_package_gives_nothing(package: str) -> None:
    """Someone with every role reaches the highest of them in the package, and nothing outside it."""
    everyone = user(*ROLES)
    live = [name for name, role in CATALOG.roles.items() if role.package in (None, *CATALOG.closure(package))]
    for function in FUNCTIONS:
        ladder = CATALOG.ladder(function)
        highest = max((in_data(role, function) for role in live), key=ladder.rank)
        expected = highest if in_package(function, package) else ladder.lowest
        assert level(everyone, function, package) == expected, function


@pytest.mark.parametrize(
    ("person", "organization", "function", "expected"),
    [
        ("tom", "kauri", "customers.records", "edit"),
        ("tom", "kauri", "sales.credit_notes", "view"),
        ("ana", "kauri", "inventory.products", "edit"),
        ("ana", "kauri", "pos.cash_drawer_remove", "yes"),
        ("ana", "kauri", "pos.cash_drawer_balance", "no"),
        ("mere", "kauri", "organization.users", "full"),
        ("mere", "kauri", "financials.journals", "full"),
        ("mere", "kauri", "reports.custom", "none"),
        ("mere", "kauri", "jobs.settings", "none"),
        ("li", "kauri", "suppliers.purchase_orders", "edit"),
        ("sam", "kauri", "pos.transactions", "none"),
        ("joe", "kauri", "sales.invoices", "none"),
        ("rob", "kauri", "financials.cashbook", "none"),
        ("rob", "tui", "financials.cashbook", "edit"),
        ("rob", "tui", "sales.quotes", "none"),
        ("dee", "tui", "sales.quotes", "none"),
        ("dee", "tui", "sales.orders", "none"),
        ("dee", "tui", "sales.invoices", "edit"),
    ],
)
def test_a_person_of_the_data_gets_what_the_data_s_note_says(
    person: str, organization: str, function: str, expected: str
) -> None:
    """Two roles: the higher wins. Higher packages, locks and open invitations: nothing."""
    assert level(member(organization, person), function, ORGANIZATIONS[organization]["package"]) == expected


def test_who_has_no_role_or_only_the_administrator_s_sees_no_books() -> None:
    """Pat has no role; Ivy manages users and nothing else."""
    seen = {
        person: {path for path in FUNCTIONS if level(member("kauri", person), path, "retail") not in ("none", "no")}
        for person in ("pat", "ivy")
    }
    assert seen == {"pat": set(), "ivy": {"organization.users", "organization.sessions", "organization.license"}}


def test_everyone_may_see_their_own_details_and_not_change_them() -> None:
    """The data's own rule; it is the contract's too."""
    license = License(package="retail")
    assert actions(CATALOG, license, member("kauri", "pat"), NOW, "organization.users", "own") == {"view"}


def member(organization: str, person: str) -> User:
    record = next(each for each in ORGANIZATIONS[organization]["users"] if each["id"] == person)
    return user(*record["roles"], locked=record["locked"], active=record["state"] == "active")


def test_the_customers_are_the_data_s_two() -> None:
    """Licenses, users with roles, locks and states, staff and transactions: all of them, as the data has them."""
    for license in DATA["licences"]:
        ours = ORGANIZATIONS[license["id"].removeprefix("lic-")]
        assert (ours["name"], ours["package"], ours["session_limit"], ours["lease_minutes"]) == (
            license["organisation"],
            license["package"],
            license["session_limit"],
            license["idle_timeout_minutes"],
        )
        assert ours["users"] == [
            {
                "id": each["id"].removeprefix("u-"),
                "name": each["name"],
                "email": each["email"],
                "type": {"App User": "app"}[each["user_type"]],
                "state": "active" if each["activated"] else "invited",
                "locked": each["licence_access"][license["id"]]["locked"],
                "roles": [spelled(role) for role in each["licence_access"][license["id"]]["roles"]],
                "note": spelled(each["note"]),
            }
            for each in DATA["users"]
            if license["id"] in each["licence_access"]
        ]
    kauri = ORGANIZATIONS["kauri"]
    assert [(each["id"], each["active"], each["user"] and f"u-{each['user']}") for each in kauri["staff"]] == [
        (each["id"], each["active"], each["user_id"]) for each in DATA["staff"]
    ]
    assert [(each["id"], f"u-{each['entered_by']}", each["sold_by"]) for each in kauri["transactions"]] == [
        (each["id"], each["entered_by_user"], each["sold_by_staff"]) for each in DATA["transactions"]
    ]


def test_every_role_held_is_in_the_holder_s_package() -> None:
    """So that the demonstration can give them: nobody is given a role that the license does not contain."""
    for organization in ORGANIZATIONS.values():
        contained = {None, *CATALOG.closure(organization["package"])}
        for each in organization["users"]:
            assert {CATALOG.roles[role].package for role in each["roles"]} <= contained


def test_a_month_costs_package_price_times_session_limit() -> None:
    """Kauri: 3 sessions of Retail; Tui: 1 of Essentials."""
    charges = {
        name: str(monthly_charge(CATALOG, License(package=each["package"], session_limit=each["session_limit"])))
        for name, each in ORGANIZATIONS.items()
    }
    assert charges == {"kauri": "285.00 NZD", "tui": "40.00 NZD"}
