"""A CRM's 113 permissions: global permissions, personal settings, own and all records, an Admin group.

Run it with `python examples/crm.py`. Its data, with sources, is in `examples/data`.

How the data's 12 relations between permissions are said:

| relation | by |
| --- | --- |
| user.edit_all also gives user.view_all | `implies` in the catalog |
| user.search blocks every other user permission | `requires` in the catalog |
| the own profile may always be changed | a resource of its own, `profile`, in the global permissions |
| company.view_all reaches companies of visible contacts only | the function `linked`, and a grant at `own` |
| a shared opportunity counts as own, for edit with write access | the function `shared` |
| charge_credit_cards covers refunds, not bulk charging | a second action, `refund`, on the same resource |
| view_all never widens edit_all | nothing: two resources never touch each other |
| add without search · calendar.delete, calendar.add beside edit_all · billing page beside account page | likewise |
| the product's API is not held back | nothing: it does not ask |
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import seatperm

DATA = Path(__file__).parent / "data" / "infusionsoft_crm.json"


@dataclass(frozen=True)
class Record:
    """A record of the application: a contact, company, opportunity or task."""

    id: str
    type: str
    owner: str | None
    company: str | None = None
    contact: str | None = None
    stage: str = ""
    shared_with: Mapping[str, str] = field(default_factory=dict)


def action(permission: Mapping[str, Any]) -> str:
    """Return the action that a permission is about: yes/no ones are used, own/all ones view or edit records."""
    if permission["kind"] == "yes/no":
        return "use"
    return "view" if permission["id"].endswith("view_all") else "edit"


def resource(permission: Mapping[str, Any]) -> dict[str, object]:
    """Return a permission as a resource."""
    id, actions = permission["id"], dict[str, object]()
    if permission["category"] == "user" and id != "user.search":
        implies = ["user.view_all:use"] if id == "user.edit_all" else []
        actions["use"] = {"level": "yes", "requires": ["user.search:use"], "implies": implies}
    if id == "orders_and_invoicing.charge_credit_cards":
        actions["refund"] = "yes"
    return {
        "title": permission["label"],
        "description": permission["description"],
        "ladder": {"use": "switch", "view": "viewing", "edit": "editing"}[action(permission)],
        "actions": actions,
    }


def grant(permission: str, value: str) -> str:
    """Return the data's yes, no, own or all as a grant."""
    if permission == "company.view_all" and value == "yes":
        return "yes:own"
    return {"yes": "yes", "no": "no", "own": "yes:own", "all": "yes"}[value]


def role(group: str) -> str:
    """Return the name of a group's role."""
    return group.lower().replace(" ", "_")


def catalog(data: Mapping[str, Any]) -> dict[str, object]:
    """Return the catalog: a resource for each category and permission, a role for each group."""
    categories = {
        each["id"]: {"title": each["name"], "package": "crm", "ladder": "switch"} for each in data["categories"]
    }
    first = {each["id"]: grant(each["id"], each["default_for_new_user"]) for each in data["permissions"]}
    return {
        "catalog": {"name": "CRM"},
        "ladders": {
            "switch": {"levels": ["no", "yes"], "actions": {"use": "yes"}},
            "viewing": {"levels": ["no", "yes"], "actions": {"view": "yes"}},
            "editing": {"levels": ["no", "yes"], "actions": {"edit": "yes"}},
        },
        "packages": {"crm": {"title": "CRM"}},
        "resources": {
            "profile": {"title": "Profile", "package": "crm", "ladder": "editing"},
            **categories,
            **{each["id"]: resource(each) for each in data["permissions"]},
        },
        # The groups but Admin grant nothing. For Sales Rep the application looks at the role itself (`may_own`):
        # an Admin, who has every permission, may own no opportunity without being in it.
        "roles": {
            role(each["id"]): {"title": each["id"], "package": "crm", "everything": each["id"] == "Admin"}
            for each in data["groups"]
        },
        "user_types": {"partner": {"title": "Partner", "counted": False}},
        "global_permissions": {"profile": "yes:own", **{id: yes for id, yes in first.items() if yes != "no"}},
    }


def open_crm(data: Mapping[str, Any]) -> seatperm.Organization:
    """Return the organization with all its users, and with what tells whose a record is."""
    org = seatperm.open(catalog(data), "memory://")
    licensed = data["licence"]["licensed_users"]
    org.change_license(user_limit=licensed, session_limit=licensed, seat_per="user")
    for each in data["users"]:
        details: dict[str, Any] = {
            "id": each["id"],
            "email": each["email"],
            "name": each["name"],
            "type": "partner" if each["kind"].startswith("partner") else "app",
            "roles": [role(group) for group in each["groups"]],
        }
        if each["state"] == "Invited":
            org.users.invite(**details)
        else:
            org.users.add(**details)
        for permission, value in each["changed_permissions"].items():
            org.users.override(each["id"], permission, grant(permission, value))
        if each["state"] == "Inactive":
            org.users.lock(each["id"])
    relate(org, records(data))
    return org


def records(data: Mapping[str, Any]) -> dict[str, Record]:
    """Return the application's records by id."""
    return {each["id"]: Record(**each) for each in data["records"]}


def relate(org: seatperm.Organization, known: Mapping[str, Record]) -> None:
    """Tell, for each kind of record, which of them count as a user's own."""
    contacts = [record for record in known.values() if record.type == "contact"]

    @org.relate("calendar")
    @org.relate("application")
    def owned(user: seatperm.User, record: Record, _action: str) -> str | None:
        return "own" if record.owner == user.id else None

    @org.relate("contact")
    def assigned(user: seatperm.User, record: Record, action: str) -> str | None:
        if record.owner is None and action == "view":
            return "own" if org.can(user, "contact.view_unassigned", "use") else None
        return "own" if record.owner == user.id else None

    @org.relate("opportunities")
    def shared(user: seatperm.User, record: Record, action: str) -> str | None:
        enough = {"read", "write"} if action == "view" else {"write"}
        return "own" if record.owner == user.id or record.shared_with.get(user.id) in enough else None

    @org.relate("company.view_all")
    def linked(user: seatperm.User, record: Record, _action: str) -> str | None:
        near = (contact for contact in contacts if contact.company == record.id)
        return "own" if any(org.can(user, "contact.view_all", "view", contact) for contact in near) else None

    @org.relate("profile")
    def oneself(user: seatperm.User, record: seatperm.User, _action: str) -> str | None:
        return "own" if record.id == user.id else None


def setting(org: seatperm.Organization, user: str, permission: Mapping[str, Any]) -> str:
    """Return what a permission comes to for a user, in the data's words: yes, no, own or all."""
    scope = org.widest_scope(user, permission["id"], action(permission))
    if permission["kind"] == "yes/no":
        return "no" if scope is None else "yes"
    return "no" if scope is None else scope


def may_edit_opportunity(org: seatperm.Organization, user: str, record: Record) -> bool:
    """Tell whether a user may change an opportunity: a closed one takes a permission more."""
    may = org.can(user, "opportunities.edit_all", "edit", record)
    return may and (record.stage != "closed" or org.can(user, "opportunities.edit_closed", "use"))


def may_edit_profile(org: seatperm.Organization, user: str, whose: str) -> bool:
    """Tell whether a user may change a profile: the own one, or with user.edit_all anyone's."""
    return org.can(user, "profile", "edit", org.users[whose]) or org.can(user, "user.edit_all", "use")


def may_own(org: seatperm.Organization, user: str) -> bool:
    """Tell whether a user may own opportunities: members of one group only, which a setting could name."""
    return "sales_rep" in org.users[user].roles


def yes(answer: bool) -> str:
    return "yes" if answer else "no"


def main() -> None:
    data = json.loads(DATA.read_text(encoding="utf-8"))
    org, known = open_crm(data), records(data)
    permissions = {each["id"]: each for each in data["permissions"]}

    print("# Settings that each user ends up with")
    for user in org.users:
        counts = Counter(setting(org, user.id, each) for each in data["permissions"])
        found = (word for word in ("yes", "no", "own", "all") if counts[word])
        print(f"{user.id:5}", ", ".join(f"{counts[word]} {word}" for word in found))

    print("\n# Records: who may view and edit them")
    asked = {"contact": "contact", "opportunity": "opportunities", "task": "calendar"}
    for record in known.values():
        if record.type == "company":
            continue
        area = asked[record.type]
        view = [user.id for user in org.users if org.can(user, f"{area}.view_all", "view", record)]
        edit = [user.id for user in org.users if org.can(user, f"{area}.edit_all", "edit", record)]
        if record.type == "opportunity":
            edit = [id for id in edit if may_edit_opportunity(org, id, record)]
        print(f"{record.id} view: {' '.join(view)}; edit: {' '.join(edit)}")

    print("\n# Companies are seen by way of their contacts")
    for record in known.values():
        if record.type == "company":
            seen = [user.id for user in org.users if org.can(user, "company.view_all", "use", record)]
            print(f"{record.id} view: {' '.join(seen)}")

    print("\n# Relations between permissions")
    for id in ("hal", "uma"):
        words = [
            f"{name} {setting(org, id, permissions[f'user.{name}'])}"
            for name in ("search", "edit_all", "view_all", "add")
        ]
        own, other = may_edit_profile(org, id, id), may_edit_profile(org, id, "kim")
        print(f"{id}: {', '.join(words)}; own profile {yes(own)}, kim's profile {yes(other)}")
    refund = org.can("bo", "orders_and_invoicing.charge_credit_cards", "refund")
    bulk = org.can("bo", "orders_and_invoicing.bulk_charge_invoices", "use")
    print(f"bo: bulk charge {yes(bulk)}, refund {yes(refund)}")
    delete = org.can("bo", "calendar.delete", "use", known["t-1"])
    change = org.can("bo", "calendar.edit_all", "edit", known["t-1"])
    print(f"bo: delete mia's task {yes(delete)}, edit it {yes(change)}")
    add, search = org.can("bo", "company.add", "use"), org.can("bo", "company.search", "use")
    print(f"bo: add a company {yes(add)}, find it later {yes(search)}")

    print("\n# Groups")
    print("may own opportunities:", *(user.id for user in org.users if may_own(org, user.id)))
    print("may edit DKIM settings:", *(user.id for user in org.who_can("application.edit_dkim_settings", "use")))
    try:
        org.users.override("jan", "contact.export", "no")
    except seatperm.SettingsMasked as error:
        print("jan:", error)

    print("\n# Named users")
    counted = [user for user in org.users if user.type == "app" and user.state == "active" and not user.locked]
    print(f"{len(counted)} of {org.license.user_limit}; pia is a partner, ned invited, old locked")

    print("\n# Global permissions are copied to new users")
    export = permissions["contact.export"]
    org.set_global_permissions({**org.global_permissions, "contact.export": "yes"})
    org.users.add(id="zoe", email="zoe@agency.example", name="Zoe Hall")
    print(f"contact.export: zoe, added now, {setting(org, 'zoe', export)}; raj {setting(org, 'raj', export)}")
    org.users.reset("raj")
    contacts = setting(org, "raj", permissions["contact.view_all"])
    print(f"after a reset: raj {setting(org, 'raj', export)}, and contact.view_all {contacts} again")


if __name__ == "__main__":
    main()
