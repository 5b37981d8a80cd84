"""Workers: processes forked from one that has everything loaded, or, for a store in memory, threads."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from contextlib import suppress
from itertools import count
from pathlib import Path
from threading import Event, Thread
from typing import Protocol, Self

from attrs import asdict, define, evolve, field

from ...stores import SessionStore
from .journal import Journal
from .task import Task, Work
from .works import WORKS

WITHIN = 60.0
"""Seconds in which a worker that was told to end has to."""


class Crew(Protocol):
    """Workers on one store."""

    def start(self, task: Task) -> int:
        """Start a worker and return its number."""
        ...

    def kill(self, worker: int) -> None:
        """End a worker in the middle of whatever it does, and wait until it is gone."""
        ...

    def pause(self, worker: int) -> None:
        """Stop a worker where it is."""
        ...

    def go_on(self, worker: int) -> None:
        """Let a stopped worker go on."""
        ...

    def finish(self) -> list[str]:
        """Tell all workers to end, wait for them, and return what those said that failed."""
        ...

    def wait(self, worker: int, seconds: float = WITHIN) -> bool:
        """Wait until a worker has ended by itself; tell whether it has."""
        ...

    def close(self) -> None:
        """End all workers at once."""
        ...

    def __enter__(self) -> Self:
        """Return the crew."""
        ...

    def __exit__(self, *_: object) -> None:
        """End all workers at once."""
        ...


@define(eq=False)
class Processes:
    """Workers that are processes, forked by a process of their own; all of them end when this one does.

    Args:
        url: of the store, whose driver is loaded before anything is forked.
        folder: for what workers say on their standard error.
    """

    _url: str
    _folder: Path
    _parent: subprocess.Popen[str] = field(init=False)
    _there: dict[int, Path] = field(init=False, factory=dict)
    _failed: list[str] = field(init=False, factory=list)

    def __attrs_post_init__(self) -> None:
        self._parent = subprocess.Popen(  # noqa: S603 - this very interpreter
            [sys.executable, "-m", "seatperm.testing.soak.forking", self._url],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )

    def start(self, task: Task) -> int:
        """Start a worker and return its process id."""
        said = Path(f"{task.journal}.stderr")
        pid = self._ask("start", said=str(said), task=asdict(task))
        self._there[pid] = said
        return pid

    def kill(self, worker: int) -> None:
        """Kill a worker (SIGKILL), and wait until it is gone."""
        os.kill(worker, signal.SIGKILL)
        self._end(worker, expected=-signal.SIGKILL)

    def pause(self, worker: int) -> None:
        """Stop a worker (SIGSTOP)."""
        os.kill(worker, signal.SIGSTOP)

    def go_on(self, worker: int) -> None:
        """Let a stopped worker go on (SIGCONT)."""
        os.kill(worker, signal.SIGCONT)

    def finish(self) -> list[str]:
        """Tell all workers to end (SIGTERM), wait for them, and return what those said that failed."""
        for worker in self._there:
            os.kill(worker, signal.SIGTERM)
        for worker in list(self._there):
            # One that was forked a moment ago may not have got as far as to hear it.
            if not self._end(worker, expected=-signal.SIGTERM):
                self._failed.append("a worker did not end")
                self.kill(worker)
        failed, self._failed = self._failed, []
        return failed

    def wait(self, worker: int, seconds: float = WITHIN) -> bool:
        """Wait until a worker has ended by itself; tell whether it has."""
        return self._end(worker, seconds=seconds, expected=0)

    def close(self) -> None:
        """End all workers at once."""
        assert self._parent.stdin is not None
        assert self._parent.stdout is not None
        with suppress(BrokenPipeError):
            self._parent.stdin.close()
        try:
            self._parent.wait(10)
        except subprocess.TimeoutExpired:
            self._parent.kill()
            self._parent.wait()
        self._parent.stdout.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _end(self, worker: int, *, seconds: float = WITHIN, expected: int) -> bool:
        end = time.monotonic() + seconds
        while (status := self._ask("reap", pid=worker)) == RUNNING:
            if time.monotonic() > end:
                return False
            time.sleep(0.002)
        said = self._there.pop(worker)
        if status not in (0, expected):
            text = said.read_text("utf-8", "replace").strip() if said.exists() else ""
            self._failed.append(f"a worker ended with {status}: {text.splitlines()[-1] if text else 'no word'}")
        return True

    def _ask(self, verb: str, **order: object) -> int:
        assert self._parent.stdin is not None
        assert self._parent.stdout is not None
        self._parent.stdin.write(json.dumps({"do": verb, **order}) + "\n")
        self._parent.stdin.flush()
        return int(self._parent.stdout.readline())


RUNNING = 1_000
"""What the parent of workers says of one that has not ended; no exit status is as high."""


@define(eq=False)
class Threads:
    """Workers that are threads: for a store that is in one process's memory.

    A thread can't be killed in the middle of a call: `kill` lets it end after it.

    Args:
        store: the one that all share.
    """

    _store: SessionStore
    _there: dict[int, tuple[Thread, Event]] = field(init=False, factory=dict)
    _numbers: count[int] = field(init=False, factory=lambda: count(1))
    _failed: list[str] = field(init=False, factory=list)

    def start(self, task: Task) -> int:
        """Start a worker and return its number."""
        number, end = next(self._numbers), Event()

        def run() -> None:
            journal = Journal(task.journal)
            try:
                WORKS[task.work](Work(task, task.clock(), journal, lambda: not end.is_set(), lambda: self._store))
            except Exception as error:  # noqa: BLE001 - told by `finish`, whatever it is
                self._failed.append(f"a worker ended with {error!r}")
            finally:
                journal.close()

        thread = Thread(target=run, daemon=True)
        self._there[number] = thread, end
        thread.start()
        return number

    def kill(self, worker: int) -> None:
        """Let a worker end after its present call, giving nothing back."""
        thread, end = self._there.pop(worker)
        end.set()
        thread.join(WITHIN)

    def pause(self, worker: int) -> None:
        """Refuse: a thread can't be stopped where it is."""
        raise NotImplementedError(f"thread {worker} can't be stopped")

    def go_on(self, worker: int) -> None:
        """Refuse: a thread can't be stopped where it is."""
        raise NotImplementedError(f"thread {worker} can't be stopped")

    def finish(self) -> list[str]:
        """Tell all workers to end, wait for them, and return what those said that failed."""
        for _, end in self._there.values():
            end.set()
        for thread, _ in self._there.values():
            thread.join(WITHIN)
            if thread.is_alive():
                self._failed.append("a worker did not end")
        self._there.clear()
        failed, self._failed = self._failed, []
        return failed

    def wait(self, worker: int, seconds: float = WITHIN) -> bool:
        """Wait until a worker has ended by itself; tell whether it has."""
        thread, _ = self._there[worker]
        thread.join(seconds)
        if thread.is_alive():
            return False
        del self._there[worker]
        return True

    def close(self) -> None:
        """End all workers."""
        self.finish()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def several(crew: Crew, task: Task, number: int, *, first: int = 0) -> dict[int, Task]:
    """Start several workers, each with a journal of its own; return the task of each."""
    tasks = [evolve(task, journal=f"{task.journal}-{each}") for each in range(first, first + number)]
    return {crew.start(each): each for each in tasks}
