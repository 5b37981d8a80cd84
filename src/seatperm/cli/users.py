"""`seatperm users`: list them, and change what an operator changes."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from typing import TypeVar

import click

from ..catalog import Catalog, written_entry
from ..directory import User
from ..organization import Invitation
from . import completion
from .options import common, seats
from .output import Column, Listing, Row, plain, timestamp, write_json, write_pairs
from .settings import Settings
from .tree import Commands
from .values import Grants, count, entry, grants, moment

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

SETTINGS = Listing(
    ("user", "resource", "grant", "until"),
    (Column("User", "user"), Column("Resource", "resource"), Column("Grant", "grant"), Column("Until", "until")),
)

user_argument = click.argument("user", shell_complete=completion.users)
role_argument = click.argument("role", shell_complete=completion.roles)
resource_argument = click.argument("resource", shell_complete=completion.resources)
yes_option = click.option("--yes", is_flag=True, help="Don't ask whether to go on.")


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
        click.option("--session-limit", metavar="N", type=count, help="The license's new session limit, in one step."),
        click.option("--type", default="app", show_default=True, shell_complete=completion.types, help="A user type."),
        click.option(
            "--role", "roles", multiple=True, shell_complete=completion.roles, help="A role; repeat it for more."
        ),
        click.option("--name", required=True, help="What to call the person."),
        click.option("--email", required=True, help="The e-mail address."),
    ):
        command = option(command)
    return command


@click.group(cls=Commands, invoke_without_command=True)
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
def add(
    settings: Settings,
    id: str,
    email: str,
    name: str,
    roles: tuple[str, ...],
    type: str,
    session_limit: int | None,
) -> None:
    """Add a user who is active at once."""
    with settings.open(changing=True) as org:
        added = org.users.add(id=id, email=email, name=name, roles=roles, type=type, session_limit=session_limit)
        _show(settings, org.catalog, added)


@users.command()
@newcomer
@click.option("--id", help="The id; a random one unless said.")
@common
def invite(
    settings: Settings,
    email: str,
    name: str,
    roles: tuple[str, ...],
    type: str,
    session_limit: int | None,
    id: str | None,
) -> None:
    """Invite somebody, and print the token to send.

    The token is kept nowhere: who loses it needs another invitation.
    """
    with settings.open(changing=True) as org:
        invited = org.users.invite(email=email, name=name, roles=roles, type=type, id=id, session_limit=session_limit)
        _hand_over(settings, org.catalog, invited)


@users.command()
@user_argument
@common
def reinvite(settings: Settings, user: str) -> None:
    """Issue a new token for a user, and print it.

    The one before is void. An active user stays active: it is the way back for a forgotten password too.
    """
    with settings.open(changing=True) as org:
        _hand_over(settings, org.catalog, org.users.reinvite(user))


# A token may begin with a dash, and then looks like options.
@users.command(context_settings={"ignore_unknown_options": True, "help_option_names": ["--help"]})
@click.argument("token")
@common
def accept(settings: Settings, token: str) -> None:
    """Accept an invitation, by its TOKEN, in somebody's place: the user is active from now on."""
    with settings.open(changing=True) as org:
        _show(settings, org.catalog, org.users.accept(token))


@users.command()
@user_argument
@click.argument("name")
@common
def rename(settings: Settings, user: str, name: str) -> None:
    """Change what a person is called, in every organization of the store."""
    with settings.open(changing=True) as org:
        _show(settings, org.catalog, org.users.rename(user, name))


@users.command("change-email")
@user_argument
@click.argument("email")
@seats
@common
def change_email(settings: Settings, user: str, email: str) -> None:
    """Change a person's address, and print the token to send there.

    The user has to accept again; every earlier token is void.
    """
    with settings.open(changing=True, seats=True) as org:
        _hand_over(settings, org.catalog, org.users.change_email(user, email))


@users.command("set-type")
@user_argument
@click.argument("type", shell_complete=completion.types)
@common
def set_type(settings: Settings, user: str, type: str) -> None:
    """Set a user's type."""
    with settings.open(changing=True) as org:
        _show(settings, org.catalog, org.users.set_type(user, type))


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


@users.command("settings")
@user_argument
@common
def personal_settings(settings: Settings, user: str) -> None:
    """List a user's personal settings."""
    with settings.open() as org:
        _show_settings(settings, org.users[user])


@users.command()
@user_argument
@resource_argument
@click.argument("given", metavar="GRANT...", nargs=-1, required=True, type=grants)
@click.option("--until", type=moment, metavar="TIME", help="When it ends; never unless said.")
@common
def override(settings: Settings, user: str, resource: str, given: tuple[Grants, ...], until: datetime | None) -> None:
    """Set a personal setting, and list those of the user.

    GRANT is a level, with its scope behind a colon unless that is all: edit, or edit:own. Actions by name are
    JSON: '{"actions": ["approve"], "scope": "own"}'. It replaces what roles and global permissions give on
    RESOURCE, up or down.
    """
    with settings.open(changing=True) as org:
        _show_settings(settings, org.users.override(user, resource, entry(given), until))


@users.command()
@user_argument
@resource_argument
@common
def clear(settings: Settings, user: str, resource: str) -> None:
    """Remove a personal setting, and list those left."""
    with settings.open(changing=True) as org:
        _show_settings(settings, org.users.clear(user, resource))


@users.command()
@user_argument
@common
def reset(settings: Settings, user: str) -> None:
    """Remove all personal settings, and copy today's global permissions."""
    with settings.open(changing=True) as org:
        _show(settings, org.catalog, org.users.reset(user))


@users.command("copy-settings")
@click.argument("source", shell_complete=completion.users)
@click.argument("targets", metavar="TARGET...", nargs=-1, required=True, shell_complete=completion.users)
@common
def copy_settings(settings: Settings, source: str, targets: tuple[str, ...]) -> None:
    """Give users the personal settings of another, in place of their own, and list them."""
    with settings.open(changing=True) as org:
        _show_settings(settings, *org.users.copy_settings(source, *targets))


@users.command()
@user_argument
@yes_option
@seats
@common
def dismiss(settings: Settings, user: str, yes: bool) -> None:
    """Take a user out of the organization.

    Everything held here goes; the audit trail stays.
    """
    with settings.open(changing=True, seats=True) as org:
        before = org.users[user]
        if not yes:
            whom = f"{before.name} ({before.id})"
            click.confirm(f"Take {whom} out of {org.id}, with everything held here?", abort=True, err=True)
        org.users.dismiss(user)
        PERSON.write_one(settings.format, user_row(org.catalog, before))


@users.command()
@user_argument
@yes_option
@seats
@common
def forget(settings: Settings, user: str, yes: bool) -> None:
    """Erase what is personal about a user, dismissed now or before.

    The id stays, and the audit trail still verifies.
    """
    with settings.open(changing=True, seats=True) as org:
        if not yes:
            erased = f"e-mail, name and the details of every event of {user} in {org.id}"
            click.confirm(f"Erase {erased}? This can't be undone.", abort=True, err=True)
        org.users.forget(user)
    if settings.format == "table":
        click.echo("forgotten")
    else:
        Listing(("user", "forgotten"), ()).write_one(settings.format, {"user": user, "forgotten": True})


def _hand_over(settings: Settings, catalog: Catalog, invitation: Invitation) -> None:
    user, token, until = invitation.user, invitation.token, timestamp(invitation.until)
    row: Row = {**user_row(catalog, user), "token": token, "token_until": until}
    if settings.format == "table":
        write_pairs([("Id", user.id), ("Token", token), ("Until", plain(until))])
    elif settings.format == "json":
        write_json(row)
    else:
        Listing((*FIELDS, "token", "token_until"), ()).write("csv", [row])


def _show_settings(settings: Settings, *users: User) -> None:
    rows: list[Row] = [
        {"user": user.id, "resource": resource, "grant": written_entry(kept.entry), "until": timestamp(kept.until)}
        for user in users
        for resource, kept in user.overrides.items()
    ]
    SETTINGS.write(settings.format, rows)


def _show(settings: Settings, catalog: Catalog, user: User) -> None:
    USERS.write_one(settings.format, user_row(catalog, user))
