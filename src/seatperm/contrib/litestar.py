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
from typing import TYPE_CHECKING, Any, Final

from attrs import define
from litestar import Litestar, Request, Response
from litestar.config.app import AppConfig
from litestar.connection import ASGIConnection
from litestar.di import Provide
from litestar.exceptions import NotFoundException, WebSocketException
from litestar.handlers import BaseRouteHandler, HTTPRouteHandler
from litestar.plugins import InitPlugin
from litestar.routes import HTTPRoute, WebSocketRoute

import seatperm

from . import asgi
from .asgi import called
from .web import PROBLEM_JSON, HiddenDenial, Need, Route, answer, asked_of, marked

if TYPE_CHECKING:
    from .asgi import AnySession

Connection = ASGIConnection[Any, Any, Any, Any]
Guard = Callable[[Connection, BaseRouteHandler], Awaitable[None]]


@define(eq=False, repr=False)
class Seatperm(asgi.Seatperm, InitPlugin):
    """The seats and the checks of a Litestar application; a plugin of it.

    Args:
        organization: the organization, or a function from the request to its organization; it may be asynchronous.
        carrier: how tokens travel: a `Cookie` unless said, or a `Bearer`.
        reasons: whether a denial tells its user why.
        on_unavailable: what a request gets while the session store does not answer: "deny", a 503, or "grace", which
            goes on with what this process has last seen of its session, until the lease runs out.
    """

    def on_app_init(self, app_config: AppConfig) -> AppConfig:
        """Have the application answer seatperm's errors as problems, and hand tokens over."""
        app_config.exception_handlers = {seatperm.SeatpermError: self._answer, **app_config.exception_handlers}
        app_config.middleware = [asgi.Visits, *app_config.middleware]
        return app_config

    async def session(self, connection: asgi.Connection) -> AnySession:
        """Return the session of a request: taken up, and so touched, at the first use.

        Raises:
            NotSignedIn: the request brings no token.
            SessionEnded, StoreUnavailable: as `Organization.resume`.
            WebSocketException: instead of any of these for a WebSocket: 4401, 4503.
        """
        try:
            return await super().session(connection)
        except seatperm.SeatpermError as error:
            raise self._told(connection, error) from error

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
            await self.require(connection, need)

        return marked(guard, need)

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
                raise _nothing(request)
            await self.require(request, need, record)
            return record

        return Provide(marked(provide, need))

    @property
    def signed_in(self) -> Guard:
        """A guard that lets a route be called by whoever has a session."""

        async def guard(connection: Connection, _handler: BaseRouteHandler) -> None:
            await self.session(connection)

        return marked(guard)

    async def require(self, connection: asgi.Connection, need: Need, record: object = None) -> None:
        """Go on only if the user of a request may do what is needed, with the record if one is given.

        Raises:
            NotFoundException: the user may not, and the need hides what there is.
            NotSignedIn, SessionEnded, AccessDenied, NoRelation, StoreUnavailable: what they say.
            WebSocketException: instead of any of these for a WebSocket: 4401, 4403, 4404, 4503.
        """
        try:
            await self._require(connection, need, record)
        except HiddenDenial as denied:
            raise _nothing(connection) from denied
        except seatperm.SeatpermError as error:
            raise self._told(connection, error) from error

    def _told(self, connection: asgi.Connection, error: seatperm.SeatpermError) -> Exception:
        told = answer(error, reasons=self.reasons)
        if connection.scope["type"] == "http" or told.status == 500:
            return error
        return WebSocketException(detail=str(told.body["title"]), code=4000 + told.status)

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
        for handler in entry.route_handlers if isinstance(entry, HTTPRoute) else [entry.route_handler]:
            asking = [*handler.resolve_guards(), *(it.dependency for it in handler.resolve_dependencies().values())]
            asked = [asks for it in asking if (asks := asked_of(it)).signed_in]
            needs = tuple(need for asks in asked for need in asks.needs)
            public = handler.opt.get("seatperm") == "public"
            if not isinstance(handler, HTTPRouteHandler):
                methods = ["WEBSOCKET"] if isinstance(entry, WebSocketRoute) else []
            elif not (methods := sorted({str(method) for method in handler.http_methods} - {"HEAD", "OPTIONS"})):
                continue
            yield Route(entry.path, tuple(methods), needs, bool(asked), public)


def _nothing(connection: asgi.Connection) -> Exception:
    if connection.scope["type"] == "http":
        return NotFoundException()
    return WebSocketException(detail="Not Found", code=4404)
