"""Looking into the journal: what is in which slice, by which mail a batch went, up to where was purged.

Revision ID: 0016
Revises: 0015
Create Date: 2026-11-27
"""

from __future__ import annotations

from alembic import op
from sqlalchemy import BigInteger, Column, Integer, String

from replicator.store.column_types import LARGE_BYTES
from replicator.store.migrate import create_table, refuse_downgrade

revision = "0016"
down_revision = "0015"
branch_labels = None
depends_on = None


def upgrade() -> None:
    for name in ("first_at", "last_at"):
        op.add_column("replicator_slice", Column(name, BigInteger))
    create_table(
        "replicator_slice_table",
        Column("table_id", Integer, primary_key=True, autoincrement=False),
        Column("slice", BigInteger, primary_key=True, autoincrement=False),
        Column("row_keys", LARGE_BYTES, nullable=False),
    )
    op.create_index("replicator_slice_table_slice", "replicator_slice_table", ["slice"])
    create_table(
        "replicator_slice_origin",
        Column("origin", Integer, primary_key=True, autoincrement=False),
        Column("slice", BigInteger, primary_key=True, autoincrement=False),
        *_counts("first_n", "last_n"),
        Column("verdicts", Integer, nullable=False),
        sqlite_with_rowid=False,
    )
    op.create_index("replicator_slice_origin_slice", "replicator_slice_origin", ["slice"])
    create_table(
        "replicator_batch_trail",
        Column("peer", Integer, primary_key=True, autoincrement=False),
        Column("direction", String(4), primary_key=True),
        Column("epoch_epoch", BigInteger, primary_key=True, autoincrement=False),
        Column("epoch_n", BigInteger, primary_key=True, autoincrement=False),
        Column("n", BigInteger, primary_key=True, autoincrement=False),
        *_counts("high_epoch", "high_n"),
        Column("opener", String(20)),
        Column("size", BigInteger, nullable=False),
        Column("row_count", BigInteger, nullable=False),
        *_counts("judged_n"),
        Column("at", BigInteger, nullable=False),
        Column("acknowledged_at", BigInteger),
        sqlite_with_rowid=False,
    )
    op.create_index("replicator_batch_trail_at", "replicator_batch_trail", ["at"])
    op.create_index(
        "replicator_batch_trail_high", "replicator_batch_trail", ["peer", "direction", "high_epoch", "high_n"]
    )
    create_table(
        "replicator_mail_trail",
        Column("peer", Integer, primary_key=True, autoincrement=False),
        Column("direction", String(4), primary_key=True),
        Column("epoch_epoch", BigInteger, primary_key=True, autoincrement=False),
        Column("epoch_n", BigInteger, primary_key=True, autoincrement=False),
        Column("n", BigInteger, primary_key=True, autoincrement=False),
        Column("message_id", String(400), primary_key=True),
        Column("at", BigInteger, nullable=False),
        sqlite_with_rowid=False,
    )
    op.create_index("replicator_mail_trail_at", "replicator_mail_trail", ["at"])
    op.create_index("replicator_conflict_row", "replicator_conflict", ["table_id", "row_key"])
    for name in ("purged_epoch", "purged_n", "purged_at"):
        op.add_column("replicator_retention", Column(name, BigInteger, nullable=False, server_default="0"))


def _counts(*names: str) -> list[Column[int]]:
    return [Column(name, BigInteger, nullable=False, server_default="0") for name in names]


def downgrade() -> None:
    refuse_downgrade()
