"""The tables of a directory in SQLite, step by step."""

from __future__ import annotations

from typing import TYPE_CHECKING

from .sqlite_file import Schema

if TYPE_CHECKING:
    from sqlite_utils import Database

ACTIVE = "{row}.state = 'active' AND NOT {row}.locked AND NOT {row}.dismissed"
COUNT_IN = """
    INSERT INTO active_users (organization, type, number) VALUES (new.organization, new.type, 1)
    ON CONFLICT (organization, type) DO UPDATE SET number = number + 1"""
COUNT_OUT = "UPDATE active_users SET number = number - 1 WHERE organization = old.organization AND type = old.type"


def _tables(db: Database) -> None:
    db.table("organizations").create(
        {
            "number": int,
            "id": str,
            "package": str,
            "add_ons": str,
            "session_limit": int,
            "user_limit": int,
            "seat_per": str,
            "reserved": str,
            "valid_from": str,
            "valid_until": str,
            "grace": int,
            "license_issued": str,
            "global_permissions": str,
            "roles": str,
            "catalog": str,
            "revision": int,
            "record_revision": int,
            "events": int,
            "last_hash": str,
        },
        pk="number",
        not_null={"id", "package", "session_limit", "grace", "roles", "revision", "events", "last_hash"},
    ).create_index(["id"], unique=True)
    users = db.table("users").create(
        {
            "organization": str,
            "id": str,
            "person": str,
            "email": str,
            "email_key": str,
            "name": str,
            "type": str,
            "state": str,
            "locked": int,
            "dismissed": int,
            "staff": str,
            "base": str,
            "invitation_hash": str,
            "invitation_until": str,
            "revision": int,
        },
        pk=("organization", "id"),
        foreign_keys=[("organization", "organizations", "id")],
        not_null={"type", "state", "locked", "dismissed", "base", "revision"},
    )
    users.create_index(["email_key", "organization"], unique=True)
    users.create_index(["id"])
    users.create_index(["person"])
    users.create_index(["invitation_hash"])
    users.create_index(["organization", "revision"])
    _count_active(db)
    owner = (("organization", "user"), "users", ("organization", "id"))
    db.table("user_roles").create(
        {"organization": str, "user": str, "role": str, "until": str},
        pk=("organization", "user", "role"),
        foreign_keys=[owner],
    ).create_index(["organization", "role", "user"])
    db.table("user_overrides").create(
        {"organization": str, "user": str, "resource": str, "grants": str, "until": str},
        pk=("organization", "user", "resource"),
        foreign_keys=[owner],
        not_null={"grants"},
    )
    db.table("former_ids").create(
        {"organization": str, "id": str, "revision": int},
        pk=("organization", "id"),
        foreign_keys=[("organization", "organizations", "id")],
    )
    db.table("staff").create(
        {"organization": str, "id": str, "name": str, "user": str, "active": int},
        pk=("organization", "id"),
        foreign_keys=[("organization", "organizations", "id")],
        not_null={"name", "active"},
    ).create_index(["organization", "user"])
    db.table("events").create(
        {
            "organization": str,
            "number": int,
            "at": str,
            "actor": str,
            "kind": str,
            "user": str,
            "revision": int,
            "details": str,
            "salt": str,
            "seal": str,
            "hash": str,
        },
        pk=("organization", "number"),
        foreign_keys=[("organization", "organizations", "id")],
        not_null={"at", "kind", "revision", "salt", "seal", "hash"},
    ).create_index(["organization", "user"])


def _count_active(db: Database) -> None:
    # A user limit is looked at with every user who is added: counting rows would take longer with each.
    db.table("active_users").create(
        {"organization": str, "type": str, "number": int}, pk=("organization", "type"), not_null={"number"}
    )
    new, old = ACTIVE.format(row="new"), ACTIVE.format(row="old")
    for name, event, when, what in (
        ("active_user_added", "INSERT", new, COUNT_IN),
        ("active_user_removed", "DELETE", old, COUNT_OUT),
        ("active_user_before", "UPDATE", old, COUNT_OUT),
        ("active_user_after", "UPDATE", new, COUNT_IN),
    ):
        db.execute(f"CREATE TRIGGER {name} AFTER {event} ON users WHEN {when} BEGIN {what}; END")


def _history(db: Database) -> None:
    history = db.table("history").create(
        {
            "organization": str,
            "id": str,
            "user": str,
            "client": str,
            "began": str,
            "ended": str,
            "how": str,
            "refused": int,
        },
        pk=("organization", "id"),
        foreign_keys=[("organization", "organizations", "id")],
        not_null={"began", "refused"},
    )
    history.create_index(["organization", "began", "id", "ended"])
    history.create_index(["organization", "user", "began", "id"])
    history.create_index(["organization", "ended"])
    db.table("organizations").add_column("epoch", str)


DIRECTORY = Schema("seatperm.directory", {"0001_tables": _tables, "0002_history": _history})
