"""The journal's content: slices, each as segments for sets of recipients or for one link (protocol.md 4, Segments).

The journal is cut into *slices* once, the same for all links; a batch is some slices' segments with a number in one
link's stream. Log segments keep their bytes here; content (of rules, snapshots) lies in the spool.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from typing import NamedTuple

from sqlalchemy import Connection

from replicator.protocol.messages import SegmentEntry, SegmentKind
from replicator.store import sql, tables
from replicator.types import NOWHERE, Position


class Slice(NamedTuple):
    """A piece of the journal: groups `first_n` to `last_n`; the last one ends in it when `whole`."""

    id: int
    host_epoch: int
    first_n: int
    last_n: int
    whole: bool
    size: int = 0
    """Bytes of its segments, and of what the journal keeps beside them."""
    first_at: int | None = None
    last_at: int | None = None
    """The earliest and the latest of its changes and groups, microseconds since 1970 UTC; None: not noted."""
    closing: bool = False
    """A batch ends with it: what follows is to be a transaction of its own."""


class SliceSegment(NamedTuple):
    """A segment of a slice: for `recipients` (a set's number) or for `peer` alone."""

    slice: int
    ordinal: int
    recipients: int | None
    peer: int | None
    origin: int
    kind: str
    digest: bytes
    size: int
    raw_size: int
    row_count: int
    frame: bytes | None
    """The compressed bytes; None when they lie in the spool (content). Not read with the rest."""
    detail: bytes | None

    @property
    def entry(self) -> SegmentEntry:
        return SegmentEntry(self.digest, self.size, self.raw_size, SegmentKind(self.kind), self.row_count)


_SEGMENT = SliceSegment._fields
_LIGHT = ", ".join((*_SEGMENT[:-2], "frame IS NOT NULL"))


def insert_slice(connection: Connection, slice_: Slice, segments: list[SliceSegment]) -> None:
    sql.insert(connection, tables.slice_, Slice._fields, [slice_])
    sql.insert(connection, tables.slice_segment, _SEGMENT, segments)


def mark_whole(connection: Connection, slice_id: int) -> None:
    """The slice's last group ends in it."""
    sql.run(connection, "UPDATE replicator_slice SET whole = ? WHERE id = ?", (True, slice_id))


def next_slice_id(connection: Connection) -> int:
    row = sql.one(connection, "SELECT max(id) FROM replicator_slice")
    newest = row[0] if row and row[0] is not None else 0
    # Slices go when every link has passed them; numbers must not come again.
    passed = sql.one(connection, "SELECT max(cut_slice) FROM replicator_link")
    return max(newest, passed[0] if passed and passed[0] is not None else 0) + 1


def slices_after(connection: Connection, after: int, limit: int) -> list[Slice]:
    found = sql.rows(
        connection,
        f"SELECT {', '.join(Slice._fields)} FROM replicator_slice WHERE id > ? ORDER BY id LIMIT ?",
        (after, limit),
    )
    return [_slice(row) for row in found]


def _slice(row: sql.Row) -> Slice:
    return Slice._make((*row[:4], bool(row[4]), *row[5:-1], bool(row[-1])))


def slices_numbered(connection: Connection, ids: Collection[int]) -> dict[int, Slice]:
    """These slices, by number."""
    found: dict[int, Slice] = {}
    for chunk in sql.in_chunks(sorted(ids)):
        statement = f"SELECT {', '.join(Slice._fields)} FROM replicator_slice WHERE id IN ({sql.marks(len(chunk))})"
        for row in sql.rows(connection, statement, chunk):
            found[row[0]] = _slice(row)
    return found


def segments_of(connection: Connection, slices: Collection[int]) -> list[SliceSegment]:
    """All segments of these slices, in order, without their bytes."""
    found: list[SliceSegment] = []
    for chunk in sql.in_chunks(sorted(slices)):
        statement = (
            f"SELECT {_LIGHT} FROM replicator_slice_segment"
            f" WHERE slice IN ({sql.marks(len(chunk))}) ORDER BY slice, ordinal"
        )
        rows = sql.run(connection, statement, chunk).fetchall()
        found += [SliceSegment._make((*row[:-1], b"" if row[-1] else None, None)) for row in rows]
    return found


def insert_content(connection: Connection, n: int, segments: list[SegmentEntry]) -> None:
    """Content that belongs to the rule record at journal position n."""
    sql.insert(
        connection,
        tables.content,
        ("n", "ordinal", "digest", "size", "raw_size", "row_count"),
        [(n, ordinal, s.digest, s.size, s.raw_size, s.rows) for ordinal, s in enumerate(segments)],
    )


def take_content(connection: Connection, n: int) -> list[SegmentEntry]:
    """The content of the record at n; from now on its slice names the segments."""
    found = sql.rows(
        connection,
        "SELECT digest, size, raw_size, row_count FROM replicator_content WHERE n = ? ORDER BY ordinal",
        (n,),
    )
    sql.run(connection, "DELETE FROM replicator_content WHERE n = ?", (n,))
    return [SegmentEntry(digest, size, raw, SegmentKind.CONTENT, rows) for digest, size, raw, rows in found]


def last_through(connection: Connection, position: Position) -> int:
    """The last slice of this node's journal that ends at or before this position; 0: there is none."""
    row = sql.one(
        connection,
        "SELECT id FROM replicator_slice WHERE last_n <= ? ORDER BY last_n DESC, id DESC LIMIT 1",
        (position[1],),
    )
    return row[0] if row else 0


def first_behind(connection: Connection, slice_id: int) -> int | None:
    """n of the first group behind a slice that is whole; None: there is none."""
    row = sql.one(connection, "SELECT min(first_n) FROM replicator_slice WHERE id > ?", (slice_id,))
    return row[0] if row else None


def ending_at(connection: Connection, position: Position) -> int | None:
    """The last slice that ends with just this position of the log; None: there is none."""
    row = sql.one(
        connection,
        "SELECT max(id) FROM replicator_slice WHERE host_epoch = ? AND last_n = ? AND whole = ?",
        (*position, True),
    )
    return row[0] if row else None


def end_of(connection: Connection, slice_id: int) -> Position:
    row = sql.one(connection, "SELECT host_epoch, last_n FROM replicator_slice WHERE id = ?", (slice_id,))
    return NOWHERE if row is None else (row[0], row[1])


def content_behind(connection: Connection, peer: int, slice_id: int) -> list[bytes]:
    """Digests of the content that was logged for this station behind the slice."""
    found = sql.rows(
        connection,
        "SELECT digest FROM replicator_slice_segment WHERE slice > ? AND peer = ? AND frame IS NULL",
        (slice_id, peer),
    )
    return [digest for (digest,) in found]


def groups_uncut(connection: Connection, last_n: int) -> int:
    """How many groups of the journal the link that is furthest behind has not been given yet."""
    row = sql.one(
        connection,
        "SELECT min(s.first_n) FROM replicator_slice s WHERE s.id > (SELECT min(cut_slice) FROM replicator_link)",
    )
    return 0 if row is None or row[0] is None else last_n - int(row[0]) + 1


def frame(connection: Connection, digest: bytes) -> bytes | None:
    """A log segment's compressed bytes."""
    row = sql.one(
        connection,
        "SELECT frame FROM replicator_slice_segment WHERE digest = ? AND frame IS NOT NULL LIMIT 1",
        (digest,),
    )
    return None if row is None else bytes(row[0])


def unneeded(connection: Connection, digests: Iterable[bytes]) -> list[bytes]:
    """Those of `digests` whose spool files nothing names any more."""
    left = set(digests)
    for chunk in sql.in_chunks(sorted(left)):
        left -= _named(connection, f" AND digest IN ({sql.marks(len(chunk))})", tuple(chunk))
    return sorted(left)


def spooled(connection: Connection) -> set[bytes]:
    """Segments whose bytes lie in the spool and are needed."""
    return _named(connection, "", ())


def _named(connection: Connection, condition: str, parameters: tuple[bytes, ...]) -> set[bytes]:
    """Content of rules not yet in a slice, content that a link has not passed, parts of un-acknowledged batches."""
    found = sql.rows(
        connection,
        f"SELECT digest FROM replicator_content WHERE 1 = 1{condition}"
        f" UNION SELECT digest FROM replicator_batch_segment WHERE in_journal = 0{condition}"
        " UNION SELECT s.digest FROM replicator_slice_segment s JOIN replicator_link l ON l.peer = s.peer"
        f" WHERE s.frame IS NULL AND s.slice > l.cut_slice{condition.replace('digest', 's.digest')}",
        parameters * 3,
    )
    return {digest for (digest,) in found}
