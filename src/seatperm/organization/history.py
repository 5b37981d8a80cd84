"""The history of sign-ins: what is kept of each, for how long, and the most there were at one time."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Iterator
from datetime import datetime, timedelta
from heapq import heappop, heappush

from attrs import evolve, frozen

from ..sessions import Past
from ..stores import DirectoryChange

RETENTION = timedelta(days=400)
"""How long the end of a sign-in is remembered unless said."""

DROPPED = 50
"""How many entries of the past are dropped with one sign-in or end at the most, so that none takes long."""

TICK = timedelta(microseconds=1)


@frozen
class Peak:
    """The most seats that were in use at one time.

    Attributes:
        count: how many.
        at: the first moment at which there were so many; None where there was none at all.
        per: what was counted, "session" or "user", as the license's `seat_per` says.
    """

    count: int
    at: datetime | None
    per: str


def write(
    store: DirectoryChange, organization: str, pasts: Iterable[Past], now: datetime, retention: timedelta
) -> None:
    """Write what the history says of these sign-ins, and drop some of what was over before the retention."""
    for past in pasts:
        if past.ended is not None or not _known(store, organization, past):
            store.put_past(organization, past)
    store.drop_history(organization, before=now - retention, limit=DROPPED)


def _known(store: DirectoryChange, organization: str, past: Past) -> bool:
    # Between its seat and the telling of it, somebody may have ended the session, and told that first.
    there = store.history(organization, since=past.began - TICK, until=past.began + TICK, user=past.user_id)
    return any(one.id == past.id for one in there)


def spans(pasts: Iterable[Past], live: Collection[str], lease: timedelta, now: datetime) -> Iterator[Past]:
    """Iterate over the sessions, each with an end.

    One that is live goes on until now at the least. One whose end nobody has told yet had its seat for one lease:
    that much is certain.
    """
    for past in pasts:
        if past.ended is not None:
            yield past
        elif past.id in live:
            yield evolve(past, ended=max(now, past.began) + TICK)
        else:
            yield evolve(past, ended=past.began + lease)


def peak(sessions: Iterable[Past], since: datetime | None, per: str) -> Peak:
    """Return the most of these sessions, or of their users, that there were at one time.

    Args:
        sessions: in the order of their beginnings, each with an end.
        since: the moment before which nothing counts.
        per: "session" or "user".
    """
    going_on: list[tuple[datetime, str, str | None]] = []
    users = Counter[str | None]()
    highest = Peak(0, None, per)
    for session in sessions:
        began = session.began if since is None else max(since, session.began)
        if session.refused or session.ended is None or session.ended <= began:
            continue
        while going_on and going_on[0][0] <= began:
            _, _, user = heappop(going_on)
            users[user] -= 1
            if not users[user]:
                del users[user]
        heappush(going_on, (session.ended, session.id, session.user_id))
        users[session.user_id] += 1
        count = len(users) if per == "user" else len(going_on)
        if count > highest.count:
            highest = Peak(count, began, per)
    return highest
