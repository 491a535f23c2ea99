"""How long things are kept: marks of earlier moments, horizons, deleted rows in order, the size of slices.

Revision ID: 0011
Revises: 0010
Create Date: 2026-11-26
"""

from __future__ import annotations

from alembic import op
from sqlalchemy import BigInteger, Column, Integer

from replicator.store.column_types import FLAG, short_bytes
from replicator.store.migrate import create_table, refuse_downgrade

revision = "0011"
down_revision = "0010"
branch_labels = None
depends_on = None


def upgrade() -> None:
    create_table(
        "replicator_retention",
        Column("id", Integer, primary_key=True, autoincrement=False),
        *_counts("forgotten_epoch", "forgotten_n", "backup_at", "announced_at"),
        Column("unfinished", FLAG, nullable=False, server_default="0"),
    )
    create_table(
        "replicator_mark",
        Column("at", BigInteger, primary_key=True, autoincrement=False),
        *_counts("last_n", "acknowledged_n", "settled_epoch", "settled_n", "born_epoch", "born_n"),
        *_counts("forgotten_epoch", "forgotten_n"),
    )
    create_table(
        "replicator_mark_link",
        Column("at", BigInteger, primary_key=True, autoincrement=False),
        Column("peer", Integer, primary_key=True, autoincrement=False),
        *_counts("epoch_epoch", "epoch_n", "n"),
    )
    create_table(
        "replicator_horizon",
        Column("peer", Integer, primary_key=True, autoincrement=False),
        *_counts("heard_epoch_epoch", "heard_epoch_n", "heard_n", "heard_born_epoch", "heard_born_n"),
        *_counts("heard_forgotten_epoch", "heard_forgotten_n"),
        *_counts("told_epoch_epoch", "told_epoch_n", "told_n", "told_born_epoch", "told_born_n"),
        *_counts("told_forgotten_epoch", "told_forgotten_n"),
    )
    create_table(
        "replicator_tombstone",
        Column("epoch", BigInteger, primary_key=True, autoincrement=False),
        Column("n", BigInteger, primary_key=True, autoincrement=False),
        Column("table_id", Integer, primary_key=True, autoincrement=False),
        Column("row_key", short_bytes(3000), primary_key=True),
        sqlite_with_rowid=False,
    )
    op.execute(
        "INSERT INTO replicator_tombstone (epoch, n, table_id, row_key)"
        " SELECT epoch, n, table_id, row_key FROM replicator_row_version WHERE deleted <> 0"
    )
    op.add_column("replicator_slice", Column("size", BigInteger, nullable=False, server_default="0"))
    op.execute(
        "UPDATE replicator_slice SET size = (SELECT coalesce(sum(s.size), 0) FROM replicator_slice_segment s"
        " WHERE s.slice = replicator_slice.id)"
    )
    op.create_index("replicator_seen_group_born", "replicator_seen_group", ["peer", "born_epoch", "born_n"])


def _counts(*names: str) -> list[Column[int]]:
    return [Column(name, BigInteger, nullable=False, server_default="0") for name in names]


def downgrade() -> None:
    refuse_downgrade()
