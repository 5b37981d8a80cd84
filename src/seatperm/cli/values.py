"""Values as they are written on a command line."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Final, Literal, TypeVar

import click

T = TypeVar("T")

NONE: Final = "none"
"""What takes a limit away; leaving the option out leaves the limit as it is."""


def moment(text: str) -> datetime:
    """Read a date, which begins at midnight UTC, or a date and time with its offset."""
    try:
        read = datetime.fromisoformat(text)
    except ValueError:
        read = None
    if read is not None and re.fullmatch(r"\d{4}-\d\d-\d\d", text):
        return read.replace(tzinfo=UTC)
    if read is None or read.utcoffset() is None:
        raise click.BadParameter(f"{text!r} is no time; expected '2027-01-31' or '2027-01-31T14:30:00+00:00'.")
    return read


def count(text: str) -> int:
    """Read a whole number."""
    if not re.fullmatch(r"-?[0-9]{1,15}", text):
        raise click.BadParameter(f"{text!r} is no whole number.")
    return int(text)


def reserved(text: str) -> tuple[str, int]:
    """Read a role and how many seats are kept back for its holders."""
    role, separator, seats = text.rpartition("=")
    if not separator or not role:
        raise click.BadParameter(f"{text!r} is no role and number; expected such as 'organization_admin=1'.")
    return role, count(seats)


def or_none(read: Callable[[str], T]) -> Callable[[str], T | Literal["none"]]:
    """Read the same, or "none"."""

    def either(text: str) -> T | Literal["none"]:
        return NONE if text == NONE else read(text)

    return either
