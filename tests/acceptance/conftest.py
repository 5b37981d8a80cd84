"""Every claim of this folder is shown on every store."""

from __future__ import annotations

from pathlib import Path

import pytest

from ..books import add, catalog, clock, org, tenants

__all__ = ["add", "catalog", "clock", "org", "tenants", "url"]


@pytest.fixture(params=["memory", "sqlite", "postgresql"])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """The URL of a new store, of every kind in turn."""
    if request.param == "postgresql":
        return str(request.getfixturevalue("empty_postgres_store"))
    return "memory://" if request.param == "memory" else f"sqlite:///{tmp_path / 'books.db'}"
