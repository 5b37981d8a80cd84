"""Sessions, for asyncio: `org.sign_in`, `org.resume`, `org.sessions`."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import datetime
from types import TracebackType
from typing import Self

from ..directory import User
from ..organization import session, sessions
from ..sessions import Past, Seat
from .wrapping import Awaited, asking, reading, writing


class Session(Awaited[session.Session]):
    """One connection of one user, as `seatperm`'s own, awaited: `async with await org.sign_in(user) as session`."""

    def __repr__(self) -> str:
        return repr(self._sync)

    @property
    def id(self) -> str:
        """The session's id, which may be shown."""
        return self._sync.id

    @property
    def token(self) -> str:
        """What `org.resume` takes; a secret."""
        return self._sync.token

    @property
    def user(self) -> User:
        """The user, as of the sign-in."""
        return self._sync.user

    @property
    def client(self) -> str | None:
        """The connection's name, None where none was given."""
        return self._sync.client

    @property
    def expires_at(self) -> datetime:
        """When the lease ends unless it is renewed, as wall time for people to read."""
        return self._sync.expires_at

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.end()

    can = asking(session.Session.can)
    touch = asking(session.Session.touch)
    rotate = writing(session.Session.rotate)
    end = writing(session.Session.end)


class Sessions(Awaited[sessions.Sessions]):
    """The live sessions of an organization, first started first, as `seatperm`'s own `org.sessions`, awaited.

    `async for seat in org.sessions`, `await org.sessions.count()`, `await org.sessions.limit`.
    """

    def __aiter__(self) -> AsyncIterator[Seat]:
        return self._mode.stream(self._sync.__iter__)

    async def count(self) -> int:
        """Return how many sessions may be seen: what `len()` is elsewhere."""
        return await self._mode.read(self._sync.__len__)

    @property
    async def limit(self) -> int:
        """How many sessions the license admits at one time, awaited."""
        return await self._mode.read(lambda: self._sync.limit)

    def history(
        self, *, since: datetime | None = None, until: datetime | None = None, user: str | User | None = None
    ) -> AsyncIterator[Past]:
        """Iterate over past sign-ins, as `seatperm`'s own `org.sessions.history` does."""
        return self._mode.stream(lambda: self._sync.history(since=since, until=until, user=user))

    peak = reading(sessions.Sessions.peak)
    end = writing(sessions.Sessions.end)
