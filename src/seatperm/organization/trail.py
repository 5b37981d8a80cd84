"""The audit trail: `org.audit`, and the events that change nothing."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from datetime import datetime
from typing import NamedTuple, TextIO

from attrs import define

from .. import audit
from ..audit import Event, Head, Verification
from ..clock import aware
from ..directory import User
from ..errors import InvalidValue
from .asking import user_id
from .view import View


@define(eq=False, repr=False)
class Trail:
    """The audit trail of an organization, oldest first: every change, sign-in, refusal and end of a session."""

    _view: View

    def __iter__(self) -> Iterator[Event]:
        return self._view.directory.events(self._view.id)

    def __len__(self) -> int:
        return self.head.number

    @property
    def head(self) -> Head:
        """Where the trail ends; kept elsewhere, it lets `verify` find a trail that was written anew."""
        return self._view.directory.head(self._view.id)

    def filter(
        self,
        *,
        user: str | User | None = None,
        kind: str | None = None,
        since: datetime | None = None,
        until: datetime | None = None,
    ) -> Iterator[Event]:
        """Iterate over the events that are of all that is said.

        Args:
            user: who acted, or to whom it was done.
            kind: such as "role.assigned", or with a dot at the end what kinds begin with, such as "session.".
            since: the earliest moment, with a time zone.
            until: the moment before which they are, with a time zone.

        Raises:
            InvalidValue: a time without a zone, or something of another type.
        """
        who = None if user is None else user_id(user)
        if kind is not None and not isinstance(kind, str):
            raise InvalidValue("kind", kind, "a kind of event, such as 'role.assigned', or 'session.'")
        first = None if since is None else aware("since", since)
        end = None if until is None else aware("until", until)
        # A wall clock may have been set back, so that no event's time tells that of the next.
        return (
            event
            for event in self
            if (who is None or who in (event.actor, event.user))
            and (kind is None or event.kind == kind or (kind.endswith(".") and event.kind.startswith(kind)))
            and (first is None or first <= event.at)
            and (end is None or event.at < end)
        )

    def export(self, stream: TextIO) -> Head:
        """Write the whole trail as JSON lines, and return where what was written ends.

        `seatperm.audit.verify_lines` tells of such a file, without a store, whether it is whole.
        """
        head = self.head
        stream.writelines(audit.line(event) + "\n" for event in self._upto(head))
        return head

    def verify(self, kept: Head | None = None) -> Verification:
        """Read the whole trail and tell whether any event was altered, removed or reordered; true when whole.

        Args:
            kept: a head of earlier days, kept elsewhere: the trail has to go on from there.
        """
        head = self.head
        return audit.verify(self._upto(head), head, kept)

    def _upto(self, head: Head) -> Iterator[Event]:
        return (event for event in self if event.number <= head.number)


class Happening(NamedTuple):
    """What is told in an event: its kind, the user whom it was done to, and its details."""

    kind: str
    user: str | None
    details: Mapping[str, object]


def tell(view: View, actor: str | None, happenings: Iterable[Happening]) -> None:
    """Add events that change nothing, all or none; they carry the present revision."""
    with view.directory.change() as store:
        revision = store.revision(view.id) - 1
        for happening in happenings:
            event = audit.link(
                store.head(view.id),
                at=view.now(),
                actor=actor,
                kind=happening.kind,
                user=happening.user,
                revision=revision,
                details=happening.details,
            )
            store.append(view.id, event)
