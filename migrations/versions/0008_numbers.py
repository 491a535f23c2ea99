"""Number ranges: what they are, blocks in hand, the host's ledger and its events.

Revision ID: 0008
Revises: 0007
Create Date: 2026-11-26
"""

from __future__ import annotations

from alembic import op
from sqlalchemy import BigInteger, Column, Integer, String

from replicator.store.column_types import FLAG, NUMBER, TEXT
from replicator.store.migrate import create_table, refuse_downgrade

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None


def upgrade() -> None:
    create_table(
        "replicator_number_range",
        Column("id", Integer, primary_key=True, autoincrement=False),
        Column("table_id", Integer, nullable=False),
        Column("table_name", String(200), nullable=False),
        Column("column_name", String(200), nullable=False),
        Column("way", String(10), nullable=False),
        Column("fill", String(10)),
        Column("form", String(200), nullable=False),
        *_numbers("start", "highest"),
        *(Column(name, BigInteger, nullable=False, server_default="0") for name in ("high_water", "floor", "serial")),
        Column("stopped", FLAG, nullable=False, server_default="0"),
        *_numbers("created_at"),
    )
    create_table(
        "replicator_number_share",
        Column("peer", Integer, primary_key=True, autoincrement=False),
        Column("range_id", Integer, primary_key=True, autoincrement=False),
        *_numbers("block"),
        Column("refill", Integer, nullable=False),
        Column("closed", FLAG, nullable=False, server_default="0"),
        Column("requested", FLAG, nullable=False, server_default="0"),
    )
    create_table(
        "replicator_number_stock",
        Column("range_id", Integer, primary_key=True, autoincrement=False),
        Column("serial", BigInteger, primary_key=True, autoincrement=False),
        *_numbers("lowest", "highest", "next_number"),
        Column("state", Integer, nullable=False),
    )
    op.create_index("replicator_number_stock_state", "replicator_number_stock", ["range_id", "state", "serial"])
    create_table(
        "replicator_number_span",
        Column("range_id", Integer, primary_key=True, autoincrement=False),
        Column("lowest", BigInteger, primary_key=True, autoincrement=False),
        *_numbers("highest"),
        Column("state", String(10), nullable=False),
        Column("holder", Integer, nullable=False),
        *_numbers("serial"),
        Column("reason", String(300), nullable=False),
    )
    create_table(
        "replicator_number_event",
        Column("id", NUMBER, primary_key=True),
        *_numbers("at"),
        Column("range_id", Integer, nullable=False),
        Column("kind", String(20), nullable=False),
        *_numbers("lowest", "highest"),
        Column("holder", Integer, nullable=False),
        Column("reason", TEXT, nullable=False),
        sqlite_autoincrement=True,
    )
    op.create_index("replicator_number_event_range", "replicator_number_event", ["range_id", "lowest"])


def _numbers(*names: str) -> list[Column[int]]:
    return [Column(name, BigInteger, nullable=False) for name in names]


def downgrade() -> None:
    refuse_downgrade()
