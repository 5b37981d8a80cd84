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
from typing import Any, Final, ParamSpec, TypeVar, overload

from attrs import define, evolve, field
from flask import Flask, Response, after_this_request, current_app, g, json, request
from werkzeug.exceptions import NotFound

import seatperm

from .web import PROBLEM_JSON, Carrier, Cookie, Gate, HiddenDenial, Need, Route, answer

P = ParamSpec("P")
R = TypeVar("R")
T = TypeVar("T")

_ROUTE: Final = "_seatperm_route"


@define(eq=False, repr=False)
class Seatperm:
    """The seats and the checks of a Flask application.

    Args:
        organization: the organization, or a function that returns the one of the present request.
        app: the application; or call `init_app` later.
        carrier: how tokens travel: a `Cookie` unless said, or a `Bearer`.
        reasons: whether a denial tells its user why.
    """

    _organization: seatperm.Organization | Callable[[], seatperm.Organization]
    app: Flask | None = field(default=None)
    carrier: Carrier = field(factory=Cookie, kw_only=True)
    reasons: bool = field(default=True, kw_only=True)

    def __attrs_post_init__(self) -> None:
        if self.app is not None:
            self.init_app(self.app)

    def init_app(self, app: Flask) -> None:
        """Have the application answer seatperm's errors as problems: 401, 403, 404 and 503 told apart."""
        app.register_error_handler(seatperm.SeatpermError, self._answer)

    @property
    def organization(self) -> seatperm.Organization:
        """The organization of the present request."""
        return self._organization() if callable(self._organization) else self._organization

    @property
    def session(self) -> seatperm.Session:
        """The session of the present request: taken up, and so touched, at its first use.

        Raises:
            NotSignedIn: the request brings no token.
            SessionEnded, StoreUnavailable: as `Organization.resume`.
        """
        if "seatperm_session" not in g:
            g.seatperm_session = self._gate().resume(request.headers.get("Authorization"), request.cookies)
        session: seatperm.Session = g.seatperm_session
        return session

    def sign_in(
        self, user: str | seatperm.User, client: str | None = None, wait: timedelta | None = None
    ) -> seatperm.Session:
        """Take a seat for a user who has shown the host, by a password or otherwise, who it is.

        The answer to the present request hands over the token. A session that the request brought is ended first.

        Args:
            user, client, wait: as `Organization.sign_in`.

        Raises:
            SeatsExhausted, SignInRefused, UnknownUser, StoreUnavailable: as `Organization.sign_in`.
        """
        gate = self._gate()
        gate.leave(request.headers.get("Authorization"), request.cookies)
        g.seatperm_session = session = gate.sign_in(user, client, wait)
        self._hand_over(session.token)
        return session

    def sign_out(self) -> None:
        """End the session that the present request brings, if it does, and take its token back."""
        self._gate().leave(request.headers.get("Authorization"), request.cookies)
        g.pop("seatperm_session", None)
        self._hand_over(None)

    @overload
    def needs(
        self, resource: str, action: str, *, scope: str | None = None, hide_existence: bool = False
    ) -> Callable[[Callable[P, R]], Callable[P, R]]: ...

    @overload
    def needs(
        self, resource: str, action: str, *, load: Callable[P, T | None], hide_existence: bool = False
    ) -> Callable[[Callable[[T], R]], Callable[P, R]]: ...

    def needs(
        self,
        resource: str,
        action: str,
        *,
        scope: str | None = None,
        load: Callable[..., object] | None = None,
        hide_existence: bool = False,
    ) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
        """Let a view be called only by who may do this.

        Args:
            resource, action: as `Organization.can`.
            scope: the scope that is asked; without one, and without a record, every record is.
            load: returns the record that the URL names, None (a 404) where there is none. It is called once, for
                who is signed in, with what stands in the URL, and the view is called with the record alone.
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
                record = load(*args, **kwargs)
                if record is None:
                    raise NotFound
                self._require(session, need, record)
                return current_app.ensure_sync(view)(record)

            return _marked(asked, need)

        return decorate

    def signed_in(self, view: Callable[P, R]) -> Callable[P, R]:
        """Let a view be called by whoever has a session."""

        @wraps(view)
        def asked(*args: P.args, **kwargs: P.kwargs) -> Any:
            self.session.touch()
            return current_app.ensure_sync(view)(*args, **kwargs)

        return _marked(asked)

    def _gate(self) -> Gate:
        return Gate(self.organization, self.carrier)

    def _require(self, session: seatperm.Session, need: Need, record: object = None) -> None:
        try:
            self._gate().require(session, need, record)
        except HiddenDenial as denied:
            raise NotFound from denied

    def _hand_over(self, token: str | None) -> None:
        name, value = self.carrier.write(token)

        @after_this_request
        def send(response: Response) -> Response:
            response.headers.add(name, value)
            return response

    def _answer(self, error: seatperm.SeatpermError) -> Response:
        if answer(error).status == 500:
            raise error
        told = answer(error, reasons=self.reasons)
        response = Response(json.dumps(told.body), told.status, mimetype=PROBLEM_JSON)
        response.headers.update(told.headers)
        return response


def public(view: Callable[P, R]) -> Callable[P, R]:
    """Say that a view is for everyone, so that `seatperm routes` does not name it."""
    setattr(view, _ROUTE, Route("", (), public=True))
    return view


def routes(app: Flask) -> Iterator[Route]:
    """Iterate over the routes of an application, and what each asks."""
    for rule in app.url_map.iter_rules():
        asks = getattr(app.view_functions[rule.endpoint], _ROUTE, Route("", ()))
        methods = sorted((rule.methods or set()) - {"HEAD", "OPTIONS"})
        yield evolve(asks, path=rule.rule, methods=tuple(methods))


def _marked(view: Callable[..., Any], *needs: Need) -> Callable[..., Any]:
    asks = getattr(view, _ROUTE, Route("", ()))
    setattr(view, _ROUTE, evolve(asks, needs=(*needs, *asks.needs), signed_in=True))
    return view
