"""`seatperm routes` finds what nobody has said anything of, in an application of each framework."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

EXAMPLES = Path(__file__).parents[2] / "examples" / "web"

FORGOTTEN = {
    "flask": "@app.get('/forgotten')\ndef forgotten(): return ''\n",
    "fastapi": "@app.get('/forgotten')\ndef forgotten(): return ''\n",
    "starlette": (
        "from starlette.routing import Route\napp.router.routes.append(Route('/forgotten', lambda request: None))\n"
    ),
    "litestar": (
        "from litestar import get\n"
        "@get('/forgotten')\nasync def forgotten() -> str: return ''\n"
        "app.register(forgotten)\n"
    ),
    "django": (
        "import sys\nfrom django.urls import path\nfrom django.core.wsgi import get_wsgi_application\n"
        "import django_app\ndjango_app.urlpatterns.append(path('forgotten', django_app.shown))\n"
        "app = get_wsgi_application()\n"
    ),
}

KNOWN = {
    "/sign-in": (False, True, []),
    "/me": (True, False, []),
    "/invoices": (True, False, ["sales.invoices:view:own"]),
    "/reports": (True, False, ["reports:view"]),
}


def run(folder: Path, *args: str) -> subprocess.CompletedProcess[str]:
    path = f"{EXAMPLES}:{folder}"
    command = [sys.executable, "-m", "seatperm", "routes", *args]
    return subprocess.run(command, cwd=folder, env={"PYTHONPATH": path}, capture_output=True, text=True)


@pytest.mark.parametrize("framework", FORGOTTEN)
def test_a_route_that_asks_nothing_is_found(tmp_path: Path, framework: str) -> None:
    """The others are told with what they ask; exit code 1 until nothing is left."""
    whole = f"from {framework}_app import *\n"
    (tmp_path / "whole.py").write_text(
        whole
        if framework != "django"
        else whole
        + FORGOTTEN[framework].replace("django_app.urlpatterns.append(path('forgotten', django_app.shown))\n", "")
    )
    (tmp_path / "less.py").write_text(whole + FORGOTTEN[framework])
    done = run(tmp_path, "less:app")
    assert done.returncode == 1, done.stderr
    assert "/forgotten" in done.stdout
    assert "/me" not in done.stdout
    told = json.loads(run(tmp_path, "less:app", "--all", "--format", "json").stdout)
    found = {row["path"]: (row["signed_in"], row["public"], row["needs"]) for row in told}
    assert {path: found[path] for path in KNOWN} == KNOWN
    # Pages of the framework's own are the host's to leave out.
    own = [option for pattern in ("/static/*", "/docs*", "/redoc", "/openapi.json") for option in ("--ignore", pattern)]
    done = run(tmp_path, "whole:app", *own)
    assert (done.returncode, done.stdout.partition(",")[0]) == (0, "0 routes ask for nothing")


@pytest.mark.parametrize(
    ("named", "said"),
    [
        ("app", "names no application; expected MODULE:APP"),
        ("nosuch:app", "the module 'nosuch' can't be imported"),
        ("whole:nothing", "has nothing named 'nothing'"),
        ("whole:number", "whole:number is a int; expected an application of Flask, Fastapi"),
    ],
)
def test_what_is_no_application_is_told(tmp_path: Path, named: str, said: str) -> None:
    """Exit code 2."""
    (tmp_path / "whole.py").write_text("number = 7\n")
    done = run(tmp_path, named)
    assert done.returncode == 2
    assert said in " ".join(done.stderr.split())
