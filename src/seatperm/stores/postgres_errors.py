"""What PostgreSQL says, in the words of seatperm's errors."""

from __future__ import annotations

from collections.abc import Sequence

from psycopg import DataError, Error, InterfaceError
from psycopg.errors import UniqueViolation

from ..errors import InvalidValue, StoreDamaged, StoreUnavailable

NO_NUL = "text without NUL characters, which PostgreSQL can't hold"

INTEGERS = range(-(2**63), 2**63)
"""The integers that a column holds."""

UNAVAILABLE = {
    "08": "the connection was lost or refused; look at the server and the network, and try again",
    "25006": "the server is read-only, a standby perhaps; name the primary, or target_session_attrs=read-write",
    "25P03": "the change stood still for longer than the timeout, and the server undid it; try again",
    "28": "the server does not let this role in; look at the user, the password and pg_hba.conf",
    "3D000": "there is no such database; make it first, or name another one",
    "40": "it got in the way of another change, and the server undid it; try again",
    "42501": "this role may not do that; grant it what the page on PostgreSQL says",
    "53100": "the server's disk is full; nothing was changed, make room and try again",
    "53200": "the server is out of memory; nothing was changed, try again",
    "53300": "the server has too many connections; let it have more, or lower pool_max",
    "53": "the server is short of something; nothing was changed, try again",
    "55P03": "others have been changing it for as long as the timeout; try again, or end what holds it",
    "57014": "the server cancelled it, by an administrator or as it took longer than the timeout; try again",
    "57P0": "the server is shutting down or starting; try again in a moment",
    "58": "the server can't read or write its files; look at its log and its disk",
}
"""What to say, by how the SQLSTATE begins (PostgreSQL's appendix A)."""

DAMAGED = ("22", "23", "3F000", "42", "0A", "XX")
"""How the SQLSTATE begins where tables or rows are not as seatperm made them."""


def check(values: Sequence[object]) -> None:
    """Go on only if a column can hold each of the values.

    Raises:
        InvalidValue: a NUL character, text that is no Unicode, or a number beyond 64 bits.
    """
    for value in values:
        match value:
            case int() if value not in INTEGERS:
                raise InvalidValue("a number", value, "less than 2**63, as a store keeps it")
            case str() if "\0" in value:
                raise InvalidValue("text", value, NO_NUL)
            case str() if not _encodes(value):
                raise InvalidValue("text", value, "text that can be written as UTF-8")
            case list():
                check(value)


def explained(error: Exception, url: str, values: Sequence[object] = ()) -> Exception:
    """Return seatperm's error for one that the driver raised.

    Args:
        error: what was raised; one that is not the driver's is returned as it is.
        url: names the store, without secrets.
        values: of the statement.
    """
    if not isinstance(error, Error):
        return error
    state, said = error.sqlstate or "", _said(error)
    if state == "22P05":
        return InvalidValue("text", next((value for value in values if isinstance(value, str)), ""), NO_NUL)
    if state == "54000":
        longest = max((value for value in values if isinstance(value, str)), key=len, default="")
        return InvalidValue(
            "text", f"{longest[:60]}…", "ids, names of roles and addresses below 2,600 bytes, as an index holds"
        )
    for beginning, what_to_do in sorted(UNAVAILABLE.items(), reverse=True):
        if state.startswith(beginning):
            return StoreUnavailable(url, f"{what_to_do} ({said})")
    if state.startswith(DAMAGED) or isinstance(error, DataError):
        return StoreDamaged(url, f"its tables are not as they were made ({said})")
    if isinstance(error, InterfaceError) or not state:
        return StoreUnavailable(url, f"no connection; look at the server, the URL and the network ({said})")
    return StoreUnavailable(url, f"the server refused ({said}); look at its log")


def is_conflict(error: StoreDamaged) -> bool:
    """Tell whether a row was refused because another one has what may be there only once."""
    return isinstance(error.__cause__, UniqueViolation)


def _said(error: Error) -> str:
    return " ".join((error.diag.message_primary or str(error) or type(error).__name__).split())


def _encodes(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True
