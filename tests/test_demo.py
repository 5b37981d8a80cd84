"""`seatperm demo` shows what it says, fits a terminal, keeps its file, and leaves every other file alone."""

from __future__ import annotations

import os
import pty
import re
import shlex
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

import seatperm
from seatperm.demo import CATALOG, build, customers, holds_the_demo

SEATPERM = Path(sys.executable).with_name("seatperm")


def environment(**more: str) -> dict[str, str]:
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("SEATPERM_", "NO_COLOR"))}
    path = os.pathsep.join([str(SEATPERM.parent), kept["PATH"]])
    return {**kept, "PATH": path, "COLUMNS": "80", **more}


def run(*command: str, folder: Path, **more: str) -> subprocess.CompletedProcess[str]:
    """Run a command in a folder, as a newcomer would."""
    return subprocess.run(
        command, cwd=folder, env=environment(**more), capture_output=True, text=True, timeout=60, check=False
    )


@pytest.fixture(scope="module")
def folder() -> Iterator[Path]:
    """An empty folder, where temporary ones are made too; its name is short."""
    with tempfile.TemporaryDirectory() as name:
        yield Path(name)


@pytest.fixture(scope="module")
def shown(folder: Path) -> str:
    """What the demonstration prints when nothing is said."""
    done = run("seatperm", "demo", folder=folder, TMPDIR=str(folder))
    assert (done.returncode, done.stderr) == (0, "")
    return done.stdout


def spaced(text: str) -> str:
    """Return a text without its line breaks and indents."""
    return " ".join(text.split())


@pytest.mark.parametrize(
    "fact",
    [
        "Accounting: 58 functions, 20 roles, 4 packages",
        "kauri Kauri Hardware Limited: 9 users, Retail, 3 seats, 285.00 NZD a month",
        "tui Tui Plumbing Limited: 2 users, Essentials, 1 seat, 40.00 NZD a month",
        "Several roles: the highest access wins",
        "yes Tom Reid may edit Customer records: the role Accounts Receivable Manager gives it.",
        "The role Sales Staff gives only view.",
        "no Tom Reid may not edit Supplier payments: ",
        "To allow it, assign the role Accounts Payable Manager.",
        "To allow it, move to the package Elite and assign the role Job Manager, for 105.00 NZD more a month.",
        "Other Packages Elite adds Job Staff and Job Manager >>>",
        "Trade adds Inventory Staff, Inventory Controller, Inventory Admin and HR Manager; Retail adds POS Staff and",
        "no Dee Park may not edit Quotes: the license is for Essentials, and this comes with the package Trade.",
        "40.00 NZD a month would become 70.00 NZD, and - Dee Park gains view, create and edit on Sales orders and",
        '>>> tui.can("dee", "sales.quotes", "edit") yes',
        '>>> kauri.sign_in("ana", client="till") 3 of 3 in use',
        '>>> kauri.sign_in("li", client="home") SeatsExhausted all seats are taken: 3 of 3 in use; the next lease ends',
        '>>> session.end() 2 of 3 in use >>> kauri.sign_in("li", client="home") 3 of 3 in use',
        ">>> kauri.audit.verify() whole 34 events",
        "whole 6 events, from organization.created to license.changed",
    ],
)
def test_the_demonstration_shows_it(shown: str, fact: str) -> None:
    """Access resolved, a denial, roles by package, an upgrade, seats, the trail: computed, not recited."""
    assert fact in spaced(shown)


def test_the_demonstration_fits_80_columns(shown: str) -> None:
    assert [line for line in shown.splitlines() if len(line) > 80] == []


def test_its_parts_come_in_order(shown: str) -> None:
    """Seven steps, and how to look at the file."""
    assert re.findall(r"^(\d)\. ", shown, flags=re.MULTILINE) == list("1234567")
    assert shown.index("7. ") < shown.index("Look around")


def test_colors_are_for_terminals(shown: str, tmp_path: Path) -> None:
    """None in a file or a pipe, nor where NO_COLOR is set."""
    assert "\x1b" not in shown
    for more, colored in ({}, True), ({"NO_COLOR": "1"}, False):
        text = in_a_terminal(["seatperm", "demo"], tmp_path, TMPDIR=str(tmp_path), **more)
        assert ("\x1b[32m" in text, "Look around" in text) == (colored, True)


def in_a_terminal(command: list[str], folder: Path, **more: str) -> str:
    """Run a command in a terminal, and return what it shows."""
    above, below = pty.openpty()
    with subprocess.Popen(command, cwd=folder, env=environment(**more), stdout=below, stderr=below):
        os.close(below)
        parts = []
        while True:
            try:
                part = os.read(above, 65536)
            except OSError:  # what Linux says at the end of a terminal
                break
            if not part:
                break
            parts.append(part)
    os.close(above)
    return b"".join(parts).decode()


def test_what_it_says_at_its_end_can_be_pasted(shown: str, folder: Path) -> None:
    """The lines run in a shell as they stand, and show what the demonstration left."""
    lines = shown[shown.index("export ") :]
    done = run("bash", "-e", "-c", lines, folder=folder)
    assert (done.returncode, done.stderr) == (0, "")
    for seen in ("Mere", "pos_staff", "3 of 3 seats in use", "390.00 NZD", "Dee"):
        assert seen in spaced(done.stdout)
    assert spaced(done.stdout).count("license.changed") == 1


def test_called_by_a_path_it_names_that_path(tmp_path: Path) -> None:
    """As from a virtual environment that is not activated."""
    there = tmp_path / "my tools"
    there.mkdir()
    (there / "seatperm").symlink_to(SEATPERM)
    done = run("my tools/seatperm", "demo", folder=tmp_path, PATH="/usr/bin:/bin", TMPDIR=str(tmp_path))
    assert done.returncode == 0
    assert done.stdout.splitlines()[-1].startswith(f"{shlex.quote('my tools/seatperm')} audit")


def test_a_new_folder_is_made_each_time(shown: str, folder: Path) -> None:
    """Nothing is overwritten, and nothing is left where it was called but that folder."""
    again = run("seatperm", "demo", folder=folder, TMPDIR=str(folder))
    assert again.returncode == 0
    made = [re.findall(r"SEATPERM_STORE=(.+)", text)[0] for text in (shown, again.stdout)]
    assert made[0] != made[1]
    assert all(Path(path).is_file() and folder in Path(path).parents for path in made)


def test_a_named_file_is_made_anew(tmp_path: Path) -> None:
    """An earlier demonstration's, whatever was done to it since, and the catalog beside it."""
    first = run("seatperm", "demo", "--file", "books.db", folder=tmp_path)
    options = ("--catalog", "books.toml", "--store", "books.db", "--organization", "kauri")
    assert run("seatperm", "license", "change", "--session-limit", "9", *options, folder=tmp_path).returncode == 0
    second = run("seatperm", "demo", "--file", "books.db", folder=tmp_path)
    assert (first.returncode, second.returncode) == (0, 0)
    assert lasting(first.stdout) == lasting(second.stdout)
    assert (tmp_path / "books.toml").read_bytes() == CATALOG.read_bytes()


def lasting(text: str) -> str:
    """Return what the demonstration printed, without the time."""
    return re.sub(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d", "", text)


def not_a_store(path: Path) -> None:
    path.write_text("my novel")


def empty(path: Path) -> None:
    path.touch()


def of_a_host(path: Path) -> None:
    tenants = seatperm.open_tenants(CATALOG, f"sqlite:///{path}")
    tenants.create("kauri")
    tenants.create("tui")
    tenants.create("rimu")
    tenants.close()


def of_another_catalog(path: Path) -> None:
    tenants = seatperm.open_tenants({"packages": {"essentials": {}}}, f"sqlite:///{path}")
    tenants.create("kauri")
    tenants.create("tui")
    tenants.close()


def a_catalog_beside_it(path: Path) -> None:
    path.with_suffix(".toml").write_text("# my catalog")


def a_broken_link(path: Path) -> None:
    path.symlink_to("nowhere")


def a_folder(path: Path) -> None:
    path.mkdir()


@pytest.mark.parametrize(
    "make", [not_a_store, empty, of_a_host, of_another_catalog, a_catalog_beside_it, a_broken_link, a_folder]
)
def test_a_file_that_it_has_not_made_is_left_alone(tmp_path: Path, make: object) -> None:
    """It says so, in a few lines, with exit code 2."""
    assert callable(make)
    make(tmp_path / "books.db")
    before = contents(tmp_path)
    done = run("seatperm", "demo", "--file", "books.db", folder=tmp_path)
    assert (done.returncode, done.stdout) == (2, "")
    assert "--file" in done.stderr
    assert "Traceback" not in done.stderr
    assert contents(tmp_path) == before


def contents(folder: Path) -> dict[str, bytes | None]:
    return {path.name: path.read_bytes() if path.is_file() else None for path in folder.iterdir()}


@pytest.mark.parametrize(
    "name", ["no/such/folder/books.db", "books.toml", "/proc/books.db", "", "..", "/", "books.db?timeout=5"]
)
def test_a_place_where_no_file_can_be_is_told(tmp_path: Path, name: str) -> None:
    done = run("seatperm", "demo", "--file", name, folder=tmp_path)
    assert (done.returncode, done.stdout) == (2, "")
    assert "Traceback" not in done.stderr
    assert list(tmp_path.iterdir()) == []


def test_the_books_are_the_data_s(tmp_path: Path) -> None:
    """Both licenses, all staff and all users, with states, locks and roles; who is a user of both is one person."""
    path = tmp_path / "books.db"
    tenants = seatperm.open_tenants(CATALOG, f"sqlite:///{path}")
    build(tenants)
    assert [org.id for org in tenants] == [customer["id"] for customer in customers()]
    for customer in customers():
        org = tenants[customer["id"]]
        assert (org.license.package, org.license.session_limit) == (customer["package"], customer["session_limit"])
        found = {
            user.id: (user.name, user.email, user.type, user.state, user.locked, set(user.roles)) for user in org.users
        }
        assert found == {
            person["id"]: (
                person["name"],
                person["email"],
                person["type"],
                person["state"],
                person["locked"],
                set(person["roles"]),
            )
            for person in customer["users"]
        }
        assert {staff.id: (staff.name, staff.active, staff.user) for staff in org.staff} == {
            member["id"]: (member["name"], member["active"], member["user"]) for member in customer["staff"]
        }
        assert org.audit.verify()
    assert {tenants[id].users["rob"].person for id in ("kauri", "tui")} == {"rob"}
    tenants.close()
    assert holds_the_demo(path)
