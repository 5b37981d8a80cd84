"""What the modules for web frameworks share: tokens, answers to errors, and what a route needs.

Nothing here belongs to one framework; a module for another one begins with this.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from types import MappingProxyType
from typing import Final, Literal

from attrs import frozen

import seatperm

PROBLEM_JSON: Final = "application/problem+json"
"""The media type of `Answer.body`: RFC 9457."""

CHALLENGE: Final = MappingProxyType({"WWW-Authenticate": 'Bearer realm="seatperm"'})
"""What goes with every 401, as HTTP asks."""

RETRY_AFTER: Final = 5
"""Seconds after which to try again where a store did not answer."""


@frozen(kw_only=True)
class Cookie:
    """Keeps the session's token in a cookie that scripts can't read.

    Attributes:
        name: of the cookie; one that begins with `__Host-` is bound to the host by the browser itself.
        secure: sent over HTTPS only. False is for tests on plain HTTP.
        same_site: "lax" keeps other sites from posting with it; "strict" from linking with it too.
        path: below which it is sent.
        domain: to which it is sent; the host that set it unless said.
    """

    name: str = "__Host-seatperm"
    secure: bool = True
    same_site: Literal["lax", "strict", "none"] = "lax"
    path: str = "/"
    domain: str | None = None

    def __attrs_post_init__(self) -> None:
        bound = self.name.startswith("__Host-")
        if bound and not (self.secure and self.path == "/" and self.domain is None):
            expected = "another name: browsers drop a __Host- cookie that is not secure, or has a domain or a path"
            raise seatperm.InvalidValue("name", self.name, expected)
        if self.same_site == "none" and not self.secure:
            raise seatperm.InvalidValue("same_site", self.same_site, "'lax' or 'strict', or secure=True beside 'none'")

    def write(self, token: str | None) -> tuple[str, str]:
        """Return the header of an answer that hands over a token, or, with None, takes it back."""
        parts = [f"{self.name}={token or ''}", f"Path={self.path}"]
        if self.domain is not None:
            parts.append(f"Domain={self.domain}")
        if token is None:
            parts.append("Max-Age=0")
        if self.secure:
            parts.append("Secure")
        return "Set-Cookie", "; ".join([*parts, "HttpOnly", f"SameSite={self.same_site.capitalize()}"])


@frozen
class Bearer:
    """Takes the session's token from `Authorization: Bearer …`, for clients that are no browsers."""

    def write(self, token: str | None) -> tuple[str, str]:
        """Return the header of the answer to a sign-in, that hands over a token; empty with None."""
        return "Seatperm-Token", token or ""


Carrier = Cookie | Bearer
"""How a session's token travels."""


def brought(carrier: Carrier, authorization: str | None, cookies: Mapping[str, str]) -> str:
    """Return the token that a request brings.

    Args:
        carrier: how tokens travel.
        authorization: the request's header of that name, if it has one.
        cookies: the request's, by name, as the framework has read them.

    Raises:
        NotSignedIn: it brings none.
    """
    if isinstance(carrier, Cookie):
        token = cookies.get(carrier.name, "")
    else:
        scheme, _, rest = (authorization or "").partition(" ")
        token = rest.strip() if scheme.lower() == "bearer" else ""
    if not token:
        raise NotSignedIn(carrier)
    return token


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


class NotSignedIn(seatperm.SeatpermError):
    """A request brought no token.

    Attributes:
        expected: where the token was looked for.
    """

    def __init__(self, carrier: Carrier) -> None:
        self.expected = f"the cookie {carrier.name}" if isinstance(carrier, Cookie) else "the header Authorization"
        super().__init__(f"nobody is signed in: {self.expected} brings no token")


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
    """

    organization: seatperm.Organization
    carrier: Carrier

    def resume(self, authorization: str | None, cookies: Mapping[str, str]) -> seatperm.Session:
        """Take up, and so touch, the session whose token a request brings.

        Raises:
            NotSignedIn: it brings none.
            SessionEnded, StoreUnavailable: as `Organization.resume`.
        """
        return self.organization.resume(brought(self.carrier, authorization, cookies))

    def sign_in(self, user: str | seatperm.User, client: str | None, wait: timedelta | None) -> seatperm.Session:
        """Take a seat.

        Raises:
            HouseFull: there is none, and the user may view `organization.sessions`.
            SeatsExhausted, SignInRefused, UnknownUser, StoreUnavailable: as `Organization.sign_in`.
        """
        try:
            return self.organization.sign_in(user, client, wait)
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


def answer(error: seatperm.SeatpermError, *, reasons: bool = True, now: datetime | None = None) -> Answer:
    """Return what to answer to a request that ended in an error of seatperm's.

    401 who has to sign in, 403 who may not, 403 with "seats-exhausted" where the house
    is full, 503 with Retry-After where a store does not answer. Any other is the host's mistake: 500, without a word.

    Args:
        error: what was raised.
        reasons: whether a denial tells its user why.
        now: the present moment, for Retry-After; the wall clock's unless said.
    """
    match error:
        case NotSignedIn():
            return _problem(401, "not-signed-in", "Sign in first", str(error), headers=CHALLENGE)
        case seatperm.UnknownUser():
            return _problem(401, "not-signed-in", "Sign in first", "this is nobody who may sign in", headers=CHALLENGE)
        case seatperm.SessionEnded(reason=reason):
            told = {"reason": reason}
            return _problem(401, "session-ended", "Sign in again", str(error), headers=CHALLENGE, more=told)
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
