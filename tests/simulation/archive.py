"""The journal of a node as it would stand if nothing were ever purged: what the checker reads instead of it."""

from __future__ import annotations

import sqlite3
from typing import cast

from sqlalchemy import Connection, create_engine
from sqlalchemy.pool import StaticPool

from replicator.store import tables

COPIED = {tables.journal.name: "n", tables.slice_.name: "id", tables.slice_segment.name: "slice"}
"""Our tables that are purged, with the column by which they grow."""


class Archive:
    """To be told of every commit of its node. What a later commit may still change is the last group and slice."""

    def __init__(self) -> None:
        self._engine = create_engine("sqlite://", poolclass=StaticPool)
        self.connection: Connection = self._engine.connect()
        kept = [*(tables.metadata.tables[name] for name in COPIED), tables.table_version]
        tables.metadata.create_all(self.connection, tables=kept)
        self._last = dict.fromkeys(COPIED, 0)

    @property
    def _raw(self) -> sqlite3.Connection:
        return cast(sqlite3.Connection, self.connection.connection.driver_connection)

    def update(self, source: sqlite3.Connection) -> None:
        for table, column in COPIED.items():
            cursor = source.execute(f"SELECT * FROM {table} WHERE {column} >= ?", (self._last[table],))
            rows = cursor.fetchall()
            if not rows:
                continue
            names = [description[0] for description in cursor.description]
            place = names.index(column)
            marks = ", ".join("?" * len(names))
            self._raw.executemany(f"INSERT OR REPLACE INTO {table} ({', '.join(names)}) VALUES ({marks})", rows)
            self._last[table] = max(row[place] for row in rows)
        versions = source.execute("SELECT * FROM replicator_table_version").fetchall()
        if versions:
            marks = ", ".join("?" * len(versions[0]))
            self._raw.executemany(f"INSERT OR REPLACE INTO replicator_table_version VALUES ({marks})", versions)

    def saved(self) -> bytes:
        self._raw.commit()
        return self._raw.serialize()

    def put_back(self, saved: bytes) -> None:
        """The node is as it was when this was saved."""
        self._raw.commit()
        self._raw.deserialize(saved)
        for table, column in COPIED.items():
            (last,) = self._raw.execute(f"SELECT coalesce(max({column}), 0) FROM {table}").fetchone()
            self._last[table] = last

    def close(self) -> None:
        self.connection.close()
        self._engine.dispose()
