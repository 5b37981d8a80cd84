"""Laws of explain, over generated catalogs, licenses and users: every action of every resource is asked."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from datetime import datetime

from attrs import evolve, frozen
from hypothesis import given, settings
from hypothesis import strategies as st

from seatperm import rules
from seatperm.catalog import Catalog
from seatperm.decision import Decision, FindingKind, Remedy, Step, StepKind
from seatperm.decision.explain import explain
from seatperm.directory import User, with_role, without_override
from seatperm.license import License
from seatperm.testing import strategies


@frozen
class Setting:
    """What is asked about: a user of a license at a moment, and the scope."""

    catalog: Catalog
    license: License
    user: User
    now: datetime
    scope: str

    def decisions(self) -> Iterator[Decision]:
        terms = self.catalog, self.license, self.user, self.now
        for resource in self.catalog.resources:
            for action in self.catalog.actions(resource):
                yield explain(*terms, resource, action, self.scope, user_id=self.user.id)

    def allows(self, decision: Decision) -> bool:
        terms = self.catalog, self.license, self.user, self.now
        return decision.action in rules.actions(*terms, decision.resource, self.scope)

    def suffices(self, decision: Decision, steps: Sequence[Step]) -> bool:
        """Tell whether the steps, if they can be taken, lead to where it is allowed."""
        changed = self
        try:
            for step in steps:
                changed = changed.after(step)
        except AssertionError:
            return False
        return changed.allows(decision)

    def after(self, step: Step) -> Setting:
        """Take one step as an administrator would, refusing what the directory refuses."""
        match step.kind:
            case StepKind.RENEW_LICENSE:
                start = min(self.license.valid_from or self.now, self.now)
                return evolve(self, license=evolve(self.license, valid_from=start, valid_until=None))
            case StepKind.CHANGE_PACKAGE:
                assert not self.catalog.packages[step.subject].add_on
                return evolve(self, license=evolve(self.license, package=step.subject))
            case StepKind.ADD_ADD_ON:
                assert self.catalog.packages[step.subject].add_on
                return evolve(self, license=evolve(self.license, add_ons=self.license.add_ons | {step.subject}))
            case StepKind.ACCEPT_INVITATION:
                assert self.user.state == "invited"
                return evolve(self, user=evolve(self.user, state="active"))
            case StepKind.UNLOCK:
                assert self.user.locked
                return evolve(self, user=evolve(self.user, locked=False))
            case StepKind.CLEAR_OVERRIDE:
                live = rules.live_roles(self.catalog, self.license, self.user, self.now)
                assert not rules.everything_roles(self.catalog, live)
                assert step.subject in self.user.overrides
                return evolve(self, user=without_override(self.user, step.subject))
            case StepKind.EXTEND_ROLE | StepKind.ASSIGN_ROLE:
                assert rules.contains_role(self.catalog, self.license, self.now, step.subject)
                assert (step.subject in self.user.roles) == (step.kind is StepKind.EXTEND_ROLE)
                return evolve(self, user=with_role(self.user, step.subject, None))


@st.composite
def questions(draw: st.DrawFn) -> Setting:
    """Generate settings in which anything may stand in the way."""
    catalog = draw(strategies.catalogs())
    license, user = draw(strategies.licenses(catalog)), draw(strategies.users(catalog))
    return Setting(catalog, license, user, draw(strategies.moments()), draw(st.sampled_from(catalog.scopes)))


def changes(remedy: Remedy) -> frozenset[tuple[StepKind, str]]:
    return frozenset((step.kind, step.subject) for step in remedy.steps)


@given(questions())
@settings(max_examples=80, deadline=None)
def test_explain_says_what_the_rules_say_in_sentences_and_in_json(asked: Setting) -> None:
    for decision in asked.decisions():
        assert bool(decision) is decision.allowed is asked.allows(decision)
        assert json.loads(json.dumps(decision.to_dict())) == decision.to_dict()
        text = str(decision)
        assert text.startswith(decision.summary)
        assert text.endswith(".")
        assert not any(flaw in text for flaw in ("  ", "..", " ,", " .", ", ,", "None", "<", "()"))


@given(questions())
@settings(max_examples=80, deadline=None)
def test_every_remedy_turns_the_denial_around_and_is_as_small_as_it_can_be(asked: Setting) -> None:
    for decision in asked.decisions():
        assert len(decision.remedies) <= 5
        assert not (decision.allowed and decision.remedies)
        for remedy in decision.remedies:
            steps = remedy.steps
            assert asked.suffices(decision, steps)
            assert not any(asked.suffices(decision, steps[:i] + steps[i + 1 :]) for i in range(len(steps)))
            assert not any(changes(other) < changes(remedy) for other in decision.remedies)
        charges = [remedy.extra_monthly_charge for remedy in decision.remedies]
        costs = [0 if charge is None else max(charge.amount, 0) for charge in charges]
        assert costs == sorted(costs)


@given(questions())
@settings(max_examples=40, deadline=None)
def test_where_one_role_of_the_license_would_do_there_is_a_remedy_at_no_charge(asked: Setting) -> None:
    for decision in asked.decisions():
        for role in asked.catalog.roles:
            if rules.contains_role(asked.catalog, asked.license, asked.now, role) and not decision:
                given = evolve(asked, user=with_role(asked.user, role, None))
                # A cheaper tier costs nothing more either, and comes before a role of everything.
                charges = [remedy.extra_monthly_charge for remedy in decision.remedies]
                free = any(charge is None or charge.amount <= 0 for charge in charges)
                assert free or not given.allows(decision)


@given(questions())
@settings(max_examples=40, deadline=None)
def test_every_role_held_is_accounted_for_unless_a_stronger_rule_decided(asked: Setting) -> None:
    for decision in asked.decisions():
        kinds = {finding.kind for finding in decision.trace}
        stronger = kinds & {FindingKind.EVERYTHING, FindingKind.OVERRIDE}
        if not stronger and all(finding.rule != 1 for finding in decision.trace):
            told = {finding.subject for finding in decision.trace if finding.about == "role"}
            assert set(asked.user.roles) <= told
