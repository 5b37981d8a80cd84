"""Row 10: no room on the disk, no right to write, errors of the disk, a damaged file; a server that may not write."""

from __future__ import annotations

import os
import shutil
import subprocess
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing, contextmanager
from pathlib import Path

from attrs import define, evolve, field

from ...sessions import Full
from ..servers.base import Server
from .broken import split
from .crew import Processes
from .journal import Line, grants, read
from .rows_kills import integrity
from .table import Figure
from .target import Finding, NotApplicable, Target
from .task import Option

LEASE = 600.0
"""Seconds of the leases in this row: none runs out while it is looked at."""

SEATS = 400
"""Seats in this row: enough to fill what little room a disk is given."""

LASTING = 0.4
"""Seconds for which a server's fault lasts."""


@define(eq=False)
class _Seen:
    """What came of a store with a fault: errors of ours, errors of others, and what must be there afterwards."""

    ours: dict[str, int] = field(factory=dict)
    theirs: int = 0
    acknowledged: int = 0
    wrong: list[str] = field(factory=list)

    def add(self, fault: str, lines: list[Line], *, must_fail: bool = True) -> list[Line]:
        """Count what workers wrote down under a fault, and return the grants among it."""
        ours = sum(line.kind == "ours" for line in lines)
        theirs = sorted({line.id for line in lines if line.kind == "theirs"})
        self.ours[fault] = self.ours.get(fault, 0) + ours
        self.theirs += len(theirs)
        if theirs:
            self.wrong.append(f"{fault}: an error that is not ours, {', '.join(theirs)}")
        if must_fail and not ours:
            self.wrong.append(f"{fault}: no call failed, which shows nothing")
        granted = list(grants(lines).values())
        self.acknowledged += len(granted)
        return granted

    def check(self, fault: str, target: Target, url: str, organization: str, granted: list[Line]) -> None:
        """Look whether the store is whole: all that was acknowledged is there, and just as many seats as there are."""
        with closing(target.open(url=url)) as store:
            here = target.client(store, organization, lease=LEASE, limit=SEATS)
            _, last = here.take("afterwards", 90)
            store.release(organization, last.session_id, last.token_hash)
            there = {seat.id for seat in store.live(organization)}
            full = store.acquire(here.request("one-more", limit=len(there)))
        if missing := {line.id for line in granted} - there:
            self.wrong.append(f"{fault}: {len(missing)} grants that were acknowledged are not there")
        if not isinstance(full, Full) or full.in_use != len(there):
            self.wrong.append(f"{fault}: the store counts {full} where {len(there)} are live")

    def finding(self) -> Finding:
        """Return what the row has found."""
        figures: dict[str, Figure] = {f"errors, {fault}": number for fault, number in self.ours.items()}
        return Finding(
            {**figures, "errors not ours": self.theirs, "acknowledged": self.acknowledged}, tuple(self.wrong)
        )


def faulty_storage_is_told(target: Target) -> Finding:
    """Row 10: make the store's storage fail in several ways, and look at what it says and at what is left."""
    match target.kind:
        case "sqlite":
            return _files(target)
        case "redis":
            return _server(target, target.own_server(), _redis_faults())
        case "postgresql":
            from .postgres import FAULTS

            return _server(target, target.own_server(), FAULTS)
        case "memory":
            raise NotApplicable("it stores in its process's memory")
        case _:
            raise NotApplicable("what it stores in is not known here")


CUT_OFF = "clients cut off"
"""A fault that a store may get over by itself, with a fresh connection."""

NO_ROOM = "no room on the disk"
"""A fault that only root can bring about: a disk in memory, with little room."""

ROOM = 3_000_000
"""Bytes of room on that disk; a third of it is made free again afterwards, as an administrator would."""

Fault = tuple[str, Callable[[Server], None], Callable[[Server], None]]
"""What a fault is called, what brings it about, and what ends it."""


def _server(target: Target, server: Server, faults: tuple[Fault, ...]) -> Finding:
    seen = _Seen()
    with Processes(target.url, target.folder) as crew:
        for fault, begin, end in faults:
            organization = target.organization(10)
            task = target.task("break_in", organization, lease=LEASE, limit=SEATS, pause=0.02)
            worker = crew.start(task)
            time.sleep(LASTING / 2)
            begin(server)
            try:
                time.sleep(LASTING * max(1, target.count(1, 5)))
            finally:
                end(server)
            time.sleep(LASTING / 2)
            seen.wrong += crew.finish()
            assert worker
            granted = seen.add(fault, list(read(Path(task.journal))), must_fail=fault != CUT_OFF)
            seen.check(fault, target, target.url, organization, granted)
    return seen.finding()


def _redis_faults() -> tuple[Fault, ...]:
    def saying(*commands: str) -> Callable[[Server], None]:
        def say(server: Server) -> None:
            from ..servers.redis import RedisServer

            assert isinstance(server, RedisServer)
            for command in commands:
                server.ask(command)

        return say

    return (
        ("no memory left", saying("CONFIG SET maxmemory 1"), saying("CONFIG SET maxmemory 0")),
        (
            "too few replicas",
            saying("CONFIG SET min-replicas-to-write 1"),
            saying("CONFIG SET min-replicas-to-write 0"),
        ),
        ("it is a replica, read only", saying("REPLICAOF 127.0.0.1 1"), saying("REPLICAOF NO ONE")),
        (CUT_OFF, saying(*["CLIENT KILL TYPE normal SKIPME yes"] * 3), saying()),
    )


def _files(target: Target) -> Finding:
    seen = _Seen()
    how = split(target.url)[0]
    with Processes(target.url, target.folder) as crew:

        def tried(folder: Path, options: Mapping[str, Option]) -> tuple[str, str, list[Line]]:
            url = (f"{how}+" if how else "") + f"sqlite:///{folder / 'seats.db'}"
            organization = f"soak-10-{folder.name}"
            task = target.task("break_in", organization, lease=LEASE, limit=SEATS, url=url)
            task = evolve(task, options={"calls": 300, **options})
            crew.wait(crew.start(task))
            return url, organization, list(read(Path(task.journal)))

        for fault, options in _limits():
            with _file(target, fault) as folder:
                _, _, before = tried(folder, {"calls": 20})
                url, organization, lines = tried(folder, options)
                (folder / "ballast").unlink(missing_ok=True)
                granted = seen.add(fault, lines) + list(grants(before).values())
                _sound(seen, fault, folder)
                seen.check(fault, target, url, organization, granted)
        with _file(target, "read-only") as folder:
            url, organization, before = tried(folder, {"calls": 20})
            files = [folder, *folder.iterdir()]
            for path in files:
                path.chmod(0o555 if path.is_dir() else 0o444)
            seen.add("read-only", tried(folder, {"user": 1})[2])
            for path in files:
                path.chmod(0o777 if path.is_dir() else 0o666)
            _sound(seen, "read-only", folder)
            seen.check("read-only", target, url, organization, list(grants(before).values()))
        chance = target.chance(10)
        for number in range(target.count(12, 300)):
            with _file(target, f"damaged-{number}") as folder:
                tried(folder, {"calls": 60})
                fault = _damage(folder / "seats.db", number, chance.randrange)
                seen.add(f"damaged, {fault}", tried(folder, {"calls": 10})[2], must_fail=fault == "no header")
        seen.wrong += crew.finish()
    return seen.finding()


def _limits() -> Iterator[tuple[str, dict[str, Option]]]:
    yield "an error of the disk", {"file_limit": 60_000}
    if _may_mount():
        yield NO_ROOM, {}


@contextmanager
def _file(target: Target, fault: str) -> Iterator[Path]:
    folder = target.folder / fault.replace(" ", "-")
    folder.mkdir()
    folder.chmod(0o777)
    if fault == NO_ROOM:
        _run("mount", "-t", "tmpfs", "-o", f"size={ROOM}", "none", str(folder))
        (folder / "ballast").write_bytes(bytes(ROOM // 3))
    try:
        yield folder
    finally:
        if fault == NO_ROOM:
            _run("umount", str(folder))
        shutil.rmtree(folder)


def _sound(seen: _Seen, fault: str, folder: Path) -> None:
    said = integrity(folder / "seats.db")
    if said != "ok":
        seen.wrong.append(f"{fault}: the file is damaged, {said}")


def _may_mount() -> bool:
    return os.geteuid() == 0 and shutil.which("mount") is not None


def _run(*command: str) -> None:
    subprocess.run(command, check=True, capture_output=True)  # noqa: S603 - fixed words and a folder of our own


def _damage(path: Path, number: int, below: Callable[[int], int]) -> str:
    size = path.stat().st_size
    with path.open("r+b") as file:
        match number % 3:
            case 0:
                file.write(os.urandom(100))
                return "no header"
            case 1:
                file.truncate(size // 2)
                return "cut short"
            case _:
                file.seek(4096 * (1 + below(max(1, size // 4096 - 1))))
                file.write(os.urandom(4096))
                return "a page of noise"
