"""The organizations that are asked: random roles on random resources, three roles a user, and the same as a dict."""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence

from attrs import frozen

import seatperm
from seatperm.directory import User
from seatperm.stores.memory import MemoryDirectory

LEVELS = ("none", "view", "edit", "full")
NEEDS = {"view": 1, "edit": 2, "delete": 3}
ROLES_A_USER = 3
ASKED = 10_000
"""How many users are asked about at the most: the floor's dict of all would take many gigabytes."""

Check = tuple[str, str, str]


@frozen
class Size:
    """How large an organization is."""

    name: str
    roles: int
    resources: int
    users: int

    @property
    def cells(self) -> float:
        """How many (role, resource, user) there are."""
        return float(self.roles * self.resources * self.users)


SMALL, MEDIUM = Size("small", 10, 20, 100), Size("medium", 100, 200, 10_000)
LARGE = Size("large", 1_000, 1_000, 100_000)


@frozen
class Subject:
    """An organization, with all that is needed to build the same another way.

    Attributes:
        size: how large it is.
        org: the organization.
        grants: the level that each role gives on each resource, where it gives one.
        held: the roles of each user.
        asked: the users who are asked about.
        resources: the resources' paths.
        levels: the table that one would write by hand, of the users who are asked about.
    """

    size: Size
    org: seatperm.Organization
    grants: Mapping[str, Mapping[str, str]]
    held: Mapping[str, Sequence[str]]
    asked: Sequence[str]
    resources: Sequence[str]
    levels: dict[tuple[str, str], int]

    def draw(self, number: int, seed: int = 1) -> list[Check]:
        """Draw random checks."""
        choose = random.Random(seed)
        actions = list(NEEDS)
        return [
            (choose.choice(self.asked), choose.choice(self.resources), choose.choice(actions)) for _ in range(number)
        ]

    def allowed(self, check: Check) -> bool:
        """Tell what the table says."""
        user, resource, action = check
        return self.levels[user, resource] >= NEEDS[action]


def build(size: Size, asked: int = ASKED) -> Subject:
    """Make an organization of that size, and the table that one would write by hand."""
    choose = random.Random(size.name)
    resources = [f"area{n % 10}.function{n}" for n in range(size.resources)]
    share = 0.3 if size.roles < 1_000 else 0.1
    grants = {
        f"role{n}": {path: choose.choice(LEVELS[1:]) for path in resources if choose.random() < share}
        for n in range(size.roles)
    }
    names = list(grants)
    held = {f"user{n}": choose.sample(names, ROLES_A_USER) for n in range(size.users)}
    catalog: dict[str, object] = {
        "ladders": {"default": {"levels": list(LEVELS), "actions": {name: LEVELS[n] for name, n in NEEDS.items()}}},
        "packages": {"all": {}},
        "resources": {f"area{n}": {"package": "all"} for n in range(10)} | {path: {} for path in resources},
        "roles": {role: {"package": "all", "grants": entries} for role, entries in grants.items()},
    }
    directory = MemoryDirectory()
    org = seatperm.open(catalog, directory, session_store="memory://")
    with directory.change() as store:
        for id, roles in held.items():
            user = User(id, f"{id}@kauri.example", id, roles=dict.fromkeys(roles))
            store.put_user(org.id, user, email_key=user.email)
    users = choose.sample(list(held), min(asked, len(held)))
    ranks = {role: [LEVELS.index(entries.get(path, "none")) for path in resources] for role, entries in grants.items()}
    levels: dict[tuple[str, str], int] = {}
    for id in users:
        best = map(max, *(ranks[role] for role in held[id]))
        levels.update(((id, path), level) for path, level in zip(resources, best, strict=True))
    return Subject(size, org, grants, held, users, resources, levels)
