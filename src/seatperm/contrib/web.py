"""What the modules for web frameworks share: tokens, answers to errors, and what a route needs.

Nothing here belongs to one framework; a module for another one begins with this.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from datetime import UTC, datetime
from typing import Final, Literal

from attrs import frozen

import seatperm

PROBLEM_JSON: Final = "application/problem+json"
"""The media type of `Answer.body`: RFC 9457."""

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


def brought(carrier: Carrier, headers: Mapping[str, str], cookies: Mapping[str, str]) -> str:
    """Return the token that a request brings.

    Args:
        carrier: how tokens travel.
        headers: the request's, by name; upper and lower case are the same.
        cookies: the request's, by name, as the framework has read them.

    Raises:
        NotSignedIn: it brings none.
    """
    if isinstance(carrier, Cookie):
        token = cookies.get(carrier.name, "")
    else:
        sent = next((value for name, value in headers.items() if name.lower() == "authorization"), "")
        scheme, _, rest = sent.partition(" ")
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
        open: whether it is said to be for everyone.
    """

    path: str
    methods: tuple[str, ...]
    needs: tuple[Need, ...] = ()
    signed_in: bool = False
    open: bool = False

    @property
    def unchecked(self) -> bool:
        """Whether nobody has said what it needs: neither an action, nor a session, nor that it is open."""
        return not (self.needs or self.signed_in or self.open)


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
        self.expected = f"the cookie {carrier.name}" if isinstance(carrier, Cookie) else "an Authorization header"
        super().__init__(f"nobody is signed in: {self.expected} brings no token")


def answer(
    error: seatperm.SeatpermError,
    *,
    hide_existence: bool = False,
    reasons: bool = True,
    holders: Iterable[seatperm.Seat] | None = None,
    now: datetime | None = None,
) -> Answer:
    """Return what to answer to a request that ended in an error of seatperm's.

    401 who has to sign in, 403 who may not, 404 who may not know, 403 "seats-exhausted" where the house is full,
    503 with Retry-After where a store does not answer. Any other error is the host's mistake: 500, and says nothing.

    Args:
        error: what was raised.
        hide_existence: a denial is answered as 404, in the words of any page that there is not.
        reasons: whether a denial says why, as its user may know it.
        holders: who has the seats, for one who may view that.
        now: the present moment, for Retry-After; the wall clock unless said.
    """
    match error:
        case NotSignedIn():
            return _problem(401, "not-signed-in", "Sign in first", str(error), **_challenge())
        case seatperm.SessionEnded():
            told = {"reason": error.reason}
            return _problem(401, "session-ended", "Sign in again", str(error), **_challenge(), extra=told)
        case seatperm.SignInRefused():
            return _problem(403, "sign-in-refused", "Sign-in refused", str(error), extra={"reason": error.reason})
        case seatperm.UnknownUser():
            return _problem(401, "sign-in-refused", "Sign-in refused", "this is nobody who may sign in", **_challenge())
        case seatperm.SeatsExhausted():
            return _problem(
                403,
                "seats-exhausted",
                "Every seat is taken",
                str(error),
                headers=_retry_at(error.next_free_at, now),
                extra=dict(_house(error, holders)),
            )
        case seatperm.AccessDenied() if hide_existence:
            return _problem(404, None, "Not Found", None)
        case seatperm.AccessDenied():
            decision = error.decision
            told = {"reason": decision.reason.value, "resource": decision.resource, "action": decision.action}
            detail = decision.summary if reasons else None
            return _problem(403, "access-denied", "Access denied", detail, extra=told if reasons else {})
        case seatperm.StoreUnavailable():
            headers = {"Retry-After": str(RETRY_AFTER)}
            detail = "the books can't be read now; try again in a moment"
            return _problem(503, "store-unavailable", "Try again", detail, headers=headers)
        case _:
            return _problem(500, None, "Internal Server Error", None)


def _problem(
    status: int,
    kind: str | None,
    title: str,
    detail: str | None,
    *,
    headers: Mapping[str, str] | None = None,
    extra: Mapping[str, object] | None = None,
) -> Answer:
    told: dict[str, object] = {
        "type": "about:blank" if kind is None else f"urn:seatperm:{kind}",
        "title": title,
        "status": status,
    }
    body = {**told, **({} if detail is None else {"detail": detail}), **(extra or {})}
    return Answer(status, {"Cache-Control": "no-store", **(headers or {})}, body)


def _challenge() -> dict[Literal["headers"], Mapping[str, str]]:
    return {"headers": {"WWW-Authenticate": 'Bearer realm="seatperm"'}}


def _retry_at(moment: datetime | None, now: datetime | None) -> dict[str, str]:
    if moment is None:
        return {}
    seconds = (moment - (now or datetime.now(UTC))).total_seconds()
    return {"Retry-After": str(max(1, round(seconds)))}


def _house(full: seatperm.SeatsExhausted, holders: Iterable[seatperm.Seat] | None) -> Iterator[tuple[str, object]]:
    yield "limit", full.limit
    yield "in_use", full.in_use
    if full.next_free_at is not None:
        yield "next_free_at", full.next_free_at.isoformat()
    if holders is not None:
        yield "holders", [{"user": seat.user_id, "since": seat.started_at.isoformat()} for seat in holders]
