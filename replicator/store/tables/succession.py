"""What lets a backup station take the host's place: what it was told, and whom stations would accept."""

from __future__ import annotations

from sqlalchemy import BigInteger, Column, Integer, String, Table

from replicator.store.column_types import BYTES, FLAG, short_bytes
from replicator.store.tables.columns import metadata, position

# Host: what a station was told last of succession, by item; to a backup station that is the host's whole state.
told = Table(
    "replicator_told",
    metadata,
    Column("peer", Integer, primary_key=True, autoincrement=False),
    Column("kind", String(20), primary_key=True),
    Column("item", short_bytes(100), primary_key=True),
    Column("digest", short_bytes(16), nullable=False),
    *position("at"),  # in the log; (0, 0): by the invitation
)

# Backup station: the host's state as it was told, an item a row of the host's own tables.
host_state = Table(
    "replicator_host_state",
    metadata,
    Column("kind", String(20), primary_key=True),
    Column("item", short_bytes(100), primary_key=True),
    Column("content", BYTES, nullable=False),
)

# Station: who may take the host's place, as the host named them.
successor = Table(
    "replicator_successor",
    metadata,
    Column("public_key", short_bytes(32), primary_key=True),
    Column("place", Integer, nullable=False),
    Column("name", String(200), nullable=False),
)

# Hosts that were replaced: their mail is no longer taken. At a host that was a backup station, the one it replaced.
former_host = Table(
    "replicator_former_host",
    metadata,
    Column("public_key", short_bytes(32), primary_key=True),
    Column("name", String(200), nullable=False),
    Column("address", String(320), nullable=False),
    Column("own_name", String(200), nullable=False),  # by which it knew this node
    Column("since", BigInteger, nullable=False),
    Column("answer_due", FLAG, nullable=False, server_default="0"),  # it is to hear that it was replaced
)
