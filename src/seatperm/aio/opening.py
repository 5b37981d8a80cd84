"""Opening for asyncio: from a catalog and a store to organizations."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import ExitStack
from datetime import timedelta
from types import TracebackType
from typing import Self, Unpack, cast

from attrs import evolve

from .. import organization as plain
from ..catalog import Catalog, CatalogLike
from ..clock import Clock, SystemClock
from ..errors import InvalidValue
from ..organization import Invitation, Relation, answers
from ..organization.history import RETENTION
from ..organization.opening import LEASE, MAX_STALE, STALENESS, Orphans
from ..organization.view import CACHED_USERS
from ..stores import DirectoryStore, SessionStore
from ..stores.opening import open_directory, open_sessions, without_secrets
from . import native
from .modes import Guarded, Mode, Native, Threads
from .organization import Organization
from .wrapping import Awaited

THREADS = 8
"""How many worker threads there are at the most, where a store needs them."""

OnInvitationAwaited = Callable[[Invitation], Awaitable[object] | None]
"""What the host does with an invitation once it is kept, such as sending it; it may be a coroutine function."""


async def open(
    catalog: CatalogLike,
    store: str | DirectoryStore,
    *,
    session_store: str | SessionStore | None = None,
    lease: timedelta = LEASE,
    staleness: timedelta = STALENESS,
    max_stale: timedelta = MAX_STALE,
    clock: Clock | None = None,
    orphans: Orphans = "refuse",
    session_events: bool = True,
    history: timedelta | None = RETENTION,
    cached_users: int = CACHED_USERS,
    on_invitation: OnInvitationAwaited | None = None,
    threads: int = THREADS,
) -> Organization:
    """Open a store's one organization for this event loop, as `seatperm.open` does.

    Redis, PostgreSQL and memory are asked on the event loop itself. Where one of the stores is SQLite, another
    package's or the host's own, every call that has to wait runs in a worker thread.

    Args:
        catalog: as `seatperm.open`, and so are all that follow but the last two.
        on_invitation: as there; it runs in the event loop, and may be a coroutine function.
        threads: how many worker threads there are at the most, where threads are needed.

    Raises:
        SeatpermError: all that `seatperm.open` raises.
        MissingExtra: the extra `aio` is not installed, and is needed.
    """
    tenants = await open_tenants(
        catalog,
        store,
        session_store=session_store,
        lease=lease,
        staleness=staleness,
        max_stale=max_stale,
        clock=clock,
        orphans=orphans,
        session_events=session_events,
        history=history,
        cached_users=cached_users,
        on_invitation=on_invitation,
        threads=threads,
    )
    try:
        return await tenants._only()
    except BaseException:
        await tenants.close()
        raise


async def open_tenants(
    catalog: CatalogLike,
    store: str | DirectoryStore,
    *,
    session_store: str | SessionStore | None = None,
    lease: timedelta = LEASE,
    staleness: timedelta = STALENESS,
    max_stale: timedelta = MAX_STALE,
    clock: Clock | None = None,
    orphans: Orphans = "refuse",
    session_events: bool = True,
    history: timedelta | None = RETENTION,
    cached_users: int = CACHED_USERS,
    on_invitation: OnInvitationAwaited | None = None,
    threads: int = THREADS,
) -> Tenants:
    """Open a store of any number of organizations for this event loop, as `seatperm.open_tenants` does.

    Args:
        catalog: as `open`, and so are all the others.

    Raises:
        SeatpermError: all that `seatperm.open_tenants` raises.
        MissingExtra: as `open`.
    """
    if not isinstance(threads, int) or isinstance(threads, bool) or threads < 1:
        raise InvalidValue("threads", threads, "a number of threads, 1 or more")
    if on_invitation is not None and not callable(on_invitation):
        raise InvalidValue("on_invitation", on_invitation, "a function of an Invitation, or None")
    if clock is not None and not hasattr(clock, "elapsed"):
        raise InvalidValue("clock", clock, "a clock, such as a seatperm.testing.ManualClock")
    loaded = catalog if isinstance(catalog, Catalog) else await asyncio.to_thread(Catalog.load, catalog)
    seats = store if session_store is None and isinstance(store, str) else session_store
    url = without_secrets(store) if isinstance(store, str) else getattr(store, "url", "")
    on_bridge = native.has_directory(store) and native.has_sessions(seats)
    mode: Mode = Native(url) if on_bridge else Threads(url, threads)

    mode.on_invitation = on_invitation

    def opened() -> plain.Tenants:
        ticking = clock or SystemClock()
        with ExitStack() as stack:
            stack.callback(mode.close)
            made = plain.open_tenants(
                loaded,
                _directory(mode, store, stack),
                session_store=_sessions(mode, seats, ticking, stack),
                lease=lease,
                staleness=staleness,
                max_stale=max_stale,
                clock=ticking,
                orphans=orphans,
                session_events=session_events,
                history=history,
                cached_users=cached_users,
            )
            return evolve(made, waiting=mode.waiting, stores=stack.pop_all())

    if on_bridge:
        await asyncio.to_thread(native.load, store, seats)
    made: list[plain.Tenants] = []
    try:
        await mode.finish(lambda: made.append(opened()))
    except BaseException:
        for tenants in made:  # nobody is left to close it
            await Tenants(tenants, mode).close()
        raise
    return Tenants(made[0], mode)


class Tenants(Awaited[plain.Tenants]):
    """The organizations of one store, in the order of their making, as `seatperm.Tenants`, awaited.

    `await tenants["kauri"]`, `async for org in tenants`, `await tenants.count()`.
    """

    __iter__ = None
    __contains__ = None

    @property
    def catalog(self) -> Catalog:
        """The catalog that every organization is opened with."""
        return self._sync.catalog

    async def __getitem__(self, id: str) -> Organization:
        return Organization(await self._mode.read(self._sync.__getitem__, id), self._mode)

    async def __aiter__(self) -> AsyncIterator[Organization]:
        async for org in self._mode.stream(self._sync.__iter__):
            yield Organization(org, self._mode)

    async def count(self) -> int:
        """Return how many organizations there are: what `len()` is elsewhere."""
        return await self._mode.read(self._sync.__len__)

    async def create(self, id: str, **terms: Unpack[answers.Terms]) -> Organization:
        """Make an organization, as `seatperm.Tenants.create` does."""
        return Organization(await self._mode.finish(self._sync.create, id, **terms), self._mode)

    async def use_catalog(self, new: CatalogLike) -> None:
        """Put a new catalog in place for every organization or for none, as `seatperm.Tenants.use_catalog` does."""
        loaded = new if isinstance(new, Catalog) else await asyncio.to_thread(Catalog.load, new)
        await self._mode.finish(self._sync.use_catalog, loaded)

    def relate(self, resource: str, function: Relation) -> Relation:
        """Say for every organization how users relate to records of a resource, as `Organization.relate`."""
        return self._sync.relate(resource, function)

    async def only(self) -> Organization:
        """Return the store's one organization, made if there is none, as `seatperm.Tenants.only` does."""
        return Organization(await self._mode.finish(self._sync.only), self._mode)

    async def close(self) -> None:
        """Close the stores that were opened by their URL, and end the worker threads."""
        await self._mode.finish_last(self._sync.close)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()

    async def _only(self) -> Organization:
        """Return the store's one organization, which closes the store."""
        org = await self._mode.finish(self._sync.only)
        return Organization(evolve(org, close=self._sync.close, use_catalog=self._sync.use_catalog), self._mode)


def _directory(mode: Mode, store: str | DirectoryStore, opened: ExitStack) -> DirectoryStore:
    if isinstance(store, str):
        opener = open_directory if isinstance(mode, Threads) else native.open_directory
        store = opener(store)
        opened.callback(store.close)
    if isinstance(mode, Threads) and hasattr(store, "change"):
        return cast(DirectoryStore, Guarded(store, mode))
    return store


def _sessions(mode: Mode, store: str | SessionStore | None, clock: Clock, opened: ExitStack) -> SessionStore | None:
    if isinstance(store, str):
        opener = open_sessions if isinstance(mode, Threads) else native.open_sessions
        store = opener(store, clock)
        opened.callback(store.close)
    if isinstance(mode, Threads) and store is not None and hasattr(store, "acquire"):
        return cast(SessionStore, Guarded(store, mode))
    return store
