"""Hypothesis strategies for catalogs, licenses and users; this module alone of `seatperm` needs hypothesis.

@given(st.data())
def test_a_law_of_mine(data):
    catalog = data.draw(catalogs())
    user = data.draw(users(catalog))
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Literal

from attrs import evolve
from hypothesis import strategies as st

from ..catalog import (
    BUILT_IN_RESOURCES,
    ORGANIZATION,
    USERS,
    Action,
    Catalog,
    Entry,
    Grant,
    Ladder,
    Package,
    Parts,
    Resource,
    Role,
    UserType,
    is_organization,
)
from ..directory import Override, User
from ..license import License
from ..money import Money

_NOON = datetime(2027, 1, 1, 12, tzinfo=UTC)


def moments() -> st.SearchStrategy[datetime]:
    """Generate moments from a few days, hours apart, so that ends and checks often fall on the same one."""
    return st.integers(-4, 4).map(lambda hours: _NOON + timedelta(hours=hours))


@st.composite
def catalogs(draw: st.DrawFn) -> Catalog:
    """Generate valid catalogs: small, and of every feature that the format has."""
    scopes = draw(st.sampled_from([("own", "all"), ("own", "team", "all"), ("own", "team", "region", "all")]))
    ladders = {
        "default": draw(_ladders(("none", "view", "edit", "full"))),
        "switch": draw(_ladders(("no", "yes"))),
        "depth": draw(_ladders(("shut", "some", "most"))),
    }
    tiers = draw(_tiers())
    add_ons = {f"add_on_{i}": Package(add_on=True, price_per_session=_price(i)) for i in range(draw(st.integers(0, 2)))}
    parts = Parts(
        name="generated",
        scopes=scopes,
        ladders=ladders,
        packages={**tiers, **add_ons},
        resources=draw(_resources(sorted({**tiers, **add_ons}))),
        user_types={"partner": UserType("Partner", counted=False)},
    )
    parts = evolve(parts, resources=draw(_with_actions(parts)))
    parts = evolve(parts, packages=draw(_with_caps(parts)))
    parts = evolve(parts, roles=draw(_roles(parts)))
    return Catalog(
        parts.name,
        parts.scopes,
        parts.ladders,
        parts.packages,
        parts.resources,
        parts.roles,
        parts.user_types,
        draw(entries(parts)),
    )


@st.composite
def licenses(draw: st.DrawFn, catalog: Catalog) -> License:
    """Generate licenses of the catalog's packages, some not valid yet or any more."""
    add_ons = [name for name, package in catalog.packages.items() if package.add_on]
    start, end = draw(st.none() | moments()), draw(st.none() | moments())
    if start is not None and end is not None and end <= start:
        end = start + timedelta(hours=1)
    return License(
        package=draw(st.sampled_from(list(catalog.tiers))),
        add_ons=frozenset(draw(_some(add_ons))),
        session_limit=draw(st.integers(1, 5)),
        valid_from=start,
        valid_until=end,
        grace=timedelta(hours=draw(st.integers(0, 3))),
    )


@st.composite
def users(draw: st.DrawFn, catalog: Catalog, *, id: str = "mere") -> User:
    """Generate users who hold any of the catalog's roles, with a base and overrides; few invited or locked."""
    overrides = draw(entries(catalog))
    return User(
        id=id,
        email=f"{id}@kauri.example",
        name=id.title(),
        type=draw(st.sampled_from(list(catalog.user_types))),
        state="invited" if draw(st.integers(0, 9)) == 9 else "active",
        locked=draw(st.integers(0, 9)) == 9,
        roles={role: draw(st.none() | moments()) for role in draw(_some(list(catalog.roles), least=1, most=4))},
        base=draw(entries(catalog)),
        overrides={path: Override(entry, draw(st.none() | moments())) for path, entry in overrides.items()},
    )


@st.composite
def entries(draw: st.DrawFn, parts: Parts, *, organization: bool = True) -> dict[str, Entry]:
    """Generate what a role, a base or the overrides of a user may hold: an entry for each of some resources."""
    own = [path for path in parts.resources if not is_organization(path)]
    running = [path for path in parts.resources if path in (ORGANIZATION, USERS) or path not in BUILT_IN_RESOURCES]
    paths = [*own, *(path for path in running if organization and is_organization(path))]
    return {path: draw(_entries(parts, path)) for path in draw(_some(paths, most=6))}


@st.composite
def _entries(draw: st.DrawFn, parts: Parts, resource: str) -> Entry:
    ladder = parts.ladder(resource)
    if draw(st.integers(0, 5)) == 5:
        return (Grant(ladder.lowest),)
    grants: dict[object, Grant] = {}
    for _ in range(draw(st.integers(1, 2))):
        named = sorted(draw(_some(list(parts.actions(resource)), most=2)))
        levels: list[str | None] = [*ladder.levels[1:], *([None] if named else [])]
        level = draw(st.sampled_from(levels))
        grant = Grant(level, named, draw(st.sampled_from(parts.scopes)))
        grants[level, tuple(named), grant.scope] = grant
    return tuple(grants.values())


@st.composite
def _ladders(draw: st.DrawFn, levels: tuple[str, ...]) -> Ladder:
    names = ["view", "create", "edit", "delete"][: len(levels)] if len(levels) > 2 else ["use"]
    return Ladder(
        levels,
        {name: Action(draw(st.sampled_from(levels[1:])), record=name != "create") for name in names},
    )


@st.composite
def _tiers(draw: st.DrawFn) -> dict[str, Package]:
    tiers: dict[str, Package] = {}
    for i in range(draw(st.sampled_from([2, 3, 1]))):
        includes = sorted(draw(_some(list(tiers), least=draw(st.integers(0, min(i, 1))))))
        tiers[f"tier_{i}"] = Package(f"Tier {i}", price_per_session=_price(i), includes=includes)
    return tiers


@st.composite
def _resources(draw: st.DrawFn, packages: Sequence[str]) -> dict[str, Resource]:
    found: dict[str, Resource] = {}
    for letter in "abcdefgh"[: draw(st.integers(2, 8))]:
        above = draw(st.sampled_from(["", "", *found, *list(found)[-2:]]))
        ladder = draw(st.sampled_from([None, None, "switch", "depth"]))
        choices: list[str | None] = [*packages, "tier_0", *([None] * 3 if above else [])]
        package = draw(st.sampled_from(choices))
        found[f"{above}.{letter}" if above else letter] = Resource(package=package, ladder=ladder)
    if draw(st.booleans()):
        found[f"{ORGANIZATION}.branches"] = Resource(ladder=draw(st.sampled_from([None, "switch"])))
    return found


@st.composite
def _with_actions(draw: st.DrawFn, parts: Parts) -> dict[str, Resource]:
    """Give some resources actions of their own, and relations, neither of which goes in circles."""
    actions: dict[str, dict[str, Action]] = {}
    for path in draw(_some([path for path in parts.resources if path not in BUILT_IN_RESOURCES], most=4)):
        ladder = parts.ladder(path)
        for name in draw(_some(["approve", "refund", *ladder.actions], most=2)):
            record = name not in ladder.actions or ladder.actions[name].record
            actions.setdefault(path, {})[name] = Action(draw(st.sampled_from(ladder.levels[1:])), record)
    every = {path: {**parts.ladder(path).actions, **actions.get(path, {})} for path in parts.resources}
    pairs = draw(st.permutations([(path, name) for path, of_path in every.items() for name in of_path]))
    backwards = draw(st.booleans())
    for _ in range(draw(st.integers(0, 12))):
        low, high = sorted(draw(st.tuples(*[st.integers(0, len(pairs) - 1)] * 2)))
        implies = draw(st.booleans())
        if backwards and not implies:
            low, high = high, low
        (path, name), other = pairs[high], ":".join(pairs[low])
        action = every[path][name]
        if low != high and path not in BUILT_IN_RESOURCES and other not in action.implies + action.requires:
            if implies and is_organization(pairs[low][0]) and not is_organization(path):
                continue
            if implies:
                action = evolve(action, implies=(*action.implies, other))
            else:
                action = evolve(action, requires=(*action.requires, other))
            every[path][name] = actions.setdefault(path, {})[name] = action
    return {path: evolve(it, actions=actions.get(path, it.actions)) for path, it in parts.resources.items()}


@st.composite
def _with_caps(draw: st.DrawFn, parts: Parts) -> dict[str, Package]:
    """Give packages caps; a tier that would give less than one that it includes is left uncapped."""
    packages = dict(parts.packages)
    for name, package in packages.items():
        contained = parts.closure(name)
        paths = [path for path in parts.resources if package.add_on or parts.package(path) in contained]
        paths = [path for path in paths if not is_organization(path)]
        caps = {path: draw(st.sampled_from(parts.ladder(path).levels)) for path in draw(_some(paths, most=2))}
        packages[name] = evolve(package, caps=caps)
        if _gives_less(evolve(parts, packages=packages), name):
            packages[name] = package
    return packages


def _gives_less(parts: Parts, tier: str) -> bool:
    """Tell whether the tier caps anything lower than a tier that it includes does."""

    def rank(package: str, path: str) -> int:
        cap = parts.cap(package, path)
        return len(parts.ladder(path).levels) if cap is None else parts.ladder(path).rank(cap)

    return any(
        rank(tier, path) < rank(included, path)
        for included in parts.closure(tier)
        for path in parts.resources
        if parts.package(path) in parts.closure(included)
    )


@st.composite
def _roles(draw: st.DrawFn, parts: Parts) -> dict[str, Role]:
    roles: dict[str, Role] = {}
    packages = [*(name for name, it in parts.packages.items() if not it.add_on), "tier_0", *parts.packages]
    for i in range(draw(st.integers(1, 6))):
        system = draw(st.integers(0, 3)) == 3
        kind: Literal["licensee", "system"] = "system" if system else "licensee"
        everything = draw(st.integers(0, 11)) == 11
        roles[f"role_{i}"] = Role(
            kind=kind,
            package=None if system else draw(st.sampled_from(packages)),
            everything=everything,
            includes=draw(_some([name for name, role in roles.items() if system or role.kind == kind], most=2)),
            grants={} if everything else draw(entries(parts, organization=system)),
        )
    return roles


def _some(names: Sequence[str], *, least: int = 0, most: int | None = None) -> st.SearchStrategy[list[str]]:
    """Generate lists of different ones of the names, in any order."""
    if not names:
        return st.just([])
    return st.lists(st.sampled_from(names), unique=True, min_size=least, max_size=most)


def _price(number: int) -> Money:
    return Money(Decimal(number * 10), "NZD")
