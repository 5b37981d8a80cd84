"""Words: how decisions and remedies name things and put grants into sentences."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import UTC, datetime

from .. import rules
from ..catalog import Catalog, Entry


def listed(items: Iterable[str]) -> str:
    """Return "a", "a and b" or "a, b and c"."""
    parts = list(items)
    return " and ".join(filter(None, [", ".join(parts[:-1]), *parts[-1:]]))


def uncapitalized(sentence: str) -> str:
    """Return a sentence as the end of another: no full stop, and no capital in a word that needs none."""
    first = sentence.partition(" ")[0]
    small = first in {"The", "A", "An", "It", "Everyone", "Neither", "Nobody", "Nothing", "What"}
    return (sentence[0].lower() + sentence[1:] if small else sentence).removesuffix(".")


def resource_title(catalog: Catalog, path: str) -> str:
    """Return what people call the resource; its path where the catalog does not say."""
    return catalog.resources[path].title or path


def role_title(catalog: Catalog, name: str) -> str:
    """Return what people call the role; its id where the catalog does not say."""
    return (catalog.roles[name].title if name in catalog.roles else "") or name


def package_title(catalog: Catalog, name: str) -> str:
    """Return what people call the package; its id where the catalog does not say."""
    return (catalog.packages[name].title if name in catalog.packages else "") or name


def moment(at: datetime) -> str:
    """Return a time as people write it: "2027-01-31", or "2027-01-31 14:30 UTC" where it is not midnight."""
    utc = at.astimezone(UTC)
    midnight = (utc.hour, utc.minute, utc.second, utc.microsecond) == (0, 0, 0, 0)
    return f"{utc:%Y-%m-%d}" if midnight else f"{utc:%Y-%m-%d %H:%M} UTC"


def reach(catalog: Catalog, resource: str, grants: Entry) -> str:
    """Return what grants come to on a resource: "view, and edit on own records"; empty for nothing.

    The widest scope is the one that goes without saying.
    """
    return ", and ".join(_reach(catalog, resource, grants))


def _reach(catalog: Catalog, resource: str, grants: Entry) -> Iterator[str]:
    said: frozenset[str] = frozenset()
    for scope in reversed(catalog.scopes):
        actions = rules.actions_at(catalog, resource, grants, scope)
        if actions - said:
            where = "" if scope == catalog.scopes[-1] else f" on {scope} records"
            yield _what(catalog, resource, grants, scope, actions, said) + where
        said = actions


def _what(
    catalog: Catalog, resource: str, grants: Entry, scope: str, actions: frozenset[str], said: frozenset[str]
) -> str:
    level = rules.level_at(catalog, resource, grants, scope)
    of_level = {name for name in actions if level is not None and rules.within(catalog, resource, name, level)}
    named = [name for name in catalog.actions(resource) if name in actions - of_level - said]
    plural = "s" if len(named) > 1 else ""
    parts = [level] if level is not None and of_level - said else []
    return listed([*parts, *([f"the action{plural} {listed(named)}"] if named else [])])
