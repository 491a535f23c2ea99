"""What every database must do when rows are read and written in sets."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from database_places import CUSTOMERS, SqlitePlace, fail_after, told

from replicator.errors import ConstraintViolation
from replicator.protocol.keys import pack_key


def test_replay_is_not_captured_and_the_applications_triggers_are_silent(place: SqlitePlace) -> None:
    place.make(
        CUSTOMERS,
        "CREATE TABLE audit (id INTEGER PRIMARY KEY, text TEXT)",
        "CREATE TRIGGER second AFTER INSERT ON customers BEGIN INSERT INTO audit (text) VALUES ('second'); END",
        "CREATE TRIGGER first AFTER INSERT ON Customers BEGIN INSERT INTO audit (text) VALUES ('first'); END",
    )
    (table,) = place.replicate("customers")
    with place.database.transaction() as connection:
        with place.database.replaying(connection, [table]):
            place.database.write_images(connection, table, [(1, "a", None), (2, "b", None)])
            place.database.write_images(connection, table, [(1, "a", "x")])
            place.database.delete_keys(connection, table, [pack_key((2,)), pack_key((7,))])
        assert place.database.outbox_is_empty(connection)
        assert place.database.capture_faults(connection, table) == []
    assert place.run("SELECT * FROM customers") == [(1, "a", "x")]
    assert place.run("SELECT * FROM audit") == []
    place.run("INSERT INTO customers VALUES (3, 'c', NULL)")
    assert place.run("SELECT text FROM audit ORDER BY id") == [("first",), ("second",)]
    assert [change.operation.value for change in place.collect()] == ["I"]


def test_a_capture_that_is_made_anew_within_a_replay_stands_after_it_and_fires_first(place: SqlitePlace) -> None:
    place.make(
        CUSTOMERS,
        "CREATE TABLE audit (id INTEGER PRIMARY KEY, text TEXT)",
        "CREATE TRIGGER own AFTER INSERT ON customers BEGIN INSERT INTO audit (text) VALUES ('own'); END",
    )
    (table,) = place.replicate("customers")
    other = replace(table, id=7)
    with place.database.transaction() as connection:
        with place.database.replaying(connection, [table]):
            place.database.install_capture(connection, other)
        assert place.database.capture_faults(connection, other) == []
    place.run("INSERT INTO customers VALUES (3, 'c', NULL)")
    assert place.run("SELECT text FROM audit") == [("own",)]
    place.tables = {7: other}
    assert [change.table for change in place.collect()] == [7]


def test_triggers_stand_again_after_a_failed_replay(place: SqlitePlace) -> None:
    place.make(CUSTOMERS)
    (table,) = place.replicate("customers")
    with place.database.transaction() as connection:
        with pytest.raises(ConstraintViolation), place.database.replaying(connection, [table]):
            place.database.write_images(connection, table, [(1, None, None)])
        assert place.database.capture_faults(connection, table) == []
    with (
        pytest.raises(ZeroDivisionError),
        place.database.transaction() as connection,
        place.database.replaying(connection, [table]),
    ):
        fail_after(place.database.write_images, connection, table, [(1, "a", None)])
    with place.database.transaction() as connection:
        assert place.database.capture_faults(connection, table) == []


def test_the_application_trigger_that_changes_the_new_row_comes_after_it(place: SqlitePlace) -> None:
    place.make(
        CUSTOMERS,
        "CREATE TRIGGER fill AFTER INSERT ON customers BEGIN UPDATE customers SET note = 'n' WHERE id = new.id; END",
    )
    place.replicate("customers")
    place.run("INSERT INTO customers VALUES (1, 'a', NULL)")
    assert told(place.collect()) == [("I", (1, "a", None), 0b111, None), ("U", (1, "a", "n"), 0b100, (None,))]


def test_a_key_in_another_spelling_is_another_key(place: SqlitePlace) -> None:
    place.make("CREATE TABLE codes (code TEXT PRIMARY KEY NOT NULL COLLATE NOCASE, text TEXT)")
    (table,) = place.replicate("codes")
    small, large = pack_key(("a",)), pack_key(("A",))
    with place.database.transaction() as connection:
        place.database.write_images(connection, table, [("a", "x")])
        assert place.database.read_images(connection, table, [small, large]) == {small: ("a", "x")}
        place.database.delete_keys(connection, table, [large])
        assert place.database.count(connection, table) == 1
        place.database.write_images(connection, table, [("A", "y")])
        assert place.database.read_images(connection, table, [small, large]) == {large: ("A", "y")}


KEYED = [
    ("id INTEGER PRIMARY KEY", [(1,), (-5,), (2**62,)]),
    ("id TEXT NOT NULL PRIMARY KEY", [("a",), ("",), ("a\0b",), ("\udcff",), ("ü",)]),
    ("id BLOB NOT NULL PRIMARY KEY", [(b"\xff",), (b"",), ("a",), (1,), (1.5,)]),
    ("id REAL NOT NULL PRIMARY KEY", [(1.5,), (-1.0,), (1e300,)]),
    ("a TEXT, b INTEGER, PRIMARY KEY (b, a)", [("x", 1), ("x", 2), ("\udcff", 1)]),
    ("a TEXT, b BLOB, c, PRIMARY KEY (c, a, b)", [("x", b"1", 2), ("x", b"2", 1), ("y", b"", "z")]),
]


@pytest.mark.parametrize(("columns", "keys"), KEYED)
@pytest.mark.parametrize("options", ["", "WITHOUT ROWID"])
def test_all_kinds_of_keys(place: SqlitePlace, columns: str, keys: list[tuple[Any, ...]], options: str) -> None:
    words = columns.split(", PRIMARY KEY")
    body = f"{words[0]}, v TEXT{''.join(', PRIMARY KEY' + word for word in words[1:])}"
    place.make(f"CREATE TABLE keyed ({body}) {options}")
    (table,) = place.replicate("keyed")
    place_of_key = table.definition.key_indexes
    images = [(*key, f"v{number}") for number, key in enumerate(keys)]
    packed = [pack_key([image[i] for i in place_of_key]) for image in images]
    with place.database.transaction() as connection:
        place.database.write_images(connection, table, images)
        place.database.write_images(connection, table, images)
        found = place.database.read_images(connection, table, [*packed, pack_key([99] * len(place_of_key))])
        assert found == dict(zip(packed, images, strict=True))
        scanned = [row for page in place.database.scan(connection, table) for row in page]
        assert sorted(map(repr, scanned)) == sorted(map(repr, images))
        names = table.definition.primary_key
        wanted = [tuple(image[i] for i in place_of_key) for image in images]
        compare = place.database.comparable(table, names)
        expected = {compare(values): key for values, key in zip(wanted, packed, strict=True)}
        assert place.database.find_keys(connection, table, names, wanted) == expected
        assert place.database.count_rows(connection, table, names, wanted) == dict.fromkeys(expected, 1)
        place.database.delete_keys(connection, table, packed[1:])
        assert place.database.read_images(connection, table, packed) == {packed[0]: images[0]}
    assert sorted({change.key for change in place.collect()}) == sorted(packed)


def test_scan_crosses_pages_of_composite_keys(place: SqlitePlace) -> None:
    place.make("CREATE TABLE items (a INTEGER NOT NULL, b TEXT NOT NULL COLLATE NOCASE, PRIMARY KEY (a, b))")
    (table,) = place.replicate("items")
    rows = [(a, f"{chr(65 + a % 2 * 32 + b % 26)}{b:03}") for a in range(9) for b in range(300)]
    with place.database.transaction() as connection:
        place.database.write_images(connection, table, rows)
        scanned = [row for page in place.database.scan(connection, table) for row in page]
    assert len(scanned) == len(rows)
    assert set(scanned) == set(rows)
