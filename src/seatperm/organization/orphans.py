"""Names in a store that the catalog does not have: told at opening, and made safe when kept."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from hashlib import sha256

from attrs import evolve, field, frozen

from ..audit import canonical
from ..catalog import Catalog, Entry, Grant
from ..directory import Organization, Override, User
from ..errors import CatalogMismatch
from ..spelling import did_you_mean, nearest


def digest(catalog: Catalog) -> str:
    """Return what names a catalog's content: the SHA-256 of its dump, in hex."""
    return sha256(canonical(catalog.dump()).encode()).hexdigest()


@frozen
class Reader:
    """Makes stored records safe where the catalog does not have what they name.

    Attributes:
        catalog: the catalog that they are read by.
    """

    catalog: Catalog
    _fits: dict[tuple[str, Entry], bool] = field(init=False, factory=dict, repr=False)

    def user(self, user: User) -> User:
        """Return the user with what the catalog does not have made safe.

        A role that it does not have is kept and gives nothing. An override that can't be read closes its
        resource; an entry of the base that can't be read gives nothing. What is on a resource that the
        catalog does not have can't be asked for.
        """
        overrides = {path: kept for path, kept in user.overrides.items() if path in self.catalog.resources}
        bad = [path for path, kept in overrides.items() if not self._fit(path, kept.entry)]
        for path in bad:
            overrides[path] = Override((Grant(self.catalog.ladder(path).lowest),), overrides[path].until)
        base = {path: entry for path, entry in user.base.items() if self._fit(path, entry)}
        if not bad and len(overrides) == len(user.overrides) and len(base) == len(user.base):
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
        reserved = {role: count for role, count in license.reserved.items() if role in self.catalog.roles}
        if len(add_ons) == len(license.add_ons) and len(reserved) == len(license.reserved):
            return record
        return evolve(record, license=evolve(license, add_ons=add_ons, reserved=reserved))

    def _fit(self, path: str, entry: Entry) -> bool:
        fits = self._fits.get((path, entry))
        if fits is None:
            fits = path in self.catalog.resources and _fits(self.catalog, path, entry)
            self._fits[path, entry] = fits
        return fits


def orphans(catalog: Catalog, organization: Organization, users: Iterable[User]) -> Iterator[str]:
    """Iterate over the names that the catalog does not have, a sentence each with how many users they touch."""
    license = organization.license
    tiers = [name for name, package in catalog.packages.items() if not package.add_on]
    if license.package not in tiers:
        yield f"package {license.package!r} of the license{_hint(license.package, tiers)}"
    add_ons = [name for name, package in catalog.packages.items() if package.add_on]
    for name in sorted(license.add_ons - set(add_ons)):
        yield f"add-on {name!r} of the license{_hint(name, add_ons)}"
    for role in license.reserved:
        if role not in catalog.roles:
            yield f"role {role!r}, for which seats are reserved{_hint(role, catalog.roles)}"
    yield from _unfit(catalog, organization.global_permissions, "the global permissions")
    touched: Counter[str] = Counter()
    for user in users:
        touched.update(set(_of_user(catalog, user)))
    for name, count in sorted(touched.items()):
        yield f"{name}, of {count} {'user' if count == 1 else 'users'}"


def _of_user(catalog: Catalog, user: User) -> Iterator[str]:
    for role in user.roles:
        if role not in catalog.roles:
            yield f"role {role!r}{_hint(role, catalog.roles)}"
    if user.type not in catalog.user_types:
        yield f"user type {user.type!r}{_hint(user.type, catalog.user_types)}"
    yield from _unfit(catalog, user.base, "a base")
    yield from _unfit(catalog, {path: kept.entry for path, kept in user.overrides.items()}, "an override")


def _unfit(catalog: Catalog, entries: Mapping[str, Entry], where: str) -> Iterator[str]:
    for path, entry in entries.items():
        if path not in catalog.resources:
            yield f"resource {path!r} in {where}{_hint(path, catalog.resources)}"
        elif not _fits(catalog, path, entry):
            yield f"levels, actions or scopes on {path!r} in {where}"


def _fits(catalog: Catalog, resource: str, entry: Entry) -> bool:
    ladder, actions = catalog.ladder(resource), catalog.actions(resource)
    return all(
        (grant.level is None or grant.level in ladder.levels)
        and grant.scope in catalog.scopes
        and all(action in actions for action in grant.actions)
        for grant in entry
    )


def _hint(name: str, known: Iterable[str]) -> str:
    return did_you_mean(nearest(name, known)).rstrip("?")
