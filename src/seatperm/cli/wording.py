"""Our errors in the words of the command line."""

from __future__ import annotations

from datetime import datetime

from ..errors import CatalogMismatch, InvalidValue, SeatpermError


def told(error: SeatpermError) -> str:
    """Return what an error says, with options for arguments and times as one types them."""
    if isinstance(error, CatalogMismatch):
        items = "".join(f"  {item}\n" for item in error.unknown)
        return (
            f"the store names what the catalog does not have:\n{items}"
            "put it back into the catalog, or go on without it by --orphans keep"
        )
    if isinstance(error, InvalidValue) and isinstance(error.value, datetime):
        return f"{error.what} is {error.value.isoformat()}; expected {error.expected}"
    return str(error)
