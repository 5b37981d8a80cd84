"""What the directory kit asks of staff records and of the trail."""

from __future__ import annotations

from attrs import evolve

from .. import audit
from ..directory import Staff
from .directory_fixture import MANY, NOON, user
from .directory_rules import DirectoryRules


class DirectoryTrail(DirectoryRules):
    """Tests of staff records and events."""

    # Staff

    def test_a_staff_record_comes_back_equal_and_one_written_again_is_replaced_whole(self) -> None:
        """Linked or not, active or not, with letters of several scripts."""
        first = Staff("Ｍ/42 'x' %_", "Mere\tNgā Pōtae 🌳", "mere", active=False)
        second = Staff(first.id, "Mere")
        for record in (first, second, first):
            with self.store.change() as change:
                change.put_staff(self.organization, record)
                assert change.staff_member(self.organization, record.id) == record
            assert self.store.staff_member(self.organization, record.id) == record
            assert list(self.store.staff(self.organization)) == [record]

    def test_staff_come_in_the_order_of_their_ids_by_code_point_each_once(self) -> None:
        """However the store divides the reading."""
        names = ["10", "9", "B", "a", "ab", *(f"s{n:04}" for n in range(MANY)), "z", "é", "Ω", "\uffee", "🌳"]
        with self.store.change() as change:
            for name in reversed(names):
                change.put_staff(self.organization, Staff(name, name.title()))
        assert list(self.store.staff(self.organization)) == [Staff(name, name.title()) for name in names]

    def test_staff_may_be_changed_while_they_are_read(self) -> None:
        """In the middle of a change too."""
        names = [f"s{n:04}" for n in range(MANY)]
        with self.store.change() as change:
            for name in names:
                change.put_staff(self.organization, Staff(name, name))
            for each in change.staff(self.organization):
                change.put_staff(self.organization, evolve(each, active=False))
        assert [each.id for each in self.store.staff(self.organization) if not each.active] == names

    def test_staff_belong_to_one_organization_and_are_no_users(self) -> None:
        """A user may have the same id, and what is written of the one leaves the other alone."""
        other = self.make()
        with self.store.change() as change:
            change.put_staff(self.organization, Staff("ann", "Ann of the staff"))
            change.put_user(self.organization, user("ann"), email_key=None)
            change.put_staff(other, Staff("ann", "Another Ann"))
        assert self.store.staff_member(self.organization, "ann") == Staff("ann", "Ann of the staff")
        assert self.store.user(self.organization, "ann") == user("ann")
        assert self.store.staff_member(other, "ann") == Staff("ann", "Another Ann")
        assert self.store.user(other, "ann") is None

    # The trail

    def test_events_come_in_order_and_the_trail_verifies(self) -> None:
        """Equal to the last letter of their details, or the seal would not hold."""
        details = {"before": None, "after": {"roles": ["ā", 1, 2.5, True, {}]}, "text": 'quo"te\n'}
        with self.store.change() as change:
            events = [self.event(change, details=details) for _ in range(3)]
            assert change.head(self.organization) == audit.Head(3, events[-1].hash)
        for _ in range(2):
            with self.store.change() as change:
                events.append(self.event(change, "again"))
        assert list(self.store.events(self.organization)) == events
        assert list(self.store.events(self.organization, after=3)) == events[3:]
        assert list(self.store.events(self.organization, after=5)) == []
        head = self.store.head(self.organization)
        assert head == audit.Head(5, events[-1].hash)
        assert audit.verify(self.store.events(self.organization), head)

    def test_many_events_come_each_once_and_erased_details_stay_erased(self) -> None:
        """However the store divides the reading."""
        with self.store.change() as change:
            for number in range(MANY):
                self.event(change, details=number)
            last = self.event(change)
        assert [event.number for event in self.store.events(self.organization)] == list(range(1, MANY + 2))
        with self.store.change() as change:
            erased = audit.link(
                audit.Head(last.number, last.hash), at=NOON, actor="ann", kind="x", user=None, revision=3, details={}
            )
            change.append(self.organization, evolve(erased, details=None))
        assert next(self.store.events(self.organization, after=MANY + 1)).details is None

    def test_erasing_takes_the_details_of_one_users_events_and_the_trail_still_verifies(self) -> None:
        """Of every event of that user, of no other, in no other organization; all else stays as it was."""
        other = self.make()
        with self.store.change() as change:
            kept = [self.event(change, user=None), self.event(change, user="ben"), self.event(change, user="Ann")]
            lost = [self.event(change, user="ann") for _ in range(2)]
            elsewhere = self.event(change, user="ann", organization=other)
        with self.store.change() as change:
            lost.append(self.event(change, user="ann"))
            change.erase(self.organization, "ann")
            last = self.event(change, user="ann", details="after")
            head = change.head(self.organization)
        assert head == self.store.head(self.organization) == audit.Head(7, last.hash)
        erased = [evolve(event, details=None) for event in lost]
        assert list(self.store.events(self.organization)) == [*kept, *erased, last]
        assert list(self.store.events(other)) == [elsewhere]
        assert audit.verify(self.store.events(self.organization), head)

    def test_erasing_a_user_without_events_changes_nothing(self) -> None:
        """Nor does erasing twice."""
        with self.store.change() as change:
            event = self.event(change, user="ann")
        for name in ("nobody", "ann", "ann"):
            with self.store.change() as change:
                change.erase(self.organization, name)
        assert list(self.store.events(self.organization)) == [evolve(event, details=None)]
        assert self.store.revision(self.organization) == 1

    def test_each_organization_has_a_trail_of_its_own(self) -> None:
        """Numbered from 1."""
        with self.store.change() as change:
            event = self.event(change)
        other = self.make()
        assert list(self.store.events(other)) == []
        assert self.store.head(other) == audit.Head()
        assert list(self.store.events(self.organization)) == [event]
