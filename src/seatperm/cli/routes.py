"""`seatperm routes`: the routes of a web application, and those that nobody has said anything of."""

from __future__ import annotations

import sys
from collections.abc import Iterable
from fnmatch import fnmatchcase
from importlib import import_module
from inspect import isfunction
from pathlib import Path
from typing import TYPE_CHECKING, Final

import click

from ..errors import MissingExtra
from .options import formatted
from .output import Column, Listing, Row, plain
from .settings import Settings

if TYPE_CHECKING:
    from ..contrib.web import Route

FRAMEWORKS: Final = ("flask", "fastapi", "starlette", "litestar", "django")
"""The modules of `seatperm.contrib` that tell an application's routes; one that builds on another comes first."""

ROUTES = Listing(
    ("path", "methods", "needs", "signed_in", "public", "unchecked"),
    (
        Column("Path", "path"),
        Column("Methods", lambda row: plain(row["methods"]).replace(";", ",") or "any"),
        Column("Asks", lambda row: _asks(row), color=lambda row: "red" if row["unchecked"] else None),
    ),
)


@click.command()
@click.argument("app", metavar="MODULE:APP")
@click.option("--all", "everything", is_flag=True, help="List the routes that ask something too.")
@click.option(
    "--ignore",
    metavar="PATTERN",
    multiple=True,
    help="Leave out the paths of this pattern, such as '/static/*'; repeat it for more.",
)
@formatted
@click.pass_context
def routes(context: click.Context, settings: Settings, app: str, everything: bool, ignore: tuple[str, ...]) -> None:
    """List the routes of a web application that ask for nothing and are not said to be for everyone.

    APP is a Flask, FastAPI, Starlette or Litestar application in MODULE, or a function that makes it; for Django its
    WSGI or ASGI application, such as django.core.wsgi:get_wsgi_application.
    The module is imported as the application's server does, from the present folder. Exit code 1 when there are any.
    """
    found = (route for route in _routes(app) if not any(fnmatchcase(route.path, pattern) for pattern in ignore))
    rows = [_row(route) for route in found]
    unchecked = [row for row in rows if row["unchecked"]]
    shown = rows if everything else unchecked
    if shown or settings.format != "table":
        ROUTES.write(settings.format, shown)
    if settings.format == "table":
        if shown:
            click.echo()
        count = "1 route asks" if len(unchecked) == 1 else f"{len(unchecked)} routes ask"
        click.echo(f"{count} for nothing, of {len(rows)}")
    context.exit(bool(unchecked))


def _routes(named: str) -> Iterable[Route]:
    module, colon, name = named.partition(":")
    if not (module and colon and name):
        raise click.UsageError(f"{named!r} names no application; expected MODULE:APP, such as shop.main:app.")
    sys.path.insert(0, str(Path.cwd()))
    try:
        found = import_module(module)
    except ImportError as error:
        raise click.UsageError(f"the module {module!r} can't be imported: {error}.") from error
    if not hasattr(found, name):
        raise click.UsageError(f"the module {module!r} has nothing named {name!r}.")
    application = getattr(found, name)
    if isfunction(application):
        application = application()
    kinds = {cls.__module__.partition(".")[0] for cls in type(application).__mro__}
    for framework in FRAMEWORKS:
        if framework in kinds:
            try:
                adapter = import_module(f"seatperm.contrib.{framework}")
            except ImportError as error:
                raise MissingExtra(framework) from error
            listed: Iterable[Route] = adapter.routes() if framework == "django" else adapter.routes(application)
            return listed
    raise click.UsageError(f"{named} is a {type(application).__name__}; expected an application of {_or(FRAMEWORKS)}.")


def _row(route: Route) -> Row:
    return {
        "path": route.path,
        "methods": list(route.methods),
        "needs": [str(need) for need in route.needs],
        "signed_in": route.signed_in,
        "public": route.public,
        "unchecked": route.unchecked,
    }


def _asks(row: Row) -> str:
    if row["needs"]:
        return plain(row["needs"]).replace(";", ",")
    return "a session" if row["signed_in"] else "nothing, for everyone" if row["public"] else "nothing"


def _or(names: tuple[str, ...]) -> str:
    *most, last = [name.capitalize() for name in names]
    return f"{', '.join(most)} or {last}"
