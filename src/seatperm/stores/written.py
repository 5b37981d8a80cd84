"""Records as text, as the stores that keep text write them: JSON and ISO times that people can read."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import datetime
from types import MappingProxyType
from typing import Any

from ..catalog import Entry, Role, written_entry
from ..clock import aware
from ..loading import entries

ROLE: Mapping[str, tuple[type, object]] = MappingProxyType(
    {
        "title": (str, ""),
        "description": (str, ""),
        "kind": (str, "licensee"),
        "package": (str, None),
        "everything": (bool, False),
        "includes": (list, []),
        "grants": (dict, {}),
    }
)
"""What a role's JSON text may hold: of which type, and what leaving it out means."""


def write_time(value: datetime | None) -> str | None:
    """Return an ISO time in UTC.

    Raises:
        InvalidValue: it has no time zone.
    """
    return None if value is None else aware("a time", value).isoformat()


def read_time(text: str | None) -> datetime | None:
    """Return what `write_time` wrote."""
    return None if text is None else datetime.fromisoformat(text)


def write_json(value: object) -> str:
    """Return the JSON text of a value, letters of every script as they are."""
    return json.dumps(value, ensure_ascii=False)


def write_entry(entry: Entry) -> str:
    """Return an entry as JSON text, in the form of a catalog file."""
    return write_json(written_entry(entry))


def read_entry(text: str) -> Entry:
    """Return what `write_entry` wrote."""
    return _entry(json.loads(text))


def write_entries(by_resource: Mapping[str, Entry]) -> str:
    """Return entries by resource as JSON text, in the form of a catalog file."""
    return write_json({resource: written_entry(entry) for resource, entry in by_resource.items()})


def read_entries(text: str) -> Mapping[str, Entry]:
    """Return what `write_entries` wrote."""
    return MappingProxyType({resource: _entry(value) for resource, value in json.loads(text).items()})


def write_roles(roles: Mapping[str, Role]) -> str:
    """Return roles by name as JSON text, in the form of a catalog file."""
    return write_json({name: _written_role(role) for name, role in roles.items()})


def read_roles(text: str) -> Mapping[str, Role]:
    """Return what `write_roles` wrote."""
    return MappingProxyType({name: _role(value) for name, value in json.loads(text).items()})


def _written_role(role: Role) -> dict[str, object]:
    whole: dict[str, object] = {
        "title": role.title,
        "description": role.description,
        "kind": role.kind,
        "package": role.package,
        "everything": role.everything,
        "includes": list(role.includes),
        "grants": {resource: written_entry(entry) for resource, entry in role.grants.items()},
    }
    return {key: value for key, value in whole.items() if value != ROLE[key][1]}


def _role(value: Mapping[str, Any]) -> Role:
    for key, item in value.items():
        if key not in ROLE or not isinstance(item, ROLE[key][0]):
            raise ValueError(f"the {key!r} of a role is {item!r}")
    role = Role(**{**value, "grants": {resource: _entry(item) for resource, item in value.get("grants", {}).items()}})
    if role.kind not in ("licensee", "system") or not all(isinstance(name, str) for name in role.includes):
        raise ValueError(f"a role is {value!r}")
    return role


def _entry(value: object) -> Entry:
    entry, misfits = entries.read_entry(value)
    if misfits:
        raise ValueError(misfits[0].finding)
    return entry
