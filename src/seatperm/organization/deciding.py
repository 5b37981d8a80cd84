"""May this user do this? The questions that an organization answers from its tables."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, MutableMapping
from typing import Any, overload

from attrs import define

from ..catalog import ALL, OWN, USERS, Catalog
from ..compiled import Slot
from ..decision import Decision
from ..decision.explain import explain
from ..directory import User
from ..errors import AccessDenied, InvalidValue, NoRelation, UnknownScope, UnknownUser
from . import answers
from .answers import Access
from .asking import Asking, user_id
from .view import View

Relation = Callable[[User, Any, str], str | None]
"""Tells the scope at which a user reaches a record for an action; None for the widest.

The record is of whatever type the host's function says: with `object`, a checker would accept no such function.
"""


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


@define(eq=False, repr=False)
class Deciding:
    """What an organization answers about access, for the host or on behalf of a user."""

    _view: View
    _relations: MutableMapping[str, Relation]
    _asking: Asking

    def __repr__(self) -> str:
        actor = "" if self._asking.actor is None else f" as {self._asking.actor!r}"
        return f"<{type(self).__name__} {self.id!r}{actor}>"

    @property
    def id(self) -> str:
        """The organization's id."""
        return self._view.id

    @property
    def catalog(self) -> Catalog:
        """The catalog that it was opened with; for the host, the organization's own roles are among its roles."""
        return self._view.catalog if self._asking.actor is None else self._view.vendor.catalog

    def can(
        self,
        user: str | User,
        resource: str,
        action: str,
        record: object = None,
        *,
        scope: str | None = None,
        at_least: int | None = None,
    ) -> bool:
        """Tell whether a user may do this.

        Args:
            user: a user id or a `User`; an unknown one may do nothing.
            resource: the resource's path.
            action: one of its actions.
            record: the host's own object; the function given to `relate` tells its scope. Without record and
                scope, every record is asked about; an action done without a record asks the narrowest scope.
            scope: a scope of the catalog, never beside a record.
            at_least: a revision that must be known first.

        Raises:
            UnknownResource, UnknownAction, UnknownScope: the catalog has none of that name.
            NoRelation: a record was named, and nothing tells whose it is.
            InvalidValue: both record and scope were given.
            StoreUnavailable: the store has not answered for `max_stale`, or a user not known yet can't be read.
            AccessDenied: called through `as_user` about a user who may not be viewed.
        """
        view = self._view
        if at_least is not None or view.clock.elapsed() >= view.deadline:
            view.fresh(at_least)
        if self._asking.actor is not None:
            self._asking.may_view(user_id(user))
        if record is None and scope is None:
            try:
                byte, bit = view.compiled.slots[resource][action]
            except (KeyError, TypeError):
                self.catalog.require_action(resource, action)
                raise
        else:
            slot = self._slot(user, resource, action, record, scope)
            if slot is None:
                return False
            byte, bit = slot
        try:
            row = view.rows[user]  # type: ignore[index]
        except (KeyError, TypeError):
            row = view.row(user_id(user))
        return row[byte] & bit != 0

    def require(
        self,
        user: str | User,
        resource: str,
        action: str,
        record: object = None,
        *,
        scope: str | None = None,
        at_least: int | None = None,
    ) -> None:
        """Go on only if a user may do this.

        Args:
            user, resource, action, record, scope, at_least: as `can`.

        Raises:
            AccessDenied: the user may not; its `decision` says why. All others as `can`.
        """
        if not self.can(user, resource, action, record, scope=scope, at_least=at_least):
            raise AccessDenied(self.explain(user, resource, action, record, scope=scope))

    def explain(
        self,
        user: str | User,
        resource: str,
        action: str,
        record: object = None,
        *,
        scope: str | None = None,
        at_least: int | None = None,
    ) -> Decision:
        """Tell whether a user may do this, why, and what would change it.

        Args:
            user, resource, action, record, scope, at_least: as `can`.

        Returns:
            A `Decision`; its truth value is what `can` says, its `str()` a paragraph to read aloud.

        Raises:
            All that `can` raises.
        """
        id = user_id(user)
        self._view.fresh(at_least)
        self._asking.may_view(id)
        known = self._view.user(id)
        needed = self.catalog.require_action(resource, action)
        asked = self._scope(known, resource, action, record, scope)
        if asked is None:
            asked = ALL if needed.record else OWN
        license, now = self._view.record.license, self._view.now()
        return explain(self._view.catalog, license, known, now, resource, action, asked, user_id=id)

    def can_each(self, user: str | User, checks: Iterable[tuple[str, str]]) -> list[bool]:
        """Tell, for each (resource, action), whether a user may do it on every record.

        Raises:
            All that `can` raises.
        """
        if isinstance(checks, str) or not isinstance(checks, Iterable):
            raise InvalidValue("checks", checks, "a list of (resource, action)")
        pairs = list(checks)
        if any(not isinstance(pair, tuple | list) or len(pair) != 2 for pair in pairs):
            raise InvalidValue("checks", pairs, "a list of (resource, action)")
        return [self.can(user, resource, action) for resource, action in pairs]

    def widest_scope(self, user: str | User, resource: str, action: str) -> str | None:
        """Return the widest scope at which a user may do this, None for none: for menus and list filters.

        Raises:
            All that `can` raises.
        """
        allowed = (scope for scope in reversed(self.catalog.scopes) if self.can(user, resource, action, scope=scope))
        return next(allowed, None)

    def access(self, user: str | User) -> Access:
        """Return all that a user may do, with the roles it comes from.

        Raises:
            UnknownUser: there is none.
            AccessDenied: called through `as_user` about a user who may not be viewed.
        """
        known, view = self._known(user), self._view
        return answers.whole_table(view.compiled, view.record.license, known, view.now())

    def who_can(self, resource: str, action: str, *, scope: str | None = None) -> Iterator[User]:
        """Iterate over the users who may do this, in the order of their ids, never all in memory.

        Args:
            resource, action, scope: as `can`; without a scope, every record is asked about.

        Raises:
            UnknownResource, UnknownAction, UnknownScope: the catalog has none of that name.
        """
        self._view.fresh()
        self.catalog.require_action(resource, action)
        if scope is None:
            byte, bit = self._view.compiled.slots[resource][action]
        else:
            byte, bit = self._view.compiled.slot(resource, action, scope)
        return (user for user in self._asking.visible() if self._view.row_of(user)[byte] & bit)

    @overload
    def relate(self, resource: str) -> Callable[[Relation], Relation]: ...

    @overload
    def relate(self, resource: str, function: Relation) -> Relation: ...

    def relate(self, resource: str, function: Relation | None = None) -> Relation | Callable[[Relation], Relation]:
        """Say how users relate to records of a resource and of all below it; also a decorator.

        Args:
            resource: the resource's path.
            function: called as `function(user, record, action)` with a `User`; returns the narrowest scope
                that reaches the record for this user, None for the widest.

        Raises:
            UnknownResource: the catalog has none of that name.
            InvalidValue: it is `organization.users`, which relates by itself: own for oneself.
            AccessDenied: called through `as_user`.
        """
        self._asking.host_only("edit")
        if function is None:

            def decorate(given: Relation) -> Relation:
                return self.relate(resource, given)

            return decorate
        self._relations[relatable(self.catalog, resource, function)] = function
        return function

    def _known(self, user: str | User) -> User:
        id = user_id(user)
        self._asking.may_view(id)
        self._view.fresh()
        known = self._view.user(id)
        if known is None:
            raise UnknownUser(id)
        return known

    def _slot(self, user: str | User, resource: str, action: str, record: object, scope: str | None) -> Slot | None:
        self.catalog.require_action(resource, action)
        known = self._view.user(user_id(user)) if record is not None else None
        asked = self._scope(known, resource, action, record, scope)
        return None if asked is None else self._view.compiled.slot(resource, action, asked)

    def _scope(self, user: User | None, resource: str, action: str, record: object, scope: str | None) -> str | None:
        """Return the scope that a check asks about, None where it names neither record nor scope."""
        if scope is not None:
            if record is not None:
                raise InvalidValue("scope", scope, "either a record or a scope, not both")
            return self.catalog.require_scope(scope)
        if record is None:
            return None
        for path in (resource, *self.catalog.ancestors(resource)):
            if path == USERS:
                return OWN if user is not None and user_id(record) == user.id else ALL  # type: ignore[arg-type]
            function = self._relations.get(path)
            if function is not None:
                # An unknown user relates to nothing.
                related = None if user is None else function(user, record, action)
                if related is not None and related not in self.catalog.scopes:
                    known = self.catalog.scopes
                    raise UnknownScope(related, known, where=f", returned by the function that relates {path!r}")
                return ALL if related is None else related
        raise NoRelation(resource)
