"""Findings: what each rule of access says to one case, in plain sentences."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import datetime
from typing import Literal

from attrs import frozen

from .. import rules
from ..catalog import Entry, is_organization
from ..directory import User, without_override
from ..license import License
from . import Finding, FindingKind
from .remedies import Question, would_give
from .words import listed, moment, package_title, reach, resource_title, role_title

_BASE = "the global permissions that the user started from"


@frozen
class Case:
    """One question about one user under one license.

    Attributes:
        question: what is asked.
        license: the license.
        user: the user.
        counting: what counts by rules 2 to 4, by where it comes from.
        live: the live roles, each with the role that includes it or None.
    """

    question: Question
    license: License
    user: User
    counting: Mapping[rules.Source, rules.Gift]
    live: Mapping[str, str | None]

    @classmethod
    def of(cls, question: Question, license: License, user: User) -> Case:
        """Return the case with what counts in it."""
        terms = question.catalog, license, user, question.now
        return cls(question, license, user, rules.gifts(*terms, question.pair[0]), rules.live_roles(*terms))

    def givers(self) -> list[rules.Source]:
        """Return the sources that give the action before caps and relations."""
        return [source for source, gift in self.counting.items() if self.serves(gift.grants)]

    def serves(self, grants: Entry) -> bool:
        """Tell whether the grants give the action at the scope that is asked."""
        return self.question.names(self.question.pair, grants)

    def narrower(self, grants: Entry) -> str | None:
        """Return the widest scope short of the one asked at which the grants give the action, None for none."""
        scopes = self.question.catalog.scopes
        below = scopes[: scopes.index(self.question.scope)]
        return next((it for it in reversed(below) if self.question.names(self.question.pair, grants, it)), None)

    def asleep(self) -> dict[str, datetime | None]:
        """Return the roles held, or included by a live one, that are not live: when each ended, None for dormant."""
        catalog, now = self.question.catalog, self.question.now
        held = {
            role: until if until is not None and until <= now else None
            for role, until in self.user.roles.items()
            if role in catalog.roles
        }
        with_live = {name: None for role in self.live for name in catalog.roles[role].includes}
        return {role: ended for role, ended in {**with_live, **held}.items() if role not in self.live}

    def would(self, role: str) -> bool:
        """Tell whether the role, with those that it includes, would give the action if all were live."""
        return self.serves(would_give(self.question.catalog, role, self.question.pair[0]))

    def at_the_door(self) -> Iterator[Finding]:
        """Iterate over what shuts the user out by rule 1, whatever roles are held."""
        catalog, now, license, resource = self.question.catalog, self.question.now, self.license, self.question.pair[0]
        if self.user.state == "invited":
            yield self._found(1, FindingKind.NOT_ACTIVE, "user", "The invitation has not been accepted yet.")
        if self.user.locked:
            yield self._found(1, FindingKind.LOCKED, "user", "The user is locked.")
        if is_organization(resource):
            return
        if license.valid_from is not None and now < license.valid_from:
            begins = f"The license begins on {moment(license.valid_from)}."
            yield self._found(1, FindingKind.LICENSE_NOT_VALID, "license", begins)
        elif license.valid_until is not None and not rules.is_valid(license, now):
            grace = f", and its grace on {moment(license.ends)}" if license.grace and license.ends else ""
            ended = f"The license ended on {moment(license.valid_until)}{grace}."
            yield self._found(1, FindingKind.LICENSE_NOT_VALID, "license", ended)
        package = catalog.package(resource)
        if package not in rules.contained_packages(catalog, license):
            text = f"The license is for {self._held()}, and this comes with {self._package(package)}."
            yield self._found(1, FindingKind.NOT_IN_PACKAGE, "package", text, package or "")

    def trace(self, left: rules.Related) -> Iterator[Finding]:
        """Iterate over what the rules find once the user is inside; `left` is what they leave."""
        yield self._need()
        kinds = {source.kind for source in self.counting}
        if "everything" in kinds:
            yield from self._everything()
        elif "override" in kinds:
            yield from self._override()
        else:
            found = [*self._union(), *self._sleeping()]
            yield from sorted(found, key=lambda finding: finding.kind is FindingKind.NOTHING)
        yield from self._lapsed()
        everyone = self.counting.get(rules.Source("everyone"), rules.Gift()).grants
        if self.serves(everyone) or self.narrower(everyone):
            yield self._found(4, FindingKind.OWN_DETAILS, "user", "Everyone may see their own details.")
        yield from self._caps()
        yield from self._relations(left)

    def _found(
        self,
        rule: int,
        kind: FindingKind,
        about: Literal["user", "license", "package", "role", "base", "override", "action"],
        text: str,
        subject: str = "",
    ) -> Finding:
        catalog, title = self.question.catalog, ""
        match about:
            case "user":
                subject, title = self.user.id, self.user.name
            case "package":
                title = package_title(catalog, subject)
            case "role":
                title = role_title(catalog, subject)
            case "override":
                title = resource_title(catalog, subject)
            case "action":
                title = self._action((subject.rpartition(":")[0], subject.rpartition(":")[2]))
            case _:
                pass
        return Finding(rule, kind, about, subject, title, text)

    def _need(self) -> Finding:
        catalog, (resource, action) = self.question.catalog, self.question.pair
        levels, level = catalog.ladder(resource).levels, catalog.actions(resource)[action].level
        among = f" of {listed(levels)}" if len(levels) > 2 else ""
        named = any(action in grant.actions for gift in self.counting.values() for grant in gift.grants)
        text = f"It needs the level {level}{among}{', or a grant that names it' if named else ''}."
        return self._found(0, FindingKind.NEED, "action", text, f"{resource}:{action}")

    def _everything(self) -> Iterator[Finding]:
        catalog = self.question.catalog
        for role in (source.name for source in self.counting if source.kind == "everything"):
            yield self._found(2, FindingKind.EVERYTHING, "role", f"{self._role(role)} gives everything.", role)
        path = rules.override_for(catalog, self.user, self.question.now, self.question.pair[0])
        if path is not None:
            text = f"The personal setting on {resource_title(catalog, path)} counts for nothing beside it."
            yield self._found(2, FindingKind.MASKED, "override", text, path)

    def _override(self) -> Iterator[Finding]:
        catalog, resource = self.question.catalog, self.question.pair[0]
        for source, gift in self.counting.items():
            if source.kind != "override":
                continue
            until = self.user.overrides[source.name].until
            ends = "" if until is None else f" until {moment(until)}"
            says = f"gives {reach(catalog, resource, gift.grants) or 'nothing here'}"
            if gift.closed:
                says = f"is {catalog.ladder(source.name).lowest}"
            setting = f"The personal setting on {resource_title(catalog, source.name)} {says}{ends}"
            text = f"{setting}, in place of what roles and global permissions give."
            yield self._found(3, FindingKind.OVERRIDE, "override", text, source.name)
            cleared = Case.of(self.question, self.license, without_override(self.user, source.name))
            yield from cleared.replaced()

    def replaced(self) -> Iterator[Finding]:
        """Iterate over what would give the action to a user whose personal setting was cleared."""
        for source in self.givers():
            what = reach(self.question.catalog, self.question.pair[0], self.counting[source].grants)
            if source.kind == "role":
                text = f"Without it, {self._role(source.name, 'the')} would give {what}."
                yield self._found(3, FindingKind.REPLACED, "role", text, source.name)
            elif source.kind == "base":
                yield self._found(3, FindingKind.REPLACED, "base", f"Without it, {_BASE} would give {what}.")

    def _union(self) -> Iterator[Finding]:
        for source, gift in self.counting.items():
            kind, text = self._gift(source, gift)
            if source.kind == "role":
                yield self._found(4, kind, "role", f"{self._role(source.name)} gives {text}.", source.name)
            elif source.kind == "base" and kind is not FindingKind.NOTHING:
                yield self._found(4, kind, "base", f"{_BASE[:1].upper()}{_BASE[1:]} give {text}.")

    def _gift(self, source: rules.Source, gift: rules.Gift) -> tuple[FindingKind, str]:
        """Return what kind of gift it is to the question, and what is given in words."""
        catalog, resource = self.question.catalog, self.question.pair[0]
        what = reach(catalog, resource, gift.grants)
        above = gift.levels_from if gift.levels_from != resource else None
        says = "it says" if source.kind == "role" else "they say"
        by = f", by what {says} on {resource_title(catalog, above)}" if above is not None else ""
        if self.serves(gift.grants):
            return FindingKind.GIVES, f"{what}{by}"
        if self.narrower(gift.grants) is not None:
            return FindingKind.NARROWER, f"{what} only{by}"
        if what:
            return FindingKind.LESS, f"only {what}{by}"
        return FindingKind.NOTHING, f"nothing here{by}"

    def _sleeping(self) -> Iterator[Finding]:
        catalog = self.question.catalog
        for role in sorted(set(self.user.roles) - set(catalog.roles)):
            text = f"{self._role(role)} is held, but the catalog does not have it."
            yield self._found(2, FindingKind.DORMANT, "role", text, role)
        for role, ended in self.asleep().items():
            what = reach(catalog, self.question.pair[0], would_give(catalog, role, self.question.pair[0]))
            if not what:
                yield self._found(2, FindingKind.NOTHING, "role", f"{self._role(role)} gives nothing here.", role)
            elif ended is not None:
                text = f"{self._role(role)} would give {what}, but ended on {moment(ended)}."
                yield self._found(2, FindingKind.ENDED, "role", text, role)
            else:
                text = f"{self._role(role)} would give {what}, but is dormant{self._why_dormant(role)}."
                yield self._found(2, FindingKind.DORMANT, "role", text, role)

    def _why_dormant(self, role: str) -> str:
        if not rules.is_valid(self.license, self.question.now):
            return " while the license is not valid"
        package = self._package(self.question.catalog.roles[role].package)
        return f": it comes with {package}, and the license is for {self._held()}"

    def _lapsed(self) -> Iterator[Finding]:
        catalog, now, resource = self.question.catalog, self.question.now, self.question.pair[0]
        for path in (resource, *catalog.ancestors(resource)):
            setting = self.user.overrides.get(path)
            if setting is not None and setting.until is not None and setting.until <= now:
                text = f"A personal setting on {resource_title(catalog, path)} ended on {moment(setting.until)}."
                yield self._found(3, FindingKind.LAPSED, "override", text, path)

    def _caps(self) -> Iterator[Finding]:
        catalog, resource = self.question.catalog, self.question.pair[0]
        if rules.cap(catalog, self.license, resource) in (None, catalog.ladder(resource).levels[-1]):
            return
        for package, level in rules.caps(catalog, self.license, resource).items():
            text = f"{self._package(package, 'The')} caps {resource_title(catalog, resource)} at {level}."
            yield self._found(5, FindingKind.CAP, "package", text, package)

    def _relations(self, left: rules.Related) -> Iterator[Finding]:
        catalog, pair = self.question.catalog, self.question.pair
        if pair in left.implied:
            implier = left.implied[pair]
            text = f"The action {self._action(implier)}, which is allowed, implies it."
            yield self._found(6, FindingKind.IMPLIED, "action", text, ":".join(implier))
        own_first = sorted(left.missing.items(), key=lambda item: item[0] != pair)
        for lacking, needed in own_first:
            lacks = f"requires {self._action(needed)}, which is not allowed."
            if lacking == pair:
                yield self._found(6, FindingKind.MISSING, "action", f"It {lacks}", ":".join(needed))
            elif pair not in left.pairs and pair in rules.as_pairs(catalog.require_action(*lacking).implies):
                text = f"The action {self._action(lacking)} would imply it, but {lacks}"
                yield self._found(6, FindingKind.MISSING, "action", text, ":".join(needed))

    def _action(self, pair: rules.Pair) -> str:
        return f"{pair[1]} on {resource_title(self.question.catalog, pair[0])}"

    def _role(self, name: str, the: str = "The") -> str:
        includer = self.live.get(name)
        by = f", which comes with {role_title(self.question.catalog, includer)}," if includer is not None else ""
        return f"{the} role {role_title(self.question.catalog, name)}{by}"

    def _package(self, name: str | None, the: str = "the") -> str:
        catalog = self.question.catalog
        kind = "add-on" if name is not None and catalog.packages[name].add_on else "package"
        return f"{the} {kind} {package_title(catalog, name or '')}"

    def _held(self) -> str:
        catalog, add_ons = self.question.catalog, sorted(self.license.add_ons)
        beside = f" with {listed(package_title(catalog, name) for name in add_ons)}" if add_ons else ""
        return f"{package_title(catalog, self.license.package)}{beside}"
