"""What an organization answers with: listings, tables and previews, as frozen records."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterator, Mapping
from datetime import datetime, timedelta
from typing import TypedDict, TypeVar

from attrs import define, field, frozen

from .. import rules
from ..catalog import Catalog, Resource
from ..compiled import Compiled, Reach, holdings
from ..directory import Organization, User
from ..license import License, packages_with
from ..money import Money

V = TypeVar("V")

CELLS = 200_000
"""Of how many resources in all an organization keeps the whole tables that it has made."""

REMEMBERED = 10_000
"""Of how many different holdings a preview keeps what it found."""


class Terms(TypedDict, total=False):
    """What `change_license` and `preview_license` take; what is left out stays as it is. See `License`."""

    package: str
    add_ons: frozenset[str] | set[str] | list[str] | tuple[str, ...]
    session_limit: int
    user_limit: int | None
    seat_per: str
    reserved: Mapping[str, int]
    valid_from: datetime | None
    valid_until: datetime | None
    grace: timedelta


@frozen
class ListedRole:
    """A role in a listing.

    Attributes:
        id: its name in the catalog.
        title: what people call it.
        description: what it is for.
        package: the package that it belongs to, None for a system role.
        comes_with: the packages (or the add-on) that contain it, cheapest first.
        until: when the user's holding of it ends, None for never, or where no user was asked about.
        custom: whether it is one of the organization's own, not the vendor's.
    """

    id: str
    title: str
    description: str
    package: str | None
    comes_with: tuple[str, ...] = ()
    until: datetime | None = None
    custom: bool = False


@frozen
class RoleListing:
    """The roles of the catalog and of the organization's own, as the license sorts them.

    Attributes:
        current_package: licensee roles that can be given.
        other_packages: licensee roles that cannot, with what brings them.
        system: roles that serve running the organization.
        held: for a user, the roles that are live now.
        dormant: for a user, the roles that are held and give nothing: of another package, ended, no
            longer in the catalog, or of the organization's own and not to be read by the catalog.
    """

    current_package: tuple[ListedRole, ...]
    other_packages: tuple[ListedRole, ...]
    system: tuple[ListedRole, ...]
    held: tuple[ListedRole, ...] = ()
    dormant: tuple[ListedRole, ...] = ()


def list_roles(catalog: Catalog, record: Organization, user: User | None, now: datetime) -> RoleListing:
    """Sort the catalog's roles by what the license contains, and a user's by what is live."""
    license = record.license
    contained = rules.contained_packages(catalog, license)
    listed = {name: listed_role(catalog, record, name) for name in catalog.roles}
    licensee = [role for role in listed.values() if role.package is not None]
    live = {} if user is None else rules.live_roles(catalog, license, user, now)
    held = [] if user is None else [listed_role(catalog, record, name, until) for name, until in user.roles.items()]
    return RoleListing(
        current_package=tuple(role for role in licensee if role.package in contained),
        other_packages=tuple(role for role in licensee if role.package not in contained),
        system=tuple(role for role in listed.values() if role.package is None),
        held=tuple(role for role in held if role.id in live),
        dormant=tuple(role for role in held if role.id not in live),
    )


def listed_role(catalog: Catalog, record: Organization, name: str, until: datetime | None = None) -> ListedRole:
    """Return a role as listings have it; `until` is when a user's holding of it ends."""
    role, own = catalog.roles.get(name), record.roles.get(name)
    if role is None and own is not None:
        return ListedRole(name, own.title or name, "can't be read by the catalog", None, (), until, custom=True)
    if role is None:
        return ListedRole(name, name, "no longer in the catalog", None, (), until)
    comes_with = () if role.package is None else packages_with(catalog, role.package)
    return ListedRole(name, role.title or name, role.description, role.package, comes_with, until, own is not None)


@frozen
class Cell:
    """What a user may do on records of one resource that are reached at one scope.

    Attributes:
        level: the highest level of the resource's ladder all of whose actions are allowed.
        actions: the allowed actions, in the catalog's order.
        sources: where they come from: roles, the base, an override.
    """

    level: str
    actions: tuple[str, ...]
    sources: tuple[rules.Source, ...] = ()

    @property
    def roles(self) -> tuple[str, ...]:
        """The roles among the sources."""
        return tuple(source.name for source in self.sources if source.kind in ("role", "everything"))


@frozen
class Access:
    """All that a user may do.

    Attributes:
        user: the user's id.
        table: a cell for each resource and scope, narrowest scope first.
        resources: what each resource is called and for: `.title`, `.description`.
    """

    user: str
    table: Mapping[str, Mapping[str, Cell]] = field(repr=False)
    resources: Mapping[str, Resource] = field(repr=False)


Table = Mapping[str, Mapping[str, Cell]]
"""A cell for each resource and scope."""


@frozen
class _Made:
    """A table, and when it holds."""

    table: Table
    compiled: Compiled
    license: License
    since: datetime
    until: datetime | None


@define
class Tables:
    """Whole tables, each made once for everybody who holds the same."""

    _made: dict[Hashable, _Made] = field(init=False, factory=dict)

    def access(self, compiled: Compiled, license: License, user: User, now: datetime) -> Access:
        """Return what a user may do, with where it comes from."""
        held = holdings(user)
        made = self._made.get(held)
        if (
            made is None
            or made.compiled is not compiled
            or made.license != license
            or not made.since <= now
            or (made.until is not None and now >= made.until)
        ):
            until = compiled.row(license, user, now)[1]
            made = _Made(_whole_table(compiled, license, user, now), compiled, license, now, until)
            make_room(self._made, CELLS // len(made.table))
            self._made[held] = made
        return Access(user.id, made.table, compiled.catalog.resources)


def _whole_table(compiled: Compiled, license: License, user: User, now: datetime) -> Table:
    catalog = compiled.catalog
    alike: dict[Cell, Cell] = {}
    allowed: dict[tuple[str, str], set[str]] = {}
    for resource, action, scope in compiled.decode(compiled.row(license, user, now)[0]):
        allowed.setdefault((resource, scope), set()).add(action)
    table: dict[str, dict[str, Cell]] = {}
    for resource in catalog.resources:
        gifts = rules.gifts(catalog, license, user, now, resource)
        cells = table[resource] = {}
        for scope in catalog.scopes:
            may = allowed.get((resource, scope), set())
            sources = tuple(
                source
                for source, gift in gifts.items()
                if may & rules.actions_at(catalog, resource, gift.grants, scope)
            )
            actions = tuple(name for name in catalog.actions(resource) if name in may)
            cell = Cell(_level(catalog, resource, may), actions, sources)
            cells[scope] = alike.setdefault(cell, cell)
    return table


def _level(catalog: Catalog, resource: str, may: set[str]) -> str:
    ladder = catalog.ladder(resource)
    reached = ladder.lowest
    for level in ladder.levels[1:]:
        needing = {name for name, action in catalog.actions(resource).items() if action.level == level}
        if not needing <= may:
            break
        if needing:
            reached = level
    return reached


@frozen
class Effect:
    """What a change of license does to one user.

    Attributes:
        user_id: whom.
        gained: what becomes allowed, as (resource, action, scope).
        lost: what is no longer allowed, likewise.
    """

    user_id: str
    gained: tuple[Reach, ...]
    lost: tuple[Reach, ...]


@frozen
class LicenseChange:
    """A change of license, made or only looked at.

    Attributes:
        before: the license as it was.
        after: the license as it is, or would be.
        charge_before: what it cost a month; None where nothing has a price.
        charge_after: what it costs, or would cost, a month.
    """

    before: License
    after: License
    charge_before: Money | None
    charge_after: Money | None
    _effects: Callable[[], Iterator[Effect]] = field(repr=False, eq=False)

    @property
    def effects(self) -> Iterator[Effect]:
        """Who loses or gains what, in the order of user ids: read anew at each use, never all in memory."""
        return self._effects()


def effects(
    compiled: Compiled, before: License, after: License, users: Callable[[], Iterator[User]], now: datetime
) -> Iterator[Effect]:
    """Iterate over what a change of license does to each user whom it touches; the same holdings are computed once."""
    seen: dict[Hashable, tuple[tuple[Reach, ...], tuple[Reach, ...]]] = {}
    for user in users():
        held = holdings(user)
        if held not in seen:
            gained, lost = compiled.diff(compiled.row(before, user, now)[0], compiled.row(after, user, now)[0])
            make_room(seen)
            seen[held] = tuple(gained), tuple(lost)
        if any(seen[held]):
            yield Effect(user.id, *seen[held])


def make_room(seen: dict[Hashable, V], room: int = REMEMBERED) -> None:
    """Forget the oldest of what is remembered of different holdings, where there is too much of it."""
    while len(seen) >= max(1, room):
        del seen[next(iter(seen))]
