"""A store that names what the catalog no longer has."""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import Any, Literal

import pytest

import seatperm
from seatperm import CatalogMismatch
from seatperm.testing.clock import ManualClock

from .conftest import CATALOG


def older() -> dict[str, Any]:
    """The catalog of this folder as a mapping of its own."""
    return tomllib.loads(CATALOG)


@pytest.fixture
def store(tmp_path: Path, clock: ManualClock) -> str:
    """A store made with the older catalog: tom holds two roles and two overrides."""
    url = f"sqlite:///{tmp_path / 'books.db'}"
    org = seatperm.open(older(), url, clock=clock)
    org.change_license(package="trade", add_ons=["payroll"], session_limit=3, reserved={"bookkeeper": 1})
    org.users.add(id="tom", email="tom@k.example", name="Tom", roles=["sales_staff", "bookkeeper"], type="partner")
    org.users.add(id="ann", email="ann@k.example", name="Ann", roles=["bookkeeper"])
    org.users.override("tom", "sales.invoices", "full:team")
    org.users.override("tom", "sales.cards", "yes")
    org.close()
    return url


def newer(**removed: str) -> dict[str, Any]:
    """The catalog without some names: table="name"."""
    catalog = older()
    for table, name in removed.items():
        del catalog[table][name]
    return catalog


def test_an_unchanged_catalog_opens(store: str) -> None:
    seatperm.open(older(), store).close()


def test_a_role_that_is_gone_is_told_with_how_many_hold_it(store: str) -> None:
    with pytest.raises(CatalogMismatch) as mismatch:
        seatperm.open(newer(roles="bookkeeper"), store)
    assert any("role 'bookkeeper', of 2 users" in item for item in mismatch.value.unknown)
    assert any("seats are reserved" in item for item in mismatch.value.unknown)
    assert "orphans='keep'" in str(mismatch.value)


def test_everything_that_is_gone_is_told_at_once(store: str) -> None:
    catalog = newer(resources="sales.cards", packages="payroll")
    del catalog["resources"]["payroll"], catalog["roles"]["pay_clerk"], catalog["user_types"]
    catalog["scopes"]["order"] = ["own", "all"]
    catalog["roles"]["own_sales"]["grants"] = {"sales": "edit:own"}
    with pytest.raises(CatalogMismatch) as mismatch:
        seatperm.open(catalog, store)
    said = "\n".join(mismatch.value.unknown)
    for name in ("add-on 'payroll'", "resource 'sales.cards'", "user type 'partner'", "on 'sales.invoices'"):
        assert name in said


def test_a_package_that_is_gone_is_refused_even_when_orphans_are_kept(store: str) -> None:
    catalog = newer(packages="trade")
    del catalog["resources"]["sales.quotes"], catalog["roles"]["estimator"]
    choices: tuple[Literal["refuse"], Literal["keep"]] = ("refuse", "keep")
    for orphans in choices:
        with pytest.raises(CatalogMismatch, match="trade"):
            seatperm.open(catalog, store, orphans=orphans)


def test_a_kept_role_sleeps_and_is_alive_again_with_its_catalog(store: str) -> None:
    kept = seatperm.open(newer(roles="bookkeeper"), store, orphans="keep")
    assert not kept.can("tom", "ledger", "view")
    assert kept.can("tom", "sales", "edit")
    assert [role.id for role in kept.roles("tom").dormant] == ["bookkeeper"]
    kept.users.rename("tom", "Thomas")
    kept.users.unassign("ann", "bookkeeper")
    kept.close()
    again = seatperm.open(older(), store)
    assert again.can("tom", "ledger", "view")
    assert not again.can("ann", "ledger", "view")
    again.close()


def test_a_kept_override_that_cannot_be_read_closes_its_resource(store: str) -> None:
    catalog = older()
    catalog["scopes"]["order"] = ["own", "all"]
    catalog["roles"]["own_sales"]["grants"] = {"sales": "edit:own"}
    org = seatperm.open(catalog, store, orphans="keep")
    assert org.can("tom", "sales", "edit")
    assert org.widest_scope("tom", "sales.invoices", "view") is None
    assert org.can("tom", "sales.cards", "use")
    org.close()


def test_a_mismatch_writes_nothing(store: str) -> None:
    org = seatperm.open(older(), store)
    revision = org.revision
    with pytest.raises(CatalogMismatch):
        seatperm.open(newer(roles="bookkeeper"), store)
    assert org.revision == revision
    org.close()


def test_a_kept_base_entry_that_cannot_be_read_gives_no_more_than_before(store: str) -> None:
    org = seatperm.open(older(), store)
    org.set_global_permissions({"sales": "edit", "sales.invoices": "view:team"})
    org.users.add(id="bob", email="bob@k.example", name="Bob")
    assert not org.can("bob", "sales.invoices", "edit")
    org.close()
    catalog = older()
    catalog["scopes"]["order"] = ["own", "all"]
    catalog["roles"]["own_sales"]["grants"] = {"sales": "edit:own"}
    kept = seatperm.open(catalog, store, orphans="keep")
    assert kept.can("bob", "sales", "edit")
    assert kept.widest_scope("bob", "sales.invoices", "view") is None
    kept.close()


def test_a_license_with_an_add_on_that_is_gone_can_still_be_changed(store: str) -> None:
    catalog = newer(packages="payroll")
    del catalog["resources"]["payroll"], catalog["roles"]["pay_clerk"]
    org = seatperm.open(catalog, store, orphans="keep")
    change = org.change_license(session_limit=7)
    assert (change.before.session_limit, change.after.session_limit) == (3, 7)
    assert str(change.charge_after) == "490.00 NZD"
    assert list(change.effects) == []
    org.close()
    again = seatperm.open(older(), store)
    assert again.license.add_ons == {"payroll"}
    again.close()


def test_an_id_that_users_hold_from_an_earlier_catalog_is_not_defined_anew(store: str) -> None:
    kept = seatperm.open(newer(roles="bookkeeper"), store, orphans="keep")
    with pytest.raises(seatperm.RoleExists):
        kept.define_role("bookkeeper", title="Bookkeeper", grants={"ledger": "full"})
    assert not kept.can("tom", "ledger", "view")
    kept.close()
