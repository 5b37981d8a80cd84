"""The license: terms, charge, previews, validity."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from seatperm import (
    InvalidLicense,
    InvalidValue,
    Organization,
    SessionEnded,
    SignInRefused,
    UnknownPackage,
    UnknownRole,
)
from seatperm.testing.clock import ManualClock

from .conftest import AddUser


def test_the_charge_is_package_price_times_session_limit_with_add_ons(org: Organization) -> None:
    assert str(org.monthly_charge) == "210.00 NZD"
    change = org.change_license(add_ons=["payroll"])
    assert (str(change.charge_before), str(change.charge_after)) == ("210.00 NZD", "238.50 NZD")
    assert str(org.monthly_charge) == "238.50 NZD"


def test_the_charge_does_not_depend_on_the_number_of_users(org: Organization, add: AddUser) -> None:
    before = org.monthly_charge
    for number in range(5):
        add(f"user-{number}")
    assert org.monthly_charge == before


def test_a_preview_tells_who_loses_what_and_changes_nothing(org: Organization, add: AddUser) -> None:
    add("tom", "estimator")
    add("ann", "sales_staff")
    add("bob", "bookkeeper")
    revision = org.revision
    preview = org.preview_license(package="essentials")
    effects = {effect.user_id: effect for effect in preview.effects}
    assert set(effects) == {"ann", "tom"}
    assert not effects["tom"].gained
    assert {(resource, action) for resource, action, _ in effects["tom"].lost} == {
        ("sales.quotes", action) for action in ("view", "create", "edit", "delete")
    }
    assert {scope for _, _, scope in effects["tom"].lost} == {"own", "team", "all"}
    assert (org.revision, org.license.package) == (revision, "trade")
    assert org.can("tom", "sales.quotes", "view")
    assert {effect.user_id for effect in org.change_license(package="essentials").effects} == {"ann", "tom"}
    assert {effect.user_id for effect in org.preview_license(package="trade").effects} == {"ann", "tom"}


@pytest.mark.parametrize(
    ("terms", "said"),
    [
        ({"session_limit": 0}, "session_limit"),
        ({"session_limit": True}, "session_limit"),
        ({"session_limit": "3"}, "session_limit"),
        ({"user_limit": 0}, "user_limit"),
        ({"seat_per": "seat"}, "seat_per"),
        ({"reserved": {"owner": 0}}, "reserved"),
        ({"reserved": {"owner": 3}}, "fewer than the session limit"),
        ({"session_limit": 2, "reserved": {"owner": 1, "reader": 1}}, "fewer than the session limit"),
        (
            {"valid_from": datetime(2028, 1, 1, tzinfo=UTC), "valid_until": datetime(2027, 1, 1, tzinfo=UTC)},
            "valid_until",
        ),
        ({"sessions": 4}, "'sessions'"),
    ],
)
def test_terms_that_do_not_hold_together_are_refused(org: Organization, terms: dict[str, Any], said: str) -> None:
    before = org.license
    with pytest.raises(InvalidLicense, match=said):
        org.change_license(**terms)
    with pytest.raises(InvalidLicense, match=said):
        org.preview_license(**terms)
    assert org.license == before


def test_unknown_names_in_terms_are_refused(org: Organization) -> None:
    with pytest.raises(UnknownPackage) as unknown:
        org.change_license(package="payroll")
    assert "payroll" not in unknown.value.nearest
    with pytest.raises(UnknownPackage):
        org.change_license(add_ons=["trade"])
    with pytest.raises(UnknownRole):
        org.change_license(reserved={"boss": 1})
    with pytest.raises(InvalidValue, match="valid_until"):
        org.change_license(valid_until=datetime(2028, 1, 1))


def test_before_within_and_after_are_told_to_the_second(org: Organization, add: AddUser, clock: ManualClock) -> None:
    add("tom", "bookkeeper")
    start, end = clock.now() + timedelta(hours=1), clock.now() + timedelta(hours=2)
    org.change_license(valid_from=start, valid_until=end)
    answers = []
    for moment in (start - timedelta(seconds=1), start, end - timedelta(seconds=1), end):
        clock.advance(moment - clock.now())
        answers.append(org.can("tom", "ledger", "view"))
    assert answers == [False, True, True, False]


def test_while_the_license_is_not_valid_only_who_may_renew_it_signs_in(
    org: Organization, add: AddUser, clock: ManualClock
) -> None:
    add("tom", "bookkeeper")
    toms, admins = org.sign_in("tom"), org.sign_in("admin")
    org.change_license(valid_until=clock.now() + timedelta(minutes=5))
    clock.advance(timedelta(minutes=5))
    with pytest.raises(SessionEnded) as over:
        toms.touch()
    assert over.value.reason == "license_not_valid"
    admins.touch()
    with pytest.raises(SignInRefused) as refused:
        org.sign_in("tom")
    assert refused.value.reason == "license_not_valid"
    acting = org.as_user("admin")
    acting.sign_in("admin").end()
    acting.change_license(valid_until=None)
    assert org.can("tom", "ledger", "view")
    toms.touch()


def test_a_license_change_is_in_the_trail_before_and_after(org: Organization) -> None:
    org.change_license(session_limit=5)
    details = list(org.audit)[-1].details
    assert details is not None
    before, after = details["before"], details["after"]
    assert isinstance(before, dict)
    assert isinstance(after, dict)
    assert (before["session_limit"], after["session_limit"]) == (3, 5)
