"""The users of an organization: `org.users`."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from uuid import uuid4

from attrs import define, evolve

from ..directory import User, email_key, identifier, person_name, shown
from ..errors import (
    EmailTaken,
    InvalidValue,
    InvitationRefused,
    UnknownUser,
    UserExists,
)
from ..sessions import token_hash
from .asking import texts, user_id
from .changes import Change
from .holdings import Holdings, known_type
from .invitation import Invitation, OnInvitation, new_invitation


@define(eq=False, repr=False)
class Users(Holdings):
    """The users of an organization, in the order of their ids.

    Iteration and `len()` speak of those that may be seen: for the host all, for `as_user` those whom that
    user may view.
    """

    _on_invitation: OnInvitation | None
    _end_sessions: Callable[[str], None]

    def __getitem__(self, id: str) -> User:
        """Return a user by id.

        Raises:
            UnknownUser: there is none.
            AccessDenied: the one who asks may not view that user.
        """
        id = user_id(id)
        self._asking.may_view(id)
        user = self._stored(id)
        if user is None:
            raise UnknownUser(id)
        return user

    def get(self, id: str) -> User | None:
        """Return a user by id, None where there is none.

        Raises:
            AccessDenied: the one who asks may not view that user.
        """
        id = user_id(id)
        self._asking.may_view(id)
        return self._stored(id)

    def by_email(self, email: str) -> User | None:
        """Return the user with an e-mail address, however it is spelt; None where there is none.

        Raises:
            InvalidValue: it is no e-mail address.
            AccessDenied: the one who asks may not view that user.
        """
        key = email_key(email)
        found = next((user for user in self._view.directory.users(self._view.id, email_key=key)), None)
        self._asking.may_view(found.id if found is not None and self._asking.is_actor(found.id) else None)
        return self._view.as_known(found)

    def __iter__(self) -> Iterator[User]:
        return self._asking.visible()

    def __len__(self) -> int:
        return sum(1 for _ in self)

    def __contains__(self, id: object) -> bool:
        return isinstance(id, str) and self.get(id) is not None

    def invite(
        self,
        *,
        email: str,
        name: str,
        roles: Iterable[str] = (),
        type: str = "app",
        id: str | None = None,
        session_limit: int | None = None,
    ) -> Invitation:
        """Ask somebody to join; the host sends the token to the address.

        Args:
            email: the address, kept as it is given.
            name: what to call the person.
            roles: roles to hold from the first day.
            type: a user type of the catalog.
            id: the host's own id for the user; a new random one unless said.
            session_limit: the license's session limit from now on, changed in the same step; left as it is
                unless said. `preview_license(session_limit=...)` shows the charge first.

        Raises:
            AccessDenied: `organization.users:create` is needed, for roles or another type `assign` too, for a
                session limit `organization.license:edit`.
            EmailTaken: a user of this organization has the address.
            UserExists: the id is in use.
            InvalidLicense, InvalidValue, UnknownUserType, UnknownRole, RoleNotInPackage: what they say.
        """
        key, name = email_key(email), person_name(name)
        token, pending = new_invitation(self._view.now())
        with self._change() as made:
            wanted = self._newcomer(made, email.strip(), name, texts("roles", roles), type)
            _set_session_limit(made, session_limit)
            before = self._make_room(made, email, key, id)
            known = next((user for where, user in made.store.people(key) if where != made.id), None)
            new_id = id or (before.id if before else str(uuid4()))
            person = known.person if known is not None else new_id
            user = evolve(wanted, id=new_id, person=person, state="invited", invitation=pending)
            made.put("user.invited", None, user)
        return self._handed_over(Invitation(shown(user), token, pending.until, self._view.id))

    def add(
        self,
        *,
        id: str,
        email: str,
        name: str,
        roles: Iterable[str] = (),
        type: str = "app",
        session_limit: int | None = None,
    ) -> User:
        """Add a user who is active at once, for hosts with a sign-up of their own.

        Args:
            id, email, name, roles, type, session_limit: as `invite` takes them.

        Raises:
            EmailTaken: somebody of this store has the address; who is of another organization is invited.
            AccessDenied, UserExists, InvalidLicense, InvalidValue: as `invite`.
            UnknownUserType, UnknownRole, RoleNotInPackage: as `invite`.
            UserLimitReached: the license admits no more named users.
        """
        key, name = email_key(email), person_name(name)
        self._end_left(identifier("id", id))
        with self._change() as made:
            wanted = self._newcomer(made, email.strip(), name, texts("roles", roles), type)
            _set_session_limit(made, session_limit)
            if any(where != made.id for where, _ in made.store.people(key)):
                raise EmailTaken(email)
            self._make_room(made, email, key, id)
            return made.put("user.added", None, evolve(wanted, id=id, person=id))

    def reinvite(self, user: str | User) -> Invitation:
        """Issue a new token for a user, invited or active; the one before is void.

        Raises:
            AccessDenied: `organization.users:create` is needed; for who may assign, `assign` too.
            UnknownUser: there is none.
        """
        token, pending = new_invitation(self._view.now())
        with self._change() as made:
            before = self._touched(made, user, "create")
            after = evolve(before, invitation=pending)
            made.put("user.reinvited", before, after, details={"until": pending.until.isoformat()})
        return self._handed_over(Invitation(shown(after), token, pending.until, self._view.id))

    def accept(self, token: str) -> User:
        """Accept an invitation: the user is active from now on. The host calls it when the link is followed.

        Raises:
            InvitationRefused: the token is unknown here (never issued, used, or made void), or has ended.
            UserLimitReached: the license admits no more named users; the token can be used later.
            AccessDenied: called through `as_user`.
        """
        if not isinstance(token, str):
            raise InvalidValue("token", token.__class__, "the token of an invitation, a string")
        self._asking.host_only("create")
        with self._view.directory.change() as store:
            invited = store.invited(token_hash(token))
        if invited is not None and invited[0] == self._view.id:
            for id in {invited[1].id, invited[1].person}:
                self._end_left(id)
        with self._change() as made:
            found = made.store.invited(token_hash(token))
            if found is None or found[0] != made.id or found[1].invitation is None:
                raise InvitationRefused("unknown")
            before = found[1]
            if found[1].invitation.until <= made.now:
                raise InvitationRefused("ended")
            after = evolve(before, state="active", invitation=None)
            known = self._known_elsewhere(made, before)
            if known is not None:
                after = evolve(after, id=known.id, email=known.email, name=known.name)
            if after.id != before.id:
                made.rename("user.accepted", before, after)
            else:
                made.put("user.accepted", before, evolve(after, person=after.id))
        return after

    def lock(self, user: str | User) -> User:
        """Shut a user out of this organization at once; everything held is kept.

        Raises:
            AccessDenied: `organization.users:edit` on that user is needed; for who may assign, `assign` too.
            UnknownUser: there is none.
            LastAdministrator: nobody who may assign would be left.
        """
        with self._change() as made:
            before = self._touched(made, user, "edit")
            return made.put("user.locked", before, evolve(before, locked=True))

    def unlock(self, user: str | User) -> User:
        """Let a locked user in again, with everything held; who has not accepted yet stays invited.

        Raises:
            AccessDenied, UnknownUser: as `lock`.
            UserLimitReached: the license admits no more named users.
        """
        with self._change() as made:
            before = self._touched(made, user, "edit")
            return made.put("user.unlocked", before, evolve(before, locked=False))

    def rename(self, user: str | User, name: str) -> User:
        """Change what a person is called, in every organization that the person is a user of.

        Raises:
            AccessDenied: as `lock`; of a person in several organizations only the host may.
            UnknownUser, InvalidValue: what they say.
        """
        name = person_name(name)
        with self._change() as made:
            before = self._touched(made, user, "edit")
            for organization, one in self._everywhere(made, before):
                made.put("user.renamed", one, evolve(one, name=name), organization=organization)
            return shown(evolve(before, name=name))

    def change_email(self, user: str | User, email: str) -> Invitation:
        """Change a person's address; here the user has to accept again, and every earlier token is void.

        Raises:
            AccessDenied: as `lock`; of a person in several organizations only the host may.
            EmailTaken: somebody of this store has the address.
            LastAdministrator: nobody who may assign would be left active.
            UnknownUser, InvalidValue: what they say.
        """
        key, address = email_key(email), email.strip()
        token, pending = new_invitation(self._view.now())
        with self._change() as made:
            before = self._touched(made, user, "edit")
            if before.person != before.id:  # still to join: the new address is not known to be the same person's
                before = evolve(before, person=before.id)
            made.address_is_free(email, key, before)
            after = evolve(before, email=address, state="invited", invitation=pending)
            for organization, one in self._everywhere(made, before):
                moved = after if organization == made.id else evolve(one, email=address, invitation=None)
                made.put("user.email_changed", one, moved, organization=organization)
            for organization, joining in tuple(made.store.person(before.person)):
                if joining.id != joining.person and joining.invitation is not None:
                    detached = evolve(joining, person=joining.id, invitation=None)
                    made.put("user.invitation_voided", joining, detached, organization=organization)
        try:
            self._end_sessions(before.id)
        finally:
            invitation = self._handed_over(Invitation(shown(after), token, pending.until, self._view.id))
        return invitation

    def dismiss(self, user: str | User) -> None:
        """Take a user out of this organization, with everything held here; the record is kept for the trail.

        A staff record linked to the user is kept too, and is no user's any more.

        Raises:
            AccessDenied: `organization.users:delete` is needed; for who may assign, `assign` too.
            UnknownUser: there is none.
            LastAdministrator: nobody who may assign would be left.
        """
        with self._change() as made:
            before = self._touched(made, user, "delete")
            made.put("user.dismissed", before, _taken_out(before))
            made.unlink_staff(before)
        self._end_sessions(before.id)

    def forget(self, user: str | User) -> None:
        """Erase what is personal about a user in this organization, dismissed now or before; it can't be undone.

        E-mail, name and the details of every event about the user go. The id stays, in records of the host
        and in the trail, which still verifies. A staff record linked to the user stays as it is, and is no
        user's any more. In other organizations nothing changes.

        Raises:
            UnknownUser: there never was one.
            LastAdministrator: nobody who may assign would be left.
            AccessDenied: called through `as_user`.
        """
        id = user_id(user)
        self._asking.host_only("delete")
        self._end_sessions(id)
        with self._change() as made:
            before = made.store.user(made.id, id)
            if before is None:
                raise UnknownUser(id)
            after = evolve(_taken_out(before), email="", name="")
            former = (id, *self._former_ids(id))
            if after != before:
                made.unlink_staff(before)
            for one in former:
                made.store.erase(made.id, one)
                made.store.drop_history(made.id, user=one)
            if after != before:
                made.put("user.forgotten", before, after, details={})
        self._end_sessions(id)

    def _end_left(self, id: str) -> None:
        """End what is still signed in of a user who left, or has to accept anew, before the id is active again."""
        stored = self._view.directory.user(self._view.id, id)
        if stored is not None and (stored.dismissed or stored.state == "invited"):
            self._end_sessions(id)

    def _stored(self, id: str) -> User | None:
        return self._view.as_known(self._view.directory.user(self._view.id, id))

    def _former_ids(self, id: str) -> Iterator[str]:
        """Iterate over the ids under which the user was invited here, and which acceptance gave up."""
        for event in self._view.directory.events(self._view.id):
            if event.user == id and event.details is not None and "invited_as" in event.details:
                yield str(event.details["invited_as"])

    def _handed_over(self, invitation: Invitation) -> Invitation:
        if self._on_invitation is not None:
            self._on_invitation(invitation)
        return invitation

    def _touched(self, made: Change, user: str | User, action: str) -> User:
        id = user_id(user)
        made.ask(action, on=id if action == "edit" else None)
        before = made.user(id)
        made.ask_about_administrator(before)
        return before

    def _newcomer(self, made: Change, email: str, name: str, roles: tuple[str, ...], type: str) -> User:
        made.ask("create")
        if roles or type != "app":
            made.ask("assign")
        for role in roles:
            made.may_be_given(role)
        return User(
            id="",
            email=email,
            name=name,
            type=known_type(made, type),
            roles=dict.fromkeys(roles),
            base=made.record.global_permissions,
        )

    def _make_room(self, made: Change, email: str, key: str, id: str | None) -> User | None:
        """Return the dismissed user whose place a newcomer takes, if there is one."""
        before = next(iter(made.store.users(made.id, email_key=key)), None)
        if before is not None and not before.dismissed:
            raise EmailTaken(email)
        if id is None:
            return before
        identifier("id", id)
        if any(where != made.id or not one.dismissed for where, one in made.store.person(id)):
            raise UserExists(id)
        if before is not None and before.id != id:
            made.store.put_user(made.id, before, email_key=None)
            made.event("user.email_freed", before.id, {})
        return made.store.user(made.id, id)

    def _known_elsewhere(self, made: Change, invited: User) -> User | None:
        """Return the person who joins, as another organization knows the person; None for somebody new."""
        elsewhere = [
            one
            for where, one in made.store.person(invited.person)
            if where != made.id and one.id == invited.person and one.email
        ]
        accepted = [one for one in elsewhere if one.state == "active"]
        if invited.person == invited.id:  # back again, under the id that is known here already
            elsewhere = accepted
        return min(accepted or elsewhere, key=lambda one: one.dismissed, default=None)

    def _everywhere(self, made: Change, user: User) -> list[tuple[str, User]]:
        everywhere = made.store.person(user.person)
        places = [(where, one) for where, one in everywhere if one.id == user.id and one.email]
        if len(places) > 1:
            made.host_only("edit")
        return places


def _taken_out(user: User) -> User:
    return evolve(user, dismissed=True, locked=False, roles={}, base={}, overrides={}, staff=None, invitation=None)


def _set_session_limit(made: Change, limit: int | None) -> None:
    if limit is not None:
        made.ask("edit", resource="organization.license")
        made.put_license(evolve(made.store.organization(made.id).license, session_limit=limit))
