"""One change to an organization: who may make it, what may not come of it, and its event in the trail."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager
from datetime import datetime
from itertools import islice
from logging import INFO

from attrs import define, evolve, field

from .. import audit, rules
from .. import license as licenses
from ..catalog import ALL, OWN, USERS
from ..decision import host_only
from ..decision.explain import explain
from ..directory import Organization, Staff, User, email_key, shown, summary
from ..errors import (
    EmailTaken,
    InvalidLicense,
    LastAdministrator,
    RoleNotInPackage,
    SettingsMasked,
    UnknownUser,
    UserLimitReached,
)
from ..license import License, packages_with
from ..license_files import LicenseFile
from ..stores import DirectoryChange
from .logs import CHANGES, denied, line
from .view import View

SUGGESTED = 10
"""How many users are named at the most whose lock would make room."""


@define(eq=False, repr=False)
class Change:
    """A transaction on one organization's books, on behalf of the host or of a user.

    Attributes:
        view: the organization.
        store: the store's transaction.
        actor: the id of the user who asks; None for the host, who may do all.
        now: the moment of the change, the same throughout.
    """

    view: View
    store: DirectoryChange
    actor: str | None
    now: datetime
    _deprived: str | None = field(init=False, default=None)
    _told: list[tuple[str, str, str | None, int]] = field(init=False, factory=list)

    @property
    def id(self) -> str:
        """The organization's id."""
        return self.view.id

    @property
    def record(self) -> Organization:
        """The organization's record as this transaction sees it."""
        return self.view.as_known_record(self.store.organization(self.id))

    def ask(self, action: str, *, on: str | None = None, resource: str = USERS) -> None:
        """Go on only if the one who acts may do it: on that user's record, or, without `on`, on every record.

        Raises:
            AccessDenied: with the decision.
        """
        if self.may(action, on=on, resource=resource):
            return
        catalog, license, scope = self.view.catalog, self.record.license, OWN if on == self.actor else ALL
        actor = self.actor or ""
        user = self.view.as_known(self.store.user(self.id, actor))
        decision = explain(catalog, license, user, self.now, resource, action, scope, user_id=actor)
        raise denied(self.id, decision, self.actor)

    def may(self, action: str, *, on: str | None = None, resource: str = USERS) -> bool:
        """Tell whether the one who acts may do it, as `ask`."""
        if self.actor is None:
            return True
        catalog, license, scope = self.view.catalog, self.record.license, OWN if on == self.actor else ALL
        user = self.view.as_known(self.store.user(self.id, self.actor))
        return user is not None and action in rules.actions(catalog, license, user, self.now, resource, scope)

    def ask_about_administrator(self, user: User) -> None:
        """Ask for `assign` before touching a user who may assign: it is the power to give any access."""
        if self.actor is not None and self._may_assign(user):
            self.ask("assign")

    def host_only(self, action: str) -> None:
        """Refuse everybody but the host."""
        if self.actor is not None:
            raise denied(self.id, host_only(self.actor, USERS, action), self.actor)

    def user(self, id: str) -> User:
        """Return a user of the organization, or raise `UnknownUser`."""
        user = self.store.user(self.id, id)
        if user is None or user.dismissed:
            raise UnknownUser(id)
        return user

    def put(
        self,
        kind: str,
        before: User | None,
        after: User,
        *,
        organization: str | None = None,
        details: Mapping[str, object] | None = None,
    ) -> User:
        """Write a user, with its event; nothing where nothing changes.

        Raises:
            UserLimitReached: the license admits no more named users.
        """
        organization = organization or self.id
        if after == before:
            return shown(after)
        if organization == self.id:
            self._keep_to_user_limit(before, after)
            self._watch_administrators(before, after)
        key = email_key(after.email) if after.email else None
        self.store.put_user(organization, after, email_key=key)
        told = differences(before, after) if details is None else details
        self.event(kind, after.id, told, organization=organization)
        return shown(after)

    def rename(self, kind: str, before: User, after: User) -> None:
        """Write a user under another id, with its event."""
        self._keep_to_user_limit(before, after)
        self.store.rename(self.id, before.id, after, email_key=email_key(after.email))
        self.event(kind, after.id, differences(before, after) | {"invited_as": before.id})
        member = self._staff_of(before)
        if member is not None:
            self.store.put_staff(self.id, evolve(member, user=after.id))

    def link_user(self, user: User, staff: str | None) -> None:
        """Write which staff record a user has; the event is the record's."""
        if staff != user.staff:
            self.store.put_user(self.id, evolve(user, staff=staff), email_key=email_key(user.email))

    def unlink_staff(self, user: User) -> None:
        """Write that the staff record of a user who leaves is no user's."""
        member = self._staff_of(user)
        if member is not None:
            self.put_staff("staff.unlinked", member, evolve(member, user=None))

    def put_staff(self, kind: str, before: Staff | None, after: Staff) -> Staff:
        """Write a staff record, with its event; nothing where nothing changes."""
        if after == before:
            return after
        self.store.put_staff(self.id, after)
        sides = {"before": before, "after": after}
        about = after.user or (None if before is None else before.user)
        told = {
            name: {"name": side.name, "user": side.user, "active": side.active}
            for name, side in sides.items()
            if side is not None
        }
        self.event(kind, about, {"staff": after.id, **told})
        return after

    def put_license(self, after: License, file: LicenseFile | None = None) -> None:
        """Write the license, and of the file that it comes from, if any, when that was issued; with its event.

        Nothing is written where nothing changes.

        Raises:
            InvalidLicense: its terms don't hold together.
        """
        problems = tuple(licenses.problems(after))
        if problems:
            raise InvalidLicense(problems)
        before = self.store.organization(self.id)
        issued = before.license_issued if file is None else file.issued
        if (after, issued) != (before.license, before.license_issued):
            self.store.put_organization(evolve(before, license=after, license_issued=issued))
            sides = {"before": licenses.summary(before.license), "after": licenses.summary(after)}
            if file is None:
                self.event("license.changed", None, sides)
            else:
                signed = {"issued": file.issued.isoformat(), "key": file.kid}
                self.event("license.installed", None, {**signed, **sides})

    def event(
        self, kind: str, user: str | None, details: Mapping[str, object], *, organization: str | None = None
    ) -> None:
        """Add an event to the trail."""
        organization = organization or self.id
        revision = self.store.revision(organization)
        self._told.append((organization, kind, user, revision))
        self.store.append(
            organization,
            audit.link(
                self.store.head(organization),
                at=self.now,
                actor=self.actor,
                kind=kind,
                user=user,
                revision=revision,
                details={**details, "to_oneself": True} if user is not None and user == self.actor else details,
            ),
        )

    def may_be_given(self, role: str) -> None:
        """Go on only if the license contains the role.

        Raises:
            UnknownRole, RoleNotInPackage: it does not exist, or comes with another package.
        """
        package = self.view.catalog.require_role(role).package
        license = self.record.license
        if package is not None and package not in rules.contained_packages(self.view.catalog, license):
            raise RoleNotInPackage(role, license.package, packages_with(self.view.catalog, package))

    def may_be_set(self, user: User, resource: str | None) -> None:
        """Go on only if the user's personal setting on the resource (None: on any) is not masked.

        Raises:
            SettingsMasked: a live role of everything gives it anyway.
        """
        live = rules.live_roles(self.view.catalog, self.record.license, user, self.now)
        for role in rules.everything_roles(self.view.catalog, live, resource):
            raise SettingsMasked(user.id, role)

    def address_is_free(self, email: str, key: str, but: User | None = None) -> None:
        """Go on only if no other user of the store has the address.

        Raises:
            EmailTaken: somebody has.
        """
        for _, user in self.store.people(key):
            if but is None or user.person != but.person:
                raise EmailTaken(email)

    @staticmethod
    def begin(store: DirectoryChange, organization: str, now: datetime, details: Mapping[str, object]) -> None:
        """Begin a new organization's trail."""
        event = audit.link(
            store.head(organization),
            at=now,
            actor=None,
            kind="organization.created",
            user=None,
            revision=store.revision(organization),
            details=details,
        )
        store.append(organization, event)

    def finish(self) -> None:
        """Look at what the whole change comes to.

        Raises:
            LastAdministrator: nobody who may assign is left, and somebody was there before.
        """
        if self._deprived is None:
            return
        if next(self._administrators(), None) is None:
            raise LastAdministrator(self._deprived)

    def log(self) -> None:
        """Write a line for each event, once it is kept."""
        for organization, kind, user, revision in self._told:
            told(organization, kind, user, revision, self.actor)

    def _staff_of(self, user: User) -> Staff | None:
        return None if user.staff is None else self.store.staff_member(self.id, user.staff)

    def _may_assign(self, user: User) -> bool:
        """Tell whether a user may assign, or will once accepted, unlocked, or when a personal setting ends.

        Whoever may unlock, reinvite or readdress an administrator could become one.
        """
        known = self.view.as_known(evolve(user, state="active", locked=False, dismissed=False))
        return known is not None and any(self._assigns(known, OWN, moment) for moment in self._moments(known))

    def _is_administrator(self, stored: User) -> bool:
        """Tell whether a user holds assign by a system role, on every record, from now on and without an end."""
        user = self.view.as_known(stored)
        if user is None or not user.active:
            return False
        roles = self.view.catalog.roles
        lasting: dict[str, datetime | None] = {
            role: None
            for role, until in user.roles.items()
            if until is None and role in roles and roles[role].kind == "system"
        }
        if not lasting:
            return False
        by_role, with_settings = evolve(user, roles=lasting, base={}, overrides={}), evolve(user, roles=lasting)
        return self._assigns(by_role, ALL, self.now) and all(
            self._assigns(with_settings, ALL, moment) for moment in self._moments(user)
        )

    def _assigns(self, user: User, scope: str, moment: datetime) -> bool:
        compiled = self.view.compiled
        row, _ = compiled.row(self.record.license, user, moment)
        return compiled.allows(row, compiled.slot(USERS, "assign", scope))

    def _moments(self, user: User) -> tuple[datetime, ...]:
        """Return the moments from which on a user's personal settings are others than before: now, and each end."""
        ends = {kept.until for kept in user.overrides.values() if kept.until is not None and kept.until > self.now}
        return (self.now, *sorted(ends))

    def _administrators(self) -> Iterator[User]:
        system = [name for name, role in self.view.catalog.roles.items() if role.kind == "system"]
        return (user for user in self.store.users(self.id, roles=system) if self._is_administrator(user))

    def _watch_administrators(self, before: User | None, after: User) -> None:
        if before is not None and self._is_administrator(before) and not self._is_administrator(after):
            self._deprived = after.id

    def _keep_to_user_limit(self, before: User | None, after: User) -> None:
        limit = self.record.license.user_limit
        counted = {name for name, type in self.view.catalog.user_types.items() if type.counted}
        is_counted = after.active and after.type in counted
        was_counted = before is not None and before.active and before.type in counted
        if limit is not None and is_counted and not was_counted:
            in_use = self.store.count_active(self.id, counted)
            if in_use >= limit:
                raise UserLimitReached(limit, in_use, self._could_lock(counted))

    def _could_lock(self, counted: Collection[str]) -> Iterator[str]:
        """Return the first of the users whose lock would make room; the only administrator's is refused."""
        if not self.may("view"):
            return iter(())
        administrators = [user.id for user in islice(self._administrators(), 2)]
        kept = administrators if len(administrators) == 1 else []
        users = self.store.users(self.id)
        return islice(
            (user.id for user in users if user.active and user.type in counted and user.id not in kept), SUGGESTED
        )


@contextmanager
def change(view: View, actor: str | None) -> Iterator[Change]:
    """Make one change: all of it is kept at the end of the block, or, after an exception, nothing."""
    with view.directory.change() as store:
        # Names are looked up in the view's catalog: it has to know the organization's own roles of this moment.
        if store.revision(view.id) != view.record.revision + 1:
            view.fresh(staleness=0)
        made = Change(view, store, actor, view.now())
        yield made
        made.finish()
    view.reread()
    made.log()


def told(organization: str, kind: str, user: str | None, revision: int, actor: str | None) -> None:
    """Write a line about a change that is kept."""
    line(CHANGES, INFO, kind, organization=organization, user=user, actor=actor, revision=revision)


def differences(before: User | None, after: User) -> dict[str, object]:
    """Return what changed of a user, before and after, for the trail."""
    new = summary(after)
    if before is None:
        return {"after": new}
    old = summary(before)
    changed = [name for name in new if old[name] != new[name]]
    return {"before": {name: old[name] for name in changed}, "after": {name: new[name] for name in changed}}
