"""What the books cost: a first check, opening, listing everyone, and a change, on a SQLite file of a million users.

They hold 500 different sets of three roles. Floors go through sqlite3 alone, on the same file and the same rows.
"""

from __future__ import annotations

import random
import sqlite3
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path
from statistics import median

import seatperm
from seatperm.stores.opening import open_directory

from .measuring import Bar, Row, WrongDecision, rounds
from .preview import fill, peak, written

PART = "the books"
USERS = 1_000_000
FIRST = "SELECT * FROM users WHERE organization = ? AND id = ?"
READ = """
    SELECT u.*, r.role, r.until FROM users u LEFT JOIN user_roles r ON r.organization = u.organization AND r.user = u.id
    WHERE u.organization = ? ORDER BY u.id"""
IMPORTED = "import time; start = time.perf_counter(); import {}; print(time.perf_counter() - start)"


def first(url: str, plain: sqlite3.Connection, users: int, short: bool) -> Iterator[Row]:
    """Measure the first check of users who are not in memory."""
    choose = random.Random(5)
    org = seatperm.open(written(), url)
    number, few = (20, 20) if short else (100, 50)
    ids = [[f"user{n}" for n in choose.sample(range(users), few)] for _ in range(2 * number)]
    turns = iter(ids)

    def select() -> int:
        for id in (mine := next(turns)):
            plain.execute(FIRST, (org.id, id)).fetchone()
        return len(mine)

    def can() -> int:
        for id in (mine := next(turns)):
            org.can(id, "area1.function1", "view")
        return len(mine)

    found = rounds({"one SELECT by primary key": select, "can": can}, number, time.perf_counter_ns)
    floor = "one SELECT by primary key"
    ratio = found.ratio("can", floor)
    yield Row(PART, "the first can of a user", f"{users:,}", found.value("can") * 1e6, "µs", floor, ratio, Bar(3.0))
    org.close()


def opening(url: str, users: int, short: bool) -> Iterator[Row]:
    """Measure `open` of a store that was opened with this catalog before, and what imports cost."""
    catalog, times = seatperm.Catalog.load(written()), []
    for _ in range(5 if short else 30):
        start = time.perf_counter()
        org = seatperm.open(catalog, url)
        times.append((time.perf_counter() - start) * 1e3)
        org.close()
    value = median(times)
    yield Row(
        PART, "seatperm.open", f"{users:,}", value, "ms", "1 ms", value, Bar(50.0), "the catalog is loaded before"
    )
    found: dict[str, list[float]] = {"seatperm": [], "attrs": []}
    for _ in range(5 if short else 30):
        for name, taken in found.items():
            told = subprocess.check_output([sys.executable, "-c", IMPORTED.format(name)], text=True)
            taken.append(float(told))
    ratio = median(mine / theirs for mine, theirs in zip(found["seatperm"], found["attrs"], strict=True))
    yield Row(PART, "import seatperm", "", median(found["seatperm"]) * 1e3, "ms", "import attrs", ratio, Bar(1.3))


def everyone(url: str, plain: sqlite3.Connection, users: int, short: bool) -> Iterator[Row]:
    """Measure what looks at every user, beside reading all of them.

    Raises:
        WrongDecision: who may is not who may.
    """
    org = seatperm.open(written(), url)
    directory = open_directory(url)
    some = [user for _, user in zip(range(2_000), org.users, strict=False)]

    def read() -> int:
        return sum(1 for _ in directory.users(org.id))

    def rows() -> int:
        return sum(1 for _ in plain.execute(READ, (org.id,))) // 3

    def who_can() -> int:
        return users if sum(1 for _ in org.who_can("area1.function1", "view")) else 0

    def preview() -> int:
        return users if sum(1 for _ in org.preview_license(package="small").effects) else 0

    def one_by_one() -> int:
        for user in some:
            directory.user(org.id, user.id)
        return len(some)

    def access() -> int:
        for user in some:
            org.access(user)
        return len(some)

    wrong = {user.id for user in org.who_can("area1.function1", "view")} ^ {
        user.id for user in org.users if org.can(user.id, "area1.function1", "view")
    } if users <= 20_000 else set()  # fmt: skip
    if wrong:
        raise WrongDecision(f"who_can is wrong about {len(wrong)} users")
    before = peak()
    found = rounds(
        {"reading the rows": read, "sqlite3 alone": rows, "who_can": who_can, "preview_license": preview},
        2 if short else 3,
        time.perf_counter_ns,
    )
    note = f"peak of memory {peak() - before:+.0f} MiB"
    value, ratio = found.value("reading the rows") * 1e6, found.ratio("reading the rows", "sqlite3 alone")
    yield Row(PART, "reading the rows as users", f"{users:,}", value, "µs", "sqlite3 alone", ratio)
    for name in ("who_can", "preview_license"):
        value, ratio = found.value(name) * 1e6, found.ratio(name, "reading the rows")
        yield Row(PART, name, f"{users:,}", value, "µs", "reading the rows", ratio, Bar(2.0), f"a user; {note}")
    found = rounds({"reading one": one_by_one, "access": access}, 3, time.perf_counter_ns)
    ratio = found.ratio("access", "reading one")
    yield Row(PART, "access", f"{users:,}", found.value("access") * 1e6, "µs", "reading one user", ratio, Bar(2.0))
    directory.close()
    org.close()


PLAIN = (
    ("BEGIN IMMEDIATE", ()),
    ("UPDATE organizations SET revision = revision + 1 WHERE id = :org", ("org",)),
    (
        "INSERT INTO users SELECT organization, id, person, email, email_key, name, type, state, locked, dismissed,"
        " staff, base, invitation_hash, invitation_until, revision + 1"
        " FROM users WHERE organization = :org AND id = :user"
        " ON CONFLICT (organization, id) DO UPDATE SET revision = excluded.revision, name = excluded.name",
        ("org", "user"),
    ),
    ("DELETE FROM user_roles WHERE organization = :org AND user = :user", ("org", "user")),
    *[("INSERT INTO user_roles VALUES (:org, :user, :role || :n, NULL)", ("org", "user", "role", "n"))] * 4,
    (
        "INSERT INTO events (organization, number, at, kind, user, revision, details, salt, seal, hash)"
        " VALUES (:org, :number, :at, 'role.assigned', :user, :number, :text, :hash, :hash, :hash)",
        ("org", "number", "at", "user", "text", "hash"),
    ),
    ("UPDATE organizations SET events = :number, last_hash = :hash WHERE id = :org", ("number", "hash", "org")),
    ("COMMIT", ()),
)
"""The rows that giving a role writes, by hand: the organization, the user, four roles, the event."""


def change(url: str, path: Path, users: int, short: bool) -> Iterator[Row]:
    """Measure giving a role, beside the same rows written through sqlite3 alone to a copy of the file."""
    org = seatperm.open(written(), url)
    copy = path.with_name("copy.db")
    with closing(sqlite3.connect(path)) as there, closing(sqlite3.connect(copy)) as made:
        there.backup(made)
    plain = sqlite3.connect(copy, isolation_level=None)
    for pragma in ("journal_mode=WAL", "synchronous=FULL", "foreign_keys=ON", "secure_delete=ON"):
        plain.execute(f"PRAGMA {pragma}")
    turns, text, hash = iter(range(10**6)), '{"before": {"roles": {}}, "after": {"roles": {}}}' * 4, "0" * 64
    at = datetime.now(UTC).isoformat()

    def by_hand() -> int:
        n = next(turns)
        values = {"org": org.id, "user": f"user{n * 7 % users}", "role": "role", "number": 10**6 + n}
        values |= {"at": at, "text": text, "hash": hash}
        roles = iter(range(4))
        for sql, names in PLAIN:
            if "n" in names:
                values["n"] = next(roles)
            plain.execute(sql, {name: values[name] for name in names})
        return 1

    def assign() -> int:
        n = next(turns)
        org.users.assign(f"user{n * 7 % users}", f"role{n % 97}")
        return 1

    found = rounds({"sqlite3 alone": by_hand, "assign": assign}, 30 if short else 400, time.perf_counter_ns)
    ratio = found.ratio("assign", "sqlite3 alone")
    yield Row(PART, "assign a role", f"{users:,}", found.value("assign") * 1e6, "µs", "sqlite3 alone", ratio, Bar(1.5))
    plain.close()
    org.close()


def main(short: bool) -> Iterator[Row]:
    """Measure all of it on one file."""
    users = 20_000 if short else USERS
    with tempfile.TemporaryDirectory(prefix="seatperm-bench-") as folder:
        path = Path(folder) / "books.db"
        url = f"sqlite:///{path}"
        fill(url, users)
        with closing(sqlite3.connect(path, isolation_level=None)) as plain:
            plain.execute("PRAGMA query_only=1")
            yield from first(url, plain, users, short)
            yield from opening(url, users, short)
            yield from everyone(url, plain, users, short)
        yield from change(url, path, users, short)
