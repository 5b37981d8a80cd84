"""License and charges: the charge, validity to the second, named users, signed license files."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta, timezone
from decimal import Decimal
from threading import Barrier, Thread
from typing import Any

import pytest

import seatperm
from seatperm import (
    AccessDenied,
    Catalog,
    InvalidLicense,
    InvalidValue,
    License,
    Money,
    Organization,
    Reason,
    SeatsExhausted,
    SessionEnded,
    SignInRefused,
    Tenants,
    UnknownPackage,
    UnknownRole,
    UserLimitReached,
)
from seatperm.license_files import generate_key, issue, public_key
from seatperm.testing import ManualClock

from ..books import START, AddUser

SECOND = timedelta(seconds=1)
DAY = timedelta(days=1)


def go_to(clock: ManualClock, moment: datetime) -> None:
    clock.advance(moment - clock.now())


def is_let_in(org: Organization) -> bool:
    """Tell whether tom may sign in now, as far as the license goes."""
    try:
        org.sign_in("tom").end()
    except SignInRefused as refused:
        return refused.reason != "license_not_valid"
    return True


# 21. The session limit and the charge.


def test_a_license_is_created_with_a_session_limit_of_at_least_one(tenants: Tenants) -> None:
    """As said, or 1; never less, and no fraction."""
    assert tenants["kauri"].license.session_limit == 3
    assert tenants["tui"].license.session_limit == 1
    wrong: tuple[Any, ...] = (0, -1, 1.5, True, "3", None)
    for limit in wrong:
        with pytest.raises(InvalidLicense, match="session_limit"):
            tenants.create("rimu", session_limit=limit)
        with pytest.raises(InvalidLicense, match="session_limit"):
            tenants["kauri"].change_license(session_limit=limit)
    assert len(tenants) == 2


def test_any_number_of_users_may_share_the_sessions(org: Organization, add: AddUser) -> None:
    """Twenty users on three seats: all are there, and three at one time are in."""
    for number in range(20):
        add(f"user-{number}", "bookkeeper")
    assert (len(org.users), org.license.session_limit) == (21, 3)
    inside = [org.sign_in(f"user-{number}") for number in range(3)]
    with pytest.raises(SeatsExhausted):
        org.sign_in("user-3")
    inside[0].end()
    org.sign_in("user-19")


@pytest.mark.parametrize(
    ("package", "add_ons", "limit", "charge"),
    [
        ("essentials", [], 1, "40.00 NZD"),
        ("essentials", [], 7, "280.00 NZD"),
        ("trade", [], 3, "210.00 NZD"),
        ("trade", ["payroll"], 3, "238.50 NZD"),
        ("essentials", ["payroll"], 1000, "49500.00 NZD"),
    ],
)
def test_the_charge_is_package_price_times_session_limit(
    org: Organization, package: str, add_ons: list[str], limit: int, charge: str
) -> None:
    """And add-on price × session limit, for each."""
    org.change_license(package=package, add_ons=add_ons, session_limit=limit)
    assert str(org.monthly_charge) == charge


def test_the_charge_is_an_exact_decimal_with_its_currency() -> None:
    """Three times ten cents are thirty cents, and a third decimal is not lost."""
    prices = {"cheap": {"price_per_session": "0.10 EUR"}, "odd": {"price_per_session": "0.005 EUR", "add_on": True}}
    org = seatperm.open({"packages": prices}, "memory://")
    org.change_license(session_limit=3)
    assert org.monthly_charge == Money(Decimal("0.30"), "EUR")
    org.change_license(add_ons=["odd"])
    assert org.monthly_charge == Money(Decimal("0.315"), "EUR")
    assert str(org.monthly_charge) == "0.315 EUR"


def test_the_charge_does_not_depend_on_the_number_of_users(org: Organization, add: AddUser) -> None:
    """Nor on who of them is in."""
    charges = {str(org.monthly_charge)}
    for number in range(10):
        add(f"user-{number}", "bookkeeper")
        charges.add(str(org.monthly_charge))
    with org.sign_in("user-1"), org.sign_in("user-2"):
        charges.add(str(org.monthly_charge))
    assert charges == {"210.00 NZD"}


def test_adding_a_user_leaves_the_session_limit(org: Organization, add: AddUser) -> None:
    add("tom", "bookkeeper")
    org.users.invite(id="ana", email="ana@kauri.example", name="Ana")
    assert (org.license.session_limit, str(org.monthly_charge)) == (3, "210.00 NZD")


def test_adding_a_user_can_raise_the_session_limit_after_the_new_charge_was_shown(org: Organization) -> None:
    """First the preview, which changes nothing; then user and limit in one change."""
    shown = org.preview_license(session_limit=4)
    assert (str(shown.charge_before), str(shown.charge_after)) == ("210.00 NZD", "280.00 NZD")
    assert (org.license.session_limit, len(org.users)) == (3, 1)
    revision = org.revision
    org.users.add(id="tom", email="tom@kauri.example", name="Tom", roles=["bookkeeper"], session_limit=4)
    assert (org.license.session_limit, org.monthly_charge) == (4, shown.charge_after)
    org.users.invite(id="ana", email="ana@kauri.example", name="Ana", session_limit=5)
    assert (org.license.session_limit, str(org.monthly_charge)) == (5, "350.00 NZD")
    assert org.revision == revision + 2


def test_a_user_who_cannot_be_added_raises_no_limit(org: Organization, add: AddUser) -> None:
    """One change: both or neither, and who adds must be allowed to change the license."""
    add("hana", "user_manager")
    with pytest.raises(seatperm.UserExists):
        org.users.add(id="hana", email="other@kauri.example", name="Other", session_limit=9)
    with pytest.raises(InvalidLicense):
        org.users.add(id="tom", email="tom@kauri.example", name="Tom", session_limit=0)
    with pytest.raises(AccessDenied):
        org.as_user("hana").users.add(id="tom", email="tom@kauri.example", name="Tom", session_limit=9)
    assert (org.license.session_limit, org.users.get("tom")) == (3, None)
    org.as_user("hana").users.add(id="tom", email="tom@kauri.example", name="Tom")


# 22. Valid from and until, and the grace after.


def test_validity_is_told_to_the_second_with_time_zones_and_grace(
    org: Organization, add: AddUser, clock: ManualClock
) -> None:
    """Midnight in Auckland to midnight in Auckland, and three days; `can`, sign-in and the license say the same."""
    add("tom", "bookkeeper")
    auckland = timezone(timedelta(hours=13))
    begin = datetime(2027, 3, 2, tzinfo=auckland)
    end = datetime(2027, 3, 31, tzinfo=auckland)
    org.change_license(valid_from=begin, valid_until=end, grace=3 * DAY)
    told = []
    for moment in (begin - SECOND, begin, end - SECOND, end, end + 3 * DAY - SECOND, end + 3 * DAY):
        go_to(clock, moment)
        told.append((org.can("tom", "ledger", "view"), is_let_in(org), org.license.standing(clock.now())))
    assert told == [
        (False, False, "not_begun"),
        (True, True, "valid"),
        (True, True, "valid"),
        (True, True, "grace"),
        (True, True, "grace"),
        (False, False, "ended"),
    ]
    assert org.license.valid_until == datetime(2027, 3, 30, 11, tzinfo=UTC)
    assert org.license.ends == datetime(2027, 4, 2, 11, tzinfo=UTC)


def test_without_a_grace_the_end_is_the_end(org: Organization, add: AddUser, clock: ManualClock) -> None:
    """To the microsecond; an end of none is none."""
    add("tom", "bookkeeper")
    org.change_license(valid_until=START + DAY)
    go_to(clock, START + DAY - timedelta(microseconds=1))
    assert org.can("tom", "ledger", "view")
    go_to(clock, START + DAY)
    assert not org.can("tom", "ledger", "view")
    assert (org.license.ends, org.license.standing(clock.now())) == (START + DAY, "ended")
    org.change_license(valid_until=None)
    assert (org.license.ends, org.license.standing(clock.now())) == (None, "valid")


def test_a_session_lives_through_the_grace_and_ends_with_it(
    org: Organization, add: AddUser, clock: ManualClock
) -> None:
    """Every call of it, also one that was resumed; who may renew the license stays in."""
    add("tom", "bookkeeper")
    end = START + timedelta(minutes=10)
    org.change_license(valid_until=end, grace=timedelta(minutes=10))
    toms, admins = org.sign_in("tom"), org.sign_in("admin")
    for moment in (end - SECOND, end, end + timedelta(minutes=10) - SECOND):
        go_to(clock, moment)
        toms.touch()
        assert toms.can("ledger", "edit")
        assert org.resume(toms.token).can("ledger", "edit")
    go_to(clock, end + timedelta(minutes=10))
    calls: tuple[Callable[[], object], ...] = (
        toms.touch,
        lambda: toms.can("ledger", "edit"),
        lambda: org.resume(toms.token),
    )
    for call in calls:
        with pytest.raises(SessionEnded) as over:
            call()
        assert over.value.reason == "license_not_valid"
    admins.touch()
    assert admins.can("organization.license", "edit")
    assert not admins.can("ledger", "view")


def test_nobody_is_in_before_the_license_begins(org: Organization, add: AddUser, clock: ManualClock) -> None:
    """A grace is after the end, not before the beginning."""
    add("tom", "bookkeeper")
    org.change_license(valid_from=START + DAY, grace=7 * DAY)
    go_to(clock, START + DAY - SECOND)
    with pytest.raises(SignInRefused):
        org.sign_in("tom")
    go_to(clock, START + DAY)
    org.sign_in("tom")


def test_every_process_sees_the_end_without_asking(catalog: Catalog, clock: ManualClock, org: Organization) -> None:
    """The tables know their own end: no change of the books is needed for it, however stale they may be."""
    patient = seatperm.open(catalog, "memory://", clock=clock, staleness=365 * DAY, max_stale=365 * DAY)
    patient.users.add(id="tom", email="tom@kauri.example", name="Tom", roles=["bookkeeper"])
    patient.change_license(valid_until=START + DAY, grace=2 * DAY)
    told = []
    for moment in (START + DAY, START + 3 * DAY - SECOND, START + 3 * DAY):
        go_to(clock, moment)
        told.append(patient.can("tom", "ledger", "view"))
    assert told == [True, True, False]


def test_an_explanation_tells_when_license_and_grace_ended(org: Organization, add: AddUser, clock: ManualClock) -> None:
    """In the grace there is nothing to explain; after it, both dates and the way out."""
    add("tom", "bookkeeper")
    org.change_license(valid_until=datetime(2027, 4, 1, tzinfo=UTC), grace=14 * DAY)
    go_to(clock, datetime(2027, 4, 14, tzinfo=UTC))
    assert org.explain("tom", "ledger", "view").allowed
    go_to(clock, datetime(2027, 4, 15, tzinfo=UTC))
    decision = org.explain("tom", "ledger", "view")
    assert decision.reason is Reason.LICENSE_NOT_VALID
    assert "the license ended on 2027-04-01, and its grace on 2027-04-15" in str(decision)
    assert "renew the license" in str(decision)
    org.change_license(grace=timedelta(0))
    assert "grace" not in str(org.explain("tom", "ledger", "view"))


@pytest.mark.parametrize(
    "grace", [-SECOND, timedelta(milliseconds=1), 14, "14 days", None, timedelta(days=999_999_999)]
)
def test_a_grace_that_is_none_is_refused(org: Organization, grace: timedelta) -> None:
    """And one that would not end in this calendar, which no clock could compare with."""
    with pytest.raises(InvalidLicense, match="grace"):
        org.change_license(valid_until=START + DAY, grace=grace)
    assert (org.license.valid_until, org.license.grace) == (None, timedelta(0))


def test_a_time_without_a_zone_is_refused(org: Organization) -> None:
    with pytest.raises(InvalidValue, match="valid_from"):
        org.change_license(valid_from=datetime(2027, 1, 1))
    with pytest.raises(InvalidValue, match="valid_until"):
        org.change_license(valid_until=datetime(2028, 1, 1))


# 23. The limit on named users.


def test_a_limit_on_named_users_bounds_those_activated_unlocked_and_counted(org: Organization, add: AddUser) -> None:
    """The invited, the locked and partners are not counted; the third counted one is refused, by whatever way."""
    org.change_license(user_limit=2)
    add("tom", "bookkeeper")
    add("pat", type="partner")
    invited = org.users.invite(id="ana", email="ana@kauri.example", name="Ana")
    ways: tuple[Callable[[], object], ...] = (
        lambda: add("bob"),
        lambda: org.users.accept(invited.token),
        lambda: org.users.set_type("pat", "app"),
    )
    for call in ways:
        with pytest.raises(UserLimitReached) as reached:
            call()
        assert (reached.value.limit, reached.value.in_use) == (2, 2)
    org.users.lock("tom")
    org.users.accept(invited.token)
    with pytest.raises(UserLimitReached):
        org.users.unlock("tom")
    assert {user.id for user in org.users if user.active and user.type == "app"} == {"admin", "ana"}


def test_going_over_the_user_limit_is_refused_with_who_could_be_locked(org: Organization, add: AddUser) -> None:
    """Active counted users; locking any of them makes room. The only administrator can't be locked and isn't named."""
    add("tom", "bookkeeper")
    add("zoe", "bookkeeper")
    add("pat", type="partner")
    org.users.lock("zoe")
    org.change_license(user_limit=2)
    with pytest.raises(UserLimitReached) as reached:
        add("bob")
    assert reached.value.could_lock == ("tom",)
    org.users.lock("tom")
    add("bob")


def test_a_lowered_user_limit_locks_nobody(org: Organization, add: AddUser) -> None:
    """Who is here stays; nobody comes in until there is room."""
    for name in ("tom", "ana", "bob"):
        add(name, "bookkeeper")
    org.change_license(user_limit=1)
    assert all(org.can(name, "ledger", "view") for name in ("tom", "ana", "bob"))
    with pytest.raises(UserLimitReached):
        add("zoe")
    org.change_license(user_limit=None)
    add("zoe")


# 24. Signed license files.

VENDOR = generate_key("vendor-2027")
KEYS = [public_key(VENDOR)]
BETTER = License("trade", session_limit=9, valid_until=START + 365 * DAY, grace=14 * DAY)


@pytest.fixture
def kauri(tenants: Tenants) -> Iterator[Organization]:
    """An organization that has installed a license for nine sessions, issued at the start."""
    org = tenants["kauri"]
    org.install_license(signed(), KEYS)
    yield org
    assert org.audit.verify()


def signed(
    license: License = BETTER,
    *,
    organization: str = "kauri",
    issued: datetime = START,
    install_by: datetime | None = None,
    key: dict[str, str] = VENDOR,
) -> str:
    return issue(key, organization=organization, license=license, issued=issued, install_by=install_by)


def refused(org: Organization, text: str, keys: list[dict[str, str]] = KEYS) -> str:
    """Return why a file is refused, and show that nothing has changed."""
    before = org.license, org.revision, len(org.audit)
    with pytest.raises(InvalidLicense) as error:
        org.install_license(text, keys)
    assert (org.license, org.revision, len(org.audit)) == before
    assert error.value.problems
    return error.value.reason


def test_a_license_file_that_the_vendor_signed_is_installed_as_a_whole(tenants: Tenants) -> None:
    """In one change, with an event that names the key; terms that the file does not have are gone."""
    org = tenants["kauri"]
    org.change_license(add_ons=["payroll"], user_limit=5)
    revision = org.revision
    change = org.install_license(signed(), KEYS)
    assert (change.after, org.license) == (BETTER, BETTER)
    assert (str(change.charge_before), str(change.charge_after)) == ("238.50 NZD", "630.00 NZD")
    assert org.revision == revision + 1
    event = list(org.audit)[-1]
    assert (event.kind, event.actor) == ("license.installed", None)
    assert event.details is not None
    assert (event.details["key"], event.details["issued"]) == ("vendor-2027", START.isoformat())
    assert {"before", "after"} <= set(event.details)


def test_the_same_file_installed_again_changes_nothing(kauri: Organization) -> None:
    before = kauri.revision, len(kauri.audit)
    assert kauri.install_license(signed(), KEYS).after == BETTER
    assert (kauri.revision, len(kauri.audit)) == before


def test_a_later_file_takes_the_place_of_an_earlier_one(kauri: Organization) -> None:
    kauri.install_license(signed(License("essentials"), issued=START + SECOND), KEYS)
    assert kauri.license == License("essentials")


def test_an_altered_file_is_refused(kauri: Organization) -> None:
    """More sessions under the old signature; `tests/test_license_files.py` alters every byte."""
    header, _, signature = signed(issued=START + DAY).split(".")
    more = signed(License("trade", session_limit=900), issued=START + DAY).split(".")[1]
    assert refused(kauri, ".".join([header, more, signature])) == "altered"


def test_a_file_for_another_organization_is_refused(kauri: Organization, tenants: Tenants) -> None:
    """And the refusal does not name the other."""
    file = signed(organization="tui", issued=START + DAY)
    assert refused(kauri, file) == "other_organization"
    with pytest.raises(InvalidLicense) as error:
        kauri.install_license(file, KEYS)
    assert "tui" not in str(error.value)
    tenants["tui"].install_license(file, KEYS)


def test_a_file_signed_by_an_unknown_key_is_refused(kauri: Organization) -> None:
    stranger = generate_key()
    assert refused(kauri, signed(issued=START + DAY, key=stranger)) == "unknown_key"
    assert refused(kauri, signed(issued=START + DAY), []) == "unknown_key"
    assert refused(kauri, signed(issued=START + DAY, key=generate_key("vendor-2027"))) == "altered"


def test_a_file_older_than_one_installed_before_is_refused(kauri: Organization) -> None:
    """Also one of the same moment with other terms, and also after the license was changed by hand."""
    last = START + timedelta(hours=1)
    kauri.install_license(signed(issued=last), KEYS)
    assert refused(kauri, signed()) == "older"
    assert refused(kauri, signed(License("trade", session_limit=900), issued=last)) == "older"
    kauri.change_license(session_limit=4)
    assert refused(kauri, signed(issued=last - SECOND)) == "older"
    kauri.install_license(signed(issued=last + SECOND), KEYS)
    assert kauri.license == BETTER


def test_an_ended_file_is_refused_to_the_second(kauri: Organization, clock: ManualClock) -> None:
    """One in its grace can still be installed, one after it can't; nor one past the moment to install it by."""
    ending = License("trade", valid_until=START + DAY, grace=DAY)
    by = signed(issued=START + SECOND, install_by=START + 2 * DAY)
    go_to(clock, START + 2 * DAY)
    assert refused(kauri, by) == "expired"
    assert refused(kauri, signed(ending, issued=START + SECOND)) == "expired"
    clock.step(-SECOND)
    kauri.install_license(by, KEYS)
    kauri.install_license(signed(ending, issued=START + 2 * SECOND), KEYS)
    assert kauri.license.standing(clock.now()) == "grace"


def test_a_file_from_the_future_is_refused(kauri: Organization) -> None:
    """It would bar every true one after it; a day is left for clocks that differ."""
    assert refused(kauri, signed(issued=START + DAY + SECOND)) == "not_begun"
    kauri.install_license(signed(issued=START + DAY), KEYS)


def test_a_file_with_names_that_the_catalog_does_not_have_is_refused(kauri: Organization) -> None:
    """Each by its own error, and the license stays."""
    for terms, error in (
        (License("platinum"), UnknownPackage),
        (License("payroll"), UnknownPackage),
        (License("trade", add_ons=frozenset({"essentials"})), UnknownPackage),
        (License("trade", session_limit=2, reserved={"boss": 1}), UnknownRole),
    ):
        with pytest.raises(error):
            kauri.install_license(signed(terms, issued=START + DAY), KEYS)
    assert kauri.license == BETTER


@pytest.mark.parametrize("text", ["", "license", "a.b.c", "e30.e30.e30"])
def test_a_text_that_is_no_license_file_is_refused(kauri: Organization, text: str) -> None:
    assert refused(kauri, text) == "malformed"


def test_keys_are_rotated_without_a_gap(kauri: Organization) -> None:
    """The host knows both for a while; what the old one signed stays in force after it is dropped."""
    new = generate_key("vendor-2028")
    both = [*KEYS, public_key(new)]
    kauri.install_license(signed(issued=START + SECOND), both)
    kauri.install_license(signed(License("trade"), issued=START + 2 * SECOND, key=new), both)
    kauri.install_license(signed(BETTER, issued=START + 3 * SECOND), both)
    only_new = [public_key(new)]
    assert refused(kauri, signed(issued=START + DAY), only_new) == "unknown_key"
    assert kauri.license == BETTER


def test_installing_a_license_file_takes_the_right_to_change_the_license(org: Organization, add: AddUser) -> None:
    """Who may only look is told no before the file is read; the administrator's name stands in the trail."""
    add("rea", "reader")
    file = signed(organization=org.id)
    with pytest.raises(AccessDenied) as denied:
        org.as_user("rea").install_license(file + "altered", KEYS)
    assert denied.value.decision.resource == "organization.license"
    org.as_user("admin").install_license(file, KEYS)
    event = list(org.audit)[-1]
    assert (event.kind, event.actor) == ("license.installed", "admin")


def test_an_ended_license_is_renewed_by_file(org: Organization, add: AddUser, clock: ManualClock) -> None:
    """By an administrator who still signs in, and all are in again."""
    add("tom", "bookkeeper")
    org.install_license(signed(License("trade", valid_until=START + DAY), organization=org.id), KEYS)
    clock.advance(DAY)
    assert not org.can("tom", "ledger", "view")
    org.as_user("admin").install_license(signed(organization=org.id, issued=START + DAY), KEYS)
    assert org.can("tom", "ledger", "view")


def test_of_files_installed_at_one_time_the_latest_stays(catalog: Catalog, url: str, clock: ManualClock) -> None:
    """Eight threads in any order: each is in the trail or refused as older, and the last issued is in force."""
    org = seatperm.open(catalog, url, clock=clock)
    barrier, outcomes = Barrier(8), list[str]()

    def install(number: int) -> None:
        file = signed(License("trade", session_limit=number + 1), organization=org.id, issued=START + number * SECOND)
        barrier.wait()
        try:
            org.install_license(file, KEYS)
            outcomes.append("installed")
        except InvalidLicense as error:
            outcomes.append(error.reason)

    threads = [Thread(target=install, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert org.license.session_limit == 8
    assert set(outcomes) <= {"installed", "older"}
    assert len(outcomes) == 8
    assert outcomes.count("installed") == sum(event.kind == "license.installed" for event in org.audit)
    org.close()


def test_a_license_that_begins_later_does_not_end_the_one_in_force(kauri: Organization, clock: ManualClock) -> None:
    """A renewal that comes early is installed when it begins."""
    begins = clock.now() + 100 * SECOND
    renewal = signed(License("essentials", valid_from=begins), issued=START + SECOND)
    assert refused(kauri, renewal) == "not_begun"
    clock.advance(100 * SECOND)
    assert kauri.install_license(renewal, KEYS).after.valid_from == begins
