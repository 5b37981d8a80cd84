"""seatperm in a Starlette application; `seatperm.contrib.fastapi` has more for FastAPI.

    auth = Seatperm(org)
    auth.install(app)

    @auth.needs("sales.invoices", "view", load=find_invoice)
    async def show(request: Request, invoice: Invoice) -> Response: ...

The organization may be of `seatperm.open` (it is asked in worker threads) or of `seatperm.aio.open` (it is awaited).
Needs the extra `starlette`.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator
from functools import wraps
from typing import Any

from attrs import define, evolve
from starlette.applications import Starlette
from starlette.endpoints import HTTPEndpoint
from starlette.exceptions import HTTPException, WebSocketException
from starlette.requests import HTTPConnection, Request
from starlette.responses import JSONResponse, Response
from starlette.routing import BaseRoute, Host, Mount, WebSocketRoute
from starlette.routing import Route as Path
from starlette.websockets import WebSocket, WebSocketState

import seatperm

from . import asgi
from .asgi import called
from .web import PROBLEM_JSON, HiddenDenial, Need, Route, answer, asked_of, marked, public

__all__ = ["Installed", "Seatperm", "asked_by", "found", "listed", "nothing", "public", "routes"]

Endpoint = Callable[..., Any]


@define(eq=False, repr=False)
class Installed(asgi.Seatperm):
    """What a Starlette application has to know of: how tokens are handed over, how errors are answered."""

    def install(self, app: Starlette) -> None:
        """Have an application hand tokens over, and answer seatperm's errors as problems: 401, 403, 404 and 503.

        Call it before the application serves, and for a mounted application of its own again.
        """
        app.add_middleware(asgi.Visits)
        app.add_exception_handler(seatperm.SeatpermError, self._answer)  # type: ignore[arg-type] # it takes WebSockets

    async def require(self, connection: HTTPConnection, need: Need, record: object = None) -> None:
        """Go on only if the user of a request may do what is needed, with the record if one is given.

        Raises:
            HTTPException: 404: the user may not, and the need hides what there is. A WebSocket is closed instead.
            NotSignedIn, SessionEnded, AccessDenied, NoRelation, StoreUnavailable: what they say.
        """
        try:
            await self._require(connection, need, record)
        except HiddenDenial as denied:
            raise nothing(connection) from denied

    async def _answer(self, connection: HTTPConnection, error: Exception) -> Response | None:
        told = answer(error, reasons=self.reasons) if isinstance(error, seatperm.SeatpermError) else None
        if told is None or told.status == 500:
            raise error
        response = JSONResponse(dict(told.body), told.status, dict(told.headers), PROBLEM_JSON)
        if not isinstance(connection, WebSocket):
            return response
        shaking = connection.application_state is WebSocketState.CONNECTING
        if shaking and "websocket.http.response" in (connection.scope.get("extensions") or ()):
            await connection.send_denial_response(response)
        else:
            await connection.close(4000 + told.status, str(told.body["title"]))
        return None


@define(eq=False, repr=False)
class Seatperm(Installed):
    """The seats and the checks of a Starlette application.

    Args:
        organization: the organization, or a function from the request to its organization; it may be asynchronous.
        carrier: how tokens travel: a `Cookie` unless said, or a `Bearer`.
        reasons: whether a denial tells its user why.
        on_unavailable: what a request gets while the session store does not answer: "deny", a 503, or "grace", which
            goes on with what this process has last seen of its session, until the lease runs out.
    """

    def needs(
        self,
        resource: str,
        action: str,
        *,
        scope: str | None = None,
        load: Callable[[Request], object] | None = None,
        hide_existence: bool = False,
    ) -> Callable[[Endpoint], Endpoint]:
        """Let an endpoint be called only by who may do this.

        Args:
            resource, action: as `Organization.can`.
            scope: the scope that is asked; without one, and without a record, every record is.
            load: returns the record that a request names, None (a 404) where there is none; it may be asynchronous.
                It is called once, for who is signed in, and the endpoint gets the record after the request.
            hide_existence: who may not gets a 404, as where there is nothing.

        Raises:
            UnknownResource, UnknownAction, UnknownScope: the catalog has none of that name; at the first request
                where each has an organization of its own.
        """
        need = self._need(resource, action, scope, hide_existence)

        def decorate(endpoint: Endpoint) -> Endpoint:
            @wraps(endpoint)
            async def asked(*args: Any) -> Any:
                *_within, request = args  # a method of an HTTPEndpoint has itself before the request
                await self.session(request)
                record = () if load is None else (found(request, await called(load, request)),)
                await self.require(request, need, *record)
                return await called(endpoint, *args, *record)

            return marked(asked, need)

        return decorate

    def signed_in(self, endpoint: Endpoint) -> Endpoint:
        """Let an endpoint be called by whoever has a session."""

        @wraps(endpoint)
        async def asked(*args: Any) -> Any:
            await self.session(args[-1])
            return await called(endpoint, *args)

        return marked(asked)


def nothing(connection: HTTPConnection) -> Exception:
    """Return what is raised where there is nothing: for a WebSocket, what closes it as where there is no route."""
    return HTTPException(404) if connection.scope["type"] == "http" else WebSocketException(1000)


def found(connection: HTTPConnection, record: object) -> object:
    """Return a record that was loaded.

    Raises:
        HTTPException: 404: there is none.
    """
    if record is None:
        raise nothing(connection)
    return record


def routes(app: Starlette) -> Iterator[Route]:
    """Iterate over the routes of an application, and what each asks."""
    return listed(app.routes, "")


def listed(entries: Iterable[BaseRoute], above: str) -> Iterator[Route]:
    """Iterate over routes and those mounted below them; what can't be looked into is one that nobody has said of."""
    for entry in entries:
        path = above + getattr(entry, "path", "")
        if isinstance(entry, Mount | Host) and entry.routes:
            yield from listed(entry.routes, path)
        elif isinstance(entry, Path):
            yield from asked_by(entry.endpoint, path, entry.methods or ())
        elif isinstance(entry, WebSocketRoute):
            yield evolve(asked_of(entry.endpoint), path=path, methods=("WEBSOCKET",))
        else:
            yield Route(f"{path}/*", ())


def asked_by(endpoint: Endpoint, path: str, methods: Collection[str]) -> Iterator[Route]:
    """Iterate over what an endpoint asks: one route, or one for each method of a class."""
    if isinstance(endpoint, type) and issubclass(endpoint, HTTPEndpoint):
        for method in ("GET", "POST", "PUT", "PATCH", "DELETE"):
            each = getattr(endpoint, method.lower(), None)
            if each is not None:
                yield evolve(asked_of(each), path=path, methods=(method,))
    else:
        yield evolve(asked_of(endpoint), path=path, methods=tuple(sorted(set(methods) - {"HEAD", "OPTIONS"})))
