"""`seatperm license`: its terms, and changing them or only looking at what that would come to."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from typing import Literal

import click

from ..catalog import Catalog
from ..compiled import Reach
from ..decision.words import listed, package_title, role_title
from ..decision.words import moment as told_moment
from ..license import License, summary
from ..money import Money
from ..organization import LicenseChange
from ..organization.answers import Terms
from . import completion
from .options import common
from .output import Column, Listing, Row, write_csv, write_object, write_pairs, write_table, write_title
from .reaches import told_reaches
from .settings import Settings
from .tree import Commands
from .values import NONE, count, duration, moment, or_none, reserved, told_duration

LICENSE = Listing(
    (
        "package",
        "add_ons",
        "session_limit",
        "user_limit",
        "seat_per",
        "reserved",
        "valid_from",
        "valid_until",
        "grace",
        "standing",
        "monthly_charge",
    ),
    (),
)

EFFECT = ("user", "change", "resource", "action", "scope")

TERMS = (Column("Term", "term"), Column("Before", "before"), Column("After", "after"))

EFFECTS = (
    Column("User", "user"),
    Column("Gains", "gains", color=lambda _: "green"),
    Column("Loses", "loses", color=lambda _: "red"),
)

OPTIONS = (
    click.option("--package", metavar="NAME", shell_complete=completion.tiers, help="The package."),
    click.option(
        "--add-on",
        "add_ons",
        metavar="NAME",
        multiple=True,
        shell_complete=completion.add_ons,
        help="An add-on; repeat it for each that shall be held.",
    ),
    click.option("--no-add-ons", is_flag=True, help="Hold no add-on."),
    click.option("--session-limit", metavar="N", type=count, help="How many sessions at one time."),
    click.option("--user-limit", metavar="N|none", type=or_none(count), help="How many named users."),
    click.option("--seat-per", type=click.Choice(["session", "user"]), help="What takes a seat."),
    click.option(
        "--reserve",
        "reserved_for",
        metavar="ROLE=N",
        type=reserved,
        multiple=True,
        help="Seats kept back for a role's holders; repeat it for each role.",
    ),
    click.option("--no-reserve", is_flag=True, help="Keep no seat back."),
    click.option("--valid-from", metavar="TIME|none", type=or_none(moment), help="The first moment."),
    click.option("--valid-until", metavar="TIME|none", type=or_none(moment), help="The first moment after it."),
    click.option(
        "--grace",
        metavar="DURATION",
        type=duration,
        help="How long it stays valid after that, such as 14d or 12h; 0d for not at all.",
    ),
)


STANDINGS = {"not_begun": "not begun", "valid": "valid", "grace": "ended, in its grace", "ended": "ended"}


def terms(command: Callable[..., None]) -> Callable[..., None]:
    """Give a command the terms that a license may get, as its last argument without a name."""

    @functools.wraps(command)
    def called(
        *args: object,
        package: str | None,
        add_ons: tuple[str, ...],
        no_add_ons: bool,
        session_limit: int | None,
        user_limit: int | Literal["none"] | None,
        seat_per: str | None,
        reserved_for: tuple[tuple[str, int], ...],
        no_reserve: bool,
        valid_from: datetime | Literal["none"] | None,
        valid_until: datetime | Literal["none"] | None,
        grace: timedelta | None,
        **rest: object,
    ) -> None:
        wanted: Terms = {}
        if package is not None:
            wanted["package"] = package
        if add_ons or no_add_ons:
            wanted["add_ons"] = add_ons
        if session_limit is not None:
            wanted["session_limit"] = session_limit
        if user_limit is not None:
            wanted["user_limit"] = None if user_limit == NONE else user_limit
        if seat_per is not None:
            wanted["seat_per"] = seat_per
        if reserved_for or no_reserve:
            wanted["reserved"] = dict(reserved_for)
        if valid_from is not None:
            wanted["valid_from"] = None if valid_from == NONE else valid_from
        if valid_until is not None:
            wanted["valid_until"] = None if valid_until == NONE else valid_until
        if grace is not None:
            wanted["grace"] = grace
        if (add_ons and no_add_ons) or (reserved_for and no_reserve):
            raise click.UsageError("Say what to hold or that nothing shall be held, not both.")
        command(*args, wanted, **rest)

    decorated: Callable[..., None] = called
    for option in reversed(OPTIONS):
        decorated = option(decorated)
    return decorated


@click.group(cls=Commands, invoke_without_command=True)
@common
@click.pass_context
def license(context: click.Context, settings: Settings) -> None:
    """Show the license's terms and monthly charge, or change it."""
    if context.invoked_subcommand is not None:
        return
    with settings.open() as org:
        held, charge, catalog = org.license, org.monthly_charge, org.catalog
    if settings.format == "table":
        write_pairs(_told(catalog, held, charge))
    else:
        LICENSE.write_one(settings.format, _row(held, charge))


@license.command()
@common
@terms
def preview(settings: Settings, wanted: Terms) -> None:
    """Show what a change of license would come to, and who would gain or lose what; change nothing."""
    _need(wanted)
    with settings.open() as org:
        show(settings, org.catalog, org.preview_license(**wanted))


@license.command()
@common
@terms
def change(settings: Settings, wanted: Terms) -> None:
    """Change the license, and show what that came to.

    What is not said stays as it is. Roles and settings that the license no longer contains are kept, dormant.
    """
    _need(wanted)
    with settings.open(changing=True) as org:
        show(settings, org.catalog, org.change_license(**wanted))


def _need(wanted: Terms) -> None:
    if not wanted:
        raise click.UsageError("Say what shall be different, such as --package or --session-limit.")


def show(settings: Settings, catalog: Catalog, made: LicenseChange) -> None:
    """Print what a change of license comes to."""
    if settings.format == "json":
        whole = {"before": _row(made.before, made.charge_before), "after": _row(made.after, made.charge_after)}
        effects = (
            {
                "user": effect.user_id,
                "gained": [_reach(reach) for reach in effect.gained],
                "lost": [_reach(reach) for reach in effect.lost],
            }
            for effect in made.effects
        )
        write_object(whole, "effects", effects)
    elif settings.format == "csv":
        write_csv(EFFECT, _effect_rows(made))
    else:
        if made.before == made.after:
            click.echo("The license stays as it is.")
            return
        sides = (
            _told(catalog, made.before, made.charge_before),
            _told(catalog, made.after, made.charge_after),
        )
        differing = [
            {"term": term, "before": before, "after": after}
            for (term, before), (_, after) in zip(*sides, strict=True)
            if before != after
        ]
        write_table(TERMS, differing)
        click.echo()
        write_title("Who gains or loses access")
        write_table(
            EFFECTS,
            [
                {
                    "user": effect.user_id,
                    "gains": told_reaches(catalog, effect.gained),
                    "loses": told_reaches(catalog, effect.lost),
                }
                for effect in made.effects
            ],
        )


def _row(license: License, charge: Money | None) -> Row:
    return {
        **summary(license),
        "standing": license.standing(datetime.now(UTC)),
        "monthly_charge": None if charge is None else str(charge),
    }


def _told(catalog: Catalog, license: License, charge: Money | None) -> list[tuple[str, str]]:
    return [
        *told_terms(license, catalog),
        ("Now", STANDINGS[license.standing(datetime.now(UTC))]),
        ("Monthly charge", "nothing has a price" if charge is None else str(charge)),
    ]


def told_terms(license: License, catalog: Catalog | None = None) -> list[tuple[str, str]]:
    """Return a license's terms as people read them: with a catalog's titles, or by their names where there is none."""

    def package(name: str) -> str:
        return name if catalog is None else package_title(catalog, name)

    def role(name: str) -> str:
        return name if catalog is None else role_title(catalog, name)

    return [
        ("Package", package(license.package)),
        ("Add-ons", listed(package(name) for name in sorted(license.add_ons)) or "none"),
        ("Sessions at one time", str(license.session_limit)),
        ("Named users", "any number" if license.user_limit is None else str(license.user_limit)),
        ("A seat is taken by", f"each {license.seat_per}"),
        ("Kept back", listed(f"{number} for {role(name)}" for name, number in license.reserved.items()) or "none"),
        ("Valid from", "always" if license.valid_from is None else told_moment(license.valid_from)),
        ("Valid until", "no end" if license.valid_until is None else told_moment(license.valid_until)),
        ("Grace after that", told_duration(license.grace) if license.grace else "none"),
    ]


def _effect_rows(made: LicenseChange) -> Iterator[Row]:
    for effect in made.effects:
        for change, reaches in (("gained", effect.gained), ("lost", effect.lost)):
            for reach in reaches:
                yield {"user": effect.user_id, "change": change, **_reach(reach)}


def _reach(reach: Reach) -> dict[str, str]:
    resource, action, scope = reach
    return {"resource": resource, "action": action, "scope": scope}
