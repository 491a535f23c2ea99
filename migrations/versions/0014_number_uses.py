"""The record of numbers: which came to be used, whose rows went, and how removed stations were named.

Revision ID: 0014
Revises: 0013
Create Date: 2026-11-27
"""

from __future__ import annotations

from alembic import op
from sqlalchemy import Column, Integer, String

from replicator.store.column_types import BYTES
from replicator.store.migrate import create_table, refuse_downgrade

revision = "0014"
down_revision = "0013"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("replicator_number_event", Column("detail", BYTES))
    create_table(
        "replicator_number_node",
        Column("peer", Integer, primary_key=True, autoincrement=False),
        Column("name", String(200), nullable=False),
    )


def downgrade() -> None:
    refuse_downgrade()
