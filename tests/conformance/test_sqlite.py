"""SQLite's own of what test_each_database.py asks of all: connections, transactions, faults."""

from __future__ import annotations

from pathlib import Path

import pytest
from database_places import CUSTOMERS, SqlitePlace, fail_after
from sqlalchemy import Connection

from replicator.databases import open_database
from replicator.errors import ConfigurationError, DatabaseBusy, DatabaseTrouble
from replicator.runtime import Runtime
from replicator.types import Table


def test_unknown_databases_are_refused_without_showing_the_url() -> None:
    with pytest.raises(ConfigurationError, match=r"use one of .*sqlite") as caught:
        open_database("oracle://scott:tiger@host/x", Runtime())
    assert "tiger" not in str(caught.value)
    with pytest.raises(ConfigurationError):
        open_database("no url", Runtime())
    with pytest.raises(ConfigurationError, match="has no options"):
        open_database("sqlite:////data.db?schema=sales", Runtime())


def test_only_prepare_makes_a_database(tmp_path: Path) -> None:
    database = open_database(f"sqlite:///{tmp_path}/new.db", Runtime())
    with pytest.raises(DatabaseTrouble, match="missing"), database.transaction():
        pass
    assert not (tmp_path / "new.db").exists()
    sentences = database.prepare()
    assert any("WAL" in sentence for sentence in sentences)
    assert database.prepare() == []
    with database.transaction():
        (tmp_path / "new.db").rename(tmp_path / "elsewhere.db")
    with pytest.raises(DatabaseTrouble, match="missing"), database.transaction():
        pass
    database.close()


def test_a_file_put_in_place_of_another_is_noticed(place: SqlitePlace) -> None:
    place.make(CUSTOMERS)
    other = SqlitePlace(_folder(place, "other"))
    other.make("CREATE TABLE restored (id INTEGER PRIMARY KEY)")
    other.close()
    place.application.close()
    with place.database.transaction() as connection:
        assert place.database.table_names(connection) == ["customers"]
    place.database.close()
    other.path.replace(place.path)
    with place.database.transaction() as connection:
        assert place.database.table_names(connection) == ["restored"]


def _folder(place: SqlitePlace, name: str) -> Path:
    folder = place.folder / name
    folder.mkdir()
    return folder


def test_a_locked_database_is_busy(place: SqlitePlace) -> None:
    place.database.busy_timeout = 0.05  # type: ignore[attr-defined]
    place.run("BEGIN IMMEDIATE")
    with pytest.raises(DatabaseBusy, match="locked"), place.database.transaction():
        pass
    with place.database.transaction(write=False):
        pass
    place.run("COMMIT")
    with place.database.transaction():
        pass


def _replay_nothing(place: SqlitePlace, connection: Connection, table: Table) -> None:
    with place.database.replaying(connection, [table]):
        pass


def _faults(place: SqlitePlace, table: Table) -> list[str]:
    with place.database.transaction() as connection:
        return place.database.capture_faults(connection, table)


@pytest.mark.parametrize(
    ("damage", "words"),
    [
        ("DROP TRIGGER replicator_capture_update_customers", "lost the trigger"),
        ("CREATE TRIGGER late AFTER INSERT ON customers BEGIN SELECT 1; END", "late"),
        ("DROP TABLE customers", "dropped"),
        ("ALTER TABLE customers ADD COLUMN extra TEXT", "new column extra"),
        ("ALTER TABLE customers RENAME COLUMN note TO remark", "lost its column note"),
        ("CREATE UNIQUE INDEX notes ON customers (note)", "out of date"),
        ("ALTER TABLE customers RENAME TO clients", "dropped"),
    ],
)
def test_faults_are_found_and_mended(place: SqlitePlace, damage: str, words: str) -> None:
    place.make(CUSTOMERS)
    (table,) = place.replicate("customers")
    assert _faults(place, table) == []
    place.run(damage)
    faults = _faults(place, table)
    assert any(words in fault for fault in faults), faults
    if "lost its" not in words and "dropped" not in words:
        with place.database.transaction() as connection:
            place.database.install_capture(connection, table)
        assert _faults(place, table) == []


def test_a_rolled_back_change_of_the_triggers_is_not_taken_for_sound(place: SqlitePlace) -> None:
    place.make(CUSTOMERS)
    (table,) = place.replicate("customers")
    assert _faults(place, table) == []
    with pytest.raises(ZeroDivisionError), place.database.transaction() as connection:
        fail_after(_replay_nothing, place, connection, table)
    place.run("DROP TRIGGER replicator_capture_insert_customers")
    for number in range(30):
        place.run(f"CREATE TABLE t{number} (id)")
        assert _faults(place, table) != []


def test_removed_capture_leaves_nothing(place: SqlitePlace) -> None:
    place.make(CUSTOMERS)
    (table,) = place.replicate("customers")
    with place.database.transaction() as connection:
        place.database.remove_capture(connection, table)
    assert place.run("SELECT name FROM sqlite_schema WHERE type = 'trigger'") == []
