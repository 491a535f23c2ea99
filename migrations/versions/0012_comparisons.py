"""Comparisons of the host's rows with a station's.

Revision ID: 0012
Revises: 0011
Create Date: 2026-11-26
"""

from __future__ import annotations

from sqlalchemy import BigInteger, Column, Integer, String

from replicator.store.column_types import BYTES, FLAG, NUMBER, TEXT, short_bytes
from replicator.store.migrate import create_table, refuse_downgrade
from replicator.store.tables.columns import count, position

revision = "0012"
down_revision = "0011"
branch_labels = None
depends_on = None


def upgrade() -> None:
    create_table(
        "replicator_comparison",
        Column("id", NUMBER, primary_key=True),
        Column("peer", Integer, nullable=False),
        count("other_id"),
        Column("asked_here", FLAG, nullable=False, server_default="1"),
        Column("repair", FLAG, nullable=False, server_default="0"),
        Column("state", String(10), nullable=False),
        Column("asked_at", BigInteger, nullable=False),
        Column("ended_at", BigInteger),
        Column("reason", TEXT),
        *position("out_epoch"),
        *position("in_epoch"),
        sqlite_autoincrement=True,
    )
    create_table(
        "replicator_comparison_table",
        Column("comparison", BigInteger, primary_key=True, autoincrement=False),
        Column("table_id", Integer, primary_key=True, autoincrement=False),
        *position("at"),
        Column("to_remote", Integer, nullable=False, server_default="0"),
        Column("without", TEXT, nullable=False, server_default=""),
        Column("sums", BYTES),
        Column("listed", BYTES),
        Column("attempt", short_bytes(16)),
        count("pieces"),
        Column("answered", FLAG, nullable=False, server_default="0"),
        count("changed"),
        count("missing"),
        count("extra"),
    )
    create_table(
        "replicator_comparison_row",
        Column("comparison", BigInteger, primary_key=True, autoincrement=False),
        Column("table_id", Integer, primary_key=True, autoincrement=False),
        Column("row_key", short_bytes(3000), primary_key=True),
        Column("digest", short_bytes(8), nullable=False),
        Column("finding", String(1), nullable=False, server_default=""),
        Column("repaired", FLAG, nullable=False, server_default="0"),
        sqlite_with_rowid=False,
    )


def downgrade() -> None:
    refuse_downgrade()
