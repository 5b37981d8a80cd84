"""The command in a shell: colors, pipes, exit codes, completion."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from .cli_books import Books, make


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Books:
    return make(tmp_path_factory.mktemp("books"))


@pytest.fixture
def books(made: Books, tmp_path: Path) -> Books:
    return made.copied(tmp_path)


def test_color_is_for_terminals(made: Books) -> None:
    """None in a pipe, and none where NO_COLOR is set."""
    question = ("can", "tom", "sales", "view")
    assert made.run(*question).stdout == "yes\n"
    assert made.run(*question, color=True).stdout == "\x1b[32myes\x1b[0m\n"
    assert made.run(*question, color=True, env={"NO_COLOR": "1"}).stdout == "yes\n"
    assert "\x1b[1mId" in made.run("users", color=True).stdout
    assert "\x1b" not in made.run("users", "--format", "csv", color=True).stdout


def process(books: Books, *args: str, **env: str) -> subprocess.Popen[bytes]:
    said = {"SEATPERM_CATALOG": str(books.catalog), "SEATPERM_STORE": str(books.store), "PYTHONIOENCODING": "utf-8"}
    return subprocess.Popen(
        [sys.executable, "-m", "seatperm", *args],
        env={**os.environ, **said, **env},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )


def test_it_runs_as_a_module(made: Books) -> None:
    """`python -m seatperm` is the same command, exit codes and all."""
    asked = process(made, "can", "tom", "stock", "view")
    assert asked.communicate() == (b"no\n", b"")
    assert asked.returncode == 1
    version, _ = process(made, "--version").communicate()
    assert version.startswith(b"seatperm, version ")


def test_a_closed_pipe_is_no_error(made: Books) -> None:
    """`seatperm users | head` ends quietly, as what a broken pipe ends."""
    listing = process(made, "users", "--format", "csv")
    assert listing.stdout is not None
    listing.stdout.close()
    assert listing.stderr is not None
    assert listing.stderr.read() == b""
    listing.stderr.close()
    assert listing.wait() == 141


def test_a_terminal_without_the_letters_gets_the_rest(made: Books) -> None:
    """A name that its encoding does not have is written with escapes."""
    out, err = process(made, "users", "--format", "csv", PYTHONIOENCODING="latin-1").communicate()
    assert err == b""
    assert b"Mere T\\u0101ne" in out


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_completion_prints_the_script(made: Books, shell: str) -> None:
    """To be evaluated by the shell."""
    assert "_SEATPERM_COMPLETE" in made.out("completion", shell)


@pytest.mark.parametrize(
    ("words", "offered"),
    [
        (("can", ""), ["ana", "mere", "rob", "tom"]),
        (("can", "t"), ["tom"]),
        (("can", "tom", "sa"), ["sales", "sales.invoices", "sales.cards"]),
        (("can", "tom", "sales.invoices", ""), ["view", "create", "edit", "delete", "approve"]),
        (("can", "tom", "sales", "view", "--scope", ""), ["own", "all"]),
        (("who-can", "st"), ["stock"]),
        (("users", "assign", "tom", "s"), ["sales_staff", "stock_keeper"]),
        (("users", "add", "x", "--role", "org"), ["organization_admin"]),
        (("users", "add", "x", "--type", ""), ["app", "partner"]),
        (("license", "change", "--package", ""), ["essentials", "trade"]),
        (("license", "change", "--add-on", ""), ["payroll"]),
        (("users", "--organization", ""), ["default"]),
        (("can", "--catalog", "nowhere.toml", "tom", "sa"), []),
        (("can", "--store", "nowhere.db", ""), []),
        (("can", "tom", "nothing", ""), []),
        (("wh",), ["who-can"]),
    ],
    ids=" ".join,
)
def test_shells_complete_names_and_ids(made: Books, words: tuple[str, ...], offered: list[str]) -> None:
    """Of the catalog and of the store; where those can't be read, nothing, and no message in between."""
    line = " ".join(["seatperm", *words])
    done = made.run(env={"_SEATPERM_COMPLETE": "bash_complete", "COMP_WORDS": line, "COMP_CWORD": str(len(words))})
    assert [row.partition(",")[2] for row in done.stdout.split()] == offered
    assert done.stderr == ""


def test_shells_complete_live_sessions(books: Books) -> None:
    """To end one."""
    org = books.org()
    session = org.sign_in("tom")
    org.close()
    done = books.run(
        env={"_SEATPERM_COMPLETE": "bash_complete", "COMP_WORDS": "seatperm sessions end ", "COMP_CWORD": "3"}
    )
    assert done.stdout == f"plain,{session.id}\n"
