"""What is PostgreSQL's own: groups by transaction, concurrent writers, its types, its roles."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import pytest
from database_places import told

from replicator.databases.base import Retyped
from replicator.errors import ConfigurationError, DatabaseTrouble, UnfitTable
from replicator.protocol.keys import pack_key

if TYPE_CHECKING:
    from postgresql_places import PostgresqlPlace

    from tests.servers.postgresql import PostgresqlServer

CUSTOMERS = "CREATE TABLE customers (id integer PRIMARY KEY, name citext NOT NULL UNIQUE, note text)"


@pytest.fixture
def place(new_place: Callable[[str], PostgresqlPlace]) -> PostgresqlPlace:
    return new_place("postgresql")


# --- capture and collect ----------------------------------------------------------------------------------------------


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


def test_a_database_whose_tables_are_all_published(place: PostgresqlPlace) -> None:
    """For a warehouse, say: PostgreSQL then lets nothing be deleted from a table without a replica identity."""
    place.make(CUSTOMERS)
    place.replicate("customers")
    with place.server.connect(place.name) as administrator:
        administrator.execute("CREATE PUBLICATION warehouse FOR ALL TABLES")
    place.run("INSERT INTO customers VALUES (1, 'a', NULL)")
    assert len(place.collect()) == 1
    assert place.collect() == []


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


def test_rows_that_were_rounded_when_they_were_captured_are_told(place: PostgresqlPlace) -> None:
    place.make("CREATE TABLE priced (id integer PRIMARY KEY, price numeric(10,2), note text)")
    (table,) = place.replicate("priced")
    place.run("INSERT INTO priced VALUES (1, 1.5, 'a'), (2, 2.5, 'b'), (3, 3.5, 'c')")
    with place.database.transaction() as connection:
        assert place.database.retyped(connection, table) == Retyped()
    place.run("ALTER TABLE priced ALTER COLUMN price TYPE numeric(12,4)")
    place.run("UPDATE priced SET price = 2.1234 WHERE id = 2")
    place.run("DELETE FROM priced WHERE id = 3")
    with place.database.transaction() as connection:
        found = place.database.retyped(connection, table)
        assert found.columns == ("price",)
        assert found.rows[pack_key((1,))] == (1.5,)
        assert found.rows[pack_key((2,))] == (2.12,)
        place.database.install_capture(connection, table)
        assert place.database.retyped(connection, table) == found, "as long as it waits"
    assert len(place.collect()) == 5
    with place.database.transaction() as connection:
        assert place.database.retyped(connection, table) == Retyped()


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


def test_values_that_are_equal_and_not_the_same_are_changes(place: PostgresqlPlace) -> None:
    place.make(
        "CREATE TABLE measured (id integer PRIMARY KEY, value double precision, price numeric(10,3), name citext)"
    )
    place.replicate("measured")
    place.run("INSERT INTO measured VALUES (1, 0.0, 1.5, 'Abel')")
    place.collect()
    place.run("UPDATE measured SET value = '-0.0'")
    place.run("UPDATE measured SET value = 'NaN'")
    place.run("UPDATE measured SET value = 'NaN', price = 1.500")
    place.run("UPDATE measured SET name = 'ABEL'")
    assert [(change.mask, repr(change.before)) for change in place.collect()] == [
        (0b10, "(0.0,)"),
        (0b10, "(-0.0,)"),
        (0b1000, "('Abel',)"),
    ]


# --- trouble ----------------------------------------------------------------------------------------------------------


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
