"""What became of rows that stood in the way of an insert or update: did a REPLACE delete them silently?"""

from __future__ import annotations

import sqlite3

from replicator.databases.sqlite.statements import quoted
from replicator.databases.sqlite.triggers import OUTBOX
from replicator.types import Table


def settle_markers(raw: sqlite3.Connection, table: Table, after: int) -> None:
    """Find out what became of marked rows, and turn markers of rows that are gone into changes.

    A marked row was deleted silently exactly if the next thing that happened to its key is an insert, or nothing
    happened and the row is not in the table now. (INSERT OR IGNORE, an upsert, a failed statement and REPLACE under
    recursive_triggers leave markers of rows that stay, or whose delete was captured.) Then
    - K followed by the insert of that key: REPLACE of a row by itself. The insert becomes 'R', with the old image;
    - otherwise: a delete, at the marker's place, which is before the row that took its value.
    All of it in SQL, so that memory stays flat; changes made here are cleared with the rest of the outbox.
    """
    definition = table.definition
    keys = [f"k{place}" for place in range(len(definition.key_indexes))]
    key_values = ", ".join(
        f"CASE WHEN op IN ('I', 'U') THEN n{place + 1} ELSE o{place + 1} END AS {key}"
        for key, place in zip(keys, definition.key_indexes, strict=True)
    )
    here = " AND ".join(
        f"t.{quoted(name)} = {key} AND t.{quoted(name)} COLLATE BINARY = {key}"
        for key, name in zip(keys, definition.primary_key, strict=True)
    )
    raw.execute("CREATE TEMP TABLE IF NOT EXISTS replicator_gone (id INTEGER PRIMARY KEY, inserted INTEGER)")
    raw.execute("DELETE FROM temp.replicator_gone")
    raw.execute(
        f"INSERT INTO temp.replicator_gone SELECT id, CASE WHEN op = 'K' AND next_op = 'I' THEN next_id END FROM ("
        f"SELECT *, lead(op) OVER following AS next_op, lead(id) OVER following AS next_id FROM ("
        f"SELECT id, op, {key_values} FROM {OUTBOX} WHERE tbl = ? AND id > ?)"
        f" WINDOW following AS (PARTITION BY {', '.join(keys)} ORDER BY id)) WHERE op IN ('K', 'M') AND (next_op = 'I'"
        f" OR (next_op IS NULL AND NOT EXISTS (SELECT 1 FROM {quoted(definition.name)} t WHERE {here})))",
        (table.id, after),
    )
    olds = ", ".join(f"o{place}" for place in range(1, len(definition.columns) + 1))
    raw.execute(
        f"UPDATE {OUTBOX} SET (op, {olds}) = (SELECT 'R', {olds} FROM {OUTBOX} m WHERE m.id = gone.id)"
        f" FROM temp.replicator_gone gone WHERE {OUTBOX}.id = gone.inserted"
    )
    raw.execute(
        f"UPDATE {OUTBOX} SET op = 'D' WHERE id IN (SELECT id FROM temp.replicator_gone WHERE inserted IS NULL)"
    )
