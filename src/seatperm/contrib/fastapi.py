"""seatperm in a FastAPI application: sign-in takes a seat, dependencies say what a route needs.

    auth = Seatperm(org)
    auth.install(app)

    @app.get("/invoices/{id}")
    async def show(invoice: Annotated[Invoice, auth.needs("sales.invoices", "view", load=find_invoice)]): ...

The organization may be of `seatperm.open` (it is asked in worker threads) or of `seatperm.aio.open` (it is awaited).
Needs the extra `fastapi`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any

from attrs import define
from fastapi import Depends, FastAPI, routing
from fastapi.dependencies.models import Dependant
from starlette.requests import HTTPConnection
from starlette.routing import BaseRoute, Host, Mount

from .starlette import Installed, asked_by, found, listed
from .web import Route, asked_of, marked, public

__all__ = ["Seatperm", "public", "routes"]


@define(eq=False, repr=False)
class Seatperm(Installed):
    """The seats and the checks of a FastAPI application.

    Args:
        organization: the organization, or a function from the request to its organization; it may be asynchronous.
        carrier: how tokens travel: a `Cookie` unless said, or a `Bearer`.
        reasons: whether a denial tells its user why.
        on_unavailable: what a request gets while the session store does not answer: "deny", a 503, or "grace", which
            goes on with what this process has last seen of its session, until the lease runs out.
    """

    @property
    def signed_in(self) -> Any:
        """The dependency of a route that is for whoever has a session; it gives the session."""

        async def session(connection: HTTPConnection) -> object:
            return await self.session(connection)

        return Depends(marked(session))

    def needs(
        self,
        resource: str,
        action: str,
        *,
        scope: str | None = None,
        load: Callable[..., object] | None = None,
        hide_existence: bool = False,
    ) -> Any:
        """Return the dependency of a route that only who may do this can call.

        It gives the record, or, without `load`, the session.

        Args:
            resource, action: as `Organization.can`.
            scope: the scope that is asked; without one, and without a record, every record is.
            load: a dependency that returns the record, such as from what stands in the path, None (a 404) where
                there is none. It is called once, for who is signed in.
            hide_existence: who may not gets a 404, as where there is nothing.

        Raises:
            UnknownResource, UnknownAction, UnknownScope: the catalog has none of that name; at the first request
                where each has an organization of its own.
        """
        need = self._need(resource, action, scope, hide_existence)

        async def session(connection: HTTPConnection) -> object:
            return await self.session(connection)

        async def asked(connection: HTTPConnection, taken_up: object = Depends(session)) -> object:
            await self.require(connection, need)
            return taken_up

        async def asked_about(
            connection: HTTPConnection, _session: object = Depends(session), record: object = Depends(load)
        ) -> object:
            await self.require(connection, need, found(connection, record))
            return record

        return Depends(marked(asked if load is None else asked_about, need))


def routes(app: FastAPI) -> Iterator[Route]:
    """Iterate over the routes of an application, and what each asks."""
    return _routes(app.routes, "")


def _routes(entries: Sequence[BaseRoute], above: str) -> Iterator[Route]:
    # Newer versions keep an included router whole, and tell its routes only so.
    known: Any = getattr(routing, "iter_route_contexts", iter)
    for entry in known(entries):
        original = getattr(entry, "original_route", entry)
        effective = getattr(entry, "_effective_route", entry)
        path = above + (getattr(effective, "path", None) or "")
        if isinstance(original, routing.APIRoute | routing.APIWebSocketRoute):
            methods = getattr(effective, "methods", None) or {"WEBSOCKET"}
            for route in asked_by(original.endpoint, path, methods):
                for asks in _dependencies([effective.dependant]):
                    route = route.beside(asks)
                yield route
        elif isinstance(effective, Mount | Host) and effective.routes:
            yield from _routes(effective.routes, path)
        else:
            yield from listed([effective], above)


def _dependencies(dependants: Iterable[Dependant]) -> Iterator[Route]:
    for dependant in dependants:
        asks = asked_of(dependant.call)
        if asks.signed_in:
            yield asks
        yield from _dependencies(dependant.dependencies)
