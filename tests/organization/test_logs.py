"""What operators read in the log: which lines, with which fields, and nothing in them that is a secret."""

from __future__ import annotations

import json
import logging
import re
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing, suppress
from datetime import timedelta
from pathlib import Path

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

import seatperm
from seatperm import AccessDenied, Catalog, Organization, SeatpermError, StoreUnavailable
from seatperm.organization.logs import masked
from seatperm.organization.trail import KINDS
from seatperm.sessions import Full, Seat, SeatRequest, token_hash
from seatperm.stores.memory import MemoryDirectory
from seatperm.stores.memory_sessions import MemorySessions
from seatperm.testing.clock import ManualClock

from ..books import CATALOG

PAGE = Path(__file__).parent.parent.parent / "docs" / "logging.md"
STANDARD = set(vars(logging.makeLogRecord({}))) | {"message", "asctime"}
"""The fields that Python gives every record."""


class Seats(MemorySessions):
    """A session store that can be made to refuse."""

    refusal: StoreUnavailable | None = None

    def acquire(self, request: SeatRequest) -> Seat | Full:
        self._answer()
        return super().acquire(request)

    def find(self, organization: str, token_hash: str) -> Seat | None:
        if self.refusal is None or self.refusal.opens_at is None:
            self._answer()
        return super().find(organization, token_hash)

    def _answer(self) -> None:
        if self.refusal is not None:
            raise self.refusal


class Books(MemoryDirectory):
    """A directory that can be cut off."""

    off = False

    def revision(self, organization: str) -> int:
        if self.off:
            raise StoreUnavailable(self.url, "no answer from postgresql://app:hunter2@db.example/books")
        return super().revision(organization)


@pytest.fixture
def directory() -> Books:
    return Books()


@pytest.fixture
def seats(clock: ManualClock) -> Seats:
    return Seats(clock)


@pytest.fixture
def kauri(
    catalog: Catalog, directory: Books, seats: Seats, clock: ManualClock, caplog: pytest.LogCaptureFixture
) -> Iterator[Organization]:
    """An organization of one seat; what its making wrote is forgotten."""
    caplog.set_level(logging.DEBUG, "seatperm")
    with closing(seatperm.open(catalog, directory, session_store=seats, clock=clock)) as opened:
        opened.users.add(id="ann", email="ann@kauri.example", name="Ann", roles=["organization_admin"])
        opened.users.add(id="tom@kauri.example", email="tom@kauri.example", name="Tom")
        caplog.clear()
        yield opened


def lines(caplog: pytest.LogCaptureFixture) -> list[tuple[str, str, str]]:
    """Return logger, level and message of each line since the last look."""
    found = [(record.name, record.levelname, record.getMessage()) for record in caplog.records]
    caplog.clear()
    return found


def ours(record: logging.LogRecord) -> dict[str, object]:
    """Return a record's fields that are seatperm's."""
    return {name: value for name, value in vars(record).items() if name not in STANDARD}


def test_a_session_is_told_from_its_start_to_its_end(kauri: Organization, caplog: pytest.LogCaptureFixture) -> None:
    """Started, kept by the same client, refused for want of a seat, ended by somebody."""
    kauri.sign_in("tom@kauri.example", client="office till")
    session = kauri.sign_in("tom@kauri.example", client="office till")
    with pytest.raises(seatperm.SeatsExhausted):
        kauri.as_user("ann").sign_in("ann")
    kauri.as_user("ann").sessions.end(session.id)
    who = f"organization=default user=t…@kauri.example client='office till' session={session.id}"
    assert lines(caplog) == [
        ("seatperm.sessions", "INFO", f"session.started {who}"),
        ("seatperm.sessions", "INFO", f"session.kept {who}"),
        (
            "seatperm.sessions",
            "WARNING",
            "session.refused organization=default user=ann actor=ann reason=seats_exhausted limit=1 in_use=1",
        ),
        ("seatperm.sessions", "INFO", f"session.ended {who} actor=ann how=by_other"),
    ]


def test_fields_are_flat_and_the_same_for_each_event(kauri: Organization, caplog: pytest.LogCaptureFixture) -> None:
    """What programs read is in attributes of the record; what there is nothing of is None."""
    session = kauri.sign_in("ann")
    (record,) = caplog.records
    assert ours(record) == {
        "seatperm_event": "session.started",
        "seatperm_organization": "default",
        "seatperm_user": "ann",
        "seatperm_client": None,
        "seatperm_session": session.id,
        "seatperm_actor": None,
        "seatperm_how": None,
    }


def test_ends_by_the_holder_and_by_time_are_told(
    kauri: Organization, clock: ManualClock, caplog: pytest.LogCaptureFixture
) -> None:
    """A lease that ran out is told when the next seat is asked for, once."""
    kauri.sign_in("ann").end()
    kauri.sign_in("ann")
    clock.advance(timedelta(hours=1))
    kauri.sign_in("ann").end()
    told = [getattr(record, "seatperm_how", None) for record in caplog.records]
    assert told == [None, "by_holder", None, "expired", None, "by_holder"]


def test_a_refusal_gives_its_reason(kauri: Organization, caplog: pytest.LogCaptureFixture) -> None:
    """At the level INFO: the user may not, and nothing is wrong."""
    kauri.users.lock("tom@kauri.example")
    caplog.clear()
    for user in ("tom@kauri.example", "nobody"):
        with pytest.raises(SeatpermError):
            kauri.sign_in(user)
    refused = [(record.levelname, vars(record)["seatperm_reason"]) for record in caplog.records]
    assert refused == [("INFO", "locked"), ("INFO", "unknown_user")]


def test_sessions_are_told_where_the_trail_is_told_of_none(
    catalog: Catalog, clock: ManualClock, caplog: pytest.LogCaptureFixture
) -> None:
    """The log does not depend on session_events and history."""
    caplog.set_level(logging.INFO, "seatperm.sessions")
    opened = seatperm.open(catalog, "memory://", clock=clock, session_events=False, history=None)
    with closing(opened):
        opened.users.add(id="ann", email="ann@kauri.example", name="Ann")
        opened.sign_in("ann").end()
    assert [vars(record)["seatperm_event"] for record in caplog.records] == ["session.started", "session.ended"]


def test_a_change_is_told_once_it_is_kept(kauri: Organization, caplog: pytest.LogCaptureFixture) -> None:
    """With its kind, revision, actor and user; one that is refused leaves no line."""
    kauri.as_user("ann").users.assign("tom@kauri.example", "sales_staff")
    with pytest.raises(seatperm.LastAdministrator):
        kauri.users.lock("ann")
    assert lines(caplog) == [
        (
            "seatperm.changes",
            "INFO",
            f"role.assigned organization=default user=t…@kauri.example actor=ann revision={kauri.revision}",
        )
    ]


def test_an_organization_that_is_made_is_told(
    catalog: Catalog, clock: ManualClock, caplog: pytest.LogCaptureFixture
) -> None:
    """Whether by name or at first use."""
    caplog.set_level(logging.INFO, "seatperm")
    with closing(seatperm.open_tenants(catalog, "memory://", clock=clock)) as tenants:
        tenants.create("kauri")
    assert lines(caplog) == [("seatperm.changes", "INFO", "organization.created organization=kauri revision=1")]


def test_what_require_denies_is_told_and_what_can_denies_is_not(
    kauri: Organization, caplog: pytest.LogCaptureFixture
) -> None:
    """Menus ask `can` all day; `require` stands before an act."""
    assert not kauri.can("ann", "sales", "edit")
    with pytest.raises(AccessDenied):
        kauri.require("ann", "sales", "edit")
    with pytest.raises(AccessDenied):
        kauri.as_user("tom@kauri.example").users.lock("ann")
    assert lines(caplog) == [
        (
            "seatperm.access",
            "INFO",
            "access.denied organization=default user=ann resource=sales action=edit scope=all reason=not_granted",
        ),
        (
            "seatperm.access",
            "INFO",
            "access.denied organization=default user=t…@kauri.example resource=organization.users action=edit"
            " scope=all reason=not_granted actor=t…@kauri.example",
        ),
    ]


def test_a_directory_that_stops_answering_is_told_once_and_its_return_too(
    kauri: Organization, directory: Books, clock: ManualClock, caplog: pytest.LogCaptureFixture
) -> None:
    """With the moment up to which what is known counts, and how long it lasted."""
    directory.off = True
    for _ in range(5):
        clock.advance(timedelta(seconds=10))
        assert not kauri.can("ann", "sales", "edit")
    directory.off = False
    clock.advance(timedelta(seconds=10))
    kauri.can("ann", "sales", "edit")
    assert lines(caplog) == [
        (
            "seatperm.stores",
            "WARNING",
            "store.unavailable keeps=directory store=memory://"
            " cause='no answer from postgresql://db.example/books' in_force_until=2027-03-01T09:01:00+00:00",
        ),
        ("seatperm.stores", "INFO", "store.available keeps=directory store=memory:// seconds=50.0"),
    ]


def test_a_session_store_that_stops_answering_is_told_once_and_its_return_too(
    kauri: Organization, seats: Seats, clock: ManualClock, caplog: pytest.LogCaptureFixture
) -> None:
    """Whoever finds out: a sign-in, a request that resumes, a touch."""
    session = kauri.sign_in("ann")
    caplog.clear()
    seats.refusal = StoreUnavailable("redis://cache.example", "cut off")
    for _ in range(3):
        with pytest.raises(StoreUnavailable):
            kauri.resume(session.token)
        with pytest.raises(StoreUnavailable):
            kauri.sign_in("ann")
        clock.advance(timedelta(seconds=2))
        session.touch(on_unavailable="grace")
    seats.refusal = None
    clock.advance(timedelta(seconds=2))
    session.touch()
    assert [line for line in lines(caplog) if line[0] == "seatperm.stores"] == [
        ("seatperm.stores", "WARNING", "store.unavailable keeps=sessions store=memory:// cause='cut off'"),
        ("seatperm.stores", "INFO", "store.available keeps=sessions store=memory:// seconds=8.0"),
    ]


def test_doors_that_close_after_a_loss_are_told_once_and_their_opening_too(
    kauri: Organization, seats: Seats, clock: ManualClock, caplog: pytest.LogCaptureFixture
) -> None:
    """A store that answers and gives no further seat is not a store that does not answer."""
    session = kauri.sign_in("ann")
    caplog.clear()
    seats.refusal = StoreUnavailable(seats.url, "started anew", clock.now() + timedelta(minutes=5))
    for _ in range(3):
        with pytest.raises(StoreUnavailable):
            kauri.sign_in("tom@kauri.example")
        clock.advance(timedelta(seconds=2))
        session.touch()
    seats.refusal = None
    session.end()
    kauri.sign_in("ann")
    assert [line for line in lines(caplog) if line[0] == "seatperm.stores"] == [
        (
            "seatperm.stores",
            "WARNING",
            "doors.closed organization=default store=memory:// cause='started anew' opens_at=2027-03-01T09:05:00+00:00",
        ),
        ("seatperm.stores", "INFO", "doors.opened store=memory://"),
    ]


def test_one_outage_is_one_line_for_all_organizations(
    catalog: Catalog, directory: Books, clock: ManualClock, caplog: pytest.LogCaptureFixture
) -> None:
    """Ten thousand organizations on one store do not say the same ten thousand times."""
    with closing(seatperm.open_tenants(catalog, directory, session_store="memory://", clock=clock)) as tenants:
        opened = [tenants.create(id) for id in ("kauri", "rimu", "tui")]
        caplog.set_level(logging.INFO, "seatperm.stores")
        for off in (True, False):
            directory.off = off
            clock.advance(timedelta(seconds=10))
            for org in opened:
                org.can("ann", "sales", "edit")
    assert [vars(record)["seatperm_event"] for record in caplog.records] == ["store.unavailable", "store.available"]


def test_kept_orphans_are_told(
    catalog: Catalog, clock: ManualClock, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """A store that is opened with a catalog that its names were not compared with."""
    store = f"sqlite:///{tmp_path / 'books.db'}"
    with closing(seatperm.open(catalog, store, clock=clock)) as org:
        org.change_license(add_ons=["payroll"])
    without = CATALOG.replace("packages.payroll", "packages.wages").replace('"payroll"', '"wages"')
    (tmp_path / "catalog.toml").write_text(without, "utf-8")
    caplog.set_level(logging.INFO, "seatperm")
    with closing(seatperm.open(tmp_path / "catalog.toml", store, clock=clock, orphans="keep")):
        pass
    (record,) = caplog.records
    assert record.levelname == "WARNING"
    assert ours(record) == {
        "seatperm_event": "orphans.kept",
        "seatperm_organization": "default",
        "seatperm_store": store,
        "seatperm_names": "add-on 'payroll' of the license",
    }


ADDRESSES = st.from_regex(r"[a-z0-9.+_-]{2,20}@[a-z0-9-]{1,12}\.example", fullmatch=True)
WORDS = st.text(st.characters(codec="utf-8", exclude_categories=["C", "Z"], exclude_characters="@\uff20\ufe6b"))


@given(ADDRESSES, WORDS, WORDS)
def test_an_address_is_masked_wherever_it_stands(address: str, before: str, after: str) -> None:
    """Its domain stays, so that an operator can tell whose customer it was."""
    for text in (address, f"{before} {address}", f"{address} {after}", f"{before}<{address}>", f"{before}:{address}"):
        assert address not in masked(text)
        assert address.partition("@")[0] + "@" not in masked(text)
        assert address.rpartition("@")[2] in masked(text)


@given(WORDS)
def test_what_is_no_address_stays(text: str) -> None:
    """Ids that people know are found by them."""
    assume("://" not in text)
    assert masked(text) == text
    assert masked(f"@{text}") == f"@{text}"


def test_no_value_can_begin_another_line(kauri: Organization, caplog: pytest.LogCaptureFixture) -> None:
    """What a client calls itself may come from anywhere; a log that is read by people must not be written by it."""
    client = "till\nsession.started user=ann\r\x1b[2J " + "x" * 10_000
    kauri.sign_in("ann", client=client)
    (record,) = caplog.records
    assert record.getMessage().isprintable()
    assert "client='till\\nsession.started user=ann" in record.getMessage()
    assert len(record.getMessage()) < 1000


def everything(
    catalog: Catalog, directory: Books, seats: Seats, clock: ManualClock, tmp_path: Path, domain: str
) -> Iterator[str]:
    """Do all that is written about, with addresses for every id and name; iterate over what nobody is to read."""
    with closing(seatperm.open_tenants(catalog, directory, session_store=seats, clock=clock)) as tenants:
        org = tenants.create(f"kauri@{domain}", session_limit=2)
        for name in ("ann", "tom"):
            yield f"{name}@{domain}"
            org.users.add(id=f"{name}@{domain}", email=f"{name}@{domain}", name=f"{name}@{domain}")
        ann, tom = f"ann@{domain}", f"tom@{domain}"
        org.users.assign(ann, "organization_admin")
        invited = org.users.invite(email=f"li@{domain}", name="Li", id=f"li@{domain}")
        yield invited.token
        yield token_hash(invited.token)
        for use in (org.users.accept, org.users.accept):
            with suppress(SeatpermError):
                use(invited.token)
        sessions = [org.sign_in(ann, client=f"pc@{domain}"), org.sign_in(ann, client=f"pc@{domain}"), org.sign_in(tom)]
        for session in sessions:
            yield session.token
            yield token_hash(session.token)
        sessions[-1].rotate()
        yield sessions[-1].token
        for user in (tom, f"nobody@{domain}"):
            with suppress(SeatpermError):
                org.sign_in(user)
        with suppress(SeatpermError):
            org.as_user(tom).users.override(ann, "sales", "edit")
        with suppress(SeatpermError):
            org.require(tom, "sales", "edit")
        org.as_user(ann).users.change_email(tom, f"thomas@{domain}")
        org.users.dismiss(tom)
        org.users.forget(tom)
        for seats.refusal in (
            StoreUnavailable("memory://", f"mail root@{domain}, not rediss://:hunter2@cache.example?token=hunter2"),
            StoreUnavailable("memory://", "started anew", clock.now() + timedelta(minutes=1)),
            None,
        ):
            clock.advance(timedelta(hours=1))
            directory.off = seats.refusal is not None
            with suppress(SeatpermError):
                org.sign_in(ann)
            directory.off = False
            with suppress(SeatpermError):
                org.sign_in(ann)
    yield "hunter2"
    store = f"sqlite:///{tmp_path / 'books.db'}"
    seatperm.open(CATALOG_WITHOUT, store, clock=clock).close()
    seatperm.open(catalog, store, clock=clock, orphans="keep").close()


CATALOG_WITHOUT: dict[str, object] = {"packages": {"essentials": {}}}


def test_a_run_with_everything_in_it_has_no_secret_in_any_record(
    catalog: Catalog,
    directory: Books,
    seats: Seats,
    clock: ManualClock,
    tmp_path: Path,
    caplog: pytest.LogCaptureFixture,
) -> None:
    """No token, no hash of one, no address, no password of a URL: not in the message, its arguments, or a field."""
    caplog.set_level(logging.DEBUG)
    secrets = list(everything(catalog, directory, seats, clock, tmp_path, "rimu.example"))
    written = "\n".join(
        json.dumps([record.getMessage(), repr(record.msg), repr(record.args), ours(record)], ensure_ascii=False)
        for record in caplog.records
    )
    assert len(secrets) > 10
    assert len(caplog.records) > 20
    assert [secret for secret in secrets if secret in written] == []
    assert re.findall(r"[^\s…\"'=]@rimu", written) == []


def test_the_page_has_every_line_and_its_fields(
    catalog: Catalog,
    directory: Books,
    seats: Seats,
    clock: ManualClock,
    tmp_path: Path,
    caplog: pytest.LogCaptureFixture,
) -> None:
    """docs/logging.md: what a program may rely on; the events of changes are those of the trail."""
    rows = re.findall(
        r"^\| `(seatperm\.\w+)` \| ([\w, ]+) \| ([^|]+) \| ([^|]+) \|", PAGE.read_text("utf-8"), re.MULTILINE
    )
    told = {
        (logger, level, event): {f"seatperm_{name}" for name in re.findall(r"`(\w+)`", fields)} | {"seatperm_event"}
        for logger, levels, events, fields in rows
        for level in levels.split(", ")
        for event in re.findall(r"`([\w.]+)`", events) or [kind for kind in KINDS if not kind.startswith("session.")]
    }
    caplog.set_level(logging.DEBUG, "seatperm")
    list(everything(catalog, directory, seats, clock, tmp_path, "rimu.example"))
    written = {(it.name, it.levelname, vars(it)["seatperm_event"]): set(ours(it)) for it in caplog.records}
    assert {key: fields for key, fields in written.items() if told.get(key) != fields} == {}
    assert {key for key in told if key[0] != "seatperm.changes"} - written.keys() == set()


def test_a_library_is_silent_until_it_is_asked() -> None:
    """Without a handler of the host's nothing is printed, not even warnings; nothing of the root is touched."""
    code = (
        "import logging, seatperm; from contextlib import suppress\n"
        "org = seatperm.open({'packages': {'one': {}}}, 'memory://')\n"
        "org.users.add(id='a', email='a@b.example', name='A'); org.sign_in('a')\n"
        "with suppress(seatperm.SeatsExhausted): org.sign_in('a')\n"
        "print(logging.getLogger().handlers, logging.getLogger('seatperm').level)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert (done.stdout, done.stderr) == ("[] 0\n", "")


def test_a_level_that_nobody_reads_costs_no_work(kauri: Organization, caplog: pytest.LogCaptureFixture) -> None:
    """No record is made."""
    caplog.set_level(logging.ERROR, "seatperm")
    kauri.sign_in("ann").end()
    assert lines(caplog) == []
