"""Every claim of this folder is shown on every store."""

from __future__ import annotations

from ..books import add, catalog, clock, org, tenants, url

__all__ = ["add", "catalog", "clock", "org", "tenants", "url"]
