"""What every database must do with rows and definitions, in SQL that all of them understand."""

from __future__ import annotations

from typing import Any

import pytest
from database_places import fail_after
from each_database import CUSTOMERS, ORDERS, Place

from replicator.errors import ConstraintViolation, UnknownName
from replicator.protocol.keys import pack_key
from replicator.protocol.working_set import build
from replicator.types import ColumnDefinition, ColumnType, ForeignKey, Table, TableDefinition, TypeKind, UniqueKey

ROWS = "SELECT * FROM customers ORDER BY id"


@pytest.fixture
def place(each_place: Place) -> Place:
    return each_place


@pytest.fixture
def customers(place: Place) -> Table:
    place.make(CUSTOMERS)
    return place.replicate("customers")[0]


# --- rows -------------------------------------------------------------------------------------------------------------


def test_replay_is_not_captured(place: Place, customers: Table) -> None:
    with place.database.transaction() as connection:
        with place.database.replaying(connection, [customers]):
            place.database.write_images(connection, customers, [(1, "a", None), (2, "b", None)])
            place.database.write_images(connection, customers, [(1, "a", "x")])
            place.database.delete_keys(connection, customers, [pack_key((2,)), pack_key((7,))])
        assert place.database.outbox_is_empty(connection)
        assert place.database.capture_faults(connection, customers) == []
    assert place.run(ROWS) == [(1, "a", "x")]
    with (
        pytest.raises(ZeroDivisionError),
        place.database.transaction() as connection,
        place.database.replaying(connection, [customers]),
    ):
        fail_after(place.database.write_images, connection, customers, [(9, "i", None)])
    place.run("INSERT INTO customers VALUES (3, 'c', NULL)")
    assert [change.operation.value for change in place.collect()] == ["I"]


def test_columns_that_are_not_replicated_keep_their_values(place: Place, customers: Table) -> None:
    place.make("ALTER TABLE customers ADD COLUMN here varchar(20)")
    place.run("INSERT INTO customers VALUES (1, 'a', NULL, 'local')")
    with place.database.transaction() as connection:
        place.database.write_images(connection, customers, [(1, "b", None), (2, "c", None)])
    assert place.run(ROWS) == [(1, "b", None, "local"), (2, "c", None, None)]


def test_no_row_is_written_over_because_of_another_unique_key(place: Place, customers: Table) -> None:
    place.run("INSERT INTO customers VALUES (1, 'a', 'one'), (2, 'b', 'two')")
    for image in ((3, "a", "new"), (2, "a", "new")):
        with pytest.raises(ConstraintViolation), place.database.transaction() as connection:
            place.database.write_images(connection, customers, [(4, "d", None), image])
    assert place.run(ROWS) == [(1, "a", "one"), (2, "b", "two")]
    with place.database.transaction() as connection:
        place.database.write_images(connection, customers, [(3, "c", "new"), (1, "A", "one")])
    assert place.run(ROWS) == [(1, "A", "one"), (2, "b", "two"), (3, "c", "new")]


def test_rows_are_found_by_unique_values_and_counted_by_their_parents(place: Place, customers: Table) -> None:
    place.make(ORDERS)
    _, orders = place.replicate("orders")
    with place.database.transaction() as connection:
        place.database.write_images(connection, customers, [(1, "a", None), (2, "b", "x")])
        place.database.write_images(connection, orders, [(7, 1), (8, 1), (9, None)])
        name = place.database.comparable(customers, ["name"])
        assert name([None]) is None
        for hold in (False, True):
            found = place.database.find_keys(connection, customers, ["name"], [("a",), ("z",)], hold=hold)
            assert found == {name(["a"]): pack_key((1,))}
        parent = place.database.comparable(orders, ["customer"])
        counted = place.database.count_rows(connection, orders, ["customer"], [(1,), (2,)])
        assert counted == {parent([1]): 2}


def test_foreign_keys_of_tables_that_are_not_replicated_are_told(place: Place, customers: Table) -> None:
    place.make(ORDERS)
    with place.database.transaction() as connection:
        ((child, key),) = place.database.foreign_keys_from_outside(connection, [customers])
    assert (child, key.columns, key.parent, key.parent_columns) == ("orders", ("customer",), "customers", ("id",))


def test_rows_of_tables_that_are_not_replicated_are_counted_by_their_keys(place: Place, customers: Table) -> None:
    place.make(CUSTOMERS.replace("customers", "regions"))
    _, regions = place.replicate("regions")
    place.make(
        "CREATE TABLE orders (id integer PRIMARY KEY, customer integer, region integer,"
        " FOREIGN KEY (customer) REFERENCES customers (id), FOREIGN KEY (region) REFERENCES regions (id))"
    )
    place.run("INSERT INTO customers (id, name) VALUES (1, 'a'), (2, 'b')")
    place.run("INSERT INTO regions (id, name) VALUES (7, 'x')")
    place.run("INSERT INTO orders VALUES (1, 1, 7), (2, 1, 7)")
    tables = {table.id: table for table in (customers, regions)}
    with place.database.transaction() as connection:
        outside = place.database.foreign_keys_from_outside(connection, tables.values())
        working = build(tables, place.database.comparable, outside)
        found = {}
        for table in tables.values():
            (count,) = working.tables[table.id].children
            columns = count.foreign_key.columns
            assert count.child.is_outside
            found[columns] = place.database.count_rows(connection, count.child, columns, [(1,), (2,), (7,)])
            assert list(found[columns]) == [count.comparable([1 if table is customers else 7])]
    assert [list(each.values()) for each in found.values()] == [[2], [2]]


# --- definitions ------------------------------------------------------------------------------------------------------


def test_tables_are_listed_without_ours(place: Place, customers: Table) -> None:
    with place.database.transaction() as connection:
        assert place.database.table_names(connection) == ["customers"]
        with pytest.raises(UnknownName):
            place.database.inspect(connection, "nothing")


VALUES: list[tuple[ColumnType, Any]] = [
    (ColumnType(TypeKind.INTEGER), -(2**63)),
    (ColumnType(TypeKind.INTEGER, bits=16), 32767),
    (ColumnType(TypeKind.REAL), 0.1 + 0.2),
    (ColumnType(TypeKind.NUMERIC, precision=12, scale=2), 12.5),
    (ColumnType(TypeKind.NUMERIC, precision=30, scale=10), "12345678901234567890.0123456789"),
    (ColumnType(TypeKind.NUMERIC), "1.5"),
    (ColumnType(TypeKind.BOOLEAN), 1),
    (ColumnType(TypeKind.TEXT), "ä€😀 '\\\"%s\n"),
    (ColumnType(TypeKind.TEXT, length=20), " x "),
    (ColumnType(TypeKind.BLOB), bytes(range(256))),
    (ColumnType(TypeKind.DATE), "2026-11-26"),
    (ColumnType(TypeKind.TIME), "11:22:33.5"),
    (ColumnType(TypeKind.TIMESTAMP), "2026-11-26 11:22:33.000001"),
    (ColumnType(TypeKind.TIMESTAMP_WITH_ZONE), "2026-11-26 11:22:33+00"),
    (ColumnType(TypeKind.INTERVAL), "P1DT2H"),
    (ColumnType(TypeKind.UUID), "11111111-2222-3333-4444-55555555555a"),
    (ColumnType(TypeKind.JSON), '{"a":  1.0}'),
]


def test_a_table_of_every_kind_is_made_and_holds_every_value(place: Place) -> None:
    columns = (
        ColumnDefinition("select", ColumnType(TypeKind.INTEGER, bits=64), nullable=False),
        *(ColumnDefinition(f"c{number}", kind) for number, (kind, _) in enumerate(VALUES)),
    )
    definition = TableDefinition("order", columns, ("select",), autoincrement=True)
    table = Table(1, "order", definition)
    rows = [(1, *(value for _, value in VALUES)), (2, *(None for _ in VALUES))]
    with place.database.transaction() as connection:
        place.database.create_table(connection, definition)
        assert place.database.differences(connection, definition) == []
        place.database.install_capture(connection, table)
        place.database.write_images(connection, table, rows)
        assert [row for page in place.database.scan(connection, table) for row in page] == rows
    place.tables[1] = table
    assert [change.image for change in place.collect()] == rows


def test_keys_of_a_definition_are_made_and_missed(place: Place) -> None:
    integer, text = ColumnType(TypeKind.INTEGER, bits=32), ColumnType(TypeKind.TEXT)
    parents = TableDefinition(
        "parents",
        (
            ColumnDefinition("id", integer, nullable=False),
            ColumnDefinition("name", text, nullable=False),
            ColumnDefinition("kind", integer),
        ),
        ("id",),
        unique_keys=(UniqueKey(("name", "kind")),),
    )
    children = TableDefinition(
        "children",
        (ColumnDefinition("code", text, nullable=False), ColumnDefinition("parent", integer)),
        ("code",),
        foreign_keys=(ForeignKey(("parent",), "parents", ("id",), "CASCADE"),),
    )
    with place.database.transaction() as connection:
        for definition in (parents, children):
            place.database.create_table(connection, definition)
            assert place.database.differences(connection, definition) == []
        more = TableDefinition("children", children.columns, ("code",), unique_keys=(UniqueKey(("parent",)),))
        assert len(place.database.differences(connection, more)) == 2
    place.run("INSERT INTO parents VALUES (1, 'a', 1)")
    place.run("INSERT INTO children VALUES ('x', 1)")
    with pytest.raises(Exception, match=r"(?i)unique|duplicate"):
        place.run("INSERT INTO parents VALUES (2, 'a', 1)")
    with pytest.raises(Exception, match=r"(?i)foreign"):
        place.run("INSERT INTO children VALUES ('y', 9)")
