"""`seatperm diff`: who would gain or lose what by a new version of the catalog, and why."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import click

from ..organization import CatalogChange, Difference
from .options import stored
from .output import Column, Row, write_csv, write_object, write_table, write_title
from .reaches import told_reaches
from .settings import Settings

FIELDS = ("user", "change", "resource", "action", "scope", "cause")

EFFECTS = (
    Column("User", "user"),
    Column("Change", "change", color=lambda row: "green" if row["change"] == "gains" else "red"),
    Column("What", "what"),
    Column("Because", "cause"),
)


@click.command()
@click.argument("old", type=click.Path())
@click.argument("new", type=click.Path())
@stored
@click.pass_context
def diff(context: click.Context, settings: Settings, old: str, new: str) -> None:
    """Show what every user would gain or lose by a new version of the catalog, and why; change nothing.

    OLD is the catalog in use, NEW the one that shall be. Names in the store that NEW does not have are told too.

    Exit code 0 when nothing changes for anybody, 1 when something does.
    """
    settings.catalog = old
    with settings.open() as org:
        change = org.preview_catalog(new)
        if settings.format == "json":
            same = not _write_json(change)
        elif settings.format == "csv":
            rows = _Counted(_rows(change))
            write_csv(FIELDS, rows)
            same = not rows.number
        else:
            same = not _write_tables(change)
    context.exit(not same)


class _Counted:
    """Rows, counted as they are read."""

    def __init__(self, rows: Iterable[Row]) -> None:
        self.number = 0
        self._rows = rows

    def __iter__(self) -> Iterator[Row]:
        for row in self._rows:
            self.number += 1
            yield row


def _write_json(change: CatalogChange) -> bool:
    effects = _Counted(
        {
            "user": effect.user_id,
            "gained": [_row(one) for one in effect.gained],
            "lost": [_row(one) for one in effect.lost],
        }
        for effect in change.effects
    )
    write_object({"unknown": change.unknown}, "effects", effects)
    return bool(effects.number or change.unknown)


def _rows(change: CatalogChange) -> Iterator[Row]:
    for name in change.unknown:
        yield {**dict.fromkeys(FIELDS), "change": "unknown", "cause": name}
    for effect in change.effects:
        for kind, side in (("gained", effect.gained), ("lost", effect.lost)):
            yield from ({"user": effect.user_id, "change": kind, **_row(one)} for one in side)


def _row(one: Difference) -> Row:
    return {"resource": one.resource, "action": one.action, "scope": one.scope, "cause": one.cause}


def _write_tables(change: CatalogChange) -> bool:
    rows: list[Row] = []
    for effect in change.effects:
        for kind, side, catalog in (("gains", effect.gained, change.after), ("loses", effect.lost, change.before)):
            by_cause: dict[str, list[tuple[str, str, str]]] = {}
            for one in side:
                by_cause.setdefault(one.cause, []).append((one.resource, one.action, one.scope))
            rows += [
                {"user": effect.user_id, "change": kind, "what": told_reaches(catalog, reaches), "cause": cause}
                for cause, reaches in by_cause.items()
            ]
    if change.unknown:
        write_title("Names in the store that the new catalog does not have")
        for name in change.unknown:
            click.echo(name)
        click.echo()
    write_title("Who gains or loses access")
    write_table(EFFECTS, rows)
    return bool(rows or change.unknown)
