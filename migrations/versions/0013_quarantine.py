"""Quarantine: changes that the database refuses, and what depends on them.

Revision ID: 0013
Revises: 0012
Create Date: 2026-11-26
"""

from __future__ import annotations

from alembic import op
from sqlalchemy import BigInteger, Column, Integer, String

from replicator.store.column_types import FLAG, LARGE_BYTES, NUMBER, TEXT, short_bytes
from replicator.store.migrate import create_table, refuse_downgrade

revision = "0013"
down_revision = "0012"
branch_labels = None
depends_on = None


def upgrade() -> None:
    create_table(
        "replicator_quarantine",
        Column("id", NUMBER, primary_key=True),
        Column("since", BigInteger, nullable=False),
        Column("peer", Integer, nullable=False),
        Column("group_epoch", BigInteger, nullable=False, server_default="0"),
        Column("group_n", BigInteger, nullable=False, server_default="0"),
        Column("place", BigInteger, nullable=False),
        Column("whole", FLAG, nullable=False),
        Column("table_id", Integer, nullable=False),
        Column("row_key", short_bytes(3000), nullable=False),
        Column("change_class", String(1), nullable=False),
        Column("image", LARGE_BYTES),
        Column("proposal", LARGE_BYTES),
        Column("cause", BigInteger),
        Column("error", TEXT, nullable=False),
        Column("tries", Integer, nullable=False),
        Column("next_at", BigInteger, nullable=False),
        Column("asked", FLAG, nullable=False),
        sqlite_autoincrement=True,
    )
    op.create_index("replicator_quarantine_row", "replicator_quarantine", ["peer", "table_id", "row_key"])


def downgrade() -> None:
    refuse_downgrade()
