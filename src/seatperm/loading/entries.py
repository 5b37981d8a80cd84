"""Entries: read in each form that they may be written in, and checked against the resource they are for."""

from __future__ import annotations

import json
import re
from collections.abc import Collection, Iterable, Iterator, Mapping
from datetime import date, time
from reprlib import Repr
from typing import Final

from attrs import evolve, field, frozen

from ..catalog import ALL, ORGANIZATION, Entry, Grant, Ladder, written_entry
from ..spelling import did_you_mean, nearest

Path = tuple[str | int, ...]
"""Where something stands in a catalog: keys, and positions in lists from 0."""

ABSENT: Final = object()
"""The stand-in of what has to be left out."""

_GRANT_KEYS: Final = ("level", "actions", "scope")


@frozen
class Finding:
    """One thing that is wrong, where its path is still in parts.

    Attributes:
        path: where it stands.
        message: what was found and what was expected.
        nearest: up to three known names that look like what was found.
        about: where the value stands that it follows from, where that is not at `path`.
    """

    path: Path
    message: str
    nearest: tuple[str, ...] = ()
    about: Path | None = None

    def under(self, path: Path) -> Finding:
        """Return the same for a path that began at `path`."""
        return evolve(self, path=path + self.path, about=None if self.about is None else path + self.about)

    def __str__(self) -> str:
        return f"{self.message}{did_you_mean(self.nearest)}"


@frozen
class Misfit:
    """A value of a wrong type.

    Attributes:
        finding: what is wrong.
        place: where the value stands, or would stand.
        stand_in: a value of the right type that lets the rest be checked, or `ABSENT`.
        doubts: other places that nothing can be said about before this is put right.
    """

    finding: Finding
    place: tuple[object, ...]
    stand_in: object
    doubts: tuple[Path, ...] = ()

    def under(self, path: Path) -> Misfit:
        """Return the same for a path that began at `path`."""
        doubts = tuple(path + doubt for doubt in self.doubts)
        return Misfit(self.finding.under(path), path + self.place, self.stand_in, doubts)


def wrong_type(expected: str, value: object, stand_in: object, path: Path = ()) -> Misfit:
    """Return the misfit of a value that is not what was expected."""
    return Misfit(Finding(path, f"expected {expected}, found {found(value)}"), path, stand_in)


def wrong_key(key: object) -> Misfit:
    """Return the misfit of a key that is no text."""
    return Misfit(Finding((), f"expected a key that is text, found {found(key)}"), (key,), ABSENT)


def unknown_key(key: object, table: Mapping[str, object], known: Collection[str]) -> Misfit:
    """Return the misfit of a key that a table of this kind does not have."""
    if not isinstance(key, str):
        return wrong_key(key)
    near = nearest(key, known)
    finding = Finding((key,), f"unknown key {key!r}; expected {listed(known)}", near)
    return Misfit(finding, (key,), ABSENT, tuple((name,) for name in near if name not in table))


def read_entry(value: object) -> tuple[Entry, list[Misfit]]:
    """Read an entry in any form it may be written in, with what is of a wrong type in it."""
    if isinstance(value, list | tuple):
        read = [_read_grant(item) for item in value]
        misfits = [misfit.under((i,)) for i, (_, found_here) in enumerate(read) for misfit in found_here]
        return tuple(grant for grant, _ in read), misfits
    grant, misfits = _read_grant(value)
    return (grant,), misfits


def _read_grant(value: object) -> tuple[Grant, list[Misfit]]:
    if isinstance(value, str):
        return Grant.parse(value), []
    if isinstance(value, Grant):
        return _read_grant(_told(value))
    if not isinstance(value, Mapping):
        return Grant(), [wrong_type("a grant: text such as 'edit:own', or a table", value, "")]
    misfits = [unknown_key(key, value, _GRANT_KEYS) for key in value if key not in _GRANT_KEYS]
    level, actions, scope = value.get("level", ""), value.get("actions", ()), value.get("scope", ALL)
    if not isinstance(level, str):
        misfits.append(wrong_type("text", level, "", ("level",)))
    if not isinstance(scope, str):
        misfits.append(wrong_type("text", scope, ALL, ("scope",)))
    if not isinstance(actions, list | tuple):
        misfits.append(wrong_type("a list of text", actions, [], ("actions",)))
    else:
        misfits += [
            wrong_type("text", action, "", ("actions", i))
            for i, action in enumerate(actions)
            if not isinstance(action, str)
        ]
    if misfits:
        return Grant(), misfits
    return Grant(level if "level" in value else None, actions, scope), []


def _told(grant: Grant) -> dict[str, object]:
    # A Grant made in Python is checked as what a file says.
    told: dict[str, object] = {} if grant.level is None else {"level": grant.level}
    if grant.actions or grant.level is None:
        told["actions"] = grant.actions
    return {**told, "scope": grant.scope}


def spell(path: Path) -> str:
    """Return a path as a TOML file spells it: `roles.clerk.grants."sales.invoices"[1]`."""
    text = ""
    for part in path:
        if isinstance(part, int):
            text += f"[{part}]"
        else:
            bare = re.fullmatch(r"[A-Za-z0-9_-]+", part)
            key = part if bare else json.dumps(part.encode("utf-8", "backslashreplace").decode(), ensure_ascii=False)
            text += f".{key}" if text else key
    return text


def listed(names: Iterable[str]) -> str:
    """Return names as a sentence lists them, the first twelve of many."""
    names = tuple(names)
    return ", ".join(names[:12]) + (f" and {len(names) - 12} more" if len(names) > 12 else "") if names else "none"


def found(value: object) -> str:
    """Return a value as a message names it, with its kind and no longer than a line."""
    short = Repr()
    short.maxstring = short.maxother = short.maxlong = 60
    match value:
        case bool():
            return str(value).lower()
        case str():
            return f"the text {short.repr(value)}"
        case int() | float():
            return f"the number {short.repr(value)}"
        case list() | tuple():
            return "a list"
        case Mapping():
            return "a table"
        case date() | time():
            return f"the date or time {value}"
        case None:
            return "null"
    return f"a value of the type {type(value).__name__}"


@frozen(eq=False)
class Facts:
    """What entries on a resource are checked against; resources without actions of their own share it.

    Attributes:
        ladder: the name of the ladder.
        levels: the ladder's levels; empty where they are not known for sure.
        actions: the resource's actions; None where they are not known for sure.
        scopes: the catalog's scopes; empty where they are not known for sure.
        ladders: every ladder, to tell whose a foreign level is.
    """

    ladder: str
    levels: tuple[str, ...]
    actions: Collection[str] | None
    scopes: tuple[str, ...]
    ladders: Mapping[str, Ladder]
    _checked: dict[int, tuple[Entry, tuple[Finding, ...]]] = field(factory=dict, init=False)

    def check(self, entry: Entry) -> tuple[Finding, ...]:
        """Return what is wrong with an entry; one that many roles share is looked at once."""
        seen = self._checked.get(id(entry))
        if seen is None:
            # The entry is kept so that no other takes its id.
            seen = self._checked[id(entry)] = (entry, tuple(self._findings(entry)))
        return seen[1]

    def level(self, level: str, path: Path = ()) -> Iterator[Finding]:
        """Check that a level is on the ladder."""
        if not self.levels or level in self.levels:
            return
        others = [name for name, ladder in self.ladders.items() if level in ladder.levels]
        others.sort(key=ORGANIZATION.__eq__)
        has = f"the ladder here is {self.ladder!r}: {listed(self.levels)}"
        if others:
            yield Finding(path, f"the level {level!r} belongs to the ladder {others[0]!r}; {has}")
        else:
            yield Finding(path, f"unknown level {level!r}; {has}", nearest(level, self.levels))

    def action(self, action: str, path: Path) -> Iterator[Finding]:
        """Check that the resource has an action."""
        if self.actions is not None and action not in self.actions:
            text = f"unknown action {action!r}; the actions here are {listed(self.actions)}"
            yield Finding(path, text, nearest(action, self.actions))

    def _findings(self, entry: Entry) -> Iterator[Finding]:
        if not entry:
            yield Finding((), "an entry needs at least one grant, found an empty list")
        for i, grant in enumerate(entry):
            if grant.level is None and not grant.actions:
                yield Finding((i,), "a grant needs a level, actions or both, found neither", (), (i, "actions"))
            if grant.level is not None:
                yield from self.level(grant.level, (i, "level"))
            if self.levels and grant.level == self.levels[0] and (grant.actions or len(entry) > 1):
                yield Finding((i,), f"the lowest level {grant.level!r} stands alone in an entry, found more beside it")
            elif self.levels and grant.level == self.levels[0] and grant.scope != ALL:
                text = f"the lowest level {grant.level!r} stands without a scope, found {grant.scope!r}"
                yield Finding((i, "scope"), text)
            for j, action in enumerate(grant.actions):
                yield from self.action(action, (i, "actions", j))
            yield from repeated(grant.actions, "action", (i, "actions"))
            if self.scopes and grant.scope not in self.scopes:
                text = f"unknown scope {grant.scope!r}; the scopes are {listed(self.scopes)}"
                yield Finding((i, "scope"), text, nearest(grant.scope, self.scopes))
        yield from self._repeated_grants(entry)

    def _repeated_grants(self, entry: Entry) -> Iterator[Finding]:
        first: dict[object, int] = {}
        for i, grant in enumerate(entry):
            if first.setdefault((grant.level, frozenset(grant.actions), grant.scope), i) != i:
                yield Finding((i,), f"the grant {written_entry((grant,))!r} is there twice")


def repeated(names: Iterable[str], kind: str, path: Path) -> Iterator[Finding]:
    """Find the names that a list holds more than once."""
    seen: set[str] = set()
    for i, name in enumerate(names):
        if name in seen:
            yield Finding((*path, i), f"the {kind} {name!r} is there twice")
        seen.add(name)
