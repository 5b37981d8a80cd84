"""What one process knows of an organization, and how fresh it is."""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterator, Mapping
from contextlib import AbstractContextManager, suppress
from datetime import datetime, timedelta
from itertools import islice
from math import inf
from time import monotonic
from typing import TypeVar

from attrs import Factory, define, evolve, field, fields

from .. import rules
from ..catalog import Catalog, Role
from ..clock import Clock
from ..compiled import Compiled, Slots
from ..directory import Organization, User, shown
from ..errors import InvalidValue, SeatpermError, StoreUnavailable
from ..stores import DirectoryStore, Notifying
from ..stores.opening import without_secrets
from ..stores.waiting import AmongThreads, Waiting, waited
from .logs import Health
from .orphans import Reader

V = TypeVar("V")

NEVER = -inf
"""An elapsed time that has always passed."""

HEARD = 0.05
"""Seconds between two looks at whether the store was told of a change."""

FIRST = 1.0
"""Seconds after which a store that may listen is asked for the first time."""

CACHED_USERS = 100_000
"""How many users a process keeps at the most, unless said."""

Tables = tuple[Callable[[], float], float, Mapping[str, bytes], Slots, Mapping[str, Slots]]
"""What a check looks at: the clock, until when the rows hold, the rows, and where they have their answers: `slots`
and `slots_at` of `Compiled`."""

Timeline = tuple[tuple[bytes, datetime | None], ...]
"""Tables that follow each other, each with the moment up to which it holds; the last one for ever."""


@define(eq=False, repr=False)
class View:
    """The tables of one organization in one process.

    `tables` may be used as it is until its deadline; after that, `fresh` asks the store for its revision and
    drops what has changed. A store that does not answer leaves everything in force for `max_stale`.

    Of a user only the table is kept, which everyone with the same roles shares, and, where time will change it, the
    tables that follow. The whole record is kept of those whom `user` was asked for, as checks with a record do.

    Attributes:
        id: the organization's id.
        vendor: the catalog's tables, shared by every organization that has no roles of its own.
        directory: where the organization is kept.
        clock: tells when `deadline` is reached.
        staleness: seconds after which the revision is read again.
        max_stale: seconds for which the tables outlive the store's last answer.
        waiting: how those wait who call the store.
        cached_users: how many users are kept at the most.
        health: whether the store answers.
        record: the organization's record.
        compiled: the tables of the catalog with the organization's own roles in it.
        rows: each known user's table, by user id.
        users: the records that `user` was asked for, by user id.
        deadline: until when (by `clock.elapsed`) the rows hold.
        tables: the clock, the deadline, the rows and the slots, all of one moment: one look takes them together,
            and another tuple takes the place of this one whenever one of them is another.
        generation: rises whenever something was dropped.
    """

    id: str
    vendor: Compiled
    directory: DirectoryStore
    clock: Clock
    staleness: float
    max_stale: float
    waiting: Waiting = field(factory=AmongThreads)
    cached_users: int = CACHED_USERS
    health: Health = Factory(lambda self: Health("directory", without_secrets(self.directory.url)), takes_self=True)
    record: Organization = field(init=False)
    compiled: Compiled = field(init=False)
    rows: dict[str, bytes] = field(init=False, factory=dict)
    users: dict[str, User | None] = field(init=False, factory=dict)
    deadline: float = field(init=False, default=0.0)
    tables: Tables = field(init=False)
    generation: int = field(init=False, default=0)
    _reader: Reader = field(init=False)
    _listener: Notifying | None = field(init=False)  # looked for once: that takes longer than to ask a store
    _changing: dict[str, Timeline] = field(init=False, factory=dict)
    _answered: float = field(init=False)
    _until: float = field(init=False, default=NEVER)
    _heard: int | None = field(init=False, default=None)
    _down: StoreUnavailable | None = field(init=False, default=None)
    _asking: bool = field(init=False, default=False)
    _now: datetime = field(init=False)
    _changes_at: datetime | None = field(init=False, default=None)
    _settled: bool = field(init=False, default=True)
    _lock: AbstractContextManager[object] = field(init=False)

    def __attrs_post_init__(self) -> None:
        self.unlock()
        self._answered = self.clock.elapsed()
        self._now = self.clock.now()
        self._reader = Reader(self.vendor.catalog)
        self.compiled = self.vendor
        self.record = self._with_tables(self.stored_record(), {})
        self._listener = self.directory if isinstance(self.directory, Notifying) else None
        self._hold(self._answered + min(self.staleness, inf if self._listener is None else FIRST))

    @property
    def catalog(self) -> Catalog:
        """The catalog that the tables are made from, the organization's own roles among its roles."""
        return self.compiled.catalog

    def now(self) -> datetime:
        """Return the wall time."""
        return self.clock.now()

    def fresh(self, at_least: int | None = None, *, staleness: float | None = None) -> None:
        """Make sure that what is known is young enough.

        Args:
            at_least: a revision that must be known.
            staleness: seconds that an answer may be old; None for the setting, 0 to ask now.

        Raises:
            StoreUnavailable: the store has not answered for `max_stale`, or `at_least` is not reached in that time.
        """
        if self._is_due(staleness) and not (staleness is None and self._goes_on()):
            with self._lock:
                if self._is_due(staleness) and not (staleness is None and self._quiet()):
                    self._refresh()
        if at_least is not None:
            waited(self.reaching(at_least))

    def reread(self) -> None:
        """Take in what a change of this process has made; never raise, as the change is made.

        A store that can't be read now has left nothing known in force: the next call asks it again.
        """
        with self._lock:
            self._answered = NEVER
            try:
                self._refresh()
            except BaseException as error:
                self._hold(NEVER)
                if not isinstance(error, SeatpermError):
                    raise

    def unlock(self) -> None:
        """Begin with a lock that nobody holds: in a child made by `fork()`, who held the other one is not there."""
        self._lock, self._asking = self.waiting.lock(), False

    def allows(self, id: str, resource: str, action: str, scope: str | None = None) -> bool:
        """Tell whether a user may do it, by the tables of one moment; without a scope, as `Compiled.slots` has it."""
        while True:
            generation, compiled = self.generation, self.compiled
            try:
                slots = compiled.slots if scope is None else compiled.slots_at[scope]
                slot = slots[action][resource]
            except (KeyError, TypeError):
                slot = compiled.slot(resource, action, scope)  # tells what the mistake is
            row = self.rows.get(id) or self.row(id)
            if self.is_at(generation):
                return compiled.allows(row, slot)

    def is_at(self, generation: int) -> bool:
        """Tell whether all that was read since `generation` had this value was of one catalog and one revision."""
        return self.generation == generation and self._settled

    def prepared(self, vendor: Compiled) -> Callable[[], None]:
        """Return what puts another catalog in place of the present one, at once; who is known stays known."""
        other = evolve(self, vendor=vendor)
        for id in list(self.rows):
            other.row(id)

        def use() -> None:
            with self._lock:
                with suppress(StoreUnavailable):
                    other.fresh(staleness=0)  # what was changed since it was read
                generation, self._settled = self.generation + 1, False
                for name in TAKEN:
                    setattr(self, name, getattr(other, name))
                self.generation, self._settled = generation, True

        return use

    def row(self, id: str) -> bytes:
        """Return a user's table, read from the store if it is not known yet; an unknown user's allows nothing."""
        row = self.rows.get(id)
        if row is not None:
            return row
        generation = self.generation
        timeline = self._changing.get(id) or self._timeline(id)
        now = self.now()
        row, until = next((row, until) for row, until in timeline if until is None or now < until)
        with self._lock:
            if generation == self.generation:
                self._keep(self.rows, id, row)
                if until is not None:
                    self._keep(self._changing, id, timeline)
                    if self._changes_at is None or until < self._changes_at:
                        self._changes_at = until
                        self._until = min(self._until, self._elapsed_at(until))
                        self._hold(min(self.deadline, self._elapsed_at(until)))
        return row

    def user(self, id: str) -> User | None:
        """Return a user as the tables know it: nobody dismissed, no name that the catalog does not have."""
        try:
            return self.users[id]
        except KeyError:
            pass
        generation = self.generation
        user = self.as_known(self.directory.user(self.id, id))
        with self._lock:
            if generation == self.generation:
                self._keep(self.users, id, user)
        return user

    def as_known(self, user: User | None) -> User | None:
        """Return a stored user with what the catalog does not have made safe; None for nobody and the dismissed."""
        if user is None or user.dismissed:
            return None
        return self._reader.user(shown(user))

    def stored_record(self) -> Organization:
        """Return the organization's record from the store, with what the catalog does not have made safe."""
        return self.as_known_record(self.directory.organization(self.id))

    def as_known_record(self, record: Organization) -> Organization:
        """Return a stored record with what the catalog does not have made safe."""
        return self._reader.organization(record)

    def everyone(self) -> Iterator[User]:
        """Iterate over the organization's users, in the order of their ids."""
        for stored in self.directory.users(self.id):
            user = self.as_known(stored)
            if user is not None:
                yield user

    def barred(self, user: User | None) -> str | None:
        """Return why a user may not be signed in, None where nothing is in the way (rule 1, and section 5)."""
        if user is None:
            return "unknown_user"
        if user.locked:
            return "locked"
        if not user.active:
            return "not_active"
        if rules.is_valid(self.record.license, self.now()):
            return None
        renews = self.allows(user.id, "organization.license", "edit", self.catalog.scopes[-1])
        return None if renews else "license_not_valid"

    def _timeline(self, id: str) -> Timeline:
        """Return a user's tables from now on, the present one first."""
        user = self.users.get(id) or self.directory.user(self.id, id)
        if user is None or not user.active:
            return ((self.compiled.nothing, None),)
        user = self._reader.user(user)
        row, until = self.compiled.row(self.record.license, user, self.now())
        timeline = [(row, until)]
        while until is not None:
            row, until = self.compiled.row(self.record.license, user, until)
            timeline.append((row, until))
        return tuple(timeline)

    def _refresh(self) -> None:
        asked, heard, self._asking = self.clock.elapsed(), self._notified(), True
        try:
            if self.directory.revision(self.id) != self.record.revision:
                self._catch_up()
            self._answered, self._down = asked, None
            self.health.answered(self.clock.elapsed)
        except StoreUnavailable as error:
            asked, self._down = self.clock.elapsed(), error  # it may have taken its whole timeout to fail
            left = max(0.0, self.max_stale - (asked - self._answered))
            self.health.failed(error, asked, self.now() + timedelta(seconds=left))
            if not left:
                raise
        finally:
            self._asking = False
        if self._elsewhen():
            if self.clock.now() < self._now:
                self._drop_all()
            for id in self._changing:
                self.rows.pop(id, None)
            self._changes_at = None
            self.generation += 1
        self._now = self.clock.now()
        deadline = min(asked + self.staleness, self._answered + self.max_stale)
        if self._changes_at is not None:
            deadline = min(deadline, self._elapsed_at(self._changes_at))
        self._until, self._heard = deadline, heard
        self._hold(deadline if self._notified() is None else min(deadline, asked + HEARD))

    def _goes_on(self) -> bool:
        """Tell whether another call asks the store, which is down, so that this one need not wait for its timeout."""
        down = self._down
        if down is None or not self._asking or self._elsewhen():
            return False
        if self.clock.elapsed() - self._answered >= self.max_stale:
            raise StoreUnavailable(down.store, down.cause)
        return True

    def _quiet(self) -> bool:
        """Tell whether the store listens, and has heard of nothing since it was asked, `staleness` ago at the most."""
        elapsed, heard = self.clock.elapsed(), self._heard
        if heard is None or elapsed >= self._until or self._elsewhen() or self._notified() != heard:
            return False
        self._hold(min(self._until, elapsed + HEARD))
        return True

    def _notified(self) -> int | None:
        return None if self._listener is None else self._listener.notified(self.id)

    def _hold(self, deadline: float) -> None:
        self.deadline = deadline
        self.tables = self.clock.elapsed, deadline, self.rows, self.compiled.slots, self.compiled.slots_at

    def _elapsed_at(self, moment: datetime) -> float:
        return self.clock.elapsed() + (moment - self.clock.now()).total_seconds()

    def _elsewhen(self) -> bool:
        # Rows are made for a moment: they end with the first role, override or license that begins or ends,
        # and when the wall clock was set back nothing is known of when that was.
        now, changes_at = self.clock.now(), self._changes_at
        return now < self._now or (changes_at is not None and now >= changes_at)

    def _is_due(self, staleness: float | None) -> bool:
        due = self.deadline if staleness is None else self._answered + staleness
        return self.clock.elapsed() >= due or self._elsewhen()

    def _catch_up(self) -> None:
        changes = self.directory.changes(self.id, self.record.revision)
        if changes.organization or changes.revision < self.record.revision:  # earlier: the store was put back
            record = evolve(self.stored_record(), revision=changes.revision)
            self.record = self._with_tables(record, self.record.roles)
            self._drop_all()
            self._changes_at = None
        else:
            self.record = evolve(self.record, revision=changes.revision)
            for id in changes.users:
                self.users.pop(id, None)
                self._changing.pop(id, None)
                self.rows.pop(id, None)
        # Last: who reads the new generation finds nothing that was dropped.
        self.generation += 1

    def _drop_all(self) -> None:
        self.users.clear()
        self._changing.clear()
        self.rows.clear()

    def _with_tables(self, record: Organization, before: Mapping[str, Role]) -> Organization:
        """Return the record, its own roles compiled where they differ from those before."""
        if record.roles != before:
            catalog = self._reader.catalog_of(record)
            self.compiled = self.vendor.with_roles(catalog) if record.roles else self.vendor
        return record

    def _keep(self, kept: dict[str, V], id: str, value: V) -> None:
        if len(kept) >= self.cached_users:
            # Many at once: finding the oldest of a dict takes the longer the more have gone from its front.
            for oldest in list(islice(kept, self.cached_users // 8 + 1)):
                del kept[oldest]
        kept[id] = value

    def reaching(self, revision: int) -> Generator[float, None, None]:
        """Go on until the revision is known: a generator of the seconds to wait before each next step.

        Raises:
            StoreUnavailable: it is not reached within `max_stale`, or the store has not answered for so long.
        """
        if not isinstance(revision, int) or isinstance(revision, bool):
            raise InvalidValue("at_least", revision, "a revision, such as org.revision tells")
        gives_up = monotonic() + self.max_stale
        while self.record.revision < revision:
            with self._lock:
                self._refresh()
            if self.record.revision < revision:
                if monotonic() >= gives_up:
                    found = f"it is at revision {self.record.revision}, and {revision} was asked for"
                    raise StoreUnavailable(self.directory.url, found)
                yield 0.01


OWN = ("_lock", "_settled", "generation")
"""What a view keeps whatever its catalog."""

TAKEN = ("vendor", *(field.name for field in fields(View) if not field.init and field.name not in OWN))
"""What is another with another catalog."""
