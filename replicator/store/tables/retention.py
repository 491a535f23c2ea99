"""How long things are kept: how far the node was earlier, and who may forget what (protocol.md 5.9, 5.15)."""

from __future__ import annotations

from sqlalchemy import BigInteger, Column, Integer, Table

from replicator.store.column_types import FLAG, short_bytes
from replicator.store.tables.columns import count, metadata, position

# One row.
retention = Table(
    "replicator_retention",
    metadata,
    Column("id", Integer, primary_key=True, autoincrement=False),
    *position("forgotten"),  # host: rows that were deleted up to here are no longer known
    count("backup_at"),  # the mark that the backup under way, or the last one, began with; 0: none
    count("announced_at"),  # when the last announcement was made
    Column("unfinished", FLAG, nullable=False, server_default="0"),  # the next run looks for what may be purged
    *position("purged"),  # the journal up to here was purged
    count("purged_at"),  # and when that was
)

# How far this node was at a moment: once a day, about, and where a backup began.
mark = Table(
    "replicator_mark",
    metadata,
    Column("at", BigInteger, primary_key=True, autoincrement=False),
    count("last_n"),  # of the journal
    count("acknowledged_n"),  # the journal up to here was acknowledged by all (at a station: and judged)
    *position("settled"),  # host: stations knew of all deletes up to here
    *position("born"),  # station: of the oldest group in its journal
    *position("forgotten"),
)

# Host: with a mark, what was judged of each station.
mark_link = Table(
    "replicator_mark_link",
    metadata,
    Column("at", BigInteger, primary_key=True, autoincrement=False),
    Column("peer", Integer, primary_key=True, autoincrement=False),
    *position("epoch"),  # of the station's stream
    count("n"),
)

# Up to where a peer may forget, as the other will never be set back behind it.
horizon = Table(
    "replicator_horizon",
    metadata,
    Column("peer", Integer, primary_key=True, autoincrement=False),
    *position("heard_epoch"),  # station: of its own stream
    count("heard_n"),  # station: its journal up to here is in a backup of the host's
    *position("heard_born"),  # host: groups of the station born before are in none of its backups
    *position("heard_forgotten"),  # station: deletes that the host no longer knows of; host: what its backups have seen
    *position("told_epoch"),  # the same, as it was told to the peer last
    count("told_n"),
    *position("told_born"),
    *position("told_forgotten"),
)

# Deleted rows whose version is still known, in the order of their deletes.
tombstone = Table(
    "replicator_tombstone",
    metadata,
    Column("epoch", BigInteger, primary_key=True, autoincrement=False),
    Column("n", BigInteger, primary_key=True, autoincrement=False),
    Column("table_id", Integer, primary_key=True, autoincrement=False),
    Column("row_key", short_bytes(3000), primary_key=True),
    sqlite_with_rowid=False,
)
