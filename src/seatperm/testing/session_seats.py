"""What the session kit asks of seats: who has one, for how long, and by which token."""

from __future__ import annotations

from threading import Barrier, Lock, Thread

import pytest
from attrs import evolve

from ..errors import InvalidValue
from ..sessions import Seat, new_token, token_hash
from .session_fixture import SessionFixture


class SessionSeats(SessionFixture):
    """Tests of rules 1 to 4 of `SessionStore`."""

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

    def test_a_request_sent_again_after_its_token_was_changed_is_the_same_session(self) -> None:
        """It was late on its way: the session keeps its one seat, and has the token of the last call."""
        for client in (None, "desk"):
            request, fresh = self.request("ann", client, limit=2), token_hash(new_token())
            seat = self.take(request)
            assert self.store.renew(self.organization, request.token_hash, self.lease, new_token_hash=fresh) is not None
            again = self.take(request)
            assert (again.id, again.started_at) == (seat.id, seat.started_at)
            assert self.store.find(self.organization, fresh) is None
            assert self.find(request) is not None
            self.take(evolve(request, limit=1))
            assert self.ids() == [seat.id]
            assert self.store.release(self.organization, seat.id, request.token_hash)
            assert self.ids() == []

    def test_a_session_id_that_is_live_is_nobody_elses(self) -> None:
        """Neither another user nor another client gets it, seat or no seat; nothing is changed by asking."""
        for client in (None, "desk"):
            request = self.request("ann", client, limit=2)
            seat = self.take(request)
            for user, other in (("ben", None), ("ben", "desk"), ("ann", "phone"), ("ann", None if client else "desk")):
                for limit, ticket in ((2, None), (1, None), (1, "t")):
                    asking = self.request(user, other, limit=limit, ticket=ticket)
                    with pytest.raises(InvalidValue, match="an id that no other session has"):
                        self.store.acquire(evolve(asking, session_id=seat.id))
                    assert self.find(asking) is None
            assert self.find(request) is not None
            assert self.ids() == [seat.id]
            other_seat = self.take(self.request("ben", limit=2))
            assert self.store.release(self.organization, other_seat.id, None)
            assert self.store.release(self.organization, seat.id, None)
            assert self.take(evolve(self.request("cat"), session_id=seat.id)).id == seat.id
            assert self.store.release(self.organization, seat.id, None)

    def test_the_id_of_a_session_that_ran_out_may_be_anybodys(self) -> None:
        """Told of or not: a request that comes after its lease takes a new session under its old id."""
        request = self.request("ann", limit=3)
        self.take(request)
        self.take(self.request("cat", "desk", limit=3))
        self.advance(self.lease)
        taken = self.take(evolve(self.request("ben", "desk", limit=3), session_id=request.session_id))
        assert [seat.user_id for seat in self.store.live(self.organization)] == ["ben"]
        assert self.store.release(self.organization, taken.id, None)
        self.take(request)
        assert self.ids() == [request.session_id]

    def test_asking_with_anothers_id_ends_nothing_untold(self) -> None:
        """Rule 8: what has run out by then is named by the next answer."""
        gone = self.take(self.request("ann", limit=3))
        self.advance(self.lease / 2)
        seat = self.take(self.request("ben", limit=3))
        self.advance(self.lease / 2)
        with pytest.raises(InvalidValue):
            self.store.acquire(evolve(self.request("cat", limit=3), session_id=seat.id))
        named = [lapsed for limit in (1, 3) for lapsed in self.store.acquire(self.request("dan", limit=limit)).lapsed]
        assert [lapsed.id for lapsed in named] == [gone.id]

    # A fresh token

    def test_a_renewal_may_change_the_token_and_the_old_one_is_dead(self) -> None:
        """The seat, its id, its beginning and its client stay."""
        request, fresh = self.request("ann", "desk"), token_hash(new_token())
        seat = self.take(request)
        self.advance(self.lease / 2)
        rotated = self.store.renew(self.organization, request.token_hash, self.lease, new_token_hash=fresh)
        assert rotated is not None
        assert (rotated.id, rotated.started_at, rotated.client) == (seat.id, seat.started_at, "desk")
        assert rotated.remaining > self.lease / 2
        assert self.find(request) is None
        assert self.store.renew(self.organization, request.token_hash, self.lease) is None
        assert not self.store.release(self.organization, seat.id, request.token_hash)
        found = self.store.find(self.organization, fresh)
        assert found is not None
        assert found.id == seat.id
        assert self.ids() == [seat.id]
        self.refuse(self.request("ben"))
        assert self.store.release(self.organization, seat.id, fresh)

    def test_a_change_of_token_sent_again_is_one_change(self) -> None:
        """Its reply may have been lost: the session is found by the new token."""
        request, fresh = self.request(), token_hash(new_token())
        seat = self.take(request)
        for _ in range(3):
            rotated = self.store.renew(self.organization, request.token_hash, self.lease, new_token_hash=fresh)
            assert rotated is not None
            assert rotated.id == seat.id
        assert self.ids() == [seat.id]

    def test_a_foreign_or_late_change_of_token_changes_nothing(self) -> None:
        """G3: neither a forged token nor one of a session that is over gets another session's."""
        ann, ben = self.request("ann", limit=2), self.request("ben", limit=2)
        self.take(ann)
        seat = self.take(ben)
        fresh = token_hash(new_token())
        forged = token_hash("forged")
        assert self.store.renew(self.organization, forged, self.lease, new_token_hash=fresh) is None
        assert self.store.release(self.organization, seat.id, ben.token_hash)
        assert self.store.renew(self.organization, ben.token_hash, self.lease, new_token_hash=fresh) is None
        assert self.store.find(self.organization, fresh) is None
        assert self.find(ann) is not None
        self.advance(self.lease)
        assert self.store.renew(self.organization, ann.token_hash, self.lease, new_token_hash=fresh) is None
        assert self.store.find(self.organization, fresh) is None

    def test_a_client_that_signs_in_again_takes_the_seat_from_a_changed_token(self) -> None:
        """The last one to sign in has the only token."""
        request, fresh = self.request("ann", "desk"), token_hash(new_token())
        seat = self.take(request)
        assert self.store.renew(self.organization, request.token_hash, self.lease, new_token_hash=fresh) is not None
        again = self.request("ann", "desk")
        assert self.take(again).id == seat.id
        assert self.store.find(self.organization, fresh) is None
        assert self.store.renew(self.organization, fresh, self.lease, new_token_hash=request.token_hash) is None
