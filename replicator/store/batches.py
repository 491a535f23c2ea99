"""Frozen batches under way from this node, their digests, and the queue of parts to mail (protocol.md 3.1, 5.2)."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import NamedTuple

from sqlalchemy import Connection

from replicator.protocol.codec import decode_manifest
from replicator.protocol.messages import Manifest
from replicator.protocol.repeating import Unacknowledged
from replicator.store import sql, tables
from replicator.types import Epoch, Position


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


def first_unacknowledged(connection: Connection, peer: int) -> tuple[str | None, Position] | None:
    """(opener, position that it covers) of the first batch under way to this peer; None: all is acknowledged."""
    row = sql.one(
        connection,
        "SELECT opener, high_epoch, high_n FROM replicator_batch_out WHERE peer = ? ORDER BY n LIMIT 1",
        (peer,),
    )
    return None if row is None else (row[0], (row[1], row[2]))


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


def mark_queue_sent(connection: Connection, peer: int, mailboxes: Sequence[int], probe: int) -> None:
    """Batches that wait in the queues of these mailboxes go out with, not before, the probe of this number."""
    sql.run(
        connection,
        "UPDATE replicator_batch_out SET sent_probe = ? WHERE peer = ?"
        " AND n IN (SELECT n FROM replicator_send_queue WHERE peer = ?"
        f" AND mailbox IN ({sql.marks(len(mailboxes))}))",
        (probe, peer, peer, *mailboxes),
    )


# --- what has to be sent ----------------------------------------------------------------------------------------------


class Queued(NamedTuple):
    """A byte range of a batch's stream that waits to be mailed by a mailbox."""

    id: int
    peer: int
    n: int
    start: int
    length: int
    mailbox: int


_SELECT_QUEUED = f"SELECT {', '.join(Queued._fields)} FROM replicator_send_queue"


def enqueue(connection: Connection, peer: int, n: int, mailbox: int, ranges: Iterable[tuple[int, int]]) -> None:
    """(start, length) of a batch's stream wait for the mailbox."""
    sql.insert(
        connection,
        tables.send_queue,
        ("peer", "n", "start", "length", "mailbox"),
        [(peer, n, start, length, mailbox) for start, length in ranges],
    )


def waiting_ranges(connection: Connection, peer: int, n: int, mailbox: int) -> list[tuple[int, int]]:
    """(start, length) of what waits of a batch for the mailbox."""
    found = sql.rows(
        connection,
        "SELECT start, length FROM replicator_send_queue WHERE peer = ? AND mailbox = ? AND n = ?",
        (peer, mailbox, n),
    )
    return [(start, length) for start, length in found]


def queued(connection: Connection, peer: int, mailbox: int, limit: int = 1_000_000) -> list[Queued]:
    """What waits for the mailbox, oldest first."""
    found = sql.rows(
        connection, f"{_SELECT_QUEUED} WHERE peer = ? AND mailbox = ? ORDER BY id LIMIT ?", (peer, mailbox, limit)
    )
    return [Queued._make(row) for row in found]


def recut(connection: Connection, mailbox: int, part_bytes: int) -> None:
    """Ranges that wait for the mailbox, to whatever peer, become smaller ones: a batch is frozen, how it is cut into
    mails is not."""
    found = sql.rows(connection, f"{_SELECT_QUEUED} WHERE mailbox = ? AND length > ?", (mailbox, part_bytes))
    large = [Queued._make(row) for row in found]
    dequeue(connection, [item.id for item in large])
    for item in large:
        pieces = range(item.start, item.start + item.length, part_bytes)
        end = item.start + item.length
        cut = [(start, min(part_bytes, end - start)) for start in pieces]
        enqueue(connection, item.peer, item.n, mailbox, cut)


def waits(connection: Connection, peer: int, mailboxes: Sequence[int]) -> bool:
    """Whether anything waits for one of these."""
    row = sql.one(
        connection,
        f"SELECT 1 FROM replicator_send_queue WHERE peer = ? AND mailbox IN ({sql.marks(len(mailboxes))}) LIMIT 1",
        (peer, *mailboxes),
    )
    return row is not None


def queue_bytes(connection: Connection, peer: int, mailboxes: Sequence[int]) -> int:
    """Of batches, what waits for these."""
    row = sql.one(
        connection,
        f"SELECT sum(length) FROM replicator_send_queue WHERE peer = ? AND mailbox IN ({sql.marks(len(mailboxes))})",
        (peer, *mailboxes),
    )
    return int(row[0] or 0) if row else 0


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


def rename_digests(connection: Connection, peer: int, direction: str, new: str) -> None:
    """What was known of one stream is from now on known as of another."""
    forget_digests(connection, peer, new)
    sql.run(
        connection,
        "UPDATE replicator_digest SET direction = ? WHERE peer = ? AND direction = ?",
        (new, peer, direction),
    )
