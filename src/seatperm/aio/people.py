"""Users and staff, for asyncio: `org.users`, `org.staff`."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Coroutine
from functools import wraps
from inspect import isawaitable
from typing import Any, Concatenate, ParamSpec

from attrs import evolve

from ..directory import Staff, User
from ..organization import Invitation, staff, users
from .wrapping import Awaited, reading, writing

P = ParamSpec("P")


def inviting(
    function: Callable[Concatenate[users.Users, P], Invitation],
) -> Callable[Concatenate[Awaited[users.Users], P], Coroutine[Any, Any, Invitation]]:
    """Return the awaited form of a method that makes an invitation: it is handed over in the event loop."""

    @wraps(function)
    async def invite(self: Awaited[users.Users], /, *args: P.args, **kwargs: P.kwargs) -> Invitation:
        kept: list[Invitation] = []
        try:
            return await self._mode.finish(function, evolve(self._sync, on_invitation=kept.append), *args, **kwargs)
        finally:
            for invitation in kept:
                done = None if self._mode.on_invitation is None else self._mode.on_invitation(invitation)
                if isawaitable(done):
                    await done

    return invite


class Users(Awaited[users.Users]):
    """The users of an organization, in the order of their ids, as `seatperm`'s own `org.users`, awaited.

    `await org.users[id]`, `async for user in org.users`, `await org.users.count()`.
    """

    __iter__ = None
    __contains__ = None

    async def __getitem__(self, id: str) -> User:
        return await self._mode.read(self._sync.__getitem__, id)

    def __aiter__(self) -> AsyncIterator[User]:
        return self._mode.stream(self._sync.__iter__)

    async def count(self) -> int:
        """Return how many users may be seen: what `len()` is elsewhere."""
        return await self._mode.read(self._sync.__len__)

    get = reading(users.Users.get)
    by_email = reading(users.Users.by_email)
    invite = inviting(users.Users.invite)
    add = writing(users.Users.add)
    reinvite = inviting(users.Users.reinvite)
    accept = writing(users.Users.accept)
    assign = writing(users.Users.assign)
    unassign = writing(users.Users.unassign)
    override = writing(users.Users.override)
    clear = writing(users.Users.clear)
    reset = writing(users.Users.reset)
    copy_settings = writing(users.Users.copy_settings)
    set_type = writing(users.Users.set_type)
    lock = writing(users.Users.lock)
    unlock = writing(users.Users.unlock)
    rename = writing(users.Users.rename)
    change_email = inviting(users.Users.change_email)
    dismiss = writing(users.Users.dismiss)
    forget = writing(users.Users.forget)


class StaffRecords(Awaited[staff.StaffRecords]):
    """The staff of an organization, in the order of their ids, as `seatperm`'s own `org.staff`, awaited.

    `await org.staff[id]`, `async for record in org.staff`, `await org.staff.count()`.
    """

    __iter__ = None
    __contains__ = None

    async def __getitem__(self, id: str) -> Staff:
        return await self._mode.read(self._sync.__getitem__, id)

    def __aiter__(self) -> AsyncIterator[Staff]:
        return self._mode.stream(self._sync.__iter__)

    async def count(self) -> int:
        """Return how many records may be seen: what `len()` is elsewhere."""
        return await self._mode.read(self._sync.__len__)

    get = reading(staff.StaffRecords.get)
    add = writing(staff.StaffRecords.add)
    link = writing(staff.StaffRecords.link)
    unlink = writing(staff.StaffRecords.unlink)
    deactivate = writing(staff.StaffRecords.deactivate)
    reactivate = writing(staff.StaffRecords.reactivate)
