"""Another package brings a store by an entry point, and its URL works like one of seatperm's own."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

import seatperm
from seatperm.clock import SystemClock
from seatperm.stores.memory_sessions import MemorySessions
from seatperm.stores.opening import open_directory, open_sessions
from seatperm.stores.sqlite_sessions import SQLiteSessions

MODULE = """
from seatperm.stores.memory import MemoryDirectory
from seatperm.stores.memory_sessions import MemorySessions

asked = []

def open_directory(url):
    asked.append(url)
    return MemoryDirectory()

def open_sessions(url, clock):
    asked.append(url)
    return MemorySessions(clock)

class OnlySeats:
    @staticmethod
    def open_sessions(url, clock):
        return MemorySessions(clock)

"""

Bring = Callable[..., None]


@pytest.fixture
def bring(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Bring]:
    """Install a distribution, as its wheel would be, that brings these entry points."""
    monkeypatch.syspath_prepend(tmp_path)
    (tmp_path / "brought_store.py").write_text(MODULE, "utf-8")
    (tmp_path / "brought_ruin.py").write_text("raise RuntimeError('no such server')", "utf-8")

    def install(**entries: str) -> None:
        info = tmp_path / "brought_store-1.0.dist-info"
        info.mkdir()
        (info / "METADATA").write_text("Metadata-Version: 2.1\nName: brought-store\nVersion: 1.0\n", "utf-8")
        lines = [f"{name} = {value}\n" for name, value in entries.items()]
        (info / "entry_points.txt").write_text("".join(["[seatperm.stores]\n", *lines]), "utf-8")
        importlib.invalidate_caches()

    yield install
    sys.modules.pop("brought_store", None)


CATALOG: dict[str, object] = {"packages": {"one": {}}}


def test_a_url_of_another_packages_scheme_works_through_open(bring: Bring) -> None:
    """For the directory and for seats, and the store gets the whole URL."""
    bring(attic="brought_store")
    org = seatperm.open(CATALOG, "attic://one?two=3", session_store="attic://seats")
    org.users.add(id="tom", email="tom@kauri.example", name="Tom")
    with org.sign_in("tom"), pytest.raises(seatperm.SeatsExhausted):
        org.sign_in("tom")
    org.close()
    assert sys.modules["brought_store"].asked == ["attic://one?two=3", "attic://seats"]


def test_nothing_of_another_package_is_loaded_before_its_url_is_asked_for(bring: Bring) -> None:
    """A broken one spoils nobody else's store."""
    bring(attic="brought_store", ruin="no_such_module")
    seatperm.open(CATALOG, "memory://").close()
    assert "brought_store" not in sys.modules


@pytest.mark.parametrize(
    ("value", "words"),
    [
        ("no_such_module", "'no_such_module' of another package can't be loaded .*no_such_module"),
        ("brought_ruin", "'brought_ruin' of another package can't be loaded .*no such server"),
        ("brought_store:nothing", "'brought_store:nothing' of another package can't be loaded .*nothing"),
    ],
)
def test_a_store_that_can_not_be_loaded_is_named(bring: Bring, value: str, words: str) -> None:
    """And no password of its URL is."""
    bring(ruin=value)
    with pytest.raises(seatperm.StoreUnavailable, match=words) as caught:
        open_sessions("ruin://mere:secret@host/0", SystemClock())
    assert "ruin://host/0" in str(caught.value)
    assert "secret" not in str(caught.value)
    with pytest.raises(seatperm.StoreUnavailable, match=words):
        seatperm.open(CATALOG, "ruin://host/0")


def test_a_store_of_seats_alone_keeps_no_directory(bring: Bring) -> None:
    """What names no such store is refused, with those that there are."""
    bring(bench="brought_store:OnlySeats", attic="brought_store")
    assert isinstance(open_sessions("bench://", SystemClock()), MemorySessions)
    with pytest.raises(seatperm.InvalidValue, match=r"memory://.*a URL that begins with attic://, bench://"):
        open_directory("bench://")


def test_nobody_takes_over_a_scheme_of_seatperms_own(bring: Bring, tmp_path: Path) -> None:
    """Installing a package must not move anybody's books."""
    bring(memory="brought_store:OnlySeats", sqlite="brought_store:OnlySeats", redis="brought_store:OnlySeats")
    store = open_sessions(f"sqlite:///{tmp_path}/seats.db", SystemClock())
    assert isinstance(store, SQLiteSessions)
    store.close()
    open_directory("memory://").close()
    with pytest.raises(seatperm.InvalidValue) as caught:
        open_sessions("memory://elsewhere", SystemClock())
    assert "a URL that begins with" not in str(caught.value)
    assert "brought_store" not in sys.modules


@pytest.mark.parametrize(("url", "near"), [("atic://one", "attic"), ("sqllite:///b.db", "sqlite")])
def test_an_unknown_scheme_names_the_nearest(bring: Bring, url: str, near: str) -> None:
    """Of seatperm's own, and of what others bring."""
    bring(attic="brought_store")
    for call in (open_directory, lambda url: open_sessions(url, SystemClock())):
        with pytest.raises(seatperm.InvalidValue, match=f"did you mean {near!r}"):
            call(url)
