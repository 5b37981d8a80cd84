"""The organization: the one object that hosts hold, and how it is opened."""

from __future__ import annotations

from .answers import Access, Cell, Effect, LicenseChange, ListedRole, RoleListing
from .facade import Organization, Trail
from .opening import Tenants, open, open_tenants
from .seating import Session, Sessions
from .users import Invitation, Users

__all__ = [
    "Access",
    "Cell",
    "Effect",
    "Invitation",
    "LicenseChange",
    "ListedRole",
    "Organization",
    "RoleListing",
    "Session",
    "Sessions",
    "Tenants",
    "Trail",
    "Users",
    "open",
    "open_tenants",
]
