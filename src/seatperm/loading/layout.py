"""Layout: the shape of a catalog file, to the classes and back, with every value of a wrong type told at once."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any, Literal, get_args, get_origin

from attrs import Attribute, field, fields, fields_dict, frozen, has
from cattrs import Converter
from cattrs.errors import ClassValidationError, ForbiddenExtraKeysError
from cattrs.gen import make_dict_structure_fn

from ..catalog import (
    BUILT_IN_RESOURCES,
    ORGANIZATION,
    Action,
    Entry,
    Grant,
    Ladder,
    Package,
    Parts,
    Resource,
    Role,
    UserType,
    written_entry,
)
from ..errors import InvalidValue
from ..money import Money
from .entries import ABSENT, Finding, Misfit, read_entry, unknown_key, wrong_key, wrong_type


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


class MisfitsError(Exception):
    """Values of a wrong type, on their way up to where all are told."""

    def __init__(self, misfits: Iterable[Misfit]) -> None:
        self.misfits = list(misfits)


def _text(value: object, _: object) -> str:
    if not isinstance(value, str):
        raise MisfitsError([wrong_type("text", value, "")])
    if any("\ud800" <= character <= "\udfff" for character in value):
        raise MisfitsError([wrong_type("text of whole characters", value, "")])
    return value


def _flag(value: object, _: object) -> bool:
    if not isinstance(value, bool):
        raise MisfitsError([wrong_type("true or false", value, False)])
    return value


def _price(value: object, _: object) -> Money:
    expected = "an amount and a currency, such as '40.00 NZD'"
    if not isinstance(value, str):
        raise MisfitsError([wrong_type(expected, value, "0 XXX")])
    try:
        return Money.parse(value)
    except InvalidValue as error:
        raise MisfitsError([wrong_type(error.expected, value, "0 XXX")]) from None


def _kind(value: object, kinds: type) -> object:
    if value not in get_args(kinds):
        raise MisfitsError([wrong_type(" or ".join(map(repr, get_args(kinds))), value, get_args(kinds)[0])])
    return value


def _list_of_text(value: object, _: object) -> tuple[str, ...]:
    if not isinstance(value, list | tuple):
        raise MisfitsError([wrong_type("a list of text", value, [])])
    misfits = [wrong_type("text", item, "", (i,)) for i, item in enumerate(value) if not isinstance(item, str)]
    if misfits:
        raise MisfitsError(misfits)
    return tuple(value)


def _table(value: object) -> Mapping[Any, object]:
    if not isinstance(value, Mapping):
        raise MisfitsError([wrong_type("a table", value, {})])
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
            except MisfitsError as error:
                misfits += [misfit.under((key,)) for misfit in error.misfits]
        if misfits:
            raise MisfitsError(misfits)
        return result

    return structure


def _fields_of(cl: type, converter: Converter) -> Callable[[object, object], object]:
    from_mapping: Callable[[Mapping[Any, object], type], object] = make_dict_structure_fn(
        cl, converter, _cattrs_forbid_extra_keys=True
    )
    names = [attribute.name for attribute in fields(cl)]

    def structure(value: object, _: object) -> object:
        table = _table(value)
        try:
            return from_mapping(table, cl)
        except ClassValidationError as error:
            raise MisfitsError(_misfits(error, table, names)) from None

    return structure


def _misfits(error: ClassValidationError, table: Mapping[Any, object], names: list[str]) -> Iterator[Misfit]:
    with_names, others = error.group_exceptions()
    for exception, note in with_names:
        if isinstance(exception, MisfitsError):
            yield from (misfit.under((note.name,)) for misfit in exception.misfits)
        else:
            text = f"the key {note.name!r} is missing"
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
            raise MisfitsError(misfits)
        if isinstance(value, str):
            entries[value] = result
        return result

    def table(type_: Any) -> Callable[[object, object], dict[str, object]]:
        inner = get_args(type_)[1]
        return _table_of(lambda item: converter.structure(item, inner))

    def action(_: Any) -> Callable[[object, object], object]:
        from_table = _fields_of(Action, converter)
        return lambda value, type_: Action(value) if isinstance(value, str) else from_table(value, type_)

    hooks: list[tuple[Callable[[Any], bool], Callable[[Any], Any]]] = [
        (lambda t: has(t), lambda t: _fields_of(t, converter)),
        (lambda t: t is Action, action),
        (lambda t: t == str | None, lambda _: _text),
        (lambda t: t in (Money, Money | None), lambda _: _price),
        (lambda t: get_origin(t) is Literal, lambda _: _kind),
        (lambda t: t == tuple[str, ...], lambda _: _list_of_text),
        (lambda t: get_origin(t) is Mapping, table),
        (lambda t: t == Mapping[str, Entry], lambda _: _table_of(entry)),
    ]
    for fits, make in hooks:
        converter.register_structure_hook_factory(fits, make)
    converter.register_structure_hook(str, _text)
    converter.register_structure_hook(bool, _flag)
    return converter


def read_layout(raw: object) -> tuple[CatalogFile, list[Misfit]]:
    """Read what was parsed, with the misfits; each is stood in for by a value of the right type."""
    converter = _converter()
    told: list[Misfit] = []
    while True:
        try:
            return converter.structure(raw, CatalogFile), told
        except MisfitsError as error:
            # What a stand-in lacks in turn is stood in for as well, but is nobody's mistake.
            standing = {misfit.place for misfit in told}
            told += [
                misfit
                for misfit in error.misfits
                if not any(misfit.place[:length] in standing for length in range(len(misfit.place)))
            ]
            raw = _mended(raw, {misfit.place: misfit.stand_in for misfit in error.misfits})


def _mended(raw: object, stand_ins: Mapping[tuple[object, ...], object]) -> object:
    """Return a copy of what was parsed with stand-ins in their places; what holds none is shared."""
    if () in stand_ins:
        return stand_ins[()]
    below: dict[object, dict[tuple[object, ...], object]] = {}
    for place, stand_in in stand_ins.items():
        below.setdefault(place[0], {})[place[1:]] = stand_in
    if isinstance(raw, Mapping):
        table = dict(raw)
        for key, inner in below.items():
            if inner.get((), None) is ABSENT:
                del table[key]
            else:
                table[key] = _mended(raw.get(key), inner)
        return table
    assert isinstance(raw, list | tuple)
    return [_mended(item, below[i]) if i in below else item for i, item in enumerate(raw)]


def file_of(parts: Parts) -> CatalogFile:
    """Return how a file lays a catalog out, without what every catalog has unwritten."""
    return CatalogFile(
        Head(parts.name),
        Scopes(parts.scopes),
        {name: ladder for name, ladder in parts.ladders.items() if name != ORGANIZATION},
        parts.packages,
        {name: resource for name, resource in parts.resources.items() if BUILT_IN_RESOURCES.get(name) != resource},
        parts.roles,
        {name: type_ for name, type_ in parts.user_types.items() if (name, type_) != ("app", UserType())},
        parts.global_permissions,
    )


def fields_of(file: CatalogFile) -> dict[str, Any]:
    """Return the arguments of a `Catalog` or its `Parts` that a file lays out."""
    rest = {name: getattr(file, name) for name in fields_dict(CatalogFile) if name not in ("catalog", "scopes")}
    return {"name": file.catalog.name, "scopes": file.scopes.order, **rest}


def plain(value: Any) -> Any:
    """Return a value of a catalog as TOML and JSON hold it, without what is said by leaving it out."""
    if isinstance(value, Money):
        return str(value)
    if isinstance(value, Action) and value == Action(value.level):
        return value.level
    if isinstance(value, tuple):
        return written_entry(value) if value and isinstance(value[0], Grant) else list(value)
    if isinstance(value, Mapping):
        return {key: plain(item) for key, item in value.items()}
    if not has(type(value)):
        return value
    told = ((attribute, getattr(value, attribute.name)) for attribute in fields(type(value)))
    return {attribute.name: plain(item) for attribute, item in told if item != default_of(attribute)}


def default_of(attribute: Attribute[Any]) -> object:
    """Return what leaving a field out means; `NOTHING` where it can't be left out."""
    factory = getattr(attribute.default, "factory", None)
    return attribute.default if factory is None else factory()
