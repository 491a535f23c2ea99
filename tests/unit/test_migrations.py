"""The replicator's own tables: migrations and metadata agree, and what is not ours stays as it is."""

from __future__ import annotations

import io
import re
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.operations import Operations
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, create_engine
from sqlalchemy.pool import StaticPool
from sqlalchemy.schema import CreateIndex, CreateTable

from replicator.errors import DatabaseTrouble
from replicator.store import migrate
from replicator.store.tables import metadata

APPLICATION = (
    "CREATE TABLE customers (id INTEGER PRIMARY KEY AUTOINCREMENT, name TEXT NOT NULL UNIQUE)",
    "CREATE TABLE alembic_version (version_num VARCHAR(32) NOT NULL PRIMARY KEY)",
    "CREATE INDEX customers_by_name ON customers (name, id)",
    "CREATE VIEW names AS SELECT name FROM customers",
    "CREATE TRIGGER no_delete BEFORE DELETE ON customers BEGIN SELECT RAISE(ABORT, 'no'); END",
    "INSERT INTO customers (name) VALUES ('Köln'), ('Bonn')",
    "INSERT INTO alembic_version VALUES ('4ac9d1f30b2e')",
)


@pytest.fixture
def connection() -> Iterator[Connection]:
    """In a transaction, as `Database.transaction` gives it: begun by us, definitions included."""
    engine = create_engine("sqlite://", poolclass=StaticPool)
    with engine.connect() as connection, connection.begin():
        connection.exec_driver_sql("BEGIN IMMEDIATE")
        yield connection
    engine.dispose()


def run(connection: Connection, *statements: str) -> None:
    for statement in statements:
        connection.exec_driver_sql(statement)


def schema(connection: Connection, where: str = "name LIKE 'replicator%'") -> dict[str, str]:
    """Name to definition: columns and their order, defaults, AUTOINCREMENT, WITHOUT ROWID, keys, indexes."""
    rows = connection.exec_driver_sql(f"SELECT name, sql FROM sqlite_schema WHERE sql IS NOT NULL AND {where}")
    return {name: re.sub(r"\s*([(),])\s*", r"\1", " ".join(sql.split())) for name, sql in rows}


# --- agreement --------------------------------------------------------------------------------------------------------


def test_migrations_make_the_tables_of_the_metadata(connection: Connection) -> None:
    migrate.upgrade(connection)
    made = schema(connection)
    del made[migrate.VERSION_TABLE]
    assert made == _schema_of_metadata()


def _schema_of_metadata() -> dict[str, str]:
    with create_engine("sqlite://").connect() as other:
        metadata.create_all(other)
        return schema(other)


def test_alembic_finds_no_difference(connection: Connection) -> None:
    """A second opinion, without defaults: it takes '' for a difference to itself."""
    migrate.upgrade(connection)
    options = {
        "version_table": migrate.VERSION_TABLE,
        "include_name": lambda name, kind, _parents: kind != "table" or name.startswith("replicator_"),
    }
    assert compare_metadata(MigrationContext.configure(connection, opts=options), metadata) == []


@pytest.mark.parametrize("dialect", ["sqlite", "postgresql", "mariadb"])
def test_the_definitions_are_the_same_for_every_database(dialect: str) -> None:
    """Compared as text: no such server is needed. Types that differ by database are in it."""
    made = MigrationContext.configure(dialect_name=dialect, opts={"as_sql": True, "output_buffer": io.StringIO()})
    with Operations.context(made):
        for script in reversed(list(_scripts().walk_revisions())):
            script.module.upgrade()
    written = made.opts["output_buffer"].getvalue()
    for table in metadata.sorted_tables:
        for definition in (CreateTable(table), *map(CreateIndex, table.indexes)):
            # Stripped of tabs, as Alembic does.
            text = str(definition.compile(dialect=made.dialect)).strip().replace("\t", "    ")
            for column in re.findall(rf"ALTER TABLE {table.name} ADD COLUMN (.*);", written):
                assert f"    {column}" in str(CreateTable(table).compile(dialect=made.dialect)).replace("\t", "    ")
                text = re.sub(rf",? \n    {re.escape(column)}(?=,| *\n\))", "", text)
            assert text in written
    made_anew = len(re.findall("DROP TABLE IF EXISTS", written))
    assert written.count("CREATE TABLE") - made_anew == len(metadata.tables)


def test_revisions_are_numbered_in_a_line() -> None:
    numbers = [script.revision for script in _scripts().walk_revisions()][::-1]
    assert numbers == [f"{number:04}" for number in range(1, len(numbers) + 1)]
    assert numbers[-1] == migrate.REVISION


def test_every_table_of_ours_says_so() -> None:
    assert all(name.startswith("replicator_") for name in (*metadata.tables, migrate.VERSION_TABLE))


def _scripts() -> ScriptDirectory:
    with create_engine("sqlite://").connect() as connection:
        return ScriptDirectory.from_config(migrate.scripts(connection))


# --- upgrade ----------------------------------------------------------------------------------------------------------


def test_upgrading_touches_only_our_tables(connection: Connection) -> None:
    run(connection, *APPLICATION)
    theirs = "name NOT LIKE 'replicator%'"
    before = schema(connection, theirs)
    assert migrate.upgrade(connection)
    assert schema(connection, theirs) == before
    assert connection.exec_driver_sql("SELECT * FROM customers").fetchall() == [(1, "Köln"), (2, "Bonn")]
    assert connection.exec_driver_sql("SELECT * FROM alembic_version").fetchall() == [("4ac9d1f30b2e",)]
    assert connection.exec_driver_sql(f"SELECT * FROM {migrate.VERSION_TABLE}").fetchall() == [(migrate.REVISION,)]


def test_upgrading_again_does_nothing(connection: Connection) -> None:
    assert migrate.upgrade(connection)
    before = schema(connection)
    assert not migrate.upgrade(connection)
    assert schema(connection) == before


def test_what_waits_is_kept_when_mailboxes_become_several(connection: Connection) -> None:
    command.upgrade(migrate.scripts(connection), "0002")
    run(
        connection,
        "INSERT INTO replicator_peer (id, name, address, created_at) VALUES (1, 'Köln', 'k@example.com', 0),"
        " (2, 'Bonn', 'b@example.com', 0)",
        "INSERT INTO replicator_send_queue (peer, n, start, length) VALUES (2, 7, 0, 100)",
        "INSERT INTO replicator_sent_mail VALUES ('<1@example.com>', 2, 100, 5)",
        "INSERT INTO replicator_mailbox VALUES (1, 30000, 5, 6)",
    )
    assert migrate.upgrade(connection)
    for table, expected in (
        ("replicator_route", [(1, 1, 0), (2, 1, 0)]),
        ("replicator_send_queue", [(1, 2, 7, 0, 100, 1)]),
        ("replicator_sent_mail", [("<1@example.com>", 2, 100, 5, 0, 0, 0, 0, 1)]),
        ("replicator_mailbox", [(1, 30000, 5, 6, "", 0)]),
    ):
        assert sorted(connection.exec_driver_sql(f"SELECT * FROM {table}").fetchall()) == expected


def test_upgrading_is_part_of_the_callers_transaction(tmp_path: Path) -> None:
    engine = create_engine(f"sqlite:///{tmp_path / 'a % b.sqlite'}")
    with engine.connect() as connection:
        with connection.begin() as transaction:
            connection.exec_driver_sql("BEGIN IMMEDIATE")
            migrate.upgrade(connection)
            transaction.rollback()
        assert schema(connection, "1") == {}


def test_the_scripts_are_found_in_a_folder_of_any_name(
    connection: Connection, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "100 % ours"
    folder.symlink_to(migrate.migrations_folder(), target_is_directory=True)
    monkeypatch.setattr(migrate, "migrations_folder", lambda: folder)
    assert migrate.upgrade(connection)


def test_a_downgrade_is_refused(connection: Connection) -> None:
    migrate.upgrade(connection)
    before = schema(connection)
    with pytest.raises(DatabaseTrouble, match="restore the backup"):
        command.downgrade(migrate.scripts(connection), "base")
    assert schema(connection) == before


# --- check ------------------------------------------------------------------------------------------------------------


def test_tables_that_fit_pass(connection: Connection) -> None:
    migrate.upgrade(connection)
    migrate.check(connection)


def test_a_check_costs_less_than_a_millisecond(connection: Connection) -> None:
    migrate.upgrade(connection)
    costs = []
    for _ in range(20):
        begun = time.process_time()
        migrate.check(connection)
        costs.append(time.process_time() - begun)
    assert min(costs) < 0.001


def test_missing_tables_are_told(connection: Connection) -> None:
    run(connection, *APPLICATION)
    with pytest.raises(DatabaseTrouble, match=r"are missing from this database.*host-init or remote-init"):
        migrate.check(connection)


def test_an_older_database_is_told(connection: Connection) -> None:
    migrate.upgrade(connection)
    run(connection, f"UPDATE {migrate.VERSION_TABLE} SET version_num = '0000'")
    with pytest.raises(DatabaseTrouble, match="older than this program: replicator upgrade"):
        migrate.check(connection)


@pytest.mark.parametrize("revision", [f"{int(migrate.REVISION) + 1:04}", "9999", "10000", "4ac9d1f30b2e", ""])
def test_a_newer_database_is_refused_and_left_alone(connection: Connection, revision: str) -> None:
    migrate.upgrade(connection)
    run(connection, f"UPDATE {migrate.VERSION_TABLE} SET version_num = '{revision}'")
    before = schema(connection)
    for use in (migrate.check, migrate.upgrade):
        with pytest.raises(DatabaseTrouble, match="newer than this program"):
            use(connection)
    assert schema(connection) == before


@pytest.mark.parametrize("table", ["replicator_node", "replicator_conflict"])
def test_a_table_that_was_dropped_is_named(connection: Connection, table: str) -> None:
    migrate.upgrade(connection)
    run(connection, f"DROP TABLE {table}")
    for use in (migrate.check, migrate.upgrade):
        with pytest.raises(DatabaseTrouble, match=f"{table} is missing.*restore it from a backup"):
            use(connection)


def test_tables_without_a_revision_are_left_alone(connection: Connection) -> None:
    migrate.upgrade(connection)
    run(connection, f"DROP TABLE {migrate.VERSION_TABLE}")
    before = schema(connection)
    for use in (migrate.check, migrate.upgrade):
        with pytest.raises(DatabaseTrouble, match="replicator_base stands in this database without"):
            use(connection)
    assert schema(connection) == before


def test_the_outbox_may_come_first(connection: Connection) -> None:
    """It belongs to the database that captures, which makes it when it likes."""
    run(connection, "CREATE TABLE replicator_outbox (id INTEGER PRIMARY KEY AUTOINCREMENT)")
    assert migrate.upgrade(connection)
    migrate.check(connection)


def test_the_application_may_have_tables_of_any_name(connection: Connection) -> None:
    run(connection, 'CREATE TABLE "replicator""; drop" (x)', "CREATE TABLE Replicators (x)")
    assert migrate.upgrade(connection)
    migrate.check(connection)
