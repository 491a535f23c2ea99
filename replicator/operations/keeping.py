"""How long things are kept: backups that are told of, and the journal's purging by order."""

from __future__ import annotations

from dataclasses import dataclass

from replicator.engine import marking, purging
from replicator.engine.node import Node
from replicator.engine.purging import Purged
from replicator.errors import WrongUse
from replicator.protocol.link import DAY
from replicator.store import purging as store
from replicator.store import retention


@dataclass(frozen=True, slots=True)
class Announced:
    """What was told of a backup. Moments are microseconds since 1970 UTC."""

    begun_at: int
    peers: int
    """To how many peers it was news: it goes out with the next run."""


def begin_backup(node: Node) -> int:
    """A backup begins: note how far the node is, in the database, so that the backup holds it. Gives the moment."""
    with node.unit() as unit:
        mark = marking.add_mark(unit)
        known = retention.load(unit.connection)
        known.backup_at = mark.at
        known.unfinished = 1  # by this mark the day's look at what may go would be taken for done
        retention.save(unit.connection, known)
    return mark.at


def finish_backup(node: Node) -> Announced:
    """The backup is complete and where it belongs: no older one will be put back, and the peers may forget what only
    such a one would need. Raises WrongUse where nobody has noted when it began, and no run was a day before."""
    with node.unit() as unit:
        known = retention.load(unit.connection)
        begun = known.backup_at or unit.now - DAY
        mark = retention.mark_through(unit.connection, begun)
        if mark is None:
            raise WrongUse("nobody has said when the backup began: say 'replicator backup begin' before it begins")
        peers = marking.announce(unit, mark)
        known = retention.load(unit.connection)
        known.backup_at, known.announced_at = 0, unit.now
        retention.save(unit.connection, known)
    return Announced(mark.at, peers)


@dataclass(frozen=True, slots=True)
class Cleared:
    """What was purged of a journal, or would be, and what is left of it."""

    purged: Purged
    groups: int
    bytes: int
    """Of content, compressed."""
    oldest_at: int | None
    """When its oldest change was made; microseconds since 1970 UTC."""


def purge_journal(node: Node, *, dry: bool) -> Cleared:
    """Purge all that may go, or only say what that is."""
    if dry:
        with node.unit() as unit:
            purged = purging.would_go(unit, purging.limits_of(unit))
    else:
        purged = purging.purge(node)
    with node.database.transaction(write=False) as connection:
        oldest = store.oldest_group(connection)
        return Cleared(
            purged,
            store.count_groups(connection, store.BEYOND),
            store.bytes_between(connection, 0, store.BEYOND),
            None if oldest is None else oldest[1],
        )
