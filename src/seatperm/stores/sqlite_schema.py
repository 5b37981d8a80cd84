"""The tables of a directory in SQLite, step by step."""

from __future__ import annotations

from typing import TYPE_CHECKING

from .sqlite_file import Schema

if TYPE_CHECKING:
    from sqlite_utils import Database


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
            "global_permissions": str,
            "catalog": str,
            "revision": int,
            "record_revision": int,
            "events": int,
            "last_hash": str,
        },
        pk="number",
        not_null={"id", "package", "session_limit", "revision", "events", "last_hash"},
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
    users.create_index(["organization", "state", "locked", "dismissed", "type"])
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
    )


DIRECTORY = Schema("seatperm.directory", {"0001_tables": _tables})
