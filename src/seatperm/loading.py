"""Loading: TOML, JSON or a mapping to a catalog and back, with every problem at once."""

from __future__ import annotations

import json
import logging
import re
import time
import tomllib
from collections.abc import Callable, Iterable, Iterator, Mapping
from datetime import timedelta
from pathlib import Path as FilePath
from typing import Any, Literal, get_args, get_origin

from attrs import asdict, field, fields, frozen, has
from cattrs import Converter
from cattrs.errors import ClassValidationError, ForbiddenExtraKeysError
from cattrs.gen import make_dict_structure_fn

from .catalog import (
    BUILT_IN_RESOURCES,
    Action,
    Catalog,
    Entry,
    Ladder,
    Money,
    Package,
    Parts,
    Resource,
    Role,
    UserType,
    written_entry,
)
from .entries import ABSENT, Finding, Misfit, Path, read_entry, unknown_key, wrong_key, wrong_type
from .errors import CatalogError, InvalidValue


@frozen
class Head:
    """About the catalog.

    Attributes:
        name: the application's name.
    """

    name: str = ""


@frozen
class Scopes:
    """Which records a grant reaches.

    Attributes:
        order: the scopes, narrowest first; begins with own, ends with all.
    """

    order: tuple[str, ...] = ("own", "all")


@frozen
class CatalogFile:
    """A catalog as its file is laid out.

    Attributes:
        catalog: about the catalog.
        scopes: which records a grant reaches.
        ladders: ordered lists of levels, by name.
        packages: tiers and add-ons, by name.
        resources: functions and sub-functions of the application, by their dotted path.
        roles: named sets of grants, by name.
        user_types: kinds of users, by name; `app` needs no mention.
        global_permissions: an organization's first ones: an entry for each resource.
    """

    catalog: Head = Head()
    scopes: Scopes = Scopes()
    ladders: Mapping[str, Ladder] = field(factory=dict)
    packages: Mapping[str, Package] = field(factory=dict)
    resources: Mapping[str, Resource] = field(factory=dict)
    roles: Mapping[str, Role] = field(factory=dict)
    user_types: Mapping[str, UserType] = field(factory=dict)
    global_permissions: Mapping[str, Entry] = field(factory=dict)


class _Misfits(Exception):
    def __init__(self, misfits: Iterable[Misfit]) -> None:
        self.misfits = list(misfits)


def _text(value: object, _: object) -> str:
    if not isinstance(value, str):
        raise _Misfits([wrong_type("text", value, "")])
    return value


def _flag(value: object, _: object) -> bool:
    if not isinstance(value, bool):
        raise _Misfits([wrong_type("true or false", value, False)])
    return value


def _price(value: object, _: object) -> Money:
    expected = "an amount and a currency, such as '40.00 NZD'"
    if not isinstance(value, str):
        raise _Misfits([wrong_type(expected, value, "0 XXX")])
    try:
        return Money.parse(value)
    except InvalidValue as error:
        raise _Misfits([wrong_type(error.expected, value, "0 XXX")]) from None


def _kind(value: object, kinds: type) -> object:
    if value not in get_args(kinds):
        raise _Misfits([wrong_type(" or ".join(map(repr, get_args(kinds))), value, get_args(kinds)[0])])
    return value


def _list_of_text(value: object, _: object) -> tuple[str, ...]:
    if not isinstance(value, list | tuple):
        raise _Misfits([wrong_type("a list of text", value, [])])
    misfits = [wrong_type("text", item, "", (i,)) for i, item in enumerate(value) if not isinstance(item, str)]
    if misfits:
        raise _Misfits(misfits)
    return tuple(value)


def _table(value: object) -> Mapping[Any, object]:
    if not isinstance(value, Mapping):
        raise _Misfits([wrong_type("a table", value, {})])
    return value


def _table_of(read: Callable[[object], object]) -> Callable[[object, object], dict[str, object]]:
    def structure(value: object, _: object) -> dict[str, object]:
        result: dict[str, object] = {}
        misfits: list[Misfit] = []
        for key, item in _table(value).items():
            if not isinstance(key, str):
                misfits.append(wrong_key(key))
                continue
            try:
                result[key] = read(item)
            except _Misfits as error:
                misfits += [misfit.under((key,)) for misfit in error.misfits]
        if misfits:
            raise _Misfits(misfits)
        return result

    return structure


def _fields_of(cl: type, converter: Converter) -> Callable[[object, object], object]:
    from_mapping = make_dict_structure_fn(cl, converter, _cattrs_forbid_extra_keys=True)
    names = [attribute.name for attribute in fields(cl)]

    def structure(value: object, _: object) -> object:
        table = _table(value)
        try:
            return from_mapping(table, cl)
        except ClassValidationError as error:
            raise _Misfits(_misfits(error, table, names)) from None

    return structure


def _misfits(error: ClassValidationError, table: Mapping[Any, object], names: list[str]) -> Iterator[Misfit]:
    with_names, others = error.group_exceptions()
    for exception, note in with_names:
        if isinstance(exception, _Misfits):
            yield from (misfit.under((note.name,)) for misfit in exception.misfits)
        else:
            text = f"{note.name!r} is missing; it needs a value here"
            yield Misfit(Finding((), text, about=(note.name,)), (note.name,), [] if note.name == "levels" else "")
    for exception in others:
        if isinstance(exception, ForbiddenExtraKeysError):
            yield from (unknown_key(key, table, names) for key in table if key in exception.extra_fields)


def _converter() -> Converter:
    """Return a converter that takes no value for another and tells every misfit with its place."""
    converter = Converter(forbid_extra_keys=True)
    entries: dict[str, Entry] = {}

    def entry(value: object) -> Entry:
        # A large file repeats a few short grants many times: each is read once and shared.
        if isinstance(value, str) and value in entries:
            return entries[value]
        result, misfits = read_entry(value)
        if misfits:
            raise _Misfits(misfits)
        if isinstance(value, str):
            entries[value] = result
        return result

    def table(type_: Any) -> Callable[[object, object], dict[str, object]]:
        inner = get_args(type_)[1]
        return _table_of(lambda item: converter.structure(item, inner))

    read_action = _fields_of(Action, converter)
    hooks: list[tuple[Callable[[Any], bool], Callable[[Any], Any]]] = [
        (lambda t: has(t), lambda t: _fields_of(t, converter)),
        (lambda t: t is Action, lambda _: lambda v, t: Action(v) if isinstance(v, str) else read_action(v, t)),
        (lambda t: t in (str, str | None), lambda _: _text),
        (lambda t: t is bool, lambda _: _flag),
        (lambda t: t in (Money, Money | None), lambda _: _price),
        (lambda t: get_origin(t) is Literal, lambda _: _kind),
        (lambda t: t == tuple[str, ...], lambda _: _list_of_text),
        (lambda t: get_origin(t) is Mapping, table),
        (lambda t: t == Mapping[str, Entry], lambda _: _table_of(entry)),
    ]
    for fits, make in hooks:
        converter.register_structure_hook_factory(fits, make)
    return converter


def _parts(file: CatalogFile) -> dict[str, Any]:
    """Return the fields of a catalog that the layout of a file tells."""
    rest = asdict(file, recurse=False, filter=lambda attribute, _: attribute.name not in ("catalog", "scopes"))
    return {"name": file.catalog.name, "scopes": file.scopes.order, **rest}


def load(source: str | FilePath | Mapping[str, object]) -> Catalog:
    """Load."""
    if not isinstance(source, Mapping):
        text = FilePath(source).read_text("utf-8")
        source = tomllib.loads(text) if FilePath(source).suffix == ".toml" else json.loads(text)
    return Catalog(**_parts(_converter().structure(source, CatalogFile)))
