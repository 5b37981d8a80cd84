"""The project as it is packaged: what is declared, what is shipped, and that both say the same."""

from __future__ import annotations

import re
import tomllib
from importlib.metadata import distribution
from importlib.resources import files
from pathlib import Path

import pytest

TOP = Path(__file__).parent.parent
PROJECT = tomllib.loads((TOP / "pyproject.toml").read_text("utf-8"))["project"]
README = (TOP / "README.md").read_text("utf-8").splitlines()


def set_up_lines(word: str) -> list[str]:
    return [line for line in README if word in line and "venv" in line]


def test_the_changelog_is_kept() -> None:
    """What is not released stands on top, in the words of Keep a Changelog, and names the version in the making."""
    text = (TOP / "CHANGELOG.md").read_text("utf-8")
    sections = re.findall(r"^## \[?([^\]\n]+)", text, flags=re.MULTILINE)
    assert sections[0] == "Unreleased"
    assert PROJECT["version"] in text
    kinds = set(re.findall(r"^### (\w+)", text, flags=re.MULTILINE))
    assert kinds <= {"Added", "Changed", "Deprecated", "Removed", "Fixed", "Security"}


def test_the_license_is_named_and_shipped() -> None:
    assert PROJECT["license"] == "MIT"
    assert PROJECT["license-files"] == ["LICENSE"]
    assert (TOP / "LICENSE").read_text("utf-8").startswith("MIT License\n\nCopyright (c) 2026 the seatperm authors\n")


@pytest.mark.parametrize(
    "name", ["py.typed", "catalog.schema.json", "cli/catalog.toml", "demo/accounting.toml", "stores/redis_seats.lua"]
)
def test_data_is_shipped_beside_the_code(name: str) -> None:
    """Type checkers, editors and the demonstration find theirs in the installed package."""
    assert files("seatperm").joinpath(name).is_file()


def test_the_installed_version_is_the_one_declared() -> None:
    assert distribution("seatperm").version == PROJECT["version"]


def test_the_command_is_there() -> None:
    """`seatperm` is what the project says it is."""
    scripts = distribution("seatperm").entry_points.select(group="console_scripts")
    assert {script.name: script.value for script in scripts} == PROJECT["scripts"]
    for script in scripts:
        assert callable(script.load())


def test_every_dependency_has_a_floor() -> None:
    """No requirement takes just any version, in the extras neither."""
    extras = [need for needs in PROJECT["optional-dependencies"].values() for need in needs]
    others = [need for need in (*PROJECT["dependencies"], *extras) if not need.startswith("seatperm[")]
    assert [need for need in others if ">=" not in need] == []


def test_readme_sets_up_in_one_line_each() -> None:
    """The first line with `venv` and the word is a whole set-up, and the only one."""
    for word in ("seatperm demo", "pytest"):
        lines = set_up_lines(word)
        assert len(lines) == 1
        assert lines[0].startswith("python3 -m venv .venv && ")


def test_ci_runs_the_line_that_readme_gives() -> None:
    """What newcomers are told to run is what is checked: the script reads it from README."""
    script = (TOP / ".ci" / "run").read_text("utf-8")
    assert "grep -F pytest README.md | grep -F venv | head -n 1" in script
    assert (TOP / ".ci" / "run").stat().st_mode & 0o111
