"""Batches under way to this node: parts that have come, what is complete, what is missing (protocol.md 4.1)."""

from __future__ import annotations

from typing import NamedTuple

from sqlalchemy import Connection

from replicator.protocol.messages import MissingParts, PartPlace
from replicator.store import sql, tables
from replicator.store.spool import InboundBatch
from replicator.types import Epoch

MISSING_RANGES = 200
"""Gaps named in one acknowledgement, over all batches; the rest is named by a later one."""


class Parked(NamedTuple):
    peer: int
    epoch: Epoch
    n: int
    total: int
    received: int
    digest: bytes | None
    """The beginning of the batch's, as its parts tell it."""

    @property
    def complete(self) -> bool:
        return self.received >= self.total

    @property
    def place(self) -> InboundBatch:
        return InboundBatch(self.peer, self.epoch, self.n)


_WHERE = "peer = ? AND epoch_epoch = ? AND epoch_n = ? AND n = ?"


def parked(connection: Connection, peer: int, epoch: Epoch, n: int) -> Parked | None:
    row = sql.one(
        connection, f"SELECT total, received, digest FROM replicator_batch_in WHERE {_WHERE}", (peer, *epoch, n)
    )
    return None if row is None else Parked(peer, epoch, n, *row)


def all_parked(connection: Connection, peer: int) -> list[Parked]:
    found = sql.rows(
        connection,
        "SELECT epoch_epoch, epoch_n, n, total, received, digest FROM replicator_batch_in WHERE peer = ?"
        " ORDER BY epoch_epoch, epoch_n, n",
        (peer,),
    )
    return [Parked(peer, (first, second), *rest) for first, second, *rest in found]


def parts(connection: Connection, peer: int, epoch: Epoch, n: int) -> list[tuple[int, int]]:
    """(start, length) of the parts that are there, ascending."""
    found = sql.rows(
        connection, f"SELECT start, length FROM replicator_part_in WHERE {_WHERE} ORDER BY start", (peer, *epoch, n)
    )
    return [(start, length) for start, length in found]


def gaps(there: list[tuple[int, int]], total: int) -> list[tuple[int, int]]:
    """Byte ranges (start, length) that are missing from a stream of `total` bytes."""
    missing, position = [], 0
    for start, length in sorted(there):
        if start > position:
            missing.append((position, start - position))
        position = max(position, start + length)
    if position < total:
        missing.append((position, total - position))
    return missing


def has_part(connection: Connection, peer: int, place: PartPlace, length: int) -> bool:
    there = sql.one(
        connection,
        f"SELECT length FROM replicator_part_in WHERE {_WHERE} AND start = ?",
        (peer, *place.epoch, place.n, place.offset),
    )
    return there is not None and there[0] >= length


def add_part(connection: Connection, peer: int, place: PartPlace, length: int) -> Parked:
    """Note a part whose bytes are durable in the spool. Returns what is there of its batch now."""
    key = (peer, *place.epoch, place.n)
    sql.run(connection, f"DELETE FROM replicator_part_in WHERE {_WHERE} AND start = ?", (*key, place.offset))
    sql.insert(
        connection,
        tables.part_in,
        ("peer", "epoch_epoch", "epoch_n", "n", "start", "length"),
        [(*key, place.offset, length)],
    )
    left = sum(size for _, size in gaps(parts(connection, peer, place.epoch, place.n), place.total))
    received = place.total - left
    if parked(connection, peer, place.epoch, place.n) is None:
        columns = ("peer", "epoch_epoch", "epoch_n", "n", "total", "received", "digest")
        sql.insert(connection, tables.batch_in, columns, [(*key, place.total, received, place.digest)])
    else:
        sql.run(connection, f"UPDATE replicator_batch_in SET received = ? WHERE {_WHERE}", (received, *key))
    return Parked(peer, place.epoch, place.n, place.total, received, place.digest)


def drop(connection: Connection, batch: InboundBatch) -> None:
    """Forget a batch; its files go after the commit."""
    key = (batch.peer, *batch.epoch, batch.n)
    sql.run(connection, f"DELETE FROM replicator_part_in WHERE {_WHERE}", key)
    sql.run(connection, f"DELETE FROM replicator_batch_in WHERE {_WHERE}", key)


def drop_other_epochs(connection: Connection, peer: int, epoch: Epoch) -> list[InboundBatch]:
    """A new epoch has begun: what is parked of others is void. Returns what was dropped."""
    void = [batch.place for batch in all_parked(connection, peer) if batch.epoch != epoch]
    for batch in void:
        drop(connection, batch)
    return void


def parked_bytes(connection: Connection, peer: int) -> int:
    row = sql.one(connection, "SELECT sum(received) FROM replicator_batch_in WHERE peer = ?", (peer,))
    return int(row[0] or 0) if row else 0


def missing(connection: Connection, peer: int, epoch: Epoch, applied: int, high: int) -> tuple[MissingParts, ...]:
    """What is missing of batches `applied` + 1 to `high`, bounded (protocol.md 4, `ack.missing`)."""
    there = {batch.n: batch for batch in all_parked(connection, peer) if batch.epoch == epoch}
    found: list[MissingParts] = []
    left = MISSING_RANGES
    for n in range(applied + 1, min(high, applied + MISSING_RANGES) + 1):
        batch = there.get(n)
        if batch is not None and batch.complete:
            continue
        ranges = () if batch is None else tuple(gaps(parts(connection, peer, epoch, n), batch.total)[:left])
        left -= max(1, len(ranges))
        found.append(MissingParts(n, ranges))
        if left <= 0:
            break
    return tuple(found)
