"""What the tests of the directory kit stand on: a store, an organization of their own, short ways to write."""

from __future__ import annotations

import secrets
from collections.abc import Iterable
from datetime import UTC, datetime

from .. import audit
from ..directory import Organization, Override, User
from ..license import License
from ..stores import DirectoryChange, DirectoryStore

NOON = datetime(2027, 3, 1, 12, tzinfo=UTC)
MANY = 700
"""More users than a store is likely to read at one time."""


class DirectoryFixture:
    """A store with an organization of the test's own, and short ways to write to it."""

    store: DirectoryStore
    organization: str

    def open(self) -> DirectoryStore:
        """Return the store; called once a test. Other tests' content may be there already."""
        raise NotImplementedError

    def reopen(self) -> DirectoryStore | None:
        """Return another store object on the same content, as another process has it; None where that can't be."""
        return None

    def setup_method(self) -> None:
        """Open the store before each test, with an organization of its own."""
        self.store = self.open()
        self.organization = self.make()

    def teardown_method(self) -> None:
        """Close the store after each test."""
        self.store.close()

    def make(self) -> str:
        """Add an organization, and return its id."""
        id = f"kit-{secrets.token_hex(6)}"
        with self.store.change() as change:
            change.put_organization(Organization(id, License("retail")))
        return id

    def put(self, *users: User, organization: str | None = None) -> None:
        """Write users in one change, each with the e-mail address as its key."""
        with self.store.change() as change:
            for user in users:
                change.put_user(organization or self.organization, user, email_key=user.email)

    def event(
        self,
        change: DirectoryChange,
        kind: str = "tested",
        *,
        user: str | None = "ann",
        details: object = None,
        organization: str | None = None,
    ) -> audit.Event:
        """Append an event."""
        place = organization or self.organization
        event = audit.link(
            change.head(place),
            at=NOON,
            actor=None,
            kind=kind,
            user=user,
            revision=change.revision(place),
            details={"details": details},
        )
        change.append(place, event)
        return event


def user(
    id: str,
    email: str | None = None,
    *,
    roles: dict[str, datetime | None] | None = None,
    overrides: dict[str, Override] | None = None,
) -> User:
    """Return a user of the kit's."""
    return User(id, email or f"{id}@kit.example", id.title(), roles=roles or {}, overrides=overrides or {})


def ids(users: Iterable[User]) -> list[str]:
    """Return the users' ids, in their order."""
    return [user.id for user in users]


def mine(found: Iterable[tuple[str, User]], places: Iterable[str]) -> dict[str, User]:
    """Return the users of these organizations, each in its own."""
    return {place: user for place, user in found if place in set(places)}
