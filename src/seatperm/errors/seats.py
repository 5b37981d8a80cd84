"""Seats that are not to be had, and sessions that are over."""

from __future__ import annotations

from datetime import datetime
from typing import ClassVar

from .base import SeatpermError


class SeatsExhausted(SeatpermError):
    """Every seat is taken.

    Attributes:
        limit: how many sessions the license admits at one time.
        in_use: how many seats are in use.
        next_free_at: when the first lease in use ends unless it is renewed; None where nobody holds a seat.
    """

    def __init__(self, limit: int, in_use: int, next_free_at: datetime | None) -> None:
        self.limit = limit
        self.in_use = in_use
        self.next_free_at = next_free_at
        text = f"all seats are taken: {in_use} of {limit} in use"
        if in_use < limit:
            text = f"no seat is free for this user: {in_use} of {limit} in use, the rest are kept back or waited for"
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
            "not_active", "unknown_user", "license_not_valid" or "forked" (it is the process's that this one was forked
            from).
    """

    _words: ClassVar = {
        "expired": "its lease ran out",
        "ended": "it was ended, or its client has signed in again",
        "not_found": "no live session has this token: it ran out, was ended, or its client has signed in again",
        "locked": "its user is locked",
        "not_active": "its user is not active",
        "unknown_user": "its user is no longer known",
        "license_not_valid": "the license is not valid now",
        "forked": "it belongs to the process that this one was forked from; sign in again here",
    }

    def __init__(self, reason: str) -> None:
        self.reason = reason
        super().__init__(f"the session is over: {self._words[reason]}")
