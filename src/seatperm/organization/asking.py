"""Who asks: the host, who may read all, or a user, through `as_user`."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from attrs import frozen

from ..catalog import ALL, OWN, USERS
from ..decision import host_only
from ..decision.explain import explain
from ..directory import User
from ..errors import InvalidValue
from .logs import denied
from .view import View


def user_id(user: str | User) -> str:
    """Return the id of a user id or a `User`.

    Raises:
        InvalidValue: it is neither.
    """
    if isinstance(user, str):
        return user
    if isinstance(user, User):
        return user.id
    raise InvalidValue("user", user, "a user id or a User")


def text(what: str, value: str) -> str:
    """Return a name as it is.

    Raises:
        InvalidValue: it is no string.
    """
    if not isinstance(value, str):
        raise InvalidValue(what, value, "a string")
    return value


def texts(what: str, values: Iterable[str]) -> tuple[str, ...]:
    """Return names as they are.

    Raises:
        InvalidValue: they are no strings, or one string, which would be read letter by letter.
    """
    if isinstance(values, str | bytes) or not isinstance(values, Iterable):
        raise InvalidValue(what, values, "a list of strings")
    return tuple(text(what, value) for value in values)


@frozen
class Asking:
    """On whose behalf an organization is read.

    Attributes:
        view: the organization.
        actor: the id of the user who asks; None for the host.
    """

    view: View
    actor: str | None = None

    def is_actor(self, id: str) -> bool:
        """Tell whether the one who asks is that user."""
        return self.actor is not None and id == self.actor

    def may(self, resource: str, action: str = "view", *, scope: str = ALL) -> bool:
        """Tell whether the one who asks may do it."""
        if self.actor is None:
            return True
        self.view.fresh()
        return self.view.allows(self.actor, resource, action, scope)

    def ask(self, resource: str, action: str = "view", *, scope: str = ALL) -> None:
        """Go on only if the one who asks may do it.

        Raises:
            AccessDenied: with the decision.
        """
        if self.actor is not None and not self.may(resource, action, scope=scope):
            user = self.view.user(self.actor)
            license = self.view.record.license
            decision = explain(
                self.view.catalog, license, user, self.view.now(), resource, action, scope, user_id=self.actor
            )
            raise denied(self.view.id, decision, self.actor)

    def may_view(self, id: str | None) -> None:
        """Go on only if the one who asks may view that user, or, for None, every user.

        Raises:
            AccessDenied: with the decision.
        """
        if self.actor is not None:
            self.ask(USERS, scope=OWN if id == self.actor else ALL)

    def visible(self) -> Iterator[User]:
        """Iterate over the users whom the one who asks may view, in the order of their ids."""
        if self.may(USERS):
            return self.view.everyone()
        if not self.may(USERS, scope=OWN):
            return iter(())
        oneself = self.view.as_known(self.view.directory.user(self.view.id, self.actor or ""))
        return iter(() if oneself is None else (oneself,))

    def host_only(self, action: str, resource: str = USERS) -> None:
        """Refuse everybody but the host.

        Raises:
            AccessDenied: with the decision.
        """
        if self.actor is not None:
            raise denied(self.view.id, host_only(self.actor, resource, action), self.actor)
