"""A session as an application holds one, on the session store that is proved."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import timedelta
from time import sleep

from ...clock import Clock
from ...errors import SeatpermError, SeatsExhausted, StoreUnavailable
from ...organization.opening import open_tenants
from ...organization.session import Session
from ...stores import SessionStore
from .task import Task

CATALOG = {"packages": {"one": {"title": "One"}}}
"""The smallest catalog."""


@contextmanager
def signed_in(store: SessionStore, task: Task, clock: Clock) -> Iterator[Session]:
    """Give a session of an application that keeps its directory in memory and its seats in the store."""
    tenants = open_tenants(
        CATALOG,
        "memory://",
        session_store=store,
        clock=clock,
        lease=timedelta(seconds=task.lease),
        staleness=timedelta(seconds=0.05),
    )
    try:
        org = tenants.create(task.organization, session_limit=task.limit)
        org.users.add(id="holder", email="holder@kauri.example", name="Holder")
        while True:
            with suppress(SeatsExhausted, StoreUnavailable):
                session = org.sign_in("holder", client="desk")
                break
            sleep(0.01)
        yield session
        with suppress(SeatpermError):
            session.end()
    finally:
        tenants.close()
