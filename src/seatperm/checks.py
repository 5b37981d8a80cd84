"""Checks."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping

from .catalog import Catalog, Entry, Grant, GrantLike, Parts, Problem
from .entries import Facts, read_entry
from .errors import InvalidGrant


def problems(parts: Parts) -> Iterator[Problem]:
    """Find every problem."""
    yield from ()


def parse_entry(catalog: Catalog, resource: str, value: GrantLike) -> Entry:
    """Read an entry in any form it may be written in, and check it against its resource.

    Raises:
        UnknownResource: the catalog has no such resource.
        InvalidGrant: the entry does not fit the resource; with everything that is wrong with it.
    """
    catalog.require_resource(resource)
    if not isinstance(value, str | Grant | Mapping | bytes) and isinstance(value, Iterable):
        value = list(value)
    entry, misfits = read_entry(value)
    facts = Facts(
        catalog.ladder_name(resource),
        catalog.ladder(resource).levels,
        catalog.actions(resource),
        catalog.scopes,
        catalog.ladders,
    )
    wrong = [misfit.finding for misfit in misfits] or facts.check(entry)
    if wrong:
        raise InvalidGrant(resource, value, map(str, wrong))
    return entry
