"""What loading a large catalog costs: `python -m tests.bench.catalogs [roles] [resources]` prints a table."""

from __future__ import annotations

import json
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from seatperm.catalog import Catalog
from seatperm.errors import CatalogError

LEVELS = ("view", "edit", "full", "view:own", "none")


def large(roles: int, resources: int) -> dict[str, Any]:
    """Return a catalog in which every role has an entry on every resource; forty resources share a top one."""
    names = [f"area{i // 40}" if i % 40 == 0 else f"area{i // 40}.function{i}" for i in range(resources)]
    return {
        "ladders": {"default": {"levels": ["none", "view", "edit", "full"], "actions": {"view": "view"}}},
        "packages": {"one": {}},
        "resources": {name: {} if "." in name else {"package": "one"} for name in names},
        "roles": {
            f"role{i}": {
                "package": "one",
                "grants": {name: LEVELS[(i + j) % len(LEVELS)] for j, name in enumerate(names)},
            }
            for i in range(roles)
        },
    }


def as_toml(catalog: dict[str, Any]) -> str:
    """Return the text of a TOML file, an entry a line."""
    lines = ["[ladders.default]", 'levels = ["none", "view", "edit", "full"]', 'actions = { view = "view" }']
    lines.append("[packages.one]")
    for name, resource in catalog["resources"].items():
        lines += [f'[resources."{name}"]', *(f'package = "{package}"' for package in resource.values())]
    for name, role in catalog["roles"].items():
        lines += [f"[roles.{name}]", f'package = "{role["package"]}"', f"[roles.{name}.grants]"]
        lines += [f'"{resource}" = "{grant}"' for resource, grant in role["grants"].items()]
    return "\n".join(lines)


def main(roles: int = 1000, resources: int = 1000) -> None:
    """Print how long a good file and one with a mistake in its last line take."""
    mapping = large(roles, resources)
    print(f"{roles:,} roles on {resources:,} resources, seconds")
    with tempfile.TemporaryDirectory() as folder:
        for ending, text in (("json", json.dumps(mapping)), ("toml", as_toml(mapping))):
            path = Path(folder, f"catalog.{ending}")
            broken = Path(folder, f"broken.{ending}")
            path.write_text(text, "utf-8")
            head, _, tail = text.rpartition(f'"{LEVELS[(roles + resources - 2) % len(LEVELS)]}"')
            broken.write_text(f'{head}"edti"{tail}', "utf-8")
            for source in (path, broken):
                began = time.perf_counter()
                try:
                    Catalog.load(source)
                    told = ""
                except CatalogError as error:
                    told = f"  {error.problems[0]}"
                print(f"{source.name:14}{len(text) / 1e6:6.1f} MB{time.perf_counter() - began:8.2f}{told}")


if __name__ == "__main__":
    main(*map(int, sys.argv[1:]))
