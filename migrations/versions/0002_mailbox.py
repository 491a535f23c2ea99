"""What a node has learned of the mailbox that it sends by, and which mails it has sent lately, to know a bounce by.

Revision ID: 0002
Revises: 0001
Create Date: 2026-11-26
"""

from __future__ import annotations

from sqlalchemy import BigInteger, Column, Integer, String

from replicator.store.migrate import create_table, refuse_downgrade

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    create_table(
        "replicator_mailbox",
        Column("id", Integer, primary_key=True, autoincrement=False),
        Column("part_bytes", BigInteger, nullable=False, server_default="0"),
        Column("hour_began", BigInteger, nullable=False, server_default="0"),
        Column("hour_mails", BigInteger, nullable=False, server_default="0"),
    )
    create_table(
        "replicator_sent_mail",
        Column("message_id", String(400), primary_key=True),
        Column("peer", Integer, nullable=False),
        Column("length", BigInteger, nullable=False),
        Column("sent_at", BigInteger, nullable=False),
    )


def downgrade() -> None:
    refuse_downgrade()
