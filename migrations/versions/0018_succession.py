"""Backup stations: what they are told of the host, and whom stations accept in its place.

Revision ID: 0018
Revises: 0017
Create Date: 2026-11-27
"""

from __future__ import annotations

from alembic import op
from sqlalchemy import BigInteger, Column, Integer, String

from replicator.store.column_types import BYTES, FLAG, short_bytes
from replicator.store.migrate import create_table, refuse_downgrade

revision = "0018"
down_revision = "0017"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("replicator_peer", Column("backup", FLAG, nullable=False, server_default="0"))
    create_table(
        "replicator_told",
        Column("peer", Integer, primary_key=True, autoincrement=False),
        Column("kind", String(20), primary_key=True),
        Column("item", short_bytes(100), primary_key=True),
        Column("digest", short_bytes(16), nullable=False),
        Column("at_epoch", BigInteger, nullable=False, server_default="0"),
        Column("at_n", BigInteger, nullable=False, server_default="0"),
    )
    create_table(
        "replicator_host_state",
        Column("kind", String(20), primary_key=True),
        Column("item", short_bytes(100), primary_key=True),
        Column("content", BYTES, nullable=False),
    )
    create_table(
        "replicator_successor",
        Column("public_key", short_bytes(32), primary_key=True),
        Column("place", Integer, nullable=False),
        Column("name", String(200), nullable=False),
    )
    create_table(
        "replicator_former_host",
        Column("public_key", short_bytes(32), primary_key=True),
        Column("name", String(200), nullable=False),
        Column("address", String(320), nullable=False),
        Column("own_name", String(200), nullable=False),
        Column("since", BigInteger, nullable=False),
        Column("answer_due", FLAG, nullable=False, server_default="0"),
    )


def downgrade() -> None:
    refuse_downgrade()
