"""What the processes of `tests.bench.scale` do, each in a process of its own."""

from __future__ import annotations

import gc
import json
import os
import random
import subprocess
import sys
import time
import tracemalloc
from collections import Counter, deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from datetime import UTC, datetime, timedelta
from itertools import accumulate
from pathlib import Path
from statistics import median
from typing import Any

from attrs import asdict, frozen

import seatperm
from seatperm import rules
from seatperm.catalog import Catalog
from seatperm.clock import SystemClock
from seatperm.directory import Organization, User
from seatperm.license import License
from seatperm.organization.opening import Tenants
from seatperm.sessions import Past
from seatperm.stores import DirectoryStore
from seatperm.stores.opening import open_directory, open_sessions

from .measuring import WrongDecision
from .preview import ROLE_SETS, written

SKEW = 0.9
"""The organization of rank n is as large as the first one, divided by n to this power."""

PAGE = 5_000
"""How many users are written in one change."""

CHECK = ("area1.function1", "view")
COUNTED = ("revision", "user", "changes", "organization", "change")
CHECKS = 20
"""How many checks come together, for one page or one call of the host's."""

LIVE = 50
"""How many sessions a process of the stream holds before it ends the first of them."""


@frozen
class Size:
    """How large all of it is.

    Attributes:
        organizations: how many there are.
        users: how many they have together.
        seconds: how long each stream runs.
        known: how many users one process is asked about.
        sessions: how many sessions are held while their memory is counted.
        rate: how many requests a second a paced process serves, each of `CHECKS` checks.
        past: how many sign-ins of the past the largest organization gets.
    """

    organizations: int
    users: int
    seconds: float
    known: int
    sessions: int
    rate: int
    past: int


SHORT = Size(200, 5_000, 1.0, 2_000, 100, 500, 5_000)
FULL = Size(10_000, 1_000_000, 15.0, 300_000, 1_000, 500, 500_000)


def sizes(organizations: int, users: int) -> list[int]:
    """Return how many users each organization has, the largest first; together they are `users`, who are many more."""
    weights = [rank**-SKEW for rank in range(1, organizations + 1)]
    whole = sum(weights)
    found = [max(1, int(users * weight / whole)) for weight in weights]
    found[0] += users - sum(found)
    return found


def reads(weights: Sequence[int], rate: float, staleness: float) -> float:
    """Return how many revisions a second one process reads, whose checks come at random, weighted so.

    An organization that is asked about x times a second is read once in `staleness` and the time to the next check.
    """
    each = [rate * weight / sum(weights) for weight in weights]
    return sum(asked / (1 + asked * staleness) for asked in each)


def fill(directory: DirectoryStore, of: Sequence[int]) -> None:
    """Write the organizations and their users, some thousand in each change."""
    choose = random.Random(2)
    roles = [f"role{n}" for n in range(100)]
    sets = [dict.fromkeys(sorted(choose.sample(roles, 3))) for _ in range(ROLE_SETS)]
    rows = [(place, number) for place, number in _users(of)]
    for begin in range(0, len(rows), PAGE):
        with directory.change() as store:
            for place, number in rows[begin : begin + PAGE]:
                id = f"org{place}"
                if number == 0:
                    store.put_organization(Organization(id, License("large", session_limit=10 * of[place] + 100)))
                name = f"user{place}.{number}"
                user = User(name, f"{name}@kauri.example", "Mere", roles=sets[number % ROLE_SETS], person=name)
                store.put_user(id, user, email_key=user.email)


def _users(of: Sequence[int]) -> Iterator[tuple[int, int]]:
    for place, number in enumerate(of):
        yield from ((place, user) for user in range(number))


def remember(directory: DirectoryStore, organization: str, number: int) -> None:
    """Write the history of so many sign-ins that are over, three hours each."""
    now = datetime.now(UTC)
    with directory.change() as store:
        for n in range(number):
            began = now - timedelta(days=1 + 390 * n / number)
            past = Past(f"past{n}", f"user0.{n % 1_000}", "desk", began, began + timedelta(hours=3), "by_holder")
            store.put_past(organization, past)


class Asked:
    """Users to ask about, of organizations as large as they are."""

    def __init__(self, of: Sequence[int], seed: int) -> None:
        self._of, self._choose = of, random.Random(seed)
        self._upto = list(accumulate(of))

    def some(self, number: int) -> list[tuple[str, str]]:
        """Return so many pairs of an organization and a user of it."""
        places = self._choose.choices(range(len(self._of)), cum_weights=self._upto, k=number)
        return [(f"org{place}", f"user{place}.{self._choose.randrange(self._of[place])}") for place in places]


@contextmanager
def opened(url: str, counts: Counter[str], seats: str | None = None, **settings: Any) -> Iterator[Tenants]:
    """Open a store whose calls are counted, and close it at the end of the block."""
    with closing(open_directory(url)) as directory, closing(open_sessions(seats or url, SystemClock())) as sessions:
        for name in COUNTED:
            _count(directory, name, counts)
        yield seatperm.open_tenants(written(), directory, session_store=sessions, **settings)


def _count(subject: object, name: str, counts: Counter[str]) -> None:
    called = getattr(subject, name)

    def counted(*values: Any) -> Any:
        counts[name] += 1
        return called(*values)

    setattr(subject, name, counted)


def resident() -> int:
    """Return how many bytes of memory this process has."""
    gc.collect()
    status = Path("/proc/self/status").read_text("ascii")
    return int(status.partition("VmRSS:")[2].split()[0]) * 1024


def opening(url: str, size: Size, *, first: bool) -> dict[str, float]:
    """Open every organization; then also know some users, and fork."""
    of, counts = sizes(size.organizations, size.users), Counter[str]()
    start = time.perf_counter()
    with opened(url, counts) as tenants:
        found = {"open_ms": (time.perf_counter() - start) * 1e3}
        before, start = resident(), time.perf_counter()
        kept = list(tenants)
        found["each_ms"] = (time.perf_counter() - start) / len(kept) * 1e3
        found["organization_bytes"] = (resident() - before) / len(kept)
        if first:
            return found
        asked = list(dict.fromkeys(Asked(of, 4).some(size.known)))
        before, start = resident(), time.perf_counter()
        for organization, user in asked:
            tenants[organization].can(user, *CHECK)
        found["first_check_us"] = (time.perf_counter() - start) / len(asked) * 1e6
        found["known_bytes"] = (resident() - before) / len(asked)
        found["known"] = len(asked)
        start = time.perf_counter()
        child = os.fork()
        if not child:
            os._exit(0)
        os.waitpid(child, 0)
        found["fork_ms"] = (time.perf_counter() - start) * 1e3
        with closing(open_directory(url)) as directory:
            compare(tenants, directory, Asked(of, 5).some(100))
        return found


def compare(tenants: Tenants, directory: DirectoryStore, pairs: Sequence[tuple[str, str]]) -> None:
    """Compare checks with what the rules, read plainly, say.

    Raises:
        WrongDecision: they differ.
    """
    catalog, now = Catalog.load(written()), datetime.now(UTC)
    for organization, id in pairs:
        user, license = directory.user(organization, id), tenants[organization].license
        resource, action = CHECK
        plain = user is not None and action in rules.actions(catalog, license, user, now, resource, "all")
        if plain != tenants[organization].can(id, resource, action):
            raise WrongDecision(f"{id} of {organization}")


def holding(url: str, size: Size) -> dict[str, float]:
    """Hold sessions, and tell what memory takes: a user's record, a session, and what is remembered of it."""
    with opened(url, Counter()) as tenants:
        pairs = list(dict.fromkeys(Asked(sizes(size.organizations, size.users), 6).some(size.sessions)))
        tenants[pairs[0][0]].sign_in(pairs[0][1], client="warm").end()
        views = [tenants[organization]._view for organization, _ in pairs]
        gc.collect()
        tracemalloc.start()
        for view, (_, user) in zip(views, pairs, strict=True):
            view.user(user)
        records = traced()
        held = [tenants[organization].sign_in(user, client="desk") for organization, user in pairs]
        both = traced()
        ids = [(organization, session.id) for (organization, _), session in zip(pairs, held, strict=True)]
        added = traced() - both
        held.clear()
        kept = traced() - added
        tracemalloc.stop()
        with closing(open_sessions(url, SystemClock())) as store:
            for organization, id in ids:
                store.release(organization, id, None)
        number = len(pairs)
        return {
            "record_bytes": records / number,
            "session_bytes": (both - kept) / number,
            "remembered_bytes": (kept - records) / number,
        }


def traced() -> int:
    """Return how many bytes are held that were asked for since tracing began."""
    gc.collect()
    return tracemalloc.get_traced_memory()[0]


def signing(url: str, size: Size) -> dict[str, float]:
    """Tell how long sign-ins at the largest organization take: the first one of a process, and those after it."""
    with opened(url, Counter()) as tenants:
        times = list[float]()
        for number in range(31):
            start = time.perf_counter()
            session = tenants["org0"].sign_in(f"user0.{number}", client="desk")
            times.append((time.perf_counter() - start) * 1e3)
            session.end()
        return {"first_ms": times[0], "later_ms": median(times[1:])}


def checking(url: str, size: Size, *, staleness: float) -> dict[str, float]:
    """Check at a given pace, and count how often the store is read."""
    of, counts = sizes(size.organizations, size.users), Counter[str]()
    with opened(url, counts, staleness=timedelta(seconds=staleness)) as tenants:
        for _ in tenants:
            pass
        pairs = Asked(of, os.getpid()).some(int(size.rate * (size.seconds + 2 * staleness)))
        counts.clear()
        done, spent, first = 0, 0, 0
        start = since = time.perf_counter()
        for begin in range(0, len(pairs), 20):
            time.sleep(max(0.0, start + done / size.rate - time.perf_counter()))
            if not first and time.perf_counter() - start >= 2 * staleness:
                first, since = done, time.perf_counter()
                counts.clear()
            before = time.process_time_ns()
            for organization, user in pairs[begin : begin + 20]:
                for _ in range(CHECKS):
                    tenants[organization].can(user, *CHECK)
            spent += time.process_time_ns() - before
            done += len(pairs[begin : begin + 20])
        after = time.perf_counter() - since
        return {
            "reads_a_second": counts["revision"] / after,
            "reads_predicted": reads(of, size.rate, staleness),
            "users_a_second": counts["user"] / after,
            "share_of_checks": (counts["revision"] + counts["user"]) / (done - first) / CHECKS,
            "cpu_us": spent / done / CHECKS / 1e3,
            "rate": (done - first) / after,
        }


def streaming(url: str, size: Size, *, events: bool, seats: str | None = None) -> dict[str, float]:
    """Sign in, check, renew, end and change roles for a while, and count."""
    of, counts = sizes(size.organizations, size.users), Counter[str]()
    settings = {} if events else {"session_events": False, "history": None}
    with opened(url, counts, seats, **settings) as tenants:
        asked, live, done = Asked(of, os.getpid()), deque[seatperm.Session](), 0
        for _ in tenants:
            pass
        counts.clear()
        longest, cpu, start = 0.0, time.process_time(), time.perf_counter()
        while time.perf_counter() - start < size.seconds:
            for organization, user in asked.some(20):
                org, begin = tenants[organization], time.perf_counter()
                session = org.sign_in(user, client=f"{os.getpid()}.{done}")
                longest = max(longest, time.perf_counter() - begin)
                for _ in range(CHECKS):
                    session.can(*CHECK)
                session.touch()
                live.append(session)
                if len(live) > LIVE:
                    live.popleft().end()
                done += 1
            ((organization, user),) = asked.some(1)
            tenants[organization].users.assign(user, "role7")
        elapsed = time.perf_counter() - start
        found = {"sign_ins_a_second": done / elapsed, "cpu_ms": (time.process_time() - cpu) / done * 1e3}
        found |= {f"{name}_a_sign_in": counts[name] / done for name in COUNTED} | {"longest_ms": longest * 1e3}
        return found | {"done": done, "live": len(live)}


CHILDREN: Mapping[str, Callable[..., dict[str, float]]] = {
    "opening": opening,
    "holding": holding,
    "signing": signing,
    "checking": checking,
    "streaming": streaming,
}
"""What runs in a process of its own."""


def children(number: int, what: str, url: str, size: Size, **settings: object) -> list[dict[str, float]]:
    """Run so many processes at the same time, and return what each has found."""
    command = [sys.executable, "-m", "tests.bench.scale_work", what, url, json.dumps(asdict(size))]
    started = [
        subprocess.Popen([*command, json.dumps(settings)], stdout=subprocess.PIPE, text=True) for _ in range(number)
    ]
    said = [process.communicate()[0] for process in started]
    for process in started:
        if process.returncode:
            raise subprocess.CalledProcessError(process.returncode, command)
    return [json.loads(text) for text in said]


def together(found: Sequence[Mapping[str, float]]) -> dict[str, float]:
    """Return the sums of rates and numbers, and the means, or the longest, of the rest."""
    sums = {name: sum(one[name] for one in found) for name in found[0]}
    whole = ("sign_ins_a_second", "done", "live")
    means = {name: value if name in whole else value / len(found) for name, value in sums.items()}
    return means | {"longest_ms": max(one["longest_ms"] for one in found)}


if __name__ == "__main__":
    task, where, how_large, said = sys.argv[1:]
    print(json.dumps(CHILDREN[task](where, Size(**json.loads(how_large)), **json.loads(said))))
