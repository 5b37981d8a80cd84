"""An asyncio host: a small office where more people want to work than there are seats.

Run it: `python asyncio_host.py [store] [session store]`. Without stores it keeps everything in memory, which needs
`pip install 'seatperm[aio]'`; a first argument such as `sqlite:///office.db` or `postgresql://localhost/office`, and a
second one such as `redis://localhost`, name others.
"""

from __future__ import annotations

import asyncio
import sys
from datetime import timedelta

import seatperm.aio

CATALOG = {
    "ladders": {"default": {"levels": ["none", "view", "edit"], "actions": {"view": "view", "edit": "edit"}}},
    "packages": {"essentials": {"title": "Essentials"}},
    "resources": {"ledger": {"title": "Ledger", "package": "essentials"}},
    "roles": {"clerk": {"title": "Clerk", "package": "essentials", "grants": {"ledger": "edit"}}},
}

PEOPLE = {"mere": "Mere", "tom": "Tom", "ana": "Ana", "rua": "Rua"}


async def work(org: seatperm.aio.Organization, user: str, most: list[int]) -> str:
    """Sign in, waiting for a seat, and write to the ledger."""
    async with await org.sign_in(user, wait=timedelta(seconds=30)) as session:
        most.append(await org.sessions.count())
        allowed = await session.can("ledger", "edit")
        await asyncio.sleep(0.05)
        return f"{session.user.name} {'wrote' if allowed else 'only looked'}"


async def leave_early(org: seatperm.aio.Organization, user: str) -> str:
    """Give up before a seat is free: nothing stays behind."""
    try:
        async with asyncio.timeout(0.02):
            async with await org.sign_in(user, wait=timedelta(minutes=5)):
                return "came in"
    except TimeoutError:
        return "gave up"


async def main(store: str, session_store: str) -> None:
    async with await seatperm.aio.open(CATALOG, store, session_store=session_store) as org:
        await org.change_license(session_limit=2)
        for id, name in PEOPLE.items():
            if await org.users.get(id) is None:
                await org.users.add(id=id, email=f"{id}@office.example", name=name, roles=["clerk"])

        print("# Two seats, four people")
        most: list[int] = []
        for told in await asyncio.gather(*(work(org, user, most) for user in PEOPLE)):
            print(told)
        print(f"never more than {max(most)} at one time")

        print("# Somebody gives up")
        async with await org.sign_in("mere"), await org.sign_in("tom"):
            print("Ana", await leave_early(org, "ana"))
        print(f"{await org.sessions.count()} signed in")

        print("# What the trail says")
        print("whole" if await org.audit.verify() else "not whole")


if __name__ == "__main__":
    first = sys.argv[1] if len(sys.argv) > 1 else "memory://"
    asyncio.run(main(first, sys.argv[2] if len(sys.argv) > 2 else first))
