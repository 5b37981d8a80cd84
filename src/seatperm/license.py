"""The license: what an organization has bought. Frozen records and pure arithmetic."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from types import MappingProxyType
from typing import Literal

from attrs import field, frozen

from .catalog import Catalog
from .money import Money

Standing = Literal["not_begun", "valid", "grace", "ended"]


@frozen
class License:
    """What an organization has bought.

    Attributes:
        package: the tier.
        add_ons: add-ons held beside it.
        session_limit: how many sessions may be live at one time, at least 1.
        user_limit: how many counted users may be active; None for any number.
        seat_per: what takes a seat: `session` (every connection) or `user` (all of one user's share one).
        reserved: seats kept back for holders of a role, by role; the sum stays below the limit.
        valid_from: the first moment of the license, None for always.
        valid_until: the first moment after it, None for never ending.
        grace: how long after `valid_until` it stays valid all the same, in whole seconds.
    """

    package: str
    add_ons: frozenset[str] = frozenset()
    session_limit: int = 1
    user_limit: int | None = None
    seat_per: Literal["session", "user"] = "session"
    reserved: Mapping[str, int] = field(factory=dict)
    valid_from: datetime | None = None
    valid_until: datetime | None = None
    grace: timedelta = timedelta(0)

    def __attrs_post_init__(self) -> None:
        object.__setattr__(self, "add_ons", frozenset(self.add_ons))
        object.__setattr__(self, "reserved", MappingProxyType(dict(sorted(self.reserved.items()))))

    @property
    def ends(self) -> datetime | None:
        """The first moment at which it is not valid any more, its grace included; None for never."""
        return None if self.valid_until is None else self.valid_until + self.grace

    def standing(self, at: datetime) -> Standing:
        """Return where the license stands at a moment, timezone-aware; it is valid in its grace too."""
        if self.valid_from is not None and at < self.valid_from:
            return "not_begun"
        if self.valid_until is None or at < self.valid_until:
            return "valid"
        return "grace" if at < self.valid_until + self.grace else "ended"


def problems(license: License) -> Iterator[str]:
    """Iterate over what is wrong with a license's terms, a sentence each; unknown names are looked up elsewhere."""
    if not _is_count(license.session_limit):
        yield f"session_limit is {license.session_limit!r}; expected a whole number of at least 1"
    if license.user_limit is not None and not _is_count(license.user_limit):
        yield f"user_limit is {license.user_limit!r}; expected None or a whole number of at least 1"
    if license.seat_per not in ("session", "user"):
        yield f"seat_per is {license.seat_per!r}; expected 'session' or 'user'"
    wrong = {role: count for role, count in license.reserved.items() if not _is_count(count)}
    for role, count in wrong.items():
        yield f"reserved for {role!r} is {count!r}; expected a whole number of at least 1"
    if not wrong and _is_count(license.session_limit) and sum(license.reserved.values()) >= license.session_limit:
        yield (
            f"reserved seats are {sum(license.reserved.values())} in all; "
            f"expected fewer than the session limit of {license.session_limit}"
        )
    grace = license.grace
    if not isinstance(grace, timedelta) or grace < timedelta(0) or grace % timedelta(seconds=1):
        yield f"grace is {grace!r}; expected a timedelta of zero or more, in whole seconds"
    elif license.valid_until is not None and grace > datetime.max.replace(tzinfo=UTC) - license.valid_until:
        yield f"grace is {grace!r}; expected one that ends before the year 10000"
    if license.valid_from and license.valid_until and license.valid_from >= license.valid_until:
        yield f"valid_until {license.valid_until.isoformat()} is not after valid_from"


MOST = 1_000_000_000
"""The most sessions or named users that a license may speak of: more is a slip of the keyboard."""


def _is_count(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and 1 <= value <= MOST


def monthly_charge(catalog: Catalog, license: License) -> Money | None:
    """Return package price × session limit, add-ons included; None where none of them has a price."""
    prices = [catalog.packages[name].price_per_session for name in (license.package, *sorted(license.add_ons))]
    priced = [price for price in prices if price is not None]
    if not priced:
        return None
    total = priced[0]
    for price in priced[1:]:
        total += price
    return total * license.session_limit


def summary(license: License) -> dict[str, object]:
    """Return a license as JSON values, for the audit trail, license files and printing; grace in seconds."""
    return {
        "package": license.package,
        "add_ons": sorted(license.add_ons),
        "session_limit": license.session_limit,
        "user_limit": license.user_limit,
        "seat_per": license.seat_per,
        "reserved": dict(license.reserved),
        "valid_from": None if license.valid_from is None else license.valid_from.isoformat(),
        "valid_until": None if license.valid_until is None else license.valid_until.isoformat(),
        "grace": license.grace // timedelta(seconds=1),
    }


def packages_with(catalog: Catalog, package: str) -> tuple[str, ...]:
    """Return what a license may hold to contain the package: the add-on itself, or the tiers, cheapest first."""
    if catalog.packages[package].add_on:
        return (package,)
    tiers = [name for name in catalog.tiers if package in catalog.closure(name)]
    return tuple(sorted(tiers, key=lambda name: _amount(catalog.packages[name].price_per_session)))


def _amount(price: Money | None) -> Decimal:
    return Decimal(0) if price is None else price.amount
