"""Catalogs made in Python are checked as files are; so is every entry that an organization sets later."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from typing import Any

import pytest

from seatperm.catalog import Action, Catalog, Grant, GrantLike, Ladder, Package, Parts, Resource, Role
from seatperm.errors import CatalogError, InvalidGrant, UnknownResource
from seatperm.loading.checks import findings, parse_entry, problems
from seatperm.loading.survey import cycles
from seatperm.money import Money

LADDERS: Mapping[str, Ladder] = {
    "default": Ladder(("none", "view", "edit"), {"view": Action("view"), "edit": Action("edit")}),
    "switch": Ladder(("no", "yes"), {"use": Action("yes")}),
}
PACKAGES: Mapping[str, Package] = {
    "small": Package(),
    "large": Package(includes=("small",)),
    "extra": Package(add_on=True),
}
RESOURCES: Mapping[str, Resource] = {
    "sales": Resource(package="small"),
    "sales.invoices": Resource(actions={"approve": Action("edit")}),
    "sales.cards": Resource(ladder="switch"),
    "reports": Resource(package="large"),
}
GOOD: dict[str, Any] = {
    "scopes": ("own", "team", "all"),
    "ladders": LADDERS,
    "packages": PACKAGES,
    "resources": RESOURCES,
}
CATALOG = Catalog(**GOOD)


def told(**tables: object) -> list[str]:
    """Return the problems of the good catalog with some tables replaced."""
    return [str(problem) for problem in problems(Parts(**{**GOOD, **tables}))]


def packages(**changed: Package) -> list[str]:
    return told(packages={**PACKAGES, **changed})


def resources(changed: Mapping[str, Resource]) -> list[str]:
    return told(resources={**RESOURCES, **changed})


def roles(**made: Role) -> list[str]:
    return told(roles=made)


def test_a_catalog_made_in_python_is_checked() -> None:
    """With the same words as a file, and the place in the classes."""
    with pytest.raises(CatalogError) as caught:
        Catalog(**GOOD, roles={"clerk": Role(package="small", grants={"sales": (Grant("edti", scope="al"),)})})
    assert [str(problem) for problem in caught.value.problems] == [
        "roles.clerk.grants.sales[0].level: unknown level 'edti'; the ladder here is 'default': none, view, edit; "
        "did you mean 'edit'?",
        "roles.clerk.grants.sales[0].scope: unknown scope 'al'; the scopes are own, team, all; did you mean 'all'?",
    ]


def test_an_entry_without_a_grant_is_told() -> None:
    """Saying nothing is done by leaving the entry out."""
    assert roles(r=Role(package="small", grants={"sales": ()})) == [
        "roles.r.grants.sales: an entry needs at least one grant, found an empty list"
    ]


def test_values_that_no_file_could_give_are_told() -> None:
    """A kind and a price that only Python lets through."""
    assert roles(r=Role(kind="sistem", package="small")) == [  # type: ignore[arg-type]  # wrong on purpose
        "roles.r.kind: expected 'licensee' or 'system', found the text 'sistem'"
    ]
    for amount in ("-1", "1E+2", "NaN", "0.12345"):
        assert packages(extra=Package(price_per_session=Money(Decimal(amount), "NZD"), add_on=True)) == [
            "packages.extra.price_per_session: expected an amount and a currency, such as '40.00 NZD', "
            f"found '{amount} NZD'"
        ]


def test_the_currency_is_that_of_the_first_price() -> None:
    """Every other one that differs is told, add-ons' too."""
    nzd, aud = Money.parse("1 NZD"), Money.parse("1 AUD")
    found = packages(
        small=Package(price_per_session=nzd),
        large=Package(price_per_session=aud),
        extra=Package(price_per_session=aud, add_on=True),
    )
    assert [text.partition(":")[0] for text in found] == [
        "packages.large.price_per_session",
        "packages.extra.price_per_session",
    ]


def test_an_add_on_may_cap_anything_but_the_organization() -> None:
    """What it does not contain counts only where it names a cap."""
    assert packages(extra=Package(add_on=True, caps={"sales": "view", "reports": "edit", "sales.cards": "no"})) == []
    assert packages(extra=Package(add_on=True, caps={"organization": "full"})) == [
        "packages.extra.caps.organization: no package caps 'organization' or what is below it"
    ]


def test_a_cap_counts_below_it_on_the_same_ladder_only() -> None:
    """A tier that caps a resource also caps what is below, and not what is on another ladder."""
    capped = Package(caps={"sales": "view"})

    def large(**caps: str) -> list[str]:
        return packages(small=capped, large=Package(includes=("small",), caps=caps))

    assert large(**{"sales.invoices": "view"}) == []
    assert large(**{"sales.invoices": "none"}) == [
        "packages.large.caps.\"sales.invoices\": the tier 'large' gives 'none' on 'sales.invoices'; "
        "'small', which it includes, gives 'view'"
    ]
    assert large(**{"sales.cards": "no"}) == [
        "packages.large.caps.\"sales.cards\": the tier 'large' gives 'no' on 'sales.cards'; "
        "'small', which it includes, sets no cap there"
    ]


def test_a_lower_cap_is_told_once_for_all_below_it() -> None:
    """At the first resource that it lowers, which may be below where it is named."""
    small = Package(caps={"sales.invoices": "edit", "sales": "view"})
    assert packages(small=small, large=Package(includes=("small",), caps={"sales": "view"})) == [
        "packages.large.caps.sales: the tier 'large' gives 'view' on 'sales.invoices'; 'small', which it includes, "
        "gives 'edit'"
    ]
    assert packages(small=Package(), large=Package(includes=("small",), caps={"sales": "view"})) == [
        "packages.large.caps.sales: the tier 'large' gives 'view' on 'sales'; 'small', which it includes, "
        "sets no cap there"
    ]


def test_what_an_included_tier_does_not_contain_may_be_capped_freely() -> None:
    """Only its own content is compared."""
    assert packages(large=Package(includes=("small",), caps={"reports": "view"})) == []


def test_a_lower_cap_two_tiers_down_is_told_where_it_begins() -> None:
    """Each tier answers for those that it includes itself."""
    middle = Package(includes=("small",), caps={"sales": "view"})
    top = Package(includes=("large",), caps={"sales": "view"})
    assert [text.partition(":")[0] for text in packages(small=Package(), large=middle, top=top)] == [
        "packages.large.caps.sales"
    ]


def test_an_action_of_the_ladder_may_be_told_anew() -> None:
    """To need another level there, or to carry relations."""
    anew = {"edit": Action("view"), "view": Action("view", requires=("sales.cards:use",))}
    assert resources({"reports": Resource(package="large", actions=anew)}) == []


def test_a_resource_below_organization_is_on_its_ladder_unless_said() -> None:
    """And belongs to no package."""
    assert resources({"organization.keys": Resource(actions={"turn": Action("full")})}) == []
    assert resources({"organization.keys": Resource(ladder="switch", actions={"turn": Action("yes")})}) == []
    assert resources({"organization.keys": Resource(package="small")}) == [
        "resources.\"organization.keys\".package: what is below 'organization' belongs to every license, "
        "not to a package; found 'small'"
    ]


def test_relations_of_each_kind_may_cross_but_not_go_in_a_circle() -> None:
    """`requires` one way and `implies` the other is no circle."""

    def related(approve: Action) -> list[str]:
        view = Action("view", requires=("sales.invoices:approve",))
        return resources(
            {
                "reports": Resource(package="large", actions={"view": view}),
                "sales.invoices": Resource(actions={"approve": approve}),
            }
        )

    assert related(Action("edit", implies=("reports:view",))) == []
    assert related(Action("edit", requires=("reports:view",))) == [
        "resources.\"sales.invoices\".actions.approve.requires[0]: 'requires' goes in a circle: "
        "sales.invoices:approve > reports:view > sales.invoices:approve"
    ]


def test_a_circle_through_a_ladder_is_told_at_the_ladder() -> None:
    """An action of a ladder is one of each resource on it."""
    switch = Ladder(("no", "yes"), {"use": Action("yes", implies=("sales.cards:use",))})
    assert told(ladders={**LADDERS, "switch": switch}) == [
        "ladders.switch.actions.use.implies[0]: 'implies' goes in a circle: sales.cards:use > sales.cards:use"
    ]


def test_every_circle_is_found_once() -> None:
    """However long, and whatever leads to it."""
    graph = {"a": ["b", "b"], "b": ["c", "a"], "c": ["c"], "d": ["a"], "e": ["nowhere"]}
    assert list(cycles(graph)) == [["c"], ["a", "b"]]
    chain = {str(i): [str(i + 1)] for i in range(5000)}
    assert list(cycles(chain)) == []
    assert [len(circle) for circle in cycles({**chain, "5000": ["0"]})] == [5001]


def test_a_licensee_role_has_nothing_of_the_organization() -> None:
    """Not even an entry that closes it; what it includes is told where a licensee role meets a system role."""
    admin = Role(kind="system", grants={"organization": (Grant("full"),)})
    every = Role(kind="system", everything=True)
    clerk = Role(package="small")
    assert roles(r=Role(package="small", grants={"organization.users": (Grant("none"),)})) == [
        "roles.r.grants.\"organization.users\": a licensee role grants nothing of 'organization'"
    ]
    assert roles(r=Role(package="small", includes=("every",)), every=every) == [
        "roles.r.includes[0]: a licensee role includes nothing of 'organization'; 'every' is everything"
    ]
    assert roles(
        r=Role(package="small", includes=("s",)),
        s=Role(kind="system", includes=("clerk", "admin")),
        clerk=clerk,
        admin=admin,
    ) == [
        "roles.r.includes[0]: a licensee role includes nothing of 'organization'; 'admin', by way of 's', "
        "grants 'organization'"
    ]
    assert roles(
        top=Role(package="small", includes=("r",)), r=Role(package="small", includes=("admin",)), admin=admin
    ) == ["roles.r.includes[0]: a licensee role includes nothing of 'organization'; 'admin' grants 'organization'"]
    system = Role(kind="system", grants={"sales": (Grant("view"),)})
    assert roles(r=Role(package="small", includes=("system",)), system=system) == []
    assert (
        roles(r=Role(package="small", everything=True), s=Role(kind="system", includes=("r", "admin")), admin=admin)
        == []
    )


def test_an_organization_s_first_permissions_may_reach_the_organization() -> None:
    """They are checked as a role's are, but belong to no package."""
    assert told(global_permissions={"organization.audit": (Grant("view"),)}) == []
    assert told(global_permissions={"organization.audit": (Grant("yes"),)}) == [
        "global_permissions.\"organization.audit\"[0].level: the level 'yes' belongs to the ladder 'switch'; "
        "the ladder here is 'organization': none, view, edit, full"
    ]


def test_the_built_in_resources_keep_what_they_are() -> None:
    """People may call them otherwise."""
    assert resources({"organization.users": Resource("People", "Who may sign in.")}) == []
    for changed in (Resource(package="small"), Resource(ladder="switch"), Resource(actions={"x": Action("full")})):
        assert resources({"organization.users": changed}) == [
            "resources.\"organization.users\": the resource 'organization.users' is built in; "
            "only its title and description can be told otherwise"
        ]


def test_what_could_not_be_read_is_not_held_against_the_rest() -> None:
    """A stand-in's place explains what follows from it, and nothing else."""
    parts = Parts(**{**GOOD, "roles": {"r": Role(package="", includes=("clerk",))}})
    assert [str(each) for each in findings(parts, [("roles", "r", "package")])] == ["unknown role 'clerk'"]
    assert [str(each) for each in findings(parts, [("roles", "r")])] == []


@pytest.mark.parametrize(
    ("value", "entry"),
    [
        ("edit:own", (Grant("edit", scope="own"),)),
        ({"level": "view", "actions": ["approve"], "scope": "team"}, (Grant("view", ("approve",), "team"),)),
        ({"actions": ("approve",)}, (Grant(None, ("approve",)),)),
        (Grant("edit"), (Grant("edit"),)),
        (["view", {"actions": ["approve"], "scope": "own"}], (Grant("view"), Grant(None, ("approve",), "own"))),
        ((Grant("view"), "edit:own"), (Grant("view"), Grant("edit", scope="own"))),
        (iter(["view", "edit:own"]), (Grant("view"), Grant("edit", scope="own"))),
        ("none", (Grant("none"),)),
    ],
)
def test_an_entry_is_read_in_each_of_its_forms(value: GrantLike, entry: tuple[Grant, ...]) -> None:
    """As in a file, or as grants."""
    assert parse_entry(CATALOG, "sales.invoices", value) == entry


@pytest.mark.parametrize(
    ("value", "wrong"),
    [
        ("edti", ["unknown level 'edti'; the ladder here is 'default': none, view, edit; did you mean 'edit'?"]),
        ("yes", ["the level 'yes' belongs to the ladder 'switch'; the ladder here is 'default': none, view, edit"]),
        ("edit:al", ["unknown scope 'al'; the scopes are own, team, all; did you mean 'all'?"]),
        ("none:own", ["the lowest level 'none' stands without a scope, found 'own'"]),
        (["none", "edit:own"], ["the lowest level 'none' stands alone in an entry, found more beside it"]),
        (["view", "view"], ["the grant 'view' is there twice"]),
        ([], ["an entry needs at least one grant, found an empty list"]),
        ({}, ["a grant needs a level, actions or both, found neither"]),
        (7, ["expected a grant: text such as 'edit:own', or a table, found the number 7"]),
        (b"edit", ["expected a grant: text such as 'edit:own', or a table, found a value of the type bytes"]),
        ([["view"]], ["expected a grant: text such as 'edit:own', or a table, found a list"]),
        ({"level": None}, ["expected text, found null"]),
        ({"levl": "view"}, ["unknown key 'levl'; expected level, actions, scope; did you mean 'level'?"]),
        (
            [{"actions": ["aprove"]}, "edti:teem"],
            [
                "unknown action 'aprove'; the actions here are view, edit, approve; did you mean 'approve'?",
                "unknown level 'edti'; the ladder here is 'default': none, view, edit; did you mean 'edit'?",
                "unknown scope 'teem'; the scopes are own, team, all; did you mean 'team'?",
            ],
        ),
    ],
)
def test_an_entry_that_does_not_fit_is_told_in_full(value: Any, wrong: list[str]) -> None:
    """Every mistake in it, with the nearest names."""
    with pytest.raises(InvalidGrant) as caught:
        parse_entry(CATALOG, "sales.invoices", value)
    assert list(caught.value.problems) == wrong
    assert caught.value.resource == "sales.invoices"


def test_an_entry_for_an_unknown_resource_is_told_as_such() -> None:
    """With the nearest names, before the entry is looked at."""
    with pytest.raises(UnknownResource) as caught:
        parse_entry(CATALOG, "sales.invoice", "nonsense")
    assert caught.value.nearest[0] == "sales.invoices"
