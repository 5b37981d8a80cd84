"""Questions about access through the organization: they agree with each other, and mistakes are told."""

from __future__ import annotations

from types import SimpleNamespace

import pytest

from seatperm import (
    AccessDenied,
    InvalidValue,
    NoRelation,
    Organization,
    Reason,
    UnknownAction,
    UnknownResource,
    UnknownScope,
    UnknownUser,
    User,
)

from .conftest import AddUser


def test_a_check_without_record_or_scope_asks_about_every_record(org: Organization, add: AddUser) -> None:
    add("tom", "own_sales")
    assert not org.can("tom", "sales", "edit")
    assert org.can("tom", "sales", "edit", scope="own")
    assert org.can("tom", "sales", "create")


def test_an_unknown_user_may_do_nothing_and_is_no_error(org: Organization) -> None:
    assert not org.can("nobody", "sales", "view")
    decision = org.explain("nobody", "sales", "view")
    assert (decision.allowed, decision.reason) == (False, Reason.UNKNOWN_USER)
    assert org.widest_scope("nobody", "sales", "view") is None
    with pytest.raises(UnknownUser):
        org.access("nobody")
    with pytest.raises(UnknownUser):
        org.roles("nobody")


@pytest.mark.parametrize("user", ["admin", "nobody"])
def test_unknown_names_are_mistakes_with_the_nearest_known_ones(org: Organization, user: str) -> None:
    with pytest.raises(UnknownResource) as resource:
        org.can(user, "sales.invoice", "view")
    assert resource.value.nearest[0] == "sales.invoices"
    with pytest.raises(UnknownAction) as action:
        org.can(user, "sales", "veiw")
    assert (action.value.resource, action.value.nearest) == ("sales", ("view",))
    with pytest.raises(UnknownScope) as scope:
        org.can(user, "sales", "view", scope="teem")
    assert scope.value.nearest == ("team",)
    for call in (org.explain, org.require, org.widest_scope):
        with pytest.raises(UnknownResource):
            call(user, "sale", "view")
    with pytest.raises(UnknownAction):
        org.can_each(user, [("sales", "view"), ("sales", "approve")])
    with pytest.raises(UnknownAction):
        org.who_can("sales", "approve")


@pytest.mark.parametrize("user", [None, 7, object()])
def test_a_user_is_an_id_or_a_user(org: Organization, user: str) -> None:
    with pytest.raises(InvalidValue, match="user"):
        org.can(user, "sales", "view")


def test_require_raises_what_explain_says(org: Organization, add: AddUser) -> None:
    add("tom", "own_sales")
    org.require("tom", "sales", "view", scope="team")
    with pytest.raises(AccessDenied) as denied:
        org.require("tom", "sales", "delete")
    decision = denied.value.decision
    assert not decision
    assert decision == org.explain("tom", "sales", "delete")
    assert str(denied.value) == decision.summary


def test_a_relation_tells_how_far_a_record_is(org: Organization, add: AddUser) -> None:
    tom = add("tom", "own_sales")
    seen: list[tuple[User, str]] = []

    @org.relate("sales")
    def whose(user: User, record: SimpleNamespace, action: str) -> str | None:
        seen.append((user, action))
        return "own" if record.owner == user.id else "team" if record.team else None

    own, team, other = (
        SimpleNamespace(owner="tom", team=False),
        SimpleNamespace(owner="ann", team=True),
        SimpleNamespace(owner="ann", team=False),
    )
    assert [org.can("tom", "sales", "edit", record) for record in (own, team, other)] == [True, False, False]
    assert [org.can(tom, "sales.invoices", "view", record) for record in (own, team, other)] == [True, True, False]
    assert seen[0] == (tom, "edit")
    assert org.explain("tom", "sales", "edit", team).scope == "team"
    assert not org.can("nobody", "sales", "view", own)


def test_a_check_with_a_record_follows_every_change(org: Organization, add: AddUser) -> None:
    add("tom", "own_sales")
    org.relate("sales", lambda user, record, action: "own" if len(user.roles) else "all")
    for _ in range(2):  # not known yet, and known
        assert org.can("tom", "sales", "edit", object())
        assert not org.can("ann", "sales", "edit", object())
    org.users.assign("tom", "sales_staff")
    org.users.unassign("tom", "own_sales")
    assert org.can("tom", "sales", "edit", object()) == org.can("tom", "sales", "edit", scope="own")
    org.relate("sales", lambda user, record, action: None)
    assert org.can("tom", "sales", "edit", object()) == org.can("tom", "sales", "edit", scope="all")
    add("ann", "own_sales")
    org.relate("sales.invoices", lambda user, record, action: "own")
    assert org.can("ann", "sales.invoices", "edit", object())
    assert not org.can("ann", "sales", "edit", object())
    org.users.dismiss("ann")
    assert not org.can("ann", "sales.invoices", "edit", object())


def test_a_relation_that_changes_what_the_user_holds_is_asked_about_as_it_is_then(
    org: Organization, add: AddUser
) -> None:
    add("tom", "own_sales")

    @org.relate("sales")
    def takes_away(user: User, record: str, action: str) -> str:
        if record == "the last":
            org.users.unassign("tom", "own_sales")
        return "own"

    assert org.can("tom", "sales", "edit", "one")
    assert not org.can("tom", "sales", "edit", "the last")
    assert not org.can("tom", "sales", "edit", scope="own")


def test_a_session_answers_as_its_organization_for_who_is_in_memory_and_who_is_not(
    org: Organization, add: AddUser
) -> None:
    add("tom", "own_sales")
    acting = org.as_user("tom")
    with org.sign_in("tom", client="host") as by_host, acting.sign_in("tom", client="own") as by_oneself:
        for session in (by_host, by_oneself):
            for action in ("view", "edit", "delete"):
                for _ in range(2):
                    org._view.rows.clear()
                    assert session.can("sales", action) == org.can("tom", "sales", action)
            for wrong in (("sale", "view"), ("sales", "veiw"), (["sales"], "view"), ("sales", None)):
                with pytest.raises((UnknownResource, UnknownAction)):
                    session.can(*wrong)
        org.users.unassign("tom", "own_sales")
        assert [session.can("sales", "view") for session in (by_host, by_oneself)] == [False, False]
        org.users.override("tom", "organization.users", "none")
        for session in (by_host, by_oneself):  # of oneself everybody may know
            assert not session.can("organization.users", "view")
            assert not acting.can("tom", "organization.users", "view")


def test_a_record_of_what_nothing_relates_is_a_mistake(org: Organization) -> None:
    for user in ("admin", "nobody"):
        with pytest.raises(NoRelation) as missing:
            org.can(user, "ledger", "view", object())
        assert missing.value.resource == "ledger"
        with pytest.raises(NoRelation):
            org.explain(user, "ledger", "view", object())


def test_a_relation_must_tell_a_known_scope(org: Organization, add: AddUser) -> None:
    add("tom", "sales_staff")
    for wrong in ("mine", "", ["own"], 5):
        org.relate("sales", lambda user, record, action, wrong=wrong: wrong)  # type: ignore[misc]
        for _ in range(2):  # not known yet, and known
            with pytest.raises(UnknownScope, match="returned by the function that relates 'sales'"):
                org.can("tom", "sales", "view", object())
    with pytest.raises(UnknownResource):
        org.relate("sale", lambda user, record, action: None)


def test_a_scope_is_never_given_beside_a_record(org: Organization) -> None:
    org.relate("sales", lambda user, record, action: None)
    for call in (org.can, org.explain, org.require):
        with pytest.raises(InvalidValue, match="scope"):
            call("admin", "sales", "view", object(), scope="own")  # type: ignore[call-overload]


def test_users_relate_by_themselves(org: Organization, add: AddUser) -> None:
    tom = add("tom")
    assert org.can("tom", "organization.users", "view", tom)
    assert org.can("tom", "organization.users", "view", "tom")
    assert not org.can("tom", "organization.users", "view", "admin")
    assert org.can("admin", "organization.users", "edit", tom)
    with pytest.raises(InvalidValue):
        org.relate("organization.users", lambda user, record, action: "own")


def test_access_who_can_and_widest_scope_agree_with_can(org: Organization, add: AddUser) -> None:
    add("tom", "own_sales", "estimator")
    add("ann", "owner")
    org.users.override("tom", "ledger", {"level": "view", "actions": ["delete"], "scope": "team"})
    scopes = org.catalog.scopes
    for id in ("tom", "ann", "admin"):
        table = org.access(id).table
        assert set(table) == set(org.catalog.resources)
        for resource in org.catalog.resources:
            for action in org.catalog.actions(resource):
                allowed = [scope for scope in scopes if org.can(id, resource, action, scope=scope)]
                assert [scope for scope in scopes if action in table[resource][scope].actions] == allowed
                assert org.widest_scope(id, resource, action) == (allowed[-1] if allowed else None)
                for scope in scopes:
                    may = id in {user.id for user in org.who_can(resource, action, scope=scope)}
                    assert may == (scope in allowed) == bool(org.explain(id, resource, action, scope=scope))
                assert org.can_each(id, [(resource, action)]) == [org.can(id, resource, action)]


def test_access_tells_the_level_and_the_roles_it_comes_from(org: Organization, add: AddUser) -> None:
    add("tom", "own_sales", "sales_staff")
    cells = org.access("tom").table["sales"]
    assert {scope: (cell.level, cell.roles) for scope, cell in cells.items()} == {
        "own": ("edit", ("own_sales", "sales_staff")),
        "team": ("edit", ("own_sales", "sales_staff")),
        "all": ("edit", ("sales_staff",)),
    }
    invoices = org.access("tom").table["sales.invoices"]["own"]
    assert [source.kind for source in invoices.sources] == ["base", "role", "role"]
