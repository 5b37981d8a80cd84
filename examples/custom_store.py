"""A session store of the host's own: seats in one JSON file that any number of processes share.

Run it with `python examples/custom_store.py`; it needs a system with `fcntl`, such as Linux or macOS. That the
store keeps what `seatperm.stores.SessionStore` promises is shown by the kit in `seatperm.testing`, which the
project's tests subclass for this class. It serves some hundred sessions: every call reads the file.
"""

from __future__ import annotations

import fcntl
import json
import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta
from pathlib import Path
from typing import TypedDict, cast

from attrs import evolve

import seatperm
from seatperm.clock import Clock, SystemClock, micros
from seatperm.demo import CATALOG
from seatperm.sessions import Full, Seat, SeatRequest, admits


class Held(TypedDict):
    """A session; `ends` is in microseconds of the clock's boot, which nobody can step."""

    id: str
    user: str
    client: str | None
    holds: list[str]
    token: str
    started: str
    expires: str
    ends: int


class Waiter(TypedDict):
    """A place in the queue."""

    user: str
    holds: list[str]
    ends: int


class Book(TypedDict):
    """One organization's live sessions, first started first, and its queue, by ticket, first come first.

    `lapsed` are the sessions that ran out and that no `acquire` has named yet.
    """

    sessions: list[Held]
    queue: dict[str, Waiter]
    lapsed: list[Held]


class JSONSessions:
    """Keeps seats in a JSON file; one lock, held through each call, makes every call one step."""

    def __init__(self, path: Path, clock: Clock) -> None:
        self.url = f"json:///{path}"
        self._path, self._clock, self._closed = path, clock, False

    def acquire(self, request: SeatRequest) -> Seat | Full:
        """Take a seat, or say that there is none."""
        with self._book(request.organization) as (book, now):
            lapsed = sorted(book["lapsed"], key=lambda held: (held["expires"], held["id"]))
            book["lapsed"] = []
            return evolve(self._decide(book, now, request), lapsed=[seat(held, held["ends"]) for held in lapsed])

    def leave(self, organization: str, ticket: str) -> None:
        """Give up a place in the queue."""
        with self._book(organization) as (book, _):
            book["queue"].pop(ticket, None)

    def find(self, organization: str, token_hash: str) -> Seat | None:
        """Return the live session with this token; None once it is over."""
        with self._book(organization, writing=False) as (book, now):
            return next((seat(held, now) for held in book["sessions"] if held["token"] == token_hash), None)

    def renew(
        self, organization: str, token_hash: str, lease: float, *, new_token_hash: str | None = None
    ) -> Seat | None:
        """Let the live session's lease run for `lease` seconds from now; None once it is over."""
        with self._book(organization) as (book, now):
            for known in (token_hash, new_token_hash):
                held = next((held for held in book["sessions"] if held["token"] == known), None)
                if held is not None:
                    held["token"] = new_token_hash or token_hash
                    return self._prolonged(held, now, lease)
            return None

    def release(self, organization: str, session_id: str, token_hash: str | None) -> bool:
        """End a live session, if the token is its own, or None is given; tell whether it did."""
        with self._book(organization) as (book, _):
            before = len(book["sessions"])
            book["sessions"] = [
                held for held in book["sessions"] if held["id"] != session_id or token_hash not in (None, held["token"])
            ]
            return len(book["sessions"]) < before

    def epoch(self, organization: str) -> None:
        """Return None: what this file keeps is on the disk before `acquire` returns."""

    def live(self, organization: str) -> Iterator[Seat]:
        """Iterate over the live sessions, first started first."""
        with self._book(organization, writing=False) as (book, now):
            return iter([seat(held, now) for held in book["sessions"]])

    def close(self) -> None:
        """Refuse all later calls."""
        self._closed = True

    def _decide(self, book: Book, now: int, request: SeatRequest) -> Seat | Full:
        held = next((held for held in book["sessions"] if is_same(held, request)), None)
        if held is None and any(held["id"] == request.session_id for held in book["sessions"]):
            raise seatperm.InvalidValue("session_id", request.session_id, "an id that no other session has")
        if held is None and not has_room(book, request):
            ahead = 0
            if request.ticket is not None:
                ends = now + micros(request.patience)
                book["queue"][request.ticket] = Waiter(user=request.user_id, holds=sorted(request.holds), ends=ends)
                ahead = list(book["queue"]).index(request.ticket)
            first = min((held["ends"] for held in book["sessions"]), default=None)
            next_free_in = None if first is None else (first - now) / 1_000_000
            return Full(in_use(book, request), next_free_in, ahead=ahead)
        if request.ticket is not None:
            book["queue"].pop(request.ticket, None)
        if held is None:
            began = self._clock.now().isoformat()
            held = Held(
                id=request.session_id,
                user=request.user_id,
                client=request.client,
                holds=[],
                token="",
                started=began,
                expires=began,
                ends=now,
            )
            book["sessions"].append(held)
        held["token"], held["holds"] = request.token_hash, sorted(request.holds)
        return self._prolonged(held, now, request.lease)

    def _prolonged(self, held: Held, now: int, lease: float) -> Seat:
        held["ends"] = now + micros(lease)
        held["expires"] = (self._clock.now() + timedelta(seconds=lease)).isoformat()
        return seat(held, now)

    @contextmanager
    def _book(self, organization: str, *, writing: bool = True) -> Iterator[tuple[Book, int]]:
        """Read an organization's book, without what has run out, and write it back at the end of the block."""
        if self._closed:
            raise seatperm.StoreUnavailable(self.url, "it is closed")
        try:
            with self._path.with_suffix(".lock").open("w") as lock:
                fcntl.flock(lock, fcntl.LOCK_EX)  # given back when the file is closed, by a crash too
                now, books = micros(self._clock.elapsed()), self._read()
                book = books.setdefault(organization, Book(sessions=[], queue={}, lapsed=[]))
                book["lapsed"] += [held for held in book["sessions"] if held["ends"] <= now]
                book["sessions"] = [held for held in book["sessions"] if held["ends"] > now]
                book["queue"] = {ticket: waiter for ticket, waiter in book["queue"].items() if waiter["ends"] > now}
                yield book, now
                if writing:
                    self._write(books)
        except OSError as error:
            raise seatperm.StoreUnavailable(self.url, str(error)) from error

    def _read(self) -> dict[str, Book]:
        try:
            boot, books = json.loads(self._path.read_text(encoding="utf-8"))
        except FileNotFoundError:
            return {}
        except (ValueError, TypeError) as error:
            raise seatperm.StoreDamaged(self.url, str(error)) from error
        read = cast(dict[str, Book], books)
        if boot != self._clock.boot:
            # Times of an earlier boot mean nothing now, and whoever held those seats is gone.
            for book in read.values():
                book["lapsed"] += book["sessions"]
                book["sessions"], book["queue"] = [], {}
        return read

    def _write(self, books: dict[str, Book]) -> None:
        # Whole or not at all: a crash in the middle leaves the file as it was.
        new = self._path.with_suffix(".new")
        with new.open("w", encoding="utf-8") as file:
            json.dump([self._clock.boot, books], file)
            file.flush()
            os.fsync(file.fileno())
        new.replace(self._path)


def seat(held: Held, now: int) -> Seat:
    started, expires = datetime.fromisoformat(held["started"]), datetime.fromisoformat(held["expires"])
    return Seat(held["id"], held["user"], held["client"], started, expires, (held["ends"] - now) / 1_000_000)


def is_same(held: Held, request: SeatRequest) -> bool:
    """Tell whether a session is of the client that asks, or of the same request sent before."""
    same = (held["user"], held["client"]) == (request.user_id, request.client)
    return same and (request.client is not None or held["id"] == request.session_id)


def in_use(book: Book, request: SeatRequest, role: str | None = None) -> int:
    """Count the seats in use, or those of a role's holders."""
    users = [held["user"] for held in book["sessions"] if role is None or role in held["holds"]]
    return len(set(users)) if request.per_user else len(users)


def has_room(book: Book, request: SeatRequest) -> bool:
    """Tell whether there is a seat for who asks: `seatperm.sessions.admits`, told what is in the book."""
    seated = {held["user"] for held in book["sessions"]} if request.per_user else set()
    if request.user_id in seated:
        return True
    inside = {role: in_use(book, request, role) for role in request.reserved}
    in_front: list[frozenset[str]] = []
    passed = seated | {request.user_id}
    for ticket, waiter in book["queue"].items():
        if ticket == request.ticket:
            break
        if not request.per_user or waiter["user"] not in passed:
            in_front.append(frozenset(waiter["holds"]))
        passed.add(waiter["user"])
    return admits(request.limit, in_use(book, request), request.reserved, inside, request.holds, in_front)


def main() -> None:
    with tempfile.TemporaryDirectory() as folder:
        clock, path = SystemClock(), Path(folder) / "seats.json"
        org = seatperm.open(CATALOG, "memory://", session_store=JSONSessions(path, clock), clock=clock)
        org.users.add(id="tom", email="tom@kauri.example", name="Tom Reid", roles=["sales_staff"])
        with org.sign_in("tom", client="shop") as session:
            print(f"tom is in, {len(org.sessions)} of {org.sessions.limit}: {session.can('sales.invoices', 'edit')}")
            try:
                org.sign_in("tom", client="phone")
            except seatperm.SeatsExhausted as full:
                print(f"{full.in_use} of {full.limit} seats are in use")
            other = JSONSessions(path, clock)  # as another process opens it
            print(f"another process sees {[seat.client for seat in other.live(org.id)]}")
        print(f"{len(org.sessions)} of {org.sessions.limit} in the end")


if __name__ == "__main__":
    main()
