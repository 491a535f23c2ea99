"""The host's judgement, step by step (protocol.md 5.7)."""

from __future__ import annotations

from dataclasses import replace

import pytest
from small_judging import EPOCH, HERE, NOW, OTHER, STATION, Judged, delete, insert, update
from small_tables import Place, key_of, table

from replicator.protocol.codec_plain import pack_row, unpack_rows
from replicator.protocol.judging import judge, record_forgotten
from replicator.protocol.proposals import ConflictKind, GroupContext, Outcome, Proposal
from replicator.protocol.rules import RuleBook
from replicator.types import Kinds, Policy, Rule

ITEM = table(1, "item", "id integer!, name text, price real, note text")


@pytest.fixture
def place() -> Place:
    found = Place(ITEM)
    found.has(ITEM, 1, "bolt", 2.5, None, version=(1, 10))
    return found


OLD = (1, "bolt", 2.5, None)
NEW = (1, "nut", 2.5, None)


# --- before all: groups that may have been judged and forgotten -------------------------------------------------------


@pytest.mark.parametrize("proposal", [update(ITEM, OLD, NEW), delete(ITEM, 1), insert(ITEM, 2, "saw", 9.0, None)])
def test_what_may_have_been_judged_goes_on_record_and_changes_nothing(place: Place, proposal: Proposal) -> None:
    outcome = Outcome()
    state = place.working[ITEM.id]
    record_forgotten(state, proposal, outcome)
    (conflict,) = outcome.conflicts
    stands = state.rows.get(proposal.key)
    assert conflict[:6] == (ITEM.id, proposal.key, ConflictKind.FORGOTTEN, stands, proposal.image, stands)
    assert (state.dirty_rows, state.dirty_versions, outcome.records) == ({}, {}, [])


def test_what_stands_as_it_was_sent_needs_no_record(place: Place) -> None:
    outcome = Outcome()
    record_forgotten(place.working[ITEM.id], update(ITEM, NEW, OLD), outcome)
    record_forgotten(place.working[ITEM.id], delete(ITEM, 7), outcome)
    assert outcome.conflicts == []


# --- step 0: what the rules forbid ------------------------------------------------------------------------------------


@pytest.mark.parametrize("proposal", [update(ITEM, OLD, NEW, base=(1, 10)), delete(ITEM, 1, base=(1, 10))])
def test_what_the_rules_forbid_is_refused_on_record(place: Place, proposal: Proposal) -> None:
    judged = Judged(place, proposal, allowed=Kinds.NEW)
    assert place.row(ITEM, 1) == OLD
    assert judged.conflict[:6] == (1, key_of(1), ConflictKind.FORBIDDEN, OLD, proposal.image, OLD)
    assert judged.told == [("C", OLD, "origin")]
    assert place.version(ITEM, 1).position == (1, 10)


def test_a_forbidden_insert_is_taken_back_at_its_station(place: Place) -> None:
    judged = Judged(place, insert(ITEM, 2, "saw", 9.0, None), allowed=Kinds.CHANGED | Kinds.DELETED)
    assert place.row(ITEM, 2) is None
    assert judged.conflict.kind is ConflictKind.FORBIDDEN
    assert judged.told == [("D", None, "origin")]


@pytest.mark.parametrize("policy", list(Policy))
def test_what_follows_a_forbidden_insert_is_part_of_it(policy: Policy) -> None:
    """Else a change of the row, which the rules may allow, would bring it in under some policies (seed 5071)."""
    place = Place(replace(ITEM, policy=policy))
    place.lacks(ITEM, 1, version=(1, 10), image=pack_row(OLD))
    judged = Judged(place, insert(ITEM, *OLD), update(ITEM, OLD, NEW, at=NOW), allowed=Kinds.CHANGED)
    assert place.row(ITEM, 1) is None
    assert judged.kinds == ["forbidden-by-rule", "forbidden-by-rule"]


def test_each_class_is_held_against_its_own_flag(place: Place) -> None:
    assert not Judged(place, insert(ITEM, 2, "saw", 9.0, None), allowed=Kinds.NEW).outcome.conflicts
    assert not Judged(place, update(ITEM, OLD, NEW, base=(1, 10)), allowed=Kinds.CHANGED).outcome.conflicts
    assert not Judged(place, delete(ITEM, 1, base=HERE), allowed=Kinds.DELETED).outcome.conflicts


def test_a_group_is_held_against_the_rules_of_its_time(place: Place) -> None:
    rules = RuleBook()
    rules.add(1, (1, 5), Rule(Kinds.ALL, Kinds.ALL))
    rules.add(1, (1, 20), Rule(Kinds.ALL, Kinds.NONE))
    for version, kinds in (((1, 4), ["forbidden-by-rule"]), ((1, 19), []), ((1, 20), ["forbidden-by-rule"])):
        context, outcome = GroupContext(HERE, STATION, EPOCH, rules, version, NOW), Outcome()
        row = place.row(ITEM, 1)
        assert row is not None
        change = update(ITEM, row, (1, f"nut {version}", 2.5, None), base=HERE)
        judge(place.state(ITEM), change, context, outcome, pack_row)
        assert [conflict.kind for conflict in outcome.conflicts] == kinds


# --- steps 1 and 2: based on what stands ------------------------------------------------------------------------------


def test_update_based_on_the_present_version(place: Place) -> None:
    judged = Judged(place, update(ITEM, OLD, NEW, base=(1, 10)))
    assert place.row(ITEM, 1) == NEW
    assert judged.told == [("C", NEW, "all but origin")]
    assert judged.record.before == ("bolt",)
    version = place.version(ITEM, 1)
    assert (version.position, version.writer, version.writer_epoch, version.clean) == (HERE, STATION, EPOCH, 1)


def test_only_masked_columns_are_laid_over(place: Place) -> None:
    """What the station did not touch keeps the host's value, and the station is told."""
    sent = (1, "nut", 99.0, "stale")
    change = Proposal(0, 1, "C", key_of(1), sent, 0b0010, ("bolt",), (1, 10), 10)
    judged = Judged(place, change)
    assert place.row(ITEM, 1) == (1, "nut", 2.5, None)
    assert judged.told == [("C", (1, "nut", 2.5, None), "all and origin")]
    assert not judged.outcome.conflicts
    assert (place.version(ITEM, 1).writer, place.version(ITEM, 1).clean) == (0, 0)


def test_insert_of_a_new_row(place: Place) -> None:
    judged = Judged(place, insert(ITEM, 2, "saw", 9.0, None))
    assert place.row(ITEM, 2) == (2, "saw", 9.0, None)
    assert judged.told == [("N", (2, "saw", 9.0, None), "all but origin")]
    assert judged.record.before is None


def test_delete_leaves_a_tombstone(place: Place) -> None:
    judged = Judged(place, delete(ITEM, 1, base=(1, 10)))
    assert place.row(ITEM, 1) is None
    assert judged.told == [("D", None, "all but origin")]
    assert judged.record.before == OLD
    version = place.version(ITEM, 1)
    assert version.deleted
    assert version.image is not None
    assert unpack_rows([version.image]) == [OLD]


def test_a_later_version_is_a_conflict(place: Place) -> None:
    assert Judged(place, update(ITEM, OLD, NEW, base=(1, 9))).kinds == ["both-changed"]


def test_the_station_knows_what_it_wrote_itself() -> None:
    place = Place(ITEM)
    place.has(ITEM, *OLD, version=(1, 40), writer=STATION, writer_epoch=EPOCH, clean=1)
    assert not Judged(place, update(ITEM, OLD, NEW, base=(1, 1))).outcome.conflicts


@pytest.mark.parametrize(
    "known",
    [
        {"writer": OTHER, "writer_epoch": EPOCH, "clean": 1},
        {"writer": STATION, "writer_epoch": EPOCH - 1, "clean": 1},
        {"writer": STATION, "writer_epoch": EPOCH, "clean": 0},
        {"writer": 0, "writer_epoch": EPOCH, "clean": 1},
    ],
    ids=["another station", "an earlier incarnation", "not as it was sent", "the host"],
)
def test_nobody_knows_what_another_wrote(known: dict[str, int]) -> None:
    place = Place(ITEM)
    place.has(ITEM, *OLD, version=(1, 40), **known)
    assert Judged(place, update(ITEM, OLD, NEW, base=(1, 1))).kinds == ["both-changed"]
    assert place.row(ITEM, 1) == OLD


def test_update_of_a_row_that_the_host_lacks_is_a_conflict_even_without_a_version() -> None:
    """The tombstone may be purged: it existed when the station changed it, so it was deleted here."""
    place = Place(ITEM)
    judged = Judged(place, update(ITEM, OLD, NEW))
    assert judged.kinds == ["changed-here-deleted-at-host"]
    assert place.row(ITEM, 1) is None


def test_insert_over_a_row_that_the_station_wrote_itself_is_a_conflict() -> None:
    place = Place(ITEM)
    place.has(ITEM, *OLD, version=(1, 40), writer=STATION, writer_epoch=EPOCH, clean=1)
    assert Judged(place, insert(ITEM, *NEW, base=(1, 1))).kinds == ["both-inserted"]
    assert Judged(place, insert(ITEM, *NEW, base=(1, 40))).kinds == []


def test_a_row_without_a_version_stood_before_its_table_was_replicated() -> None:
    place = Place(ITEM)
    place.has(ITEM, *OLD, version=None)
    assert Judged(place, insert(ITEM, *NEW)).kinds == ["both-inserted"]
    assert Judged(place, update(ITEM, OLD, NEW)).kinds == []


def test_insert_where_the_host_deleted_and_the_station_knows() -> None:
    place = Place(ITEM)
    place.lacks(ITEM, 1, version=(1, 10), image=pack_row(OLD))
    judged = Judged(place, insert(ITEM, *NEW, base=(1, 10)))
    assert judged.told == [("N", NEW, "all but origin")]
    assert (place.version(ITEM, 1).deleted, place.version(ITEM, 1).image) == (0, None)


# --- step 3: policy host ----------------------------------------------------------------------------------------------


def test_update_against_update(place: Place) -> None:
    judged = Judged(place, update(ITEM, OLD, NEW, base=(1, 1)))
    assert place.row(ITEM, 1) == OLD
    assert judged.conflict[:6] == (1, key_of(1), ConflictKind.BOTH_CHANGED, OLD, NEW, OLD)
    assert judged.told == [("C", OLD, "origin")]
    assert place.version(ITEM, 1).position == (1, 10)


def test_station_deletes_what_the_host_changed(place: Place) -> None:
    judged = Judged(place, delete(ITEM, 1, base=(1, 1)))
    assert place.row(ITEM, 1) == OLD
    assert judged.conflict[:6] == (1, key_of(1), ConflictKind.DELETED_CHANGED, OLD, None, OLD)
    assert judged.told == [("C", OLD, "origin")]


def test_station_changes_what_the_host_deleted() -> None:
    place = Place(ITEM)
    place.lacks(ITEM, 1, version=(1, 10), image=pack_row(OLD))
    judged = Judged(place, update(ITEM, OLD, NEW, base=(1, 1)))
    assert place.row(ITEM, 1) is None
    assert judged.conflict[:6] == (1, key_of(1), ConflictKind.CHANGED_DELETED, None, NEW, None)
    assert judged.told == [("D", None, "origin")]
    version = place.version(ITEM, 1)
    assert (version.position, version.deleted, version.image) == ((1, 10), 1, pack_row(OLD)), "the mark stays as it was"


def test_both_inserted(place: Place) -> None:
    judged = Judged(place, insert(ITEM, *NEW))
    assert judged.conflict.kind is ConflictKind.BOTH_INSERTED
    assert judged.told == [("C", OLD, "origin")]


def test_both_deleted() -> None:
    place = Place(ITEM)
    place.lacks(ITEM, 1, version=(1, 10), image=pack_row(OLD))
    judged = Judged(place, delete(ITEM, 1, base=(1, 1)))
    assert not judged.outcome.conflicts
    assert judged.told == [("D", None, "origin")]
    assert place.version(ITEM, 1).position == (1, 10), "what the station writes after it is not based on it"
    assert place.version(ITEM, 1).image == pack_row(OLD)


def test_a_row_that_is_replaced_here_and_was_deleted_at_the_host_stays_deleted_on_record() -> None:
    """REPLACE under recursive_triggers comes as a delete and an insert."""
    place = Place(ITEM)
    place.lacks(ITEM, 1, version=(1, 10), image=pack_row(OLD))
    judged = Judged(place, delete(ITEM, 1, base=(1, 1)), insert(ITEM, *NEW, base=(1, 1)))
    assert place.row(ITEM, 1) is None
    assert judged.conflict[:6] == (1, key_of(1), ConflictKind.CHANGED_DELETED, None, NEW, None)
    assert judged.told == [("D", None, "origin"), ("D", None, "origin")]


def test_a_delete_leaves_its_mark_where_no_row_was() -> None:
    place = Place(ITEM)
    judged = Judged(place, delete(ITEM, 1, base=(1, 1)))
    assert not judged.outcome.records
    assert place.version(ITEM, 1).deleted
    assert not place.state(ITEM).dirty_rows


def test_both_came_to_the_same_values(place: Place) -> None:
    judged = Judged(place, update(ITEM, (1, "screw", 2.5, None), OLD, base=(1, 1)))
    assert not judged.outcome.conflicts
    assert judged.told == [("C", OLD, "origin")]


@pytest.mark.parametrize(("here", "sent"), [(0.0, -0.0), (1, 1.0), (1.0, 1)])
def test_values_that_only_look_the_same_are_put_on_record(here: float, sent: float) -> None:
    place = Place(ITEM)
    place.has(ITEM, 1, "bolt", here, None, version=(1, 10))
    judged = Judged(place, update(ITEM, (1, "bolt", 7.5, None), (1, "bolt", sent, None), base=(1, 1)))
    assert judged.kinds == ["both-changed"]


# --- steps 5 to 8 -----------------------------------------------------------------------------------------------------


def test_nothing_changed_and_nothing_to_tell(place: Place) -> None:
    judged = Judged(place, update(ITEM, OLD, OLD, base=(1, 10)))
    assert not judged.outcome.records
    assert not place.state(ITEM).dirty_rows
    assert not place.state(ITEM).dirty_versions


def test_a_group_sent_anew_gets_its_verdict_in_any_case(place: Place) -> None:
    judged = Judged(place, update(ITEM, OLD, NEW, base=(1, 10)), repeated=True)
    assert judged.told == [("C", NEW, "all and origin")]
    assert Judged(place, update(ITEM, NEW, NEW, base=HERE), repeated=True).told == [("C", NEW, "origin")]


def test_the_time_of_a_change_is_bounded_by_its_receipt(place: Place) -> None:
    Judged(place, update(ITEM, OLD, NEW, base=(1, 10), at=NOW + 999))
    assert place.version(ITEM, 1).at == NOW


def test_later_changes_of_a_group_stand_on_the_earlier(place: Place) -> None:
    again = (1, "washer", 2.5, "small")
    judged = Judged(
        place,
        update(ITEM, OLD, NEW, base=(1, 10)),
        update(ITEM, NEW, again, base=(1, 10)),
        delete(ITEM, 1, base=(1, 10)),
        insert(ITEM, *OLD, base=(1, 10)),
    )
    assert not judged.outcome.conflicts
    assert [record.change for record in judged.outcome.records] == ["C", "C", "D", "N"]
    assert place.row(ITEM, 1) == OLD
