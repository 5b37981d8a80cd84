"""Checks: every rule of the format that a catalog's values, each of the right type, can still break."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping

from ..catalog import (
    ALL,
    BUILT_IN_RESOURCES,
    ORGANIZATION,
    ORGANIZATION_LADDER,
    OWN,
    Action,
    Catalog,
    Entry,
    Grant,
    GrantLike,
    Package,
    Parts,
    Resource,
    Role,
    is_organization,
)
from ..errors import InvalidGrant, InvalidValue
from ..money import Money
from ..problem import Problem
from .entries import Facts, Finding, Path, found, listed, read_entry, repeated, spell
from .survey import Doubts, Survey, cycles

NAME = r"[A-Za-z][A-Za-z0-9_-]*"


def problems(parts: Parts) -> Iterator[Problem]:
    """Find everything that is wrong with a catalog whose values are of the right types."""
    for finding in findings(parts):
        yield Problem(spell(finding.path), finding.message, finding.nearest)


def parse_entry(catalog: Catalog, resource: str, value: GrantLike) -> Entry:
    """Read an entry in any form it may be written in, and check it against its resource.

    Raises:
        UnknownResource: the catalog has no such resource.
        InvalidGrant: the entry does not fit the resource; with everything that is wrong with it.
    """
    catalog.require_resource(resource)
    if not isinstance(value, str | Grant | Mapping | bytes) and isinstance(value, Iterable):
        value = list(value)
    entry, misfits = read_entry(value)
    facts = Facts(
        catalog.ladder_name(resource),
        catalog.ladder(resource).levels,
        tuple(catalog.actions(resource)),
        catalog.scopes,
        catalog.ladders,
    )
    wrong = [misfit.finding for misfit in misfits] or facts.check(entry)
    if wrong:
        raise InvalidGrant(resource, value, map(str, wrong))
    return entry


def findings(parts: Parts, broken: Iterable[Path] = ()) -> Iterator[Finding]:
    """Find what is wrong with a catalog, except what only follows from values that could not be read.

    Args:
        parts: the tables, with something of the right type wherever a value could not be read.
        broken: the places of those values.
    """
    doubts = Doubts(broken)
    survey = Survey(parts, doubts)
    for check in (_scopes, _ladders, _packages, _caps, _resources, _relation_cycles, _roles, _rest):
        yield from (finding for finding in check(survey) if not doubts.explain(finding))


def _name(name: str, path: Path, *, dotted: bool = False) -> Iterator[Finding]:
    names = name.split(".") if dotted else [name]
    if not all(re.fullmatch(NAME, part) for part in names):
        expected = "a letter, then letters, digits, '_' or '-'" + (", in each part between dots" if dotted else "")
        yield Finding(path, f"malformed name {name!r}; expected {expected}")


def _scopes(survey: Survey) -> Iterator[Finding]:
    order, path = survey.parts.scopes, ("scopes", "order")
    if survey.doubts.touch(*path):
        return
    if order[:1] != (OWN,) or order[-1:] != (ALL,):
        yield Finding(path, f"the scopes begin with 'own' and end with 'all', found {list(order)!r}")
    for i, scope in enumerate(order):
        yield from _name(scope, (*path, i))
    yield from repeated(order, "scope", path)


def _ladders(survey: Survey) -> Iterator[Finding]:
    for name, ladder in survey.parts.ladders.items():
        path = ("ladders", name)
        if name == ORGANIZATION:
            if ladder != ORGANIZATION_LADDER:
                yield Finding(path, "the ladder 'organization' is built in and can't be declared otherwise")
            continue
        yield from _name(name, path)
        if len(set(ladder.levels)) < 2:
            text = f"a ladder needs at least two levels, found {list(ladder.levels)!r}"
            yield Finding((*path, "levels"), text, about=(*path, "levels"))
        for i, level in enumerate(ladder.levels):
            yield from _name(level, (*path, "levels", i))
        yield from repeated(ladder.levels, "level", (*path, "levels"))
        yield from _actions(survey, ladder.actions, survey.ladder_facts[name], (*path, "actions"))


def _actions(survey: Survey, actions: Mapping[str, Action], facts: Facts, path: Path) -> Iterator[Finding]:
    for name, action in actions.items():
        here = (*path, name)
        yield from _name(name, here)
        yield from facts.level(action.level, (*here, "level"))
        if (action.level,) == facts.levels[:1]:
            text = f"an action needs a level above the lowest, found {action.level!r}"
            yield Finding((*here, "level"), text)
        for kind, relations in (("requires", action.requires), ("implies", action.implies)):
            yield from repeated(relations, "action", (*here, kind))
            for i, relation in enumerate(relations):
                yield from _relation(survey, relation, (*here, kind, i))
                target = relation.partition(":")[0]
                if kind == "implies" and is_organization(target) and not is_organization(str(path[1])):
                    text = f"an action of the application can't imply one of the organization, found {relation!r}"
                    yield Finding((*here, kind, i), text)


def _relation(survey: Survey, relation: str, path: Path) -> Iterator[Finding]:
    resource, _, action = relation.partition(":")
    if not resource or not action:
        yield Finding(path, f"expected 'resource:action', found {found(relation)}")
    elif resource not in survey.facts:
        yield from survey.unknown("resource", resource, path)
    else:
        yield from survey.facts[resource].action(action, path)


def _packages(survey: Survey) -> Iterator[Finding]:
    packages = survey.parts.packages
    unsure = survey.doubts.hide("packages") or any(survey.doubts.touch("packages", name, "add_on") for name in packages)
    if not unsure and all(package.add_on for package in packages.values()):
        yield Finding(("packages",), "at least one package is a tier that includes no other, found none")
    currency = ""
    for name, package in packages.items():
        path = ("packages", name)
        yield from _name(name, path)
        if package.price_per_session is not None and not survey.doubts.touch(*path, "price_per_session"):
            currency = currency or package.price_per_session.currency
            yield from _price(package.price_per_session, currency, (*path, "price_per_session"))
        if package.add_on and package.includes:
            yield Finding((*path, "includes"), "an add-on includes nothing", about=(*path, "add_on"))
        yield from repeated(package.includes, "package", (*path, "includes"))
        for i, included in enumerate(package.includes):
            here = (*path, "includes", i)
            yield from survey.unknown("package", included, here)
            if not package.add_on and included in packages and packages[included].add_on:
                text = f"a tier includes tiers only, and {included!r} is an add-on"
                yield Finding(here, text, about=(*path, "add_on"))
    yield from _circles("packages", packages)


def _price(price: Money, currency: str, path: Path) -> Iterator[Finding]:
    try:
        Money.parse(str(price))
    except InvalidValue as error:
        yield Finding(path, f"expected {error.expected}, found '{price}'")
    if price.currency != currency:
        yield Finding(path, f"one catalog has one currency; expected {currency!r} as above, found {price.currency!r}")


def _circles(table: str, members: Mapping[str, Package] | Mapping[str, Role]) -> Iterator[Finding]:
    graph = {name: member.includes for name, member in members.items()}
    for circle in cycles(graph):
        place = graph[circle[0]].index(circle[1 % len(circle)])
        yield Finding(
            (table, circle[0], "includes", place), f"{table} include each other in a circle: {_trail(circle)}"
        )


def _trail(circle: list[str]) -> str:
    return " > ".join((*circle, circle[0]))


def _caps(survey: Survey) -> Iterator[Finding]:
    for name, package in survey.parts.packages.items():
        closure = survey.closure(name)
        is_tier = not package.add_on and not survey.doubts.touch("packages", name, "add_on")
        for resource, level in package.caps.items():
            path = ("packages", name, "caps", resource)
            yield from survey.unknown("resource", resource, path)
            if is_organization(resource):
                yield Finding(path, "no package caps 'organization' or what is below it")
            elif resource in survey.facts:
                yield from survey.facts[resource].level(level, path)
                owner = survey.package_of.get(resource)
                if is_tier and closure is not None and owner is not None and owner not in closure:
                    text = f"a tier caps only what it contains, and {resource!r} belongs to {owner!r}"
                    yield Finding(path, text)
        if is_tier and package.caps:
            yield from _lower_caps(survey, name)


def _lower_caps(survey: Survey, name: str) -> Iterator[Finding]:
    """Find where a tier gives less than one that it includes; what that one includes in turn is its own affair."""
    told: set[tuple[str, str]] = set()
    for included in dict.fromkeys(survey.parts.packages[name].includes):
        closure = survey.closure(included) if included in survey.parts.packages else None
        if closure is None or name in closure or survey.doubts.touch("packages", included, "caps"):
            continue
        for resource, owner in survey.package_of.items():
            own = survey.cap(name, resource) if owner in closure else None
            if own is None or (included, own[0]) in told:
                continue
            other = survey.cap(included, resource)
            if own[1] > -1 and (other is None or own[1] < other[1]):
                told.add((included, own[0]))
                levels = survey.facts[resource].levels
                gives = "sets no cap there" if other is None else f"gives {levels[other[1]]!r}"
                text = f"the tier {name!r} gives {levels[own[1]]!r} on {resource!r}; {included!r}, which it includes, "
                yield Finding(("packages", name, "caps", own[0]), f"{text}{gives}")


def _resources(survey: Survey) -> Iterator[Finding]:
    without: list[str] = []
    for name, resource in survey.parts.resources.items():
        path = ("resources", name)
        if name in BUILT_IN_RESOURCES:
            if resource != Resource(resource.title, resource.description):
                text = f"the resource {name!r} is built in; only its title and description can be told otherwise"
                yield Finding(path, text)
            continue
        malformed = tuple(_name(name, path, dotted=True))
        yield from malformed
        parent = survey.parts.parent(name)
        if not malformed and parent is not None:
            for finding in survey.unknown("resource", parent, path):
                others = tuple(near for near in finding.nearest if near != name)
                yield Finding(path, f"its parent {parent!r} is not declared", others)
        yield from _resource_package(survey, name, resource, path)
        if resource.ladder is not None:
            yield from survey.unknown("ladder", resource.ladder, (*path, "ladder"))
        elif survey.ladder_name(name) == "default" and "default" not in survey.parts.ladders:
            without.append(name)
        yield from _actions(survey, resource.actions, survey.facts[name], (*path, "actions"))
    if without:
        text = f"the ladder 'default' is not declared, and these name no other: {listed(without)}"
        yield Finding(("resources", without[0]), text, about=("ladders", "default"))


def _resource_package(survey: Survey, name: str, resource: Resource, path: Path) -> Iterator[Finding]:
    if is_organization(name):
        if resource.package is not None:
            text = (
                f"what is below 'organization' belongs to every license, not to a package; found {resource.package!r}"
            )
            yield Finding((*path, "package"), text)
    elif resource.package is not None:
        yield from survey.unknown("package", resource.package, (*path, "package"))
    elif "." not in name:
        yield Finding(path, "a top resource names its package, found none", about=(*path, "package"))


def _relation_cycles(survey: Survey) -> Iterator[Finding]:
    parts = survey.parts
    for kind in ("requires", "implies"):
        graph: dict[str, tuple[str, ...]] = {}
        places: dict[str, Path] = {}
        for name, resource in parts.resources.items():
            ladder = survey.ladder_name(name) or ""
            shared = parts.ladders[ladder].actions if ladder in parts.ladders else {}
            for place, actions in ((("ladders", ladder), shared), (("resources", name), resource.actions)):
                for action, told in actions.items():
                    graph[f"{name}:{action}"] = told.requires if kind == "requires" else told.implies
                    places[f"{name}:{action}"] = (*place, "actions", action, kind)
        for circle in cycles({node: targets for node, targets in graph.items() if targets}):
            first, second = circle[0], circle[1 % len(circle)]
            text = f"'{kind}' goes in a circle: {_trail(circle)}"
            yield Finding((*places[first], graph[first].index(second)), text)


def _roles(survey: Survey) -> Iterator[Finding]:
    for name, role in survey.parts.roles.items():
        path = ("roles", name)
        yield from _name(name, path)
        yield from _role_package(survey, role, path)
        yield from repeated(role.includes, "role", (*path, "includes"))
        for i, included in enumerate(role.includes):
            yield from survey.unknown("role", included, (*path, "includes", i))
        yield from _entries(survey, role.grants, (*path, "grants"))
        if role.kind == "licensee" and not survey.doubts.touch(*path, "kind"):
            yield from _organization_in(survey, role, path)
    yield from _circles("roles", survey.parts.roles)


def _role_package(survey: Survey, role: Role, path: Path) -> Iterator[Finding]:
    about = (*path, "kind")
    if role.kind not in ("licensee", "system"):
        yield Finding(about, f"expected 'licensee' or 'system', found {found(role.kind)}")
    elif role.kind == "system":
        if role.package is not None:
            text = f"a system role belongs to no package, found {role.package!r}"
            yield Finding((*path, "package"), text, about=about)
    elif role.package is not None:
        yield from survey.unknown("package", role.package, (*path, "package"))
    elif not survey.doubts.touch(*about):
        yield Finding(path, "a licensee role names its package, found none", about=(*path, "package"))


def _organization_in(survey: Survey, role: Role, path: Path) -> Iterator[Finding]:
    """Find what a licensee role has of `organization`; a licensee role that it includes answers for itself."""
    for resource in survey.organization:
        if resource in role.grants:
            yield Finding((*path, "grants", resource), f"a licensee role grants nothing of {ORGANIZATION!r}")
    for i, included in enumerate(role.includes):
        reach = survey.organization_reach.get(included)
        if reach is not None:
            name, what = reach
            via = "" if name == included else f", by way of {included!r},"
            text = f"a licensee role includes nothing of {ORGANIZATION!r}; {name!r}{via} {what}"
            yield Finding((*path, "includes", i), text)


def _entries(survey: Survey, entries: Mapping[str, Entry], path: Path) -> Iterator[Finding]:
    facts = survey.facts
    for resource, entry in entries.items():
        if resource not in facts:
            yield from survey.unknown("resource", resource, (*path, resource))
            continue
        for finding in facts[resource].check(entry):
            yield finding.under((*path, resource))


def _rest(survey: Survey) -> Iterator[Finding]:
    for name in survey.parts.user_types:
        yield from _name(name, ("user_types", name))
    yield from _entries(survey, survey.parts.global_permissions, ("global_permissions",))
