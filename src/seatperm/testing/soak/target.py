"""The store that is proved, and what the rows need of it."""

from __future__ import annotations

import secrets
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from random import Random

from attrs import define, field, frozen

from ...clock import Clock, SystemClock
from ...errors import InvalidValue
from ...stores import SessionStore
from ..servers.base import Server
from .broken import open_store, split
from .crew import Crew, Processes, Threads
from .table import Figure
from .task import Client, Option, Task, chance

FULL_MINUTES = 10.0
"""From so many minutes on everything that is counted is done as often as the row says."""

LIMIT = 10
"""Seats of a row that names no number."""


class NotRun(Exception):
    """A row can't be run here, and is not counted as passed; the text says what it needs."""


class NotApplicable(Exception):
    """A row says nothing about this store; the text says why."""


@frozen
class Finding:
    """What a row has found.

    Attributes:
        figures: what was counted and measured, by name.
        wrong: what did not hold; none where all did.
    """

    figures: Mapping[str, Figure]
    wrong: tuple[str, ...] = ()


MakeServer = Callable[[Path, str], Server]
"""Makes a server that is not started yet, of a folder for its data and of how it keeps them."""


@define(eq=False)
class Target:
    """A store, and how long and in which folder to work on it.

    Args:
        url: of the store; a name of `broken` and "+" may stand before it.
        folder: for journals and files.
        minutes: how long all rows may take, roughly; 0 is the short form.
        seed: of all choices.
        server: the server of the soak's own that the URL leads to, None where it is somebody else's.
        make_server: makes another one of the same kind.
    """

    url: str
    folder: Path
    minutes: float = 0.0
    seed: int = 0
    server: Server | None = None
    make_server: MakeServer | None = None
    kind: str = field(init=False)
    _task_count: int = field(init=False, default=0)

    def __attrs_post_init__(self) -> None:
        scheme = split(self.url)[1].partition("://")[0]
        self.kind = {"rediss": "redis", "unix": "redis", "valkey": "redis", "postgres": "postgresql"}.get(
            scheme, scheme
        )

    @property
    def path(self) -> Path:
        """The file of a SQLite store."""
        return Path(split(self.url)[1].removeprefix("sqlite:///").partition("?")[0])

    def only(self, *kinds: str, why: str) -> None:
        """Go on only for these kinds of store.

        Raises:
            NotApplicable: it is another one.
        """
        if self.kind not in kinds:
            raise NotApplicable(why)

    def own_server(self) -> Server:
        """Return the soak's own server.

        Raises:
            NotRun: the store's server is somebody else's.
        """
        if self.server is None:
            raise NotRun("needs a server of its own, which it may kill: say --store redis or --store postgres")
        return self.server

    def chance(self, row: int) -> Random:
        """Return the choices of a row."""
        return chance(self.seed, row)

    def count(self, short: int, full: int) -> int:
        """Return how often to do something that the row does `full` times in the long form."""
        return max(short, min(full, round(full * self.minutes / FULL_MINUTES)))

    def seconds(self, short: float, part: float) -> float:
        """Return how long to do something that may have a part of all the time."""
        return max(short, self.minutes * 60 * part)

    def organization(self, row: int) -> str:
        """Return the name of an organization that there has not been."""
        return f"soak-{row}-{secrets.token_hex(6)}"

    def open(self, clock: Clock | None = None, *, url: str | None = None) -> SessionStore:
        """Open the store, or that of another URL."""
        return open_store(url or self.url, clock or SystemClock())

    def task(
        self,
        work: str,
        organization: str,
        *,
        url: str | None = None,
        lease: float = 1.0,
        limit: int = LIMIT,
        **options: Option,
    ) -> Task:
        """Return a task on this store, with a journal of its own."""
        self._task_count += 1
        return Task(
            work=work,
            url=url or self.url,
            organization=organization,
            journal=str(self.folder / f"{work}-{self._task_count}"),
            seed=self.seed,
            lease=lease,
            limit=limit,
            options=options,
        )

    def client(self, store: SessionStore, organization: str, *, lease: float = 1.0, limit: int = LIMIT) -> Client:
        """Return a client in this process."""
        return Client(store, organization, lease, limit, self.folder)

    @contextmanager
    def staffed(self, *, url: str | None = None, clock: Clock | None = None) -> Iterator[tuple[Crew, SessionStore]]:
        """Give workers on the store, and the store for this process; all of it is ended afterwards."""
        store = self.open(clock, url=url)
        try:
            crew: Crew = Threads(store) if self.kind == "memory" else Processes(url or self.url, self.folder)
            with crew:
                yield crew, store
        finally:
            store.close()

    def journals(self, task: Task) -> list[Path]:
        """Return the journals of a task that several have, in no order."""
        return [path for path in self.folder.glob(f"{Path(task.journal).name}*") if path.suffix != ".stderr"]


Prove = Callable[[Target], Finding]
"""A row: does what it says to the store, and returns what it has found."""


def known(url: str) -> str:
    """Return the URL, or refuse what can't be one.

    Raises:
        InvalidValue: it has no scheme.
    """
    if "://" not in url:
        raise InvalidValue("store", url, "'memory', 'sqlite', 'redis', 'postgres' or a URL")
    return url
