"""A shop on Starlette, with books that are awaited: sign-in takes a seat, each route says what it needs.

Run it with `python examples/web/starlette_app.py --port 8000`, then

    curl -c jar -d user=ana -d password=ana http://127.0.0.1:8000/sign-in
    curl -b jar http://127.0.0.1:8000/invoices/1
"""

from __future__ import annotations

import argparse
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from urllib.parse import parse_qs

import uvicorn
from shop import CATALOG, INVOICES, USERS, Invoice, find_invoice, knows_password, whose
from starlette.applications import Starlette
from starlette.requests import HTTPConnection, Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from seatperm import aio
from seatperm.contrib.starlette import Seatperm, public
from seatperm.contrib.web import Cookie


@asynccontextmanager
async def lifespan(app: Starlette) -> AsyncIterator[None]:
    """Open the books of a shop that has bought two seats, on the event loop that serves."""
    app.state.books = books = await aio.open(CATALOG, "memory://")
    books.relate("sales.invoices", whose)
    await books.change_license(session_limit=2)
    for id, roles in USERS.items():
        await books.users.add(id=id, email=f"{id}@shop.example", name=id.title(), roles=roles)
    yield
    await books.close()


async def books(connection: HTTPConnection) -> aio.Organization:
    """Return the organization of a request."""
    found: aio.Organization = connection.app.state.books
    return found


# A page on plain http needs a cookie that is not for https only; leave `carrier` out in earnest.
auth = Seatperm(books, carrier=Cookie(name="seatperm-token", secure=False))


@public
async def sign_in(request: Request) -> Response:
    """Check the password, take a seat, hand over the token."""
    form = await read(request)
    user = form.get("user", "")
    if not knows_password(user, form.get("password", "")):
        return Response(status_code=401)
    session = await auth.sign_in(request, user, form.get("client") or None)
    return JSONResponse({"user": session.user.id, "until": session.expires_at.isoformat()})


@public
async def sign_out(request: Request) -> Response:
    """Give the seat back; whoever is not signed in is signed out already."""
    await auth.sign_out(request)
    return JSONResponse({})


@auth.signed_in
async def me(request: Request) -> Response:
    """Tell who is signed in, for menus: what each may see."""
    org, user = await books(request), (await auth.session(request)).user
    menu = [name for name in ("sales.invoices", "reports") if await org.widest_scope(user, name, "view")]
    return JSONResponse({"user": user.id, "menu": menu})


@auth.needs("sales.invoices", "view", scope="own")
async def invoices(request: Request) -> Response:
    """List the invoices that the user may view."""
    org, user = await books(request), (await auth.session(request)).user
    found = [shown(each) for each in INVOICES.values() if await org.can(user, "sales.invoices", "view", each)]
    return JSONResponse(found)


async def named(request: Request) -> Invoice | None:
    """Look up the invoice that the path names."""
    return find_invoice(request.path_params["id"])


@auth.needs("sales.invoices", "view", load=named, hide_existence=True)
async def show(_request: Request, invoice: Invoice) -> Response:
    """Show one invoice; to whom it is not shown, it is not there."""
    return JSONResponse(shown(invoice))


@auth.needs("sales.invoices", "edit", load=named)
async def change(request: Request, invoice: Invoice) -> Response:
    """Change an invoice's total."""
    invoice.total = (await read(request))["total"]
    return JSONResponse(shown(invoice))


@auth.needs("reports", "view")
async def reports(_request: Request) -> Response:
    """Sum all invoices up."""
    return JSONResponse({"invoices": len(INVOICES)})


async def read(request: Request) -> dict[str, str]:
    """Return the fields of a form, without the extra package that Starlette's own reading of forms needs."""
    return {name: values[-1] for name, values in parse_qs((await request.body()).decode()).items()}


def shown(invoice: Invoice) -> dict[str, object]:
    """Return an invoice as JSON values."""
    return {"id": invoice.id, "owner": invoice.owner, "total": invoice.total}


app = Starlette(
    routes=[
        Route("/sign-in", sign_in, methods=["POST"]),
        Route("/sign-out", sign_out, methods=["POST"]),
        Route("/me", me),
        Route("/invoices", invoices),
        Route("/invoices/{id:int}", show),
        Route("/invoices/{id:int}", change, methods=["PUT"]),
        Route("/reports", reports),
    ],
    lifespan=lifespan,
)
auth.install(app)


def main() -> None:
    """Serve until interrupted; port 0 takes any free one."""
    arguments = argparse.ArgumentParser(description=__doc__.split(":")[0] if __doc__ else None)
    arguments.add_argument("--port", type=int, default=8000)
    config = uvicorn.Config(app, port=arguments.parse_args().port, access_log=False, log_level="warning")
    socket = config.bind_socket()
    socket.listen()
    print(f"listening on http://127.0.0.1:{socket.getsockname()[1]}", flush=True)
    uvicorn.Server(config).run([socket])


if __name__ == "__main__":
    main()
