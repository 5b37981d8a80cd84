"""Stores that can't be used."""

from __future__ import annotations

from datetime import datetime

from .base import SeatpermError


class StoreUnavailable(SeatpermError):
    """A store did not answer, or could not write.

    Attributes:
        store: the store's URL without its secrets.
        cause: what it said.
        opens_at: when further seats are given at the earliest, by a session store that answers and gives none
            after it lost what it knew; else None.
    """

    def __init__(self, store: str, cause: str, opens_at: datetime | None = None) -> None:
        self.store = store
        self.cause = cause
        self.opens_at = opens_at
        super().__init__(f"the store {store} can't be used now: {cause}")


class StoreDamaged(SeatpermError):
    """A store's content is not what seatperm wrote, or not seatperm's at all. `store`, `cause` as above."""

    def __init__(self, store: str, cause: str) -> None:
        self.store = store
        self.cause = cause
        super().__init__(f"the store {store} is damaged or not seatperm's: {cause}")


class StoreVersion(SeatpermError):
    """A store was written by a newer seatperm.

    Attributes:
        store: the store's URL without its secrets.
        found: what the store says it needs.
    """

    def __init__(self, store: str, found: str) -> None:
        self.store = store
        self.found = found
        super().__init__(f"the store {store} was written by a newer seatperm ({found}); upgrade seatperm")
