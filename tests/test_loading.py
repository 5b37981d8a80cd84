"""A catalog goes in from a file or a mapping and comes out again; what can't be read is an error of ours."""

from __future__ import annotations

import json
import logging
import os
import time
import tomllib
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from seatperm.catalog import Action, Catalog, Grant, Ladder, Package, Resource, Role, UserType
from seatperm.errors import CatalogError
from seatperm.loading.reading import dump, dumps_toml, load
from seatperm.money import Money

from .bench.catalogs import large

EXAMPLE = """\
[catalog]
name = "Kauri accounting"

[scopes]
order = ["own", "team", "all"]            # begins with own, ends with all; own < all if left out

[ladders.default]
levels  = ["none", "view", "edit", "full"]
actions = { view = "view", create = { level = "edit", record = false }, edit = "edit", delete = "full" }

[ladders.switch]
levels  = ["no", "yes"]
actions = { use = "yes" }

[packages.essentials]
title = "Essentials"
price_per_session = "40.00 NZD"           # a month; one currency a catalog
[packages.trade]
includes = ["essentials"]
price_per_session = "70.00 NZD"
caps = { "reports.custom" = "view" }
[packages.payroll]
add_on = true
price_per_session = "9.50 NZD"

[resources.sales]
title = "Sales"
package = "essentials"
[resources."sales.cards"]
ladder = "switch"
[resources."sales.invoices"]
actions = { approve = "full", refund = { level = "full", requires = ["sales.cards:use"], implies = ["sales.invoices:view"] } }
[resources.reports]
package = "essentials"
[resources."reports.custom"]
package = "trade"

[roles.sales_staff]
title = "Sales staff"
package = "essentials"
[roles.sales_staff.grants]
sales = "edit"
"sales.invoices" = ["view", "edit:own", { actions = ["approve"], scope = "own" }]
[roles.sales_manager]
package = "trade"
includes = ["sales_staff"]
grants = { sales = "full", "sales.cards" = "yes", "reports.custom" = "view" }
[roles.organization_admin]
kind = "system"
grants = { organization = "full" }

[user_types.partner]
counted = false                           # takes no named-user license

[global_permissions]                      # an organization's first ones
"sales.invoices" = "view:own"
"""  # noqa: E501 (the contract's own lines)

BY_HAND = Catalog(
    name="Kauri accounting",
    scopes=("own", "team", "all"),
    ladders={
        "default": Ladder(
            ("none", "view", "edit", "full"),
            {
                "view": Action("view"),
                "create": Action("edit", record=False),
                "edit": Action("edit"),
                "delete": Action("full"),
            },
        ),
        "switch": Ladder(("no", "yes"), {"use": Action("yes")}),
    },
    packages={
        "essentials": Package("Essentials", price_per_session=Money.parse("40.00 NZD")),
        "trade": Package(
            price_per_session=Money.parse("70.00 NZD"), includes=("essentials",), caps={"reports.custom": "view"}
        ),
        "payroll": Package(price_per_session=Money.parse("9.50 NZD"), add_on=True),
    },
    resources={
        "sales": Resource("Sales", package="essentials"),
        "sales.cards": Resource(ladder="switch"),
        "sales.invoices": Resource(
            actions={
                "approve": Action("full"),
                "refund": Action("full", requires=("sales.cards:use",), implies=("sales.invoices:view",)),
            }
        ),
        "reports": Resource(package="essentials"),
        "reports.custom": Resource(package="trade"),
    },
    roles={
        "sales_staff": Role(
            "Sales staff",
            package="essentials",
            grants={
                "sales": (Grant("edit"),),
                "sales.invoices": (Grant("view"), Grant("edit", scope="own"), Grant(None, ("approve",), "own")),
            },
        ),
        "sales_manager": Role(
            package="trade",
            includes=("sales_staff",),
            grants={"sales": (Grant("full"),), "sales.cards": (Grant("yes"),), "reports.custom": (Grant("view"),)},
        ),
        "organization_admin": Role(kind="system", grants={"organization": (Grant("full"),)}),
    },
    user_types={"partner": UserType(counted=False)},
    global_permissions={"sales.invoices": (Grant("view", scope="own"),)},
)


def problem(source: object) -> str:
    """Return the only problem of a catalog."""
    with pytest.raises(CatalogError) as caught:
        Catalog.load(source)  # type: ignore[arg-type]  # what is no source is tried as well
    assert len(caught.value.problems) == 1
    return str(caught.value.problems[0])


def written(path: Path, text: str | bytes) -> Path:
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return path


def test_toml_json_a_mapping_and_python_say_the_same(tmp_path: Path) -> None:
    """The contract's example, four ways."""
    mapping = tomllib.loads(EXAMPLE)
    toml = written(tmp_path / "catalog.toml", EXAMPLE)
    assert Catalog.load(toml) == BY_HAND
    assert Catalog.load(str(toml)) == BY_HAND
    assert Catalog.load(written(tmp_path / "catalog.JSON", json.dumps(mapping))) == BY_HAND
    assert Catalog.load(mapping) == BY_HAND


def test_the_order_of_the_file_is_kept() -> None:
    """Packages, roles and actions are listed as the vendor wrote them."""
    catalog = load(tomllib.loads(EXAMPLE))
    assert list(catalog.tiers) == ["essentials", "trade"]
    assert list(catalog.roles) == ["sales_staff", "sales_manager", "organization_admin"]
    assert list(catalog.actions("sales.invoices")) == ["view", "create", "edit", "delete", "approve", "refund"]


def test_what_was_dumped_loads_as_the_same(tmp_path: Path) -> None:
    """As a mapping, as TOML and as JSON; and nothing is in it that was not said."""
    dumped = dump(BY_HAND)
    assert dumped == tomllib.loads(EXAMPLE)
    assert load(dumped) == BY_HAND
    assert load(json.loads(json.dumps(dumped))) == BY_HAND
    assert load(written(tmp_path / "catalog.toml", dumps_toml(BY_HAND))) == BY_HAND
    assert list(load(dumped).roles) == list(BY_HAND.roles)


def test_the_smallest_catalog_is_one_tier() -> None:
    """Everything else can be left out, and is left out again."""
    assert dump(load({"packages": {"one": {}}})) == {"packages": {"one": {}}}
    assert dumps_toml(load({"packages": {"one": {}}})) == "[packages.one]\n"


def test_defaults_that_are_written_mean_the_same_as_left_out() -> None:
    """Also a user type, a built-in's own title and a long grant."""
    long = {
        "catalog": {"name": ""},
        "scopes": {"order": ["own", "all"]},
        "ladders": {"default": {"levels": ["none", "use"], "actions": {"use": {"level": "use", "record": True}}}},
        "packages": {"one": {"title": "", "includes": [], "caps": {}, "add_on": False}},
        "resources": {"a": {"package": "one", "actions": {}}},
        "roles": {"r": {"kind": "licensee", "package": "one", "grants": {"a": [{"level": "use", "scope": "all"}]}}},
        "user_types": {"app": {"counted": True}},
        "global_permissions": {},
    }
    assert dump(load(long)) == {
        "ladders": {"default": {"levels": ["none", "use"], "actions": {"use": "use"}}},
        "packages": {"one": {}},
        "resources": {"a": {"package": "one"}},
        "roles": {"r": {"package": "one", "grants": {"a": "use"}}},
    }


@pytest.mark.parametrize(
    ("table", "name", "value"),
    [
        ("user_types", "app", {"title": "Kaimahi", "counted": False}),
        ("resources", "organization.users", {"title": "Kaimahi"}),
        ("resources", "organization.books", {"title": 'Quotes " and \\ and \x7f and \u2028 and \n'}),
        (
            "resources",
            "organization.keys",
            {"ladder": "switch", "actions": {"turn": {"level": "yes", "record": False}}},
        ),
        ("roles", "all", {"kind": "system", "everything": True, "description": "Every 'door'"}),
        ("roles", "x", {"package": "essentials", "grants": {"sales": {"level": "view", "actions": ["delete"]}}}),
        ("packages", "free", {"price_per_session": "0 NZD"}),
    ],
)
def test_rare_forms_survive_a_dump(table: str, name: str, value: dict[str, object]) -> None:
    """Each is written as it was read, in TOML too."""
    mapping = tomllib.loads(EXAMPLE)
    mapping[table][name] = value
    catalog = load(mapping)
    assert dump(catalog)[table][name] == value  # type: ignore[index]  # a table of tables
    assert load(tomllib.loads(dumps_toml(catalog))) == catalog


def test_a_source_that_is_no_file_is_told(tmp_path: Path) -> None:
    """Never an OSError, whatever the path leads to."""
    missing = tmp_path / "missing.toml"
    assert problem(missing) == f"{missing}: there is no such file"
    assert problem(tmp_path) == f"{tmp_path}: this is a directory; expected a .toml or .json file"
    below = written(tmp_path / "file.toml", EXAMPLE) / "catalog.toml"
    assert problem(below) == f"{below}: the file can't be read: Not a directory"
    pipe = tmp_path / "pipe.toml"
    os.mkfifo(pipe)
    assert problem(pipe) == f"{pipe}: this is no regular file; expected a .toml or .json file"
    loop = tmp_path / "loop.toml"
    loop.symlink_to(loop)
    assert problem(loop).startswith(f"{loop}: the file can't be read: ")
    assert ": the file can't be read: " in problem("a\0b.toml")
    assert "embedded null" in problem("a\0b.toml")
    assert problem("x" * 5000 + ".toml").endswith(": the file can't be read: File name too long")


@pytest.mark.parametrize("source", [None, 7, b"catalog.toml", ["catalog.toml"]])
def test_a_source_of_another_type_is_told(source: object) -> None:
    """Only a path or a mapping is a source."""
    assert problem(source).startswith("expected the path of a file or a mapping, found ")


def test_a_file_that_may_not_be_read_is_told(tmp_path: Path) -> None:
    """The system's own reason is passed on."""
    path = written(tmp_path / "catalog.toml", EXAMPLE)
    path.chmod(0)
    if os.access(path, os.R_OK):
        path = Path("/proc/self/mem.toml")
    assert problem(path).startswith(f"{path}: ")


def test_a_name_without_a_known_ending_is_told(tmp_path: Path) -> None:
    """Nobody guesses what a file is."""
    for name, ending in (("catalog.yaml", ".yaml"), ("catalog", "no ending")):
        path = written(tmp_path / name, EXAMPLE)
        assert problem(path) == f"{path}: expected a file whose name ends in .toml or .json, found {ending!r}"


@pytest.mark.parametrize("ending", ["toml", "json"])
def test_what_is_no_text_is_told(ending: str, tmp_path: Path) -> None:
    """With the line of the first byte that is none; an empty file is told as such."""
    path = written(tmp_path / f"catalog.{ending}", b"[catalog]\nname = '\xff'\n")
    assert problem(path) == f"{path}:2: this is no UTF-8 text: found the byte 0xff"
    for empty in (b"", b" \n\t\n", b"\xef\xbb\xbf"):
        assert problem(written(path, empty)) == f"{path}: the file is empty; expected a catalog"
    assert problem(written(path, EXAMPLE.encode("utf-16"))).startswith(f"{path}:1: this is no UTF-8 text")
    assert problem(written(path, b"\0" * 10)).startswith(f"{path}:1: broken {ending.upper()}: ")


def test_broken_toml_is_told_with_its_line(tmp_path: Path) -> None:
    """Where the parser gave up; at the end where something is still open."""
    path = tmp_path / "catalog.toml"
    assert problem(written(path, '[catalog]\n\nname = "Books\n')).startswith(f"{path}:3: broken TOML: ")
    assert problem(written(path, "[catalog]\nname = \n")).startswith(f"{path}:2: broken TOML: ")
    assert problem(written(path, '[catalog]\nname = """\n')).startswith(f"{path}:3: broken TOML: ")


def test_broken_json_is_told_with_its_line(tmp_path: Path) -> None:
    """Where the parser gave up."""
    path = tmp_path / "catalog.json"
    assert problem(written(path, '{\n"catalog": {}\n"roles": {}}')).startswith(f"{path}:3: broken JSON: ")
    assert problem(written(path, "[]")) == f"{path}: expected a table, found a list"
    assert problem(written(path, "null")) == f"{path}: expected a table, found null"


def test_nothing_overwrites_what_stands_above_it(tmp_path: Path) -> None:
    """A name written twice is told in JSON as well, whose parser would keep the last."""
    path = written(
        tmp_path / "catalog.json",
        '{"packages": {"one": {"title": "a", "title": "b"}, "two": {}, "one": {"title": "c", "title": "d"}}}',
    )
    with pytest.raises(CatalogError) as caught:
        load(path)
    assert [str(each).removeprefix(f"{path}: ") for each in caught.value.problems] == [
        "packages.one: this is there twice",
        "packages.one.title: this is there twice",
    ]


@pytest.mark.parametrize(("ending", "start"), [("json", '{"catalog": '), ("toml", "catalog = ")])
def test_nesting_without_end_is_told(ending: str, start: str, tmp_path: Path) -> None:
    """No file makes the parser run out of stack."""
    path = written(tmp_path / f"catalog.{ending}", start + "[" * 100_000 + "]" * 100_000)
    assert problem(path) == f"{path}: the file is nested too deeply for a catalog"


@pytest.mark.parametrize(("ending", "start"), [("json", '{"catalog": %s}'), ("toml", "catalog = %s")])
def test_a_number_without_end_is_told(ending: str, start: str, tmp_path: Path) -> None:
    """Python refuses to read numbers of thousands of digits; that is told as any other mistake."""
    path = written(tmp_path / f"catalog.{ending}", start % ("9" * 5000))
    assert problem(path).startswith(f"{path}: a value can't be read: ")


def test_text_that_no_file_can_hold_is_told() -> None:
    """Half a character, which JSON can escape, would break whoever prints or stores it."""
    assert problem({"packages": {"one": {"title": "\ud800"}}}).startswith(
        "packages.one.title: expected text of whole characters, found "
    )
    assert problem({"packages": {"one": {}}, "roles": {"\ud800": {"kind": "system"}}}).encode()


WORDS = ["none", "view", "own", "sales", "essentials", "sales:view", "view:own", "1 NZD"]
KEYS = ["level", "actions", "scope", "package", "sales", "x.y", None]
ATOMS = st.none() | st.booleans() | st.integers(-2, 2) | st.floats() | st.text(max_size=3) | st.sampled_from(WORDS)
VALUES = st.recursive(
    ATOMS | st.binary(max_size=2) | st.just(Grant("view")),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(KEYS), inner, max_size=3),
    max_leaves=5,
)


def places(value: object, path: tuple[object, ...] = ()) -> Iterator[tuple[object, ...]]:
    """Iterate over every place in a mapping."""
    yield path
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, item in items:
        yield from places(item, (*path, key))


PLACES = list(places(tomllib.loads(EXAMPLE)))


def changed(value: object, path: tuple[object, ...], new: object, key: str | None) -> object:
    """Return a copy with something new at a place, under a key of its own where one is given."""
    if not path:
        return {**value, key: new} if isinstance(value, dict) and key is not None else new
    if isinstance(value, list):
        return [changed(item, path[1:], new, key) if i == path[0] else item for i, item in enumerate(value)]
    if not isinstance(value, dict) or path[0] not in value:
        return value
    return {**value, path[0]: changed(value[path[0]], path[1:], new, key)}


@settings(max_examples=400)
@given(
    st.lists(
        st.tuples(st.sampled_from(PLACES), VALUES, st.none() | st.text(max_size=3) | st.sampled_from(["package", "a"])),
        min_size=1,
        max_size=4,
    )
)
def test_whatever_is_changed_a_catalog_loads_or_tells_its_problems(
    changes: list[tuple[tuple[object, ...], object, str | None]],
) -> None:
    """No other exception, no problem without a word, and what loads survives a dump."""
    mapping: object = tomllib.loads(EXAMPLE)
    for path, new, key in changes:
        mapping = changed(mapping, path, new, key)
    if not isinstance(mapping, dict):
        return
    try:
        catalog = Catalog.load(mapping)
    except CatalogError as error:
        problems = error.problems
    else:
        assert load(dump(catalog)) == catalog
        assert load(tomllib.loads(dumps_toml(catalog))) == catalog
        return
    assert problems
    assert len({str(problem) for problem in problems}) == len(problems)
    assert "\n".join(map(str, problems)).encode()


@given(st.binary(max_size=60) | st.text(max_size=60).map(str.encode), st.sampled_from([".toml", ".json"]))
def test_whatever_a_file_holds_its_problems_are_told(
    tmp_path_factory: pytest.TempPathFactory, data: bytes, ending: str
) -> None:
    """Bytes at random are an error of ours."""
    path = tmp_path_factory.getbasetemp() / f"random{ending}"
    path.write_bytes(data)
    with pytest.raises(CatalogError):
        load(path)


def test_a_thousand_roles_on_a_thousand_resources_load_in_seconds(tmp_path: Path) -> None:
    """A million entries; TOML's own parser takes several times as long, see `tests.bench.catalogs`."""
    path = written(tmp_path / "large.json", json.dumps(large(1000, 1000)))
    began = time.perf_counter()
    catalog = load(path)
    assert sum(len(role.grants) for role in catalog.roles.values()) == 1_000_000
    assert time.perf_counter() - began < 20


def test_slow_loading_says_so(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """With what took the time; loading that is quick says nothing."""
    path = written(tmp_path / "catalog.toml", EXAMPLE)
    with caplog.at_level(logging.INFO, "seatperm"):
        load(path)
        assert caplog.messages == []
        load(path, slow_after=timedelta(0))
    (message,) = caplog.messages
    assert message.startswith(f"loading the catalog {path} took 0.")
    assert message.endswith(" seconds: 3 roles, 11 resources, 6 entries")
