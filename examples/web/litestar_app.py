"""A shop on Litestar: sign-in takes a seat, each route says what it needs.

Run it with `python examples/web/litestar_app.py --port 8000`, then

    curl -c jar -d user=ana -d password=ana http://127.0.0.1:8000/sign-in
    curl -b jar http://127.0.0.1:8000/invoices/1
"""

from __future__ import annotations

import argparse
from typing import Annotated, Any

import uvicorn
from litestar import Litestar, Request, get, post, put
from litestar.di import NamedDependency
from litestar.enums import RequestEncodingType
from litestar.exceptions import NotAuthorizedException
from litestar.params import Body
from shop import INVOICES, Invoice, build, find_invoice, knows_password

from seatperm.contrib.litestar import PUBLIC, Seatperm
from seatperm.contrib.web import Cookie

Form = Annotated[dict[str, str], Body(media_type=RequestEncodingType.URL_ENCODED)]
Asked = Request[Any, Any, Any]

organization = build()
# A page on plain http needs a cookie that is not for https only; leave `carrier` out in earnest.
auth = Seatperm(organization, carrier=Cookie(name="seatperm-token", secure=False))


def named(request: Any) -> Invoice | None:
    """Look up the invoice that the path names."""
    return find_invoice(request.path_params["id"])


@post("/sign-in", opt=PUBLIC, status_code=200)
async def sign_in(request: Asked, data: Form) -> dict[str, Any]:
    """Check the password, take a seat, hand over the token."""
    user = data.get("user", "")
    if not knows_password(user, data.get("password", "")):
        raise NotAuthorizedException
    session = await auth.sign_in(request, user, data.get("client") or None)
    return {"user": session.user.id, "until": session.expires_at.isoformat()}


@post("/sign-out", opt=PUBLIC, status_code=200)
async def sign_out(request: Asked) -> dict[str, Any]:
    """Give the seat back; whoever is not signed in is signed out already."""
    await auth.sign_out(request)
    return {}


@get("/me", guards=[auth.signed_in])
async def me(request: Asked) -> dict[str, Any]:
    """Tell who is signed in, for menus: what each may see."""
    user = (await auth.session(request)).user
    menu = [name for name in ("sales.invoices", "reports") if organization.widest_scope(user, name, "view")]
    return {"user": user.id, "menu": menu}


@get("/invoices", guards=[auth.needs("sales.invoices", "view", scope="own")])
async def invoices(request: Asked) -> list[dict[str, Any]]:
    """List the invoices that the user may view."""
    user = (await auth.session(request)).user
    return [shown(each) for each in INVOICES.values() if organization.can(user, "sales.invoices", "view", each)]


@get(
    "/invoices/{id:int}",
    dependencies={"invoice": auth.record("sales.invoices", "view", load=named, hide_existence=True)},
)
async def show(invoice: NamedDependency[Invoice]) -> dict[str, Any]:
    """Show one invoice; to whom it is not shown, it is not there."""
    return shown(invoice)


@put("/invoices/{id:int}", dependencies={"invoice": auth.record("sales.invoices", "edit", load=named)})
async def change(invoice: NamedDependency[Invoice], data: Form) -> dict[str, Any]:
    """Change an invoice's total."""
    invoice.total = data["total"]
    return shown(invoice)


@get("/reports", guards=[auth.needs("reports", "view")])
async def reports() -> dict[str, Any]:
    """Sum all invoices up."""
    return {"invoices": len(INVOICES)}


def shown(invoice: Invoice) -> dict[str, Any]:
    """Return an invoice as JSON values."""
    return {"id": invoice.id, "owner": invoice.owner, "total": invoice.total}


app = Litestar([sign_in, sign_out, me, invoices, show, change, reports], plugins=[auth], openapi_config=None)


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
