"""A store whose calls are timed."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from ...sessions import Full, Seat, SeatRequest
from ...stores import SessionStore
from .broken import Passing
from .clocks import now
from .journal import Journal


class Timed(Passing):
    """Writes down when each call began and ended, as "call".

    Args:
        inner: the store that is called.
        journal: where to write down.
    """

    def __init__(self, inner: SessionStore, journal: Journal) -> None:
        super().__init__(inner)
        self._journal = journal

    def acquire(self, request: SeatRequest) -> Seat | Full:
        """Take a seat, or say that there is none."""
        with self._timing():
            return super().acquire(request)

    def find(self, organization: str, token_hash: str) -> Seat | None:
        """Return the live session with this token."""
        with self._timing():
            return super().find(organization, token_hash)

    def renew(
        self, organization: str, token_hash: str, lease: float, *, new_token_hash: str | None = None
    ) -> Seat | None:
        """Let the live session's lease run from now."""
        with self._timing():
            return super().renew(organization, token_hash, lease, new_token_hash=new_token_hash)

    @contextmanager
    def _timing(self) -> Iterator[None]:
        began = now()
        try:
            yield
        finally:
            self._journal.note("call", start=began, end=now())
