"""Bringing the replicator's own tables up to date after a new version of the program."""

from __future__ import annotations

from contextlib import closing

from replicator.operations.database_login import open_of
from replicator.operations.opening import require_own
from replicator.runtime import Runtime
from replicator.store import migrate, state
from replicator.store.home import Home


def upgrade(home: Home, runtime: Runtime) -> bool:
    """Upgrade the node's own tables in one transaction; tables of the application are not touched.

    True when anything was to do. Raises DatabaseTrouble (tables missing, half made, or newer than this program) and
    all that `open_node` raises.
    """
    configuration = home.load_configuration()
    with (
        home.lock(),
        closing(open_of(configuration, runtime)) as database,
        database.transaction() as connection,
    ):
        migrate.require_ours(connection)
        with database.migrating(connection) as in_part:
            done = migrate.upgrade(connection, in_part=in_part)
        database.allow_requests(connection)
        require_own(state.load_node(connection), configuration, home)
    return done
