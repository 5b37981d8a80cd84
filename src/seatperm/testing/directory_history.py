"""What the directory kit asks of the history of sign-ins."""

from __future__ import annotations

from datetime import timedelta

import pytest
from attrs import evolve

from ..errors import UnknownOrganization
from ..sessions import Past
from .directory_fixture import MANY, NOON
from .directory_trail import DirectoryTrail

HOUR = timedelta(hours=1)


def past(id: str, began: float, ended: float | None = None, user: str | None = "ann") -> Past:
    """Return a session of the kit's that began and ended so many hours after noon."""
    end = None if ended is None else NOON + HOUR * ended
    return Past(id, user, "desk", NOON + HOUR * began, end, None if ended is None else "by_holder")


class DirectoryHistory(DirectoryTrail):
    """Tests of the history of sign-ins."""

    def keep(self, *pasts: Past, organization: str | None = None) -> None:
        """Write what the history says, in one change."""
        with self.store.change() as change:
            for one in pasts:
                change.put_past(organization or self.organization, one)

    def test_a_past_sign_in_comes_back_equal_and_one_written_again_is_replaced(self) -> None:
        """To the last microsecond, going on or over, refused or not, whoever asked; inside the change and outside."""
        tick = timedelta(microseconds=1)
        going_on = Past("Ｍ/42 'x' %_", "mere 🌳", "Kaunihera\t1", NOON + tick)
        refused = Past(going_on.id, None, None, NOON, NOON, "seats_exhausted", refused=True)
        over = evolve(going_on, ended=NOON + tick * 2, how="expired")
        for one in (going_on, over, refused, going_on):
            with self.store.change() as change:
                change.put_past(self.organization, one)
                assert list(change.history(self.organization)) == [one]
            assert list(self.store.history(self.organization)) == [one]

    def test_the_history_comes_in_the_order_of_its_beginnings(self) -> None:
        """Then of the ids, by code point; whatever was written first, and when it ended."""
        order = [
            past("z", 0, 9),
            past("B", 1),
            past("a", 1, 2),
            past("é", 1, 1),
            past("🌳", 1, 3),
            evolve(past("a0", 1), began=NOON + HOUR + timedelta(microseconds=1)),
            past("0", 2, 2.5),
        ]
        self.keep(*reversed(order))
        assert list(self.store.history(self.organization)) == order

    def test_what_is_asked_of_the_history_is_what_went_on_in_that_time(self) -> None:
        """Begun before `until`, not over by `since`: an end at that very moment is over, a beginning is not before."""
        early, long, open_, late = past("e", 0, 2), past("l", 1, 9, "ben"), past("o", 3), past("x", 6, 7)
        self.keep(early, long, open_, late)

        def found(since: float | None, until: float | None, user: str | None = None) -> list[Past]:
            moments = [None if hours is None else NOON + HOUR * hours for hours in (since, until)]
            return list(self.store.history(self.organization, since=moments[0], until=moments[1], user=user))

        assert found(2, None) == [long, open_, late]
        assert found(1.9, 3) == [early, long]
        assert found(2, 3) == [long]
        assert found(8, None) == [long, open_]
        assert found(9, None) == [open_]
        assert found(None, 0) == []
        assert found(None, None, "ben") == [long]
        assert found(2, 6, "ann") == [open_]
        assert found(None, None, "nobody") == []

    def test_a_long_history_comes_each_once(self) -> None:
        """However the store divides the reading; many of one moment too."""
        pasts = [past(f"p{number:04}", number // 500, None if number % 3 else 9) for number in range(MANY)]
        self.keep(*pasts)
        assert list(self.store.history(self.organization)) == pasts
        ended = NOON + HOUR * 9
        assert list(self.store.history(self.organization, since=ended)) == [one for one in pasts if one.ended is None]

    def test_what_was_over_long_ago_is_dropped_and_what_goes_on_is_not(self) -> None:
        """By its end, whenever it began; an end at that very moment is over."""
        early, long, open_, late = past("e", 0, 2), past("l", -1, 9), past("o", -2), past("x", 6, 7, "ben")
        self.keep(early, long, open_, late)
        for before, kept in (
            (1.9, [open_, long, early, late]),
            (2, [open_, long, late]),
            (8, [open_, long]),
            (99, [open_]),
        ):
            with self.store.change() as change:
                change.drop_history(self.organization, before=NOON + HOUR * before)
                assert list(change.history(self.organization)) == kept
            assert list(self.store.history(self.organization)) == kept

    def test_no_more_is_dropped_than_the_limit_says_first_over_first(self) -> None:
        """So that a history of years is dropped bit by bit."""
        pasts = [past(f"p{number}", -number, number) for number in range(1, 6)]
        self.keep(*pasts)
        for left in (pasts[2:], pasts[4:], []):
            with self.store.change() as change:
                change.drop_history(self.organization, before=NOON + HOUR * 9, limit=2)
            assert list(self.store.history(self.organization)) == left[::-1]

    def test_a_users_history_can_be_dropped(self) -> None:
        """All of it, what goes on too; both said, what is both; nobody else's, in no other organization."""
        other = self.make()
        anns, bens = [past("a", 0, 2), past("b", 1, 5), past("c", 2)], [past("d", 3, 4, "ben"), past("e", 4, 5, None)]
        self.keep(*anns, *bens)
        self.keep(anns[0], organization=other)
        with self.store.change() as change:
            change.drop_history(self.organization, user="ann", before=NOON + HOUR * 4)
        assert list(self.store.history(self.organization)) == [*anns[1:], *bens]
        with self.store.change() as change:
            change.drop_history(self.organization, user="ann")
        assert list(self.store.history(self.organization)) == bens
        assert list(self.store.history(other)) == anns[:1]

    def test_the_history_is_one_organizations_own_and_raises_no_revision(self) -> None:
        """The same id may be in two; nobody has to read the directory again for it."""
        other = self.make()
        self.keep(past("a", 0))
        self.keep(past("a", 1, 2, "ben"), organization=other)
        assert list(self.store.history(self.organization)) == [past("a", 0)]
        assert list(self.store.history(other)) == [past("a", 1, 2, "ben")]
        with self.store.change() as change:
            change.drop_history(other, user="ben")
        assert [self.store.revision(place) for place in (self.organization, other)] == [1, 1]

    def test_a_failed_change_leaves_the_history_as_it_was(self) -> None:
        """Written or dropped."""
        self.keep(past("a", 0, 1))

        def fail() -> None:
            with self.store.change() as change:
                change.put_past(self.organization, past("b", 0))
                change.drop_history(self.organization, user="ann")
                raise ZeroDivisionError

        with pytest.raises(ZeroDivisionError):
            fail()
        assert list(self.store.history(self.organization)) == [past("a", 0, 1)]

    def test_an_organization_that_there_is_not_has_no_history(self) -> None:
        """Reading finds nothing, writing is refused."""
        assert list(self.store.history("nowhere")) == []
        with self.store.change() as change:
            assert list(change.history("nowhere")) == []
            with pytest.raises(UnknownOrganization):
                change.put_past("nowhere", past("a", 0))
            with pytest.raises(UnknownOrganization):
                change.drop_history("nowhere", user="ann")
