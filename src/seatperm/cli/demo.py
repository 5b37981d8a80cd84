"""`seatperm demo`: a tour through an accounting product and the books of two of its customers."""

from __future__ import annotations

import json
import os
import shlex
import shutil
import sys
import tempfile
import tomllib
from collections.abc import Iterable, Iterator
from pathlib import Path

import click

from ..decision.words import listed, package_title, resource_title
from ..demo import CATALOG, build, customers, holds_the_demo
from ..errors import SeatsExhausted
from ..organization import LicenseChange, ListedRole, Organization, Session, Tenants, open_tenants
from ..stores.sqlite_url import SQLITE
from .output import GAP, PARAGRAPH, terminal_width, wrap
from .settings import variable

INDENT = 3
"""How far the tour stands from the left, below its titles."""

SIGN_IN = 40
"""How wide a call to sign in is at the most."""

COLORS = {True: "green", False: "red"}

LOOKS = (
    "users",
    "roles ana",
    "sessions",
    "explain tom customers.records edit",
    "access tom",
    "license preview --package elite",
    "who-can sales.quotes edit --organization tui",
    "audit --organization tui",
)
"""Commands that look at the demonstration's file, as they are printed at its end."""


@click.command()
@click.option(
    "--file",
    metavar="PATH",
    type=click.Path(path_type=Path, dir_okay=False),
    help="Where the SQLite file is made, with the catalog beside it; in a new temporary folder unless said. "
    "An earlier demonstration's file is made anew, any other file is left alone.",
)
def demo(file: Path | None) -> None:
    """Show what seatperm does, on an accounting product and two of its customers."""
    try:
        path = Path(tempfile.mkdtemp(prefix="seatperm-demo-")) / "books.db" if file is None else file
        catalog = _make_way(path)
        catalog.write_bytes(CATALOG.read_bytes())
    except OSError as error:
        raise _refused(f"{error.filename} can't be written: {error.strerror}.") from error
    tenants = open_tenants(catalog, f"{SQLITE}{path}")
    try:
        build(tenants)
        _tour(tenants)
    finally:
        tenants.close()
    _look_around(path, catalog)


def _make_way(path: Path) -> Path:
    """Remove an earlier demonstration's file, and return where the catalog goes.

    Raises:
        click.BadParameter: a file is there that the demonstration has not made, or there can't be one.
    """
    if not path.name or "?" in str(path):  # a question mark would begin the options of the store's URL
        raise _refused(f"{str(path)!r} is no file's name.")
    catalog = path.with_suffix(".toml")
    if path == catalog:
        raise _refused(f"{catalog} is where the catalog goes; choose another ending.")
    if not path.parent.is_dir():
        raise _refused(f"there is no folder {path.parent}.")
    ours = ((path, holds_the_demo), (catalog, lambda there: there.read_bytes() == CATALOG.read_bytes()))
    for there, is_ours in ours:
        if os.path.lexists(there) and not (there.is_file() and is_ours(there)):
            raise _refused(f"{there} is there already, and is none of the demonstration's; choose another path.")
    for ending in ("", "-wal", "-shm"):
        path.with_name(path.name + ending).unlink(missing_ok=True)
    return catalog


def _refused(message: str) -> click.BadParameter:
    return click.BadParameter(message, param_hint="'--file'")


def _tour(tenants: Tenants) -> None:
    kauri, tui = tenants["kauri"], tenants["tui"]
    click.secho("seatperm: who may do what, and how many may work at one time", bold=True)
    _say("A tour through an accounting product and the books of two of its customers.", 0)

    _title("1. A catalog, and two organizations in one SQLite file")
    _what_there_is(tenants)

    _title("2. Several roles: the highest access wins")
    _say("Tom Reid of kauri is both Sales Staff and Accounts Receivable Manager.")
    _explain(kauri, "tom", "customers.records", "edit")

    _title("3. A denial says what would allow it")
    _say("A role is missing, or a package: the answer names it, the cheapest way first.")
    _explain(kauri, "tom", "suppliers.payments", "edit")
    _explain(kauri, "ana", "jobs.records", "edit")

    _title("4. The package decides which roles can be given")
    _roles(kauri)
    _roles(tui)
    click.echo()
    _say(f"And in every package: {_titles(kauri.roles().system)}.")

    _title("5. An upgrade wakes what was asleep")
    _say("Dee Park of tui is Sales Staff: edit on quotes and orders. Tui's package has neither.")
    _upgrade(tui)

    _title(f"6. A session limit of {kauri.sessions.limit}")
    _say(f"Any number of users may share kauri's license, {kauri.sessions.limit} at one time.")
    _seats(kauri)

    _title("7. The audit trail")
    _say("Every change, sign-in and refusal was written down, each event chained to the one before it.")
    for org in (kauri, tui):
        _trail(org)


def _what_there_is(tenants: Tenants) -> None:
    catalog = tenants.catalog
    functions = tomllib.loads(CATALOG.read_text(encoding="utf-8"))["resources"]
    _say(f"{catalog.name}: {len(functions)} functions, {len(catalog.roles)} roles, {len(catalog.packages)} packages")
    names = {customer["id"]: customer["name"] for customer in customers()}
    wide = max(map(len, names))
    for org in tenants:
        package, limit = package_title(catalog, org.license.package), org.license.session_limit
        terms = f"{package}, {limit} seat{'' if limit == 1 else 's'}, {org.monthly_charge} a month"
        _hang(org.id, f"{names[org.id]}: {len(org.users)} users, {terms}", wide=wide)
    _say("Rob Hale, an outside bookkeeper, is a user of both: locked at kauri, at work at tui.")


def _explain(org: Organization, user: str, resource: str, action: str) -> None:
    decision = org.explain(user, resource, action)
    _call(org, "explain", user, resource, action)
    _answer(decision.allowed, str(decision))


def _roles(org: Organization) -> None:
    listing = org.roles()
    catalog = org.catalog
    _call(org, "roles", more=f"  # on {package_title(catalog, org.license.package)}")
    _hang("Current Package", _titles(listing.current_package))
    others: dict[str, list[ListedRole]] = {}
    for role in listing.other_packages:
        others.setdefault(role.comes_with[0], []).append(role)
    told = [f"{package_title(catalog, name)} adds {_titles(roles)}" for name, roles in others.items()]
    _hang("Other Packages", "; ".join(told), wide=len("Current Package"))


def _upgrade(org: Organization) -> None:
    _explain(org, "dee", "sales.quotes", "edit")
    preview = org.preview_license(package="trade")
    click.echo()
    _code(f'{org.id}.preview_license(package="trade")')
    _say(f"{preview.charge_before} a month would become {preview.charge_after}, and")
    for line in _gains(org, preview):
        _say(f"- {line}")
    change = org.change_license(package="trade")
    click.echo()
    _code(f'{org.id}.change_license(package="trade")')
    _say(f"{change.charge_before} a month has become {change.charge_after}.")
    _call(org, "can", "dee", "sales.quotes", "edit")
    _answer(org.can("dee", "sales.quotes", "edit"))


def _gains(org: Organization, change: LicenseChange) -> Iterator[str]:
    for effect in change.effects:
        actions: dict[str, dict[str, None]] = {}
        for resource, action, _ in effect.gained:
            actions.setdefault(resource, {})[action] = None
        resources: dict[tuple[str, ...], list[str]] = {}
        for resource, names in actions.items():
            resources.setdefault(tuple(names), []).append(resource_title(org.catalog, resource))
        told = listed(f"{listed(names)} on {listed(titles)}" for names, titles in resources.items())
        yield f"{org.users[effect.user_id].name} gains {told}"


def _seats(org: Organization) -> None:
    click.echo()
    _sign_in(org, "mere", "office")
    leaving = _sign_in(org, "tom", "shop")
    _sign_in(org, "ana", "till")
    try:
        _sign_in(org, "li", "home")
    except SeatsExhausted as full:
        _hang("SeatsExhausted", str(full), color="red")
    click.echo()
    _say("Nobody is thrown out to make room. Tom leaves, and his seat is free:")
    click.echo()
    leaving.end()
    _in_use(org, "session.end()")
    _sign_in(org, "li", "home")


def _sign_in(org: Organization, user: str, client: str) -> Session:
    code = f'{org.id}.sign_in("{user}", client="{client}")'
    try:
        session = org.sign_in(user, client=client)
    except SeatsExhausted:
        _code(code)
        raise
    _in_use(org, code)
    return session


def _in_use(org: Organization, code: str) -> None:
    _code(code.ljust(SIGN_IN), f"{len(org.sessions)} of {org.sessions.limit} in use")


def _trail(org: Organization) -> None:
    found = org.audit.verify()
    kinds = [event.kind for event in org.audit]
    click.echo()
    _code(f"{org.id}.audit.verify()")
    label = "whole" if found else "damaged"
    _hang(label, f"{found.events} events, from {kinds[0]} to {kinds[-1]}", color=COLORS[bool(found)])


def _look_around(path: Path, catalog: Path) -> None:
    _title("Look around")
    _say("It is all in one SQLite file, which the other commands read. Paste these lines:")
    click.echo()
    for name, value in (("catalog", str(catalog)), ("store", str(path)), ("organization", "kauri")):
        click.echo(_setting(variable(name), value))
    for look in LOOKS:
        click.echo(f"{_program()} {look}")


def _setting(name: str, value: str) -> str:
    """Return the line that sets an environment variable, in the shell that is usual here."""
    return f"$env:{name} = '{value}'" if os.name == "nt" else f"export {name}={shlex.quote(value)}"


def _program() -> str:
    """Return how this program can be called again from here."""
    name, given = "seatperm", Path(sys.argv[0])
    found = shutil.which(name)
    if given.stem != name or not given.is_file() or (found is not None and given.samefile(found)):
        return name
    return shlex.quote(sys.argv[0])


def _title(text: str) -> None:
    click.echo()
    click.secho(text, bold=True)


def _say(text: str, indent: int = INDENT) -> None:
    for line in wrap(text, _width() - indent):
        click.echo(" " * indent + line)


def _call(org: Organization, method: str, *names: str, more: str = "") -> None:
    click.echo()
    _code(f"{org.id}.{method}({', '.join(map(json.dumps, names))}){more}")


def _code(code: str, answer: str = "") -> None:
    click.echo((" " * INDENT + click.style(f">>> {code}", fg="cyan") + " " * GAP + answer).rstrip())


def _answer(allowed: bool, text: str = "") -> None:
    _hang("yes" if allowed else "no", text, wide=len("yes"), color=COLORS[allowed])


def _hang(label: str, text: str, *, wide: int | None = None, color: str | None = None) -> None:
    """Print a text to the right of a label."""
    wide = len(label) if wide is None else wide
    first = click.style(label, fg=color, bold=True) + " " * (wide - len(label))
    for line in wrap(text, _width() - INDENT - wide - GAP):
        click.echo((" " * INDENT + first + " " * GAP + line).rstrip())
        first = " " * wide


def _titles(roles: Iterable[ListedRole]) -> str:
    return listed(role.title for role in roles)


def _width() -> int:
    return min(PARAGRAPH, terminal_width())
