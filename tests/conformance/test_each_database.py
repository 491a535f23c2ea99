"""What every database behind `databases.base.Database` must do, in SQL that all of them understand."""

from __future__ import annotations

from itertools import groupby, pairwise

import pytest
from database_places import fail_after, told
from each_database import CUSTOMERS, ORDERS, Place
from sqlalchemy import Connection

from replicator.databases.base import Retyped
from replicator.errors import ConstraintViolation
from replicator.protocol.keys import pack_key
from replicator.runtime import Runtime
from replicator.types import Table


@pytest.fixture
def place(each_place: Place) -> Place:
    return each_place


@pytest.fixture
def customers(place: Place) -> Table:
    place.make(CUSTOMERS)
    return place.replicate("customers")[0]


# --- transactions -----------------------------------------------------------------------------------------------------


def test_a_transaction_is_all_or_nothing(place: Place, customers: Table) -> None:
    reached: list[str] = []
    crash_at = ""

    def note(where: str) -> None:
        reached.append(where)
        if where == crash_at:
            raise KeyboardInterrupt(where)

    place.database.runtime = Runtime(reached=note)
    with place.database.transaction() as connection:
        place.database.write_images(connection, customers, [(1, "a", None)])
    assert reached == ["commit:before", "commit:after"]
    for where, rows in (("commit:before", 1), ("commit:after", 2)):
        crash_at = where
        with pytest.raises(KeyboardInterrupt), place.database.transaction() as connection:
            place.database.write_images(connection, customers, [(2, "b", None)])
        crash_at = ""
        assert place.run("SELECT count(*) FROM customers") == [(rows,)]
    with pytest.raises(ZeroDivisionError), place.database.transaction() as connection:
        fail_after(place.database.write_images, connection, customers, [(3, "c", None)])
    with pytest.raises(RuntimeError), place.database.transaction(), place.database.transaction():
        pass
    assert place.run("SELECT count(*) FROM customers") == [(2,)]


def test_a_refused_row_is_told_apart_and_leaves_the_transaction_usable(place: Place, customers: Table) -> None:
    with place.database.transaction() as connection:
        for image in ((1, None, None), (2**64, "x", None)):
            with pytest.raises(ConstraintViolation), connection.begin_nested():
                place.database.write_images(connection, customers, [image])
        place.database.write_images(connection, customers, [(1, "a", None)])
        assert place.database.count(connection, customers) == 1


def test_a_snapshot_outlives_the_transaction_and_later_writes(place: Place, customers: Table) -> None:
    for start in range(0, 2500, 500):
        values = ", ".join(f"({number}, 'n{number}', NULL)" for number in range(start, start + 500))
        place.run(f"INSERT INTO customers VALUES {values}")
    with place.database.transaction() as held:
        snapshot = place.database.snapshot(held)
        frozen = snapshot.__enter__()
    pages = place.database.scan(frozen, customers)
    seen = [next(pages)]
    place.run("DELETE FROM customers")
    with place.database.transaction() as connection:
        assert place.database.count(connection, customers) == 0
        seen += pages
    assert [row[0] for page in seen for row in page] == list(range(2500))
    assert len(seen) > 1
    snapshot.__exit__(None, None, None)


# --- capture and collect ----------------------------------------------------------------------------------------------


def test_inserts_updates_and_deletes(place: Place, customers: Table) -> None:
    place.run("INSERT INTO customers VALUES (1, 'Abel', NULL), (2, 'Bär', 'x')")
    place.run("UPDATE customers SET note = 'y' WHERE id = 1")
    place.run("UPDATE customers SET name = 'ABEL', note = 'y' WHERE id = 1")
    place.run("UPDATE customers SET name = name, note = NULL WHERE id = 2")
    place.run("UPDATE customers SET note = note")
    place.run("UPDATE customers SET id = 3 WHERE id = 2")
    place.run("DELETE FROM customers WHERE id = 3")
    before = place.database.runtime.now()
    changes = place.collect()
    assert told(changes) == [
        ("I", (1, "Abel", None), 0b111, None),
        ("I", (2, "Bär", "x"), 0b111, None),
        ("U", (1, "Abel", "y"), 0b100, (None,)),
        ("U", (1, "ABEL", "y"), 0b010, ("Abel",)),
        ("U", (2, "Bär", None), 0b100, ("x",)),
        ("D", None, 0, (2, "Bär", None)),
        ("I", (3, "Bär", None), 0b111, None),
        ("D", None, 0, (3, "Bär", None)),
    ]
    assert [change.key for change in changes] == [pack_key((n,)) for n in (1, 2, 1, 1, 2, 2, 3, 3)]
    assert {change.table for change in changes} == {customers.id}
    assert all(one.id <= two.id for one, two in pairwise(changes))
    assert all(abs(before - change.at) < 60_000_000 for change in changes)
    if place.database.capabilities.transactions_are_groups:
        assert len({change.transaction for change in changes}) == 6
    assert place.collect() == []


def test_what_is_rolled_back_is_not_captured(place: Place, customers: Table) -> None:
    place.make("BEGIN", "INSERT INTO customers VALUES (1, 'a', NULL)", "ROLLBACK")
    assert place.collect() == []


def test_a_transaction_with_savepoints_is_one(place: Place, customers: Table) -> None:
    place.make(
        "BEGIN",
        "INSERT INTO customers VALUES (1, 'a', NULL)",
        "SAVEPOINT kept",
        "INSERT INTO customers VALUES (2, 'b', NULL)",
        "RELEASE SAVEPOINT kept",
        "SAVEPOINT undone",
        "INSERT INTO customers VALUES (3, 'c', NULL)",
        "ROLLBACK TO SAVEPOINT undone",
        "COMMIT",
    )
    changes = place.collect()
    assert [change.image[0] for change in changes if change.image] == [1, 2]
    assert len({change.transaction for change in changes}) == 1


def test_many_changes_of_two_tables_come_in_order_and_in_chunks(place: Place, customers: Table) -> None:
    place.make("CREATE TABLE notes (id integer PRIMARY KEY, text varchar(20))")
    place.replicate("notes")
    for start in range(0, 6000, 1000):
        numbers = range(start, start + 1000)
        place.make(
            "BEGIN",
            "INSERT INTO customers VALUES " + ", ".join(f"({number}, 'name {number}', '')" for number in numbers),
            "INSERT INTO notes VALUES " + ", ".join(f"({number}, '')" for number in numbers),
            "COMMIT",
        )
    with place.database.transaction() as connection:
        chunks = list(place.database.read_outbox(connection, place.tables))
        place.database.clear_outbox(connection)
    assert len(chunks) > 2
    changes = [change for chunk in chunks for change in chunk]
    assert [change.table for change in changes] == ([1] * 1000 + [2] * 1000) * 6
    assert [change.id for change in changes] == sorted(change.id for change in changes)
    if place.database.capabilities.transactions_are_groups:
        groups = [len(list(group)) for _, group in groupby(changes, lambda change: change.transaction)]
        assert groups == [2000] * 6


def test_a_collect_that_is_rolled_back_loses_nothing(place: Place, customers: Table) -> None:
    def collect(connection: Connection) -> None:
        assert len(list(place.database.read_outbox(connection, place.tables))) == 1
        place.database.clear_outbox(connection)
        assert place.database.outbox_is_empty(connection)

    place.run("INSERT INTO customers VALUES (1, 'a', NULL)")
    with pytest.raises(ZeroDivisionError), place.database.transaction() as connection:
        fail_after(collect, connection)
    assert len(place.collect()) == 1


def test_changes_of_several_tables_come_in_the_order_they_were_made(place: Place, customers: Table) -> None:
    place.make(ORDERS)
    place.replicate("orders")
    place.run("INSERT INTO customers VALUES (1, 'a', NULL)")
    place.run("INSERT INTO orders VALUES (7, 1)")
    place.run("UPDATE orders SET customer = NULL")
    place.run("DELETE FROM customers")
    assert [(change.table, change.operation.value) for change in place.collect()] == [
        (1, "I"),
        (2, "I"),
        (2, "U"),
        (1, "D"),
    ]


def test_changes_of_a_table_no_longer_replicated_are_read_over(place: Place, customers: Table) -> None:
    place.make(ORDERS)
    _, orders = place.replicate("orders")
    place.run("INSERT INTO customers VALUES (1, 'a', NULL)")
    place.run("INSERT INTO orders VALUES (7, 1)")
    place.run("INSERT INTO customers VALUES (2, 'b', NULL)")
    del place.tables[orders.id]
    assert [change.table for change in place.collect()] == [customers.id] * 2


def test_keys_that_wait_are_told(place: Place, customers: Table) -> None:
    place.run("INSERT INTO customers VALUES (1, 'a', NULL), (2, 'b', NULL)")
    place.collect()
    place.run("UPDATE customers SET id = 3 WHERE id = 2")
    keys = [pack_key((number,)) for number in (1, 2, 3, 4)]
    with place.database.transaction() as connection:
        assert place.database.pending_keys(connection, customers, keys) == {keys[1], keys[2]}
        assert place.database.pending_keys(connection, customers, []) == set()
    place.collect()
    place.run("DELETE FROM customers WHERE id = 1")
    with place.database.transaction() as connection:
        assert place.database.pending_keys(connection, customers, keys) == {keys[0]}
    place.collect()
    with place.database.transaction() as connection:
        assert place.database.pending_keys(connection, customers, keys) == set()


def test_where_no_type_was_changed_nothing_was_rounded(place: Place, customers: Table) -> None:
    with place.database.transaction() as connection:
        assert place.database.retyped(connection, customers) == Retyped()


def test_removed_capture_captures_nothing_more(place: Place, customers: Table) -> None:
    place.run("INSERT INTO customers VALUES (1, 'a', NULL)")
    with place.database.transaction() as connection:
        assert place.database.capture_faults(connection, customers) == []
        place.database.remove_capture(connection, customers)
        assert place.database.capture_faults(connection, customers) != []
    place.run("INSERT INTO customers VALUES (2, 'b', NULL)")
    assert [change.image for change in place.collect()] == [(1, "a", None)]
    with place.database.transaction() as connection:
        place.database.install_capture(connection, customers)
        assert place.database.capture_faults(connection, customers) == []
    place.run("INSERT INTO customers VALUES (3, 'c', NULL)")
    assert [change.image for change in place.collect()] == [(3, "c", None)]


def test_the_watch_notices_what_was_committed(place: Place, customers: Table) -> None:
    with place.open().watch() as waits:
        assert not waits()
        place.make("BEGIN", "INSERT INTO customers VALUES (1, 'Abel', NULL)")
        assert not waits()
        place.run("COMMIT")
        assert waits()
        place.collect()
        assert not waits()
        with place.database.transaction() as connection, place.database.replaying(connection, [customers]):
            place.database.write_images(connection, customers, [(2, "Bär", None)])
        assert not waits()
