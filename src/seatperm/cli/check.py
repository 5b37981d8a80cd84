"""`seatperm check`: whether a catalog is whole."""

from __future__ import annotations

import click

from ..catalog import Catalog
from ..errors import CatalogError
from ..problem import Problem
from .options import formatted
from .output import Row, write_csv, write_json
from .settings import Settings
from .tree import BAD_INPUT

PROBLEM = ("file", "line", "path", "message", "nearest")


@click.command()
@click.argument("file", type=click.Path())
@formatted
@click.pass_context
def check(context: click.Context, settings: Settings, file: str) -> None:
    """Load a catalog and tell what is wrong with it.

    FILE is TOML or JSON. Exit code 0 when it is whole, 2 with every problem when it is not.
    """
    try:
        catalog = Catalog.load(file)
    except CatalogError as error:
        if settings.format == "table":
            raise
        problems = [_problem(found) for found in error.problems if isinstance(found, Problem)]
        if settings.format == "json":
            write_json({"file": file, "valid": False, "problems": problems})
        else:
            write_csv(PROBLEM, problems)
        context.exit(BAD_INPUT)
    counts = {
        "resources": len(catalog.resources),
        "roles": len(catalog.roles),
        "tiers": len(list(catalog.tiers)),
        "add_ons": len(catalog.packages) - len(list(catalog.tiers)),
    }
    if settings.format == "json":
        write_json({"file": file, "valid": True, "name": catalog.name, **counts, "problems": []})
    elif settings.format == "csv":
        write_csv(PROBLEM, [])
    else:
        told = ", ".join(
            f"{count} {name.replace('_', '-').removesuffix('s')}{'' if count == 1 else 's'}"
            for name, count in counts.items()
        )
        click.echo(f"{file} is a whole catalog{f', {catalog.name!r}' if catalog.name else ''}: {told}")


def _problem(found: Problem) -> Row:
    return {
        "file": found.file,
        "line": found.line,
        "path": found.path,
        "message": found.message,
        "nearest": list(found.nearest),
    }
