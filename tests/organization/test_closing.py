"""What is closed, and by whom."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

import seatperm
from seatperm import Catalog, InvalidValue, Organization, StoreUnavailable, UnknownOrganization
from seatperm.stores.memory import MemoryDirectory


def test_a_closed_organization_answers_nothing_new(catalog: Catalog, url: str) -> None:
    org = seatperm.open(catalog, url)
    org.close()
    with pytest.raises(StoreUnavailable):
        org.users.get("tom")
    with pytest.raises(StoreUnavailable):
        list(org.sessions)


def test_a_store_of_the_hosts_own_is_the_hosts_to_close(catalog: Catalog) -> None:
    store = MemoryDirectory()
    tenants = seatperm.open_tenants(catalog, store, session_store="memory://")
    tenants.create("kauri")
    tenants.create("tui")
    with pytest.raises(UnknownOrganization):
        seatperm.open(catalog, store, session_store="memory://")
    assert [org.id for org in tenants] == ["kauri", "tui"]
    tenants.close()
    assert list(store.organizations()) == ["kauri", "tui"]


def test_one_of_many_organizations_closes_nothing(catalog: Catalog, url: str) -> None:
    tenants = seatperm.open_tenants(catalog, url)
    tenants.create("kauri").close()
    tenants.create("tui")
    assert tenants["kauri"].license.package == "essentials"
    tenants.close()


@pytest.mark.parametrize(
    ("what", "value"),
    [
        ("lease", timedelta(0)),
        ("lease", 30),
        ("lease", timedelta(days=3_000_000)),
        ("staleness", timedelta(seconds=-1)),
        ("max_stale", None),
        ("orphans", "drop"),
        ("clock", 5),
        ("store", 5),
        ("store", "redis://localhost"),
        ("session_store", 5),
    ],
)
def test_what_is_not_of_its_kind_opens_nothing(catalog: Catalog, tmp_path: Path, what: str, value: object) -> None:
    given: dict[str, Any] = {"store": f"sqlite:///{tmp_path / 'books.db'}", what: value}
    with pytest.raises(InvalidValue) as invalid:
        seatperm.open(catalog, **given)
    assert invalid.value.what == what


@pytest.mark.parametrize("id", [[], None, 7])
def test_an_organization_is_named_by_text(catalog: Catalog, id: Any) -> None:
    tenants = seatperm.open_tenants(catalog, "memory://")
    with pytest.raises(InvalidValue):
        tenants[id]
    with pytest.raises(InvalidValue):
        tenants.create(id)


def test_as_user_cannot_close(org: Organization) -> None:
    with pytest.raises(seatperm.AccessDenied):
        org.as_user("admin").close()
    assert org.users["admin"]
