"""Places in a host's journal: by position, and by time.

What the host's own applications wrote was true when it was written, also where a run numbered it later; what came from
a station was true here when it entered the journal. A group is true when its last change was.
"""

from __future__ import annotations

from collections.abc import Mapping

from sqlalchemy import Connection

from replicator.errors import WrongUse
from replicator.store import journal, journal_reading
from replicator.store.state import NodeState
from replicator.types import Position, TableDefinition


def last_whole(node: NodeState) -> int:
    """The last group that is in the journal as a whole."""
    return node.open_group - 1 if node.open_group else node.last_n


def checked(connection: Connection, node: NodeState, position: Position) -> int:
    """The group at a position; epoch 0: of whichever timeline. Raises WrongUse."""
    epoch, n = position
    last = last_whole(node)
    if n > last:
        raise WrongUse(f"the journal ends with {node.host_epoch}.{last}: give a position up to there")
    found = journal.group(connection, n)
    if epoch and found is not None and found.host_epoch != epoch:
        raise WrongUse(
            f"position {epoch}.{n} is of a timeline that is over since this host was set back; here {n} is "
            f"{found.host_epoch}.{n}"
        )
    return n


def at(
    connection: Connection, node: NodeState, moment: int, now: int, definitions: Mapping[int, TableDefinition]
) -> int:
    """The last group before the first one that was true only after this moment (microseconds since 1970 UTC)."""
    last = last_whole(node)
    group = journal_reading.first_logged_after(connection, moment, now)
    if group is None:
        return last
    first = group.n
    for number in journal_reading.slices_between(connection, first - 1, last):
        changes = journal_reading.changes_of_slice(connection, number, dict(definitions))
        groups = journal.groups(connection, first, changes[-1].n) if changes else {}
        for change in changes:
            group = groups.get(change.n)
            if group is None:
                continue  # before the first
            true_at = group.logged_at if group.origin else change.at or group.at
            if moment < true_at <= now:
                return change.n - 1
    return last
