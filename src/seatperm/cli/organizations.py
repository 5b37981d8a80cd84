"""`seatperm organizations`: those of a store, and making one."""

from __future__ import annotations

from datetime import UTC, datetime

import click

from ..license import License, summary
from ..organization.answers import Terms
from .license import STANDINGS, terms
from .options import common
from .output import Column, Listing, Row, plain
from .settings import Settings

ORGANIZATIONS = Listing(
    ("id", *summary(License("")), "standing"),
    (
        Column("Id", "id"),
        Column("Package", "package"),
        Column("Add-ons", lambda row: plain(row["add_ons"]).replace(";", ",")),
        Column("Sessions", "session_limit"),
        Column("Named users", lambda row: plain(row["user_limit"]) or "any number"),
        Column("License", lambda row: STANDINGS[str(row["standing"])]),
    ),
)


@click.group(invoke_without_command=True)
@common
@click.pass_context
def organizations(context: click.Context, settings: Settings) -> None:
    """List the organizations of the store, or make one; listing them needs no catalog."""
    if context.invoked_subcommand is None:
        with settings.directory() as directory:
            known = ((id, directory.organization(id).license) for id in directory.organizations())
            ORGANIZATIONS.write(settings.format, (_row(id, license) for id, license in known))


@organizations.command()
@click.argument("id")
@common
@terms
def create(settings: Settings, wanted: Terms, *, id: str) -> None:
    """Make an organization in a store that is there.

    It begins with the first package that includes none, and one session, unless more is said.
    """
    with settings.tenants(changing=True) as (tenants, _):
        made = tenants.create(id, **wanted)
        ORGANIZATIONS.write_one(settings.format, _row(id, made.license))


def _row(id: str, license: License) -> Row:
    return {"id": id, **summary(license), "standing": license.standing(datetime.now(UTC))}
