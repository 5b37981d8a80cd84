"""The schema that editors use says what the loader says, as far as a schema can."""

from __future__ import annotations

import subprocess
import sys
import tomllib
from importlib.resources import files
from typing import Any

import pytest
from jsonschema import Draft202012Validator

from seatperm.catalog import Catalog
from seatperm.errors import CatalogError
from seatperm.loading.reading import load
from seatperm.loading.schema import schema, text

from .test_loading import EXAMPLE
from .test_loading_problems import GOOD, MISTAKES

VALIDATOR = Draft202012Validator(schema())
SEEN = (
    "unknown key", "unknown section", "text for number", "number for flag", "flag for a price", "number for text",
    "text for list", "number in list", "text for table", "table for text", "number for section", "number for an entry",
    "number within an entry", "flag for scope", "text for named actions", "unknown key in grant", "missing level",
    "missing levels", "two scopes", "licensee no package", "system with package", "unknown kind", "malformed relation",
    "duplicate level", "duplicate scope", "duplicate include", "empty ladder", "one level", "invalid price",
    "negative price", "price number", "malformed role name", "malformed package name", "malformed ladder",
    "malformed level", "malformed scope", "malformed action", "malformed resource", "malformed user type",
    "dots in role name", "empty entry", "empty grant", "empty named actions", "scopes that do not begin with own",
)  # fmt: skip
"""The mistakes that a schema can see: the others are between one table and another."""


def test_the_shipped_file_is_what_the_classes_give() -> None:
    """`python -m seatperm.loading.schema > src/seatperm/catalog.schema.json` after a change of the format."""
    assert files("seatperm").joinpath("catalog.schema.json").read_text("utf-8") == text()


def test_it_can_be_printed() -> None:
    """For an editor's settings."""
    printed = subprocess.run(
        [sys.executable, "-m", "seatperm.loading.schema"], capture_output=True, check=True, text=True
    )
    assert printed.stdout == text()


def test_it_is_a_schema() -> None:
    """Of the draft that it names."""
    Draft202012Validator.check_schema(schema())


@pytest.mark.parametrize("document", [EXAMPLE, GOOD, "[packages.one]\n"])
def test_good_catalogs_pass(document: str) -> None:
    """What loads is not found fault with; nor is its dump."""
    assert list(VALIDATOR.iter_errors(tomllib.loads(document))) == []
    assert list(VALIDATOR.iter_errors(load(tomllib.loads(document)).dump())) == []


def test_every_mistake_it_is_said_to_see_is_one_of_the_loader() -> None:
    """No name in the list above is made up."""
    assert set(SEEN) <= {mistake["name"] for mistake in MISTAKES}


@pytest.mark.parametrize(
    "mistake", [each for each in MISTAKES if each["name"] in SEEN], ids=lambda each: str(each["name"])
)
def test_malformed_catalogs_fail(mistake: dict[str, str]) -> None:
    """An editor shows them before anything is loaded."""
    assert list(VALIDATOR.iter_errors(tomllib.loads(GOOD.replace(mistake["old"], mistake["new"])))) != []


@pytest.mark.parametrize("mistake", MISTAKES, ids=lambda each: str(each["name"]))
def test_it_refuses_nothing_that_loads(mistake: dict[str, str]) -> None:
    """A fault that the schema finds is always one of the loader's, too."""
    try:
        mapping: dict[str, Any] = tomllib.loads(GOOD.replace(mistake["old"], mistake["new"]))
    except tomllib.TOMLDecodeError:
        return
    if list(VALIDATOR.iter_errors(mapping)):
        with pytest.raises(CatalogError):
            Catalog.load(mapping)


def test_every_key_is_described() -> None:
    """What an editor shows beside a key comes from the classes' own docstrings."""

    def keys(node: object) -> list[dict[str, object]]:
        if isinstance(node, list):
            return [key for item in node for key in keys(item)]
        if not isinstance(node, dict):
            return []
        properties = node.get("properties", {})
        own = [value for value in properties.values() if isinstance(value, dict) and "const" not in value]
        return own + [key for value in node.values() for key in keys(value)]

    described = [key for key in keys(schema()) if set(key) - {"minItems"}]
    assert len(described) > 25
    assert [key for key in described if not key.get("description")] == []
