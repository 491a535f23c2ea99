"""Step 4 of the host's judgement: its own unique and foreign keys hold, and nothing is lost silently."""

from __future__ import annotations

import pytest
from small_judging import HERE, Judged, delete, insert, update
from small_tables import Place, key_of, table

from replicator.protocol.codec_plain import pack_row
from replicator.types import Table

NAMED = table(1, "named", "id integer!, name text!", unique=["name"])
SHORT = table(1, "short", "id integer!, name text(6)!", unique=["name"])
NULLABLE = table(1, "nullable", "id integer!, name text", unique=["name"])
COUNTED = table(1, "counted", "id integer!, name integer!", unique=["name"])
PAIRED = table(1, "paired", "id integer!, area integer!, name text!", unique=["area name"])

LAND = table(1, "land", "id integer!, name text!")
TOWN = table(2, "town", "id integer!, land integer!, name text!", foreign=[("land", "land", "id")])
STREET = table(3, "street", "id integer!, town integer!", foreign=[("town", "town", "id")])
STAFF = table(4, "staff", "id integer!, boss integer, name text", foreign=[("boss", "staff", "id")])


# --- unique keys ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("table", "taken", "stands"),
    [(NULLABLE, "Köln", None), (NAMED, "Köln", "Köln~2"), (SHORT, "Aachen", "Aach~2")],
    ids=["nullable column: NULL", "text: a suffix", "text with a length: cut and a suffix"],
)
def test_the_newcomer_yields(table: Table, taken: str, stands: str | None) -> None:
    place = Place(table)
    place.has(table, 1, taken)
    judged = Judged(place, insert(table, 2, taken))
    assert place.rows(table) == [(1, taken), (2, stands)]
    assert judged.kinds == ["unique-renamed"]
    assert judged.conflict[3:6] == ((1, taken), (2, taken), (2, stands))
    assert judged.told == [("N", (2, stands), "all and origin")]


def test_a_suffix_that_is_taken_too() -> None:
    place = Place(NAMED)
    place.has(NAMED, 1, "Köln")
    place.has(NAMED, 3, "Köln~2")
    Judged(place, insert(NAMED, 2, "Köln"))
    assert place.row(NAMED, 2) == (2, "Köln~2~2")
    assert not place.broken_keys()


def test_a_newcomer_that_cannot_yield_is_refused() -> None:
    place = Place(COUNTED)
    place.has(COUNTED, 1, 77)
    judged = Judged(place, insert(COUNTED, 2, 77))
    assert place.rows(COUNTED) == [(1, 77)]
    assert judged.conflict[2:6] == ("unique-refused", (1, 77), (2, 77), None)
    assert judged.told == [("D", None, "origin")]
    assert place.version(COUNTED, 2).deleted


@pytest.mark.parametrize(("table", "taken"), [(NULLABLE, "RE-1"), (NAMED, "RE-1"), (PAIRED, "RE-1")])
def test_a_number_of_a_range_never_gives_way(table: Table, taken: str) -> None:
    """No invoice loses its number, and none gets another one: it is refused, and put on record."""
    place = Place(table)
    place.working[table.id].numbered = frozenset({len(table.definition.columns) - 1})
    area = (7,) if table is PAIRED else ()
    place.has(table, 1, *area, taken)
    judged = Judged(place, insert(table, 2, *area, taken))
    assert place.rows(table) == [(1, *area, taken)]
    assert judged.conflict[2:6] == ("unique-refused", (1, *area, taken), (2, *area, taken), None)


def test_a_row_whose_number_is_filled_in_behind_its_insert_is_refused_whole() -> None:
    place = Place(NULLABLE)
    place.working[NULLABLE.id].numbered = frozenset({1})
    place.has(NULLABLE, 1, "RE-1")
    judged = Judged(place, insert(NULLABLE, 2, None), update(NULLABLE, (2, None), (2, "RE-1"), base=(0, 0)))
    assert place.rows(NULLABLE) == [(1, "RE-1")]
    assert judged.kinds == ["unique-refused"]
    assert judged.told[-1] == ("D", None, "all and origin")


def test_an_update_that_cannot_yield_leaves_the_row_as_it_was() -> None:
    place = Place(COUNTED)
    place.has(COUNTED, 1, 77)
    place.has(COUNTED, 2, 78)
    judged = Judged(place, update(COUNTED, (2, 78), (2, 77)))
    assert place.rows(COUNTED) == [(1, 77), (2, 78)]
    assert judged.kinds == ["unique-refused"]
    assert judged.told == [("C", (2, 78), "origin")]
    assert place.version(COUNTED, 2).position == (1, 1)


def test_a_length_too_short_for_the_suffix_refuses() -> None:
    tiny = table(1, "tiny", "id integer!, name text(2)!", unique=["name"])
    place = Place(tiny)
    place.has(tiny, 1, "ab")
    assert Judged(place, insert(tiny, 1234, "ab")).kinds == ["unique-refused"]


def test_a_value_that_is_free_again() -> None:
    place = Place(COUNTED)
    place.has(COUNTED, 1, 77)
    judged = Judged(place, update(COUNTED, (1, 77), (1, 79)), insert(COUNTED, 2, 77), delete(COUNTED, 1))
    assert not judged.outcome.conflicts
    assert place.rows(COUNTED) == [(2, 77)]
    assert not place.stale_indexes()


def test_values_swapped_within_a_group() -> None:
    place = Place(COUNTED)
    place.has(COUNTED, 1, 10)
    place.has(COUNTED, 2, 20)
    judged = Judged(
        place,
        update(COUNTED, (1, 10), (1, 0)),
        update(COUNTED, (2, 20), (2, 10)),
        update(COUNTED, (1, 0), (1, 20), base=HERE),
    )
    assert not judged.outcome.conflicts
    assert place.rows(COUNTED) == [(1, 20), (2, 10)]
    assert not place.stale_indexes()


def test_nulls_do_not_clash_and_pairs_clash_as_pairs() -> None:
    place = Place(NULLABLE)
    place.has(NULLABLE, 1, None)
    assert not Judged(place, insert(NULLABLE, 2, None)).outcome.conflicts
    place = Place(PAIRED)
    place.has(PAIRED, 1, 5, "a")
    assert not Judged(place, insert(PAIRED, 2, 6, "a")).outcome.conflicts
    Judged(place, insert(PAIRED, 3, 5, "a"))
    assert place.row(PAIRED, 3) == (3, 5, "a~3")


def test_a_row_that_keeps_its_value_is_no_newcomer() -> None:
    place = Place(NAMED)
    place.has(NAMED, 1, "Köln")
    assert not Judged(place, update(NAMED, (1, "Köln"), (1, "Köln"))).outcome.conflicts


def test_no_suffix_for_what_names_a_parent() -> None:
    """A suffix on a foreign key would name a parent that is not there."""
    country = table(1, "country", "code text!", key="code")
    ruler = table(2, "ruler", "id integer!, land text!", unique=["land"], foreign=[("land", "country", "code")])
    place = Place(country, ruler)
    place.has(country, "DE")
    place.has(ruler, 1, "DE")
    assert Judged(place, insert(ruler, 2, "DE")).kinds == ["unique-refused"]
    assert not place.broken_keys()


def test_a_suffix_for_a_key_of_bytes_can_be_read() -> None:
    tagged = table(1, "tagged", "tag blob!, area integer!, name text!", key="tag area", unique=["name"])
    place = Place(tagged)
    place.has(tagged, b"\x01", 1, "a")
    Judged(place, insert(tagged, b"\xff\x00", 2, "a"))
    assert place.row(tagged, b"\xff\x00", 2) == (b"\xff\x00", 2, "a~ff00-2")


# --- foreign keys -----------------------------------------------------------------------------------------------------


@pytest.fixture
def world() -> Place:
    place = Place(LAND, TOWN, STREET, STAFF)
    place.has(LAND, 1, "NRW")
    place.has(TOWN, 10, 1, "Köln")
    place.has(STREET, 100, 10)
    return place


def test_a_parent_with_children_stays(world: Place) -> None:
    judged = Judged(world, delete(TOWN, 10))
    assert judged.conflict[2:6] == ("parent-kept", (10, 1, "Köln"), None, (10, 1, "Köln"))
    assert judged.told == [("C", (10, 1, "Köln"), "origin")]
    assert not world.broken_keys()


def test_children_and_then_the_parent_go(world: Place) -> None:
    judged = Judged(world, delete(STREET, 100), delete(TOWN, 10), delete(LAND, 1))
    assert not judged.outcome.conflicts
    assert not any(world.rows(table) for table in (LAND, TOWN, STREET))


def test_a_child_that_moves_away_frees_its_parent(world: Place) -> None:
    world.has(TOWN, 11, 1, "Bonn")
    judged = Judged(world, update(STREET, (100, 10), (100, 11)), delete(TOWN, 10), delete(TOWN, 11))
    assert judged.kinds == ["parent-kept"]
    assert world.rows(TOWN) == [(11, 1, "Bonn")]
    assert not world.stale_indexes()


def test_a_deleted_parent_comes_back_for_its_child(world: Place) -> None:
    world.lacks(TOWN, 11, version=(1, 9), image=pack_row((11, 1, "Bonn")))
    judged = Judged(world, insert(STREET, 101, 11))
    assert judged.kinds == ["parent-restored"]
    assert judged.told == [("N", (11, 1, "Bonn"), "all"), ("N", (101, 11), "all but origin")]
    version = world.version(TOWN, 11)
    assert (version.position, version.writer, version.clean, version.deleted, version.image) == (HERE, 0, 0, 0, None)


def test_grandparents_come_back_first(world: Place) -> None:
    world.lacks(LAND, 2, image=pack_row((2, "Hessen")))
    world.lacks(TOWN, 20, image=pack_row((20, 2, "Kassel")))
    judged = Judged(world, insert(STREET, 200, 20))
    assert judged.kinds == ["parent-restored", "parent-restored"]
    assert [record.key for record in judged.outcome.records] == [key_of(2), key_of(20), key_of(200)]
    assert not world.broken_keys()
    assert not world.stale_indexes()


def test_a_parent_of_which_nothing_is_known_refuses_the_child(world: Place) -> None:
    judged = Judged(world, insert(STREET, 101, 99))
    assert judged.conflict[2:6] == ("parent-missing", None, (101, 99), None)
    assert judged.told == [("D", None, "origin")]
    world.lacks(TOWN, 98)  # deleted, and its image is gone
    assert Judged(world, insert(STREET, 102, 98)).kinds == ["parent-missing"]


def test_a_parent_whose_own_parent_is_unknown_stays_deleted(world: Place) -> None:
    world.lacks(TOWN, 20, image=pack_row((20, 2, "Kassel")))
    judged = Judged(world, insert(STREET, 200, 20))
    assert judged.kinds == ["parent-missing"]
    assert world.row(TOWN, 20) is None
    assert len(judged.outcome.records) == 1


def test_no_parent_comes_back_for_a_child_that_is_refused_for_another() -> None:
    pair = table(5, "pair", "id integer!, a integer, b integer", foreign=[("a", "land", "id"), ("b", "land", "id")])
    place = Place(LAND, pair)
    place.lacks(LAND, 1, image=pack_row((1, "NRW")))
    judged = Judged(place, insert(pair, 1, 1, 99))
    assert judged.kinds == ["parent-missing"]
    assert not place.rows(LAND)
    assert Judged(place, insert(pair, 2, 1, 1)).kinds == ["parent-restored"]


def test_a_restored_parent_whose_name_is_taken_yields() -> None:
    child = table(2, "child", "id integer!, named integer!", foreign=[("named", "named", "id")])
    place = Place(NAMED, child)
    place.has(NAMED, 1, "Köln")
    place.lacks(NAMED, 2, image=pack_row((2, "Köln")))
    assert Judged(place, insert(child, 7, 2)).kinds == ["unique-renamed", "parent-restored"]
    assert place.row(NAMED, 2) == (2, "Köln~2")


def test_an_update_that_names_an_unknown_parent_leaves_the_row(world: Place) -> None:
    judged = Judged(world, update(STREET, (100, 10), (100, 99)))
    assert judged.kinds == ["parent-missing"]
    assert world.row(STREET, 100) == (100, 10)


def test_rows_that_refer_to_themselves(world: Place) -> None:
    judged = Judged(world, insert(STAFF, 1, 1, "Chef"), update(STAFF, (1, 1, "Chef"), (1, 1, "Anna"), base=HERE))
    assert not judged.outcome.conflicts
    assert not Judged(world, delete(STAFF, 1, base=HERE)).outcome.conflicts
    assert not world.stale_indexes()


def test_rows_that_refer_to_others_of_their_table(world: Place) -> None:
    Judged(world, insert(STAFF, 1, None, "Chef"), insert(STAFF, 2, 1, "Ben"))
    assert Judged(world, delete(STAFF, 1, base=HERE)).kinds == ["parent-kept"]
    assert not Judged(world, delete(STAFF, 2, base=HERE), delete(STAFF, 1, base=HERE)).outcome.conflicts


def test_a_circle_of_deleted_rows_stays_deleted(world: Place) -> None:
    world.lacks(STAFF, 1, image=pack_row((1, 2, "a")))
    world.lacks(STAFF, 2, image=pack_row((2, 1, "b")))
    assert Judged(world, insert(STAFF, 3, 1, "c")).kinds == ["parent-missing"]
    assert not world.rows(STAFF)


def test_a_foreign_key_of_several_columns_in_another_order() -> None:
    parent = table(1, "parent", "a integer!, b integer!", key="a b")
    child = table(2, "child", "id integer!, x integer, y integer", foreign=[("x y", "parent", "b a")])
    place = Place(parent, child)
    place.lacks(parent, 1, 2, image=pack_row((1, 2)))
    assert Judged(place, insert(child, 7, 2, 1)).kinds == ["parent-restored"]
    assert place.rows(parent) == [(1, 2)]
    assert not Judged(place, insert(child, 8, None, 5)).outcome.conflicts, "a NULL says there is no parent"


def test_a_foreign_key_to_another_unique_column() -> None:
    parent = table(1, "parent", "id integer!, code text!", unique=["code"])
    child = table(2, "child", "id integer!, code text", foreign=[("code", "parent", "code")])
    place = Place(parent, child)
    place.has(parent, 1, "a")
    assert not Judged(place, insert(child, 7, "a")).outcome.conflicts
    assert Judged(place, update(parent, (1, "a"), (1, "b"))).kinds == ["parent-kept"]
    assert not place.broken_keys()
