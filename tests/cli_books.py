"""The store that the tests of the command line look into, made by a host."""

from __future__ import annotations

import json
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from attrs import frozen
from click.testing import CliRunner, Result

import seatperm
from seatperm.cli import main
from seatperm.testing import ManualClock

NOTHING: Mapping[str, str | None] = {}

CATALOG = """
[catalog]
name = "Kauri accounting"
[ladders.default]
levels = ["none", "view", "edit", "full"]
actions = { view = "view", create = { level = "edit", record = false }, edit = "edit", delete = "full" }
[ladders.switch]
levels = ["no", "yes"]
actions = { use = "yes" }
[packages]
essentials = { title = "Essentials", price_per_session = "40.00 NZD" }
trade = { title = "Trade", includes = ["essentials"], price_per_session = "70.00 NZD" }
payroll = { title = "Payroll", add_on = true, price_per_session = "9.50 NZD" }
[resources]
sales = { title = "Sales", package = "essentials" }
"sales.invoices" = { title = "Invoices", actions = { approve = "full" } }
"sales.cards" = { ladder = "switch" }
stock = { title = "Stock", package = "trade" }
payroll = { title = "Payroll", package = "payroll" }
[roles.sales_staff]
title = "Sales staff"
package = "essentials"
grants = { sales = "view", "sales.invoices" = ["view", "edit:own"] }
[roles]
stock_keeper = { title = "Stock keeper", package = "trade", grants = { stock = "full" } }
pay_clerk = { title = "Pay clerk", package = "payroll", grants = { payroll = "edit" } }
organization_admin = { title = "Organization admin", kind = "system", grants = { organization = "full" } }
[user_types.partner]
counted = false
"""


@frozen
class Books:
    """A catalog's file and a store's file in a folder.

    Attributes:
        folder: where they are.
    """

    folder: Path

    @property
    def catalog(self) -> Path:
        return self.folder / "catalog.toml"

    @property
    def store(self) -> Path:
        return self.folder / "books.db"

    def run(
        self, *args: str, input: str | None = None, color: bool = False, env: Mapping[str, str | None] = NOTHING
    ) -> Result:
        """Run a command on the files; what is not foreseen fails the test by itself."""
        said = {"SEATPERM_CATALOG": str(self.catalog), "SEATPERM_STORE": str(self.store), "COLUMNS": "80"}
        done = CliRunner(env={"NO_COLOR": None, **said, **env}).invoke(main, args, input=input, color=color)
        assert done.exception is None or isinstance(done.exception, SystemExit), done.exception
        return done

    def out(self, *args: str) -> str:
        """Return what a command prints that goes well."""
        done = self.run(*args)
        assert (done.exit_code, done.stderr) == (0, "")
        return done.stdout

    def json(self, *args: str) -> Any:
        """Return the value that a command prints as JSON."""
        return json.loads(self.run(*args, "--format", "json").stdout)

    def csv(self, *args: str) -> list[str]:
        """Return the lines that a command prints as CSV."""
        return self.run(*args, "--format", "csv").stdout.splitlines()

    def org(self) -> seatperm.Organization:
        """Open it as a host does."""
        return seatperm.open(self.catalog, f"sqlite:///{self.store}")

    def copied(self, folder: Path) -> Books:
        """Return a copy of the files in another folder."""
        shutil.copytree(self.folder, folder, dirs_exist_ok=True)
        return Books(folder)


def make(folder: Path) -> Books:
    """Be a host for a while: mere runs it, tom had stock until a downgrade, ana has not accepted, rob is locked."""
    books = Books(folder)
    books.catalog.write_text(CATALOG, "utf-8")
    org = seatperm.open(books.catalog, f"sqlite:///{books.store}", clock=ManualClock())
    org.change_license(package="trade", session_limit=3)
    org.users.add(id="mere", email="mere@kauri.example", name="Mere Tāne", roles=["organization_admin", "sales_staff"])
    org.users.add(id="tom", email="tom@kauri.example", name="Tom Harris", roles=["sales_staff", "stock_keeper"])
    org.users.invite(id="ana", email="ana@kauri.example", name="Ana Lemalu", roles=["sales_staff"])
    org.users.add(id="rob", email="rob@books.example", name="Rob Ng", type="partner")
    org.users.override("tom", "sales.cards", "yes")
    org.users.lock("rob")
    org.staff.add("Tom Harris", user="tom", id="s-1")
    org.staff.add("Joe Marsh", id="s-2")
    org.change_license(package="essentials")
    org.close()
    return books
