"""What a database on a server must do where several programs write at a time."""

from __future__ import annotations

from threading import Thread
from typing import Any

import pytest
from sqlalchemy import Connection

from replicator.errors import DatabaseBusy, DatabaseTrouble
from replicator.protocol.keys import pack_key
from replicator.types import Image, Table

CUSTOMERS = "CREATE TABLE customers (id integer PRIMARY KEY, name varchar(80) NOT NULL UNIQUE, note varchar(200))"
WAITS_FOR_NOBODY = {
    "postgresql": "SET lock_timeout = '1ms'",
    "mariadb": "SET innodb_lock_wait_timeout = 0",
}
GONE = {"postgresql": r"can't be reached: .*refused", "mariadb": "connection"}


@pytest.fixture
def place(server_place: Any) -> Any:
    return server_place


@pytest.fixture
def customers(place: Any) -> Table:
    place.make(CUSTOMERS)
    (table,) = place.replicate("customers")
    return table


def insert(place: Any, numbers: range) -> None:
    place.run("INSERT INTO customers VALUES " + ", ".join(f"({number}, 'name {number}', '')" for number in numbers))


def test_what_commits_late_is_not_lost(place: Any, customers: Table) -> None:
    late = place.another()
    place.do(late, "BEGIN", "INSERT INTO customers VALUES (1, 'early id', NULL)")
    place.run("INSERT INTO customers VALUES (2, 'late id', NULL)")
    assert [change.image[0] for change in place.collect() if change.image] == [2]
    place.do(late, "COMMIT")
    assert [change.image[0] for change in place.collect() if change.image] == [1]
    late.close()


def test_what_depends_on_a_change_comes_after_it(place: Any) -> None:
    """protocol.md 7.1: T1 writes, waits, and adds to what T2 has set meanwhile.

    Where transactions are groups they go by their last id: by the first ones the sum would be wrong.
    """
    place.make("CREATE TABLE stock (id integer PRIMARY KEY, count integer)", "INSERT INTO stock VALUES (1, 0), (2, 0)")
    place.replicate("stock")
    first = place.another()
    place.do(first, "BEGIN", "UPDATE stock SET count = 1 WHERE id = 1")
    place.run("UPDATE stock SET count = 5 WHERE id = 2")
    place.do(first, "UPDATE stock SET count = count + 10 WHERE id = 2", "COMMIT")
    beginning = [(1, 1), (2, 5)]
    if place.database.capabilities.transactions_are_groups:
        beginning.reverse()
    assert [change.image for change in place.collect()] == [*beginning, (2, 15)]
    first.close()


def test_what_commits_while_collect_reads_waits_for_the_next(place: Any, customers: Table) -> None:
    place.make("CREATE TABLE orders (id integer PRIMARY KEY, customer integer REFERENCES customers (id))")
    place.replicate("orders")
    place.run("INSERT INTO customers VALUES (1, 'a', NULL)")
    with place.database.transaction() as connection:
        assert not place.database.outbox_is_empty(connection)
        chunks = place.database.read_outbox(connection, place.tables)
        first = next(chunks)
        place.make("BEGIN", "INSERT INTO customers VALUES (2, 'b', NULL)", "INSERT INTO orders VALUES (7, 2)", "COMMIT")
        assert [*first, *(change for chunk in chunks for change in chunk)] == first
        place.database.clear_outbox(connection)
        assert not place.database.outbox_is_empty(connection)
        keys = [pack_key((1,)), pack_key((2,))]
        assert place.database.pending_keys(connection, customers, keys) == {keys[1]}
        with place.database.snapshot(connection) as frozen:
            assert place.database.count(frozen, customers) == 1
        assert place.database.count(connection, customers) == 2
        # A second collect of the same transaction reads what is new, and that only.
        again = [change for chunk in place.database.read_outbox(connection, place.tables) for change in chunk]
        place.database.clear_outbox(connection)
        assert [change.table for change in again] == [1, 2]
    assert place.collect() == []


def test_collect_waits_for_nobody_and_nobody_waits_for_it(place: Any, customers: Table) -> None:
    place.run("INSERT INTO customers VALUES (1, 'a', NULL), (2, 'b', NULL)")
    other = place.another()
    place.do(
        other,
        WAITS_FOR_NOBODY[place.database.name],
        "BEGIN",
        "INSERT INTO customers VALUES (3, 'c', NULL)",
    )
    # More than a server cares to look up one by one.
    insert(place, range(1001, 1041))
    with place.database.transaction() as connection:
        assert len(next(place.database.read_outbox(connection, place.tables))) == 42
        place.database.clear_outbox(connection)
        place.do(other, "UPDATE customers SET note = 'x' WHERE id < 4", "COMMIT")
    assert len(place.collect()) == 4
    other.close()


def test_a_lock_of_the_applications_is_busy_and_does_not_hold_it_up(place: Any, customers: Table) -> None:
    place.run("INSERT INTO customers VALUES (1, 'a', NULL), (2, 'b', NULL)")
    other = place.another()
    place.do(
        other,
        "BEGIN",
        "UPDATE customers SET note = 'x'",
        "INSERT INTO customers VALUES (5, 'e', NULL)",
        "DELETE FROM customers WHERE id = 2",
    )
    for step in (
        lambda connection: place.database.write_images(connection, customers, [(1, "b", None)]),
        lambda connection: place.database.write_images(connection, customers, [(5, "b", None)]),
        lambda connection: place.database.delete_keys(connection, customers, [pack_key((1,))]),
        lambda connection: place.database.find_keys(connection, customers, ["id"], [(2,)], hold=True),
    ):
        with pytest.raises(DatabaseBusy), place.database.transaction() as connection:
            step(connection)
    place.do(other, "COMMIT")
    other.close()
    assert place.run("SELECT * FROM customers ORDER BY id") == [(1, "a", "x"), (5, "e", None)]


def test_rows_beside_those_that_the_application_holds_are_free(place: Any, customers: Table) -> None:
    """Also in a table so small that the server goes through all of it."""
    insert(place, range(1, 41))
    other = place.another()
    place.do(
        other,
        "BEGIN",
        "UPDATE customers SET note = 'x' WHERE id = 20",
        "INSERT INTO customers VALUES (41, 'e', NULL)",
    )
    with place.database.transaction() as connection:
        ours: list[Image] = [(key, f"name {key}", "ours") for key in range(1, 20)]
        keys = [image[:1] for image in ours]
        assert len(place.database.find_keys(connection, customers, ["id"], keys, hold=True)) == 19
        place.database.write_images(connection, customers, ours)
        place.database.delete_keys(connection, customers, [pack_key((key,)) for key in range(21, 40)])
    place.do(other, "COMMIT")
    other.close()
    expected = [(key, "ours") for key in range(1, 20)] + [(20, "x"), (40, ""), (41, None)]
    assert place.run("SELECT id, note FROM customers ORDER BY id") == expected


def test_the_application_is_never_the_victim_of_a_deadlock_with_us(place: Any, customers: Table) -> None:
    place.run("INSERT INTO customers VALUES (1, 'a', NULL), (2, 'b', NULL)")
    other = place.another()
    place.do(other, "BEGIN", "UPDATE customers SET note = 'x' WHERE id = 2")
    waiting = Thread(target=place.do, args=(other, "UPDATE customers SET note = 'x' WHERE id = 1", "COMMIT"))

    def write(connection: Connection) -> None:
        place.database.write_images(connection, customers, [(1, "we", None)])
        waiting.start()
        place.database.write_images(connection, customers, [(2, "we", None)])

    with pytest.raises(DatabaseBusy), place.database.transaction() as connection:
        write(connection)
    waiting.join()
    other.close()
    assert place.run("SELECT note FROM customers") == [("x",), ("x",)]


def test_a_row_that_the_application_inserts_meanwhile_is_found_pending(place: Any, customers: Table) -> None:
    key = pack_key((1,))
    with place.database.transaction() as connection, place.database.replaying(connection, [customers]):
        assert place.database.read_images(connection, customers, [key]) == {}
        place.run("INSERT INTO customers VALUES (1, 'theirs', NULL)")
        place.database.write_images(connection, customers, [(1, "ours", None)])
        assert place.database.pending_keys(connection, customers, [key]) == {key}


def test_a_restarted_server_is_used_again(place: Any, customers: Table) -> None:
    with place.database.transaction() as connection:
        assert place.database.outbox_is_empty(connection)
    place.server.server.stop()
    with pytest.raises(DatabaseTrouble, match=GONE[place.database.name]), place.database.transaction():
        pass
    place.server.start()
    for _ in range(2):
        with place.database.transaction() as connection:
            assert place.database.table_names(connection) == ["customers"]
            assert place.database.outbox_is_empty(connection)
            assert place.database.count(connection, customers) == 0
        place.server.server.stop()
        place.server.start()
