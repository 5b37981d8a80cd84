"""The PostgreSQL directory passes the kit, on a real server."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from seatperm.stores import DirectoryStore
from seatperm.stores.postgres import PostgresDirectory
from seatperm.testing.directory_kit import DirectoryConformance

from .servers import schema_of


class TestPostgresDirectory(DirectoryConformance):
    """The PostgreSQL store passes the kit."""

    url: str

    @pytest.fixture(autouse=True, scope="class")
    @classmethod
    def _of_its_own(cls, postgres_url: str) -> Iterator[None]:
        with schema_of(postgres_url) as cls.url:
            yield

    def open(self) -> DirectoryStore:
        return PostgresDirectory(self.url)

    def reopen(self) -> DirectoryStore:
        return PostgresDirectory(self.url)
