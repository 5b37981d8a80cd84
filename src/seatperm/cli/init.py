"""`seatperm init`: a catalog to start from."""

from __future__ import annotations

from importlib.resources import files
from pathlib import Path

import click

from ..catalog import Catalog


@click.command()
@click.argument("path", type=click.Path(path_type=Path), default=Path("catalog.toml"))
def init(path: Path) -> None:
    """Write a catalog to start from, with a comment on every part of it.

    PATH is catalog.toml unless said; a file that is there is left as it is, with exit code 2.
    """
    text = files(__package__ or "").joinpath("catalog.toml").read_text("utf-8")
    try:
        with path.open("x", encoding="utf-8", newline="\n") as file:
            file.write(text)
    except FileExistsError:
        raise click.UsageError(f"{path} is there already; name another file, or move that one away.") from None
    except OSError as error:
        raise click.UsageError(f"{path} can't be written: {error.strerror}.") from error
    catalog = Catalog.load(path)
    click.echo(
        f"wrote {path}: {len(catalog.packages)} packages, {len(catalog.roles)} roles; put in what your application has"
    )
    click.echo(f"next: seatperm check {path}, then seatperm.open({str(path)!r}, 'sqlite:///books.db')")
