"""How a session's token travels between a browser, or another client, and a web application."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

from attrs import frozen

import seatperm


@frozen(kw_only=True)
class Cookie:
    """Keeps the session's token in a cookie that scripts can't read.

    Attributes:
        name: of the cookie; one that begins with `__Host-` is bound to the host by the browser itself. Error pages
            and reports, such as Django's, blank out what has "token" in its name.
        secure: sent over HTTPS only. False is for tests on plain HTTP.
        same_site: "lax" keeps other sites from posting with it; "strict" from linking with it too.
        path: below which it is sent.
        domain: to which it is sent; the host that set it unless said.
    """

    name: str = "__Host-seatperm-token"
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

    @property
    def varies_by(self) -> str:
        """The header of requests by which answers differ."""
        return "Cookie"


@frozen
class Bearer:
    """Takes the session's token from `Authorization: Bearer …`, for clients that are no browsers."""

    def write(self, token: str | None) -> tuple[str, str]:
        """Return the header of the answer to a sign-in, that hands over a token; empty with None."""
        return "Seatperm-Token", token or ""

    @property
    def varies_by(self) -> str:
        """The header of requests by which answers differ."""
        return "Authorization"


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


class NotSignedIn(seatperm.SeatpermError):
    """A request brought no token.

    Attributes:
        expected: where the token was looked for.
    """

    def __init__(self, carrier: Carrier) -> None:
        self.expected = f"the cookie {carrier.name}" if isinstance(carrier, Cookie) else "the header Authorization"
        super().__init__(f"nobody is signed in: {self.expected} brings no token")
