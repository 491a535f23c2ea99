"""Could a backup station become the host, and who would accept it? Asked there and at the host (protocol.md 10.2)."""

from __future__ import annotations

from sqlalchemy import Connection

from replicator.engine.handing_on import knows_named, named
from replicator.engine.holding import held_back
from replicator.store import host_state, succession
from replicator.store.state import LinkState, Peer
from replicator.store.succession import COMPLETE


def not_accepting(connection: Connection, own_key: bytes) -> list[str]:
    """At a backup station: names of the stations that don't accept it as their host, as far as is known.

    What was told of the stations may be of a host that was replaced since. The present one's list counts, which begins
    empty: where this node is not on it, those that have heard of that host accept it no more.
    """
    is_named = any(each.public_key == own_key for each in succession.successors(connection))
    peers = map(host_state.unpacked, succession.items(connection, host_state.PEER))
    return sorted(str(each["name"]) for each in peers if not (is_named and each.get("knows") and each["public_key"]))


def not_told(connection: Connection, peers: dict[int, Peer], links: dict[int, LinkState]) -> list[str]:
    """At the host: names of the stations that have not confirmed whom they are to accept in its place.

    A backup station among them would not be accepted itself by them.
    """
    successors = named(peers)
    return sorted(
        peer.name
        for peer in peers.values()
        if not knows_named(connection, peer.id, links[peer.id].link.out.high, successors)
    )


def has_everything(connection: Connection, link: LinkState) -> bool:
    """At the host: has this backup station confirmed that it was told the whole state, at least once in this stream?"""
    at = succession.told_at(connection, link.peer, COMPLETE)
    return at is not None and not link.mode and link.link.out.high >= at


def lacks_since(connection: Connection, link: LinkState) -> int | None:
    """At the host: when the oldest change was made that this station has not confirmed; microseconds since 1970 UTC.
    None: it has all that was packed."""
    return held_back(connection, link)[1]
