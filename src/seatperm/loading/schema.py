"""Schema: the catalog file as a JSON Schema, made from the classes, for editors to complete and check it.

`python -m seatperm.loading.schema` prints it; the package ships it as `catalog.schema.json`.
"""

from __future__ import annotations

import inspect
import json
import re
import sys
from collections.abc import Iterator, Mapping
from typing import Any, Literal, get_args, get_origin

from attrs import NOTHING, fields, has, resolve_types

from ..catalog import Action, Entry, Ladder, Role
from ..money import PRICE, Money
from .checks import NAME
from .layout import CatalogFile, Scopes, default_of

_DOTTED = rf"{NAME}(\.{NAME})*"
_TEXT = {"type": "string"}

_MORE: Mapping[tuple[type, str], dict[str, object]] = {
    (Scopes, "order"): {
        "minItems": 2,
        "prefixItems": [{"const": "own"}],
        "contains": {"const": "all"},
        "items": {"pattern": f"^{NAME}$"},
    },
    (Ladder, "levels"): {"minItems": 2, "items": {"pattern": f"^{NAME}$"}},
    (Action, "requires"): {"items": {"pattern": f"^{_DOTTED}:{NAME}$"}},
    (Action, "implies"): {"items": {"pattern": f"^{_DOTTED}:{NAME}$"}},
    (CatalogFile, "resources"): {"propertyNames": {"pattern": f"^{_DOTTED}$"}},
}
"""What a field's type does not say."""

_KINDS: Mapping[str, object] = {
    "if": {"properties": {"kind": {"const": "system"}}, "required": ["kind"]},
    "then": {"properties": {"package": False}},
    "else": {"required": ["package"]},
}
"""A system role belongs to no package, any other to one."""

_GRANT: Mapping[str, object] = {
    "description": "a level, with its scope behind a colon unless that is all; or a table with named actions",
    "anyOf": [
        {"type": "string", "pattern": f"^{NAME}(:{NAME})?$"},
        {
            "type": "object",
            "properties": {
                "level": {"type": "string", "description": "a level of the resource's ladder"},
                "actions": {
                    "type": "array",
                    "items": _TEXT,
                    "uniqueItems": True,
                    "description": "actions named beside the level's",
                },
                "scope": {"type": "string", "default": "all", "description": "the widest scope that it serves"},
            },
            "anyOf": [{"required": ["level"]}, {"required": ["actions"], "properties": {"actions": {"minItems": 1}}}],
            "additionalProperties": False,
        },
    ],
}

_ENTRY: Mapping[str, object] = {
    "description": "what is given on one resource: a grant, or a list of grants, never merged into one",
    "anyOf": [
        {"$ref": "#/$defs/grant"},
        {"type": "array", "items": {"$ref": "#/$defs/grant"}, "minItems": 1},
    ],
}


def schema() -> dict[str, object]:
    """Return the JSON Schema (draft 2020-12) of a catalog file."""
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "seatperm catalog",
        **_class(CatalogFile),
        "$defs": {"entry": _ENTRY, "grant": _GRANT},
    }


def text() -> str:
    """Return the schema as the text of the shipped file."""
    return json.dumps(schema(), indent=2, ensure_ascii=False) + "\n"


def _class(cl: Any) -> dict[str, object]:
    resolve_types(cl)
    told = dict(_described(inspect.getdoc(cl) or ""))
    properties: dict[str, object] = {}
    for attribute in fields(cl):
        default = default_of(attribute)
        shown = {"default": default} if isinstance(default, bool) or (isinstance(default, str) and default) else {}
        described = {"description": told[attribute.name]} if attribute.name in told else {}
        more = _MORE.get((cl, attribute.name), {})
        properties[attribute.name] = _merged({**_type(attribute.type), **described, **shown}, more)
    required = [attribute.name for attribute in fields(cl) if attribute.default is NOTHING]
    return {
        "description": told[""],
        "type": "object",
        "properties": properties,
        **({"required": required} if required else {}),
        "additionalProperties": False,
        **(_KINDS if cl is Role else {}),
    }


def _type(type_: Any) -> dict[str, object]:
    if type_ is bool:
        return {"type": "boolean"}
    if type_ in (Money, Money | None):
        return {"type": "string", "pattern": f"^{PRICE}$"}
    if type_ == tuple[str, ...]:
        return {"type": "array", "items": _TEXT, "uniqueItems": True}
    if get_origin(type_) is Literal:
        return {"enum": list(get_args(type_))}
    if type_ == Entry:
        return {"$ref": "#/$defs/entry"}
    if get_origin(type_) is Mapping:
        inner = get_args(type_)[1]
        names = NAME if has(inner) else _DOTTED
        return {
            "type": "object",
            "propertyNames": {"pattern": f"^{names}$"},
            "additionalProperties": _type(inner),
        }
    if type_ is Action:
        return {"anyOf": [{**_TEXT, "description": "the lowest level that gives it"}, _class(Action)]}
    return _class(type_) if has(type_) else dict(_TEXT)


def _merged(base: dict[str, object], more: Mapping[str, object]) -> dict[str, object]:
    both = {
        key: {**inner, **added}
        for key, added in more.items()
        if isinstance(inner := base.get(key), dict) and isinstance(added, dict)
    }
    return {**base, **more, **both}


def _described(doc: str) -> Iterator[tuple[str, str]]:
    """Iterate over what a docstring says of the class, under "", and of each of its attributes."""
    summary, _, attributes = doc.partition("\n\nAttributes:\n")
    yield "", " ".join(summary.split())
    for match in re.finditer(r"^    (\w+): (.*(?:\n {5,}.*)*)", attributes, re.MULTILINE):
        yield match[1], " ".join(match[2].split())


if __name__ == "__main__":
    sys.stdout.write(text())
