"""What a check costs: hot and cold, with a record, through a session, many at once, and in memory.

The floor is the dict that one would write by hand, `dict[(user, resource)] >= int`, in a plain function.
"""

from __future__ import annotations

import gc
import tracemalloc
from collections.abc import Callable, Iterator, Sequence
from functools import partial

import seatperm

from .measuring import Bar, Row, WrongDecision, at_each, growth, rounds
from .subject import LARGE, MEDIUM, NEEDS, SMALL, Check, Size, Subject, build

CALLS = 20_000
HOT = 500
FLOOR = "dict[(user, resource)]"
PART = "a check"


def verify(subject: Subject, checks: Sequence[Check]) -> None:
    """Compare what seatperm and the table say.

    Raises:
        WrongDecision: they differ.
    """
    wrong = [check for check in checks if subject.org.can(*check) != subject.allowed(check)]
    if wrong:
        raise WrongDecision(f"{len(wrong)} of {len(checks)} decisions differ from the table, {wrong[0]} first")


def asking(call: Callable[[str, str, str], object], checks: Sequence[Check]) -> Callable[[], int]:
    """Return what makes all these calls, and their number; the loop around them is part of what it takes."""

    def run() -> int:
        for user, resource, action in checks:
            call(user, resource, action)
        return len(checks)

    return run


def plain(subject: Subject, short: bool) -> Iterator[Row]:
    """Measure checks that repeat and checks that do not, beside the floor."""
    levels, can, size = subject.levels, subject.org.can, subject.size.name

    def floor(user: str, resource: str, need: int) -> bool:
        return levels[(user, resource)] >= need

    def nothing(user: str, resource: str, action: str) -> bool:
        return True

    def by_hand(checks: Sequence[Check]) -> Callable[[], int]:
        needs = [(user, resource, NEEDS[action]) for user, resource, action in checks]

        def run() -> int:
            for user, resource, need in needs:
                floor(user, resource, need)
            return len(needs)

        return run

    drawn = subject.draw(CALLS)
    verify(subject, drawn)
    for name, checks, number, bar in (
        ("hot", drawn[:HOT], 100 if short else 1_000, Bar(1.8)),
        ("cold", drawn, 5 if short else 40, None if subject.size is SMALL else Bar(0.6)),
    ):
        found = rounds(
            {FLOOR: by_hand(checks), "org.can": asking(can, checks), "empty": asking(nothing, checks)}, number
        )
        yield Row(PART, f"{name}: by hand", size, found.value(FLOOR) * 1e9, "ns")
        yield Row(PART, f"{name}: an empty call", size, found.value("empty") * 1e9, "ns")
        ratio = found.ratio("org.can", FLOOR)
        yield Row(PART, f"{name}: org.can", size, found.value("org.can") * 1e9, "ns", FLOOR, ratio, bar)


def with_more(subject: Subject, short: bool) -> Iterator[Row]:
    """Measure the other ways to ask, beside a plain `org.can` of the same loop."""
    org, size = subject.org, subject.size.name
    allowed = [check for check in subject.draw(CALLS) if subject.allowed(check)]
    checks, record = allowed[:HOT], object()
    here = [check for check in allowed if check[1].startswith("area0.")][:HOT]
    (user, *_), (pairs) = checks[0], [check[1:] for check in subject.draw(100, seed=2)]
    me = [(user, resource, action) for _, resource, action in checks]

    def related(user: seatperm.User, record: object, action: str) -> str:
        return "own"

    org.relate("area0", related)
    with org.sign_in(user) as session:
        found = rounds(
            {
                "can": asking(lambda user, resource, action: org.can(user, resource, action), checks),
                "can, those with a record": asking(
                    lambda user, resource, action: org.can(user, resource, action), here
                ),
                "record": asking(lambda user, resource, action: org.can(user, resource, action, record), here),
                "host": asking(lambda user, resource, action: related(user, record, action), here),  # type: ignore[arg-type]
                "call": asking(lambda user, resource, action: None, checks),
                "can, one's own": asking(lambda user, resource, action: org.can(user, resource, action), me),
                "session": asking(lambda user, resource, action: session.can(resource, action), me),
                "require": asking(lambda user, resource, action: org.require(user, resource, action), checks),
                "hundred": lambda: len([org.can(user, resource, action) for resource, action in pairs]),
                "each": lambda: len(org.can_each(user, pairs)),
            },
            50 if short else 400,
        )
    call = found.value("call")
    host = found.value("host") - call
    for what, name, floor, bar, less in (
        ("with a record, less the host's function", "record", "can, those with a record", 2.0, host),
        ("session.can", "session", "can, one's own", 2.0, 0.0),
        ("require that passes", "require", "can", 2.0, 0.0),
        ("can_each of 100, each", "each", "hundred", 0.7, None),
    ):
        loop = 0.0 if less is None else call
        value, base = found.value(name) - loop - (less or 0.0), found.value(floor) - loop
        told = "org.can, a hundred" if less is None else "org.can"
        yield Row(PART, what, size, value * 1e9, "ns", told, value / base, Bar(bar))


def memory() -> Iterator[Row]:
    """Measure what is kept of a user: the row is one's own, or that of everyone with the same roles."""
    for what, roles, bar in (("a row of one's own", 100, Bar(2.0)), ("a row that is shared", 3, Bar(0.01))):
        subject = build(Size(what, roles, 200, 10_000), asked=1)
        users, resource = list(subject.held), subject.resources[0]
        gc.collect()
        tracemalloc.start()
        entries = [dict.fromkeys(users, b"") for _ in range(2)]
        entered = tracemalloc.get_traced_memory()[0]
        entries.clear()
        before = tracemalloc.get_traced_memory()[0]
        for user in users:
            subject.org.can(user, resource, "view")
        gc.collect()
        taken = tracemalloc.get_traced_memory()[0] - before
        tracemalloc.stop()
        each = max(0.0, (taken - entered) / len(users) / len(subject.org.catalog.resources))
        note = f"less {entered / len(users):.0f} bytes of two dict entries"
        yield Row(PART, f"memory: {what}", "medium", taken / len(users), "bytes", "a byte a resource", each, bar, note)


def grown(subjects: Sequence[Subject], short: bool) -> Iterator[Row]:
    """Measure how a check that repeats grows with the organization, the sizes in turn."""
    found = rounds({it.size.name: asking(it.org.can, it.draw(CALLS)[:HOT]) for it in subjects}, 100 if short else 1_000)
    first, last = subjects[0].size.name, subjects[-1].size.name
    exponent = growth({it.size.cells: found.value(it.size.name) for it in subjects})
    yield Row(
        PART, f"hot: org.can, from {first} to here", last, found.value(last) * 1e9, "ns", first,
        found.ratio(last, first), Bar(1.3), f"grows as size^{exponent:.3f}",
    )  # fmt: skip


def main(short: bool) -> Iterator[Row]:
    """Measure at every size."""
    subjects = list[Subject]()

    def measure(size: Size) -> Iterator[Row]:
        subjects.append(build(size))
        yield from plain(subjects[-1], short)
        yield from with_more(subjects[-1], short)

    sizes = (SMALL, MEDIUM) if short else (SMALL, MEDIUM, LARGE)
    yield from at_each({size.cells: partial(measure, size) for size in sizes})
    yield from memory()
    yield from grown(subjects, short)
