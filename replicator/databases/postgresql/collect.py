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
from operator import itemgetter
from typing import Any

import psycopg

from replicator.databases.base import Change
from replicator.databases.postgresql.capture import change_table
from replicator.databases.postgresql.here import Here, Row, local_types
from replicator.databases.postgresql.statements import SCHEMA, Driver, execute, fetch, scalar
from replicator.protocol.keys import key_packer, pack_key
from replicator.types import Key, Operation, Table, Value

CHUNK = 2000
EVERYTHING = (2**63 - 1, 2**63 - 1)
"""Behind every place."""
_GROUPS = "pg_temp.replicator_groups"
_HEAD = 5
"""Columns before n1: last id of the group, id, op, at, txid."""


def change_tables(raw: Driver) -> list[int]:
    """Numbers of the tables that have a change table, replicated still or not."""
    found = fetch(
        raw,
        "SELECT substr(relname, 8)::integer FROM pg_class WHERE relnamespace = %s::regnamespace"
        " AND relname ~ '^change_[0-9]+$' AND relkind = 'r' ORDER BY 1",
        (SCHEMA,),
    )
    return [number for (number,) in found]


def is_empty(raw: Driver, numbers: list[int]) -> bool:
    if not numbers:
        return True
    some = " OR ".join(f"EXISTS (SELECT FROM {change_table(number)})" for number in numbers)
    return not scalar(raw, f"SELECT {some}")


def note_groups(raw: Driver, numbers: list[int]) -> str:
    """Fix which transactions are read, each with its last id. Returns the exported snapshot that they are of."""
    exported, snapshot = fetch(raw, "SELECT pg_export_snapshot(), pg_current_snapshot()::text")[0]
    every = " UNION ALL ".join(f"SELECT txid, id FROM {change_table(number)}" for number in numbers)
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
    raw: Driver, tables: Mapping[int, Table], numbers: list[int], read_through: Callable[[Place], None]
) -> Iterator[list[Change]]:
    """All changes of the noted transactions. Changes of tables that are no longer replicated are left out.

    Reports the place of the last change read before it yields what was read.
    """
    with ExitStack() as stack:
        sources = [_table_changes(stack, raw, tables[number]) for number in numbers if number in tables]
        chunk: list[Change] = []
        for place, found in heapq.merge(*sources, key=itemgetter(0)):
            chunk += found
            if len(chunk) >= CHUNK:
                read_through(place)
                yield chunk
                chunk = []
        read_through(EVERYTHING)
        if chunk:
            yield chunk


def _table_changes(stack: ExitStack, raw: Driver, table: Table) -> Iterator[Placed]:
    """The table's changes by (last id of the group, id); an update may be none, or two."""
    cursor = stack.enter_context(raw.cursor(f"replicator_{table.id}"))
    cursor.itersize = CHUNK
    captured = captured_here(raw, table)
    slots = "".join(f", {slot}" for letter in "no" for slot in _slots(captured, f"c.{letter}"))
    cursor.execute(
        "SELECT g.last, c.id, c.op::text, (extract(epoch FROM c.at) * 1000000)::bigint, c.txid::text::bigint"
        f"{slots} FROM {change_table(table.id)} c JOIN {_GROUPS} g ON g.txid = c.txid ORDER BY g.last, c.id".encode()
    )
    return _decoded(cursor, captured)


def captured_here(raw: Driver, table: Table) -> Here:
    """The table as it was when its capture was made: the columns of its change table have the types of then."""
    place = change_table(table.id)
    types = local_types(raw, place)
    names = table.definition.column_names
    return Here(table, place, {name: types[f"n{place}"] for place, name in enumerate(names, start=1)})


def _slots(captured: Here, prefix: str, columns: Sequence[str] | None = None) -> list[str]:
    """The captured values of these columns (all, if not told) as SQL."""
    definition = captured.definition
    return [
        captured.carriages[name].sql(f"{prefix}{definition.index_of(name) + 1}")
        for name in columns or definition.column_names
    ]


def _decoded(cursor: psycopg.ServerCursor[tuple[Any, ...]], captured: Here) -> Iterator[Placed]:
    definition = captured.definition
    width, number = len(definition.columns), captured.table.id
    read, key_of = captured.reader(), key_packer(definition)
    everything = (1 << width) - 1
    insert, update, delete = Operation.INSERT, Operation.UPDATE, Operation.DELETE
    for row in cursor:
        last, identity, op, at, transaction = row[:_HEAD]
        new, old = row[_HEAD : _HEAD + width], row[_HEAD + width :]
        if read is not None:
            new, old = read(new), read(old)
        found: list[Change] = []
        gone = op == "D"
        came = op == "I"
        if op == "U":
            key = key_of(new)
            if key_of(old) != key:
                gone = came = True
            else:
                places = _changed(new, old)
                if places:
                    mask, before = sum(1 << place for place in places), tuple(old[place] for place in places)
                    found.append(Change(identity, number, update, key, new, mask, before, at, transaction))
        if gone:
            found.append(Change(identity, number, delete, key_of(old), None, 0, old, at, transaction))
        if came:
            found.append(Change(identity, number, insert, key_of(new), new, everything, None, at, transaction))
        yield (last, identity), found


def _changed(new: Row, old: Row) -> list[int]:
    """Places of the columns whose values differ in any bit."""
    return [place for place, value in enumerate(new) if not identical(value, old[place])]


def identical(one: Value, other: Value) -> bool:
    """Neither 0.0 and -0.0, nor 1 and 1.0; NaN is itself."""
    if isinstance(one, float):
        return isinstance(other, float) and repr(one) == repr(other)
    return type(one) is type(other) and bool(one == other)


def clear(raw: Driver, numbers: list[int], through: Place) -> None:
    """Delete what the noted transactions captured, up to that place, replicated still or not."""
    for number in numbers:
        execute(
            raw,
            f"DELETE FROM {change_table(number)} c USING {_GROUPS} g"
            " WHERE g.txid = c.txid AND (g.last, c.id) <= (%s, %s)",
            through,
        )


def waiting_keys(raw: Driver, table: Table) -> set[Key]:
    """Keys of the table's rows that stand in its change table, whatever happened to them."""
    captured = captured_here(raw, table)
    columns = table.definition.primary_key
    read = captured.reader(columns)
    found: set[Key] = set()
    for letter, without in (("n", "D"), ("o", "I")):
        slots = ", ".join(_slots(captured, letter, columns))
        for row in fetch(raw, f"SELECT {slots} FROM {captured.place} WHERE op <> '{without}'"):
            found.add(pack_key(row if read is None else read(row)))
    return found
