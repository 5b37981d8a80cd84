"""A directory in the tables of a database, changed: what SQLite and PostgreSQL share."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Collection, Iterator, Sequence
from datetime import datetime, timedelta
from itertools import chain

from ..audit import START, Event
from ..directory import Organization, Staff, User
from ..errors import EmailTaken, UnknownOrganization, UnknownUser, UserExists
from ..sessions import Past
from .tables import ALL, PAGE, Dialect, TablesReader, Values
from .written import write_entries, write_entry, write_json, write_roles, write_time

PUT_ORGANIZATION = """
    INSERT INTO $.organizations (
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
    INSERT INTO $.users (
        organization, id, person, email, email_key, name, type, state, locked, dismissed, staff, base,
        invitation_hash, invitation_until, revision
    ) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
    ON CONFLICT (organization, id) DO UPDATE SET
        person = excluded.person, email = excluded.email, email_key = excluded.email_key, name = excluded.name,
        type = excluded.type, state = excluded.state, locked = excluded.locked, dismissed = excluded.dismissed,
        staff = excluded.staff, base = excluded.base, invitation_hash = excluded.invitation_hash,
        invitation_until = excluded.invitation_until, revision = excluded.revision"""

PUT_ROLES = 'INSERT INTO $.user_roles (organization, "user", role, until)'

PUT_OVERRIDES = 'INSERT INTO $.user_overrides (organization, "user", resource, grants, until)'

PUT_FORMER_ID = """
    INSERT INTO $.former_ids (organization, id, revision) VALUES (?, ?, ?)
    ON CONFLICT (organization, id) DO UPDATE SET revision = excluded.revision"""

PUT_STAFF = """
    INSERT INTO $.staff (organization, id, name, "user", active) VALUES (?, ?, ?, ?, ?)
    ON CONFLICT (organization, id) DO UPDATE SET
        name = excluded.name, "user" = excluded."user", active = excluded.active"""

PUT_PAST = """
    INSERT INTO $.history (organization, id, "user", client, began, ended, how, refused) VALUES (?, ?, ?, ?, ?, ?, ?, ?)
    ON CONFLICT (organization, id) DO UPDATE SET "user" = excluded."user", client = excluded.client,
        began = excluded.began, ended = excluded.ended, how = excluded.how, refused = excluded.refused"""

DROP_HISTORY = """
    DELETE FROM $.history WHERE organization = ? AND id IN (
        SELECT id FROM $.history WHERE organization = ? AND {where} ORDER BY ended, id LIMIT ?)"""

PUT_EVENT = """
    INSERT INTO $.events (organization, number, at, actor, kind, "user", revision, details, salt, seal, hash)
    VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"""


class TablesChange(TablesReader):
    """One transaction.

    Attributes:
        made: the revisions that it has made, by organization.
    """

    def __init__(self, url: str, dialect: Dialect) -> None:
        super().__init__(url, dialect)
        self.made: dict[str, int] = {}
        self._records: dict[str, Organization] = {}
        self._next: dict[str, int] = {}

    def organization(self, organization: str) -> Organization:
        """Return the organization's record; read once, as nobody else writes meanwhile."""
        record = self._records.get(organization)
        return record or self._records.setdefault(organization, super().organization(organization))

    def revision(self, organization: str) -> int:
        """Return the revision that this change will make."""
        known = self.made.get(organization) or self._next.get(organization)
        if known is None:
            rows = self._select("SELECT revision FROM $.organizations WHERE id = ?", (organization,))
            if not rows:
                return 1
            known = self._next[organization] = rows[0][0] + 1
        return known

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
            "SELECT coalesce(sum(number), 0) FROM $.active_users"
            f" WHERE organization = ? AND type IN ({self._dialect.listed})",
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
        self.made[record.id] = revision
        self._records.pop(record.id, None)

    def put_user(self, organization: str, user: User, *, email_key: str | None) -> None:
        """Write a user, new or not."""
        self._refuse_taken(organization, user, email_key, user.id)
        revision, invitation = self._touch(organization), user.invitation
        self._write_user(
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
        held, kept = user.roles.items(), user.overrides.items()
        self._insert(PUT_ROLES, [(organization, user.id, role, write_time(until)) for role, until in held])
        rows = ((resource, write_entry(override.entry), write_time(override.until)) for resource, override in kept)
        self._insert(PUT_OVERRIDES, [(organization, user.id, *row) for row in rows])

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
            self._execute("DELETE FROM $.users WHERE organization = ? AND id = ?", (organization, id))
            self._execute(PUT_FORMER_ID, (organization, id, self._touch(organization)))
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
        said = [pair for pair in (("ended <= ?", write_time(before)), ('"user" = ?', user)) if pair[1] is not None]
        where = " AND ".join(where for where, _ in said) or "TRUE"
        values = (organization, organization, *(value for _, value in said), ALL if limit is None else limit)
        self._execute(DROP_HISTORY.format(where=where), values)

    def append(self, organization: str, event: Event) -> None:
        """Add an event at the end of the trail."""
        self._refuse_unknown(organization)
        self._execute(
            PUT_EVENT,
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
            "UPDATE $.organizations SET events = ?, last_hash = ? WHERE id = ?",
            (event.number, event.hash, organization),
        )

    def erase(self, organization: str, user: str) -> None:
        """Set the details of every event of that user to None."""
        self._refuse_unknown(organization)
        self._execute('UPDATE $.events SET details = NULL WHERE organization = ? AND "user" = ?', (organization, user))

    def _write_user(self, values: Values) -> None:
        """Write a user's row, new or not: its columns in the order of `PUT_USER`."""
        self._execute(PUT_USER, values)

    def _touch(self, organization: str) -> int:
        if organization not in self.made:
            revision = self.revision(organization)
            if not self._execute("UPDATE $.organizations SET revision = ? WHERE id = ?", (revision, organization)):
                raise UnknownOrganization(organization)
            self.made[organization] = revision
            self._records.pop(organization, None)
        return self.made[organization]

    def _refuse_unknown(self, organization: str) -> None:
        if organization not in self.made and not self._select(
            "SELECT 1 FROM $.organizations WHERE id = ?", (organization,)
        ):
            raise UnknownOrganization(organization)

    def _refuse_taken(self, organization: str, user: User, email_key: str | None, id: str) -> None:
        taken = "SELECT 1 FROM $.users WHERE email_key = ? AND organization = ? AND id NOT IN (?, ?)"
        if email_key is not None and self._select(taken, (email_key, organization, user.id, id)):
            raise EmailTaken(user.email)

    def _remove(self, organization: str, user: str, *tables: str) -> None:
        for table in tables:
            self._execute(f'DELETE FROM $.{table} WHERE organization = ? AND "user" = ?', (organization, user))

    def _insert(self, into: str, rows: Sequence[Values]) -> None:
        for page in (rows[begin : begin + PAGE] for begin in range(0, len(rows), PAGE)):
            marks = ", ".join(f"({', '.join('?' * len(row))})" for row in page)
            self._execute(f"{into} VALUES {marks}", tuple(chain.from_iterable(page)))

    @abstractmethod
    def _execute(self, sql: str, values: Values) -> int:
        """Run a statement, and return how many rows it touched."""
