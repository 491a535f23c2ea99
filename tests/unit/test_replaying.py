"""A station replays the host's log: pending rows are skipped, ties decide, local rows that give way are recorded
(protocol.md 5.5, 7.9)."""

from __future__ import annotations

import pytest
from small_replaying import HERE, PRIVATE, H, Replayed, S, T, changed, gone, new
from small_tables import Place, key_of, table

from replicator.protocol.edits import merge_edit
from replicator.types import Kinds

ITEM = table(1, "item", "id integer!, name text")
NAMED = table(2, "named", "id integer!, name text", unique=["name"])


@pytest.fixture(params=[ITEM, NAMED], ids=["no keys", "a unique key"])
def item(request: pytest.FixtureRequest) -> object:
    return request.param


def test_a_row_is_put_changed_and_deleted() -> None:
    place = Place(ITEM)
    Replayed(place, new(ITEM, 1, "a"))
    assert place.rows(ITEM) == [(1, "a")]
    assert (place.version(ITEM, 1).position, place.version(ITEM, 1).tie) == (HERE, S)
    Replayed(place, changed(ITEM, 1, "b", at=(1, 51)))
    assert place.rows(ITEM) == [(1, "b")]
    Replayed(place, gone(ITEM, 1, at=(1, 52)))
    assert place.rows(ITEM) == []
    version = place.version(ITEM, 1)
    assert (version.position, version.deleted, version.tie) == ((1, 52), 1, PRIVATE)


def test_the_last_record_of_a_chunk_stands() -> None:
    place = Place(ITEM)
    Replayed(place, new(ITEM, 1, "a"), gone(ITEM, 1, at=(1, 51)), new(ITEM, 1, "c", at=(1, 52)))
    assert place.rows(ITEM) == [(1, "c")]
    assert place.version(ITEM, 1).position == (1, 52)


def test_a_chunk_does_the_same_as_its_records_one_by_one() -> None:
    records = [
        new(ITEM, 1, "a"),
        changed(ITEM, 2, "never had", at=(1, 51)),
        gone(ITEM, 1, at=(1, 52)),
        changed(ITEM, 1, "gone", at=(1, 53)),
        new(ITEM, 3, "x", at=(1, 54)),
        gone(ITEM, 3, at=(1, 55), verdict=True),
    ]
    for flags in map(Kinds, range(8)):
        together, apart = Place(ITEM), Place(ITEM)
        Replayed(together, *records, flags=flags)
        for record in records:
            Replayed(apart, record, flags=flags)
        assert together.rows(ITEM) == apart.rows(ITEM)
        assert together.state(ITEM).versions == apart.state(ITEM).versions


# --- pending ----------------------------------------------------------------------------------------------------------


def test_a_pending_row_is_skipped_and_kept() -> None:
    place = Place(ITEM)
    place.has(ITEM, 1, "mine", tie=S)
    replayed = Replayed(place, changed(ITEM, 1, "theirs"), pending={(1, key_of(1)): 7}, judged=6)
    assert place.rows(ITEM) == [(1, "mine")]
    assert place.version(ITEM, 1).position == (1, 1)
    assert replayed.skipped == {(1, key_of(1)): (HERE, (1, "theirs"))}
    assert not replayed.asked
    assert not replayed.conflicts


def test_an_acknowledgement_in_between_ends_the_waiting_at_its_place() -> None:
    place = Place(ITEM)
    place.has(ITEM, 1, "mine", tie=S)
    replayed = Replayed(
        place,
        changed(ITEM, 1, "too early"),
        7,
        changed(ITEM, 1, "verdict", at=(1, 51), verdict=True),
        pending={(1, key_of(1)): 7},
    )
    assert place.rows(ITEM) == [(1, "verdict")]
    assert not replayed.skipped
    assert replayed.replay.judged == 7


def test_an_old_acknowledgement_takes_nothing_back() -> None:
    replayed = Replayed(Place(ITEM), 7, 3)
    assert replayed.replay.judged == 7


def test_only_the_pending_row_is_skipped() -> None:
    place = Place(ITEM)
    place.has(ITEM, 1, "mine", tie=S)
    place.has(ITEM, 2, "old", tie=S)
    Replayed(place, changed(ITEM, 1, "x"), changed(ITEM, 2, "new"), pending={(1, key_of(1)): 7})
    assert place.rows(ITEM) == [(1, "mine"), (2, "new")]


# --- ties and what gives way ------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("tie", "record", "recorded"), [(PRIVATE, new, True), (T, new, True), (H, new, True), (S, changed, False)]
)
def test_a_local_row_that_gives_way_is_recorded(item: object, tie: str, record: object, recorded: bool) -> None:
    place = Place(item)  # type: ignore[arg-type]
    place.has(item, 1, "mine", tie=tie)  # type: ignore[arg-type]
    replayed = Replayed(place, record(item, 1, "theirs"))  # type: ignore[operator]
    assert place.row(item, 1) == (1, "theirs")  # type: ignore[arg-type]
    expected = [("local-row-gave-way", key_of(1), (1, "theirs"), (1, "mine"))]
    assert replayed.conflicts == (expected if recorded else [])


def test_a_private_row_that_is_the_same_gives_nothing_up() -> None:
    place = Place(ITEM)
    place.has(ITEM, 1, "same", version=None)
    replayed = Replayed(place, new(ITEM, 1, "same"))
    assert not replayed.conflicts
    assert place.version(ITEM, 1).tie == S


def test_a_local_edit_is_recorded_and_forgotten(item: object) -> None:
    place = Place(item)  # type: ignore[arg-type]
    place.has(item, 1, "edited", tie=S, image=merge_edit(None, 0b10, ("was",)))  # type: ignore[arg-type]
    replayed = Replayed(place, changed(item, 1, "theirs"))  # type: ignore[arg-type]
    assert [conflict[0] for conflict in replayed.conflicts] == ["local-row-gave-way"]
    assert place.version(item, 1).image is None  # type: ignore[arg-type]


def test_a_detached_row_that_goes_is_recorded() -> None:
    place = Place(ITEM)
    place.has(ITEM, 1, "kept", tie=T)
    replayed = Replayed(place, gone(ITEM, 1))
    assert replayed.conflicts == [("local-row-gave-way", key_of(1), None, (1, "kept"))]
    assert place.rows(ITEM) == []


def test_deleted_by_verdict_detaches_where_deletes_do_not_go_down() -> None:
    place = Place(ITEM)
    place.has(ITEM, 1, "kept", tie=S)
    Replayed(place, gone(ITEM, 1, verdict=True), flags=Kinds.NEW | Kinds.CHANGED)
    assert place.rows(ITEM) == [(1, "kept")]
    assert (place.version(ITEM, 1).tie, place.version(ITEM, 1).position) == (T, HERE)
    assert not place.state(ITEM).dirty_rows


def test_what_the_rules_withhold_is_counted() -> None:
    place = Place(ITEM)
    replayed = Replayed(place, changed(ITEM, 1, "a"), changed(ITEM, 2, "b"), flags=Kinds.CHANGED)
    assert replayed.replay.dropped == 2
    assert not place.rows(ITEM)
    assert not place.state(ITEM).versions


def test_a_hidden_row_stays_hidden_even_for_a_verdict() -> None:
    place = Place(ITEM)
    place.lacks(ITEM, 1, tie=H)
    assert Replayed(place, changed(ITEM, 1, "a", verdict=True)).replay.dropped == 1
    assert place.version(ITEM, 1).tie == H
    Replayed(place, gone(ITEM, 1, at=(1, 60)))
    assert (place.version(ITEM, 1).tie, place.version(ITEM, 1).position) == (PRIVATE, (1, 60))


def test_a_delete_of_what_was_never_here_moves_the_version_on() -> None:
    place = Place(ITEM)
    place.has(ITEM, 1, "private", version=None)
    Replayed(place, gone(ITEM, 1), gone(ITEM, 2))
    assert place.rows(ITEM) == [(1, "private")]
    assert [place.version(ITEM, key).position for key in (1, 2)] == [HERE, HERE]
