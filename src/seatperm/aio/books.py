"""The audit trail and what changes come to, for asyncio: `org.audit`, `LicenseChange`, `CatalogChange`."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterable
from datetime import datetime
from itertools import islice
from typing import TextIO, cast

from attrs import field, frozen

from ..audit import Event, Head, Verification
from ..catalog import Catalog
from ..directory import User
from ..license import License
from ..money import Money
from ..organization import CatalogEffect, Effect, Organization, answers, catalog_diff
from ..organization.trail import text_stream
from .modes import PAGE, Mode
from .wrapping import Awaited


class Trail(Awaited[Organization]):
    """The audit trail of an organization, oldest first, as `seatperm`'s own `org.audit`, awaited.

    Who may not read it is told at the first call, not where `org.audit` is said.
    """

    def __aiter__(self) -> AsyncIterator[Event]:
        return self._mode.stream(lambda: iter(self._sync.audit))

    async def count(self) -> int:
        """Return how many events there are: what `len()` is elsewhere."""
        return await self._mode.read(lambda: len(self._sync.audit))

    @property
    async def head(self) -> Head:
        """Where the trail ends, awaited."""
        return await self._mode.read(lambda: self._sync.audit.head)

    def filter(
        self,
        *,
        user: str | User | None = None,
        kind: str | None = None,
        since: datetime | None = None,
        until: datetime | None = None,
    ) -> AsyncIterator[Event]:
        """Iterate over the events that are of all that is said, as `seatperm`'s own `org.audit.filter` does."""
        return self._mode.stream(lambda: self._sync.audit.filter(user=user, kind=kind, since=since, until=until))

    async def export(self, stream: TextIO) -> Head:
        """Write the whole trail as JSON lines, as `seatperm`'s own `org.audit.export` does.

        Args:
            stream: an open text file; it is written to in another thread.

        Raises:
            SeatpermError: all that it raises there.
        """
        elsewhere = cast(TextIO, _Elsewhere(text_stream(stream), self._mode))
        return await self._mode.read(lambda: self._sync.audit.export(elsewhere))

    async def verify(self, kept: Head | None = None) -> Verification:
        """Read the whole trail and tell whether it is whole, as `seatperm`'s own `org.audit.verify` does."""
        return await self._mode.read(lambda: self._sync.audit.verify(kept))


@frozen
class _Elsewhere:
    """A text stream that is written to in another thread: a disk may be slow."""

    _stream: TextIO
    _mode: Mode

    def writelines(self, lines: Iterable[str]) -> None:
        rest = iter(lines)
        while page := list(islice(rest, PAGE)):
            self._mode.wait_for(asyncio.to_thread(self._stream.writelines, page))


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
    _change: answers.LicenseChange = field(repr=False, eq=False)
    _mode: Mode = field(repr=False, eq=False)

    @classmethod
    def of(cls, change: answers.LicenseChange, mode: Mode) -> LicenseChange:
        """Return the awaited form of a change."""
        return cls(change.before, change.after, change.charge_before, change.charge_after, change, mode)

    @property
    def effects(self) -> AsyncIterator[Effect]:
        """Who loses or gains what, in the order of user ids: read anew at each use, never all in memory."""
        return self._mode.stream(lambda: self._change.effects)


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
    _change: catalog_diff.CatalogChange = field(repr=False, eq=False)
    _mode: Mode = field(repr=False, eq=False)

    @classmethod
    def of(cls, change: catalog_diff.CatalogChange, mode: Mode) -> CatalogChange:
        """Return the awaited form of a change."""
        return cls(change.before, change.after, change.unknown, change, mode)

    @property
    def effects(self) -> AsyncIterator[CatalogEffect]:
        """Who gains or loses what, in the order of user ids: read anew at each use, never all in memory."""
        return self._mode.stream(lambda: self._change.effects)
