"""`Organization`: the one object that asyncio hosts hold."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Coroutine, Mapping
from datetime import timedelta
from functools import wraps
from types import TracebackType
from typing import Any, Concatenate, ParamSpec, Self, TypeVar, Unpack, overload

from .. import organization as plain
from ..catalog import Catalog, CatalogLike, Entry
from ..directory import User
from ..license import License
from ..license_files import PublicKeys
from ..money import Money
from ..organization import Relation, answers
from ..organization import session as sessions
from ..stores.waiting import WouldWait
from .books import CatalogChange, LicenseChange, Trail
from .people import StaffRecords, Users
from .seats import Session, Sessions
from .wrapping import Awaited, asking, reading, writing

P = ParamSpec("P")
R = TypeVar("R")


def deciding(
    function: Callable[Concatenate[plain.Organization, P], R],
) -> Callable[Concatenate[Organization, P], Coroutine[Any, Any, R]]:
    """Return the awaited form of a method that may be given `at_least=`, a revision to wait for."""
    ask = asking(function)

    @wraps(function)
    async def decide(self: Organization, /, *args: P.args, **kwargs: P.kwargs) -> R:
        at_least: Any = kwargs.get("at_least")
        if at_least is not None:
            await self._reach(at_least)
        return await ask(self, *args, **kwargs)

    return decide


class Organization(Awaited[plain.Organization]):
    """One organization, as `seatperm.Organization`, awaited. Made by `seatperm.aio.open` or by `Tenants`.

    It may be shared by the tasks of the event loop that opened it.
    """

    @property
    def id(self) -> str:
        """The organization's id."""
        return self._sync.id

    @property
    def catalog(self) -> Catalog:
        """The catalog that it was opened with; for the host, the organization's own roles are among its roles."""
        return self._sync.catalog

    @property
    async def revision(self) -> int:
        """How many changes have been made: the number to hand to `at_least=` elsewhere; awaited."""
        return await self._mode.read(lambda: self._sync.revision)

    @overload
    async def can(
        self, user: str | User, resource: str, action: str, record: object = None, *, at_least: int | None = None
    ) -> bool: ...

    @overload
    async def can(
        self,
        user: str | User,
        resource: str,
        action: str,
        record: None = None,
        *,
        scope: str | None = None,
        at_least: int | None = None,
    ) -> bool: ...

    async def can(
        self,
        user: str | User,
        resource: str,
        action: str,
        record: object = None,
        *,
        scope: str | None = None,
        at_least: int | None = None,
    ) -> bool:
        """Tell whether a user may do this, as `seatperm.Organization.can`; at once where nothing has to be read.

        Args:
            user, resource, action, record, scope, at_least: as there.

        Raises:
            SeatpermError: all that it raises there.
        """
        if at_least is not None:
            await self._reach(at_least)
        can: Callable[..., bool] = self._sync.can
        try:
            return can(user, resource, action, record, scope=scope)
        except WouldWait:
            return await self._mode.read(can, user, resource, action, record, scope=scope)

    require = deciding(plain.Organization.require)
    explain = deciding(plain.Organization.explain)
    can_each = asking(plain.Organization.can_each)
    widest_scope = asking(plain.Organization.widest_scope)
    access = reading(plain.Organization.access)
    roles = reading(plain.Organization.roles)

    def who_can(self, resource: str, action: str, *, scope: str | None = None) -> AsyncIterator[User]:
        """Iterate over the users who may do this, as `seatperm.Organization.who_can` does.

        Raises:
            SeatpermError: all that it raises there, when the first one is asked for.
        """
        return self._mode.stream(lambda: self._sync.who_can(resource, action, scope=scope))

    @overload
    def relate(self, resource: str) -> Callable[[Relation], Relation]: ...

    @overload
    def relate(self, resource: str, function: Relation) -> Relation: ...

    def relate(self, resource: str, function: Relation | None = None) -> Relation | Callable[[Relation], Relation]:
        """Say how users relate to records of a resource and of all below it; also a decorator.

        Args:
            resource, function: as `seatperm.Organization.relate`. The function is not awaited and must not block;
                with a store in threads it may be called in several at a time.

        Raises:
            SeatpermError: all that it raises there.
        """
        return self._sync.relate(resource) if function is None else self._sync.relate(resource, function)

    @property
    def users(self) -> Users:
        """The organization's users."""
        return Users(self._sync.users, self._mode)

    @property
    def staff(self) -> StaffRecords:
        """The organization's staff, users or not."""
        return StaffRecords(self._sync.staff, self._mode)

    define_role = writing(plain.Organization.define_role)
    remove_role = writing(plain.Organization.remove_role)

    @property
    async def global_permissions(self) -> Mapping[str, Entry]:
        """What each new user starts from, an entry for each resource; awaited."""
        return await self._mode.read(lambda: self._sync.global_permissions)

    set_global_permissions = writing(plain.Organization.set_global_permissions)

    @property
    async def license(self) -> License:
        """What the organization has bought; awaited."""
        return await self._mode.read(lambda: self._sync.license)

    @property
    async def monthly_charge(self) -> Money | None:
        """Package price × session limit, add-ons included; None where nothing has a price; awaited."""
        return await self._mode.read(lambda: self._sync.monthly_charge)

    async def preview_license(self, **terms: Unpack[answers.Terms]) -> LicenseChange:
        """Tell what a change of license would come to, as `seatperm.Organization.preview_license` does."""
        return LicenseChange.of(await self._mode.read(self._sync.preview_license, **terms), self._mode)

    async def change_license(self, **terms: Unpack[answers.Terms]) -> LicenseChange:
        """Change the license, as `seatperm.Organization.change_license` does."""
        return LicenseChange.of(await self._mode.finish(self._sync.change_license, **terms), self._mode)

    async def install_license(self, text: str, keys: PublicKeys) -> LicenseChange:
        """Install a signed license file, as `seatperm.Organization.install_license` does."""
        return LicenseChange.of(await self._mode.finish(self._sync.install_license, text, keys), self._mode)

    async def preview_catalog(self, new: CatalogLike) -> CatalogChange:
        """Tell what a new version of the catalog would come to, as `seatperm.Organization.preview_catalog` does."""
        return CatalogChange.of(await self._mode.read(self._sync.preview_catalog, new), self._mode)

    async def use_catalog(self, new: CatalogLike) -> None:
        """Put a new catalog in place of the present one, as `seatperm.Organization.use_catalog` does."""
        loaded = new if isinstance(new, Catalog) else await asyncio.to_thread(Catalog.load, new)
        await self._mode.finish(self._sync.use_catalog, loaded)

    @property
    def audit(self) -> Trail:
        """The audit trail."""
        return Trail(self._sync, self._mode)

    def as_user(self, user: str | User) -> Organization:
        """Return the same organization, where every call first asks what that user may.

        Raises:
            AccessDenied: called on what `as_user` returned.
        """
        return Organization(self._sync.as_user(user), self._mode)

    async def sign_in(self, user: str | User, client: str | None = None, wait: timedelta | None = None) -> Session:
        """Take a seat for one connection of a user, as `seatperm.Organization.sign_in` does.

        A task that is cancelled meanwhile has taken none: a seat that was given to it is given back.

        Args:
            user, client, wait: as there.

        Raises:
            SeatpermError: all that it raises there.
        """
        steps = self._sync._signing_in(user, client, wait)
        return Session(await self._mode.stepped(steps, sessions.Session.end), self._mode)

    async def resume(self, token: str, *, on_unavailable: sessions.OnUnavailable = "deny") -> Session:
        """Take up a session by its token, as `seatperm.Organization.resume` does."""
        return Session(await self._mode.finish(self._sync.resume, token, on_unavailable=on_unavailable), self._mode)

    @property
    def sessions(self) -> Sessions:
        """The live sessions."""
        return Sessions(self._sync.sessions, self._mode)

    async def close(self) -> None:
        """Close what `seatperm.aio.open` opened; an organization of a `Tenants` is closed with all of them.

        Raises:
            AccessDenied: called through `as_user`.
        """
        await self._mode.finish_last(self._sync.close)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()

    async def _reach(self, revision: int) -> None:
        view = self._sync._view
        if type(revision) is not int or revision > view.record.revision:
            await self._mode.stepped(view.reaching(revision))
