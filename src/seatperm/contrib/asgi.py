"""What the modules for asynchronous frameworks share: `seatperm.contrib.web.Gate`, awaited, and a request's visits."""

from __future__ import annotations

from asyncio import CancelledError, Future, get_running_loop, shield, to_thread
from collections.abc import AsyncIterable, Awaitable, Callable, Iterable, Mapping, MutableMapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from datetime import timedelta
from functools import partial
from inspect import isawaitable, iscoroutinefunction
from typing import TYPE_CHECKING, Any, Final, Protocol

from attrs import define, field, frozen

import seatperm

from .web import (
    Carrier,
    Cookie,
    HiddenDenial,
    HouseFull,
    Need,
    NotInstalled,
    NotSignedIn,
    OnUnavailable,
    Stranger,
    brought,
    same,
)

if TYPE_CHECKING:
    from seatperm import aio

    AnyOrganization = seatperm.Organization | aio.Organization
    AnySession = seatperm.Session | aio.Session

VISITS: Final = "seatperm"
"""Where a request's scope keeps what each `Seatperm` of the application has done in it."""


class Connection(Protocol):
    """What a request of any framework tells."""

    @property
    def scope(self) -> Mapping[str, object]:
        """What the server said, and what middleware has put there."""
        ...

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
        on_unavailable: as `Organization.resume`.
    """

    organization: AnyOrganization
    carrier: Carrier
    on_unavailable: OnUnavailable = "deny"

    async def resume(self, connection: Connection) -> AnySession:
        """Take up, and so touch, the session whose token a request brings.

        Raises:
            NotSignedIn: it brings none.
            SessionEnded, StoreUnavailable: as `Organization.resume`.
        """
        token = brought(self.carrier, connection.headers.get("authorization"), connection.cookies)
        resume = self.organization.resume
        session: AnySession = await called(resume, token, on_unavailable=self.on_unavailable)
        return session

    async def sign_in(
        self, connection: Connection, user: str | seatperm.User, client: str | None, wait: timedelta | None
    ) -> AnySession:
        """Take a seat.

        Whoever signs in again from where they are signed in keeps the seat, and gets a fresh token; a session of
        anybody else, or of another client, that the request brought is ended first.

        Raises:
            HouseFull: there is none, and the user may view `organization.sessions`.
            Stranger: the organization has no such user.
            SeatsExhausted, SignInRefused, StoreUnavailable: as `Organization.sign_in`.
        """
        with suppress(NotSignedIn, seatperm.SessionEnded):
            before = await self.resume(connection)
            if not same(before, user, client):
                await called(before.end)
            elif client is None:
                await called(before.rotate)
                return before
        try:
            return await self._take(user, client, wait)
        except seatperm.UnknownUser as unknown:
            raise Stranger(unknown.name) from unknown
        except seatperm.SeatsExhausted as full:
            if await called(self.organization.can, user, "organization.sessions", "view"):
                raise HouseFull(full, await self._holders()) from full
            raise

    async def leave(self, connection: Connection) -> None:
        """End the session whose token a request brings, if it brings one and that is live.

        Raises:
            StoreUnavailable: as `Session.end`.
        """
        with suppress(NotSignedIn, seatperm.SessionEnded):
            await called((await self.resume(connection)).end)

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

    async def _take(self, user: str | seatperm.User, client: str | None, wait: timedelta | None) -> AnySession:
        sign_in: Callable[..., Any] = self.organization.sign_in
        if iscoroutinefunction(sign_in):
            awaited: AnySession = await sign_in(user, client, wait)
            return awaited
        # Who waits has a thread of their own: those of the pool are needed by who would leave a seat.
        own = None if wait is None else ThreadPoolExecutor(1, "seatperm-waits")
        taking: Future[seatperm.Session] = get_running_loop().run_in_executor(own, sign_in, user, client, wait)
        if own is not None:
            own.shutdown(wait=False)
        try:
            return await shield(taking)
        except CancelledError:
            taking.add_done_callback(_give_back)  # nobody is there any more to be told of the seat
            raise

    async def _holders(self) -> list[seatperm.Seat]:
        sessions = self.organization.sessions
        if isinstance(sessions, AsyncIterable):
            return [seat async for seat in sessions]
        found: list[seatperm.Seat] = await to_thread(list, sessions)
        return found


@define(eq=False, repr=False)
class Visit:
    """What was done in one request."""

    organization: AnyOrganization | None = None
    session: AnySession | None = None
    sent: tuple[str, str] | None = None
    vary: str | None = None


@define(eq=False, repr=False)
class Visits:
    """The middleware that puts into answers the tokens that were handed over or taken back, and by what they vary.

    A seat that was taken in a request that failed before its answer began is given back.
    """

    app: Callable[..., Awaitable[None]]

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        """Answer a request."""
        if scope["type"] not in ("http", "websocket") or VISITS in scope:
            return await self.app(scope, receive, send)
        visits: dict[object, Visit] = {}
        scope[VISITS] = visits

        async def sender(message: MutableMapping[str, Any]) -> None:
            if message["type"] in ("http.response.start", "websocket.accept", "websocket.http.response.start"):
                message["headers"] = _with(message.get("headers", ()), visits.values())
            await send(message)

        try:
            await self.app(scope, receive, sender)
        except Exception:
            for visit in visits.values():
                with suppress(seatperm.SeatpermError):
                    await _undo(visit)
            raise


@define(eq=False, repr=False)
class Seatperm:
    """The seats and the checks of an asynchronous application, of whatever framework.

    Args:
        organization: the organization, or a function from the request to its organization; it may be asynchronous.
        carrier: how tokens travel: a `Cookie` unless said, or a `Bearer`.
        reasons: whether a denial tells its user why.
        on_unavailable: what a request gets while the session store does not answer: "deny", a 503, or "grace", which
            goes on with what this process has last seen of its session, until the lease runs out.
    """

    _organization: AnyOrganization | Callable[[Any], AnyOrganization | Awaitable[AnyOrganization]]
    carrier: Carrier = field(factory=Cookie, kw_only=True)
    reasons: bool = field(default=True, kw_only=True)
    on_unavailable: OnUnavailable = field(default="deny", kw_only=True)

    async def organization(self, connection: Connection) -> AnyOrganization:
        """Return the organization of a request; it is looked for once."""
        if not callable(self._organization):
            return self._organization
        visit = self._visit(connection)
        if visit.organization is not None:
            return visit.organization
        found: AnyOrganization = await called(self._organization, connection)
        visit.organization = found
        return found

    async def session(self, connection: Connection) -> AnySession:
        """Return the session of a request: taken up, and so touched, at the first use.

        Raises:
            NotSignedIn: the request brings no token.
            SessionEnded, StoreUnavailable: as `Organization.resume`.
        """
        visit = self._visit(connection)
        visit.vary = self.carrier.varies_by
        if visit.session is None:
            visit.session = await (await self._gate(connection)).resume(connection)
        return visit.session

    async def sign_in(
        self,
        connection: Connection,
        user: str | seatperm.User,
        client: str | None = None,
        wait: timedelta | None = None,
    ) -> AnySession:
        """Take a seat for a user who has shown the host, by a password or otherwise, who it is.

        The answer to the request hands over the token, whatever it is. Whoever signs in again from where they are
        signed in keeps the seat; any other session that the request brought is ended first.

        Args:
            connection: the request.
            user, client, wait: as `Organization.sign_in`.

        Raises:
            Stranger: the organization has no such user.
            SeatsExhausted, SignInRefused, StoreUnavailable: as `Organization.sign_in`.
        """
        visit = self._visit(connection)
        await _undo(visit)
        visit.session = session = await (await self._gate(connection)).sign_in(connection, user, client, wait)
        visit.sent = self.carrier.write(session.token)
        return session

    async def sign_out(self, connection: Connection) -> None:
        """End the session that a request brings, if it does, and have the answer to it take the token back.

        Raises:
            StoreUnavailable: the store did not answer; the token stays, so that it can be tried again.
        """
        visit = self._visit(connection)
        await _undo(visit)
        await (await self._gate(connection)).leave(connection)
        visit.session, visit.sent = None, self.carrier.write(None)

    async def _require(self, connection: Connection, need: Need, record: object = None) -> None:
        session = await self.session(connection)
        await (await self._gate(connection)).require(session, need, record)

    def _need(self, resource: str, action: str, scope: str | None, hide_existence: bool) -> Need:
        need = Need(resource, action, scope, hide_existence)
        if not callable(self._organization):
            need.check(self._organization.catalog)
        return need

    async def _gate(self, connection: Connection) -> AsyncGate:
        return AsyncGate(await self.organization(connection), self.carrier, self.on_unavailable)

    def _visit(self, connection: Connection) -> Visit:
        visits: Any = connection.scope.get(VISITS)
        if visits is None:
            raise NotInstalled("call install(app), or give Seatperm to the application as a plugin, before it serves")
        if self not in visits:
            visits[self] = Visit()
        visit: Visit = visits[self]
        return visit


async def _undo(visit: Visit) -> None:
    """Give back a seat that was taken in this request, while nobody has its token yet."""
    if visit.sent is not None and visit.session is not None:
        await called(visit.session.end)
    visit.session = None


def _give_back(taking: Future[seatperm.Session]) -> None:
    if not taking.cancelled() and taking.exception() is None:
        taking.get_loop().run_in_executor(None, partial(_end, taking.result()))


def _end(session: seatperm.Session) -> None:
    with suppress(seatperm.SeatpermError):
        session.end()


def _with(headers: Iterable[tuple[bytes, bytes]], visits: Iterable[Visit]) -> list[tuple[bytes, bytes]]:
    found = list(headers)
    for visit in visits:
        if visit.vary is not None:
            found.append((b"vary", visit.vary.encode()))
        if visit.sent is not None:
            name, value = visit.sent
            visit.sent = None
            found = [(each, said) for each, said in found if each.lower() != b"cache-control"]
            found += [(name.lower().encode(), value.encode()), (b"cache-control", b"no-store")]
    return found
