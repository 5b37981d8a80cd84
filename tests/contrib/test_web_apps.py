"""The example applications, one for each framework: started, and used over HTTP; they all answer alike."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from collections.abc import Iterator
from email.message import Message
from http.cookiejar import CookieJar
from pathlib import Path
from typing import Any
from urllib.error import HTTPError
from urllib.parse import urlencode
from urllib.request import HTTPCookieProcessor, Request, build_opener

import pytest
from attrs import define, field, frozen

EXAMPLES = Path(__file__).parents[2] / "examples" / "web"


@frozen
class Reply:
    """What the application answered."""

    status: int
    headers: Message
    body: Any
    text: str


@define
class Browser:
    """Keeps cookies, as a browser does."""

    url: str
    jar: CookieJar = field(factory=CookieJar)

    def call(self, method: str, path: str, **form: str) -> Reply:
        request = Request(self.url + path, method=method, data=urlencode(form).encode() if form else None)
        try:
            with build_opener(HTTPCookieProcessor(self.jar)).open(request, timeout=20) as response:
                status, headers, text = response.status, response.headers, response.read().decode()
        except HTTPError as error:
            with error:
                status, headers, text = error.code, error.headers, error.read().decode()
        return Reply(status, headers, json.loads(text) if "json" in headers.get("Content-Type", "") else None, text)

    def sign_in(self, user: str, **more: str) -> Reply:
        return self.call("POST", "/sign-in", user=user, password=user[::-1], **more)


@pytest.fixture(params=["flask", "django", "fastapi", "litestar", "starlette"])
def url(request: pytest.FixtureRequest) -> Iterator[str]:
    """Start the application on a port of its own."""
    command = [sys.executable, "-W", "error", str(EXAMPLES / f"{request.param}_app.py"), "--port", "0"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True) as server:
        assert server.stdout is not None
        found = re.search(r"http://\S+", server.stdout.readline())
        assert found, "the application did not start"
        yield found[0]
        server.kill()


def test_signing_in_takes_a_seat_and_signing_out_gives_it_back(url: str) -> None:
    """The shop has two: the third waits until one of them leaves."""
    ana, ben, cat = (Browser(url) for _ in range(3))
    assert ana.sign_in("ana").body["user"] == "ana"
    assert ben.sign_in("ben").status == 200
    full = cat.sign_in("cat")
    assert full.status == 403
    assert full.headers["Content-Type"].startswith("application/problem+json")
    assert full.body["type"] == "urn:seatperm:seats-exhausted"
    assert (full.body["limit"], full.body["in_use"]) == (2, 2)
    assert "holders" not in full.body
    assert int(full.headers["Retry-After"]) > 60
    assert ben.call("POST", "/sign-out").status == 200
    assert cat.sign_in("cat").status == 200


def test_who_may_view_the_sessions_is_told_who_has_the_seats(url: str) -> None:
    """An administrator in front of a full house."""
    for user in ("ana", "ben"):
        Browser(url).sign_in(user)
    full = Browser(url).sign_in("dee")
    assert [holder["user"] for holder in full.body["holders"]] == ["ana", "ben"]


def test_the_token_is_in_a_cookie_that_scripts_cannot_read(url: str) -> None:
    """And goes to no other site."""
    token, *flags = Browser(url).sign_in("ana").headers["Set-Cookie"].split("; ")
    assert re.fullmatch(r"seatperm-token=[\w-]{43}", token)
    assert sorted(flags, key=str.lower) == ["HttpOnly", "Path=/", "SameSite=Lax"]


def test_who_is_not_signed_in_is_asked_to(url: str) -> None:
    """401, with the challenge that HTTP asks for, whatever there is or is not."""
    for path in ("/me", "/invoices", "/invoices/1", "/invoices/99", "/reports"):
        reply = Browser(url).call("GET", path)
        assert (reply.status, reply.body["type"]) == (401, "urn:seatperm:not-signed-in")
        assert reply.headers["WWW-Authenticate"].startswith("Bearer")
    assert Browser(url).call("POST", "/sign-in", user="ana", password="wrong").status == 401


def test_a_session_that_is_over_says_so(url: str) -> None:
    """The same client signing in again makes the first token dead."""
    first, second = Browser(url), Browser(url)
    first.sign_in("ana", client="desk")
    second.sign_in("ana", client="desk")
    over = first.call("GET", "/me")
    assert (over.status, over.body["type"], over.body["reason"]) == (401, "urn:seatperm:session-ended", "not_found")
    assert second.call("GET", "/me").body == {"user": "ana", "menu": ["sales.invoices"]}


def test_a_denial_says_why_to_its_user(url: str) -> None:
    """403, with the reason's code."""
    ana = Browser(url)
    ana.sign_in("ana")
    denied = ana.call("GET", "/reports")
    assert (denied.status, denied.body["type"]) == (403, "urn:seatperm:access-denied")
    assert (denied.body["reason"], denied.body["resource"]) == ("not_granted", "reports")
    assert "Ana may not view" in denied.body["detail"]


def test_a_record_is_checked_by_whose_it_is(url: str) -> None:
    """One's own is shown and changed, another's is a 403, or, hidden, not there at all, like one that is not."""
    ana, cat = Browser(url), Browser(url)
    ana.sign_in("ana")
    cat.sign_in("cat")
    assert ana.call("GET", "/invoices/1").body == {"id": 1, "owner": "ana", "total": "120.00"}
    assert ana.call("PUT", "/invoices/1", total="130.00").body["total"] == "130.00"
    denied = ana.call("PUT", "/invoices/2", total="0.00")
    assert (denied.status, denied.body["reason"]) == (403, "scope_too_narrow")
    hidden, missing = ana.call("GET", "/invoices/2"), ana.call("GET", "/invoices/99")
    assert (hidden.status, hidden.text) == (404, missing.text.replace("99", "2"))
    assert [each["id"] for each in ana.call("GET", "/invoices").body] == [1]
    assert [each["id"] for each in cat.call("GET", "/invoices").body] == [1, 2, 3]
    assert cat.call("GET", "/invoices/2").body["total"] == "80.00"


def test_signing_out_twice_is_no_error(url: str) -> None:
    """Nor is signing out without having signed in."""
    ana = Browser(url)
    assert ana.call("POST", "/sign-out").status == 200
    ana.sign_in("ana")
    assert ana.call("POST", "/sign-out").status == ana.call("POST", "/sign-out").status == 200
    assert ana.call("GET", "/me").status == 401
