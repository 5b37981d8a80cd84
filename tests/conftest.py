"""What every test shares."""

from __future__ import annotations

from hypothesis import settings

from .servers import _lasting_store, empty_postgres_store, postgres_store, postgres_url, redis_url

__all__ = ["_lasting_store", "empty_postgres_store", "postgres_store", "postgres_url", "redis_url"]

# Machines differ and workers share them: how long one case takes proves nothing.
settings.register_profile("house", deadline=None)
settings.load_profile("house")
