"""A process in which an administrator acts whenever told to: `administrators.py URL CATALOG HOW WHO WHOM`."""

from __future__ import annotations

import sys

import seatperm


def act(org: seatperm.Organization, how: str, who: str, whom: str) -> str:
    """Let one administrator lock the other, or give the role up, and tell what came of it."""
    acting = org.as_user(who).users
    try:
        acting.lock(whom) if how == "lock" else acting.unassign(who, "organization_admin")
    except (seatperm.AccessDenied, seatperm.LastAdministrator) as error:
        return type(error).__name__
    return "done"


def main(url: str, catalog: str, how: str, who: str, whom: str) -> None:
    """Act once for each line that comes in, and answer it."""
    org = seatperm.open(catalog, url)
    print("ready", flush=True)
    for _ in sys.stdin:
        print(act(org, how, who, whom), flush=True)


if __name__ == "__main__":
    main(*sys.argv[1:])
