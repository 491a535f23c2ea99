"""Tables that were changed: their versions, and what is of which.

Revision ID: 0019
Revises: 0018
Create Date: 2026-11-27
"""

from __future__ import annotations

from alembic import op
from sqlalchemy import BigInteger, Column, Integer, String

from replicator.store.column_types import FLAG, TEXT
from replicator.store.migrate import create_table, refuse_downgrade

revision = "0019"
down_revision = "0018"
branch_labels = None
depends_on = None


def upgrade() -> None:
    _add_position("replicator_table", "version")
    op.add_column("replicator_table", Column("column_ids", TEXT))
    _add_position("replicator_table", "wanted")
    op.add_column("replicator_table", Column("behind", FLAG, nullable=False, server_default="0"))
    _add_position("replicator_conflict", "version")
    op.add_column("replicator_slice", Column("closing", FLAG, nullable=False, server_default="0"))
    create_table(
        "replicator_table_version",
        Column("table_id", Integer, primary_key=True, autoincrement=False),
        Column("epoch", BigInteger, primary_key=True, autoincrement=False),
        Column("n", BigInteger, primary_key=True, autoincrement=False),
        Column("name", String(200), nullable=False),
        Column("definition", TEXT, nullable=False),
        Column("column_ids", TEXT),
        Column("from_n", BigInteger),
        Column("at", BigInteger, nullable=False),
    )
    create_table(
        "replicator_reload",
        Column("peer", Integer, primary_key=True, autoincrement=False),
        Column("table_id", Integer, primary_key=True, autoincrement=False),
    )


def _add_position(table: str, name: str) -> None:
    for part in ("epoch", "n"):
        op.add_column(table, Column(f"{name}_{part}", BigInteger, nullable=False, server_default="0"))


def downgrade() -> None:
    refuse_downgrade()
