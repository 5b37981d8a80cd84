"""The memory session store: the readable reference that every other one is compared with."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta
from heapq import heapify, heappop, heappush
from threading import Lock

from attrs import define, field

from ..clock import Clock, micros
from ..errors import InvalidValue, StoreUnavailable
from ..sessions import Full, Seat, SeatRequest, admits


@define(eq=False)
class _Held:
    """A session and its seat. `ends` is in microseconds of the clock's boot."""

    id: str
    user_id: str
    client: str | None
    holds: frozenset[str]
    token_hash: str
    started_at: datetime
    expires_at: datetime
    ends: int

    def seat(self, now: int, lapsed: tuple[Seat, ...] = ()) -> Seat:
        remaining = (self.ends - now) / 1_000_000
        return Seat(self.id, self.user_id, self.client, self.started_at, self.expires_at, remaining, lapsed)


@define
class _Waiter:
    user_id: str
    holds: frozenset[str]
    ends: int


@define
class _Tally:
    """Counts sessions, and the users who have them."""

    sessions: int = 0
    users: dict[str, int] = field(factory=dict)

    def add(self, user_id: str) -> None:
        self.sessions += 1
        self.users[user_id] = self.users.get(user_id, 0) + 1

    def remove(self, user_id: str) -> None:
        self.sessions -= 1
        self.users[user_id] -= 1
        if not self.users[user_id]:
            del self.users[user_id]

    def seats(self, per_user: bool) -> int:
        return len(self.users) if per_user else self.sessions


@define
class _Book:
    """One organization's sessions and queue.

    `due` is a heap of (end, number, session). Renewing leaves an entry where it is: it is looked at when its
    time comes, and put back if the session goes on. So nothing here takes longer the more sessions there are.
    """

    by_id: dict[str, _Held] = field(factory=dict)
    by_token: dict[str, _Held] = field(factory=dict)
    by_key: dict[tuple[str, str], _Held] = field(factory=dict)
    all: _Tally = field(factory=_Tally)
    by_role: dict[str, _Tally] = field(factory=dict)
    queue: dict[str, _Waiter] = field(factory=dict)
    due: list[tuple[int, int, _Held]] = field(factory=list)
    _pushed: int = 0

    def add(self, held: _Held) -> None:
        self.by_id[held.id] = self.by_token[held.token_hash] = held
        self.all.add(held.user_id)
        if held.client is not None:
            self.by_key[held.user_id, held.client] = held
        if held.holds:
            self._enter(held)
        self._push(held)

    def remove(self, held: _Held) -> None:
        del self.by_id[held.id]
        self.all.remove(held.user_id)
        if held.client is not None:
            del self.by_key[held.user_id, held.client]
        self._leave(held)

    def change(self, held: _Held, token_hash: str, holds: frozenset[str]) -> None:
        self._leave(held)
        held.token_hash, held.holds = token_hash, holds
        self._enter(held)

    def quiet(self, now: int) -> bool:
        """Tell whether nothing can have run out by now."""
        return not self.queue and (not self.due or self.due[0][0] > now)

    def prolong(self, held: _Held, ends: int, expires_at: datetime) -> None:
        sooner = ends < held.ends
        held.ends, held.expires_at = ends, expires_at
        if sooner:
            self._push(held)

    def _enter(self, held: _Held) -> None:
        self.by_token[held.token_hash] = held
        for role in held.holds:
            self.by_role.setdefault(role, _Tally()).add(held.user_id)

    def _leave(self, held: _Held) -> None:
        del self.by_token[held.token_hash]
        for role in held.holds:
            self.by_role[role].remove(held.user_id)

    def _push(self, held: _Held) -> None:
        if len(self.due) > 2 * len(self.by_id) + 16:
            self.due = [(live.ends, number, live) for number, live in enumerate(self.by_id.values())]
            heapify(self.due)
            self._pushed = len(self.due)
        self._pushed += 1
        heappush(self.due, (held.ends, self._pushed, held))

    def expire(self, now: int) -> tuple[Seat, ...]:
        """End what has run out by now, sessions and waiters; return the sessions."""
        lapsed: list[Seat] = []
        while self.due and self.due[0][0] <= now:
            held = self._next_due()
            if held is not None and held.ends <= now:
                heappop(self.due)
                self.remove(held)
                lapsed.append(held.seat(held.ends))
        if self.queue:
            self.queue = {ticket: waiter for ticket, waiter in self.queue.items() if waiter.ends > now}
        return tuple(sorted(lapsed, key=lambda seat: (seat.expires_at, seat.id)))

    def void(self) -> None:
        """Let everything have run out: the machine was restarted."""
        for held in self.by_id.values():
            held.ends = 0
        self.due = [(0, number, held) for number, held in enumerate(self.by_id.values())]
        self.queue = {}

    def next_end(self) -> int | None:
        """Return when the first live lease ends."""
        held = self._next_due()
        return held.ends if held is not None else None

    def _next_due(self) -> _Held | None:
        while self.due:
            entry, _, held = self.due[0]
            if self.by_id.get(held.id) is held and entry == held.ends:
                return held
            heappop(self.due)
            if self.by_id.get(held.id) is held and entry < held.ends:
                self._push(held)
        return None

    def same(self, request: SeatRequest) -> _Held | None:
        """Return the live session of the same client, or of that id."""
        if request.client is not None:
            return self.by_key.get((request.user_id, request.client))
        return self.by_id.get(request.session_id)

    def check(self, request: SeatRequest, now: int) -> None:
        """Go on only if no live session of another user or client has the id that is asked with."""
        held = self.by_id[request.session_id]
        if held.ends <= now or (held.user_id, held.client) == (request.user_id, request.client):
            return
        own = None if request.client is None else self.by_key.get((request.user_id, request.client))
        if own is None or own.ends <= now:
            raise InvalidValue("session_id", request.session_id, "an id that no other session has")

    def admits(self, request: SeatRequest) -> bool:
        """Tell whether there is a seat for who asks, after those who wait in front."""
        if not (request.per_user or request.reserved or self.queue):
            return len(self.by_id) < request.limit
        if request.per_user and request.user_id in self.all.users:
            return True
        in_use = self.all.seats(request.per_user)
        inside = {role: self.by_role[role].seats(request.per_user) for role in request.reserved if role in self.by_role}
        waiting = self._in_front(request)
        return admits(request.limit, in_use, request.reserved, inside, request.holds, waiting)

    def ahead(self, ticket: str | None) -> int:
        """Return how many places are in front of the ticket's."""
        return 0 if ticket is None else next(i for i, waiting in enumerate(self.queue) if waiting == ticket)

    def _in_front(self, request: SeatRequest) -> Iterator[frozenset[str]]:
        # Where users share a seat, a user's second place takes none, nor does one of who asks.
        passed = {request.user_id} if request.per_user else set[str]()
        for ticket, waiter in self.queue.items():
            if ticket == request.ticket:
                return
            if request.per_user:
                if waiter.user_id in passed or waiter.user_id in self.all.users:
                    continue
                passed.add(waiter.user_id)
            yield waiter.holds


class MemorySessions:
    """Keeps seats in this process's memory: for tests, and for hosts of one process.

    All of G1 to G3 hold among the threads of the process, and nothing outlives it.

    Args:
        clock: tells when leases end.
    """

    url = "memory://"

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._boot = clock.boot
        self._lock = Lock()
        self._books: dict[str, _Book] | None = {}
        self._last_lease, self._last_span = 0.0, (0, timedelta())

    def acquire(self, request: SeatRequest) -> Seat | Full:
        """Take a seat, or say that there is none.

        Raises:
            InvalidValue: another user or client has a live session of that id.
        """
        with self._lock:
            books = self._open()
            book = books.get(request.organization)
            if book is None:
                book = books[request.organization] = _Book()
            now = micros(self._clock.elapsed())
            if request.session_id in book.by_id:
                book.check(request, now)
            lapsed = () if book.quiet(now) else book.expire(now)
            held = book.same(request)
            if held is None and not book.admits(request):
                if request.ticket is not None:
                    ends = now + micros(request.patience)
                    book.queue[request.ticket] = _Waiter(request.user_id, request.holds, ends)
                next_end = book.next_end()
                return Full(
                    in_use=book.all.seats(request.per_user),
                    next_free_in=None if next_end is None else (next_end - now) / 1_000_000,
                    lapsed=lapsed,
                    ahead=book.ahead(request.ticket),
                )
            if request.ticket is not None:
                book.queue.pop(request.ticket, None)
            wall = self._clock.now()
            length, span = self._span(request.lease)
            ends, expires_at = now + length, wall + span
            if held is not None:
                book.change(held, request.token_hash, request.holds)
                book.prolong(held, ends, expires_at)
            else:
                held = _Held(
                    request.session_id,
                    request.user_id,
                    request.client,
                    request.holds,
                    request.token_hash,
                    wall,
                    expires_at,
                    ends,
                )
                book.add(held)
            return held.seat(now, lapsed)

    def leave(self, organization: str, ticket: str) -> None:
        """Give up a place in the queue."""
        with self._lock:
            book = self._open().get(organization)
            if book is not None:
                book.queue.pop(ticket, None)

    def find(self, organization: str, token_hash: str) -> Seat | None:
        """Return the live session with this token; None once it is over."""
        with self._lock:
            book = self._open().get(organization)
            held = book.by_token.get(token_hash) if book is not None else None
            now = micros(self._clock.elapsed())
            return held.seat(now) if held is not None and held.ends > now else None

    def renew(
        self, organization: str, token_hash: str, lease: float, *, new_token_hash: str | None = None
    ) -> Seat | None:
        """Let the live session's lease run for `lease` seconds from now, with a new token if one is given."""
        with self._lock:
            book = self._open().get(organization)
            if book is None:
                return None
            held = book.by_token.get(token_hash)
            if held is None and new_token_hash is not None:
                held = book.by_token.get(new_token_hash)
            now = micros(self._clock.elapsed())
            if held is None or held.ends <= now:
                return None
            if new_token_hash is not None:
                book.change(held, new_token_hash, held.holds)
            length, span = self._span(lease)
            book.prolong(held, now + length, self._clock.now() + span)
            return held.seat(now)

    def release(self, organization: str, session_id: str, token_hash: str | None) -> bool:
        """End a live session, if the token is its own, or None is given; tell whether it did."""
        with self._lock:
            book = self._open().get(organization)
            held = book.by_id.get(session_id) if book is not None else None
            if book is None or held is None or held.ends <= micros(self._clock.elapsed()):
                return False
            if token_hash is not None and token_hash != held.token_hash:
                return False
            book.remove(held)
            return True

    def epoch(self, organization: str) -> None:
        """Return None: what this process granted is gone only with the process."""

    def live(self, organization: str) -> Iterator[Seat]:
        """Iterate over the live sessions, first started first."""
        with self._lock:
            book = self._open().get(organization)
            now = micros(self._clock.elapsed())
            seats = [held.seat(now) for held in book.by_id.values() if held.ends > now] if book is not None else []
        return iter(seats)

    def close(self) -> None:
        """Forget everything; later calls raise `StoreUnavailable`."""
        with self._lock:
            self._books = None

    def _span(self, lease: float) -> tuple[int, timedelta]:
        # Leases are nearly all of one length, and making a timedelta costs more than writing a session down.
        if lease != self._last_lease:
            self._last_lease, self._last_span = lease, (micros(lease), timedelta(seconds=lease))
        return self._last_span

    def _open(self) -> dict[str, _Book]:
        if self._books is None:
            raise StoreUnavailable(self.url, "it is closed")
        if self._boot != self._clock.boot:
            self._boot = self._clock.boot
            for book in self._books.values():
                book.void()
        return self._books
