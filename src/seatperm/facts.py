"""What the rules look at in a user and in a license, whoever keeps them."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from datetime import datetime, timedelta
from typing import Protocol

from .catalog import Entry


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

    @property
    def grace(self) -> timedelta:
        """How long after that it stays valid all the same."""
        ...
