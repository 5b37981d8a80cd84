"""Decisions as values: truth, codes, words and JSON."""

from __future__ import annotations

from decimal import Decimal

import pytest
from attrs.exceptions import FrozenInstanceError

from seatperm.decision import (
    Decision,
    Described,
    Finding,
    FindingKind,
    Reason,
    Remedy,
    Step,
    StepKind,
    host_only,
)
from seatperm.errors import AccessDenied
from seatperm.money import Money

UNLOCK = Step(StepKind.UNLOCK, "u-mere", "unlock Mere Walker")
ASSIGN = Step(StepKind.ASSIGN_ROLE, "clerk", "assign the role Clerk")
ANOTHER = Step(StepKind.ASSIGN_ROLE, "cashier", "assign the role Cashier")


def decision(reason: Reason, *remedies: Remedy, trace: tuple[Finding, ...] = ()) -> Decision:
    return Decision(
        reason=reason,
        user="u-mere",
        resource="sales",
        action="edit",
        scope="all",
        level="edit",
        summary="Mere Walker may not edit Sales: the user is locked.",
        trace=trace,
        remedies=remedies,
    )


@pytest.mark.parametrize("reason", Reason)
def test_a_decision_is_true_exactly_when_it_allows(reason: Reason) -> None:
    assert bool(decision(reason)) is decision(reason).allowed is reason.allowed


def test_six_reasons_allow_and_all_others_deny() -> None:
    assert [reason.value for reason in Reason if reason.allowed] == [
        "everything",
        "override",
        "role",
        "base",
        "own_details",
        "implied",
    ]


@pytest.mark.parametrize("codes", [Reason, FindingKind, StepKind])
def test_every_code_is_a_plain_word_with_a_sentence_of_its_own(codes: type[Described]) -> None:
    members = list(codes)
    assert all(member.value == member.name.lower() for member in members)
    assert all(member.description.endswith(".") for member in members)
    assert len({member.description for member in members}) == len(members)


def test_a_decision_cannot_be_changed_afterwards() -> None:
    with pytest.raises(FrozenInstanceError):
        decision(Reason.LOCKED).__setattr__("reason", Reason.ROLE)


def test_what_the_summary_says_already_is_not_said_twice() -> None:
    found = Finding(1, FindingKind.LOCKED, "user", "u-mere", "Mere Walker", "The user is locked.")
    assert str(decision(Reason.LOCKED, Remedy((UNLOCK,)), trace=(found,))) == (
        "Mere Walker may not edit Sales: the user is locked. To allow it, unlock Mere Walker."
    )


def test_several_remedies_are_told_as_alternatives() -> None:
    text = str(decision(Reason.LOCKED, Remedy((UNLOCK,)), Remedy((ASSIGN, ANOTHER))))
    assert text.endswith("To allow it, either unlock Mere Walker; or assign the role Clerk and the role Cashier.")


@pytest.mark.parametrize(
    ("extra", "words"),
    [
        (None, "Unlock Mere Walker and assign the role Clerk"),
        ("30.00", "Unlock Mere Walker and assign the role Clerk, for 30.00 NZD more a month"),
        ("-4.50", "Unlock Mere Walker and assign the role Clerk, for 4.50 NZD less a month"),
        ("0.00", "Unlock Mere Walker and assign the role Clerk, at no extra charge"),
    ],
)
def test_a_remedy_tells_its_charge(extra: str | None, words: str) -> None:
    charge = None if extra is None else Money(Decimal(extra), "NZD")
    remedy = Remedy((UNLOCK, ASSIGN), charge)
    assert remedy.title == words
    assert remedy.kind == "unlock+assign_role"
    assert remedy.to_dict()["extra_monthly_charge"] == (None if extra is None else f"{extra} NZD")


def test_to_dict_has_these_keys_and_codes() -> None:
    found = Finding(1, FindingKind.LOCKED, "user", "u-mere", "Mere Walker", "The user is locked.")
    assert decision(Reason.LOCKED, Remedy((UNLOCK,)), trace=(found,)).to_dict() == {
        "allowed": False,
        "reason": "locked",
        "summary": "Mere Walker may not edit Sales: the user is locked.",
        "user": "u-mere",
        "resource": "sales",
        "action": "edit",
        "scope": "all",
        "level": "edit",
        "trace": [
            {
                "rule": 1,
                "kind": "locked",
                "about": "user",
                "subject": "u-mere",
                "title": "Mere Walker",
                "text": "The user is locked.",
            }
        ],
        "remedies": [
            {
                "kind": "unlock",
                "title": "Unlock Mere Walker",
                "steps": [{"kind": "unlock", "subject": "u-mere", "text": "unlock Mere Walker"}],
                "extra_monthly_charge": None,
            }
        ],
    }


def test_access_denied_says_the_summary_and_carries_the_decision() -> None:
    denied = decision(Reason.LOCKED)
    assert str(AccessDenied(denied)) == denied.summary
    assert AccessDenied(denied).decision is denied


def test_what_only_the_host_may_do_is_denied_without_remedies() -> None:
    denied = host_only("u-mere", "organization.users", "accept")
    assert not denied
    assert denied.reason is Reason.HOST_ONLY
    assert str(denied) == denied.summary
