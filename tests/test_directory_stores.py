"""Every directory store passes the kit, and answers as the memory store does whatever happens."""

from __future__ import annotations

import tempfile
from pathlib import Path

from seatperm.stores import DirectoryStore
from seatperm.stores.memory import MemoryDirectory
from seatperm.stores.sqlite import SQLiteDirectory
from seatperm.testing.directory_kit import DirectoryConformance


class TestMemoryDirectory(DirectoryConformance):
    """The memory store passes the kit."""

    def open(self) -> DirectoryStore:
        return MemoryDirectory()


class TestSQLiteDirectory(DirectoryConformance):
    """The SQLite store passes the kit."""

    def open(self) -> DirectoryStore:
        self.folder = tempfile.TemporaryDirectory(prefix="seatperm-")
        return SQLiteDirectory(Path(self.folder.name) / "books.db")

    def reopen(self) -> DirectoryStore:
        return SQLiteDirectory(Path(self.folder.name) / "books.db")

    def teardown_method(self) -> None:
        super().teardown_method()
        self.folder.cleanup()
