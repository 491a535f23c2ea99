"""SQLite: rows are read and written in sets, and the application's triggers are silent meanwhile."""

from __future__ import annotations

from dataclasses import replace

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
