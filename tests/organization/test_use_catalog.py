"""A new catalog in a running host: at once, for everybody, and never half."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from copy import deepcopy
from threading import Event
from typing import Any

import pytest

import seatperm
from seatperm import Catalog, CatalogMismatch, InvalidValue, Organization
from seatperm.compiled import Compiled
from seatperm.testing.clock import ManualClock

from .test_freshness import Switchable

OLD: dict[str, Any] = {
    "ladders": {"default": {"levels": ["none", "view", "edit"], "actions": {"view": "view", "edit": "edit"}}},
    "packages": {"one": {}},
    "resources": {"sales": {"package": "one"}, "stock": {"package": "one"}},
    "roles": {"clerk": {"package": "one", "grants": {"sales": "edit"}}, "other": {"package": "one"}},
}
NEW = deepcopy(OLD)
NEW["resources"] = {
    **{f"new{n}": {"package": "one"} for n in range(40)},
    "cash": {"package": "one"},
    **OLD["resources"],
}
NEW["roles"]["clerk"]["grants"] = {"stock": "edit"}


def opened(clock: ManualClock | None = None) -> tuple[Organization, Switchable]:
    store = Switchable()
    org = seatperm.open(Catalog.load(OLD), store, session_store="memory://", clock=clock)
    org.users.add(id="tom", email="tom@k.example", name="Tom", roles=["clerk"])
    return org, store


def test_the_next_check_goes_by_the_new_catalog() -> None:
    org, _ = opened()
    assert org.can("tom", "sales", "edit")
    org.use_catalog(NEW)
    assert not org.can("tom", "sales", "view")
    assert org.can_each("tom", [("stock", "edit"), ("cash", "view")]) == [True, False]
    assert org.catalog == Catalog.load(NEW)
    assert org.access("tom").table["stock"]["all"].level == "edit"


def test_who_is_known_is_asked_of_no_store_after_it() -> None:
    org, store = opened()
    assert org.can("tom", "sales", "edit")
    org.use_catalog(NEW)
    store.off = True
    assert org.can("tom", "stock", "edit")


def test_a_catalog_that_lacks_a_name_in_use_is_refused_and_nothing_changes() -> None:
    org, _ = opened()
    lacking = deepcopy(NEW)
    del lacking["roles"]["clerk"]
    with pytest.raises(CatalogMismatch, match="clerk"):
        org.use_catalog(lacking)
    assert org.can("tom", "sales", "edit")
    assert org.catalog == Catalog.load(OLD)


def test_every_organization_gets_it_or_none() -> None:
    tenants = seatperm.open_tenants(OLD, "memory://")
    orgs = [tenants.create(id) for id in ("kauri", "rimu")]
    for org in orgs:
        org.users.add(id=f"{org.id}-tom", email=f"tom@{org.id}.example", name="Tom", roles=["clerk"])
    with pytest.raises(InvalidValue, match="Tenants"):
        orgs[0].use_catalog(NEW)
    tenants.use_catalog(NEW)
    assert [org.can(f"{org.id}-tom", "stock", "edit") for org in orgs] == [True, True]
    assert tenants.create("totara").catalog == Catalog.load(NEW)


def test_a_change_made_in_the_meantime_is_not_lost() -> None:
    org, _ = opened()
    assert org.can("tom", "sales", "edit")
    use = org._prepared(Compiled(Catalog.load(NEW)))
    org.users.assign("tom", "other")
    org.users.unassign("tom", "clerk")
    use()
    assert not org.can("tom", "stock", "edit")


def test_no_check_fails_or_mixes_old_and_new_while_catalogs_change() -> None:
    """In both catalogs the clerk may edit one of two resources: a mixture would allow both, or neither."""
    org, _ = opened()
    old, new, done = Catalog.load(OLD), Catalog.load(NEW), Event()
    org.can("tom", "sales", "edit")

    def check(known: bool) -> set[tuple[bool, ...]]:
        seen = set()
        while not done.is_set():
            if not known:
                org._view.rows.pop("tom", None)
            seen.add(tuple(org.can_each("tom", [("sales", "edit"), ("stock", "edit")])))
            org.can("tom", "sales", "edit")
        return seen

    with ThreadPoolExecutor(3) as pool:
        checks = [pool.submit(check, known) for known in (True, True, False)]
        for _ in range(100):
            org.use_catalog(new)
            org.use_catalog(old)
        done.set()
    for one in checks:
        assert one.result() <= {(True, False), (False, True)}
