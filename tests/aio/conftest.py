"""The stores that an asyncio host may have, each opened by its URL."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path
from typing import Any, Protocol
from uuid import uuid4

import pytest

from seatperm import aio

CATALOG: Mapping[str, Any] = {
    "ladders": {"default": {"levels": ["none", "view", "edit"], "actions": {"view": "view", "edit": "edit"}}},
    "packages": {"one": {"price_per_session": "10.00 NZD"}, "two": {"includes": ["one"]}},
    "resources": {"sales": {"package": "one"}, "stock": {"package": "two"}},
    "roles": {
        "clerk": {"package": "one", "grants": {"sales": "edit"}},
        "keeper": {"package": "two", "grants": {"stock": "edit"}},
    },
}

KINDS = ("memory", "sqlite", "redis", "postgres")


class Opener(Protocol):
    """Opens the test's own store."""

    def __call__(self, **options: Any) -> AbstractAsyncContextManager[aio.Organization]:
        """Give its organization, with the user tom, who may edit sales."""
        ...


@pytest.fixture(params=KINDS)
def kind(request: pytest.FixtureRequest) -> str:
    """One kind of store after the other."""
    return str(request.param)


@pytest.fixture
def urls(kind: str, tmp_path: Path, request: pytest.FixtureRequest) -> tuple[str, str]:
    """The URLs of an empty directory store and an empty session store."""
    match kind:
        case "memory":
            return "memory://", "memory://"
        case "sqlite":
            return (f"sqlite:///{tmp_path}/books.db",) * 2
        case "redis":
            url = request.getfixturevalue("redis_url")
            joined = "&" if "?" in url else "?"
            return "memory://", f"{url}{joined}prefix=t-{uuid4().hex}&max_connections=3&timeout=3"
        case _:
            return (f"{request.getfixturevalue('postgres_store')}&pool_max=3&timeout=3",) * 2


@pytest.fixture
def opened(urls: tuple[str, str]) -> Opener:
    """What opens the test's own store."""

    @asynccontextmanager
    async def open_it(**options: Any) -> AsyncIterator[aio.Organization]:
        async with await aio.open(CATALOG, urls[0], session_store=urls[1], **options) as org:
            if await org.users.get("tom") is None:
                await org.users.add(id="tom", email="tom@kauri.example", name="Tom", roles=["clerk"])
            yield org

    return open_it
