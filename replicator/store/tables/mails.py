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
