"""What the web examples share: a small shop's catalog, its users with passwords, and its invoices."""

from __future__ import annotations

import hashlib
import hmac
from dataclasses import dataclass
from datetime import timedelta

import seatperm

CATALOG = {
    "packages": {"basic": {"title": "Basic"}},
    "ladders": {
        "default": {
            "levels": ["none", "view", "edit", "full"],
            "actions": {
                "view": "view",
                "create": {"level": "edit", "record": False},
                "edit": "edit",
                "delete": "full",
            },
        }
    },
    "resources": {"sales": {"package": "basic"}, "sales.invoices": {}, "reports": {"package": "basic"}},
    "roles": {
        "seller": {"package": "basic", "grants": {"sales.invoices": ["view:own", "edit:own"]}},
        "bookkeeper": {"package": "basic", "grants": {"sales": "edit", "reports": "view"}},
        "admin": {"kind": "system", "grants": {"organization": "full"}},
    },
}

USERS = {"ana": ["seller"], "ben": ["seller"], "cat": ["bookkeeper"], "dee": ["admin"]}

SALT = b"an example's; take a random one for each user"


@dataclass
class Invoice:
    """One of the application's own records; seatperm never stores it."""

    id: int
    owner: str
    total: str


INVOICES = {1: Invoice(1, "ana", "120.00"), 2: Invoice(2, "ben", "80.00"), 3: Invoice(3, "ben", "15.50")}


def build(store: str = "memory://", *, seats: int = 2) -> seatperm.Organization:
    """Open the books of a shop that has bought two seats."""
    org = seatperm.open(CATALOG, store, lease=timedelta(minutes=30))
    org.relate("sales.invoices", whose)
    org.change_license(session_limit=seats)
    for id, roles in USERS.items():
        if org.users.get(id) is None:
            org.users.add(id=id, email=f"{id}@shop.example", name=id.title(), roles=roles)
    return org


def whose(user: seatperm.User, invoice: Invoice, _action: str) -> str | None:
    """Tell how a user relates to an invoice: it is their own, or one of all."""
    return "own" if invoice.owner == user.id else None


def find_invoice(id: int) -> Invoice | None:
    """Look an invoice up, as a host looks into its own database."""
    return INVOICES.get(id)


def knows_password(user: str, password: str) -> bool:
    """Tell whether somebody is who they say: here everyone's password is their id, backwards.

    seatperm keeps no passwords; that is the host's, or its identity provider's.
    """
    return user in USERS and hmac.compare_digest(_hash(password), _hash(user[::-1]))


def _hash(password: str) -> bytes:
    return hashlib.scrypt(password.encode(), salt=SALT, n=2**10, r=8, p=1)
