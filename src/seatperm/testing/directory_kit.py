"""The conformance kit for directory stores: what `seatperm.stores.DirectoryStore` promises, as tests.

A store's test subclasses `DirectoryConformance`, names the class `Test...` and says how to open the store:

    class TestMyStore(DirectoryConformance):
        def open(self) -> DirectoryStore:
            return MyStore("my://server")

A store whose content outlives it overrides `reopen` too, with another store object on the same content.
"""

from __future__ import annotations

import secrets
from datetime import timedelta

import pytest
from attrs import evolve

from .. import audit
from ..catalog import Grant, Role
from ..directory import Organization, Override, PendingInvitation, Staff, User, with_role, without_role
from ..errors import EmailTaken, UnknownOrganization, UnknownUser, UserExists
from ..license import License
from ..stores import Changes
from .directory_fixture import MANY, NOON, ids, mine, user
from .directory_history import DirectoryHistory


class DirectoryConformance(DirectoryHistory):
    """Tests for a directory store; subclass it and override `open`."""

    # Organizations

    def test_an_organization_comes_back_as_it_was_put(self) -> None:
        """Its license to the last field, its permissions, roles and catalog; only the revision is the store's."""
        license = License(
            "retail",
            frozenset({"payroll", "api"}),
            session_limit=5,
            user_limit=9,
            seat_per="user",
            reserved={"organization_admin": 1, "cashier": 2},
            valid_from=NOON,
            valid_until=NOON + timedelta(days=365, microseconds=1),
            grace=timedelta(days=14, seconds=1),
        )
        record = Organization(
            self.organization,
            license,
            global_permissions={"sales.invoices": (Grant("view", scope="own"),)},
            roles={"waka.helper": Role("Kaiāwhina", package="retail", grants={"sales": (Grant("view"),)})},
            license_issued=NOON + timedelta(microseconds=1),
            catalog="a1b2",
            epoch="2027-a1",
        )
        with self.store.change() as change:
            change.put_organization(record)
            inside = change.organization(self.organization)
        assert inside == evolve(record, revision=2)
        assert self.store.organization(self.organization) == evolve(record, revision=2)

    def test_roles_of_its_own_come_back_with_everything_in_them(self) -> None:
        """Every field of a role, in every form an entry has; two that differ in one field stay apart."""
        whole = Role(
            title='Kaiāwhina "A"',
            description="Helps 🌳",
            kind="system",
            package="retail",
            everything=True,
            includes=("seller", "cashier"),
            grants={
                "sales": (Grant("view"), Grant("edit", scope="own")),
                "crm": (Grant("view"), Grant(None, ["approve", "refund"], "own")),
                "reports": (Grant("none"),),
                "sales.cards": (Grant("edit", ["print"]),),
            },
        )
        roles = {"empty": Role(), "whole": whole, "less": evolve(whole, everything=False, kind="licensee")}
        with self.store.change() as change:
            change.put_organization(Organization(self.organization, License("retail"), roles=roles))
            assert change.organization(self.organization).roles == roles
        read = self.store.organization(self.organization).roles
        assert read == roles
        assert list(read["whole"].grants) == list(whole.grants)

    def test_an_organization_put_again_is_replaced_whole(self) -> None:
        """Nothing of the earlier license or roles stays."""
        license = License("trade", reserved={"cashier": 1}, session_limit=2, grace=timedelta(1))
        record = Organization(self.organization, license, roles={"helper": Role()}, license_issued=NOON)
        with self.store.change() as change:
            change.put_organization(record)
        with self.store.change() as change:
            change.put_organization(Organization(self.organization, License("retail")))
        bare = Organization(self.organization, License("retail"), revision=3)
        assert self.store.organization(self.organization) == bare

    def test_putting_an_organization_again_keeps_its_users_its_staff_and_its_trail(self) -> None:
        """The record is apart from what belongs to it."""
        self.put(user("ann"))
        with self.store.change() as change:
            change.put_staff(self.organization, Staff("s-1", "Ann Low"))
            event = self.event(change)
        with self.store.change() as change:
            change.put_organization(Organization(self.organization, License("trade")))
        assert ids(self.store.users(self.organization)) == ["ann"]
        assert list(self.store.staff(self.organization)) == [Staff("s-1", "Ann Low")]
        assert list(self.store.events(self.organization)) == [event]
        assert self.store.head(self.organization) == audit.Head(1, event.hash)

    def test_an_organization_that_there_is_not_is_empty_and_has_no_record(self) -> None:
        """Records are asked for by name, so a wrong one shows; lists are empty."""
        for missing in (
            lambda: self.store.organization("kit-none"),
            lambda: self.store.revision("kit-none"),
            lambda: self.store.changes("kit-none", 0),
        ):
            with pytest.raises(UnknownOrganization, match="kit-none"):
                missing()
        assert list(self.store.users("kit-none")) == []
        assert list(self.store.staff("kit-none")) == []
        assert list(self.store.events("kit-none")) == []
        assert self.store.user("kit-none", "ann") is None
        assert self.store.staff_member("kit-none", "s-1") is None
        assert self.store.head("kit-none") == audit.Head()

    def test_nothing_is_written_to_an_organization_that_there_is_not(self) -> None:
        """Its record comes first."""
        with self.store.change() as change:
            assert change.revision("kit-none") == 1
            with pytest.raises(UnknownOrganization):
                change.put_user("kit-none", user("ann"), email_key="ann")
            with pytest.raises(UnknownOrganization):
                change.put_staff("kit-none", Staff("s-1", "Ann Low"))
            with pytest.raises(UnknownOrganization):
                change.append("kit-none", self.event(change))
            with pytest.raises(UnknownOrganization):
                change.erase("kit-none", "ann")
            assert change.revision("kit-none") == 1
            assert change.head("kit-none") == audit.Head()
        assert "kit-none" not in set(self.store.organizations())

    def test_organizations_come_in_the_order_of_their_making(self) -> None:
        """A later change moves none."""
        made = [self.organization, *(self.make() for _ in range(12))]
        with self.store.change() as change:
            change.put_organization(Organization(made[3], License("trade")))
        assert [id for id in self.store.organizations() if id in made] == made

    # Users

    def test_a_user_comes_back_equal_with_everything_in_it(self) -> None:
        """Every field filled, in every form an entry has, with letters of several scripts."""
        whole = User(
            id="Ｍｅｒｅ/42 'x' \"y\" %_",
            email="Mere@Kāuri.example",
            name="Mere\tNgā Pōtae 🌳",
            type="partner",
            state="invited",
            locked=True,
            roles={"cashier": None, "sales_staff": NOON, "a.b": NOON + timedelta(microseconds=1)},
            base={"sales": (Grant("view"), Grant("edit", scope="own")), "sales.cards": (Grant("yes"),)},
            overrides={
                "sales": Override((Grant("none"),)),
                "crm": Override((Grant("view"), Grant(None, ["approve", "refund"], "own")), NOON),
                "reports": Override((Grant("edit", ["print"]),), NOON),
            },
            staff="s-1",
            invitation=PendingInvitation("0f" * 32, NOON),
            dismissed=True,
            person="mere",
        )
        with self.store.change() as change:
            change.put_user(self.organization, whole, email_key="mere@kāuri.example")
            assert change.user(self.organization, whole.id) == whole
        assert self.store.user(self.organization, whole.id) == whole
        assert list(self.store.users(self.organization)) == [whole]

    def test_a_user_written_again_is_replaced_whole(self) -> None:
        """No role, override or address of the earlier record stays."""
        first = user("ann", roles={"cashier": NOON}, overrides={"sales": Override((Grant("view"),), NOON)})
        second = user("ann", "ann@new.example", roles={"seller": None})
        self.put(first)
        self.put(second)
        assert self.store.user(self.organization, "ann") == second
        assert list(self.store.users(self.organization, email_key=first.email)) == []
        assert list(self.store.users(self.organization, roles=["cashier"])) == []

    def test_any_one_thing_about_a_user_may_be_written_and_taken_back(self) -> None:
        """Whatever else is as it was, and whoever looks the user up by what is another."""
        plain = user("ann")
        self.put(plain)
        for other in (
            evolve(plain, email="ann@new.example"),
            evolve(plain, name="Ann-Marie"),
            evolve(plain, type="partner"),
            evolve(plain, state="invited"),
            evolve(plain, locked=True),
            evolve(plain, roles={"cashier": NOON}),
            evolve(plain, base={"sales": (Grant("view"),)}),
            evolve(plain, overrides={"sales": Override((Grant("none"),))}),
            evolve(plain, staff="s-1"),
            evolve(plain, invitation=PendingInvitation("0f" * 32, NOON)),
            evolve(plain, invitation=PendingInvitation("1f" * 32, NOON)),
            evolve(plain, dismissed=True),
            evolve(plain, person="ann-marie"),
        ):
            for written in (other, plain):
                self.put(written)
                assert self.store.user(self.organization, "ann") == written
                assert list(self.store.users(self.organization, email_key=written.email)) == [written]
                with self.store.change() as change:
                    assert (self.organization, written) in list(change.person(written.person))

    def test_who_is_not_there_is_none(self) -> None:
        """A user of another organization is not there either."""
        self.put(user("ann"), organization=self.make())
        assert self.store.user(self.organization, "ann") is None

    def test_users_come_in_the_order_of_their_ids_by_code_point(self) -> None:
        """Not by any language's alphabet."""
        names = ["10", "9", "B", "a", "ab", "z", "é", "Ω", "\uffee", "🌳"]
        self.put(*(user(name) for name in reversed(names)))
        assert ids(self.store.users(self.organization)) == names

    def test_many_users_come_each_once(self) -> None:
        """However the store divides the reading."""
        names = [f"u{n:04}" for n in range(MANY)]
        self.put(*(user(name, roles={"cashier": None}) for name in names))
        assert ids(self.store.users(self.organization)) == names
        assert ids(self.store.users(self.organization, roles=["cashier"])) == names

    def test_users_are_found_by_address_and_only_in_their_organization(self) -> None:
        """The same address may be somebody else's elsewhere."""
        self.put(user("ann"), user("ben"))
        self.put(user("eve", "ann@kit.example"), organization=self.make())
        assert ids(self.store.users(self.organization, email_key="ann@kit.example")) == ["ann"]
        assert ids(self.store.users(self.organization, email_key="eve@kit.example")) == []

    def test_holders_of_any_of_the_roles_are_found_once_with_ended_and_dismissed_ones(self) -> None:
        """Whether a role is live is not for the store to say."""
        self.put(
            user("ann", roles={"cashier": None, "seller": None}),
            user("ben", roles={"seller": NOON - timedelta(days=9999)}),
            user("cleo", roles={"buyer": None}),
            evolve(user("dan", roles={"cashier": None}), dismissed=True),
            user("eve"),
        )
        assert ids(self.store.users(self.organization, roles=["cashier", "seller"])) == ["ann", "ben", "dan"]
        assert ids(self.store.users(self.organization, roles=["buyer", "none"])) == ["cleo"]
        assert ids(self.store.users(self.organization, roles=[])) == []
        assert ids(self.store.users(self.organization, email_key="ben@kit.example", roles=["seller"])) == ["ben"]
        assert ids(self.store.users(self.organization, email_key="ben@kit.example", roles=["buyer"])) == []

    def test_users_may_be_changed_while_they_are_read(self) -> None:
        """Outside a change and in the middle of one."""
        self.put(*(user(f"u{n:04}", roles={"cashier": None}) for n in range(MANY)))
        seen = []
        for each in self.store.users(self.organization, roles=["cashier"]):
            seen.append(each.id)
            if len(seen) % 100 == 1:
                self.put(without_role(each, "cashier"))
        assert seen == [f"u{n:04}" for n in range(MANY)]
        with self.store.change() as change:
            for each in change.users(self.organization):
                change.put_user(self.organization, with_role(each, "seller", None), email_key=each.email)
        assert len(ids(self.store.users(self.organization, roles=["seller"]))) == MANY

    def test_people_are_found_in_every_organization_by_address_and_by_person(self) -> None:
        """One person may be a user of several organizations."""
        other = self.make()
        here, there = evolve(user("ann"), person="ann"), evolve(user("a-1", "ann@kit.example"), person="ann")
        self.put(here, evolve(user("ben"), person="ben"))
        self.put(there, organization=other)
        both = {self.organization: here, other: there}
        with self.store.change() as change:
            assert mine(change.people("ann@kit.example"), both) == both
            assert mine(change.person("ann"), both) == both
            assert mine(change.person("a-1"), both) == {other: there}
            assert mine(change.people("nobody@kit.example"), both) == {}

    def test_whose_invitation_it_is_is_found_while_it_is_pending(self) -> None:
        """And no longer once it was accepted."""
        token = secrets.token_hex(32)
        invited = evolve(user("ann"), state="invited", invitation=PendingInvitation(token, NOON))
        self.put(invited, user("ben"))
        with self.store.change() as change:
            assert change.invited(token) == (self.organization, invited)
            assert change.invited(secrets.token_hex(32)) is None
            change.put_user(self.organization, user("ann"), email_key=None)
            assert change.invited(token) is None

    def test_active_users_are_counted_by_type(self) -> None:
        """Neither invited nor locked nor dismissed ones, nor those of another organization."""
        self.put(
            user("ann"),
            user("ben"),
            evolve(user("cleo"), type="partner"),
            evolve(user("dan"), locked=True),
            evolve(user("eve"), state="invited"),
            evolve(user("fay"), dismissed=True),
        )
        self.put(user("gil"), organization=self.make())
        with self.store.change() as change:
            assert change.count_active(self.organization, ["app"]) == 2
            assert change.count_active(self.organization, ["app", "partner", "other"]) == 3
            assert change.count_active(self.organization, []) == 0

    # Renaming

    def test_a_renamed_user_stands_in_the_place_of_the_old_one(self) -> None:
        """The old id is gone, and named by `changes`."""
        self.put(user("invited-1", "ann@kit.example", roles={"cashier": None}))
        renamed = user("ann", roles={"seller": None})
        with self.store.change() as change:
            change.rename(self.organization, "invited-1", renamed, email_key=renamed.email)
        assert list(self.store.users(self.organization)) == [renamed]
        assert list(self.store.users(self.organization, roles=["cashier"])) == []
        assert self.store.changes(self.organization, 2) == Changes(3, frozenset({"invited-1", "ann"}), False)

    def test_an_id_that_is_given_up_again_is_named_again(self) -> None:
        """An id may be taken and given up any number of times."""
        for name in ("ann", "ben"):
            self.put(user("invited-1"))
            with self.store.change() as change:
                change.rename(self.organization, "invited-1", user(name), email_key=None)
        assert self.store.changes(self.organization, 4) == Changes(5, frozenset({"invited-1", "ben"}), False)

    def test_a_rename_takes_no_other_users_place_but_a_dismissed_ones(self) -> None:
        """Rule 5; what is refused has written nothing."""
        self.put(user("invited-1"), user("ben"), evolve(user("ann"), dismissed=True))
        with self.store.change() as change:
            with pytest.raises(UserExists):
                change.rename(self.organization, "invited-1", user("ben", "b@kit.example"), email_key="b@kit.example")
            with pytest.raises(UnknownUser):
                change.rename(self.organization, "nobody", user("cleo"), email_key="cleo")
            with pytest.raises(EmailTaken):
                change.rename(self.organization, "invited-1", user("cleo"), email_key="ben@kit.example")
        assert self.store.revision(self.organization) == 2
        with self.store.change() as change:
            change.rename(self.organization, "invited-1", user("ann"), email_key="ann@kit.example")
        assert list(self.store.users(self.organization)) == [user("ann"), user("ben")]
