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
from itertools import chain
from operator import itemgetter

import psycopg

from replicator.databases.base import Change
from replicator.databases.captured import Found, decoder
from replicator.databases.postgresql.change_tables import (
    ChangeTable,
    captured_here,
    change_tables,
    drop_useless,
    slots,
)
from replicator.databases.postgresql.here import Row
from replicator.databases.postgresql.schemas import Schemas
from replicator.databases.postgresql.statements import Driver, execute, fetch
from replicator.databases.weighing import PageSize
from replicator.protocol.keys import pack_key
from replicator.types import Key, Table

CHUNK = 2000
EVERYTHING = (2**63 - 1, 2**63 - 1)
"""Behind every place."""
_GROUPS = "pg_temp.replicator_groups"


def note_groups(raw: Driver, sources: Sequence[ChangeTable], *, joined: bool = False) -> str | None:
    """Fix which transactions are read, each with its last id. Returns the exported snapshot that they are of.

    `joined`: the transaction is the application's, and what it has written so far is read, too: it counts if ours does.
    No snapshot can be exported then.
    """
    export = "NULL" if joined else "pg_export_snapshot()"
    exported, snapshot = fetch(raw, f"SELECT {export}, pg_current_snapshot()::text")[0]
    own = " OR txid = pg_current_xact_id()" if joined else ""
    every = " UNION ALL ".join(f"SELECT txid, id FROM {source.name}" for source in sources)
    execute(raw, f"DROP TABLE IF EXISTS {_GROUPS}")
    execute(
        raw,
        "CREATE TEMP TABLE replicator_groups ON COMMIT DROP AS"
        " SELECT txid, txid::text::bigint AS number, max(id) AS last"
        f" FROM ({every}) AS every WHERE pg_visible_in_snapshot(txid, '{snapshot}'){own} GROUP BY txid",
    )
    execute(raw, f"ANALYZE {_GROUPS}")
    return None if exported is None else str(exported)


Place = tuple[int, int]
"""Of a captured change: last id of its group, its own id."""
Page = tuple[list[Place], Found]
"""Changes that were read together, by place."""


def changes(
    raw: Driver, tables: Mapping[int, Table], sources: Sequence[ChangeTable], read_through: Callable[[Place], None]
) -> Iterator[list[Change]]:
    """All changes of the noted transactions. Changes of tables that are no longer replicated are left out.

    Reports the place of the last change read before it yields what was read.
    """
    with ExitStack() as stack:
        pages = [_pages(stack, raw, tables[source.number], source) for source in sources if source.number in tables]
        for places, found in pages[0] if len(pages) == 1 else _merged(pages):
            read_through(places[-1])
            if chunk := list(chain.from_iterable(found)):
                yield chunk
        read_through(EVERYTHING)


def _merged(sources: Sequence[Iterator[Page]]) -> Iterator[Page]:
    each = [chain.from_iterable(zip(*page, strict=True) for page in pages) for pages in sources]
    places: list[Place] = []
    found: Found = []
    size = PageSize(CHUNK)
    for place, changes in heapq.merge(*each, key=itemgetter(0)):
        places.append(place)
        found.append(changes)
        if len(places) >= size.rows:
            size.note([change.image or change.before or () for some in found for change in some])
            yield places, found
            places, found = [], []
    if places:
        yield places, found


def _pages(stack: ExitStack, raw: Driver, table: Table, source: ChangeTable) -> Iterator[Page]:
    """The table's changes by (last id of the group, id)."""
    cursor = stack.enter_context(raw.cursor(source.name.replace(".", "_")))
    captured = captured_here(raw, table, source)
    values = "".join(f", {slot}" for letter in "no" for slot in slots(captured, f"c.{letter}"))
    cursor.execute(
        f"SELECT c.id, c.op::text, (date_part('epoch', c.at) * 1000000)::bigint, g.number{values}, g.last"
        f" FROM {source.name} c JOIN {_GROUPS} g ON g.txid = c.txid ORDER BY g.last, c.id".encode()
    )
    return _decoded(cursor, decoder(table, captured.reader()))


def _decoded(cursor: psycopg.ServerCursor[Row], decode: Callable[[list[Row]], Found]) -> Iterator[Page]:
    place_of: Callable[[Row], Place] = itemgetter(-1, 0)
    size = PageSize(CHUNK)
    while rows := cursor.fetchmany(size.rows):
        size.note(rows)
        yield list(map(place_of, rows)), decode(rows)


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
            rows = fetch(raw, f"SELECT {listed} FROM {source.name} WHERE op <> '{without}'")
            found.update(map(pack_key, read(rows)))
    return found
