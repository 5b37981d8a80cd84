"""Rows of bits, so that a check is one look: what a user may do, shared by everyone who holds the same.

Every action of every resource has a number, resources in the order of their tree, so that a resource and all
below it are one run of numbers. A row has one bit for each number, once a scope, narrowest first:

    bit (scope x width + number) is 1 where the action is allowed at the scope

The rules are then arithmetic on rows held as integers: the union over roles is `|`, the package with its caps is
`&`, an override takes out the bits that it governs and puts in its own. `rules` says the same slowly, and tests
compare the two.
"""

from __future__ import annotations

from collections.abc import Collection, Hashable, Iterable, Iterator, Mapping, Sequence
from copy import copy
from datetime import datetime
from functools import lru_cache
from sys import intern

from attrs import frozen

from .catalog import ALL, ORGANIZATION, OWN, USERS, Catalog, Entry, Grant, Role
from .facts import Holder, Terms
from .rules import Pair, as_pairs, closes, is_valid, levels

ANSWERS = tuple(tuple(bool(byte >> bit & 1) for byte in range(256)) for bit in range(8))
"""For each bit, what each value of a byte says: to look is faster than to cut the bit out."""

Slot = tuple[int, tuple[bool, ...]]
"""Where a row holds one answer: which byte it is in, and what each value of that byte says."""

Slots = Mapping[str, Mapping[str, Slot]]
"""By action and resource, where a row holds the answer: a few large dicts, which a processor's cache holds more of."""

Reach = tuple[str, str, str]
"""A resource, one of its actions, and a scope."""

ROWS = 2_000
"""How many different rows are remembered unless said: more would take more memory than the rows of those users."""

_Terms = tuple[str, frozenset[str], bool]
_Entries = frozenset[tuple[str, Entry]]


@frozen
class _Run:
    """A resource's numbers: its own from `start` up to `own_end`, with all below it up to `end`."""

    start: int
    own_end: int
    end: int


@frozen
class _Relation:
    """What one pair implies and requires, as bits of one scope."""

    pair: int
    implies: int
    requires: int


class Compiled:
    """A catalog's numbering, and the rows of its users.

    Attributes:
        catalog: the catalog; a changed one is compiled anew.
        slots: by action and resource, the slot of a check that names neither record nor scope: the widest
            scope, or the narrowest for an action that is done without a record.
        slots_at: by scope, then likewise, the slot of a check that names the scope.
        nothing: the row of who is allowed nothing.
    """

    def __init__(self, catalog: Catalog, *, rows: int = ROWS) -> None:
        """Number the catalog.

        Args:
            catalog: the catalog.
            rows: how many different rows are remembered, for users who hold the same.
        """
        self.catalog = catalog
        self._pairs: list[Pair] = []
        self._numbers: dict[str, dict[str, int]] = {}
        self._runs: dict[str, _Run] = {}
        self._at_most: dict[tuple[str, str], int] = {}
        self._owned: dict[str | None, int] = {}
        self._number()
        self._width = len(self._pairs)
        self._size = (self._width * len(catalog.scopes) + 7) // 8
        self.nothing = bytes(self._size)
        self._rank = {scope: rank for rank, scope in enumerate(catalog.scopes)}
        places = list(range(self._size))  # one integer for all answers of a byte
        self.slots_at = {scope: self._slots(rank * self._width, places) for scope, rank in self._rank.items()}
        self.slots: Slots = {
            name: {
                resource: self.slots_at[ALL if catalog.actions(resource)[name].record else OWN][name][resource]
                for resource in resources
            }
            for name, resources in self.slots_at[OWN].items()
        }
        self._relations = list(self._find_relations())
        self._everyone = self._paint({USERS: (Grant("view", scope=OWN),)})[0]
        self._of_base = lru_cache(maxsize=1_000)(self._base)
        self._of_license = lru_cache(maxsize=1_000)(self._license)
        self._same_terms = lru_cache(maxsize=1_000)(_same)
        self._remember(rows)

    def with_roles(self, catalog: Catalog, *, rows: int = ROWS) -> Compiled:
        """Return the tables of a catalog that differs from this one in its roles only; the numbering is shared.

        Args:
            catalog: that catalog.
            rows: how many different rows are remembered.
        """
        derived = copy(self)
        derived.catalog = catalog
        derived._remember(rows)
        return derived

    def _remember(self, rows: int) -> None:
        self._of_role = lru_cache(maxsize=None)(self._role)
        self._of_everything = lru_cache(maxsize=None)(self._everything)
        self._of_held = lru_cache(maxsize=min(rows, 1_000))(self._live)
        self._of_all = lru_cache(maxsize=rows)(self._row)

    def slot(self, resource: str, action: str, scope: str | None = None) -> Slot:
        """Return where a row tells whether the action is allowed at the scope; without a scope, as `slots` has it.

        Raises:
            UnknownResource, UnknownAction, UnknownScope: the catalog has no such name.
        """
        try:
            slots = self.slots if scope is None else self.slots_at[scope]
            return slots[action][resource]
        except (KeyError, TypeError):
            self.catalog.require_action(resource, action)
            if scope is not None:
                self.catalog.require_scope(scope)
            raise

    def allows(self, row: bytes, slot: Slot) -> bool:
        """Tell whether the row says yes at the slot."""
        byte, answers = slot
        return answers[row[byte]]

    def row(self, license: Terms, user: Holder, now: datetime) -> tuple[bytes, datetime | None]:
        """Return what the user may do now, and the moment up to which that holds, None for ever.

        Users with equal live roles, base and overrides under the same license get the same object.
        """
        if not user.active:
            return self.nothing, None
        terms = self._same_terms((license.package, frozenset(license.add_ons), is_valid(license, now)))
        held = frozenset(role for role, until in user.roles.items() if until is None or now < until)
        overrides = [(path, it.entry) for path, it in user.overrides.items() if it.until is None or now < it.until]
        row = self._of_all(terms, self._of_held(terms, held), frozenset(user.base.items()), frozenset(overrides))
        ends = [*user.roles.values(), *(it.until for it in user.overrides.values())]
        ends += [license.valid_from, license.valid_until and license.valid_until + license.grace]
        return row, min([end for end in ends if end is not None and now < end], default=None)

    def decode(self, row: bytes) -> Iterator[Reach]:
        """Iterate over what the row allows, narrowest scope first."""
        for place, byte in enumerate(row):
            for bit in range(8 if byte else 0):
                if byte >> bit & 1:
                    rank, number = divmod(place * 8 + bit, self._width)
                    yield (*self._pairs[number], self.catalog.scopes[rank])

    def diff(self, before: bytes, after: bytes) -> tuple[Iterator[Reach], Iterator[Reach]]:
        """Return what is gained and what is lost between two rows."""
        old, new = int.from_bytes(before, "little"), int.from_bytes(after, "little")
        return self.decode(self._bytes(new & ~old)), self.decode(self._bytes(old & ~new))

    # The numbering

    def _number(self) -> None:
        catalog = self.catalog
        at_most: dict[tuple[str, str], list[int]] = {}
        owned: dict[str | None, list[int]] = {}
        for resource in sorted(catalog.resources, key=lambda path: path.split(".")):
            name, ladder, start = catalog.ladder_name(resource), catalog.ladder(resource), len(self._pairs)
            actions = catalog.actions(resource)
            self._numbers[resource] = {action: start + place for place, action in enumerate(actions)}
            for number, action in enumerate(actions.values(), start):
                for level in ladder.levels[ladder.rank(action.level) :]:
                    at_most.setdefault((name, level), []).append(number)
            self._pairs += [(resource, action) for action in actions]
            end = len(self._pairs)
            owned.setdefault(catalog.package(resource), []).extend(range(start, end))
            self._runs[resource] = _Run(start, end, end)
            for above in catalog.ancestors(resource):
                self._runs[above] = _Run(self._runs[above].start, self._runs[above].own_end, end)
        self._at_most = {key: _bits(numbers) for key, numbers in at_most.items()}
        self._owned = {package: _bits(numbers) for package, numbers in owned.items()}

    def _slots(self, start: int, places: Sequence[int]) -> Slots:
        slots: dict[str, dict[str, Slot]] = {}
        for resource, numbers in self._numbers.items():
            for name, number in numbers.items():
                bit = start + number
                slots.setdefault(intern(name), {})[intern(resource)] = places[bit >> 3], ANSWERS[bit & 7]
        return slots

    def _find_relations(self) -> Iterator[_Relation]:
        for resource, action in self._pairs:
            it = self.catalog.actions(resource)[action]
            if it.implies or it.requires:
                implied, required = self._mask(as_pairs(it.implies)), self._mask(as_pairs(it.requires))
                yield _Relation(self._mask([(resource, action)]), implied, required)

    def _mask(self, pairs: Iterable[Pair]) -> int:
        return _bits([self._numbers[resource][action] for resource, action in pairs])

    def _field(self, path: str, ladder: str | None = None) -> int:
        """Return one scope's bits of a resource and all below it, those on the ladder only where one is named."""
        run = self._runs[path]
        whole = (1 << run.end) - (1 << run.start)
        return whole if ladder is None else whole & self._up_to(ladder, self.catalog.ladders[ladder].levels[-1])

    def _up_to(self, ladder: str, level: str) -> int:
        """Return one scope's bits of all actions on the ladder that need no more than the level."""
        return self._at_most.get((ladder, level), 0)

    def _spread(self, bits: int, scope: str = ALL) -> int:
        """Return one scope's bits at the scope and every narrower one."""
        return sum(bits << rank * self._width for rank in range(self._rank[scope] + 1))

    def _top_down(self, paths: Iterable[str]) -> list[str]:
        return sorted((path for path in paths if path in self._runs), key=lambda path: self._runs[path].start)

    # Rules 3 and 4: what entries give

    def _paint(self, entries: Mapping[str, Entry], *, alone: bool = False) -> tuple[int, int]:
        """Return the bits that the entries give, and all the bits that they decide.

        From the top of the tree down, each entry paints over what flowed from above: all below it where it
        closes, its own ladder where it names a level. `alone`, as overrides are, it decides its own resource whole.
        """
        given = decided = 0
        for path in self._top_down(entries):
            entry, run, ladder = entries[path], self._runs[path], self.catalog.ladder_name(path)
            closed = closes(self.catalog, path, entry)
            below = self._field(path, None if closed else ladder) if levels(entry) else 0
            over = self._spread(below | (1 << run.own_end) - (1 << run.start) if alone else below)
            given &= ~over
            decided |= over
            for grant in entry:
                bits = 0 if grant.level is None else below & self._up_to(ladder, grant.level)
                named = [(path, action) for action in grant.actions if action in self._numbers[path]]
                given |= self._spread(bits | self._mask(named), grant.scope)
        return given, decided

    def _role(self, role: str) -> int:
        return self._paint(self.catalog.roles[role].grants)[0]

    def _base(self, base: _Entries) -> int:
        return self._paint(dict(base))[0]

    def _everything(self, role: str) -> int:
        """Return the bits of a role of everything, none for others."""
        if not self.catalog.roles[role].everything:
            return 0
        outside = self._field(ORGANIZATION) if self.catalog.roles[role].kind == "licensee" else 0
        return self._spread(((1 << self._width) - 1) & ~outside)

    # Rules 1, 2 and 5: what the license contains, and its caps

    def _contained(self, terms: _Terms) -> frozenset[str]:
        package, add_ons, valid = terms
        held = [name for name in (package, *add_ons) if valid and name in self.catalog.packages]
        return frozenset().union(*(self.catalog.closure(name) for name in held))

    def _live(self, terms: _Terms, held: frozenset[str]) -> frozenset[str]:
        contained, roles = self._contained(terms), self.catalog.roles

        def contains(role: Role) -> bool:
            return role.kind == "system" or role.package in contained

        live: set[str] = set()
        waiting = set(held)
        while waiting:
            name = waiting.pop()
            if name in roles and name not in live and contains(roles[name]):
                live.add(name)
                waiting.update(roles[name].includes)
        return frozenset(live)

    def _license(self, terms: _Terms) -> int:
        """Return one scope's bits of all that the license contains, within its caps."""
        contained = self._contained(terms)
        everything, bits = self._all_of(contained), self._owned[None]
        for name in contained & {terms[0], *terms[1]}:
            capped, within = self._caps(name)
            bits |= self._all_of(self.catalog.closure(name)) & ~(capped & ~within)
            if self.catalog.packages[name].add_on:
                bits |= everything & within
        return bits

    def _all_of(self, packages: Collection[str]) -> int:
        """Return one scope's bits of all resources that belong to the packages."""
        bits = 0
        for package in packages:
            bits |= self._owned.get(package, 0)
        return bits

    def _caps(self, package: str) -> tuple[int, int]:
        """Return one scope's bits of all that the package names a cap for, and of those within it."""
        capped = within = 0
        caps = self.catalog.packages[package].caps
        for path in self._top_down(caps):
            ladder = self.catalog.ladder_name(path)
            field = self._field(path, ladder)
            capped |= field
            within = within & ~field | field & self._up_to(ladder, caps[path])
        return capped, within

    # All six

    def _row(self, terms: _Terms, live: frozenset[str], base: _Entries, overrides: _Entries) -> bytes:
        bits = self._of_base(base)
        for role in live:
            bits |= self._of_role(role)
        if overrides:
            given, decided = self._paint(dict(overrides), alone=True)
            bits = bits & ~decided | given
        bits |= self._everyone
        for role in live:
            bits |= self._of_everything(role)
        licensed = self._of_license(terms)
        return self._bytes(self._relate(bits & self._spread(licensed), licensed))

    def _relate(self, bits: int, licensed: int) -> int:
        """Return what relations make of a row, scope by scope (rule 6)."""
        if not self._relations:
            return bits
        related = 0
        for rank in range(len(self._rank)):
            given = bits >> rank * self._width & ((1 << self._width) - 1)
            related |= self._relate_one(given, licensed) << rank * self._width
        return related

    def _relate_one(self, given: int, licensed: int) -> int:
        while True:
            present, before = given, -1
            while present != before:
                before = present
                for it in self._relations:
                    if present & it.pair:
                        present |= it.implies & licensed
            lacking = sum(it.pair for it in self._relations if present & it.pair and it.requires & ~present)
            if not lacking:
                return present
            given &= ~lacking
            licensed &= ~lacking

    def _bytes(self, bits: int) -> bytes:
        return bits.to_bytes(self._size, "little")


def holdings(user: Holder) -> Hashable:
    """Return what is equal for users who may do the same, by whatever catalog and license, at whatever moment."""
    overrides = tuple((path, it.entry, it.until) for path, it in user.overrides.items()) if user.overrides else ()
    return user.active, tuple(user.roles.items()), tuple(user.base.items()), overrides


def _same(value: _Terms) -> _Terms:
    return value


def _bits(numbers: Iterable[int]) -> int:
    """Return the integer whose bits of these numbers are set."""
    found = list(numbers)
    buffer = bytearray((max(found, default=0) >> 3) + 1)
    for number in found:
        buffer[number >> 3] |= 1 << (number & 7)
    return int.from_bytes(buffer, "little")
