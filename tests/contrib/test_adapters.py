"""What the adapters do where applications are built of parts, fail in the middle, or a store stands still."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Iterator
from contextlib import closing
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from flask import Blueprint, Flask
from flask.views import MethodView
from starlette.applications import Starlette
from starlette.endpoints import HTTPEndpoint
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse, RedirectResponse, Response
from starlette.routing import Route

import seatperm
from seatperm import aio
from seatperm.contrib import flask, starlette
from seatperm.contrib.asgi import AsyncGate
from seatperm.contrib.web import Bearer, Cookie, NotInstalled, NotSignedIn, Stranger, answer
from seatperm.testing.servers.base import ServerMissing
from seatperm.testing.servers.redis import RedisServer

from .test_asgi import CATALOG, call, on_fastapi, on_litestar, on_starlette, whose


@pytest.fixture
def org() -> Iterator[seatperm.Organization]:
    """Books with two users and one seat."""
    with closing(seatperm.open(CATALOG, "memory://")) as org:
        for id in ("tom", "ana"):
            org.users.add(id=id, email=f"{id}@kauri.example", name=id.title(), roles=["seller"])
        org.relate("sales", whose)
        yield org


def flask_app(*books: seatperm.Organization, **more: Any) -> tuple[Flask, list[flask.Seatperm]]:
    """Return an application with a `Seatperm` for each organization, below /0, /1, …"""
    app = Flask("adapters")
    found = []
    for number, each in enumerate(books):
        auth = flask.Seatperm(each, app, **{"carrier": Cookie(name=f"token-{number}", secure=False), **more})
        part = Blueprint(f"part{number}", "adapters", url_prefix=f"/{number}")

        def enter(user: str, auth: flask.Seatperm = auth) -> str:
            return auth.sign_in(user).id

        def who(auth: flask.Seatperm = auth) -> str:
            return auth.session.user.id

        part.add_url_rule("/in/<user>", "in", enter)
        part.add_url_rule("/me", "me", auth.signed_in(who))
        app.register_blueprint(part)
        found.append(auth)
    return app, found


def test_two_sets_of_books_in_one_application_share_no_session(org: seatperm.Organization) -> None:
    """The session of one opens nothing of the other, in the same request either."""
    with closing(seatperm.open(CATALOG, "memory://")) as other:
        app, (first, second) = flask_app(org, other)
        with app.test_request_context():
            first.sign_in("tom")
            with pytest.raises(NotSignedIn):
                second.session  # noqa: B018 # to look is to ask
            first.sign_out()

    async def use() -> None:
        one, two = starlette.Seatperm(org), starlette.Seatperm(org)

        async def both(request: Request) -> Response:
            await one.sign_in(request, "ana")
            await two.session(request)
            raise AssertionError("nobody signed in there")

        app = Starlette(routes=[Route("/", both)])
        one.install(app)
        assert (await call(app, "/")).status == 401

    asyncio.run(use())


def test_a_test_that_pushes_an_application_context_mixes_no_requests(org: seatperm.Organization) -> None:
    """`g` would live on from one request to the next."""
    app, _ = flask_app(org)
    with app.app_context():
        assert app.test_client().get("/0/in/tom").status_code == 200
        assert app.test_client().get("/0/me").status_code == 401


def test_signing_in_again_keeps_the_seat_and_kills_the_token(org: seatperm.Organization) -> None:
    """Nobody who queues gets in between; somebody else's sign-in from the same browser ends the first one."""
    app, _ = flask_app(org)
    browser = app.test_client()
    id = browser.get("/0/in/tom").text
    before = browser.get_cookie("token-0")
    assert browser.get("/0/in/tom").text == id
    after = browser.get_cookie("token-0")
    assert before is not None
    assert after is not None
    assert before.value != after.value
    thief = app.test_client()
    thief.set_cookie("token-0", before.value)
    assert thief.get("/0/me").status_code == 401
    assert browser.get("/0/in/ana").text != id
    assert [seat.user_id for seat in org.sessions] == ["ana"]

    async def use() -> None:
        for make in (on_starlette, on_fastapi, on_litestar):
            app = make(org)
            first = (await call(app, "/in")).headers["seatperm-token"]
            ids = [seat.id for seat in org.sessions]
            second = (await call(app, "/in", first)).headers["seatperm-token"]
            assert [seat.id for seat in org.sessions] == ids
            assert (await call(app, "/me", first)).status == 401
            assert (await call(app, "/out", second)).status == 200

    browser.get("/0/in/ana")
    org.sessions.end(next(iter(org.sessions)).id)
    asyncio.run(use())


def test_an_answer_with_a_token_is_kept_by_no_cache_and_others_vary(org: seatperm.Organization) -> None:
    """Whatever the host says of it."""
    app, _ = flask_app(org)
    browser = app.test_client()
    entered = browser.get("/0/in/tom")
    assert entered.headers["Cache-Control"] == "no-store"
    assert browser.get("/0/me").headers["Vary"] == "Cookie"
    assert "Cookie" in app.test_client().get("/0/me").headers["Vary"]

    async def use() -> None:
        for make in (on_starlette, on_fastapi, on_litestar):
            app = make(org)
            entered = await call(app, "/in")
            token = entered.headers["seatperm-token"]
            assert entered.headers["cache-control"] == "no-store"
            assert (await call(app, "/me", token)).headers["vary"] == "Authorization"
            hidden = (await call(app, "/sales/ana", token)).headers
            assert hidden.get("vary") == "Authorization"
            await call(app, "/out", token)

    org.sessions.end(next(iter(org.sessions)).id)
    asyncio.run(use())


@pytest.mark.parametrize("token", ["\udce9", "é", "\x00", "x" * 5000, "Bearer ", " "])
def test_a_token_of_nonsense_is_nobodys(org: seatperm.Organization, token: str) -> None:
    """401, never a 500."""
    app, (auth,) = flask_app(org)
    with app.test_request_context():
        for carrier in (Cookie(), Bearer()):
            auth.carrier = carrier
            gate = auth._gate()
            with pytest.raises((NotSignedIn, seatperm.SessionEnded)):
                gate.resume(f"Bearer {token}", {"__Host-seatperm-token": token})


def test_who_is_no_user_here_is_refused_and_a_lookup_of_the_hosts_is_not(org: seatperm.Organization) -> None:
    """The first is somebody's sign-in, 403; the second a mistake in the host's code, 500."""
    app, (auth,) = flask_app(org)
    app.add_url_rule("/lookup", "lookup", lambda: org.users["nobody"].name)
    refused = app.test_client().get("/0/in/nobody")
    assert refused.json is not None
    assert (refused.status_code, refused.json["reason"]) == (403, "unknown_user")
    assert app.test_client().get("/lookup").status_code == 500
    assert answer(Stranger("nobody")).status == 403
    assert auth.reasons


def test_a_request_to_an_unknown_organization_is_a_404(org: seatperm.Organization) -> None:
    """Its name comes from a host name or a path, so that anybody may misspell it."""
    tenants = seatperm.open_tenants(CATALOG, "memory://")
    app = Flask("several")
    auth = flask.Seatperm(lambda: tenants["nobody's"], app)
    app.add_url_rule("/", "me", auth.signed_in(lambda: ""))
    found = app.test_client().get("/", headers={"Cookie": "__Host-seatperm-token=x"})
    assert found.json is not None
    assert (found.status_code, found.json["type"]) == (404, "urn:seatperm:unknown-organization")
    assert "nobody" not in found.text
    tenants.close()


def test_classes_can_be_views_in_flask(org: seatperm.Organization) -> None:
    """Each method says what it needs, with a record, which may be looked up asynchronously if Flask can."""
    app = Flask("classes")
    auth = flask.Seatperm(org, app, carrier=Bearer())

    def find(id: str) -> str | None:
        return id if id != "none" else None

    class Sale(MethodView):
        @auth.needs("sales", "view", load=find, hide_existence=True)
        def get(self, record: str) -> str:
            return f"{type(self).__name__} {record}"

        @auth.signed_in
        def put(self, id: str) -> str:
            return id

        def delete(self, id: str) -> str:
            return id

    app.add_url_rule("/sales/<id>", view_func=Sale.as_view("sale"))
    with org.sign_in("tom") as session:
        headers = {"Authorization": f"bearer {session.token}"}
        client = app.test_client()
        assert client.get("/sales/tom", headers=headers).text == "Sale tom"
        assert [client.get(f"/sales/{id}", headers=headers).status_code for id in ("ana", "none")] == [404, 404]
        assert client.put("/sales/7", headers=headers).text == "7"
    assert client.put("/sales/7", headers=headers).status_code == 401
    told = {route.methods: (list(map(str, route.needs)), route.unchecked) for route in flask.routes(app)}
    assert told["GET",] in ([["sales:view"], False], (["sales:view"], False), ([], True))
    sale = [route for route in flask.routes(app) if route.path.startswith("/sales")]
    assert {(route.methods, route.unchecked) for route in sale} == {
        (("GET",), False),
        (("PUT",), False),
        (("DELETE",), True),
    }


def test_classes_can_be_endpoints_in_starlette(org: seatperm.Organization) -> None:
    """Each method says what it needs, and `routes` tells each."""
    auth = starlette.Seatperm(org, carrier=Bearer())

    class Sale(HTTPEndpoint):
        @auth.needs("sales", "view", load=lambda request: request.path_params["id"])
        async def get(self, _request: Request, record: str) -> Response:
            return JSONResponse(record)

        async def put(self, _request: Request) -> Response:
            return JSONResponse({})

    app = Starlette(routes=[Route("/sales/{id}", Sale)])
    auth.install(app)

    async def use() -> None:
        with org.sign_in("tom") as session:
            assert (await call(app, "/sales/tom", session.token)).body == "tom"
            assert (await call(app, "/sales/ana", session.token)).status == 403

    asyncio.run(use())
    told = [(route.methods, route.unchecked) for route in starlette.routes(app)]
    assert told == [(("GET",), False), (("PUT",), True)]


def test_a_token_goes_with_any_answer_or_the_seat_is_given_back(org: seatperm.Organization) -> None:
    """A redirect, an error of the framework's, and what breaks off without an answer."""
    auth = starlette.Seatperm(org, carrier=Bearer())

    async def enter(request: Request) -> Response:
        await auth.sign_in(request, "tom")
        match request.path_params["how"]:
            case "redirect":
                return RedirectResponse("/", 303)
            case "refuse":
                raise HTTPException(418)
            case _:
                raise RuntimeError

    app = Starlette(routes=[Route("/{how}", enter)])
    auth.install(app)

    async def use() -> None:
        for how, status in (("redirect", 303), ("refuse", 418)):
            reply = await call(app, f"/{how}")
            assert reply.status == status
            org.resume(reply.headers["seatperm-token"]).end()
        with pytest.raises(RuntimeError):
            await call(app, "/break")
        assert list(org.sessions) == []

    asyncio.run(use())


def test_an_application_that_does_not_know_of_seatperm_is_told_so(org: seatperm.Organization) -> None:
    """Otherwise it would lose every token."""
    auth = starlette.Seatperm(org)

    async def enter(request: Request) -> Response:
        await auth.sign_in(request, "tom")
        return JSONResponse({})

    async def use() -> None:
        with pytest.raises(NotInstalled, match="install"):
            await call(Starlette(routes=[Route("/", enter)]), "/")

    asyncio.run(use())
    assert list(org.sessions) == []


def test_the_organization_of_a_request_may_be_awaited_and_is_looked_for_once() -> None:
    """It may have to be read from a store."""

    async def use() -> None:
        async with await aio.open_tenants(CATALOG, "memory://") as tenants:
            books = await tenants.create("kauri")
            await books.users.add(id="tom", email="tom@kauri.example", name="Tom", roles=["seller"])
            books.relate("sales", whose)
            asked = []

            async def found(connection: Any) -> aio.Organization:
                asked.append(connection)
                return await tenants["kauri"]

            for make in (on_starlette, on_fastapi, on_litestar):
                app = make(found)
                token = (await call(app, "/in")).headers["seatperm-token"]
                asked.clear()
                assert (await call(app, "/sales/tom", token)).status == 200
                assert len(asked) == 1
                await call(app, "/out", token)

    asyncio.run(use())


def test_who_waits_for_a_seat_keeps_no_thread_from_who_leaves_one(org: seatperm.Organization) -> None:
    """More wait than asyncio has threads; the one who has the seat can leave all the same."""

    async def use() -> None:
        seat = org.sign_in("tom")

        class Asking:
            scope: dict[str, object] = {}  # noqa: RUF012 # nobody writes to it
            headers = {"authorization": f"Bearer {seat.token}"}  # noqa: RUF012 # nobody writes to it
            cookies: dict[str, str] = {}  # noqa: RUF012 # nobody writes to it

        class Nobody(Asking):
            headers: dict[str, str] = {}  # noqa: RUF012 # nobody writes to it

        gate = AsyncGate(org, Bearer())
        many = min(32, (os.cpu_count() or 1) + 4) + 2
        long = timedelta(seconds=60)
        waiting = [asyncio.create_task(gate.sign_in(Nobody(), "ana", None, long)) for _ in range(many)]
        await asyncio.sleep(0.2)
        await asyncio.wait_for(gate.leave(Asking()), 20)
        done, _ = await asyncio.wait(waiting, timeout=20, return_when=asyncio.FIRST_COMPLETED)
        assert len(done) == 1
        # Who breaks off gets a seat that nobody would know of; it is given back.
        for task in waiting:
            task.cancel()
        await asyncio.to_thread(org.change_license, session_limit=many + 1)
        for _ in range(200):
            await asyncio.sleep(0.1)
            if len(org.sessions) == 1:
                break
        assert len(org.sessions) == 1

    asyncio.run(use())


def test_a_session_store_that_stands_still_is_a_503_or_goes_on_in_grace(tmp_path: Path) -> None:
    """A real server, stopped in the middle; who signs out is told to try again, and keeps the token for that."""
    try:
        server = RedisServer(tmp_path)
    except ServerMissing as missing:
        if os.environ.get("SEATPERM_REQUIRE_SERVERS") == "1":
            raise
        pytest.skip(str(missing))
    with server:
        url = f"{server.url}?timeout=0.7&socket_timeout=0.3"
        with closing(seatperm.open(CATALOG, "memory://", session_store=url)) as org:
            org.users.add(id="tom", email="tom@kauri.example", name="Tom", roles=["seller"])
            strict, lenient = flask_app(org)[0], flask_app(org, on_unavailable="grace")[0]
            auth = flask_app(org)[1][0]

            def leave() -> str:
                auth.sign_out()
                return ""

            strict.add_url_rule("/out", "out", leave)
            browser = strict.test_client()
            browser.get("/0/in/tom")
            cookie = browser.get_cookie("token-0")
            assert cookie is not None
            patient = lenient.test_client()
            patient.set_cookie("token-0", cookie.value)
            assert patient.get("/0/me").status_code == 200
            server.pause()
            try:
                for path in ("/0/me", "/0/in/tom", "/out"):
                    down = browser.get(path)
                    assert (down.status_code, down.headers["Retry-After"]) == (503, "5")
                    assert down.json is not None
                    assert down.json["type"] == "urn:seatperm:store-unavailable"
                    assert str(server.url) not in down.text
                assert patient.get("/0/me").text == "tom"
                assert patient.get("/0/in/tom").status_code == 503
            finally:
                server.resume()
            assert browser.get("/0/me").text == "tom"
            assert browser.get("/out").status_code == 200
            assert browser.get("/0/me").status_code == 401
