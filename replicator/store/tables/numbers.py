"""Number ranges: what they are, who draws how much, the blocks in hand, and the host's ledger (protocol.md 5.6)."""

from __future__ import annotations

from sqlalchemy import BigInteger, Column, Index, Integer, String, Table

from replicator.store.column_types import BYTES, FLAG, NUMBER, TEXT
from replicator.store.tables.columns import count, metadata

# Kept for good, also when its table is taken out of replication: the audit has to name what was granted.
number_range = Table(
    "replicator_number_range",
    metadata,
    Column("id", Integer, primary_key=True, autoincrement=False),
    Column("table_id", Integer, nullable=False),
    Column("table_name", String(200), nullable=False),
    Column("column_name", String(200), nullable=False),
    Column("way", String(10), nullable=False),  # protocol.numbers.Way
    Column("fill", String(10)),  # protocol.numbers.Empty
    Column("form", String(200), nullable=False),
    Column("start", BigInteger, nullable=False),
    Column("highest", BigInteger, nullable=False),  # that the column can hold
    count("high_water"),  # host: the next number that was never granted; the side file holds it too
    count("floor"),  # host: below it nothing is granted again, as it was restored then
    count("serial"),  # host: of the last grant
    Column("stopped", FLAG, nullable=False, server_default="0"),  # the node has halted: nothing is drawn
    Column("created_at", BigInteger, nullable=False),
)

# What a node gets at a time. Peer 0 is the node itself; at the host there is one for each station besides.
number_share = Table(
    "replicator_number_share",
    metadata,
    Column("peer", Integer, primary_key=True, autoincrement=False),
    Column("range_id", Integer, primary_key=True, autoincrement=False),
    Column("block", BigInteger, nullable=False),
    Column("refill", Integer, nullable=False),
    Column("closed", FLAG, nullable=False, server_default="0"),
    Column("requested", FLAG, nullable=False, server_default="0"),  # station: more was asked for
)

# Blocks that this node may draw from. The application's triggers read and write it, in the application's transaction.
number_stock = Table(
    "replicator_number_stock",
    metadata,
    Column("range_id", Integer, primary_key=True, autoincrement=False),
    Column("serial", BigInteger, primary_key=True, autoincrement=False),  # of the grant; drawn in this order
    Column("lowest", BigInteger, nullable=False),
    Column("highest", BigInteger, nullable=False),
    Column("next_number", BigInteger, nullable=False),
    Column("state", Integer, nullable=False),  # 0 in hand, 1 used up, 2 retired
    Index("replicator_number_stock_state", "range_id", "state", "serial"),
)

# The host's ledger: each number up to the high-water mark lies in one span.
number_span = Table(
    "replicator_number_span",
    metadata,
    Column("range_id", Integer, primary_key=True, autoincrement=False),
    Column("lowest", BigInteger, primary_key=True, autoincrement=False),
    Column("highest", BigInteger, nullable=False),
    Column("state", String(10), nullable=False),  # protocol.number_ledger.State
    Column("holder", Integer, nullable=False),
    Column("serial", BigInteger, nullable=False),
    Column("reason", String(300), nullable=False),
)

# What happened to numbers, for the audit: never purged.
number_event = Table(
    "replicator_number_event",
    metadata,
    Column("id", NUMBER, primary_key=True),
    Column("at", BigInteger, nullable=False),
    Column("range_id", Integer, nullable=False),
    Column("kind", String(20), nullable=False),
    Column("lowest", BigInteger, nullable=False),
    Column("highest", BigInteger, nullable=False),
    Column("holder", Integer, nullable=False),
    Column("reason", TEXT, nullable=False),
    Column("detail", BYTES),  # protocol.number_uses: the time of each number, keys of rows that went
    Index("replicator_number_event_range", "range_id", "lowest"),
    sqlite_autoincrement=True,
)

# Names of stations that were removed, for the audit: never purged.
number_node = Table(
    "replicator_number_node",
    metadata,
    Column("peer", Integer, primary_key=True, autoincrement=False),
    Column("name", String(200), nullable=False),
)

# How many numbers were drawn by when, for the outlook. Peer 0 is the node itself; at the host, as stations say it.
number_pace = Table(
    "replicator_number_pace",
    metadata,
    Column("peer", Integer, primary_key=True, autoincrement=False),
    Column("range_id", Integer, primary_key=True, autoincrement=False),
    Column("at", BigInteger, primary_key=True, autoincrement=False),
    Column("drawn", BigInteger, nullable=False),
)
