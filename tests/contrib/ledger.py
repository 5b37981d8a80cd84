"""What both tests of list filters stand on: records of every kind, users with every kind of access to them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from hypothesis import strategies as st

import seatperm

CATALOG: Mapping[str, object] = {
    "scopes": {"order": ["own", "team", "region", "all"]},
    "packages": {"basic": {}},
    "ladders": {
        "default": {
            "levels": ["none", "view", "edit", "full"],
            "actions": {"view": "view", "edit": "edit", "delete": "full"},
        }
    },
    "resources": {"sales": {"package": "basic"}, "sales.invoices": {}},
    "roles": {
        "seller": {"package": "basic", "grants": {"sales.invoices": ["view:team", "edit:own"]}},
        "lead": {"package": "basic", "grants": {"sales": ["edit:region", "full:team"]}},
        "auditor": {"package": "basic", "grants": {"sales.invoices": "view"}},
        "shut": {"package": "basic", "grants": {"sales": "none"}},
    },
}

CATALOG_SCOPES: tuple[str, ...] = ("own", "team", "region")
"""Every scope but the widest."""

ACTIONS = ("view", "edit", "delete")
TEAMS: Mapping[str, str] = {"red": "north", "blue": "north", "green": "south"}
"""Each team's region."""

USERS: Mapping[str, str] = {"ana": "red", "ben": "blue", "cat": "green"}
"""Each user's team."""

MEMBERS = ((1, "ana", "red"), (2, "ana", "red"), (3, "ben", "blue"), (4, "cat", "green"), (5, None, "green"))
"""The rows of who is in a team; somebody may be in it twice."""


@dataclass(frozen=True)
class Invoice:
    """A record, as the host keeps it: an owner and a team, either of which may be missing."""

    id: int
    owner: str | None
    team: str | None


def whose(user: seatperm.User, invoice: Invoice, _action: str) -> str | None:
    """Return the narrowest scope at which the user reaches the invoice."""
    team = USERS[user.id]
    if invoice.owner == user.id:
        return "own"
    if invoice.team == team:
        return "team"
    if invoice.team is not None and TEAMS[invoice.team] == TEAMS[team]:
        return "region"
    return None


def books() -> seatperm.Organization:
    """Return an organization with three users, who hold nothing yet."""
    org = seatperm.open(CATALOG, "memory://")
    org.relate("sales.invoices", whose)
    for id in USERS:
        org.users.add(id=id, email=f"{id}@kauri.example", name=id.title())
    return org


def hold(org: seatperm.Organization, user: str, roles: set[str], override: str | None) -> None:
    """Give a user these roles and this personal setting, and no others."""
    for role in set(org.users[user].roles) ^ roles:
        (org.users.assign if role in roles else org.users.unassign)(user, role)
    if override is None:
        org.users.clear(user, "sales.invoices")
    else:
        org.users.override(user, "sales.invoices", override)


def roles() -> st.SearchStrategy[set[str]]:
    """Generate sets of roles."""
    return st.sets(st.sampled_from(["seller", "lead", "auditor", "shut"]))


def overrides() -> st.SearchStrategy[str | None]:
    """Generate personal settings, mostly none."""
    return st.sampled_from([None, None, "none", "view:own", "full:region", "edit:team"])


def invoices() -> st.SearchStrategy[list[Invoice]]:
    """Generate a table of invoices."""
    owners, teams = st.sampled_from([None, *USERS]), st.sampled_from([None, *TEAMS])
    return st.lists(st.tuples(owners, teams), max_size=25).map(
        lambda rows: [Invoice(id, owner, team) for id, (owner, team) in enumerate(rows, 1)]
    )
