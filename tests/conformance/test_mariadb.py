"""What is MariaDB's own: concurrent writers, statements that fire triggers or none, its types, its privileges."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from threading import Thread
from typing import TYPE_CHECKING, Any

import pytest
from database_places import told
from sqlalchemy import Connection

from replicator.errors import ConfigurationError, ConstraintViolation, DatabaseBusy, DatabaseTrouble, UnfitTable
from replicator.protocol.keys import pack_key
from replicator.runtime import Runtime
from replicator.types import ColumnDefinition, ColumnType, ForeignKey, Image, Table, TableDefinition, TypeKind

if TYPE_CHECKING:
    from mariadb_places import MariadbPlace

    from tests.servers.mariadb import MariadbServer

CUSTOMERS = "CREATE TABLE customers (id integer PRIMARY KEY, name varchar(80) NOT NULL UNIQUE, note text)"


@pytest.fixture
def place(mariadb_server: MariadbServer, mariadb_database: str) -> Iterator[MariadbPlace]:
    from mariadb_places import MariadbPlace

    made = MariadbPlace(mariadb_server, mariadb_database)
    yield made
    made.close()


def do(session: Any, *statements: str) -> None:
    with session.cursor() as cursor:
        for statement in statements:
            cursor.execute(statement)


# --- capture and collect ----------------------------------------------------------------------------------------------


def test_statements_that_replace_load_and_upsert_fire_triggers(place: MariadbPlace) -> None:
    place.make(CUSTOMERS)
    place.replicate("customers")
    place.run("INSERT INTO customers VALUES (1, 'a', 'x'), (2, 'b', 'y')")
    place.collect()
    place.run("REPLACE INTO customers VALUES (3, 'a', 'new')")
    assert told(place.collect()) == [("D", None, 0, (1, "a", "x")), ("I", (3, "a", "new"), 0b111, None)]
    place.run("INSERT INTO customers VALUES (9, 'b', 'z') ON DUPLICATE KEY UPDATE note = VALUES(note)")
    assert told(place.collect()) == [("U", (2, "b", "z"), 0b100, ("y",))]
    place.run("INSERT IGNORE INTO customers VALUES (2, 'c', NULL)")
    assert place.collect() == []


def test_what_commits_late_is_not_lost(place: MariadbPlace) -> None:
    place.make(CUSTOMERS)
    place.replicate("customers")
    late = place.another()
    do(late, "BEGIN", "INSERT INTO customers VALUES (1, 'early id', NULL)")
    place.run("INSERT INTO customers VALUES (2, 'late id', NULL)")
    assert [change.image[0] for change in place.collect() if change.image] == [2]
    do(late, "COMMIT")
    assert [change.image[0] for change in place.collect() if change.image] == [1]
    late.close()


def test_what_depends_on_a_change_comes_after_it(place: MariadbPlace) -> None:
    """protocol.md 7.1: T1 writes, waits, and adds to what T2 has set meanwhile; ids are drawn change by change."""
    place.make("CREATE TABLE stock (id integer PRIMARY KEY, count integer)", "INSERT INTO stock VALUES (1, 0), (2, 0)")
    place.replicate("stock")
    first = place.another()
    do(first, "BEGIN", "UPDATE stock SET count = 1 WHERE id = 1")
    place.run("UPDATE stock SET count = 5 WHERE id = 2")
    do(first, "UPDATE stock SET count = count + 10 WHERE id = 2", "COMMIT")
    assert [change.image for change in place.collect()] == [(1, 1), (2, 5), (2, 15)]
    first.close()


def test_what_commits_while_collect_reads_waits_for_the_next(place: MariadbPlace) -> None:
    place.make(CUSTOMERS, "CREATE TABLE orders (id integer PRIMARY KEY, customer integer REFERENCES customers (id))")
    place.replicate("customers", "orders")
    place.run("INSERT INTO customers VALUES (1, 'a', NULL)")
    with place.database.transaction() as connection:
        assert not place.database.outbox_is_empty(connection)
        chunks = place.database.read_outbox(connection, place.tables)
        first = next(chunks)
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
        # A second collect of the same transaction reads what is new, and that only.
        again = [change for chunk in place.database.read_outbox(connection, place.tables) for change in chunk]
        place.database.clear_outbox(connection)
        assert [change.table for change in again] == [1, 2]
    assert place.collect() == []


def test_many_changes_of_two_tables_come_in_order_and_in_chunks(place: MariadbPlace) -> None:
    place.make(CUSTOMERS, "CREATE TABLE notes (id integer PRIMARY KEY, text text)")
    place.replicate("customers", "notes")
    for start in range(0, 6000, 1000):
        place.run(f"INSERT INTO customers SELECT seq, CONCAT('name ', seq), '' FROM seq_{start}_to_{start + 999}")
        place.run(f"INSERT INTO notes SELECT seq, '' FROM seq_{start}_to_{start + 999}")
    with place.database.transaction() as connection:
        chunks = list(place.database.read_outbox(connection, place.tables))
        place.database.clear_outbox(connection)
    assert len(chunks) > 2
    changes = [change for chunk in chunks for change in chunk]
    assert [change.table for change in changes] == ([1] * 1000 + [2] * 1000) * 6
    assert [change.id for change in changes] == sorted(change.id for change in changes)


def test_collect_waits_for_nobody_and_nobody_waits_for_it(place: MariadbPlace) -> None:
    place.make(CUSTOMERS)
    place.replicate("customers")
    place.run("INSERT INTO customers VALUES (1, 'a', NULL), (2, 'b', NULL)")
    other = place.another()
    do(other, "SET innodb_lock_wait_timeout = 0", "BEGIN", "INSERT INTO customers VALUES (3, 'c', NULL)")
    # More than the server cares to look up one by one.
    place.run("INSERT INTO customers SELECT seq, CONCAT('name ', seq), '' FROM seq_1001_to_1040")
    with place.database.transaction() as connection:
        assert len(next(place.database.read_outbox(connection, place.tables))) == 42
        place.database.clear_outbox(connection)
        do(other, "UPDATE customers SET note = 'x' WHERE id < 4", "COMMIT")
    assert len(place.collect()) == 4
    other.close()


def test_tables_that_the_application_locks_are_captured(place: MariadbPlace) -> None:
    place.make(CUSTOMERS)
    place.replicate("customers")
    place.make("LOCK TABLES customers WRITE", "INSERT INTO customers VALUES (1, 'a', NULL)", "UNLOCK TABLES")
    assert len(place.collect()) == 1


def test_an_application_trigger_must_keep_silent_at_replay_and_comes_after_the_capture(place: MariadbPlace) -> None:
    place.make(
        CUSTOMERS,
        "CREATE TABLE audit (id integer PRIMARY KEY AUTO_INCREMENT, text text)",
        "CREATE TRIGGER loud AFTER INSERT ON customers FOR EACH ROW INSERT INTO audit (text) VALUES (NEW.name)",
    )
    with pytest.raises(UnfitTable, match="@replicator_applying"):
        place.replicate("customers")
    place.make(
        "CREATE OR REPLACE TRIGGER loud AFTER INSERT ON customers FOR EACH ROW"
        " IF @replicator_applying IS NULL THEN INSERT INTO audit (text) VALUES (NEW.name); END IF",
    )
    table, _ = place.replicate("customers", "audit")
    with place.database.transaction() as connection:
        assert place.database.capture_faults(connection, table) == []
    place.run("INSERT INTO customers VALUES (1, 'a', NULL)")
    assert [change.table for change in place.collect()] == [1, 2]
    with place.database.transaction() as connection, place.database.replaying(connection, [table]):
        place.database.write_images(connection, table, [(1, "b", None), (2, "c", None)])
        place.database.delete_keys(connection, table, [pack_key((1,))])
    assert place.run("SELECT text FROM audit") == [("a",)]
    assert place.collect() == []


def test_a_column_that_is_made_wider_goes_on_being_captured(place: MariadbPlace) -> None:
    place.make(
        "CREATE TABLE things (id int PRIMARY KEY, name varchar(3) CHARACTER SET latin1, mood enum('a'), n decimal(4,2))"
    )
    (table,) = place.replicate("things")
    place.run(
        "ALTER TABLE things MODIFY id bigint, MODIFY name varchar(300) CHARACTER SET utf8mb4,"
        " MODIFY mood enum('a', 'b'), MODIFY n decimal(20,2)"
    )
    place.run("INSERT INTO things VALUES (5000000000, 'Grüße 😀', 'b', 1234567890.25)")
    with place.database.transaction() as connection:
        assert place.database.capture_faults(connection, table) == []
    assert [change.image for change in place.collect()] == [(5000000000, "Grüße 😀", "b", 1234567890.25)]


def test_faults_are_found_and_mended(place: MariadbPlace) -> None:
    silent = "FOR EACH ROW SET @x = IF(@replicator_applying IS NULL, 1, 2)"
    for damage, words, mends in (
        ("DROP TRIGGER replicator_update_1", "lost the trigger", True),
        (
            f"CREATE TRIGGER early AFTER INSERT ON customers {silent[:12]} PRECEDES replicator_insert_1 {silent[12:]}",
            "early",
            True,
        ),
        ("ALTER TABLE customers ADD COLUMN `extra */` text", "new column extra", True),
        ("ALTER TABLE customers MODIFY note varbinary(50)", "out of date", True),
        ("ALTER TABLE customers RENAME COLUMN note TO remark", "lost its column note", False),
        ("ALTER TABLE customers ENGINE = MyISAM", "engine", False),
        ("CREATE TRIGGER loud AFTER INSERT ON customers FOR EACH ROW SET @x = 1", "loud", False),
        ("DROP TABLE customers", "dropped", False),
    ):
        place.make("DROP TABLE IF EXISTS customers", CUSTOMERS)
        place.tables.clear()
        (table,) = place.replicate("customers")
        with place.database.transaction() as connection:
            assert place.database.capture_faults(connection, table) == []
        place.run("INSERT INTO customers VALUES (1, 'a', NULL)")
        place.run(damage)
        with place.database.transaction() as connection:
            faults = place.database.capture_faults(connection, table)
            assert any(words in fault for fault in faults), (damage, faults)
        if mends:
            with place.database.transaction() as connection:
                place.database.install_capture(connection, table)
                assert place.database.capture_faults(connection, table) == []
            assert len(place.collect()) == 1
        else:
            place.server.connect(place.name, "replicator").query("TRUNCATE replicator_change_1")


# --- values -----------------------------------------------------------------------------------------------------------


TYPES: dict[str, list[tuple[Any, Any]]] = {
    "tinyint(1)": [(1, 1), (0, 0), (-128, -128)],
    "tinyint unsigned": [(255, 255)],
    "smallint": [(-32768, -32768)],
    "mediumint": [(8388607, 8388607)],
    "int unsigned": [(2**32 - 1, 2**32 - 1)],
    "int(7) zerofill": [(12, 12)],
    "bigint": [(2**63 - 1, 2**63 - 1), (-(2**63), -(2**63))],
    "bigint unsigned": [(2**64 - 1, str(2**64 - 1)), (7, "7")],
    "float": [(0.1, 0.1), (3.4028235e38, 3.4028235e38), (16777217.0, 16777216.0), (1.5, 1.5)],
    "double": [(0.1 + 0.2, 0.1 + 0.2), (5e-324, 5e-324), (-0.0, 0.0), (1.7976931348623157e308, 1.7976931348623157e308)],
    "decimal(65,30)": [("12345678901234567890.1234567890", "12345678901234567890.123456789000000000000000000000")],
    "decimal(19,2)": [("1.5", "1.50"), ("-0.01", "-0.01")],
    "decimal(15,2)": [("1.5", 1.5), ("-9999999999999.99", -9999999999999.99), ("12", 12), ("0", 0)],
    "decimal(9)": [("123456789", 123456789), ("-5", -5)],
    "bit": [(1, 1), (0, 0)],
    "bit(9)": [(5, "000000101"), (257, "100000001")],
    "bit(64)": [(2**64 - 1, "1" * 64)],
    "text": [("a\tb\n\\N ä€😀 '\"%s", "a\tb\n\\N ä€😀 '\"%s"), ("", ""), ("a\0b\x1a", "a\0b\x1a")],
    "varchar(3)": [("ab ", "ab ")],
    "varchar(2000)": [("é" * 2000, "é" * 2000)],
    "char(5)": [("ab ", "ab")],
    "varchar(9) CHARACTER SET latin1": [("äöü", "äöü")],
    "longtext CHARACTER SET utf16": [("ä😀", "ä😀")],
    "enum('sad','it''s')": [("it's", "it's")],
    "set('a','b')": [("a,b", "a,b"), ("", "")],
    "varbinary(5)": [(b"\0\xff\\'", b"\0\xff\\'"), (b"", b"")],
    "varbinary(3000)": [(b"\xff" * 3000, b"\xff" * 3000)],
    "binary(4)": [(b"ab", b"ab\0\0")],
    "longblob": [(bytes(range(256)), bytes(range(256)))],
    "date": [("2026-11-26", "2026-11-26"), ("1000-01-01", "1000-01-01"), ("0000-00-00", "0000-00-00")],
    "time": [("11:22:33", "11:22:33"), ("-838:59:59", "-838:59:59")],
    "time(6)": [("11:22:33.000001", "11:22:33.000001"), ("11:22:33.5", "11:22:33.5"), ("11:22:30", "11:22:30")],
    "datetime": [("2026-11-26 11:22:30", "2026-11-26 11:22:30"), ("9999-12-31 23:59:59", "9999-12-31 23:59:59")],
    "datetime(6)": [("2026-11-26 11:22:30.5", "2026-11-26 11:22:30.5"), ("2026-11-26", "2026-11-26 00:00:00")],
    "timestamp(3) NULL": [("2026-11-26 11:22:33.25", "2026-11-26 05:52:33.25+00")],
    "timestamp NULL": [("0000-00-00 00:00:00", "0000-00-00 00:00:00+00")],
    "year": [(2026, 2026), (0, 0)],
    "uuid": [("11111111-2222-3333-4444-55555555555A", "11111111-2222-3333-4444-55555555555a")],
    "inet6": [("2001:DB8::1", "2001:db8::1")],
    "json": [('{"a":  1.0, "a": -0}', '{"a":  1.0, "a": -0}')],
}


def test_every_type_goes_out_and_comes_back(place: MariadbPlace) -> None:
    columns = ", ".join(f"c{number} {name}" for number, name in enumerate(TYPES))
    place.make(
        "SET sql_mode = ''",
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
            compare = f"SELECT a <=> b FROM (SELECT c{number} AS a FROM anything) x,"
            assert place.run(f"{compare} (SELECT c{number} AS b FROM copy WHERE id IN (1, 30)) y") == [(1,)] * 2, name


def test_what_a_column_cannot_hold_is_that_rows_fault(place: MariadbPlace) -> None:
    place.make(
        "CREATE TABLE one (id integer PRIMARY KEY, t varchar(3) CHARACTER SET latin1, n decimal(4,2), b boolean,"
        " d datetime, e enum('a'))"
    )
    (table,) = place.replicate("one")
    good = (1, "a", 1, 1, None, "a")
    for column, value in ((1, "\udcff"), (1, "€" * 4), (1, "й"), (1, b"\0"), (2, "12345"), (2, "x"),
                          (2, "NaN"), (0, 2**31), (0, 1.5), (3, "perhaps"), (0, None), (4, "2026-02-30 00:00:00"),
                          (4, "infinity"),  (5, "b")):  # fmt: skip
        image = tuple(value if place == column else each for place, each in enumerate(good))
        with pytest.raises(ConstraintViolation), place.database.transaction() as connection:
            place.database.write_images(connection, table, [image])
    with place.database.transaction() as connection:
        place.database.write_images(connection, table, [(1, "ä", 1.5, 1, "2026-01-01T10:00:00+05:30", "a")])
    assert place.run("SELECT CAST(n AS CHAR), b, CAST(d AS CHAR), t FROM one") == [
        ("1.50", 1, "2026-01-01 04:30:00", "ä")
    ]


COLLATIONS = [
    "utf8mb4_general_ci",
    "utf8mb4_unicode_ci",
    "utf8mb4_uca1400_ai_ci",
    "utf8mb4_uca1400_as_ci",
    "utf8mb4_uca1400_nopad_as_cs",
    "utf8mb4_bin",
    "utf8mb4_nopad_bin",
    "utf8mb4_czech_ci",
    "latin1_swedish_ci",
    "latin1_german2_ci",
]
WORDS = [
    "a",
    "A",
    "a ",
    " a",
    "ä",
    "Ä",
    "ae",
    "AE",
    "ss",
    "ß",
    "ch",
    "Ch",
    "c",
    "é",
    "e",
    "E",
    "",
    " ",
    "ÿ",
    "1",
    "Ａ",
    "😀",
    "😁",
]


@pytest.mark.parametrize("collation", COLLATIONS)
def test_comparable_says_what_the_collation_says(place: MariadbPlace, collation: str) -> None:
    character_set = collation.partition("_")[0]
    text = f"CHARACTER SET {character_set} COLLATE {collation}"
    place.make(f"CREATE TABLE one (id integer PRIMARY KEY, v varchar(20) {text}, KEY (v))")
    (table,) = place.replicate("one")
    words = [
        word for word in WORDS if character_set != "latin1" or word.encode("cp1252", "ignore").decode("cp1252") == word
    ]
    with place.database.transaction() as connection:
        place.database.write_images(connection, table, list(enumerate(words)))
    compare = place.database.comparable(table, ["v"])
    pairs = {
        (n, m) for n, one in enumerate(words) for m, other in enumerate(words) if compare([one]) == compare([other])
    }
    assert set(place.run("SELECT x.id, y.id FROM one x JOIN one y ON x.v = y.v")) == pairs
    with place.database.transaction() as connection:
        for word in WORDS:
            found = place.database.find_keys(connection, table, ["v"], [(word,)])
            assert list(found) in ([], [compare([word])])
            assert (
                place.database.count_rows(connection, table, ["v"], [(word,)])
                == {compare([word]): sum(compare([word]) == compare([each]) for each in words)}
                or not found
            )


# --- rows -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("columns", "keys"),
    [
        ("id integer PRIMARY KEY", [(1,), (-5,), (0,), (2**30,)]),
        ("id bigint unsigned PRIMARY KEY", [(1,), (str(2**64 - 1),)]),
        ("id varchar(20) PRIMARY KEY", [("a",), ("",), ("%s' \\",), ("ü",), ("b",)]),
        ("id varbinary(9) PRIMARY KEY", [(b"\xff",), (b"",), (b"a",)]),
        ("id binary(3) PRIMARY KEY", [(b"\xff\0\0",), (b"abc",)]),
        ("id decimal(40,3) PRIMARY KEY", [("1",), ("1.5",), ("12345678901234567890.001",)]),
        ("id decimal(10,2) PRIMARY KEY", [(1,), (1.5,), (-0.01,)]),
        ("id float PRIMARY KEY", [(0.1,), (1.5,), (3e38,)]),
        ("id double PRIMARY KEY", [(0.1,), (1e300,)]),
        ("id uuid PRIMARY KEY", [("11111111-2222-3333-4444-555555555555",), ("01111111-2222-3333-4444-555555555556",)]),
        ("id bit(5) PRIMARY KEY", [("00001",), ("11111",)]),
        ("id enum('z','a') PRIMARY KEY", [("z",), ("a",)]),
        ("id timestamp(6) PRIMARY KEY", [("2026-11-26 05:52:33+00",), ("2026-11-26 05:52:33.5+00",)]),
        ("id time(3) PRIMARY KEY", [("05:52:33",), ("-05:52:33.5",)]),
        ("a varchar(9), `b%` integer, PRIMARY KEY (`b%`, a)", [("x", 1), ("x", 2), ("y", 1)]),
    ],
)
def test_all_kinds_of_keys(
    place: MariadbPlace, monkeypatch: pytest.MonkeyPatch, columns: str, keys: list[tuple[Any, ...]]
) -> None:
    monkeypatch.setattr("replicator.databases.mariadb.apply.CHUNK", 1)
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


def test_a_key_in_another_spelling_is_another_key(place: MariadbPlace) -> None:
    place.make("CREATE TABLE codes (code varchar(9) PRIMARY KEY, text text) CHARACTER SET utf8mb4")
    (table,) = place.replicate("codes")
    small, large = pack_key(("a",)), pack_key(("A",))
    with place.database.transaction() as connection:
        place.database.write_images(connection, table, [("a", "x")])
        assert place.database.read_images(connection, table, [small, large]) == {small: ("a", "x")}
        place.database.delete_keys(connection, table, [large])
        assert place.database.count(connection, table) == 1
        place.database.write_images(connection, table, [("A", "y")])
        assert place.database.read_images(connection, table, [small, large]) == {large: ("A", "y")}


def test_no_row_is_written_over_because_of_another_unique_key(place: MariadbPlace) -> None:
    place.make(CUSTOMERS)
    (table,) = place.replicate("customers")
    place.run("INSERT INTO customers VALUES (1, 'a', 'one'), (2, 'b', 'two')")
    for image in ((3, "a", "new"), (2, "a", "new")):
        with pytest.raises(ConstraintViolation), place.database.transaction() as connection:
            place.database.write_images(connection, table, [(4, "d", None), image])
    assert place.run("SELECT * FROM customers ORDER BY id") == [(1, "a", "one"), (2, "b", "two")]
    with place.database.transaction() as connection:
        place.database.write_images(connection, table, [(3, "c", "new"), (1, "A", "one")])
    assert place.run("SELECT * FROM customers ORDER BY id") == [(1, "A", "one"), (2, "b", "two"), (3, "c", "new")]


def test_rows_beyond_the_servers_packet_are_sent_in_several(place: MariadbPlace) -> None:
    place.make("CREATE TABLE large (id integer PRIMARY KEY, content longblob)")
    (table,) = place.replicate("large")
    rows = [(number, bytes([number]) * 700_000) for number in range(12)]
    with place.database.transaction() as connection:
        place.database.write_images(connection, table, rows)
        assert [row for page in place.database.scan(connection, table) for row in page] == rows


# --- beside the application -------------------------------------------------------------------------------------------


def test_a_lock_of_the_applications_is_busy_and_does_not_hold_it_up(place: MariadbPlace) -> None:
    place.make(CUSTOMERS)
    (table,) = place.replicate("customers")
    place.run("INSERT INTO customers VALUES (1, 'a', NULL)")
    other = place.another()
    do(other, "BEGIN", "UPDATE customers SET note = 'x'", "INSERT INTO customers VALUES (5, 'e', NULL)")
    for step in (
        lambda connection: place.database.write_images(connection, table, [(1, "b", None)]),
        lambda connection: place.database.write_images(connection, table, [(5, "b", None)]),
        lambda connection: place.database.delete_keys(connection, table, [pack_key((1,))]),
        lambda connection: place.database.find_keys(connection, table, ["id"], [(1,)], hold=True),
    ):
        with pytest.raises(DatabaseBusy), place.database.transaction() as connection:
            step(connection)
    do(other, "COMMIT")
    other.close()
    assert place.run("SELECT * FROM customers") == [(1, "a", "x"), (5, "e", None)]


def test_rows_beside_those_that_the_application_holds_are_free(place: MariadbPlace) -> None:
    """Also in a table so small that the server goes through all of it."""
    place.make(CUSTOMERS)
    (table,) = place.replicate("customers")
    place.run("INSERT INTO customers SELECT seq, CONCAT('name ', seq), '' FROM seq_1_to_40")
    other = place.another()
    do(other, "BEGIN", "UPDATE customers SET note = 'x' WHERE id = 20", "INSERT INTO customers VALUES (41, 'e', NULL)")
    with place.database.transaction() as connection:
        ours: list[Image] = [(key, f"name {key}", "ours") for key in range(1, 20)]
        assert len(place.database.find_keys(connection, table, ["id"], [image[:1] for image in ours], hold=True)) == 19
        place.database.write_images(connection, table, ours)
        place.database.delete_keys(connection, table, [pack_key((key,)) for key in range(21, 40)])
    do(other, "COMMIT")
    other.close()
    expected = [(key, "ours") for key in range(1, 20)] + [(20, "x"), (40, ""), (41, None)]
    assert place.run("SELECT id, note FROM customers ORDER BY id") == expected


def test_the_application_is_never_the_victim_of_a_deadlock_with_us(place: MariadbPlace) -> None:
    place.make(CUSTOMERS)
    (table,) = place.replicate("customers")
    place.run("INSERT INTO customers VALUES (1, 'a', NULL), (2, 'b', NULL)")
    other = place.another()
    do(other, "BEGIN", "UPDATE customers SET note = 'x' WHERE id = 2")
    waiting = Thread(target=do, args=(other, "UPDATE customers SET note = 'x' WHERE id = 1", "COMMIT"))

    def write(connection: Connection) -> None:
        place.database.write_images(connection, table, [(1, "we", None)])
        waiting.start()
        place.database.write_images(connection, table, [(2, "we", None)])

    with pytest.raises(DatabaseBusy), place.database.transaction() as connection:
        write(connection)
    waiting.join()
    other.close()
    assert place.run("SELECT note FROM customers") == [("x",), ("x",)]


def test_a_row_that_the_application_inserts_meanwhile_is_found_pending(place: MariadbPlace) -> None:
    place.make(CUSTOMERS)
    (table,) = place.replicate("customers")
    key = pack_key((1,))
    with place.database.transaction() as connection, place.database.replaying(connection, [table]):
        assert place.database.read_images(connection, table, [key]) == {}
        place.run("INSERT INTO customers VALUES (1, 'theirs', NULL)")
        place.database.write_images(connection, table, [(1, "ours", None)])
        assert place.database.pending_keys(connection, table, [key]) == {key}


def test_only_one_command_of_ours_writes(place: MariadbPlace, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("replicator.databases.mariadb.transactions._PATIENCE", 0)
    other = place.open()
    with place.database.transaction():
        with pytest.raises(DatabaseBusy, match="another command"), other.transaction():
            pass
        with other.transaction(write=False):
            pass
    with other.transaction():
        pass
    other.close()


def test_a_restarted_server_is_used_again(place: MariadbPlace) -> None:
    place.make(CUSTOMERS)
    place.replicate("customers")
    with place.database.transaction() as connection:
        assert place.database.outbox_is_empty(connection)
    place.server.server.stop()
    with pytest.raises(DatabaseTrouble, match="connection"), place.database.transaction():
        pass
    place.server.start()
    for _ in range(2):
        with place.database.transaction() as connection:
            assert place.database.table_names(connection) == ["customers"]
            assert place.database.outbox_is_empty(connection)
            assert place.database.count(connection, place.tables[1]) == 0
        place.server.server.stop()
        place.server.start()


# --- definitions and privileges ---------------------------------------------------------------------------------------


def test_what_cannot_be_replicated_is_told(place: MariadbPlace) -> None:
    place.make(
        "CREATE TABLE keyless (a integer)",
        "CREATE TABLE flat (a integer PRIMARY KEY) ENGINE = MyISAM",
        "CREATE TABLE historic (a integer PRIMARY KEY) WITH SYSTEM VERSIONING",
        "CREATE TABLE maps (a integer PRIMARY KEY, b point)",
        "CREATE VIEW seen AS SELECT 1 AS a",
        "CREATE TABLE parents (a integer PRIMARY KEY)",
        "CREATE TABLE children (a integer PRIMARY KEY, b integer REFERENCES parents (a) ON DELETE CASCADE)",
        "CREATE TABLE orphans (a integer PRIMARY KEY, b integer REFERENCES parents (a) ON UPDATE SET NULL)",
    )
    for name, words in (
        ("keyless", "no primary key"),
        ("flat", "MyISAM"),
        ("historic", "history"),
        ("maps", "point"),
        ("seen", "a view"),
        ("children", "ON DELETE CASCADE.*table add children --replace-cascades"),
        ("orphans", "ON UPDATE SET NULL"),
    ):
        with pytest.raises(UnfitTable, match=words), place.database.transaction() as connection:
            place.database.inspect(connection, name)


def test_a_definition_makes_the_same_table_again(place: MariadbPlace) -> None:
    place.make(
        "CREATE TABLE parents (id bigint PRIMARY KEY AUTO_INCREMENT, code varchar(10) NOT NULL UNIQUE)",
        "CREATE TABLE children (id int unsigned AUTO_INCREMENT PRIMARY KEY, parent bigint,"
        " price decimal(19,2) NOT NULL DEFAULT 1.5, at timestamp(6) NULL DEFAULT CURRENT_TIMESTAMP(6),"
        " text varchar(30) COLLATE utf8mb4_unicode_ci DEFAULT 'it''s \\\\ here',"
        " count integer DEFAULT -1, flag boolean DEFAULT true, blob_ blob,"
        " mood enum('a','b') DEFAULT 'b', day date DEFAULT curdate(), token uuid DEFAULT uuid(), j json,"
        " changed datetime ON UPDATE CURRENT_TIMESTAMP, g integer AS (count + 1), UNIQUE (parent, text),"
        " FOREIGN KEY (parent) REFERENCES parents (id), KEY (price), UNIQUE (text (5)), CHECK (count < 5))",
    )
    with place.database.transaction() as connection:
        found = [place.database.inspect(connection, name) for name in ("parents", "children")]
        remarks = " ".join(place.database.remarks(connection, "children"))
    for words in ("uuid()", "ON UPDATE", "generated", "CHECK", "part of a value"):
        assert words in remarks
    assert all(definition.autoincrement for definition in found)
    defaults = {column.name: column.default for column in found[1].columns if column.default}
    assert defaults["text"].literal == "it's \\ here"
    assert defaults["day"].expression == "today"
    place.make("DROP TABLE children", "DROP TABLE parents")
    with place.database.transaction() as connection:
        for definition in found:
            place.database.create_table(connection, definition)
            assert place.database.differences(connection, definition) == []
            again = place.database.inspect(connection, definition.name)
            assert again.columns == definition.columns
            assert again == definition


def test_cascades_of_tables_from_elsewhere_are_done_by_triggers_and_captured(place: MariadbPlace) -> None:
    integer, text = ColumnType(TypeKind.INTEGER, bits=32), ColumnType(TypeKind.TEXT)
    parents = TableDefinition("parents", (ColumnDefinition("id", text, nullable=False),), ("id",))
    children = TableDefinition(
        "children",
        (
            ColumnDefinition("id", integer, nullable=False),
            ColumnDefinition("owner", text),
            ColumnDefinition("editor", text),
        ),
        ("id",),
        foreign_keys=(
            ForeignKey(("owner",), "parents", ("id",), "CASCADE", "CASCADE"),
            ForeignKey(("editor",), "parents", ("id",), "SET NULL", "RESTRICT", deferred=True),
        ),
    )
    with place.database.transaction() as connection:
        for definition in (parents, children):
            place.database.create_table(connection, definition)
            assert place.database.differences(connection, definition) == []
    place.replicate("parents", "children")
    place.make(
        "INSERT INTO parents VALUES ('a'), ('A'), ('c')", "INSERT INTO children VALUES (1, 'a', 'A'), (2, 'A', 'a')"
    )
    place.collect()
    place.run("DELETE FROM parents WHERE id = 'a'")
    assert told(place.collect()) == [
        ("D", None, 0, (1, "a", "A")),
        ("U", (2, "A", None), 0b100, ("a",)),
        ("D", None, 0, ("a",)),
    ]
    with place.database.transaction() as connection, place.database.replaying(connection, list(place.tables.values())):
        place.database.delete_keys(connection, place.tables[1], [pack_key(("A",))])
    assert place.run("SELECT * FROM children") == [(2, "A", None)]
    assert place.collect() == []


def test_users_need_what_is_said_and_no_more(mariadb_server: MariadbServer, mariadb_database: str) -> None:
    from sqlalchemy import make_url

    from replicator.databases.mariadb.database import MariadbDatabase
    from replicator.databases.mariadb.roles import NEEDED

    name = mariadb_database
    with closing(mariadb_server.connect(name)) as administrator:
        do(
            administrator,
            "CREATE OR REPLACE USER ours@'127.0.0.1' IDENTIFIED BY 'ours'",
            "CREATE OR REPLACE USER theirs@'127.0.0.1' IDENTIFIED BY 'theirs'",
            f"GRANT SELECT, INSERT, TRIGGER ON `{name}`.* TO ours@'127.0.0.1'",
            "CREATE TABLE customers (id integer PRIMARY KEY, name text)",
            f"GRANT SELECT, INSERT, UPDATE, DELETE ON `{name}`.customers TO theirs@'127.0.0.1'",
        )
        database = MariadbDatabase(make_url(mariadb_server.url(name, "ours")), Runtime())
        with pytest.raises(ConfigurationError, match=r"GRANT UPDATE, DELETE, CREATE, DROP, .* TO 'ours'@'127.0.0.1'"):
            database.prepare()
        do(administrator, f"GRANT {', '.join(NEEDED)} ON `{name}`.* TO ours@'127.0.0.1'")
        database.close()
        database.prepare()
        with database.transaction() as connection:
            table = Table(1, "customers", database.inspect(connection, "customers"))
            database.install_capture(connection, table)
        with closing(mariadb_server.connect(name, "theirs")) as application:
            do(application, "INSERT INTO customers VALUES (1, 'a')", "UPDATE customers SET name = 'b'")
            with pytest.raises(Exception, match="denied"):
                do(application, "SELECT * FROM replicator_change_1")
        with database.transaction() as connection:
            (changes,) = database.read_outbox(connection, {1: table})
            database.clear_outbox(connection)
        assert [change.operation.value for change in changes] == ["I", "U"]
        database.close()
