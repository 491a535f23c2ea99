"""Conflicts: which columns, who wrote the host's row and when, and what a person decided.

Revision ID: 0004
Revises: 0003
Create Date: 2026-11-26
"""

from __future__ import annotations

from alembic import op
from sqlalchemy import BigInteger, Column, Integer, String

from replicator.store.migrate import refuse_downgrade

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None


def upgrade() -> None:
    for name in ("station_at", "host_at"):
        op.add_column("replicator_conflict", Column(name, BigInteger))
    op.add_column("replicator_conflict", Column("host_writer", Integer))
    op.add_column("replicator_conflict", Column("settled_at", BigInteger))
    op.add_column("replicator_conflict", Column("settled_by", String(10)))
    op.create_index("replicator_conflict_at", "replicator_conflict", ["at"])


def downgrade() -> None:
    refuse_downgrade()
