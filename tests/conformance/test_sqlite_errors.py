"""SQLite's errors come out as ours: one line, what to do, sorted by code."""

from __future__ import annotations

import os
import sqlite3
from pathlib import Path

import pytest
from database_places import CUSTOMERS, SqlitePlace

from replicator.databases import open_database
from replicator.databases.sqlite.errors import translate
from replicator.databases.sqlite.statements import driver
from replicator.errors import ConfigurationError, DatabaseTrouble
from replicator.runtime import Runtime


def test_a_file_that_is_no_database(tmp_path: Path) -> None:
    (tmp_path / "letter.txt").write_text("Dear customer, " * 100)
    with pytest.raises(DatabaseTrouble, match="is not an SQLite database"):
        open_database(f"sqlite:///{tmp_path}/letter.txt", Runtime()).prepare()


def test_a_folder_that_does_not_exist(tmp_path: Path) -> None:
    with pytest.raises(DatabaseTrouble, match="can't be opened"):
        open_database(f"sqlite:///{tmp_path}/gone/d.db", Runtime()).prepare()


def test_a_url_without_a_file() -> None:
    with pytest.raises(ConfigurationError, match="names no file"):
        open_database("sqlite://", Runtime())


def test_text_in_utf_16_is_refused(tmp_path: Path) -> None:
    with sqlite3.connect(tmp_path / "d.db") as application:
        application.execute("PRAGMA encoding = 'UTF-16'")
        application.execute("CREATE TABLE t (a)")
    with pytest.raises(ConfigurationError, match="UTF-16"):
        open_database(f"sqlite:///{tmp_path}/d.db", Runtime()).prepare()


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write anywhere")
def test_no_permission(place: SqlitePlace) -> None:
    place.path.chmod(0o400)
    place.database.close()
    with pytest.raises(DatabaseTrouble, match="permission"), place.database.transaction():
        pass


def test_a_full_disk_loses_nothing(place: SqlitePlace) -> None:
    """A page limit gives the same code as a full disk. SQLite has then rolled back by itself."""
    place.make(CUSTOMERS)
    (table,) = place.replicate("customers")
    rows = [(number, f"name {number}", "x" * 1000) for number in range(500)]
    with place.database.transaction() as connection:
        driver(connection).execute(
            f"PRAGMA max_page_count = {driver(connection).execute('PRAGMA page_count').fetchone()[0]}"
        )
    with (
        pytest.raises(DatabaseTrouble, match="disk is full"),
        place.database.transaction() as connection,
        place.database.replaying(connection, [table]),
    ):
        place.database.write_images(connection, table, rows)
    with place.database.transaction() as connection:
        driver(connection).execute("PRAGMA max_page_count = 1000000")
        assert place.database.capture_faults(connection, table) == []
        place.database.write_images(connection, table, rows)
    assert len(place.collect()) == 500


def test_a_missing_outbox_is_told(place: SqlitePlace) -> None:
    place.run("DROP TABLE replicator_outbox")
    with pytest.raises(DatabaseTrouble, match="replicator_outbox"), place.database.transaction() as connection:
        place.database.outbox_is_empty(connection)


def test_every_sentence_is_one_line() -> None:
    for code in range(1, 40):
        error = sqlite3.OperationalError("the driver's words")
        error.sqlite_errorcode = code
        found = translate(error, "/data/d.db")
        assert found is not None
        assert "\n" not in str(found)
        assert str(found).endswith((".", "again"))
    assert translate(sqlite3.ProgrammingError("our own fault"), "") is None
    assert translate(ValueError(), "") is None
