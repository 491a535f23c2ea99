"""How fast numbers are drawn and how often the two ends hear of each other.

Revision ID: 0015
Revises: 0014
Create Date: 2026-11-27
"""

from __future__ import annotations

from sqlalchemy import BigInteger, Column, Integer

from replicator.store.migrate import create_table, refuse_downgrade

revision = "0015"
down_revision = "0014"
branch_labels = None
depends_on = None


def upgrade() -> None:
    create_table(
        "replicator_number_pace",
        Column("peer", Integer, primary_key=True, autoincrement=False),
        Column("range_id", Integer, primary_key=True, autoincrement=False),
        Column("at", BigInteger, primary_key=True, autoincrement=False),
        Column("drawn", BigInteger, nullable=False),
    )
    create_table(
        "replicator_contact",
        Column("peer", Integer, primary_key=True, autoincrement=False),
        Column("at", BigInteger, primary_key=True, autoincrement=False),
    )


def downgrade() -> None:
    refuse_downgrade()
