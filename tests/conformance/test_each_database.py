"""What every database behind `databases.base.Database` must do, in SQL that all of them understand."""

from __future__ import annotations

from typing import Any, Protocol

import pytest
from database_places import fail_after, told
from sqlalchemy import Connection

from replicator.databases.base import Change, Database
from replicator.errors import ConstraintViolation, UnknownName
from replicator.protocol.keys import pack_key
from replicator.runtime import Runtime
from replicator.types import ColumnDefinition, ColumnType, ForeignKey, Table, TableDefinition, TypeKind, UniqueKey

CUSTOMERS = "CREATE TABLE customers (id integer PRIMARY KEY, name varchar(80) NOT NULL UNIQUE, note varchar(200))"
ORDERS = (
    "CREATE TABLE orders (id integer PRIMARY KEY, customer integer, FOREIGN KEY (customer) REFERENCES customers (id))"
)
ROWS = "SELECT * FROM customers ORDER BY id"


class Place(Protocol):
    """A node's database, and an application that writes to it with its own connection."""

    database: Database
    tables: dict[int, Table]

    def open(self) -> Database: ...
    def run(self, sql: str, *parameters: Any) -> list[tuple[Any, ...]]: ...
    def make(self, *statements: str) -> None: ...
    def replicate(self, *names: str) -> list[Table]: ...
    def collect(self) -> list[Change]: ...


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
        ("D", None, 0, (2, "Bär", "x")),
        ("I", (3, "Bär", "x"), 0b111, None),
        ("D", None, 0, (3, "Bär", "x")),
    ]
    assert [change.key for change in changes] == [pack_key((n,)) for n in (1, 2, 1, 1, 2, 3, 3)]
    assert all(abs(before - change.at) < 600_000_000 for change in changes)
    assert place.collect() == []


def test_what_is_rolled_back_is_not_captured(place: Place, customers: Table) -> None:
    place.make("BEGIN", "INSERT INTO customers VALUES (1, 'a', NULL)", "ROLLBACK")
    assert place.collect() == []


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


def test_keys_that_wait_are_told(place: Place, customers: Table) -> None:
    place.run("INSERT INTO customers VALUES (1, 'a', NULL), (2, 'b', NULL)")
    place.collect()
    place.run("UPDATE customers SET id = 3 WHERE id = 2")
    keys = [pack_key((number,)) for number in (1, 2, 3, 4)]
    with place.database.transaction() as connection:
        assert place.database.pending_keys(connection, customers, keys) == {keys[1], keys[2]}
        assert place.database.pending_keys(connection, customers, []) == set()


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


def test_scan_crosses_pages_of_composite_keys(place: Place) -> None:
    place.make("CREATE TABLE items (a integer NOT NULL, b varchar(9) NOT NULL, PRIMARY KEY (a, b))")
    (table,) = place.replicate("items")
    rows = [(a, f"{chr(65 + a % 2 * 32 + b % 26)}{b:03}") for a in range(9) for b in range(300)]
    with place.database.transaction() as connection:
        place.database.write_images(connection, table, rows)
        scanned = [row for page in place.database.scan(connection, table) for row in page]
    assert len(scanned) == len(rows)
    assert set(scanned) == set(rows)


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
