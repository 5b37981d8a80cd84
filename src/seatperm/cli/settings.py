"""What the common options say, and the organization that they open."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import islice
from pathlib import Path
from typing import Final

import click
from attrs import define

from ..errors import UnknownOrganization
from ..organization import Organization, Tenants, open_tenants
from ..organization.opening import LONGEST, Orphans
from ..stores import DirectoryStore
from ..stores.opening import open_directory
from ..stores.sqlite_url import SQLITE, SQLiteURL
from .output import Format

POSTGRES: Final = ("postgresql://", "postgres://")

SECRETIVE: Final = re.compile("@|pass|secret|token", re.IGNORECASE)
"""What stands in a misspelt URL that must not be shown."""


@define
class Settings:
    """What the common options say; an option of a subcommand counts for more than one before it.

    Attributes:
        catalog: the catalog's file.
        store: the store's URL, or the path of a SQLite file.
        session_store: where seats are kept; the same store unless said.
        organization: the organization's id, None for the store's only one.
        orphans: what to do with names in the store that the catalog does not have.
        format: how to print.
    """

    catalog: str | None = None
    store: str | None = None
    session_store: str | None = None
    organization: str | None = None
    orphans: Orphans = "refuse"
    format: Format = "table"

    @contextmanager
    def open(self, *, changing: bool = False, seats: bool = False) -> Iterator[Organization]:
        """Open the organization, and close it at the end of the block.

        Nothing is made that is not there, and nothing is written unless something is about to be changed.

        Args:
            changing: whether something will be.
            seats: whether sessions are asked about.

        Raises:
            click.UsageError: catalog or store are not said, or the store is no place to look at.
            SeatpermError: the catalog can't be loaded, or the store can't be opened, or has no such organization.
        """
        with self.tenants(changing=changing, seats=seats) as (tenants, directory):
            yield tenants[self._organization(directory)]

    @contextmanager
    def tenants(self, *, changing: bool = False, seats: bool = False) -> Iterator[tuple[Tenants, DirectoryStore]]:
        """Open all of the store's organizations, as `open` does one."""
        self._need("catalog", "store")
        mode = "rw" if changing else "ro"
        with self.directory(mode) as directory:
            where = store_url("session-store", self.session_store or self.store or "", mode) if seats else "memory://"
            # Whatever the host's own retention is: what it keeps is shown, and nothing is dropped here.
            tenants = open_tenants(
                self.catalog or "", directory, session_store=where, orphans=self.orphans, history=LONGEST
            )
            try:
                yield tenants, directory
            finally:
                tenants.close()

    @contextmanager
    def directory(self, mode: str = "ro") -> Iterator[DirectoryStore]:
        """Open the store alone, and close it at the end of the block."""
        self._need("store")
        directory = open_directory(store_url("store", self.store or "", mode))
        try:
            yield directory
        finally:
            directory.close()

    def _need(self, *names: str) -> None:
        missing = [
            f"--{name} (or {variable(name)} in the environment)" for name in names if getattr(self, name) is None
        ]
        if missing:
            raise click.UsageError(f"Missing {' and '.join(missing)}.")

    def _organization(self, directory: DirectoryStore) -> str:
        known = list(islice(directory.organizations(), 1000))
        if self.organization is not None:
            if self.organization not in known and self.organization not in directory.organizations():
                raise UnknownOrganization(self.organization, known)
            return self.organization
        if not known:
            raise click.UsageError(
                f"The store {directory.url} holds no organization yet; `seatperm organizations create` makes one."
            )
        if len(known) > 1:
            some = ", ".join(known[:10]) + (", ..." if len(known) > 10 else "")
            raise click.UsageError(f"The store holds several organizations: name one with --organization ({some}).")
        return known[0]


def store_url(option: str, given: str, mode: str) -> str:
    """Return the URL of a store that is there already, for a URL or the path of a SQLite file.

    Nothing is made in one that is not: neither a file nor tables.

    Raises:
        click.UsageError: it is in the memory of another process, or neither a path nor a URL.
        InvalidValue: its options are not known.
    """
    if given.startswith("memory:"):
        raise click.UsageError(f"A store in memory is seen by its own process only: --{option} needs a file's path.")
    if "://" not in given and SECRETIVE.search(given) and not Path(given).exists():
        raise click.UsageError(
            f"--{option} is neither a file that is there nor a URL such as postgresql://user@host/database. "
            "(It may hold a password, and is not shown.)"
        )
    url = given if "://" in given else SQLITE + given
    return f"{url}{'&' if '?' in url else '?'}mode={mode}" if _may_make(url) else url


def _may_make(url: str) -> bool:
    if url.startswith(SQLITE):
        return SQLiteURL.parse(url).mode == "rwc"
    if url.startswith(POSTGRES):
        from ..stores.postgres_url import PostgresURL  # with psycopg

        return PostgresURL.parse(url).mode == "rwc"
    return False


def variable(name: str) -> str:
    """Return the environment variable that stands in for an option."""
    return f"SEATPERM_{name.upper()}"
