"""`seatperm sessions`: who is signed in and who was, the most at one time, and ending a session."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from typing import ParamSpec, TypeVar

import click

from ..sessions import Past, Seat
from . import completion
from .options import common, seats
from .output import Column, Listing, Row, minute, plain, timestamp, write_json
from .settings import Settings
from .tree import Commands
from .values import moment

P = ParamSpec("P")
R = TypeVar("R")

SESSIONS = Listing(
    ("id", "user", "client", "started_at", "expires_at"),
    (
        Column("Session", "id"),
        Column("User", "user"),
        Column("Client", "client"),
        Column("Since (UTC)", lambda row: minute(row["started_at"])),
        Column("Lease ends (UTC)", lambda row: minute(row["expires_at"])),
    ),
)

HISTORY = Listing(
    ("id", "user", "client", "began", "ended", "how", "refused"),
    (
        Column("Session", "id"),
        Column("User", "user"),
        Column("Client", "client"),
        Column("From (UTC)", lambda row: minute(row["began"])),
        Column("Until (UTC)", lambda row: minute(row["ended"])),
        Column("How", lambda row: f"refused: {row['how']}" if row["refused"] else plain(row["how"])),
    ),
)

PEAK = Listing(("count", "at", "per", "limit"), ())


@click.group(cls=Commands, invoke_without_command=True)
@seats
@common
@click.pass_context
def sessions(context: click.Context, settings: Settings) -> None:
    """List the live sessions or the past ones, tell the most at one time, or end one."""
    if context.invoked_subcommand is not None:
        return
    with settings.open(seats=True) as org:
        rows = [_row(seat) for seat in org.sessions]
        limit, per_user = org.sessions.limit, org.license.seat_per == "user"
    in_use = len({row["user"] for row in rows}) if per_user else len(rows)
    if settings.format == "json":
        write_json({"limit": limit, "in_use": in_use, "sessions": rows})
        return
    SESSIONS.write(settings.format, rows)
    if settings.format == "table":
        click.echo(f"\n{in_use} of {limit} seats in use")


@sessions.command()
@click.argument("id", shell_complete=completion.sessions)
@seats
@common
@click.pass_context
def end(context: click.Context, settings: Settings, id: str) -> None:
    """End a session; its holder is told at the next call.

    Exit code 1 when there was no live session of that id.
    """
    with settings.open(changing=True, seats=True) as org:
        ended = org.sessions.end(id)
    if settings.format == "table":
        click.echo("ended" if ended else "there is no live session of that id")
    else:
        Listing(("id", "ended"), ()).write_one(settings.format, {"id": id, "ended": ended})
    context.exit(not ended)


def _span(command: Callable[P, R]) -> Callable[P, R]:
    until = click.option("--until", metavar="TIME", type=moment, help="The moment before which they began.")
    since = click.option(
        "--since",
        metavar="TIME",
        type=moment,
        help="The moment by which they were not over: a date, or a date and time with its offset.",
    )
    return since(until(command))


@sessions.command()
@click.option("--user", metavar="ID", shell_complete=completion.users, help="Whose; everybody's unless said.")
@_span
@common
def history(settings: Settings, user: str | None, since: datetime | None, until: datetime | None) -> None:
    """List the sign-ins that went on in a time, granted and refused, with their ends, first begun first."""
    with settings.open() as org:
        HISTORY.write(settings.format, map(_past, org.sessions.history(since=since, until=until, user=user)))


@sessions.command()
@_span
@seats
@common
def peak(settings: Settings, since: datetime | None, until: datetime | None) -> None:
    """Tell the most seats that were in use at one time, and since when there were so many."""
    with settings.open(seats=True) as org:
        found, limit = org.sessions.peak(since=since, until=until), org.sessions.limit
    if settings.format == "table":
        at = "" if found.at is None else f", first at {minute(timestamp(found.at))} UTC"
        click.echo(f"{found.count} {found.per}{'s' * (found.count != 1)} at one time{at}; the limit is {limit}")
        return
    answer = {"count": found.count, "at": timestamp(found.at), "per": found.per, "limit": limit}
    PEAK.write_one(settings.format, answer)


def _past(past: Past) -> Row:
    return {
        "id": past.id,
        "user": past.user_id,
        "client": past.client,
        "began": timestamp(past.began),
        "ended": timestamp(past.ended),
        "how": past.how,
        "refused": past.refused,
    }


def _row(seat: Seat) -> Row:
    return {
        "id": seat.id,
        "user": seat.user_id,
        "client": seat.client,
        "started_at": timestamp(seat.started_at),
        "expires_at": timestamp(seat.expires_at),
    }
