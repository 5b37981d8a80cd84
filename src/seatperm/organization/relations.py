"""How users relate to records: the functions that a host gives, and which of them serves a resource."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from attrs import define, field

from ..catalog import OWN, USERS, Catalog
from ..directory import User
from ..errors import InvalidValue, NoRelation
from .asking import user_id

Relation = Callable[[User, Any, str], str | None]
"""Tells the scope at which a user reaches a record for an action; None for the widest.

The record is of whatever type the host's function says: with `object`, a checker would accept no such function.
"""


@define(eq=False)
class Relations:
    """How users relate to records: as said here, else as said where it is said for all organizations.

    Attributes:
        found: the function that serves a resource's records, with the resource that it was given for, for those
            that were looked for since the last one was given.
    """

    found: dict[str, tuple[str, Relation]] = field(init=False, factory=dict)
    _of_all: Relations | None = None
    _own: dict[str, Relation] = field(init=False, factory=dict)
    _heirs: list[Relations] = field(init=False, factory=list)

    def __attrs_post_init__(self) -> None:
        if self._of_all is not None:
            self._of_all._heirs.append(self)

    def __setitem__(self, resource: str, function: Relation) -> None:
        self._own[resource] = function
        for relations in (self, *self._heirs):
            relations.found = {}

    def find(self, resource: str) -> tuple[str, Relation]:
        """Return the function that serves a resource's records: its own, or that of the nearest above.

        Raises:
            NoRelation: there is none.
        """
        found, path = self.found, resource
        while path:
            function = self._given(path)
            if function is not None:
                return found.setdefault(resource, (path, function))
            path = path.rpartition(".")[0]
        raise NoRelation(resource)

    def _given(self, resource: str) -> Relation | None:
        if resource == USERS:
            return _relate_to_oneself
        function = self._own.get(resource)
        return self._of_all._given(resource) if function is None and self._of_all is not None else function


def _relate_to_oneself(user: User, record: str | User, _action: str) -> str | None:
    return OWN if user_id(record) == user.id else None


def relatable(catalog: Catalog, resource: str, function: Relation) -> str:
    """Return the resource if a function may tell how users relate to its records.

    Raises:
        UnknownResource: the catalog has none of that name.
        InvalidValue: it is `organization.users`, which relates by itself: own for oneself.
    """
    catalog.require_resource(resource)
    if resource == USERS:
        raise InvalidValue("resource", resource, "another one: it relates by itself, own for oneself")
    if not callable(function):
        raise InvalidValue("function", function, "a function of a user, a record and an action")
    return resource
