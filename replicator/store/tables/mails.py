"""Mailboxes, which mail goes by them, and the mails that have gone."""

from __future__ import annotations

from sqlalchemy import BigInteger, Column, Index, Integer, String, Table

from replicator.store.column_types import FLAG, NUMBER
from replicator.store.tables.columns import count, metadata, position

mailbox = Table(
    "replicator_mailbox",
    metadata,
    Column("id", Integer, primary_key=True, autoincrement=False),
    count("part_bytes"),  # most content of one mail that it was found to take; 0: what the settings say
    count("hour_began"),  # when the first mail of the present hour went
    count("hour_mails"),  # how many went since
    Column("name", String(64), nullable=False, server_default=""),  # its section's; empty: the account's own
    count("away_since"),  # since when runs could not use it; 0: the last one did
)

# Which mailboxes mail for a peer goes by, all of them.
route = Table(
    "replicator_route",
    metadata,
    Column("peer", Integer, primary_key=True, autoincrement=False),
    Column("mailbox", Integer, primary_key=True, autoincrement=False),
    Column("owed", FLAG, nullable=False, server_default="0"),  # a mail was to go while the mailbox was away
)

sent_mail = Table(
    "replicator_sent_mail",
    metadata,
    Column("message_id", String(400), primary_key=True),
    Column("peer", Integer, nullable=False),
    Column("length", BigInteger, nullable=False),  # bytes of batches that it carried
    Column("sent_at", BigInteger, nullable=False),
    *position("epoch"),  # of the batches
    count("first_n"),  # the first and the last of them; 0: none
    count("last_n"),
    Column("mailbox", Integer, nullable=False, server_default="1"),  # that it went by
)

send_queue = Table(
    "replicator_send_queue",
    metadata,
    Column("id", NUMBER, primary_key=True),
    Column("peer", Integer, nullable=False),
    Column("n", BigInteger, nullable=False),
    Column("start", BigInteger, nullable=False),
    Column("length", BigInteger, nullable=False),
    Column("mailbox", Integer, nullable=False, server_default="1"),  # that the part is to go by
    Index("replicator_send_queue_route", "peer", "mailbox"),
    sqlite_autoincrement=True,
)

# Where batches went and came from, for those who ask what became of a row; kept as long as the journal.
batch_trail = Table(
    "replicator_batch_trail",
    metadata,
    Column("peer", Integer, primary_key=True, autoincrement=False),
    Column("direction", String(4), primary_key=True),  # out, in
    Column("epoch_epoch", BigInteger, primary_key=True, autoincrement=False),
    Column("epoch_n", BigInteger, primary_key=True, autoincrement=False),
    Column("n", BigInteger, primary_key=True, autoincrement=False),
    *position("high"),  # up to where in its sender's journal it goes
    Column("opener", String(20)),
    Column("size", BigInteger, nullable=False),
    Column("row_count", BigInteger, nullable=False),
    count("judged_n"),  # station, in: its own changes up to here were judged by then
    Column("at", BigInteger, nullable=False),  # out: when it was made; in: when it was applied
    Column("acknowledged_at", BigInteger),  # out: when the peer's word came that it is applied
    Index("replicator_batch_trail_at", "at"),
    Index("replicator_batch_trail_high", "peer", "direction", "high_epoch", "high_n"),
    sqlite_with_rowid=False,
)

# The mails that pieces of a batch were in.
mail_trail = Table(
    "replicator_mail_trail",
    metadata,
    Column("peer", Integer, primary_key=True, autoincrement=False),
    Column("direction", String(4), primary_key=True),
    Column("epoch_epoch", BigInteger, primary_key=True, autoincrement=False),
    Column("epoch_n", BigInteger, primary_key=True, autoincrement=False),
    Column("n", BigInteger, primary_key=True, autoincrement=False),
    Column("message_id", String(400), primary_key=True),
    Column("at", BigInteger, nullable=False),  # when it went, or was fetched
    Index("replicator_mail_trail_at", "at"),
    sqlite_with_rowid=False,
)
