"""Decisions: what `explain` answers, readable aloud and by machines. Every code is closed and documented."""

from __future__ import annotations

from collections.abc import Iterator
from enum import Enum
from itertools import groupby
from typing import Literal, Self

from attrs import field, frozen

from ..money import Money
from .words import listed


class Described(Enum):
    """A closed set of codes, each with a sentence on what it means."""

    description: str

    def __new__(cls, code: str, description: str) -> Self:
        """Make the member of this code."""
        member = object.__new__(cls)
        member._value_ = code
        member.description = description
        return member


class Reason(Described):
    """Why a check was answered as it was; `allowed` tells the answer. The first of the list that holds is given."""

    EVERYTHING = "everything", "A live role gives everything."
    OVERRIDE = "override", "A personal setting gives it."
    ROLE = "role", "A live role gives it."
    BASE = "base", "The global permissions that the user started from give it."
    OWN_DETAILS = "own_details", "Everyone may see their own details."
    IMPLIED = "implied", "It comes with another action that is allowed."

    UNKNOWN_USER = "unknown_user", "Nobody with this id is a user of the organization."
    NOT_ACTIVE = "not_active", "The user has not accepted the invitation yet."
    LOCKED = "locked", "The user is locked."
    LICENSE_NOT_VALID = "license_not_valid", "The license has not begun or has ended."
    NOT_IN_PACKAGE = "not_in_package", "Neither the tier nor an add-on held contains the resource."
    REQUIREMENT_MISSING = "requirement_missing", "It is given, but an action that it requires is not allowed."
    CAPPED = "capped", "It is given, but the package caps the resource at a lower level."
    OVERRIDDEN = "overridden", "A personal setting that does not give it stands in place of roles and base."
    ROLE_DORMANT = "role_dormant", "A role that gives it is held, but the license does not contain the role."
    ROLE_ENDED = "role_ended", "A role that gives it is held, but its time has ended."
    SCOPE_TOO_NARROW = "scope_too_narrow", "It is given, but only on records at a narrower scope."
    NOT_GRANTED = "not_granted", "Nothing that the user holds gives it."
    HOST_ONLY = "host_only", "Only the application itself, or the user concerned, may do it."

    @property
    def allowed(self) -> bool:
        """Whether the reason is one of being allowed."""
        return self in _ALLOWED


_ALLOWED = frozenset({Reason.EVERYTHING, Reason.OVERRIDE, Reason.ROLE, Reason.BASE, Reason.OWN_DETAILS, Reason.IMPLIED})


class FindingKind(Described):
    """What one step of a trace found."""

    NEED = "need", "The level that the action needs."
    UNKNOWN_USER = "unknown_user", "Nobody with this id is a user of the organization."
    NOT_ACTIVE = "not_active", "The user has not accepted the invitation yet."
    LOCKED = "locked", "The user is locked."
    LICENSE_NOT_VALID = "license_not_valid", "The license has not begun or has ended."
    NOT_IN_PACKAGE = "not_in_package", "Neither the tier nor an add-on held contains the resource."
    EVERYTHING = "everything", "The role gives everything."
    ENDED = "ended", "The role is held and would give something here, but its time has ended."
    DORMANT = "dormant", "The role is held and would give something here, but the license does not contain it."
    OVERRIDE = "override", "The personal setting stands in place of roles and base."
    MASKED = "masked", "The personal setting counts for nothing beside a role of everything."
    LAPSED = "lapsed", "The time of the personal setting has ended."
    REPLACED = "replaced", "The role or the base would give it, but a personal setting stands in its place."
    GIVES = "gives", "The role or the base gives it."
    NARROWER = "narrower", "The role or the base gives it, but only at a narrower scope."
    LESS = "less", "The role or the base gives something on the resource, but not this."
    NOTHING = "nothing", "The role gives nothing on the resource."
    OWN_DETAILS = "own_details", "Everyone may see their own details."
    CAP = "cap", "The package caps the resource."
    IMPLIED = "implied", "The action comes with another one."
    MISSING = "missing", "An action that is required is not allowed."


class StepKind(Described):
    """What one step of a remedy changes."""

    RENEW_LICENSE = "renew_license", "Make the license valid now."
    CHANGE_PACKAGE = "change_package", "Move the license to another tier."
    ADD_ADD_ON = "add_add_on", "Add an add-on to the license."
    ACCEPT_INVITATION = "accept_invitation", "Have the user accept the invitation."
    UNLOCK = "unlock", "Unlock the user."
    CLEAR_OVERRIDE = "clear_override", "Clear a personal setting of the user."
    EXTEND_ROLE = "extend_role", "Assign anew a role whose time has ended."
    ASSIGN_ROLE = "assign_role", "Assign a role that the user does not hold."


@frozen
class Finding:
    """One step of a trace.

    Attributes:
        rule: the rule of access that it belongs to, 1 to 6; 0 for what the question itself needs.
        kind: what was found.
        about: what kind of thing it was found on.
        subject: the id of that thing: a role, a package, a resource's path, "resource:action", a user; empty
            for the base and the license.
        title: what people call it.
        text: a plain sentence.
    """

    rule: int
    kind: FindingKind
    about: Literal["user", "license", "package", "role", "base", "override", "action"]
    subject: str
    title: str
    text: str

    def to_dict(self) -> dict[str, object]:
        """Return it as JSON values."""
        return {
            "rule": self.rule,
            "kind": self.kind.value,
            "about": self.about,
            "subject": self.subject,
            "title": self.title,
            "text": self.text,
        }


@frozen
class Step:
    """One change that a remedy consists of.

    Attributes:
        kind: what is changed.
        subject: the id of the role, package, add-on or user, or the resource's path; empty for the license.
        text: what to do, as the middle of a sentence: "assign the role Sales staff".
    """

    kind: StepKind
    subject: str
    text: str

    def to_dict(self) -> dict[str, object]:
        """Return it as JSON values."""
        return {"kind": self.kind.value, "subject": self.subject, "text": self.text}


@frozen
class Remedy:
    """Changes that, made together, turn a denial around.

    Attributes:
        steps: the changes, in the order in which to make them.
        extra_monthly_charge: what the license then costs more a month (less, where negative); None where
            it stays as it is, or nothing has a price.
    """

    steps: tuple[Step, ...]
    extra_monthly_charge: Money | None = None

    @property
    def kind(self) -> str:
        """The kinds of its steps, joined by "+"."""
        return "+".join(step.kind.value for step in self.steps)

    @property
    def title(self) -> str:
        """What to do, as a sentence without its full stop."""
        text = listed(self._parts())
        return text[:1].upper() + text[1:] + self._price()

    def _parts(self) -> Iterator[str]:
        before = None
        for step in self.steps:
            # "assign the role A and the role B": the verb is said once.
            yield step.text.partition(" ")[2] if step.kind is before else step.text
            before = step.kind

    def _price(self) -> str:
        extra = self.extra_monthly_charge
        if extra is None:
            return ""
        if not extra.amount:
            return ", at no extra charge"
        more = "more" if extra.amount > 0 else "less"
        return f", for {Money(abs(extra.amount), extra.currency)} {more} a month"

    def to_dict(self) -> dict[str, object]:
        """Return it as JSON values."""
        return {
            "kind": self.kind,
            "title": self.title,
            "steps": [step.to_dict() for step in self.steps],
            "extra_monthly_charge": None if self.extra_monthly_charge is None else str(self.extra_monthly_charge),
        }


@frozen
class Decision:
    """The answer to one check, and why; its truth value is `allowed`.

    `str()` is a paragraph to read aloud. It names no user but the one who was asked about.

    Attributes:
        reason: why.
        user: the id that was asked about.
        resource: the resource that was asked about.
        action: the action that was asked about.
        scope: the scope at which the record is reached.
        level: the lowest level of the resource's ladder that gives the action.
        summary: one sentence.
        trace: what was found, in the order in which it is told.
        remedies: what would turn a denial around, cheapest first; empty when allowed.
    """

    reason: Reason
    user: str
    resource: str
    action: str
    scope: str
    level: str
    summary: str
    trace: tuple[Finding, ...] = field(default=(), repr=False)
    remedies: tuple[Remedy, ...] = field(default=(), repr=False)

    @property
    def allowed(self) -> bool:
        """Whether the user may."""
        return self.reason.allowed

    def __bool__(self) -> bool:
        return self.allowed

    def __str__(self) -> str:
        return " ".join(self._sentences())

    def _sentences(self) -> Iterator[str]:
        yield self.summary
        said = self.summary.casefold()
        for kind, group in groupby(self.trace, key=lambda finding: finding.kind):
            findings = list(group)
            if kind is FindingKind.NOTHING and len(findings) > 1:
                yield f"The roles {listed(finding.title for finding in findings)} give nothing here."
            else:
                # A finding that is all of the reason stands in the summary already.
                yield from (finding.text for finding in findings if finding.text.rstrip(".").casefold() not in said)
        if self.remedies:
            ways = [remedy.title[:1].lower() + remedy.title[1:] for remedy in self.remedies]
            yield f"To allow it, {'either ' if len(ways) > 1 else ''}{'; or '.join(ways)}."
        elif not self.allowed and self.reason not in (Reason.UNKNOWN_USER, Reason.HOST_ONLY):
            yield "No role, package or personal setting to clear was found that would allow it."

    def to_dict(self) -> dict[str, object]:
        """Return it as JSON values; keys and codes stay the same from release to release."""
        return {
            "allowed": self.allowed,
            "reason": self.reason.value,
            "summary": self.summary,
            "user": self.user,
            "resource": self.resource,
            "action": self.action,
            "scope": self.scope,
            "level": self.level,
            "trace": [finding.to_dict() for finding in self.trace],
            "remedies": [remedy.to_dict() for remedy in self.remedies],
        }


def host_only(user: str, resource: str, action: str) -> Decision:
    """Return the denial of what no user may do on another's behalf, whatever they hold."""
    return Decision(
        Reason.HOST_ONLY,
        user,
        resource,
        action,
        scope="",
        level="",
        summary=f"No: {user} may not do this; only the application itself, or the user concerned, may.",
    )
