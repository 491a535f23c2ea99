"""Scratch keys while a snapshot or a rule's content is applied: of any number, in flat memory."""

from __future__ import annotations

from collections.abc import Collection, Iterable

from sqlalchemy import Connection

from replicator.databases.base import Database
from replicator.store import sql, tables
from replicator.types import Key

CONTENT = 0
"""Keys of rows in the content."""
UNVERSIONED = 1
"""Keys of local rows that have no version and are not in the content."""


def add(database: Database, connection: Connection, kind: int, table: int, keys: Iterable[Key]) -> None:
    database.upsert(connection, tables.scope_key, [(kind, table, key) for key in keys])


def there(connection: Connection, kind: int, table: int, keys: Collection[Key]) -> set[Key]:
    found: set[Key] = set()
    for chunk in sql.in_chunks(list(keys)):
        rows = sql.rows(
            connection,
            "SELECT row_key FROM replicator_scope_key"
            f" WHERE kind = ? AND table_id = ? AND row_key IN ({sql.marks(len(chunk))})",
            (kind, table, *chunk),
        )
        found.update(key for (key,) in rows)
    return found


def page(connection: Connection, kind: int, table: int, after: Key, limit: int) -> list[Key]:
    rows = sql.rows(
        connection,
        "SELECT row_key FROM replicator_scope_key WHERE kind = ? AND table_id = ? AND row_key > ?"
        " ORDER BY row_key LIMIT ?",
        (kind, table, after, limit),
    )
    return [key for (key,) in rows]


def clear(connection: Connection) -> None:
    sql.run(connection, "DELETE FROM replicator_scope_key")
