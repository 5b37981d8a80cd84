"""Every session store passes the kit, and answers like the memory store whatever happens."""

from __future__ import annotations

import tempfile
from itertools import count
from pathlib import Path

from hypothesis import settings
from hypothesis.stateful import run_state_machine_as_test

from seatperm.clock import Clock
from seatperm.stores import SessionStore
from seatperm.stores.memory_sessions import MemorySessions
from seatperm.stores.sqlite_sessions import SQLiteSessions
from seatperm.testing.session_kit import SessionConformance
from seatperm.testing.session_machine import SessionMachine


class TestMemorySessions(SessionConformance):
    """The memory store passes the kit."""

    def open(self, clock: Clock) -> SessionStore:
        return MemorySessions(clock)


class TestSQLiteSessions(SessionConformance):
    """The SQLite store passes the kit."""

    def open(self, clock: Clock) -> SessionStore:
        self.folder = tempfile.TemporaryDirectory(prefix="seatperm-")
        return SQLiteSessions(Path(self.folder.name) / "seats.db", clock)

    def teardown_method(self) -> None:
        super().teardown_method()
        self.folder.cleanup()


def test_the_sqlite_store_answers_every_call_as_the_memory_store_does(tmp_path: Path) -> None:
    names = count()

    class Machine(SessionMachine):
        def open(self, clock: Clock) -> SessionStore:
            return SQLiteSessions(tmp_path / f"{next(names)}.db", clock)

    run_state_machine_as_test(Machine, settings=settings(max_examples=150, stateful_step_count=40, deadline=None))
