"""The process that workers are forked from: it loads everything once.

    python -m seatperm.testing.soak.forking URL

It reads one order a line, in JSON, and answers each with a number. When its input ends, so do its workers.
"""

from __future__ import annotations

import json
import os
import signal
import sys
import traceback
from contextlib import ExitStack, suppress
from typing import NoReturn

from ...clock import SystemClock
from ...errors import SeatpermError
from ...stores import SessionStore
from .broken import open_store
from .crew import RUNNING
from .journal import Journal
from .task import Task, Work
from .works import WORKS


def main(url: str) -> None:
    """Fork workers as ordered, until the input ends."""
    with suppress(SeatpermError):
        open_store(url, SystemClock()).close()  # so that its driver is loaded
    there = set[int]()
    while line := sys.stdin.readline():
        order = json.loads(line)
        if order["do"] == "start":
            pid = os.fork()
            if pid == 0:
                _work(Task(**order["task"]), order["said"])
            there.add(pid)
            answer = pid
        else:
            answer = _reap(order["pid"])
            if answer != RUNNING:
                there.discard(order["pid"])
        sys.stdout.write(f"{answer}\n")
        sys.stdout.flush()
    for pid in there:
        with suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)


def _reap(pid: int) -> int:
    ended, status = os.waitpid(pid, os.WNOHANG)
    return os.waitstatus_to_exitcode(status) if ended else RUNNING


def _work(task: Task, said: str) -> NoReturn:
    parent = os.getppid()
    told: list[int] = []
    signal.signal(signal.SIGTERM, lambda number, _: told.append(number))
    null, words = os.open(os.devnull, os.O_RDWR), os.open(said, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o666)
    for target, source in ((0, null), (1, null), (2, words)):
        os.dup2(source, target)
    status = 1
    try:
        clock, journal = task.clock(), Journal(task.journal)
        with ExitStack() as opened:

            def open_it() -> SessionStore:
                store = open_store(task.url, clock)
                opened.callback(store.close)
                return store

            WORKS[task.work](Work(task, clock, journal, lambda: not told and os.getppid() == parent, open_it))
        status = 0
    except BaseException:  # noqa: BLE001 - written down, whatever it is
        traceback.print_exc()
    finally:
        sys.stderr.flush()
        os._exit(status)


if __name__ == "__main__":
    main(sys.argv[1])
