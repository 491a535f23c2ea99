"""What kind of database a station has.

Revision ID: 0005
Revises: 0004
Create Date: 2026-11-26
"""

from __future__ import annotations

from alembic import op
from sqlalchemy import Column, String

from replicator.store.migrate import refuse_downgrade

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("replicator_peer", Column("database_kind", String(20)))
    op.add_column("replicator_peer", Column("database_version", String(20)))


def downgrade() -> None:
    refuse_downgrade()
