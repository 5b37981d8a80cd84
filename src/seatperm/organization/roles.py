"""Roles of the organization's own: defined beside the vendor's, from what its license contains."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from decimal import Decimal

from attrs import evolve

from .. import rules
from ..catalog import Catalog, Entry, GrantLike, Role, is_organization, written_entry
from ..directory import User, identifier, without_role
from ..errors import InvalidGrant, InvalidValue, RoleExists, UnknownRole
from ..license import License, packages_with
from ..loading.checks import NAME, parse_entry
from .asking import text
from .changes import Change, change
from .view import View


def define_role(
    view: View,
    actor: str | None,
    id: str,
    *,
    title: str,
    grants: Mapping[str, GrantLike],
    description: str,
    includes: Iterable[str],
) -> None:
    """Keep a role of the organization's own, in place of an earlier one of this id; see `Organization.define_role`."""
    with change(view, actor) as made:
        made.ask("assign")
        if not isinstance(id, str) or not re.fullmatch(NAME, id) or len(id) > 200:
            raise InvalidValue("id", id, "a letter, then up to 199 letters, digits, '_' or '-'")
        record = made.store.organization(made.id)
        taken = id in view.vendor.catalog.roles or (id in record.license.reserved and id not in record.roles)
        if taken or (id not in record.roles and any(True for _ in made.store.users(made.id, roles=[id]))):
            raise RoleExists(id)  # of the catalog's, or of an earlier catalog's and still held
        if not isinstance(description, str):
            raise InvalidValue("description", description, "text")
        given = _grants(view.catalog, made.record.license, grants)
        included = tuple(dict.fromkeys(_included(made, id, name) for name in _names(includes)))
        role = Role(
            title=identifier("title", title),
            description=description,
            package=_package(view.catalog, made.record.license, given, included),
            includes=included,
            grants=given,
        )
        before = record.roles.get(id)
        if role != before:
            made.store.put_organization(evolve(record, roles={**record.roles, id: role}))
            sides = {"before": None if before is None else _told(before), "after": _told(role)}
            made.event("role.defined", None, {"role": id, **sides, **_to_oneself(made, id)})


def remove_role(view: View, actor: str | None, id: str) -> None:
    """Take a role of the organization's own from its holders and forget it; see `Organization.remove_role`."""
    with change(view, actor) as made:
        made.ask("assign")
        record = made.store.organization(made.id)
        if text("id", id) not in record.roles:
            raise UnknownRole(id, record.roles, where=" among the organization's own")
        roles = {
            name: evolve(role, includes=[included for included in role.includes if included != id])
            for name, role in record.roles.items()
            if name != id
        }
        reserved = {role: count for role, count in record.license.reserved.items() if role != id}
        after = evolve(record, roles=roles, license=evolve(record.license, reserved=reserved))
        made.store.put_organization(after)
        kept_back = {"reserved": record.license.reserved[id]} if id in record.license.reserved else {}
        made.event("role.removed", None, {"role": id, "before": _told(record.roles[id]), **kept_back})
        for holder in made.store.users(made.id, roles=[id]):
            made.put("role.unassigned", holder, without_role(holder, id))


def _names(includes: Iterable[str]) -> tuple[str, ...]:
    if isinstance(includes, str) or not isinstance(includes, Iterable):
        raise InvalidValue("includes", includes, "a list of roles")
    return tuple(includes)


def _grants(catalog: Catalog, license: License, grants: Mapping[str, GrantLike]) -> dict[str, Entry]:
    if not isinstance(grants, Mapping):
        raise InvalidValue("grants", grants, "an entry for each resource, such as {'sales': 'edit'}")
    contained = rules.contained_packages(catalog, license)
    read: dict[str, Entry] = {}
    for path, value in grants.items():
        read[path] = parse_entry(catalog, path, value)
        package = catalog.package(path)
        if is_organization(path) or package is None:
            raise InvalidGrant(path, value, ["a role of the organization's own grants nothing of 'organization'"])
        if package not in contained:
            brought = " or ".join(map(repr, packages_with(catalog, package)))
            raise InvalidGrant(path, value, [f"the license does not contain it; it comes with {brought}"])
    return read


def _included(made: Change, id: str, name: str) -> str:
    catalog = made.view.catalog
    if catalog.require_role(name).kind != "licensee":
        raise InvalidValue("includes", name, "a role that is no system role: these serve running the organization")
    made.may_be_given(name)
    if id in _reached(catalog.roles, name):
        raise InvalidValue("includes", name, f"a role that is not {id!r} and does not include it")
    return name


def _reached(roles: Mapping[str, Role], *names: str) -> frozenset[str]:
    """Return the roles with all that they include, directly or not."""
    found: set[str] = set()
    waiting = [*names]
    while waiting:
        name = waiting.pop()
        if name not in found:
            found.add(name)
            waiting += roles[name].includes if name in roles else ()
    return frozenset(found)


def _package(catalog: Catalog, license: License, grants: Mapping[str, Entry], includes: Iterable[str]) -> str:
    """Return the cheapest tier of the license that contains all; the add-on where all belongs to a single one.

    Where there is more than the tier's in a role, what belongs to an add-on is given while that is held.
    """
    packages = catalog.packages
    owners = {catalog.package(path) for path in grants} | {catalog.roles[name].package for name in includes}
    needed = {name for name in owners if name is not None}
    tiers = {name for name in needed if not packages[name].add_on}
    if len(needed) == 1 and not tiers:
        return needed.pop()

    def cost(tier: str) -> tuple[Decimal, int]:
        price = packages[tier].price_per_session
        return Decimal(0) if price is None else price.amount, len(catalog.closure(tier))

    contained = [name for name in catalog.tiers if name in catalog.closure(license.package)]
    return min((name for name in contained if tiers <= catalog.closure(name)), key=cost)


def _to_oneself(made: Change, id: str) -> dict[str, object]:
    """Return the mark of what somebody hands out to oneself: a change of a role that one holds."""
    actor: User | None = None if made.actor is None else made.store.user(made.id, made.actor)
    held = actor is not None and id in _reached(made.view.catalog.roles, *actor.roles)
    return {"to_oneself": True} if held else {}


def _told(role: Role) -> dict[str, object]:
    return {
        "title": role.title,
        "description": role.description,
        "package": role.package,
        "includes": list(role.includes),
        "grants": {path: written_entry(entry) for path, entry in role.grants.items()},
    }
