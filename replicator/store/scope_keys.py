"""Scratch keys while a snapshot or a rule's content is applied: of any number, in flat memory."""

from __future__ import annotations

from collections.abc import Collection, Iterable

from sqlalchemy import Connection

from replicator.databases.base import Database
from replicator.store import sql, tables
from replicator.types import Key

CONTENT = 0
"""Keys of rows in the content."""


def add(database: Database, connection: Connection, kind: int, table: int, keys: Iterable[Key]) -> None:
    database.upsert(connection, tables.scope_key, [(kind, table, key) for key in keys])


def there(database: Database, connection: Connection, kind: int, table: int, keys: Collection[Key]) -> set[Key]:
    shared = {"kind": kind, "table_id": table}
    return {key for (key,) in database.find_own(connection, tables.scope_key, ("row_key",), shared, keys)}


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
