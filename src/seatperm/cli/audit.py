"""`seatperm audit`: the trail, and whether it is whole."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import datetime

import click

from ..audit import Event, Verification, line
from . import completion
from .options import common_or_lines
from .output import Column, Listing, Row, minute, plain, timestamp
from .settings import Settings
from .values import moment

EVENTS = Listing(
    ("number", "at", "actor", "kind", "user", "revision", "details"),
    (
        Column("No.", "number"),
        Column("At (UTC)", lambda row: minute(row["at"])),
        Column("By", lambda row: plain(row["actor"]) or "host"),
        Column("What", "kind"),
        Column("User", "user"),
        Column("Details", lambda row: "; ".join(_told(row["details"])), lines=3),
    ),
)

VERIFICATION = Listing(("whole", "events", "problems"), ())


@click.command()
@click.option("--user", metavar="ID", shell_complete=completion.users, help="Who acted, or to whom it was done.")
@click.option(
    "--kind",
    shell_complete=completion.kinds,
    help="A kind of event, such as 'role.assigned', or what kinds begin with, such as 'session'.",
)
@click.option(
    "--since", metavar="TIME", type=moment, help="The earliest moment: a date, or a date and time with its offset."
)
@click.option("--until", metavar="TIME", type=moment, help="The moment before which the events are.")
@click.option("--verify", is_flag=True, help="Tell whether the trail is as it was written; exit code 1 when not.")
@common_or_lines
@click.pass_context
def audit(
    context: click.Context,
    settings: Settings,
    user: str | None,
    kind: str | None,
    since: datetime | None,
    until: datetime | None,
    verify: bool,
) -> None:
    """List every change, sign-in, refusal and end of a session, oldest first, or verify the trail.

    What is said of user, kind and time has to be true of each event that is listed. JSON lines hold all that
    the trail is chained by.
    """
    if verify and (user, kind, since, until) != (None, None, None, None):
        raise click.UsageError("--verify reads the whole trail; leave out --user, --kind, --since and --until.")
    with settings.open() as org:
        trail = org.audit
        if not verify:
            _list(settings, trail.filter(user=user, kind=kind, since=since, until=until))
            return
        found = trail.verify()
    if settings.format == "table":
        _say(found)
    else:
        answer = {"whole": bool(found), "events": found.events, "problems": list(found.problems)}
        VERIFICATION.write_one(settings.format, answer)
    context.exit(not found)


def _list(settings: Settings, events: Iterator[Event]) -> None:
    if settings.format == "jsonl":
        for event in events:
            click.echo(line(event))
    else:
        EVENTS.write(settings.format, (_row(event) for event in events))


def _say(found: Verification) -> None:
    if found:
        click.secho(f"whole: {found.events} events", fg="green")
        return
    click.secho(f"not whole: {found.events} events were read", fg="red")
    for problem in found.problems:
        click.echo(f"  {problem}")


def _row(event: Event) -> Row:
    return {
        "number": event.number,
        "at": timestamp(event.at),
        "actor": event.actor,
        "kind": event.kind,
        "user": event.user,
        "revision": event.revision,
        "details": None if event.details is None else dict(event.details),
    }


def _told(details: object) -> Iterator[str]:
    if not isinstance(details, Mapping):
        yield "erased"
        return
    before, after = details.get("before"), details.get("after")
    if isinstance(after, Mapping):
        for name, value in after.items():
            if isinstance(before, Mapping):
                if value != before.get(name):
                    yield f"{name}: {_value(before.get(name)) or 'none'} -> {_value(value) or 'none'}"
            elif value:
                yield f"{name}: {_value(value)}"
    for name, value in details.items():
        if name not in ("before", "after"):
            yield f"{name}: {_value(value)}"


def _value(value: object) -> str:
    if isinstance(value, Mapping):
        return ", ".join(f"{key} {_inner(held)}".rstrip() for key, held in value.items())
    return ", ".join(_inner(item) for item in value) if isinstance(value, list) else plain(value)


def _inner(value: object) -> str:
    if isinstance(value, Mapping):
        return " ".join(_value(held) for held in value.values() if held is not None)
    return _value(value)
