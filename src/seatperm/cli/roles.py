"""`seatperm roles`: what can be given, what another package would bring, what a user holds, and roles of one's own."""

from __future__ import annotations

from datetime import UTC, datetime

import click

from ..catalog import Catalog
from ..decision.words import listed, moment, package_title
from ..organization import ListedRole
from . import completion
from .options import common
from .output import Column, Listing, Row, timestamp, write_csv, write_json, write_table, write_title
from .settings import Settings
from .values import Grants, entry, resource_grants

FIELDS = ("group", "id", "title", "package", "comes_with", "until", "custom")

ROLE = (Column("Role", "id"), Column("Title", "title"))
BROUGHT = Column("Comes with", "brought")
WHOSE = Column("Whose", lambda row: "own" if row["custom"] else "")

SECTIONS = (
    ("held", "Held", (*ROLE, Column("Until", "ends"))),
    ("dormant", "Dormant", (*ROLE, Column("Why", "why"))),
    ("current_package", "Current Package", ROLE),
    ("other_packages", "Other Packages", (*ROLE, BROUGHT)),
    ("system", "System", ROLE),
)


@click.command()
@click.argument("user", required=False, shell_complete=completion.users)
@common
def roles(settings: Settings, user: str | None) -> None:
    """List the roles, or what a user holds.

    Without USER: the roles of the current package, those of other packages with what brings them, and system
    roles. With USER first those that the user holds: live ones with their end, and dormant ones with why.
    """
    with settings.open() as org:
        listing = org.roles(user)
        catalog = org.catalog
    about = [section for section in SECTIONS if user is not None or section[0] not in ("held", "dormant")]
    found: dict[str, tuple[ListedRole, ...]] = {key: getattr(listing, key) for key, _, _ in about}
    if settings.format == "json":
        write_json({key: [_row(role) for role in group] for key, group in found.items()})
    elif settings.format == "csv":
        write_csv(FIELDS, ({"group": key, **_row(role)} for key, group in found.items() for role in group))
    else:
        for number, (key, title, columns) in enumerate(about):
            if number:
                click.echo()
            write_title(title)
            whose = (WHOSE,) if any(role.custom for role in found[key]) else ()
            write_table((*columns, *whose), [_shown(catalog, role) for role in found[key]])


@click.command("define-role")
@click.argument("id")
@click.option("--title", required=True, help="What people call it.")
@click.option("--description", default="", help="What it is for, in a sentence.")
@click.option(
    "--grant",
    "granted",
    metavar="RESOURCE=GRANT",
    type=resource_grants,
    multiple=True,
    help="What it gives on a resource, such as sales=edit:own, or JSON; repeat it for each grant.",
)
@click.option(
    "--include",
    "includes",
    metavar="ROLE",
    multiple=True,
    shell_complete=completion.roles,
    help="A role whose grants come with it; repeat it for each.",
)
@common
def define_role(
    settings: Settings,
    id: str,
    title: str,
    description: str,
    granted: tuple[tuple[str, Grants], ...],
    includes: tuple[str, ...],
) -> None:
    """Define a role of the organization's own, or define one anew: who holds it keeps it.

    It grants only what the license contains.
    """
    by_resource: dict[str, list[Grants]] = {}
    for resource, given in granted:
        by_resource.setdefault(resource, []).append(given)
    grants = {resource: entry(given) for resource, given in by_resource.items()}
    with settings.open(changing=True) as org:
        role = org.define_role(id, title=title, grants=grants, description=description, includes=includes)
        catalog = org.catalog
    if settings.format == "table":
        write_table((*ROLE, BROUGHT), [_shown(catalog, role)])
    else:
        Listing(FIELDS[1:], ()).write_one(settings.format, _row(role))


@click.command("remove-role")
@click.argument("id")
@common
def remove_role(settings: Settings, id: str) -> None:
    """Remove a role of the organization's own; its holders lose it."""
    with settings.open(changing=True) as org:
        org.remove_role(id)
    if settings.format == "table":
        click.echo("removed")
    else:
        Listing(("id", "removed"), ()).write_one(settings.format, {"id": id, "removed": True})


def _row(role: ListedRole) -> dict[str, object]:
    return {
        "id": role.id,
        "title": role.title,
        "package": role.package,
        "comes_with": list(role.comes_with),
        "until": timestamp(role.until),
        "custom": role.custom,
    }


def _shown(catalog: Catalog, role: ListedRole) -> Row:
    brought = listed(package_title(catalog, name) for name in role.comes_with)
    ended = role.until is not None and role.until <= datetime.now(UTC)
    why = "its time has ended" if ended else f"comes with {brought}" if brought else role.description
    return {
        "id": role.id,
        "title": role.title,
        "brought": brought.replace(" and ", " or "),
        "ends": "" if role.until is None else moment(role.until),
        "why": why,
        "custom": role.custom,
    }
