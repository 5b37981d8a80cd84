"""The table of issue and proof: each row with the fault, what must hold, and how it is shown."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator

from attrs import frozen

from . import rows_faults, rows_kills, rows_leases, rows_processes, rows_queue, rows_replies, rows_seats
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
        4,
        "the reply lost and the call sent again",
        "exactly one seat is taken",
        rows_replies.retried_call_takes_one_seat,
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
        8,
        "the store killed in the middle of acquires",
        "every acknowledged grant is there afterwards, or nobody new is admitted for one lease",
        rows_kills.killed_store_forgets_nothing,
    ),
    Row(
        9,
        "a client cut off from the store",
        "it gives up before its seat is another's; every call ends within its timeout",
        rows_replies.cut_off_holder_gives_up_first,
    ),
    Row(
        10,
        "no room, no right to write, errors of the disk, damage",
        "an error of ours, and a consistent store afterwards",
        rows_faults.faulty_storage_is_told,
    ),
    Row(
        11,
        "32 writers and a slow reader",
        "no acquire is refused as locked, 99 of 100 take less than 250 ms",
        rows_queue.writers_beside_a_slow_reader,
    ),
    Row(
        12,
        "a long queue, a third of it dead",
        "first come first served among the living, nobody forgotten",
        rows_queue.first_come_first_served,
    ),
    Row(
        13,
        "limit 50 to 10 with 40 live",
        "nobody is admitted until fewer than 10 are live",
        rows_seats.lowered_limit_admits_nobody,
    ),
    Row(
        14,
        "transaction pooling, kill -9 of clients",
        "no lock is left behind",
        rows_processes.pooled_clients_leave_no_lock,
    ),
    Row(
        15,
        "fork",
        "the child owns no session and shares no connection",
        rows_processes.child_owns_nothing,
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
