"""Version 2: customers have an e-mail address, and may complain."""

import sqlalchemy as sa
from alembic import op

revision = "2"
down_revision = None


def upgrade() -> None:
    op.add_column("customers", sa.Column("email", sa.String(80)))
    op.refresh_capture("customers")
    op.create_table(
        "complaints",
        sa.Column("id", sa.Integer, primary_key=True),
        sa.Column("customer", sa.Integer, sa.ForeignKey("customers.id"), nullable=False),
        sa.Column("written", sa.Date, nullable=False),
        sa.Column("words", sa.String(200), nullable=False),
    )
    op.replicate_table("complaints", area="Customers", rules={"all": "all"})


def downgrade() -> None:
    op.stop_replicating("complaints")
    op.drop_table("complaints")
    op.drop_column("customers", "email")
    op.refresh_capture("customers")
