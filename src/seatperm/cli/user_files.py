"""`seatperm users import`: many users from a CSV file, with a report of every row that was refused."""

from __future__ import annotations

import csv
import re
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Final, TextIO

import click
from attrs import frozen

from ..errors import SeatpermError
from ..organization import Organization, open_tenants
from ..spelling import did_you_mean, nearest
from ..stores.opening import open_directory
from ..stores.transfer import export, restore
from .options import common
from .output import Column, Listing, Row, write_json
from .settings import Settings

COLUMNS: Final = ("id", "email", "name", "roles", "type")
"""What the file's columns may be."""

REFUSED = Listing(
    ("line", "id", "email", "why"),
    (Column("Line", "line"), Column("Id", "id"), Column("E-mail", "email"), Column("Why", "why")),
)

TOKENS = Listing(("line", "id", "email", "token"), ())


@frozen
class Found:
    """What came of a file.

    Attributes:
        taken: the rows whose users were taken in; with their tokens, where they were invited.
        refused: the rows that were not, with why.
    """

    taken: list[Row]
    refused: list[Row]


@click.command("import")
@click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option("--dry-run", is_flag=True, help="Tell what would be refused, changing nothing.")
@click.option("--invite", is_flag=True, help="Invite them, and print their tokens, in place of adding active users.")
@common
@click.pass_context
def import_(context: click.Context, settings: Settings, file: Path, dry_run: bool, invite: bool) -> None:
    """Take in users from a CSV file, and list every row that was refused.

    FILE begins with a line of column names: email and name; id, which --invite can do without; and, if wanted,
    roles (several with semicolons between) and type. Each row is one change, so that rows stand or fall alone, and
    the file can be corrected and imported again: who is there by then is refused.

    Exit code 1 when a row was refused.
    """
    with file.open(encoding="utf-8-sig", newline="") as stream, _opened(settings, dry_run) as org:
        found = _take_in(org, _rows(stream, file, invite=invite), file.stat().st_size, invite=invite)
    if settings.format == "json":
        write_json({"taken": found.taken, "refused": found.refused, "dry_run": dry_run})
    elif invite and settings.format == "csv":
        TOKENS.write("csv", found.taken)
    else:
        _report(settings, found, dry_run)
    context.exit(bool(found.refused))


def _report(settings: Settings, found: Found, dry_run: bool) -> None:
    if found.refused or settings.format == "csv":
        REFUSED.write(settings.format, found.refused)
    if settings.format != "table":
        return
    if found.refused:
        click.echo()
    for row in found.taken:
        if row["token"]:
            click.echo(f"{row['email']}: {row['token']}")
    verb = "would be taken in" if dry_run else "taken in"
    click.echo(f"{len(found.taken)} {verb}, {len(found.refused)} refused")


@contextmanager
def _opened(settings: Settings, dry_run: bool) -> Iterator[Organization]:
    if not dry_run:
        with settings.open(changing=True) as org:
            yield org
        return
    # Tried on a copy of the whole store: only that knows whose addresses and ids are taken, and what is left to take.
    with settings.open() as org, settings.directory() as directory:
        copy = open_directory("memory://")
        for id in directory.organizations():
            restore(copy, export(directory, id))
        # Not the organization's catalog: its own roles are in that already.
        yield open_tenants(settings.catalog or "", copy, session_store="memory://", orphans=settings.orphans)[org.id]


def _rows(stream: TextIO, file: Path, *, invite: bool) -> Iterator[tuple[int, Mapping[str, str]]]:
    """Iterate over the rows, each with the number of its last line."""
    reader = csv.DictReader(stream, strict=True)
    try:
        reader.fieldnames = _columns(file, reader.fieldnames or [], invite=invite)
        yield from ((reader.line_num, row) for row in reader)
    except (csv.Error, UnicodeDecodeError) as error:
        raise click.UsageError(f"{file}, line {reader.line_num + 1}: {error}; expected CSV in UTF-8") from error


def _columns(file: Path, names: Sequence[str], *, invite: bool) -> list[str]:
    named = [name.strip().lower() for name in names]
    for name in named:
        if name not in COLUMNS:
            said = f"{file}, line 1: there is no column {name!r}; expected {', '.join(COLUMNS)}"
            raise click.UsageError(said + did_you_mean(nearest(name, COLUMNS, 1)))
    needed = ("email", "name") if invite else ("id", "email", "name")
    if not set(needed) <= set(named) or len(named) != len(set(named)):
        raise click.UsageError(f"{file}, line 1: expected {', '.join(needed)}, each once, among {', '.join(COLUMNS)}")
    return named


def _take_in(org: Organization, rows: Iterator[tuple[int, Mapping[str, str]]], size: int, *, invite: bool) -> Found:
    found = Found([], [])
    hidden = not sys.stderr.isatty()
    with click.progressbar(length=size, label="importing", file=sys.stderr, hidden=hidden) as bar:
        for line, row in rows:
            bar.update(sum(len(str(value).encode()) + 1 for value in row.values()))
            told: Row = {"line": line, "id": row.get("id"), "email": row.get("email")}
            if None in row or None in row.values():
                found.refused.append({**told, "why": "it has another number of cells than line 1"})
                continue
            try:
                found.taken.append({**told, **_user(org, row, invite=invite)})
            except SeatpermError as error:
                found.refused.append({**told, "why": str(error)})
    return found


def _user(org: Organization, row: Mapping[str, str], *, invite: bool) -> Row:
    roles = [name for name in re.split(r"\s*;\s*", row.get("roles", "").strip()) if name]
    email, name, type = row["email"].strip(), row["name"], row.get("type", "").strip() or "app"
    id = row.get("id", "").strip()
    if invite:
        invited = org.users.invite(email=email, name=name, roles=roles, type=type, id=id or None)
        return {"id": invited.user.id, "token": invited.token}
    return {"id": org.users.add(id=id, email=email, name=name, roles=roles, type=type).id, "token": None}
