"""Opening: from a catalog and a store to organizations."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import AbstractContextManager, ExitStack
from datetime import timedelta
from itertools import islice
from logging import WARNING
from typing import Literal, Unpack

from attrs import define, evolve, field

from .. import license as licenses
from ..catalog import Catalog, CatalogLike, written_entry
from ..clock import Clock, SystemClock
from ..compiled import Compiled
from ..directory import Organization as Record
from ..directory import identifier
from ..errors import (
    CatalogMismatch,
    InvalidValue,
    OrganizationExists,
    StoreUnavailable,
    UnknownOrganization,
)
from ..license import License
from ..stores import DirectoryStore, SessionStore
from ..stores.opening import open_directory, open_sessions, without_secrets
from ..stores.waiting import AmongThreads, Waiting
from . import answers
from .asking import Asking
from .changes import Change, told
from .facade import Organization, new_license
from .history import RETENTION
from .invitation import OnInvitation
from .logs import STORES, Health, line
from .orphans import digest, orphans
from .relations import Relation, Relations, relatable
from .seating import Seating
from .view import CACHED_USERS, View

Orphans = Literal["refuse", "keep"]

ONLY = "default"
"""The id of the organization that `open` makes at first use."""

LEASE = timedelta(minutes=30)
STALENESS = timedelta(seconds=1)
MAX_STALE = timedelta(minutes=1)
LONGEST = timedelta(days=3650)


def open(
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
    on_invitation: OnInvitation | None = None,
) -> Organization:
    """Open a store's one organization; a new store gets one, on the first tier that includes none, with one seat.

    Args:
        catalog: a path to TOML or JSON, a mapping of the same shape, or a `Catalog`.
        store: `memory://`, `sqlite:///path`, or a directory store of the host's own.
        session_store: where seats are kept; the same store unless said.
        lease: how long a seat is held unless it is renewed.
        staleness: after how long a change made by another process is seen at the latest.
        max_stale: how long the last known tables stay in force when the store does not answer.
        clock: what tells the time; a `seatperm.testing.ManualClock` in tests.
        orphans: what to do with names in the store that the catalog does not have: `refuse`, or `keep`
            them, giving nothing.
        session_events: whether sign-ins, refusals and ends of sessions are written to the audit trail; say the
            same in every process.
        history: how long a sign-in that is over is remembered for `org.sessions.history` and `peak`, whether or
            not it is an event; None for not at all. Say the same in every process: what is over for longer is
            taken out for good.
        cached_users: how many users of an organization a process keeps in memory at the most.
        on_invitation: what to do with an invitation, such as sending it: called when `invite`, `reinvite` or
            `change_email` has been kept. What it raises comes out of that call, and undoes nothing.

    Raises:
        CatalogError: the catalog can't be loaded.
        CatalogMismatch: the store names what the catalog does not have.
        UnknownOrganization: the store has several; `open_tenants` opens those.
        StoreUnavailable, StoreDamaged, StoreVersion: the store can't be opened.
        InvalidValue: an argument is not of its kind.
    """
    tenants = open_tenants(
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
    )
    try:
        org = tenants.only()
    except BaseException:
        tenants.close()
        raise
    return evolve(org, close=tenants.close, use_catalog=tenants.use_catalog)


def open_tenants(
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
    on_invitation: OnInvitation | None = None,
) -> Tenants:
    """Open a store of any number of organizations.

    Args:
        catalog: as `open`, and so are all the others.

    Raises:
        CatalogError, StoreUnavailable, StoreDamaged, StoreVersion, InvalidValue: as `open`.
    """
    for what, value, least in (("lease", lease, 1.0), ("staleness", staleness, 0.0), ("max_stale", max_stale, 0.0)):
        if not isinstance(value, timedelta) or not least <= value.total_seconds() <= LONGEST.total_seconds():
            raise InvalidValue(what, value, f"a timedelta, from {least:g} seconds to {LONGEST.days} days")
    retention = timedelta(0) if history is None else history
    if not isinstance(retention, timedelta) or not timedelta(0) <= retention <= LONGEST:
        raise InvalidValue("history", history, f"a timedelta of at most {LONGEST.days} days, or None")
    if not isinstance(cached_users, int) or isinstance(cached_users, bool) or cached_users < 1:
        raise InvalidValue("cached_users", cached_users, "a number of users, at least 1")
    if orphans not in ("refuse", "keep"):
        raise InvalidValue("orphans", orphans, "'refuse' or 'keep'")
    clock = clock or SystemClock()
    for what, given, verb, expected in (
        ("store", store, "change", "a URL or a DirectoryStore"),
        ("session_store", session_store, "acquire", "a URL or a SessionStore"),
        ("clock", clock, "elapsed", "a clock, such as a seatperm.testing.ManualClock"),
    ):
        if not hasattr(given, verb) and given is not None and (what == "clock" or not isinstance(given, str)):
            raise InvalidValue(what, given, expected)
    if on_invitation is not None and not callable(on_invitation):
        raise InvalidValue("on_invitation", on_invitation, "a function of an Invitation, or None")
    if session_store is None:
        if not isinstance(store, str):
            raise InvalidValue("session_store", None, "a URL or a SessionStore, beside a directory store of your own")
        session_store = store
    loaded = catalog if isinstance(catalog, Catalog) else Catalog.load(catalog)
    opened = ExitStack()
    directory, sessions = store, session_store
    with opened:
        if isinstance(directory, str):
            directory = open_directory(directory)
            opened.callback(directory.close)
        if isinstance(sessions, str):
            sessions = open_sessions(sessions, clock)
            opened.callback(sessions.close)
        opened = opened.pop_all()
    return Tenants(
        Compiled(loaded),
        directory,
        sessions,
        clock,
        lease.total_seconds(),
        staleness.total_seconds(),
        max_stale.total_seconds(),
        orphans,
        session_events,
        retention,
        on_invitation,
        opened,
        cached_users,
    )


@define(eq=False, repr=False)
class Tenants:
    """The organizations of one store, in the order of their making: `tenants["kauri"]`, iteration, `len()`."""

    _compiled: Compiled
    _directory: DirectoryStore
    _sessions: SessionStore
    _clock: Clock
    _lease: float
    _staleness: float
    _max_stale: float
    _orphans: Orphans
    _session_events: bool
    _retention: timedelta
    _on_invitation: OnInvitation | None
    _stores: ExitStack
    _cached_users: int
    _waiting: Waiting = field(factory=AmongThreads)
    _relations: Relations = field(init=False, factory=Relations)
    _health: tuple[Health, Health] = field(init=False)
    _opened: dict[str, Organization] = field(init=False, factory=dict)
    _lock: AbstractContextManager[object] = field(init=False)
    _digest: str = field(init=False, default="")

    def __attrs_post_init__(self) -> None:
        self._lock = self._waiting.lock()
        self._health = (
            Health("directory", without_secrets(self._directory.url)),
            Health("sessions", without_secrets(self._sessions.url)),
        )

    def __repr__(self) -> str:
        return f"<Tenants of {self._directory.url}>"

    @property
    def catalog(self) -> Catalog:
        """The catalog that every organization is opened with."""
        return self._compiled.catalog

    def __getitem__(self, id: str) -> Organization:
        """Return an organization, the same object at each call.

        Raises:
            UnknownOrganization: the store has none of that id.
            CatalogMismatch: it names what the catalog does not have.
        """
        if not isinstance(id, str):
            raise InvalidValue("id", id, "the id of an organization, a string")
        opened = self._opened.get(id)
        if opened is not None:  # nobody waits here while another organization is opened
            return opened
        with self._lock:
            if id not in self._opened:
                self._opened[id] = self._open(id)
            return self._opened[id]

    def __iter__(self) -> Iterator[Organization]:
        return (self[id] for id in self._directory.organizations())

    def __len__(self) -> int:
        return sum(1 for _ in self._directory.organizations())

    def __bool__(self) -> bool:
        return True  # an opened store is something, though it holds no organization yet

    def create(self, id: str, **terms: Unpack[answers.Terms]) -> Organization:
        """Make an organization.

        Args:
            id: the host's own string.
            terms: its license, as `Organization.change_license`; the first tier that includes none and a
                session limit of 1 unless said.

        Raises:
            OrganizationExists: the store has one of that id.
            UnknownPackage, UnknownRole, InvalidLicense, InvalidValue: what they say.
        """
        identifier("id", id)
        license = new_license(self.catalog, self._first_license(), terms)
        if not self._create(id, license):
            raise OrganizationExists(id)
        return self[id]

    def use_catalog(self, new: CatalogLike) -> None:
        """Put a new catalog in place of the present one, in this process: for every organization, or for none.

        Who is known stays known: all tables are made beforehand, and no check fails, waits, or is answered partly
        by one catalog and partly by the other. Each process does it for itself. What `relate` was told goes on.

        Args:
            new: a path to TOML or JSON, a mapping of the same shape, or a `Catalog`.

        Raises:
            CatalogError: it can't be loaded.
            CatalogMismatch: an organization that is open names what it does not have.
            StoreUnavailable: the store did not answer.
        """
        compiled = Compiled(new if isinstance(new, Catalog) else Catalog.load(new))
        with self._lock:
            before, self._compiled, self._digest = self._compiled, compiled, ""
            try:
                for id in self._opened:
                    self._check(id)
                prepared = [org._prepared(compiled) for org in self._opened.values()]
            except BaseException:
                self._compiled, self._digest = before, ""
                raise
            for use in prepared:
                use()

    def relate(self, resource: str, function: Relation) -> Relation:
        """Say for every organization how users relate to records of a resource, as `Organization.relate`.

        Raises:
            UnknownResource: the catalog has none of that name.
            InvalidValue: it is `organization.users`, which relates by itself: own for oneself.
        """
        self._relations[relatable(self.catalog, resource, function)] = function
        return function

    def only(self) -> Organization:
        """Return the store's one organization, made if there is none.

        Raises:
            UnknownOrganization: there are several.
            CatalogMismatch: it names what the catalog does not have.
        """
        ids = list(islice(self._directory.organizations(), 2))
        if len(ids) > 1:
            raise UnknownOrganization(
                ONLY,
                message=f"the store has several organizations, {ids[0]!r} and {ids[1]!r} among them: "
                "open it with seatperm.open_tenants and name one",
            )
        if not ids:
            self._create(ONLY, self._first_license())
            return self[ONLY]
        return self[ids[0]]

    def close(self) -> None:
        """Close the stores that were opened by their URL; a store of the host's own is the host's to close."""
        self._stores.close()

    def _first_license(self) -> License:
        first = next(name for name in self.catalog.tiers if not self.catalog.packages[name].includes)
        return License(first)

    def _create(self, id: str, license: License) -> bool:
        record = Record(id, license, self.catalog.global_permissions, catalog=self._catalog_digest())
        with self._directory.change() as store:
            try:
                store.organization(id)
            except UnknownOrganization:
                pass
            else:
                return False
            store.put_organization(record)
            given = {path: written_entry(entry) for path, entry in record.global_permissions.items()}
            details = {"after": licenses.summary(license), "global_permissions": given}
            Change.begin(store, id, self._clock.now(), details)
            revision = store.revision(id)
        told(id, "organization.created", None, revision, None)
        return True

    def _open(self, id: str) -> Organization:
        self._check(id)
        view = View(
            id,
            self._compiled,
            self._directory,
            self._clock,
            self._staleness,
            self._max_stale,
            waiting=self._waiting,
            cached_users=self._cached_users,
            health=self._health[0],
        )
        seating = Seating(
            view, self._sessions, self._lease, self._session_events, self._retention, health=self._health[1]
        )
        return Organization(view, Relations(self._relations), Asking(view), seating, self._on_invitation)

    def _check(self, id: str) -> None:
        """Compare the names in the store with the catalog's, once for each catalog that it is opened with."""
        record = self._directory.organization(id)
        if record.catalog == self._catalog_digest():
            return
        if self._orphans == "keep":
            names = "; ".join(orphans(self.catalog, record, ()))
            line(STORES, WARNING, "orphans.kept", organization=id, store=self._health[0].store, names=names or None)
            return
        users = (user for user in self._directory.users(id) if not user.dismissed)
        unknown = tuple(orphans(self.catalog, record, users))
        if unknown:
            raise CatalogMismatch(unknown)
        try:
            with self._directory.change() as store:
                store.put_organization(evolve(store.organization(id), catalog=self._catalog_digest()))
        except StoreUnavailable:
            pass  # a store that can't be written can still be read; it is compared again at the next opening

    def _catalog_digest(self) -> str:
        if not self._digest:
            self._digest = digest(self.catalog)
        return self._digest
