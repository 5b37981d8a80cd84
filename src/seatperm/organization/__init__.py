"""The organization: the one object that hosts hold, and how it is opened."""

from __future__ import annotations

from .answers import Access, Cell, Effect, LicenseChange, ListedRole, RoleListing
from .catalog_diff import CatalogChange, CatalogEffect, Difference
from .facade import Organization
from .history import Peak
from .invitation import Invitation, OnInvitation
from .opening import Tenants, open, open_tenants
from .relations import Relation
from .session import Session
from .sessions import Sessions
from .staff import StaffRecords
from .trail import Trail
from .users import Users

__all__ = [
    "Access",
    "CatalogChange",
    "CatalogEffect",
    "Cell",
    "Difference",
    "Effect",
    "Invitation",
    "LicenseChange",
    "ListedRole",
    "OnInvitation",
    "Organization",
    "Peak",
    "Relation",
    "RoleListing",
    "Session",
    "Sessions",
    "StaffRecords",
    "Tenants",
    "Trail",
    "Users",
    "open",
    "open_tenants",
]
