"""The quickstart, as an accounting product would write it: people join, work, and need another seat.

Run it with `python examples/accounting.py`. The catalog is the one of `seatperm demo`; its head names its sources.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import seatperm
from seatperm.demo import CATALOG


@dataclass(frozen=True)
class Invoice:
    """A record of the product: who sold is on staff, user or not; who entered it is a user."""

    number: str
    sold_by: str
    entered_by: str


def join(org: seatperm.Organization, name: str, roles: list[str]) -> seatperm.User:
    """Invite somebody, and accept as the host does when the link in the e-mail is followed."""
    id = name.split()[0].lower()
    invitation = org.users.invite(id=id, email=f"{id}@kauri.example", name=name, roles=roles)
    return org.users.accept(invitation.token)


def enter_receipt(org: seatperm.Organization, user: seatperm.User) -> str:
    """Do something that not everyone may do: ask first, and let the denial say the rest."""
    org.require(user, "customers.receipts", "edit")
    return f"{user.name} entered a receipt"


def enter_invoice(org: seatperm.Organization, number: str, *, seller: seatperm.Staff, user: seatperm.User) -> Invoice:
    """Enter an invoice: the user's rights count, not the seller's."""
    org.require(user, "sales.invoices", "edit")
    return Invoice(number, seller.id, user.id)


def told(org: seatperm.Organization, invoice: Invoice) -> str:
    """Return what an invoice says about people."""
    seller, user = org.staff[invoice.sold_by], org.users[invoice.entered_by]
    return f"{invoice.number}: sold by {seller.name}, entered by {user.name}"


def menu(org: seatperm.Organization, user: seatperm.User) -> list[str]:
    """Return the pages that a user sees, asked about all at once."""
    pages = ["customers.records", "sales.invoices", "financials.journals", "pos.transactions", "jobs.records"]
    seen = org.can_each(user, [(page, "view") for page in pages])
    return [page for page, allowed in zip(pages, seen, strict=True) if allowed]


def main() -> None:
    org = seatperm.open(CATALOG, "memory://")  # a real product says "sqlite:///books.db"
    change = org.change_license(package="retail", session_limit=3)
    print(f"{change.charge_before} a month becomes {change.charge_after}")

    print("\n# People join, with the roles of their work")
    mere = join(org, "Mere Walker", ["organization_admin", "organization_manager", "financial_admin"])
    tom = join(org, "Tom Reid", ["sales_staff", "accounts_receivable_manager"])
    ana = join(org, "Ana Tuilagi", ["sales_staff", "inventory_staff", "pos_staff"])
    li = join(org, "Li Chen", ["financial_accounting_staff", "accounts_payable_manager"])
    for user in (mere, tom, ana):
        print(f"{user.name} sees {', '.join(menu(org, user))}")

    print("\n# May they?")
    print(org.can(tom, "customers.records", "edit"), org.can(ana, "customers.records", "edit"))
    print(org.explain(tom, "customers.records", "edit"))
    print(enter_receipt(org, tom))
    try:
        enter_receipt(org, ana)
    except seatperm.AccessDenied as denied:
        print(denied.decision)

    print("\n# Mere, who may, gives Ana a role; Tom may not")
    try:
        org.as_user(tom).users.assign(ana, "accounts_receivable_manager")
    except seatperm.AccessDenied as denied:
        print(denied.decision.summary)
    month_end = datetime.now(UTC) + timedelta(days=3)
    org.as_user(mere).users.assign(ana, "accounts_receivable_manager", until=month_end)
    print(enter_receipt(org, ana))

    print("\n# An invoice names who sold it and who entered it")
    kev = org.staff.add("Kev Potts", id="s-kev")
    staff_ana = org.staff.add("Ana Tuilagi", id="s-ana", user=ana)
    first = enter_invoice(org, "inv-1001", seller=kev, user=tom)
    second = enter_invoice(org, "inv-1002", seller=staff_ana, user=ana)
    print(told(org, first))
    print(told(org, second))
    print(f"Kev's access: {org.can(kev.id, 'sales.invoices', 'view')}; Ana's: {org.can(ana, 'sales.invoices', 'view')}")
    org.staff.deactivate(kev)
    print(f"Kev has left; {told(org, first)}")

    print("\n# Three work at a time, and a fourth asks")
    with org.sign_in(mere, client="office"), org.sign_in(tom, client="shop"), org.sign_in(ana, client="till") as till:
        print(till.can("pos.transactions", "edit"))
        try:
            org.sign_in(li, client="home")
        except seatperm.SeatsExhausted as full:
            print(f"{full.in_use} of {full.limit} seats are in use")
        more = org.preview_license(session_limit=4)
        print(f"a fourth seat: {more.charge_after} a month in place of {more.charge_before}")
        till.end()
        with org.sign_in(li, client="home"):
            print(f"Li is in, {len(org.sessions)} of {org.sessions.limit}")
    print(f"{len(org.sessions)} of {org.sessions.limit} at the end of the day")


if __name__ == "__main__":
    main()
