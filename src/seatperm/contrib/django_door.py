"""One request of a Django project: its seats and its checks; `seatperm.contrib.django` gives it to views."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from datetime import timedelta
from typing import Any

from asgiref.sync import iscoroutinefunction, markcoroutinefunction
from attrs import define, field, fields_dict, frozen
from django.conf import settings
from django.core.exceptions import ImproperlyConfigured
from django.http import Http404, HttpRequest, JsonResponse
from django.http.response import HttpResponseBase
from django.utils.cache import patch_vary_headers
from django.utils.module_loading import import_string
from django.views.decorators.debug import sensitive_variables

import seatperm

from .web import PROBLEM_JSON, Carrier, Cookie, Gate, HiddenDenial, Need, OnUnavailable, answer


def primary_key(user: Any) -> str:
    """Return the id by which seatperm knows a user of Django's: the primary key, as a string."""
    return str(user.pk)


@frozen(kw_only=True)
class Configuration:
    """What `SEATPERM` in the settings says, by these names; a dotted path stands for what it leads to.

    Attributes:
        organization: the organization, or a function from the request to its organization.
        carrier: how tokens travel.
        reasons: whether a denial tells its user why.
        user_id: a function from a user of Django's to the id by which seatperm knows the user.
        on_unavailable: what a request gets while the session store does not answer: "deny", a 503, or "grace", which
            goes on with what this process has last seen of its session, until the lease runs out.
        answer: a function from the request and an error of seatperm's to the project's own answer, such as a
            redirect to the page where people sign in; None leaves it to seatperm.
    """

    organization: seatperm.Organization | Callable[[HttpRequest], seatperm.Organization]
    carrier: Carrier = field(factory=Cookie)
    reasons: bool = True
    user_id: Callable[[Any], str] = primary_key
    on_unavailable: OnUnavailable = "deny"
    answer: Callable[[HttpRequest, seatperm.SeatpermError], HttpResponseBase | None] | None = None

    @classmethod
    def read(cls) -> Configuration:
        """Return what the settings say.

        Raises:
            ImproperlyConfigured: they don't say it, or not like this.
        """
        said = getattr(settings, "SEATPERM", None)
        if not isinstance(said, Mapping) or "organization" not in said:
            raise ImproperlyConfigured('SEATPERM has to be a dict, such as {"organization": "shop.books.organization"}')
        unknown = sorted(set(said) - set(fields_dict(cls)))
        if unknown:
            raise ImproperlyConfigured(f"SEATPERM has {unknown[0]!r}; it may have {', '.join(fields_dict(cls))}")
        try:
            return cls(**{name: import_string(it) if isinstance(it, str) else it for name, it in said.items()})
        except ImportError as error:
            raise ImproperlyConfigured(f"SEATPERM names what can't be imported: {error}") from error


@define(eq=False, repr=False)
class Door:
    """The seats and the checks of one request: `door(request)`."""

    _request: HttpRequest
    _configuration: Configuration
    _organization: seatperm.Organization | None = field(init=False, default=None)
    _session: seatperm.Session | None = field(init=False, default=None)
    _sent: tuple[str, str] | None = field(init=False, default=None)
    _looked: bool = field(init=False, default=False)

    @property
    def organization(self) -> seatperm.Organization:
        """The organization of the request; it is looked for once."""
        if self._organization is None:
            said = self._configuration.organization
            self._organization = said(self._request) if callable(said) else said
        return self._organization

    @property
    @sensitive_variables()
    def session(self) -> seatperm.Session:
        """The session of the request: taken up, and so touched, at its first use.

        Raises:
            NotSignedIn: the request brings no token.
            SessionEnded, StoreUnavailable: as `Organization.resume`.
        """
        self._looked = True
        if self._session is None:
            self._session = self._gate.resume(*self._brought)
        return self._session

    @sensitive_variables()
    def sign_in(self, user: object, client: str | None = None, wait: timedelta | None = None) -> seatperm.Session:
        """Take a seat for a user who has shown Django, by a password or otherwise, who it is.

        The answer to the request hands over the token. Whoever signs in again from where they are signed in keeps
        the seat; any other session that the request brought is ended first.

        Args:
            user: one of Django's, one of seatperm's, or a user id.
            client, wait: as `Organization.sign_in`; who waits keeps a thread of the server's busy.

        Raises:
            Stranger: the organization has no such user.
            SeatsExhausted, SignInRefused, StoreUnavailable: as `Organization.sign_in`.
        """
        known = user if isinstance(user, str | seatperm.User) else self._configuration.user_id(user)
        self._undo()
        self._session = session = self._gate.sign_in(*self._brought, known, client, wait)
        self._sent = self._configuration.carrier.write(session.token)
        return session

    @sensitive_variables()
    def sign_out(self) -> None:
        """End the session that the request brings, if it does, and take its token back.

        Raises:
            StoreUnavailable: the store did not answer; the token stays, so that it can be tried again.
        """
        self._undo()
        self._gate.leave(*self._brought)
        self._sent = self._configuration.carrier.write(None)

    def require(self, need: Need, *record: object) -> None:
        """Go on only if the user may do what is needed, with the record if one is given.

        Raises:
            Http404: the user may not, and the need hides what there is.
            NotSignedIn, SessionEnded, AccessDenied, NoRelation, StoreUnavailable: what they say.
        """
        try:
            self._gate.require(self.session, need, *record)
        except HiddenDenial as denied:
            raise Http404 from denied

    def send(self, response: HttpResponseBase) -> None:
        """Put the token that was handed over, or taken back, into the answer, and by what it varies."""
        if self._looked:
            patch_vary_headers(response, [self._configuration.carrier.varies_by])
        if self._sent is not None:
            name, value = self._sent
            if name == "Set-Cookie":
                response.cookies.load(value)
            else:
                response.headers[name] = value
            response.headers["Cache-Control"] = "no-store"

    def problem(self, error: seatperm.SeatpermError) -> HttpResponseBase | None:
        """Return the answer to an error of seatperm's; None where it is a mistake of the host's."""
        configuration = self._configuration
        own = configuration.answer(self._request, error) if configuration.answer is not None else None
        told = answer(error, reasons=configuration.reasons)
        if own is not None or told.status == 500:
            return own
        return JsonResponse(dict(told.body), status=told.status, headers=dict(told.headers), content_type=PROBLEM_JSON)

    def _undo(self) -> None:
        """Give back a seat that was taken in this request, while nobody has its token yet."""
        if self._sent is not None and self._session is not None:
            self._session.end()
        self._session = None

    @property
    def _gate(self) -> Gate:
        return Gate(self.organization, self._configuration.carrier, self._configuration.on_unavailable)

    @property
    def _brought(self) -> tuple[str | None, Mapping[str, str]]:
        return self._request.headers.get("Authorization"), self._request.COOKIES


present: ContextVar[Door | None] = ContextVar("seatperm_door", default=None)
"""The door of the request that is being answered."""


def door(request: HttpRequest) -> Door:
    """Return the seats and the checks of a request.

    Raises:
        ImproperlyConfigured: `SeatpermMiddleware` is not among the middleware.
    """
    found = getattr(request, "seatperm", None)
    if not isinstance(found, Door):
        raise ImproperlyConfigured("put 'seatperm.contrib.django.SeatpermMiddleware' into MIDDLEWARE")
    return found


class SeatpermMiddleware:
    """Gives each request its `door`, hands tokens over, and answers seatperm's errors as problems."""

    sync_capable = True
    async_capable = True

    def __init__(self, get_response: Callable[[HttpRequest], Any]) -> None:
        self._get_response = get_response
        self._configuration = Configuration.read()
        if iscoroutinefunction(get_response):
            markcoroutinefunction(self)

    def __call__(self, request: HttpRequest) -> Any:
        """Answer a request, or return what is awaited for that."""
        if iscoroutinefunction(self):
            return self._awaited(request)
        with self._at(request) as found:
            response: HttpResponseBase = self._get_response(request)
        found.send(response)
        return response

    async def _awaited(self, request: HttpRequest) -> HttpResponseBase:
        with self._at(request) as found:
            response: HttpResponseBase = await self._get_response(request)
        found.send(response)
        return response

    @contextmanager
    def _at(self, request: HttpRequest) -> Iterator[Door]:
        found = Door(request, self._configuration)
        request.seatperm = found  # type: ignore[attr-defined] # Django's own way to give a request more
        before = present.set(found)
        try:
            yield found
        finally:
            present.reset(before)

    def process_exception(self, request: HttpRequest, error: Exception) -> HttpResponseBase | None:
        """Return the answer to an error of seatperm's, None for any other."""
        return door(request).problem(error) if isinstance(error, seatperm.SeatpermError) else None
