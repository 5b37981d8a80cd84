"""Authorization and licensing that a business application embeds.

`seatperm.open` gives an `Organization`, the one object that hosts hold: `org.can(user, resource, action)`
answers whether a user may do this, `org.sign_in(user)` takes a seat.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from .audit import Event
    from .catalog import (
        Action,
        Catalog,
        CatalogLike,
        Grant,
        GrantLike,
        Ladder,
        Package,
        Resource,
        Role,
        UserType,
    )
    from .decision import Decision, Finding, Reason, Remedy
    from .directory import Override, Staff, User
    from .license import License
    from .money import Money
    from .organization import (
        Access,
        CatalogChange,
        Invitation,
        LicenseChange,
        Organization,
        Peak,
        Relation,
        RoleListing,
        Session,
        Tenants,
        open,
        open_tenants,
    )
    from .problem import Problem
    from .sessions import Past, Seat

from .errors import (
    AccessDenied,
    CatalogError,
    CatalogMismatch,
    EmailTaken,
    InvalidGrant,
    InvalidLicense,
    InvalidValue,
    InvitationRefused,
    LastAdministrator,
    MissingExtra,
    NoRelation,
    OrganizationExists,
    RoleExists,
    RoleNotInPackage,
    SeatpermError,
    SeatsExhausted,
    SessionEnded,
    SettingsMasked,
    SignInRefused,
    StaffExists,
    StaffLinked,
    StoreDamaged,
    StoreUnavailable,
    StoreVersion,
    UnknownAction,
    UnknownOrganization,
    UnknownPackage,
    UnknownResource,
    UnknownRole,
    UnknownScope,
    UnknownStaff,
    UnknownUser,
    UnknownUserType,
    UserExists,
    UserLimitReached,
)

_HOMES = {
    "audit": ("Event",),
    "catalog": (
        "Action",
        "Catalog",
        "CatalogLike",
        "Grant",
        "GrantLike",
        "Ladder",
        "Package",
        "Resource",
        "Role",
        "UserType",
    ),
    "decision": ("Decision", "Finding", "Reason", "Remedy"),
    "directory": ("Override", "Staff", "User"),
    "license": ("License",),
    "money": ("Money",),
    "organization": (
        "Access",
        "CatalogChange",
        "Invitation",
        "LicenseChange",
        "Organization",
        "Peak",
        "Relation",
        "RoleListing",
        "Session",
        "Tenants",
        "open",
        "open_tenants",
    ),
    "problem": ("Problem",),
    "sessions": ("Past", "Seat"),
}


def __getattr__(name: str) -> object:
    # Names are brought in when they are first used: importing seatperm costs next to nothing.
    for home, names in _HOMES.items():
        if name in names:
            value = getattr(import_module(f"{__name__}.{home}"), name)
            globals()[name] = value
            return value
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})


__all__ = [
    "Access",
    "AccessDenied",
    "Action",
    "Catalog",
    "CatalogChange",
    "CatalogError",
    "CatalogLike",
    "CatalogMismatch",
    "Decision",
    "EmailTaken",
    "Event",
    "Finding",
    "Grant",
    "GrantLike",
    "InvalidGrant",
    "InvalidLicense",
    "InvalidValue",
    "Invitation",
    "InvitationRefused",
    "Ladder",
    "LastAdministrator",
    "License",
    "LicenseChange",
    "MissingExtra",
    "Money",
    "NoRelation",
    "Organization",
    "OrganizationExists",
    "Override",
    "Package",
    "Past",
    "Peak",
    "Problem",
    "Reason",
    "Relation",
    "Remedy",
    "Resource",
    "Role",
    "RoleExists",
    "RoleListing",
    "RoleNotInPackage",
    "Seat",
    "SeatpermError",
    "SeatsExhausted",
    "Session",
    "SessionEnded",
    "SettingsMasked",
    "SignInRefused",
    "Staff",
    "StaffExists",
    "StaffLinked",
    "StoreDamaged",
    "StoreUnavailable",
    "StoreVersion",
    "Tenants",
    "UnknownAction",
    "UnknownOrganization",
    "UnknownPackage",
    "UnknownResource",
    "UnknownRole",
    "UnknownScope",
    "UnknownStaff",
    "UnknownUser",
    "UnknownUserType",
    "User",
    "UserExists",
    "UserLimitReached",
    "UserType",
    "open",
    "open_tenants",
]
