"""seatperm in a Flask application: sign-in takes a seat, decorators say what a view needs.

    auth = Seatperm(org, app)

    @app.get("/invoices/<int:id>")
    @auth.needs("sales.invoices", "view", load=find_invoice)
    def show(invoice: Invoice) -> dict[str, object]: ...

Needs the extra `flask`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import timedelta
from functools import wraps
from typing import Any, Concatenate, Final, ParamSpec, Protocol, TypeVar, overload

from attrs import define, evolve, field
from flask import Flask, Response, after_this_request, current_app, json, request
from flask.views import View
from werkzeug.exceptions import NotFound

import seatperm

from .web import (
    PROBLEM_JSON,
    Carrier,
    Cookie,
    Gate,
    HiddenDenial,
    Need,
    OnUnavailable,
    Route,
    answer,
    asked_of,
    marked,
    public,
)

__all__ = ["Loaded", "Seatperm", "public", "routes"]

P = ParamSpec("P")
R = TypeVar("R")
T = TypeVar("T")
T_co = TypeVar("T_co", covariant=True)
V = TypeVar("V", bound=View)

_VISITS: Final = "seatperm.visits"


class Loaded(Protocol[P, T_co]):
    """A decorator of views, and of the methods of class-based ones, that are given a record."""

    @overload
    def __call__(self, view: Callable[[T_co], R], /) -> Callable[P, R]: ...

    @overload
    def __call__(self, view: Callable[[V, T_co], R], /) -> Callable[Concatenate[V, P], R]: ...


@define(eq=False, repr=False)
class _Visit:
    organization: seatperm.Organization | None = None
    session: seatperm.Session | None = None
    sent: tuple[str, str] | None = None
    vary: str | None = None

    def undo(self) -> None:
        """Give back a seat that was taken in this request, while nobody has its token yet."""
        if self.sent is not None and self.session is not None:
            self.session.end()
        self.session = None

    def send(self, response: Response) -> Response:
        if self.vary is not None:
            response.vary.add(self.vary)
        if self.sent is not None:
            response.headers.add(*self.sent)
            response.headers["Cache-Control"] = "no-store"
        return response


@define(eq=False, repr=False)
class Seatperm:
    """The seats and the checks of a Flask application.

    Args:
        organization: the organization, or a function that returns the one of the present request.
        app: the application; or call `init_app` later.
        carrier: how tokens travel: a `Cookie` unless said, or a `Bearer`.
        reasons: whether a denial tells its user why.
        on_unavailable: what a request gets while the session store does not answer: "deny", a 503, or "grace", which
            goes on with what this process has last seen of its session, until the lease runs out.
    """

    _organization: seatperm.Organization | Callable[[], seatperm.Organization]
    app: Flask | None = field(default=None)
    carrier: Carrier = field(factory=Cookie, kw_only=True)
    reasons: bool = field(default=True, kw_only=True)
    on_unavailable: OnUnavailable = field(default="deny", kw_only=True)

    def __attrs_post_init__(self) -> None:
        if self.app is not None:
            self.init_app(self.app)

    def init_app(self, app: Flask) -> None:
        """Have the application answer seatperm's errors as problems: 401, 403, 404 and 503 told apart."""
        app.register_error_handler(seatperm.SeatpermError, self._answer)

    @property
    def organization(self) -> seatperm.Organization:
        """The organization of the present request; it is looked for once."""
        if not callable(self._organization):
            return self._organization
        visit = self._visit()
        if visit.organization is None:
            visit.organization = self._organization()
        return visit.organization

    @property
    def session(self) -> seatperm.Session:
        """The session of the present request: taken up, and so touched, at its first use.

        Raises:
            NotSignedIn: the request brings no token.
            SessionEnded, StoreUnavailable: as `Organization.resume`.
        """
        visit = self._visit()
        visit.vary = self.carrier.varies_by
        if visit.session is None:
            visit.session = self._gate().resume(request.headers.get("Authorization"), request.cookies)
        return visit.session

    def sign_in(
        self, user: str | seatperm.User, client: str | None = None, wait: timedelta | None = None
    ) -> seatperm.Session:
        """Take a seat for a user who has shown the host, by a password or otherwise, who it is.

        The answer to the present request hands over the token. Whoever signs in again from where they are signed in
        keeps the seat; any other session that the request brought is ended first.

        Args:
            user, client, wait: as `Organization.sign_in`; who waits keeps a thread of the server's busy.

        Raises:
            Stranger: the organization has no such user.
            SeatsExhausted, SignInRefused, StoreUnavailable: as `Organization.sign_in`.
        """
        visit, brought = self._visit(), (request.headers.get("Authorization"), request.cookies)
        visit.undo()
        visit.session = session = self._gate().sign_in(*brought, user, client, wait)
        visit.sent = self.carrier.write(session.token)
        return session

    def sign_out(self) -> None:
        """End the session that the present request brings, if it does, and take its token back.

        Raises:
            StoreUnavailable: the store did not answer; the token stays, so that it can be tried again.
        """
        visit = self._visit()
        visit.undo()
        self._gate().leave(request.headers.get("Authorization"), request.cookies)
        visit.sent = self.carrier.write(None)

    @overload
    def needs(
        self, resource: str, action: str, *, scope: str | None = None, hide_existence: bool = False
    ) -> Callable[[Callable[P, R]], Callable[P, R]]: ...

    @overload
    def needs(
        self, resource: str, action: str, *, load: Callable[P, T | None], hide_existence: bool = False
    ) -> Loaded[P, T]: ...

    def needs(
        self,
        resource: str,
        action: str,
        *,
        scope: str | None = None,
        load: Callable[..., object] | None = None,
        hide_existence: bool = False,
    ) -> Any:
        """Let a view be called only by who may do this.

        Args:
            resource, action: as `Organization.can`.
            scope: the scope that is asked; without one, and without a record, every record is.
            load: returns the record that the URL names, None (a 404) where there is none; it may be asynchronous.
                It is called once, for who is signed in, with what stands in the URL, and the view is called with the
                record alone.
            hide_existence: who may not gets a 404, as where there is nothing.

        Raises:
            UnknownResource, UnknownAction, UnknownScope: the catalog has none of that name; at the first request
                where each has an organization of its own.
        """
        need = Need(resource, action, scope, hide_existence)
        if not callable(self._organization):
            need.check(self._organization.catalog)

        def decorate(view: Callable[..., Any]) -> Callable[..., Any]:
            @wraps(view)
            def asked(*args: Any, **kwargs: Any) -> Any:
                session = self.session
                if load is None:
                    self._require(session, need)
                    return current_app.ensure_sync(view)(*args, **kwargs)
                within = args[:1] if isinstance(args[0] if args else None, View) else ()
                record = current_app.ensure_sync(load)(*args[len(within) :], **kwargs)
                if record is None:
                    raise NotFound
                self._require(session, need, record)
                return current_app.ensure_sync(view)(*within, record)

            return marked(asked, need)

        return decorate

    def signed_in(self, view: Callable[P, R]) -> Callable[P, R]:
        """Let a view be called by whoever has a session."""

        @wraps(view)
        def asked(*args: P.args, **kwargs: P.kwargs) -> Any:
            self.session.touch()
            return current_app.ensure_sync(view)(*args, **kwargs)

        return marked(asked)

    def _gate(self) -> Gate:
        return Gate(self.organization, self.carrier, self.on_unavailable)

    def _require(self, session: seatperm.Session, need: Need, record: object = None) -> None:
        try:
            self._gate().require(session, need, record)
        except HiddenDenial as denied:
            raise NotFound from denied

    def _visit(self) -> _Visit:
        # Not in `g`, which tests that push an application's context share between requests.
        visits: dict[Seatperm, _Visit] = request.environ.setdefault(_VISITS, {})
        if self not in visits:
            visits[self] = _Visit()
            after_this_request(visits[self].send)
        return visits[self]

    def _answer(self, error: seatperm.SeatpermError) -> Response:
        if answer(error).status == 500:
            raise error
        told = answer(error, reasons=self.reasons)
        response = Response(json.dumps(told.body), told.status, mimetype=PROBLEM_JSON)
        response.headers.update(told.headers)
        return response


def routes(app: Flask) -> Iterator[Route]:
    """Iterate over the routes of an application, and what each asks."""
    for rule in app.url_map.iter_rules():
        view = app.view_functions.get(rule.endpoint)
        asks = asked_of(view)
        methods = sorted((rule.methods or set()) - {"HEAD", "OPTIONS"})
        of_class = {method: getattr(getattr(view, "view_class", None), method.lower(), None) for method in methods}
        if not any(of_class.values()):
            yield evolve(asks, path=rule.rule, methods=tuple(methods))
            continue
        for method, function in of_class.items():
            yield evolve(asks.beside(asked_of(function)), path=rule.rule, methods=(method,))
