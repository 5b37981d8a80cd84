"""seatperm in a Litestar application: sign-in takes a seat, guards say what a route needs.

    auth = Seatperm(org)
    app = Litestar(route_handlers=[...], plugins=[auth])

    @get("/reports", guards=[auth.needs("reports", "view")])
    async def reports() -> Report: ...

    @get("/invoices/{id:int}", dependencies={"invoice": auth.record("sales.invoices", "view", load=find_invoice)})
    async def show(invoice: NamedDependency[Invoice]) -> Invoice: ...

The organization may be of `seatperm.open` (it is asked in worker threads) or of `seatperm.aio.open` (it is awaited).
Needs the extra `litestar`.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterator
from datetime import timedelta
from typing import TYPE_CHECKING, Any, Final

from attrs import define, field
from litestar import Litestar, Request, Response
from litestar.config.app import AppConfig
from litestar.connection import ASGIConnection
from litestar.di import Provide
from litestar.exceptions import NotFoundException
from litestar.handlers import BaseRouteHandler
from litestar.plugins import InitPlugin
from litestar.routes import HTTPRoute
from litestar.types import Message, Scope

import seatperm

from .asgi import AsyncGate, called
from .web import PROBLEM_JSON, Carrier, Cookie, HiddenDenial, Need, Route, answer

if TYPE_CHECKING:
    from .asgi import AnyOrganization, AnySession

ROUTE: Final = "_seatperm_route"

Connection = ASGIConnection[Any, Any, Any, Any]
Guard = Callable[[Connection, BaseRouteHandler], Awaitable[None]]


@define(eq=False, repr=False)
class Seatperm(InitPlugin):
    """The seats and the checks of a Litestar application; a plugin of it.

    Args:
        organization: the organization, or a function from the request to its organization.
        carrier: how tokens travel: a `Cookie` unless said, or a `Bearer`.
        reasons: whether a denial tells its user why.
    """

    _organization: AnyOrganization | Callable[[Connection], AnyOrganization]
    carrier: Carrier = field(factory=Cookie, kw_only=True)
    reasons: bool = field(default=True, kw_only=True)

    def on_app_init(self, app_config: AppConfig) -> AppConfig:
        """Have the application answer seatperm's errors as problems, and hand tokens over."""
        app_config.exception_handlers = {seatperm.SeatpermError: self._answer, **app_config.exception_handlers}
        app_config.before_send = [*app_config.before_send, _send]
        return app_config

    def organization(self, connection: Connection) -> AnyOrganization:
        """Return the organization of a request."""
        return self._organization(connection) if callable(self._organization) else self._organization

    async def session(self, connection: Connection) -> AnySession:
        """Return the session of a request: taken up, and so touched, at the first use.

        Raises:
            NotSignedIn: the request brings no token.
            SessionEnded, StoreUnavailable: as `Organization.resume`.
        """
        state = connection.scope["state"]
        if "seatperm_session" not in state:
            state["seatperm_session"] = await self._gate(connection).resume(connection)
        session: AnySession = state["seatperm_session"]
        return session

    async def sign_in(
        self,
        connection: Connection,
        user: str | seatperm.User,
        client: str | None = None,
        wait: timedelta | None = None,
    ) -> AnySession:
        """Take a seat for a user who has shown the host, by a password or otherwise, who it is.

        The answer to the request hands over the token. A session that the request brought is ended first.

        Args:
            connection: the request.
            user, client, wait: as `Organization.sign_in`.

        Raises:
            SeatsExhausted, SignInRefused, UnknownUser, StoreUnavailable: as `Organization.sign_in`.
        """
        session = await self._gate(connection).sign_in(connection, user, client, wait)
        connection.scope["state"] |= {"seatperm_session": session, "seatperm_sent": self.carrier.write(session.token)}
        return session

    async def sign_out(self, connection: Connection) -> None:
        """End the session that a request brings, if it does, and have the answer to it take the token back."""
        await self._gate(connection).leave(connection)
        connection.scope["state"]["seatperm_sent"] = self.carrier.write(None)

    def needs(self, resource: str, action: str, *, scope: str | None = None, hide_existence: bool = False) -> Guard:
        """Return a guard that lets a route be called only by who may do this.

        Args:
            resource, action: as `Organization.can`.
            scope: the scope that is asked; without one every record is asked about.
            hide_existence: who may not gets a 404, as where there is nothing.

        Raises:
            UnknownResource, UnknownAction, UnknownScope: the catalog has none of that name; at the first request
                where each has an organization of its own.
        """
        need = self._need(resource, action, scope, hide_existence)

        async def guard(connection: Connection, _handler: BaseRouteHandler) -> None:
            await self._require(connection, need)

        marked: Guard = _marked(guard, need)
        return marked

    def record(
        self,
        resource: str,
        action: str,
        *,
        load: Callable[[Connection], object],
        hide_existence: bool = False,
    ) -> Provide:
        """Return a dependency: the record that a request names, for who may do this with it.

        Args:
            resource, action: as `Organization.can`.
            load: returns the record that a request names, None (a 404) where there is none; it may be asynchronous.
                It is called once, for who is signed in.
            hide_existence: who may not gets a 404, as where there is nothing.

        Raises:
            UnknownResource, UnknownAction: the catalog has none of that name; at the first request where each has
                an organization of its own.
        """
        need = self._need(resource, action, None, hide_existence)

        async def provide(request: Request[Any, Any, Any]) -> Any:
            await self.session(request)
            record = await called(load, request)
            if record is None:
                raise NotFoundException
            await self._require(request, need, record)
            return record

        return Provide(_marked(provide, need))

    @property
    def signed_in(self) -> Guard:
        """A guard that lets a route be called by whoever has a session."""

        async def guard(connection: Connection, _handler: BaseRouteHandler) -> None:
            await self.session(connection)

        marked: Guard = _marked(guard)
        return marked

    def _need(self, resource: str, action: str, scope: str | None, hide_existence: bool) -> Need:
        need = Need(resource, action, scope, hide_existence)
        if not callable(self._organization):
            need.check(self._organization.catalog)
        return need

    async def _require(self, connection: Connection, need: Need, record: object = None) -> None:
        try:
            await self._gate(connection).require(await self.session(connection), need, record)
        except HiddenDenial as denied:
            raise NotFoundException from denied

    def _gate(self, connection: Connection) -> AsyncGate:
        return AsyncGate(self.organization(connection), self.carrier)

    def _answer(self, _request: Connection, error: seatperm.SeatpermError) -> Response[Any]:
        told = answer(error, reasons=self.reasons)
        if told.status == 500:
            raise error
        return Response(dict(told.body), status_code=told.status, headers=dict(told.headers), media_type=PROBLEM_JSON)


PUBLIC: Final = {"seatperm": "public"}
"""A route's `opt` that says it is for everyone, so that `seatperm routes` does not name it: `@get(opt=PUBLIC)`."""


def routes(app: Litestar) -> Iterator[Route]:
    """Iterate over the routes of an application, and what each asks."""
    for entry in app.routes:
        if isinstance(entry, HTTPRoute):
            for handler in entry.route_handlers:
                asking = [*handler.resolve_guards(), *(it.dependency for it in handler.resolve_dependencies().values())]
                asked = [route for it in asking if isinstance(route := getattr(it, ROUTE, None), Route)]
                methods = sorted(str(method) for method in handler.http_methods if method not in ("HEAD", "OPTIONS"))
                needs = tuple(need for route in asked for need in route.needs)
                if methods:
                    public = handler.opt.get("seatperm") == "public"
                    yield Route(entry.path, tuple(methods), needs, bool(asked), public)


async def _send(message: Message, scope: Scope) -> None:
    """Put the token that was handed over, or taken back, into the answer."""
    sent = scope["state"].pop("seatperm_sent", None) if message["type"] == "http.response.start" else None
    if sent is not None and message["type"] == "http.response.start":
        name, value = sent
        message["headers"] = [*message["headers"], (name.lower().encode(), value.encode())]


def _marked(asking: Any, *needs: Need) -> Any:
    setattr(asking, ROUTE, Route("", (), needs, signed_in=True))
    return asking
