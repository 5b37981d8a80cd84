"""How a SQLite store is opened: made where it is missing, or not, or only looked at."""

from __future__ import annotations

from pathlib import Path

import pytest

import seatperm
from seatperm.clock import SystemClock
from seatperm.stores.opening import open_directory, open_sessions
from seatperm.stores.sqlite_url import SQLiteURL

CATALOG: dict[str, object] = {"packages": {"one": {}}}


@pytest.mark.parametrize("mode", ["ro", "rw"])
@pytest.mark.parametrize("there", ["nothing", "an empty file"])
def test_only_rwc_makes_a_store(tmp_path: Path, mode: str, there: str) -> None:
    """A path that was mistaken for another must not become an empty store."""
    path = tmp_path / "books.db"
    if there == "an empty file":
        path.touch()
    expected = seatperm.StoreDamaged if path.exists() else seatperm.StoreUnavailable
    with pytest.raises(expected):
        open_directory(f"sqlite:///{path}?mode={mode}")
    with pytest.raises(expected):
        open_sessions(f"sqlite:///{path}?mode={mode}", SystemClock())
    assert [each.stat().st_size for each in tmp_path.iterdir()] == ([0] if there == "an empty file" else [])


def test_ro_reads_while_others_write_and_writes_nothing(tmp_path: Path) -> None:
    """What others change is seen; a change through it is refused, and leaves the store as it was."""
    url = f"sqlite:///{tmp_path / 'books.db'}"
    host = seatperm.open(CATALOG, url)
    looking = seatperm.open({**CATALOG, "catalog": {"name": "Another"}}, f"{url}?mode=ro")
    host.users.add(id="tom", email="tom@kauri.example", name="Tom")
    session = host.sign_in("tom")
    assert [user.id for user in looking.users] == ["tom"]
    assert [seat.id for seat in looking.sessions] == [session.id]
    revision = host.revision
    with pytest.raises(seatperm.StoreUnavailable, match="for reading only"):
        looking.users.lock("tom")
    with pytest.raises(seatperm.StoreUnavailable, match="for reading only"):
        looking.sessions.end(session.id)
    assert host.revision == revision
    looking.close()
    host.close()


def test_rw_changes_what_is_there(tmp_path: Path) -> None:
    """As rwc does."""
    url = f"sqlite:///{tmp_path / 'books.db'}"
    seatperm.open(CATALOG, url).close()
    org = seatperm.open(CATALOG, f"{url}?mode=rw")
    org.users.add(id="tom", email="tom@kauri.example", name="Tom")
    org.close()


def test_the_mode_is_one_of_three() -> None:
    """SQLite knows more; what they would do here nobody has thought of."""
    assert SQLiteURL.parse("sqlite:///a.db?timeout=5&mode=ro").mode == "ro"
    assert SQLiteURL.parse("sqlite:///a.db").mode == "rwc"
    with pytest.raises(seatperm.InvalidValue, match="mode=memory"):
        SQLiteURL.parse("sqlite:///a.db?mode=memory")
