"""What the database keeps of the mail account, brought in line when `account set` changes it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing, contextmanager

from sqlalchemy import Connection

from replicator.config import Configuration
from replicator.operations.database_login import open_of
from replicator.operations.opening import require_own
from replicator.runtime import Runtime
from replicator.store import migrate, outgoing, routes, state
from replicator.store.home import Home
from replicator.store.state import NodeState


def readdress(home: Home, runtime: Runtime, configuration: Configuration) -> None:
    """The address that our mails come from stands in the database, too: in its row of this node."""
    with _own_database(home, runtime, configuration) as (connection, node):
        node.address = configuration.account.address
        state.save_node(connection, node)


def forget_size(home: Home, runtime: Runtime, configuration: Configuration, name: str) -> None:
    """What the server before was found to take says nothing about this one."""
    with _own_database(home, runtime, configuration) as (connection, _):
        known = routes.known(connection).get(name)
        if known is not None:
            outgoing.forget_size(connection, known.number)


@contextmanager
def _own_database(home: Home, runtime: Runtime, configuration: Configuration) -> Iterator[tuple[Connection, NodeState]]:
    with closing(open_of(configuration, runtime)) as database, database.transaction() as connection:
        migrate.check(connection)
        node = state.load_node(connection)
        require_own(node, configuration, home)
        yield connection, node
