"""`seatperm sessions`: who is signed in, and ending a session."""

from __future__ import annotations

import click

from ..sessions import Seat
from . import completion
from .options import common, seats
from .output import Column, Listing, Row, minute, timestamp, write_json
from .settings import Settings

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


@click.group(invoke_without_command=True)
@seats
@common
@click.pass_context
def sessions(context: click.Context, settings: Settings) -> None:
    """List the live sessions, or end one."""
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


def _row(seat: Seat) -> Row:
    return {
        "id": seat.id,
        "user": seat.user_id,
        "client": seat.client,
        "started_at": timestamp(seat.started_at),
        "expires_at": timestamp(seat.expires_at),
    }
