"""`seatperm permissions`: the global permissions, which each new user starts from."""

from __future__ import annotations

from collections.abc import Mapping

import click

from ..catalog import Entry, written_entry
from . import completion
from .options import common
from .output import Column, Listing
from .settings import Settings
from .tree import Commands
from .values import Grants, entry, grants

PERMISSIONS = Listing(("resource", "grant"), (Column("Resource", "resource"), Column("Grant", "grant")))

resource_argument = click.argument("resource", shell_complete=completion.resources)


@click.group(cls=Commands, invoke_without_command=True)
@common
@click.pass_context
def permissions(context: click.Context, settings: Settings) -> None:
    """List the global permissions, or change them.

    They are what each new user starts from; users who are here already keep theirs.
    """
    if context.invoked_subcommand is None:
        with settings.open() as org:
            _show(settings, org.global_permissions)


@permissions.command("set")
@resource_argument
@click.argument("given", metavar="GRANT...", nargs=-1, required=True, type=grants)
@common
def set_permission(settings: Settings, resource: str, given: tuple[Grants, ...]) -> None:
    """Say what new users start from on a resource, and list all.

    GRANT is a level, with its scope behind a colon unless that is all: view, or view:own. Actions by name are
    JSON: '{"actions": ["approve"], "scope": "own"}'.
    """
    with settings.open(changing=True) as org:
        org.set_global_permissions({**org.global_permissions, resource: entry(given)})
        _show(settings, org.global_permissions)


@permissions.command()
@resource_argument
@common
def clear(settings: Settings, resource: str) -> None:
    """Say nothing of a resource any more, and list what is left."""
    with settings.open(changing=True) as org:
        held = dict(org.global_permissions)
        if held.pop(resource, None) is None:
            org.catalog.require_resource(resource)
        org.set_global_permissions(held)
        _show(settings, org.global_permissions)


def _show(settings: Settings, held: Mapping[str, Entry]) -> None:
    rows = ({"resource": resource, "grant": written_entry(given)} for resource, given in held.items())
    PERMISSIONS.write(settings.format, rows)
