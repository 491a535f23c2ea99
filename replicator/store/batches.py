"""Frozen batches under way from this node: slices of the journal, batches, the send queue (protocol.md 3.1, 5.2).

The journal is cut into *slices* once, the same for all links; each slice holds segments, shared by sets of recipients
or private to one link. A batch is some slices' segments with a number in one link's stream.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from typing import NamedTuple

from sqlalchemy import Connection

from replicator.protocol.codec import decode_manifest
from replicator.protocol.link import Unacknowledged
from replicator.protocol.messages import Manifest, SegmentEntry, SegmentKind
from replicator.store import sql, tables
from replicator.types import Epoch, Position


class Slice(NamedTuple):
    """A piece of the journal: groups `first_n` to `last_n`; the last one ends in it when `whole`."""

    id: int
    host_epoch: int
    first_n: int
    last_n: int
    whole: bool


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
        "SELECT id, host_epoch, first_n, last_n, whole FROM replicator_slice WHERE id > ? ORDER BY id LIMIT ?",
        (after, limit),
    )
    return [Slice(number, epoch, first, last, bool(whole)) for number, epoch, first, last, whole in found]


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


# --- batches ----------------------------------------------------------------------------------------------------------


class Batch(NamedTuple):
    """A row of replicator_batch_out, in column order."""

    peer: int
    n: int
    digest: bytes
    manifest: bytes
    opener: str | None
    peer_epoch_epoch: int
    peer_epoch_n: int
    high_epoch: int
    high_n: int
    size: int
    window_size: int
    row_count: int
    sent_probe: int
    repeated: int
    created_at: int

    @property
    def peer_epoch(self) -> Epoch:
        return self.peer_epoch_epoch, self.peer_epoch_n

    @property
    def high(self) -> Position:
        return self.high_epoch, self.high_n

    def decoded(self) -> Manifest:
        return decode_manifest(self.manifest)[0]


_BATCH = Batch._fields
_SELECT_BATCH = f"SELECT {', '.join(_BATCH)} FROM replicator_batch_out"


class BatchSegment(NamedTuple):
    """A segment of a batch's stream; its bytes lie in the journal or in the spool."""

    digest: bytes
    size: int
    in_journal: bool


def insert_batch(connection: Connection, batch: Batch, segments: Iterable[BatchSegment]) -> None:
    sql.insert(connection, tables.batch_out, _BATCH, [batch])
    sql.insert(
        connection,
        tables.batch_segment,
        ("peer", "n", "ordinal", "digest", "size", "in_journal"),
        [(batch.peer, batch.n, ordinal, *segment) for ordinal, segment in enumerate(segments)],
    )


def batch(connection: Connection, peer: int, n: int) -> Batch | None:
    row = sql.one(connection, f"{_SELECT_BATCH} WHERE peer = ? AND n = ?", (peer, n))
    return None if row is None else Batch._make(row)


def batch_segments(connection: Connection, peer: int, n: int) -> list[BatchSegment]:
    """A batch's segments, in stream order."""
    found = sql.rows(
        connection,
        "SELECT digest, size, in_journal FROM replicator_batch_segment WHERE peer = ? AND n = ? ORDER BY ordinal",
        (peer, n),
    )
    return [BatchSegment(digest, size, bool(in_journal)) for digest, size, in_journal in found]


def unacknowledged(connection: Connection, peer: int) -> list[Unacknowledged]:
    found = sql.rows(
        connection, "SELECT n, size, sent_probe, repeated FROM replicator_batch_out WHERE peer = ? ORDER BY n", (peer,)
    )
    return [Unacknowledged(n, size, probe, bool(repeated)) for n, size, probe, repeated in found]


def drop_batches(connection: Connection, peer: int, upto: int) -> tuple[Position | None, int, list[bytes]]:
    """Forget batches up to number `upto`: (position covered by the last, window bytes freed, spooled digests)."""
    last = sql.one(
        connection,
        "SELECT high_epoch, high_n FROM replicator_batch_out WHERE peer = ? AND n <= ? ORDER BY n DESC LIMIT 1",
        (peer, upto),
    )
    if last is None:
        return None, 0, []
    freed = sql.one(
        connection, "SELECT sum(window_size) FROM replicator_batch_out WHERE peer = ? AND n <= ?", (peer, upto)
    )
    digests = sql.rows(
        connection,
        "SELECT DISTINCT digest FROM replicator_batch_segment WHERE peer = ? AND n <= ? AND in_journal = 0",
        (peer, upto),
    )
    for table in ("batch_segment", "batch_out", "send_queue"):
        sql.run(connection, f"DELETE FROM replicator_{table} WHERE peer = ? AND n <= ?", (peer, upto))
    return (last[0], last[1]), int(freed[0] or 0) if freed else 0, [digest for (digest,) in digests]


def mark_sent(connection: Connection, peer: int, n: int, probe: int, repeated: bool) -> None:
    sql.run(
        connection,
        "UPDATE replicator_batch_out SET sent_probe = ?, repeated = ? WHERE peer = ? AND n = ?",
        (probe, int(repeated), peer, n),
    )


def mark_queue_sent(connection: Connection, peer: int, probe: int) -> None:
    """Batches that wait in the queue go out with, not before, the probe of this number."""
    sql.run(
        connection,
        "UPDATE replicator_batch_out SET sent_probe = ? WHERE peer = ?"
        " AND n IN (SELECT n FROM replicator_send_queue WHERE peer = ?)",
        (probe, peer, peer),
    )


# --- what has to be sent ----------------------------------------------------------------------------------------------


class Queued(NamedTuple):
    """A byte range of a batch's stream that waits to be mailed."""

    id: int
    peer: int
    n: int
    start: int
    length: int


def enqueue(connection: Connection, peer: int, n: int, ranges: Iterable[tuple[int, int]]) -> None:
    """Ranges that already wait are not queued twice."""
    waiting = {(start, length) for _, _, _, start, length in queued(connection, peer, n)}
    sql.insert(
        connection,
        tables.send_queue,
        ("peer", "n", "start", "length"),
        [(peer, n, start, length) for start, length in ranges if (start, length) not in waiting],
    )


def queued(connection: Connection, peer: int, n: int | None = None, limit: int = 1_000_000) -> list[Queued]:
    wanted, parameters = ("", (peer,)) if n is None else (" AND n = ?", (peer, n))
    found = sql.rows(
        connection,
        f"SELECT id, peer, n, start, length FROM replicator_send_queue WHERE peer = ?{wanted} ORDER BY id LIMIT ?",
        (*parameters, limit),
    )
    return [Queued._make(row) for row in found]


def queue_size(connection: Connection, peer: int) -> tuple[int, int]:
    """(mails, bytes of batches) that wait to be mailed."""
    row = sql.one(connection, "SELECT count(*), sum(length) FROM replicator_send_queue WHERE peer = ?", (peer,))
    return (int(row[0]), int(row[1] or 0)) if row else (0, 0)


def oldest_at(connection: Connection, peer: int) -> int | None:
    """When the oldest un-acknowledged batch was made, microseconds since 1970 UTC."""
    row = sql.one(connection, "SELECT min(created_at) FROM replicator_batch_out WHERE peer = ?", (peer,))
    return row[0] if row else None


def dequeue(connection: Connection, ids: Iterable[int]) -> None:
    sql.many(connection, "DELETE FROM replicator_send_queue WHERE id = ?", [(number,) for number in ids])


# --- digests of the current epochs ------------------------------------------------------------------------------------


def remember_digest(connection: Connection, peer: int, direction: str, n: int, digest: bytes) -> None:
    sql.insert(connection, tables.digest, ("peer", "direction", "n", "digest"), [(peer, direction, n, digest)])


def digest_of(connection: Connection, peer: int, direction: str, n: int) -> bytes | None:
    row = sql.one(
        connection,
        "SELECT digest FROM replicator_digest WHERE peer = ? AND direction = ? AND n = ?",
        (peer, direction, n),
    )
    return None if row is None else bytes(row[0])


def forget_digests(connection: Connection, peer: int, direction: str) -> None:
    sql.run(connection, "DELETE FROM replicator_digest WHERE peer = ? AND direction = ?", (peer, direction))
