"""What a new version of the catalog would do to an organization's users: who gains or loses what, and why."""

from __future__ import annotations

from collections.abc import Callable, Collection, Hashable, Iterable, Iterator
from datetime import datetime
from functools import lru_cache

from attrs import define, evolve, field, frozen

from ..catalog import Catalog
from ..compiled import Compiled, Reach, holdings
from ..directory import Organization, User
from ..license import License
from .answers import make_room
from .catalog_parts import Cause, differences, with_part
from .orphans import Reader, orphans
from .view import View


@frozen
class Difference:
    """One thing that a user may do by one catalog and not by the other.

    Attributes:
        resource: the resource's path.
        action: the action.
        scope: the scope.
        causes: the differences between the catalogs each of which alone comes to this; or, where `together`
            is true, those without any of which it would not come to this.
        together: whether it takes several differences at once.
    """

    resource: str
    action: str
    scope: str
    causes: tuple[Cause, ...]
    together: bool = False

    @property
    def cause(self) -> str:
        """The causes in one line."""
        told = (" and " if self.together else "; also ").join(cause.text for cause in self.causes)
        return told or "several changes of the catalog at once"


@frozen
class CatalogEffect:
    """What a new catalog does to one user.

    Attributes:
        user_id: whom.
        gained: what becomes allowed.
        lost: what is no longer allowed.
    """

    user_id: str
    gained: tuple[Difference, ...]
    lost: tuple[Difference, ...]


@frozen
class CatalogChange:
    """A new version of the catalog, looked at before it is in use.

    Attributes:
        before: the vendor's catalog in use.
        after: the new one.
        unknown: the names in the store that the new one does not have, a sentence each: `open` would refuse it.
    """

    before: Catalog
    after: Catalog
    unknown: tuple[str, ...]
    _effects: Callable[[], Iterator[CatalogEffect]] = field(repr=False, eq=False)

    @property
    def effects(self) -> Iterator[CatalogEffect]:
        """Who gains or loses what, in the order of user ids: read anew at each use, never all in memory."""
        return self._effects()


def preview_catalog(view: View, new: Catalog) -> CatalogChange:
    """Return what a new catalog would come to for an organization."""
    old = view.vendor.catalog

    def stored() -> Iterator[User]:
        return (user for user in view.directory.users(view.id) if not user.dismissed)

    def effects() -> Iterator[CatalogEffect]:
        return catalog_effects(old, new, view.directory.organization(view.id), stored(), view.now())

    unknown = tuple(orphans(new, view.directory.organization(view.id), stored()))
    return CatalogChange(old, new, unknown, effects)


def catalog_effects(
    old: Catalog, new: Catalog, record: Organization, users: Iterable[User], now: datetime
) -> Iterator[CatalogEffect]:
    """Iterate over what a new catalog does to each user whom it touches; the same holdings are computed once.

    Names that a catalog does not have give nothing, as with `orphans="keep"`.

    Args:
        old: the vendor's catalog in use.
        new: the new one.
        record: the organization's record, as it is stored.
        users: its users, as they are stored.
        now: the moment to look at.
    """
    comparison = Comparison.of(old, new, record, now)
    seen: dict[Hashable, tuple[tuple[Difference, ...], tuple[Difference, ...]]] = {}
    for user in users:
        held = holdings(user)
        if held not in seen:
            make_room(seen)
            seen[held] = comparison.compare(user)
        if any(seen[held]):
            yield CatalogEffect(user.id, *seen[held])


@define(eq=False)
class Side:
    """What the users of an organization may do by one catalog.

    Attributes:
        catalog: the vendor's catalog.
    """

    catalog: Catalog
    _compiled: Compiled
    _reader: Reader
    _license: License
    _now: datetime
    _decoded: Callable[[bytes], tuple[Reach, ...]] = field(init=False)

    def __attrs_post_init__(self) -> None:
        self._decoded = lru_cache(1_000)(lambda row: tuple(self._compiled.decode(row)))

    @classmethod
    def of(cls, catalog: Catalog, record: Organization, now: datetime, numbered: Compiled | None = None) -> Side:
        """Return the side of a catalog.

        Args:
            catalog: the vendor's catalog.
            record: the organization's record.
            now: the moment to look at.
            numbered: tables of a catalog that differs from this one in its roles only, if there are any.
        """
        reader = Reader(catalog)
        compiled = Compiled(catalog) if numbered is None else numbered.with_roles(catalog)
        if record.roles:
            compiled = compiled.with_roles(reader.catalog_of(record))
        license = record.license
        if license.package not in catalog.tiers:
            license = evolve(license, package="", add_ons=frozenset())
        return cls(catalog, compiled, reader, license, now)

    def with_cause(self, cause: Cause, other: Catalog, record: Organization) -> Side:
        """Return the side of this catalog with one part of another."""
        numbered = self._compiled if cause.path[0] == "roles" else None
        return Side.of(with_part(self.catalog, cause, other), record, self._now, numbered)

    def reaches(self, user: User) -> tuple[Reach, ...]:
        """Return all that a user may do."""
        return self._decoded(self._compiled.row(self._license, self._reader.user(user), self._now)[0])

    def roles(self, user: User) -> Collection[str]:
        """Return the roles that a user holds, live or not, with all that they include."""
        roles = self._compiled.catalog.roles
        found: set[str] = set()
        waiting = list(user.roles)
        while waiting:
            name = waiting.pop()
            if name not in found and name in roles:
                found.add(name)
                waiting += roles[name].includes
        return found


@define(eq=False)
class Comparison:
    """Two catalogs, and every catalog that is one of them with a single part of the other."""

    _old: Side
    _new: Side
    _causes: tuple[Cause, ...]
    _record: Organization
    _mixed: dict[tuple[bool, Cause], Side] = field(init=False, factory=dict)

    @classmethod
    def of(cls, old: Catalog, new: Catalog, record: Organization, now: datetime) -> Comparison:
        """Compare two catalogs for an organization."""
        sides = [Side.of(catalog, record, now) for catalog in (old, new)]
        return cls(sides[0], sides[1], tuple(differences(old, new)), record)

    def compare(self, user: User) -> tuple[tuple[Difference, ...], tuple[Difference, ...]]:
        """Return what a user gains and what is lost."""
        before, after = self._old.reaches(user), self._new.reaches(user)
        gained, lost = _without(after, before), _without(before, after)
        if not gained and not lost:
            return (), ()
        touched = {resource for resource, _, _ in (*gained, *lost)}
        causes = list(self._relevant(user, touched))
        with_one = {cause: set(self._side(True, cause).reaches(user)) for cause in causes}
        without_one: dict[Cause, set[Reach]] = {}

        def difference(reach: Reach, *, is_gain: bool) -> Difference:
            alone = tuple(cause for cause in causes if (reach in with_one[cause]) is is_gain)
            if alone:
                return Difference(*reach, alone)
            if not without_one:
                without_one.update((cause, set(self._side(False, cause).reaches(user))) for cause in causes)
            needed = tuple(cause for cause in causes if (reach in without_one[cause]) is not is_gain)
            return Difference(*reach, needed, together=True)

        return (
            tuple(difference(reach, is_gain=True) for reach in gained),
            tuple(difference(reach, is_gain=False) for reach in lost),
        )

    def _relevant(self, user: User, touched: Collection[str]) -> Iterator[Cause]:
        """Iterate over the differences that can touch this user's access to these resources."""
        roles = {*self._old.roles(user), *self._new.roles(user)}
        around = {path for resource in touched for path in (resource, *self._old.catalog.ancestors(resource))}
        for cause in self._causes:
            table, *rest = cause.path
            if table == "roles":
                relevant = rest[0] in roles
            elif table == "resources":
                relevant = rest[0] in around or self._relates(rest[0])
            else:
                relevant = True
            if relevant:
                yield cause

    def _relates(self, resource: str) -> bool:
        """Tell whether an action of the resource implies or requires another, by either catalog."""
        return any(
            action.implies or action.requires
            for side in (self._old, self._new)
            if resource in side.catalog.resources
            for action in side.catalog.resources[resource].actions.values()
        )

    def _side(self, forward: bool, cause: Cause) -> Side:
        """Return the old catalog with one part of the new, or else the new with one part of the old."""
        if (forward, cause) not in self._mixed:
            base, other = (self._old, self._new) if forward else (self._new, self._old)
            self._mixed[forward, cause] = base.with_cause(cause, other.catalog, self._record)
        return self._mixed[forward, cause]


def _without(these: Iterable[Reach], those: Iterable[Reach]) -> tuple[Reach, ...]:
    known = set(those)
    return tuple(sorted(reach for reach in these if reach not in known))
