"""Every sentence of the rules of access, as examples: by the rules as written, and by the compiled row."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from datetime import UTC, datetime, timedelta
from typing import Literal

import pytest
from attrs import evolve

from seatperm import rules
from seatperm.catalog import Action, Catalog, Entry, Grant, Ladder, Package, Resource, Role
from seatperm.compiled import Compiled
from seatperm.directory import Override, User
from seatperm.errors import UnknownResource, UnknownScope
from seatperm.license import License

NOW = datetime(2027, 1, 1, 12, tzinfo=UTC)
HOUR = timedelta(hours=1)
Entries = Mapping[str, str | Grant | list[str | Grant]]

LADDERS = {
    "default": Ladder(
        ("none", "view", "edit", "full"),
        {
            "view": Action("view"),
            "create": Action("edit", record=False),
            "edit": Action("edit"),
            "delete": Action("full"),
        },
    ),
    "switch": Ladder(("no", "yes"), {"use": Action("yes")}),
}
VIEW, EDIT, FULL = {"view"}, {"view", "create", "edit"}, {"view", "create", "edit", "delete"}
RESOURCES = {
    "sales": Resource(package="basic"),
    "sales.cards": Resource(ladder="switch"),
    "sales.invoices": Resource(actions={"approve": Action("full")}),
    "sales.invoices.lines": Resource(),
    "sales.cards.limits": Resource(),
}


def entries(written: Entries) -> dict[str, Entry]:
    listed = {path: value if isinstance(value, list) else [value] for path, value in written.items()}
    return {
        path: tuple(Grant.parse(one) if isinstance(one, str) else one for one in value)
        for path, value in listed.items()
    }


def role(
    grants: Entries | None = None,
    *,
    package: str | None = "basic",
    kind: Literal["licensee", "system"] = "licensee",
    includes: Iterable[str] = (),
    everything: bool = False,
) -> Role:
    return Role(
        kind=kind,
        package=None if kind == "system" else package,
        includes=tuple(includes),
        everything=everything,
        grants=entries(grants or {}),
    )


def catalog(
    *,
    resources: Mapping[str, Resource] | None = None,
    packages: Mapping[str, Package] | None = None,
    **roles: Role,
) -> Catalog:
    return Catalog(
        scopes=("own", "team", "all"),
        ladders=LADDERS,
        packages={"basic": Package(), **(packages or {})},
        resources={**RESOURCES, **(resources or {})},
        roles=roles,
    )


def user(
    *roles: str, base: Entries | None = None, overrides: Entries | None = None, until: datetime | None = None
) -> User:
    """A user holding the roles, the base and the overrides, these until an end."""
    personal = {path: Override(entry, until) for path, entry in entries(overrides or {}).items()}
    return User(
        "mere", "mere@kauri.example", "Mere", roles=dict.fromkeys(roles), base=entries(base or {}), overrides=personal
    )


def with_add_ons(*names: str) -> License:
    return License("basic", frozenset(names))


def allowed(
    of: Catalog,
    who: User,
    resource: str,
    scope: str = "all",
    *,
    license: License | None = None,
    now: datetime = NOW,
) -> set[str]:
    """What the rules allow, once the row says the same."""
    license = license or License("basic")
    found = rules.actions(of, license, who, now, resource, scope)
    compiled = Compiled(of)
    row, _ = compiled.row(license, who, now)
    assert found == {
        name for name in of.actions(resource) if compiled.allows(row, compiled.slot(resource, name, scope))
    }
    return set(found)


# Rule 1


@pytest.mark.parametrize(
    "shut",
    [
        lambda mere: evolve(mere, state="invited"),
        lambda mere: evolve(mere, locked=True),
        lambda mere: evolve(mere, dismissed=True),
    ],
    ids=["invited", "locked", "dismissed"],
)
def test_nothing_is_allowed_unless_the_user_is_active_and_not_locked(shut: Callable[[User], User]) -> None:
    of, mere = catalog(boss=role(everything=True)), user("boss")
    assert allowed(of, mere, "sales") == FULL
    assert allowed(of, shut(mere), "sales") == set()
    assert allowed(of, shut(mere), "organization.users", "own") == set()


def test_nothing_is_allowed_on_a_resource_of_a_package_that_the_license_does_not_hold() -> None:
    of = catalog(packages={"rich": Package()}, resources={"stock": Resource(package="rich")})
    mere = user(base={"stock": "view"})
    assert allowed(of, mere, "stock") == set()
    assert allowed(of, mere, "stock", license=License("rich")) == VIEW


def test_a_resource_belongs_to_its_own_package_before_its_parents() -> None:
    of = catalog(packages={"rich": Package()}, resources={"sales.plan": Resource(package="rich")})
    assert allowed(of, user(base={"sales": "view"}), "sales.plan") == set()
    assert allowed(of, user(base={"sales": "view"}), "sales.invoices.lines") == VIEW


def test_a_tier_contains_what_the_tiers_that_it_includes_contain() -> None:
    """Directly or not."""
    of = catalog(packages={"more": Package(includes=["basic"]), "most": Package(includes=["more"])})
    assert allowed(of, user(base={"sales": "view"}), "sales", license=License("most")) == VIEW


def test_an_add_on_is_contained_where_the_license_holds_it() -> None:
    of = catalog(packages={"pay": Package(add_on=True)}, resources={"wages": Resource(package="pay")})
    mere = user(base={"wages": "view"})
    assert allowed(of, mere, "wages") == set()
    assert allowed(of, mere, "wages", license=with_add_ons("pay")) == VIEW


def test_the_organization_is_contained_in_every_license() -> None:
    of = catalog(packages={"bare": Package()})
    assert allowed(of, user(base={"organization": "view"}), "organization.audit", license=License("bare")) == VIEW


@pytest.mark.parametrize(
    ("license", "valid"),
    [
        (License("basic", valid_from=NOW), True),
        (License("basic", valid_from=NOW + HOUR), False),
        (License("basic", valid_until=NOW + HOUR), True),
        (License("basic", valid_until=NOW), False),
    ],
    ids=["from now", "from later", "until later", "until now"],
)
def test_while_the_license_is_not_valid_it_contains_only_the_organization(license: License, *, valid: bool) -> None:
    """It is valid from its first moment on, up to its end."""
    of = catalog(keeper=role({"organization": "edit"}, kind="system"))
    mere = user("keeper", base={"sales": "view"})
    assert allowed(of, mere, "sales", license=license) == (VIEW if valid else set())
    assert allowed(of, mere, "organization.license", license=license) == EDIT


def test_while_the_license_is_not_valid_no_licensee_role_is_live() -> None:
    of, over = catalog(clerk=role(), keeper=role(kind="system")), License("basic", valid_until=NOW)
    mere = user("clerk", "keeper")
    assert set(rules.live_roles(of, License("basic"), mere, NOW)) == {"clerk", "keeper"}
    assert set(rules.live_roles(of, over, mere, NOW)) == {"keeper"}


# Rule 2


def test_a_live_role_of_everything_gives_all_actions_at_every_scope() -> None:
    of = catalog(boss=role(everything=True))
    assert allowed(of, user("boss"), "sales.invoices", "all") == FULL | {"approve"}
    assert allowed(of, user("boss"), "sales.invoices", "own") == FULL | {"approve"}


def test_a_role_of_everything_masks_overrides() -> None:
    of = catalog(boss=role(everything=True))
    assert allowed(of, user("boss", overrides={"sales": "none"}), "sales") == FULL


def test_a_licensee_role_of_everything_does_not_reach_the_organization() -> None:
    """There base, roles and overrides go on."""
    of = catalog(boss=role(everything=True), keeper=role({"organization": "edit"}, kind="system"))
    assert allowed(of, user("boss"), "organization.audit") == set()
    assert allowed(of, user("boss", "keeper"), "organization.audit") == EDIT
    assert allowed(of, user("boss", "keeper", overrides={"organization": "view"}), "organization.audit") == VIEW


def test_a_system_role_of_everything_reaches_the_organization_and_all_that_the_license_contains() -> None:
    of = catalog(
        root=role(everything=True, kind="system"),
        packages={"rich": Package()},
        resources={"stock": Resource(package="rich")},
    )
    mere = user("root", overrides={"organization": "none"})
    assert allowed(of, mere, "organization.users") == FULL | {"assign"}
    assert allowed(of, mere, "sales") == FULL
    assert allowed(of, mere, "stock") == set()


def test_a_role_is_live_up_to_its_end() -> None:
    of = catalog(clerk=role({"sales": "view"}))
    mere = evolve(user(), roles={"clerk": NOW + HOUR})
    assert allowed(of, mere, "sales") == VIEW
    assert allowed(of, mere, "sales", now=NOW + HOUR) == set()


def test_a_role_that_the_license_does_not_contain_gives_nothing_and_lives_again_after_an_upgrade() -> None:
    of = catalog(packages={"rich": Package(includes=["basic"])}, seller=role({"sales": "edit"}, package="rich"))
    assert allowed(of, user("seller"), "sales") == set()
    assert allowed(of, user("seller"), "sales", license=License("rich")) == EDIT


def test_a_live_role_gives_what_it_includes() -> None:
    of = catalog(clerk=role({"sales": "view"}), chief=role(includes=["clerk"]), head=role(includes=["chief"]))
    assert allowed(of, user("head"), "sales") == VIEW
    assert rules.live_roles(of, License("basic"), user("head"), NOW) == {
        "head": None,
        "chief": "head",
        "clerk": "chief",
    }


def test_what_a_role_that_is_not_live_includes_sleeps_with_it() -> None:
    of = catalog(
        packages={"rich": Package(includes=["basic"])},
        clerk=role({"sales": "view"}),
        chief=role(package="rich", includes=["clerk"]),
    )
    assert allowed(of, user("chief"), "sales") == set()
    assert allowed(of, user("chief", "clerk"), "sales") == VIEW


def test_an_included_role_is_live_only_if_the_license_contains_it() -> None:
    of = catalog(
        packages={"rich": Package(includes=["basic"])},
        expert=role({"sales": "full"}, package="rich"),
        clerk=role({"sales": "view"}, includes=["expert"]),
    )
    assert allowed(of, user("clerk"), "sales") == VIEW
    assert allowed(of, user("clerk"), "sales", license=License("rich")) == FULL


def test_a_held_role_that_the_catalog_does_not_have_gives_nothing() -> None:
    assert allowed(catalog(), user("gone"), "sales") == set()


# Rule 3


@pytest.mark.parametrize(("level", "expected"), [("view", VIEW), ("full", FULL), ("none", set())])
def test_an_override_replaces_what_roles_and_base_give_up_or_down(level: str, expected: set[str]) -> None:
    of = catalog(clerk=role({"sales": "edit"}))
    assert allowed(of, user("clerk", base={"sales": "edit"}, overrides={"sales": level}), "sales") == expected


def test_an_override_on_the_resource_itself_counts_alone() -> None:
    """Even one that only names actions: no level flows to it from roles or other overrides."""
    of = catalog(clerk=role({"sales": "edit"}))
    mere = user("clerk", overrides={"sales": "edit", "sales.invoices": Grant(actions=["approve"])})
    assert allowed(of, mere, "sales.invoices") == {"approve"}
    assert allowed(of, mere, "sales.invoices.lines") == EDIT


def test_the_nearest_override_above_that_names_a_level_of_the_ladder_counts() -> None:
    """Its named actions do not flow, and one of another ladder is passed over."""
    overrides: Entries = {
        "sales": "view",
        "sales.invoices": [Grant("edit", ["delete"])],
        "sales.cards": "yes",
    }
    mere = user(base={"sales": "full"}, overrides=overrides)
    assert allowed(catalog(), mere, "sales.invoices") == EDIT | {"delete"}
    assert allowed(catalog(), mere, "sales.invoices.lines") == EDIT
    assert allowed(catalog(), mere, "sales.cards.limits") == VIEW


def test_an_override_above_that_names_only_actions_is_passed_over() -> None:
    mere = user(base={"sales": "full"}, overrides={"sales.invoices": Grant(actions=["view"])})
    assert allowed(catalog(), mere, "sales.invoices.lines") == FULL


def test_an_override_of_the_lowest_level_closes_all_below_on_every_ladder() -> None:
    of = catalog(clerk=role({"sales": "full", "sales.cards": "yes"}))
    assert allowed(of, user("clerk", overrides={"sales": "none"}), "sales.cards") == set()
    assert allowed(of, user("clerk", overrides={"sales.cards": "no"}), "sales.cards.limits") == set()


def test_a_nearer_override_opens_again_what_one_above_closes() -> None:
    mere = user(overrides={"sales": "none", "sales.invoices": "view"})
    assert allowed(catalog(), mere, "sales.invoices.lines") == VIEW


def test_an_override_serves_its_scope_only() -> None:
    mere = user(base={"sales": "full"}, overrides={"sales": "edit:own"})
    assert allowed(catalog(), mere, "sales", "own") == EDIT
    assert allowed(catalog(), mere, "sales", "team") == set()


def test_an_override_whose_time_has_ended_is_as_if_absent() -> None:
    mere = user(base={"sales": "view"}, overrides={"sales": "full"}, until=NOW + HOUR)
    assert allowed(catalog(), mere, "sales") == FULL
    assert allowed(catalog(), mere, "sales", now=NOW + HOUR) == VIEW


# Rule 4


def test_the_union_over_base_and_roles_is_allowed_and_on_a_ladder_that_is_the_maximum() -> None:
    of = catalog(reader=role({"sales": "view"}), writer=role({"sales": "edit"}))
    assert allowed(of, user("reader"), "sales") == VIEW
    assert allowed(of, user("reader", "writer"), "sales") == EDIT
    mere = user("reader", "writer", base={"sales.invoices": Grant(actions=["approve"])})
    assert allowed(of, mere, "sales.invoices") == EDIT | {"approve"}


def test_a_level_gives_every_action_that_needs_no_more() -> None:
    assert allowed(catalog(), user(base={"sales.invoices": "edit"}), "sales.invoices") == EDIT
    assert allowed(catalog(), user(base={"sales.invoices": "full"}), "sales.invoices") == FULL | {"approve"}


def test_named_actions_do_not_flow_down() -> None:
    mere = user(base={"sales.invoices": Grant("view", ["delete"])})
    assert allowed(catalog(), mere, "sales.invoices") == VIEW | {"delete"}
    assert allowed(catalog(), mere, "sales.invoices.lines") == VIEW


def test_an_entry_that_names_no_level_takes_the_levels_from_above() -> None:
    mere = user(base={"sales": "edit:own", "sales.invoices": Grant(actions=["approve"])})
    assert allowed(catalog(), mere, "sales.invoices", "own") == EDIT | {"approve"}
    assert allowed(catalog(), mere, "sales.invoices", "all") == {"approve"}


def test_an_entrys_own_level_counts_instead_of_one_above() -> None:
    """Also where it is lower."""
    assert allowed(catalog(), user(base={"sales": "full", "sales.invoices": "view"}), "sales.invoices") == VIEW


def test_levels_flow_to_resources_of_the_same_ladder_past_those_of_another() -> None:
    mere = user(base={"sales": "view", "sales.cards": "yes"})
    assert allowed(catalog(), mere, "sales.cards.limits") == VIEW
    assert allowed(catalog(), user(base={"sales": "view"}), "sales.cards") == set()


def test_the_nearest_entry_above_counts() -> None:
    assert allowed(catalog(), user(base={"sales": "full", "sales.invoices": "view"}), "sales.invoices.lines") == VIEW


def test_an_entry_of_the_lowest_level_closes_all_below_on_every_ladder() -> None:
    assert allowed(catalog(), user(base={"sales": "full", "sales.cards": "no"}), "sales.cards.limits") == set()
    of = catalog(resources={"sales.invoices.cards": Resource(ladder="switch"), "sales.invoices.cards.x": Resource()})
    mere = user(base={"sales": "full", "sales.invoices": "none", "sales.invoices.cards": "yes"})
    assert allowed(of, mere, "sales.invoices.cards") == {"use"}
    assert allowed(of, mere, "sales.invoices.cards.x") == set()


def test_a_nearer_entry_opens_again_what_one_above_closes() -> None:
    mere = user(base={"sales": "none", "sales.invoices": "view"})
    assert allowed(catalog(), mere, "sales.invoices.lines") == VIEW
    assert allowed(catalog(), mere, "sales") == set()


def test_actions_named_below_what_is_closed_stay() -> None:
    mere = user(base={"sales": "none", "sales.invoices": Grant(actions=["approve"])})
    assert allowed(catalog(), mere, "sales.invoices") == {"approve"}


def test_what_one_role_closes_another_may_give() -> None:
    of = catalog(shut=role({"sales": "none"}), clerk=role({"sales": "view"}))
    assert allowed(of, user("shut", "clerk"), "sales.invoices") == VIEW


def test_a_role_and_the_one_that_it_includes_give_each_for_itself() -> None:
    """What the includer closes stays open where the included gives it."""
    of = catalog(clerk=role({"sales": "view"}), chief=role({"sales": "none"}, includes=["clerk"]))
    assert allowed(of, user("chief"), "sales.invoices") == VIEW


def test_pairs_of_scope_and_grant_are_never_merged() -> None:
    """ "Edit own" and "view all" is neither "edit all" nor "view own"."""
    mere = user(base={"sales": ["edit:own", "view"]})
    assert allowed(catalog(), mere, "sales", "own") == EDIT
    assert allowed(catalog(), mere, "sales", "all") == VIEW


def test_a_grant_serves_its_scope_and_every_narrower_one() -> None:
    mere = user(base={"sales": "edit:team"})
    assert [allowed(catalog(), mere, "sales", scope) for scope in ("own", "team", "all")] == [EDIT, EDIT, set()]


def test_named_actions_are_given_at_their_scope_only() -> None:
    mere = user(base={"sales.invoices": ["view", Grant(actions=["approve"], scope="own")]})
    assert allowed(catalog(), mere, "sales.invoices", "own") == VIEW | {"approve"}
    assert allowed(catalog(), mere, "sales.invoices", "team") == VIEW


def test_everyone_may_see_their_own_details() -> None:
    """Whatever overrides say; not change them, and not see others'."""
    for mere in (user(), user(overrides={"organization": "none"}), user(overrides={"organization.users": "none"})):
        assert allowed(catalog(), mere, "organization.users", "own") == VIEW
        assert allowed(catalog(), mere, "organization.users", "team") == set()
        assert allowed(catalog(), mere, "organization", "own") == set()


# Rule 5


def test_a_cap_cuts_what_roles_base_and_overrides_give() -> None:
    """Named actions and a role of everything too."""
    of = catalog(packages={"basic": Package(caps={"sales": "edit"})}, boss=role(everything=True))
    assert allowed(of, user(base={"sales": "full"}), "sales") == EDIT
    assert allowed(of, user(overrides={"sales": "full"}), "sales") == EDIT
    assert allowed(of, user(base={"sales.invoices": Grant("view", ["edit", "approve"])}), "sales.invoices") == {
        "view",
        "edit",
    }
    assert allowed(of, user("boss"), "sales") == EDIT


def test_a_cap_flows_to_sub_resources_on_the_same_ladder() -> None:
    """Past those of another ladder; and a nearer cap counts instead."""
    packages = {"basic": Package(caps={"sales": "view", "sales.invoices": "edit"})}
    of = catalog(packages=packages, boss=role(everything=True))
    assert allowed(of, user("boss"), "sales.cards") == {"use"}
    assert allowed(of, user("boss"), "sales.cards.limits") == VIEW
    assert allowed(of, user("boss"), "sales.invoices.lines") == EDIT


def test_a_nearer_cap_counts_instead_of_one_above() -> None:
    """Also where it is lower."""
    of = catalog(packages={"basic": Package(caps={"sales": "edit", "sales.invoices": "view"})})
    assert allowed(of, user(base={"sales": "full"}), "sales.invoices.lines") == VIEW
    assert allowed(of, user(base={"sales": "full"}), "sales") == EDIT


def test_a_tier_that_says_nothing_is_uncapped_whatever_the_tiers_that_it_includes_say() -> None:
    packages = {"basic": Package(caps={"sales": "view"}), "rich": Package(includes=["basic"])}
    assert allowed(catalog(packages=packages), user(base={"sales": "full"}), "sales", license=License("rich")) == FULL


def test_a_tier_caps_what_the_tiers_that_it_includes_contain() -> None:
    packages = {"basic": Package(caps={"sales": "view"}), "rich": Package(includes=["basic"], caps={"sales": "edit"})}
    assert allowed(catalog(packages=packages), user(base={"sales": "full"}), "sales", license=License("rich")) == EDIT


def test_a_tiers_cap_does_not_raise_what_an_add_on_caps_lower() -> None:
    """The tier does not contain it, and has no say."""
    packages = {"basic": Package(caps={"sales": "edit"}), "pay": Package(add_on=True, caps={"sales.wages": "view"})}
    of = catalog(packages=packages, resources={"sales.wages": Resource(package="pay")})
    assert allowed(of, user(base={"sales": "full"}), "sales.wages", license=with_add_ons("pay")) == VIEW


def test_an_add_on_lowers_nothing_that_its_tier_leaves_uncapped() -> None:
    of = catalog(packages={"extra": Package(add_on=True, caps={"sales": "view"})})
    assert allowed(of, user(base={"sales": "full"}), "sales", license=with_add_ons("extra")) == FULL


def test_a_tier_caps_only_what_it_contains() -> None:
    """Its cap does not flow into what an add-on contains."""
    packages = {"basic": Package(caps={"sales": "view"}), "pay": Package(add_on=True)}
    of = catalog(packages=packages, resources={"sales.wages": Resource(package="pay")})
    mere = user(base={"sales": "full"})
    assert allowed(of, mere, "sales.wages", license=with_add_ons("pay")) == FULL
    assert allowed(of, mere, "sales", license=with_add_ons("pay")) == VIEW


def test_what_an_add_on_contains_is_uncapped_unless_the_add_on_says_so() -> None:
    packages = {"pay": Package(add_on=True, caps={"wages": "edit"})}
    of = catalog(packages=packages, resources={"wages": Resource(package="pay"), "slips": Resource(package="pay")})
    mere, license = user(base={"wages": "full", "slips": "full"}), with_add_ons("pay")
    assert allowed(of, mere, "wages", license=license) == EDIT
    assert allowed(of, mere, "slips", license=license) == FULL


def test_an_add_on_counts_elsewhere_only_where_it_names_a_cap_and_the_highest_counts() -> None:
    packages = {
        "basic": Package(caps={"sales": "view"}),
        "silent": Package(add_on=True),
        "lower": Package(add_on=True, caps={"sales": "none"}),
        "higher": Package(add_on=True, caps={"sales": "edit"}),
    }
    of, mere = catalog(packages=packages), user(base={"sales": "full"})
    assert allowed(of, mere, "sales", license=with_add_ons("silent", "lower")) == VIEW
    assert allowed(of, mere, "sales", license=with_add_ons("silent", "lower", "higher")) == EDIT


def test_an_add_ons_cap_contains_nothing_by_itself() -> None:
    packages = {"rich": Package(), "extra": Package(add_on=True, caps={"stock": "full"})}
    of = catalog(packages=packages, resources={"stock": Resource(package="rich")})
    assert allowed(of, user(base={"stock": "full"}), "stock", license=with_add_ons("extra")) == set()


# Rule 6

CLEARED = {
    "clear": Resource(
        package="basic",
        ladder="switch",
        actions={
            "refund": Action("yes", requires=["sales.cards:use"], implies=["sales.invoices:view"]),
            "report": Action("yes", implies=["clear:refund"]),
        },
    )
}


def test_what_an_action_implies_is_added() -> None:
    mere = user(base={"clear": Grant(actions=["refund"]), "sales.cards": "yes"})
    assert allowed(catalog(resources=CLEARED), mere, "sales.invoices") == VIEW


def test_what_an_implied_action_implies_is_added_too() -> None:
    mere = user(base={"clear": Grant(actions=["report"]), "sales.cards": "yes"})
    assert allowed(catalog(resources=CLEARED), mere, "clear") == {"report", "refund"}
    assert allowed(catalog(resources=CLEARED), mere, "sales.invoices") == VIEW


def test_an_action_that_requires_one_that_is_not_there_is_taken_out() -> None:
    """With what only it implied; what was given beside stays."""
    of = catalog(resources=CLEARED)
    assert allowed(of, user(base={"clear": Grant(actions=["refund"])}), "clear") == set()
    assert allowed(of, user(base={"clear": Grant(actions=["refund"])}), "sales.invoices") == set()
    assert allowed(of, user(base={"clear": "yes", "sales": "edit"}), "sales.invoices") == EDIT


def test_an_action_taken_out_is_not_added_again_by_one_that_implies_it() -> None:
    assert allowed(catalog(resources=CLEARED), user(base={"clear": Grant(actions=["report"])}), "clear") == {"report"}


def test_taking_out_goes_on_until_nothing_is() -> None:
    chain = {
        "steps": Resource(
            package="basic",
            ladder="switch",
            actions={
                "one": Action("yes", requires=["sales:view"]),
                "two": Action("yes", requires=["steps:one"]),
                "three": Action("yes", requires=["steps:two"]),
            },
        )
    }
    of = catalog(resources=chain)
    assert allowed(of, user(base={"steps": "yes"}), "steps") == {"use"}
    assert allowed(of, user(base={"steps": "yes", "sales": "view"}), "steps") == {"use", "one", "two", "three"}


def test_a_requirement_may_be_met_by_an_implied_action() -> None:
    met = {
        "desk": Resource(
            package="basic",
            ladder="switch",
            actions={"open": Action("yes", implies=["sales:view"]), "count": Action("yes", requires=["sales:view"])},
        )
    }
    assert allowed(catalog(resources=met), user(base={"desk": "yes"}), "desk") == {"use", "open", "count"}


def test_what_the_license_does_not_contain_is_not_implied() -> None:
    wide = {
        "stock": Resource(package="rich"),
        "desk": Resource(package="basic", ladder="switch", actions={"open": Action("yes", implies=["stock:view"])}),
    }
    of = catalog(packages={"rich": Package(includes=["basic"])}, resources=wide)
    assert allowed(of, user(base={"desk": "yes"}), "stock") == set()
    assert allowed(of, user(base={"desk": "yes"}), "stock", license=License("rich")) == VIEW


def test_what_is_beyond_a_cap_is_not_implied() -> None:
    opening = Resource(package="basic", ladder="switch", actions={"open": Action("yes", implies=["sales:edit"])})
    mere = user(base={"desk": "yes"})
    assert allowed(catalog(resources={"desk": opening}), mere, "sales") == {"edit"}
    capped = catalog(resources={"desk": opening}, packages={"basic": Package(caps={"sales": "view"})})
    assert allowed(capped, mere, "sales") == set()


def test_an_implied_action_outlives_a_personal_none_on_its_own_resource() -> None:
    """But not the action that implied it."""
    of = catalog(resources=CLEARED)
    base: Entries = {"clear": "yes", "sales.cards": "yes"}
    assert allowed(of, user(base=base, overrides={"sales.invoices": "none"}), "sales.invoices") == VIEW
    assert allowed(of, user(base=base, overrides={"sales.invoices": "none", "clear": "no"}), "sales.invoices") == set()


def test_relations_are_taken_all_at_one_scope() -> None:
    mere = user(base={"clear": "yes", "sales.cards": "yes:own"})
    assert allowed(catalog(resources=CLEARED), mere, "sales.invoices", "own") == VIEW
    assert allowed(catalog(resources=CLEARED), mere, "sales.invoices", "team") == set()
    assert allowed(catalog(resources=CLEARED), mere, "clear", "team") == {"use", "report"}


# Names


def test_a_named_action_that_the_resource_does_not_have_gives_nothing() -> None:
    assert allowed(catalog(), user(base={"sales": Grant("view", ["gone"])}), "sales") == VIEW


def test_an_entry_on_a_resource_that_the_catalog_does_not_have_gives_nothing() -> None:
    mere = user(base={"gone": "view"}, overrides={"lost.below": "none"})
    assert allowed(catalog(), mere, "sales") == set()


def test_unknown_names_are_mistakes() -> None:
    of, license = catalog(), License("basic")
    with pytest.raises(UnknownResource) as no_resource:
        rules.actions(of, license, user(), NOW, "sale", "all")
    assert no_resource.value.nearest == ("sales",)
    with pytest.raises(UnknownScope) as no_scope:
        rules.actions(of, license, user(), NOW, "sales", "teem")
    assert no_scope.value.nearest == ("team",)


# What explanations are made of


def test_gifts_name_where_each_comes_from() -> None:
    of = catalog(clerk=role({"sales": "view"}), chief=role({"sales": "none"}, includes=["clerk"]))
    found = rules.gifts(of, License("basic"), user("chief", base={"sales.invoices": "edit:own"}), NOW, "sales.invoices")
    assert found == {
        rules.Source("base"): rules.Gift((Grant("edit", scope="own"),), "sales.invoices"),
        rules.Source("role", "chief"): rules.Gift((), "sales", closed=True),
        rules.Source("role", "clerk"): rules.Gift((Grant("view"),), "sales"),
    }


def test_a_role_of_everything_is_the_only_source_where_it_reaches() -> None:
    of = catalog(boss=role(everything=True), clerk=role({"sales": "view"}))
    found = rules.gifts(of, License("basic"), user("boss", "clerk", overrides={"sales": "none"}), NOW, "sales")
    assert found == {rules.Source("everything", "boss"): rules.Gift((Grant("full"),))}


def test_relations_tell_what_was_implied_and_what_was_missing() -> None:
    of = catalog(resources=CLEARED)
    license, report, refund = License("basic"), ("clear", "report"), ("clear", "refund")
    left = rules.resolve(of, license, user(base={"clear": Grant(actions=["report"])}), NOW, "clear", "all")
    assert left.missing == {refund: ("sales.cards", "use")}
    left = rules.resolve(
        of, license, user(base={"clear": Grant(actions=["report"]), "sales.cards": "yes"}), NOW, "clear", "all"
    )
    assert left.implied == {refund: report, ("sales.invoices", "view"): refund}
