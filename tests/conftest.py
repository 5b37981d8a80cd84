"""What every test shares."""

from __future__ import annotations

from hypothesis import settings

# Machines differ and workers share them: how long one case takes proves nothing.
settings.register_profile("house", deadline=None)
settings.load_profile("house")
