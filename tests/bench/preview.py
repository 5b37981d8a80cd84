"""What it costs to tell 100,000 users what they would lose: `python -m tests.bench.preview [--short]`.

The store is one SQLite file, made beforehand. Each preview runs in a process of its own, whose peak of memory
is told beside that of the same process before it read the first user.
"""

from __future__ import annotations

import json
import random
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterable
from datetime import UTC, datetime
from pathlib import Path

from attrs import asdict, frozen

import seatperm
from seatperm import rules
from seatperm.catalog import Catalog
from seatperm.directory import User
from seatperm.license import License
from seatperm.stores.opening import open_directory

from .measuring import WrongDecision

USERS = 100_000
ROLE_SETS = 500
RESOURCES = 200
NOW = datetime.now(UTC)
CHECKED = 5
"""How many users' effects are compared with the rules, read plainly."""


@frozen
class Row:
    """One line of the table.

    Attributes:
        what: what was previewed.
        users: how many there are.
        role_sets: how many different sets of roles they hold.
        effects: how many of them would gain or lose something.
        reaches: how many (resource, action, scope) that is in all.
        seconds: from the call to the last effect.
        peak_mib: the most memory that the process had.
        before_mib: what it had with the organization open and no user read.
    """

    what: str
    users: int
    role_sets: int
    effects: int
    reaches: int
    seconds: float
    peak_mib: float
    before_mib: float


def written(*, newer: bool = False) -> dict[str, object]:
    """Return a catalog of two tiers; the newer one has a role less, and two resources in the larger tier."""
    choose = random.Random(1)
    paths = [f"area{n % 10}.function{n}" for n in range(RESOURCES)]
    packages = {path: choose.choice([None, None, "large"]) for path in paths}
    if newer:
        packages |= {paths[7]: "large", paths[8]: "large"}
    grants = {
        f"role{n}": {path: choose.choice(["view", "edit:own", "full"]) for path in choose.sample(paths, 20)}
        for n in range(100)
    }
    if newer:
        del grants["role3"]
    return {
        "ladders": {
            "default": {
                "levels": ["none", "view", "edit", "full"],
                "actions": {"view": "view", "edit": "edit", "delete": "full"},
            }
        },
        "packages": {"small": {}, "large": {"includes": ["small"]}},
        "resources": {
            **{f"area{n}": {"package": "small"} for n in range(10)},
            **{path: {} if package is None else {"package": package} for path, package in packages.items()},
        },
        "roles": {role: {"package": "small", "grants": entries} for role, entries in grants.items()},
    }


def fill(url: str, users: int) -> None:
    """Make the store: every user holds one of the role sets."""
    choose = random.Random(2)
    roles = [f"role{n}" for n in range(100)]
    sets = [tuple(sorted(choose.sample(roles, 3))) for _ in range(ROLE_SETS)]
    seatperm.open(written(), url).change_license(package="large")
    directory = open_directory(url)
    (organization,) = directory.organizations()
    with directory.change() as store:
        for number in range(users):
            held = dict.fromkeys(sets[number % ROLE_SETS])
            user = User(f"user{number}", f"user{number}@kauri.example", "Mere", roles=held, person=f"user{number}")
            store.put_user(organization, user, email_key=user.email)
    directory.close()


def child(what: str, url: str) -> None:
    """Run one preview and print what it took."""
    org = seatperm.open(written(), url)
    before = peak()
    start = time.perf_counter()
    gained = lost = effects = 0
    if what == "license":
        for effect in org.preview_license(package="small").effects:
            effects, gained, lost = effects + 1, gained + len(effect.gained), lost + len(effect.lost)
    else:
        for found in org.preview_catalog(written(newer=True)).effects:
            effects, gained, lost = effects + 1, gained + len(found.gained), lost + len(found.lost)
    seconds = time.perf_counter() - start
    row = Row(what, len(org.users), ROLE_SETS, effects, gained + lost, round(seconds, 2), peak(), before)
    print(json.dumps(asdict(row)))


def peak() -> float:
    """Return the most memory that this process has had, in MiB; `getrusage` would count its parent's in."""
    status = Path("/proc/self/status").read_text("ascii")
    return round(int(status.partition("VmHWM:")[2].split()[0]) / 1024, 1)


def check(url: str) -> None:
    """Compare both previews of some users with what the rules say before and after.

    Raises:
        WrongDecision: they differ.
    """
    org = seatperm.open(written(), url)
    old, new = Catalog.load(written()), Catalog.load(written(newer=True))
    large, small = org.license, License("small")
    by_license = {effect.user_id: effect.lost for effect in org.preview_license(package="small").effects}
    by_catalog = {
        effect.user_id: tuple((one.resource, one.action, one.scope) for one in effect.lost)
        for effect in org.preview_catalog(new).effects
    }
    for id in random.Random(3).sample([user.id for user in org.users], CHECKED):
        user = org.users[id]
        had = plainly(old, large, user)
        if set(by_license.get(id, ())) != had - plainly(old, small, user):
            raise WrongDecision(f"the preview of the license is wrong about {id}")
        if set(by_catalog.get(id, ())) != had - plainly(new, large, user):
            raise WrongDecision(f"the preview of the catalog is wrong about {id}")
    org.close()


def plainly(catalog: Catalog, license: License, user: User) -> set[tuple[str, str, str]]:
    """Return what the rules, read plainly, allow a user."""
    return {
        (path, action, scope)
        for path in catalog.resources
        for scope in catalog.scopes
        for action in rules.actions(catalog, license, user, NOW, path, scope)
    }


def table(rows: Iterable[Row]) -> list[Row]:
    """Print rows as they come."""
    print(f"{'what':<8} {'users':>7} {'sets':>5} {'effects':>8} {'reaches':>9} {'s':>7} {'peak MiB':>9} {'before':>7}")
    found = []
    for row in rows:
        found.append(row)
        print(
            f"{row.what:<8} {row.users:>7} {row.role_sets:>5} {row.effects:>8} {row.reaches:>9} {row.seconds:>7.2f} "
            f"{row.peak_mib:>9.1f} {row.before_mib:>7.1f}"
        )
    return found


def main(short: bool) -> list[Row]:
    """Print the table and return it."""
    users = 2_000 if short else USERS
    with tempfile.TemporaryDirectory() as folder:
        url = f"sqlite:///{Path(folder) / 'books.db'}"
        fill(url, users)
        check(url)
        run = [sys.executable, "-m", "tests.bench.preview", "--child"]
        printed = (subprocess.check_output([*run, what, url], text=True) for what in ("license", "catalog"))
        return table(Row(**json.loads(text)) for text in printed)


if __name__ == "__main__":
    if sys.argv[1:2] == ["--child"]:
        child(*sys.argv[2:])
    else:
        main("--short" in sys.argv[1:])
