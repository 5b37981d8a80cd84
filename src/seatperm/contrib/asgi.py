"""What the modules for asynchronous frameworks share: `seatperm.contrib.web.Gate`, awaited."""

from __future__ import annotations

from asyncio import to_thread
from collections.abc import Callable, Mapping
from datetime import timedelta
from inspect import isawaitable, iscoroutinefunction
from typing import TYPE_CHECKING, Any, Protocol

from attrs import frozen

import seatperm

from .web import Carrier, HiddenDenial, HouseFull, Need, NotSignedIn, brought

if TYPE_CHECKING:
    from seatperm import aio

    AnyOrganization = seatperm.Organization | aio.Organization
    AnySession = seatperm.Session | aio.Session


class Connection(Protocol):
    """What a request of any framework tells."""

    @property
    def headers(self) -> Mapping[str, str]:
        """The headers, by name in lower case."""
        ...

    @property
    def cookies(self) -> Mapping[str, str]:
        """The cookies, by name."""
        ...


async def called(function: Callable[..., Any], *args: object, **kwargs: object) -> Any:
    """Await what is asynchronous, and call in a worker thread what is not."""
    if iscoroutinefunction(function):
        return await function(*args, **kwargs)
    found = await to_thread(function, *args, **kwargs)
    return await found if isawaitable(found) else found


@frozen
class AsyncGate:
    """Takes sessions up, and lets pass who may.

    Attributes:
        organization: the organization of the present request: of `seatperm.open`, which is asked in worker threads,
            or of `seatperm.aio.open`, which is awaited.
        carrier: how tokens travel.
    """

    organization: AnyOrganization
    carrier: Carrier

    async def resume(self, connection: Connection) -> AnySession:
        """Take up, and so touch, the session whose token a request brings.

        Raises:
            NotSignedIn: it brings none.
            SessionEnded, StoreUnavailable: as `Organization.resume`.
        """
        token = brought(self.carrier, connection.headers.get("authorization"), connection.cookies)
        session: AnySession = await called(self.organization.resume, token)
        return session

    async def sign_in(
        self, connection: Connection, user: str | seatperm.User, client: str | None, wait: timedelta | None
    ) -> AnySession:
        """Take a seat; a session that the request brought is ended first.

        Raises:
            HouseFull: there is none, and the user may view `organization.sessions`.
            SeatsExhausted, SignInRefused, UnknownUser, StoreUnavailable: as `Organization.sign_in`.
        """
        await self.leave(connection)
        try:
            session: AnySession = await called(self.organization.sign_in, user, client, wait)
        except seatperm.SeatsExhausted as full:
            if await called(self.organization.can, user, "organization.sessions", "view"):
                raise HouseFull(full, await self._holders()) from full
            raise
        return session

    async def leave(self, connection: Connection) -> None:
        """End the session whose token a request brings, if it brings one and that is live.

        Raises:
            StoreUnavailable: as `Session.end`.
        """
        try:
            session = await self.resume(connection)
        except (NotSignedIn, seatperm.SessionEnded):
            return
        await called(session.end)

    async def require(self, session: AnySession, need: Need, record: object = None) -> None:
        """Go on only if the session's user may do what is needed, with the record if one is given.

        Raises:
            AccessDenied: with the decision; a `HiddenDenial` where existence is hidden.
            UnknownResource, UnknownAction, UnknownScope, NoRelation, StoreUnavailable: as `Organization.require`.
        """
        try:
            require = self.organization.require
            await called(require, session.user, need.resource, need.action, record, scope=need.scope)
        except seatperm.AccessDenied as denied:
            if need.hide_existence:
                raise HiddenDenial(denied.decision) from denied
            raise

    async def _holders(self) -> list[seatperm.Seat]:
        sessions = self.organization.sessions
        if hasattr(sessions, "__aiter__"):
            return [seat async for seat in sessions]
        found: list[seatperm.Seat] = await to_thread(list, sessions)
        return found
