"""Columns of tables that are replicated no more, while the application's DROP COLUMN is still to come.

Revision ID: 0022
Revises: 0021
Create Date: 2026-11-28
"""

from __future__ import annotations

from sqlalchemy import Column, Integer, String

from replicator.store.migrate import create_table, refuse_downgrade

revision = "0022"
down_revision = "0021"
branch_labels = None
depends_on = None


def upgrade() -> None:
    create_table(
        "replicator_leaving",
        Column("table_id", Integer, primary_key=True, autoincrement=False),
        Column("name", String(200), primary_key=True),
    )


def downgrade() -> None:
    refuse_downgrade()
