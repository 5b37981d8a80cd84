"""Explain: why a check is answered as it is, step by step along the rules of access."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime

from .. import rules
from ..catalog import Catalog
from ..directory import User
from ..license import License
from . import Decision, Finding, FindingKind, Reason
from .findings import Case
from .remedies import Question, remedies
from .words import listed, resource_title, role_title, uncapitalized

_BY_SOURCE = {
    "everything": Reason.EVERYTHING,
    "override": Reason.OVERRIDE,
    "role": Reason.ROLE,
    "base": Reason.BASE,
    "everyone": Reason.OWN_DETAILS,
}

_TOLD_BY = {
    Reason.EVERYTHING: FindingKind.EVERYTHING,
    Reason.OVERRIDE: FindingKind.OVERRIDE,
    Reason.BASE: FindingKind.GIVES,
    Reason.OWN_DETAILS: FindingKind.OWN_DETAILS,
    Reason.IMPLIED: FindingKind.IMPLIED,
    Reason.REQUIREMENT_MISSING: FindingKind.MISSING,
    Reason.CAPPED: FindingKind.CAP,
    Reason.OVERRIDDEN: FindingKind.OVERRIDE,
    Reason.ROLE_ENDED: FindingKind.ENDED,
    Reason.ROLE_DORMANT: FindingKind.DORMANT,
}


def explain(
    catalog: Catalog,
    license: License,
    user: User | None,
    now: datetime,
    resource: str,
    action: str,
    scope: str,
    *,
    user_id: str,
) -> Decision:
    """Return the decision on one action, on records that are reached at the scope, with its trace and remedies.

    `user` is None where nobody has the `user_id`. The rules of access (section 2 of the contract) decide.

    Raises:
        UnknownResource, UnknownAction, UnknownScope: the catalog has no such name.
    """
    level = catalog.require_action(resource, action).level
    catalog.require_scope(scope)
    if user is None or user.dismissed:
        asked = _asked(catalog, resource, action, scope, Reason.UNKNOWN_USER)
        summary = f"{user_id} may not {asked}: nobody with this id is a user here."
        return Decision(Reason.UNKNOWN_USER, user_id, resource, action, scope, level, summary)
    question = Question(catalog, now, (resource, action), scope, rules.together(catalog, resource))
    case = Case.of(question, license, user)
    trace = tuple(case.at_the_door())
    if trace:
        reason, cause = Reason[trace[0].kind.name], trace[0].text
    else:
        left = question.left(license, user)
        reason, trace = _reason(case, left), tuple(case.trace(left))
        cause = _cause(case, reason, trace)
    may = "may" if reason.allowed else "may not"
    asked = _asked(catalog, resource, action, scope, reason)
    return Decision(
        reason=reason,
        user=user_id,
        resource=resource,
        action=action,
        scope=scope,
        level=level,
        summary=f"{user.name or user_id} {may} {asked}: {uncapitalized(cause)}.",
        trace=trace,
        remedies=() if reason.allowed else remedies(question, license, user),
    )


def _reason(case: Case, left: rules.Related) -> Reason:
    """Return the first reason of the list that holds."""
    question, pair, givers = case.question, case.question.pair, case.givers()
    if pair in left.implied:
        return Reason.IMPLIED
    if pair in left.pairs:
        kinds = {source.kind for source in givers}
        return next(reason for kind, reason in _BY_SOURCE.items() if kind in kinds)
    if pair in left.missing:
        return Reason.REQUIREMENT_MISSING
    implied = any(pair in rules.as_pairs(question.catalog.require_action(*other).implies) for other in left.pairs)
    # Inside, with the license containing the resource, only its cap can stop what is given or implied.
    if givers or implied:
        return Reason.CAPPED
    if any(source.kind == "override" for source in case.counting):
        return Reason.OVERRIDDEN
    ends = [ended for role, ended in case.asleep().items() if case.would(role)]
    if ends:
        return Reason.ROLE_DORMANT if None in ends else Reason.ROLE_ENDED
    if any(case.narrower(gift.grants) for gift in case.counting.values()):
        return Reason.SCOPE_TOO_NARROW
    return Reason.NOT_GRANTED


def _cause(case: Case, reason: Reason, trace: Iterable[Finding]) -> str:
    """Return the sentence that tells the reason."""
    catalog = case.question.catalog
    if reason is Reason.ROLE:
        titles = [role_title(catalog, source.name) for source in case.givers() if source.kind == "role"]
        one = len(titles) == 1
        return f"The role{'' if one else 's'} {listed(titles)} {'gives' if one else 'give'} it."
    if reason is Reason.SCOPE_TOO_NARROW:
        scopes = {case.narrower(gift.grants) for gift in case.counting.values()}
        widest = max((scope for scope in scopes if scope is not None), key=catalog.scopes.index)
        return f"What gives it reaches {widest} records only."
    if reason is Reason.NOT_GRANTED:
        return "Nothing that the user holds gives it."
    told = [finding for finding in trace if finding.kind is _TOLD_BY[reason]]
    if reason in (Reason.ROLE_ENDED, Reason.ROLE_DORMANT):
        told = [finding for finding in told if finding.subject in catalog.roles and case.would(finding.subject)]
    return told[0].text


def _asked(catalog: Catalog, resource: str, action: str, scope: str, reason: Reason) -> str:
    """Return what was asked, with the scope where it does not go without saying."""
    text = f"{action} {resource_title(catalog, resource)}"
    with_record = catalog.actions(resource)[action].record
    usual = catalog.scopes[-1] if with_record else catalog.scopes[0]
    said = scope != usual or (with_record and reason is Reason.SCOPE_TOO_NARROW)
    return f"{text} on {scope} records" if said else text
