"""Reading what was captured: the changes of committed transactions, in an order in which they may be repeated.

Ids are drawn when a change is made and seen when its transaction commits, so neither "the ids after the last one" nor
the order of ids alone will do (protocol.md 7.1). One snapshot says which transactions are read; each is a group; groups
follow each other by their *last* id. What was read is deleted, exactly that.

The snapshot is taken once and then named: later statements of this READ COMMITTED transaction see more than it does,
and leave that out. It is exported at the same moment, for `Database.snapshot`: rows and log position from one snapshot.
"""

from __future__ import annotations

import heapq
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from itertools import compress
from operator import itemgetter, ne
from typing import Any, cast

import psycopg

from replicator.databases.base import Change
from replicator.databases.postgresql.carriage import REALS
from replicator.databases.postgresql.change_tables import (
    ChangeTable,
    captured_here,
    change_tables,
    drop_useless,
    slots,
)
from replicator.databases.postgresql.here import Here, Row
from replicator.databases.postgresql.schemas import Schemas
from replicator.databases.postgresql.statements import Driver, execute, fetch
from replicator.databases.weighing import PageSize
from replicator.protocol.keys import key_packer, pack_key
from replicator.types import Key, Operation, Table, Value

CHUNK = 2000
EVERYTHING = (2**63 - 1, 2**63 - 1)
"""Behind every place."""
_GROUPS = "pg_temp.replicator_groups"
_HEAD = 5
"""Columns before n1: last id of the group, id, op, at, txid."""


def note_groups(raw: Driver, sources: Sequence[ChangeTable]) -> str:
    """Fix which transactions are read, each with its last id. Returns the exported snapshot that they are of."""
    exported, snapshot = fetch(raw, "SELECT pg_export_snapshot(), pg_current_snapshot()::text")[0]
    every = " UNION ALL ".join(f"SELECT txid, id FROM {source.name}" for source in sources)
    execute(raw, f"DROP TABLE IF EXISTS {_GROUPS}")
    execute(
        raw,
        "CREATE TEMP TABLE replicator_groups ON COMMIT DROP AS SELECT txid, max(id) AS last"
        f" FROM ({every}) AS every WHERE pg_visible_in_snapshot(txid, '{snapshot}') GROUP BY txid",
    )
    execute(raw, f"ANALYZE {_GROUPS}")
    return str(exported)


Place = tuple[int, int]
"""Of a captured change: last id of its group, its own id."""
Placed = tuple[Place, list[Change]]


def changes(
    raw: Driver, tables: Mapping[int, Table], sources: Sequence[ChangeTable], read_through: Callable[[Place], None]
) -> Iterator[list[Change]]:
    """All changes of the noted transactions. Changes of tables that are no longer replicated are left out.

    Reports the place of the last change read before it yields what was read.
    """
    with ExitStack() as stack:
        placed = [
            _placed_changes(stack, raw, tables[source.number], source) for source in sources if source.number in tables
        ]
        merged = placed[0] if len(placed) == 1 else heapq.merge(*placed, key=itemgetter(0))
        chunk: list[Change] = []
        size = PageSize(CHUNK)
        for place, found in merged:
            chunk += found
            if len(chunk) >= size.rows:
                size.note([change.image or change.before or () for change in chunk])
                read_through(place)
                yield chunk
                chunk = []
        read_through(EVERYTHING)
        if chunk:
            yield chunk


def _placed_changes(stack: ExitStack, raw: Driver, table: Table, source: ChangeTable) -> Iterator[Placed]:
    """The table's changes by (last id of the group, id); an update may be none, or two."""
    cursor = stack.enter_context(raw.cursor(source.name.replace(".", "_")))
    captured = captured_here(raw, table, source)
    values = "".join(f", {slot}" for letter in "no" for slot in slots(captured, f"c.{letter}"))
    cursor.execute(
        "SELECT g.last, c.id, c.op::text, (extract(epoch FROM c.at) * 1000000)::bigint, c.txid::text::bigint"
        f"{values} FROM {source.name} c JOIN {_GROUPS} g ON g.txid = c.txid ORDER BY g.last, c.id".encode()
    )
    return _decoded(cursor, captured)


def _decoded(cursor: psycopg.ServerCursor[tuple[Any, ...]], captured: Here) -> Iterator[Placed]:
    definition = captured.definition
    width, number = len(definition.columns), captured.table.id
    middle = _HEAD + width
    read, key_of, updated = captured.reader(), key_packer(definition), _updates(captured)
    everything = (1 << width) - 1
    insert, delete = Operation.INSERT, Operation.DELETE
    entry: Row
    size = PageSize(CHUNK)
    while rows := cursor.fetchmany(size.rows):
        size.note(rows)
        for row in rows:
            last, identity, op, at, transaction = row[:_HEAD]
            if op == "U":
                found = updated(row, identity, at, transaction)
            elif op == "I":
                new = row[_HEAD:middle] if read is None else read(row[_HEAD:middle])
                entry = (identity, number, insert, key_of(new), new, everything, None, at, transaction)
                found = [_new_change(Change, entry)]
            else:
                old = row[middle:] if read is None else read(row[middle:])
                entry = (identity, number, delete, key_of(old), None, 0, old, at, transaction)
                found = [_new_change(Change, entry)]
            yield (last, identity), found


_new_change = cast(Callable[[type[Change], Row], Change], tuple.__new__)
"""In half the constructor's time."""


def _updates(captured: Here) -> Callable[[Row, int, int, int], list[Change]]:
    """A function from an update's row to its changes: none where nothing changed, two where the key did."""
    definition = captured.definition
    width, number = len(definition.columns), captured.table.id
    middle, everything, span = _HEAD + width, (1 << width) - 1, range(len(definition.columns))
    read, key_of = captured.reader(), key_packer(definition)
    key = frozenset(definition.key_indexes)
    readers = [captured.carriages[name].read for name in definition.column_names]
    # Values that differ may be the same once they are portable (1.0 and 1.00), floats that are equal may differ.
    floats = [place for place, name in enumerate(definition.column_names) if captured.types[name].name in REALS]
    converted = frozenset(place for place in span if readers[place] is not None).union(floats)
    update, insert, delete = Operation.UPDATE, Operation.INSERT, Operation.DELETE
    masks: dict[tuple[int, ...], int] = {}

    def exactly(places: list[int], image: Row, old: Row) -> tuple[list[int], list[Value]]:
        """Those of the places that did change, with their old values."""
        changed, values = [], []
        for place in sorted({*places, *floats}) if floats else places:
            value, of = old[place], readers[place]
            if of is not None:
                value = of(value)
            if not identical(image[place], value):
                changed.append(place)
                values.append(value)
        return changed, values

    def updated(row: Row, identity: int, at: int, transaction: int) -> list[Change]:
        new, old = row[_HEAD:middle], row[middle:]
        places = list(compress(span, map(ne, new, old)))
        if not places and not floats:
            return []
        image = new if read is None else read(new)
        if converted.isdisjoint(places) and not floats:
            values = [old[place] for place in places]
        else:
            places, values = exactly(places, image, old)
            if not places:
                return []
        if not key.isdisjoint(places):
            before = old if read is None else read(old)
            return [
                Change(identity, number, delete, key_of(before), None, 0, before, at, transaction),
                Change(identity, number, insert, key_of(image), image, everything, None, at, transaction),
            ]
        mask = masks.get(which := tuple(places))
        if mask is None:
            mask = masks[which] = sum(1 << place for place in places)
        entry = (identity, number, update, key_of(image), image, mask, tuple(values), at, transaction)
        return [_new_change(Change, entry)]

    return updated


def identical(one: Value, other: Value) -> bool:
    """Neither 0.0 and -0.0, nor 1 and 1.0; NaN is itself."""
    if isinstance(one, float):
        return isinstance(other, float) and repr(one) == repr(other)
    return type(one) is type(other) and bool(one == other)


def clear(raw: Driver, schemas: Schemas, through: Place) -> None:
    """Delete what the noted transactions captured, up to that place, replicated still or not."""
    for source in change_tables(raw, schemas):
        name = source.name.replace("%", "%%")
        execute(
            raw,
            f"DELETE FROM {name} c USING {_GROUPS} g WHERE g.txid = c.txid AND (g.last, c.id) <= (%s, %s)",
            through,
        )
    drop_useless(raw, schemas)


def waiting_keys(raw: Driver, schemas: Schemas, table: Table) -> set[Key]:
    """Keys of the table's rows that stand in its change tables, whatever happened to them."""
    columns = table.definition.primary_key
    found: set[Key] = set()
    for source in change_tables(raw, schemas):
        if source.number != table.id:
            continue
        captured = captured_here(raw, table, source)
        read = captured.reader(columns)
        for letter, without in (("n", "D"), ("o", "I")):
            listed = ", ".join(slots(captured, letter, columns))
            for row in fetch(raw, f"SELECT {listed} FROM {source.name} WHERE op <> '{without}'"):
                found.add(pack_key(row if read is None else read(row)))
    return found
