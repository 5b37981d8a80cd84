"""The demonstration's books: its two customers and their users, written into a store."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TypedDict, cast

from ..catalog import Catalog
from ..errors import SeatpermError
from ..organization import Organization, Tenants
from ..organization.orphans import digest
from ..stores.opening import open_directory
from ..stores.sqlite_url import SQLITE

CATALOG = Path(__file__).with_name("accounting.toml")
"""The catalog's file, as the package ships it."""


class Person(TypedDict):
    """A user of a customer, as `organizations.json` has it."""

    id: str
    name: str
    email: str
    type: str
    state: str
    locked: bool
    roles: list[str]
    note: str


class Member(TypedDict):
    """A person on a customer's staff, as `organizations.json` has it."""

    id: str
    name: str
    active: bool
    user: str | None


class Customer(TypedDict):
    """A customer, as `organizations.json` has it: what the books below are made from."""

    id: str
    name: str
    package: str
    session_limit: int
    users: list[Person]
    staff: list[Member]


def customers() -> list[Customer]:
    """Return the customers, kauri first."""
    text = Path(__file__).with_name("organizations.json").read_text(encoding="utf-8")
    return cast(list[Customer], json.loads(text))


def build(tenants: Tenants) -> None:
    """Make the customers' organizations in an empty store, with staff and users; who is active has accepted."""
    joined: set[str] = set()
    for customer in customers():
        org = tenants.create(customer["id"], package=customer["package"], session_limit=customer["session_limit"])
        for person in customer["users"]:
            _join(org, person, known=person["id"] in joined)
            joined.add(person["id"])
        for member in customer["staff"]:
            staff = org.staff.add(member["name"], member["user"], member["id"])
            if not member["active"]:
                org.staff.deactivate(staff)


def _join(org: Organization, person: Person, *, known: bool) -> None:
    # Who is known from another organization keeps the id of there, from the acceptance on.
    invitation = org.users.invite(
        id=None if known else person["id"],
        email=person["email"],
        name=person["name"],
        roles=person["roles"],
        type=person["type"],
    )
    if person["state"] == "active":
        user = org.users.accept(invitation.token)
        if person["locked"]:
            org.users.lock(user)


def holds_the_demo(path: Path) -> bool:
    """Tell whether a file is a SQLite store that the demonstration made, with this catalog; looks only."""
    ids = [customer["id"] for customer in customers()]
    try:
        store = open_directory(f"{SQLITE}{path}?mode=ro")
        try:
            found = list(store.organizations())
            catalogs = {store.organization(id).catalog for id in found}
        finally:
            store.close()
    except SeatpermError:
        return False
    return found == ids and catalogs == {digest(Catalog.load(CATALOG))}
