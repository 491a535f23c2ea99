"""Run by Alembic for the application: its database and its node stand in the configuration's attributes."""

from __future__ import annotations

from alembic import context
from sqlalchemy import create_engine

import replicator.alembic  # noqa: F401 - it registers op.replicate_table and the others

attributes = context.config.attributes
engine = create_engine(attributes["url"])
with engine.connect() as connection:
    context.configure(connection=connection, replicator_home=attributes["replicator_home"])
    with context.begin_transaction():
        context.run_migrations()
engine.dispose()
