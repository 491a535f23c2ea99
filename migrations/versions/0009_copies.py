"""A station may be a copy of another one, whose changes it sends again.

Revision ID: 0009
Revises: 0008
Create Date: 2026-11-26
"""

from __future__ import annotations

from alembic import op
from sqlalchemy import BigInteger, Column

from replicator.store.migrate import refuse_downgrade

revision = "0009"
down_revision = "0008"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("replicator_link", Column("copy_of", BigInteger, nullable=False, server_default="0"))


def downgrade() -> None:
    refuse_downgrade()
