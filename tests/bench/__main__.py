"""Every bench: `python -m tests.bench [--short] [--json FILE]`.

Ratios count, not times: each comes from interleaved rounds on one machine. `--short` takes less than a minute
and fails only on wrong decisions.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path

from attrs import asdict

from . import checks, preview, seats


def main() -> None:
    """Print every table, and write them as JSON where that is asked for."""
    parser = argparse.ArgumentParser(prog="python -m tests.bench", description=__doc__)
    parser.add_argument("--short", action="store_true", help="fewer rounds and sizes")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the tables to a file too")
    asked = parser.parse_args()
    found = {}
    for name, bench in (("checks", checks.main), ("seats", seats.main), ("preview", preview.main)):
        print(f"\n{name}\n")
        found[name] = [asdict(row) for row in bench(asked.short)]
    if asked.json is not None:
        asked.json.write_text(json.dumps(found, indent=2) + "\n", "utf-8")


if __name__ == "__main__":
    main()
