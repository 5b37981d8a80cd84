"""Remedies: the smallest changes that would turn a denial around, found by trying them against the rules."""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Callable, Iterator
from datetime import datetime
from decimal import Decimal

from attrs import evolve, field, frozen

from .. import rules
from ..catalog import Catalog, Entry, Grant, is_organization
from ..directory import User, with_role, without_override
from ..license import License, monthly_charge
from ..money import Money
from . import Remedy, Step, StepKind
from .words import package_title, resource_title, role_title

Change = tuple[StepKind, str]

_MOST_REMEDIES = 5
_MOST_ALIKE = 3
_MOST_STEPS = 6
_MOST_ROLES = 4
_MOST_TRIED = 200


@frozen
class Question:
    """What is asked of a user, whatever the license and the user are.

    Attributes:
        catalog: the catalog.
        now: when it is asked.
        pair: the resource and the action.
        scope: the scope at which the record is reached.
        related: the resources that relations tie to the one that is asked about.
    """

    catalog: Catalog
    now: datetime
    pair: rules.Pair
    scope: str
    related: frozenset[str]

    def left(self, license: License, user: User) -> rules.Related:
        """Return what all the rules leave on the related resources."""
        pairs = {
            (path, action)
            for path in self.related
            for action in rules.given(self.catalog, license, user, self.now, path, self.scope)
        }
        return rules.relations(self.catalog, license, self.now, pairs)

    def names(self, pair: rules.Pair, grants: Entry, scope: str | None = None) -> bool:
        """Tell whether the grants give the pair's action on its resource, at this scope or the question's."""
        return pair[1] in rules.actions_at(self.catalog, pair[0], grants, scope or self.scope)


def included(catalog: Catalog, role: str) -> tuple[str, ...]:
    """Return the role and all that it includes, directly or not, as far as the catalog has them."""
    found: dict[str, None] = {}
    waiting = deque([role])
    while waiting:
        name = waiting.popleft()
        if name in catalog.roles and name not in found:
            found[name] = None
            waiting += catalog.roles[name].includes
    return tuple(found)


def gives_everything(catalog: Catalog, role: str) -> bool:
    """Tell whether the role, or one that it includes, is a role of everything."""
    return any(catalog.roles[name].everything for name in included(catalog, role))


def would_give(catalog: Catalog, role: str, resource: str) -> Entry:
    """Return what the role and those that it includes would give on the resource if all were live."""
    names = included(catalog, role)
    if rules.everything_roles(catalog, names, resource):
        return (Grant(catalog.ladder(resource).levels[-1]),)
    return tuple(grant for name in names for grant in rules.gives(catalog, catalog.roles[name].grants, resource).grants)


def remedies(question: Question, license: License, user: User) -> tuple[Remedy, ...]:
    """Return up to five remedies, cheapest first: those that cost nothing, by their number of steps, then by charge.

    None holds all the steps of another, and none has a step to spare. Where several roles would do, those
    that grant the least come first, and a role of everything only where nothing narrower would do. How many
    named users the license admits is not looked at.
    """
    catalog = question.catalog
    subtrees = Counter(above for path in catalog.resources for above in (path, *catalog.ancestors(path)))
    search = _Search(question, subtrees)
    found: dict[frozenset[Change], _Place] = {}
    for place in search.run(license, user):
        least = search.least(license, user, place)
        found.setdefault(frozenset(least.changes), least)
    offers = [_offer(question, license, user, place) for place in found.values()]
    return tuple(_best(offers))


@frozen
class _Place:
    """Where the search stands: the license and the user after some changes."""

    license: License
    user: User
    changes: tuple[Change, ...] = ()


@frozen
class _Search:
    question: Question
    sizes: Counter[str]
    givers: dict[rules.Pair, list[str]] = field(factory=dict)

    def run(self, license: License, user: User) -> Iterator[_Place]:
        """Iterate over the places where it is allowed, fewest changes first."""
        start = _Place(license, user)
        waiting, seen, found = deque([start]), {frozenset[Change]()}, list[frozenset[Change]]()
        for _ in range(_MOST_TRIED):
            if not waiting:
                return
            place = waiting.popleft()
            made = frozenset(place.changes)
            if any(other <= made for other in found):
                continue
            left = self.question.left(place.license, place.user)
            if self.question.pair in left.pairs:
                found.append(made)
                yield place
            elif len(made) < _MOST_STEPS:
                for change in self._changes(place, self.question.pair, left):
                    after = self._after(place, change)
                    if after is not None and made | {change} not in seen:
                        seen.add(made | {change})
                        waiting.append(after)

    def least(self, license: License, user: User, place: _Place) -> _Place:
        """Return the place without the changes that it can spare, the rest in the order in which to make them."""
        order = list(StepKind)
        changes = sorted(place.changes, key=lambda change: order.index(change[0]))
        for spare in range(len(changes)):
            without = self._replay(license, user, changes[:spare] + changes[spare + 1 :])
            if without is not None and self.question.pair in self.question.left(without.license, without.user).pairs:
                return self.least(license, user, without)
        return self._replay(license, user, changes) or place

    def _replay(self, license: License, user: User, changes: list[Change]) -> _Place | None:
        place: _Place | None = _Place(license, user)
        for change in changes:
            place = place and self._after(place, change)
        return place

    def _after(self, place: _Place, change: Change) -> _Place | None:
        """Return the place after one more change; None where the change would be refused, or is made already."""
        kind, subject = change
        catalog, now, license, user = self.question.catalog, self.question.now, place.license, place.user
        match kind:
            case StepKind.RENEW_LICENSE:
                begun = license.valid_from is None or license.valid_from <= now
                license = evolve(license, valid_from=license.valid_from if begun else None, valid_until=None)
            case StepKind.CHANGE_PACKAGE:
                license = evolve(license, package=subject)
            case StepKind.ADD_ADD_ON:
                license = evolve(license, add_ons=license.add_ons | {subject})
            case StepKind.ACCEPT_INVITATION:
                user = evolve(user, state="active")
            case StepKind.UNLOCK:
                user = evolve(user, locked=False)
            case StepKind.CLEAR_OVERRIDE:
                if rules.everything_roles(catalog, rules.live_roles(catalog, license, user, now)):
                    return None
                user = without_override(user, subject)
            case StepKind.EXTEND_ROLE | StepKind.ASSIGN_ROLE:
                if not rules.contains_role(catalog, license, now, subject):
                    return None
                user = with_role(user, subject, None)
        return _Place(license, user, (*place.changes, change))

    def _changes(self, place: _Place, pair: rules.Pair, left: rules.Related) -> Iterator[Change]:
        """Iterate over the changes that take the first thing that stands in the way out of it."""
        catalog, now, license, user = self.question.catalog, self.question.now, place.license, place.user
        resource, action = pair
        if user.state == "invited":
            yield StepKind.ACCEPT_INVITATION, user.id
        elif user.locked:
            yield StepKind.UNLOCK, user.id
        elif not (is_organization(resource) or rules.is_valid(license, now)):
            yield StepKind.RENEW_LICENSE, ""
        elif not rules.contains(catalog, license, now, resource):
            yield from self._license_changes(place, lambda after: rules.contains(catalog, after, now, resource))
        elif pair in left.missing:
            yield from self._changes(place, left.missing[pair], left)
        elif action not in rules.licensed(catalog, license, now, resource):
            yield from self._license_changes(
                place, lambda after: action in rules.licensed(catalog, after, now, resource)
            )
        else:
            yield from self._grants(place, pair, left)

    def _grants(self, place: _Place, pair: rules.Pair, left: rules.Related) -> Iterator[Change]:
        catalog, license, held = self.question.catalog, place.license, place.user.roles
        override = rules.override_for(catalog, place.user, self.question.now, pair[0])
        givers = self._givers_of(pair)
        if override is not None:
            yield StepKind.CLEAR_OVERRIDE, override
            givers = [name for name in givers if gives_everything(catalog, name)]
        for name in givers:
            if name in held:
                yield from self._awakenings(place, name, pair)
        others = [name for name in givers if name not in held]
        assignable = [name for name in others if self._gives(license, name, pair)]
        narrow = [name for name in assignable if not gives_everything(catalog, name)]
        for name in sorted(narrow or assignable, key=self._reach)[:_MOST_ROLES]:
            yield StepKind.ASSIGN_ROLE, name
        extendable = any(self._gives(license, name, pair) for name in givers if name in held)
        if not (narrow or extendable):
            outside = [name for name in others if name not in assignable]
            yield from self._license_changes(
                place, lambda after: any(self._gives(after, name, pair) for name in outside)
            )
        for implier in self._impliers(pair):
            if implier in left.missing or not (assignable or implier in left.pairs):
                yield from self._changes(place, implier, left)

    def _awakenings(self, place: _Place, role: str, pair: rules.Pair) -> Iterator[Change]:
        """Iterate over the changes that let a role that is held count."""
        until = place.user.roles[role]
        if not self._gives(place.license, role, pair):
            yield from self._license_changes(place, lambda after: self._gives(after, role, pair))
        elif until is not None and until <= self.question.now:
            yield StepKind.EXTEND_ROLE, role

    def _givers_of(self, pair: rules.Pair) -> list[str]:
        """Return the roles that would give the pair if the license contained them."""
        if pair not in self.givers:
            roles = self.question.catalog.roles
            self.givers[pair] = [
                name for name in roles if self.question.names(pair, would_give(self.question.catalog, name, pair[0]))
            ]
        return self.givers[pair]

    def _gives(self, license: License, role: str, pair: rules.Pair) -> bool:
        """Tell whether the role would give the pair to one who held it alone under the license."""
        holder = User(id="", email="", name="", roles={role: None})
        gifts = rules.gifts(self.question.catalog, license, holder, self.question.now, pair[0])
        return any(self.question.names(pair, gift.grants) for source, gift in gifts.items() if source.name)

    def _impliers(self, pair: rules.Pair) -> Iterator[rules.Pair]:
        catalog = self.question.catalog
        for path in sorted(self.question.related):
            for action, declared in catalog.actions(path).items():
                if pair in rules.as_pairs(declared.implies):
                    yield path, action

    def _license_changes(self, place: _Place, helps: Callable[[License], bool]) -> Iterator[Change]:
        """Iterate over the tiers and add-ons that help; tiers that lose something only where no other would do."""
        catalog, license = self.question.catalog, place.license
        if all(kind is not StepKind.CHANGE_PACKAGE for kind, _ in place.changes):
            tiers = [name for name in catalog.tiers if name != license.package]
            helping = [name for name in tiers if helps(evolve(license, package=name))]
            higher = [name for name in helping if license.package in catalog.closure(name)]
            for name in higher or helping:
                yield StepKind.CHANGE_PACKAGE, name
        for name, package in catalog.packages.items():
            held = name in license.add_ons or not package.add_on
            if not held and helps(evolve(license, add_ons=license.add_ons | {name})):
                yield StepKind.ADD_ADD_ON, name

    def _reach(self, role: str) -> int:
        """Return roughly how much a role grants: what each entry gives, times the resources that it decides."""
        catalog, reach = self.question.catalog, 0
        for entries in (catalog.roles[name].grants for name in included(catalog, role)):
            decided = Counter({path: self.sizes[path] for path in entries})
            for path in entries:
                above = next((other for other in catalog.ancestors(path) if other in entries), None)
                if above is not None:
                    decided[above] -= self.sizes[path]
            reach += sum(decided[path] * self._weight(path, entry) for path, entry in entries.items())
        return reach

    def _weight(self, path: str, entry: Entry) -> int:
        catalog = self.question.catalog
        return sum(
            (len(grant.actions) + (0 if grant.level is None else catalog.ladder(path).rank(grant.level)))
            * (1 + catalog.scopes.index(grant.scope))
            for grant in entry
        )


@frozen
class _Offer:
    """A remedy with what it is compared by."""

    remedy: Remedy
    cost: Decimal
    license_changes: frozenset[Change]
    everything: bool

    @property
    def changes_tier(self) -> bool:
        return any(kind is StepKind.CHANGE_PACKAGE for kind, _ in self.license_changes)


def _offer(question: Question, license: License, user: User, place: _Place) -> _Offer:
    catalog = question.catalog
    extra = _extra_charge(catalog, license, place.license)
    steps = tuple(
        Step(kind, subject, _words(question, license, user, kind, subject)) for kind, subject in place.changes
    )
    return _Offer(
        Remedy(steps, extra),
        Decimal(0) if extra is None else max(extra.amount, Decimal(0)),
        frozenset(change for change in place.changes if change[0] in _LICENSE_STEPS),
        any(kind is StepKind.ASSIGN_ROLE and gives_everything(catalog, subject) for kind, subject in place.changes),
    )


_LICENSE_STEPS = frozenset({StepKind.RENEW_LICENSE, StepKind.CHANGE_PACKAGE, StepKind.ADD_ADD_ON})


def _best(offers: list[_Offer]) -> Iterator[Remedy]:
    """Iterate over the offers worth making, cheapest first, leaving out those that another one betters."""
    kept: list[_Offer] = []
    for offer in sorted(offers, key=lambda it: (it.cost, bool(it.license_changes), len(it.remedy.steps))):
        alike = [it for it in kept if it.remedy.kind == offer.remedy.kind]
        bettered = any(
            (offer.license_changes and it.license_changes == offer.license_changes)
            or (offer.changes_tier and it.changes_tier and len(it.remedy.steps) <= len(offer.remedy.steps))
            for it in kept
        )
        narrower = any(not it.everything and it.cost <= offer.cost for it in offers)
        if not bettered and len(alike) < _MOST_ALIKE and not (offer.everything and narrower):
            kept.append(offer)
    return iter([offer.remedy for offer in kept[:_MOST_REMEDIES]])


def _extra_charge(catalog: Catalog, before: License, after: License) -> Money | None:
    if (before.package, before.add_ons) == (after.package, after.add_ons):
        return None
    old, new = (monthly_charge(catalog, it) if _is_known(catalog, it) else None for it in (before, after))
    if old is None or new is None:
        return new or (None if old is None else Money(-old.amount, old.currency))
    return Money(new.amount - old.amount, new.currency)


def _is_known(catalog: Catalog, license: License) -> bool:
    return {license.package, *license.add_ons} <= set(catalog.packages)


def _words(question: Question, license: License, user: User, kind: StepKind, subject: str) -> str:
    catalog = question.catalog
    match kind:
        case StepKind.RENEW_LICENSE:
            begun = license.valid_from is None or license.valid_from <= question.now
            return "renew the license" if begun else "let the license begin now"
        case StepKind.CHANGE_PACKAGE:
            move = f"move to the package {package_title(catalog, subject)}"
            loses = license.package in catalog.packages and license.package not in catalog.closure(subject)
            return f"{move} (it does not include {package_title(catalog, license.package)})" if loses else move
        case StepKind.ADD_ADD_ON:
            return f"add the add-on {package_title(catalog, subject)}"
        case StepKind.ACCEPT_INVITATION:
            return "have the invitation accepted"
        case StepKind.UNLOCK:
            return f"unlock {user.name or 'the user'}"
        case StepKind.CLEAR_OVERRIDE:
            return f"clear the personal setting on {resource_title(catalog, subject)}"
        case StepKind.EXTEND_ROLE:
            return f"assign the ended role {role_title(catalog, subject)} anew"
        case StepKind.ASSIGN_ROLE:
            everything = ", which gives everything" if gives_everything(catalog, subject) else ""
            return f"assign the role {role_title(catalog, subject)}{everything}"
