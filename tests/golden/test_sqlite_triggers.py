"""The exact text of SQLite's capture triggers. `tests/conformance` shows what they do.

To accept a change: UPDATE_GOLDEN=1 pytest tests/golden, then read the difference.
"""

from __future__ import annotations

import os
import sqlite3
from pathlib import Path

import pytest

from replicator.databases import open_database
from replicator.runtime import Runtime
from replicator.types import Table

TABLES = {
    "customers": [
        "CREATE TABLE customers (id INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE COLLATE NOCASE,"
        " credit NUMERIC(19,2), note TEXT)"
    ],
    "keyed_by_two": [
        "CREATE TABLE keyed_by_two (code VARCHAR(10), part INTEGER, data BLOB, PRIMARY KEY (code, part))",
    ],
    "special_indexes": [
        "CREATE TABLE special_indexes (id TEXT PRIMARY KEY NOT NULL, kind TEXT NOT NULL DEFAULT 'x', active INTEGER,"
        " label TEXT, local AS (label || '!'))",
        "CREATE UNIQUE INDEX one_active ON special_indexes (kind) WHERE active = 1",
        "CREATE UNIQUE INDEX one_label ON special_indexes (lower(label) DESC, kind COLLATE RTRIM)",
    ],
}


@pytest.mark.parametrize("name", TABLES)
def test_trigger_text(name: str, tmp_path: Path) -> None:
    database = open_database(f"sqlite:///{tmp_path}/d.db", Runtime())
    database.prepare()
    application = sqlite3.connect(tmp_path / "d.db")
    for statement in TABLES[name]:
        application.execute(statement)
    with database.transaction() as connection:
        database.install_capture(connection, Table(7, name, database.inspect(connection, name)))
    found = application.execute("SELECT sql FROM sqlite_schema WHERE type = 'trigger' ORDER BY rowid")
    text = ";\n\n".join(sql for (sql,) in found) + ";\n"
    application.close()
    database.close()
    golden = Path(__file__).parent / f"sqlite_{name}.sql"
    if os.environ.get("UPDATE_GOLDEN"):
        golden.write_text(text, encoding="utf-8")
    assert text == golden.read_text(encoding="utf-8")


def test_special_unique_indexes_show_what_replace_deleted(tmp_path: Path) -> None:
    """Partial indexes and those on expressions see REPLACE too, and the indexes are used to look."""
    database = open_database(f"sqlite:///{tmp_path}/d.db", Runtime())
    database.prepare()
    application = sqlite3.connect(tmp_path / "d.db", isolation_level=None)
    for statement in TABLES["special_indexes"]:
        application.execute(statement)
    with database.transaction() as connection:
        table = Table(7, "special_indexes", database.inspect(connection, "special_indexes"))
        database.install_capture(connection, table)
    insert = "INSERT OR REPLACE INTO special_indexes (id, kind, active, label) VALUES (?, ?, ?, ?)"
    for row in (("a", "k", 1, "A"), ("b", "k", 0, "B"), ("c", "k", 1, "C"), ("d", "k  ", 0, "b"), ("e", None, 1, "E")):
        application.execute(insert, row)
    application.execute(insert, ("f", None, 1, "F"))
    application.execute("UPDATE OR REPLACE special_indexes SET active = 1 WHERE id = 'd'")
    application.execute("UPDATE OR REPLACE special_indexes SET kind = 'k' WHERE id = 'f'")
    state = {}
    with database.transaction() as connection:
        for chunk in database.read_outbox(connection, {7: table}):
            for change in chunk:
                if change.image is None:
                    del state[change.key]
                else:
                    state[change.key] = change.image
    assert sorted(state.values()) == sorted(application.execute("SELECT id, kind, active, label FROM special_indexes"))
    assert len(state) == 2
    plan = application.execute(
        "EXPLAIN QUERY PLAN SELECT 1 FROM special_indexes"
        " WHERE (lower(label)) COLLATE BINARY = ? AND kind COLLATE RTRIM = ?",
        ("a", "b"),
    ).fetchall()
    assert "one_label" in str(plan)
    application.close()
    database.close()
