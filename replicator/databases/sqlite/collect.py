"""Reading the outbox: captured rows to `Change`s, and what became of rows that stood in the way of a REPLACE.

SQLite has one writer, so ids ascend in commit order and everything visible is one merged group (protocol.md 7.1, 7.5).
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterator, Mapping
from typing import cast

from replicator.databases.base import Change
from replicator.databases.sqlite.capture import OUTBOX
from replicator.databases.sqlite.columntypes import affinity, type_words
from replicator.databases.sqlite.statements import CHUNK, Row, fetch, quoted
from replicator.protocol.keys import key_packer
from replicator.types import Key, Operation, Table, Value

CHANGES = 2 * CHUNK
_NARROW = 62
"""Columns whose mask fits an integer of SQLite."""
_HEAD = 5
"""Columns of a row read from the outbox before n1: id, tbl, op, at, mask."""
_AT = "CAST(round((at - 2440587.5) * 86400000.0) AS INTEGER) * 1000"
"""SQLite's clock gives milliseconds as a Julian day number; 2440587.5 is 1970."""

Decoder = Callable[[Row], Change | None]


def is_empty(raw: sqlite3.Connection) -> bool:
    return raw.execute(f"SELECT 1 FROM {OUTBOX} LIMIT 1").fetchone() is None


def changes(
    raw: sqlite3.Connection, tables: Mapping[int, Table], read_through: Callable[[int], None]
) -> Iterator[list[Change]]:
    """All changes by id. Reports the highest id read before it yields what was read."""
    decoders: dict[int, Decoder] = {}
    last = 0
    while True:
        found = fetch(
            raw,
            f"SELECT tbl, max(id), max(op IN ('K', 'M')) FROM (SELECT id, tbl, op FROM {OUTBOX} WHERE id > ?"
            f" ORDER BY id LIMIT {CHANGES}) GROUP BY tbl",
            (last,),
        )
        if not found:
            return
        if any(marked for _, _, marked in found):
            for table in tables.values():
                _settle_markers(raw, table, last)
            raw.execute(f"DELETE FROM {OUTBOX} WHERE id > ? AND op IN ('K', 'M')", (last,))
            continue
        wanted = [tables[number] for number, _, _ in found if number in tables]
        end = max(highest for _, highest, _ in found)
        for table in wanted:
            if table.id not in decoders:
                decoders[table.id] = _decoder(table)
        chunk = []
        for row in fetch(raw, _reading(wanted), (last, end)) if wanted else ():
            # Rows of a table that is no longer replicated are read over.
            decode = decoders.get(row[1])
            if decode is not None and (change := decode(row)) is not None:
                chunk.append(change)
        last = end
        read_through(last)
        if chunk:
            yield chunk


def _reading(tables: list[Table]) -> str:
    """Only as wide as the tables of this chunk need."""
    columns = max(len(table.definition.columns) for table in tables)
    news = max(len(table.definition.columns) + len(_loose(table)) for table in tables)
    slots = [f"n{number}" for number in range(1, news + 1)] + [f"o{number}" for number in range(1, columns + 1)]
    bits = " | ".join(f"((o{place + 1} IS NOT NULL) << {place})" for place in range(columns))
    mask = f"CASE op WHEN 'U' THEN {bits} END" if columns <= _NARROW else "NULL"
    return (
        f"SELECT id, tbl, op, {_AT}, {mask}, {', '.join(slots)}, {news} FROM {OUTBOX}"
        " WHERE id > ? AND id <= ? ORDER BY id"
    )


def _loose(table: Table) -> list[int]:
    strict = "strict" in table.definition.options
    return [
        place
        for place, column in enumerate(table.definition.columns)
        if affinity(type_words(column.type, strict=strict), strict=strict) == "BLOB"
    ]


def _decoder(table: Table) -> Decoder:
    """A function from a row of the outbox to its Change; None for an update that changed nothing."""
    width = len(table.definition.columns)
    key_of = key_packer(table.definition)
    number = table.id
    everything = (1 << width) - 1
    places_of: dict[int, list[int]] = {}
    before_of = _loose_before(width, _loose(table)) if _loose(table) else _before
    new_change = cast(Callable[[type[Change], Row], Change], tuple.__new__)
    end = _HEAD + width
    insert, update, delete = Operation.INSERT, Operation.UPDATE, Operation.DELETE

    def decode(row: Row) -> Change | None:
        identity, _, op, at, mask = row[:_HEAD]
        if op == "I":
            image = row[_HEAD:end]
            return new_change(Change, (identity, number, insert, key_of(image), image, everything, None, at, None))
        olds = _HEAD + row[-1]
        old = row[olds : olds + width]
        if op == "D":
            return new_change(Change, (identity, number, delete, key_of(old), None, 0, old, at, None))
        image = row[_HEAD:end]
        if op == "R":
            mask = sum(1 << place for place in range(width) if not identical(old[place], image[place]))
            before = tuple(old[place] for place in _bits(mask))
        else:
            if mask is None or mask > everything:
                mask = sum(1 << place for place in range(width) if old[place] is not None)
            places = places_of.get(mask)
            if places is None:
                places = places_of[mask] = _bits(mask)
            mask, before = before_of(row, mask, image, old, places)
        if not mask:
            return None
        return new_change(Change, (identity, number, update, key_of(image), image, mask, before, at, None))

    return decode


def _before(_row: Row, mask: int, image: Row, old: Row, places: list[int]) -> tuple[int, Row]:
    """Old values of changed columns: one that equals the new value stands for NULL (see capture)."""
    return mask, tuple([None if old[place] == image[place] else old[place] for place in places])


def _loose_before(width: int, loose: list[int]) -> Callable[[Row, int, Row, Row, list[int]], tuple[int, Row]]:
    """The same for a table with columns without affinity, which have a flag for NULL and spurious bits."""
    flags = {place: _HEAD + width + count for count, place in enumerate(loose)}

    def before(row: Row, mask: int, image: Row, old: Row, places: list[int]) -> tuple[int, Row]:
        values = []
        for place in places:
            value = old[place]
            if place not in flags:
                value = None if value == image[place] else value
            elif row[flags[place]]:
                value = None
            elif identical(value, image[place]):
                mask &= ~(1 << place)
                continue
            values.append(value)
        return mask, tuple(values)

    return before


def _bits(mask: int) -> list[int]:
    return [place for place in range(mask.bit_length()) if mask >> place & 1]


def identical(one: Value, other: Value) -> bool:
    """Equal bit for bit: neither 1 and 1.0 nor 0.0 and -0.0."""
    if type(one) is not type(other) or one != other:
        return False
    return not isinstance(one, float) or one != 0.0 or repr(one) == repr(other)


def _settle_markers(raw: sqlite3.Connection, table: Table, after: int) -> None:
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


def clear(raw: sqlite3.Connection, through: int) -> None:
    """Delete what was read. All of it goes at once, without looking at each row, if nothing came later."""
    later = raw.execute(f"SELECT 1 FROM {OUTBOX} WHERE id > ? LIMIT 1", (through,)).fetchone()
    if later is None:
        raw.execute(f"DELETE FROM {OUTBOX}")
    else:
        raw.execute(f"DELETE FROM {OUTBOX} WHERE id <= ?", (through,))


def waiting_keys(raw: sqlite3.Connection, table: Table) -> set[Key]:
    """Keys of the table's rows in the outbox, whatever happened to them."""
    width = len(table.definition.columns)
    key_of = key_packer(table.definition)
    news = ", ".join(f"n{place}" for place in range(1, width + 1))
    olds = ", ".join(f"o{place}" for place in range(1, width + 1))
    found: set[Key] = set()
    for condition, slots in (("op IN ('I', 'U')", news), ("op NOT IN ('I', 'U')", olds)):
        rows = fetch(raw, f"SELECT {slots} FROM {OUTBOX} WHERE tbl = ? AND {condition}", (table.id,))
        found.update(key_of(row) for row in rows)
    return found
