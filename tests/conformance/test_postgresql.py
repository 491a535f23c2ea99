"""What is PostgreSQL's own: groups by transaction, concurrent writers, its types, its roles."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import groupby
from typing import TYPE_CHECKING, Any

import pytest
from database_places import fail_after, told

from replicator.errors import ConfigurationError, ConstraintViolation, DatabaseBusy, DatabaseTrouble, UnfitTable
from replicator.protocol.keys import pack_key

if TYPE_CHECKING:
    from postgresql_places import PostgresqlPlace

    from tests.servers.postgresql import PostgresqlServer

CUSTOMERS = "CREATE TABLE customers (id integer PRIMARY KEY, name citext NOT NULL UNIQUE, note text)"


@pytest.fixture
def place(postgresql_server: PostgresqlServer, postgresql_database: str) -> Iterator[PostgresqlPlace]:
    from postgresql_places import PostgresqlPlace

    made = PostgresqlPlace(postgresql_server, postgresql_database)
    yield made
    made.close()


# --- capture and collect ----------------------------------------------------------------------------------------------


def test_inserts_updates_and_deletes(place: PostgresqlPlace) -> None:
    place.make(CUSTOMERS)
    place.replicate("customers")
    place.run("INSERT INTO customers VALUES (1, 'Abel', NULL), (2, 'Bär', 'x')")
    place.run("UPDATE customers SET note = 'y' WHERE id = 1")
    place.run("UPDATE customers SET name = 'ABEL', note = 'y' WHERE id = 1")
    place.run("UPDATE customers SET note = note")
    place.run("UPDATE customers SET id = 3 WHERE id = 2")
    place.run("DELETE FROM customers WHERE id = 3")
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
    assert len({change.transaction for change in changes}) == 5
    assert place.collect() == []


def test_a_transaction_with_savepoints_is_one_group(place: PostgresqlPlace) -> None:
    place.make(CUSTOMERS)
    place.replicate("customers")
    with place.application.transaction():
        place.run("INSERT INTO customers VALUES (1, 'a', NULL)")
        with place.application.transaction():
            place.run("INSERT INTO customers VALUES (2, 'b', NULL)")
        with pytest.raises(ZeroDivisionError), place.application.transaction():
            fail_after(place.run, "INSERT INTO customers VALUES (3, 'c', NULL)")
    changes = place.collect()
    assert [change.image[0] for change in changes if change.image] == [1, 2]
    assert len({change.transaction for change in changes}) == 1


def test_groups_go_by_their_last_id(place: PostgresqlPlace) -> None:
    """protocol.md 7.1: T1 writes, waits, and adds to what T2 has set meanwhile; by first ids the sum would be wrong."""
    place.make("CREATE TABLE stock (id integer PRIMARY KEY, count integer)", "INSERT INTO stock VALUES (1, 0), (2, 0)")
    place.replicate("stock")
    with place.another() as first:
        first.execute("BEGIN")
        first.execute("UPDATE stock SET count = 1 WHERE id = 1")
        place.run("UPDATE stock SET count = 5 WHERE id = 2")
        first.execute("UPDATE stock SET count = count + 10 WHERE id = 2")
        first.execute("COMMIT")
    assert [change.image for change in place.collect()] == [(2, 5), (1, 1), (2, 15)]


def test_what_commits_late_is_not_lost(place: PostgresqlPlace) -> None:
    place.make(CUSTOMERS)
    place.replicate("customers")
    with place.another() as late:
        late.execute("BEGIN")
        late.execute("INSERT INTO customers VALUES (1, 'early id', NULL)")
        place.run("INSERT INTO customers VALUES (2, 'late id', NULL)")
        assert [change.image[0] for change in place.collect() if change.image] == [2]
        late.execute("COMMIT")
    assert [change.image[0] for change in place.collect() if change.image] == [1]


def test_what_commits_while_collect_reads_waits_for_the_next(place: PostgresqlPlace) -> None:
    place.make(CUSTOMERS, "CREATE TABLE orders (id integer PRIMARY KEY, customer integer REFERENCES customers)")
    place.replicate("customers", "orders")
    place.run("INSERT INTO customers VALUES (1, 'a', NULL)")
    with place.database.transaction() as connection:
        chunks = place.database.read_outbox(connection, place.tables)
        first = next(chunks)
        with place.application.transaction():
            place.run("INSERT INTO customers VALUES (2, 'b', NULL)")
            place.run("INSERT INTO orders VALUES (7, 2)")
        assert [*first, *(change for chunk in chunks for change in chunk)] == first
        place.database.clear_outbox(connection)
        assert not place.database.outbox_is_empty(connection)
        keys = [pack_key((1,)), pack_key((2,))]
        assert place.database.pending_keys(connection, place.tables[1], keys) == {keys[1]}
        with place.database.snapshot(connection) as frozen:
            assert place.database.count(frozen, place.tables[1]) == 1
        assert place.database.count(connection, place.tables[1]) == 2
    assert [change.table for change in place.collect()] == [1, 2]


def test_many_changes_of_two_tables_come_in_order_and_in_chunks(place: PostgresqlPlace) -> None:
    place.make(CUSTOMERS, "CREATE TABLE notes (id integer PRIMARY KEY, text text)")
    place.replicate("customers", "notes")
    for start in range(0, 6000, 1000):
        with place.application.transaction():
            place.run(f"INSERT INTO customers SELECT n, 'name ' || n FROM generate_series({start}, {start + 999}) n")
            place.run(f"INSERT INTO notes SELECT n FROM generate_series({start}, {start + 999}) n")
    with place.database.transaction() as connection:
        chunks = list(place.database.read_outbox(connection, place.tables))
        place.database.clear_outbox(connection)
    assert len(chunks) > 2
    changes = [change for chunk in chunks for change in chunk]
    assert len(changes) == 12_000
    groups = [[change.table for change in group] for _, group in groupby(changes, lambda change: change.transaction)]
    assert groups == [[1] * 1000 + [2] * 1000] * 6


def test_truncate_and_cascades_are_deletes(place: PostgresqlPlace) -> None:
    place.make(
        CUSTOMERS,
        "CREATE TABLE orders (id integer PRIMARY KEY, customer integer REFERENCES customers ON DELETE CASCADE)",
    )
    place.replicate("customers", "orders")
    place.run("INSERT INTO customers VALUES (1, 'a', NULL), (2, 'b', NULL)")
    place.run("INSERT INTO orders VALUES (7, 1), (8, 2)")
    place.collect()
    place.run("DELETE FROM customers WHERE id = 1")
    assert sorted((change.table, change.key) for change in place.collect()) == [
        (1, pack_key((1,))),
        (2, pack_key((7,))),
    ]
    place.run("TRUNCATE customers CASCADE")
    assert sorted((change.table, change.key) for change in place.collect()) == [
        (1, pack_key((2,))),
        (2, pack_key((8,))),
    ]


def test_the_applications_own_triggers_come_after_the_capture(place: PostgresqlPlace) -> None:
    place.make(
        CUSTOMERS,
        "CREATE FUNCTION fill() RETURNS trigger LANGUAGE plpgsql AS"
        " 'BEGIN UPDATE customers SET note = ''n'' WHERE id = NEW.id; RETURN NULL; END'",
        "CREATE TRIGGER fill AFTER INSERT ON customers FOR EACH ROW EXECUTE FUNCTION fill()",
    )
    (table,) = place.replicate("customers")
    place.run("INSERT INTO customers VALUES (1, 'a', NULL)")
    assert told(place.collect()) == [("I", (1, "a", None), 0b111, None), ("U", (1, "a", "n"), 0b100, (None,))]
    with place.database.transaction() as connection, place.database.replaying(connection, [table]):
        place.database.write_images(connection, table, [(2, "b", None)])
    assert place.run("SELECT note FROM customers WHERE id = 2") == [(None,)]
    assert place.collect() == []


def test_faults_are_found_and_mended(place: PostgresqlPlace) -> None:
    for damage, words in (
        ('DROP TRIGGER "!replicator_update" ON customers', "lost the trigger"),
        ('ALTER TABLE customers DISABLE TRIGGER "!replicator_insert"', "disabled"),
        ("ALTER TABLE customers ADD COLUMN extra text", "new column extra"),
        ("ALTER TABLE customers ALTER COLUMN id TYPE bigint", "out of date"),
        ("ALTER TABLE customers RENAME COLUMN note TO remark", "lost its column note"),
        ("ALTER TABLE customers RENAME TO clients", "dropped"),
    ):
        place.make("DROP TABLE IF EXISTS customers, clients", CUSTOMERS)
        place.tables.clear()
        (table,) = place.replicate("customers")
        with place.database.transaction() as connection:
            assert place.database.capture_faults(connection, table) == []
        place.run(damage)
        with place.database.transaction() as connection:
            faults = place.database.capture_faults(connection, table)
            assert any(words in fault for fault in faults), (damage, faults)
            if words not in ("lost its column note", "dropped"):
                place.database.install_capture(connection, table)
                assert place.database.capture_faults(connection, table) == []


def change_tables(place: PostgresqlPlace) -> list[str]:
    with place.server.connect(place.name) as administrator:
        found = administrator.execute(
            "SELECT relname FROM pg_class WHERE relnamespace = 'replicator'::regnamespace AND relkind = 'r'"
            " AND relname LIKE 'change%' ORDER BY 1"
        )
        return [name for (name,) in found]


def test_what_was_captured_before_a_type_was_changed_is_kept(place: PostgresqlPlace) -> None:
    place.make("CREATE TABLE priced (id integer PRIMARY KEY, price numeric(10,2), note varchar(5))")
    (table,) = place.replicate("priced")
    place.run("INSERT INTO priced VALUES (1, 1.5, 'a')")
    place.run("ALTER TABLE priced ALTER COLUMN note TYPE text, ALTER COLUMN id TYPE bigint")
    with place.database.transaction() as connection:
        assert any("type of a column" in fault for fault in place.database.capture_faults(connection, table))
        place.database.install_capture(connection, table)
        assert place.database.capture_faults(connection, table) == []
        assert not place.database.outbox_is_empty(connection)
        key = pack_key((1,))
        assert place.database.pending_keys(connection, table, [key]) == {key}
    place.run("UPDATE priced SET note = 'longer than before', id = id + 3000000000")
    assert change_tables(place) == ["change_1", "change_1_1"]
    assert [change.image for change in place.collect()] == [
        (1, 1.5, "a"),
        None,
        (3_000_000_001, 1.5, "longer than before"),
    ]
    assert change_tables(place) == ["change_1"]


def test_the_change_table_of_a_removed_table_goes_once_it_is_empty(place: PostgresqlPlace) -> None:
    place.make(CUSTOMERS, "CREATE TABLE other (id integer PRIMARY KEY)")
    table, other = place.replicate("customers", "other")
    place.run("INSERT INTO customers VALUES (1, 'a', NULL)")
    with place.database.transaction() as connection:
        place.database.remove_capture(connection, table)
        place.database.remove_capture(connection, other)
    assert change_tables(place) == ["change_1"]
    del place.tables[other.id]
    with place.server.connect(place.name) as backup, backup.transaction():
        backup.execute("SELECT * FROM replicator.change_1")
        # Whoever reads it is not waited for.
        assert len(place.collect()) == 1
    assert change_tables(place) == ["change_1"]
    place.make("CREATE TABLE third (id integer PRIMARY KEY)")
    place.tables[3] = place.replicate("third")[-1]
    place.run("INSERT INTO third VALUES (1)")
    place.collect()
    assert "change_1" not in change_tables(place)


def test_floats_that_are_equal_and_not_the_same_are_changes(place: PostgresqlPlace) -> None:
    place.make("CREATE TABLE measured (id integer PRIMARY KEY, value double precision, price numeric(10,3))")
    place.replicate("measured")
    place.run("INSERT INTO measured VALUES (1, 0.0, 1.5)")
    place.collect()
    place.run("UPDATE measured SET value = '-0.0'")
    place.run("UPDATE measured SET value = 'NaN'")
    place.run("UPDATE measured SET value = 'NaN', price = 1.500")
    assert [(change.mask, repr(change.before)) for change in place.collect()] == [(0b10, "(0.0,)"), (0b10, "(-0.0,)")]


# --- values -----------------------------------------------------------------------------------------------------------


TYPES: dict[str, list[tuple[Any, Any]]] = {
    "smallint": [(-32768, -32768)],
    "bigint": [(2**63 - 1, 2**63 - 1)],
    "real": [("0.1", 0.1), ("-0", -0.0), ("3.4028235e38", 3.4028235e38)],
    "double precision": [(0.1 + 0.2, 0.1 + 0.2), (5e-324, 5e-324), ("Infinity", float("inf"))],
    "numeric": [("12345678901234567890.1234567890", "12345678901234567890.1234567890"), ("NaN", "NaN"), ("7", "7")],
    "numeric(19,2)": [("1.5", "1.50"), ("-0.01", "-0.01")],
    "numeric(15,2)": [("1.5", 1.5), ("-9999999999999.99", -9999999999999.99), ("12", 12), ("NaN", "NaN"), ("0", 0)],
    "numeric(9)": [("123456789", 123456789), ("-5", -5)],
    "numeric(30)": [("123456789012345678901234567890", "123456789012345678901234567890"), ("5", "5")],
    "boolean": [(True, 1), (False, 0)],
    "text": [("a\tb\n\\N ä€😀", "a\tb\n\\N ä€😀"), ("", "")],
    "varchar(3)": [("ab ", "ab ")],
    "char(5)": [("ab", "ab")],
    "citext": [("Ab", "Ab")],
    "bytea": [(b"\0\xff\\x", b"\0\xff\\x"), (b"", b"")],
    "date": [("2026-11-26", "2026-11-26"), ("infinity", "infinity"), ("0044-03-15 BC", "0044-03-15 BC")],
    "time": [("11:22:33.000001", "11:22:33.000001")],
    "timestamp": [("2026-11-26 11:22:33.5", "2026-11-26 11:22:33.5"), ("-infinity", "-infinity")],
    "timestamptz": [("2026-11-26 11:22:33+05:30", "2026-11-26 05:52:33+00")],
    "interval": [("1 year 2 months -3 days 04:05:06.7", "P1Y2M-3DT4H5M6.7S")],
    "uuid": [("11111111-2222-3333-4444-555555555555", "11111111-2222-3333-4444-555555555555")],
    "json": [('{"a":  1.0, "a": -0}', '{"a":  1.0, "a": -0}')],
    "jsonb": [('{"a":  1.0}', '{"a": 1.0}')],
    "integer[]": [("{1,NULL,3}", "{1,NULL,3}"), ("{}", "{}")],
    "text[]": [('{"a b",NULL,"NULL","x\\"y"}', '{"a b",NULL,"NULL","x\\"y"}')],
    "bit varying": [("0101", "0101")],
    "inet": [("10.0.0.0/8", "10.0.0.0/8")],
    "int4range": [("[1,5)", "[1,5)")],
    "mood": [("sad", "sad")],
    "positive": [(7, 7)],
    "xml": [("<a>1</a>", "<a>1</a>")],
}


def test_every_type_goes_out_and_comes_back(place: PostgresqlPlace) -> None:
    columns = ", ".join(f"c{number} {name}" for number, name in enumerate(TYPES))
    place.make(
        "CREATE TYPE mood AS ENUM ('sad', 'glad')",
        "CREATE DOMAIN positive AS integer CHECK (VALUE > 0)",
        f"CREATE TABLE anything (id integer PRIMARY KEY, {columns})",
        f"CREATE TABLE copy (id integer PRIMARY KEY, {columns})",
    )
    _, copy = place.replicate("anything", "copy")
    place.run("INSERT INTO anything (id) VALUES (1)")
    for number, (name, values) in enumerate(TYPES.items()):
        for stored, portable in values:
            place.run(f"UPDATE anything SET c{number} = %s", stored)
            (change,) = [each for each in place.collect() if each.operation.value == "U"]
            assert change.image is not None
            assert (type(change.image[number + 1]), repr(change.image[number + 1])) == (
                type(portable),
                repr(portable),
            ), name
            with place.database.transaction() as connection, place.database.replaying(connection, [copy]):
                for many in (1, 30):
                    place.database.write_images(connection, copy, [(n, *change.image[1:]) for n in range(1, many + 1)])
                key = pack_key((1,))
                assert place.database.read_images(connection, copy, [key])[key] == change.image
            compare = f"SELECT a::text IS NOT DISTINCT FROM b::text FROM (SELECT c{number} FROM anything) x(a),"
            assert place.run(f"{compare} (SELECT c{number} FROM copy WHERE id IN (1, 30)) y(b)") == [(True,)] * 2, name


def test_what_a_column_cannot_hold_is_that_rows_fault(place: PostgresqlPlace) -> None:
    place.make("CREATE TABLE one (id integer PRIMARY KEY, t text, n numeric(4,2), b boolean)")
    (table,) = place.replicate("one")
    for image in ((1, "a\0b", 1, 1), (1, "\udcff", 1, 1), (1, "a", "12345", 1), (1, "a", "x", 1), (1, b"\0", 1, 1),
                  (2**31, "a", 1, 1), (1, "a", 1, "perhaps"), (None, "a", 1, 1)):  # fmt: skip
        with pytest.raises(ConstraintViolation), place.database.transaction() as connection:
            place.database.write_images(connection, table, [image])
    with place.database.transaction() as connection:
        place.database.write_images(connection, table, [(1, "a", 1.5, 1)])
    assert place.run("SELECT n, b FROM one") == [(pytest.approx(1.5), True)]


# --- rows -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("columns", "keys"),
    [
        ("id integer PRIMARY KEY", [(1,), (-5,), (2**30,)]),
        ("id text PRIMARY KEY", [("a",), ("",), ("%s' \\",), ("ü",), ("A",)]),
        ("id bytea PRIMARY KEY", [(b"\xff",), (b"",), (b"a",)]),
        ("id numeric PRIMARY KEY", [("1",), ("1.5",), ("NaN",), ("12345678901234567890",)]),
        ("id numeric(10,2) PRIMARY KEY", [(1,), (1.5,), (-0.01,)]),
        ("id uuid PRIMARY KEY", [("11111111-2222-3333-4444-555555555555",)]),
        ("id timestamptz PRIMARY KEY", [("2026-11-26 05:52:33+00",), ("infinity",)]),
        ('a text, "b%" integer, PRIMARY KEY ("b%", a)', [("x", 1), ("x", 2), ("y", 1)]),
    ],
)
def test_all_kinds_of_keys(place: PostgresqlPlace, columns: str, keys: list[tuple[Any, ...]]) -> None:
    first, mark, rest = columns.partition(", PRIMARY KEY")
    place.make(f"CREATE TABLE keyed ({first}, v text{mark}{rest})")
    (table,) = place.replicate("keyed")
    places = table.definition.key_indexes
    images = [(*key, f"v{number}") for number, key in enumerate(keys)]
    packed = [pack_key([image[place] for place in places]) for image in images]
    with place.database.transaction() as connection:
        place.database.write_images(connection, table, images)
        place.database.write_images(connection, table, images)
        assert place.database.read_images(connection, table, packed) == dict(zip(packed, images, strict=True))
        scanned = [row for page in place.database.scan(connection, table) for row in page]
        assert sorted(map(repr, scanned)) == sorted(map(repr, images))
        names = table.definition.primary_key
        wanted = [tuple(image[place] for place in places) for image in images]
        compare = place.database.comparable(table, names)
        expected = {compare(values): key for values, key in zip(wanted, packed, strict=True)}
        assert place.database.find_keys(connection, table, names, wanted) == expected
        assert place.database.count_rows(connection, table, names, wanted) == dict.fromkeys(expected, 1)
        place.database.delete_keys(connection, table, packed[1:])
        assert place.database.read_images(connection, table, packed) == {packed[0]: images[0]}
    assert sorted({change.key for change in place.collect()}) == sorted(packed)


def test_scan_crosses_pages(place: PostgresqlPlace) -> None:
    place.make("CREATE TABLE items (a integer, b citext, PRIMARY KEY (a, b))")
    (table,) = place.replicate("items")
    rows = [(a, f"{chr(65 + a % 2 * 32 + b % 26)}{b:03}") for a in range(9) for b in range(300)]
    with place.database.transaction() as connection:
        place.database.write_images(connection, table, rows)
        scanned = [row for page in place.database.scan(connection, table) for row in page]
    assert len(scanned) == len(rows)
    assert set(scanned) == set(rows)


# --- trouble ----------------------------------------------------------------------------------------------------------


def test_a_lock_of_the_applications_is_busy_and_does_not_hold_it_up(place: PostgresqlPlace) -> None:
    place.make(CUSTOMERS)
    (table,) = place.replicate("customers")
    place.run("INSERT INTO customers VALUES (1, 'a', NULL)")
    with place.another() as other:
        other.execute("SET application_name = 'till'")
        other.execute("BEGIN")
        other.execute("UPDATE customers SET note = 'x'")
        with (
            pytest.raises(
                DatabaseBusy, match=rf"till \(session {other.info.backend_pid}, user application\) has .* since"
            ),
            place.database.transaction() as connection,
        ):
            place.database.write_images(connection, table, [(1, "b", None)])
        other.execute("COMMIT")
    assert place.run("SELECT * FROM customers") == [(1, "a", "x")]


def test_a_restarted_server_is_used_again(place: PostgresqlPlace) -> None:
    place.make(CUSTOMERS)
    with place.database.transaction() as connection:
        assert place.database.table_names(connection) == ["customers"]
    place.server.server.stop()
    with pytest.raises(DatabaseTrouble, match=r"can't be reached: .*refused"), place.database.transaction():
        pass
    place.server.start()
    with place.database.transaction() as connection:
        assert place.database.table_names(connection) == ["customers"]
    place.server.server.stop()
    place.server.start()
    with place.database.transaction() as connection:
        assert place.database.table_names(connection) == ["customers"]


def test_a_role_that_may_not_is_told_what_to_grant(
    postgresql_server: PostgresqlServer, postgresql_database: str
) -> None:
    from sqlalchemy import make_url

    from replicator.databases.postgresql.database import PostgresqlDatabase
    from replicator.runtime import Runtime

    with postgresql_server.connect(postgresql_database) as administrator:
        administrator.execute("REVOKE SET ON PARAMETER session_replication_role FROM replicator")
    database = PostgresqlDatabase(make_url(postgresql_server.url(postgresql_database, "replicator")), Runtime())
    with pytest.raises(ConfigurationError, match="GRANT SET ON PARAMETER session_replication_role"):
        database.prepare()
    database.close()


def test_an_application_that_can_do_nothing_with_our_tables_is_captured(place: PostgresqlPlace) -> None:
    place.make(CUSTOMERS)
    place.replicate("customers")
    with pytest.raises(Exception, match="permission denied"):
        place.run("SELECT * FROM replicator.change_1")
    with pytest.raises(Exception, match="permission denied"):
        place.run("DELETE FROM replicator.change_1")
    place.run("INSERT INTO customers VALUES (1, 'a', NULL)")
    assert len(place.collect()) == 1


def test_what_cannot_be_replicated_is_told(place: PostgresqlPlace) -> None:
    place.make(
        "CREATE TABLE keyless (a integer)",
        "CREATE TABLE parted (a integer PRIMARY KEY) PARTITION BY RANGE (a)",
        "CREATE UNLOGGED TABLE unlogged (a integer PRIMARY KEY)",
        "CREATE TABLE late (a integer PRIMARY KEY DEFERRABLE)",
        "CREATE TABLE priced (a integer PRIMARY KEY, b money)",
        "CREATE VIEW seen AS SELECT 1 AS a",
    )
    for name, words in (
        ("keyless", "no primary key"),
        ("parted", "partitioned"),
        ("unlogged", "unlogged"),
        ("late", "deferrable"),
        ("priced", "locale"),
        ("seen", "a view"),
    ):
        with pytest.raises(UnfitTable, match=words), place.database.transaction() as connection:
            place.database.inspect(connection, name)


def test_a_definition_makes_the_same_table_again(place: PostgresqlPlace) -> None:
    place.make(
        "CREATE TABLE parents (id bigint PRIMARY KEY GENERATED ALWAYS AS IDENTITY, code varchar(10) NOT NULL UNIQUE)",
        "CREATE TABLE children (id serial PRIMARY KEY, parent bigint REFERENCES parents ON DELETE CASCADE,"
        " price numeric(19,2) NOT NULL DEFAULT 1.5, at timestamptz DEFAULT now(), text text DEFAULT 'it''s',"
        " count integer DEFAULT -1, flag boolean DEFAULT true, blob bytea DEFAULT '\\x00ff', UNIQUE (parent, text))",
        "CREATE INDEX children_by_price ON children (price)",
        "CREATE UNIQUE INDEX partly ON children (count) WHERE flag",
    )
    with place.database.transaction() as connection:
        found = [place.database.inspect(connection, name) for name in ("parents", "children")]
        assert [remark for remark in place.database.remarks(connection, "children") if "partly" in remark]
    assert found[0].autoincrement
    assert found[1].autoincrement
    assert [
        column.default.literal for column in found[1].columns if column.default and not column.default.expression
    ] == [
        1.5,
        "it's",
        -1,
        b"\x00\xff",
    ]
    place.make("DROP TABLE children", "DROP TABLE parents")
    with place.database.transaction() as connection:
        for definition in found:
            place.database.create_table(connection, definition)
            assert place.database.differences(connection, definition) == []
            assert place.database.inspect(connection, definition.name) == definition


def test_the_watch_notices_what_was_committed(place: PostgresqlPlace) -> None:
    place.make(CUSTOMERS)
    place.replicate("customers")
    with place.open().watch() as waits:
        assert not waits()
        with place.application.transaction():
            place.run("INSERT INTO customers VALUES (1, 'Abel', NULL)")
            assert not waits()
        assert waits()
        place.collect()
        assert not waits()


def test_the_least_that_the_role_needs(place: PostgresqlPlace) -> None:
    """The second list of docs/databases.md."""
    place.make("CREATE TABLE notes (id serial PRIMARY KEY, text text)", "CREATE TABLE closed (id integer PRIMARY KEY)")
    with place.server.connect(place.name) as administrator:
        for statement in (
            "REVOKE application FROM replicator",
            "REVOKE ALL ON SCHEMA public FROM replicator",
            "REVOKE ALL ON SCHEMA public FROM PUBLIC",
            "GRANT USAGE ON SCHEMA public TO replicator",
            "GRANT SELECT, INSERT, UPDATE, DELETE, TRIGGER ON notes TO replicator",
            "GRANT SELECT, UPDATE ON SEQUENCE notes_id_seq TO replicator",
        ):
            administrator.execute(statement.encode())
    try:
        (table,) = place.replicate("notes")
        place.run("INSERT INTO notes (text) VALUES ('own')")
        assert len(place.collect()) == 1
        with place.database.transaction() as connection, place.database.replaying(connection, [table]):
            assert place.database.capture_faults(connection, table) == []
            place.database.write_images(connection, table, [(2, "came"), (1, "changed")])
            assert place.database.find_keys(connection, table, ["id"], [(2,)], hold=True) != {}
        assert place.run("INSERT INTO notes (text) VALUES ('own') RETURNING id") == [(3,)]
        place.run("TRUNCATE notes")
        assert len(place.collect()) == 4
        with place.database.transaction() as connection:
            place.database.remove_capture(connection, table)
        with pytest.raises(DatabaseTrouble, match="does not permit"):
            place.replicate("closed")
    finally:
        with place.server.connect(place.name) as administrator:
            administrator.execute("GRANT application TO replicator")
