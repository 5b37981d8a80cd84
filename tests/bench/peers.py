"""Other libraries on the same decisions, each in the best form that was found; one that is not installed is said.

`python -m pip install ".[bench]"` brings those that a current Python can have. The names, with the form:

- Flask-Principal: a `Permission` of role needs for each check, an `Identity` for each user; an empty `Permission`
  lets everyone in, so that a check that no role allows has none.
- django-rules (`rules`): a `RuleSet` with one predicate for each check, disjointness of two frozensets.
- cedarpy: one policy for each action, over sets of roles that each resource carries; policies and entities parsed once.
- pycasbin: RBAC, `FastEnforcer` with its index on resource and action.
- vakt: one policy for each check, a `RulesChecker` over a memory storage.
- oso: one fact for each role, resource and action.
- regopy: grants as data, a bundle built once.
- py-abac: one policy for each check.
"""

from __future__ import annotations

import json
import signal
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from functools import partial
from importlib import import_module
from types import FrameType
from typing import Any

from .checks import asking
from .measuring import Bar, Row, WrongDecision, at_each, rounds
from .subject import LARGE, LEVELS, MEDIUM, NEEDS, SMALL, Check, Size, Subject, build

PART = "peers"
ASKED = 200
LOADS = 60
"""Seconds in which a peer has to be ready."""
A_ROUND = 0.02
"""Seconds that a peer's part of a round may take."""

Ask = Callable[[str, str, str], object]


class TooSlow(Exception):
    """It was not ready in time."""


@contextmanager
def within(seconds: int) -> Iterator[None]:
    """Raise `TooSlow` inside the block when the time is over."""

    def over(signum: int, frame: FrameType | None) -> None:
        raise TooSlow

    before = signal.signal(signal.SIGALRM, over)
    signal.alarm(seconds)
    try:
        yield
    finally:
        signal.alarm(0)
        signal.signal(signal.SIGALRM, before)


def allowing(subject: Subject) -> Mapping[tuple[str, str], list[str]]:
    """Return, for each resource and action, the roles that allow it."""
    found: dict[tuple[str, str], list[str]] = {}
    for role, entries in subject.grants.items():
        for resource, level in entries.items():
            for action, need in NEEDS.items():
                if LEVELS.index(level) >= need:
                    found.setdefault((resource, action), []).append(role)
    return found


def flask_principal(subject: Subject) -> Ask:
    """Return what asks Flask-Principal."""
    library = import_module("flask_principal")
    permissions = {pair: library.Permission(*map(library.RoleNeed, roles)) for pair, roles in allowing(subject).items()}
    identities = {}
    for user in subject.asked:
        identities[user] = library.Identity(user)
        identities[user].provides.update(map(library.RoleNeed, subject.held[user]))

    def ask(user: str, resource: str, action: str) -> object:
        permission = permissions.get((resource, action))
        return permission is not None and identities[user].can(permission)

    return ask


def django_rules(subject: Subject) -> Ask:
    """Return what asks django-rules."""
    library = import_module("rules")
    held = {user: frozenset(subject.held[user]) for user in subject.asked}
    found = library.RuleSet()

    def predicate(roles: frozenset[str]) -> Any:
        return library.predicate(lambda user: not roles.isdisjoint(held[user]))

    for (resource, action), roles in allowing(subject).items():
        found.add_rule(f"{resource}:{action}", predicate(frozenset(roles)))

    def ask(user: str, resource: str, action: str) -> object:
        return found.test_rule(f"{resource}:{action}", user)

    return ask


def cedar(subject: Subject) -> Ask:
    """Return what asks cedarpy."""
    library = import_module("cedarpy")
    policies = library.PolicySet.from_str(
        "\n".join(
            f'permit (principal, action == Action::"{action}", resource)'
            f" when {{ resource.{action}.containsAny(principal.roles) }};"
            for action in NEEDS
        )
    )
    roles = allowing(subject)
    entities: list[object] = [
        {"uid": {"type": "User", "id": user}, "attrs": {"roles": list(subject.held[user])}, "parents": []}
        for user in subject.asked
    ]
    entities += [
        {
            "uid": {"type": "Resource", "id": path},
            "attrs": {action: roles.get((path, action), []) for action in NEEDS},
            "parents": [],
        }
        for path in subject.resources
    ]
    parsed = library.Entities.from_json_str(json.dumps(entities))

    def ask(user: str, resource: str, action: str) -> object:
        request = {
            "principal": f'User::"{user}"',
            "action": f'Action::"{action}"',
            "resource": f'Resource::"{resource}"',
        }
        return library.is_authorized({**request, "context": {}}, policies, parsed).allowed

    return ask


RBAC = """
[request_definition]
r = sub, obj, act
[policy_definition]
p = sub, obj, act
[role_definition]
g = _, _
[policy_effect]
e = some(where (p.eft == allow))
[matchers]
m = g(r.sub, p.sub) && r.obj == p.obj && r.act == p.act
"""


def casbin(subject: Subject, fast: bool) -> Ask:
    """Return what asks pycasbin."""
    library = import_module("casbin")
    model = import_module("casbin.model").FastModel([1, 2]) if fast else library.Model()
    model.load_model_from_text(RBAC)
    enforcer = library.FastEnforcer(model, cache_key_order=[1, 2]) if fast else library.Enforcer(model)
    enforcer.enable_auto_build_role_links(False)
    enforcer.add_policies(
        [[role, resource, action] for (resource, action), roles in allowing(subject).items() for role in roles]
    )
    enforcer.add_grouping_policies([[user, role] for user in subject.asked for role in subject.held[user]])
    enforcer.build_role_links()
    ask: Ask = enforcer.enforce
    return ask


def vakt(subject: Subject) -> Ask:
    """Return what asks vakt."""
    library, rules = import_module("vakt"), import_module("vakt.rules")
    storage = library.MemoryStorage()
    for number, ((resource, action), roles) in enumerate(allowing(subject).items()):
        storage.add(
            library.Policy(
                str(number),
                actions=[rules.Eq(action)],
                resources=[rules.Eq(resource)],
                subjects=[{"roles": rules.AnyIn(*roles)}],
                effect=library.ALLOW_ACCESS,
            )
        )
    guard = library.Guard(storage, library.RulesChecker())
    held = {user: list(subject.held[user]) for user in subject.asked}

    def ask(user: str, resource: str, action: str) -> object:
        return guard.is_allowed(library.Inquiry(action=action, resource=resource, subject={"roles": held[user]}))

    return ask


def oso(subject: Subject) -> Ask:
    """Return what asks oso."""
    engine = import_module("oso").Oso()

    class Person:
        def __init__(self, roles: list[str]) -> None:
            self.roles = roles

    engine.register_class(Person)
    facts = [
        f'grants("{role}", "{resource}", "{action}");'
        for (resource, action), roles in allowing(subject).items()
        for role in roles
    ]
    rule = "allow(person: Person, action, resource) if role in person.roles and grants(role, resource, action);"
    engine.load_str("\n".join([rule, *facts]))
    people = {user: Person(list(subject.held[user])) for user in subject.asked}

    def ask(user: str, resource: str, action: str) -> object:
        return engine.is_allowed(people[user], action, resource)

    return ask


REGO = """package books
default allow := false
allow if {
    some role in input.roles
    data.grants[role][input.resource][input.action]
}
"""


def rego(subject: Subject) -> Ask:
    """Return what asks regopy."""
    library = import_module("regopy")
    data: dict[str, dict[str, dict[str, bool]]] = {}
    for (resource, action), roles in allowing(subject).items():
        for role in roles:
            data.setdefault(role, {}).setdefault(resource, {})[action] = True
    engine = library.Interpreter()
    engine.add_data({"grants": data})
    engine.add_module("books", REGO)
    engine.set_input({"roles": [], "resource": "", "action": ""})
    bundle = engine.build("allowed=data.books.allow", ["books/allow"])
    held = {user: list(subject.held[user]) for user in subject.asked}

    def ask(user: str, resource: str, action: str) -> object:
        engine.set_input({"roles": held[user], "resource": resource, "action": action})
        return '"allowed":true' in str(engine.query_bundle(bundle))

    return ask


def py_abac(subject: Subject) -> Ask:
    """Return what asks py-abac."""
    library, memory = import_module("py_abac"), import_module("py_abac.storage.memory")
    storage = memory.MemoryStorage()
    for number, ((resource, action), roles) in enumerate(allowing(subject).items()):
        written = {
            "uid": str(number),
            "effect": "allow",
            "targets": {},
            "rules": {
                "subject": {"$.roles": {"condition": "AnyIn", "values": roles}},
                "resource": {"$.path": {"condition": "Equals", "value": resource}},
                "action": {"$.method": {"condition": "Equals", "value": action}},
            },
        }
        storage.add(library.Policy.from_json(written))
    point = library.PDP(storage)
    held = {user: list(subject.held[user]) for user in subject.asked}

    def ask(user: str, resource: str, action: str) -> object:
        request = {
            "subject": {"id": user, "attributes": {"roles": held[user]}},
            "resource": {"id": resource, "attributes": {"path": resource}},
            "action": {"id": action, "attributes": {"method": action}},
            "context": {},
        }
        return point.is_allowed(library.AccessRequest.from_json(request))

    return ask


PEERS: Mapping[str, tuple[Callable[[Subject], Ask], float]] = {
    "Flask-Principal": (flask_principal, 1.5),
    "django-rules": (django_rules, 15),
    "cedarpy": (cedar, 150),
    "pycasbin FastEnforcer": (lambda subject: casbin(subject, fast=True), 400),
    "pycasbin Enforcer": (lambda subject: casbin(subject, fast=False), 3_000),
    "vakt": (vakt, 300),
    "oso": (oso, 300),
    "regopy": (rego, 1_000),
    "py-abac": (py_abac, 1_000),
}
"""How each is asked, and how many times slower than `org.can` it is to be at least."""


def agreed(ask: Ask, subject: Subject, checks: list[Check]) -> float:
    """Return what a check takes, in seconds, after comparing some with the table.

    Raises:
        WrongDecision: they differ.
    """
    start = time.perf_counter()
    number = 0
    for check in checks:
        number += 1
        if bool(ask(*check)) != subject.allowed(check):
            raise WrongDecision(f"of {check} it says otherwise than the table")
        if time.perf_counter() - start > LOADS / 6:
            break
    return (time.perf_counter() - start) / number


def compare(subject: Subject, short: bool) -> Iterator[Row]:
    """Measure every peer at a size, each beside `org.can` of the same checks."""
    size, checks = subject.size.name, subject.draw(ASKED, seed=3)
    for name, (make, bar) in PEERS.items():
        try:
            with within(LOADS // 6 if short else LOADS):
                ask = make(subject)
                each = agreed(ask, subject, checks)
        except ImportError as error:
            yield Row(PART, name, size, 0.0, "µs", note=f"not measured: {error}")
            continue
        except TooSlow:
            yield Row(PART, name, size, 0.0, "µs", note="not measured: not ready in time")
            continue
        few = checks[: max(1, min(ASKED, int(A_ROUND / each)))]
        found = rounds(
            {"org.can": asking(subject.org.can, checks * 20), name: asking(ask, few)},
            5 if short else max(5, min(100, int(5 / max(each * len(few), 1e-3)))),
        )
        ratio = found.ratio(name, "org.can")
        yield Row(PART, name, size, found.value(name) * 1e6, "µs", "org.can", ratio, Bar(bar, least=True))


def main(short: bool) -> Iterator[Row]:
    """Compare at every size."""
    sizes = (SMALL,) if short else (SMALL, MEDIUM, LARGE)

    def measure(size: Size) -> Iterator[Row]:
        yield from compare(build(size, asked=ASKED), short)

    yield from at_each({size.cells: partial(measure, size) for size in sizes})
