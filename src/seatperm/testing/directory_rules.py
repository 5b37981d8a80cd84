"""The rules of `seatperm.stores.DirectoryStore`, one by one, as tests."""

from __future__ import annotations

from collections.abc import Callable
from threading import Barrier, Event, Thread
from time import monotonic

import pytest
from attrs import evolve

from .. import audit
from ..directory import Organization, Staff, with_role
from ..errors import EmailTaken, SeatpermError, StoreUnavailable
from ..license import License
from ..stores import Changes
from .directory_fixture import NOON, DirectoryFixture, ids, user


class DirectoryRules(DirectoryFixture):
    """Tests of rules 1 to 6."""

    # Rule 1

    def test_a_change_sees_what_it_wrote_and_nobody_else_does_before_its_end(self) -> None:
        """Rule 1; not even the same thread outside the change."""
        with self.store.change() as change:
            change.put_user(self.organization, user("ann", roles={"cashier": None}), email_key="ann@kit.example")
            change.put_staff(self.organization, Staff("s-1", "Ann Low", "ann"))
            self.event(change)
            assert ids(change.users(self.organization)) == ["ann"]
            assert ids(change.users(self.organization, roles=["cashier"])) == ["ann"]
            assert self.store.user(self.organization, "ann") is None
            assert change.staff_member(self.organization, "s-1") == Staff("s-1", "Ann Low", "ann")
            assert list(change.staff(self.organization)) == [Staff("s-1", "Ann Low", "ann")]
            assert list(self.store.staff(self.organization)) == []
            assert self.store.staff_member(self.organization, "s-1") is None
            assert ids(self.store.users(self.organization)) == []
            assert list(self.store.events(self.organization)) == []
            assert self.store.revision(self.organization) == 1
        assert ids(self.store.users(self.organization)) == ["ann"]

    def test_no_other_change_runs_between_the_begin_and_the_end_of_one(self) -> None:
        """Rule 1."""
        order: list[str] = []
        began = Event()

        def other() -> None:
            began.set()
            with self.store.change() as change:
                order.append("the other begins")
                change.put_user(self.organization, user("ben"), email_key=None)

        thread = Thread(target=other)
        with self.store.change() as change:
            thread.start()
            began.wait(10)
            thread.join(0.1)
            assert change.user(self.organization, "ben") is None
            order.append("the first ends")
        thread.join()
        assert order == ["the first ends", "the other begins"]

    def test_changes_of_the_same_user_from_several_threads_lose_none(self) -> None:
        """Rule 1: what a change reads stays as it is until it ends."""
        self.put(user("ann"))
        start = Barrier(4)

        def give(thread: int) -> None:
            start.wait()
            for number in range(10):
                with self.store.change() as change:
                    ann = change.user(self.organization, "ann")
                    assert ann is not None
                    more = with_role(ann, f"role-{thread}-{number}", None)
                    change.put_user(self.organization, more, email_key=ann.email)

        threads = [Thread(target=give, args=(thread,)) for thread in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        found = self.store.user(self.organization, "ann")
        assert found is not None
        assert len(found.roles) == 40
        assert self.store.revision(self.organization) == 42

    # Rule 2

    def test_a_change_raises_the_revision_by_one_however_much_it_writes(self) -> None:
        """Rule 2; the record's own number does not count."""
        other = self.make()
        with self.store.change() as change:
            assert change.revision(self.organization) == 2
            before = change.organization(self.organization)
            assert before.revision == 1
            change.put_user(self.organization, user("ann"), email_key=None)
            assert change.organization(self.organization) == evolve(before, revision=2)
            change.put_user(self.organization, user("ben"), email_key=None)
            change.put_organization(Organization(self.organization, License("trade"), revision=77))
            assert self.event(change).revision == 2
            assert change.organization(self.organization) == Organization(
                self.organization, License("trade"), revision=2
            )
        assert self.store.revision(self.organization) == 2
        assert self.store.organization(self.organization).revision == 2
        assert self.store.revision(other) == 1

    def test_a_change_raises_the_revision_of_each_organization_it_writes_to(self) -> None:
        """Rule 2; and of no other."""
        other, untouched = self.make(), self.make()
        with self.store.change() as change:
            change.put_user(self.organization, user("ann"), email_key=None)
            change.put_user(other, user("ann"), email_key=None)
        assert [self.store.revision(id) for id in (self.organization, other, untouched)] == [2, 2, 1]

    def test_a_change_that_wrote_nothing_raises_no_revision(self) -> None:
        """Rule 2; asking for the revision is no writing."""
        with self.store.change() as change:
            assert change.revision(self.organization) == 2
            assert change.organization(self.organization).revision == 1
            assert ids(change.users(self.organization)) == []
        assert self.store.revision(self.organization) == 1

    def test_a_change_that_wrote_only_events_raises_no_revision(self) -> None:
        """Rule 2; so a sign-in, which is an event, makes nobody read the directory again."""
        self.put(user("ann"))
        before = self.store.organization(self.organization)
        with self.store.change() as change:
            event = self.event(change)
            change.erase(self.organization, "ann")
            assert change.revision(self.organization) == 3
            assert change.organization(self.organization) == before
            assert change.head(self.organization) == audit.Head(1, event.hash)
        assert self.store.revision(self.organization) == 2
        assert self.store.organization(self.organization) == before
        assert self.store.changes(self.organization, 2) == Changes(2, frozenset(), False)
        assert list(self.store.events(self.organization)) == [evolve(event, details=None)]

    @pytest.mark.parametrize("order", ["the event first", "the record first"])
    def test_a_change_that_wrote_a_record_beside_events_raises_the_revision_by_one(self, order: str) -> None:
        """Rule 2; whichever was written first."""
        with self.store.change() as change:
            if order == "the record first":
                change.put_user(self.organization, user("ann"), email_key=None)
            event = self.event(change)
            change.put_user(self.organization, user("ann"), email_key=None)
            assert change.revision(self.organization) == event.revision == 2
            again = self.event(change)
        assert self.store.revision(self.organization) == 2
        assert list(self.store.events(self.organization)) == [event, again]
        assert self.store.changes(self.organization, 1) == Changes(2, frozenset({"ann"}), False)

    def test_a_change_that_wrote_a_staff_record_raises_the_revision(self) -> None:
        """Rule 2; though no user and not the organization's own record was written."""
        with self.store.change() as change:
            change.put_staff(self.organization, Staff("s-1", "Ann Low"))
            change.put_staff(self.organization, Staff("s-2", "Ben Low"))
        assert self.store.changes(self.organization, 1) == Changes(2, frozenset(), False)

    def test_a_failed_change_leaves_everything_as_it_was(self) -> None:
        """Rule 2."""
        with self.store.change() as change:
            change.put_user(self.organization, user("ann", roles={"cashier": NOON}), email_key="ann@kit.example")
            change.put_staff(self.organization, Staff("s-1", "Ann Low", "ann"))
            event = self.event(change, details="kept")
        before = self.store.organization(self.organization)

        def write_and_fail() -> None:
            with self.store.change() as change:
                change.put_organization(Organization(self.organization, License("trade")))
                change.put_organization(Organization("kit-never", License("trade")))
                change.put_user(self.organization, user("ann"), email_key=None)
                change.rename(self.organization, "ann", user("ben"), email_key=None)
                change.put_staff(self.organization, Staff("s-1", "Somebody else"))
                change.put_staff(self.organization, Staff("s-2", "Nobody"))
                self.event(change)
                change.erase(self.organization, "ann")
                raise ZeroDivisionError

        with pytest.raises(ZeroDivisionError):
            write_and_fail()
        assert self.store.organization(self.organization) == before
        assert list(self.store.users(self.organization)) == [user("ann", roles={"cashier": NOON})]
        assert ids(self.store.users(self.organization, email_key="ann@kit.example")) == ["ann"]
        assert list(self.store.staff(self.organization)) == [Staff("s-1", "Ann Low", "ann")]
        assert list(self.store.events(self.organization)) == [event]
        assert self.store.changes(self.organization, 2) == Changes(2, frozenset(), False)
        assert "kit-never" not in set(self.store.organizations())

    # Rule 3

    def test_what_a_finished_change_wrote_is_seen_by_every_other_store_object_and_after_reopening(self) -> None:
        """Rule 3."""
        other = self.reopen()
        if other is None:
            other = self.store
        self.put(user("ann", roles={"cashier": NOON}))
        with self.store.change() as change:
            event = self.event(change)
            change.put_staff(self.organization, Staff("s-1", "Ann Low", "ann"))
        assert other.revision(self.organization) == 3
        assert list(other.staff(self.organization)) == [Staff("s-1", "Ann Low", "ann")]
        assert other.user(self.organization, "ann") == user("ann", roles={"cashier": NOON})
        assert list(other.events(self.organization)) == [event]
        with other.change() as change:
            change.put_user(self.organization, user("ann"), email_key=None)
        assert self.store.user(self.organization, "ann") == user("ann")
        assert self.store.changes(self.organization, 3).users == {"ann"}
        other.close()

    # Rule 4

    def test_changes_name_every_user_written_since_and_no_other(self) -> None:
        """Rule 4."""
        self.put(user("ann"), user("ben"))
        self.put(user("cleo"))
        self.put(user("ann"))
        assert self.store.changes(self.organization, 4) == Changes(4, frozenset(), False)
        assert self.store.changes(self.organization, 3) == Changes(4, frozenset({"ann"}), False)
        assert self.store.changes(self.organization, 2) == Changes(4, frozenset({"ann", "cleo"}), False)
        assert self.store.changes(self.organization, 0) == Changes(4, frozenset({"ann", "ben", "cleo"}), True)

    def test_changes_tell_whether_the_organizations_own_record_was_written(self) -> None:
        """Rule 4; a change of users alone does not."""
        with self.store.change() as change:
            change.put_organization(Organization(self.organization, License("trade")))
        self.put(user("ann"))
        assert self.store.changes(self.organization, 1).organization
        assert not self.store.changes(self.organization, 2).organization

    # Rule 5

    def test_an_address_belongs_to_one_user_of_an_organization(self) -> None:
        """Rule 5; the refused call has written nothing, so no revision is made."""
        self.put(user("ann"))
        with self.store.change() as change:
            with pytest.raises(EmailTaken) as caught:
                change.put_user(self.organization, user("ben", "Ann@kit.example"), email_key="ann@kit.example")
            assert caught.value.email == "Ann@kit.example"
        assert self.store.revision(self.organization) == 2
        assert ids(self.store.users(self.organization)) == ["ann"]

    def test_an_address_may_be_used_in_another_organization_and_again_once_it_is_free(self) -> None:
        """Rule 5 goes no further."""
        other = self.make()
        self.put(user("ann"))
        self.put(user("ben", "ann@kit.example"), organization=other)
        with self.store.change() as change:
            change.put_user(self.organization, evolve(user("ann"), dismissed=True), email_key=None)
            change.put_user(self.organization, user("ann-2", "ann@kit.example"), email_key="ann@kit.example")
        assert ids(self.store.users(self.organization, email_key="ann@kit.example")) == ["ann-2"]
        self.put(user("ann-2", "new@kit.example"), user("cleo", "ann@kit.example"))
        assert ids(self.store.users(self.organization, email_key="ann@kit.example")) == ["cleo"]

    # Rule 6, and the end

    def test_a_change_in_the_middle_of_a_change_is_refused_at_once(self) -> None:
        """Rule 6: it could only wait for itself."""
        with self.store.change() as change:
            began = monotonic()
            with pytest.raises(StoreUnavailable), self.store.change():
                pass
            assert monotonic() - began < 3
            change.put_user(self.organization, user("ann"), email_key=None)
        assert ids(self.store.users(self.organization)) == ["ann"]

    def test_a_change_that_has_ended_does_nothing_more(self) -> None:
        """Whoever kept it can't write past the transaction."""
        with self.store.change() as kept:
            later, later_staff = kept.users(self.organization), kept.staff(self.organization)
        calls: list[Callable[[], object]] = [
            lambda: kept.put_user(self.organization, user("ann"), email_key=None),
            lambda: kept.put_organization(Organization("kit-late", License("retail"))),
            lambda: kept.user(self.organization, "ann"),
            lambda: next(later, None),
            lambda: next(later_staff, None),
            lambda: kept.put_staff(self.organization, Staff("s-1", "Ann Low")),
            lambda: kept.erase(self.organization, "ann"),
        ]
        for late in calls:
            with pytest.raises(StoreUnavailable):
                late()
        assert ids(self.store.users(self.organization)) == []

    def test_a_closed_store_says_so(self) -> None:
        """Closing twice is no mistake."""
        self.store.close()
        self.store.close()
        for late in (
            lambda: self.store.revision(self.organization),
            lambda: self.store.organization(self.organization),
            lambda: self.store.user(self.organization, "ann"),
            lambda: list(self.store.users(self.organization)),
            lambda: list(self.store.staff(self.organization)),
            lambda: self.store.staff_member(self.organization, "s-1"),
            lambda: list(self.store.events(self.organization)),
            lambda: list(self.store.organizations()),
            lambda: self.store.head(self.organization),
            lambda: self.store.changes(self.organization, 0),
            lambda: self.store.change().__enter__(),
        ):
            with pytest.raises(StoreUnavailable) as caught:
                late()
            assert caught.value.store == self.store.url

    def test_a_refusal_is_ours_where_text_cannot_be_kept(self) -> None:
        """A store that can't keep half a surrogate pair says so, and keeps nothing."""
        broken = evolve(user("ann"), name="half a pair \ud800")
        try:
            self.put(broken)
        except SeatpermError:
            assert ids(self.store.users(self.organization)) == []
        else:
            assert self.store.user(self.organization, "ann") == broken
