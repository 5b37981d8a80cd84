"""seatperm in a Django project: a middleware, an authentication backend, a decorator, system checks.

    INSTALLED_APPS = [..., "seatperm.contrib.django.SeatpermConfig"]
    MIDDLEWARE = [..., "seatperm.contrib.django.SeatpermMiddleware"]
    AUTHENTICATION_BACKENDS = [..., "seatperm.contrib.django.SeatpermBackend"]
    SEATPERM = {"organization": "shop.books.organization"}

    @needs("sales.invoices", "view", load=find_invoice)
    def show(request: HttpRequest, invoice: Invoice) -> HttpResponse: ...

Needs the extra `django`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextvars import ContextVar
from datetime import timedelta
from functools import wraps
from inspect import iscoroutinefunction
from typing import Any, Final, cast

from asgiref.sync import sync_to_async
from attrs import define, evolve, field, fields_dict, frozen
from django.apps import AppConfig
from django.conf import settings
from django.contrib.auth import get_user_model
from django.core import checks
from django.core.exceptions import ImproperlyConfigured
from django.http import Http404, HttpRequest, HttpResponse, JsonResponse
from django.http.response import HttpResponseBase
from django.urls import URLPattern, URLResolver, get_resolver
from django.utils.module_loading import import_string

import seatperm

from .web import PROBLEM_JSON, Carrier, Cookie, Gate, HiddenDenial, Need, Route, answer

_ROUTE: Final = "_seatperm_route"

View = Callable[..., Any]


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
    """

    organization: seatperm.Organization | Callable[[HttpRequest], seatperm.Organization]
    carrier: Carrier = field(factory=Cookie)
    reasons: bool = True
    user_id: Callable[[Any], str] = primary_key

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
    _session: seatperm.Session | None = field(init=False, default=None)
    _handed_over: tuple[str, str] | None = field(init=False, default=None)

    @property
    def organization(self) -> seatperm.Organization:
        """The organization of the request."""
        organization = self._configuration.organization
        return organization(self._request) if callable(organization) else organization

    @property
    def session(self) -> seatperm.Session:
        """The session of the request: taken up, and so touched, at its first use.

        Raises:
            NotSignedIn: the request brings no token.
            SessionEnded, StoreUnavailable: as `Organization.resume`.
        """
        if self._session is None:
            self._session = self._gate.resume(*self._brought)
        return self._session

    def sign_in(self, user: object, client: str | None = None, wait: timedelta | None = None) -> seatperm.Session:
        """Take a seat for a user who has shown Django, by a password or otherwise, who it is.

        The answer to the request hands over the token. A session that the request brought is ended first.

        Args:
            user: one of Django's, one of seatperm's, or a user id.
            client, wait: as `Organization.sign_in`.

        Raises:
            SeatsExhausted, SignInRefused, UnknownUser, StoreUnavailable: as `Organization.sign_in`.
        """
        known = user if isinstance(user, str | seatperm.User) else self._configuration.user_id(user)
        self._gate.leave(*self._brought)
        self._session = session = self._gate.sign_in(known, client, wait)
        self._handed_over = self._configuration.carrier.write(session.token)
        return session

    def sign_out(self) -> None:
        """End the session that the request brings, if it does, and take its token back."""
        self._gate.leave(*self._brought)
        self._session, self._handed_over = None, self._configuration.carrier.write(None)

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
        """Put the token that was handed over, or taken back, into the answer."""
        if self._handed_over is not None:
            name, value = self._handed_over
            if name == "Set-Cookie":
                response.cookies.load(value)
            else:
                response.headers[name] = value

    def problem(self, error: seatperm.SeatpermError) -> HttpResponse | None:
        """Return the answer to an error of seatperm's; None where it is a mistake of the host's."""
        told = answer(error, reasons=self._configuration.reasons)
        if told.status == 500:
            return None
        return JsonResponse(dict(told.body), status=told.status, headers=dict(told.headers), content_type=PROBLEM_JSON)

    @property
    def _gate(self) -> Gate:
        return Gate(self.organization, self._configuration.carrier)

    @property
    def _brought(self) -> tuple[str | None, Mapping[str, str]]:
        return self._request.headers.get("Authorization"), self._request.COOKIES


_door: ContextVar[Door | None] = ContextVar("seatperm_door", default=None)


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

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponseBase]) -> None:
        self._get_response = get_response
        self._configuration = Configuration.read()

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        """Answer a request."""
        found = Door(request, self._configuration)
        request.seatperm = found  # type: ignore[attr-defined] # Django's own way to give a request more
        before = _door.set(found)
        try:
            response = self._get_response(request)
        finally:
            _door.reset(before)
        found.send(response)
        return response

    def process_exception(self, request: HttpRequest, error: Exception) -> HttpResponse | None:
        """Return the answer to an error of seatperm's, None for any other."""
        return door(request).problem(error) if isinstance(error, seatperm.SeatpermError) else None


class SeatpermBackend:
    """Answers `user.has_perm("sales.invoices:edit", invoice)` by seatperm; it signs nobody in.

    Django never asks a backend about an active superuser: see `AsksSeatperm`.
    """

    def authenticate(self, request: HttpRequest | None, **credentials: object) -> None:
        """Leave it to the other backends to find out who somebody is."""

    def get_user(self, user_id: object) -> None:
        """Return nobody: users are the other backends'."""

    def has_perm(self, user_obj: Any, perm: str, obj: object = None) -> bool:
        """Tell whether a user may do it; names without a colon are Django's own, and not answered here.

        Raises:
            UnknownResource, UnknownAction, NoRelation, StoreUnavailable: as `Organization.can`.
            ImproperlyConfigured: there is no request, and the organization is one of each request.
        """
        resource, colon, action = perm.rpartition(":")
        if not colon or user_obj.is_anonymous or not user_obj.is_active:
            return False
        current, configuration = _door.get(), Configuration.read()
        if current is None and callable(configuration.organization):
            raise ImproperlyConfigured(f"{perm!r} was asked about outside a request: call Organization.can instead")
        organization = cast("seatperm.Organization", configuration.organization)
        if current is not None:
            organization = current.organization
        return organization.can(configuration.user_id(user_obj), resource, action, obj)


class AsksSeatperm:
    """The first base of a user model whose superusers too are asked about: they get what their package contains.

    class User(AsksSeatperm, AbstractUser): ...
    """

    def has_perm(self, perm: str, obj: object = None) -> bool:
        """Tell whether the user may do it: by seatperm where the name has a colon, else as Django says."""
        if ":" in perm:
            return SeatpermBackend().has_perm(self, perm, obj)
        whole: bool = super().has_perm(perm, obj)  # type: ignore[misc] # the user model's other base has it
        return whole


def needs(
    resource: str,
    action: str,
    *,
    scope: str | None = None,
    load: Callable[..., object] | None = None,
    hide_existence: bool = False,
) -> Callable[[View], View]:
    """Let a view be called only by who may do this; `method_decorator` makes it one for classes.

    Args:
        resource, action: as `Organization.can`.
        scope: the scope that is asked; without one, and without a record, every record is.
        load: returns the record that the URL names, None (a 404) where there is none. It is called once, for who
            is signed in, with what stands in the URL, and the view is called with the request and the record.
        hide_existence: who may not gets a 404, as where there is nothing.
    """
    need = Need(resource, action, scope, hide_existence)

    def check(request: HttpRequest, *args: object, **kwargs: object) -> tuple[object, ...]:
        entry = door(request)
        if load is None:
            entry.require(need)
            return ()
        entry.session.touch()
        record = load(*args, **kwargs)
        if record is None:
            raise Http404
        entry.require(need, record)
        return (record,)

    def decorate(view: View) -> View:
        if iscoroutinefunction(view):

            @wraps(view)
            async def waited(request: HttpRequest, *args: object, **kwargs: object) -> object:
                record = await sync_to_async(check)(request, *args, **kwargs)
                return await (view(request, *record) if record else view(request, *args, **kwargs))

            return _marked(waited, need)

        @wraps(view)
        def asked(request: HttpRequest, *args: object, **kwargs: object) -> object:
            record = check(request, *args, **kwargs)
            return view(request, *record) if record else view(request, *args, **kwargs)

        return _marked(asked, need)

    return decorate


def signed_in(view: View) -> View:
    """Let a view be called by whoever has a session."""

    @wraps(view)
    def asked(request: HttpRequest, *args: object, **kwargs: object) -> object:
        door(request).session.touch()
        return view(request, *args, **kwargs)

    return _marked(asked)


def public(view: View) -> View:
    """Say that a view is for everyone, so that `seatperm routes` does not name it."""
    setattr(view, _ROUTE, Route("", (), public=True))
    return view


def routes(urlconf: str | None = None) -> Iterator[Route]:
    """Iterate over the routes of a project, and what each asks.

    Args:
        urlconf: the module of URL patterns; the settings' unless said.
    """
    return _routes(get_resolver(urlconf).url_patterns, "/")


class SeatpermConfig(AppConfig):
    """The entry for `INSTALLED_APPS`: it brings the system checks."""

    name = "seatperm.contrib.django"
    label = "seatperm"
    verbose_name = "seatperm"

    def ready(self) -> None:
        """Register the checks with Django."""
        checks.register(check_settings, checks.Tags.security)


def check_settings(app_configs: Sequence[AppConfig] | None, **kwargs: object) -> list[checks.CheckMessage]:
    """Find what would let somebody pass unasked; `manage.py check` calls it.

    Args:
        app_configs, kwargs: Django's own; the settings are looked at whole.
    """
    found: list[checks.CheckMessage] = []
    try:
        configuration = Configuration.read()
    except ImproperlyConfigured as error:
        return [checks.Error(str(error), id="seatperm.E001")]
    middleware = f"{__name__}.{SeatpermMiddleware.__name__}"
    if middleware not in settings.MIDDLEWARE:
        found.append(checks.Error("no view can ask", f"put {middleware!r} into MIDDLEWARE", id="seatperm.E002"))
    from django.contrib.auth.models import PermissionsMixin  # models can't be imported before the apps are ready

    model = get_user_model()
    if f"{__name__}.{SeatpermBackend.__name__}" in settings.AUTHENTICATION_BACKENDS and (
        issubclass(model, PermissionsMixin) and not issubclass(model, AsksSeatperm)
    ):
        found.append(
            checks.Warning(
                "an active superuser passes every user.has_perm('resource:action'), whatever the package contains",
                f"make {__name__}.AsksSeatperm the first base of the user model, or ask by needs() and session.can()",
                obj=model,
                id="seatperm.W001",
            )
        )
    if isinstance(configuration.carrier, Cookie) and not configuration.carrier.secure and not settings.DEBUG:
        found.append(
            checks.Warning("the token's cookie goes over plain HTTP too", "leave secure=False out", id="seatperm.W002")
        )
    return found


def _marked(view: View, *needs: Need) -> View:
    asks: Route = getattr(view, _ROUTE, Route("", ()))
    setattr(view, _ROUTE, evolve(asks, needs=(*needs, *asks.needs), signed_in=True))
    return view


def _routes(patterns: Sequence[URLPattern | URLResolver], above: str) -> Iterator[Route]:
    for pattern in patterns:
        path = above + str(pattern.pattern)
        if isinstance(pattern, URLResolver):
            yield from _routes(pattern.url_patterns, path)
        else:
            asks: Route = getattr(pattern.callback, _ROUTE, Route("", ()))
            view = getattr(pattern.callback, "view_class", None)
            if view is None:
                yield evolve(asks, path=path)
                continue
            for name in view.http_method_names:
                if hasattr(view, name) and name not in ("head", "options"):
                    own: Route = getattr(getattr(view, name), _ROUTE, Route("", ()))
                    needs, signed_in = (*asks.needs, *own.needs), asks.signed_in or own.signed_in
                    yield evolve(asks, path=path, methods=(name.upper(),), needs=needs, signed_in=signed_in)
