"""A shop on Django, in one file: sign-in takes a seat, each view says what it needs.

Run it with `python examples/web/django_app.py --port 8000`, then

    curl -c jar -d user=ana -d password=ana http://127.0.0.1:8000/sign-in
    curl -b jar http://127.0.0.1:8000/invoices/1
"""

from __future__ import annotations

import argparse
from socketserver import ThreadingMixIn
from wsgiref.simple_server import WSGIRequestHandler, WSGIServer, make_server

import django
from django.conf import settings
from django.core.wsgi import get_wsgi_application
from django.http import HttpRequest, HttpResponse, JsonResponse, QueryDict
from django.urls import path
from django.utils.decorators import method_decorator
from django.views import View
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.http import require_POST
from shop import INVOICES, Invoice, build, find_invoice, knows_password

from seatperm.contrib.django import door, needs, public, signed_in
from seatperm.contrib.web import Cookie

organization = build()

settings.configure(
    ALLOWED_HOSTS=["127.0.0.1"],
    ROOT_URLCONF=__name__,
    SECRET_KEY="an example's",
    INSTALLED_APPS=[
        "django.contrib.auth",
        "django.contrib.contenttypes",
        "seatperm.contrib.django.SeatpermConfig",
    ],
    MIDDLEWARE=["seatperm.contrib.django.SeatpermMiddleware"],
    # A page on plain http needs a cookie that is not for https only; leave `carrier` out in earnest.
    SEATPERM={"organization": organization, "carrier": Cookie(name="seatperm-token", secure=False)},
)
django.setup()


@csrf_exempt
@require_POST
@public
def sign_in(request: HttpRequest) -> HttpResponse:
    """Check the password, take a seat, hand over the token."""
    user = request.POST.get("user", "")
    if not knows_password(user, request.POST.get("password", "")):
        return HttpResponse(status=401)
    session = door(request).sign_in(user, client=request.POST.get("client") or None)
    return JsonResponse({"user": session.user.id, "until": session.expires_at.isoformat()})


@csrf_exempt
@require_POST
@public
def sign_out(request: HttpRequest) -> HttpResponse:
    """Give the seat back; whoever is not signed in is signed out already."""
    door(request).sign_out()
    return JsonResponse({})


@signed_in
def me(request: HttpRequest) -> HttpResponse:
    """Tell who is signed in, for menus: what each may see."""
    user = door(request).session.user
    menu = [name for name in ("sales.invoices", "reports") if organization.widest_scope(user, name, "view")]
    return JsonResponse({"user": user.id, "menu": menu})


@needs("sales.invoices", "view", scope="own")
def invoices(request: HttpRequest) -> HttpResponse:
    """List the invoices that the user may view."""
    session = door(request).session
    found = [shown(each) for each in INVOICES.values() if session.can("sales.invoices", "view", each)]
    return JsonResponse(found, safe=False)


@method_decorator(csrf_exempt, name="dispatch")
class InvoiceView(View):
    """One invoice."""

    @method_decorator(needs("sales.invoices", "view", load=find_invoice, hide_existence=True))
    def get(self, request: HttpRequest, record: Invoice) -> HttpResponse:
        """Show it; to whom it is not shown, it is not there."""
        return JsonResponse(shown(record))

    @method_decorator(needs("sales.invoices", "edit", load=find_invoice))
    def put(self, request: HttpRequest, record: Invoice) -> HttpResponse:
        """Change its total."""
        record.total = QueryDict(request.body)["total"]
        return JsonResponse(shown(record))


@needs("reports", "view")
def reports(request: HttpRequest) -> HttpResponse:
    """Sum all invoices up."""
    return JsonResponse({"invoices": len(INVOICES)})


urlpatterns = [
    path("sign-in", sign_in),
    path("sign-out", sign_out),
    path("me", me),
    path("invoices", invoices),
    path("invoices/<int:id>", InvoiceView.as_view()),
    path("reports", reports),
]


def shown(invoice: Invoice) -> dict[str, object]:
    """Return an invoice as JSON values."""
    return {"id": invoice.id, "owner": invoice.owner, "total": invoice.total}


class Server(ThreadingMixIn, WSGIServer):
    """The standard library's server, with a thread for each request."""

    daemon_threads = True


class Quiet(WSGIRequestHandler):
    """Writes no line for each request."""

    def log_message(self, format: str, *args: object) -> None:
        """Write nothing."""


def main() -> None:
    """Serve until interrupted; port 0 takes any free one."""
    arguments = argparse.ArgumentParser(description=__doc__.split(":")[0] if __doc__ else None)
    arguments.add_argument("--port", type=int, default=8000)
    port = arguments.parse_args().port
    server = make_server("127.0.0.1", port, get_wsgi_application(), server_class=Server, handler_class=Quiet)
    print(f"listening on http://127.0.0.1:{server.server_port}", flush=True)
    server.serve_forever()


if __name__ == "__main__":
    main()
