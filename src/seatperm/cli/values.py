"""Values as they are written on a command line."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable, Mapping
from datetime import UTC, datetime, timedelta
from typing import Final, Literal, TypeVar

import click

from ..catalog import GrantLike
from ..license import MOST

T = TypeVar("T")

Grants = list[str | Mapping[str, object]]
"""What is given on a resource, as a catalog writes it."""

NONE: Final = "none"
"""What takes a limit away; leaving the option out leaves the limit as it is."""

UNITS: Final = (
    ("day", timedelta(days=1)),
    ("hour", timedelta(hours=1)),
    ("minute", timedelta(minutes=1)),
    ("second", timedelta(seconds=1)),
)
"""What durations are counted in; their first letters are what one types."""


DIGITS: Final = 9
"""How many digits a duration has at the most."""


def moment(text: str) -> datetime:
    """Read a date, which begins at midnight UTC, or a date and time with its offset."""
    try:
        read = datetime.fromisoformat(text)
    except ValueError:
        read = None
    if read is not None and re.fullmatch(r"\d{4}-\d\d-\d\d", text):
        return read.replace(tzinfo=UTC)
    if read is not None and read.utcoffset() is None and re.match(r"\d{4}-\d\d-\d\d[T ]", text):
        raise click.BadParameter(f"the offset from UTC is missing; expected such as '{text}+00:00'.")
    if read is None or read.utcoffset() is None:
        raise click.BadParameter(f"{text!r} is no time; expected '2027-01-31' or '2027-01-31T14:30:00+00:00'.")
    return read


def count(text: str) -> int:
    """Read a whole number."""
    if not re.fullmatch(r"-?[0-9]+", text):
        raise click.BadParameter(f"{text!r} is no whole number.")
    # Counted in digits first: Python reads no number of thousands of them.
    if len(text) > len(str(MOST)) + 1 or int(text) > MOST:
        raise click.BadParameter(f"{text} is too large a number; expected one of at most {MOST}.")
    return int(text)


def duration(text: str) -> timedelta:
    """Read a number of days, hours, minutes or seconds."""
    match = re.fullmatch(r"([0-9]+)([dhms])", text)
    if match is None:
        raise click.BadParameter(f"{text!r} is no duration; expected such as '14d', '12h', '30m' or '0s'.")
    if len(match[1]) > DIGITS:
        raise click.BadParameter(f"{text} is too long a duration; expected a number of at most {DIGITS} digits.")
    return int(match[1]) * next(unit for name, unit in UNITS if name[0] == match[2])


def told_duration(value: timedelta) -> str:
    """Return a duration as people write it: "14 days", "36 hours"."""
    name, unit = next(each for each in UNITS if not value % each[1])
    return f"{value // unit} {name}{'' if value == unit else 's'}"


def reserved(text: str) -> tuple[str, int]:
    """Read a role and how many seats are kept back for its holders."""
    role, separator, seats = text.rpartition("=")
    if not separator or not role:
        raise click.BadParameter(f"{text!r} is no role and number; expected such as 'organization_admin=1'.")
    return role, count(seats)


def grants(text: str) -> Grants:
    """Read what is given on a resource: a level, or JSON as a catalog writes it."""
    if not text.startswith(("{", "[")):
        return [text]
    try:
        read = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise click.BadParameter(f"{text!r} is no JSON: {error}.") from error
    return read if isinstance(read, list) else [read]


def entry(given: Iterable[Grants]) -> GrantLike:
    """Return all that is given on a resource as one entry; one grant by itself."""
    every = [grant for several in given for grant in several]
    return every[0] if len(every) == 1 else every


def resource_grants(text: str) -> tuple[str, Grants]:
    """Read a resource and what is given on it."""
    resource, separator, given = text.partition("=")
    if not separator or not resource or not given:
        raise click.BadParameter(f"{text!r} is no resource and level; expected such as 'sales=edit:own'.")
    return resource, grants(given)


def or_none(read: Callable[[str], T]) -> Callable[[str], T | Literal["none"]]:
    """Read the same, or "none"."""

    def either(text: str) -> T | Literal["none"]:
        return NONE if text == NONE else read(text)

    return either
