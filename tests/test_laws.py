"""The laws of access, tried on generated catalogs, licenses and users: by the rules as written, and by rows."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from random import Random

from attrs import evolve, frozen
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

from seatperm import rules
from seatperm.catalog import Catalog, Entry
from seatperm.compiled import Compiled, Reach
from seatperm.directory import Override, User, with_role
from seatperm.facts import Holder
from seatperm.license import License
from seatperm.testing.strategies import catalogs, licenses, moments, users

law = settings(
    max_examples=100, deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much]
)


@frozen
class Case:
    """Who asks, of what, and when."""

    catalog: Catalog
    license: License
    user: Holder
    now: datetime


@frozen
class Unsorted:
    """A user whose mappings keep the order that they are given in, which the directory's records do not."""

    active: bool
    roles: Mapping[str, datetime | None]
    base: Mapping[str, Entry]
    overrides: Mapping[str, Override]


@st.composite
def cases(draw: st.DrawFn) -> Case:
    catalog = draw(catalogs())
    return Case(catalog, draw(licenses(catalog)), draw(users(catalog)), draw(moments()))


def by_rules(case: Case) -> set[Reach]:
    return {
        (resource, action, scope)
        for resource in case.catalog.resources
        for scope in case.catalog.scopes
        for action in rules.actions(case.catalog, case.license, case.user, case.now, resource, scope)
    }


def by_row(case: Case) -> set[Reach]:
    compiled = Compiled(case.catalog)
    row, _ = compiled.row(case.license, case.user, case.now)
    return set(compiled.decode(row))


def assert_never_less(before: Case, after: Case) -> None:
    assert by_rules(before) <= by_rules(after)
    assert by_row(before) <= by_row(after)


@law
@given(cases(), st.randoms(use_true_random=False))
def test_the_order_and_repetition_of_roles_and_grants_do_not_matter(case: Case, random: Random) -> None:
    """A role is repeated by holding it beside one that includes it."""

    def shuffled(entries: Mapping[str, Entry], *, repeat: bool) -> dict[str, Entry]:
        mixed = random.sample(list(entries.items()), len(entries))
        return {
            path: tuple(random.sample(entry, len(entry)) + random.choices(entry, k=1 if repeat else 0))
            for path, entry in mixed
        }

    live = rules.live_roles(case.catalog, case.license, case.user, case.now)
    held = {**dict.fromkeys(live), **case.user.roles}
    overrides = shuffled({path: it.entry for path, it in case.user.overrides.items()}, repeat=True)
    user = Unsorted(
        case.user.active,
        dict(random.sample(list(held.items()), len(held))),
        shuffled(case.user.base, repeat=True),
        {path: Override(entry, case.user.overrides[path].until) for path, entry in overrides.items()},
    )
    roles = {
        name: evolve(
            role,
            grants=shuffled(role.grants, repeat=False),
            includes=random.sample(role.includes, len(role.includes)),
        )
        for name, role in random.sample(list(case.catalog.roles.items()), len(case.catalog.roles))
    }
    mixed = evolve(case, catalog=evolve(case.catalog, roles=roles), user=user)
    assert by_rules(mixed) == by_rules(case)
    assert by_row(mixed) == by_row(case)


@law
@given(cases(), st.data())
def test_one_more_role_never_takes_anything_away(case: Case, data: st.DataObject) -> None:
    assert isinstance(case.user, User)
    role = data.draw(st.sampled_from(list(case.catalog.roles)))
    assert_never_less(case, evolve(case, user=with_role(case.user, role, None)))


@law
@given(cases(), st.data())
def test_a_package_that_includes_the_present_one_never_takes_anything_away(case: Case, data: st.DataObject) -> None:
    pairs = [
        (included, tier)
        for tier in case.catalog.tiers
        for included in sorted(case.catalog.closure(tier))
        if included != tier
    ]
    assume(pairs)
    lower, higher = data.draw(st.sampled_from(pairs))
    assert_never_less(
        evolve(case, license=evolve(case.license, package=lower)),
        evolve(case, license=evolve(case.license, package=higher)),
    )


@law
@given(cases(), st.data())
def test_one_more_add_on_never_takes_anything_away(case: Case, data: st.DataObject) -> None:
    add_ons = [name for name, package in case.catalog.packages.items() if package.add_on]
    assume(add_ons)
    added = data.draw(st.sampled_from(add_ons))
    without = evolve(case.license, add_ons=case.license.add_ons - {added})
    assert_never_less(
        evolve(case, license=without), evolve(case, license=evolve(without, add_ons=without.add_ons | {added}))
    )


@law
@given(cases())
def test_nothing_is_allowed_beyond_a_cap(case: Case) -> None:
    for resource, action, _ in by_rules(case) | by_row(case):
        limit = rules.cap(case.catalog, case.license, resource)
        assert rules.contains(case.catalog, case.license, case.now, resource)
        assert rules.within(case.catalog, resource, action, limit)


@law
@given(cases())
def test_what_is_allowed_at_a_wider_scope_is_allowed_at_every_narrower_one(case: Case) -> None:
    scopes = case.catalog.scopes
    for table in (by_rules(case), by_row(case)):
        for resource, action, scope in table:
            narrower = scopes[: scopes.index(scope)]
            assert all((resource, action, other) in table for other in narrower)


@settings(law, max_examples=300)
@given(cases())
def test_the_fast_path_says_exactly_what_the_rules_say(case: Case) -> None:
    """Every resource, action and scope."""
    assert by_row(case) == by_rules(case)


@law
@given(cases(), moments())
def test_a_row_holds_until_the_moment_that_it_names(case: Case, later: datetime) -> None:
    case, late = evolve(case, now=min(case.now, later)), evolve(case, now=max(case.now, later))
    _, until = Compiled(case.catalog).row(case.license, case.user, case.now)
    if until is None or late.now < until:
        assert by_rules(late) == by_rules(case)
        assert by_row(late) == by_row(case)


@law
@given(catalogs())
def test_dump_then_load_is_the_identity(catalog: Catalog) -> None:
    assert Catalog.load(catalog.dump()) == catalog
