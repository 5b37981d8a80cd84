"""How soon a change is seen: at the next call here, within the staleness elsewhere, never older than max_stale."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from threading import Event, Thread
from typing import Any

import pytest

import seatperm
from seatperm import Catalog, InvalidValue, Organization, StoreUnavailable
from seatperm.stores import Changes
from seatperm.stores.memory import Book, MemoryChange, MemoryDirectory
from seatperm.testing.clock import ManualClock


class Switchable(MemoryDirectory):
    """A store of the host's own that can be cut off, and counts how often it is read."""

    def __init__(self, clock: ManualClock | None = None) -> None:
        super().__init__()
        self.off = False
        self.off_after_change = False
        self.reads = 0
        self.clock = clock or ManualClock()
        self.takes = timedelta()
        self.hang: tuple[Event, Event] | None = None

    def copy(self) -> dict[str, Book]:
        """Return the books of this moment; a change puts others in their place."""
        return self._books

    def put_back(self, books: dict[str, Book]) -> None:
        """Restore an earlier copy."""
        self._books = books

    def _answer(self) -> None:
        self.reads += 1
        if self.off:
            self.clock.advance(self.takes)
            if self.hang is not None:
                asked, failing = self.hang
                asked.set()
                assert failing.wait(30)
            raise StoreUnavailable(self.url, "cut off")

    def revision(self, organization: str) -> int:
        self._answer()
        return super().revision(organization)

    def changes(self, organization: str, since: int) -> Changes:
        self._answer()
        return super().changes(organization, since)

    def user(self, organization: str, id: str) -> seatperm.User | None:
        self._answer()
        return super().user(organization, id)

    @contextmanager
    def change(self) -> Iterator[MemoryChange]:
        self._answer()
        with super().change() as made:
            yield made
        self.off = self.off_after_change


Two = tuple[Organization, Organization, Switchable]


@pytest.fixture
def two(catalog: Catalog, clock: ManualClock) -> Two:
    """Two processes' worth of one organization: two objects over one store."""
    store = Switchable(clock)
    orgs = [seatperm.open(catalog, store, session_store="memory://", clock=clock) for _ in range(2)]
    orgs[0].users.add(id="tom", email="tom@k.example", name="Tom", roles=["bookkeeper"])
    return orgs[0], orgs[1], store


def test_a_change_is_seen_by_the_very_next_call_here(two: Two) -> None:
    here, _, _ = two
    assert here.can("tom", "ledger", "delete")
    here.users.unassign("tom", "bookkeeper")
    assert not here.can("tom", "ledger", "view")
    here.change_license(session_limit=2)
    assert here.sessions.limit == 2


def test_a_change_made_elsewhere_is_seen_within_the_staleness(two: Two, clock: ManualClock) -> None:
    here, there, _ = two
    assert there.can("tom", "ledger", "delete")
    here.users.lock("tom")
    clock.advance(timedelta(seconds=1))
    assert not there.can("tom", "ledger", "view")
    here.users.unlock("tom")
    here.change_license(package="trade")
    clock.advance(timedelta(seconds=1))
    assert there.can("tom", "ledger", "view")
    assert there.license.package == "trade"


def test_at_least_is_exact(two: Two) -> None:
    here, there, _ = two
    assert there.can("tom", "ledger", "delete")
    here.users.unassign("tom", "bookkeeper")
    assert not there.can("tom", "ledger", "delete", at_least=here.revision)


def test_a_known_user_costs_no_read_within_the_staleness(two: Two) -> None:
    here, _, store = two
    here.can("tom", "ledger", "view")
    before = store.reads
    for _ in range(50):
        here.can("tom", "ledger", "view")
        here.can("tom", "sales", "view")
    assert store.reads == before


def test_past_the_staleness_one_revision_is_read(two: Two, clock: ManualClock) -> None:
    here, _, store = two
    here.can("tom", "ledger", "view")
    before = store.reads
    clock.advance(timedelta(seconds=1))
    for _ in range(50):
        here.can("tom", "ledger", "view")
    assert store.reads == before + 1


def test_only_what_changed_is_read_again(two: Two, clock: ManualClock) -> None:
    here, there, store = two
    here.users.add(id="ann", email="ann@k.example", name="Ann", roles=["bookkeeper"])
    for id in ("tom", "ann"):
        there.can(id, "ledger", "view", at_least=here.revision)
    here.users.rename("ann", "Anna")
    clock.advance(timedelta(seconds=1))
    before = store.reads
    there.can("tom", "ledger", "view")
    assert store.reads == before + 2  # the revision, and what changed since
    there.can("tom", "sales", "view")
    assert store.reads == before + 2
    there.can("ann", "ledger", "view")
    assert store.reads == before + 3


def test_a_store_that_does_not_answer_leaves_the_last_tables_in_force_for_max_stale(
    two: Two, clock: ManualClock
) -> None:
    here, _, store = two
    assert here.can("tom", "ledger", "view")
    store.off = True
    clock.advance(timedelta(seconds=59))
    assert here.can("tom", "ledger", "view")
    assert not here.can("tom", "sales", "view")
    clock.advance(timedelta(seconds=1))
    for _ in range(2):
        with pytest.raises(StoreUnavailable):
            here.can("tom", "ledger", "view")
    store.off = False
    assert here.can("tom", "ledger", "view")


def test_a_store_that_takes_long_to_fail_lends_the_tables_no_time(two: Two, clock: ManualClock) -> None:
    """A server that hangs is given up after its timeout; `max_stale` counts to that moment, not to the question's."""
    here, _, store = two
    assert here.can("tom", "ledger", "view")
    store.off, store.takes = True, timedelta(seconds=30)
    clock.advance(timedelta(seconds=29))
    assert here.can("tom", "ledger", "view")
    clock.advance(timedelta(seconds=1))
    with pytest.raises(StoreUnavailable):
        here.can("tom", "ledger", "view")


def test_one_asks_the_store_that_hangs_and_the_others_go_on(two: Two, clock: ManualClock) -> None:
    """Nobody else waits for its timeout: they decide by the last tables, and past `max_stale` they are told at once."""
    here, _, store = two
    assert here.can("tom", "ledger", "view")
    store.off = True
    clock.advance(timedelta(seconds=2))
    assert here.can("tom", "ledger", "view")
    clock.advance(timedelta(seconds=2))
    asked, failing = Event(), Event()
    store.hang = (asked, failing)
    with ThreadPoolExecutor(1) as other:
        hanging = other.submit(here.can, "tom", "ledger", "view")
        assert asked.wait(30)
        assert here.can("tom", "ledger", "view")
        assert not here.can("tom", "sales", "view")
        clock.advance(timedelta(seconds=60))
        with pytest.raises(StoreUnavailable, match="cut off"):
            here.can("tom", "ledger", "view")
        failing.set()
        with pytest.raises(StoreUnavailable):
            hanging.result(30)


def test_a_user_who_is_not_known_yet_needs_the_store(two: Two) -> None:
    _, there, store = two
    store.off = True
    with pytest.raises(StoreUnavailable):
        there.can("tom", "ledger", "view")
    with pytest.raises(StoreUnavailable):
        there.users.lock("tom")


def test_a_role_that_ends_is_gone_although_the_store_does_not_answer(two: Two, clock: ManualClock) -> None:
    here, _, store = two
    here.users.assign("tom", "bookkeeper", until=clock.now() + timedelta(seconds=20))
    assert here.can("tom", "ledger", "view")
    store.off = True
    clock.advance(timedelta(seconds=20))
    assert not here.can("tom", "ledger", "view")


def test_the_end_of_one_role_costs_nobody_else_the_last_tables(two: Two, clock: ManualClock) -> None:
    here, _, store = two
    here.users.add(id="ann", email="ann@k.example", name="Ann", roles=["bookkeeper"])
    here.users.assign("tom", "bookkeeper", until=clock.now() + timedelta(seconds=20))
    assert here.can("ann", "ledger", "view")
    assert here.can("tom", "ledger", "view")
    store.off = True
    clock.advance(timedelta(seconds=20))
    assert here.can("ann", "ledger", "view")


def test_a_change_is_in_force_here_even_where_it_cannot_be_read_again(two: Two) -> None:
    here, _, store = two
    assert here.can("tom", "ledger", "view")
    store.off_after_change = True
    here.users.lock("tom")
    with pytest.raises(StoreUnavailable):
        here.can("tom", "ledger", "view")
    store.off = store.off_after_change = False
    assert not here.can("tom", "ledger", "view")


def test_a_store_put_back_to_an_earlier_state_is_read_anew(two: Two, clock: ManualClock) -> None:
    here, _, store = two
    earlier = store.copy()
    here.users.assign("tom", "sales_staff")
    assert here.can("tom", "sales", "edit")
    store.put_back(earlier)
    clock.advance(timedelta(seconds=1))
    assert not here.can("tom", "sales", "edit")


def test_who_waits_for_a_revision_holds_up_nobody_else(catalog: Catalog) -> None:
    org = seatperm.open(catalog, "memory://", max_stale=timedelta(seconds=1))
    org.users.add(id="tom", email="tom@k.example", name="Tom", roles=["bookkeeper"])
    with ThreadPoolExecutor(1) as pool:
        waiting = pool.submit(org.can, "tom", "ledger", "view", at_least=10**9)
        while not waiting.running():
            pass
        checks = 0
        while not waiting.done() and checks < 50:
            org.as_user("tom").can("tom", "ledger", "view")
            org.revision  # noqa: B018
            checks += 1
        assert checks == 50
        assert isinstance(waiting.exception(), StoreUnavailable)
    org.close()


def test_only_so_many_users_are_kept_in_memory(catalog: Catalog) -> None:
    store = Switchable()
    org = seatperm.open(catalog, store, session_store="memory://", cached_users=10)
    ids = [f"u{number}" for number in range(30)]
    for id in ids:
        org.users.add(id=id, email=f"{id}@k.example", name="U", roles=["bookkeeper"])
    assert all(org.can(id, "ledger", "view") for id in ids)
    assert len(org._view.rows) <= 10
    before = store.reads
    assert org.can(ids[-1], "ledger", "view")
    assert store.reads == before
    for wrong in (0, True, "many"):
        with pytest.raises(InvalidValue, match="cached_users"):
            seatperm.open(catalog, "memory://", cached_users=wrong)  # type: ignore[arg-type]


class Watched(dict[str, Any]):
    """What a process knows, asked by another thread whenever something of it has just been dropped."""

    def __init__(self, known: dict[str, Any], ask: Callable[[], object]) -> None:
        super().__init__(known)
        self.ask = ask
        self.asking: list[Thread] = []

    def pop(self, *key: Any) -> Any:
        dropped = super().pop(*key)
        self.asking.append(Thread(target=self.ask))
        self.asking[-1].start()
        self.asking[-1].join(0.2)  # it may have to wait until all is dropped
        return dropped


@pytest.mark.parametrize("dropped", ["rows", "users", "_changing"])
def test_who_asks_in_the_middle_of_a_refresh_leaves_no_older_table_behind(
    two: Two, clock: ManualClock, dropped: str
) -> None:
    org = two[0]
    assert org.can("tom", "ledger", "view")
    watched = Watched(getattr(org._view, dropped), lambda: org.can("tom", "ledger", "view"))
    setattr(org._view, dropped, watched)
    org.users.lock("tom")
    assert len(watched.asking) == 1
    watched.asking[0].join()
    assert not org.can("tom", "ledger", "view")
    clock.advance(timedelta(days=3))
    assert not org.can("tom", "ledger", "view")


def test_a_wall_clock_set_back_leaves_no_table_of_a_later_time(two: Two, clock: ManualClock) -> None:
    here, _, _ = two
    here.users.assign("tom", "bookkeeper", until=clock.now() + timedelta(seconds=30))
    clock.advance(timedelta(seconds=30))
    assert not here.can("tom", "ledger", "view")
    clock.step(timedelta(hours=-1))
    clock.advance(timedelta(seconds=1))
    assert here.can("tom", "ledger", "view")


def test_threads_share_an_organization(org: Organization) -> None:
    for number in range(20):
        org.users.add(id=f"u{number}", email=f"u{number}@k.example", name="U", roles=["bookkeeper"])

    def check() -> set[bool]:
        return {org.can(f"u{number}", "ledger", "delete") for _ in range(20) for number in range(20)}

    def toggle(id: str) -> set[tuple[bool, bool]]:
        seen = set()
        for _ in range(10):
            org.users.assign(id, "sales_staff")
            given = org.can(id, "sales", "edit")
            org.users.unassign(id, "sales_staff")
            seen.add((given, org.can(id, "sales", "edit")))
        return seen

    with ThreadPoolExecutor(6) as pool:
        checks = [pool.submit(check) for _ in range(3)]
        toggles = [pool.submit(toggle, f"u{number}") for number in range(3)]
    assert [done.result() for done in checks] == [{True}] * 3
    assert [done.result() for done in toggles] == [{(True, False)}] * 3
    assert org.audit.verify()


CHILD = """
import sys, time, seatperm
catalog, url = sys.argv[1:]
org = seatperm.open(catalog, url)
assert org.can("tom", "ledger", "view")
print("ready", flush=True)
revision = int(sys.stdin.readline())
began = time.monotonic()
while org.can("tom", "ledger", "view"):
    pass
print(f"{time.monotonic() - began:.3f}", flush=True)
sys.stdin.readline()
assert org.can("tom", "ledger", "view", at_least=int(sys.stdin.readline()))
print("exact", flush=True)
"""


def test_another_process_sees_a_change_within_the_staleness_and_at_least_exactly(
    catalog: Catalog, tmp_path: Path
) -> None:
    file, url = tmp_path / "catalog.json", f"sqlite:///{tmp_path / 'books.db'}"
    file.write_text(json.dumps(catalog.dump()), encoding="utf-8")
    org = seatperm.open(catalog, url)
    org.users.add(id="tom", email="tom@k.example", name="Tom", roles=["bookkeeper"])
    child = subprocess.Popen(
        [sys.executable, "-c", CHILD, str(file), url], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert child.stdin is not None
    assert child.stdout is not None
    with child:
        assert child.stdout.readline() == "ready\n"
        org.users.lock("tom")
        print(org.revision, file=child.stdin, flush=True)
        assert float(child.stdout.readline()) < 3  # a second, and what busy cores add
        org.users.unlock("tom")
        print(f"\n{org.revision}", file=child.stdin, flush=True)
        assert child.stdout.readline() == "exact\n"
        child.stdin.close()
    assert child.returncode == 0
    org.close()
