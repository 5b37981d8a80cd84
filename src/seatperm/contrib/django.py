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
from functools import wraps
from typing import Any

from asgiref.sync import async_to_sync, iscoroutinefunction, sync_to_async
from django.apps import AppConfig
from django.core import checks
from django.http import Http404, HttpRequest
from django.urls import get_resolver

import seatperm

from .django_backend import AsksSeatperm, SeatpermBackend
from .django_checks import check_settings, routes_of
from .django_door import Configuration, Door, SeatpermMiddleware, door
from .web import Need, Route, marked, public

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


View = Callable[..., Any]


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

            return marked(waited, need)

        @wraps(view)
        def asked(request: HttpRequest, *args: object, **kwargs: object) -> object:
            record = check(request, *args, **kwargs)
            return view(request, *record) if record else view(request, *args, **kwargs)

        return marked(asked, need)

    return decorate


def signed_in(view: View) -> View:
    """Let a view be called by whoever has a session."""
    if iscoroutinefunction(view):

        @wraps(view)
        async def waited(request: HttpRequest, *args: object, **kwargs: object) -> object:
            await sync_to_async(_session)(request)
            return await view(request, *args, **kwargs)

        return marked(waited)

    @wraps(view)
    def asked(request: HttpRequest, *args: object, **kwargs: object) -> object:
        _session(request)
        return view(request, *args, **kwargs)

    return marked(asked)


def routes(urlconf: str | None = None) -> Iterator[Route]:
    """Iterate over the routes of a project, and what each asks.

    Args:
        urlconf: the module of URL patterns; the settings' unless said.
    """
    return routes_of(get_resolver(urlconf).url_patterns, "/")


class SeatpermConfig(AppConfig):
    """The entry for `INSTALLED_APPS`: it brings the system checks."""

    name = "seatperm.contrib.django"
    label = "seatperm"
    verbose_name = "seatperm"

    def ready(self) -> None:
        """Register the checks with Django."""
        checks.register(check_settings, checks.Tags.security)


def _session(request: HttpRequest) -> seatperm.Session:
    return door(request).session
