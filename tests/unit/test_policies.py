"""Who wins a conflict (protocol.md 5.7 step 3): the table of policies, and that nothing is lost without a record."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from small_judging import HERE, NOW, OTHER, Judged, delete, insert, update
from small_tables import Place, key_of, table

from replicator.protocol.codec_plain import pack_row
from replicator.protocol.proposals import Conflict, ConflictKind, Proposal
from replicator.types import Image, Policy

ITEM = table(1, "item", "id integer!, name text, price real, note text")
BEFORE = (1, "bolt", 2.5, "old")
"""What both sides had."""
HOSTS = (1, "screw", 2.5, "old")
STATIONS = (1, "nut", 9.0, "old")


def disputed(policy: str, *, row: Image | None = HOSTS, at: int = 100) -> Place:
    """A host whose row is newer than what the station knew, written by another station at this time."""
    place = Place(replace(ITEM, policy=Policy(policy)))
    if row is None:
        place.lacks(ITEM, 1, version=(1, 10), image=pack_row(BEFORE), at=at)
    else:
        place.has(ITEM, *row, version=(1, 10), at=at, writer=OTHER)
    return place


def stands(place: Place) -> Image | None:
    return place.row(ITEM, 1)


@pytest.mark.parametrize(
    ("policy", "at", "result"),
    [
        ("host", 200, HOSTS),
        ("station", 50, STATIONS),
        ("newest", 200, STATIONS),
        ("newest", 50, HOSTS),
        ("newest", 100, HOSTS),
        ("merge", 50, (1, "screw", 9.0, "old")),
    ],
)
def test_both_changed(policy: str, at: int, result: Image) -> None:
    place = disputed(policy)
    judged = Judged(place, update(ITEM, BEFORE, STATIONS, at=at))
    assert stands(place) == result
    assert judged.conflict == Conflict(
        1, key_of(1), ConflictKind.BOTH_CHANGED, HOSTS, STATIONS, result, 0b0110, at, 100, OTHER
    )
    assert judged.told == [("C", result, "origin" if result == HOSTS else "all and origin")]


@pytest.mark.parametrize(
    ("policy", "at", "result"),
    [("host", 200, HOSTS), ("station", 50, None), ("newest", 200, None), ("newest", 50, HOSTS), ("merge", 200, HOSTS)],
)
def test_the_station_deletes_what_the_host_changed(policy: str, at: int, result: Image | None) -> None:
    place = disputed(policy)
    judged = Judged(place, delete(ITEM, 1, at=at))
    assert stands(place) == result
    assert judged.conflict[2:6] == (ConflictKind.DELETED_CHANGED, HOSTS, None, result)
    assert judged.told == [("D", None, "all and origin") if result is None else ("C", HOSTS, "origin")]


@pytest.mark.parametrize(
    ("policy", "at", "result"),
    [
        ("host", 200, None),
        ("station", 50, STATIONS),
        ("newest", 200, STATIONS),
        ("newest", 50, None),
        ("merge", 50, STATIONS),
    ],
)
def test_the_station_changes_what_the_host_deleted(policy: str, at: int, result: Image | None) -> None:
    place = disputed(policy, row=None)
    judged = Judged(place, update(ITEM, BEFORE, STATIONS, at=at))
    assert stands(place) == result
    assert judged.conflict[2:6] == (ConflictKind.CHANGED_DELETED, None, STATIONS, result)
    assert judged.told == [("D", None, "origin") if result is None else ("N", STATIONS, "all and origin")]


@pytest.mark.parametrize(
    ("policy", "result"), [("host", HOSTS), ("station", STATIONS), ("newest", STATIONS), ("merge", HOSTS)]
)
def test_both_inserted(policy: str, result: Image) -> None:
    place = disputed(policy)
    judged = Judged(place, insert(ITEM, *STATIONS, at=200))
    assert stands(place) == result
    assert judged.conflict[2:6] == (ConflictKind.BOTH_INSERTED, HOSTS, STATIONS, result)


# --- what is no loss --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("policy", ["station", "newest", "merge"])
def test_other_columns_of_a_row_are_no_conflict(policy: str) -> None:
    """Both changes stand in the row; the station hears of the host's."""
    place = disputed(policy)
    judged = Judged(place, update(ITEM, BEFORE, (1, "bolt", 9.0, "old"), at=200))
    assert stands(place) == (1, "screw", 9.0, "old")
    assert not judged.outcome.conflicts
    assert judged.told == [("C", (1, "screw", 9.0, "old"), "all and origin")]


def test_under_the_hosts_policy_they_are_one() -> None:
    place = disputed("host")
    assert Judged(place, update(ITEM, BEFORE, (1, "bolt", 9.0, "old"))).kinds == ["both-changed"]
    assert stands(place) == HOSTS


@pytest.mark.parametrize("policy", list(Policy))
def test_both_came_to_the_same(policy: str) -> None:
    place = disputed(policy)
    assert not Judged(place, update(ITEM, BEFORE, HOSTS, at=200)).outcome.conflicts
    assert stands(place) == HOSTS


# --- newest -----------------------------------------------------------------------------------------------------------


def test_a_clock_ahead_gains_nothing() -> None:
    """No change is later than its receipt."""
    place = disputed("newest", at=NOW)
    Judged(place, update(ITEM, BEFORE, STATIONS, at=NOW + 1_000_000))
    assert stands(place) == HOSTS


def test_a_row_from_before_replication_has_no_time() -> None:
    place = Place(replace(ITEM, policy=Policy.NEWEST))
    place.has(ITEM, *HOSTS, version=None)
    assert Judged(place, insert(ITEM, *STATIONS, at=NOW)).kinds == ["both-inserted"]
    assert stands(place) == HOSTS


def test_what_follows_in_the_transaction_has_the_same_time() -> None:
    place = disputed("newest")
    again = (1, "washer", 9.0, "old")
    Judged(place, update(ITEM, BEFORE, STATIONS, at=200), update(ITEM, STATIONS, again, at=200))
    assert stands(place) == again


# --- merge ------------------------------------------------------------------------------------------------------------


def test_merge_takes_each_column_where_the_host_has_what_was_changed() -> None:
    place = disputed("merge")
    first, second = (1, "nut", 3.5, "new"), (1, "washer", 4.5, "new")
    Judged(place, update(ITEM, BEFORE, first), update(ITEM, first, second))
    assert stands(place) == (1, "screw", 4.5, "new")


def test_merge_knows_a_value_that_is_written_otherwise() -> None:
    place = Place(replace(ITEM, policy=Policy.MERGE))
    place.has(ITEM, 1, "screw", 2.5, "2026-11-26", version=(1, 10))
    place.state(ITEM).alike = lambda left, right: [str(v)[:10] for v in left] == [str(v)[:10] for v in right]
    station = (1, "bolt", 2.5, "2026-11-27")
    assert not Judged(place, update(ITEM, (1, "bolt", 2.5, "2026-11-26 00:00"), station)).outcome.conflicts
    assert stands(place) == (1, "screw", 2.5, "2026-11-27")


@pytest.mark.parametrize("policy", ["station", "newest", "merge"])
def test_a_row_that_is_deleted_and_made_again_is_one_change(policy: str) -> None:
    place = disputed(policy)
    Judged(place, delete(ITEM, 1, at=200), insert(ITEM, *STATIONS, at=200))
    assert stands(place) == (HOSTS if policy == "merge" else STATIONS)


# --- nothing is lost without a record ---------------------------------------------------------------------------------

values = st.sampled_from(["a", "b", "c", None])
rows = st.tuples(st.just(1), values, st.sampled_from([1.0, 2.0]), values)


@st.composite
def changes(draw: st.DrawFn) -> Proposal:
    image, at = draw(rows), draw(st.integers(50, 150))
    match draw(st.sampled_from("NCCCD")):
        case "N":
            return insert(ITEM, *image, at=at)
        case "D":
            return delete(ITEM, 1, at=at)
        case _:
            return update(ITEM, draw(rows), image, at=at)


@given(st.sampled_from(list(Policy)), st.one_of(st.none(), rows), changes())
def test_a_value_stands_or_was_replaced_knowingly_or_is_on_record(
    policy: Policy, row: Image | None, change: Proposal
) -> None:
    place = disputed(policy, row=row)
    judged = Judged(place, change)
    after, recorded = stands(place), bool(judged.outcome.conflicts)
    if change.image is None:
        assert after is None or recorded, "a delete was undone"
        assert row is None or after == row or recorded
    else:
        known: dict[int, Any] = {}
        if change.before is not None:
            known = dict(zip([p for p in range(4) if change.mask >> p & 1], change.before, strict=True))
        for column in range(4):
            if change.mask >> column & 1:
                assert recorded or (after is not None and after[column] == change.image[column])
            if row is not None and (after is None or after[column] != row[column]):
                assert recorded or known.get(column, "unseen") == row[column]
        assert row is not None or after is None or recorded or change.change == "N"
    records = [record for record in judged.outcome.records if record.verdict]
    assert after == change.image or any(record.image == after for record in records), "the origin is told"
    assert place.version(ITEM, 1).position in {(1, 10), HERE}
