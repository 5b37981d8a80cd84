"""The asynchronous frameworks with an organization of either kind, and with one for each request."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

import pytest
from attrs import frozen
from fastapi import FastAPI
from litestar import Litestar, get
from litestar import Request as LitestarRequest
from litestar.di import NamedDependency
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Mount, Route

import seatperm
from seatperm import aio
from seatperm.contrib import fastapi, litestar, starlette
from seatperm.contrib.web import Bearer, Need

CATALOG: Mapping[str, object] = {
    "packages": {"basic": {}},
    "ladders": {"default": {"levels": ["none", "view"], "actions": {"view": "view"}}},
    "resources": {"sales": {"package": "basic"}, "stock": {"package": "basic"}},
    "roles": {"seller": {"package": "basic", "grants": {"sales": "view:own"}}},
}

App = Callable[..., Awaitable[None]]


@frozen
class Reply:
    """What an application answered."""

    status: int
    headers: Mapping[str, str]
    body: Any


async def call(app: App, path: str, token: str | None = None) -> Reply:
    """Send a request to an application, as its server does."""
    sent: list[Any] = []
    headers = [] if token is None else [(b"authorization", f"Bearer {token}".encode())]
    scope = {
        "type": "http",
        "asgi": {"version": "3.0"},
        "http_version": "1.1",
        "method": "GET",
        "scheme": "http",
        "path": path,
        "raw_path": path.encode(),
        "root_path": "",
        "query_string": b"",
        "headers": headers,
        "client": ("127.0.0.1", 1),
        "server": ("127.0.0.1", 80),
        "state": {},
    }

    async def receive() -> dict[str, object]:
        return {"type": "http.request", "body": b"", "more_body": False}

    async def send(message: Any) -> None:
        sent.append(message)

    await app(scope, receive, send)
    body = b"".join(message.get("body", b"") for message in sent)
    told = {name.decode().lower(): value.decode() for name, value in sent[0]["headers"]}
    return Reply(sent[0]["status"], told, json.loads(body) if "json" in told.get("content-type", "") else body)


def whose(user: seatperm.User, record: str, _action: str) -> str | None:
    return "own" if record == user.id else None


def on_starlette(organization: Any) -> App:
    auth = starlette.Seatperm(organization, carrier=Bearer())

    @starlette.public
    async def sign_in(request: Request) -> Response:
        response = JSONResponse({})
        await auth.sign_in(request, "tom")
        return response

    @starlette.public
    async def sign_out(request: Request) -> Response:
        response = JSONResponse({})
        await auth.sign_out(request)
        return response

    @auth.needs("sales", "view", load=lambda request: request.path_params["id"], hide_existence=True)
    async def sale(_request: Request, record: str) -> Response:
        return JSONResponse(record)

    @auth.needs("stock", "view")
    def stock(_request: Request) -> Response:
        raise AssertionError("nobody may")

    @auth.signed_in
    async def me(request: Request) -> Response:
        return JSONResponse((await auth.session(request)).user.id)

    within = Mount("/within", routes=[Route("/stock", stock)])
    app = Starlette(
        routes=[Route("/in", sign_in), Route("/out", sign_out), Route("/sales/{id}", sale), Route("/me", me), within]
    )
    auth.install(app)
    asked = {route.path: (list(map(str, route.needs)), route.unchecked) for route in starlette.routes(app)}
    assert asked["/within/stock"] == (["stock:view"], False)
    assert asked["/me"] == ([], False)
    return app


def on_fastapi(organization: Any) -> App:
    auth = fastapi.Seatperm(organization, carrier=Bearer())
    app = FastAPI()
    auth.install(app)

    async def named(id: str) -> str:
        return id

    needs_sale = auth.needs("sales", "view", load=named, hide_existence=True)
    needs_stock, signed_in = auth.needs("stock", "view"), auth.signed_in

    async def sign_in(request: Request) -> None:
        await auth.sign_in(request, "tom")

    async def sign_out(request: Request) -> None:
        await auth.sign_out(request)

    async def sale(record: Any = needs_sale) -> Any:
        return record

    async def stock(_session: Any = needs_stock) -> None:
        raise AssertionError("nobody may")

    async def me(session: Any = signed_in) -> Any:
        return session.user.id

    for path, endpoint in (
        ("/in", sign_in),
        ("/out", sign_out),
        ("/sales/{id}", sale),
        ("/within/stock", stock),
        ("/me", me),
    ):
        # What is declared in a function can't be looked up by name, as FastAPI does with annotations in text.
        endpoint.__annotations__ = {name: {"request": Request}.get(name, Any) for name in endpoint.__annotations__}
        app.get(path, response_model=None)(endpoint)
    return app


def on_litestar(organization: Any) -> App:
    auth = litestar.Seatperm(organization, carrier=Bearer())

    @get("/in")
    async def sign_in(request: LitestarRequest[Any, Any, Any]) -> dict[str, str]:
        await auth.sign_in(request, "tom")
        return {}

    @get("/out")
    async def sign_out(request: LitestarRequest[Any, Any, Any]) -> dict[str, str]:
        await auth.sign_out(request)
        return {}

    load = auth.record("sales", "view", load=lambda request: request.path_params["id"], hide_existence=True)

    @get("/sales/{id:str}", dependencies={"record": load})
    async def sale(record: NamedDependency[Any]) -> Any:
        return json.dumps(record)

    @get("/within/stock", guards=[auth.needs("stock", "view")])
    async def stock() -> None:
        raise AssertionError("nobody may")

    @get("/me", guards=[auth.signed_in])
    async def me(request: LitestarRequest[Any, Any, Any]) -> Any:
        return json.dumps((await auth.session(request)).user.id)

    return Litestar([sign_in, sign_out, sale, stock, me], plugins=[auth], openapi_config=None)


@pytest.mark.parametrize("make", [on_starlette, on_fastapi, on_litestar])
@pytest.mark.parametrize("kind", ["threads", "awaited", "each request"])
def test_an_application_answers_alike_with_any_organization(make: Callable[[Any], App], kind: str) -> None:
    """Asked in worker threads, awaited, or found anew for each request; tokens travel in a header here."""

    async def use() -> None:
        plain = seatperm.open(CATALOG, "memory://")
        awaited = await aio.open(CATALOG, "memory://")
        plain.users.add(id="tom", email="tom@kauri.example", name="Tom", roles=["seller"])
        await awaited.users.add(id="tom", email="tom@kauri.example", name="Tom", roles=["seller"])
        plain.relate("sales", whose)
        awaited.relate("sales", whose)
        given: Any = {"threads": plain, "awaited": awaited, "each request": lambda request: awaited}[kind]
        app = make(given)
        assert (await call(app, "/me")).status == 401
        signed_in = await call(app, "/in")
        token = signed_in.headers["seatperm-token"]
        assert len(token) == 43
        full = await call(app, "/in")
        assert (full.status, full.body["type"]) == (403, "urn:seatperm:seats-exhausted")
        assert str((await call(app, "/me", token)).body).count("tom") == 1
        assert (await call(app, "/sales/tom", token)).status == 200
        hidden, missing = await call(app, "/sales/ana", token), await call(app, "/none", token)
        assert (hidden.status, hidden.body) == (404, missing.body)
        denied = await call(app, "/within/stock", token)
        assert (denied.status, denied.body["reason"]) == (403, "not_granted")
        assert (await call(app, "/out", token)).status == 200
        over = await call(app, "/me", token)
        assert (over.status, over.body["reason"]) == (401, "not_found")
        await awaited.close()
        plain.close()

    asyncio.run(use())


def test_misspelt_names_are_found_when_routes_are_made() -> None:
    """Not when the first user comes."""
    org = seatperm.open(CATALOG, "memory://")
    for module in (starlette, fastapi, litestar):
        with pytest.raises(seatperm.UnknownResource, match="sales"):
            module.Seatperm(org).needs("sale", "view")
        with pytest.raises(seatperm.UnknownScope):
            module.Seatperm(org).needs("sales", "view", scope="owm")
    with pytest.raises(seatperm.UnknownAction):
        Need("sales", "veiw").check(org.catalog)
