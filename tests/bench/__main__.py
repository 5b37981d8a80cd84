"""Every bench: `python -m tests.bench [--short] [--only PART …] [--json FILE] [--chart FILE]`.

Ratios count, not times: each comes from interleaved rounds on one machine, decisions first checked to agree. `--short`
takes less than two minutes, names the peers that are not installed, and fails only on wrong decisions.
"""

from __future__ import annotations

import argparse
import json
import platform
import sys
from collections.abc import Callable, Iterable
from importlib import import_module
from pathlib import Path
from typing import Any

from attrs import asdict

from . import books, checks, peers, preview, seats, waiting
from .chart import chart
from .measuring import Row

MEASURED: dict[str, Callable[[bool], Iterable[Row]]] = {
    "checks": checks.main,
    "peers": peers.main,
    "books": books.main,
}
"""What is measured here, against bars."""

TOLD: dict[str, Callable[[bool], Iterable[Any]]] = {
    "seats": seats.main,
    "waiting": waiting.main,
    "preview": preview.main,
}
"""What prints a table of its own."""

SERVERS = ("redis_seats", "postgres_seats")
"""What needs a server, and is left out, and said so, where there is none."""


def machine() -> str:
    """Return what ran this."""
    with Path("/proc/cpuinfo").open(encoding="utf-8") as file:
        models = [line.partition(":")[2].strip() for line in file if line.startswith("model name")]
    python = f"{platform.python_implementation()} {platform.python_version()}"
    return f"{python}, {models[0] if models else platform.machine()}, {len(models)} cores, {platform.system()}"


def measured(names: Iterable[str], short: bool) -> list[Row]:
    """Print and return the rows of these parts."""
    rows = []
    for name in names:
        print(f"\n{name}\n")
        for row in MEASURED[name](short):
            rows.append(row)
            print(row, flush=True)
    barred = [row for row in rows if row.bar is not None]
    met = sum(row.bar.met(row.ratio) for row in barred if row.bar is not None)
    print(f"\n{met} of {len(barred)} bars are met")
    return rows


def told(names: Iterable[str], short: bool) -> dict[str, object]:
    """Print and return the tables of these benches."""
    found: dict[str, object] = {}
    for name in names:
        print(f"\n{name}\n")
        if name in TOLD:
            found[name] = [asdict(row) for row in TOLD[name](short)]
            continue
        try:
            found[name] = [asdict(row) for row in import_module(f"{__package__}.{name}").main(short) or ()]
        except ImportError as error:
            print(f"not measured: {error}")
        except Exception as error:
            if type(error).__name__ != "ServerMissing":
                raise
            print(f"not measured: {error}")
    return found


def main() -> None:
    """Print every table, and write what is asked for."""
    parser = argparse.ArgumentParser(prog="python -m tests.bench", description=__doc__)
    parts = [*MEASURED, *TOLD, *SERVERS]
    parser.add_argument("--short", action="store_true", help="fewer rounds and sizes")
    parser.add_argument("--only", nargs="+", choices=parts, default=parts, metavar="PART", help=", ".join(parts))
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the tables to a file too")
    parser.add_argument("--chart", type=Path, metavar="FILE", help="write the chart of checks and peers, an SVG")
    asked = parser.parse_args()
    print(machine())
    rows = measured([name for name in MEASURED if name in asked.only], asked.short)
    others = told([name for name in (*TOLD, *SERVERS) if name in asked.only], asked.short)
    if asked.json is not None:
        written = {"machine": machine(), "command": sys.argv[1:], "rows": [asdict(row) for row in rows], **others}
        asked.json.write_text(json.dumps(written, indent=2) + "\n", "utf-8")
    if asked.chart is not None:
        asked.chart.write_text(chart(rows, machine()), "utf-8")


if __name__ == "__main__":
    main()
