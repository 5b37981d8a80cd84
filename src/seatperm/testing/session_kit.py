"""The conformance kit for session stores: what `seatperm.stores.SessionStore` promises, as tests.

A store's test subclasses `SessionConformance`, names the class `Test...` and says how to open the store:

    class TestMyStore(SessionConformance):
        def open(self, clock: Clock) -> SessionStore:
            return MyStore("my://server", clock)

A store whose clock can't be moved, a server's, sets `real_time = True`: the kit then waits, with short leases.
"""

from __future__ import annotations

from threading import Barrier, Lock, Thread

from ..sessions import Full, Seat, token_hash
from .session_fixture import SessionFixture


class SessionConformance(SessionFixture):
    """Tests for a session store; subclass it and override `open`."""

    # Rule 1

    def test_no_more_seats_are_granted_than_there_are(self) -> None:
        """G1."""
        seats = [self.take(self.request(user, limit=3)) for user in ("ann", "ben", "cat")]
        full = self.refuse(self.request("dan", limit=3))
        assert full.in_use == 3
        assert full.next_free_in is not None
        assert 0 < full.next_free_in <= self.lease + self.tick
        assert self.ids() == [seat.id for seat in seats]

    def test_threads_at_once_get_no_more_seats_than_there_are(self) -> None:
        """G1, decided in one step."""
        barrier, lock, granted = Barrier(16), Lock(), list[Seat]()

        def ask(number: int) -> None:
            barrier.wait()
            answer = self.store.acquire(self.request(f"user-{number}", limit=5))
            if isinstance(answer, Seat):
                with lock:
                    granted.append(answer)

        threads = [Thread(target=ask, args=(number,)) for number in range(16)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert len(granted) == 5
        assert sorted(self.ids()) == sorted(seat.id for seat in granted)

    def test_organizations_do_not_share_seats(self) -> None:
        """One organization's sessions take no seat of another, and its tokens open nothing there."""
        request = self.request()
        seat = self.take(request)
        own, self.organization = self.organization, f"{self.organization}-other"
        assert self.find(request) is None
        assert self.store.renew(self.organization, request.token_hash, self.lease) is None
        assert not self.store.release(self.organization, seat.id, None)
        self.take(self.request())
        self.organization = own
        assert self.ids() == [seat.id]

    # Rule 2

    def test_a_lease_holds_to_its_last_tick_and_no_further(self) -> None:
        """G2: never shorter than asked; and a crashed holder's seat is free again."""
        request = self.request("ann", "desk")
        self.take(request)
        self.advance(self.lease - self.tick)
        assert self.find(request) is not None
        self.refuse(self.request("ben"))
        self.advance(self.tick)
        assert self.find(request) is None
        assert self.ids() == []
        assert self.store.renew(self.organization, request.token_hash, self.lease) is None
        self.take(self.request("ben"))

    def test_an_ended_lease_is_not_revived_by_its_own_client(self) -> None:
        """Who comes back too late takes a new session, if there is a seat."""
        first = self.take(self.request("ann", "desk"))
        self.advance(self.lease)
        second = self.take(self.request("ann", "desk"))
        assert second.id != first.id
        self.advance(self.lease)
        self.take(self.request("ben"))
        self.refuse(self.request("ann", "desk"))

    def test_renewing_lets_the_lease_run_from_now(self) -> None:
        """A renewed session stays beyond its first end."""
        request = self.request()
        seat = self.take(request)
        self.advance(self.lease * 0.75)
        renewed = self.store.renew(self.organization, request.token_hash, self.lease)
        assert renewed is not None
        assert (renewed.id, renewed.started_at) == (seat.id, seat.started_at)
        assert renewed.expires_at > seat.expires_at
        self.advance(self.lease * 0.75)
        found = self.find(request)
        assert found is not None
        assert found.remaining <= self.lease * 0.25 + self.tick
        self.refuse(self.request("ben"))

    def test_a_lease_may_be_renewed_to_end_sooner(self) -> None:
        """What counts is the last renewal."""
        request = self.request()
        self.take(request)
        assert self.store.renew(self.organization, request.token_hash, self.lease / 4) is not None
        self.advance(self.lease / 4 + self.tick)
        assert self.find(request) is None
        self.take(self.request("ben"))

    # Rule 3

    def test_a_foreign_token_changes_nothing(self) -> None:
        """G3: neither an unknown token nor another session's token ends or renews a session."""
        ann, ben = self.request("ann", limit=2), self.request("ben", limit=2)
        seat = self.take(ann)
        self.take(ben)
        before = self.ids()
        assert not self.store.release(self.organization, seat.id, ben.token_hash)
        assert not self.store.release(self.organization, seat.id, token_hash("forged"))
        assert not self.store.release(self.organization, "no such session", ann.token_hash)
        assert self.store.renew(self.organization, token_hash("forged"), self.lease) is None
        assert self.find(self.request()) is None
        assert self.ids() == before
        self.refuse(self.request("cat", limit=2))

    def test_a_repeated_release_frees_no_other_seat(self) -> None:
        """G3: the second one finds nothing to end."""
        request = self.request("ann", "desk")
        seat = self.take(request)
        assert self.store.release(self.organization, seat.id, request.token_hash)
        assert not self.store.release(self.organization, seat.id, request.token_hash)
        assert not self.store.release(self.organization, seat.id, None)
        other = self.take(self.request("ann", "desk"))
        assert not self.store.release(self.organization, seat.id, request.token_hash)
        assert self.ids() == [other.id]

    def test_a_late_call_changes_nothing(self) -> None:
        """G3: after the lease, renew and release reach no session, whoever has the seat by then."""
        request = self.request()
        seat = self.take(request)
        self.advance(self.lease)
        assert not self.store.release(self.organization, seat.id, request.token_hash)
        other = self.take(self.request("ben"))
        assert self.store.renew(self.organization, request.token_hash, self.lease) is None
        assert not self.store.release(self.organization, seat.id, request.token_hash)
        assert not self.store.release(self.organization, seat.id, None)
        assert self.ids() == [other.id]

    def test_an_administrator_ends_a_session_without_its_token(self) -> None:
        """The seat is free at once, and the token dead."""
        request = self.request()
        seat = self.take(request)
        assert self.store.release(self.organization, seat.id, None)
        assert self.find(request) is None
        self.take(self.request("ben"))

    # Rule 4

    def test_the_same_client_keeps_its_seat_and_its_earlier_token_is_dead(self) -> None:
        """A lost reply that is retried takes no second seat."""
        first = self.request("ann", "desk")
        seat = self.take(first)
        self.advance(self.lease / 2)
        second = self.request("ann", "desk")
        kept = self.take(second)
        assert (kept.id, kept.started_at) == (seat.id, seat.started_at)
        assert kept.remaining > self.lease / 2
        assert self.find(first) is None
        assert self.store.renew(self.organization, first.token_hash, self.lease) is None
        assert not self.store.release(self.organization, seat.id, first.token_hash)
        found = self.find(second)
        assert found is not None
        assert found.id == seat.id
        assert self.ids() == [seat.id]

    def test_every_call_without_a_client_takes_another_seat(self) -> None:
        """None names nothing."""
        self.take(self.request("ann", limit=2))
        self.take(self.request("ann", limit=2))
        self.refuse(self.request("ann", limit=2))

    def test_a_client_is_its_users_own(self) -> None:
        """Two users' clients of one name are two, and so are a user's clients of two names."""
        self.take(self.request("ann", "desk", limit=3))
        self.take(self.request("ben", "desk", limit=3))
        self.take(self.request("ann", "phone", limit=3))
        self.refuse(self.request("ben", "phone", limit=3))

    def test_a_request_sent_twice_takes_one_seat(self) -> None:
        """The same session id and token, with a client or without."""
        for request in (self.request("ann", limit=3), self.request("ann", "desk", limit=3)):
            assert self.take(request).id == self.take(request).id
        assert len(self.ids()) == 2

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
