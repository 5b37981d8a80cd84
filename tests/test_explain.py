"""Explain on a small catalog: each reason, each remedy, and what a support person reads aloud."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest

from seatperm.catalog import Catalog, Entry, Grant
from seatperm.decision import Decision, FindingKind, Reason, StepKind
from seatperm.decision.explain import explain
from seatperm.directory import Override, User
from seatperm.errors import UnknownAction, UnknownResource, UnknownScope
from seatperm.license import License
from seatperm.money import Money

NOW = datetime(2027, 3, 1, 12, tzinfo=UTC)
YESTERDAY, TOMORROW = NOW - timedelta(days=1), NOW + timedelta(days=1)

CATALOG = Catalog.load(
    {
        "catalog": {"name": "Kauri accounting"},
        "scopes": {"order": ["own", "team", "all"]},
        "ladders": {
            "default": {
                "levels": ["none", "view", "edit", "full"],
                "actions": {
                    "view": "view",
                    "create": {"level": "edit", "record": False},
                    "edit": "edit",
                    "delete": "full",
                },
            },
            "switch": {"levels": ["no", "yes"], "actions": {"use": "yes"}},
        },
        "packages": {
            "essentials": {"title": "Essentials", "price_per_session": "40.00 NZD"},
            "trade": {
                "title": "Trade",
                "includes": ["essentials"],
                "price_per_session": "70.00 NZD",
                "caps": {"reports.custom": "view"},
            },
            "elite": {"title": "Elite", "includes": ["trade"], "price_per_session": "130.00 NZD"},
            "counter": {"title": "Counter", "price_per_session": "25.00 NZD"},
            "payroll": {"title": "Payroll", "add_on": True, "price_per_session": "9.50 NZD"},
        },
        "resources": {
            "sales": {"title": "Sales", "package": "essentials"},
            "sales.cards": {"title": "Card payments", "ladder": "switch"},
            "sales.invoices": {
                "title": "Sales invoices",
                "actions": {
                    "approve": "full",
                    "refund": {"level": "full", "requires": ["sales.cards:use"], "implies": ["sales.receipts:view"]},
                },
            },
            "sales.receipts": {"title": "Receipts"},
            "reports": {"title": "Reports", "package": "essentials"},
            "reports.custom": {"title": "Custom reports", "package": "trade"},
            "till": {"title": "Till", "package": "counter"},
            "pay": {"title": "Pay runs", "package": "payroll"},
        },
        "roles": {
            "clerk": {"title": "Clerk", "package": "essentials", "grants": {"sales": "view"}},
            "sales_staff": {
                "title": "Sales staff",
                "package": "essentials",
                "grants": {"sales": "edit", "sales.invoices": ["view", "edit:own"]},
            },
            "cashier": {"title": "Cashier", "package": "essentials", "grants": {"sales.cards": "yes"}},
            "approver": {
                "title": "Approver",
                "package": "essentials",
                "grants": {"sales.invoices": {"actions": ["approve", "refund"]}},
            },
            "sales_manager": {
                "title": "Sales manager",
                "package": "trade",
                "includes": ["clerk"],
                "grants": {"sales": "full", "reports.custom": "full"},
            },
            "team_lead": {
                "title": "Team lead",
                "package": "essentials",
                "includes": ["reporter"],
                "grants": {"sales.invoices": "full:team"},
            },
            "reporter": {"title": "Reporter", "package": "trade", "grants": {"reports": "edit"}},
            "paymaster": {"title": "Paymaster", "package": "payroll", "grants": {"pay": "full"}},
            "till_keeper": {"title": "Till keeper", "package": "counter", "grants": {"till": "edit"}},
            "owner": {"title": "Owner", "package": "essentials", "everything": True},
            "organization_admin": {
                "title": "Organization admin",
                "kind": "system",
                "grants": {"organization": "full"},
            },
        },
    }
)
ESSENTIALS = License("essentials", session_limit=3)
TRADE = License("trade", session_limit=3)


def mere(
    *roles: str,
    overrides: Mapping[str, Entry] | None = None,
    base: Mapping[str, Entry] | None = None,
    ended: tuple[str, ...] = (),
) -> User:
    return User(
        id="u-mere",
        email="mere@kauri.example",
        name="Mere Walker",
        roles={**dict.fromkeys(roles), **dict.fromkeys(ended, YESTERDAY)},
        overrides={path: Override(entry) for path, entry in (overrides or {}).items()},
        base=base or {},
    )


def locked(*roles: str) -> User:
    return User(id="u-mere", email="mere@kauri.example", name="Mere Walker", locked=True, roles=dict.fromkeys(roles))


def invited(*roles: str, shut: bool = False) -> User:
    return User(
        id="u-mere",
        email="mere@kauri.example",
        name="Mere Walker",
        state="invited",
        locked=shut,
        roles=dict.fromkeys(roles),
    )


def ask(user: User | None, what: str, scope: str = "all", license: License = ESSENTIALS) -> Decision:
    resource, _, action = what.rpartition(":")
    return explain(CATALOG, license, user, NOW, resource, action, scope, user_id="u-mere")


def kinds(decision: Decision) -> list[str]:
    return [remedy.kind for remedy in decision.remedies]


def titles(decision: Decision) -> list[str]:
    return [remedy.title for remedy in decision.remedies]


NONE, VIEW, FULL = (Grant("none"),), (Grant("view"),), (Grant("full"),)
ENDED = License("essentials", session_limit=3, valid_until=YESTERDAY)

EVERY_REASON = {
    Reason.EVERYTHING: (mere("owner"), "sales:delete", "all", ESSENTIALS),
    Reason.OVERRIDE: (mere(overrides={"sales": VIEW}), "sales:view", "all", ESSENTIALS),
    Reason.ROLE: (mere("clerk"), "sales:view", "all", ESSENTIALS),
    Reason.BASE: (mere("clerk", base={"sales": FULL}), "sales:delete", "all", ESSENTIALS),
    Reason.OWN_DETAILS: (mere(), "organization.users:view", "own", ESSENTIALS),
    Reason.IMPLIED: (mere("approver", "cashier"), "sales.receipts:view", "all", ESSENTIALS),
    Reason.UNKNOWN_USER: (None, "sales:view", "all", ESSENTIALS),
    Reason.NOT_ACTIVE: (invited("clerk"), "sales:view", "all", ESSENTIALS),
    Reason.LOCKED: (locked("clerk"), "sales:view", "all", ESSENTIALS),
    Reason.LICENSE_NOT_VALID: (mere("clerk"), "sales:view", "all", ENDED),
    Reason.NOT_IN_PACKAGE: (mere("owner"), "reports.custom:view", "all", ESSENTIALS),
    Reason.REQUIREMENT_MISSING: (mere("approver"), "sales.invoices:refund", "all", ESSENTIALS),
    Reason.CAPPED: (mere("sales_manager"), "reports.custom:edit", "all", TRADE),
    Reason.OVERRIDDEN: (mere("clerk", overrides={"sales": NONE}), "sales:view", "all", ESSENTIALS),
    Reason.ROLE_DORMANT: (mere("sales_manager"), "sales:delete", "all", ESSENTIALS),
    Reason.ROLE_ENDED: (mere(ended=("clerk",)), "sales:view", "all", ESSENTIALS),
    Reason.SCOPE_TOO_NARROW: (mere("sales_staff"), "sales.invoices:edit", "all", ESSENTIALS),
    Reason.NOT_GRANTED: (mere("clerk"), "sales:delete", "all", ESSENTIALS),
}


@pytest.mark.parametrize("reason", EVERY_REASON)
def test_each_reason_is_given_where_it_holds(reason: Reason) -> None:
    decision = ask(*EVERY_REASON[reason])
    assert decision.reason is reason
    assert decision.allowed is reason.allowed


def test_no_reason_of_the_rules_is_left_untried() -> None:
    assert set(EVERY_REASON) == set(Reason) - {Reason.HOST_ONLY}


def test_a_dismissed_user_is_as_unknown_as_a_stranger() -> None:
    gone = User(id="u-mere", email="mere@kauri.example", name="Mere Walker", dismissed=True)
    assert ask(gone, "sales:view") == ask(None, "sales:view")
    assert "Walker" not in str(ask(gone, "sales:view"))


def test_names_that_the_catalog_lacks_are_mistakes_and_not_denials() -> None:
    with pytest.raises(UnknownResource):
        ask(mere(), "sale:view")
    with pytest.raises(UnknownAction):
        ask(mere(), "sales:vieuw")
    with pytest.raises(UnknownScope):
        ask(mere(), "sales:view", "every")
    with pytest.raises(UnknownScope):
        ask(None, "sales:view", "every")


GOLDEN = {
    "highest_of_two_roles": (
        ask(mere("clerk", "sales_staff"), "sales:edit"),
        "Mere Walker may edit Sales: the role Sales staff gives it. It needs the level edit of none, view, edit and "
        "full. The role Clerk gives only view. The role Sales staff gives edit.",
    ),
    "too_narrow": (
        ask(mere("sales_staff", "clerk", "cashier"), "sales.invoices:edit"),
        "Mere Walker may not edit Sales invoices on all records: what gives it reaches own records only. It needs the "
        "level edit of none, view, edit and full. The role Clerk gives only view, by what it says on Sales. The role "
        "Sales staff gives view, and edit on own records only. The role Cashier gives nothing here. To allow it, "
        "either assign the role Owner, which gives everything; or move to the package Trade and assign the role Sales "
        "manager, for 90.00 NZD more a month.",
    ),
    "dormant": (
        ask(mere("sales_manager", "cashier"), "sales:delete"),
        "Mere Walker may not delete Sales: the role Sales manager would give full, but is dormant: it comes with the "
        "package Trade, and the license is for Essentials. It needs the level full of none, view, edit and full. The "
        "role Cashier gives nothing here. To allow it, either assign the role Owner, which gives everything; or move "
        "to the package Trade, for 90.00 NZD more a month.",
    ),
    "overridden": (
        ask(mere("sales_staff", overrides={"sales": NONE}), "sales.receipts:edit"),
        "Mere Walker may not edit Receipts: the personal setting on Sales is none, in place of what roles and global "
        "permissions give. It needs the level edit of none, view, edit and full. Without it, the role Sales staff "
        "would give edit. To allow it, clear the personal setting on Sales.",
    ),
    "capped": (
        ask(mere("sales_manager"), "reports.custom:edit", license=TRADE),
        "Mere Walker may not edit Custom reports: the package Trade caps Custom reports at view. It needs the level "
        "edit of none, view, edit and full. The role Sales manager gives full. The role Clerk, which comes with Sales "
        "manager, gives nothing here. To allow it, move to the package Elite, for 180.00 NZD more a month.",
    ),
    "several_in_the_way": (
        ask(invited(shut=True), "pay:view"),
        "Mere Walker may not view Pay runs: the invitation has not been accepted yet. The user is locked. The license "
        "is for Essentials, and this comes with the add-on Payroll. To allow it, add the add-on Payroll, have the "
        "invitation accepted, unlock Mere Walker and assign the role Paymaster, for 28.50 NZD more a month.",
    ),
    "requirement": (
        ask(mere("approver"), "sales.invoices:refund"),
        "Mere Walker may not refund Sales invoices: it requires use on Card payments, which is not allowed. It needs "
        "the level full of none, view, edit and full, or a grant that names it. The role Approver gives the actions "
        "approve and refund. To allow it, assign the role Cashier.",
    ),
    "nothing_helps": (
        ask(mere("owner", "organization_admin", overrides={"organization": NONE}), "organization.license:edit"),
        "Mere Walker may not edit License: the personal setting on Organization is none, in place of what roles and "
        "global permissions give. It needs the level edit of none, view, edit and full. Without it, the role "
        "Organization admin would give full. No role, package or personal setting to clear was found that would "
        "allow it.",
    ),
    "everything": (
        ask(mere("owner", overrides={"sales": NONE}), "sales:create", "own"),
        "Mere Walker may create Sales: the role Owner gives everything. It needs the level edit of none, view, edit "
        "and full. The personal setting on Sales counts for nothing beside it.",
    ),
    "unknown": (ask(None, "sales:view"), "u-mere may not view Sales: nobody with this id is a user here."),
}


@pytest.mark.parametrize("case", GOLDEN)
def test_a_decision_reads_aloud(case: str) -> None:
    decision, text = GOLDEN[case]
    assert str(decision) == text


def test_several_roles_that_give_nothing_are_told_in_one_breath() -> None:
    assert "The roles Approver and Cashier give nothing here." in str(ask(mere("cashier", "approver"), "sales:edit"))


def test_a_role_that_another_brings_says_so() -> None:
    text = str(ask(mere("sales_manager"), "sales:view", license=TRADE))
    assert "The role Clerk, which comes with Sales manager, gives view." in text


def test_a_role_that_is_included_but_not_contained_is_told_as_dormant() -> None:
    decision = ask(mere("team_lead"), "reports:edit")
    assert decision.reason is Reason.ROLE_DORMANT
    (dormant,) = (finding for finding in decision.trace if finding.kind is FindingKind.DORMANT)
    assert (dormant.rule, dormant.about, dormant.subject, dormant.title) == (2, "role", "reporter", "Reporter")


def test_a_role_that_the_catalog_no_longer_has_is_told() -> None:
    decision = ask(mere("butler"), "sales:view")
    assert "The role butler is held, but the catalog does not have it." in str(decision)
    assert decision.reason is Reason.NOT_GRANTED


def test_while_the_license_is_not_valid_a_role_sleeps_for_that_reason() -> None:
    user = mere("sales_manager", base={"organization": VIEW})
    decision = ask(user, "organization.license:edit", license=ENDED)
    assert "it comes with the package" not in str(decision)
    assert kinds(decision) == ["assign_role"]


def test_a_setting_tells_its_end_and_one_that_has_ended_is_told_too() -> None:
    user = User(
        id="u-mere",
        email="mere@kauri.example",
        name="Mere Walker",
        overrides={"sales": Override(VIEW, TOMORROW), "sales.invoices": Override(FULL, YESTERDAY)},
    )
    text = str(ask(user, "sales.invoices:view"))
    assert "the personal setting on Sales gives view until 2027-03-02 12:00 UTC, in place of" in text
    assert "A personal setting on Sales invoices ended on 2027-02-28 12:00 UTC." in text


def test_what_everyone_has_is_told_where_it_does_not_reach_far_enough() -> None:
    decision = ask(mere(), "organization.users:view")
    assert decision.reason is Reason.SCOPE_TOO_NARROW
    assert "Everyone may see their own details." in str(decision)


def test_a_user_without_a_name_goes_by_the_id() -> None:
    nameless = User(id="u-mere", email="mere@kauri.example", name="", locked=True, roles={"clerk": None})
    assert str(ask(nameless, "sales:view")) == (
        "u-mere may not view Sales: the user is locked. To allow it, unlock the user."
    )


REMEDIES = {
    "a lock is lifted": (ask(locked("clerk"), "sales:view"), ["Unlock Mere Walker"]),
    "an invitation is accepted": (ask(invited("clerk"), "sales:view"), ["Have the invitation accepted"]),
    "a license is renewed": (ask(mere("clerk"), "sales:view", license=ENDED), ["Renew the license"]),
    "a license begins": (
        ask(mere("clerk"), "sales:view", license=License("essentials", valid_from=TOMORROW)),
        ["Let the license begin now"],
    ),
    "a setting is cleared": (
        ask(mere("clerk", overrides={"sales": NONE}), "sales:view"),
        ["Clear the personal setting on Sales"],
    ),
    "a setting is cleared and a role assigned": (
        ask(mere(overrides={"sales": NONE}), "sales:edit"),
        ["Clear the personal setting on Sales and assign the role Sales staff"],
    ),
    "an ended role is assigned anew": (
        ask(mere(ended=("sales_staff",)), "sales:edit"),
        ["Assign the ended role Sales staff anew"],
    ),
    "the role that grants the least comes first": (
        ask(mere(), "sales.invoices:view", "own"),
        ["Assign the role Clerk", "Assign the role Team lead", "Assign the role Sales staff"],
    ),
    "a higher tier wakes a role": (
        ask(mere("reporter"), "reports.custom:view"),
        ["Move to the package Trade, for 90.00 NZD more a month"],
    ),
    "a cap asks for a tier beyond it": (
        ask(mere("reporter"), "reports.custom:edit"),
        ["Move to the package Elite, for 270.00 NZD more a month"],
    ),
    "an add-on costs its own price": (
        ask(mere("paymaster"), "pay:view"),
        ["Add the add-on Payroll, for 28.50 NZD more a month"],
    ),
    "a tier that loses something says so": (
        ask(mere("till_keeper"), "till:edit"),
        ["Move to the package Counter (it does not include Essentials), for 45.00 NZD less a month"],
    ),
    "what is required is given too": (
        ask(mere(), "sales.invoices:refund"),
        ["Assign the role Approver and the role Cashier"],
    ),
}


@pytest.mark.parametrize("case", REMEDIES)
def test_remedy(case: str) -> None:
    decision, expected = REMEDIES[case]
    assert titles(decision) == expected


def test_the_examples_try_every_kind_of_step() -> None:
    tried = {step.kind for decision, _ in REMEDIES.values() for remedy in decision.remedies for step in remedy.steps}
    assert tried == set(StepKind)


def test_a_role_of_everything_is_offered_only_where_nothing_narrower_would_do_for_as_little() -> None:
    assert titles(ask(mere(), "reports:delete")) == ["Assign the role Owner, which gives everything"]
    assert not any("Owner" in title for title in titles(ask(mere(), "sales:edit")))


def test_the_charge_is_price_times_the_session_limit() -> None:
    for limit in (1, 7):
        (remedy,) = ask(mere("paymaster"), "pay:view", license=License("essentials", session_limit=limit)).remedies
        assert remedy.extra_monthly_charge == Money(Decimal("9.50") * limit, "NZD")


def test_no_setting_is_cleared_that_a_role_of_everything_masks() -> None:
    masked = mere("owner", "organization_admin", overrides={"organization": NONE})
    assert ask(masked, "organization.license:edit").remedies == ()
    unmasked = mere("organization_admin", overrides={"organization": NONE})
    assert kinds(ask(unmasked, "organization.license:edit")) == ["clear_override"]


RIVALS: Mapping[str, Mapping[str, object]] = {
    "scopes": {"order": ["own", "all"]},
    "ladders": {"default": {"levels": ["none", "view", "edit"], "actions": {"view": "view", "edit": "edit"}}},
    "packages": {
        "common": {"title": "Common", "price_per_session": "5.00 NZD"},
        "blue": {"title": "Blue", "includes": ["common"], "price_per_session": "20.00 NZD"},
        "green": {"title": "Green", "includes": ["common"], "price_per_session": "10.00 NZD"},
    },
    "resources": {
        "orders": {
            "package": "common",
            "actions": {
                "ship": {"level": "edit", "requires": ["stock:view"]},
                "quote": {"level": "edit", "implies": ["prices:edit"]},
            },
        },
        "prices": {"package": "common"},
        "stock": {"package": "green"},
    },
    "roles": {
        "seller": {"package": "common", "grants": {"orders": "view"}},
        "packer": {"package": "green", "grants": {"orders": "view"}},
        "shipper": {"package": "common", "grants": {"orders": {"actions": ["ship"]}}},
        "keeper": {"package": "green", "grants": {"orders": {"actions": ["ship"]}, "stock": "view"}},
        "quoter": {"package": "common", "grants": {"orders": {"actions": ["quote"]}}},
    },
}
BOTH = {"title": "Both", "includes": ["blue", "green"], "price_per_session": "25.00 NZD"}


def rivals(user: User, what: str, *, package: str = "blue", **packages: Mapping[str, object]) -> Decision:
    catalog = Catalog.load({**RIVALS, "packages": {**RIVALS["packages"], **packages}})
    resource, _, action = what.rpartition(":")
    return explain(catalog, License(package), user, NOW, resource, action, "all", user_id=user.id)


def test_a_cheaper_tier_never_comes_before_what_changes_no_license() -> None:
    assert titles(rivals(mere("packer"), "orders:view")) == [
        "Assign the role seller",
        "Move to the package Green (it does not include Blue), for 10.00 NZD less a month",
    ]


def test_a_tier_that_loses_nothing_is_preferred_to_a_cheaper_one() -> None:
    decision = rivals(mere("packer"), "orders:view", both=BOTH)
    assert titles(decision)[1:] == ["Move to the package Both, for 5.00 NZD more a month"]


def test_no_remedy_has_a_step_to_spare() -> None:
    decision = rivals(mere(), "orders:ship", both=BOTH)
    assert titles(decision) == ["Move to the package Both and assign the role keeper, for 5.00 NZD more a month"]


def test_an_implied_action_beyond_the_cap_is_capped() -> None:
    decision = rivals(mere("quoter"), "prices:edit", package="common", common={"caps": {"prices": "view"}})
    assert decision.reason is Reason.CAPPED
    assert "the package common caps prices at view" in decision.summary


def test_a_license_that_has_not_begun_tells_when_it_does() -> None:
    decision = ask(mere("clerk"), "sales:view", license=License("essentials", valid_from=TOMORROW))
    assert decision.summary == "Mere Walker may not view Sales: the license begins on 2027-03-02 12:00 UTC."
