"""Whether a backup station has all that it needs to become the host, and how old that is."""

from __future__ import annotations

from dataclasses import dataclass

from replicator.engine import readiness
from replicator.operations.opening import View
from replicator.store import slices, state, succession, trails
from replicator.store.state import LinkState, Peer
from replicator.types import HOST_PEER, Position


@dataclass(frozen=True, slots=True)
class BackupStation:
    """At a backup station. Moments are microseconds since 1970 UTC."""

    complete: bool
    """It has been told all that a host needs to know: it could become the host."""
    position: Position
    """Of the host's log, up to where this database has it."""
    applied_at: int | None
    """When that was applied here; None: that is not on record any more."""
    heard_at: int | None
    """When the host was heard of last."""
    not_accepting: list[str]
    """Stations that are not known to accept this one as their host."""


@dataclass(frozen=True, slots=True)
class BackupLink:
    """At the host, of one of its backup stations."""

    complete: bool
    """It has confirmed all that a host needs to know: it could become the host."""
    up_to_date: bool
    """It has confirmed everything that was written until now."""
    lacks_since: int | None
    """When the oldest change was made that it has not confirmed, as far as that is numbered; microseconds since 1970
    UTC."""
    not_accepting: list[str]
    """Stations that have not confirmed that they accept it."""


def backup_station(view: View) -> BackupStation | None:
    """None where this is no backup station, or it was not told anything yet. Raises ConfigurationError."""
    connection = view.connection
    if not succession.is_backup(connection):
        return None
    link = state.load_link(connection, HOST_PEER, view.node.role)
    brought = trails.covering(connection, HOST_PEER, trails.IN, link.seen, 1)
    return BackupStation(
        complete=succession.is_complete(connection),
        position=link.seen,
        applied_at=brought[0].at if brought else None,
        heard_at=view.peers[HOST_PEER].heard_at,
        not_accepting=readiness.not_accepting(connection, view.home.identity.read().public_key),
    )


def backup_link(view: View, peer: Peer, link: LinkState) -> BackupLink:
    connection = view.connection
    links = {each: state.load_link(connection, each, view.node.role) for each in view.peers}
    since = readiness.lacks_since(connection, link)
    complete = readiness.has_everything(connection, link)
    waits = not view.database.outbox_is_empty(connection) or slices.groups_uncut(connection, view.node.last_n)
    accepting = peer.enabled and peer.public_key is not None
    silent = readiness.not_told(connection, view.peers, links)
    return BackupLink(
        complete=complete,
        up_to_date=complete and since is None and not waits,
        lacks_since=since,
        not_accepting=[name for name in silent if name != peer.name] if accepting else _others(view, peer),
    )


def _others(view: View, peer: Peer) -> list[str]:
    return sorted(each.name for each in view.peers.values() if each.id != peer.id)
