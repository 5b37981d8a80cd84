"""README and the pages of docs/ do what they say: every block in them is run, every link leads somewhere.

What the fences mean:

- `python` is run, a page's blocks one after another with the same names; `>>>` blocks are doctests.
- `text` is what the blocks before it have printed. What is printed has to be shown.
- `toml` has to parse.
- `console` is run in a shell, line by line where it says `$`, and has to print what stands below; what is
  exported stays so.
- `sh` is README's two set-up lines; `.ci/run` runs them.

A block that begins with a line such as `# catalog.toml` becomes that file too.

Each page begins in an empty folder. Differences in space do not count, `...` stands for anything.
"""

from __future__ import annotations

import logging
import os
import re
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from contextlib import redirect_stdout
from doctest import ELLIPSIS, NORMALIZE_WHITESPACE, OutputChecker
from io import StringIO
from pathlib import Path
from xml.etree import ElementTree as ET

import click
import pytest
from attrs import define, field
from sybil import Example, Sybil
from sybil.parsers.markdown import CodeBlockParser, PythonCodeBlockParser
from sybil.typing import Parser

import seatperm
from seatperm import Organization, Tenants
from seatperm.cli import main
from seatperm.decision import Reason

from .test_house import ERRORS

TOP = Path(__file__).parent.parent
README = TOP / "README.md"
PAGES = [README, *sorted((TOP / "docs").glob("*.md"))]
FLAGS = ELLIPSIS | NORMALIZE_WHITESPACE
SITE = {"{eval-rst}", "{toctree}"}
"""Fences that make the site: its build fails where they lead nowhere."""


def difference(shown: str, printed: str) -> str | None:
    """Return what to say where a page shows something else than was printed."""
    if OutputChecker().check_output(shown, printed, FLAGS):
        return None
    return f"shown:\n{shown}\nprinted:\n{printed}"


@define
class Reading:
    """One page, read from the top."""

    _printed: StringIO = field(factory=StringIO)
    _exported: list[str] = field(factory=list)

    def read(self, path: Path) -> None:
        parsers: list[Parser] = [
            PythonCodeBlockParser(doctest_optionflags=FLAGS),
            CodeBlockParser("text", self._text),
            CodeBlockParser("toml", self._toml),
            CodeBlockParser("console", self._console),
        ]
        document = Sybil(parsers).parse(path)
        for example in document.examples():
            named = re.match(r"# (\w+\.(?:py|toml))\n", example.parsed) if isinstance(example.parsed, str) else None
            if named is not None:
                Path(named[1]).write_text(example.parsed, "utf-8")
            with redirect_stdout(self._printed):
                example.evaluate()
        assert self._printed.getvalue() == "", "the page prints what it does not show"
        for value in document.namespace.values():
            if isinstance(value, Organization | Tenants):
                value.close()

    def _text(self, example: Example) -> str | None:
        printed = self._printed.getvalue()
        self._printed.seek(0)
        self._printed.truncate()
        return difference(example.parsed, printed)

    def _toml(self, example: Example) -> None:
        tomllib.loads(example.parsed)

    def _console(self, example: Example) -> str | None:
        for block in re.split(r"^\$ ", example.parsed, flags=re.MULTILINE)[1:]:
            command, _, shown = block.partition("\n")
            script = "\n".join([*self._exported, command])
            done = subprocess.run(["bash", "-c", script], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
            if command.startswith("export "):
                self._exported.append(command)
            wrong = difference(shown, done.stdout)
            if wrong:
                return f"$ {command}\n{wrong}"
        return None


@pytest.fixture(autouse=True)
def logging_as_before() -> Iterator[None]:
    """Take back what a page has said of the library's log."""
    logger = logging.getLogger("seatperm")
    handlers, level = [*logger.handlers], logger.level
    yield
    logger.handlers[:] = handlers
    logger.setLevel(level)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_block_does_what_the_page_says(page: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A page's blocks are run from the top in an empty folder."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(tmp_path)  # as `python` does with the folder that it is started in
    monkeypatch.setenv("PATH", os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]]))
    monkeypatch.setenv("COLUMNS", "80")
    monkeypatch.setenv("NO_COLOR", "1")
    Reading().read(page)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_no_block_is_only_for_show(page: Path) -> None:
    """Every fence is of a kind that is run."""
    fences = re.findall(r"^ *```(.*)$", page.read_text("utf-8"), flags=re.MULTILINE)
    allowed = {"python", "text", "toml", "console", *SITE} | ({"sh"} if page == README else set())
    assert set(fences[::2]) <= allowed
    assert set(fences[1::2]) <= {""}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_link_leads_somewhere(page: Path) -> None:
    """Links within the project name files, and headings in them, that are there."""
    for target, anchor in re.findall(r"\]\((?!https?:)([^)#]*)(?:#([^)]+))?\)", page.read_text("utf-8")):
        file = (page.parent / target) if target else page
        assert file.exists(), f"{page.name} links to {target}"
        if anchor:
            headings = re.findall(r"^#+ (.+)$", file.read_text("utf-8"), flags=re.MULTILINE)
            assert anchor in {re.sub(r"[^\w -]", "", title).lower().replace(" ", "-") for title in headings}


def test_every_page_is_found_from_the_first() -> None:
    """docs/index.md names every other page."""
    index = (TOP / "docs" / "index.md").read_text("utf-8")
    assert [page.name for page in PAGES[1:] if f"({page.name})" not in index and page.name != "index.md"] == []


def test_every_picture_is_told_in_words() -> None:
    """Each picture of docs/pictures has a title and a description for who can't see it, and stands on a page."""
    pages = "".join(page.read_text("utf-8") for page in PAGES)
    for picture in sorted((TOP / "docs" / "pictures").glob("*.svg")):
        assert f"(pictures/{picture.name})" in pages
        told = ET.parse(picture).getroot()
        for name in ("title", "desc"):
            words = told.find(f"{{http://www.w3.org/2000/svg}}{name}")
            assert words is not None, f"{picture.name} has no {name}"
            assert words.get("id") in told.attrib["aria-labelledby"].split()
            assert words.text


def test_every_public_name_is_in_the_reference() -> None:
    """docs/reference.md has what `import seatperm` has, but for the errors, which have a page of their own."""
    told = re.findall(
        r"^\.\. auto\w+:: seatperm\.(\w+)", (TOP / "docs" / "reference.md").read_text("utf-8"), re.MULTILINE
    )
    errors = {"SeatpermError", *(type(error).__name__ for error in ERRORS)}
    assert set(seatperm.__all__) - errors - set(told) == set()


def test_every_error_is_explained() -> None:
    """docs/errors.md has a row for each error, with its evidence, and for nothing else."""
    rows = re.findall(r"^\| `(\w+)` \| ([^|]*) \|", (TOP / "docs" / "errors.md").read_text("utf-8"), flags=re.MULTILINE)
    told = {name: set(re.findall(r"`(\w+)`", attributes)) for name, attributes in rows}
    assert told == {type(error).__name__: set(vars(error)) for error in ERRORS}


def test_every_reason_is_explained() -> None:
    """docs/access.md has the table of reason codes, as `Reason` has them."""
    rows = re.findall(
        r"^\| `(\w+)` \| (yes|no) \| (.+) \|$", (TOP / "docs" / "access.md").read_text("utf-8"), re.MULTILINE
    )
    assert rows == [(it.value, "yes" if it.allowed else "no", it.description) for it in Reason]


def commands(group: click.Group, path: str) -> Iterator[tuple[str, click.Command]]:
    """Iterate over a group's commands, and those below them, each with what one types."""
    for name, command in group.commands.items():
        yield f"{path} {name}", command
        if isinstance(command, click.Group):
            yield from commands(command, f"{path} {name}")


def test_every_command_is_explained() -> None:
    """docs/cli.md has a row for each command and for no other, and names each option."""
    text = (TOP / "docs" / "cli.md").read_text("utf-8")
    told = re.findall(r"^\| `(seatperm [a-z -]*[a-z])[^`]*` \|", text, flags=re.MULTILINE)
    there = dict(commands(main, "seatperm"))
    assert sorted(told) == sorted(there)
    options = {option for command in there.values() for parameter in command.params for option in parameter.opts}
    assert {option for option in options if option.startswith("--") and f"`{option}" not in text} == set()
