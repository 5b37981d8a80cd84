"""The command: prove a store, row by row.

python -m seatperm.testing.soak --store sqlite --minutes 5
"""

from __future__ import annotations

import json
import secrets
import signal
import sys
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import click

from ...errors import SeatpermError
from ...stores.opening import without_secrets
from .rows import ROWS, run
from .starting import aimed
from .table import Result, Verdict


def _numbers(_context: click.Context, _parameter: click.Parameter, value: str | None) -> tuple[int, ...]:
    there = tuple(row.number for row in ROWS)
    if value is None:
        return there
    try:
        wanted = tuple(int(part) for part in value.split(","))
    except ValueError:
        raise click.BadParameter("numbers with commas between, such as 1,4,8") from None
    for number in wanted:
        if number not in there:
            raise click.BadParameter(f"there is no row {number}; there are {', '.join(map(str, there))}")
    return wanted


@click.command()
@click.option(
    "--store",
    required=True,
    help="What to prove: memory, sqlite, redis or postgres (a server of its own is started), or a URL.",
)
@click.option(
    "--minutes",
    type=click.FloatRange(0),
    default=2.0,
    show_default=True,
    help="How long all rows may take, roughly; 0 is the short form, from 10 on each count is the full one.",
)
@click.option("--rows", "numbers", callback=_numbers, help="Which rows, such as 1,4,8; all unless said.")
@click.option("--seed", type=int, help="Of all choices; another one at each run unless said.")
@click.option("--json", "file", type=click.Path(dir_okay=False, path_type=Path), help="Write the figures here too.")
def main(store: str, minutes: float, numbers: tuple[int, ...], seed: int | None, file: Path | None) -> None:
    """Prove a session store under real processes and real faults. The exit code is 1 where a row has failed."""
    seed = secrets.randbelow(2**31) if seed is None else seed
    click.echo(f"store {without_secrets(store)} · minutes {minutes:g} · seed {seed}")
    results = list[Result]()
    with ExitStack() as opened:
        folder = Path(opened.enter_context(tempfile.TemporaryDirectory(prefix="seatperm-soak-")))
        folder.chmod(0o755)
        try:
            target = opened.enter_context(aimed(store, folder, minutes=minutes, seed=seed))
        except SeatpermError as error:
            raise click.ClickException(str(error)) from error
        for result in run(target, numbers):
            click.echo(result.as_text())
            results.append(result)
    click.echo(_summary(results))
    if file is not None:
        record = {"store": without_secrets(store), "minutes": minutes, "seed": seed}
        text = json.dumps({**record, "rows": [result.as_record() for result in results]}, indent=2)
        file.write_text(text + "\n", "utf-8")
    if any(result.verdict is Verdict.FAIL for result in results):
        sys.exit(1)


def _summary(results: list[Result]) -> str:
    def counted() -> Iterator[str]:
        for verdict, word in (
            (Verdict.PASS, "passed"),
            (Verdict.FAIL, "failed"),
            (Verdict.NOT_RUN, "not run"),
            (Verdict.NOT_APPLICABLE, "not of this store"),
        ):
            number = sum(result.verdict is verdict for result in results)
            if number:
                yield f"{number} {word}"

    return ", ".join(counted())


def _ended(_number: int, _frame: object) -> None:
    sys.exit(143)


if __name__ == "__main__":
    signal.signal(signal.SIGTERM, _ended)  # so that servers are stopped too, as they are on Ctrl-C
    main()
