"""Which batches went and came, and in which mails: for those who ask what became of a row (`trace`).

A batch is noted when it is made here or applied here, a mail when a mailbox has taken it or it was fetched. Nothing of
the protocol hangs on it; it goes when the journal goes that it tells of.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

from sqlalchemy import Connection

from replicator.databases.base import Database
from replicator.store import purging, sql, tables
from replicator.types import Epoch, Position

OUT, IN = "out", "in"


class BatchTrail(NamedTuple):
    """A row of replicator_batch_trail, in column order. Moments are microseconds since 1970 UTC."""

    peer: int
    direction: str
    epoch_epoch: int
    epoch_n: int
    n: int
    high_epoch: int
    high_n: int
    """Up to where in its sender's journal it goes: a position of the host's log, or (0, a station's number)."""
    opener: str | None
    size: int
    row_count: int
    judged_n: int
    """Station, inbound: its own changes up to here were judged when it was applied."""
    at: int
    """When it was made, or applied."""
    acknowledged_at: int | None = None
    """Outbound: when the peer's word came that it is applied."""

    @property
    def epoch(self) -> Epoch:
        return self.epoch_epoch, self.epoch_n


class MailTrail(NamedTuple):
    """A row of replicator_mail_trail, in column order: a mail that had a piece of the batch."""

    peer: int
    direction: str
    epoch_epoch: int
    epoch_n: int
    n: int
    message_id: str
    at: int
    """When a mailbox had taken it, or when it was fetched."""


_SELECT = f"SELECT {', '.join(BatchTrail._fields)} FROM replicator_batch_trail"


def note_batch(database: Database, connection: Connection, batch: BatchTrail) -> None:
    database.upsert(connection, tables.batch_trail, [batch])


def note_mails(database: Database, connection: Connection, mails: Iterable[MailTrail]) -> None:
    database.upsert(connection, tables.mail_trail, list(dict.fromkeys(mails)))


def note_acknowledged(connection: Connection, peer: int, epoch: Epoch, after: int, upto: int, at: int) -> None:
    """The peer has applied the batches behind number `after` up to `upto`."""
    sql.run(
        connection,
        "UPDATE replicator_batch_trail SET acknowledged_at = ?"
        " WHERE peer = ? AND direction = ? AND epoch_epoch = ? AND epoch_n = ? AND n > ? AND n <= ?",
        (at, peer, OUT, *epoch, after, upto),
    )


def covering(
    connection: Connection, peer: int, direction: str, position: Position, limit: int = 20
) -> list[BatchTrail]:
    """Batches that go up to this position or beyond, those that end soonest first; the first of each epoch is the one
    that brought it. A stream that was begun anew has a later epoch."""
    epoch, n = position
    found: list[BatchTrail] = []
    for condition, parameters in (("high_epoch = ? AND high_n >= ?", (epoch, n)), ("high_epoch > ?", (epoch,))):
        if len(found) < limit:
            found += map(
                BatchTrail._make,
                sql.rows(
                    connection,
                    f"{_SELECT} WHERE peer = ? AND direction = ? AND {condition}"
                    " ORDER BY high_epoch, high_n, at LIMIT ?",
                    (peer, direction, *parameters, limit - len(found)),
                ),
            )
    return found


def judged_by(connection: Connection, peer: int, n: int) -> BatchTrail | None:
    """Station: the batch of the host that brought the word on own change n."""
    row = sql.one(
        connection,
        f"{_SELECT} WHERE peer = ? AND direction = ? AND judged_n >= ? ORDER BY at, n LIMIT 1",
        (peer, IN, n),
    )
    return None if row is None else BatchTrail._make(row)


def mails_of(connection: Connection, batch: BatchTrail) -> list[MailTrail]:
    """Its mails, the first one first."""
    found = sql.rows(
        connection,
        f"SELECT {', '.join(MailTrail._fields)} FROM replicator_mail_trail"
        " WHERE peer = ? AND direction = ? AND epoch_epoch = ? AND epoch_n = ? AND n = ? ORDER BY at, message_id",
        batch[:5],
    )
    return [MailTrail._make(row) for row in found]


def purge(connection: Connection, before: int, limit: int) -> int:
    """Forget what is older than this moment, at most so many of each kind. Returns how many."""
    return sum(
        purging.delete_range(connection, f"replicator_{name}", "at", "", (), before, limit)
        for name in ("batch_trail", "mail_trail")
    )
