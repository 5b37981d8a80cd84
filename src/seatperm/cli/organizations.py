"""`seatperm organizations`: those of a store, making one, and moving one to another store."""

from __future__ import annotations

from datetime import UTC, datetime
from itertools import islice
from pathlib import Path
from typing import TextIO

import click

from ..errors import UnknownOrganization
from ..license import License, summary
from ..organization.answers import Terms
from ..stores.transfer import export, restore
from . import completion
from .license import STANDINGS, terms
from .options import common, stored
from .output import Column, Listing, Row, plain
from .settings import Settings
from .tree import Commands

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


@click.group(cls=Commands, invoke_without_command=True)
@common
@click.pass_context
def organizations(context: click.Context, settings: Settings) -> None:
    """List the organizations of the store, make one, or move one to another store; only making one needs a catalog."""
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


@organizations.command("export")
@click.argument("id", shell_complete=completion.organizations)
@click.option("--output", type=click.Path(dir_okay=False, path_type=Path), help="A file that is not there yet.")
@stored
def export_(settings: Settings, id: str, output: Path | None) -> None:
    """Print an organization's books as JSON lines: its record, users, staff, past sign-ins and trail.

    `seatperm organizations restore` puts them into any other store. Live sessions are not among them.
    """
    with settings.directory() as directory:
        if id not in directory.organizations():
            raise UnknownOrganization(id, list(islice(directory.organizations(), 1000)))
        if output is None:
            for line in export(directory, id):
                click.echo(line)
            return
        try:
            with output.open("x", encoding="utf-8", newline="\n") as file:
                count = sum(1 for line in export(directory, id) if file.write(f"{line}\n"))
        except FileExistsError:
            raise click.UsageError(f"{output} is there already; name another file.") from None
        except OSError as error:
            raise click.UsageError(f"{output} can't be written: {error.strerror}.") from error
        except BaseException:
            output.unlink()
            raise
    click.echo(f"wrote {output}: {count} lines")


@organizations.command("restore")
@click.argument("file", type=click.File(encoding="utf-8"))
@click.option("--id", help="Its id from now on; the one that it had unless said.")
@stored
def restore_(settings: Settings, file: TextIO, id: str | None) -> None:
    """Put an organization that was exported into a store that is there; FILE may be - for standard input.

    All of it or nothing: an organization of that id, or people whom the store knows otherwise, refuse the file.
    """
    with settings.directory("rw") as directory:
        restored = restore(directory, file, organization=id)
        ORGANIZATIONS.write_one(settings.format, _row(restored, directory.organization(restored).license))


def _row(id: str, license: License) -> Row:
    return {"id": id, **summary(license), "standing": license.standing(datetime.now(UTC))}
