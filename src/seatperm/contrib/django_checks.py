"""What Django's `check` and `seatperm routes` find in a project."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Final

from attrs import evolve
from django.conf import settings
from django.contrib.auth import get_user_model
from django.core import checks
from django.core.exceptions import ImproperlyConfigured
from django.urls import URLPattern, URLResolver
from django.utils.module_loading import import_string

from .django_backend import AsksSeatperm, SeatpermBackend
from .django_door import Configuration, SeatpermMiddleware
from .web import Cookie, Route, asked_of

HOME: Final = "seatperm.contrib.django"


def check_settings(**_asked: object) -> list[checks.CheckMessage]:
    """Find what would let somebody pass unasked; `manage.py check` calls it, and the settings are looked at whole."""
    found: list[checks.CheckMessage] = []
    try:
        configuration = Configuration.read()
    except ImproperlyConfigured as error:
        return [checks.Error(str(error), id="seatperm.E001")]
    middleware = f"{HOME}.{SeatpermMiddleware.__name__}"
    if not _has(settings.MIDDLEWARE, SeatpermMiddleware):
        found.append(checks.Error("no view can ask", f"put {middleware!r} into MIDDLEWARE", id="seatperm.E002"))
    from django.contrib.auth.models import PermissionsMixin  # models can't be imported before the apps are ready

    model = get_user_model()
    if _has(settings.AUTHENTICATION_BACKENDS, SeatpermBackend) and (
        issubclass(model, PermissionsMixin) and not issubclass(model, AsksSeatperm)
    ):
        found.append(
            checks.Warning(
                "an active superuser passes every user.has_perm('resource:action'), whatever the package contains",
                f"make {HOME}.AsksSeatperm the first base of the user model, or ask by needs() and session.can()",
                obj=model,
                id="seatperm.W001",
            )
        )
    if isinstance(configuration.carrier, Cookie) and not configuration.carrier.secure and not settings.DEBUG:
        found.append(
            checks.Warning("the token's cookie goes over plain HTTP too", "leave secure=False out", id="seatperm.W002")
        )
    return found


def routes_of(patterns: Sequence[URLPattern | URLResolver], above: str) -> Iterator[Route]:
    """Iterate over the routes of URL patterns, and what each asks; `above` is the path that they stand below."""
    for pattern in patterns:
        path = above + str(pattern.pattern)
        if isinstance(pattern, URLResolver):
            yield from routes_of(pattern.url_patterns, path)
        else:
            asks = asked_of(pattern.callback)
            view = getattr(pattern.callback, "view_class", None)
            if view is None:
                yield evolve(asks, path=path)
                continue
            for name in view.http_method_names:
                if hasattr(view, name) and name not in ("head", "options"):
                    both = asks.beside(asked_of(getattr(view, name)))
                    yield evolve(both, path=path, methods=(name.upper(),))


def _has(paths: Iterable[str], kind: type) -> bool:
    found = [import_string(path) for path in paths]
    return any(isinstance(each, type) and issubclass(each, kind) for each in found)
