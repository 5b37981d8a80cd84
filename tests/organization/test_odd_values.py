"""Whatever is handed in by mistake gets an error of ours, and nothing is written."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import pytest

from seatperm import Grant, InvalidValue, Organization, SeatpermError, SessionEnded

from .conftest import AddUser

ODD: tuple[Any, ...] = (
    None,
    b"x",
    [],
    {},
    (),
    5,
    2**70,
    "",
    "\ud800",
    "\0",
    object(),
    float("nan"),
    True,
    timedelta(1),
)
Call = Callable[[Organization, Any], object]

CALLS: dict[str, Call] = {
    "users[...]": lambda org, odd: org.users[odd],
    "lock": lambda org, odd: org.users.lock(odd),
    "dismiss": lambda org, odd: org.users.dismiss(odd),
    "reset": lambda org, odd: org.users.reset(odd),
    "forget": lambda org, odd: org.users.forget(odd),
    "by_email": lambda org, odd: org.users.by_email(odd),
    "accept": lambda org, odd: org.users.accept(odd),
    "add id": lambda org, odd: org.users.add(id=odd, email="q@k.example", name="Q") if odd != "\ud800" else _refuse(),
    "add email": lambda org, odd: org.users.add(id="q", email=odd, name="Q"),
    "add name": lambda org, odd: org.users.add(id="q", email="q@k.example", name=odd),
    "add type": lambda org, odd: org.users.add(id="q", email="q@k.example", name="Q", type=odd),
    "add one role": lambda org, odd: org.users.add(id="q", email="q@k.example", name="Q", roles=[odd]),
    "assign role": lambda org, odd: org.users.assign("tom", odd),
    "assign until": lambda org, odd: org.users.assign("tom", "bookkeeper", until=_but_none(odd)),
    "unassign role": lambda org, odd: org.users.unassign("tom", odd),
    "override resource": lambda org, odd: org.users.override("tom", odd, "edit"),
    "override grant": lambda org, odd: org.users.override("tom", "sales", odd),
    "override level": lambda org, odd: org.users.override("tom", "sales", Grant(_but_none(odd))),
    "override scope": lambda org, odd: org.users.override("tom", "sales", Grant("edit", scope=odd)),
    "override action": lambda org, odd: org.users.override("tom", "sales", Grant("edit", actions=[odd])),
    "clear": lambda org, odd: org.users.clear("tom", odd),
    "set_type": lambda org, odd: org.users.set_type("tom", odd),
    "rename": lambda org, odd: org.users.rename("tom", odd),
    "change_email": lambda org, odd: org.users.change_email("tom", odd),
    "copy_settings": lambda org, odd: org.users.copy_settings(odd, "tom"),
    "can resource": lambda org, odd: org.can("tom", odd, "view"),
    "can action": lambda org, odd: org.can("tom", "sales", odd),
    "explain resource": lambda org, odd: org.explain("tom", odd, "view"),
    "can_each": lambda org, odd: org.can_each("tom", [odd]),
    "who_can": lambda org, odd: org.who_can(odd, "view"),
    "access": lambda org, odd: org.access(odd),
    "relate": lambda org, odd: org.relate(odd, lambda user, record, action: None),
    "relate function": lambda org, odd: org.relate("sales", _but_none(odd)),
    "set_global_permissions key": lambda org, odd: org.set_global_permissions(_keyed(odd)),
    "set_global_permissions value": lambda org, odd: org.set_global_permissions({"sales": odd}),
    "license package": lambda org, odd: org.change_license(package=odd),
    "license session_limit": lambda org, odd: org.change_license(session_limit=odd if odd != 5 else -5),
    "license add_ons": lambda org, odd: org.change_license(add_ons=[odd]),
    "license reserved": lambda org, odd: org.change_license(reserved={"owner": odd}),
    "license seat_per": lambda org, odd: org.change_license(seat_per=odd),
    "license valid_from": lambda org, odd: org.change_license(valid_from=_but_none(odd)),
    "define_role": lambda org, odd: org.define_role(odd, title="T", grants={"sales": "view"}),
    "define_role grants": lambda org, odd: org.define_role("own_role", title="T", grants={"sales": odd}),
    "remove_role": lambda org, odd: org.remove_role(odd),
    "staff link": lambda org, odd: org.staff.link(odd, "tom"),
    "sign_in": lambda org, odd: org.sign_in(odd),
    "sign_in wait": lambda org, odd: org.sign_in("tom", wait=odd if odd not in (None, timedelta(1)) else 5),  # type: ignore[arg-type]
    "resume": lambda org, odd: org.resume(odd),
}


def _refuse() -> None:
    raise InvalidValue("id", "", "a case that another test looks at")


def _but_none(odd: Any) -> Any:
    return 5 if odd is None else odd


def _keyed(odd: Any) -> Any:
    return 5 if getattr(odd, "__hash__", None) is None else {odd: "edit"}


@pytest.mark.parametrize("name", CALLS)
def test_an_odd_value_gets_an_error_of_ours_and_writes_nothing(org: Organization, add: AddUser, name: str) -> None:
    add("tom", "sales_staff")
    revision = org.revision
    for odd in ODD:
        with pytest.raises(SeatpermError):
            CALLS[name](org, odd)
    assert org.revision == revision


@pytest.mark.parametrize("value", [None, 5, "sales", b"x", {"sales": "view"}.items()])
def test_what_should_be_a_collection_is_no_text_and_no_number(org: Organization, add: AddUser, value: Any) -> None:
    add("tom")
    calls: list[Callable[[], object]] = [
        lambda: org.set_global_permissions(value),
        lambda: org.change_license(reserved=value),
        lambda: org.users.invite(email="q@k.example", name="Q", roles=value),
        lambda: org.change_license(add_ons=value),
    ]
    for call in calls:
        with pytest.raises(SeatpermError):
            call()
    if not isinstance(value, type({}.items())):
        with pytest.raises(InvalidValue):
            org.can_each("tom", value)


def test_a_time_at_the_edge_of_the_calendar_is_refused(org: Organization, add: AddUser) -> None:
    add("tom")
    edge = datetime.max.replace(tzinfo=timezone(timedelta(hours=-1)))
    with pytest.raises(InvalidValue):
        org.users.assign("tom", "bookkeeper", until=edge)
    with pytest.raises(InvalidValue):
        org.change_license(valid_until=edge)
    assert org.users.assign("tom", "bookkeeper", until=datetime.max.replace(tzinfo=UTC))


def test_a_token_of_the_wrong_kind_is_not_repeated(org: Organization) -> None:
    session = org.sign_in("admin")
    invitation = org.users.reinvite("admin")
    calls: list[Callable[[], object]] = [
        lambda: org.resume(session.token.encode()),  # type: ignore[arg-type]
        lambda: org.users.accept(invitation.token.encode()),  # type: ignore[arg-type]
    ]
    for call in calls:
        with pytest.raises(InvalidValue) as invalid:
            call()
        assert session.token not in f"{invalid.value} {invalid.value.__dict__}"
        assert invitation.token not in f"{invalid.value} {invalid.value.__dict__}"


def test_a_token_that_is_no_text_a_store_could_keep_is_unknown(org: Organization) -> None:
    with pytest.raises(SessionEnded):
        org.resume("\ud800")
