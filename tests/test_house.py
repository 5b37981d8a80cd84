"""The rules of the house, as far as a machine can read them."""

from __future__ import annotations

import ast
import pickle
import re
import subprocess
import sys
import tokenize
from collections.abc import Iterator
from graphlib import TopologicalSorter
from importlib import import_module
from pathlib import Path

import pytest
from attrs import frozen

import seatperm
from seatperm import errors
from seatperm.decision import Decision, Reason

TOP = Path(__file__).parent.parent
SOURCE = TOP / "src" / "seatperm"
MODULES = {
    ".".join(path.relative_to(SOURCE).with_suffix("").parts).removesuffix(".__init__"): path
    for path in sorted(SOURCE.rglob("*.py"))
}

ROOMS = (
    ("spelling",),
    ("problem",),
    ("errors",),
    ("clock", "money"),
    ("catalog",),
    ("loading",),
    ("facts",),
    ("rules",),
    ("compiled",),
    ("license", "license_files", "signing", "directory", "sessions", "audit"),
    ("decision",),
    ("stores",),
    ("organization",),
    ("aio",),
    ("demo",),
    ("testing",),
    ("contrib",),
    ("cli",),
    ("__main__", "__init__"),
)
"""The rooms, from the ground up: a module imports from rooms before its own, and within its own in no circle."""

LOOKS_UP = {
    ("errors.access", "decision"): "an annotation only",
    ("catalog", "loading.checks"): "a catalog is checked when it is made",
    ("catalog", "loading.reading"): "Catalog.load and Catalog.dump",
}
"""The imports that look up, with why; each is done when it is needed, not when the module is loaded."""

NOT_LOADED = {
    "asyncio",
    "attr",
    "cattrs",
    "click",
    "cryptography",
    "greenlet",
    "hypothesis",
    "joserfc",
    "psycopg",
    "pytest",
    "redis",
    "sqlite3",
    "sqlite_utils",
}
"""What `import seatperm` leaves alone."""

AT_THE_TOP = {
    "CHANGELOG.md",
    "LICENSE",
    "README.md",
    "SECURITY.md",
    "docs",
    "examples",
    "pyproject.toml",
    "src",
    "tests",
}

DECISION = Decision(Reason.NOT_GRANTED, "tom", "sales", "delete", "all", "full", "No: tom may not delete sales.")
ERRORS: tuple[errors.SeatpermError, ...] = (
    errors.AccessDenied(DECISION),
    errors.CatalogError([seatperm.Problem("roles.clerk", "what is wrong", ("clerks",), "catalog.toml", 3)]),
    errors.CatalogMismatch(["role 'cashier', of 3 users"]),
    errors.EmailTaken("tom@kauri.example"),
    errors.InvalidGrant("sales", "edt", ["unknown level 'edt'"]),
    errors.InvalidLicense(["session_limit is 0"]),
    errors.InvalidValue("until", "tomorrow", "a datetime"),
    errors.InvitationRefused("ended"),
    errors.LastAdministrator("mere"),
    errors.MissingExtra("license"),
    errors.NoRelation("sales.invoices"),
    errors.OrganizationExists("kauri"),
    errors.RoleExists("clerk"),
    errors.RoleNotInPackage("sales_manager", "essentials", ["trade"]),
    errors.SeatsExhausted(3, 3, None),
    errors.SessionEnded("expired"),
    errors.SettingsMasked("mere", "admin"),
    errors.SignInRefused("locked"),
    errors.StaffExists("s-1"),
    errors.StaffLinked("s-1", "tom", "user"),
    errors.StoreDamaged("sqlite:///books.db", "not a database"),
    errors.StoreUnavailable("sqlite:///books.db", "disk full"),
    errors.StoreVersion("sqlite:///books.db", "version 9"),
    errors.UnknownAction("edti", "sales", ["edit"]),
    errors.UnknownOrganization("kuari", ["kauri"]),
    errors.UnknownPackage("essential", ["essentials"]),
    errors.UnknownResource("sale", ["sales"]),
    errors.UnknownRole("clrk", ["clerk"]),
    errors.UnknownScope("al", ["all"]),
    errors.UnknownStaff("nobody"),
    errors.UnknownUser("nobody"),
    errors.UnknownUserType("ap", ["app"]),
    errors.UserExists("tom"),
    errors.UserLimitReached(5, 5, ["tom"]),
)
"""One of each error that is raised."""


@frozen
class Import:
    """One module of ours imported by another; lazy where that is not done when the module is loaded."""

    source: str
    target: str
    lazy: bool


def tree(module: str) -> ast.Module:
    return ast.parse(MODULES[module].read_text("utf-8"))


def imports(module: str) -> Iterator[Import]:
    """Iterate over what a module imports of ours, wherever in it."""
    parsed = tree(module)
    at_loading = {id(node) for node in parsed.body}
    within = [] if module == "__init__" else module.split(".")
    if within and MODULES[module].name != "__init__.py":
        within.pop()
    for node in ast.walk(parsed):
        lazy = id(node) not in at_loading
        if isinstance(node, ast.Import):
            names = [alias.name.split(".") for alias in node.names]
            yield from (Import(module, known(name[1:]), lazy) for name in names if name[0] == "seatperm")
        elif isinstance(node, ast.ImportFrom):
            named = node.module.split(".") if node.module else []
            if node.level == 0 and named[0] != "seatperm":
                continue
            base = [*within[: len(within) - node.level + 1], *named] if node.level else named[1:]
            yield from (Import(module, known([*base, alias.name]), lazy) for alias in node.names)


def known(path: list[str]) -> str:
    """Return the module that a dotted path leads to: itself, or, for a name in a module, that module."""
    whole, above = ".".join(path), ".".join(path[:-1])
    return whole if whole in MODULES else above or "__init__"


def room(module: str) -> int:
    """Return the place of a module's room."""
    first = module.split(".")[0]
    return next(place for place, names in enumerate(ROOMS) if first in names)


def public(module: str) -> Iterator[tuple[str, ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef]]:
    """Iterate over the public classes, functions and methods of a module."""
    waiting: list[tuple[str, list[ast.stmt]]] = [(module, tree(module).body)]
    while waiting:
        where, body = waiting.pop()
        for node in body:
            if isinstance(node, ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef) and node.name[0] != "_":
                overloads = [name for name in node.decorator_list if isinstance(name, ast.Name)]
                if "overload" not in {name.id for name in overloads}:
                    yield f"{where}.{node.name}", node
                if isinstance(node, ast.ClassDef):
                    waiting.append((f"{where}.{node.name}", node.body))


IMPORTS = [found for module in MODULES for found in imports(module)]


def test_every_module_has_a_room() -> None:
    """A new module belongs somewhere in the order, and no room is kept for one that is gone."""
    lived_in = {module.split(".")[0] for module in MODULES}
    rooms = {name for names in ROOMS for name in names}
    assert lived_in - rooms == set()


def test_imports_point_one_way() -> None:
    """A module imports from rooms before its own, and not otherwise, lazily neither."""
    up = {
        (found.source, found.target)
        for found in IMPORTS
        if room(found.target) > room(found.source) and (found.source, found.target) not in LOOKS_UP
    }
    assert {(source, target) for source, target in up if not source.startswith("contrib.")} == set()


def test_adapters_use_public_names_only() -> None:
    """What a framework's module stands on, anybody's can: `seatperm`, `seatperm.aio`, and one another."""
    used = {found.target for found in IMPORTS if found.source.startswith("contrib.")}
    assert {name for name in used if not name.startswith("contrib.")} <= {"__init__", "aio"}


def test_no_room_imports_in_a_circle() -> None:
    """Within a room too there is an order of loading."""
    before: dict[str, set[str]] = {module: set() for module in MODULES}
    for found in IMPORTS:
        if (found.source, found.target) not in LOOKS_UP and found.source != found.target:
            before[found.source].add(found.target)
    assert set(TopologicalSorter(before).static_order()) == set(MODULES)


def test_what_looks_up_does_so_late() -> None:
    """An import against the order is done when it is needed; none is excused that is not there."""
    up = {(found.source, found.target): found.lazy for found in IMPORTS if (found.source, found.target) in LOOKS_UP}
    assert up == dict.fromkeys(LOOKS_UP, True)


def test_importing_seatperm_loads_nothing_heavy() -> None:
    """A host pays for the command line, the converters and the drivers when they are used."""
    code = "import sys, seatperm; print(*{name.partition('.')[0] for name in sys.modules})"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert set(done.stdout.split()) & NOT_LOADED == set()


def test_opening_in_memory_loads_no_driver() -> None:
    """A store's driver is loaded with that store."""
    code = (
        "import sys, seatperm; seatperm.open({'packages': {'one': {}}}, 'memory://'); "
        "print(*{name.partition('.')[0] for name in sys.modules})"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert set(done.stdout.split()) & NOT_LOADED <= {"attr", "cattrs"}


@pytest.mark.parametrize("module", MODULES)
def test_a_module_can_be_read_in_one_sitting(module: str) -> None:
    """None is longer than 400 lines."""
    lines = MODULES[module].read_text("utf-8").count("\n")
    assert lines <= 400


@pytest.mark.parametrize("module", MODULES)
def test_everything_public_says_what_it_is_for(module: str) -> None:
    """Each module, public class, function and method has a docstring that begins with a sentence."""
    said = {name: ast.get_docstring(node) or "" for name, node in public(module)}
    said[module] = ast.get_docstring(tree(module)) or ""
    assert [name for name, text in said.items() if "." not in text] == []


def test_comments_are_few() -> None:
    """Less than 5 lines in 100: the code says what, a comment only why."""
    lines = comments = 0
    for path in MODULES.values():
        with tokenize.open(path) as file:
            text = file.read()
        lines += len(text.splitlines())
        with path.open("rb") as binary:
            comments += sum(token.type == tokenize.COMMENT for token in tokenize.tokenize(binary.readline))
    assert comments < 0.05 * lines


@pytest.mark.parametrize("module", [module for module in MODULES if MODULES[module].name == "__init__.py"])
def test_what_is_exported_is_listed(module: str) -> None:
    """An `__all__` is sorted, without repetition, and every name in it is there."""
    loaded = import_module("seatperm" if module == "__init__" else f"seatperm.{module}")
    names = getattr(loaded, "__all__", [])
    assert list(names) == sorted(set(names))
    assert [name for name in names if not hasattr(loaded, name)] == []


def test_the_public_names_are_found_where_checkers_find_them() -> None:
    """What is brought in lazily and what type checkers are told are the same names from the same modules."""
    checked = {
        (node.module, alias.name)
        for block in tree("__init__").body
        if isinstance(block, ast.If)
        for node in block.body
        if isinstance(node, ast.ImportFrom)
        for alias in node.names
    }
    assert {(home, name) for home, names in seatperm._HOMES.items() for name in names} == checked
    eager = {name for name in vars(errors) if name in seatperm.__all__}
    assert {name for _, name in checked} | eager == set(seatperm.__all__)


def test_every_error_is_ours_and_exported() -> None:
    """Who writes `except seatperm.SeatpermError` catches each, and each can be named."""
    classes = [it for it in vars(errors).values() if isinstance(it, type) and issubclass(it, Exception)]
    assert all(issubclass(it, errors.SeatpermError) for it in classes)
    raised = {it.__name__ for it in classes if not any(other is not it and issubclass(other, it) for other in classes)}
    assert raised | {"SeatpermError"} == {
        name for name in seatperm.__all__ if isinstance(getattr(seatperm, name), type) and name in vars(errors)
    }
    assert {type(error).__name__ for error in ERRORS} == raised


@pytest.mark.parametrize("error", ERRORS, ids=lambda error: type(error).__name__)
def test_an_error_travels_between_processes_whole(error: errors.SeatpermError) -> None:
    """Its message and all its evidence survive pickling, as in a process pool."""
    back = pickle.loads(pickle.dumps(error))
    assert type(back) is type(error)
    assert str(back) == str(error)
    assert vars(back) == vars(error)
    assert vars(error), "an error carries its evidence"


@pytest.mark.parametrize("error", ERRORS, ids=lambda error: type(error).__name__)
def test_an_error_tells_what_its_attributes_mean(error: errors.SeatpermError) -> None:
    """Every piece of evidence is named in the docstring of its class or of the class that keeps it."""
    told = "\n".join(cls.__doc__ or "" for cls in type(error).__mro__ if issubclass(cls, errors.SeatpermError))
    assert [name for name in vars(error) if name not in told] == []


def test_no_statement_has_numbered_values() -> None:
    """Python 3.12.0 to 3.12.3 warn of `?1` where the values are a sequence."""
    numbered = [path.name for path in SOURCE.rglob("*.py") if re.search(r"\?\d", path.read_text("utf-8"))]
    assert numbered == []


def test_nothing_is_left_to_do() -> None:
    """What is missing is an issue, never a note in the code."""
    words = ("TO" + "DO", "FIX" + "ME")
    files = [path for place in ("src", "tests", "docs", "examples") for path in (TOP / place).rglob("*")]
    noted = [
        path
        for path in files
        if path.suffix in {".py", ".md", ".toml"} and any(word in path.read_text("utf-8") for word in words)
    ]
    assert noted == []


def test_nothing_else_stands_at_the_top() -> None:
    """The tree is read from the top: what is not hidden there is one of these, or made by a build."""
    there = {path.name for path in TOP.iterdir() if not path.name.startswith(".")}
    assert there - {"PKG-INFO", "build", "dist"} == AT_THE_TOP
