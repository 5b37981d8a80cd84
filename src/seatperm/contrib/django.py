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

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import wraps
from typing import Any, Final, cast

from asgiref.sync import async_to_sync, iscoroutinefunction, markcoroutinefunction, sync_to_async
from attrs import evolve
from django.apps import AppConfig
from django.core import checks
from django.core.exceptions import ImproperlyConfigured
from django.http import Http404, HttpRequest
from django.http.response import HttpResponseBase
from django.urls import get_resolver

import seatperm

from .django_door import Configuration, Door, door, present
from .web import Need, Route

__all__ = [
    "AsksSeatperm",
    "Configuration",
    "Door",
    "SeatpermBackend",
    "SeatpermConfig",
    "SeatpermMiddleware",
    "door",
    "needs",
    "public",
    "routes",
    "signed_in",
]

ROUTE: Final = "_seatperm_route"
"""The attribute of a view in which its decorators leave what it asks."""

View = Callable[..., Any]


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


class SeatpermBackend:
    """Answers `user.has_perm("sales.invoices:edit", invoice)` by seatperm; it signs nobody in.

    Django never asks a backend about an active superuser: see `AsksSeatperm`.
    """

    def authenticate(self, request: HttpRequest | None, **credentials: object) -> None:
        """Leave it to the other backends to find out who somebody is."""

    async def aauthenticate(self, request: HttpRequest | None, **credentials: object) -> None:
        """Leave it to the other backends to find out who somebody is."""

    def get_user(self, user_id: object) -> None:
        """Return nobody: users are the other backends'."""

    async def aget_user(self, user_id: object) -> None:
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
        current, configuration = present.get(), Configuration.read()
        if current is None and callable(configuration.organization):
            raise ImproperlyConfigured(f"{perm!r} was asked about outside a request: call Organization.can instead")
        organization = cast("seatperm.Organization", configuration.organization)
        if current is not None:
            organization = current.organization
        return organization.can(configuration.user_id(user_obj), resource, action, obj)

    async def ahas_perm(self, user_obj: Any, perm: str, obj: object = None) -> bool:
        """Tell the same as `has_perm`, without keeping the event loop."""
        return await sync_to_async(self.has_perm)(user_obj, perm, obj)


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

    async def ahas_perm(self, perm: str, obj: object = None) -> bool:
        """Tell the same as `has_perm`, without keeping the event loop."""
        return await sync_to_async(self.has_perm)(perm, obj)


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
        load: returns the record that the URL names, None (a 404) where there is none; it may be asynchronous. It is
            called once, for who is signed in, with what stands in the URL, and the view is called with the request
            and the record.
        hide_existence: who may not gets a 404, as where there is nothing.
    """
    need = Need(resource, action, scope, hide_existence)

    def check(request: HttpRequest, *args: object, **kwargs: object) -> tuple[object, ...]:
        entry = door(request)
        if load is None:
            entry.require(need)
            return ()
        _session(request)
        record = (async_to_sync(load) if iscoroutinefunction(load) else load)(*args, **kwargs)
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
    if iscoroutinefunction(view):

        @wraps(view)
        async def waited(request: HttpRequest, *args: object, **kwargs: object) -> object:
            await sync_to_async(_session)(request)
            return await view(request, *args, **kwargs)

        return _marked(waited)

    @wraps(view)
    def asked(request: HttpRequest, *args: object, **kwargs: object) -> object:
        _session(request)
        return view(request, *args, **kwargs)

    return _marked(asked)


def public(view: View) -> View:
    """Say that a view is for everyone, so that `seatperm routes` does not name it."""
    setattr(view, ROUTE, Route("", (), public=True))
    return view


def routes(urlconf: str | None = None) -> Iterator[Route]:
    """Iterate over the routes of a project, and what each asks.

    Args:
        urlconf: the module of URL patterns; the settings' unless said.
    """
    from .django_checks import routes_of

    return routes_of(get_resolver(urlconf).url_patterns, "/")


class SeatpermConfig(AppConfig):
    """The entry for `INSTALLED_APPS`: it brings the system checks."""

    name = "seatperm.contrib.django"
    label = "seatperm"
    verbose_name = "seatperm"

    def ready(self) -> None:
        """Register the checks with Django."""
        from .django_checks import check_settings

        checks.register(check_settings, checks.Tags.security)


def _session(request: HttpRequest) -> seatperm.Session:
    return door(request).session


def _marked(view: View, *needs: Need) -> View:
    asks: Route = getattr(view, ROUTE, Route("", ()))
    setattr(view, ROUTE, evolve(asks, needs=(*needs, *asks.needs), signed_in=True))
    return view
