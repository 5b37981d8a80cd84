"""Names in a store that the catalog does not have: told at opening, and made safe when kept."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Hashable, Iterable, Iterator, Mapping
from hashlib import sha256

from attrs import evolve, field, frozen

from ..audit import canonical
from ..catalog import Catalog, Entry, Grant, Parts, Role, is_organization
from ..compiled import holdings
from ..directory import Organization, Override, User
from ..errors import CatalogMismatch
from ..spelling import nearest
from .answers import make_room


def digest(catalog: Catalog) -> str:
    """Return what names a catalog's content: the SHA-256 of its dump, in hex."""
    return sha256(canonical(catalog.dump()).encode()).hexdigest()


@frozen
class Reader:
    """Makes stored records safe where the catalog does not have what they name.

    Attributes:
        catalog: the vendor's catalog, by which they are read.
    """

    catalog: Catalog
    _fits: dict[tuple[str, Entry], bool] = field(init=False, factory=dict, repr=False)

    def user(self, user: User) -> User:
        """Return the user with what the catalog does not have made safe.

        A role that it does not have is kept and gives nothing. An override, or an entry of the base, that
        can't be read closes its resource. What is on a resource that the catalog does not have can't be
        asked for.
        """
        if not user.overrides and not user.base:
            return user
        overrides = {
            path: kept if self._fit(path, kept.entry) else Override(self._closing(path), kept.until)
            for path, kept in user.overrides.items()
            if path in self.catalog.resources
        }
        base = {
            path: entry if self._fit(path, entry) else self._closing(path)
            for path, entry in user.base.items()
            if path in self.catalog.resources
        }
        if overrides == user.overrides and base == user.base:
            return user
        return evolve(user, overrides=overrides, base=base)

    def organization(self, record: Organization) -> Organization:
        """Return the organization with the add-ons, and the roles with reserved seats, that the catalog has.

        Raises:
            CatalogMismatch: the catalog does not have the license's package: nobody can tell what was bought.
        """
        license = record.license
        if license.package not in self.catalog.tiers:
            raise CatalogMismatch([f"package {license.package!r} of the license"])
        add_ons = frozenset(name for name in license.add_ons if name in self.catalog.packages)
        roles = self.catalog_of(record).roles if license.reserved else {}
        reserved = {role: count for role, count in license.reserved.items() if role in roles}
        if len(add_ons) == len(license.add_ons) and len(reserved) == len(license.reserved):
            return record
        return evolve(record, license=evolve(license, add_ons=add_ons, reserved=reserved))

    def catalog_of(self, record: Organization) -> Catalog:
        """Return the catalog with the organization's own roles beside the vendor's.

        One that can't be read gives nothing. Nor does a role of the vendor's that has the name of one of the
        organization's: whoever was given the one is not to have the other.
        """
        if not record.roles:
            return self.catalog
        unreadable = unreadable_roles(self.catalog, record.roles)
        vendor = {name: role for name, role in self.catalog.roles.items() if name not in record.roles}
        own = {name: role for name, role in record.roles.items() if name not in unreadable}
        return self.catalog.with_roles({**vendor, **own})

    def _closing(self, path: str) -> Entry:
        return (Grant(self.catalog.ladder(path).lowest),)

    def _fit(self, path: str, entry: Entry) -> bool:
        known = self._fits.get((path, entry))
        if known is None:
            known = path in self.catalog.resources and fits(self.catalog, path, entry)
            self._fits[path, entry] = known
        return known


def orphans(catalog: Catalog, organization: Organization, users: Iterable[User]) -> Iterator[str]:
    """Iterate over the names that the catalog does not have, a sentence each with how many users they touch."""
    license = organization.license
    tiers = [name for name, package in catalog.packages.items() if not package.add_on]
    if license.package not in tiers:
        yield f"package {license.package!r} of the license{_hint(license.package, tiers)}"
    add_ons = [name for name, package in catalog.packages.items() if package.add_on]
    for name in sorted(license.add_ons - set(add_ons)):
        yield f"add-on {name!r} of the license{_hint(name, add_ons)}"
    roles = {*catalog.roles, *organization.roles}
    for role in license.reserved:
        if role not in roles:
            yield f"role {role!r}, for which seats are reserved{_hint(role, roles)}"
    for role, why in unreadable_roles(catalog, organization.roles).items():
        yield f"role {role!r} of the organization's own: {why}"
    yield from _unfit(catalog, organization.global_permissions, "the global permissions")
    touched: Counter[str] = Counter()
    seen: dict[Hashable, frozenset[str]] = {}
    for user in users:
        held = user.type, holdings(user)
        if held not in seen:
            make_room(seen)
            seen[held] = frozenset(_of_user(catalog, roles, user))
        touched.update(seen[held])
    for name, count in sorted(touched.items()):
        yield f"{name}, of {count} {'user' if count == 1 else 'users'}"


def unreadable_roles(catalog: Catalog, own: Mapping[str, Role]) -> dict[str, str]:
    """Return those of an organization's own roles that the catalog can't read, each with why."""
    found = {name: next(_unreadable(catalog, name, role), "") for name, role in own.items()}
    unreadable = {name: why for name, why in found.items() if why}
    while True:
        more = {
            name: f"it includes {included!r}, which the catalog can't read"
            for name, role in own.items()
            for included in role.includes
            if name not in unreadable and (included in unreadable or not _may_be_included(catalog, own, included))
        }
        if not more:
            return unreadable
        unreadable |= more


def _unreadable(catalog: Catalog, name: str, role: Role) -> Iterator[str]:
    if name in catalog.roles:
        yield "the catalog has a role of that name"
    if role.kind != "licensee" or role.everything or any(is_organization(path) for path in role.grants):
        yield "an organization defines no role of this kind"
    if role.package not in catalog.packages:
        yield f"it belongs to the package {role.package!r}{_hint(role.package or '', catalog.packages)}"
    yield from _unfit(catalog, role.grants, "its grants")


def _may_be_included(catalog: Catalog, own: Mapping[str, Role], name: str) -> bool:
    return name in own or (name in catalog.roles and catalog.roles[name].kind == "licensee")


def _of_user(catalog: Catalog, roles: Collection[str], user: User) -> Iterator[str]:
    for role in user.roles:
        if role not in roles:
            yield f"role {role!r}{_hint(role, roles)}"
    if user.type not in catalog.user_types:
        yield f"user type {user.type!r}{_hint(user.type, catalog.user_types)}"
    yield from _unfit(catalog, user.base, "a base")
    yield from _unfit(catalog, {path: kept.entry for path, kept in user.overrides.items()}, "an override")


def _unfit(catalog: Catalog, entries: Mapping[str, Entry], where: str) -> Iterator[str]:
    for path, entry in entries.items():
        if path not in catalog.resources:
            yield f"resource {path!r} in {where}{_hint(path, catalog.resources)}"
        elif not fits(catalog, path, entry):
            yield f"levels, actions or scopes on {path!r} in {where}"


def fits(catalog: Parts, resource: str, entry: Entry) -> bool:
    """Tell whether the catalog has the levels, actions and scopes that an entry on one of its resources names."""
    ladder, actions = catalog.ladder(resource), catalog.actions(resource)
    return all(
        (grant.level is None or grant.level in ladder.levels)
        and grant.scope in catalog.scopes
        and all(action in actions for action in grant.actions)
        for grant in entry
    )


def _hint(name: str, known: Iterable[str]) -> str:
    near = " or ".join(map(repr, nearest(name, known)))
    return f" (perhaps {near})" if near else ""
