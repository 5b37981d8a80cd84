"""The directory: users and what they hold. Frozen records and pure transitions."""

from __future__ import annotations

import unicodedata
from collections.abc import Mapping
from datetime import datetime
from types import MappingProxyType
from typing import Any, Literal

from attrs import evolve, field, frozen

from .catalog import Entry, Role, written_entry
from .errors import InvalidValue
from .license import License

NOTHING: Mapping[str, Any] = MappingProxyType({})


def _freeze(record: object, *maps: str) -> None:
    # Not by attrs converters: pyright takes their fields for descriptors, which fit no protocol.
    for name in maps:
        given = getattr(record, name)
        object.__setattr__(record, name, MappingProxyType(dict(sorted(given.items()))) if given else NOTHING)


@frozen
class Override:
    """A personal setting on one resource, in place of what roles and base give there.

    Attributes:
        entry: its grants.
        until: when it ends, None for never.
    """

    entry: Entry
    until: datetime | None = None


@frozen
class PendingInvitation:
    """What the store keeps of an invitation: no token, only its hash.

    Attributes:
        token_hash: SHA-256 of the token, in hex.
        until: when the token ends.
    """

    token_hash: str = field(repr=False)
    until: datetime


@frozen
class User:
    """One person's place in one organization.

    Attributes:
        id: the host's own string.
        email: the address as it was given.
        name: what to call the person.
        type: a user type of the catalog.
        state: `invited` until the invitation is accepted, then `active`.
        locked: shut out of this organization, whatever the state.
        roles: the roles held, each with its end or None.
        base: the global permissions that were copied when the user was added.
        overrides: personal settings, by resource.
        staff: the id of the staff record linked to the user, if any.
        invitation: what is kept of the last invitation that was issued and not accepted.
        dismissed: no longer of this organization; kept for the trail.
        person: the id that this person has in every organization; differs from `id` only until somebody
            who is known from another organization accepts.
    """

    id: str
    email: str
    name: str
    type: str = "app"
    state: Literal["invited", "active"] = "active"
    locked: bool = False
    roles: Mapping[str, datetime | None] = field(factory=dict)
    base: Mapping[str, Entry] = field(factory=dict)
    overrides: Mapping[str, Override] = field(factory=dict)
    staff: str | None = None
    invitation: PendingInvitation | None = field(default=None, repr=False)
    dismissed: bool = field(default=False, repr=False)
    person: str = field(default="", repr=False)

    def __attrs_post_init__(self) -> None:
        _freeze(self, "roles", "base", "overrides")

    @property
    def active(self) -> bool:
        """Whether the user may have any access here: accepted, not locked, not dismissed."""
        return self.state == "active" and not self.locked and not self.dismissed


@frozen
class Staff:
    """A person on record, user or not; staff never have access by themselves.

    Attributes:
        id: the host's own string, or a random one.
        name: what to call the person.
        user: the id of the user linked to the record, None for none.
        active: False once the person has left; the record is kept.
    """

    id: str
    name: str
    user: str | None = None
    active: bool = True


@frozen
class Organization:
    """What a store keeps of an organization beside its users.

    Attributes:
        id: the host's own string.
        license: what it has bought.
        global_permissions: what each new user starts from.
        roles: roles of the organization's own, beside the catalog's.
        license_issued: when the last license file that was installed had been issued; None before the first.
        catalog: the digest of the catalog that its names were last checked against.
        epoch: of the session store in which its seats are, see rule 9 of `SessionStore`.
        revision: how many changes have been made to it; the store counts.
    """

    id: str
    license: License
    global_permissions: Mapping[str, Entry] = field(factory=dict)
    roles: Mapping[str, Role] = field(factory=dict)
    license_issued: datetime | None = None
    catalog: str = ""
    epoch: str | None = None
    revision: int = 0

    def __attrs_post_init__(self) -> None:
        _freeze(self, "global_permissions", "roles")


def email_key(address: str) -> str:
    """Return the form in which two e-mail addresses are the same: no case, no outer space, one Unicode form.

    Raises:
        InvalidValue: it is no e-mail address.
    """
    wrong = InvalidValue("email", address, "an e-mail address, such as 'mere@kauri.example'")
    if not isinstance(address, str):
        raise wrong
    key = unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", address.strip()).casefold())
    local, at, domain = key.rpartition("@")
    odd = any(unicodedata.category(letter)[0] in "CZ" for letter in key) or set(key) & set('<>()[],;:\\"')
    if not (at and local and domain) or "@" in local or odd or len(key) > 254 or ".." in key:
        raise wrong
    if domain.startswith(".") or domain.endswith("."):
        raise wrong
    return key


def identifier(what: str, value: str) -> str:
    """Return an id of the host's as it is.

    Raises:
        InvalidValue: it is no string, empty, longer than 200 characters, or has control characters or outer space.
    """
    if (
        not isinstance(value, str)
        or not 1 <= len(value) <= 200
        or value != value.strip()
        or any(unicodedata.category(letter)[0] == "C" for letter in value)
    ):
        raise InvalidValue(what, value, "a string of 1 to 200 printable characters without outer space")
    return value


def person_name(value: str) -> str:
    """Return what to call a person, without outer space.

    Raises:
        InvalidValue: it is no string, empty, longer than 200 characters, or not printable.
    """
    if not isinstance(value, str) or not value.strip() or len(value) > 200 or not value.isprintable():
        raise InvalidValue("name", value, "1 to 200 printable characters")
    return value.strip()


def shown(user: User) -> User:
    """Return a user as hosts may see it: who the person is elsewhere is told only once the invitation is accepted."""
    return user if user.person == user.id else evolve(user, person=user.id)


def with_role(user: User, role: str, until: datetime | None) -> User:
    """Return the user holding the role, until its end."""
    return evolve(user, roles={**user.roles, role: until})


def without_role(user: User, role: str) -> User:
    """Return the user not holding the role."""
    return evolve(user, roles={name: until for name, until in user.roles.items() if name != role})


def with_override(user: User, resource: str, override: Override) -> User:
    """Return the user with the personal setting in place of any earlier one there."""
    return evolve(user, overrides={**user.overrides, resource: override})


def without_override(user: User, resource: str) -> User:
    """Return the user without a personal setting there."""
    return evolve(user, overrides={path: kept for path, kept in user.overrides.items() if path != resource})


def summary(user: User) -> dict[str, object]:
    """Return what the audit trail keeps of a user, as JSON values; no token."""
    return {
        "email": user.email,
        "name": user.name,
        "type": user.type,
        "state": user.state,
        "locked": user.locked,
        "roles": {role: None if until is None else until.isoformat() for role, until in user.roles.items()},
        "base": {path: written_entry(entry) for path, entry in user.base.items()},
        "overrides": {
            path: {
                "grant": written_entry(kept.entry),
                "until": None if kept.until is None else kept.until.isoformat(),
            }
            for path, kept in user.overrides.items()
        },
        "staff": user.staff,
    }
