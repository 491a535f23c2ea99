"""Bases: the rows of each version of a replicated table where its part of the journal begins, as compressed segments.

They stand in the database beside the journal that goes on from them: one commit changes both, and a backup has both of
one moment. The order of rows and segments means nothing; a key stands in one segment.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Sequence
from typing import NamedTuple

from sqlalchemy import Connection

from replicator.protocol.codec import decode_segment
from replicator.protocol.messages import SegmentEntry, SegmentKind
from replicator.store import sql, tables
from replicator.store.catalogue import definition_text, read_definition
from replicator.types import Image, TableDefinition


class Base(NamedTuple):
    """What is kept of a table. Numbers are those of groups of the journal."""

    id: int
    table: int
    name: str
    definition: TableDefinition
    begun_n: int
    """The group after which it was taken: nothing is known of before."""
    n: int
    """Its rows are those after this group; some segments are of `reach_n` already where that is higher."""
    reach_n: int
    """The first group after which the table can be built."""
    ended_n: int
    """The last group of the table's replication, or of this version of it; 0: it goes on."""
    at: int
    """When the rows stood as they did after `reach_n`; microseconds since 1970 UTC."""
    complete: bool
    rows: int = 0
    size: int = 0
    next_ordinal: int = 0


class BaseSegment(NamedTuple):
    ordinal: int
    digest: bytes
    size: int
    raw_size: int
    rows: int
    frame: bytes

    def images(self) -> list[Image]:
        """Raises PeerFault where it was damaged on the disk."""
        entry = SegmentEntry(self.digest, self.size, self.raw_size, SegmentKind.CONTENT, self.rows)
        segment = decode_segment(self.frame, entry)
        return [image for block in segment.blocks for image in block.rows]


_COLUMNS = (
    "id",
    "table_id",
    "name",
    "definition",
    "begun_n",
    "n",
    "reach_n",
    "ended_n",
    "at",
    "complete",
    "row_count",
    "size",
    "next_ordinal",
)
_SEGMENT = ("ordinal", "digest", "size", "raw_size", "row_count", "frame")


def load(connection: Connection) -> list[Base]:
    """All of them in the order in which they were begun, those that are not complete as well."""
    found = sql.rows(connection, f"SELECT {', '.join(_COLUMNS)} FROM replicator_base ORDER BY id")
    return [
        Base(number, table, name, read_definition(definition), begun, n, reach, ended, at, bool(complete), *counts)
        for number, table, name, definition, begun, n, reach, ended, at, complete, *counts in found
    ]


def find(connection: Connection, base: int) -> Base:
    """The one with this number, which is there."""
    return next(each for each in load(connection) if each.id == base)


def current(connection: Connection) -> dict[int, Base]:
    """Those of tables as they are replicated now, by table; also those that are not complete."""
    return {base.table: base for base in load(connection) if not base.ended_n}


def next_number(connection: Connection) -> int:
    """For a new one: higher than any that a segment still stands under."""
    query = (
        "SELECT max(id) FROM (SELECT max(id) AS id FROM replicator_base"
        " UNION ALL SELECT max(base) AS id FROM replicator_base_segment) AS known"
    )
    row = sql.one(connection, query)
    return 1 if row is None or row[0] is None else int(row[0]) + 1


def any_missing(connection: Connection) -> bool:
    """Is a table replicated that has no complete base? One small query for each run."""
    query = (
        "SELECT 1 FROM replicator_table t WHERE NOT EXISTS"
        " (SELECT 1 FROM replicator_base b WHERE b.table_id = t.id AND b.ended_n = 0 AND b.complete = ?) LIMIT 1"
    )
    return sql.one(connection, query, (True,)) is not None


def save(connection: Connection, base: Base) -> None:
    """Insert it, or take over what has changed."""
    drop(connection, base.id)
    row = (base.id, base.table, base.name, definition_text(base.definition), *base[4:])
    sql.insert(connection, tables.base, _COLUMNS, [row])


def end(connection: Connection, table: int, n: int) -> None:
    """The table's replication, or this version of it, ends with this group. What was kept stays as long as the journal
    tells of it; what is not complete goes."""
    found = current(connection).get(table)
    if found is not None and not found.complete:
        drop(connection, found.id)
    elif found is not None:
        sql.run(connection, "UPDATE replicator_base SET ended_n = ? WHERE id = ?", (n, found.id))


def drop(connection: Connection, base: int) -> None:
    """Forget it; its segments go by `sweep`."""
    sql.run(connection, "DELETE FROM replicator_base WHERE id = ?", (base,))


def sweep(connection: Connection, limit: int) -> int:
    """Delete segments that belong to no base, at most so many. Returns how many."""
    found = sql.rows(
        connection,
        "SELECT base, ordinal FROM replicator_base_segment WHERE base NOT IN"
        " (SELECT id FROM replicator_base) ORDER BY base, ordinal LIMIT ?",
        (limit,),
    )
    for base in dict.fromkeys(base for base, _ in found):
        delete_segments(connection, base, [ordinal for other, ordinal in found if other == base])
    return len(found)


def add_segments(connection: Connection, base: int, segments: Iterable[BaseSegment]) -> None:
    sql.insert(connection, tables.base_segment, ("base", *_SEGMENT), [(base, *each) for each in segments])


def delete_segments(connection: Connection, base: int, ordinals: Collection[int]) -> None:
    for chunk in sql.in_chunks(sorted(ordinals)):
        sql.run(
            connection,
            f"DELETE FROM replicator_base_segment WHERE base = ? AND ordinal IN ({sql.marks(len(chunk))})",
            (base, *chunk),
        )


def segments(connection: Connection, base: int, after: int, before: int, limit: int) -> list[BaseSegment]:
    """Of the ordinals between these two, the lowest."""
    found = sql.rows(
        connection,
        f"SELECT {', '.join(_SEGMENT)} FROM replicator_base_segment"
        " WHERE base = ? AND ordinal > ? AND ordinal < ? ORDER BY ordinal LIMIT ?",
        (base, after, before, limit),
    )
    return [BaseSegment._make((*row[:-1], bytes(row[-1]))) for row in found]


def all_segments(connection: Connection, base: Base) -> Iterator[BaseSegment]:
    """One after the other, so that memory stays flat."""
    after = -1
    while some := segments(connection, base.id, after, base.next_ordinal, 1):
        after = some[-1].ordinal
        yield from some


def totals(connection: Connection, base: int) -> tuple[int, int]:
    """(rows, bytes) of its segments."""
    row = sql.one(connection, "SELECT sum(row_count), sum(size) FROM replicator_base_segment WHERE base = ?", (base,))
    return (0, 0) if row is None or row[0] is None else (int(row[0]), int(row[1]))


def covered(found: Sequence[Base]) -> int | None:
    """Up to which group these bases hold what the journal told; None: there are none."""
    return min((base.n for base in found if base.complete), default=None)
