"""Survey: what is known for sure of a catalog that may be broken anywhere, worked out once for all checks."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import cached_property

from ..catalog import ALL, ORGANIZATION, ORGANIZATION_LADDER, OWN, Parts, is_organization
from ..spelling import nearest
from .entries import Facts, Finding, Path

MOST_LOOKUPS = 200
"""How many unknown names are compared with all known ones; any more are told without the nearest."""


class Doubts:
    """The places of a catalog that could not be read."""

    def __init__(self, broken: Iterable[Path] = ()) -> None:
        self._broken = frozenset(broken)
        self._above = frozenset(path[:length] for path in self._broken for length in range(len(path)))

    def hide(self, *path: str | int) -> bool:
        """Tell whether what stands here was not read."""
        return bool(self._broken) and any(path[:length] in self._broken for length in range(len(path) + 1))

    def touch(self, *path: str | int) -> bool:
        """Tell whether what stands here, or something below it, was not read."""
        return self.hide(*path) or path in self._above

    def explain(self, finding: Finding) -> bool:
        """Tell whether a finding only follows from what was not read."""
        return self.hide(*finding.path) or (finding.about is not None and self.touch(*finding.about))


class Survey:
    """A catalog's tables, with answers that hold whatever is wrong with them.

    Attributes:
        parts: the tables.
        doubts: the places that could not be read, and about which nothing is said.
    """

    def __init__(self, parts: Parts, doubts: Doubts) -> None:
        self.parts = parts
        self.doubts = doubts
        self._nearest: dict[tuple[str, str], tuple[str, ...]] = {}
        self._closures: dict[str, frozenset[str] | None] = {}

    def unknown(self, kind: str, name: str, path: Path) -> Iterator[Finding]:
        """Find that a name is in no table of its kind (ladder, package, resource, role)."""
        table = f"{kind}s"
        known: Mapping[str, object] = getattr(self.parts, table)
        if name in known or self.doubts.hide(table):
            return
        key = (kind, name)
        if key not in self._nearest:
            self._nearest[key] = nearest(name, known) if len(self._nearest) < MOST_LOOKUPS else ()
        yield Finding(path, f"unknown {kind} {name!r}", self._nearest[key])

    @cached_property
    def facts(self) -> Mapping[str, Facts]:
        """What entries on each resource are checked against."""
        return {name: self._facts(name) for name in self.parts.resources}

    @cached_property
    def ladder_facts(self) -> Mapping[str, Facts]:
        """What each ladder's own actions are checked against, shared by resources that add none."""
        doubts, parts = self.doubts, self.parts
        ladders = {**parts.ladders, ORGANIZATION: ORGANIZATION_LADDER}
        scopes = parts.scopes if {OWN, ALL} <= {*parts.scopes} and not doubts.touch("scopes", "order") else ()
        return {
            name: Facts(
                name,
                () if len({*ladder.levels}) < 2 or doubts.touch("ladders", name, "levels") else ladder.levels,
                None if doubts.hide("ladders", name, "actions") else tuple(ladder.actions),
                scopes,
                ladders,
            )
            for name, ladder in ladders.items()
        }

    def _facts(self, resource: str) -> Facts:
        name = self.ladder_name(resource)
        own = self.parts.resources[resource].actions
        ladder = None if name is None else self.ladder_facts.get(name)
        if ladder is None:
            return Facts(name or "", (), None, self.ladder_facts[ORGANIZATION].scopes, self.parts.ladders)
        if self.doubts.hide("resources", resource, "actions"):
            return Facts(ladder.ladder, ladder.levels, None, ladder.scopes, ladder.ladders)
        if not own:
            return ladder
        actions = None if ladder.actions is None else tuple(dict.fromkeys((*ladder.actions, *own)))
        return Facts(ladder.ladder, ladder.levels, actions, ladder.scopes, ladder.ladders)

    def ladder_name(self, resource: str) -> str | None:
        """Return the name of the ladder that a resource is on, known or not; None in doubt."""
        return None if self.doubts.touch("resources", resource, "ladder") else self.parts.ladder_name(resource)

    @cached_property
    def package_of(self) -> Mapping[str, str]:
        """The package that each resource belongs to, where that is sure."""
        found: dict[str, str] = {}
        for name in self.parts.resources:
            package = self._package(name)
            if package in self.parts.packages:
                found[name] = package
        return found

    def _package(self, resource: str) -> str:
        if is_organization(resource):
            return ""
        for path in (resource, *self.parts.ancestors(resource)):
            if path not in self.parts.resources or self.doubts.touch("resources", path, "package"):
                return ""
            package = self.parts.resources[path].package
            if package is not None:
                return package
        return ""

    @cached_property
    def organization(self) -> tuple[str, ...]:
        """The resources that are `organization` or below it."""
        return tuple(filter(is_organization, self.parts.resources))

    @cached_property
    def organization_reach(self) -> Mapping[str, tuple[str, str]]:
        """The system roles that give something of `organization`: the role that does so, and how."""
        system = {name: role for name, role in self.parts.roles.items() if role.kind == "system"}
        giving: dict[str, tuple[str, str]] = {}
        for name, role in system.items():
            granted = next((resource for resource in self.organization if resource in role.grants), None)
            if role.everything or granted is not None:
                giving[name] = (name, "is everything" if role.everything else f"grants {granted!r}")
        graph = {name: role.includes for name, role in system.items()}
        found: dict[str, tuple[str, str]] = {}
        for name in system:
            by = next((each for each in (name, *sorted(reached(name, graph))) if each in giving), None)
            if by is not None:
                found[name] = giving[by]
        return found

    def closure(self, package: str) -> frozenset[str] | None:
        """Return a package and every one that it includes, directly or not; None in doubt."""
        if package not in self._closures:
            names = reached(package, {name: each.includes for name, each in self.parts.packages.items()})
            sure = all(
                name in self.parts.packages and not self.doubts.touch("packages", name, "includes") for name in names
            )
            self._closures[package] = names if sure else None
        return self._closures[package]

    def cap(self, package: str, resource: str) -> tuple[str, int] | None:
        """Return where a package names the cap that counts on a resource, and its rank; None without one.

        The rank is -1 where the ladder has no such level.
        """
        caps = self.parts.packages[package].caps
        facts = self.facts[resource]
        for path in (resource, *self.parts.ancestors(resource)):
            if path in caps and path in self.facts and self.facts[path].ladder == facts.ladder:
                return path, facts.levels.index(caps[path]) if caps[path] in facts.levels else -1
        return None


def reached(start: str, graph: Mapping[str, Iterable[str]]) -> frozenset[str]:
    """Return what can be reached from a node of a graph, itself with it."""
    found: set[str] = set()
    waiting = [start]
    while waiting:
        node = waiting.pop()
        if node not in found:
            found.add(node)
            waiting += graph.get(node, ())
    return frozenset(found)


def cycles(graph: Mapping[str, Sequence[str]]) -> Iterator[list[str]]:
    """Find circles in a graph: each as the nodes on it, in order, from the one that the graph names first."""
    done: set[str] = set()
    for root in graph:
        trail: dict[str, Iterator[str]] = {}
        if root not in done:
            trail[root] = iter(dict.fromkeys(graph[root]))
        while trail:
            last = next(reversed(trail))
            for node in trail[last]:
                if node in trail:
                    nodes = list(trail)
                    yield nodes[nodes.index(node) :]
                elif node in graph and node not in done:
                    trail[node] = iter(dict.fromkeys(graph[node]))
                    break
            else:
                del trail[last]
                done.add(last)
