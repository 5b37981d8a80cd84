"""seatperm for asyncio hosts: the names of `seatperm`, awaited.

`org = await seatperm.aio.open(catalog, store)`, then `await org.can(user, resource, action)`,
`async with await org.sign_in(user) as session`.
"""

from __future__ import annotations

from .books import CatalogChange, LicenseChange, Trail
from .opening import OnInvitationAwaited, Tenants, open, open_tenants
from .organization import Organization
from .people import StaffRecords, Users
from .seats import Session, Sessions

__all__ = [
    "CatalogChange",
    "LicenseChange",
    "OnInvitationAwaited",
    "Organization",
    "Session",
    "Sessions",
    "StaffRecords",
    "Tenants",
    "Trail",
    "Users",
    "open",
    "open_tenants",
]
