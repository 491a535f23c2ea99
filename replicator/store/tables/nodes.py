"""The node itself, its peers and what a person should know."""

from __future__ import annotations

from sqlalchemy import BigInteger, Column, Index, Integer, String, Table

from replicator.store.column_types import FLAG, NUMBER, TEXT, short_bytes
from replicator.store.tables.columns import count, metadata

node = Table(
    "replicator_node",
    metadata,
    Column("id", Integer, primary_key=True, autoincrement=False),
    Column("role", String(10), nullable=False),
    Column("name", String(200), nullable=False),
    Column("address", String(320), nullable=False),
    count("run"),  # raised before anything leaves; the side file holds it too (protocol.md 3.4)
    Column("host_epoch", BigInteger, nullable=False),  # 0 at a station
    count("last_n"),  # last journal group's n
    count("open_group"),  # n of a group that a collect has not finished yet; 0: none
    count("open_through"),  # up to which captured change it goes
    Column("next_table", Integer, nullable=False, server_default="1"),
    Column("next_peer", Integer, nullable=False, server_default="1"),
    Column("created_at", BigInteger, nullable=False),
)

peer = Table(
    "replicator_peer",
    metadata,
    Column("id", Integer, primary_key=True, autoincrement=False),
    Column("name", String(200), nullable=False, unique=True),
    Column("title", String(200)),
    Column("address", String(320), nullable=False),
    Column("enabled", FLAG, nullable=False, server_default="1"),
    Column("public_key", short_bytes(32)),
    Column("bootstrap_key", short_bytes(32)),  # host: public half of the invitation's key, until the own key is in use
    Column("invitation", String(64)),
    Column("created_at", BigInteger, nullable=False),
    Column("heard_at", BigInteger),
    Column("sent_at", BigInteger),
    Column("database_kind", String(20)),  # host: of the station's database, as it says or `station add` said
    Column("database_version", String(20)),  # NULL: the station has not said it itself
    Column("backup", FLAG, nullable=False, server_default="0"),  # host: it is told all that a new host needs
)

# What a person should know: mail set aside, foreign mail, uncaptured writes, trouble with a peer. Told once, kept.
notice = Table(
    "replicator_notice",
    metadata,
    Column("id", NUMBER, primary_key=True),
    Column("at", BigInteger, nullable=False),
    Column("kind", String(40), nullable=False),
    Column("subject", String(500), nullable=False),
    Column("message", TEXT, nullable=False),
    Column("waiting", FLAG, nullable=False),  # a person has to do something
    Index("replicator_notice_subject", "kind", "subject"),
    sqlite_autoincrement=True,
)
