"""The conformance kit for session stores: what `seatperm.stores.SessionStore` promises, as tests.

A store's test subclasses `SessionConformance`, names the class `Test...` and says how to open the store:

    class TestMyStore(SessionConformance):
        def open(self, clock: Clock) -> SessionStore:
            return MyStore("my://server", clock)

A store whose clock can't be moved, a server's, sets `real_time = True`: the kit then waits, with short leases.
"""

from __future__ import annotations

import pytest
from attrs import evolve

from ..errors import StoreUnavailable
from ..sessions import Full, token_hash
from .session_seats import SessionSeats


class SessionConformance(SessionSeats):
    """Tests for a session store; subclass it and override `open`."""

    # Rule 5

    def test_per_user_all_sessions_of_a_user_share_one_seat(self) -> None:
        """Users are counted then, and the last session to end gives the seat back."""
        first, second = (self.request("ann", client, per_user=True) for client in ("desk", "phone"))
        seats = [self.take(first), self.take(second), self.take(self.request("ann", per_user=True))]
        assert self.refuse(self.request("ben", per_user=True)).in_use == 1
        for seat in seats:
            self.refuse(self.request("ben", per_user=True))
            assert self.store.release(self.organization, seat.id, None)
        self.take(self.request("ben", per_user=True))

    def test_what_takes_a_seat_may_change_under_live_sessions(self) -> None:
        """Both counts are right at any time."""
        for client in ("desk", "phone"):
            self.take(self.request("ann", client, limit=2))
        assert self.refuse(self.request("ben", limit=2)).in_use == 2
        self.take(self.request("ben", limit=2, per_user=True))
        assert self.refuse(self.request("cat", limit=2, per_user=True)).in_use == 2
        assert self.refuse(self.request("cat", limit=3)).in_use == 3

    def test_reserved_seats_are_kept_back_for_holders_of_the_role(self) -> None:
        """Kept back is what is reserved less the holders already in."""
        reserved = {"admin": 1}
        self.take(self.request("ann", limit=3, reserved=reserved))
        self.take(self.request("ben", limit=3, reserved=reserved))
        full = self.refuse(self.request("cat", limit=3, reserved=reserved))
        assert full.in_use == 2
        chief = self.take(self.request("eve", limit=3, reserved=reserved, holds=["admin"]))
        assert self.refuse(self.request("cat", limit=3, reserved=reserved)).in_use == 3
        assert self.store.release(self.organization, chief.id, None)
        self.refuse(self.request("cat", limit=3, reserved=reserved))

    def test_a_holder_inside_leaves_the_other_seats_to_everyone(self) -> None:
        """A reserved seat that is taken is not kept back twice; nor is one that its holder's lease gave up."""
        reserved = {"admin": 1}
        self.take(self.request("eve", "desk", limit=2, reserved=reserved, holds=["admin"]))
        self.take(self.request("cat", "desk", limit=2, reserved=reserved))
        self.refuse(self.request("eve", limit=2, reserved=reserved, holds=["admin"]))
        self.advance(self.lease)
        self.take(self.request("cat", limit=2, reserved=reserved))
        self.refuse(self.request("dan", limit=2, reserved=reserved))

    def test_a_holders_sessions_count_as_one_holder_where_users_share_a_seat(self) -> None:
        """Two connections of one administrator leave the second reserved seat kept back."""
        reserved = {"admin": 2}
        for client in ("desk", "phone"):
            self.take(self.request("eve", client, limit=3, per_user=True, reserved=reserved, holds=["admin"]))
        self.take(self.request("ann", limit=3, per_user=True, reserved=reserved))
        self.refuse(self.request("ben", limit=3, per_user=True, reserved=reserved))

    def test_a_client_that_signs_in_again_brings_its_present_roles(self) -> None:
        """Who has become a holder of a reserved role counts as one."""
        reserved = {"admin": 1}
        self.take(self.request("eve", "desk", limit=2, reserved=reserved))
        self.refuse(self.request("ann", limit=2, reserved=reserved))
        self.take(self.request("eve", "desk", limit=2, reserved=reserved, holds=["admin"]))
        self.take(self.request("ann", limit=2, reserved=reserved))

    # Rule 6

    def test_a_place_in_the_queue_is_kept_by_first_asking(self) -> None:
        """First come, first served."""
        seat = self.take(self.request())
        self.refuse(self.request("ben", ticket="b"))
        self.refuse(self.request("cat", ticket="c"))
        self.refuse(self.request("ben", ticket="b"))
        assert self.store.release(self.organization, seat.id, None)
        self.refuse(self.request("cat", ticket="c"))
        ben = self.take(self.request("ben", ticket="b"))
        assert self.store.release(self.organization, ben.id, None)
        self.take(self.request("cat", ticket="c"))

    def test_who_waits_is_told_how_many_are_in_front(self) -> None:
        """Places, by first asking; who asks without a ticket has none."""
        self.take(self.request())
        for number, ticket in enumerate(["b", "c", "d"]):
            assert self.refuse(self.request("ben", ticket=ticket)).ahead == number
        assert self.refuse(self.request("cat", ticket="c")).ahead == 1
        self.store.leave(self.organization, "b")
        assert self.refuse(self.request("dan", ticket="d")).ahead == 1
        assert self.refuse(self.request("eve", ticket="e")).ahead == 2
        assert self.refuse(self.request("fay")).ahead == 0

    def test_nobody_without_a_ticket_passes_a_waiter(self) -> None:
        """Those who wait come first; a second seat is for the next."""
        seat = self.take(self.request())
        self.refuse(self.request("ben", ticket="b"))
        assert self.store.release(self.organization, seat.id, None)
        self.refuse(self.request("cat"))
        self.take(self.request("cat", limit=2))
        self.refuse(self.request("dan", limit=2))
        self.take(self.request("ben", limit=2, ticket="b"))

    def test_a_client_inside_needs_not_wait(self) -> None:
        """Who has a seat passes nobody."""
        seat = self.take(self.request("ann", "desk"))
        self.refuse(self.request("ben", ticket="b"))
        assert self.take(self.request("ann", "desk")).id == seat.id

    def test_a_dead_waiter_is_passed_over_after_its_patience(self) -> None:
        """It delays nobody for longer; when it asks again, it stands at the end."""
        seat = self.take(self.request())
        self.refuse(self.request("ben", ticket="b"))
        self.advance(self.patience - self.tick)
        self.refuse(self.request("cat", ticket="c"))
        assert self.store.release(self.organization, seat.id, None)
        self.refuse(self.request("cat", ticket="c"))
        self.advance(self.tick)
        self.refuse(self.request("ben", ticket="b"))
        self.take(self.request("cat", ticket="c"))

    def test_asking_again_keeps_the_place_for_longer(self) -> None:
        """Patience counts from the last asking."""
        self.take(self.request())
        for _ in range(2):
            self.refuse(self.request("ben", ticket="b"))
            self.advance(self.patience * 0.75)
        self.advance(self.lease - self.patience * 1.5 - self.tick * 2)
        self.refuse(self.request("ben", ticket="b"))
        self.advance(self.tick * 2)
        self.refuse(self.request("cat"))
        self.take(self.request("ben", ticket="b"))

    def test_who_leaves_the_queue_is_waited_for_no_more(self) -> None:
        """And leaving twice, or without a place, changes nothing."""
        seat = self.take(self.request())
        self.refuse(self.request("ben", ticket="b"))
        assert self.store.release(self.organization, seat.id, None)
        self.store.leave(self.organization, "b")
        self.store.leave(self.organization, "b")
        self.store.leave(f"{self.organization}-other", "b")
        self.take(self.request("cat"))

    def test_a_granted_waiter_gives_up_its_place(self) -> None:
        """The place serves once."""
        seat = self.take(self.request())
        self.refuse(self.request("ben", ticket="b"))
        assert self.store.release(self.organization, seat.id, None)
        self.take(self.request("ben", ticket="b"))
        self.take(self.request("cat", limit=2))

    def test_a_waiter_who_would_not_be_admitted_holds_nobody_up(self) -> None:
        """A seat kept back for a role is no use to who stands in front without it."""
        reserved = {"admin": 1}
        self.take(self.request("ann", limit=2, reserved=reserved))
        self.refuse(self.request("ben", limit=2, reserved=reserved, ticket="b"))
        self.take(self.request("eve", limit=2, reserved=reserved, holds=["admin"]))

    def test_a_user_with_a_seat_passes_the_queue_where_users_share_one(self) -> None:
        """Nothing is taken from those who wait; nor is a seat held for one user's second place."""
        seat = self.take(self.request("ann", "desk", per_user=True))
        self.refuse(self.request("ben", per_user=True, ticket="b1"))
        self.refuse(self.request("ben", per_user=True, ticket="b2"))
        self.take(self.request("ann", "phone", per_user=True))
        self.take(self.request("cat", limit=3, per_user=True))
        self.take(self.request("ben", limit=3, per_user=True, ticket="b2"))
        assert self.find(self.request()) is None
        assert self.ids()[0] == seat.id

    # Rule 7, and reading

    def test_a_lowered_limit_ends_no_session(self) -> None:
        """New ones are refused until there is room."""
        seats = [self.take(self.request(f"user-{number}", "desk", limit=4)) for number in range(4)]
        assert self.refuse(self.request("ann", limit=2)).in_use == 4
        assert self.ids() == [seat.id for seat in seats]
        self.take(self.request("user-3", "desk", limit=2))
        for seat in seats[:2]:
            assert self.store.release(self.organization, seat.id, None)
            self.refuse(self.request("ann", limit=2))
        assert self.store.release(self.organization, seats[2].id, None)
        self.take(self.request("ann", limit=2))

    def test_live_sessions_come_first_started_first(self) -> None:
        """Whatever was renewed, kept or ended since."""
        requests = [self.request(f"user-{number}", "desk", limit=5) for number in range(5)]
        ids = [self.take(request).id for request in requests]
        self.take(self.request("user-0", "desk", limit=5))
        assert self.store.renew(self.organization, requests[1].token_hash, self.lease * 2) is not None
        assert self.store.release(self.organization, ids[2], None)
        ids.append(self.take(self.request("user-2", limit=5)).id)
        assert self.ids() == [ids[0], ids[1], ids[3], ids[4], ids[5]]

    def test_a_store_that_knows_nothing_says_so(self) -> None:
        """No session, no place, no error."""
        assert self.ids() == []
        assert self.find(self.request()) is None
        assert not self.store.release(self.organization, "unknown", None)
        self.store.leave(self.organization, "unknown")
        assert self.refuse(self.request(limit=1, reserved={"admin": 1})) == Full(in_use=0, next_free_in=None)

    # Rule 8

    def test_each_session_that_ran_out_is_named_once(self) -> None:
        """By the call that gives its seat away; one that was ended, or goes on, is not."""
        gone = [self.take(self.request(user, "desk", limit=4)) for user in ("ann", "ben")]
        assert self.store.release(self.organization, self.take(self.request("cat", limit=4)).id, None)
        self.advance(self.lease / 2)
        self.take(self.request("dan", limit=4))
        self.advance(self.lease / 2)
        answers = [self.store.acquire(self.request("eve", limit=limit)) for limit in (1, 2, 3, 3)]
        named = [seat for answer in answers for seat in answer.lapsed]
        assert sorted(seat.id for seat in named) == sorted(seat.id for seat in gone)
        assert {(seat.user_id, seat.client, seat.remaining) for seat in named} == {
            ("ann", "desk", 0),
            ("ben", "desk", 0),
        }

    # Rule 9

    def test_an_epoch_is_the_same_at_every_asking(self) -> None:
        """None from a store that loses nothing, and then always; asking takes no seat."""
        epoch = self.store.epoch(self.organization)
        assert [self.store.epoch(self.organization) for _ in range(2)] == [epoch, epoch]
        assert epoch is None or epoch
        assert self.ids() == []
        self.take(evolve(self.request(), epoch=epoch))
        assert self.store.epoch(self.organization) == epoch
        self.refuse(evolve(self.request("ben"), epoch=epoch))

    def test_another_epoch_closes_the_doors_for_a_lease(self) -> None:
        """Of a store that has one: a further seat is refused, a session that is there goes on; then they open."""
        epoch = self.store.epoch(self.organization)
        if epoch is None:
            return
        held = evolve(self.request("ann", "desk", limit=3), epoch=epoch)
        seat = self.take(held)
        foreign = evolve(self.request("ben", limit=3), epoch=f"not-{epoch}")
        with pytest.raises(StoreUnavailable):
            self.store.acquire(foreign)
        assert self.find(held) is not None
        assert self.store.renew(self.organization, held.token_hash, self.lease) is not None
        assert self.take(evolve(self.request("ann", "desk", limit=3), epoch=f"not-{epoch}")).id == seat.id
        with pytest.raises(StoreUnavailable):
            self.store.acquire(evolve(foreign, session_id="another", token_hash=token_hash("another")))
        self.advance(self.lease + self.tick)
        self.take(evolve(self.request("ben", limit=3), epoch=f"not-{epoch}"))
