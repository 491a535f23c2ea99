"""A group is one change, however many statements it took: classes, recipients and verdicts of what it does to a row,
and parents that come after their children (protocol.md 5.7, 7.9)."""

from __future__ import annotations

import pytest
from small_judging import HERE, STATION, Judged, delete, insert, update
from small_tables import Place, key_of, table

from replicator.protocol.codec_plain import pack_row
from replicator.protocol.judging import last_verdicts
from replicator.protocol.proposals import LogRecord, Outcome, Proposal
from replicator.protocol.working_set import MADE, REMADE, Version, made_by_group
from replicator.types import Image, Kinds, Table

ITEM = table(1, "item", "id integer!, name text")
CUSTOMER = table(2, "customer", "id integer!, name text!", unique=["name"])
NUMBERED = table(3, "numbered", "id integer!, number integer!", unique=["number"])
ORDER = table(
    4,
    "order",
    "id integer!, customer integer, numbered integer",
    foreign=[("customer", "customer", "id"), ("numbered", "numbered", "id")],
)


# --- classes ----------------------------------------------------------------------------------------------------------


def classes(judged: Judged) -> list[tuple[str, Image | None]]:
    return [(record.change, record.image) for record in judged.outcome.records]


def test_what_a_group_makes_and_changes_is_new_as_it_stands_at_the_end() -> None:
    judged = Judged(Place(ITEM), insert(ITEM, 1, "a"), update(ITEM, (1, "a"), (1, "b"), base=(0, 0)))
    assert classes(judged) == [("N", (1, "a")), ("N", (1, "b"))]


def test_what_stood_before_the_group_is_changed() -> None:
    place = Place(ITEM)
    place.has(ITEM, 1, "a")
    assert classes(Judged(place, update(ITEM, (1, "a"), (1, "b")))) == [("C", (1, "b"))]


def test_a_row_made_by_an_earlier_group_is_changed() -> None:
    place = Place(ITEM)
    place.has(ITEM, 1, "a", version=(1, 49), tie=MADE)
    assert classes(Judged(place, update(ITEM, (1, "a"), (1, "b"), base=(1, 49)))) == [("C", (1, "b"))]


def test_a_delete_of_what_the_group_made_goes_to_all_who_were_sent_it() -> None:
    judged = Judged(Place(ITEM), insert(ITEM, 1, "a"), delete(ITEM, 1, base=(0, 0)))
    assert [(record.change, record.made) for record in judged.outcome.records] == [("N", False), ("D", True)]
    place = Place(ITEM)
    place.has(ITEM, 1, "a")
    assert not Judged(place, delete(ITEM, 1)).record.made


@pytest.mark.parametrize(
    ("version", "was_there", "is_there", "mark"),
    [
        (None, False, True, MADE),
        ((1, 49), False, True, MADE),
        (HERE, False, True, REMADE),
        (HERE, True, True, "?"),
        ((1, 49), True, True, ""),
        (HERE, True, False, ""),
    ],
)
def test_the_mark_of_a_version(version: tuple[int, int] | None, was_there: bool, is_there: bool, mark: str) -> None:
    known = None if version is None else Version(1, key_of(1), *version, tie="?")
    assert made_by_group(known, HERE, was_there, is_there) == mark


@pytest.mark.parametrize("version", [None, (1, 40)])
@pytest.mark.parametrize(
    ("then", "image"),
    [(update(ITEM, (1, "mine"), (1, "more"), base=(1, 40)), (1, "more")), (delete(ITEM, 1, base=(1, 40)), None)],
)
def test_what_follows_a_change_that_knew_nothing_knows_nothing_either(
    version: tuple[int, int] | None, then: Proposal, image: Image | None
) -> None:
    """An insert of a key that the host has, and then an update or delete of it in the same group (simulation seed
    18733): only the insert was held against the host's row, and the rest overwrote it without a record."""
    place = Place(ITEM)
    place.has(ITEM, 1, "host", version=version, tie=REMADE)
    judged = Judged(place, insert(ITEM, 1, "mine", base=(1, 40)), then)
    assert place.row(ITEM, 1) == (1, "host")
    assert [conflict.station_image for conflict in judged.outcome.conflicts] == [(1, "mine"), image]


def test_a_row_made_anew_is_not_known_to_whom_only_its_delete_was_sent() -> None:
    """Rules that send deletes only: the station has the delete's position for its base, and not the row after it."""
    place = Place(ITEM)
    place.has(ITEM, 1, "host", version=(1, 40), tie=REMADE)
    judged = Judged(place, insert(ITEM, 1, "station", base=(1, 40)))
    assert place.row(ITEM, 1) == (1, "host")
    assert judged.kinds == ["both-inserted"]
    place.has(ITEM, 2, "host", version=(1, 40), tie=MADE)
    Judged(place, insert(ITEM, 2, "station", base=(1, 40)))
    assert place.row(ITEM, 2) == (2, "station"), "made: it was sent, hidden and inserted again"


# --- verdicts ---------------------------------------------------------------------------------------------------------


def record(change: str, key: int, *, shared: bool, verdict: bool) -> LogRecord:
    return LogRecord(1, change, key_of(key), None, 0, 0, shared, False, verdict)


def test_only_the_last_verdict_on_a_row_goes_to_its_origin() -> None:
    outcome = Outcome(
        [
            record("N", 1, shared=True, verdict=True),
            record("C", 1, shared=False, verdict=True),
            record("N", 2, shared=True, verdict=False),
            record("D", 1, shared=True, verdict=True),
            record("C", 3, shared=False, verdict=True),
        ]
    )
    last_verdicts(outcome)
    assert [(r.change, r.key, r.shared, r.clean, r.verdict) for r in outcome.records] == [
        ("N", key_of(1), True, True, False),
        ("N", key_of(2), True, False, False),
        ("D", key_of(1), True, False, True),
        ("C", key_of(3), False, False, True),
    ]


def test_without_a_verdict_nothing_is_touched() -> None:
    records = [record("N", 1, shared=True, verdict=False), record("C", 1, shared=True, verdict=False)]
    outcome = Outcome(list(records))
    last_verdicts(outcome)
    assert outcome.records == records


# --- parents that come later ------------------------------------------------------------------------------------------


@pytest.fixture
def firm() -> Place:
    place = Place(CUSTOMER, NUMBERED, ORDER)
    place.has(CUSTOMER, 1, "Roth")
    place.has(NUMBERED, 1, 100)
    place.has(ORDER, 10, 1, 1)
    return place


def renumbered(old: int, new: int) -> list[object]:
    """As SQLite tells of a customer whose key changes: the orders first, then the old row, then the new one."""
    return [
        update(ORDER, (10, old, 1), (10, new, 1)),
        delete(CUSTOMER, old),
        insert(CUSTOMER, new, "Roth", base=(0, 0)),
    ]


def test_a_key_that_changes_takes_its_children_along(firm: Place) -> None:
    judged = Judged(firm, *renumbered(1, 2))  # type: ignore[arg-type]
    assert not judged.kinds
    assert firm.rows(CUSTOMER) == [(2, "Roth")]
    assert firm.row(ORDER, 10) == (10, 2, 1)
    assert [to for *_, to in judged.told] == ["all but origin"] * 3
    assert judged.kept


def test_a_child_that_the_station_did_not_know_keeps_the_old_parent(firm: Place) -> None:
    firm.has(ORDER, 11, 1, 1)
    judged = Judged(firm, *renumbered(1, 2))  # type: ignore[arg-type]
    assert firm.rows(CUSTOMER) == [(1, "Roth"), (2, "Roth~2")]
    assert firm.row(ORDER, 10) == (10, 2, 1)
    assert judged.kinds == ["parent-kept", "unique-renamed"]
    assert not firm.broken_keys()


def test_a_parent_that_may_not_come_is_not_waited_for(firm: Place) -> None:
    judged = Judged(firm, *renumbered(1, 2), allowed=Kinds.CHANGED | Kinds.DELETED)  # type: ignore[arg-type]
    assert firm.rows(CUSTOMER) == [(1, "Roth")]
    assert firm.row(ORDER, 10) == (10, 1, 1)
    assert "parent-missing" in judged.kinds
    assert not firm.broken_keys()


def test_a_parent_that_is_deleted_again_is_not_waited_for(firm: Place) -> None:
    judged = Judged(firm, *renumbered(1, 2), delete(CUSTOMER, 2, base=(0, 0)))  # type: ignore[arg-type]
    assert "parent-missing" in judged.kinds
    assert not firm.broken_keys()


def test_a_parent_that_the_host_deleted_is_not_waited_for(firm: Place) -> None:
    firm.lacks(CUSTOMER, 2, version=(1, 40))
    judged = Judged(firm, *renumbered(1, 2))  # type: ignore[arg-type]
    assert "parent-missing" in judged.kinds
    assert not firm.broken_keys()


def test_a_parent_that_has_no_place_is_not_waited_for(firm: Place) -> None:
    """Its number is another row's and can't be changed: whether it comes is not certain."""
    judged = Judged(
        firm,
        update(ORDER, (10, 1, 1), (10, 1, 2)),
        insert(NUMBERED, 2, 100, base=(0, 0)),
    )
    assert judged.kinds == ["parent-missing", "unique-refused"]
    assert not firm.broken_keys()


def test_a_parent_whose_own_parent_is_missing_is_not_waited_for() -> None:
    staff = table(5, "staff", "id integer!, boss integer", foreign=[("boss", "staff", "id")])
    place = Place(staff)
    judged = Judged(place, insert(staff, 1, 2), insert(staff, 2, 99))
    assert not place.rows(staff)
    assert judged.kinds == ["parent-missing", "parent-missing"]


def test_origin_is_known() -> None:
    place = Place(ITEM)
    Judged(place, insert(ITEM, 1, "a"))
    assert place.version(ITEM, 1).writer == STATION


# --- parents that go before their children ----------------------------------------------------------------------------


NOTE = table(6, "note", "id integer!, order integer!", foreign=[("order", "order", "id")])


def cascaded() -> list[Proposal]:
    """As PostgreSQL tells of a customer whose delete takes his orders along, and theirs their notes."""
    return [delete(CUSTOMER, 1), delete(ORDER, 10), delete(NOTE, 20), delete(NOTE, 21)]


@pytest.fixture
def noted() -> Place:
    place = Place(CUSTOMER, NUMBERED, ORDER, NOTE)
    place.has(CUSTOMER, 1, "Roth")
    place.has(ORDER, 10, 1, None)
    place.has(NOTE, 20, 10)
    place.has(NOTE, 21, 10)
    return place


def test_a_delete_takes_along_what_it_cascades_to(noted: Place) -> None:
    judged = Judged(noted, *cascaded())
    assert not judged.kinds
    assert judged.kept
    assert not any(noted.rows(each) for each in (CUSTOMER, ORDER, NOTE))
    assert [to for *_, to in judged.told] == ["all but origin"] * 4
    assert not noted.stale_indexes()


def test_children_that_are_given_to_nobody_or_to_another_let_their_parent_go(firm: Place) -> None:
    firm.has(CUSTOMER, 2, "Sand")
    firm.has(ORDER, 11, 1, None)
    moved = [update(ORDER, (10, 1, 1), (10, None, 1)), update(ORDER, (11, 1, None), (11, 2, None))]
    judged = Judged(firm, delete(CUSTOMER, 1), *moved)
    assert not judged.kinds
    assert judged.kept
    assert firm.rows(CUSTOMER) == [(2, "Sand")]


def test_a_child_whose_change_leaves_its_parent_alone_keeps_it(firm: Place) -> None:
    """The station has the order elsewhere already, and its change says nothing of that."""
    firm.has(ORDER, 10, 1, None)
    judged = Judged(firm, delete(CUSTOMER, 1), update(ORDER, (10, None, None), (10, None, None)))
    assert judged.kinds == ["parent-kept"]
    assert judged.kept
    assert not firm.broken_keys()


def test_a_key_that_changes_first_takes_its_children_along(firm: Place) -> None:
    """As PostgreSQL tells of it: the old row, the new one, then the orders."""
    first, *rest = renumbered(1, 2)
    judged = Judged(firm, *rest, first)  # type: ignore[arg-type]
    assert not judged.kinds
    assert judged.kept
    assert firm.rows(CUSTOMER) == [(2, "Roth")]
    assert firm.row(ORDER, 10) == (10, 2, 1)


def test_a_child_that_was_made_and_goes_in_the_same_group_holds_nobody(noted: Place) -> None:
    judged = Judged(noted, insert(ORDER, 11, 1, None), *cascaded(), delete(ORDER, 11, base=(0, 0)))
    assert not judged.kinds
    assert judged.kept
    assert not noted.rows(ORDER)


@pytest.mark.parametrize("table_of_child", [ORDER, NOTE])
def test_a_child_that_the_station_did_not_know_keeps_all_above_it(noted: Place, table_of_child: Table) -> None:
    noted.has(table_of_child, 30, *{4: (1, None), 6: (10,)}[table_of_child.id])
    judged = Judged(noted, *cascaded())
    assert "parent-kept" in judged.kinds
    assert noted.rows(CUSTOMER) == [(1, "Roth")]
    assert not noted.broken_keys()


def test_a_child_that_the_host_changed_stays_with_its_parent(noted: Place) -> None:
    noted.has(NOTE, 21, 10, version=(1, 40))
    judged = Judged(noted, *cascaded())
    assert judged.kinds == ["parent-kept", "parent-kept", "deleted-here-changed-at-host"]
    assert noted.rows(NOTE) == [(21, 10)]
    assert not noted.broken_keys()


def test_a_child_that_may_not_go_keeps_its_parent(noted: Place) -> None:
    judged = Judged(noted, *cascaded(), allowed=Kinds.NEW | Kinds.CHANGED)
    assert set(judged.kinds) == {"forbidden-by-rule"}
    assert not noted.broken_keys()


# --- rules ------------------------------------------------------------------------------------------------------------


def test_what_a_group_does_to_its_own_new_row_is_allowed_with_it() -> None:
    place = Place(ITEM)
    changes = [insert(ITEM, 1, "a"), update(ITEM, (1, "a"), (1, "b"), base=(0, 0))]
    assert not Judged(place, *changes, allowed=Kinds.NEW).kinds
    assert place.row(ITEM, 1) == (1, "b")
    place = Place(ITEM)
    assert not Judged(place, insert(ITEM, 1, "a"), delete(ITEM, 1, base=(0, 0)), allowed=Kinds.NEW).kinds
    assert not place.rows(ITEM)


def test_also_where_the_new_row_was_altered() -> None:
    place = Place(CUSTOMER)
    place.has(CUSTOMER, 1, "Roth")
    changes = [insert(CUSTOMER, 2, "Roth"), update(CUSTOMER, (2, "Roth"), (2, "Rot"), base=(0, 0))]
    assert Judged(place, *changes, allowed=Kinds.NEW).kinds == ["unique-renamed"]
    assert place.row(CUSTOMER, 2) == (2, "Rot")


def test_a_row_of_an_earlier_group_is_not_meant() -> None:
    place = Place(ITEM)
    place.has(ITEM, 1, "a", version=(1, 49), tie=MADE, writer=STATION, writer_epoch=3)
    assert Judged(place, update(ITEM, (1, "a"), (1, "b")), allowed=Kinds.NEW).kinds == ["forbidden-by-rule"]
    assert place.row(ITEM, 1) == (1, "a")


def test_a_parent_that_the_host_puts_back_is_not_the_stations_own(firm: Place) -> None:
    firm.lacks(CUSTOMER, 2, image=pack_row((2, "Sand")))
    changes = [insert(ORDER, 11, 2, None), update(CUSTOMER, (2, "Sand"), (2, "mine"))]
    judged = Judged(firm, *changes, allowed=Kinds.NEW)
    assert judged.kinds == ["parent-restored", "forbidden-by-rule"]
    assert firm.row(CUSTOMER, 2) == (2, "Sand")
