"""The audit trail: `org.audit`, and the events that change nothing."""

from __future__ import annotations

import io
from collections.abc import Iterable, Iterator, Mapping
from datetime import datetime, timedelta
from typing import NamedTuple, TextIO

from attrs import define

from .. import audit
from ..audit import Event, Head, Verification
from ..clock import aware
from ..directory import User
from ..errors import InvalidValue
from ..sessions import Past
from ..spelling import did_you_mean, nearest
from . import history
from .asking import user_id
from .view import View

KINDS = (
    "organization.created",
    "user.added",
    "user.invited",
    "user.reinvited",
    "user.accepted",
    "user.invitation_voided",
    "user.locked",
    "user.unlocked",
    "user.renamed",
    "user.email_changed",
    "user.type_set",
    "user.email_freed",
    "user.dismissed",
    "user.forgotten",
    "role.assigned",
    "role.unassigned",
    "override.set",
    "override.cleared",
    "override.reset",
    "settings.copied",
    "role.defined",
    "role.removed",
    "global_permissions.set",
    "staff.added",
    "staff.linked",
    "staff.unlinked",
    "staff.deactivated",
    "staff.reactivated",
    "license.changed",
    "license.installed",
    "session.started",
    "session.kept",
    "session.refused",
    "session.ended",
)
"""Every kind of event."""

AREAS = tuple(dict.fromkeys(kind.partition(".")[0] for kind in KINDS))
"""What kinds begin with, up to the dot."""


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
            kind: such as "role.assigned", or what kinds begin with, such as "session" or "session.".
            since: the earliest moment, with a time zone.
            until: the moment before which they are, with a time zone.

        Raises:
            InvalidValue: no event is of that kind, a time has no zone, the earliest moment is after the other,
                or something is of another type.
        """
        who = None if user is None else user_id(user)
        kinds = None if kind is None else _kinds(kind)
        first = None if since is None else aware("since", since)
        end = None if until is None else aware("until", until)
        if first is not None and end is not None and first > end:
            raise InvalidValue("since", since, f"a moment that is not after until, {end.isoformat()}")
        # A wall clock may have been set back, so that no event's time tells that of the next.
        return (
            event
            for event in self
            if (who is None or who in (event.actor, event.user))
            and (kinds is None or event.kind in kinds)
            and (first is None or first <= event.at)
            and (end is None or event.at < end)
        )

    def export(self, stream: TextIO) -> Head:
        """Write the whole trail as JSON lines, and return where what was written ends.

        `seatperm.audit.verify_lines` tells of such a file, without a store, whether it is whole.

        Raises:
            InvalidValue: it is no text stream, such as a path, or a file that was opened for bytes.
        """
        head, stream = self.head, text_stream(stream)
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


def text_stream(stream: TextIO) -> TextIO:
    """Return a text stream as it is.

    Raises:
        InvalidValue: it is none, such as a path, or a file that was opened for bytes.
    """
    if not hasattr(stream, "writelines") or isinstance(stream, io.RawIOBase | io.BufferedIOBase):
        raise InvalidValue("stream", stream, "an open text file")
    return stream


def _kinds(kind: str) -> frozenset[str]:
    if isinstance(kind, str):
        found = frozenset(one for one in KINDS if kind == one or kind.removesuffix(".") == one.partition(".")[0])
        if found:
            return found
    near = nearest(kind, [*KINDS, *AREAS], 2) if isinstance(kind, str) else ()
    expected = "a kind of event, such as 'role.assigned', or what kinds begin with, such as 'session'"
    raise InvalidValue("kind", kind, expected + did_you_mean(near))


class Happening(NamedTuple):
    """What is told in an event: its kind, the user whom it was done to, and its details."""

    kind: str
    user: str | None
    details: Mapping[str, object]


def tell(
    view: View,
    actor: str | None,
    happenings: Iterable[Happening],
    pasts: Iterable[Past] = (),
    retention: timedelta = timedelta(0),
) -> None:
    """Add events that change nothing, and what the history says of them, all or none.

    The events carry the present revision. What was over before the `retention` goes out of the history in passing.
    """
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
        history.write(store, view.id, pasts, view.now(), retention)
