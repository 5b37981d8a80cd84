"""`Organization`: the one object that hosts hold."""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterable, Iterator, Mapping
from datetime import timedelta
from typing import Any, Unpack

from attrs import define, evolve

from .. import license as licenses
from .. import license_files
from ..catalog import USERS, Catalog, CatalogLike, Entry, GrantLike, written_entry
from ..clock import aware
from ..directory import Organization as Record
from ..directory import User
from ..errors import InvalidLicense, InvalidValue
from ..license import License
from ..loading.checks import parse_entry
from ..money import Money
from ..stores.waiting import waited
from . import answers
from . import roles as own_roles
from .answers import Effect, LicenseChange, ListedRole, RoleListing
from .asking import Asking, texts, user_id
from .catalog_diff import CatalogChange, preview_catalog
from .changes import change
from .deciding import Deciding
from .invitation import OnInvitation
from .seating import Seating
from .session import OnUnavailable, Session, resume, signing_in
from .sessions import Sessions
from .staff import StaffRecords
from .trail import Trail
from .users import Users


def _leave_open() -> None:
    """Close nothing: what is open belongs to a `Tenants`."""


def _leave_catalog(new: CatalogLike) -> None:
    raise InvalidValue("new", new, "given to Tenants.use_catalog: the catalog is that of every organization")


@define(eq=False, repr=False)
class Organization(Deciding):
    """One organization: who may do what, who has a seat, and the books that say so.

    Made by `seatperm.open` or by `Tenants`. It may be shared by threads, and is opened anew after `fork()`.
    """

    _seating: Seating
    _on_invitation: OnInvitation | None = None
    _close: Callable[[], None] = _leave_open
    _use_catalog: Callable[[CatalogLike], None] = _leave_catalog

    @property
    def revision(self) -> int:
        """How many changes have been made: the number to hand to `at_least=` elsewhere."""
        self._view.fresh()
        return self._view.record.revision

    @property
    def users(self) -> Users:
        """The organization's users."""
        return Users(self._view, self._asking, self._on_invitation, self._end_sessions)

    @property
    def staff(self) -> StaffRecords:
        """The organization's staff, users or not."""
        return StaffRecords(self._view, self._asking)

    def roles(self, user: str | User | None = None) -> RoleListing:
        """Return the roles by what the license contains; for a user, also those held and dormant.

        Raises:
            UnknownUser: there is none.
            AccessDenied: called through `as_user` about a user who may not be viewed.
        """
        self._view.fresh()
        if self._asking.actor is not None:
            self._asking.may_view(self._asking.actor)
        known = None if user is None else self._known(user)
        return answers.list_roles(self._view.catalog, self._view.record, known, self._view.now())

    def define_role(
        self,
        id: str,
        *,
        title: str,
        grants: Mapping[str, GrantLike],
        description: str = "",
        includes: Iterable[str] = (),
    ) -> ListedRole:
        """Define a role of the organization's own, or define one of its own anew: its holders keep it.

        It belongs to the cheapest tier of the license that contains all that it grants and includes, or to the
        add-on where all is one add-on's, and sleeps like any other when the license no longer contains that.

        Args:
            id: a letter, then letters, digits, "_" or "-".
            title: what people call it.
            grants: for each resource an entry, as a catalog writes it; nothing of `organization`.
            description: what it is for, in a sentence.
            includes: licensee roles, the catalog's or the organization's own, whose grants come with it.

        Raises:
            AccessDenied: `organization.users:assign` is needed.
            RoleExists: the catalog has a role of this id.
            UnknownResource, UnknownRole, RoleNotInPackage: what they say.
            InvalidGrant: an entry does not fit its resource, or the license does not contain that.
            InvalidValue: the id, the title or `includes` is not of its kind.
        """
        own_roles.define_role(
            self._view,
            self._asking.actor,
            id,
            title=title,
            grants=grants,
            description=description,
            includes=includes,
        )
        return answers.listed_role(self._view.catalog, self._view.record, id)

    def remove_role(self, id: str) -> None:
        """Remove a role of the organization's own; its holders lose it in the same change.

        So do roles that include it. Seats that the license keeps back for it are kept back no more.

        Raises:
            AccessDenied: `organization.users:assign` is needed.
            UnknownRole: the organization has no role of its own of this id.
        """
        own_roles.remove_role(self._view, self._asking.actor, id)

    @property
    def global_permissions(self) -> Mapping[str, Entry]:
        """What each new user starts from, an entry for each resource."""
        self._asking.ask(USERS)
        self._view.fresh()
        return self._view.record.global_permissions

    def set_global_permissions(self, entries: Mapping[str, GrantLike]) -> None:
        """Say what each new user starts from; users who are here already keep their base.

        Args:
            entries: for each resource an entry, as a catalog writes it.

        Raises:
            AccessDenied: `organization.users:assign` is needed.
            UnknownResource, InvalidGrant: what they say.
        """
        with change(self._view, self._asking.actor) as made:
            made.ask("assign")
            if not isinstance(entries, Mapping):
                raise InvalidValue("entries", entries, "an entry for each resource, such as {'sales': 'view'}")
            after = {path: parse_entry(self.catalog, path, value) for path, value in entries.items()}
            before = made.store.organization(self.id)
            if after != dict(before.global_permissions):
                made.store.put_organization(evolve(before, global_permissions=after))
                written = [
                    {path: written_entry(entry) for path, entry in side.items()}
                    for side in (before.global_permissions, after)
                ]
                made.event("global_permissions.set", None, {"before": written[0], "after": written[1]})

    @property
    def license(self) -> License:
        """What the organization has bought."""
        self._asking.ask("organization.license")
        self._view.fresh()
        return self._view.record.license

    @property
    def monthly_charge(self) -> Money | None:
        """Package price × session limit, add-ons included; None where nothing has a price."""
        return licenses.monthly_charge(self.catalog, self.license)

    def preview_license(self, **terms: Unpack[answers.Terms]) -> LicenseChange:
        """Tell what a change of license would come to, changing nothing.

        Args:
            terms: as `change_license`.

        Raises:
            SeatpermError: all that `change_license` raises; who may view the license may ask.
        """
        before = self.license
        record = self._view.record
        return self._license_change(record, evolve(record, license=new_license(self._view.catalog, before, terms)))

    def change_license(self, **terms: Unpack[answers.Terms]) -> LicenseChange:
        """Change the license; roles and settings that it no longer contains are kept, dormant.

        Args:
            terms: what shall be different: `package`, `add_ons`, `session_limit`, `user_limit`, `seat_per`,
                `reserved`, `valid_from`, `valid_until`, `grace`, as `License` has them.

        Raises:
            AccessDenied: `organization.license:edit` is needed.
            UnknownPackage, UnknownRole, InvalidLicense, InvalidValue: what they say; the license stays.
        """
        with change(self._view, self._asking.actor) as made:
            made.ask("edit", resource="organization.license")
            before = made.store.organization(self.id)
            after = new_license(self._view.catalog, before.license, terms)
            made.put_license(after)
        return self._license_change(before, evolve(before, license=after))

    def install_license(self, text: str, keys: license_files.PublicKeys) -> LicenseChange:
        """Put the license of a signed license file in place of the present one.

        Args:
            text: the file's text, as `seatperm.license_files.issue` made it. The file that was installed last
                changes nothing when it is installed again, unless the license was changed by hand since.
            keys: the vendor's public keys: JSON Web Keys, by key id or each with its `kid`.

        Raises:
            AccessDenied: `organization.license:edit` is needed.
            InvalidLicense: with the reason, such as "altered" or "expired"; the license stays.
            UnknownPackage, UnknownRole: the catalog does not have what the file names.
            InvalidValue: a key is none. MissingExtra: the extra `license` is not installed.
        """
        with change(self._view, self._asking.actor) as made:
            made.ask("edit", resource="organization.license")
            before = made.store.organization(self.id)
            file = license_files.read(text, keys)
            held = file.license
            after = new_license(
                self._view.catalog, held, {"package": held.package, "add_ons": held.add_ons, "reserved": held.reserved}
            )
            license_files.check(file, self.id, before.license, before.license_issued, made.now)
            made.put_license(after, file)
        return self._license_change(before, evolve(before, license=after))

    def preview_catalog(self, new: CatalogLike) -> CatalogChange:
        """Tell what a new version of the catalog would come to for this organization, changing nothing.

        Args:
            new: a path to TOML or JSON, a mapping of the same shape, or a `Catalog`.

        Raises:
            CatalogError: it can't be loaded.
            AccessDenied: called through `as_user`.
        """
        self._asking.host_only("view")
        self._view.fresh()
        return preview_catalog(self._view, new if isinstance(new, Catalog) else Catalog.load(new))

    def use_catalog(self, new: CatalogLike) -> None:
        """Put a new catalog in place of the present one, in this process, at once: see `Tenants.use_catalog`.

        Raises:
            CatalogError: it can't be loaded.
            CatalogMismatch: the store names what it does not have.
            StoreUnavailable: the store did not answer.
            AccessDenied: called through `as_user`.
            InvalidValue: the organization is one of a `Tenants`, where the catalog is that of all.
        """
        self._asking.host_only("edit")
        self._use_catalog(new)

    @property
    def audit(self) -> Trail:
        """The audit trail."""
        self._asking.ask("organization.audit")
        return Trail(self._view)

    def as_user(self, user: str | User) -> Organization:
        """Return the same organization, where every call first asks what that user may.

        Raises:
            AccessDenied: called on what `as_user` returned.
        """
        self._asking.host_only("view")
        return evolve(self, asking=Asking(self._view, user_id(user)))

    def sign_in(self, user: str | User, client: str | None = None, wait: timedelta | None = None) -> Session:
        """Take a seat for one connection of a user.

        Args:
            user: a user id or a `User`.
            client: names the connection: the same one signing in again keeps its seat and session id and
                gets a fresh token. None takes a seat of its own at every call.
            wait: how long, in real time, to queue for a seat; None not at all.

        Raises:
            SeatsExhausted: there is no free seat, with the limit and when the next lease ends.
            SignInRefused: the user is locked or not active, or the license is not valid.
            StoreUnavailable: a store did not answer, or the event could not be written; no seat is taken.
            UnknownUser: there is no such user.
            AccessDenied: called through `as_user` for another user.
        """
        return waited(self._signing_in(user, client, wait))

    def resume(self, token: str, *, on_unavailable: OnUnavailable = "deny") -> Session:
        """Take up a session by its token, for the next request of the same connection; renews as `touch` does.

        Args:
            token: of the session.
            on_unavailable: what to do while the session store does not answer: "deny", or "grace", which takes up
                what this process has seen of the session before, until its lease runs out.

        Raises:
            SessionEnded: no live session has this token, or its user may no longer be signed in.
            StoreUnavailable: the store did not answer.
            AccessDenied: called through `as_user` for another user's session.
        """
        return resume(self._seating, self, token, self._asking, on_unavailable)

    @property
    def sessions(self) -> Sessions:
        """The live sessions, and the history of those that are over."""
        return Sessions(self._seating, self._asking)

    def close(self) -> None:
        """Close the stores that `seatperm.open` opened; an organization of a `Tenants` is closed with all of them.

        Raises:
            AccessDenied: called through `as_user`.
        """
        self._asking.host_only("edit")
        self._close()

    def _signing_in(
        self, user: str | User, client: str | None, wait: timedelta | None
    ) -> Generator[float, None, Session]:
        id = user_id(user)
        if not self._asking.is_actor(id):
            self._asking.host_only("sign_in", "organization.sessions")
        return signing_in(self._seating, self, id, client, wait, self._asking.actor)

    def _end_sessions(self, user: str) -> None:
        self._seating.end_all(user, self._asking.actor)

    def _license_change(self, *records: Record) -> LicenseChange:
        before, after = (self._view.as_known_record(record).license for record in records)

        def effects() -> Iterator[Effect]:
            return answers.effects(self._view.compiled, before, after, self._asking.visible, self._view.now())

        charges = [licenses.monthly_charge(self.catalog, license) for license in (before, after)]
        return LicenseChange(before, after, charges[0], charges[1], effects)


def new_license(catalog: Catalog, before: License, terms: answers.Terms) -> License:
    """Return the license with these terms changed.

    Raises:
        UnknownPackage, UnknownRole, InvalidLicense, InvalidValue: what they say.
    """
    unknown = sorted(set(terms) - set(answers.Terms.__annotations__))
    if unknown:
        raise InvalidLicense([f"{name!r} is none of its terms" for name in unknown])
    if "package" in terms:
        catalog.require_package(terms["package"], add_on=False)
    for name in texts("add_ons", terms.get("add_ons", ())):
        catalog.require_package(name, add_on=True)
    reserved = terms.get("reserved", {})
    if not isinstance(reserved, Mapping):
        raise InvalidValue("reserved", reserved, "a number of seats for each role")
    for role in reserved:
        catalog.require_role(role)
    moments = {
        name: aware(name, moment)
        for name, moment in (("valid_from", terms.get("valid_from")), ("valid_until", terms.get("valid_until")))
        if moment is not None
    }
    changed: dict[str, Any] = {**terms, **moments}
    after = evolve(before, **changed)
    problems = tuple(licenses.problems(after))
    if problems:
        raise InvalidLicense(problems)
    return after
