"""Two catalogs part by part: in what they differ, and one with a single part of the other."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from attrs import evolve, fields, frozen

from ..catalog import Action, Catalog, Ladder, Package, Parts, Resource, Role, written_entry
from .orphans import fits

Path = tuple[str, ...]
"""Where a part stands: a table, a name in it, a field, and a key where the field is a table itself."""

FIELDS: Mapping[str, tuple[str, ...]] = {
    "ladders": ("actions",),
    "packages": ("includes", "add_on", "caps"),
    "resources": ("package", "ladder", "actions"),
    "roles": ("kind", "package", "everything", "includes", "grants"),
}
"""What of a catalog tells who may do what. A ladder whose levels differ is one part as a whole."""


@frozen
class Cause:
    """One difference between two catalogs.

    Attributes:
        path: where it stands in the catalog: `("roles", "clerk", "grants", "sales")`.
        text: what is different, as a sentence without a full stop.
    """

    path: Path
    text: str

    def __str__(self) -> str:
        return self.text


def differences(old: Catalog, new: Catalog) -> Iterator[Cause]:
    """Iterate over the parts of two catalogs that differ and have a say in who may do what."""
    if old.scopes != new.scopes:
        yield Cause(("scopes",), f"the scopes are {_listed(new.scopes)} instead of {_listed(old.scopes)}")
    for table, names in FIELDS.items():
        mine, others = getattr(old, table), getattr(new, table)
        for name in {**mine, **others}:
            yield from _differing((table, name), names, mine.get(name), others.get(name))


def _differing(path: Path, names: Iterable[str], old: Any, new: Any) -> Iterator[Cause]:
    what = f"the {path[0].removesuffix('s')} {path[1]!r}"
    if old is None or new is None:
        yield Cause(path, f"{what} is {'added' if old is None else 'removed'}")
    elif isinstance(old, Ladder) and old.levels != new.levels:
        yield Cause(path, f"{what} has the levels {_listed(new.levels)} instead of {_listed(old.levels)}")
    elif old != new:
        for name in names:
            before, after = getattr(old, name), getattr(new, name)
            if isinstance(before, Mapping):
                for key in {**before, **after}:
                    if before.get(key) != after.get(key):
                        yield Cause((*path, name, key), _told(what, name, key, before.get(key), after.get(key)))
            elif before != after:
                yield Cause((*path, name), _told(what, name, "", before, after))


def _told(what: str, field: str, key: str, before: Any, after: Any) -> str:
    match field:
        case "grants":
            return f"{what} says {_entry(after)} on {key!r} instead of {_entry(before)}"
        case "caps":
            return f"{what} caps {key!r} at {_or('nothing', after)} instead of {_or('nothing', before)}"
        case "actions":
            if before is None or after is None:
                return f"the action {key!r} of {what} is {'added' if before is None else 'removed'}"
            return f"the action {key!r} of {what} needs {_action(after)} instead of {_action(before)}"
        case "includes":
            return f"{what} includes {_listed(after)} instead of {_listed(before)}"
        case "everything" | "add_on":
            kind = "everything" if field == "everything" else "an add-on"
            return f"{what} is {'now' if after else 'no longer'} {kind}"
        case "kind":
            return f"{what} is a {after} role instead of a {before} one"
        case "ladder":
            usual = "the usual ladder"
            return f"{what} is on {_or(usual, after, 'the ladder ')} instead of {_or(usual, before, 'the ladder ')}"
    parent = "its parent's package"
    return f"{what} belongs to {_or(parent, after, 'the package ')} instead of {_or(parent, before, 'the package ')}"


def _action(action: Action) -> str:
    relations = {"requires": action.requires, "implies": action.implies}
    told = [f"{kind} {_listed(pairs)}" for kind, pairs in relations.items() if pairs]
    return f"{action.level!r} ({'; '.join(told)})" if told else repr(action.level)


def _entry(entry: Any) -> str:
    return "nothing" if entry is None else json.dumps(written_entry(entry), ensure_ascii=False)


def _or(absent: str, name: str | None, kind: str = "") -> str:
    return absent if name is None else f"{kind}{name!r}"


def _listed(names: Iterable[str]) -> str:
    return ", ".join(map(repr, names)) or "nothing"


def with_part(base: Catalog, cause: Cause, other: Catalog) -> Catalog:
    """Return `base` with this one part as the other catalog has it; what can't hold together then is left out."""
    table, *rest = cause.path
    parts = Parts(**{column.name: getattr(base, column.name) for column in fields(Parts)})
    if not rest:
        parts = evolve(parts, scopes=other.scopes)
    else:
        name, *within = rest
        members: dict[str, Any] = {**getattr(parts, table)}
        _take(members, name, getattr(other, table).get(name), within)
        changed: dict[str, Any] = {table: members}
        parts = evolve(parts, **changed)
    return _settled(parts, None if table != "roles" else rest[0])


def _take(members: dict[str, Any], name: str, value: Any, within: list[str]) -> None:
    if within:
        field, *key = within
        taken = getattr(value, field)
        if key:
            taken_map = dict(getattr(members[name], field))
            _take(taken_map, key[0], taken.get(key[0]), [])
            taken = taken_map
        value = evolve(members[name], **{field: taken})
    if value is None:
        members.pop(name, None)
    else:
        members[name] = value


def _settled(parts: Parts, role: str | None) -> Catalog:
    """Return a catalog of tables of which some came from another one, without what names what is not there.

    With a role, only that one can name anything that is not there.
    """
    if role is None:
        parts = evolve(parts, resources=_resources(parts))
        pairs = {f"{path}:{action}" for path in parts.resources for action in parts.actions(path)}
        parts = evolve(
            parts,
            ladders={name: evolve(it, actions=_related(it.actions, pairs)) for name, it in parts.ladders.items()},
            resources={path: evolve(it, actions=_related(it.actions, pairs)) for path, it in parts.resources.items()},
            packages={name: _package(parts, it) for name, it in parts.packages.items()},
        )
    roles = {name: _role(parts, it) if role in (None, name) else it for name, it in parts.roles.items()}
    made = Catalog.__new__(Catalog)
    for column in fields(Parts):
        object.__setattr__(made, column.name, getattr(parts, column.name))
    return made.with_roles(roles)


def _resources(parts: Parts) -> dict[str, Resource]:
    found: dict[str, Resource] = {}
    for path in sorted(parts.resources, key=lambda path: path.count(".")):
        parent, resource = parts.parent(path), parts.resources[path]
        if parts.ladder_name(path) in parts.ladders and (parent is None or parent in found):
            levels = parts.ladder(path).levels
            actions = {name: action for name, action in resource.actions.items() if action.level in levels}
            found[path] = evolve(resource, actions=actions)
    return found


def _related(actions: Mapping[str, Action], pairs: set[str]) -> dict[str, Action]:
    return {
        name: evolve(
            action,
            requires=[pair for pair in action.requires if pair in pairs],
            implies=[pair for pair in action.implies if pair in pairs],
        )
        for name, action in actions.items()
    }


def _package(parts: Parts, package: Package) -> Package:
    caps = package.caps.items()
    known = {path: level for path, level in caps if path in parts.resources and level in parts.ladder(path).levels}
    return evolve(package, includes=[name for name in package.includes if name in parts.packages], caps=known)


def _role(parts: Parts, role: Role) -> Role:
    grants = role.grants.items()
    return evolve(role, grants={path: it for path, it in grants if path in parts.resources and fits(parts, path, it)})
