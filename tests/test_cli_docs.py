"""docs/cli.md tells programs what JSON and CSV they get, command by command."""

from __future__ import annotations

import json
import re
import sys
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path

import pytest

from seatperm import License, open_tenants
from seatperm.license_files import generate_key, issue, public_key

from .cli_books import Books, make

MAIL = ("--email", "new@kauri.example", "--name", "New")

CALLS = {
    "check": ("check", "{catalog}"),
    "can": ("can", "tom", "sales", "view"),
    "explain": ("explain", "tom", "sales", "view"),
    "users": ("users",),
    "who-can": ("who-can", "sales", "view"),
    "users add": ("users", "add", "new", *MAIL),
    "users lock": ("users", "lock", "tom"),
    "users unlock": ("users", "unlock", "tom"),
    "users assign": ("users", "assign", "tom", "sales_staff"),
    "users unassign": ("users", "unassign", "tom", "sales_staff"),
    "users reinvite": ("users", "reinvite", "ana"),
    "users rename": ("users", "rename", "tom", "Tom Hale"),
    "users set-type": ("users", "set-type", "tom", "partner"),
    "users change-email": ("users", "change-email", "tom", "tom@rimu.example"),
    "users accept": ("users", "accept", "{token}"),
    "users settings": ("users", "settings", "tom"),
    "users override": ("users", "override", "tom", "sales", "view:own", "--until", "2999-01-31"),
    "users clear": ("users", "clear", "tom", "sales"),
    "users reset": ("users", "reset", "tom"),
    "users copy-settings": ("users", "copy-settings", "tom", "rob"),
    "users forget": ("users", "forget", "tom", "--yes"),
    "staff": ("staff",),
    "staff add": ("staff", "add", "Joe Marsh"),
    "staff link": ("staff", "link", "s-2", "rob"),
    "staff unlink": ("staff", "unlink", "s-1"),
    "staff deactivate": ("staff", "deactivate", "s-1"),
    "staff reactivate": ("staff", "reactivate", "s-1"),
    "users dismiss": ("users", "dismiss", "tom", "--yes"),
    "users invite": ("users", "invite", *MAIL),
    "access": ("access", "tom"),
    "roles": ("roles", "tom"),
    "define-role": ("define-role", "night", "--title", "Night till", "--grant", "sales=view"),
    "remove-role": ("remove-role", "quotes"),
    "diff": ("diff", "{catalog}", "{catalog}"),
    "permissions": ("permissions",),
    "permissions set": ("permissions", "set", "sales", "view"),
    "permissions clear": ("permissions", "clear", "sales"),
    "organizations": ("organizations",),
    "organizations create": ("organizations", "create", "rimu"),
    "sessions": ("sessions",),
    "sessions history": ("sessions", "history"),
    "sessions peak": ("sessions", "peak"),
    "sessions end": ("sessions", "end", "none"),
    "license": ("license",),
    "license preview": ("license", "preview", "--package", "trade"),
    "license change": ("license", "change", "--package", "trade"),
    "license install": ("license", "install", "{file}", "--keys", "{keys}"),
    "license inspect": ("license", "inspect", "{file}", "--keys", "{keys}"),
    "organizations restore": ("organizations", "restore", "{exported}", "--id", "tui"),
    "users import": ("users", "import", "{people}", "--dry-run"),
    "users import --invite": ("users", "import", "{people}", "--invite"),
    "routes": ("routes", "shop_of_this_test:app"),
    "audit": ("audit",),
    "audit --verify": ("audit", "--verify"),
}
"""A call of every command that prints JSON."""

PARTS = {
    **{f"license {verb}": {"before", "after", "effects"} for verb in ("preview", "change", "install")},
    **{f"users import{how}": {"taken", "refused", "dry_run"} for how in ("", " --invite")},
}
"""What those print as JSON whose row tells of parts of it too."""

WITHIN_ROLES = {"id", "title", "package", "comes_with", "until", "custom"}
"""What stands in the lists of `roles`."""


def signed_license(folder: Path) -> tuple[Path, Path]:
    """Be a vendor: return a license file and the file of its public key."""
    key, file, keys = generate_key(), folder / "kauri.license", folder / "public.json"
    file.write_text(issue(key, organization="default", license=License("trade"), issued=datetime.now(UTC)), "utf-8")
    keys.write_text(json.dumps(public_key(key)), "utf-8")
    return file, keys


def other_files(folder: Path, books: Books) -> dict[str, Path]:
    """Return a file of users, one of them refused, and an exported organization without people."""
    people, exported = folder / "people.csv", folder / "exported.jsonl"
    people.write_text("id,email,name\nzoe,zoe@kauri.example,Zoe\ntom,other@kauri.example,Tom\n", "utf-8")
    store = f"sqlite:///{folder / 'other.db'}"
    with closing(open_tenants(books.catalog, store)) as tenants:
        tenants.create("tui")
    books.out("organizations", "export", "tui", "--store", store, "--output", str(exported))
    return {"people": people, "exported": exported}


@pytest.fixture
def _shop(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """An application with a route that nobody has said anything of."""
    text = "import flask\napp = flask.Flask('shop')\n@app.get('/')\ndef shown(): return ''\n"
    (tmp_path / "shop_of_this_test.py").write_text(text, "utf-8")
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setattr(sys, "path", [*sys.path])


def told() -> dict[str, tuple[str, list[str]]]:
    """Return the page's words on JSON and CSV, for each command."""
    page = (Path(__file__).parent.parent / "docs" / "cli.md").read_text("utf-8")
    rows = re.findall(r"^\| (`[^|]*) \| ([^|]*`[^|]*) \| ([^|]*) \|$", page, flags=re.MULTILINE)
    return {
        name: (keys, re.findall(r"`([a-z_]+)`", keys if columns == "the same" else columns))
        for names, keys, columns in rows
        for name in re.findall(r"`([^`]*)`", names)
    }


def test_every_call_is_told() -> None:
    """A command that prints JSON has its row, and no row is of another."""
    assert told().keys() == CALLS.keys()


@pytest.mark.usefixtures("_shop")
def test_programs_get_what_the_page_says(tmp_path: Path) -> None:
    """Every key of JSON, and every column of CSV in its order."""
    made = tmp_path / "made"
    made.mkdir()
    books = make(made)
    org = books.org()
    org.define_role("quotes", title="Quotes", grants={"sales.invoices": "view:own"})
    org.set_global_permissions({"sales": "view", "stock": "view"})
    token = org.users.reinvite("ana").token
    org.sign_in("tom").end()
    org.close()
    file, public = signed_license(tmp_path)
    files = {"catalog": books.catalog, "file": file, "keys": public, "token": token, **other_files(tmp_path, books)}
    page = told()
    wrong: dict[str, object] = {}
    for name, call in CALLS.items():
        args = [arg.format(**files) for arg in call]
        for format, folder in (("json", "for_json"), ("csv", "for_csv")):
            done = books.copied(tmp_path / folder / name).run(*args, "--format", format)
            assert done.stderr == "", name
            printed = done.stdout
            keys, columns = page[name]
            if format == "csv":
                found: object = printed.splitlines()[0].split(",")
                expected: object = columns
            else:
                value = json.loads(printed)
                found = set(value[0] if isinstance(value, list) else value)
                expected = set(re.findall(r"`([a-z_]+)`", keys)) - (WITHIN_ROLES if name == "roles" else set())
                expected = PARTS.get(name, expected)
            if found != expected:
                wrong[f"{name} {format}"] = found, expected
    assert wrong == {}
