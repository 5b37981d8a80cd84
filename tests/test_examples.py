"""The examples run, and what they print and build is what their data says."""

from __future__ import annotations

import csv
import importlib.util
import json
import re
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping
from functools import cache
from itertools import combinations, count
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from hypothesis import settings
from hypothesis.stateful import run_state_machine_as_test

import seatperm
from seatperm.clock import Clock
from seatperm.demo import CATALOG, build
from seatperm.sessions import Seat, SeatRequest
from seatperm.stores import SessionStore
from seatperm.testing import ManualClock
from seatperm.testing.session_kit import SessionConformance
from seatperm.testing.session_machine import SessionMachine

from .mail import MailServer

EXAMPLES = Path(__file__).parents[1] / "examples"
CRM: Mapping[str, Any] = json.loads((EXAMPLES / "data" / "infusionsoft_crm.json").read_text(encoding="utf-8"))
PERMISSIONS: Mapping[str, Mapping[str, Any]] = {each["id"]: each for each in CRM["permissions"]}


@cache
def example(name: str) -> Any:
    """Import an example as a module, whose names no checker knows."""
    spec = importlib.util.spec_from_file_location(f"example_{name}", EXAMPLES / f"{name}.py")
    assert spec is not None
    assert spec.loader is not None
    module: ModuleType = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module  # dataclasses look their module up
    spec.loader.exec_module(module)
    return module


@cache
def printed(name: str, *args: str) -> Mapping[str, list[str]]:
    """Run an example as its reader would, and return its lines by the headline above them."""
    run = subprocess.run(
        [sys.executable, "-W", "error", str(EXAMPLES / f"{name}.py"), *args],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert (run.returncode, run.stderr) == (0, "")
    sections: dict[str, list[str]] = {"": []}
    headline = ""
    for line in run.stdout.splitlines():
        if line.startswith("# "):
            headline = line[2:]
            sections[headline] = []
        elif line:
            sections[headline].append(line)
    return sections


# The CRM.


def crm_settings(user: Mapping[str, Any]) -> dict[str, str]:
    """Return what each permission comes to for a user of the data, read plainly."""
    if user["state"] != "Active":
        return dict.fromkeys(PERMISSIONS, "no")
    scoped = {id for id, each in PERMISSIONS.items() if each["kind"] != "yes/no"}
    if "Admin" in user["groups"]:
        return {id: "all" if id in scoped else "yes" for id in PERMISSIONS}
    values: dict[str, str] = {id: each["default_for_new_user"] for id, each in PERMISSIONS.items()}
    values |= user["changed_permissions"]
    if values["user.edit_all"] == "yes":
        values["user.view_all"] = "yes"
    if values["user.search"] == "no":
        values |= {id: "no" for id, each in PERMISSIONS.items() if each["category"] == "user"}
    return values


@cache
def crm() -> Any:
    return example("crm").open_crm(CRM)


@pytest.mark.parametrize("user", CRM["users"], ids=lambda user: str(user["id"]))
def test_every_crm_permission_comes_to_what_its_rules_say(user: Mapping[str, Any]) -> None:
    """All 113, for each user: global permissions, personal settings, the Admin group, relations, states."""
    found = {id: example("crm").setting(crm(), user["id"], each) for id, each in PERMISSIONS.items()}
    assert found == crm_settings(user)


def test_the_crm_catalog_has_every_permission_category_and_group() -> None:
    """113 permissions, 10 categories and the profile; 6 groups, of which only Admin gives anything."""
    catalog = crm().catalog
    ours = {path for path in catalog.resources if path.split(".")[0] != "organization"}
    assert ours == set(PERMISSIONS) | {each["id"] for each in CRM["categories"]} | {"profile"}
    assert len(catalog.roles) == len(CRM["groups"]) == 6
    assert [name for name, role in catalog.roles.items() if role.everything or role.grants] == ["admin"]


def test_the_crm_s_records_are_reached_as_owner_shares_and_settings_say() -> None:
    """Read from the data: owners, the shares of o-1 and o-2, the unowned c-3, the closed o-3."""
    active = [user for user in CRM["users"] if user["state"] == "Active"]
    for record in CRM["records"]:
        for user in active:
            assert reached(record, user) == in_example(record, user), (record["id"], user["id"])


def reached(record: Mapping[str, Any], user: Mapping[str, Any]) -> tuple[bool, bool]:
    """Return whether a user of the data may view and edit a record of it, read plainly."""
    values, mine = crm_settings(user), record["owner"] == user["id"]
    if record["type"] == "company":
        contacts = [each for each in CRM["records"] if each["type"] == "contact" and each["company"] == record["id"]]
        seen = "Admin" in user["groups"] or any(reached(contact, user)[0] for contact in contacts)
        return values["company.view_all"] == "yes" and seen, values["company.edit_all"] == "yes"
    area = {"contact": "contact", "opportunity": "opportunities", "task": "calendar"}[record["type"]]
    share = record.get("shared_with", {}).get(user["id"])
    unowned = record["type"] == "contact" and record["owner"] is None and values["contact.view_unassigned"] == "yes"
    view = values[f"{area}.view_all"] == "all" or mine or share is not None or unowned
    edit = values[f"{area}.edit_all"] == "all" or mine or share == "write"
    closed = record.get("stage") == "closed"
    return view, edit and (not closed or values["opportunities.edit_closed"] == "yes")


def in_example(record: Mapping[str, Any], user: Mapping[str, Any]) -> tuple[bool, bool]:
    module, org, ours = example("crm"), crm(), example("crm").Record(**record)
    if record["type"] == "company":
        view = org.can(user["id"], "company.view_all", "use", ours)
        return view, org.can(user["id"], "company.edit_all", "use")
    area = {"contact": "contact", "opportunity": "opportunities", "task": "calendar"}[record["type"]]
    view = org.can(user["id"], f"{area}.view_all", "view", ours)
    if record["type"] == "opportunity":
        return view, module.may_edit_opportunity(org, user["id"], ours)
    return view, org.can(user["id"], f"{area}.edit_all", "edit", ours)


def test_the_crm_prints_what_the_notes_say() -> None:
    """Each line is one note or relation of the data."""
    lines = printed("crm")
    assert lines["Relations between permissions"] == [
        "hal: search yes, edit_all yes, view_all yes, add yes; own profile yes, kim's profile yes",
        "uma: search no, edit_all no, view_all no, add no; own profile yes, kim's profile no",
        "bo: bulk charge yes, refund no",
        "bo: delete mia's task yes, edit it no",
        "bo: add a company yes, find it later no",
    ]
    assert lines["Groups"] == [
        "may own opportunities: kim raj",
        "may edit DKIM settings: jan pia",
        "jan: the settings of 'jan' can't be changed while the role 'admin' gives everything",
    ]
    assert lines["Global permissions are copied to new users"] == [
        "contact.export: zoe, added now, yes; raj no",
        "after a reset: raj yes, and contact.view_all own again",
    ]
    assert lines["Companies are seen by way of their contacts"] == [
        "co-1 view: jan kim raj vera",
        "co-2 view: jan raj vera",
    ]
    assert lines["Named users"] == ["8 of 10; pia is a partner, ned invited, old locked"]


def test_the_crm_prints_how_many_settings_each_user_has() -> None:
    """A line a user, counted from the data."""
    expected = []
    for user in sorted(CRM["users"], key=lambda each: str(each["id"])):
        values = list(crm_settings(user).values())
        counts = ", ".join(f"{values.count(word)} {word}" for word in ("yes", "no", "own", "all") if word in values)
        expected.append(f"{user['id']:5} {counts}")
    assert printed("crm")["Settings that each user ends up with"] == expected


# The HR roles.


@cache
def table() -> dict[tuple[str, str], list[tuple[frozenset[str], bool]]]:
    """Return the CSV's rows by role and resource, each with its rights and whether it is owner-only."""
    found: dict[tuple[str, str], list[tuple[frozenset[str], bool]]] = {}
    with (EXAMPLES / "data" / "frappe_hrms_permissions.csv").open(encoding="utf-8", newline="") as file:
        lines = csv.DictReader(file)
        assert tuple(lines.fieldnames or ())[4:] == example("hr_roles").RIGHTS
        for line in lines:
            resource = line["doctype"].lower().replace(" ", "_")
            if line["permlevel"] != "0":
                resource += f".level_{line['permlevel']}"
            rights = frozenset(right for right in example("hr_roles").RIGHTS if line[right] == "1")
            role = line["role"].lower().replace(" ", "_")
            found.setdefault((role, resource), []).append((rights, line["if_owner"] == "1"))
    return found


@cache
def hr() -> Any:
    return example("hr_roles").open_hr(example("hr_roles").rows())


def holdings() -> Iterator[tuple[str, ...]]:
    """Every role alone, and every pair with `all` (owner-only rows), `employee` or `hr_manager` (the most rows)."""
    roles = sorted({role for role, _ in table()})
    yield from ((role,) for role in roles)
    yield from (pair for pair in combinations(roles, 2) if set(pair) & {"all", "employee", "hr_manager"})


@pytest.mark.parametrize("roles", tuple(holdings()), ids="+".join)
def test_rights_are_the_union_over_the_roles_rows(roles: tuple[str, ...]) -> None:
    """Every document type and permission level, every right, on own and on others' records."""
    module, org = example("hr_roles"), hr()
    user = org.users.add(id="+".join(roles), email=f"{'.'.join(roles)}@firm.example", name="Someone", roles=roles)
    resources = sorted({resource for _, resource in table()})
    assert len({resource for resource in resources if "." not in resource}) == 98
    for resource in resources:
        given = [row for role in roles for row in table().get((role, resource), [])]
        for owner in (user.id, "somebody else"):
            expected = {right for rights, only in given if owner == user.id or not only for right in rights}
            record = module.Document(owner=owner)
            assert {right for right in module.RIGHTS if org.can(user, resource, right, record)} == expected
        # Without a record, every record is asked about; only `create`, which has none, asks the narrowest scope.
        assert org.can(user, resource, "read") == any("read" in rights and not only for rights, only in given)
        assert org.can(user, resource, "create") == any("create" in rights for rights, _ in given)


def test_hr_prints_unions_and_owner_only_rows() -> None:
    """What is printed, read from the CSV by hand: rows 112 to 119 and 187 to 190."""
    lines = printed("hr_roles")
    assert lines[""] == ["259 rows: 98 document types, 11 roles, 13 rights"]
    assert lines["Several roles: the union of what each gives"] == [
        "eve on eve's expense claim: read write create report print email share",
        "eve on its fields of level 1: read report export print email share",
        "max on eve's expense claim: read write create delete submit cancel amend report print email share",
        "max on its fields of level 1: read write delete report export print email share",
    ]
    everything = "read write create delete submit report export print email share"
    assert lines["Owner-only rows: the narrow grant never shrinks a wider one"] == [
        f"eve on eve's leave ledger entry: {everything}",
        "eve on ina's leave ledger entry: nothing",
        f"ina on eve's leave ledger entry: {everything}",
        f"ina on ina's leave ledger entry: {everything}",
    ]
    assert lines["How far each gets"] == [
        "eve: read own, write own, create own, delete own",
        "max: read own, write own, create own, delete own",
        "ina: read all, write all, create all, delete all",
    ]


# The accounting product.

BOOKS: Any = json.loads((CATALOG.parent / "organizations.json").read_text(encoding="utf-8"))[0]
STAFF = {each["id"]: each["name"] for each in BOOKS["staff"]}
USERS = {each["id"]: each["name"] for each in BOOKS["users"]}
TRANSACTIONS = [
    f"{each['id']}: sold by {STAFF[each['sold_by']]}, entered by {USERS[each['entered_by']]}"
    for each in BOOKS["transactions"]
]
"""The data's two, one of them sold by somebody who is no user."""


@cache
def kauri() -> seatperm.Organization:
    """The demonstration's first customer, which the example's people are taken from."""
    tenants = seatperm.open_tenants(CATALOG, "memory://")
    build(tenants)
    return tenants["kauri"]


def test_the_accounting_product_prints_what_the_demonstration_s_books_say() -> None:
    """The same people with the same roles on the same license: what is printed is what kauri's books answer."""
    lines = printed("accounting")
    people = {name: kauri().users[name] for name in ("mere", "tom", "ana", "li")}
    pages = ("customers.records", "sales.invoices", "financials.journals", "pos.transactions", "jobs.records")
    seen = {name: [page for page in pages if kauri().can(user, page, "view")] for name, user in people.items()}
    assert lines[""] == [f"40.00 NZD a month becomes {kauri().monthly_charge}"]
    assert lines["People join, with the roles of their work"] == [
        f"{people[name].name} sees {', '.join(seen[name])}" for name in ("mere", "tom", "ana")
    ]
    assert lines["May they?"] == [
        f"{kauri().can('tom', 'customers.records', 'edit')} {kauri().can('ana', 'customers.records', 'edit')}",
        str(kauri().explain("tom", "customers.records", "edit")),
        "Tom Reid entered a receipt",
        str(kauri().explain("ana", "customers.receipts", "edit")),
    ]
    assert lines["Mere, who may, gives Ana a role; Tom may not"] == [
        kauri().explain("tom", "organization.users", "assign").summary,
        "Ana Tuilagi entered a receipt",
    ]
    assert lines["An invoice names who sold it and who entered it"] == [
        *TRANSACTIONS,
        "Kev's access: False; Ana's: True",
        f"Kev has left; {TRANSACTIONS[0]}",
    ]
    assert lines["Three work at a time, and a fourth asks"] == [
        f"{kauri().can('ana', 'pos.transactions', 'edit')}",
        "3 of 3 seats are in use",
        f"a fourth seat: {kauri().preview_license(session_limit=4).charge_after} a month in place of 285.00 NZD",
        "Li is in, 3 of 3",
        "0 of 3 at the end of the day",
    ]


def test_the_accounting_product_s_people_hold_what_they_hold_in_the_books() -> None:
    """What the example writes out by hand is the data's."""
    text = (EXAMPLES / "accounting.py").read_text(encoding="utf-8")
    joining = re.findall(r'join\(org, "([^"]+)", (\[.*\])\)', text)
    assert {name: set(json.loads(roles)) for name, roles in joining} == {
        user.name: set(user.roles) for user in kauri().users if user.id in ("mere", "tom", "ana", "li")
    }


# The welcome mail.


def test_the_welcome_mail_arrives_and_its_link_lets_in() -> None:
    """Three mails come to the address as it was given: an invitation and two new links, of which one is void."""
    with MailServer() as server:
        assert printed("welcome_mail", "127.0.0.1", str(server.port))[""] == [
            "Sam.Ngata@kauri.example Not activated",
            "Sam.Ngata@kauri.example active",
            "the invitation is not known here; ask for a new one",
            "Sam.Ngata@kauri.example active",
        ]
    assert [(sent.sender, sent.recipients) for sent in server.received] == [
        ("no-reply@kauri.example", ["Sam.Ngata@kauri.example"])
    ] * 3
    texts = [sent.message.get_content() for sent in server.received]
    assert all(text.startswith("Kia ora Sam Ngata,") for text in texts)
    links = {
        link for text in texts for link in re.findall(r"https://books\.kauri\.example/welcome\?token=\S{43}", text)
    }
    assert len(links) == 3
    assert {sent.message["Subject"] for sent in server.received} == {"Welcome to Kauri"}


# The store of the host's own.


class TestJSONSessions(SessionConformance):
    """The example's store passes the kit."""

    def open(self, clock: Clock) -> SessionStore:
        self.folder = tempfile.TemporaryDirectory(prefix="seatperm-")
        store: SessionStore = example("custom_store").JSONSessions(Path(self.folder.name) / "seats.json", clock)
        return store

    def teardown_method(self) -> None:
        super().teardown_method()
        self.folder.cleanup()


def test_the_json_store_answers_every_call_as_the_memory_store_does(tmp_path: Path) -> None:
    names = count()

    class Machine(SessionMachine):
        def open(self, clock: Clock) -> SessionStore:
            store: SessionStore = example("custom_store").JSONSessions(tmp_path / f"{next(names)}.json", clock)
            return store

    run_state_machine_as_test(Machine, settings=settings(max_examples=30, stateful_step_count=25, deadline=None))


def test_processes_at_once_get_no_more_seats_of_a_json_file_than_there_are(tmp_path: Path) -> None:
    """Four processes ask 80 times for 40 seats: 40 are granted."""
    code = """if True:
        import sys, pathlib, secrets
        sys.path.insert(0, sys.argv[1])
        from custom_store import *
        store = JSONSessions(pathlib.Path(sys.argv[2]), SystemClock())
        asked = [SeatRequest("kauri", "tom", None, *(secrets.token_hex(8) for _ in "it"), 600, 40) for _ in range(20)]
        print(sum(isinstance(store.acquire(each), Seat) for each in asked))
    """
    command = [sys.executable, "-c", code, str(EXAMPLES), str(tmp_path / "seats.json")]
    clients = [subprocess.Popen(command, stdout=subprocess.PIPE, text=True) for _ in range(4)]
    granted = [int(client.communicate(timeout=60)[0]) for client in clients]
    assert sum(granted) == 40


def test_seats_of_a_json_file_outlive_the_process_and_not_the_boot(tmp_path: Path) -> None:
    """Another object on the same file finds them; after a boot nobody holds one."""
    module, clock, path = example("custom_store"), ManualClock(), tmp_path / "seats.json"
    request = SeatRequest("kauri", "tom", None, "one", "hash", 600, 1)
    assert isinstance(module.JSONSessions(path, clock).acquire(request), Seat)
    assert [seat.id for seat in module.JSONSessions(path, clock).live("kauri")] == ["one"]
    clock.boot = "the next one"
    assert list(module.JSONSessions(path, clock).live("kauri")) == []


@pytest.mark.parametrize("content", ["", "not JSON", "5", "[1, 2, 3]"])
def test_a_damaged_json_file_is_told_and_left_as_it_is(tmp_path: Path, content: str) -> None:
    """Nothing is granted on a file that can't be read."""
    path = tmp_path / "seats.json"
    path.write_text(content)
    with pytest.raises(seatperm.StoreDamaged):
        example("custom_store").JSONSessions(path, ManualClock()).acquire(
            SeatRequest("kauri", "tom", None, "one", "hash", 600, 1)
        )
    assert path.read_text() == content


def test_a_json_file_that_can_t_be_written_is_told(tmp_path: Path) -> None:
    """An error of ours, whatever the system says."""
    store = example("custom_store").JSONSessions(tmp_path / "no such folder" / "seats.json", ManualClock())
    with pytest.raises(seatperm.StoreUnavailable):
        store.acquire(SeatRequest("kauri", "tom", None, "one", "hash", 600, 1))


def test_the_custom_store_prints_who_is_in() -> None:
    """One seat on the smallest package, and another process that sees it."""
    assert printed("custom_store")[""] == [
        "tom is in, 1 of 1: True",
        "1 of 1 seats are in use",
        "another process sees ['shop']",
        "0 of 1 in the end",
    ]


# An asyncio host.


def test_the_asyncio_host_never_has_more_in_than_seats(tmp_path: Path) -> None:
    """On the bridge and in threads; who gives up leaves nothing behind."""
    for store in ("memory://", f"sqlite:///{tmp_path}/office.db"):
        lines = printed("asyncio_host", store)
        people = lines["Two seats, four people"]
        assert sorted(people[:-1]) == ["Ana wrote", "Mere wrote", "Rua wrote", "Tom wrote"]
        assert people[-1] == "never more than 2 at one time"
        assert lines["Somebody gives up"] == ["Ana gave up", "0 signed in"]
        assert lines["What the trail says"] == ["whole"]
