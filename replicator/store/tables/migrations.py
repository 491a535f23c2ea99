"""Which of the node's revisions were carried out, and what migrations of the application have asked for."""

from __future__ import annotations

from sqlalchemy import Column, Identity, String, Table

from replicator.store.column_types import NUMBER, TEXT
from replicator.store.tables.columns import metadata

# Of the folder `revisions` in the node's home; the last one of each line, as Alembic notes it.
revision = Table(
    "replicator_revision",
    metadata,
    Column("version_num", String(32), primary_key=True),
)

# What a migration could not have done at once: written in its transaction, carried out in the order of the numbers.
request = Table(
    "replicator_request",
    metadata,
    # An identity: who may insert a row needs no right on a sequence then.
    Column("id", NUMBER, Identity(), primary_key=True),
    Column("body", TEXT, nullable=False),  # JSON, see operations/migration_requests.py
    Column("error", TEXT),  # why it could not be carried out yet
)
