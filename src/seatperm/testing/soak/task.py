"""What a worker is told, and what it works with."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from functools import cached_property
from pathlib import Path
from random import Random
from uuid import uuid4

from attrs import define, field, frozen

from ...clock import Clock
from ...errors import StoreUnavailable
from ...sessions import Seat, SeatRequest, new_token, token_hash
from ...stores import SessionStore
from .clocks import SkewedClock
from .journal import Journal

Option = int | float | str

PAUSE = 0.002
"""Seconds between two tries of one who has no seat."""


def chance(*seed: object) -> Random:
    """Return a source of choices; the same seed makes the same ones."""
    return Random(":".join(map(str, seed)))  # noqa: S311 - choices, no secrets


@frozen
class Task:
    """What a worker is told.

    Attributes:
        work: what to do, a name in `works.WORKS`.
        url: of the store.
        organization: whose seats.
        journal: the file to write down in.
        seed: of the worker's choices.
        lease: seconds that a seat is held unless renewed.
        limit: how many seats there are.
        wall: seconds that the worker's wall clock is ahead.
        uptime: seconds that its boot clock is ahead, as another machine's would be.
        machine: a file with the seconds by which the whole machine's wall clock is ahead; empty for none.
        options: what the work wants besides.
    """

    work: str
    url: str
    organization: str
    journal: str
    seed: int
    lease: float
    limit: int
    wall: float = 0.0
    uptime: float = 0.0
    machine: str = ""
    options: Mapping[str, Option] = field(factory=dict)

    def clock(self) -> SkewedClock:
        """Return the worker's clock."""
        return SkewedClock(self.wall, Path(self.machine) if self.machine else None, self.uptime)

    def number(self, option: str, default: float = 0.0) -> float:
        """Return an option that is a number."""
        return float(self.options.get(option, default))


@define(eq=False)
class Client:
    """One client of a store, which asks as a host does.

    Attributes:
        store: the store.
        organization: whose seats.
        lease: seconds of a lease unless said.
        limit: how many seats there are unless said.
        directory: a folder in which all clients keep what a host's directory keeps: the store's epoch.
    """

    store: SessionStore
    organization: str
    lease: float
    limit: int
    directory: Path
    _epoch: str | None = field(init=False, default=None)
    _known: bool = field(init=False, default=False)

    def request(
        self,
        user: str,
        client: str | None = None,
        *,
        lease: float | None = None,
        limit: int | None = None,
        ticket: str | None = None,
        patience: float = 10.0,
    ) -> SeatRequest:
        """Return a request with a fresh id and token."""
        return SeatRequest(
            organization=self.organization,
            user_id=user,
            client=client,
            session_id=uuid4().hex,
            token_hash=token_hash(new_token()),
            lease=self.lease if lease is None else lease,
            limit=self.limit if limit is None else limit,
            ticket=ticket,
            patience=patience,
            epoch=self._shared_epoch(),
        )

    def take(self, user: str, within: float, *, request: SeatRequest | None = None) -> tuple[Seat, SeatRequest]:
        """Ask until there is a seat.

        Args:
            user: who asks.
            within: seconds after which to give up.
            request: what to ask with, each time the same.

        Raises:
            NoSeat: there was none.
        """
        end = time.monotonic() + within
        while True:
            try:
                asked = request or self.request(user)
                answer = self.store.acquire(asked)
            except StoreUnavailable as error:
                said = str(error)
            else:
                if isinstance(answer, Seat):
                    return answer, asked
                said = str(answer)
            if time.monotonic() > end:
                raise NoSeat(f"no seat in {within:g} s: {said}")
            time.sleep(PAUSE)

    def _shared_epoch(self) -> str | None:
        # As in a host's directory, the first one that anybody was told stays, whatever the store says later.
        if not self._known:
            kept = self.directory / f"{self.organization}.epoch"
            if not kept.exists():
                new = self.directory / f"{uuid4().hex}.epoch"
                new.write_text(self.store.epoch(self.organization) or "", "utf-8")
                with suppress(FileExistsError):
                    kept.hardlink_to(new)
                new.unlink()
            self._epoch, self._known = kept.read_text("utf-8") or None, True
        return self._epoch


class NoSeat(Exception):
    """There was no seat where there should be one."""


@define(eq=False)
class Work:
    """What a worker works with.

    Attributes:
        task: what it was told.
        clock: its clock.
        journal: where it writes down.
        alive: whether to go on.
        chance: its choices.
        store: the store, opened when it is first asked for.
        client: asks the store.
    """

    task: Task
    clock: Clock
    journal: Journal
    alive: Callable[[], bool]
    _open: Callable[[], SessionStore]
    chance: Random = field(init=False)

    def __attrs_post_init__(self) -> None:
        self.chance = chance(self.task.seed, self.task.journal)

    @cached_property
    def store(self) -> SessionStore:
        """The store, opened when it is first asked for."""
        return self._open()

    @cached_property
    def client(self) -> Client:
        """One that asks the store for this worker."""
        task = self.task
        return Client(self.store, task.organization, task.lease, task.limit, Path(task.journal).parent)

    def sleep(self, seconds: float) -> None:
        """Wait, at most until the work is to end."""
        end = time.monotonic() + seconds
        while self.alive() and (left := end - time.monotonic()) > 0:
            time.sleep(min(left, 0.05))
