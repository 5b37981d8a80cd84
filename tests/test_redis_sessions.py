"""The Redis store passes the kit, and answers as the memory store does."""

from __future__ import annotations

import secrets
import time
from typing import ClassVar

import pytest

from seatperm.clock import Clock
from seatperm.stores import SessionStore
from seatperm.stores.redis_sessions import RedisSessions
from seatperm.testing.session_kit import SessionConformance

from .servers import redis_url

__all__ = ["redis_url"]


class TestRedisSessions(SessionConformance):
    """The Redis store passes the kit on a real server."""

    real_time: ClassVar[bool] = True
    lease: ClassVar[float] = 0.5
    patience: ClassVar[float] = 0.2
    tick: ClassVar[float] = 0.05

    url: ClassVar[str]

    @pytest.fixture(autouse=True, scope="class")
    @classmethod
    def _server(cls, redis_url: str) -> None:
        cls.url = redis_url

    def open(self, clock: Clock) -> SessionStore:
        return RedisSessions(self.url)
