"""What a station makes of the host's answers: they set a row right, wait for something, or are the last word
(protocol.md 7.7; L1: links come to rest)."""

from __future__ import annotations

import pytest
from small_replaying import HERE, H, Replayed, S, T, changed, gone, new
from small_tables import Place, key_of, table

from replicator.protocol.questions import Questions

PARENT = table(1, "parent", "id integer!, number integer", unique=["number"])
CHILD = table(2, "child", "id integer!, parent integer, x integer", foreign=[("parent", "parent", "id")])
BY_NUMBER = table(3, "by_number", "id integer!, number integer", foreign=[("number", "parent", "number")])

FATHER, SON = (1, key_of(1)), (2, key_of(10))


@pytest.fixture
def family() -> Place:
    place = Place(PARENT, CHILD, BY_NUMBER)
    place.has(PARENT, 1, 100, tie=S)
    place.has(CHILD, 10, 1, 0, version=None)
    return place


def asked(*rows: tuple[int, bytes], since: int = 5) -> Questions:
    return Questions.of(enumerate(rows, start=since))


def test_questions_tell_what_is_answered_and_what_is_open() -> None:
    questions = Questions.of([(5, FATHER), (6, SON), (9, FATHER)])
    assert not questions.is_answered(FATHER, 4)
    assert questions.is_answered(FATHER, 5)
    assert questions.is_open(FATHER, 8), "asked twice, answered once"
    assert not questions.is_open(FATHER, 9)
    assert questions.open(1, 8) == {key_of(1)}
    assert questions.open(2, 8) == set()
    questions.new[SON] = None
    assert questions.is_open(SON, 100)
    assert questions.open(2, 100) == {key_of(10)}


# --- deletes of parents -----------------------------------------------------------------------------------------------


def test_a_parent_stays_for_a_child_that_only_the_station_has(family: Place) -> None:
    first = Replayed(family, gone(PARENT, 1))
    assert first.asked == [FATHER]
    again = Replayed(family, 5, gone(PARENT, 1, at=(1, 60), verdict=True), questions=asked(FATHER))
    assert not again.asked
    assert not again.skipped
    assert family.row(PARENT, 1) == (1, 100)
    assert (family.version(PARENT, 1).tie, family.version(PARENT, 1).position) == (T, (1, 60))
    assert again.conflicts == [("parent-kept", key_of(1), None, (1, 100))]


def test_a_verdict_that_answers_no_question_is_asked_for(family: Place) -> None:
    assert Replayed(family, 5, gone(PARENT, 1, verdict=True), questions=asked(SON)).asked == [FATHER]


def test_a_parent_waits_for_a_child_that_awaits_its_verdict(family: Place) -> None:
    answer = gone(PARENT, 1, at=(1, 60), verdict=True)
    replayed = Replayed(family, 5, answer, pending={SON: 7}, questions=asked(FATHER))
    assert replayed.asked == [FATHER]
    assert replayed.skipped == {FATHER: ((1, 60), None)}
    assert not replayed.conflicts


def test_a_parent_waits_for_a_child_that_is_asked_for(family: Place) -> None:
    answer = gone(PARENT, 1, at=(1, 60), verdict=True)
    assert Replayed(family, 5, answer, questions=asked(FATHER, SON)).asked == [FATHER]
    assert not Replayed(family, 6, answer, questions=asked(FATHER, SON)).asked, "now its answer is here as well"


def test_another_parents_child_is_not_waited_for(family: Place) -> None:
    family.has(PARENT, 2, 200, tie=S)
    family.has(CHILD, 11, 2, 0, version=None)
    answer = gone(PARENT, 1, at=(1, 60), verdict=True)
    assert not Replayed(family, 5, answer, pending={(2, key_of(11)): 7}, questions=asked(FATHER)).asked


def test_a_child_that_leaves_in_the_same_chunk_lets_its_parent_go(family: Place) -> None:
    family.has(CHILD, 10, 1, 0, tie=S)
    answers = [gone(PARENT, 1, at=(1, 60), verdict=True), gone(CHILD, 10, at=(1, 60))]
    assert not Replayed(family, 5, *answers, questions=asked(FATHER)).conflicts
    assert not family.rows(PARENT)
    assert not family.rows(CHILD)


# --- children without a parent ----------------------------------------------------------------------------------------


def orphan(at: tuple[int, int] = HERE) -> object:
    return changed(CHILD, 10, 99, 7, at=at, verdict=True)


def test_a_child_whose_parent_is_not_to_be_had_stays_as_it_is(family: Place) -> None:
    parent = (1, key_of(99))
    first = Replayed(family, new(CHILD, 10, 99, 7))
    assert first.asked == [parent, SON]
    again = Replayed(family, 6, orphan((1, 60)), questions=asked(parent, SON))  # type: ignore[arg-type]
    assert not again.asked
    assert not again.skipped
    assert family.row(CHILD, 10) == (10, 1, 0)
    assert again.conflicts == [("parent-missing", key_of(10), (10, 99, 7), (10, 1, 0))]
    assert key_of(10) not in family.state(CHILD).versions, "it knows nothing of the host's version"


@pytest.mark.parametrize("open_now", ["pending", "asked", "new"])
def test_a_child_waits_for_a_parent_that_is_unsettled(family: Place, open_now: str) -> None:
    parent = (1, key_of(99))
    questions = asked(parent, SON, *([parent] if open_now == "asked" else []))
    if open_now == "new":
        questions.new[parent] = None
    pending = {parent: 8} if open_now == "pending" else {}
    replayed = Replayed(family, 6, orphan(), pending=pending, questions=questions)  # type: ignore[arg-type]
    assert replayed.asked == [parent, SON]
    assert not replayed.conflicts


def test_a_parent_that_can_not_stand_either_takes_its_child_with_it() -> None:
    staff = table(5, "staff", "id integer!, boss integer", foreign=[("boss", "staff", "id")])
    place = Place(staff)
    questions = Questions.of([(5, (5, key_of(9))), (6, (5, key_of(2))), (7, (5, key_of(1)))])
    answers = [new(staff, 2, 9, verdict=True), new(staff, 1, 2, verdict=True)]
    replayed = Replayed(place, 7, *answers, questions=questions)
    assert not replayed.asked
    assert [kind for kind, *_ in replayed.conflicts] == ["parent-missing", "parent-missing"]
    assert not place.rows(staff)


def test_a_parent_named_by_another_column_may_be_any_row_that_is_unsettled(family: Place) -> None:
    answer = new(BY_NUMBER, 20, 555, at=(1, 60), verdict=True)
    question = asked((3, key_of(20)))
    assert Replayed(family, 5, answer, pending={FATHER: 9}, questions=question).asked == [(3, key_of(20))]
    replayed = Replayed(family, 5, answer, questions=asked((3, key_of(20))))
    assert not replayed.asked
    assert [kind for kind, *_ in replayed.conflicts] == ["parent-missing"]


def test_a_hidden_parent_comes_back_for_a_child_that_waits_for_it(family: Place) -> None:
    family.lacks(PARENT, 2, tie=H)
    answer = changed(PARENT, 2, 200, at=(1, 60), verdict=True)
    assert Replayed(family, answer).replay.dropped == 1, "the user deleted it"
    replayed = Replayed(family, answer, sought={(1, key_of(2))})
    assert family.row(PARENT, 2) == (2, 200)
    assert family.version(PARENT, 2).tie == S
    assert replayed.conflicts == [("parent-restored", key_of(2), (2, 200), None)]


def test_at_a_backup_station_a_hidden_row_comes_back_with_the_hosts_next_version(family: Place) -> None:
    family.lacks(PARENT, 2, tie=H)
    known = family.version(PARENT, 2).position
    same = Replayed(family, changed(PARENT, 2, 200, at=known), comes_back=True)
    assert same.replay.dropped == 1, "a content brings what was deleted here as it stands at the host"
    replayed = Replayed(family, changed(PARENT, 2, 201), changed(PARENT, 2, 202, at=(1, 60)), comes_back=True)
    assert family.row(PARENT, 2) == (2, 202)
    assert (family.version(PARENT, 2).tie, family.version(PARENT, 2).position) == (S, (1, 60))
    assert replayed.conflicts == [("deleted-here-changed-at-host", key_of(2), (2, 202), None)]


def test_at_a_backup_station_a_row_that_was_made_anew_gives_way(family: Place) -> None:
    family.has(PARENT, 2, 300, tie=H)
    replayed = Replayed(family, changed(PARENT, 2, 201, at=(1, 60)), comes_back=True)
    assert family.row(PARENT, 2) == (2, 201)
    assert replayed.conflicts == [("local-row-gave-way", key_of(2), (2, 201), (2, 300))]


# --- unique keys ------------------------------------------------------------------------------------------------------


def test_a_holder_that_children_hold_keeps_its_value() -> None:
    held = table(3, "held", "id integer!, code text!", unique=["code"])
    user = table(4, "user", "id integer!, code text", foreign=[("code", "held", "code")])
    place = Place(held, user)
    place.has(held, 1, "a", version=None)
    place.has(user, 10, "a", version=None)
    row = (3, key_of(2))
    assert Replayed(place, new(held, 2, "a")).asked == [row]
    replayed = Replayed(place, 5, new(held, 2, "a", at=(1, 60), verdict=True), questions=asked(row))
    assert not replayed.asked
    assert replayed.conflicts == [("unique-refused", key_of(2), (2, "a"), None)]
    assert place.rows(held) == [(1, "a")]


def test_a_pending_holder_is_waited_for_also_by_an_answer(family: Place) -> None:
    row = (1, key_of(2))
    answer = new(PARENT, 2, 100, at=(1, 60), verdict=True)
    assert Replayed(family, 5, answer, pending={FATHER: 9}, questions=asked(row)).asked == [row]


# --- where the host does not answer -----------------------------------------------------------------------------------


def test_nothing_is_asked_of_a_table_without_a_rule(family: Place) -> None:
    replayed = Replayed(family, new(CHILD, 11, 99, 7), unanswerable={1, 2})
    assert not replayed.asked
    assert not replayed.skipped
    assert replayed.conflicts == [("parent-missing", key_of(11), (11, 99, 7), None)]


def test_an_answer_of_a_table_without_a_rule_by_now_waits_for_nothing(family: Place) -> None:
    """Its parent is asked for, and nothing would bring the child again when that has come (seed 948)."""
    questions = Questions.of([(5, SON), (9, (1, key_of(99)))])
    replayed = Replayed(
        family, changed(CHILD, 10, 99, 7, verdict=True), questions=questions, judged=5, unanswerable={2}
    )
    assert replayed.conflicts == [("parent-missing", key_of(10), (10, 99, 7), (10, 1, 0))]
    assert not replayed.skipped


def test_a_shared_row_that_is_moved_aside_for_good_is_on_record(family: Place) -> None:
    assert not Replayed(family, new(PARENT, 2, 100)).conflicts, "it comes right by itself"
    family.has(PARENT, 3, 300, tie=S)
    replayed = Replayed(family, new(PARENT, 4, 300, at=(1, 60)), unanswerable={1})
    assert replayed.conflicts == [("moved-aside", key_of(3), (4, 300), (3, 300))]


# --- a group that comes to stand in part ------------------------------------------------------------------------------


def test_what_stands_in_part_is_not_taken_for_the_hosts_version(family: Place) -> None:
    """The first record of a group was written in an earlier chunk, its last one is refused: a change made on the row
    now must not count as based on all of the group."""
    Replayed(family, new(CHILD, 11, 1, 1))
    assert family.version(CHILD, 11).position == HERE
    Replayed(family, changed(CHILD, 11, 99, 2))
    assert family.row(CHILD, 11) == (11, 1, 1)
    assert family.version(CHILD, 11).position == (1, 49)
    Replayed(family, changed(CHILD, 11, 99, 3, at=(1, 60)))
    assert family.version(CHILD, 11).position == (1, 49), "older than the refused record all the same"
