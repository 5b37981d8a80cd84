"""What a broken catalog gets: every mistake is told with its line, its path, what was expected and what is near."""

from __future__ import annotations

import json
import tomllib
from pathlib import Path
from typing import Any

import pytest

from seatperm.catalog import Catalog
from seatperm.errors import CatalogError
from seatperm.problem import Problem

GOOD = """\
[catalog]
name = "Books"

[scopes]
order = ["own", "team", "all"]

[ladders.default]
levels = ["none", "view", "edit", "full"]
actions = { view = "view", create = { level = "edit", record = false }, edit = "edit", delete = "full" }

[ladders.switch]
levels = ["no", "yes"]
actions = { use = "yes" }

[packages.small]
price_per_session = "40.00 NZD"
caps = { sales = "edit" }

[packages.large]
includes = ["small"]
price_per_session = "70.00 NZD"

[packages.extra]
add_on = true

[resources.sales]
package = "small"

[resources."sales.cards"]
ladder = "switch"

[resources."sales.invoices"]
actions = { approve = "full", refund = { level = "full", requires = ["sales.cards:use"] } }

[resources.reports]
package = "large"

[roles.clerk]
package = "small"
grants = { sales = "edit", "sales.cards" = "yes" }

[roles.manager]
package = "large"
includes = ["clerk"]

[roles.manager.grants]
sales = "full"
"sales.invoices" = ["view", "edit:own", { actions = ["approve"], scope = "team" }]

[roles.admin]
kind = "system"
grants = { organization = "full" }

[user_types.partner]
counted = false

[global_permissions]
reports = "view:own"
"""
MISTAKES = tomllib.loads(Path(__file__).with_suffix(".toml").read_text("utf-8"))["mistake"]


def problems(source: Path | dict[str, Any]) -> list[Problem]:
    """Return the problems of a catalog."""
    with pytest.raises(CatalogError) as caught:
        Catalog.load(source)
    return [problem for problem in caught.value.problems if isinstance(problem, Problem)]


def told(source: Path | dict[str, Any]) -> list[str]:
    """Return the problems of a catalog as they read, without the name of the file."""
    return [str(problem).removeprefix(f"{source}:") for problem in problems(source)]


def test_the_catalog_that_the_mistakes_are_made_in_is_good(tmp_path: Path) -> None:
    """Whatever is told below comes from the mistake alone."""
    path = tmp_path / "catalog.toml"
    path.write_text(GOOD, "utf-8")
    assert Catalog.load(path).name == "Books"


@pytest.mark.parametrize("mistake", MISTAKES, ids=lambda mistake: str(mistake["name"]).replace(" ", "_"))
def test_a_mistake_is_told_with_line_path_and_what_was_expected(mistake: dict[str, Any], tmp_path: Path) -> None:
    """Exactly what the table says, and nothing that only follows from it."""
    assert GOOD.count(mistake["old"]) == 1
    path = tmp_path / "catalog.toml"
    path.write_text(GOOD.replace(mistake["old"], mistake["new"]), "utf-8")
    assert told(path) == mistake["told"]


@pytest.mark.parametrize("mistake", MISTAKES, ids=lambda mistake: str(mistake["name"]).replace(" ", "_"))
def test_a_mistake_is_told_the_same_in_toml_json_and_a_mapping(mistake: dict[str, Any], tmp_path: Path) -> None:
    """Only the lines are missing; their order is that of the file still."""
    text = GOOD.replace(mistake["old"], mistake["new"])
    if "twice, first on line" in mistake["told"][0] or "date or time" in mistake["told"][0]:
        return
    mapping = tomllib.loads(text)
    path = tmp_path / "catalog.json"
    path.write_text(json.dumps(mapping), "utf-8")
    bare = sorted(line.partition(" ")[2] for line in mistake["told"])
    assert sorted(told(mapping)) == bare
    assert sorted(line.strip() for line in told(path)) == bare


def test_all_mistakes_come_at_once_in_the_order_of_the_file(tmp_path: Path) -> None:
    """Wrong types, unknown names and broken rules stand together in one error."""
    text = GOOD.replace('name = "Books"', "name = 7").replace('includes = ["clerk"]', 'includes = ["clrk"]')
    text = text.replace('reports = "view:own"', 'reports = "yes:team"').replace("counted = false", "count = false")
    path = tmp_path / "catalog.toml"
    path.write_text(text, "utf-8")
    found = problems(path)
    assert [(problem.line, problem.path) for problem in found] == [
        (2, "catalog.name"),
        (44, "roles.manager.includes[0]"),
        (55, "user_types.partner.count"),
        (58, "global_permissions.reports"),
    ]
    assert {problem.file for problem in found} == {str(path)}
    assert found[1].nearest == ("clerk",)


def test_a_mistake_in_windows_text_has_the_same_line(tmp_path: Path) -> None:
    """Carriage returns and a byte order mark count for nothing."""
    path = tmp_path / "catalog.toml"
    text = GOOD.replace('name = "Books"', "name = 7").replace("\n", "\r\n")
    path.write_bytes(b"\xef\xbb\xbf" + text.encode())
    assert told(path) == ["2: catalog.name: expected text, found the number 7"]


def test_a_key_that_is_no_text_is_told() -> None:
    """A mapping made in Python can hold what no file can."""
    good = tomllib.loads(GOOD)
    roles = {**good["roles"], 7: {"kind": "system"}}
    assert told({**good, "roles": roles}) == ["roles: expected a key that is text, found the number 7"]
    odd: dict[Any, object] = {None: {}}
    assert told(good | odd) == ["expected a key that is text, found null"]


def test_many_unknown_names_are_all_told_within_seconds() -> None:
    """After the first two hundred the nearest names are left out, never a problem."""
    good = tomllib.loads(GOOD)
    grants = {f"salse{i}": "view" for i in range(5000)}
    problems = told({**good, "roles": {**good["roles"], "r": {"kind": "system", "grants": grants}}})
    assert len(problems) == 5000
    assert problems[0] == "roles.r.grants.salse0: unknown resource 'salse0'; did you mean 'sales'?"
    assert problems[-1] == "roles.r.grants.salse4999: unknown resource 'salse4999'"
