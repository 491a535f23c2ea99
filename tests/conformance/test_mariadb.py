"""What is MariaDB's own: concurrent writers, statements that fire triggers or none, its types, its privileges."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import closing
from typing import TYPE_CHECKING, Any

import pytest
from database_places import told

from replicator.databases.base import Retyped
from replicator.errors import ConfigurationError, DatabaseBusy, UnfitTable
from replicator.protocol.keys import pack_key
from replicator.runtime import Runtime
from replicator.types import ColumnDefinition, ColumnType, ForeignKey, Table, TableDefinition, TypeKind

if TYPE_CHECKING:
    from mariadb_places import MariadbPlace

    from tests.servers.mariadb import MariadbServer

CUSTOMERS = "CREATE TABLE customers (id integer PRIMARY KEY, name varchar(80) NOT NULL UNIQUE, note text)"


@pytest.fixture
def place(new_place: Callable[[str], MariadbPlace]) -> MariadbPlace:
    return new_place("mariadb")


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


def test_rows_that_were_rounded_when_they_were_captured_are_told(place: MariadbPlace) -> None:
    place.make("CREATE TABLE priced (id integer PRIMARY KEY, price numeric(10,2), note text)")
    (table,) = place.replicate("priced")
    place.run("INSERT INTO priced VALUES (1, 1.5, 'a'), (2, 2.5, 'b'), (3, 3.5, 'c')")
    with place.database.transaction() as connection:
        assert place.database.retyped(connection, table) == Retyped()
    place.run("ALTER TABLE priced MODIFY price numeric(12,4)")
    place.run("UPDATE priced SET price = 2.1234 WHERE id = 2")
    place.run("DELETE FROM priced WHERE id = 3")
    with place.database.transaction() as connection:
        found = place.database.retyped(connection, table)
        assert found.columns == ("price",)
        assert found.rows[pack_key((1,))] == (1.5,)
        assert found.rows[pack_key((2,))] == (2.12,)
    with place.database.transaction() as connection:
        place.database.install_capture(connection, table)
    with place.database.transaction() as connection:
        assert place.database.retyped(connection, table) == found, "as long as it waits"
    assert len(place.collect()) == 5
    with place.database.transaction() as connection:
        assert place.database.retyped(connection, table) == Retyped()


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
            with closing(place.server.connect(place.name, "replicator")) as ours:
                for (name,) in place.run(
                    "SELECT TABLE_NAME FROM information_schema.TABLES WHERE TABLE_NAME LIKE"
                    " 'replicator_change_1%%' AND TABLE_SCHEMA = DATABASE()"
                ):
                    ours.query(f"TRUNCATE {name}")


# --- rows -------------------------------------------------------------------------------------------------------------


def test_rows_beyond_the_servers_packet_are_sent_in_several(place: MariadbPlace) -> None:
    place.make("CREATE TABLE large (id integer PRIMARY KEY, content longblob)")
    (table,) = place.replicate("large")
    rows = [(number, bytes([number]) * 700_000) for number in range(12)]
    with place.database.transaction() as connection:
        place.database.write_images(connection, table, rows)
        assert [row for page in place.database.scan(connection, table) for row in page] == rows


# --- beside the application -------------------------------------------------------------------------------------------


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
        " count integer DEFAULT -1, flag boolean DEFAULT true, blob_ longblob,"
        " mood enum('a','b') DEFAULT 'b', day date DEFAULT curdate(), token uuid DEFAULT uuid(), j json,"
        " changed datetime(6) ON UPDATE CURRENT_TIMESTAMP(6), g integer AS (count + 1), UNIQUE (parent, text),"
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
