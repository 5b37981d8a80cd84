"""Errors: one base class; every error carries its evidence as attributes."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from typing import TYPE_CHECKING, Any, ClassVar

from .spelling import did_you_mean, nearest

if TYPE_CHECKING:
    from .decision import Decision
    from .problem import Problem


class SeatpermError(Exception):
    """Base of every error that seatperm raises on purpose."""

    def __reduce__(self) -> tuple[Any, ...]:
        # Subclasses take their evidence, not their message: the default would call them with the message.
        return _rebuild, (type(self), self.args, self.__dict__)


def _rebuild(cls: type[SeatpermError], args: tuple[Any, ...], state: dict[str, Any]) -> SeatpermError:
    error = cls.__new__(cls)
    error.args = args
    error.__dict__.update(state)
    return error


class CatalogError(SeatpermError):
    """A catalog can't be loaded.

    Attributes:
        problems: every problem found, in the order of the file.
    """

    def __init__(self, problems: Iterable[Problem]) -> None:
        self.problems = tuple(problems)
        count = len(self.problems)
        head = "1 problem" if count == 1 else f"{count} problems"
        super().__init__("\n".join([f"the catalog has {head}:", *(f"  {problem}" for problem in self.problems)]))


class CatalogMismatch(SeatpermError):
    """A store names things that the catalog does not have.

    Attributes:
        unknown: one sentence for each, such as "role 'cashier', held by 3 users".
    """

    def __init__(self, unknown: Iterable[str]) -> None:
        self.unknown = tuple(unknown)
        items = "".join(f"  {item}\n" for item in self.unknown)
        super().__init__(
            f"the store names what the catalog does not have:\n{items}"
            "put it back into the catalog, or open with orphans='keep'"
        )


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


class AccessDenied(SeatpermError):
    """A check that was required did not pass.

    Attributes:
        decision: the `Decision`, with its reason, trace and remedies.
    """

    def __init__(self, decision: Decision) -> None:
        self.decision = decision
        super().__init__(decision.summary)


class NoRelation(SeatpermError):
    """A record was named, and no function tells how users relate to records of this resource.

    Attributes:
        resource: the resource that was asked.
    """

    def __init__(self, resource: str) -> None:
        self.resource = resource
        super().__init__(
            f"a record of {resource!r} was named, but nothing tells whose it is: "
            f"call org.relate({resource!r}, function) first, for it or for a resource above it"
        )


class InvalidGrant(SeatpermError):
    """A grant given for a resource does not fit it.

    Attributes:
        resource: the resource it was given for.
        grant: the grant as it was given.
        problems: one sentence for each thing that is wrong with it.
    """

    def __init__(self, resource: str, grant: object, problems: Iterable[str]) -> None:
        self.resource = resource
        self.grant = grant
        self.problems = tuple(problems)
        super().__init__(f"{grant!r} is no grant on {resource!r}: {'; '.join(self.problems)}")


class InvalidValue(SeatpermError, ValueError):
    """A value is not of the kind that is needed.

    Attributes:
        what: what the value is for, such as "until".
        value: the value that was given.
        expected: what was expected instead.
    """

    def __init__(self, what: str, value: object, expected: str) -> None:
        self.what = what
        self.value = value
        self.expected = expected
        super().__init__(f"{what} is {value!r}; expected {expected}")


class OrganizationExists(SeatpermError):
    """The store has an organization of this id already. `organization` is the id."""

    def __init__(self, organization: str) -> None:
        self.organization = organization
        super().__init__(f"there is an organization {organization!r} already")


class EmailTaken(SeatpermError):
    """The e-mail address belongs to another user. `email` is the address as it was given."""

    def __init__(self, email: str) -> None:
        self.email = email
        super().__init__(f"the e-mail address {email!r} is in use already")


class UserExists(SeatpermError):
    """The user id is in use already. `id` is the id as it was given."""

    def __init__(self, id: str) -> None:
        self.id = id
        super().__init__(f"the user id {id!r} is in use already")


class InvitationRefused(SeatpermError):
    """An invitation can't be accepted or issued. `reason` says why: "unknown" (used, too) or "ended"."""

    _words: ClassVar = {
        "unknown": "the invitation is not known here; ask for a new one",
        "ended": "the invitation has ended; ask for a new one",
    }

    def __init__(self, reason: str) -> None:
        self.reason = reason
        super().__init__(self._words[reason])


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
    """

    def __init__(self, limit: int, in_use: int) -> None:
        self.limit = limit
        self.in_use = in_use
        super().__init__(
            f"the license admits {limit} named users and {in_use} are active; lock one, or raise the limit"
        )


class InvalidLicense(SeatpermError):
    """A license's terms don't hold together.

    Attributes:
        problems: one sentence for each thing that is wrong.
    """

    def __init__(self, problems: Iterable[str]) -> None:
        self.problems = tuple(problems)
        super().__init__(f"the license is refused: {'; '.join(self.problems)}")


class SeatsExhausted(SeatpermError):
    """Every seat is taken.

    Attributes:
        limit: how many sessions the license admits at one time.
        in_use: how many seats are in use.
        next_free_at: when the first lease in use ends unless it is renewed; None where seats are
            only kept back, or nobody holds one.
    """

    def __init__(self, limit: int, in_use: int, next_free_at: datetime | None) -> None:
        self.limit = limit
        self.in_use = in_use
        self.next_free_at = next_free_at
        text = f"all seats are taken: {in_use} of {limit} in use"
        if in_use < limit:
            text = f"no seat is free for this user: {in_use} of {limit} in use, the rest are kept back"
        if next_free_at is not None:
            text += f"; the next lease ends at {next_free_at.isoformat(timespec='seconds')} unless it is renewed"
        super().__init__(text)


class SignInRefused(SeatpermError):
    """The user may not sign in, whatever seats there are.

    Attributes:
        reason: "not_active", "locked" or "license_not_valid".
    """

    _words: ClassVar = {
        "not_active": "the invitation has not been accepted yet",
        "locked": "the user is locked",
        "license_not_valid": "the license is not valid now",
    }

    def __init__(self, reason: str) -> None:
        self.reason = reason
        super().__init__(f"sign-in refused: {self._words[reason]}")


class SessionEnded(SeatpermError):
    """The session is over; its user has to sign in again.

    Attributes:
        reason: "expired" (its lease ran out), "ended" (by its holder, an administrator or a later
            sign-in of the same client), "not_found" (one or the other, to who resumes), "locked",
            "not_active", "unknown_user" or "license_not_valid".
    """

    _words: ClassVar = {
        "expired": "its lease ran out",
        "ended": "it was ended, or its client has signed in again",
        "not_found": "no live session has this token: it ran out, was ended, or its client has signed in again",
        "locked": "its user is locked",
        "not_active": "its user is not active",
        "unknown_user": "its user is no longer known",
        "license_not_valid": "the license is not valid now",
    }

    def __init__(self, reason: str) -> None:
        self.reason = reason
        super().__init__(f"the session is over: {self._words[reason]}")


class StoreUnavailable(SeatpermError):
    """A store did not answer, or could not write.

    Attributes:
        store: the store's URL without its secrets.
        cause: what it said.
    """

    def __init__(self, store: str, cause: str) -> None:
        self.store = store
        self.cause = cause
        super().__init__(f"the store {store} can't be used now: {cause}")


class StoreDamaged(SeatpermError):
    """A store's content is not what seatperm wrote, or not seatperm's at all. `store`, `cause` as above."""

    def __init__(self, store: str, cause: str) -> None:
        self.store = store
        self.cause = cause
        super().__init__(f"the store {store} is damaged or not seatperm's: {cause}")


class StoreVersion(SeatpermError):
    """A store was written by a newer seatperm.

    Attributes:
        store: the store's URL without its secrets.
        found: what the store says it needs.
    """

    def __init__(self, store: str, found: str) -> None:
        self.store = store
        self.found = found
        super().__init__(f"the store {store} was written by a newer seatperm ({found}); upgrade seatperm")
