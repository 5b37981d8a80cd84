"""Changes to the books that are refused."""

from __future__ import annotations

from collections.abc import Iterable
from typing import ClassVar, Literal

from .base import SeatpermError


class OrganizationExists(SeatpermError):
    """The store has an organization of this id already. `organization` is the id."""

    def __init__(self, organization: str) -> None:
        self.organization = organization
        super().__init__(f"there is an organization {organization!r} already; open it, or choose another id")


class EmailTaken(SeatpermError):
    """The e-mail address belongs to another user. `email` is the address as it was given."""

    def __init__(self, email: str) -> None:
        self.email = email
        super().__init__(f"the e-mail address {email!r} is in use already; look its user up, or give another")


class UserExists(SeatpermError):
    """The user id is in use already. `id` is the id as it was given."""

    def __init__(self, id: str) -> None:
        self.id = id
        super().__init__(f"the user id {id!r} is in use already; look that user up, or give another")


class StaffExists(SeatpermError):
    """The id of a staff record is in use already. `id` is the id as it was given."""

    def __init__(self, id: str) -> None:
        self.id = id
        super().__init__(f"there is a staff record {id!r} already; look it up, or give another id")


class StaffLinked(SeatpermError):
    """A staff record and a user can't be linked: one of the two is linked to another already.

    Attributes:
        staff: the id of the staff record.
        user: the id of the user.
        taken: which of the two is linked already: "staff" or "user".
    """

    _words: ClassVar = {
        "staff": "the staff record {!r} is linked to another user; unlink it first",
        "user": "the user {!r} has another staff record; unlink that one first",
    }

    def __init__(self, staff: str, user: str, taken: Literal["staff", "user"]) -> None:
        self.staff = staff
        self.user = user
        self.taken = taken
        super().__init__(self._words[taken].format(staff if taken == "staff" else user))


class InvitationRefused(SeatpermError):
    """An invitation can't be accepted or issued. `reason` says why: "unknown" (used, too) or "ended"."""

    _words: ClassVar = {
        "unknown": "the invitation is not known here; ask for a new one",
        "ended": "the invitation has ended; ask for a new one",
    }

    def __init__(self, reason: str) -> None:
        self.reason = reason
        super().__init__(self._words[reason])


class RoleExists(SeatpermError):
    """The catalog has a role of this id. `role` is the id."""

    def __init__(self, role: str) -> None:
        self.role = role
        super().__init__(f"there is a role {role!r} in the catalog; a role of the organization's own needs another id")


class RoleNotInPackage(SeatpermError):
    """A role was given that the license does not contain.

    Attributes:
        role: the role.
        package: the license's package.
        packages: the packages (or add-ons) that contain the role, cheapest first.
    """

    def __init__(self, role: str, package: str, packages: Iterable[str]) -> None:
        self.role = role
        self.package = package
        self.packages = tuple(packages)
        super().__init__(
            f"the role {role!r} is not in the package {package!r}; "
            f"it comes with {' or '.join(repr(name) for name in self.packages)}"
        )


class SettingsMasked(SeatpermError):
    """Personal settings can't be changed while their user holds a role of everything.

    Attributes:
        user: the user's id.
        role: the role of everything that masks the settings.
    """

    def __init__(self, user: str, role: str) -> None:
        self.user = user
        self.role = role
        super().__init__(f"the settings of {user!r} can't be changed while the role {role!r} gives everything")


class LastAdministrator(SeatpermError):
    """The change would leave nobody who may assign roles. `user` is the user it would take that from."""

    def __init__(self, user: str | None) -> None:
        self.user = user
        super().__init__(
            "this would leave nobody who may assign roles; "
            "give another active user a system role with organization.users:assign first"
        )


class UserLimitReached(SeatpermError):
    """The license admits no more named users.

    Attributes:
        limit: how many named users the license admits.
        in_use: how many there are.
        could_lock: ids of up to ten of them, whom locking would make room; none where the one who asks may
            not view users.
    """

    def __init__(self, limit: int, in_use: int, could_lock: Iterable[str] = ()) -> None:
        self.limit = limit
        self.in_use = in_use
        self.could_lock = tuple(could_lock)
        super().__init__(
            f"the license admits {limit} named users and {in_use} are active; lock one, or raise the limit"
        )


class InvalidLicense(SeatpermError):
    """A license's terms don't hold together, or a license file can't be installed.

    Attributes:
        problems: one sentence for each thing that is wrong.
        reason: "terms", or of a license file "malformed", "algorithm", "unknown_key", "altered",
            "other_organization", "not_begun" (issued in the future), "expired" or "older".
    """

    def __init__(self, problems: Iterable[str], reason: str = "terms") -> None:
        self.problems = tuple(problems)
        self.reason = reason
        super().__init__(f"the license is refused: {'; '.join(self.problems)}")
