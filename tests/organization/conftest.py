"""Every test of this folder is run on every store."""

from __future__ import annotations

from ..books import CATALOG, START, AddUser, add, catalog, clock, org, tenants, url

__all__ = ["CATALOG", "START", "AddUser", "add", "catalog", "clock", "org", "tenants", "url"]
