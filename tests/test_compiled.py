"""Rows: where their bits are, who shares one, and how long one holds. What they say is in `test_rules`."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from attrs import evolve

from seatperm.catalog import Action, Catalog, Entry, Grant, Ladder, Package, Resource, Role
from seatperm.compiled import Compiled, Slot, holdings
from seatperm.directory import Override, User
from seatperm.errors import UnknownAction, UnknownResource, UnknownScope
from seatperm.license import License

NOW = datetime(2027, 1, 1, 12, tzinfo=UTC)
HOUR = timedelta(hours=1)
EDIT: Entry = (Grant("edit"),)
VIEW: Entry = (Grant("view"),)
LADDER = Ladder(
    ("none", "view", "edit", "full"),
    {"view": Action("view"), "create": Action("edit", record=False), "edit": Action("edit"), "delete": Action("full")},
)
CATALOG = Catalog(
    ladders={"default": LADDER},
    packages={"basic": Package(), "rich": Package()},
    resources={"sales": Resource(package="basic"), "sales.invoices": Resource(), "sales-b": Resource(package="basic")},
    roles={
        "clerk": Role(package="basic", grants={"sales": VIEW}),
        "chief": Role(package="basic", grants={"sales": EDIT}),
        "sleeper": Role(package="rich", grants={"sales": EDIT}),
    },
)
LICENSE = License("basic")
MERE = User(
    "mere", "mere@kauri.example", "Mere", roles={"clerk": None}, base={"sales-b": (Grant("edit", scope="own"),)}
)


def row(user: User, *, compiled: Compiled, license: License = LICENSE, now: datetime = NOW) -> bytes:
    return compiled.row(license, user, now)[0]


def test_a_check_without_record_or_scope_looks_at_the_widest_scope() -> None:
    """Or, for an action that is done without a record, at the narrowest."""
    compiled = Compiled(CATALOG)
    assert compiled.slots["edit"]["sales"] == compiled.slot("sales", "edit", "all")
    assert compiled.slots["create"]["sales"] == compiled.slot("sales", "create", "own")
    mere = row(MERE, compiled=compiled)
    assert not compiled.allows(mere, compiled.slots["edit"]["sales-b"])
    assert compiled.allows(mere, compiled.slots["create"]["sales-b"])


def test_every_resource_action_and_scope_has_a_bit_of_its_own() -> None:
    compiled = Compiled(CATALOG)
    slots: set[Slot] = {
        compiled.slot(resource, action, scope)
        for resource in CATALOG.resources
        for action in CATALOG.actions(resource)
        for scope in CATALOG.scopes
    }
    count = len(CATALOG.scopes) * sum(len(CATALOG.actions(resource)) for resource in CATALOG.resources)
    assert len(slots) == count
    assert len(row(MERE, compiled=compiled)) == (count + 7) // 8


def test_a_row_takes_at_most_two_bytes_a_resource() -> None:
    """At three scopes and four actions a resource."""
    resources = {f"f{i}": Resource(package="basic") for i in range(1_000)}
    catalog = Catalog(
        scopes=("own", "team", "all"), ladders={"default": LADDER}, packages={"basic": Package()}, resources=resources
    )
    assert len(row(MERE, compiled=Compiled(catalog))) <= 2 * len(catalog.resources)


def test_unknown_names_are_told_apart() -> None:
    compiled = Compiled(CATALOG)
    with pytest.raises(UnknownResource):
        compiled.slot("sale", "view", "all")
    with pytest.raises(UnknownAction):
        compiled.slot("sales", "veiw", "all")
    with pytest.raises(UnknownScope):
        compiled.slot("sales", "view", "every")


def test_users_who_hold_the_same_share_one_row() -> None:
    """Roles that are not live do not tell them apart."""
    compiled = Compiled(CATALOG)
    shared = row(MERE, compiled=compiled)
    other = User(
        "rua",
        "rua@kauri.example",
        "Rua",
        roles={"clerk": NOW + HOUR, "sleeper": None, "gone": None},
        base={**MERE.base},
    )
    assert row(other, compiled=compiled) is shared
    assert row(evolve(other, roles={"clerk": NOW}), compiled=compiled) is not shared


def test_only_so_many_rows_are_remembered() -> None:
    compiled = Compiled(CATALOG, rows=1)
    first = row(MERE, compiled=compiled)
    assert row(MERE, compiled=compiled) is first
    row(evolve(MERE, roles={"chief": None}), compiled=compiled)
    assert row(MERE, compiled=compiled) == first
    assert row(MERE, compiled=compiled) is not first


def test_a_row_names_the_first_moment_at_which_it_may_change() -> None:
    compiled = Compiled(CATALOG)
    license = License("basic", valid_from=NOW - HOUR, valid_until=NOW + 9 * HOUR)
    mere = evolve(
        MERE,
        roles={"clerk": NOW + 5 * HOUR, "chief": NOW - HOUR},
        overrides={"sales": Override(EDIT, NOW + 3 * HOUR), "sales.invoices": Override(VIEW, NOW)},
    )
    assert compiled.row(LICENSE, MERE, NOW)[1] is None
    assert compiled.row(license, MERE, NOW)[1] == NOW + 9 * HOUR
    assert compiled.row(license, MERE, NOW - 2 * HOUR)[1] == NOW - HOUR
    assert compiled.row(license, mere, NOW)[1] == NOW + 3 * HOUR
    assert compiled.row(license, mere, NOW + 3 * HOUR)[1] == NOW + 5 * HOUR


def test_a_row_can_be_read_back() -> None:
    compiled = Compiled(CATALOG)
    assert set(compiled.decode(row(MERE, compiled=compiled))) == {
        ("organization.users", "view", "own"),
        *(("sales-b", action, "own") for action in ("view", "create", "edit")),
        *((resource, "view", scope) for resource in ("sales", "sales.invoices") for scope in ("own", "all")),
    }


def test_two_rows_tell_what_is_gained_and_what_is_lost() -> None:
    compiled = Compiled(CATALOG)
    before = row(evolve(MERE, base={}), compiled=compiled)
    after = row(
        evolve(MERE, base={}, overrides={"sales.invoices": Override((Grant("edit", scope="own"),))}), compiled=compiled
    )
    gained, lost = compiled.diff(before, after)
    assert sorted(gained) == [("sales.invoices", "create", "own"), ("sales.invoices", "edit", "own")]
    assert list(lost) == [("sales.invoices", "view", "all")]


def test_a_resource_whose_name_begins_like_another_is_not_below_it() -> None:
    """`sales-b` stands between `sales` and `sales.invoices` in the order of letters, but not in the tree."""
    compiled = Compiled(CATALOG)
    mere = row(evolve(MERE, base={}), compiled=compiled)
    assert compiled.allows(mere, compiled.slot("sales.invoices", "view", "all"))
    assert not compiled.allows(mere, compiled.slot("sales-b", "view", "own"))


@pytest.mark.parametrize(
    "other",
    [
        {"locked": True},
        {"state": "invited"},
        {"roles": {}},
        {"roles": {"clerk": NOW}},
        {"base": {}},
        {"base": {"sales": (Grant("view", scope="own"),)}},
        {"overrides": {}},
        {"overrides": {"sales": Override((Grant("edit"),))}},
        {"overrides": {"sales": Override((Grant("view"),), NOW)}},
    ],
    ids=repr,
)
def test_who_may_do_other_things_holds_something_else(other: dict[str, Any]) -> None:
    """Previews compute users with the same holdings once."""
    user = User(
        "mere",
        "mere@kauri.example",
        "Mere",
        roles={"clerk": None},
        base={"sales": (Grant("view"),)},
        overrides={"sales": Override((Grant("view"),))},
    )
    assert holdings(user) == holdings(evolve(user, id="tom", email="tom@kauri.example", name="Tom"))
    assert holdings(user) != holdings(evolve(user, **other))
