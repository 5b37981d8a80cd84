"""Names that are not known, each with the nearest that are."""

from __future__ import annotations

from collections.abc import Iterable

from ..spelling import did_you_mean, nearest
from .base import SeatpermError


class UnknownName(SeatpermError, LookupError):
    """Base of the lookup errors.

    Attributes:
        name: the name that was asked for.
        nearest: up to three known names that look like it.
    """

    kind = "name"

    def __init__(self, name: str, known: Iterable[str] = (), *, where: str = "") -> None:
        self.name = name
        self.nearest = nearest(str(name), known)
        super().__init__(f"unknown {self.kind} {name!r}{where}{did_you_mean(self.nearest)}")


class UnknownResource(UnknownName):
    """The catalog has no such resource."""

    kind = "resource"


class UnknownAction(UnknownName):
    """The resource has no such action. `resource` is the resource that was asked."""

    kind = "action"

    def __init__(self, name: str, resource: str, known: Iterable[str] = ()) -> None:
        self.resource = resource
        super().__init__(name, known, where=f" on {resource!r}")


class UnknownRole(UnknownName):
    """The catalog has no such role."""

    kind = "role"


class UnknownPackage(UnknownName):
    """The catalog has no such package."""

    kind = "package"


class UnknownUser(UnknownName):
    """The organization has no such user. No other user is named."""

    kind = "user"


class UnknownStaff(UnknownName):
    """The organization has no such staff record. No other is named."""

    kind = "staff record"


class UnknownOrganization(UnknownName):
    """The store has no such organization, or several where one was asked for."""

    kind = "organization"

    def __init__(self, name: str, known: Iterable[str] = (), *, message: str = "") -> None:
        super().__init__(name, known)
        if message:
            self.args = (message,)


class UnknownScope(UnknownName):
    """The catalog has no such scope."""

    kind = "scope"


class UnknownUserType(UnknownName):
    """The catalog has no such user type."""

    kind = "user type"
