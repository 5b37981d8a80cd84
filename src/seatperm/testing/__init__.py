"""Conformance kits, a manual clock and hypothesis strategies, for tests of hosts and stores."""

from .clock import ManualClock

__all__ = ["ManualClock"]
