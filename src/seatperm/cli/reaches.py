"""What somebody gains or loses, put into a cell of a table."""

from __future__ import annotations

from collections.abc import Iterable

from ..catalog import Catalog
from ..compiled import Reach


def told_reaches(catalog: Catalog, reaches: Iterable[Reach]) -> str:
    """Name each resource with its actions, and an action's scopes where they are not all: "sales (view, edit:own)"."""
    found: dict[str, dict[str, set[str]]] = {}
    for resource, action, scope in reaches:
        found.setdefault(resource, {}).setdefault(action, set()).add(scope)
    return "; ".join(
        f"{resource} ({', '.join(_told(catalog, name, found[resource].get(name)) for name in actions)})"
        for resource in catalog.resources
        if (actions := [name for name in catalog.actions(resource) if name in found.get(resource, {})])
    )


def _told(catalog: Catalog, action: str, scopes: Iterable[str] | None) -> str:
    named = [scope for scope in catalog.scopes if scope in (scopes or ())]
    return action if len(named) == len(catalog.scopes) else f"{action}:{'+'.join(named)}"
