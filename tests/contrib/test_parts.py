"""Applications built of parts: WebSockets, included routers, mounted applications, and what `routes` tells of them."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import litestar as framework
import pytest
from fastapi import APIRouter, FastAPI, WebSocket
from starlette.applications import Starlette
from starlette.responses import JSONResponse
from starlette.routing import Mount, WebSocketRoute
from starlette.staticfiles import StaticFiles

import seatperm
from seatperm.contrib import fastapi, litestar, starlette
from seatperm.contrib.web import Bearer

from .test_asgi import CATALOG, App, call, whose

Socket = framework.WebSocket[Any, Any, Any]


@pytest.fixture
def org() -> Iterator[seatperm.Organization]:
    """Books with one user and one seat."""
    with closing(seatperm.open(CATALOG, "memory://")) as org:
        org.users.add(id="tom", email="tom@kauri.example", name="Tom", roles=["seller"])
        org.relate("sales", whose)
        yield org


async def shake(app: App, path: str, token: str | None = None, *extensions: str) -> list[dict[str, Any]]:
    """Open a WebSocket, as a server does, and return what the application sent."""
    sent: list[dict[str, Any]] = []
    said: list[dict[str, Any]] = [{"type": "websocket.connect"}, {"type": "websocket.disconnect", "code": 1000}]
    scope = {
        "type": "websocket",
        "asgi": {"version": "3.0"},
        "http_version": "1.1",
        "scheme": "ws",
        "path": path,
        "raw_path": path.encode(),
        "root_path": "",
        "query_string": b"",
        "headers": [] if token is None else [(b"authorization", f"Bearer {token}".encode())],
        "client": ("127.0.0.1", 1),
        "server": ("127.0.0.1", 80),
        "subprotocols": [],
        "state": {},
        "extensions": {name: {} for name in extensions},
    }

    async def receive() -> dict[str, Any]:
        return said.pop(0)

    async def send(message: Any) -> None:
        sent.append(message)

    await app(scope, receive, send)
    return sent


def of_starlette(org: seatperm.Organization) -> App:
    auth = starlette.Seatperm(org, carrier=Bearer())

    @auth.signed_in
    async def me(socket: WebSocket) -> None:
        await socket.accept()
        await socket.close()

    @auth.needs("stock", "view")
    async def stock(_socket: WebSocket) -> None:
        raise AssertionError("nobody may")

    @auth.needs("stock", "view", hide_existence=True)
    async def hidden(_socket: WebSocket) -> None:
        raise AssertionError("nobody may")

    async def late(socket: WebSocket) -> None:
        await socket.accept()
        await auth.session(socket)

    endpoints = {"/me": me, "/stock": stock, "/hidden": hidden, "/late": late}
    app = Starlette(routes=[WebSocketRoute(path, endpoint) for path, endpoint in endpoints.items()])
    auth.install(app)
    told = {route.path: (route.methods, route.unchecked) for route in starlette.routes(app)}
    assert told["/stock"] == (("WEBSOCKET",), False)
    assert told["/late"] == (("WEBSOCKET",), True)
    return app


def of_fastapi(org: seatperm.Organization) -> App:
    auth = fastapi.Seatperm(org, carrier=Bearer())
    app = FastAPI(openapi_url=None)
    auth.install(app)

    async def me(socket: WebSocket) -> None:
        await socket.accept()
        await socket.close()

    async def nobody(_socket: WebSocket) -> None:
        raise AssertionError("nobody may")

    async def late(socket: WebSocket) -> None:
        await socket.accept()
        await auth.session(socket)

    needs = {
        "/me": (me, [auth.signed_in]),
        "/stock": (nobody, [auth.needs("stock", "view")]),
        "/hidden": (nobody, [auth.needs("stock", "view", hide_existence=True)]),
        "/late": (late, []),
    }
    for path, (endpoint, dependencies) in needs.items():
        endpoint.__annotations__ = {name: WebSocket for name in endpoint.__annotations__ if name != "return"}
        app.add_api_websocket_route(path, endpoint, dependencies=dependencies)
    told = {route.path: (route.methods, route.unchecked) for route in fastapi.routes(app)}
    assert told == {path: (("WEBSOCKET",), path == "/late") for path in needs}
    return app


def of_litestar(org: seatperm.Organization) -> App:
    auth = litestar.Seatperm(org, carrier=Bearer())

    @framework.websocket("/me", guards=[auth.signed_in])
    async def me(socket: Socket) -> None:
        await socket.accept()
        await socket.close()

    @framework.websocket("/stock", guards=[auth.needs("stock", "view")])
    async def stock(socket: Socket) -> None:
        raise AssertionError("nobody may")

    @framework.websocket("/hidden", guards=[auth.needs("stock", "view", hide_existence=True)])
    async def hidden(socket: Socket) -> None:
        raise AssertionError("nobody may")

    @framework.websocket("/late")
    async def late(socket: Socket) -> None:
        await socket.accept()
        await auth.session(socket)

    for handler in (me, stock, hidden, late):
        handler.fn.__annotations__ = {"socket": framework.WebSocket, "return": None}
    app = framework.Litestar([me, stock, hidden, late], plugins=[auth], openapi_config=None)
    told = {route.path: (route.methods, route.unchecked) for route in litestar.routes(app)}
    assert told["/stock"] == (("WEBSOCKET",), False)
    assert told["/late"] == (("WEBSOCKET",), True)
    return app


@pytest.mark.parametrize("make", [of_starlette, of_fastapi, of_litestar])
def test_a_websocket_is_opened_for_who_may_and_closed_with_the_reason(
    org: seatperm.Organization, make: Callable[[seatperm.Organization], App]
) -> None:
    """With 4000 and the status that a request would get; what is hidden, as where there is nothing."""
    app = make(org)

    async def use() -> None:
        with org.sign_in("tom") as session:
            opened = await shake(app, "/me", session.token)
            assert [message["type"] for message in opened] == ["websocket.accept", "websocket.close"]
            (denied,) = await shake(app, "/stock", session.token)
            assert (denied["type"], denied["code"], denied["reason"]) == ("websocket.close", 4403, "Access denied")
            (hidden,) = await shake(app, "/hidden", session.token)
            if make is of_litestar:
                assert (hidden["code"], hidden["reason"]) == (4404, "Not Found")
            else:
                assert [hidden] == await shake(app, "/nothing", session.token)
        (ended,) = await shake(app, "/me", session.token)
        assert (ended["code"], ended["reason"]) == (4401, "Sign in again")
        (nobody,) = await shake(app, "/me")
        assert nobody["code"] == 4401
        accepted, closed = await shake(app, "/late")
        assert (accepted["type"], closed["code"]) == ("websocket.accept", 4401)
        if make is not of_litestar:
            start, *_ = await shake(app, "/me", None, "websocket.http.response")
            assert (start["type"], start["status"]) == ("websocket.http.response.start", 401)

    asyncio.run(use())


def test_fastapi_tells_the_routes_of_included_routers_and_mounted_applications(
    org: seatperm.Organization, tmp_path: Path
) -> None:
    """With what stands above them; what can't be looked into is one that nobody has said anything of."""
    auth = fastapi.Seatperm(org)
    app, part, deep, sub = FastAPI(openapi_url=None), APIRouter(prefix="/part"), APIRouter(), FastAPI(openapi_url=None)
    deep.add_api_route("/deep", lambda: 1)
    part.add_api_route("/open", lambda: 1)
    part.add_api_route("/said", fastapi.public(lambda: 1))
    part.add_api_route("/stock", lambda: 1, dependencies=[auth.needs("stock", "view")])
    part.include_router(deep, prefix="/more", dependencies=[auth.signed_in])
    app.include_router(part, prefix="/a")
    app.include_router(part, prefix="/b", dependencies=[auth.needs("sales", "view", scope="own")])
    sub.add_api_route("/open", lambda: 1)
    sub.add_api_route("/stock", lambda: 1, dependencies=[auth.needs("stock", "view")])
    app.mount("/sub", sub)
    app.mount("/files", StaticFiles(directory=tmp_path))
    asked = {route.path: (*map(str, route.needs), route.signed_in, route.unchecked) for route in fastapi.routes(app)}
    assert asked == {
        "/a/part/open": (False, True),
        "/a/part/said": (False, False),
        "/a/part/stock": ("stock:view", True, False),
        "/a/part/more/deep": (True, False),
        "/b/part/open": ("sales:view:own", True, False),
        "/b/part/said": ("sales:view:own", True, False),
        "/b/part/stock": ("sales:view:own", "stock:view", True, False),
        "/b/part/more/deep": ("sales:view:own", True, False),
        "/sub/open": (False, True),
        "/sub/stock": ("stock:view", True, False),
        "/files/*": (False, True),
    }


def test_a_mounted_application_has_its_own_answers(org: seatperm.Organization) -> None:
    """`install` for each; a need above the mounts is none of theirs."""
    auth = fastapi.Seatperm(org, carrier=Bearer())
    app, sub = FastAPI(), FastAPI()
    auth.install(app)
    auth.install(sub)
    sub.add_api_route("/stock", lambda: 1, dependencies=[auth.needs("stock", "view")])
    app.mount("/sub", sub)

    async def use() -> None:
        with org.sign_in("tom") as session:
            assert (await call(app, "/sub/stock")).status == 401
            denied = await call(app, "/sub/stock", session.token)
            assert (denied.status, denied.headers["vary"]) == (403, "Authorization")

    asyncio.run(use())


def test_starlette_tells_what_is_mounted_and_cannot_be_looked_into(tmp_path: Path) -> None:
    """Files, or an application of another kind."""
    app = Starlette(routes=[Mount("/files", StaticFiles(directory=tmp_path)), Mount("/more", JSONResponse({}))])
    assert [(route.path, route.unchecked) for route in starlette.routes(app)] == [("/files/*", True), ("/more/*", True)]


def test_a_dependency_can_be_overridden_in_tests(org: seatperm.Organization) -> None:
    """As FastAPI has it: by the function that the dependency calls."""
    auth = fastapi.Seatperm(org)
    stock = auth.needs("stock", "view")
    app = FastAPI()
    auth.install(app)
    app.add_api_route("/stock", lambda: "fine", dependencies=[stock])
    app.dependency_overrides[stock.dependency] = lambda: None
    assert asyncio.run(call(app, "/stock")).body == "fine"


def test_guards_stand_at_every_layer_of_litestar(org: seatperm.Organization) -> None:
    """Application, router, controller, handler; `opt` too."""
    auth = litestar.Seatperm(org, carrier=Bearer())

    class Stock(framework.Controller):
        path = "/stock"
        guards = (auth.needs("sales", "view", scope="own"),)

        @framework.get("/", guards=[auth.needs("stock", "view")])
        async def one(self) -> None: ...

        @framework.get("/free")
        async def free(self) -> None: ...

    @framework.get("/open")
    async def forgotten() -> None: ...

    @framework.get("/said")
    async def said() -> None: ...

    within = framework.Router("/within", route_handlers=[Stock], guards=[auth.signed_in])
    open_to_all = framework.Router("/all", route_handlers=[said], opt=litestar.PUBLIC)
    app = framework.Litestar([within, forgotten, open_to_all], plugins=[auth], openapi_config=None)
    asked = {route.path: (*map(str, route.needs), route.unchecked) for route in litestar.routes(app)}
    assert asked == {
        "/within/stock": ("sales:view:own", "stock:view", False),
        "/within/stock/free": ("sales:view:own", False),
        "/open": (True,),
        "/all/said": (False,),
    }

    async def use() -> None:
        with org.sign_in("tom") as session:
            assert (await call(app, "/within/stock")).status == 401
            assert (await call(app, "/within/stock", session.token)).status == 403
            assert (await call(app, "/within/stock/free", session.token)).status == 200

    asyncio.run(use())
