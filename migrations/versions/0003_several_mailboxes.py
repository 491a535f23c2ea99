"""Several mailboxes: which peers each of them serves and what waits for it; and which batches a sent mail carried.

Revision ID: 0003
Revises: 0002
Create Date: 2026-11-26
"""

from __future__ import annotations

from alembic import op
from sqlalchemy import BigInteger, Column, Integer, String

from replicator.store.column_types import FLAG
from replicator.store.migrate import create_table, refuse_downgrade

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    create_table(
        "replicator_route",
        Column("peer", Integer, primary_key=True, autoincrement=False),
        Column("mailbox", Integer, primary_key=True, autoincrement=False),
        Column("owed", FLAG, nullable=False, server_default="0"),
    )
    # Until now everything went by the one mailbox, and waits for it.
    op.execute("INSERT INTO replicator_route (peer, mailbox) SELECT id, 1 FROM replicator_peer")
    op.add_column("replicator_mailbox", Column("name", String(64), nullable=False, server_default=""))
    op.add_column("replicator_mailbox", Column("away_since", BigInteger, nullable=False, server_default="0"))
    op.add_column("replicator_send_queue", Column("mailbox", Integer, nullable=False, server_default="1"))
    op.create_index("replicator_send_queue_route", "replicator_send_queue", ["peer", "mailbox"])
    for name in ("epoch_epoch", "epoch_n", "first_n", "last_n"):
        op.add_column("replicator_sent_mail", Column(name, BigInteger, nullable=False, server_default="0"))
    op.add_column("replicator_sent_mail", Column("mailbox", Integer, nullable=False, server_default="1"))


def downgrade() -> None:
    refuse_downgrade()
