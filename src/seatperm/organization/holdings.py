"""What a user holds here: roles, personal settings, a type. All of it takes `organization.users:assign`."""

from __future__ import annotations

from contextlib import AbstractContextManager
from datetime import datetime

from attrs import define, evolve

from ..catalog import GrantLike
from ..clock import aware
from ..directory import Override, User, with_override, with_role, without_override, without_role
from ..errors import InvalidValue, UnknownUserType
from ..loading.checks import parse_entry
from .asking import Asking, text, user_id
from .changes import Change, change, differences
from .view import View


@define(eq=False, repr=False)
class Holdings:
    """The part of `org.users` that hands out access."""

    _view: View
    _asking: Asking

    def assign(self, user: str | User, role: str, until: datetime | None = None) -> User:
        """Give a user a role, or change its end.

        Args:
            user: a user id or a `User`.
            role: a role of the catalog that the license contains.
            until: when it ends, timezone-aware; None for never.

        Raises:
            AccessDenied: `organization.users:assign` is needed.
            UnknownUser, UnknownRole, RoleNotInPackage: what they say.
            InvalidValue: `until` has no time zone, or has passed.
            LastAdministrator: the end would leave nobody who may assign.
        """
        with self._change() as made:
            made.ask("assign")
            before = made.user(user_id(user))
            made.may_be_given(role)
            after = with_role(before, role, _future(until, made))
            return made.put("role.assigned", before, after)

    def unassign(self, user: str | User, role: str) -> User:
        """Take a role from a user; one that is not held is no mistake.

        Raises:
            AccessDenied: `organization.users:assign` is needed.
            UnknownUser, UnknownRole: what they say.
            LastAdministrator: nobody who may assign would be left.
        """
        with self._change() as made:
            made.ask("assign")
            before = made.user(user_id(user))
            if text("role", role) not in before.roles:
                made.view.catalog.require_role(role)
            return made.put("role.unassigned", before, without_role(before, role))

    def override(self, user: str | User, resource: str, grant: GrantLike, until: datetime | None = None) -> User:
        """Set a personal setting, which replaces what roles and base give there, up or down.

        Args:
            user: a user id or a `User`.
            resource: the resource's path.
            grant: as a catalog writes an entry: "edit", "edit:own", {"actions": [...], "scope": "own"}, or a list.
            until: when it ends, timezone-aware; None for never.

        Raises:
            AccessDenied: `organization.users:assign` is needed.
            UnknownUser, UnknownResource, InvalidGrant: what they say.
            InvalidValue: `until` has no time zone, or has passed.
            SettingsMasked: the user holds a role of everything.
            LastAdministrator: nobody who may assign would be left.
        """
        with self._change() as made:
            made.ask("assign")
            before = made.user(user_id(user))
            entry = parse_entry(made.view.catalog, resource, grant)
            made.may_be_set(before, resource)
            after = with_override(before, resource, Override(entry, _future(until, made)))
            return made.put("override.set", before, after)

    def clear(self, user: str | User, resource: str) -> User:
        """Remove a personal setting; where there is none, nothing happens.

        Raises:
            AccessDenied, UnknownUser, UnknownResource, SettingsMasked, LastAdministrator: as `override`.
        """
        with self._change() as made:
            made.ask("assign")
            before = made.user(user_id(user))
            if text("resource", resource) not in before.overrides:
                made.view.catalog.require_resource(resource)
            made.may_be_set(before, resource)
            return made.put("override.cleared", before, without_override(before, resource))

    def reset(self, user: str | User) -> User:
        """Remove all personal settings and copy today's global permissions as the base.

        Raises:
            AccessDenied, UnknownUser, SettingsMasked, LastAdministrator: as `override`.
        """
        with self._change() as made:
            made.ask("assign")
            before = made.user(user_id(user))
            made.may_be_set(before, None)
            after = evolve(before, overrides={}, base=made.record.global_permissions)
            return made.put("override.reset", before, after)

    def copy_settings(self, source: str | User, *targets: str | User) -> tuple[User, ...]:
        """Give users the personal settings of another, in place of their own: overrides with their ends, and base.

        Roles are not copied. All targets are changed, or none.

        Args:
            source: whose settings are copied.
            targets: who gets them.

        Raises:
            AccessDenied, UnknownUser, SettingsMasked, LastAdministrator: as `override`, for each target.
        """
        with self._change() as made:
            made.ask("assign")
            given = made.user(user_id(source))
            changed = []
            for target in targets:
                before = made.user(user_id(target))
                made.may_be_set(before, None)
                after = evolve(before, overrides=given.overrides, base=given.base)
                told = {**differences(before, after), "from": given.id}
                changed.append(made.put("settings.copied", before, after, details=told))
            return tuple(changed)

    def set_type(self, user: str | User, type: str) -> User:
        """Set a user's type.

        Raises:
            AccessDenied: `organization.users:assign` is needed.
            UnknownUser, UnknownUserType: what they say.
            UserLimitReached: the license admits no more named users.
        """
        with self._change() as made:
            made.ask("assign")
            before = made.user(user_id(user))
            return made.put("user.type_set", before, evolve(before, type=known_type(made, type)))

    def _change(self) -> AbstractContextManager[Change]:
        return change(self._view, self._asking.actor)


def known_type(made: Change, type: str) -> str:
    """Return the user type, or raise `UnknownUserType`."""
    known = made.view.catalog.user_types
    if text("type", type) not in known:
        raise UnknownUserType(type, known)
    return type


def _future(until: datetime | None, made: Change) -> datetime | None:
    if until is None:
        return None
    moment = aware("until", until)
    if moment <= made.now:
        raise InvalidValue("until", until, f"a moment after now, which is {made.now.isoformat()}")
    return moment
