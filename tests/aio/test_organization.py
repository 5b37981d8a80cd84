"""What an organization does for asyncio hosts, on every store: in threads and on the bridge."""

from __future__ import annotations

import asyncio
import io
import threading
from copy import deepcopy
from datetime import timedelta
from typing import Any

import pytest

import seatperm
from seatperm import Decision, Invitation, User, aio
from seatperm.stores.memory import MemoryDirectory
from seatperm.stores.memory_sessions import MemorySessions
from seatperm.testing import ManualClock

from .conftest import CATALOG, Opener


def test_it_answers_as_the_synchronous_one_does(opened: Opener) -> None:
    """Each question about access, for somebody who may and for somebody unknown."""

    async def main() -> None:
        async with opened() as org:
            assert [await org.can(who, "sales", "edit") for who in ("tom", "nobody")] == [True, False]
            assert await org.can("tom", "sales", "edit", scope="own")
            assert await org.can_each("tom", [("sales", "view"), ("stock", "view")]) == [True, False]
            assert await org.widest_scope("tom", "sales", "edit") == "all"
            assert isinstance(await org.explain("tom", "stock", "edit"), Decision)
            await org.require("tom", "sales", "edit")
            with pytest.raises(seatperm.AccessDenied):
                await org.require("tom", "stock", "edit")
            with pytest.raises(seatperm.UnknownResource):
                await org.can("tom", "sale", "edit")
            assert (await org.access("tom")).table["sales"]["all"].level == "edit"
            assert [role.id for role in (await org.roles("tom")).held] == ["clerk"]
            assert [user.id async for user in org.who_can("sales", "edit")] == ["tom"]

    asyncio.run(main())


def test_a_change_is_seen_by_the_very_next_call(opened: Opener) -> None:
    """And by who waits for its revision."""

    async def main() -> None:
        async with opened(staleness=timedelta(hours=1), max_stale=timedelta(hours=1)) as org:
            assert await org.can("tom", "sales", "edit")
            await org.users.lock("tom")
            assert not await org.can("tom", "sales", "edit")
            await org.users.unlock("tom")
            assert await org.can("tom", "sales", "edit", at_least=await org.revision)

    asyncio.run(main())


def test_what_another_process_changed_is_heard_of(opened: Opener, urls: tuple[str, str]) -> None:
    """Within `staleness`, and sooner where the store tells of changes."""

    async def main() -> None:
        if urls[0] == "memory://":
            return
        is_told = urls[0].startswith("postgresql")
        staleness = timedelta(minutes=10) if is_told else timedelta(0)
        async with opened(staleness=staleness, max_stale=timedelta(hours=1)) as org, opened() as other:
            assert await org.can("tom", "sales", "edit")
            if is_told:
                await asyncio.sleep(0.1)  # it begins to listen with the next look at the revision
                assert await org.can("tom", "sales", "edit")
            await other.users.lock("tom")
            async with asyncio.timeout(30):
                while await org.can("tom", "sales", "edit"):
                    await asyncio.sleep(0.01)

    asyncio.run(main())


def test_users_staff_sessions_and_events_are_iterated_over(opened: Opener) -> None:
    """In the same order as elsewhere, however many pages they fill."""

    async def main() -> None:
        async with opened() as org:
            for number in range(230):
                await org.users.add(id=f"u{number:03}", email=f"u{number}@kauri.example", name="U")
            await org.staff.add("Mere", id="s1")
            assert [user.id async for user in org.users] == ["tom", *(f"u{number:03}" for number in range(230))]
            assert await org.users.count() == 231
            assert (await org.users["tom"]).name == "Tom"
            assert [record.name async for record in org.staff] == ["Mere"]
            assert (await org.staff["s1"], await org.staff.count()) == (await org.staff.get("s1"), 1)
            assert [event.kind async for event in org.audit.filter(kind="staff")] == ["staff.added"]
            assert await org.audit.verify(await org.audit.head)
            assert await org.audit.count() == (await org.audit.head).number
            async for user in org.users:
                assert user.id == "tom"
                break  # the rest is never read

    asyncio.run(main())


def test_what_can_t_be_awaited_under_its_name_is_refused(opened: Opener) -> None:
    """`for`, `in` and `len()` would never end, or answer wrongly."""

    async def main() -> None:
        async with opened() as org:
            users: Any = org.users
            for mistaken in (iter, len, lambda users: "tom" in users):
                with pytest.raises(TypeError):
                    mistaken(users)

    asyncio.run(main())


def test_a_session_is_an_async_context_manager(opened: Opener) -> None:
    """It holds one seat until the block ends, renews, rotates, and is taken up by its token."""

    async def main() -> None:
        async with opened() as org:
            async with await org.sign_in("tom", client="tab") as session:
                assert await session.can("sales", "edit")
                assert (await org.sessions.count(), await org.sessions.limit) == (1, 1)
                assert [seat.user_id async for seat in org.sessions] == ["tom"]
                with pytest.raises(seatperm.SeatsExhausted):
                    await org.sign_in("tom")
                await session.touch()
                before = session.token
                await session.rotate()
                assert session.token != before
                again = await org.resume(session.token)
                assert (again.id, again.client, again.user.id) == (session.id, "tab", "tom")
            assert await org.sessions.count() == 0
            with pytest.raises(seatperm.SessionEnded):
                await session.touch()
            ends = {past.how async for past in org.sessions.history(user="tom")}
            assert ends == {"seats_exhausted", "by_holder"}
            assert (await org.sessions.peak()).count == 1

    asyncio.run(main())


def test_an_administrator_ends_a_session(opened: Opener) -> None:
    """Its holder is told at the next call."""

    async def main() -> None:
        async with opened() as org:
            session = await org.sign_in("tom")
            assert await org.sessions.end(session.id)
            with pytest.raises(seatperm.SessionEnded):
                await session.can("sales", "view")

    asyncio.run(main())


@pytest.mark.parametrize("threads", [1, 8])
def test_who_waits_for_a_seat_holds_up_nobody(opened: Opener, threads: int) -> None:
    """More wait than there are threads; each gets the seat when its turn comes, in order."""
    told: list[int] = []

    async def main() -> None:
        async with opened(threads=threads) as org:
            holder = await org.sign_in("tom")

            async def wait(number: int) -> None:
                async with await org.sign_in("tom", wait=timedelta(seconds=20)):
                    told.append(number)

            waiting: list[asyncio.Task[None]] = []
            for number in range(4):
                waiting.append(asyncio.create_task(wait(number)))
                await asyncio.sleep(0.03)
            assert await org.users.count() == 1
            await holder.end()
            await asyncio.gather(*waiting)

    asyncio.run(main())
    assert told == [0, 1, 2, 3]


def test_a_license_is_previewed_and_changed(opened: Opener) -> None:
    """With what it costs, and an asynchronous iteration over who gains what."""

    async def main() -> None:
        async with opened() as org:
            await org.change_license(package="two")
            await org.users.assign("tom", "keeper")
            new = await org.preview_catalog({**CATALOG, "roles": {"clerk": CATALOG["roles"]["clerk"]}})
            assert [effect.user_id async for effect in new.effects] == ["tom"]
            assert new.unknown
            change = await org.preview_license(package="one", session_limit=2)
            assert [effect.user_id async for effect in change.effects] == ["tom"]
            assert str((await org.change_license(package="one", session_limit=3)).charge_after) == "30.00 NZD"
            assert ((await org.license).session_limit, str(await org.monthly_charge)) == (3, "30.00 NZD")
            await org.set_global_permissions({"sales": "view"})
            assert list(await org.global_permissions) == ["sales"]
            assert (await org.define_role("helper", title="Helper", grants={"sales": "view"})).id == "helper"
            await org.remove_role("helper")

    asyncio.run(main())


def test_as_user_asks_first(opened: Opener) -> None:
    """Access is denied where it is denied elsewhere; the trail's where it is read."""

    async def main() -> None:
        async with opened() as org:
            tom = org.as_user("tom")
            assert await tom.can("tom", "sales", "edit")
            assert await tom.users.count() == 1
            for denied in (tom.users.lock("tom"), tom.audit.verify(), tom.close()):
                with pytest.raises(seatperm.AccessDenied):
                    await denied
            with pytest.raises(seatperm.AccessDenied):
                tom.as_user("mere")

    asyncio.run(main())


def test_records_are_related_as_elsewhere(opened: Opener) -> None:
    """By a function that is not awaited."""

    async def main() -> None:
        async with opened() as org:

            @org.relate("sales")
            def owner(user: User, record: object, action: str) -> str | None:
                return "own" if record == user.id else None

            await org.users.override("tom", "sales", "edit:own")
            assert [await org.can("tom", "sales", "edit", record) for record in ("tom", "mere")] == [True, False]

    asyncio.run(main())


@pytest.mark.parametrize("is_async", [True, False])
def test_invitations_are_handed_over_in_the_event_loop(opened: Opener, is_async: bool) -> None:
    """To a coroutine function or a plain one; what it raises comes out of the call, and undoes nothing."""
    sent: list[tuple[str, threading.Thread]] = []
    kept: list[aio.Organization] = []

    def send(invitation: Invitation) -> None:
        sent.append((invitation.user.email, threading.current_thread()))
        if len(sent) == 2:
            raise ConnectionError("the mail server is down")

    async def send_later(invitation: Invitation) -> None:
        assert (await kept[0].users[invitation.user.id]).state == "invited"
        send(invitation)

    async def main() -> None:
        async with opened(on_invitation=send_later if is_async else send, threads=1) as org:
            kept.append(org)
            invitation = await org.users.invite(email="mere@kauri.example", name="Mere", id="mere")
            with pytest.raises(ConnectionError, match="mail server"):
                await org.users.invite(email="ana@kauri.example", name="Ana", id="ana")
            assert (await org.users.accept(invitation.token)).id == "mere"
            assert (await org.users["ana"]).state == "invited"

    asyncio.run(main())
    assert sent == [(f"{name}@kauri.example", threading.current_thread()) for name in ("mere", "ana")]


def test_the_trail_is_exported(opened: Opener) -> None:
    """To a text stream, as elsewhere."""
    stream = io.StringIO()

    async def main() -> None:
        async with opened() as org:
            head = await org.audit.export(stream)
            assert head.number == len(stream.getvalue().splitlines())
            with pytest.raises(seatperm.InvalidValue):
                await org.audit.export("trail.jsonl")  # type: ignore[arg-type]

    asyncio.run(main())


def test_many_organizations_are_opened(urls: tuple[str, str]) -> None:
    """By name, by iteration, and each the same to all tasks."""

    async def main() -> None:
        async with await aio.open_tenants(CATALOG, urls[0], session_store=urls[1]) as tenants:
            for name in ("kauri", "rimu"):
                await tenants.create(name, session_limit=2)
            assert [org.id async for org in tenants] == ["kauri", "rimu"]
            assert await tenants.count() == 2
            orgs = await asyncio.gather(*(tenants[name] for name in ("kauri", "rimu") * 5))
            assert {org.id for org in orgs} == {"kauri", "rimu"}
            with pytest.raises(seatperm.UnknownOrganization):
                await tenants["totara"]
            with pytest.raises(seatperm.UnknownOrganization):
                await tenants.only()
            await orgs[0].close()  # which is closed with all of them
            assert (await orgs[0].license).session_limit == 2

    asyncio.run(main())


def test_closing_ends_who_waits(opened: Opener) -> None:
    """At the next look for a seat, with `StoreUnavailable`."""

    async def main() -> None:
        async with opened() as org:
            await org.sign_in("tom")
            waiting = asyncio.create_task(org.sign_in("tom", wait=timedelta(minutes=1)))
            await asyncio.sleep(0.1)
            await org.close()
            with pytest.raises(seatperm.StoreUnavailable, match="closed"):
                await waiting

    asyncio.run(main())


def test_what_is_closed_says_so(opened: Opener) -> None:
    """Closing again is no mistake."""

    async def main() -> None:
        async with opened() as org:
            await org.close()
            await org.close()
            with pytest.raises(seatperm.StoreUnavailable, match="closed"):
                await org.users.count()
            with pytest.raises(seatperm.StoreUnavailable, match="closed"):
                await org.sign_in("tom")

    asyncio.run(main())


def test_another_event_loop_needs_an_organization_of_its_own(opened: Opener) -> None:
    """It would wait for what belongs to the first."""
    kept: list[aio.Organization] = []

    async def first() -> None:
        async with opened() as org:
            kept.append(org)
            await asyncio.to_thread(asyncio.run, second())

    async def second() -> None:
        for call in (kept[0].users.count(), kept[0].users.lock("tom"), kept[0].sign_in("tom")):
            with pytest.raises(seatperm.StoreUnavailable, match="another event loop"):
                await call

    asyncio.run(first())


def test_a_store_of_the_host_s_own_is_called_in_threads() -> None:
    """Its URL would not tell how it waits; it stays open when the organization is closed."""
    threads = set[str]()

    class Told(MemoryDirectory):
        def revision(self, organization: str) -> int:
            threads.add(threading.current_thread().name.partition("_")[0])
            return super().revision(organization)

    async def main() -> None:
        directory, clock = Told(), ManualClock()
        async with await aio.open(CATALOG, directory, session_store=MemorySessions(clock), clock=clock) as org:
            await org.users.add(id="tom", email="tom@kauri.example", name="Tom", roles=["clerk"])
            clock.advance(timedelta(seconds=5))
            assert await org.can("tom", "sales", "edit")
            async with await org.sign_in("tom"):
                pass
        assert directory.user("default", "tom") is not None

    asyncio.run(main())
    assert threads == {"seatperm"}


@pytest.mark.parametrize(
    ("name", "value"),
    [("threads", 0), ("threads", "many"), ("on_invitation", "mail"), ("lease", 5), ("clock", "noon"), ("store", 5)],
)
def test_wrong_arguments_are_told(name: str, value: object) -> None:
    """As elsewhere, before anything is open."""
    arguments = {"store": "memory://", name: value}

    async def main() -> None:
        with pytest.raises(seatperm.InvalidValue) as told:
            await aio.open(CATALOG, **arguments)  # type: ignore[arg-type]
        assert told.value.what == name

    asyncio.run(main())


def test_a_new_catalog_is_put_in_place(opened: Opener) -> None:
    """For the organization that is open; who is known stays known."""
    new: Any = deepcopy(CATALOG)
    new["roles"]["clerk"]["grants"] = {"sales": "view"}

    async def main() -> None:
        async with opened(cached_users=10) as org:
            assert await org.can("tom", "sales", "edit")
            await org.use_catalog(new)
            assert not await org.can("tom", "sales", "edit")
            assert await org.can("tom", "sales", "view")

    asyncio.run(main())
