"""The sessions that one process has seen: what a grace goes by while the store does not answer."""

from __future__ import annotations

from threading import Lock

from attrs import define, field, frozen

from ..sessions import Seat

KNOWN = 20_000
"""How many sessions a process remembers at the most."""


@frozen
class Held:
    """A session as the store last told it.

    Attributes:
        seat: its seat.
        gone: when (by the clock's `elapsed`) it is gone unless renewed.
        boot: the boot that this is counted from.
        token_hash: of its token.
    """

    seat: Seat
    gone: float
    boot: str
    token_hash: str = field(repr=False)


@define(eq=False, repr=False)
class Known:
    """Sessions that this process has seen, lately seen last, by the hash of their token; and those that it ended."""

    _held: dict[str, Held] = field(init=False, factory=dict)
    _ids: dict[str, str] = field(init=False, factory=dict)
    _ended: dict[str, None] = field(init=False, factory=dict)
    _lock: Lock = field(init=False, factory=Lock)

    def keep(self, held: Held) -> None:
        """Remember a session; an earlier token of it is forgotten."""
        with self._lock:
            self._forget(held.seat.id)
            while len(self._held) >= KNOWN:
                self._forget(next(iter(self._held)))
            self._held[held.seat.id] = held
            self._ids[held.token_hash] = held.seat.id

    def find(self, token_hash: str) -> Held | None:
        """Return what is known of the session with this token."""
        with self._lock:
            id = self._ids.get(token_hash)
            return None if id is None else self._held[id]

    def forget(self, token_hash: str) -> None:
        """Forget the session with this token."""
        with self._lock:
            id = self._ids.get(token_hash)
            if id is not None:
                self._forget(id)

    def end(self, id: str) -> None:
        """Remember that this process ended the session: no id comes back."""
        with self._lock:
            self._forget(id)
            while len(self._ended) >= KNOWN:
                del self._ended[next(iter(self._ended))]
            self._ended[id] = None

    def renamed(self, id: str, token_hash: str) -> bool:
        """Tell whether the session was seen with another token since."""
        held = self._held.get(id)
        return held is not None and held.token_hash != token_hash

    def ended(self, id: str) -> bool:
        """Tell whether this process ended the session."""
        return id in self._ended

    def _forget(self, id: str) -> None:
        held = self._held.pop(id, None)
        if held is not None:
            del self._ids[held.token_hash]
