"""The staff of an organization: `org.staff`. People on record, users or not; no access comes of it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from uuid import uuid4

from attrs import define, evolve

from ..directory import Staff, User, identifier, person_name
from ..errors import InvalidValue, StaffExists, StaffLinked, UnknownStaff
from .asking import Asking, text, user_id
from .changes import Change, change
from .view import View

STAFF = "organization.staff"


@define(eq=False, repr=False)
class StaffRecords:
    """The staff of an organization, in the order of their ids.

    Iteration and `len()` speak of those that may be seen: for the host all, for `as_user` all or one's own.
    """

    _view: View
    _asking: Asking

    def __getitem__(self, id: str) -> Staff:
        """Return a staff record by id.

        Raises:
            UnknownStaff: there is none.
            AccessDenied: the one who asks may not view it.
        """
        found = self.get(id)
        if found is None:
            raise UnknownStaff(id)
        return found

    def get(self, id: str) -> Staff | None:
        """Return a staff record by id, None where there is none.

        Raises:
            AccessDenied: the one who asks may not view it.
        """
        if text("id", id) != self._own():
            self._asking.ask(STAFF)
        return self._view.directory.staff_member(self._view.id, id)

    def __iter__(self) -> Iterator[Staff]:
        if self._asking.may(STAFF):
            return self._view.directory.staff(self._view.id)
        own = self._own()
        found = None if own is None else self._view.directory.staff_member(self._view.id, own)
        return iter(() if found is None else (found,))

    def __len__(self) -> int:
        return sum(1 for _ in self)

    def __contains__(self, id: object) -> bool:
        return isinstance(id, str) and self.get(id) is not None

    def add(self, name: str, user: str | User | None = None, id: str | None = None) -> Staff:
        """Put a person on record.

        Args:
            name: what to call the person.
            user: the user that the person is, if any.
            id: the host's own id for the record; a new random one unless said.

        Raises:
            AccessDenied: `organization.staff:edit` is needed.
            StaffExists: the id is in use.
            UnknownUser, StaffLinked, InvalidValue: what they say.
        """
        name = person_name(name)
        new_id = str(uuid4()) if id is None else identifier("id", id)
        with self._change() as made:
            if made.store.staff_member(made.id, new_id) is not None:
                raise StaffExists(new_id)
            record = Staff(new_id, name)
            if user is not None:
                record = _linked(made, record, user)
            return made.put_staff("staff.added", None, record)

    def link(self, staff: str | Staff, user: str | User) -> Staff:
        """Say that a person on record is a user; at most one of either has the other.

        Raises:
            AccessDenied: `organization.staff:edit` is needed.
            StaffLinked: the record is linked to another user, or the user to another record.
            UnknownStaff, UnknownUser: what they say.
        """
        with self._change() as made:
            before = _known(made, staff)
            return made.put_staff("staff.linked", before, _linked(made, before, user))

    def unlink(self, staff: str | Staff) -> Staff:
        """Say that a person on record is no user; where none is linked, nothing happens.

        Raises:
            AccessDenied: `organization.staff:edit` is needed.
            UnknownStaff: there is none.
        """
        with self._change() as made:
            before = _known(made, staff)
            if before.user is not None:
                made.link_user(made.user(before.user), None)
            return made.put_staff("staff.unlinked", before, evolve(before, user=None))

    def deactivate(self, staff: str | Staff) -> Staff:
        """Say that a person has left; the record is kept, and a user linked to it is as before.

        Raises:
            AccessDenied, UnknownStaff: as `unlink`.
        """
        with self._change() as made:
            before = _known(made, staff)
            return made.put_staff("staff.deactivated", before, evolve(before, active=False))

    def reactivate(self, staff: str | Staff) -> Staff:
        """Say that a person is back.

        Raises:
            AccessDenied, UnknownStaff: as `unlink`.
        """
        with self._change() as made:
            before = _known(made, staff)
            return made.put_staff("staff.reactivated", before, evolve(before, active=True))

    def _own(self) -> str | None:
        """Return the id of the record of the one who asks, None for the host and who has none."""
        if self._asking.actor is None:
            return None
        self._view.fresh()
        user = self._view.user(self._asking.actor)
        return user.staff if user is not None and user.active else None

    @contextmanager
    def _change(self) -> Iterator[Change]:
        with change(self._view, self._asking.actor) as made:
            made.ask("edit", resource=STAFF)
            yield made


def _known(made: Change, staff: str | Staff) -> Staff:
    id = staff.id if isinstance(staff, Staff) else staff
    if not isinstance(id, str):
        raise InvalidValue("staff", staff, "the id of a staff record or a Staff")
    found = made.store.staff_member(made.id, id)
    if found is None:
        raise UnknownStaff(id)
    return found


def _linked(made: Change, staff: Staff, user: str | User) -> Staff:
    found = made.user(user_id(user))
    if staff.user not in (None, found.id):
        raise StaffLinked(staff.id, found.id, "staff")
    if found.staff not in (None, staff.id):
        raise StaffLinked(staff.id, found.id, "user")
    made.link_user(found, staff.id)
    return evolve(staff, user=found.id)
