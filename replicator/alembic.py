"""For an application's own migrations: import this in `env.py`.

    import replicator.alembic

It registers `op.replicate_table`, `op.stop_replicating` and `op.refresh_capture`, and has `alembic revision
--autogenerate` compare what the metadata says of tables (`info={"replicate": True}`) with what the node replicates. See
docs/migrations.md.
"""

from __future__ import annotations

from replicator.operations.migration_comparing import register
from replicator.operations.migration_steps import RefreshCapture, ReplicateTable, StopReplicating

register()

__all__ = ["RefreshCapture", "ReplicateTable", "StopReplicating"]
