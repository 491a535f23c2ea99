"""Reading the replicator's own tables in sets."""

from __future__ import annotations

import sqlite3
from collections.abc import Collection, Mapping, Sequence
from typing import Any

from sqlalchemy import Table

from replicator.databases.key_rows import chunks

BYTES_WITHIN = "instr({}, ?) > 0"
"""See `Database.bytes_within`."""

_TOGETHER = 500
"""Keys in one statement."""


def find(
    raw: sqlite3.Connection,
    table: Table,
    columns: Sequence[str],
    shared: Mapping[str, Any],
    keys: Collection[bytes],
) -> list[tuple[Any, ...]]:
    """See `Database.find_own`."""
    (last,) = (column.name for column in table.primary_key if column.name not in shared)
    where = "".join(f"{name} = ? AND " for name in shared)
    found: list[tuple[Any, ...]] = []
    for some in chunks(keys, _TOGETHER):
        marks = ", ".join("?" * len(some))
        query = f"SELECT {', '.join(columns)} FROM {table.name} WHERE {where}{last} IN ({marks})"
        found += raw.execute(query, (*shared.values(), *some)).fetchall()
    return found
