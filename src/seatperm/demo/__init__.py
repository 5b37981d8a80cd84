"""The demonstration: a small-business accounting product and two of its customers.

`accounting.toml` is the catalog; its head names its sources. `organizations.json` holds the customers, all
invented, as a list of

    {"id", "name", "package", "session_limit", "lease_minutes", "time_zone", "support_partner",
     "users": [{"id", "name", "email", "type", "state", "locked", "roles": [role, ...], "note"}, ...],
     "staff": [{"id", "name", "active", "user": user id or null}, ...],
     "transactions": [{"id", "kind", "entered_by": user id, "sold_by": staff id}, ...]}

A user of the same id in two organizations is one person: rob, an outside bookkeeper.
"""

from __future__ import annotations

from .books import CATALOG, build, customers, holds_the_demo

__all__ = ["CATALOG", "build", "customers", "holds_the_demo"]
