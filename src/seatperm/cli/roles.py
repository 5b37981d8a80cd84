"""`seatperm roles`: what can be given, what another package would bring, and what a user holds."""

from __future__ import annotations

from datetime import UTC, datetime

import click

from ..catalog import Catalog
from ..decision.words import listed, moment, package_title
from ..organization import ListedRole
from . import completion
from .options import common
from .output import Column, Row, timestamp, write_csv, write_json, write_table, write_title
from .settings import Settings

FIELDS = ("group", "id", "title", "package", "comes_with", "until")

ROLE = (Column("Role", "id"), Column("Title", "title"))
BROUGHT = Column("Comes with", "brought")

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
            write_table(columns, [_shown(catalog, role) for role in found[key]])


def _row(role: ListedRole) -> dict[str, object]:
    return {
        "id": role.id,
        "title": role.title,
        "package": role.package,
        "comes_with": list(role.comes_with),
        "until": timestamp(role.until),
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
    }
