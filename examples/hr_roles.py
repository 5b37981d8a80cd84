"""A real role table whose rights are no ladder: the 259 permission rows of a public HR system.

Run it with `python examples/hr_roles.py`. The rows, with their source, are in `examples/data`.
"""

from __future__ import annotations

import csv
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import seatperm

DATA = Path(__file__).parent / "data" / "frappe_hrms_permissions.csv"
RIGHTS = (
    *("read", "write", "create", "delete", "submit", "cancel", "amend"),
    *("report", "export", "import", "print", "email", "share"),
)


@dataclass(frozen=True)
class Row:
    """What one role may do with one document type, or with its fields of one permission level."""

    resource: str
    role: str
    rights: frozenset[str]
    owner_only: bool


@dataclass(frozen=True)
class Document:
    """A document of the application."""

    owner: str


def name(words: str) -> str:
    """Return a document type's or role's name as a catalog may hold it."""
    return words.lower().replace(" ", "_")


def rows() -> list[Row]:
    """Read the table; a permission level above 0 is a sub-resource of the document type."""
    with DATA.open(encoding="utf-8", newline="") as file:
        return [
            Row(
                resource=name(line["doctype"]) + (f".level_{line['permlevel']}" if line["permlevel"] != "0" else ""),
                role=name(line["role"]),
                rights=frozenset(right for right in RIGHTS if line[right] == "1"),
                owner_only=line["if_owner"] == "1",
            )
            for line in csv.DictReader(file)
        ]


def catalog(table: Iterable[Row]) -> dict[str, object]:
    """Return the catalog: every row is one grant of named actions, at the scope `own` where it is owner-only."""
    resources: dict[str, dict[str, str]] = {}
    grants: dict[str, dict[str, list[dict[str, object]]]] = {}
    for row in table:
        resources.setdefault(row.resource.partition(".")[0], {"package": "hr"})
        resources.setdefault(row.resource, {})
        grant: dict[str, object] = {"actions": sorted(row.rights), "scope": "own" if row.owner_only else "all"}
        grants.setdefault(row.role, {}).setdefault(row.resource, []).append(grant)
    # No row gives rights in an order, so the ladder has one step, which no role is on: rights are named.
    rights: dict[str, object] = {**dict.fromkeys(RIGHTS, "every"), "create": {"level": "every", "record": False}}
    return {
        "catalog": {"name": "HR"},
        "ladders": {"default": {"levels": ["none", "every"], "actions": rights}},
        "packages": {"hr": {"title": "HR"}},
        "resources": resources,
        "roles": {role: {"package": "hr", "grants": given} for role, given in grants.items()},
    }


def open_hr(table: Iterable[Row]) -> seatperm.Organization:
    """Return an organization where a document is its owner's own."""
    org = seatperm.open(catalog(table), "memory://")
    resources = {row.resource.partition(".")[0] for row in table}

    def owned(user: seatperm.User, record: Document, _action: str) -> str | None:
        return "own" if record.owner == user.id else None

    for resource in sorted(resources):
        org.relate(resource, owned)
    return org


def may(org: seatperm.Organization, user: str, resource: str, record: Document) -> str:
    """Return the rights that a user has on a record, as words."""
    return " ".join(right for right in RIGHTS if org.can(user, resource, right, record)) or "nothing"


def main() -> None:
    table = rows()
    org = open_hr(table)
    org.users.add(id="eve", email="eve@firm.example", name="Eve", roles=["all", "employee"])
    org.users.add(id="max", email="max@firm.example", name="Max", roles=["all", "employee", "expense_approver"])
    org.users.add(id="ina", email="ina@firm.example", name="Ina", roles=["all", "hr_user"])
    types = {row.resource for row in table if "." not in row.resource}
    roles = {row.role for row in table}
    print(f"{len(table)} rows: {len(types)} document types, {len(roles)} roles, {len(RIGHTS)} rights")

    print("\n# Several roles: the union of what each gives")
    claim = Document(owner="eve")
    for user in ("eve", "max"):
        print(f"{user} on eve's expense claim: {may(org, user, 'expense_claim', claim)}")
        print(f"{user} on its fields of level 1: {may(org, user, 'expense_claim.level_1', claim)}")

    print("\n# Owner-only rows: the narrow grant never shrinks a wider one")
    for user in ("eve", "ina"):
        for owner in ("eve", "ina"):
            rights = may(org, user, "leave_ledger_entry", Document(owner=owner))
            print(f"{user} on {owner}'s leave ledger entry: {rights}")

    print("\n# How far each gets")
    for user in ("eve", "max", "ina"):
        reach = {right: org.widest_scope(user, "leave_ledger_entry", right) or "none" for right in RIGHTS[:4]}
        print(f"{user}: {', '.join(f'{right} {scope}' for right, scope in reach.items())}")


if __name__ == "__main__":
    main()
