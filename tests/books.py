"""One small catalog, a moved clock, and every store in turn: fixtures that several folders share."""

from __future__ import annotations

import tomllib
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest

import seatperm
from seatperm import Catalog, Organization, Tenants
from seatperm.testing.clock import ManualClock

CATALOG = """
[catalog]
name = "Kauri accounting"

[scopes]
order = ["own", "team", "all"]

[ladders.default]
levels = ["none", "view", "edit", "full"]
actions = { view = "view", create = { level = "edit", record = false }, edit = "edit", delete = "full" }

[ladders.switch]
levels = ["no", "yes"]
actions = { use = "yes" }

[packages.essentials]
title = "Essentials"
price_per_session = "40.00 NZD"
[packages.trade]
title = "Trade"
includes = ["essentials"]
price_per_session = "70.00 NZD"
[packages.payroll]
add_on = true
price_per_session = "9.50 NZD"

[resources.sales]
package = "essentials"
[resources."sales.invoices"]
[resources."sales.quotes"]
package = "trade"
[resources."sales.cards"]
ladder = "switch"
[resources.ledger]
package = "essentials"
[resources.payroll]
package = "payroll"
[resources."organization.settings"]

[roles.sales_staff]
title = "Sales staff"
package = "essentials"
grants = { sales = "edit" }
[roles.own_sales]
package = "essentials"
grants = { sales = ["view:team", "edit:own"] }
[roles.bookkeeper]
package = "essentials"
grants = { ledger = "full" }
[roles.estimator]
package = "trade"
grants = { "sales.quotes" = "full" }
[roles.pay_clerk]
package = "payroll"
grants = { payroll = "edit" }
[roles.owner]
package = "essentials"
everything = true
[roles.organization_admin]
title = "Organization Admin"
kind = "system"
grants = { organization = "full" }
[roles.user_manager]
kind = "system"
grants = { "organization.users" = "edit" }
[roles.reader]
kind = "system"
grants = { organization = "view" }

[user_types.partner]
counted = false

[global_permissions]
"sales.invoices" = "view:own"
"""

START = datetime(2027, 3, 1, 9, 0, tzinfo=UTC)


@pytest.fixture(scope="session")
def catalog() -> Catalog:
    """The catalog above."""
    return Catalog.load(tomllib.loads(CATALOG))


@pytest.fixture
def clock() -> ManualClock:
    """A clock that only a test moves."""
    return ManualClock(START)


@pytest.fixture(params=["memory", "sqlite"])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """The URL of a new store, of every kind in turn."""
    return "memory://" if request.param == "memory" else f"sqlite:///{tmp_path / 'books.db'}"


@pytest.fixture
def org(catalog: Catalog, url: str, clock: ManualClock) -> Iterator[Organization]:
    """A new organization on the package trade with three seats; `admin` is its administrator."""
    opened = seatperm.open(catalog, url, clock=clock)
    opened.change_license(package="trade", session_limit=3)
    opened.users.add(id="admin", email="admin@kauri.example", name="Ada", roles=["organization_admin"])
    yield opened
    opened.close()


@pytest.fixture
def tenants(catalog: Catalog, url: str, clock: ManualClock) -> Iterator[Tenants]:
    """A new store with the organizations kauri and tui."""
    opened = seatperm.open_tenants(catalog, url, clock=clock)
    opened.create("kauri", package="trade", session_limit=3)
    opened.create("tui")
    yield opened
    opened.close()


AddUser = Callable[..., seatperm.User]


@pytest.fixture
def add(org: Organization) -> AddUser:
    """Add an active user by id and roles."""

    def add(id: str, *roles: str, type: str = "app") -> seatperm.User:
        return org.users.add(id=id, email=f"{id}@kauri.example", name=id.title(), roles=roles, type=type)

    return add
