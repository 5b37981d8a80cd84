"""What operators read in the log: one line for each thing that they may have to know, with its facts as fields.

Nothing is configured here: who wants to see the lines gives the logger `seatperm`, or the root, a handler. No field and
no message has a token, an e-mail address in clear, or the secrets of a URL.
"""

from __future__ import annotations

import logging
import re
from collections.abc import Callable
from datetime import datetime
from threading import Lock
from typing import Final

from attrs import define, field

from ..decision import Decision
from ..errors import AccessDenied, StoreUnavailable
from ..stores.opening import without_secrets

SESSIONS: Final = logging.getLogger("seatperm.sessions")
STORES: Final = logging.getLogger("seatperm.stores")
ACCESS: Final = logging.getLogger("seatperm.access")
CHANGES: Final = logging.getLogger("seatperm.changes")

# Without a handler Python would print warnings of a library that nobody has asked about logging.
logging.getLogger("seatperm").addHandler(logging.NullHandler())

LONGEST: Final = 300
"""How many characters of a field are written at the most."""

AT: Final = re.compile("[@\uff20\ufe6b]")
"""What an address has in the middle: the sign, and what Unicode takes for the same."""

Field = str | int | float | datetime | None


def line(logger: logging.Logger, level: int, event: str, **fields: Field) -> None:
    """Write a line about something that happened, if anybody reads lines of this level.

    Args:
        logger: one of the four.
        level: such as `logging.INFO`.
        event: a name that stays the same, such as "session.started".
        fields: become attributes of the record, each with `seatperm_` before its name.
    """
    if not logger.isEnabledFor(level):
        return
    safe = {name: _safe(value) for name, value in fields.items()}
    said = " ".join(f"{name}={_word(value)}" for name, value in safe.items() if value is not None)
    extra = {"seatperm_event": event, **{f"seatperm_{name}": value for name, value in safe.items()}}
    logger.log(level, event + " %s", said, extra=extra, stacklevel=2)


def denied(organization: str, decision: Decision, actor: str | None = None) -> AccessDenied:
    """Return the error that says no, after a line about it.

    Args:
        organization: the organization's id.
        decision: why.
        actor: on whose behalf the host asked through `as_user`; None for the host itself.
    """
    line(
        ACCESS,
        logging.INFO,
        "access.denied",
        organization=organization,
        user=decision.user,
        resource=decision.resource,
        action=decision.action,
        scope=decision.scope,
        reason=decision.reason.value,
        actor=actor,
    )
    return AccessDenied(decision)


@define(eq=False, repr=False)
class Health:
    """Whether a store answers: one line when it stops, one when it answers again, whoever asks.

    Attributes:
        keeps: what it keeps, "directory" or "sessions".
        store: the store's URL without its secrets.
    """

    keeps: str
    store: str
    _since: float | None = field(init=False, default=None)
    _opens_at: datetime | None = field(init=False, default=None)
    _lock: Lock = field(init=False, factory=Lock)

    def failed(self, error: StoreUnavailable, elapsed: float, in_force_until: datetime | None = None) -> None:
        """Write that the store has stopped answering, unless that was written.

        Args:
            error: what it said.
            elapsed: when, by the clock's `elapsed`.
            in_force_until: until when what is known of organizations counts.
        """
        with self._lock:
            known, self._since = self._since, elapsed if self._since is None else self._since
        if known is None:
            line(
                STORES,
                logging.WARNING,
                "store.unavailable",
                keeps=self.keeps,
                store=self.store,
                cause=error.cause,
                in_force_until=in_force_until,
            )

    def answered(self, elapsed: Callable[[], float]) -> None:
        """Write that the store answers again, if it was written that it did not; `elapsed` is the clock's."""
        if self._since is None:
            return
        with self._lock:
            since, self._since = self._since, None
        if since is not None:
            seconds = round(elapsed() - since, 3)
            line(STORES, logging.INFO, "store.available", keeps=self.keeps, store=self.store, seconds=seconds)

    def closed(self, organization: str, error: StoreUnavailable, now: datetime) -> None:
        """Write that the store gives no further seat until a moment, unless that was written."""
        with self._lock:
            known, self._opens_at = self._opens_at, error.opens_at
        if known is None or known <= now:
            line(
                STORES,
                logging.WARNING,
                "doors.closed",
                organization=organization,
                store=self.store,
                cause=error.cause,
                opens_at=error.opens_at,
            )

    def opened(self) -> None:
        """Write that the store gives seats again, if it was written that it did not."""
        if self._opens_at is None:
            return
        with self._lock:
            known, self._opens_at = self._opens_at, None
        if known is not None:
            line(STORES, logging.INFO, "doors.opened", store=self.store)


def masked(text: str) -> str:
    """Return a text with its e-mail addresses masked, and its URLs without their secrets.

    Of an address its first letter stays, and its domain: `t…@kauri.example`.
    """
    return re.sub(r"\S+", lambda found: _masked(found[0]), text) if AT.search(text) or "://" in text else text


def _masked(word: str) -> str:
    url = without_secrets(word) if "://" in word else word
    *local, domain = AT.split(url)
    return f"{url[0]}…@{domain}" if any(local) else url


def _safe(value: Field) -> str | int | float | None:
    if isinstance(value, datetime):
        return value.isoformat(timespec="seconds")
    if not isinstance(value, str):
        return value
    whole = masked(value)
    return whole if len(whole) <= LONGEST else f"{whole[:LONGEST]}…"


def _word(value: str | float) -> str:
    """Return a value as it stands in a message: nothing in it can begin another line, or look like another field."""
    text = str(value)
    return text if text.isprintable() and text and not set(text) & set(" =\"'\\") else repr(text)
