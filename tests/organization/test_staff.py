"""Staff records: what they are made of, who reads them, and how they stay in step with users."""

from __future__ import annotations

from uuid import UUID

import pytest

import seatperm
from seatperm import (
    AccessDenied,
    Catalog,
    InvalidValue,
    Organization,
    Staff,
    StaffExists,
    StaffLinked,
    UnknownStaff,
    UnknownUser,
)
from seatperm.testing.clock import ManualClock

from .conftest import AddUser


def test_an_id_is_random_unless_said(org: Organization) -> None:
    first, second = org.staff.add("Joe"), org.staff.add("Joe")
    assert first.id != second.id
    assert UUID(first.id).version == 4
    assert first.name == second.name == "Joe"


def test_an_id_is_used_once(org: Organization) -> None:
    org.staff.add("Joe", id="s-1")
    with pytest.raises(StaffExists) as exists:
        org.staff.add("Other", id="s-1")
    assert exists.value.id == "s-1"
    assert org.staff["s-1"].name == "Joe"


@pytest.mark.parametrize("id", ["", " s", "x" * 201, "a\nb", 7])
def test_a_malformed_id_is_refused(org: Organization, id: str) -> None:
    with pytest.raises(InvalidValue, match="id"):
        org.staff.add("Joe", id=id)


@pytest.mark.parametrize("name", ["", "  ", "a\nb", "x" * 201, None])
def test_a_name_must_be_printable(org: Organization, name: str) -> None:
    with pytest.raises(InvalidValue, match="name"):
        org.staff.add(name)


def test_a_name_is_kept_without_outer_space(org: Organization) -> None:
    assert org.staff.add("  Joe Marsh ").name == "Joe Marsh"


def test_an_unknown_user_is_not_linked_and_nothing_is_written(org: Organization, add: AddUser) -> None:
    add("gone")
    org.users.dismiss("gone")
    org.staff.add("Joe", id="s-1")
    revision = org.revision
    for user in ("nobody", "gone"):
        with pytest.raises(UnknownUser):
            org.staff.link("s-1", user)
        with pytest.raises(UnknownUser):
            org.staff.add("Other", user=user)
    assert (org.revision, len(org.staff)) == (revision, 1)


@pytest.mark.parametrize("call", ["unlink", "deactivate", "reactivate"])
def test_a_change_to_an_unknown_record_is_an_error_that_names_no_other(org: Organization, call: str) -> None:
    org.staff.add("Joe", id="s-1")
    with pytest.raises(UnknownStaff) as unknown:
        getattr(org.staff, call)("s-2")
    assert (unknown.value.name, unknown.value.nearest) == ("s-2", ())
    with pytest.raises(InvalidValue, match="staff"):
        getattr(org.staff, call)(7)


def test_records_and_users_are_named_by_id_or_by_what_was_returned(org: Organization, add: AddUser) -> None:
    tom, joe = add("tom"), org.staff.add("Joe", id="s-1")
    linked = org.staff.link(joe, tom)
    assert linked == Staff("s-1", "Joe", "tom", True)
    assert org.staff.unlink(linked) == joe


def test_records_come_in_the_order_of_their_ids(org: Organization) -> None:
    for id in ("b", "a", "C", "ä"):
        org.staff.add("Joe", id=id)
    assert [each.id for each in org.staff] == ["C", "a", "b", "ä"]
    assert len(org.staff) == 4
    assert "a" in org.staff
    assert "d" not in org.staff
    assert 7 not in org.staff


def test_linking_again_what_is_linked_changes_nothing(org: Organization, add: AddUser) -> None:
    add("tom")
    record = org.staff.add("Tom", user="tom", id="s-1")
    revision = org.revision
    assert org.staff.link("s-1", "tom") == record
    assert org.revision == revision


def test_a_refused_link_leaves_both_sides_as_they_were(org: Organization, add: AddUser) -> None:
    add("tom")
    add("ann")
    org.staff.add("Tom", user="tom", id="s-1")
    org.staff.add("Ann", user="ann", id="s-2")
    before = list(org.staff), list(org.users), org.revision
    with pytest.raises(StaffLinked):
        org.staff.link("s-1", "ann")
    assert (list(org.staff), list(org.users), org.revision) == before


def test_both_sides_of_a_link_are_one_change(org: Organization, add: AddUser) -> None:
    add("tom")
    org.staff.add("Tom", id="s-1")
    revision, events = org.revision, len(org.audit)
    org.staff.link("s-1", "tom")
    assert (org.revision, len(org.audit)) == (revision + 1, events + 1)
    event = list(org.audit)[-1]
    assert event.details == {
        "staff": "s-1",
        "before": {"name": "Tom", "user": None, "active": True},
        "after": {"name": "Tom", "user": "tom", "active": True},
    }


def test_a_record_survives_reopening(catalog: Catalog, clock: ManualClock, url: str) -> None:
    org = seatperm.open(catalog, url, clock=clock)
    org.users.add(id="tom", email="tom@kauri.example", name="Tom")
    org.staff.add("Tom", user="tom", id="s-1")
    org.staff.deactivate("s-1")
    again = org if url == "memory://" else seatperm.open(catalog, url, clock=clock)
    assert list(again.staff) == [Staff("s-1", "Tom", "tom", False)]
    assert again.users["tom"].staff == "s-1"
    for each in {id(org): org, id(again): again}.values():
        each.close()


def test_who_may_view_staff_sees_all_and_everybody_else_the_own_record(org: Organization, add: AddUser) -> None:
    add("tom")
    add("ann")
    org.staff.add("Tom", user="tom", id="s-1")
    org.staff.add("Joe", id="s-2")
    assert [each.id for each in org.as_user("tom").staff] == ["s-1"]
    assert list(org.as_user("ann").staff) == []
    assert len(org.as_user("admin").staff) == 2
    assert org.as_user("tom").staff["s-1"].name == "Tom"
    org.users.override("ann", "organization.staff", "view")
    assert [each.id for each in org.as_user("ann").staff] == ["s-1", "s-2"]


def test_a_record_that_there_is_and_one_that_there_is_not_are_refused_alike(org: Organization, add: AddUser) -> None:
    add("tom")
    org.staff.add("Joe", id="s-1")
    told = set()
    for id in ("s-1", "s-2"):
        with pytest.raises(AccessDenied) as denied:
            org.as_user("tom").staff.get(id)
        told.add(str(denied.value))
    assert len(told) == 1


def test_who_is_locked_out_no_longer_reads_the_own_record(org: Organization, add: AddUser) -> None:
    add("tom")
    org.staff.add("Tom", user="tom", id="s-1")
    org.users.lock("tom")
    assert list(org.as_user("tom").staff) == []
    with pytest.raises(AccessDenied):
        org.as_user("tom").staff["s-1"]


def test_once_unlinked_a_record_is_no_longer_ones_own(org: Organization, add: AddUser) -> None:
    add("tom")
    org.staff.add("Tom", user="tom", id="s-1")
    org.staff.unlink("s-1")
    with pytest.raises(AccessDenied):
        org.as_user("tom").staff["s-1"]
