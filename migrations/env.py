"""Run by Alembic for `replicator.store.migrate`, on the caller's connection and in its transaction.

The version table has a name of its own: the application may use Alembic itself, in the same database.
"""

from __future__ import annotations

from alembic import context

from replicator.store.migrate import VERSION_TABLE
from replicator.store.tables import metadata

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=metadata,
    version_table=VERSION_TABLE,
)
with context.begin_transaction():
    context.run_migrations()
