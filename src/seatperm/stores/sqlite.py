"""The directory in one SQLite file, for any number of processes, in tables that people can read."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta
from os import PathLike
from typing import Literal

from ..audit import START, Event
from ..directory import Organization, Staff, User
from ..errors import EmailTaken, InvalidValue, StoreUnavailable, UnknownOrganization, UnknownUser, UserExists
from ..sessions import Past
from . import Changes
from .sqlite_file import Row, SQLiteFile, Values
from .sqlite_reader import PAGE, SQLiteReader
from .sqlite_schema import DIRECTORY
from .written import write_entries, write_entry, write_json, write_roles, write_time

EVENT = """
    SELECT number, at, actor, kind, user, revision, details, salt, seal, hash
    FROM events WHERE organization = ? AND number > ? ORDER BY number LIMIT ?"""

PUT_ORGANIZATION = """
    INSERT INTO organizations (
        id, package, add_ons, session_limit, user_limit, seat_per, reserved, valid_from, valid_until, grace,
        license_issued, global_permissions, roles, catalog, epoch, revision, record_revision, events, last_hash
    ) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
    ON CONFLICT (id) DO UPDATE SET
        package = excluded.package, add_ons = excluded.add_ons, session_limit = excluded.session_limit,
        user_limit = excluded.user_limit, seat_per = excluded.seat_per, reserved = excluded.reserved,
        valid_from = excluded.valid_from, valid_until = excluded.valid_until, grace = excluded.grace,
        license_issued = excluded.license_issued, global_permissions = excluded.global_permissions,
        roles = excluded.roles, catalog = excluded.catalog, epoch = excluded.epoch,
        revision = excluded.revision, record_revision = excluded.record_revision"""

PUT_USER = """
    INSERT INTO users (
        organization, id, person, email, email_key, name, type, state, locked, dismissed, staff, base,
        invitation_hash, invitation_until, revision
    ) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
    ON CONFLICT (organization, id) DO UPDATE SET
        person = excluded.person, email = excluded.email, email_key = excluded.email_key, name = excluded.name,
        type = excluded.type, state = excluded.state, locked = excluded.locked, dismissed = excluded.dismissed,
        staff = excluded.staff, base = excluded.base, invitation_hash = excluded.invitation_hash,
        invitation_until = excluded.invitation_until, revision = excluded.revision"""

PUT_STAFF = """
    INSERT INTO staff (organization, id, name, user, active) VALUES (?, ?, ?, ?, ?)
    ON CONFLICT (organization, id) DO UPDATE SET name = excluded.name, user = excluded.user, active = excluded.active"""

PUT_PAST = """
    INSERT INTO history (organization, id, user, client, began, ended, how, refused) VALUES (?, ?, ?, ?, ?, ?, ?, ?)
    ON CONFLICT (organization, id) DO UPDATE SET user = excluded.user, client = excluded.client,
        began = excluded.began, ended = excluded.ended, how = excluded.how, refused = excluded.refused"""

DROP_HISTORY = """
    DELETE FROM history WHERE organization = ? AND id IN (
        SELECT id FROM history WHERE organization = ? AND {where} ORDER BY ended, id LIMIT ?)"""


class SQLiteChange(SQLiteReader):
    """One transaction on the file."""

    def __init__(self, url: str, connection: sqlite3.Connection) -> None:
        super().__init__(url)
        self._connection: sqlite3.Connection | None = connection
        self._made: dict[str, int] = {}

    def end(self) -> None:
        """Let the connection go; whoever kept this object can do nothing more with it."""
        self._connection = None

    def revision(self, organization: str) -> int:
        """Return the revision that this change will make."""
        if organization not in self._made:
            rows = self._select("SELECT revision FROM organizations WHERE id = ?", (organization,))
            return rows[0][0] + 1 if rows else 1
        return self._made[organization]

    def people(self, email_key: str) -> Iterator[tuple[str, User]]:
        """Iterate over all users of that address in every organization."""
        return self._placed("email_key = ?", email_key)

    def person(self, person: str) -> Iterator[tuple[str, User]]:
        """Iterate over all users with that `id` or `person` in every organization."""
        return self._placed("id = ? OR person = ?", person, person)

    def invited(self, token_hash: str) -> tuple[str, User] | None:
        """Return whose pending invitation has this token."""
        return next(self._placed("invitation_hash = ?", token_hash), None)

    def count_active(self, organization: str, types: Collection[str]) -> int:
        """Return how many users of these types are active and neither locked nor dismissed."""
        ((count,),) = self._select(
            "SELECT total(number) FROM active_users"
            " WHERE organization = ? AND type IN (SELECT value FROM json_each(?))",
            (organization, write_json(list(types))),
        )
        return int(count)

    def put_organization(self, record: Organization) -> None:
        """Write the organization's record, new or not."""
        revision, license = self.revision(record.id), record.license
        self._execute(
            PUT_ORGANIZATION,
            (
                record.id,
                license.package,
                write_json(sorted(license.add_ons)),
                license.session_limit,
                license.user_limit,
                license.seat_per,
                write_json(dict(license.reserved)),
                write_time(license.valid_from),
                write_time(license.valid_until),
                license.grace // timedelta(seconds=1),
                write_time(record.license_issued),
                write_entries(record.global_permissions),
                write_roles(record.roles),
                record.catalog,
                record.epoch,
                revision,
                revision,
                0,
                START,
            ),
        )
        self._made[record.id] = revision

    def put_user(self, organization: str, user: User, *, email_key: str | None) -> None:
        """Write a user, new or not."""
        self._refuse_taken(organization, user, email_key, user.id)
        revision, invitation = self._touch(organization), user.invitation
        self._execute(
            PUT_USER,
            (
                organization,
                user.id,
                user.person,
                user.email,
                email_key,
                user.name,
                user.type,
                user.state,
                user.locked,
                user.dismissed,
                user.staff,
                write_entries(user.base),
                None if invitation is None else invitation.token_hash,
                None if invitation is None else write_time(invitation.until),
                revision,
            ),
        )
        self._remove(organization, user.id, "user_roles", "user_overrides")
        for role, until in user.roles.items():
            self._execute(
                "INSERT INTO user_roles (organization, user, role, until) VALUES (?, ?, ?, ?)",
                (organization, user.id, role, write_time(until)),
            )
        for resource, override in user.overrides.items():
            self._execute(
                "INSERT INTO user_overrides (organization, user, resource, grants, until) VALUES (?, ?, ?, ?, ?)",
                (organization, user.id, resource, write_entry(override.entry), write_time(override.until)),
            )

    def rename(self, organization: str, id: str, user: User, *, email_key: str | None) -> None:
        """Write `user` in place of the user that had `id`."""
        if self.user(organization, id) is None:
            raise UnknownUser(id)
        there = self.user(organization, user.id)
        if id != user.id and there is not None and not there.dismissed:
            raise UserExists(user.id)
        self._refuse_taken(organization, user, email_key, id)
        if id != user.id:
            self._remove(organization, id, "user_roles", "user_overrides")
            self._execute("DELETE FROM users WHERE organization = ? AND id = ?", (organization, id))
            self._execute(
                "INSERT INTO former_ids (organization, id, revision) VALUES (?, ?, ?)"
                " ON CONFLICT (organization, id) DO UPDATE SET revision = excluded.revision",
                (organization, id, self._touch(organization)),
            )
        self.put_user(organization, user, email_key=email_key)

    def put_staff(self, organization: str, staff: Staff) -> None:
        """Write a staff record, new or not."""
        self._touch(organization)
        self._execute(PUT_STAFF, (organization, staff.id, staff.name, staff.user, staff.active))

    def put_past(self, organization: str, past: Past) -> None:
        """Write what the history says of a sign-in, in place of what it said under that id."""
        self._refuse_unknown(organization)
        times = (write_time(past.began), write_time(past.ended))
        self._execute(PUT_PAST, (organization, past.id, past.user_id, past.client, *times, past.how, past.refused))

    def drop_history(
        self,
        organization: str,
        *,
        before: datetime | None = None,
        user: str | None = None,
        limit: int | None = None,
    ) -> None:
        """Take out of the history what was over by `before`, or all of a user's; both said, what is both."""
        self._refuse_unknown(organization)
        said = [pair for pair in (("ended <= ?", write_time(before)), ("user = ?", user)) if pair[1] is not None]
        where = " AND ".join(where for where, _ in said) or "1"
        values = (organization, organization, *(value for _, value in said), -1 if limit is None else limit)
        self._execute(DROP_HISTORY.format(where=where), values)

    def append(self, organization: str, event: Event) -> None:
        """Add an event at the end of the trail."""
        self._refuse_unknown(organization)
        self._execute(
            "INSERT INTO events (organization, number, at, actor, kind, user, revision, details, salt, seal, hash)"
            " VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
            (
                organization,
                event.number,
                event.at.isoformat(),
                event.actor,
                event.kind,
                event.user,
                event.revision,
                None if event.details is None else write_json(dict(event.details)),
                event.salt,
                event.seal,
                event.hash,
            ),
        )
        self._execute(
            "UPDATE organizations SET events = ?, last_hash = ? WHERE id = ?", (event.number, event.hash, organization)
        )

    def erase(self, organization: str, user: str) -> None:
        """Set the details of every event of that user to None."""
        self._refuse_unknown(organization)
        self._execute("UPDATE events SET details = NULL WHERE organization = ? AND user = ?", (organization, user))

    def _touch(self, organization: str) -> int:
        if organization not in self._made:
            revision = self.revision(organization)
            if not self._execute("UPDATE organizations SET revision = ? WHERE id = ?", (revision, organization)):
                raise UnknownOrganization(organization)
            self._made[organization] = revision
        return self._made[organization]

    def _refuse_unknown(self, organization: str) -> None:
        if not self._select("SELECT 1 FROM organizations WHERE id = ?", (organization,)):
            raise UnknownOrganization(organization)

    def _refuse_taken(self, organization: str, user: User, email_key: str | None, id: str) -> None:
        taken = "SELECT 1 FROM users WHERE email_key = ? AND organization = ? AND id NOT IN (?, ?)"
        if email_key is not None and self._select(taken, (email_key, organization, user.id, id)):
            raise EmailTaken(user.email)

    def _remove(self, organization: str, user: str, *tables: str) -> None:
        for table in tables:
            self._execute(f"DELETE FROM {table} WHERE organization = ? AND user = ?", (organization, user))

    def _select(self, sql: str, values: Values = ()) -> list[Row]:
        return self._run(sql, values).fetchall()

    def _execute(self, sql: str, values: Values) -> int:
        return self._run(sql, values).rowcount

    def _run(self, sql: str, values: Values) -> sqlite3.Cursor:
        if self._connection is None:
            raise StoreUnavailable(self.url, "this change has ended; begin another one")
        try:
            return self._connection.execute(sql, values)
        except OverflowError as error:
            largest = max(value for value in values if isinstance(value, int))
            raise InvalidValue("a number", largest, "less than 2**63, as a store keeps it") from error


class SQLiteDirectory(SQLiteReader):
    """Keeps organizations, users, staff and trails in one SQLite file.

    Args:
        path: of the file, made if missing; its folder must exist.
        synchronous: "full": what was changed survives a power cut. "normal": it survives a crash of the
            process; after a power cut the last changes may be missing, and the file is whole.
        timeout: seconds to wait for other writers.
        mode: "rwc", "rw" or "ro", see `SQLiteFile`.

    Raises:
        InvalidValue: the path names no file.
        StoreUnavailable, StoreDamaged, StoreVersion: the file can't be opened.
    """

    def __init__(
        self,
        path: str | PathLike[str],
        *,
        synchronous: Literal["full", "normal"] = "full",
        timeout: float = 30.0,
        mode: Literal["rwc", "rw", "ro"] = "rwc",
    ) -> None:
        self._file = SQLiteFile(path, DIRECTORY, synchronous=synchronous, timeout=timeout, mode=mode)
        super().__init__(self._file.url)

    def __repr__(self) -> str:
        return f"<SQLiteDirectory {self.url}>"

    def organizations(self) -> Iterator[str]:
        """Iterate over the ids of all organizations, in the order of their making."""
        last = 0
        while rows := self._select(
            "SELECT number, id FROM organizations WHERE number > ? ORDER BY number LIMIT ?", (last, PAGE)
        ):
            yield from (id for _, id in rows)
            last = rows[-1][0]

    def revision(self, organization: str) -> int:
        """Return the present revision, or raise `UnknownOrganization`."""
        for (revision,) in self._select("SELECT revision FROM organizations WHERE id = ?", (organization,)):
            return int(revision)
        raise UnknownOrganization(organization)

    def changes(self, organization: str, since: int) -> Changes:
        """Return what has changed after the revision `since`."""
        with self._file.read() as connection:
            row = connection.execute(
                "SELECT revision, record_revision FROM organizations WHERE id = ?", (organization,)
            ).fetchone()
            if row is None:
                raise UnknownOrganization(organization)
            written = connection.execute(
                "SELECT id FROM users WHERE organization = ? AND revision > ?"
                " UNION SELECT id FROM former_ids WHERE organization = ? AND revision > ?",
                (organization, since, organization, since),
            )
            return Changes(row[0], frozenset(id for (id,) in written), row[1] > since)

    def events(self, organization: str, *, after: int = 0) -> Iterator[Event]:
        """Iterate over the trail in order, in pages, from the event with the number `after` + 1 on."""
        while rows := self._select(EVENT, (organization, after, PAGE)):
            for row in rows:
                yield self._read("the event", _event, row)
            after = rows[-1][0]

    @contextmanager
    def change(self) -> Iterator[SQLiteChange]:
        """Begin a transaction; it is kept at the end of the `with` block, or, after an exception, undone."""
        with self._file.write() as connection:
            change = SQLiteChange(self.url, connection)
            try:
                yield change
            finally:
                change.end()

    def close(self) -> None:
        """Close the file's connections; later calls raise `StoreUnavailable`."""
        self._file.close()

    def _select(self, sql: str, values: Values = ()) -> list[Row]:
        return self._file.rows(sql, values)


def _event(row: Row) -> Event:
    number, at, actor, kind, user, revision, details, salt, seal, hash = row
    return Event(
        number=number,
        at=datetime.fromisoformat(at),
        actor=actor,
        kind=kind,
        user=user,
        revision=revision,
        details=None if details is None else json.loads(details),
        salt=salt,
        seal=seal,
        hash=hash,
    )
