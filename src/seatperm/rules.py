"""The rules of access, written out as the contract's section 2 reads: the reference, with no cache and no trick."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from datetime import datetime
from typing import Protocol

from .catalog import Catalog, Entry


class PersonalSetting(Protocol):
    """What the rules look at in an override."""

    @property
    def entry(self) -> Entry:
        """Its grants."""
        ...

    @property
    def until(self) -> datetime | None:
        """When it ends, None for never."""
        ...


class Holder(Protocol):
    """What the rules look at in a user."""

    @property
    def active(self) -> bool:
        """Whether the user is active and not locked here."""
        ...

    @property
    def roles(self) -> Mapping[str, datetime | None]:
        """The roles held, each with its end or None."""
        ...

    @property
    def base(self) -> Mapping[str, Entry]:
        """The base, an entry for each resource."""
        ...

    @property
    def overrides(self) -> Mapping[str, PersonalSetting]:
        """The personal settings, by resource."""
        ...


class Terms(Protocol):
    """What the rules look at in a license."""

    @property
    def package(self) -> str:
        """The tier."""
        ...

    @property
    def add_ons(self) -> Collection[str]:
        """The add-ons held."""
        ...

    @property
    def valid_from(self) -> datetime | None:
        """The first moment."""
        ...

    @property
    def valid_until(self) -> datetime | None:
        """The first moment after it."""
        ...


def is_valid(license: Terms, now: datetime) -> bool:
    """Tell whether the license is valid now: from its first moment, up to its end."""
    started = license.valid_from is None or license.valid_from <= now
    return started and (license.valid_until is None or now < license.valid_until)


def actions(catalog: Catalog, license: Terms, user: Holder, now: datetime, resource: str, scope: str) -> frozenset[str]:
    """Return the actions that the user is allowed on records of the resource that are reached at the scope."""
    raise NotImplementedError
