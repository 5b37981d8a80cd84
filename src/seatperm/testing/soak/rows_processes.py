"""Rows about processes and their connections: 14 (transaction pooling, clients killed) and 15 (fork)."""

from __future__ import annotations

import time
from pathlib import Path
from urllib.parse import unquote, urlsplit

from .broken import split
from .crew import Processes, several
from .journal import grants, most_at_once, read
from .pooler import Pooler
from .proxy import upstream
from .rows_replies import SERVERS, through_url
from .target import LIMIT, Finding, Target

LEASE = 1.0
"""Seconds of the leases in these rows."""


def pooled_clients_leave_no_lock(target: Target) -> Finding:
    """Row 14: clients go through a pool that gives each transaction another server connection, and are killed."""
    target.only("postgresql", why="it has no locks that a server keeps for a client")
    from .postgres import left_behind

    url = split(target.url)[1]
    parts = urlsplit(url)
    organization, chance, kills = target.organization(14), target.chance(14), target.count(25, 500)
    # What making the tables needs is done before, as an administrator does who then lets a pool in between.
    target.open().close()
    user, database = unquote(parts.username or "postgres"), unquote(parts.path.lstrip("/")) or "postgres"
    with Pooler(upstream(url), user, database, 6) as pooler:
        through = through_url(target.url, pooler.port, timeout="5")
        with Processes(through, target.folder) as crew:
            task = target.task("hammer", organization, url=through, lease=LEASE, keep=0.1)
            there, number = list(several(crew, task, 8)), 8
            for _ in range(kills):
                time.sleep(0.02 + chance.random() * 0.08)
                crew.kill(there.pop(chance.randrange(len(there))))
                there += several(crew, task, 1, first=number)
                number += 1
            time.sleep(0.5)
            wrong = crew.finish()
            left = left_behind(target.url, 5.0)
        transactions = pooler.transactions
    lines = list(read(*target.journals(task)))
    most = most_at_once((line.start, line.end) for line in grants(lines).values())
    unavailable = sum(line.kind == "unavailable" for line in lines)
    if left:
        wrong.append(f"left behind: {'; '.join(left)}")
    if most > LIMIT:
        wrong.append(f"{most} seats of {LIMIT} were held at the same instant")
    if not grants(lines):
        wrong.append("no seat was granted, which shows nothing")
    return Finding(
        {
            "clients killed": kills,
            "transactions": transactions,
            "grants": len(grants(lines)),
            "calls without an answer": unavailable,
            "most at once": most,
            "left behind": len(left),
        },
        tuple(wrong),
    )


def child_owns_nothing(target: Target) -> Finding:
    """Row 15: holders fork; the child ends its copy of the session and closes its copy of the store.

    Before that both have used the store at the same time, each for itself. The holder goes on afterwards.
    """
    forks, wrong, ended, calls, sockets = target.count(3, 100), list[str](), 0, 0, 0
    with Processes(target.url, target.folder) as crew:
        for _ in range(forks):
            task = target.task("fork", target.organization(15), lease=30.0, limit=LIMIT, calls=50)
            if not crew.wait(crew.start(task), 60):
                wrong.append("a holder that has forked does not end")
            lines = {line.kind: line for line in read(Path(task.journal))}
            ended += "kept" not in lines
            calls += sum(int(lines[kind].start) for kind in ("parent", "child") if kind in lines)
            wrong += [f"{line.id} went wrong in the {kind}" for kind, line in lines.items() if line.id != "-"]
            if "child" not in lines:
                wrong.append("a child did not end as it should")
            sockets += int(lines["shared"].start) if "shared" in lines else 0
        wrong += crew.finish()
    if ended:
        wrong.append(f"{ended} of {forks} holders lost their session to their child")
    if sockets and target.kind in SERVERS:
        wrong.append(f"{sockets} connections were used by a parent and its child")
    return Finding(
        {"forks": forks, "calls": calls, "connections shared": sockets, "sessions lost": ended}, tuple(wrong)
    )
