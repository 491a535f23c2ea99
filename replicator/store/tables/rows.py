"""Tables, rules and rows: versions, ties, what was skipped, conflicts, quarantine."""

from __future__ import annotations

from sqlalchemy import BigInteger, Column, Index, Integer, String, Table

from replicator.store.column_types import BYTES, FLAG, LARGE_BYTES, NUMBER, TEXT, short_bytes
from replicator.store.tables.columns import metadata, position

table = Table(
    "replicator_table",
    metadata,
    Column("id", Integer, primary_key=True, autoincrement=False),
    Column("name", String(200), nullable=False, unique=True),
    Column("area", String(200)),
    Column("policy", String(10), nullable=False),
    Column("definition", TEXT, nullable=False),  # as its changes are captured here
    Column("added_at", BigInteger, nullable=False),
    *position("version"),  # of that definition (protocol.md 7.8)
    Column("column_ids", TEXT),  # numbers of its columns, a JSON list; NULL: 1, 2 and so on
    *position("wanted"),  # station: the version that the host has
    Column("behind", FLAG, nullable=False, server_default="0"),  # station: values came that have no column here yet
)

# All versions of a table that this node has heard of, once there is more than one: what was written in one of them is
# read by it for ever.
table_version = Table(
    "replicator_table_version",
    metadata,
    Column("table_id", Integer, primary_key=True, autoincrement=False),
    Column("epoch", BigInteger, primary_key=True, autoincrement=False),
    Column("n", BigInteger, primary_key=True, autoincrement=False),
    Column("name", String(200), nullable=False),
    Column("definition", TEXT, nullable=False),
    Column("column_ids", TEXT),
    Column("from_n", BigInteger),  # this node's own journal is in this version from here on; NULL: it never was
    Column("at", BigInteger, nullable=False),
)

# Host: tables whose rows a station asks for anew, as it has got columns for what it had to leave out.
reload = Table(
    "replicator_reload",
    metadata,
    Column("peer", Integer, primary_key=True, autoincrement=False),
    Column("table_id", Integer, primary_key=True, autoincrement=False),
)

# Columns that are replicated no more, and stand until the application drops them.
leaving = Table(
    "replicator_leaving",
    metadata,
    Column("table_id", Integer, primary_key=True, autoincrement=False),
    Column("name", String(200), primary_key=True),
)

rule = Table(
    "replicator_rule",
    metadata,
    Column("peer", Integer, primary_key=True, autoincrement=False),
    Column("table_id", Integer, primary_key=True, autoincrement=False),
    Column("version_epoch", BigInteger, primary_key=True, autoincrement=False),
    Column("version_n", BigInteger, primary_key=True, autoincrement=False),
    Column("to_remote", Integer, nullable=False),
    Column("to_host", Integer, nullable=False),
)

# Base of all conflict tests (host), what the local row is at (station). Deleted rows stay as tombstones.
row_version = Table(
    "replicator_row_version",
    metadata,
    Column("table_id", Integer, primary_key=True, autoincrement=False),
    Column("row_key", short_bytes(3000), primary_key=True),
    Column("epoch", BigInteger, nullable=False),
    Column("n", BigInteger, nullable=False),
    Column("deleted", Integer, nullable=False),
    Column("writer", Integer, nullable=False),  # host: peer that wrote it, 0 the host
    Column("writer_epoch", BigInteger, nullable=False),
    Column("clean", Integer, nullable=False),  # host: stored exactly as the writer sent it
    Column("at", BigInteger, nullable=False),
    Column("tie", String(1), nullable=False),  # station: types.Tie
    Column("image", BYTES),  # host: last image of a deleted row; station: old values of local edits
    sqlite_with_rowid=False,
)

link_row = Table(
    "replicator_link_row",
    metadata,
    Column("peer", Integer, primary_key=True, autoincrement=False),
    Column("table_id", Integer, primary_key=True, autoincrement=False),
    Column("row_key", short_bytes(3000), primary_key=True),
    sqlite_with_rowid=False,
)

seen_group = Table(
    "replicator_seen_group",
    metadata,
    Column("peer", Integer, primary_key=True, autoincrement=False),
    Column("uid", short_bytes(16), primary_key=True),
    *position("born"),
    Index("replicator_seen_group_born", "peer", "born_epoch", "born_n"),
    sqlite_with_rowid=False,
)

# Keys while a snapshot or a rule's content is applied; empty outside that transaction.
scope_key = Table(
    "replicator_scope_key",
    metadata,
    Column("kind", Integer, primary_key=True, autoincrement=False),  # 0: in the content
    Column("table_id", Integer, primary_key=True, autoincrement=False),
    Column("row_key", short_bytes(3000), primary_key=True),
    sqlite_with_rowid=False,
)

skipped = Table(
    "replicator_skipped",
    metadata,
    Column("table_id", Integer, primary_key=True, autoincrement=False),
    Column("row_key", short_bytes(3000), primary_key=True),
    *position("at"),
    Column("image", BYTES),
    sqlite_with_rowid=False,
)

# Host: of which version a station gave the row back after a restore, as long as it stands as it was given back.
salvaged = Table(
    "replicator_salvaged",
    metadata,
    Column("table_id", Integer, primary_key=True, autoincrement=False),
    Column("row_key", short_bytes(3000), primary_key=True),
    *position("at"),
    *position("origin"),
    sqlite_with_rowid=False,
)

conflict = Table(
    "replicator_conflict",
    metadata,
    Column("id", NUMBER, primary_key=True),
    Column("at", BigInteger, nullable=False),
    Column("host_epoch", BigInteger, nullable=False),
    Column("n", BigInteger, nullable=False),
    Column("peer", Integer, nullable=False),
    Column("uid", short_bytes(16)),
    Column("table_id", Integer, nullable=False),
    Column("row_key", short_bytes(3000), nullable=False),
    Column("kind", String(40), nullable=False),
    Column("host_image", BYTES),
    Column("station_image", BYTES),
    Column("result_image", BYTES),
    Column("column_names", TEXT),  # that the station changed, a JSON list; NULL: not told
    Column("station_at", BigInteger),  # when the two rows were written, each by its writer's clock
    Column("host_at", BigInteger),
    Column("host_writer", Integer),  # peer that wrote the host's row; 0: the host itself
    Column("settled_at", BigInteger),  # when a person decided on it
    Column("settled_by", String(10)),  # whose row was taken: host, station or file
    *position("version"),  # of the table that the images are of
    Index("replicator_conflict_at", "at"),
    Index("replicator_conflict_row", "table_id", "row_key"),
    sqlite_autoincrement=True,
)

# Changes that the database refuses, and what depends on them (protocol.md 5.14). At a station: the host's records.
quarantine = Table(
    "replicator_quarantine",
    metadata,
    Column("id", NUMBER, primary_key=True),
    Column("since", BigInteger, nullable=False),
    Column("peer", Integer, nullable=False),  # whose: a station's number; at a station 0, the host
    *position("group"),  # in the host's log
    Column("place", BigInteger, nullable=False),  # within the group
    Column("whole", FLAG, nullable=False),  # the group was a transaction, and stays together
    Column("table_id", Integer, nullable=False),
    Column("row_key", short_bytes(3000), nullable=False),
    Column("change_class", String(1), nullable=False),  # N, C or D
    Column("image", LARGE_BYTES),  # the row that can't stand; NULL: a delete
    Column("proposal", LARGE_BYTES),  # host: the rest of what judging it anew needs
    Column("cause", BigInteger),  # the one that it waits for; NULL: it is refused itself
    Column("error", TEXT, nullable=False),
    Column("tries", Integer, nullable=False),
    Column("next_at", BigInteger, nullable=False),  # when it is tried again
    Column("asked", FLAG, nullable=False),  # station: the host is asked for the row
    Index("replicator_quarantine_row", "peer", "table_id", "row_key"),
    sqlite_autoincrement=True,
)
