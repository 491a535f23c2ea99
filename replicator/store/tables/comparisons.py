"""Comparisons of the host's rows with a station's: under way, and how they ended."""

from __future__ import annotations

from sqlalchemy import BigInteger, Column, Integer, String, Table

from replicator.store.column_types import BYTES, FLAG, NUMBER, TEXT, short_bytes
from replicator.store.tables.columns import count, metadata, position

comparison = Table(
    "replicator_comparison",
    metadata,
    Column("id", NUMBER, primary_key=True),
    Column("peer", Integer, nullable=False),
    count("other_id"),  # its number at the other end; 0: not known, or the other end has none
    Column("asked_here", FLAG, nullable=False, server_default="1"),
    Column("repair", FLAG, nullable=False, server_default="0"),
    Column("state", String(10), nullable=False),  # store.comparisons.State
    Column("asked_at", BigInteger, nullable=False),
    Column("ended_at", BigInteger),
    Column("reason", TEXT),  # why it is void
    *position("out_epoch"),  # host: of the link's streams, when the sums were logged
    *position("in_epoch"),
    sqlite_autoincrement=True,
)

comparison_table = Table(
    "replicator_comparison_table",
    metadata,
    Column("comparison", BigInteger, primary_key=True, autoincrement=False),
    Column("table_id", Integer, primary_key=True, autoincrement=False),
    *position("at"),  # in the host's log, of the host's sums; then of the station's rows
    Column("to_remote", Integer, nullable=False, server_default="0"),  # host: the rule's kinds at that time
    Column("without", TEXT, nullable=False, server_default=""),  # places of columns that are not compared
    Column("sums", BYTES),  # the host's, until the answer is there
    Column("listed", BYTES),  # host: buckets whose rows the station has named
    Column("attempt", short_bytes(16)),  # host: which answer of the station's is coming in
    count("pieces"),  # host: of it that have come
    Column("answered", FLAG, nullable=False, server_default="0"),
    count("changed"),  # rows that differ
    count("missing"),  # rows that the station lacks
    count("extra"),  # rows that it has too much
)

# Rows that a station has named, and what was found of them.
comparison_row = Table(
    "replicator_comparison_row",
    metadata,
    Column("comparison", BigInteger, primary_key=True, autoincrement=False),
    Column("table_id", Integer, primary_key=True, autoincrement=False),
    Column("row_key", short_bytes(3000), primary_key=True),
    Column("digest", short_bytes(8), nullable=False),  # empty: the station does not tell, or lacks the row
    Column("finding", String(1), nullable=False, server_default=""),  # store.comparisons.Finding
    Column("repaired", FLAG, nullable=False, server_default="0"),
    sqlite_with_rowid=False,
)
