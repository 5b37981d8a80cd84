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
