"""The simulation behind docs/scale.md: its arithmetic, and its processes, in small."""

from __future__ import annotations

from collections import Counter
from contextlib import closing
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from seatperm.clock import SystemClock
from seatperm.stores.opening import open_directory, open_sessions

from .bench.scale_work import LIVE, Asked, Size, compare, fill, opened, reads, sizes, streaming

SMALL = Size(organizations=5, users=60, seconds=0.1, known=60, sessions=5, rate=100, past=5)


@given(st.integers(1, 300), st.integers(20, 200))
def test_every_user_is_in_one_organization_and_the_largest_comes_first(organizations: int, each: int) -> None:
    """Sizes add up to the users, who are many more, none is empty, and they fall."""
    of = sizes(organizations, organizations * each)
    assert sum(of) == organizations * each
    assert of == sorted(of, reverse=True)
    assert of[-1] >= 1


@given(st.lists(st.integers(1, 1_000), min_size=1, max_size=50), st.floats(0.1, 1e4), st.floats(0.01, 100))
def test_revisions_are_read_no_more_often_than_is_asked_and_than_staleness_says(
    weights: list[int], rate: float, staleness: float
) -> None:
    """Both bounds hold, and without any staleness each request reads."""
    found = reads(weights, rate, staleness)
    assert 0 < found <= min(rate, len(weights) / staleness) * 1.000001
    assert reads(weights, rate, 0) == pytest.approx(rate)


def test_the_stream_loses_no_session_and_its_checks_are_right(tmp_path: Path) -> None:
    """What is live in the store is what the stream left there, and what it asked agrees with the rules."""
    url = f"sqlite:///{tmp_path / 'books.db'}"
    of = sizes(SMALL.organizations, SMALL.users)
    with closing(open_directory(url)) as directory:
        fill(directory, of)
        found = streaming(url, SMALL, events=True)
        with opened(url, Counter()) as tenants:
            compare(tenants, directory, Asked(of, 1).some(50))
    with closing(open_sessions(url, SystemClock())) as store:
        live = sum(1 for place in range(len(of)) for _ in store.live(f"org{place}"))
    assert live == found["live"] == min(found["done"], LIVE)
