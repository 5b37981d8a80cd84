"""A shop on FastAPI: sign-in takes a seat, each route says what it needs.

Run it with `python examples/web/fastapi_app.py --port 8000`, then

    curl -c jar -d user=ana -d password=ana http://127.0.0.1:8000/sign-in
    curl -b jar http://127.0.0.1:8000/invoices/1
"""

from __future__ import annotations

import argparse
from typing import Annotated, Any

import uvicorn
from fastapi import FastAPI, Form, HTTPException, Request
from shop import INVOICES, Invoice, build, find_invoice, knows_password

import seatperm
from seatperm.contrib.fastapi import Seatperm, public
from seatperm.contrib.web import Cookie

app = FastAPI()
organization = build()
# A page on plain http needs a cookie that is not for https only; leave `carrier` out in earnest.
auth = Seatperm(organization, carrier=Cookie(name="seatperm-token", secure=False))
auth.install(app)


@app.post("/sign-in")
@public
async def sign_in(
    request: Request,
    user: Annotated[str, Form()],
    password: Annotated[str, Form()],
    client: Annotated[str | None, Form()] = None,
) -> dict[str, Any]:
    """Check the password, take a seat, hand over the token."""
    if not knows_password(user, password):
        raise HTTPException(401)
    session = await auth.sign_in(request, user, client or None)
    return {"user": session.user.id, "until": session.expires_at.isoformat()}


@app.post("/sign-out")
@public
async def sign_out(request: Request) -> dict[str, Any]:
    """Give the seat back; whoever is not signed in is signed out already."""
    await auth.sign_out(request)
    return {}


@app.get("/me")
def me(session: Annotated[seatperm.Session, auth.signed_in]) -> dict[str, Any]:
    """Tell who is signed in, for menus: what each may see."""
    user = session.user
    menu = [name for name in ("sales.invoices", "reports") if organization.widest_scope(user, name, "view")]
    return {"user": user.id, "menu": menu}


@app.get("/invoices")
def invoices(
    session: Annotated[seatperm.Session, auth.needs("sales.invoices", "view", scope="own")],
) -> list[dict[str, Any]]:
    """List the invoices that the user may view."""
    return [shown(each) for each in INVOICES.values() if session.can("sales.invoices", "view", each)]


@app.get("/invoices/{id}")
def show(
    invoice: Annotated[Invoice, auth.needs("sales.invoices", "view", load=find_invoice, hide_existence=True)],
) -> dict[str, Any]:
    """Show one invoice; to whom it is not shown, it is not there."""
    return shown(invoice)


@app.put("/invoices/{id}")
def change(
    invoice: Annotated[Invoice, auth.needs("sales.invoices", "edit", load=find_invoice)],
    total: Annotated[str, Form()],
) -> dict[str, Any]:
    """Change an invoice's total."""
    invoice.total = total
    return shown(invoice)


@app.get("/reports", dependencies=[auth.needs("reports", "view")])
def reports() -> dict[str, Any]:
    """Sum all invoices up."""
    return {"invoices": len(INVOICES)}


def shown(invoice: Invoice) -> dict[str, Any]:
    """Return an invoice as JSON values."""
    return {"id": invoice.id, "owner": invoice.owner, "total": invoice.total}


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
