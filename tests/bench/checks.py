"""What a check costs beside the floor: the dict that one would write by hand, in a plain function."""

from __future__ import annotations

import random
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from statistics import median
from typing import TypeVar

from attrs import frozen

import seatperm
from seatperm.directory import User
from seatperm.stores.memory import MemoryDirectory

LEVELS = ("none", "view", "edit", "full")
NEEDS = {"view": 1, "edit": 2, "delete": 3}
ROLES_A_USER = 3
CALLS = 20_000
HOT = 500

T = TypeVar("T")
Check = tuple[str, str, str]


class WrongDecision(Exception):
    """A benchmark of wrong answers proves nothing."""


@frozen
class Size:
    """How large an organization is."""

    name: str
    roles: int
    resources: int
    users: int


@frozen
class Row:
    """One line of the table.

    Attributes:
        size: the size's name.
        checks: "hot", the same few hundred over and over, or "cold", random ones.
        what: what was called.
        nanoseconds: the median of all rounds, a call.
        ratio: to the floor of the same checks.
    """

    size: str
    checks: str
    what: str
    nanoseconds: float
    ratio: float


SIZES = (Size("small", 10, 20, 100), Size("medium", 100, 200, 10_000))


@frozen
class Subject:
    """An organization with its floor."""

    org: seatperm.Organization
    users: Sequence[str]
    resources: Sequence[str]
    levels: dict[tuple[str, str], int]


def build(size: Size) -> Subject:
    """Make an organization of that size, and the table that one would write by hand."""
    choose = random.Random(size.name)
    resources = [f"area{n % 10}.function{n}" for n in range(size.resources)]
    grants = {
        f"role{n}": {path: choose.choice(LEVELS[1:]) for path in resources if choose.random() < 0.3}
        for n in range(size.roles)
    }
    held = {f"user{n}": choose.sample(list(grants), ROLES_A_USER) for n in range(size.users)}
    catalog: dict[str, object] = {
        "ladders": {"default": {"levels": list(LEVELS), "actions": {name: LEVELS[n] for name, n in NEEDS.items()}}},
        "packages": {"all": {}},
        "resources": {
            **{path.partition(".")[0]: {"package": "all"} for path in resources},
            **{r: {} for r in resources},
        },
        "roles": {role: {"package": "all", "grants": entries} for role, entries in grants.items()},
    }
    directory = MemoryDirectory()
    org = seatperm.open(catalog, directory, session_store="memory://")
    with directory.change() as store:
        for id, roles in held.items():
            user = User(id, f"{id}@kauri.example", id, roles=dict.fromkeys(roles))
            store.put_user(org.id, user, email_key=user.email)
    levels = {
        (id, path): max(LEVELS.index(grants[role].get(path, "none")) for role in roles)
        for id, roles in held.items()
        for path in resources
    }
    return Subject(org, list(held), resources, levels)


def draw(subject: Subject, number: int) -> list[Check]:
    """Draw random checks."""
    choose = random.Random(number)
    actions = list(NEEDS)
    return [
        (choose.choice(subject.users), choose.choice(subject.resources), choose.choice(actions)) for _ in range(number)
    ]


def disagreements(subject: Subject, checks: Sequence[Check]) -> Iterator[Check]:
    """Find the checks on which seatperm and the table differ."""
    for user, resource, action in checks:
        if subject.org.can(user, resource, action) != (subject.levels[user, resource] >= NEEDS[action]):
            yield user, resource, action


def nanoseconds(call: Callable[[str, str, T], bool], checks: Sequence[tuple[str, str, T]]) -> float:
    """Return what one call costs, the loop around it included."""
    start = time.perf_counter_ns()
    for user, resource, third in checks:
        call(user, resource, third)
    return (time.perf_counter_ns() - start) / len(checks)


def measure(size: Size, rounds: int) -> Iterator[Row]:
    """Measure at a size, decisions first checked equal; in interleaved rounds.

    Raises:
        WrongDecision: seatperm and the table differ.
    """
    subject = build(size)
    levels, can = subject.levels, subject.org.can

    def floor(user: str, resource: str, need: int) -> bool:
        return levels[(user, resource)] >= need

    def nothing(user: str, resource: str, action: str) -> bool:
        return True

    random_ones = draw(subject, CALLS)
    drawn = {"hot": random_ones[:HOT] * (CALLS // HOT), "cold": random_ones}
    wrong = list(disagreements(subject, random_ones))
    if wrong:
        raise WrongDecision(f"{len(wrong)} of {CALLS} decisions differ from the table, {wrong[0]} first")
    times: dict[tuple[str, str], list[float]] = {}
    for _ in range(rounds):
        for name, checks in drawn.items():
            needs = [(user, resource, NEEDS[action]) for user, resource, action in checks]
            times.setdefault((name, "floor: dict[(user, resource)] >= int"), []).append(nanoseconds(floor, needs))
            times.setdefault((name, "org.can"), []).append(nanoseconds(can, checks))
            times.setdefault((name, "empty call"), []).append(nanoseconds(nothing, checks))
    medians = {key: median(values) for key, values in times.items()}
    for (name, what), cost in medians.items():
        floor_cost = medians[name, "floor: dict[(user, resource)] >= int"]
        yield Row(size.name, name, what, round(cost, 1), round(cost / floor_cost, 2))


def table(short: bool) -> Iterator[Row]:
    """Measure at every size."""
    for size in SIZES:
        yield from measure(size, 5 if short else 25)


def main(short: bool) -> list[Row]:
    """Print the table and return it."""
    print(f"{'size':>8} {'checks':>6} {'what':<38} {'ns':>8} {'× floor':>8}")
    rows = []
    for row in table(short):
        rows.append(row)
        print(f"{row.size:>8} {row.checks:>6} {row.what:<38} {row.nanoseconds:>8.1f} {row.ratio:>8.2f}")
    return rows


if __name__ == "__main__":
    main("--short" in sys.argv[1:])
