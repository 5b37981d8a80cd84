"""May this user do this? The questions that an organization answers from its tables."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable, Iterator
from datetime import UTC, datetime
from typing import overload

from attrs import define, field

from ..catalog import ALL, OWN, Catalog
from ..compiled import Compiled, holdings
from ..decision import Decision
from ..decision.explain import explain
from ..directory import User
from ..errors import InvalidValue, UnknownScope, UnknownUser
from .answers import Access, make_room
from .answers import Tables as WholeTables
from .asking import Asking, user_id
from .logs import denied
from .relations import Relation, Relations, relatable
from .view import NEVER, Tables, View

LONG_AGO = datetime.min.replace(tzinfo=UTC)
"""Up to when nothing holds."""

PLAIN = frozenset({tuple, list})
"""What a (resource, action) is, unless it is of a type that derives from one of them."""


class NeverHeld:
    """Tables that hold at no time, for one who has to be asked about at each check."""

    tables: Tables = (float, NEVER, {}, {}, {})


@define(eq=False, repr=False)
class Deciding:
    """What an organization answers about access, for the host or on behalf of a user."""

    _view: View
    _relations: Relations
    _asking: Asking
    _checked: View | NeverHeld = field(init=False)
    _whole: WholeTables = field(init=False, factory=WholeTables)

    def __attrs_post_init__(self) -> None:
        self._checked = self._view if self._asking.actor is None else NeverHeld()

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

    @overload
    def can(
        self, user: str | User, resource: str, action: str, record: object = None, *, at_least: int | None = None
    ) -> bool: ...

    @overload
    def can(
        self,
        user: str | User,
        resource: str,
        action: str,
        record: None = None,
        *,
        scope: str | None = None,
        at_least: int | None = None,
    ) -> bool: ...

    def can(
        self,
        user: str | User,
        resource: str,
        action: str,
        record: object = None,
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
        if scope is None and at_least is None:
            elapsed, deadline, rows, slots, slots_at = self._checked.tables
            if elapsed() < deadline:
                try:
                    byte, answers = slots[action][resource]
                    if record is None:
                        return answers[rows[user][byte]]  # type: ignore[index]
                    known, (_, relation) = self._view.users[user], self._relations.found[resource]  # type: ignore[index]
                except (KeyError, TypeError):
                    pass  # a `User`, one who is not known yet, or a mistake
                else:
                    reached = None if known is None else relation(known, record, action)
                    try:
                        byte, answers = slots_at[ALL if reached is None else reached][action][resource]
                        return answers[rows[user][byte]]  # type: ignore[index]
                    except (KeyError, TypeError):
                        return self._view.allows(user_id(user), resource, action, self._scope(resource, reached))
        return self._can(user, resource, action, record, scope, at_least)

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
        if scope is None and at_least is None:
            allowed = self.can(user, resource, action, record)
        else:
            allowed = self._can(user, resource, action, record, scope, at_least)
        if not allowed:
            decision = self.explain(user, resource, action, record, scope=scope)
            raise denied(self.id, decision, self._asking.actor)

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
            SeatpermError: all that `can` raises.
        """
        id = user_id(user)
        self._view.fresh(at_least)
        self._asking.may_view(id)
        known = self._view.user(id)
        needed = self.catalog.require_action(resource, action)
        if record is not None:
            _not_both(scope)
            scope = self._related(id, resource, action, record)
        asked = self.catalog.require_scope(scope) if scope is not None else ALL if needed.record else OWN
        license, now = self._view.record.license, self._view.now()
        return explain(self._view.catalog, license, known, now, resource, action, asked, user_id=id)

    def _prepared(self, vendor: Compiled) -> Callable[[], None]:
        """Return what puts another catalog in place of the present one, for `Tenants.use_catalog`."""
        self._asking.host_only("edit")
        return self._view.prepared(vendor)

    def can_each(self, user: str | User, checks: Iterable[tuple[str, str]]) -> list[bool]:
        """Tell, for each (resource, action), whether a user may do it on every record.

        Raises:
            SeatpermError: all that `can` raises.
        """
        if isinstance(checks, str) or not isinstance(checks, Iterable):
            raise InvalidValue("checks", checks, "a list of (resource, action)")
        pairs = list(checks)
        if not (set(map(type, pairs)) <= PLAIN or all(isinstance(pair, tuple | list) for pair in pairs)) or not (
            set(map(len, pairs)) <= {2}
        ):
            raise InvalidValue("checks", pairs, "a list of (resource, action)")
        id = user_id(user)
        self._ready(id)
        while True:
            generation, compiled = self._view.generation, self._view.compiled
            slots, row = compiled.slots, self._view.row(id)
            try:
                found = [slots[action][resource] for resource, action in pairs]
            except (KeyError, TypeError):
                found = [compiled.slot(resource, action) for resource, action in pairs]  # tells which has a mistake
            if self._view.is_at(generation):
                return [answers[row[byte]] for byte, answers in found]

    def widest_scope(self, user: str | User, resource: str, action: str) -> str | None:
        """Return the widest scope at which a user may do this, None for none: for menus and list filters.

        Raises:
            SeatpermError: all that `can` raises.
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
        return self._whole.access(view.compiled, view.record.license, known, view.now())

    def who_can(self, resource: str, action: str, *, scope: str | None = None) -> Iterator[User]:
        """Iterate over the users who may do this, in the order of their ids, never all in memory.

        Args:
            resource, action, scope: as `can`; without a scope, every record is asked about.

        Raises:
            UnknownResource, UnknownAction, UnknownScope: the catalog has none of that name.
        """
        self._view.fresh()
        self.catalog.require_action(resource, action)
        self._view.compiled.slot(resource, action, scope)
        return self._who_can(resource, action, scope)

    def _who_can(self, resource: str, action: str, scope: str | None) -> Iterator[User]:
        view, generation = self._view, self._view.generation
        seen: dict[Hashable, tuple[bool, datetime | None]] = {}
        for user in self._asking.visible():
            if generation != view.generation:
                generation = view.generation
                seen.clear()
            held = holdings(user)
            allowed, until = seen.get(held, (False, LONG_AGO))
            if until is not None and until <= view.now():
                compiled = view.compiled
                row, until = compiled.row(view.record.license, user, view.now())
                allowed = compiled.allows(row, compiled.slot(resource, action, scope))
                make_room(seen)
                seen[held] = allowed, until
            if allowed:
                yield user

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

    def _can(
        self,
        user: str | User,
        resource: str,
        action: str,
        record: object,
        scope: str | None,
        at_least: int | None,
    ) -> bool:
        """Tell what `can` tells, whatever is asked."""
        id = user if type(user) is str else user_id(user)
        elapsed, deadline, *_ = self._checked.tables
        if at_least is not None or elapsed() >= deadline:
            self._ready(id, at_least)
        if record is not None:
            self.catalog.require_action(resource, action)
            _not_both(scope)
            scope = self._related(id, resource, action, record)
        return self._view.allows(id, resource, action, scope)

    def _ready(self, id: str, at_least: int | None = None) -> None:
        """Go on once what is known is young enough, and if it may be told of this user."""
        view = self._view
        if at_least is not None or view.clock.elapsed() >= view.deadline:
            view.fresh(at_least)
        if self._asking.actor is not None:
            self._asking.may_view(id)

    def _related(self, id: str, resource: str, action: str, record: object) -> str:
        """Return the scope at which a user reaches a record; resource and action are the catalog's."""
        view, relations = self._view, self._relations
        found = relations.found.get(resource) or relations.find(resource)
        user = view.users.get(id) or view.user(id)
        return self._scope(resource, None if user is None else found[1](user, record, action))

    def _scope(self, resource: str, related: str | None) -> str:
        """Return the scope that a function for the resource has told; of an unknown user, and for None, the widest."""
        if related is None:
            return ALL
        scopes = self._view.compiled.slots_at
        if not isinstance(related, str) or related not in scopes:
            where = f", returned by the function that relates {self._relations.find(resource)[0]!r}"
            raise UnknownScope(related, tuple(scopes), where=where)
        return related


def _not_both(scope: str | None) -> None:
    if scope is not None:
        raise InvalidValue("scope", scope, "either a record or a scope, not both")
