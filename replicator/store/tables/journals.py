"""The journal: groups, which rows they changed, and their content in slices."""

from __future__ import annotations

from sqlalchemy import BigInteger, Column, Index, Integer, String, Table

from replicator.store.column_types import BYTES, FLAG, LARGE_BYTES, NUMBER, TEXT, short_bytes
from replicator.store.tables.columns import count, metadata, position

outbox_control = Table(
    "replicator_outbox_control",
    metadata,
    Column("id", NUMBER, primary_key=True),
    Column("uid", short_bytes(16), nullable=False),
    Column("kind", String(20), nullable=False),
    Column("body", BYTES),
    sqlite_autoincrement=True,
)

journal = Table(
    "replicator_journal",
    metadata,
    Column("n", NUMBER, primary_key=True, autoincrement=False),
    Column("host_epoch", BigInteger, nullable=False),
    Column("uid", short_bytes(16), nullable=False),
    *position("born"),
    Column("origin", Integer, nullable=False),  # peer that made it; 0: this node
    count("origin_epoch"),
    count("origin_n"),
    Column("control", String(20)),
    Column("body", BYTES),
    Column("merged", FLAG, nullable=False),
    *position("rule"),
    Column("schema_version", Integer, nullable=False, server_default="1"),
    Column("at", BigInteger, nullable=False),
    Column("entries", BigInteger, nullable=False),
    count("logged_at"),  # by this node's clock; `at` is its maker's. 0: older than the column
)

# Which groups have changes of a row; the changes themselves stand in the slices.
journal_key = Table(
    "replicator_journal_key",
    metadata,
    Column("table_id", Integer, primary_key=True, autoincrement=False),
    Column("row_key", short_bytes(3000), primary_key=True),
    Column("n", BigInteger, primary_key=True, autoincrement=False),
    sqlite_with_rowid=False,
)

recipients = Table(
    "replicator_recipients",
    metadata,
    Column("id", Integer, primary_key=True, autoincrement=False),
    Column("stations", TEXT, nullable=False),  # sorted peer numbers, comma separated
)

# The journal's content, in pieces of at most about 1 MB, the same for all links; each piece as segments by recipients.
slice_ = Table(
    "replicator_slice",
    metadata,
    Column("id", NUMBER, primary_key=True, autoincrement=False),
    Column("host_epoch", BigInteger, nullable=False),
    Column("first_n", BigInteger, nullable=False),
    Column("last_n", BigInteger, nullable=False),
    Column("whole", FLAG, nullable=False),  # its last group ends in it
    count("size"),  # bytes of its segments, and of what stands beside them
    Column("first_at", BigInteger),  # the earliest and the latest of its changes; NULL: not noted, nor what is below
    Column("last_at", BigInteger),
    Column("closing", FLAG, nullable=False, server_default="0"),  # a batch ends with it
    Index("replicator_slice_last_n", "last_n"),
)

slice_segment = Table(
    "replicator_slice_segment",
    metadata,
    Column("slice", BigInteger, primary_key=True, autoincrement=False),
    Column("ordinal", Integer, primary_key=True, autoincrement=False),
    Column("recipients", Integer),  # shared by these; NULL with no peer: nobody gets it
    Column("peer", Integer),  # or private to this one
    Column("origin", Integer, nullable=False),  # whose clean records: that link leaves it out
    Column("kind", String(10), nullable=False),
    Column("digest", short_bytes(32), nullable=False),
    Column("size", BigInteger, nullable=False),
    Column("raw_size", BigInteger, nullable=False),
    Column("row_count", BigInteger, nullable=False),
    Column("frame", LARGE_BYTES),  # the segment's compressed bytes; NULL: they lie in the spool (content)
    Column("detail", LARGE_BYTES),  # what the journal keeps beside: masks, old values, times
    Index("replicator_slice_segment_digest", "digest"),
)

# Which slices have changes of a table, and of which rows: the CRC-32 of each key, 4 bytes a row.
slice_table = Table(
    "replicator_slice_table",
    metadata,
    Column("table_id", Integer, primary_key=True, autoincrement=False),
    Column("slice", BigInteger, primary_key=True, autoincrement=False),
    Column("row_keys", LARGE_BYTES, nullable=False),
    Index("replicator_slice_table_slice", "slice"),
)

# Host: which slices have groups of a station (0: its own), and what became of their changes.
slice_origin = Table(
    "replicator_slice_origin",
    metadata,
    Column("origin", Integer, primary_key=True, autoincrement=False),
    Column("slice", BigInteger, primary_key=True, autoincrement=False),
    count("first_n"),  # the lowest and the highest number that the station gave to a group
    count("last_n"),
    Column("verdicts", Integer, nullable=False),  # protocol.verdicts.Verdict, their bits
    Index("replicator_slice_origin_slice", "slice"),
    sqlite_with_rowid=False,
)

# Content of a logged rule record (its journal n), until its slice is made.
content = Table(
    "replicator_content",
    metadata,
    Column("n", BigInteger, primary_key=True, autoincrement=False),
    Column("ordinal", Integer, primary_key=True, autoincrement=False),
    Column("digest", short_bytes(32), nullable=False),
    Column("size", BigInteger, nullable=False),
    Column("raw_size", BigInteger, nullable=False),
    Column("row_count", BigInteger, nullable=False),
    Index("replicator_content_digest", "digest"),
)
