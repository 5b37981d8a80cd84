"""What the tests of the audit trail let other processes do: `python audit_worker.py TASK CATALOG URL [NUMBER]`."""

from __future__ import annotations

import sys
from collections.abc import Callable
from datetime import timedelta
from itertools import cycle
from random import Random

import seatperm
from seatperm import Organization, SeatsExhausted, SignInRefused

ROUNDS = 40
"""How many changes and sign-ins each of two processes makes."""


def live(org: Organization) -> None:
    """Change everything that can be changed, and sign in and out, until killed."""
    users = org.users
    tom, number = "tom", len(org.audit)
    own_role = {"sales.invoices": "edit"}

    def join() -> None:
        user = users.invite(email=f"u{number}@k.example", name="New", roles=["sales_staff"]).user
        users.accept(users.reinvite(user).token)
        users.change_email(user, f"v{number}@k.example")
        record = org.staff.add("New", user=user)
        org.staff.deactivate(record)
        users.dismiss(user)

    def stay() -> None:
        try:
            org.sign_in(tom, f"till-{number}").end()
            org.sign_in(tom, lease_only[number % 2])
        except (SeatsExhausted, SignInRefused):
            return

    lease_only = (None, "till")
    acts: list[Callable[[], object]] = [
        join,
        stay,
        lambda: users.assign(tom, "bookkeeper", until=None),
        lambda: users.override(tom, "sales", ["view", "edit:own"]),
        lambda: users.lock(tom),
        stay,
        lambda: users.rename(tom, f"Tom {number}"),
        lambda: users.set_type(tom, "partner"),
        lambda: users.copy_settings(tom, "ann"),
        lambda: users.unlock(tom),
        lambda: users.unassign(tom, "bookkeeper"),
        lambda: users.reset(tom),
        lambda: users.set_type(tom, "app"),
        lambda: org.change_license(session_limit=2 + number % 3, package=("trade", "essentials")[number % 2]),
        lambda: org.set_global_permissions({"ledger": ("view", "edit")[number % 2]}),
        lambda: org.define_role("till", title=f"Till {number}", grants=own_role),
        lambda: users.assign(tom, "till"),
        lambda: org.remove_role("till"),
        lambda: org.users.dismiss("ann"),
        lambda: users.add(id="ann", email="ann@k.example", name="Ann"),
    ]
    first = Random(number).randrange(len(acts))
    print("ready", flush=True)
    for act in cycle(acts[first:] + acts[:first]):
        number += 1
        try:
            act()
        except (seatperm.UnknownUser, seatperm.UserExists, seatperm.EmailTaken, seatperm.UnknownRole):
            continue  # another order than the list's, after a kill


def give(org: Organization, number: str) -> None:
    """Give tom overrides and take roles, each named after this process, and sign in and out in between."""
    for turn in range(ROUNDS):
        org.users.override("tom", f"desk{number}.d{turn}", "view")
        org.users.assign("tom", f"role{number}_{turn}")
        org.sign_in("tom", f"{number}-{turn}", wait=timedelta(seconds=30)).end()


def look(org: Organization) -> None:
    """Hold on to an old table, and tell what it says, until asked for the revision that is read."""
    print(org.can("tom", "ledger", "view"), flush=True)
    revision = int(sys.stdin.readline())
    print(org.can("tom", "ledger", "view"), flush=True)
    print(org.can("tom", "ledger", "view", at_least=revision - 1), flush=True)
    print(org.can("tom", "ledger", "view", at_least=revision), org.revision, flush=True)


TASKS: dict[str, Callable[..., None]] = {task.__name__: task for task in (live, give, look)}

if __name__ == "__main__":
    opened = seatperm.open(
        sys.argv[2], sys.argv[3], staleness=timedelta(hours=1), max_stale=timedelta(hours=2), orphans="keep"
    )
    TASKS[sys.argv[1]](opened, *sys.argv[4:])
