"""Keys at stations stay valid: each line of variant B (protocol.md 7.7), and what comes of several at once."""

from __future__ import annotations

import pytest
from small_replaying import HERE, PRIVATE, H, Replayed, S, T, changed, gone, new
from small_tables import Place, key_of, table

from replicator.protocol.edits import merge_edit
from replicator.protocol.replaying import Record

NAMED = table(1, "named", "id integer!, name text!", unique=["name"])
COUNTED = table(2, "counted", "id integer!, number integer!", unique=["number"])
PARENT = table(3, "parent", "id integer!, code text", unique=["code"])
CHILD = table(
    4,
    "child",
    "id integer!, parent integer, code text",
    foreign=[("parent", "parent", "id"), ("code", "parent", "code")],
)
STAFF = table(5, "staff", "id integer!, boss integer", foreign=[("boss", "staff", "id")])


@pytest.fixture
def family() -> Place:
    place = Place(PARENT, CHILD)
    place.has(PARENT, 1, "a", tie=S)
    place.has(CHILD, 10, 1, None, tie=S)
    return place


# --- foreign keys -----------------------------------------------------------------------------------------------------


def test_delete_of_a_parent_that_has_local_children(family: Place) -> None:
    replayed = Replayed(family, gone(PARENT, 1))
    assert family.row(PARENT, 1) == (1, "a")
    assert family.version(PARENT, 1).position == (1, 1)
    assert replayed.asked == [(3, key_of(1))]
    assert replayed.skipped == {(3, key_of(1)): (HERE, None)}


def test_child_whose_parent_is_missing(family: Place) -> None:
    replayed = Replayed(family, new(CHILD, 11, 99, None))
    assert family.row(CHILD, 11) is None
    assert replayed.asked == [(3, key_of(99)), (4, key_of(11))], "the parent first"
    assert replayed.skipped == {(4, key_of(11)): (HERE, (11, 99, None))}


def test_child_whose_parent_is_named_by_another_column(family: Place) -> None:
    replayed = Replayed(family, new(CHILD, 11, None, "nowhere"))
    assert replayed.asked == [(4, key_of(11))]
    Replayed(family, new(CHILD, 11, None, "a", at=(1, 60)))
    assert family.row(CHILD, 11) == (11, None, "a")


def test_a_parent_that_changes_what_its_children_refer_to(family: Place) -> None:
    family.has(CHILD, 11, None, "a", tie=S)
    replayed = Replayed(family, changed(PARENT, 1, "b"))
    assert family.row(PARENT, 1) == (1, "a")
    assert replayed.asked == [(3, key_of(1))]
    Replayed(family, changed(PARENT, 1, "b"), changed(CHILD, 11, None, "b"))
    assert family.row(PARENT, 1) == (1, "b")


@pytest.mark.parametrize("parent_first", [True, False])
def test_parent_and_child_in_one_chunk_in_any_order(family: Place, parent_first: bool) -> None:
    records = [new(PARENT, 2, "b"), new(CHILD, 20, 2, "b")]
    Replayed(family, *(records if parent_first else records[::-1]))
    assert family.row(CHILD, 20) == (20, 2, "b")
    records = [gone(CHILD, 20), gone(PARENT, 2), gone(CHILD, 10), gone(PARENT, 1)]
    Replayed(family, *(records if parent_first else records[::-1]))
    assert not family.rows(PARENT)
    assert not family.rows(CHILD)


def test_one_refusal_leads_to_the_next(family: Place) -> None:
    """The parent yields to a pending holder of its code, so its child has to wait, and the child's old parent stays."""
    family.has(PARENT, 7, "taken", tie=S)
    replayed = Replayed(
        family,
        changed(CHILD, 10, 2, None),
        gone(PARENT, 1),
        new(PARENT, 2, "taken"),
        pending={(3, key_of(7)): 5},
    )
    assert family.rows(PARENT) == [(1, "a"), (7, "taken")]
    assert family.rows(CHILD) == [(10, 1, None)]
    assert set(replayed.asked) == {(3, key_of(2)), (4, key_of(10)), (3, key_of(1))}
    assert not family.broken_keys()
    assert not family.stale_indexes()


def test_a_row_that_refers_to_itself() -> None:
    place = Place(STAFF)
    Replayed(place, new(STAFF, 1, 1))
    assert place.rows(STAFF) == [(1, 1)]
    replayed = Replayed(place, gone(STAFF, 1, at=(1, 60)))
    assert not place.rows(STAFF)
    assert not replayed.asked


def test_a_chain_within_one_table_in_any_order() -> None:
    place = Place(STAFF)
    Replayed(place, new(STAFF, 3, 2), new(STAFF, 2, 1), new(STAFF, 1, None))
    assert len(place.rows(STAFF)) == 3
    Replayed(place, gone(STAFF, 1, at=(1, 60)), gone(STAFF, 2, at=(1, 61)), gone(STAFF, 3, at=(1, 62)))
    assert not place.rows(STAFF)
    assert not Replayed(place, new(STAFF, 5, 6), new(STAFF, 6, 5)).asked, "a circle stands as a whole"


def test_the_answer_after_the_verdict_sets_it_right(family: Place) -> None:
    Replayed(family, gone(PARENT, 1), pending={(4, key_of(10)): 5})
    Replayed(family, 5, gone(CHILD, 10, at=(1, 60), verdict=True), gone(PARENT, 1, at=(1, 61), verdict=True))
    assert not family.rows(PARENT)
    assert not family.rows(CHILD)


# --- unique keys ------------------------------------------------------------------------------------------------------


def test_a_pending_holder_is_never_renamed() -> None:
    place = Place(NAMED)
    place.has(NAMED, 1, "Köln", tie=S)
    replayed = Replayed(place, new(NAMED, 2, "Köln"), pending={(1, key_of(1)): 5})
    assert place.rows(NAMED) == [(1, "Köln")]
    assert replayed.asked == [(1, key_of(2))]
    assert replayed.skipped == {(1, key_of(2)): (HERE, (2, "Köln"))}
    assert not replayed.conflicts


def test_a_holder_that_is_judged_within_the_chunk() -> None:
    place = Place(NAMED)
    place.has(NAMED, 1, "Köln", tie=S)
    replayed = Replayed(
        place,
        new(NAMED, 2, "Köln"),
        5,
        changed(NAMED, 1, "Köln~1", at=(1, 51), verdict=True),
        pending={(1, key_of(1)): 5},
    )
    assert place.rows(NAMED) == [(1, "Köln~1"), (2, "Köln")]
    assert not replayed.asked


@pytest.mark.parametrize("holder", [changed(COUNTED, 1, 79), gone(COUNTED, 1)])
@pytest.mark.parametrize("holder_first", [True, False])
def test_the_holder_gets_another_value_or_goes_in_the_same_chunk(holder: Record, holder_first: bool) -> None:
    place = Place(COUNTED)
    place.has(COUNTED, 1, 77, tie=S)
    records = [holder, new(COUNTED, 2, 77)]
    replayed = Replayed(place, *(records if holder_first else records[::-1]))
    assert place.row(COUNTED, 2) == (2, 77)
    assert not replayed.asked
    assert not place.broken_keys()
    assert not place.stale_indexes()


def test_swapped_names() -> None:
    place = Place(NAMED)
    place.has(NAMED, 1, "a", tie=S)
    place.has(NAMED, 2, "b", tie=S)
    replayed = Replayed(place, changed(NAMED, 1, "b"), changed(NAMED, 2, "a"))
    assert place.rows(NAMED) == [(1, "b"), (2, "a")]
    assert not replayed.asked
    assert not place.stale_indexes()


def test_a_circle_of_three_numbers() -> None:
    place = Place(COUNTED)
    for key in (1, 2, 3):
        place.has(COUNTED, key, key * 10, tie=S)
    replayed = Replayed(place, changed(COUNTED, 1, 20), changed(COUNTED, 2, 30), changed(COUNTED, 3, 10))
    assert place.rows(COUNTED) == [(1, 20), (2, 30), (3, 10)]
    assert not replayed.asked


def test_swapped_names_of_which_one_comes_later() -> None:
    """Skipping beside a settled holder would never come to rest."""
    place = Place(NAMED)
    place.has(NAMED, 1, "a", tie=S)
    place.has(NAMED, 2, "b", tie=S)
    replayed = Replayed(place, changed(NAMED, 1, "b"))
    assert place.rows(NAMED) == [(1, "b"), (2, "b~2")]
    assert replayed.asked == [(1, key_of(2))]
    assert not replayed.conflicts, "a later record sets it right"
    Replayed(place, changed(NAMED, 2, "a", at=(1, 51)))
    assert place.rows(NAMED) == [(1, "b"), (2, "a")]


@pytest.mark.parametrize(
    ("known", "asked"),
    [
        ({"tie": PRIVATE}, False),
        ({"tie": T}, False),
        ({"tie": H}, False),
        ({"tie": S, "image": merge_edit(None, 2, ("x",))}, True),
    ],
    ids=["private", "detached", "hidden", "edited"],
)
def test_a_settled_holder_that_stays_is_moved_aside_on_record(known: dict[str, object], asked: bool) -> None:
    place = Place(NAMED)
    place.has(NAMED, 1, "Köln", **known)
    replayed = Replayed(place, new(NAMED, 2, "Köln"))
    assert place.rows(NAMED) == [(1, "Köln~1"), (2, "Köln")]
    assert replayed.conflicts == [("moved-aside", key_of(1), (2, "Köln"), (1, "Köln"))]
    assert replayed.asked == ([(1, key_of(1))] if asked else [])


def test_a_holder_that_cannot_be_renamed_goes_on_record() -> None:
    place = Place(COUNTED)
    place.has(COUNTED, 1, 77, version=None)
    replayed = Replayed(place, new(COUNTED, 2, 77))
    assert place.rows(COUNTED) == [(2, 77)]
    assert replayed.conflicts == [("moved-aside", key_of(1), (2, 77), (1, 77))]


def test_a_holder_whose_value_others_refer_to_stays() -> None:
    place = Place(PARENT, CHILD)
    place.has(PARENT, 1, "a", tie=S)
    place.has(CHILD, 10, None, "a", tie=S)
    replayed = Replayed(place, new(PARENT, 2, "a"))
    assert place.rows(PARENT) == [(1, "a")]
    assert replayed.asked == [(3, key_of(2))]
    assert not place.broken_keys()


def test_of_two_rows_in_a_chunk_with_one_value_the_older_yields() -> None:
    """Its next value was withheld by the rules."""
    for order in (1, -1):
        place = Place(NAMED)
        records = [new(NAMED, 1, "x", at=(1, 50)), new(NAMED, 2, "x", at=(1, 52))]
        replayed = Replayed(place, *records[::order])
        assert place.rows(NAMED) == [(1, "x~1"), (2, "x")]
        assert replayed.asked == [(1, key_of(1))]
        assert not place.stale_indexes()


def test_a_refused_row_has_its_value_again() -> None:
    """2 can't be put for want of a parent; 1, which was to get its code, finds it held again."""
    both = table(6, "both", "id integer!, code text!, boss integer", unique=["code"], foreign=[("boss", "both", "id")])
    place = Place(both)
    place.has(both, 1, "a", None, tie=S)
    place.has(both, 2, "b", None, tie=S)
    replayed = Replayed(place, changed(both, 1, "b", None), changed(both, 2, "a", 99))
    assert place.rows(both) == [(1, "b", None), (2, "b~2", None)]
    assert replayed.asked == [(6, key_of(99)), (6, key_of(2))]
    assert not place.broken_keys()
    assert not place.stale_indexes()


def test_two_newcomers_want_what_a_third_row_holds() -> None:
    """2 makes room twice; that 3 and 1 want the same number as well must not be forgotten over it."""
    both = table(6, "both", "id integer!, name text!, code integer", unique=["name", "code"])
    place = Place(both)
    place.has(both, 2, "c", 1, tie=S)
    Replayed(place, new(both, 3, "a", 1, at=(1, 60)), new(both, 1, "c", 1, at=(1, 61)))
    assert place.rows(both) == [(1, "c", 1), (2, "c~2", None), (3, "a", None)]
    assert not place.broken_keys()
    assert not place.stale_indexes()
