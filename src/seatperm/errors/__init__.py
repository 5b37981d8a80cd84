"""Errors: one base class; every error carries its evidence as attributes."""

from __future__ import annotations

from .access import AccessDenied, CatalogError, CatalogMismatch, InvalidGrant, NoRelation
from .base import InvalidValue, MissingExtra, SeatpermError
from .books import (
    EmailTaken,
    InvalidLicense,
    InvitationRefused,
    LastAdministrator,
    OrganizationExists,
    RoleExists,
    RoleNotInPackage,
    SettingsMasked,
    StaffExists,
    StaffLinked,
    UserExists,
    UserLimitReached,
)
from .lookups import (
    UnknownAction,
    UnknownName,
    UnknownOrganization,
    UnknownPackage,
    UnknownResource,
    UnknownRole,
    UnknownScope,
    UnknownStaff,
    UnknownUser,
    UnknownUserType,
)
from .seats import SeatsExhausted, SessionEnded, SignInRefused
from .stores import StoreDamaged, StoreUnavailable, StoreVersion

__all__ = [
    "AccessDenied",
    "CatalogError",
    "CatalogMismatch",
    "EmailTaken",
    "InvalidGrant",
    "InvalidLicense",
    "InvalidValue",
    "InvitationRefused",
    "LastAdministrator",
    "MissingExtra",
    "NoRelation",
    "OrganizationExists",
    "RoleExists",
    "RoleNotInPackage",
    "SeatpermError",
    "SeatsExhausted",
    "SessionEnded",
    "SettingsMasked",
    "SignInRefused",
    "StaffExists",
    "StaffLinked",
    "StoreDamaged",
    "StoreUnavailable",
    "StoreVersion",
    "UnknownAction",
    "UnknownName",
    "UnknownOrganization",
    "UnknownPackage",
    "UnknownResource",
    "UnknownRole",
    "UnknownScope",
    "UnknownStaff",
    "UnknownUser",
    "UnknownUserType",
    "UserExists",
    "UserLimitReached",
]

# Where hosts find them, and what tracebacks show.
for _name in __all__:
    globals()[_name].__module__ = __name__
