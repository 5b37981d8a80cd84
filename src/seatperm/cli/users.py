"""`seatperm users`: list them, and change what an operator changes."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from typing import TypeVar

import click

from ..catalog import Catalog
from ..directory import User
from . import completion
from .options import common
from .output import Column, Listing, Row, plain, timestamp, write_json, write_pairs
from .settings import Settings
from .values import moment

F = TypeVar("F", bound=Callable[..., object])


def _state(row: Row) -> str:
    said = ["Not activated"] if row["state"] == "invited" else []
    return ", ".join([*said, *(["Locked"] if row["locked"] else [])])


def _color(row: Row) -> str | None:
    return "red" if row["locked"] else "yellow"


FIELDS = ("id", "name", "email", "state", "locked", "type", "licensee_roles", "system_roles")

PERSON = Listing(
    FIELDS,
    (
        Column("Id", "id"),
        Column("Name", "name"),
        Column("E-mail", "email"),
        Column("Type", "type"),
    ),
)

USERS = Listing(
    FIELDS,
    (
        *PERSON.columns[:3],
        Column("State", _state, color=_color),
        Column("Type", "type"),
        Column("Licensee roles", lambda row: plain(row["licensee_roles"]).replace(";", ",")),
        Column("System roles", lambda row: plain(row["system_roles"]).replace(";", ",")),
    ),
)

user_argument = click.argument("user", shell_complete=completion.users)
role_argument = click.argument("role", shell_complete=completion.roles)


def user_row(catalog: Catalog, user: User) -> Row:
    """Return a user as JSON values."""
    system = [role for role in user.roles if role in catalog.roles and catalog.roles[role].kind == "system"]
    return {
        "id": user.id,
        "name": user.name,
        "email": user.email,
        "state": user.state,
        "locked": user.locked,
        "type": user.type,
        "licensee_roles": [role for role in user.roles if role not in system],
        "system_roles": system,
    }


def newcomer(command: F) -> F:
    """Give a command what a new user begins with."""
    for option in (
        click.option("--type", default="app", show_default=True, shell_complete=completion.types, help="A user type."),
        click.option(
            "--role", "roles", multiple=True, shell_complete=completion.roles, help="A role; repeat it for more."
        ),
        click.option("--name", required=True, help="What to call the person."),
        click.option("--email", required=True, help="The e-mail address."),
    ):
        command = option(command)
    return command


@click.group(invoke_without_command=True)
@common
@click.pass_context
def users(context: click.Context, settings: Settings) -> None:
    """List the users, or change one.

    Without a subcommand: everyone, with licensee roles and system roles apart, and 'Not activated' beside
    who has not accepted the invitation.
    """
    if context.invoked_subcommand is None:
        with settings.open() as org:
            USERS.write(settings.format, (user_row(org.catalog, user) for user in org.users))


@users.command()
@click.argument("id")
@newcomer
@common
def add(settings: Settings, id: str, email: str, name: str, roles: tuple[str, ...], type: str) -> None:
    """Add a user who is active at once."""
    with settings.open(changing=True) as org:
        _show(settings, org.catalog, org.users.add(id=id, email=email, name=name, roles=roles, type=type))


@users.command()
@newcomer
@click.option("--id", help="The id; a random one unless said.")
@common
def invite(settings: Settings, email: str, name: str, roles: tuple[str, ...], type: str, id: str | None) -> None:
    """Invite somebody, and print the token to send.

    The token is kept nowhere: who loses it needs another invitation.
    """
    with settings.open(changing=True) as org:
        invitation = org.users.invite(email=email, name=name, roles=roles, type=type, id=id)
        user, token, until = invitation.user, invitation.token, timestamp(invitation.until)
        row: Row = {**user_row(org.catalog, user), "token": token, "token_until": until}
    if settings.format == "table":
        write_pairs([("Id", user.id), ("Token", token), ("Until", plain(until))])
    elif settings.format == "json":
        write_json(row)
    else:
        Listing((*FIELDS, "token", "token_until"), ()).write("csv", [row])


@users.command()
@user_argument
@common
def lock(settings: Settings, user: str) -> None:
    """Shut a user out at once; everything held is kept."""
    with settings.open(changing=True) as org:
        _show(settings, org.catalog, org.users.lock(user))


@users.command()
@user_argument
@common
def unlock(settings: Settings, user: str) -> None:
    """Let a locked user in again."""
    with settings.open(changing=True) as org:
        _show(settings, org.catalog, org.users.unlock(user))


@users.command()
@user_argument
@role_argument
@click.option("--until", type=moment, metavar="TIME", help="When it ends; never unless said.")
@common
def assign(settings: Settings, user: str, role: str, until: datetime | None) -> None:
    """Give a user a role, or change its end."""
    with settings.open(changing=True) as org:
        _show(settings, org.catalog, org.users.assign(user, role, until))


@users.command()
@user_argument
@role_argument
@common
def unassign(settings: Settings, user: str, role: str) -> None:
    """Take a role from a user."""
    with settings.open(changing=True) as org:
        _show(settings, org.catalog, org.users.unassign(user, role))


@users.command()
@user_argument
@click.confirmation_option(prompt="Take the user out, with everything held here?")
@common
def dismiss(settings: Settings, user: str) -> None:
    """Take a user out of the organization.

    Everything held here goes; the audit trail stays.
    """
    with settings.open(changing=True) as org:
        before = org.users[user]
        org.users.dismiss(user)
        PERSON.write_one(settings.format, user_row(org.catalog, before))


def _show(settings: Settings, catalog: Catalog, user: User) -> None:
    USERS.write_one(settings.format, user_row(catalog, user))
