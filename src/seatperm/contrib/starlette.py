"""seatperm in a Starlette application; `seatperm.contrib.fastapi` has more for FastAPI.

    auth = Seatperm(org)
    auth.install(app)

    @auth.needs("sales.invoices", "view", load=find_invoice)
    async def show(request: Request, invoice: Invoice) -> Response: ...

The organization may be of `seatperm.open` (it is asked in worker threads) or of `seatperm.aio.open` (it is awaited).
Needs the extra `starlette`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from datetime import timedelta
from functools import wraps
from typing import TYPE_CHECKING, Any, Final

from attrs import define, evolve, field
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import HTTPConnection, Request
from starlette.responses import JSONResponse, Response
from starlette.routing import BaseRoute, Mount
from starlette.routing import Route as Path

import seatperm

from .asgi import AsyncGate, called
from .web import PROBLEM_JSON, Carrier, Cookie, HiddenDenial, Need, Route, answer

if TYPE_CHECKING:
    from .asgi import AnyOrganization, AnySession

ROUTE: Final = "_seatperm_route"
"""The attribute of an endpoint in which its decorators leave what it asks."""

Endpoint = Callable[..., Any]


@define(eq=False, repr=False)
class Seatperm:
    """The seats and the checks of a Starlette application.

    Args:
        organization: the organization, or a function from the request to its organization.
        carrier: how tokens travel: a `Cookie` unless said, or a `Bearer`.
        reasons: whether a denial tells its user why.
    """

    _organization: AnyOrganization | Callable[[HTTPConnection], AnyOrganization]
    carrier: Carrier = field(factory=Cookie, kw_only=True)
    reasons: bool = field(default=True, kw_only=True)

    def install(self, app: Starlette) -> None:
        """Have the application answer seatperm's errors as problems: 401, 403, 404 and 503 told apart."""
        app.add_exception_handler(seatperm.SeatpermError, self._answer)

    def organization(self, connection: HTTPConnection) -> AnyOrganization:
        """Return the organization of a request."""
        return self._organization(connection) if callable(self._organization) else self._organization

    async def session(self, connection: HTTPConnection) -> AnySession:
        """Return the session of a request: taken up, and so touched, at the first use.

        Raises:
            NotSignedIn: the request brings no token.
            SessionEnded, StoreUnavailable: as `Organization.resume`.
        """
        if not hasattr(connection.state, "seatperm_session"):
            connection.state.seatperm_session = await self._gate(connection).resume(connection)
        session: AnySession = connection.state.seatperm_session
        return session

    async def sign_in(
        self,
        request: Request,
        response: Response,
        user: str | seatperm.User,
        client: str | None = None,
        wait: timedelta | None = None,
    ) -> AnySession:
        """Take a seat for a user who has shown the host, by a password or otherwise, who it is.

        A session that the request brought is ended first.

        Args:
            request: the present one.
            response: the answer to it, which hands over the token.
            user, client, wait: as `Organization.sign_in`.

        Raises:
            SeatsExhausted, SignInRefused, UnknownUser, StoreUnavailable: as `Organization.sign_in`.
        """
        session = await self._gate(request).sign_in(request, user, client, wait)
        request.state.seatperm_session = session
        response.headers.append(*self.carrier.write(session.token))
        return session

    async def sign_out(self, request: Request, response: Response) -> None:
        """End the session that a request brings, if it does, and have the answer to it take the token back."""
        await self._gate(request).leave(request)
        response.headers.append(*self.carrier.write(None))

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
        need = self.need(resource, action, scope, hide_existence)

        def decorate(endpoint: Endpoint) -> Endpoint:
            @wraps(endpoint)
            async def asked(request: Request) -> Response:
                await self.session(request)
                record = () if load is None else (found(await called(load, request)),)
                await self.require(request, need, *record)
                response: Response = await called(endpoint, request, *record)
                return response

            return marked(asked, need)

        return decorate

    def signed_in(self, endpoint: Endpoint) -> Endpoint:
        """Let an endpoint be called by whoever has a session."""

        @wraps(endpoint)
        async def asked(request: Request) -> Response:
            await self.session(request)
            response: Response = await called(endpoint, request)
            return response

        return marked(asked)

    def need(self, resource: str, action: str, scope: str | None, hide_existence: bool) -> Need:
        """Return what a route needs, its names looked up where the catalog is known by now.

        Raises:
            UnknownResource, UnknownAction, UnknownScope: the catalog has none of that name.
        """
        need = Need(resource, action, scope, hide_existence)
        if not callable(self._organization):
            need.check(self._organization.catalog)
        return need

    async def require(self, connection: HTTPConnection, need: Need, record: object = None) -> None:
        """Go on only if the user of a request may do what is needed, with the record if one is given.

        Raises:
            HTTPException: 404: the user may not, and the need hides what there is.
            NotSignedIn, SessionEnded, AccessDenied, NoRelation, StoreUnavailable: what they say.
        """
        try:
            await self._gate(connection).require(await self.session(connection), need, record)
        except HiddenDenial as denied:
            raise HTTPException(404) from denied

    def _gate(self, connection: HTTPConnection) -> AsyncGate:
        return AsyncGate(self.organization(connection), self.carrier)

    async def _answer(self, _request: Request, error: Exception) -> Response:
        told = answer(error, reasons=self.reasons) if isinstance(error, seatperm.SeatpermError) else None
        if told is None or told.status == 500:
            raise error
        return JSONResponse(dict(told.body), told.status, dict(told.headers), PROBLEM_JSON)


def found(record: object) -> object:
    """Return a record that was loaded.

    Raises:
        HTTPException: 404: there is none.
    """
    if record is None:
        raise HTTPException(404)
    return record


def public(endpoint: Endpoint) -> Endpoint:
    """Say that an endpoint is for everyone, so that `seatperm routes` does not name it."""
    setattr(endpoint, ROUTE, Route("", (), public=True))
    return endpoint


def routes(app: Starlette) -> Iterator[Route]:
    """Iterate over the routes of an application, and what each asks."""
    return listed(app.routes, "")


def listed(entries: Iterable[BaseRoute], above: str) -> Iterator[Route]:
    """Iterate over routes and those mounted below them."""
    for entry in entries:
        if isinstance(entry, Mount):
            yield from listed(entry.routes, above + entry.path)
        elif isinstance(entry, Path):
            asks: Route = getattr(entry.endpoint, ROUTE, Route("", ()))
            methods = sorted(set(entry.methods or ()) - {"HEAD", "OPTIONS"})
            yield evolve(asks, path=above + entry.path, methods=tuple(methods))


def marked(endpoint: Endpoint, *needs: Need) -> Endpoint:
    """Leave on an endpoint what it asks."""
    asks: Route = getattr(endpoint, ROUTE, Route("", ()))
    setattr(endpoint, ROUTE, evolve(asks, needs=(*needs, *asks.needs), signed_in=True))
    return endpoint
