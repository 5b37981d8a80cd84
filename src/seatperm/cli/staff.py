"""`seatperm staff`: people on record, users or not."""

from __future__ import annotations

import click

from ..directory import Staff
from . import completion
from .options import common
from .output import Column, Listing, Row
from .settings import Settings
from .tree import Commands

STAFF = Listing(
    ("id", "name", "user", "active"),
    (
        Column("Id", "id"),
        Column("Name", "name"),
        Column("User", "user"),
        Column("State", lambda row: "" if row["active"] else "Left", color=lambda _: "yellow"),
    ),
)

staff_argument = click.argument("staff", shell_complete=completion.staff)
user_argument = click.argument("user", shell_complete=completion.users)


@click.group(cls=Commands, invoke_without_command=True)
@common
@click.pass_context
def staff(context: click.Context, settings: Settings) -> None:
    """List the staff, or change a record.

    Staff are people on record. They have no access by that; a user may have one staff record.
    """
    if context.invoked_subcommand is None:
        with settings.open() as org:
            STAFF.write(settings.format, (_row(each) for each in org.staff))


@staff.command()
@click.argument("name")
@click.option("--user", shell_complete=completion.users, help="The user that the person is.")
@click.option("--id", help="The id; a random one unless said.")
@common
def add(settings: Settings, name: str, user: str | None, id: str | None) -> None:
    """Put a person on record."""
    with settings.open(changing=True) as org:
        _show(settings, org.staff.add(name, user, id))


@staff.command()
@staff_argument
@user_argument
@common
def link(settings: Settings, staff: str, user: str) -> None:
    """Say that a person on record is a user."""
    with settings.open(changing=True) as org:
        _show(settings, org.staff.link(staff, user))


@staff.command()
@staff_argument
@common
def unlink(settings: Settings, staff: str) -> None:
    """Say that a person on record is no user."""
    with settings.open(changing=True) as org:
        _show(settings, org.staff.unlink(staff))


@staff.command()
@staff_argument
@common
def deactivate(settings: Settings, staff: str) -> None:
    """Say that a person has left; a user linked to the record is as before."""
    with settings.open(changing=True) as org:
        _show(settings, org.staff.deactivate(staff))


@staff.command()
@staff_argument
@common
def reactivate(settings: Settings, staff: str) -> None:
    """Say that a person is back."""
    with settings.open(changing=True) as org:
        _show(settings, org.staff.reactivate(staff))


def _row(staff: Staff) -> Row:
    return {"id": staff.id, "name": staff.name, "user": staff.user, "active": staff.active}


def _show(settings: Settings, staff: Staff) -> None:
    STAFF.write_one(settings.format, _row(staff))
