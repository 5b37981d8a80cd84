"""Checks the installed seatperm: run by `.ci/run` with the Python of an environment that holds nothing else."""

import sys
from importlib.metadata import metadata, version
from importlib.resources import files
from pathlib import Path

import seatperm

HEAVY = {"attr", "attrs", "cattrs", "click", "sqlite_utils", "sqlite3", "hypothesis", "pytest"}

loaded = HEAVY & set(sys.modules)
assert not loaded, f"import seatperm loads {sorted(loaded)}"

home = Path(seatperm.__file__).parent
assert home.is_relative_to(sys.prefix), f"{home} is not the installed package"

for name in ("py.typed", "catalog.schema.json", "cli/catalog.toml", "demo/accounting.toml", "stores/redis_seats.lua"):
    assert files("seatperm").joinpath(name).is_file(), f"the wheel lacks {name}"

for name in seatperm.__all__:
    assert getattr(seatperm, name) is not None

assert metadata("seatperm")["License-Expression"] == "MIT"
sys.stdout.write(f"seatperm {version('seatperm')} is whole in {home}\n")
