"""The commands that ask about access: `can`, `explain`, `who-can`, `access`."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TypeVar

import click

from .. import rules
from ..organization import Access, Cell
from . import completion
from .options import common
from .output import Column, Listing, Row, plain, write_json, write_table, write_text
from .settings import Settings
from .users import PERSON, user_row

F = TypeVar("F", bound=Callable[..., object])

ANSWER = ("user", "resource", "action", "scope", "allowed")
EXPLANATION = (*ANSWER, "level", "reason", "summary", "remedies")

ACCESS = Listing(
    ("resource", "scope", "level", "actions", "from", "title", "description"),
    (
        Column("Resource", "resource"),
        Column("Scope", "scope", whole=True),
        Column("Level", "level"),
        Column("Actions", lambda row: plain(row["actions"]).replace(";", ",")),
        Column("From", lambda row: plain(row["from"]).replace(";", ",")),
    ),
)

DESCRIBED = Listing(
    ACCESS.fields, (*ACCESS.columns, Column("For", lambda row: plain(row["description"]) or plain(row["title"])))
)


def asked(*, user: bool) -> Callable[[F], F]:
    """Give a command what a check names."""

    def decorate(command: F) -> F:
        command = click.option(
            "--scope",
            shell_complete=completion.scopes,
            help="Ask about records that are reached at this scope; every record unless said.",
        )(command)
        command = click.argument("action", shell_complete=completion.actions)(command)
        command = click.argument("resource", shell_complete=completion.resources)(command)
        return click.argument("user", shell_complete=completion.users)(command) if user else command

    return decorate


@click.command()
@asked(user=True)
@common
@click.pass_context
def can(context: click.Context, settings: Settings, user: str, resource: str, action: str, scope: str | None) -> None:
    """Tell whether a user may do this: yes or no.

    Exit code 0 for yes, 1 for no. An unknown user may do nothing.
    """
    with settings.open() as org:
        allowed = org.can(user, resource, action, scope=scope)
    answer = {"user": user, "resource": resource, "action": action, "scope": scope, "allowed": allowed}
    if settings.format == "table":
        click.secho(plain(allowed), fg="green" if allowed else "red")
    else:
        Listing(ANSWER, ()).write_one(settings.format, answer)
    context.exit(not allowed)


@click.command()
@asked(user=True)
@common
@click.pass_context
def explain(
    context: click.Context, settings: Settings, user: str, resource: str, action: str, scope: str | None
) -> None:
    """Tell whether a user may do this, and why.

    For a denial also what would turn it around, cheapest first.

    Exit code 0 when allowed, 1 when not.
    """
    with settings.open() as org:
        decision = org.explain(user, resource, action, scope=scope)
    if settings.format == "table":
        write_text(str(decision))
    elif settings.format == "json":
        write_json(decision.to_dict())
    else:
        answer = {**decision.to_dict(), "remedies": [remedy.title for remedy in decision.remedies]}
        Listing(EXPLANATION, ()).write_one("csv", answer)
    context.exit(not decision)


@click.command("who-can")
@asked(user=False)
@common
def who_can(settings: Settings, resource: str, action: str, scope: str | None) -> None:
    """List the users who may do this."""
    with settings.open() as org:
        found = org.who_can(resource, action, scope=scope)
        PERSON.write(settings.format, (user_row(org.catalog, user) for user in found))


@click.command()
@click.argument("user", shell_complete=completion.users)
@click.option("--describe", is_flag=True, help="Say in the table what each resource is for.")
@click.option("--all", "everything", is_flag=True, help="List in the table also the resources that give nothing.")
@common
def access(settings: Settings, user: str, describe: bool, everything: bool) -> None:
    """Show all that a user may do, and where it comes from.

    The table leaves out what gives nothing, JSON and CSV never do.
    """
    with settings.open() as org:
        found = org.access(user)
    if settings.format != "table":
        ACCESS.write(settings.format, _rows(found))
        return
    rows = [row for row in _merged(found) if everything or row["actions"] or row["from"]]
    write_table((DESCRIBED if describe else ACCESS).columns, rows)
    left_out = len(found.table) - len({row["resource"] for row in rows})
    if left_out:
        said = "1 resource with nothing is" if left_out == 1 else f"{left_out} resources with nothing are"
        click.echo(f"\n{said} left out; --all lists {'it' if left_out == 1 else 'them'}.")


def _rows(found: Access) -> Iterator[Row]:
    for resource, cells in found.table.items():
        for scope, cell in cells.items():
            yield _row(found, resource, scope, cell)


def _merged(found: Access) -> Iterator[Row]:
    """One row for all the scopes of a resource at which everything is the same."""
    for resource, cells in found.table.items():
        same: dict[tuple[object, ...], list[str]] = {}
        for scope, cell in cells.items():
            same.setdefault((cell.level, cell.actions, cell.sources), []).append(scope)
        for scopes in same.values():
            yield _row(found, resource, ", ".join(scopes), cells[scopes[0]])


def _row(found: Access, resource: str, scope: str, cell: Cell) -> Row:
    return {
        "resource": resource,
        "scope": scope,
        "level": cell.level,
        "actions": list(cell.actions),
        "from": [_source(source) for source in cell.sources],
        "title": found.resources[resource].title,
        "description": found.resources[resource].description,
    }


def _source(source: rules.Source) -> str:
    kind = "role" if source.kind == "everything" else source.kind
    return f"{kind}:{source.name}" if source.name else kind
