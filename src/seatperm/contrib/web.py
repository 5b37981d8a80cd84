"""What the modules for web frameworks share: tokens, answers to errors, and what a route needs.

Nothing here belongs to one framework; a module for another one begins with this.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from types import MappingProxyType
from typing import Final, Literal, Protocol, TypeVar

from attrs import evolve, frozen

import seatperm

from .tokens import Bearer, Carrier, Cookie, NotSignedIn, brought

__all__ = [
    "CHALLENGE",
    "DEAD",
    "PROBLEM_JSON",
    "RETRY_AFTER",
    "Answer",
    "Bearer",
    "Carrier",
    "Cookie",
    "Gate",
    "Held",
    "HiddenDenial",
    "HouseFull",
    "Need",
    "NotInstalled",
    "NotSignedIn",
    "OnUnavailable",
    "Route",
    "Stranger",
    "answer",
    "asked_of",
    "brought",
    "marked",
    "public",
    "same",
]

PROBLEM_JSON: Final = "application/problem+json"
"""The media type of `Answer.body`: RFC 9457."""

CHALLENGE: Final = MappingProxyType({"WWW-Authenticate": 'Bearer realm="seatperm"'})
"""What goes with every 401, as HTTP asks."""

DEAD: Final = MappingProxyType({"WWW-Authenticate": 'Bearer realm="seatperm", error="invalid_token"'})
"""The same to who brought a token that is dead: RFC 6750, section 3.1."""

RETRY_AFTER: Final = 5
"""Seconds after which to try again where a store did not answer."""


V = TypeVar("V")

OnUnavailable = Literal["deny", "grace"]
"""What a request gets while the session store does not answer: a 503, or on with what was last seen of its session."""


class Held(Protocol):
    """What a session of either kind tells without being awaited."""

    @property
    def user(self) -> seatperm.User:
        """Whose it is."""
        ...

    @property
    def client(self) -> str | None:
        """The connection's name."""
        ...


@frozen
class Need:
    """What a route asks of who calls it.

    Attributes:
        resource: the resource.
        action: the action.
        scope: the scope that is asked, None for the record's, or, without a record, for every record.
        hide_existence: a denial looks like a page that there is not.
    """

    resource: str
    action: str
    scope: str | None = None
    hide_existence: bool = False

    def check(self, catalog: seatperm.Catalog) -> None:
        """Find a misspelt name when the route is made, not when it is called.

        Raises:
            UnknownResource, UnknownAction, UnknownScope: the catalog has none of that name.
        """
        catalog.require_action(self.resource, self.action)
        if self.scope is not None:
            catalog.require_scope(self.scope)

    def __str__(self) -> str:
        return f"{self.resource}:{self.action}" + (f":{self.scope}" if self.scope is not None else "")


@frozen
class Route:
    """A route of an application, and what it asks.

    Attributes:
        path: as the framework writes it.
        methods: of HTTP, sorted.
        needs: what it asks; empty where it asks nothing.
        signed_in: whether it asks for a session at least.
        public: whether it is said to be for everyone.
    """

    path: str
    methods: tuple[str, ...]
    needs: tuple[Need, ...] = ()
    signed_in: bool = False
    public: bool = False

    @property
    def unchecked(self) -> bool:
        """Whether nobody has said what it needs: neither an action, nor a session, nor that it is public."""
        return not (self.needs or self.signed_in or self.public)

    def beside(self, other: Route) -> Route:
        """Return this route, asking what the other asks too: a class and one of its methods, say."""
        return evolve(
            self,
            needs=(*self.needs, *other.needs),
            signed_in=self.signed_in or other.signed_in,
            public=self.public or other.public,
        )


_ROUTE: Final = "_seatperm_route"


def asked_of(view: object) -> Route:
    """Return what a view, a guard or a dependency asks, its path and methods left open; nothing where nobody said."""
    asks = getattr(view, _ROUTE, None)
    return asks if isinstance(asks, Route) else Route("", ())


def marked(view: V, *needs: Need) -> V:
    """Leave on a view, a guard or a dependency what it asks: a session, these needs, and what it asked before."""
    asks = asked_of(view)
    setattr(view, _ROUTE, evolve(asks, needs=(*needs, *asks.needs), signed_in=True))
    return view


def public(view: V) -> V:
    """Say that a view is for everyone, so that `seatperm routes` does not name it."""
    setattr(view, _ROUTE, Route("", (), public=True))
    return view


@frozen
class Answer:
    """What a request gets instead of what it asked for.

    Attributes:
        status: of HTTP.
        headers: more of the answer's headers, by name.
        body: a problem as RFC 9457 says, ready for JSON.
    """

    status: int
    headers: Mapping[str, str]
    body: Mapping[str, object]


class NotInstalled(seatperm.SeatpermError):
    """A token can't be handed over, for the application does not know of seatperm yet.

    Attributes:
        expected: what to call.
    """

    def __init__(self, expected: str) -> None:
        self.expected = expected
        super().__init__(f"the application does not know of seatperm yet; {expected}")


class Stranger(seatperm.UnknownUser):
    """Somebody whom the host knows, and who is no user of the organization."""


class HiddenDenial(seatperm.AccessDenied):
    """A denial that its user is not told of: to be answered in the words in which the framework says 404."""


class HouseFull(seatperm.SeatsExhausted):
    """Every seat is taken, and who asked may see by whom: `SeatsExhausted` with who is there.

    Attributes:
        holders: the live sessions.
    """

    def __init__(self, full: seatperm.SeatsExhausted, holders: Iterable[seatperm.Seat]) -> None:
        self.holders = tuple(holders)
        super().__init__(full.limit, full.in_use, full.next_free_at)


@frozen
class Gate:
    """Takes sessions up, and lets pass who may.

    Attributes:
        organization: the organization of the present request.
        carrier: how tokens travel.
        on_unavailable: as `Organization.resume`.
    """

    organization: seatperm.Organization
    carrier: Carrier
    on_unavailable: OnUnavailable = "deny"

    def resume(self, authorization: str | None, cookies: Mapping[str, str]) -> seatperm.Session:
        """Take up, and so touch, the session whose token a request brings.

        Raises:
            NotSignedIn: it brings none.
            SessionEnded, StoreUnavailable: as `Organization.resume`.
        """
        token = brought(self.carrier, authorization, cookies)
        return self.organization.resume(token, on_unavailable=self.on_unavailable)

    def sign_in(
        self,
        authorization: str | None,
        cookies: Mapping[str, str],
        user: str | seatperm.User,
        client: str | None,
        wait: timedelta | None,
    ) -> seatperm.Session:
        """Take a seat.

        Whoever signs in again from where they are signed in keeps the seat, and gets a fresh token; a session of
        anybody else, or of another client, that the request brought is ended first.

        Raises:
            HouseFull: there is none, and the user may view `organization.sessions`.
            Stranger: the organization has no such user.
            SeatsExhausted, SignInRefused, StoreUnavailable: as `Organization.sign_in`.
        """
        with suppress(NotSignedIn, seatperm.SessionEnded):
            before = self.resume(authorization, cookies)
            if not same(before, user, client):
                before.end()
            elif client is None:
                before.rotate()
                return before
        try:
            return self.organization.sign_in(user, client, wait)
        except seatperm.UnknownUser as unknown:
            raise Stranger(unknown.name) from unknown
        except seatperm.SeatsExhausted as full:
            if self.organization.can(user, "organization.sessions", "view"):
                raise HouseFull(full, self.organization.sessions) from full
            raise

    def leave(self, authorization: str | None, cookies: Mapping[str, str]) -> None:
        """End the session whose token a request brings, if it brings one and that is live.

        Raises:
            StoreUnavailable: as `Session.end`.
        """
        with suppress(NotSignedIn, seatperm.SessionEnded):
            self.resume(authorization, cookies).end()

    def require(self, session: seatperm.Session, need: Need, record: object = None) -> None:
        """Go on only if the session's user may do what is needed, with the record if one is given.

        Raises:
            AccessDenied: with the decision; a `HiddenDenial` where existence is hidden.
            UnknownResource, UnknownAction, UnknownScope, NoRelation, StoreUnavailable: as `Organization.require`.
        """
        try:
            self.organization.require(session.user, need.resource, need.action, record, scope=need.scope)
        except seatperm.AccessDenied as denied:
            if need.hide_existence:
                raise HiddenDenial(denied.decision) from denied
            raise


def same(session: Held, user: str | seatperm.User, client: str | None) -> bool:
    """Tell whether a session is this user's and this client's."""
    return session.client == client and session.user.id == (user.id if isinstance(user, seatperm.User) else user)


def answer(error: seatperm.SeatpermError, *, reasons: bool = True, now: datetime | None = None) -> Answer:
    """Return what to answer to a request that ended in an error of seatperm's.

    401 who has to sign in, 403 who may not, 403 with "seats-exhausted" where the house
    is full, 404 where the request's organization is unknown, 503 with Retry-After where a store does not answer. Any
    other is the host's mistake: 500, without a word.

    Args:
        error: what was raised.
        reasons: whether a denial tells its user why.
        now: the present moment, for Retry-After; the wall clock's unless said.
    """
    match error:
        case NotSignedIn():
            return _problem(401, "not-signed-in", "Sign in first", str(error), headers=CHALLENGE)
        case Stranger():
            detail = "this is no user of the organization"
            return _problem(403, "sign-in-refused", "Sign-in refused", detail, more={"reason": "unknown_user"})
        case seatperm.SessionEnded(reason=reason):
            told = {"reason": reason}
            return _problem(401, "session-ended", "Sign in again", str(error), headers=DEAD, more=told)
        case seatperm.SignInRefused(reason=reason):
            return _problem(403, "sign-in-refused", "Sign-in refused", str(error), more={"reason": reason})
        case seatperm.SeatsExhausted():
            wait = _seconds_until(error.next_free_at, now)
            headers = {} if wait is None else {"Retry-After": str(wait)}
            return _problem(403, "seats-exhausted", "Every seat is taken", str(error), headers, dict(_house(error)))
        case seatperm.AccessDenied(decision=decision) if not isinstance(error, HiddenDenial):
            why = {"reason": decision.reason.value, "resource": decision.resource, "action": decision.action}
            text = decision.summary if reasons else None
            return _problem(403, "access-denied", "Access denied", text, more=why if reasons else {})
        case seatperm.UnknownOrganization():
            return _problem(404, "unknown-organization", "Not Found", None)
        case seatperm.StoreUnavailable():
            detail = "the books can't be read now; try again in a moment"
            headers = {"Retry-After": str(RETRY_AFTER)}
            return _problem(503, "store-unavailable", "Try again", detail, headers)
        case _:
            return _problem(500, None, "Internal Server Error", None)


def _problem(
    status: int,
    kind: str | None,
    title: str,
    detail: str | None,
    headers: Mapping[str, str] = MappingProxyType({}),
    more: Mapping[str, object] = MappingProxyType({}),
) -> Answer:
    body: dict[str, object] = {"type": f"urn:seatperm:{kind}" if kind else "about:blank", "title": title}
    body |= {"status": status, **({} if detail is None else {"detail": detail}), **more}
    return Answer(status, {"Cache-Control": "no-store", **headers}, body)


def _seconds_until(moment: datetime | None, now: datetime | None) -> int | None:
    return None if moment is None else max(1, round((moment - (now or datetime.now(UTC))).total_seconds()))


def _house(full: seatperm.SeatsExhausted) -> Iterator[tuple[str, object]]:
    yield from (("limit", full.limit), ("in_use", full.in_use))
    if full.next_free_at is not None:
        yield "next_free_at", full.next_free_at.isoformat()
    if isinstance(full, HouseFull):
        yield "holders", [{"user": seat.user_id, "since": seat.started_at.isoformat()} for seat in full.holders]
