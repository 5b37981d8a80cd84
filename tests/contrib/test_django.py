"""What Django asks of seatperm: `has_perm`, the superuser shortcut, system checks, views of every kind."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from textwrap import dedent

import pytest

PROJECT = """
import asyncio, sys
import django
from django.conf import settings
import seatperm

CATALOG = {
    "packages": {"basic": {}, "more": {"includes": ["basic"]}},
    "ladders": {"default": {"levels": ["none", "view"], "actions": {"view": "view"}}},
    "resources": {"sales": {"package": "basic"}, "stock": {"package": "more"}},
    "roles": {"seller": {"package": "basic", "grants": {"sales": "view:own"}}},
}
organization = seatperm.open(CATALOG, "memory://")
organization.change_license(session_limit=9)
SEATPERM = {"organization": organization}
organization.relate("sales", lambda user, record, action: "own" if record == user.id else None)
for id in ("1", "2"):
    organization.users.add(id=id, email=f"u{id}@kauri.example", name=f"User {id}", roles=["seller"])
SETTINGS = dict(
    SECRET_KEY="a test's",
    ROOT_URLCONF="__main__",
    ALLOWED_HOSTS=["testserver"],
    INSTALLED_APPS=["django.contrib.auth", "django.contrib.contenttypes", "seatperm.contrib.django.SeatpermConfig"],
    MIDDLEWARE=["seatperm.contrib.django.SeatpermMiddleware"],
    AUTHENTICATION_BACKENDS=["seatperm.contrib.django.SeatpermBackend"],
    SEATPERM=SEATPERM,
    DEFAULT_AUTO_FIELD="django.db.models.BigAutoField",
)
urlpatterns = []

def set_up(**more):
    settings.configure(**{**SETTINGS, **more})
    django.setup()
"""


Run = Callable[[str], list[str]]


@pytest.fixture
def run(tmp_path: Path) -> Run:
    """Run a small project in a process of its own, for Django's settings are the whole process's."""

    def run(code: str) -> list[str]:
        path = tmp_path / "project.py"
        path.write_text(PROJECT + dedent(code), "utf-8")
        done = subprocess.run([sys.executable, "-W", "error", str(path)], capture_output=True, text=True)
        assert done.returncode == 0, done.stderr
        return done.stdout.splitlines()

    return run


def test_has_perm_asks_seatperm_about_names_with_a_colon(run: Run) -> None:
    """Inactive users and Django's own names get nothing from here; a misspelt one is an error."""
    assert run(
        """
        set_up()
        from django.contrib.auth.models import AnonymousUser, User
        user = User(pk=1, username="tom")
        print(user.has_perm("sales:view"), user.has_perm("sales:view", "1"), user.has_perm("sales:view", "2"))
        print(user.has_perm("stock:view"), user.has_perm("auth.add_user"), AnonymousUser().has_perm("sales:view"))
        print(User(pk=1, is_active=False).has_perm("sales:view", "1"), User(pk=9).has_perm("sales:view", "9"))
        try:
            user.has_perm("sale:view")
        except seatperm.UnknownResource as error:
            print(error)
        """
    ) == [
        "False True False",
        "False False False",
        "False False",
        "unknown resource 'sale'; did you mean 'sales'?",
    ]


def test_a_superuser_passes_unless_the_user_model_asks_seatperm(run: Run) -> None:
    """Django answers for its active superusers by itself; the package is asked only where the model says so."""
    assert run(
        """
        set_up()
        from django.contrib.auth.models import User
        from django.core.checks import run_checks
        from seatperm.contrib.django import AsksSeatperm

        class Asked(AsksSeatperm, User):
            class Meta:
                app_label = "auth"
                proxy = True

        for model in (User, Asked):
            root = model(pk=2, username="root", is_superuser=True)
            print(root.has_perm("stock:view"), root.has_perm("sales:view", "2"), root.has_perm("auth.add_user"))
        print([found.id for found in run_checks()])
        """
    ) == ["True True True", "False True True", "['seatperm.W001']"]


def test_the_system_checks_are_quiet_where_nobody_passes_unasked(run: Run) -> None:
    """Without the backend, or with a user model that asks."""
    assert run(
        """
        set_up(AUTHENTICATION_BACKENDS=["django.contrib.auth.backends.ModelBackend"])
        from django.core.checks import run_checks
        print(run_checks())
        """
    ) == ["[]"]


@pytest.mark.parametrize(
    ("more", "found"),
    [
        ("SEATPERM={}", "seatperm.E001"),
        ("SEATPERM={**SEATPERM, 'carier': 1}", "seatperm.E001"),
        ("SEATPERM={'organization': 'no.such.thing'}", "seatperm.E001"),
        ("MIDDLEWARE=[]", "seatperm.E002"),
        (
            "SEATPERM={**SEATPERM, 'carrier': Cookie(name='c', secure=False)}, AUTHENTICATION_BACKENDS=[]",
            "seatperm.W002",
        ),
    ],
)
def test_the_system_checks_find_what_is_missing(run: Run, more: str, found: str) -> None:
    """Each with an id by which a project can silence it."""
    assert run(
        f"""
        from seatperm.contrib.web import Cookie
        set_up(**{{"AUTHENTICATION_BACKENDS": [], **dict({more})}})
        from django.core.checks import run_checks
        print([found.id for found in run_checks()])
        """
    ) == [f"['{found}']"]


def test_classes_and_coroutines_can_be_views(run: Run) -> None:
    """The decorator serves both, and `routes` knows what each asks."""
    assert run(
        """
        set_up()
        from django.http import HttpResponse
        from django.test import AsyncClient, Client
        from django.urls import include, path
        from django.utils.decorators import method_decorator
        from django.views import View
        from seatperm.contrib.django import door, needs, public, routes, signed_in

        @public
        def sign_in(request):
            door(request).sign_in("1")
            return HttpResponse("in")

        @method_decorator(needs("sales", "view", load=lambda id: id), name="dispatch")
        class Sale(View):
            def get(self, request, record):
                return HttpResponse(record)

        @needs("sales", "view", load=lambda id: id if id != "none" else None, hide_existence=True)
        async def waited(request, record):
            return HttpResponse(record)

        def forgotten(request):
            return HttpResponse("")

        urlpatterns[:] = [
            path("in", sign_in), path("sales/<str:id>", Sale.as_view()),
            path("more/", include([path("<str:id>", waited), path("open", forgotten)])),
            path("me", signed_in(forgotten)),
        ]
        client = Client()
        client.get("/in", secure=True)
        for url in ("/sales/1", "/sales/2", "/more/1", "/more/2", "/more/none"):
            reply = client.get(url, secure=True)
            print(url, reply.status_code, reply.headers["Content-Type"])

        async def asynchronously():
            client = AsyncClient()
            await client.get("/in", secure=True)
            return [(await client.get(url, secure=True)).status_code for url in ("/sales/1", "/more/1", "/more/2")]

        print(asyncio.run(asynchronously()))
        for route in routes():
            print(route.path, route.methods, *route.needs, route.unchecked)
        """
    ) == [
        "/sales/1 200 text/html; charset=utf-8",
        "/sales/2 403 application/problem+json",
        "/more/1 200 text/html; charset=utf-8",
        "/more/2 404 text/html; charset=utf-8",
        "/more/none 404 text/html; charset=utf-8",
        "[200, 200, 404]",
        "/in () False",
        "/sales/<str:id> ('GET',) sales:view False",
        "/more/<str:id> () sales:view False",
        "/more/open () True",
        "/me () False",
    ]


def test_a_mistake_of_the_host_stays_a_mistake(run: Run) -> None:
    """A misspelt name is no answer to the user: it comes out where it was made."""
    assert run(
        """
        set_up()
        from django.http import HttpResponse
        from django.test import Client, RequestFactory
        from django.urls import path
        from django.core.exceptions import ImproperlyConfigured
        from seatperm.contrib.django import door, needs

        def sign_in(request):
            door(request).sign_in("1")
            return HttpResponse("in")

        urlpatterns[:] = [path("in", sign_in), path("sale", needs("sale", "view")(sign_in))]
        client = Client()
        client.get("/in", secure=True)
        try:
            client.get("/sale", secure=True)
        except seatperm.UnknownResource as error:
            print(error.name)
        try:
            door(RequestFactory().get("/"))
        except ImproperlyConfigured as error:
            print(error)
        """
    ) == ["sale", "put 'seatperm.contrib.django.SeatpermMiddleware' into MIDDLEWARE"]


def test_asked_asynchronously_django_answers_the_same(run: Run) -> None:
    """`ahas_perm` of a superuser too; and a wrong password stays a wrong password."""
    assert run(
        """
        set_up(
            AUTHENTICATION_BACKENDS=[
                "seatperm.contrib.django.SeatpermBackend", "django.contrib.auth.backends.ModelBackend"
            ],
            DATABASES={"default": {"ENGINE": "django.db.backends.sqlite3", "NAME": ":memory:"}},
        )
        from django.contrib.auth import aauthenticate
        from django.contrib.auth.models import User
        from django.core.management import call_command
        from seatperm.contrib.django import AsksSeatperm, SeatpermBackend

        class Asked(AsksSeatperm, User):
            class Meta:
                app_label = "auth"
                proxy = True

        async def use():
            user, root = User(pk=1, username="tom"), Asked(pk=2, username="root", is_superuser=True)
            print(await user.ahas_perm("sales:view", "1"), await user.ahas_perm("sales:view", "2"))
            print(await root.ahas_perm("stock:view"), await root.ahas_perm("sales:view", "2"))
            print(await root.ahas_perm("auth.add_user"))
            print(await SeatpermBackend().aget_user(1))

        if django.VERSION >= (5, 2):
            asyncio.run(use())
        else:
            print("True False\\nFalse True\\nTrue\\nNone")
        call_command("migrate", verbosity=0)
        if django.VERSION >= (5, 0):
            from asgiref.sync import async_to_sync
            print(async_to_sync(aauthenticate)(None, username="tom", password="wrong"))
        else:
            print(None)
        """
    ) == ["True False", "False True", "True", "None", "None"]


def test_signed_in_serves_coroutines_and_under_asgi_nothing_leaves_the_event_loop(run: Run) -> None:
    """The middleware is of both kinds, so that Django hands no request to a thread for its sake."""
    assert run(
        """
        set_up()
        import threading
        from django.http import HttpResponse
        from django.test import AsyncClient
        from django.urls import path
        from asgiref.sync import iscoroutinefunction
        from seatperm.contrib.django import SeatpermMiddleware, door, needs, signed_in

        async def sign_in(request):
            await asyncio.to_thread(door(request).sign_in, "1")
            return HttpResponse(threading.current_thread() is threading.main_thread())

        @signed_in
        async def me(request):
            return HttpResponse(door(request).session.user.id)

        async def find(id):
            return id

        @needs("sales", "view", load=find)
        def sale(request, record):
            return HttpResponse(record)

        urlpatterns[:] = [path("in", sign_in), path("me", me), path("sales/<str:id>", sale)]

        async def use():
            client = AsyncClient()
            print((await client.get("/me", secure=True)).status_code)
            print((await client.get("/in", secure=True)).content)
            for url in ("/me", "/sales/1", "/sales/2"):
                reply = await client.get(url, secure=True)
                print(reply.status_code, reply.headers.get("Vary"))

        asyncio.run(use())
        async def nothing(request): ...
        print(iscoroutinefunction(SeatpermMiddleware(nothing)), iscoroutinefunction(SeatpermMiddleware(print)))
        """
    ) == ["401", "b'True'", "200 Cookie", "200 Cookie", "403 Cookie", "True False"]


def test_a_project_may_answer_in_its_own_way(run: Run) -> None:
    """A redirect to where people sign in, a page for a full house; the rest stays as it is."""
    assert run(
        """
        import seatperm
        from django.http import HttpResponse
        from django.shortcuts import redirect
        from seatperm.contrib.web import NotSignedIn

        def own(request, error):
            if isinstance(error, NotSignedIn | seatperm.SessionEnded):
                return redirect("/in")
            return HttpResponse("wait here", status=403) if isinstance(error, seatperm.SeatsExhausted) else None

        set_up(SEATPERM={**SEATPERM, "answer": own})
        from django.test import Client
        from django.urls import path
        from seatperm.contrib.django import door, needs

        def sign_in(request):
            return HttpResponse(door(request).sign_in("1").id)

        def sign_out(request):
            door(request).sign_out()
            return HttpResponse()

        urlpatterns[:] = [
            path("in", sign_in), path("out", sign_out), path("sales", needs("sales", "view")(sign_in))
        ]
        organization.change_license(session_limit=1)
        client = Client()
        print(client.get("/sales", secure=True).headers["Location"])
        first, token = client.get("/in", secure=True), client.cookies["__Host-seatperm-token"].value
        again = client.get("/in", secure=True)
        print(first.headers["Cache-Control"], first.content == again.content)
        print(client.cookies["__Host-seatperm-token"].value == token, client.get("/sales", secure=True).status_code)
        print(Client().get("/in", secure=True).content)
        out = client.get("/out", secure=True)
        print(out.headers["Cache-Control"], str(out.cookies).replace("Set-Cookie: ", "").replace('""', ""))
        """
    ) == [
        "/in",
        "no-store True",
        "False 403",
        "b'wait here'",
        "no-store __Host-seatperm-token=; HttpOnly; Max-Age=0; Path=/; SameSite=Lax; Secure",
    ]


def test_no_token_stands_in_a_report_of_an_error(run: Run) -> None:
    """Neither among the cookies nor among what the frames of the sign-in hold."""
    assert run(
        """
        set_up()
        import logging
        logging.disable()
        from django.http import HttpResponse
        from django.test import Client
        from django.urls import path
        from django.views.debug import ExceptionReporter
        from seatperm.contrib.django import door

        tokens, reports = [], []

        def sign_in(request):
            tokens.append(door(request).sign_in("1").token)
            return HttpResponse()

        def me(request):
            door(request).session

        def handler500(request):
            reports.append(ExceptionReporter(request, *sys.exc_info()).get_traceback_html())
            return HttpResponse(status=500)

        urlpatterns[:] = [path("in", sign_in), path("me", me)]
        client = Client(raise_request_exception=False)
        client.get("/in", secure=True)
        type(organization).resume = lambda self, token, on_unavailable: 1 / 0
        print(client.get("/me", secure=True).status_code)
        print(len(reports), tokens[0] in reports[0], "ZeroDivisionError" in reports[0])
        """
    ) == ["500", "1 False True"]
