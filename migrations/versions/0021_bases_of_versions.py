"""Bases of each version of a table: they have numbers of their own. Those of before are taken anew by the next run.

Revision ID: 0021
Revises: 0020
Create Date: 2026-11-28
"""

from __future__ import annotations

from alembic import op
from sqlalchemy import BigInteger, Column, Integer, String

from replicator.store.column_types import FLAG, LARGE_BYTES, TEXT, short_bytes
from replicator.store.migrate import create_table, refuse_downgrade

revision = "0021"
down_revision = "0020"
branch_labels = None
depends_on = None


def upgrade() -> None:
    for name in ("replicator_base", "replicator_base_segment"):
        op.execute(f"DROP TABLE IF EXISTS {name}")
    create_table(
        "replicator_base",
        Column("id", Integer, primary_key=True, autoincrement=False),
        Column("table_id", Integer, nullable=False),
        Column("name", String(200), nullable=False),
        Column("definition", TEXT, nullable=False),
        _count("begun_n"),
        _count("n"),
        _count("reach_n"),
        _count("ended_n"),
        Column("at", BigInteger, nullable=False),
        Column("complete", FLAG, nullable=False),
        _count("row_count"),
        _count("size"),
        _count("next_ordinal"),
    )
    create_table(
        "replicator_base_segment",
        Column("base", Integer, primary_key=True, autoincrement=False),
        Column("ordinal", BigInteger, primary_key=True, autoincrement=False),
        Column("digest", short_bytes(32), nullable=False),
        Column("size", BigInteger, nullable=False),
        Column("raw_size", BigInteger, nullable=False),
        Column("row_count", BigInteger, nullable=False),
        Column("frame", LARGE_BYTES, nullable=False),
    )


def _count(name: str) -> Column[int]:
    return Column(name, BigInteger, nullable=False, server_default="0")


def downgrade() -> None:
    refuse_downgrade()
