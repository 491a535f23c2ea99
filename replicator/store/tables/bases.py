"""Bases: what each replicated table held where its part of the journal begins."""

from __future__ import annotations

from sqlalchemy import BigInteger, Column, Integer, String, Table

from replicator.store.column_types import FLAG, LARGE_BYTES, TEXT, short_bytes
from replicator.store.tables.columns import count, metadata

base = Table(
    "replicator_base",
    metadata,
    Column("id", Integer, primary_key=True, autoincrement=False),
    Column("table_id", Integer, nullable=False),
    Column("name", String(200), nullable=False),
    Column("definition", TEXT, nullable=False),  # of the rows in it
    count("begun_n"),  # the group after which it was taken
    count("n"),  # its rows are those after this group, or a later one up to reach_n
    count("reach_n"),  # nothing before this can be built; above n: it is being moved there
    count("ended_n"),  # the last group of the table's replication, or of this version; 0: it goes on
    Column("at", BigInteger, nullable=False),  # when the rows stood like this, after reach_n
    Column("complete", FLAG, nullable=False),  # all of it is here
    count("row_count"),
    count("size"),  # bytes of the segments
    count("next_ordinal"),
)

base_segment = Table(
    "replicator_base_segment",
    metadata,
    Column("base", Integer, primary_key=True, autoincrement=False),
    Column("ordinal", BigInteger, primary_key=True, autoincrement=False),
    Column("digest", short_bytes(32), nullable=False),
    Column("size", BigInteger, nullable=False),
    Column("raw_size", BigInteger, nullable=False),
    Column("row_count", BigInteger, nullable=False),
    Column("frame", LARGE_BYTES, nullable=False),
)
