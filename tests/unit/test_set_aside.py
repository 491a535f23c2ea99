"""Setting aside: what a station decides about rows that wait, narrowing down, and what is kept of a change."""

from __future__ import annotations

from collections.abc import Iterable

import pytest
from hypothesis import given
from hypothesis import strategies as st
from small_replaying import Replayed, S, changed, gone, new
from small_tables import Place, key_of, table

from replicator.engine.setting_aside import FIRST_WAIT, LONGEST_WAIT, narrow, next_try
from replicator.errors import ConstraintViolation, Dependent, PeerFault
from replicator.protocol.control_bodies import plain_whole, refresh_body, whole_body
from replicator.protocol.questions import Where
from replicator.protocol.replaying import NoneHeld
from replicator.protocol.set_aside import SetAsideProposal
from replicator.types import Image, Key, Kinds

PARENT = table(3, "parent", "id integer!, code text", unique=["code"])
CHILD = table(
    4,
    "child",
    "id integer!, parent integer, code text",
    foreign=[("parent", "parent", "id"), ("code", "parent", "code")],
)


class Held(NoneHeld):
    """Rows with their numbers in quarantine, as they stand at the place."""

    def __init__(self, place: Place, **numbers: int) -> None:
        self._place = place
        self._numbers = {(int(name[1]), key_of(int(name[3:]))): number for name, number in numbers.items()}

    def row(self, where: Where) -> int | None:
        return self._numbers.get(where)

    def rows(self, table: int) -> Iterable[tuple[Key, Image | None, int]]:
        for (of, key), number in self._numbers.items():
            if of == table:
                yield key, self._place.working[table].rows.get(key), number


@pytest.fixture
def family() -> Place:
    place = Place(PARENT, CHILD)
    place.has(PARENT, 1, "a", tie=S)
    place.has(CHILD, 10, 1, None, tie=S)
    return place


# --- at a station -----------------------------------------------------------------------------------------------------


def test_a_child_waits_for_its_parent_and_asks_for_nothing(family: Place) -> None:
    with pytest.raises(Dependent) as refused:
        Replayed(family, new(CHILD, 11, 99, None), held=Held(family, t3_99=7))
    assert refused.value.cause == 7


def test_a_child_of_another_parent_is_asked_for(family: Place) -> None:
    replayed = Replayed(family, new(CHILD, 11, 99, None), held=Held(family, t3_98=7))
    assert replayed.asked == [(3, key_of(99)), (4, key_of(11))]


def test_a_child_whose_parent_is_named_by_another_column_waits_for_any(family: Place) -> None:
    with pytest.raises(Dependent):
        Replayed(family, new(CHILD, 11, None, "nowhere"), held=Held(family, t3_98=7))


def test_a_parent_stays_for_a_child_whose_delete_waits(family: Place) -> None:
    with pytest.raises(Dependent) as refused:
        Replayed(family, gone(PARENT, 1), held=Held(family, t4_10=5))
    assert refused.value.cause == 5
    # A row of the child table that is not there, or has another parent, is nothing to it.
    assert Replayed(family, gone(PARENT, 1), held=Held(family, t4_12=5)).asked == [(3, key_of(1))]


def test_what_rules_withhold_keeps_what_was_set_aside(family: Place) -> None:
    replayed = Replayed(family, changed(PARENT, 2, "b"), flags=Kinds.CHANGED)
    assert replayed.replay.withheld == {(3, key_of(2))}
    assert Replayed(family, changed(PARENT, 2, "b", verdict=True), flags=Kinds.CHANGED).replay.withheld == set()


# --- narrowing --------------------------------------------------------------------------------------------------------


@given(st.lists(st.lists(st.booleans(), min_size=1, max_size=4), max_size=40))
def test_narrowing_finds_just_the_pieces_that_are_refused(pieces: list[list[bool]]) -> None:
    """True: an item that is refused."""
    numbered = [[(number, bad) for bad in piece] for number, piece in enumerate(pieces)]
    done: list[int] = []
    refused: list[int] = []
    tries = 0

    def do(items: list[tuple[int, bool]]) -> None:
        nonlocal tries
        tries += 1
        if any(bad for _, bad in items):
            raise ConstraintViolation("bad")
        done.extend(number for number, _ in items)

    narrow(numbered, do, lambda piece, _: refused.append(piece[0][0]))
    bad = [number for number, piece in enumerate(pieces) if any(piece)]
    assert refused == bad
    assert done == [number for number, piece in enumerate(pieces) if not any(piece) for _ in piece]
    assert tries <= 1 + 2 * len(bad) * max(len(pieces), 1).bit_length()


def test_tries_are_further_and_further_apart() -> None:
    waits = [next_try(0, tries) for tries in range(40)]
    assert waits[0] == FIRST_WAIT
    assert waits == sorted(waits)
    assert waits[-1] == LONGEST_WAIT


# --- bodies -----------------------------------------------------------------------------------------------------------


@given(st.sets(st.integers(0, 200)))
def test_groups_that_belong_together(numbers: set[int]) -> None:
    assert whole_body(plain_whole(numbers)) == numbers


@pytest.mark.parametrize("body", [None, [1], [1, -1], [1, "2"], [1, 10**9], [0, 150_000, 0, 150_000, 1, 100_000]])
def test_a_damaged_body_of_groups(body: object) -> None:
    with pytest.raises(PeerFault):
        whole_body(body)


def test_a_request_for_several_rows() -> None:
    tables = {3: PARENT}
    one, other = key_of(1), key_of(2)
    assert refresh_body([3, one, 3, other], tables) == [(3, one), (3, other)]
    for body in ([], [3], [3, one, 3], [3, "text"], {"3": one}, None):
        with pytest.raises(PeerFault):
            refresh_body(body, tables)


VALUES = st.none() | st.integers(-(2**63), 2**63 - 1) | st.text() | st.binary() | st.floats(allow_nan=False)


@given(
    st.builds(
        SetAsideProposal,
        mask=st.integers(0, 2**2000 - 1),
        before=st.none() | st.lists(VALUES).map(tuple),
        base=st.tuples(st.integers(0, 2**53), st.integers(0, 2**53)),
        at=st.integers(-(2**62), 2**62),
        sent=st.none() | st.binary(),
        uid=st.binary(),
        origin_epoch=st.integers(0, 2**53),
        rule_version=st.tuples(st.integers(0, 2**53), st.integers(0, 2**53)),
        received_at=st.integers(0, 2**62),
    )
)
def test_what_is_kept_of_a_change_comes_back(kept: SetAsideProposal) -> None:
    assert SetAsideProposal.unpacked(kept.packed()) == kept
