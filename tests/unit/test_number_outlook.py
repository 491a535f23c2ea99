"""Does a place run out of numbers before more can be there? Pure."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from replicator.protocol.number_outlook import estimated_left, outlook, usual_gap
from replicator.protocol.numbers import Share

HOUR = 3_600_000_000
CONTACTS = [hour * HOUR for hour in (0, 12, 24, 36, 48)]
"""Twice a day."""
DRAWN = [(hour * HOUR, 5 * hour) for hour in range(0, 49, 12)]
"""Five an hour."""
NOW = 49 * HOUR


def test_what_lasts_until_the_answer_is_no_matter() -> None:
    # The next contact is in 11 hours and takes the request along; 12 hours after it more is there: 115 numbers.
    assert outlook(115, Share(100), DRAWN, CONTACTS, NOW, asked=False) is None
    found = outlook(114, Share(100), DRAWN, CONTACTS, NOW, asked=False)
    assert found is not None
    assert (found.arrives, found.lasts // HOUR) == (23 * HOUR, 22)


def test_what_was_asked_for_comes_with_the_next_contact() -> None:
    assert outlook(55, Share(100), DRAWN, CONTACTS, NOW, asked=True) is None
    found = outlook(54, Share(100), DRAWN, CONTACTS, NOW, asked=True)
    assert found is not None
    assert found.arrives == 11 * HOUR


def test_the_block_that_is_suggested_lasts_from_a_request_to_its_answer() -> None:
    found = outlook(0, Share(50), DRAWN, CONTACTS, NOW, asked=False)
    assert found is not None
    assert found.block == 180, "24 hours, five an hour, and half as much again"
    assert outlook(0, Share(500), DRAWN, CONTACTS, NOW, asked=False).block == 500  # type: ignore[union-attr]


def test_a_contact_that_is_overdue_is_waited_for_no_longer_than_usual() -> None:
    late = outlook(0, Share(50), DRAWN, CONTACTS, 62 * HOUR, asked=True)
    later = outlook(0, Share(50), DRAWN, CONTACTS, 1000 * HOUR, asked=True)
    assert late is not None
    assert later is not None
    assert (late.arrives, later.arrives) == (2 * HOUR, 12 * HOUR)


def test_with_little_past_nothing_is_said() -> None:
    assert outlook(0, Share(50), DRAWN, CONTACTS[:3], NOW, asked=False) is None
    assert outlook(0, Share(50), DRAWN[:2], CONTACTS, NOW, asked=False) is None
    assert outlook(0, Share(50), [(hour * HOUR, 0) for hour in (0, 24, 48)], CONTACTS, NOW, asked=False) is None
    at_once = [(HOUR, 0), (HOUR + 1, 40), (HOUR + 2, 80)]
    assert outlook(0, Share(50), at_once, CONTACTS, NOW, asked=False) is None, "a first lot is no rhythm"
    assert outlook(0, Share(50, closed=True), DRAWN, CONTACTS, NOW, asked=False) is None


def test_the_usual_gap_is_not_moved_by_one_holiday() -> None:
    assert usual_gap([0, 10, 20, 1000, 1010]) == 10
    assert usual_gap([5, 5, 5, 5]) == 1


@given(
    left=st.integers(0, 10**6),
    block=st.integers(1, 10**6),
    steps=st.lists(st.tuples(st.integers(1, 10**12), st.integers(0, 10**5)), max_size=20),
    gaps=st.lists(st.integers(0, 10**12), max_size=20),
    later=st.integers(0, 10**13),
    asked=st.booleans(),
)
def test_more_in_hand_never_makes_it_worse(
    left: int, block: int, steps: list[tuple[int, int]], gaps: list[int], later: int, asked: bool
) -> None:
    drawn, contacts = [(0, 0)], [0]
    for wait, count in steps:
        drawn.append((drawn[-1][0] + wait, drawn[-1][1] + count))
    for gap in gaps:
        contacts.append(contacts[-1] + gap)
    now = contacts[-1] + later
    found = outlook(left, Share(block), drawn, contacts, now, asked=asked)
    more = outlook(left + 1, Share(block), drawn, contacts, now, asked=asked)
    assert more is None or found is not None
    if found is not None:
        assert 0 <= found.lasts <= found.arrives <= 2 * (usual_gap(contacts) or 0)
        assert found.block >= block
        if asked:
            assert outlook(left, Share(block), drawn, contacts, now, asked=False) is not None


def test_what_another_place_has_left_goes_by_its_pace() -> None:
    assert estimated_left(300, DRAWN, 48 * HOUR) == 60
    assert estimated_left(300, DRAWN, 50 * HOUR) == 50
    assert estimated_left(300, DRAWN, 500 * HOUR) == 0
    assert estimated_left(300, [(HOUR, 100)], 50 * HOUR) == 200
