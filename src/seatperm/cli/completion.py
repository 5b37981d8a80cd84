"""What shells complete: names of the catalog, ids of the store; nothing where those can't be read."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from itertools import islice

import click
from click.shell_completion import CompletionItem

from ..catalog import Catalog
from ..errors import SeatpermError
from ..organization.trail import AREAS, KINDS
from ..stores.opening import open_directory
from .settings import Settings, store_url

MOST = 100
"""How many ids are offered."""

Offers = Iterable[tuple[str, str]]
"""Names, each with what it means."""

Completer = Callable[[click.Context, click.Parameter, str], list[CompletionItem]]


def _offering(offers: Callable[[Settings, click.Context], Offers]) -> Completer:
    def complete(context: click.Context, _: click.Parameter, begun: str) -> list[CompletionItem]:
        settings = context.find_object(Settings) or Settings()
        try:
            fitting = ((name, text) for name, text in offers(settings, context) if name.startswith(begun))
            return [CompletionItem(name, help=text or None) for name, text in islice(fitting, MOST)]
        except (SeatpermError, click.UsageError):
            return []

    return complete


def _catalog(settings: Settings) -> Catalog:
    if settings.catalog is None:
        raise click.UsageError("no catalog")
    return Catalog.load(settings.catalog)


@_offering
def resources(settings: Settings, _: click.Context) -> Offers:
    """Offer the catalog's resources."""
    return ((path, resource.title) for path, resource in _catalog(settings).resources.items())


@_offering
def actions(settings: Settings, context: click.Context) -> Offers:
    """Offer the actions of the resource that stands before."""
    catalog = _catalog(settings)
    resource = str(context.params.get("resource"))
    catalog.require_resource(resource)
    return ((name, f"from {action.level}") for name, action in catalog.actions(resource).items())


@_offering
def scopes(settings: Settings, _: click.Context) -> Offers:
    """Offer the catalog's scopes."""
    return ((scope, "") for scope in _catalog(settings).scopes)


@_offering
def roles(settings: Settings, _: click.Context) -> Offers:
    """Offer the catalog's roles."""
    return ((name, role.title) for name, role in _catalog(settings).roles.items())


@_offering
def tiers(settings: Settings, _: click.Context) -> Offers:
    """Offer the catalog's packages that are no add-ons."""
    return _packages(_catalog(settings), add_on=False)


@_offering
def add_ons(settings: Settings, _: click.Context) -> Offers:
    """Offer the catalog's add-ons."""
    return _packages(_catalog(settings), add_on=True)


@_offering
def types(settings: Settings, _: click.Context) -> Offers:
    """Offer the catalog's user types."""
    return ((name, type.title) for name, type in _catalog(settings).user_types.items())


@_offering
def users(settings: Settings, _: click.Context) -> Offers:
    """Offer the ids of the organization's users."""
    with settings.open() as org:
        for user in org.users:
            yield user.id, user.name


@_offering
def staff(settings: Settings, _: click.Context) -> Offers:
    """Offer the ids of the staff records."""
    with settings.open() as org:
        for each in org.staff:
            yield each.id, each.name


@_offering
def sessions(settings: Settings, _: click.Context) -> Offers:
    """Offer the ids of the live sessions."""
    with settings.open(seats=True) as org:
        for seat in org.sessions:
            yield seat.id, seat.user_id


@_offering
def organizations(settings: Settings, _: click.Context) -> Offers:
    """Offer the ids of the store's organizations."""
    if settings.store is None:
        return
    directory = open_directory(store_url("store", settings.store, "ro"))
    try:
        for id in directory.organizations():
            yield id, ""
    finally:
        directory.close()


@_offering
def kinds(_: Settings, __: click.Context) -> Offers:
    """Offer the kinds of events, and what kinds begin with."""
    return ((name, "") for name in (*AREAS, *KINDS))


def _packages(catalog: Catalog, *, add_on: bool) -> Iterator[tuple[str, str]]:
    return ((name, package.title) for name, package in catalog.packages.items() if package.add_on == add_on)
