"""A server of one's own: started in a folder, stopped, killed and paused as a test needs it."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import tempfile
import time
from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator
from pathlib import Path
from types import TracebackType
from typing import Self

from ...errors import SeatpermError

READY = 60.0
"""Seconds within which a server must answer, or be gone."""


class ServerMissing(SeatpermError):
    """No such server can be run here.

    Attributes:
        server: what was looked for.
        cause: why there is none, and what to do.
    """

    def __init__(self, server: str, cause: str) -> None:
        self.server = server
        self.cause = cause
        super().__init__(f"no {server} can be run here: {cause}")


class Server(ABC):
    """One server, at one URL for as long as this object lives, however often it is started anew.

    As a context manager it is started, and at the end killed with all that it left in its short folder.

    Args:
        folder: where its data stands, made if missing; it is kept.

    Attributes:
        folder: the same.
        short: a folder of its own for sockets, whose paths must be short; removed at the end.
    """

    name: str
    """What the server is called in messages."""

    url: str
    """Where it listens, as a store's URL."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder.absolute()
        self.folder.mkdir(parents=True, exist_ok=True)
        self.short = Path(tempfile.mkdtemp(prefix="seat-"))
        self._process: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> Self:
        try:
            self.start()
        except BaseException:
            self.close()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def start(self) -> None:
        """Start it and wait until it answers; nothing happens where it runs already.

        Raises:
            ServerMissing: it ended instead; its last words are said.
        """
        if self._process is not None and self._process.poll() is None:
            return
        self._process = self._popen()
        end = time.monotonic() + READY
        while not self._ready():
            if self._process.poll() is not None or time.monotonic() > end:
                self.kill()
                raise ServerMissing(self.name, f"it does not start: {self.said()}")
            time.sleep(0.01)

    def stop(self) -> None:
        """Stop it as an administrator does: what it has in hand is written first."""
        if self._process is not None:
            self.resume()
            self._process.send_signal(self._stopping())
            try:
                self._process.wait(READY)
            except subprocess.TimeoutExpired:
                self.kill()
            self._process = None

    def kill(self) -> None:
        """Kill every process of it at once (SIGKILL); what it wrote stays where it is."""
        if self._process is not None:
            processes = self._frozen()
            for pid in processes:
                _signal(pid, signal.SIGKILL)
            self._process.wait()
            end = time.monotonic() + READY
            while any(_alive(pid) for pid in processes) and time.monotonic() < end:
                time.sleep(0.002)
            self._process = None
            for left in self._left():
                left.unlink(missing_ok=True)

    def pause(self) -> None:
        """Let every process of it stand still (SIGSTOP): connections stay, nothing is answered."""
        self._frozen()

    def resume(self) -> None:
        """Let it go on after `pause`."""
        if self._process is not None:
            for pid in reversed(list(_family(self._process.pid))):
                _signal(pid, signal.SIGCONT)

    def close(self) -> None:
        """Kill it and remove its short folder."""
        self.kill()
        shutil.rmtree(self.short, ignore_errors=True)

    def said(self) -> str:
        """Return the last lines of its log."""
        log = self.folder / "log"
        return log.read_text("utf-8", "replace")[-2000:] if log.exists() else "it said nothing"

    @abstractmethod
    def _popen(self) -> subprocess.Popen[bytes]:
        """Start the process in a session of its own, its output going to the file `log` of the folder."""

    @abstractmethod
    def _ready(self) -> bool:
        """Tell whether it answers."""

    def _stopping(self) -> signal.Signals:
        return signal.SIGTERM

    def _left(self) -> Iterable[Path]:
        """Return what a killed server leaves behind that could keep it from starting."""
        return ()

    def _frozen(self) -> list[int]:
        # The first of them stands still before its children are listed: it can't make another meanwhile.
        pids: list[int] = []
        if self._process is not None and self._process.poll() is None:
            _signal(self._process.pid, signal.SIGSTOP)
            for pid in _family(self._process.pid):
                _signal(pid, signal.SIGSTOP)
                pids.append(pid)
        return pids


def _family(pid: int) -> Iterator[int]:
    yield pid
    for child in _children(pid):
        yield from _family(child)


def _children(pid: int) -> list[int]:
    if Path("/proc/self/stat").exists():
        found = ((int(path.parent.name), _stat(path)) for path in Path("/proc").glob("[0-9]*/stat"))
        return [child for child, stat in found if stat and int(stat[1]) == pid]
    table = map(str.split, _ps("-A", "-o", "pid=,ppid=").splitlines())
    return [int(child) for child, parent in table if int(parent) == pid]


def _alive(pid: int) -> bool:
    if Path("/proc/self/stat").exists():
        stat = _stat(Path(f"/proc/{pid}/stat"))
        return bool(stat) and stat[0] != "Z"
    return _ps("-p", str(pid), "-o", "stat=").strip()[:1] not in ("", "Z")


def _ps(*options: str) -> str:
    ps = shutil.which("ps") or "ps"
    return subprocess.run([ps, *options], capture_output=True, text=True, check=False).stdout  # noqa: S603


def _stat(path: Path) -> list[str]:
    # What stands after the name, which may itself hold spaces: state, parent …
    try:
        return path.read_text("utf-8", "replace").rpartition(")")[2].split()
    except (FileNotFoundError, ProcessLookupError):
        return []


def _signal(pid: int, what: signal.Signals) -> None:
    try:
        os.kill(pid, what)
    except ProcessLookupError:
        return
