"""Revisions of the node that were carried out, and what migrations of the application ask for.

Revision ID: 0020
Revises: 0019
Create Date: 2026-11-27
"""

from __future__ import annotations

from sqlalchemy import Column, Identity, String

from replicator.store.column_types import NUMBER, TEXT
from replicator.store.migrate import create_table, refuse_downgrade

revision = "0020"
down_revision = "0019"
branch_labels = None
depends_on = None


def upgrade() -> None:
    create_table("replicator_revision", Column("version_num", String(32), primary_key=True))
    create_table(
        "replicator_request",
        Column("id", NUMBER, Identity(), primary_key=True),
        Column("body", TEXT, nullable=False),
        Column("error", TEXT),
    )


def downgrade() -> None:
    refuse_downgrade()
