"""Restores of the host: where its lost timelines end for each link, and what stations gave back.

Revision ID: 0010
Revises: 0009
Create Date: 2026-11-26
"""

from __future__ import annotations

from alembic import op
from sqlalchemy import BigInteger, Column, Integer

from replicator.store.column_types import short_bytes
from replicator.store.migrate import create_table, refuse_downgrade

revision = "0010"
down_revision = "0009"
branch_labels = None
depends_on = None


def _count(name: str) -> Column[int]:
    return Column(name, BigInteger, nullable=False, server_default="0")


def upgrade() -> None:
    for name in ("left_epoch_epoch", "left_epoch_n"):
        op.add_column("replicator_link", _count(name))
    create_table(
        "replicator_timeline",
        Column("peer", Integer, primary_key=True, autoincrement=False),
        Column("host_epoch", BigInteger, primary_key=True, autoincrement=False),
        *(_count(name) for name in ("end_epoch", "end_n")),
    )
    create_table(
        "replicator_salvaged",
        Column("table_id", Integer, primary_key=True, autoincrement=False),
        Column("row_key", short_bytes(3000), primary_key=True),
        *(_count(name) for name in ("at_epoch", "at_n", "origin_epoch", "origin_n")),
        sqlite_with_rowid=False,
    )


def downgrade() -> None:
    refuse_downgrade()
