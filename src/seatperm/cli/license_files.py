"""Signed license files: `seatperm license keygen` and `issue` for vendors, `inspect` and `install` for hosts."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import click

from .. import license_files
from ..catalog import Catalog
from ..decision.words import moment as told_moment
from ..license import License, summary
from ..license_files import PublicKeys
from ..organization.answers import Terms
from ..organization.facade import new_license
from . import license
from .options import common, formatted
from .output import Listing, Row, timestamp, write_json, write_pairs
from .settings import Settings, variable
from .values import moment

FILE = Listing(("organization", "issued", "install_by", "key", *summary(License(""))), ())


class Text(click.Path):
    """The text of a file, or of the standard input for "-", read and closed at once."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> str:
        """Read the file."""
        try:
            with click.open_file(value, encoding="utf-8", errors="replace") as file:
                text: str = file.read()
        except OSError as error:
            self.fail(f"{value} can't be read: {error.strerror}.", param, ctx)
        return text


class Keys(Text):
    """What a file of keys says, as JSON."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """Read the file."""
        try:
            return json.loads(super().convert(value, param, ctx))
        except ValueError as error:
            self.fail(f"{value} is no JSON: {error}.", param, ctx)


class PrivateKey(Keys):
    """A vendor's private key, of a file."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """Read the file."""
        key = super().convert(value, param, ctx)
        if not isinstance(key, Mapping) or "kty" not in key:
            self.fail(
                f"{value} holds no key: expected the private key that `seatperm license keygen` made.", param, ctx
            )
        if "d" not in key:
            self.fail(f"{value} holds a public key, which can't sign; name the file of its private key.", param, ctx)
        return key


def _keys(command: Callable[..., None]) -> Callable[..., None]:
    return click.option(
        "--keys",
        "sets",
        metavar="FILE",
        type=Keys(),
        multiple=True,
        required=True,
        help="The vendor's public keys: a JSON Web Key, or a set of them; repeat it for more.",
    )(command)


@click.command()
@click.argument("file", type=click.Path(dir_okay=False))
@click.option("--kid", metavar="ID", help="The key's id, which its files name; its thumbprint unless said.")
def keygen(file: str, kid: str | None) -> None:
    """Make a private key in a new FILE, which only you can read, and print its public key for hosts."""
    key = license_files.generate_key(kid)
    try:
        # Made with these rights, not given them later: there is no moment at which others could open it.
        with os.fdopen(os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w", encoding="utf-8") as out:
            out.write(json.dumps(key, indent=2) + "\n")
    except FileExistsError as error:
        raise click.UsageError(f"{file} is there already, and a key is never overwritten.") from error
    except OSError as error:
        raise click.UsageError(f"{file} can't be made: {error.strerror}.") from error
    write_json(license_files.public_key(key))


@click.command()
@click.option("--key", metavar="FILE", type=PrivateKey(), required=True, help="The private key.")
@click.option("--organization", metavar="ID", required=True, help="The organization that it is for.")
@click.option(
    "--install-by",
    metavar="TIME",
    type=moment,
    help="The moment up to which it can be installed; any time unless said.",
)
@click.option(
    "--catalog",
    metavar="FILE",
    envvar=variable("catalog"),
    show_envvar=True,
    type=click.Path(),
    help="Look packages and roles up in this catalog.",
)
@license.terms
def issue(
    wanted: Terms, *, key: Mapping[str, object], organization: str, install_by: datetime | None, catalog: str | None
) -> None:
    """Print a signed license file for an organization.

    It names all the terms: what is not said is as in a license of nothing but its package, with one session.
    """
    if "package" not in wanted:
        raise click.UsageError("Say the package, with --package.")
    for name, at in (("--valid-until", wanted.get("valid_until")), ("--install-by", install_by)):
        if at is not None and at <= datetime.now(UTC):
            raise click.BadParameter(f"{told_moment(at)} is past.", param_hint=name)
    terms: dict[str, Any] = {**wanted}
    text = license_files.issue(
        key,
        organization=organization,
        license=License(**terms)
        if catalog is None
        else new_license(Catalog.load(Path(catalog)), License(wanted["package"]), wanted),
        issued=datetime.now(UTC),
        install_by=install_by,
    )
    click.echo(text)


@click.command()
@click.argument("text", metavar="FILE", type=Text())
@_keys
@formatted
def inspect(settings: Settings, *, text: str, sets: tuple[PublicKeys, ...]) -> None:
    """Show what a license FILE says, if one of the keys has signed it; needs no store and no catalog."""
    found = license_files.read(text, _public(sets))
    row: Row = {
        "organization": found.organization,
        "issued": timestamp(found.issued),
        "install_by": timestamp(found.install_by),
        "key": found.kid,
        **summary(found.license),
    }
    if settings.format == "table":
        by = "any time" if found.install_by is None else told_moment(found.install_by)
        about = [("Organization", found.organization), ("Issued", told_moment(found.issued)), ("Install by", by)]
        write_pairs([*about, ("Key", found.kid), *license.told_terms(found.license)])
    else:
        FILE.write_one(settings.format, row)


@click.command()
@click.argument("text", metavar="FILE", type=Text())
@_keys
@common
def install(settings: Settings, *, text: str, sets: tuple[PublicKeys, ...]) -> None:
    """Put the license of a signed FILE in place of the present one, and show what that came to."""
    with settings.open(changing=True) as org:
        license.show(settings, org.catalog, org.install_license(text, _public(sets)))


def _public(sets: tuple[PublicKeys, ...]) -> list[Mapping[str, object]]:
    return [key for keys in sets for key in license_files.each_key(keys)]
