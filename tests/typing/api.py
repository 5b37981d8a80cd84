"""The public API as a type checker sees it: checked by mypy and pyright, run by nobody."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator, Mapping
from datetime import datetime, timedelta
from decimal import Decimal
from email.message import EmailMessage
from pathlib import Path
from typing import Literal, assert_type

import seatperm
from seatperm.catalog import Entry
from seatperm.stores import DirectoryStore, SessionStore
from seatperm.testing import ManualClock


class Invoice:
    """A record of the host's."""

    owner: str


def of_invoice(user: seatperm.User, record: Invoice, action: str) -> str | None:
    """Relate."""
    return "own" if record.owner == user.id else None


def opening(directory: DirectoryStore, sessions: SessionStore, catalog: Mapping[str, object]) -> None:
    """Open in every way."""
    assert_type(seatperm.open("catalog.toml", "memory://"), seatperm.Organization)
    seatperm.open(Path("catalog.toml"), directory, session_store=sessions)
    seatperm.open(catalog, "memory://", lease=timedelta(minutes=5), staleness=timedelta(0), max_stale=timedelta(1))
    seatperm.open(seatperm.Catalog.load("catalog.json"), "memory://", clock=ManualClock(), orphans="keep")
    sent: list[seatperm.Invitation] = []
    seatperm.open(catalog, "memory://", on_invitation=sent.append)
    tenants = assert_type(seatperm.open_tenants("catalog.toml", "sqlite:///books.db"), seatperm.Tenants)
    assert_type(tenants.create("kauri", package="retail", add_ons=["pay"], session_limit=3), seatperm.Organization)
    assert_type(tenants["kauri"], seatperm.Organization)
    for org in tenants:
        assert_type(org, seatperm.Organization)
    assert_type(len(tenants), int)


def asking(org: seatperm.Organization, tom: seatperm.User, invoice: Invoice) -> None:
    """Ask every question."""
    assert_type(org.can("tom", "sales", "edit"), bool)
    assert_type(org.can(tom, "sales", "edit", invoice, at_least=org.revision), bool)
    assert_type(org.can("tom", "sales", "edit", scope="own"), bool)
    org.require("tom", "sales", "edit", invoice)
    assert_type(org.can_each("tom", [("sales", "edit"), ("stock", "view")]), list[bool])
    assert_type(org.widest_scope("tom", "sales", "edit"), str | None)
    assert_type(org.who_can("sales", "edit", scope="own"), Iterator[seatperm.User])
    decision = assert_type(org.explain("tom", "sales", "edit", invoice), seatperm.Decision)
    assert_type(decision.allowed, bool)
    assert_type(decision.reason, seatperm.Reason)
    assert_type(decision.trace, tuple[seatperm.Finding, ...])
    assert_type(decision.remedies, tuple[seatperm.Remedy, ...])
    assert_type(decision.to_dict(), dict[str, object])
    cell = org.access(tom).table["sales"]["own"]
    assert_type(cell.level, str)
    assert_type(cell.actions, tuple[str, ...])
    assert_type(cell.roles, tuple[str, ...])
    org.relate("sales", of_invoice)

    @org.relate("sales.invoices")
    def related(user: seatperm.User, record: Invoice, action: str) -> str | None:
        return None

    assert_type(related(tom, invoice, "edit"), str | None)


def keeping(org: seatperm.Organization, until: datetime) -> None:
    """Keep the books."""
    invitation = org.users.invite(email="sam@kauri.example", name="Sam", roles=["clerk"], type="app", id=None)
    assert_type(invitation, seatperm.Invitation)
    assert_type(invitation.token, str)
    sam = assert_type(org.users.accept(invitation.token), seatperm.User)
    tom = assert_type(org.users.add(id="tom", email="tom@kauri.example", name="Tom"), seatperm.User)
    assert_type(org.users["tom"], seatperm.User)
    assert_type(org.users.get("tom"), seatperm.User | None)
    assert_type(org.users.by_email("tom@kauri.example"), seatperm.User | None)
    assert_type(list(org.users), list[seatperm.User])
    assert_type(tom.state, Literal["invited", "active"])
    assert_type(tom.roles, Mapping[str, datetime | None])
    assert_type(tom.overrides, Mapping[str, seatperm.Override])
    org.users.assign(tom, "clerk", until=until)
    org.users.override("tom", "sales", "edit:own", until)
    org.users.override("tom", "sales", {"actions": ["approve"], "scope": "own"})
    org.users.override("tom", "sales", ["view", seatperm.Grant("edit", scope="own")])
    org.users.clear(tom, "sales")
    assert_type(org.users.copy_settings("tom", sam, "ann"), tuple[seatperm.User, ...])
    org.users.dismiss(tom)
    org.users.forget("tom")
    assert_type(invitation.message(sender="a@b.example", link="https://b.example/{token}"), EmailMessage)
    joe = assert_type(org.staff.add("Joe Marsh", user=sam, id="s-1"), seatperm.Staff)
    assert_type(org.staff.link(joe, "sam"), seatperm.Staff)
    assert_type(org.staff.get("s-1"), seatperm.Staff | None)
    assert_type(list(org.staff), list[seatperm.Staff])
    assert_type(joe.user, str | None)
    org.set_global_permissions({"sales": "view"})
    assert_type(org.global_permissions, Mapping[str, Entry])
    listing = assert_type(org.roles("tom"), seatperm.RoleListing)
    for role in (*listing.current_package, *listing.other_packages, *listing.system, *listing.held, *listing.dormant):
        assert_type(role.comes_with, tuple[str, ...])
    role = org.define_role("night", title="Night till", grants={"sales": ["view", "edit:own"]}, includes=["clerk"])
    assert_type(role.custom, bool)
    org.remove_role(role.id)
    assert_type(org.as_user("tom"), seatperm.Organization)
    for event in org.audit:
        assert_type(event, seatperm.Event)
    assert_type(bool(org.audit.verify()), bool)
    assert_type(org.audit.filter(user=tom, kind="session.", since=None), Iterator[seatperm.Event])
    assert_type(bool(org.audit.verify(org.audit.export(sys.stdout))), bool)


def paying(org: seatperm.Organization, until: datetime) -> None:
    """Look at the license and change it."""
    assert_type(org.license, seatperm.License)
    charge = org.monthly_charge
    if charge is not None:
        assert_type(charge, seatperm.Money)
        assert_type(charge.amount, Decimal)
    change = org.preview_license(package="retail", session_limit=3, reserved={"admin": 1}, valid_until=until)
    assert_type(change, seatperm.LicenseChange)
    assert_type(org.change_license(add_ons={"pay"}, user_limit=None, seat_per="user"), seatperm.LicenseChange)
    for effect in change.effects:
        assert_type(effect.lost, tuple[tuple[str, str, str], ...])
    newer = assert_type(org.preview_catalog("newer.toml"), seatperm.CatalogChange)
    assert_type(newer.unknown, tuple[str, ...])
    for found in newer.effects:
        assert_type([one.cause for one in found.lost], list[str])


def seating(org: seatperm.Organization) -> None:
    """Take seats."""
    with org.sign_in("tom", client="laptop", wait=timedelta(seconds=1)) as session:
        assert_type(session, seatperm.Session)
        assert_type(session.expires_at, datetime)
        assert_type(session.can("sales", "view"), bool)
        session.touch()
    assert_type(org.resume(session.token), seatperm.Session)
    for seat in org.sessions:
        assert_type(seat, seatperm.Seat)
    assert_type(org.sessions.limit, int)
    assert_type(org.sessions.end(session.id), bool)


def failing(call: Callable[[], None]) -> None:
    """Catch what carries evidence."""
    try:
        call()
    except seatperm.SeatsExhausted as full:
        assert_type(full.limit, int)
        assert_type(full.next_free_at, datetime | None)
    except seatperm.AccessDenied as denied:
        assert_type(denied.decision, seatperm.Decision)
    except seatperm.UnknownResource as unknown:
        assert_type(unknown.nearest, tuple[str, ...])
    except seatperm.SeatpermError:
        raise


def cataloging() -> None:
    """Write a catalog in Python."""
    catalog = seatperm.Catalog(
        name="Small",
        scopes=("own", "all"),
        ladders={"default": seatperm.Ladder(("none", "view"), {"view": seatperm.Action("view", requires=["a:view"])})},
        packages={"one": seatperm.Package(price_per_session=seatperm.Money.parse("9.50 NZD"), includes=["two"])},
        resources={"notes": seatperm.Resource(package="one")},
        roles={"reader": seatperm.Role(package="one", grants={"notes": (seatperm.Grant("view"),)})},
        user_types={"partner": seatperm.UserType(counted=False)},
    )
    assert_type(catalog.dump(), dict[str, object])
    assert_type(catalog.resources, Mapping[str, seatperm.Resource])
