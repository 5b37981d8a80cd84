"""What type checkers tell asyncio hosts: the awaited names have the types of the others. Checked, never run."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from typing import assert_type

import seatperm
from seatperm import aio
from seatperm.audit import Verification


async def host() -> None:
    """Use what asyncio hosts use most."""
    org = await aio.open("catalog.toml", "postgresql://localhost/books", session_store="redis://localhost")
    assert_type(org, aio.Organization)
    assert_type(await org.can("tom", "sales", "edit"), bool)
    assert_type(await org.explain("tom", "sales", "edit", scope="own", at_least=3), seatperm.Decision)
    assert_type(await org.can_each("tom", [("sales", "edit")]), list[bool])
    assert_type(await org.widest_scope("tom", "sales", "edit"), str | None)
    assert_type(await org.license, seatperm.License)
    assert_type(await org.revision, int)
    assert_type(await org.users["tom"], seatperm.User)
    assert_type(await org.users.get("tom"), seatperm.User | None)
    assert_type(await org.users.invite(email="a@b.example", name="A", roles=["clerk"]), seatperm.Invitation)
    assert_type(await org.users.assign("tom", "clerk", until=datetime.now(UTC)), seatperm.User)
    assert_type(await org.users.count(), int)
    assert_type(org.who_can("sales", "edit"), AsyncIterator[seatperm.User])
    async for user in org.users:
        assert_type(user, seatperm.User)
    async with await org.sign_in("tom", wait=timedelta(seconds=5)) as session:
        assert_type(session, aio.Session)
        assert_type(await session.can("sales", "edit"), bool)
        assert_type(await session.touch(), None)
    assert_type(await org.audit.verify(), Verification)
    assert_type((await org.preview_license(session_limit=3)).after, seatperm.License)
    assert_type(org.as_user("tom"), aio.Organization)
    await org.users.assign("tom")  # type: ignore[call-arg]  # pyright: ignore[reportCallIssue]
    await org.users.lock(42)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
