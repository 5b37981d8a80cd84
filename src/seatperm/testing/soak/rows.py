"""The table of issue and proof: each row with the fault, what must hold, and how it is shown."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator

from attrs import frozen

from . import rows_leases, rows_seats
from .table import Result, Verdict
from .target import NotApplicable, NotRun, Prove, Target


@frozen
class Row:
    """One row.

    Attributes:
        number: its number.
        fault: what is done to the store or to its clients.
        holds: what must hold.
        prove: does it, and returns what it has found.
    """

    number: int
    fault: str
    holds: str
    prove: Prove

    def run(self, target: Target) -> Result:
        """Run the row on a store."""
        began = time.monotonic()
        figures, why, verdict = {}, "", Verdict.PASS
        try:
            finding = self.prove(target)
            figures = dict(finding.figures)
            if finding.wrong:
                verdict, why = Verdict.FAIL, "; ".join(finding.wrong)
        except NotRun as reason:
            verdict, why = Verdict.NOT_RUN, str(reason)
        except NotApplicable as reason:
            verdict, why = Verdict.NOT_APPLICABLE, str(reason)
        except Exception as error:  # noqa: BLE001 - a row that breaks has failed, and the others go on
            verdict, why = Verdict.FAIL, f"{type(error).__name__}: {error}"
        return Result(self.number, self.fault, self.holds, verdict, figures, why, time.monotonic() - began)


ROWS = (
    Row(
        1,
        "many processes, killed at random",
        "at no instant more seats are held than there are",
        rows_seats.never_oversold,
    ),
    Row(
        2,
        "SIGKILL of a holder",
        "its seat is free no earlier than the lease, and no later than a second after",
        rows_leases.killed_holder_frees_its_seat_in_time,
    ),
    Row(
        3,
        "late, repeated and foreign release and renew",
        "no other seat is freed or taken",
        rows_seats.meddling_changes_nothing,
    ),
    Row(
        5,
        "SIGSTOP of a holder for two leases",
        "it learns that its seat is gone before it can act on it",
        rows_leases.stopped_holder_learns_it_first,
    ),
    Row(6, "client clocks an hour slow and fast", "no effect", rows_leases.client_clock_has_no_effect),
    Row(
        7,
        "the machine's wall clock set an hour on and back",
        "nobody is freed early, nobody is kept",
        rows_leases.stepped_wall_clock_has_no_effect,
    ),
    Row(
        13,
        "limit 50 to 10 with 40 live",
        "nobody is admitted until fewer than 10 are live",
        rows_seats.lowered_limit_admits_nobody,
    ),
)
"""All rows, in order."""


def run(target: Target, numbers: Iterable[int], on_start: Callable[[Row], None] | None = None) -> Iterator[Result]:
    """Run rows on a store, one after the other, and yield what each has found."""
    wanted = set(numbers)
    for row in ROWS:
        if row.number in wanted:
            if on_start is not None:
                on_start(row)
            yield row.run(target)
