"""Parts name the batch that they are of, so that two histories under one number are told apart.

Revision ID: 0007
Revises: 0006
Create Date: 2026-11-26
"""

from __future__ import annotations

from alembic import op
from sqlalchemy import Column

from replicator.store.column_types import short_bytes
from replicator.store.migrate import refuse_downgrade

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("replicator_batch_in", Column("digest", short_bytes(4)))


def downgrade() -> None:
    refuse_downgrade()
