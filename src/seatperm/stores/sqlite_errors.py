"""What SQLite says went wrong, as errors of ours that tell what to do."""

from __future__ import annotations

import os
import sqlite3
from pathlib import Path

from attrs import frozen

from ..errors import InvalidValue, StoreDamaged, StoreUnavailable


@frozen
class Trouble:
    """Translates the errors of one file.

    Attributes:
        url: names the store.
        file: its path.
        timeout: seconds to wait for another writer.
        may_make: whether a missing file is made.
    """

    url: str
    file: Path
    timeout: float
    may_make: bool

    def translated(self, error: sqlite3.Error | UnicodeEncodeError) -> Exception:
        """Return the error to raise in place of this one."""
        if isinstance(error, UnicodeEncodeError):
            return InvalidValue("text", error.object, "text that can be written as UTF-8")
        if isinstance(error, sqlite3.ProgrammingError | sqlite3.InterfaceError):
            return error
        match primary(error):
            case sqlite3.SQLITE_BUSY | sqlite3.SQLITE_LOCKED:
                return StoreUnavailable(self.url, self.locked())
            case sqlite3.SQLITE_READONLY | sqlite3.SQLITE_PERM:
                return StoreUnavailable(
                    self.url, f"the file or its folder is read-only; let this process write both ({error})"
                )
            case sqlite3.SQLITE_FULL:
                return StoreUnavailable(self.url, "the disk is full; nothing was changed, make room and try again")
            case sqlite3.SQLITE_CANTOPEN:
                return StoreUnavailable(self.url, self._why_not_opened())
            case sqlite3.SQLITE_CORRUPT | sqlite3.SQLITE_NOTADB:
                return StoreDamaged(self.url, f"{error}; name another path, or put back a copy that is whole")
            case sqlite3.SQLITE_ERROR | sqlite3.SQLITE_CONSTRAINT:
                return StoreDamaged(self.url, f"its tables are not as they were made ({error})")
            case _:
                return StoreUnavailable(self.url, f"{error}; look at the disk and its limits, and try again")

    def locked(self) -> str:
        """Say that others write for too long."""
        return f"others have been writing to it for {self.timeout:g} s; try again, or end what holds it"

    def _why_not_opened(self) -> str:
        folder = self.file.parent
        try:
            if self.file.is_dir():
                return "it is a folder; name a file in it"
            if not folder.is_dir():
                return f"the folder {folder} does not exist; make it first"
            missing = not self.file.exists()
        except PermissionError:
            return f"the folder {folder} can't be searched; let this process read and write it"
        writable = os.access(folder, os.W_OK)
        if missing and (writable or not self.may_make):
            return "there is no such file"
        if not writable and (missing or os.access(self.file, os.R_OK)):
            return f"the folder {folder} is read-only; SQLite keeps files there while the store is used"
        return "the file can't be opened; let this process read and write it"


def primary(error: sqlite3.Error) -> int:
    """Return the code of the error, without what SQLite says more exactly."""
    # What Python's own module finds wrong with a value that it read carries no code.
    code: int = getattr(error, "sqlite_errorcode", sqlite3.SQLITE_CORRUPT)
    return code & 0xFF
