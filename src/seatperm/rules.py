"""The rules of access, written out as the contract's section 2 reads: the reference, with no cache and no trick."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from datetime import datetime
from typing import Literal

from attrs import field, frozen

from .catalog import OWN, USERS, Catalog, Entry, Grant, is_organization
from .facts import Holder, Terms

Pair = tuple[str, str]
"""A resource and one of its actions."""


@frozen
class Source:
    """Where a gift comes from.

    Attributes:
        kind: `everything` (a live role of everything), `override`, `base`, `role` (a live role), or
            `everyone` (what all users have on `organization.users`).
        name: the role's name, or the resource that an override stands on; empty for the others.
    """

    kind: Literal["everything", "override", "base", "role", "everyone"]
    name: str = ""


@frozen
class Gift:
    """What one source gives on a resource.

    Attributes:
        grants: (scope, grant) pairs, never merged into one: the levels, and the actions named on the resource itself.
        levels_from: the resource whose entry the levels stand in, or that closes; None where no entry says a level.
        closed: True where an entry of a lowest level closes the resource; named actions of its own may stay.
    """

    grants: Entry = ()
    levels_from: str | None = None
    closed: bool = False


@frozen
class Related:
    """What the relations between actions make of a set of pairs.

    Attributes:
        pairs: what remains.
        implied: each pair that was added, with the one that implies it.
        missing: each pair that was taken out, with one that it requires and that is not there.
    """

    pairs: frozenset[Pair]
    implied: Mapping[Pair, Pair] = field(factory=dict)
    missing: Mapping[Pair, Pair] = field(factory=dict)


# Rule 1
def is_valid(license: Terms, now: datetime) -> bool:
    """Tell whether the license is valid now: from its first moment, up to its end and the grace after it."""
    begun = license.valid_from is None or license.valid_from <= now
    return begun and (license.valid_until is None or now < license.valid_until + license.grace)


def contained_packages(catalog: Catalog, license: Terms) -> frozenset[str]:
    """Return the license's package, the tiers that it includes, and its add-ons; what the catalog lacks is left out."""
    held = [name for name in (license.package, *license.add_ons) if name in catalog.packages]
    return frozenset().union(*(catalog.closure(name) for name in held))


def contains(catalog: Catalog, license: Terms, now: datetime, resource: str) -> bool:
    """Tell whether the license contains the resource; while it is not valid it contains only `organization.*`."""
    if is_organization(resource):
        return True
    return is_valid(license, now) and catalog.package(resource) in contained_packages(catalog, license)


def contains_role(catalog: Catalog, license: Terms, now: datetime, role: str) -> bool:
    """Tell whether the license contains the role; while it is not valid, no licensee role."""
    if catalog.roles[role].kind == "system":
        return True
    return is_valid(license, now) and catalog.roles[role].package in contained_packages(catalog, license)


# Rule 2
def live_roles(catalog: Catalog, license: Terms, user: Holder, now: datetime) -> dict[str, str | None]:
    """Return the user's live roles, each with the role that includes it, None for one held itself.

    A role is live when it is held, its time has not ended, and the license contains it; what a role that is
    not live includes sleeps with it. An included role is live when the license contains it too.
    """
    held = [role for role, until in user.roles.items() if until is None or now < until]
    waiting: list[tuple[str, str | None]] = [(role, None) for role in held]
    live: dict[str, str | None] = {}
    while waiting:
        role, includer = waiting.pop(0)
        if role not in live and role in catalog.roles and contains_role(catalog, license, now, role):
            live[role] = includer
            waiting += [(included, role) for included in catalog.roles[role].includes]
    return live


def everything_roles(catalog: Catalog, live: Iterable[str], resource: str | None = None) -> tuple[str, ...]:
    """Return those of the live roles that are roles of everything: they mask their holder's personal settings.

    With a resource, those that reach it: a licensee one does not reach `organization.*`.
    """
    reaching = (role for role in live if catalog.roles[role].everything)
    outside = resource is None or not is_organization(resource)
    return tuple(role for role in reaching if outside or catalog.roles[role].kind == "system")


# Rule 3
def override_for(catalog: Catalog, user: Holder, now: datetime, resource: str) -> str | None:
    """Return the resource whose override counts here, None where none does.

    It is the override on the resource itself; else the nearest ancestor's that names a level of the same
    ladder, or the lowest of any. One whose time has ended is as if absent.
    """
    current = {path: it.entry for path, it in user.overrides.items() if it.until is None or now < it.until}
    if resource in current:
        return resource
    for path in catalog.ancestors(resource):
        if path in current and (closes(catalog, path, current[path]) or flows(catalog, path, current[path], resource)):
            return path
    return None


def override_gives(catalog: Catalog, user: Holder, path: str, resource: str) -> Gift:
    """Return what the override on `path`, the one that counts, gives on the resource: that entry alone."""
    entry = user.overrides[path].entry
    if closes(catalog, path, entry):
        return Gift(levels_from=path, closed=True)
    if path == resource:
        return Gift(entry, levels_from=path if levels(entry) else None)
    return Gift(levels(entry), levels_from=path)


# Rule 4
def closes(catalog: Catalog, path: str, entry: Entry) -> bool:
    """Tell whether an entry on `path` is the lowest level of its ladder, which closes everything below."""
    return any(grant.level == catalog.ladder(path).lowest for grant in entry)


def levels(entry: Entry) -> Entry:
    """Return an entry's levels, each at its scope, without the actions it names: those do not flow down."""
    return tuple(Grant(grant.level, scope=grant.scope) for grant in entry if grant.level is not None)


def flows(catalog: Catalog, path: str, entry: Entry, resource: str) -> bool:
    """Tell whether an entry on `path` names a level of the ladder that the resource is on."""
    return bool(levels(entry)) and catalog.ladder_name(path) == catalog.ladder_name(resource)


def gives(catalog: Catalog, entries: Mapping[str, Entry], resource: str) -> Gift:
    """Return what the entries of one, a base or a role, give on the resource.

    The actions named in its own entry there, and the levels of its own entry, or, where that names no level,
    those of the nearest ancestor's entry that names a level of the same ladder. An entry of the lowest level
    of its ladder closes everything below, on every ladder, unless a nearer entry opens it again.
    """
    own = entries.get(resource, ())
    named = tuple(Grant(None, grant.actions, grant.scope) for grant in own if grant.actions)
    for path in (resource, *catalog.ancestors(resource)):
        entry = entries.get(path, ())
        if closes(catalog, path, entry):
            return Gift(named, levels_from=path, closed=True)
        if flows(catalog, path, entry, resource):
            return Gift(named + levels(entry), levels_from=path)
    return Gift(named)


def serves(catalog: Catalog, grant: Grant, scope: str) -> bool:
    """Tell whether a grant serves the scope: its own scope and every narrower one."""
    return grant.scope in catalog.scopes[catalog.scopes.index(scope) :]


def level_at(catalog: Catalog, resource: str, grants: Entry, scope: str) -> str | None:
    """Return the highest level that the grants give on the resource at the scope, None for none."""
    named = [grant.level for grant in grants if grant.level is not None and serves(catalog, grant, scope)]
    return max(named, key=catalog.ladder(resource).rank, default=None)


def actions_at(catalog: Catalog, resource: str, grants: Entry, scope: str) -> frozenset[str]:
    """Return the actions that the grants give on the resource at the scope: a level's, and the named ones."""
    level = level_at(catalog, resource, grants, scope)
    named = {action for grant in grants if serves(catalog, grant, scope) for action in grant.actions}
    return frozenset(
        action
        for action in catalog.actions(resource)
        if action in named or (level is not None and within(catalog, resource, action, level))
    )


def gifts(catalog: Catalog, license: Terms, user: Holder, now: datetime, resource: str) -> dict[Source, Gift]:
    """Return what counts on the resource by rules 2 to 4, by where it comes from.

    With a live role of everything that reaches it, all its actions, at every scope. Else the override that
    counts, alone. Else what the base and every live role give. Last, everyone has `organization.users` at
    `view:own`, whatever overrides say.
    """
    live = live_roles(catalog, license, user, now)
    all_of_it = Gift((Grant(catalog.ladder(resource).levels[-1], scope=catalog.scopes[-1]),))
    found = {Source("everything", role): all_of_it for role in everything_roles(catalog, live, resource)}
    if not found:
        path = override_for(catalog, user, now, resource)
        if path is not None:
            found[Source("override", path)] = override_gives(catalog, user, path, resource)
        else:
            found[Source("base")] = gives(catalog, user.base, resource)
            for role in live:
                found[Source("role", role)] = gives(catalog, catalog.roles[role].grants, resource)
    if resource == USERS:
        found[Source("everyone")] = Gift((Grant("view", scope=OWN),), levels_from=USERS)
    return found


# Rule 5
def caps(catalog: Catalog, license: Terms, resource: str) -> dict[str, str | None]:
    """Return the cap of each package of the license that has a say on the resource, None for no cap.

    A tier caps only what it contains; saying nothing is no cap. What an add-on contains is uncapped unless
    the add-on says so; on the rest it counts only where it names a cap. No package caps `organization.*`.
    """
    says: dict[str, str | None] = {}
    package = catalog.package(resource)
    for name in (license.package, *sorted(license.add_ons)):
        if package is not None and name in catalog.packages:
            cap = catalog.cap(name, resource)
            if package in catalog.closure(name) or (catalog.packages[name].add_on and cap is not None):
                says[name] = cap
    return says


def cap(catalog: Catalog, license: Terms, resource: str) -> str | None:
    """Return the level that the license caps the resource at, the highest of all; None for no cap."""
    said = caps(catalog, license, resource).values()
    named = [level for level in said if level is not None]
    return max(named, key=catalog.ladder(resource).rank) if named and len(named) == len(said) else None


def within(catalog: Catalog, resource: str, action: str, level: str | None) -> bool:
    """Tell whether the level, or no cap, is high enough for the action."""
    rank = catalog.ladder(resource).rank
    return level is None or rank(catalog.actions(resource)[action].level) <= rank(level)


def licensed(catalog: Catalog, license: Terms, now: datetime, resource: str) -> frozenset[str]:
    """Return the resource's actions that the license has at all: those within the cap, where it contains it."""
    if not contains(catalog, license, now, resource):
        return frozenset()
    limit = cap(catalog, license, resource)
    return frozenset(name for name in catalog.actions(resource) if within(catalog, resource, name, limit))


def given(catalog: Catalog, license: Terms, user: Holder, now: datetime, resource: str, scope: str) -> frozenset[str]:
    """Return the actions given on the resource at the scope by rules 1 to 5: the union of what counts, cut down."""
    if not user.active:
        return frozenset()
    counting = gifts(catalog, license, user, now, resource).values()
    union = frozenset(action for gift in counting for action in actions_at(catalog, resource, gift.grants, scope))
    return union & licensed(catalog, license, now, resource)


# Rule 6
def as_pairs(texts: Iterable[str]) -> tuple[Pair, ...]:
    """Return the pairs that an action's `implies` or `requires` names, each as "resource:action"."""
    return tuple((resource, action) for resource, _, action in (text.rpartition(":") for text in texts))


def relations(catalog: Catalog, license: Terms, now: datetime, pairs: Collection[Pair]) -> Related:
    """Return what the relations make of the pairs given at one scope.

    Start from what is left; add what its actions imply (where the license contains it, within caps); take out
    every action that requires one that is not there; begin again without those taken out, until nothing is.
    """
    action = catalog.require_action
    missing: dict[Pair, Pair] = {}
    while True:
        present = {pair for pair in pairs if pair not in missing}
        implied: dict[Pair, Pair] = {}
        waiting = sorted(present)
        while waiting:
            pair = waiting.pop()
            for added in as_pairs(action(*pair).implies):
                known = added in present or added in missing
                if not known and added[1] in licensed(catalog, license, now, added[0]):
                    present.add(added)
                    implied[added] = pair
                    waiting.append(added)
        requirements = ((pair, needed) for pair in present for needed in as_pairs(action(*pair).requires))
        lacking = {pair: needed for pair, needed in requirements if needed not in present}
        if not lacking:
            return Related(frozenset(present), implied, missing)
        missing.update(lacking)


def together(catalog: Catalog, resource: str) -> frozenset[str]:
    """Return the resources that relations tie to this one, directly or not, itself among them."""
    ties = [
        {path, *(other for other, _ in as_pairs(action.implies + action.requires))}
        for path in catalog.resources
        for action in catalog.actions(path).values()
        if action.implies or action.requires
    ]
    found = {resource}
    while reached := [tie for tie in ties if tie & found and not tie <= found]:
        found.update(*reached)
    return frozenset(found)


# All six
def resolve(catalog: Catalog, license: Terms, user: Holder, now: datetime, resource: str, scope: str) -> Related:
    """Return what all six rules leave on the resource, and on those that relations tie to it, at the scope."""
    catalog.require_resource(resource)
    catalog.require_scope(scope)
    pairs = {
        (path, action)
        for path in together(catalog, resource)
        for action in given(catalog, license, user, now, path, scope)
    }
    return relations(catalog, license, now, pairs)


def actions(catalog: Catalog, license: Terms, user: Holder, now: datetime, resource: str, scope: str) -> frozenset[str]:
    """Return the actions that the user is allowed on records of the resource that are reached at the scope.

    Raises:
        UnknownResource, UnknownScope: the catalog has no such name.
    """
    left = resolve(catalog, license, user, now, resource, scope).pairs
    return frozenset(action for path, action in left if path == resource)
