"""A shop on Flask: sign-in takes a seat, each view says what it needs.

Run it with `python examples/web/flask_app.py --port 8000`, then

    curl -c jar -d user=ana -d password=ana http://127.0.0.1:8000/sign-in
    curl -b jar http://127.0.0.1:8000/invoices/1
"""

from __future__ import annotations

import argparse
from typing import Any

from flask import Flask, abort, request
from shop import INVOICES, Invoice, build, find_invoice, knows_password
from werkzeug.serving import make_server

from seatperm.contrib.flask import Seatperm, public
from seatperm.contrib.web import Cookie

app = Flask(__name__)
# A page on plain http needs a cookie that is not for https only; leave `carrier` out in earnest.
auth = Seatperm(build(), app, carrier=Cookie(name="seatperm-token", secure=False))


@app.post("/sign-in")
@public
def sign_in() -> dict[str, Any]:
    """Check the password, take a seat, hand over the token."""
    user = request.form.get("user", "")
    if not knows_password(user, request.form.get("password", "")):
        abort(401)
    session = auth.sign_in(user, client=request.form.get("client") or None)
    return {"user": session.user.id, "until": session.expires_at.isoformat()}


@app.post("/sign-out")
@public
def sign_out() -> dict[str, Any]:
    """Give the seat back; whoever is not signed in is signed out already."""
    auth.sign_out()
    return {}


@app.get("/me")
@auth.signed_in
def me() -> dict[str, Any]:
    """Tell who is signed in, for menus: what each may see."""
    user = auth.session.user
    menu = [name for name in ("sales.invoices", "reports") if auth.organization.widest_scope(user, name, "view")]
    return {"user": user.id, "menu": menu}


@app.get("/invoices")
@auth.needs("sales.invoices", "view", scope="own")
def invoices() -> list[dict[str, Any]]:
    """List the invoices that the user may view."""
    session = auth.session
    return [shown(each) for each in INVOICES.values() if session.can("sales.invoices", "view", each)]


@app.get("/invoices/<int:id>")
@auth.needs("sales.invoices", "view", load=find_invoice, hide_existence=True)
def invoice(record: Invoice) -> dict[str, Any]:
    """Show one invoice; to whom it is not shown, it is not there."""
    return shown(record)


@app.put("/invoices/<int:id>")
@auth.needs("sales.invoices", "edit", load=find_invoice)
def change(record: Invoice) -> dict[str, Any]:
    """Change an invoice's total."""
    record.total = request.form["total"]
    return shown(record)


@app.get("/reports")
@auth.needs("reports", "view")
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
    server = make_server("127.0.0.1", arguments.parse_args().port, app, threaded=True)
    print(f"listening on http://127.0.0.1:{server.server_port}", flush=True)
    server.serve_forever()


if __name__ == "__main__":
    main()
