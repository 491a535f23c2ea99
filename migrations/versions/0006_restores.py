"""Restores: the last acknowledgement ever taken, how far a link was rewound, a station's number at the host.

Revision ID: 0006
Revises: 0005
Create Date: 2026-11-26
"""

from __future__ import annotations

from alembic import op
from sqlalchemy import BigInteger, Column

from replicator.store.column_types import short_bytes
from replicator.store.migrate import refuse_downgrade

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None


def upgrade() -> None:
    for name in ("peak_epoch_epoch", "peak_epoch_n", "peak_n"):
        op.add_column("replicator_link", Column(name, BigInteger, nullable=False, server_default="0"))
    op.add_column("replicator_link", Column("peak_digest", short_bytes(4)))
    for name in ("rewound_slice", "number"):
        op.add_column("replicator_link", Column(name, BigInteger, nullable=False, server_default="0"))
    # What is acknowledged of the present epoch is the peak so far.
    op.execute(
        "UPDATE replicator_link SET peak_epoch_epoch = out_epoch_epoch, peak_epoch_n = out_epoch_n,"
        " peak_n = out_acknowledged"
    )


def downgrade() -> None:
    refuse_downgrade()
