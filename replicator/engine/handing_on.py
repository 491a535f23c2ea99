"""The host hands on what a new host would need, and says whom its stations are to accept (protocol.md 10.2).

Each run holds its state against what a backup station was told last, item by item, and logs what differs for it alone.
An idle host finds nothing. What a link's log tells is told in the log's order, so that the backup station's rows and
what it knows of the host belong together wherever its log ends.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator
from typing import Any

from sqlalchemy import Connection

from replicator.engine import backing_up
from replicator.engine.collect import collect, open_group
from replicator.engine.node import Node, Unit
from replicator.protocol.codec_plain import pack
from replicator.protocol.succession import MOST, STATE, SUCCESSORS, Item, StateBody, Successor, successors_plain
from replicator.store import host_state, retention, succession
from replicator.store.host_state import EVENT, NODE, PEER, ROWS
from replicator.store.state import Peer
from replicator.store.succession import COMPLETE, Told
from replicator.types import NOWHERE, Position

RECORD_BYTES = 200_000
"""Of items in one record, about."""
_ONLY = b""
"""Item of a kind of which there is one."""
_UNTRACKED = b""
"""Digest of what never changes once it was told."""


def named(peers: dict[int, Peer]) -> list[Successor]:
    """Whom the stations are to accept: backup stations that have sent their key."""
    found = [peer for peer in peers.values() if peer.backup and peer.enabled and peer.public_key is not None]
    return [Successor(peer.name, peer.public_key) for peer in found if peer.public_key is not None][:MOST]


def digest_of_named(successors: list[Successor]) -> bytes:
    return _digest(pack(successors_plain(successors)))


def note_named(unit: Unit, peer: int, successors: list[Successor], at: Position) -> None:
    """This station is told of them at this place of the log, or by its invitation."""
    told = {(SUCCESSORS, _ONLY): digest_of_named(successors)}
    succession.note_told(unit.database, unit.connection, peer, told, at)


def told_by_snapshot(unit: Unit, peer: int, successors: list[Successor], position: Position) -> None:
    """A new stream has begun with everything in this station's rules: what a backup station knew is told anew."""
    succession.forget_told(unit.connection, peer)
    if successors:
        note_named(unit, peer, successors, position)


def knows_named(connection: Connection, peer: int, acknowledged: Position, successors: list[Successor]) -> bool:
    """Has this station, which has acknowledged the log up to there, been told of these, the present successors?"""
    at = succession.told_at(connection, peer, SUCCESSORS)
    if at is None:
        return False
    told = succession.told(connection, peer, (SUCCESSORS,))[SUCCESSORS, _ONLY]
    return (at == NOWHERE or acknowledged >= at) and told == digest_of_named(successors)


def hand_on(node: Node) -> int:
    """Log what stations and backup stations have to be told. Returns how many of them there were news for."""
    with node.unit() as unit:
        for peer in unit.peers.values():
            if peer.backup:
                backing_up.review(unit, peer.id)
        ready = [peer for peer in unit.peers if not unit.link(peer).mode]
        count = _tell_named(unit, ready)
        backups = [peer for peer in ready if unit.peers[peer].backup]
        return count + sum(_tell_state(unit, peer) for peer in backups)


def _tell_named(unit: Unit, ready: list[int]) -> int:
    successors = named(unit.peers)
    digest, plain = digest_of_named(successors), successors_plain(successors)
    unaware = []
    for peer in ready:
        told = succession.told(unit.connection, peer, (SUCCESSORS,)).get((SUCCESSORS, _ONLY))
        if told != digest and (successors or told is not None):
            unaware.append(peer)
    if unaware:
        collect(unit)
        group = open_group(unit, control=SUCCESSORS)
        for peer in unaware:
            unit.journal.add_control(peer, SUCCESSORS, plain)
            note_named(unit, peer, successors, group.position)
    return len(unaware)


def _tell_state(unit: Unit, peer: int) -> bool:
    """What a backup station does not know of this host's state yet; everything, where its stream has begun anew."""
    told = succession.told(unit.connection, peer)
    told.pop((SUCCESSORS, _ONLY), None)
    whole = (COMPLETE, _ONLY) not in told
    gone = dict.fromkeys(told)
    gone.pop((COMPLETE, _ONLY), None)
    news, digests = [], Told()
    for item, digest in _all_items(unit, peer, told):
        where = item.kind, item.item
        gone.pop(where, None)
        if told.get(where) != digest:
            if digest:
                digests[where] = digest
            if item.content is not None:
                news.append(item)
    forgotten = [Item(kind, item, None) for kind, item in gone]
    news += forgotten
    if not (whole or news):
        return False
    collect(unit)
    last = [Item(COMPLETE, _ONLY, b"\xc3")] if whole else []
    digests.update({(COMPLETE, _ONLY): b"\x01"} if whole else {})
    seen = host_state.seen_groups(unit.connection, peer) if whole else iter(())
    position = NOWHERE
    for count, items in enumerate(_portions([news, seen, last])):
        position = open_group(unit, control=STATE).position
        unit.journal.add_control(peer, STATE, StateBody(whole and not count, items).plain())
    succession.note_told(unit.database, unit.connection, peer, digests, position, forgotten)
    return True


def _portions(parts: Iterable[Iterable[Item]]) -> Iterator[list[Item]]:
    waiting: list[Item] = []
    size = 0
    for item in (item for part in parts for item in part):
        waiting.append(item)
        size += len(item.item) + len(item.content or b"") + 16
        if size >= RECORD_BYTES:
            yield waiting
            waiting, size = [], 0
    if waiting:
        yield waiting


def _all_items(unit: Unit, peer: int, told: Told) -> Iterator[tuple[Item, bytes]]:
    """What there is to know, with its digest. What happened to numbers never changes, and is told once."""
    connection, successors = unit.connection, named(unit.peers)
    yield _with_digest(NODE, _ONLY, _node(unit, peer))
    for kind in host_state.KINDS:
        for item, content in host_state.rows_of(connection, kind, peer):
            if kind.name == PEER:
                high = unit.link(content["id"]).link.out.high
                content["knows"] = int(knows_named(connection, content["id"], high, successors))
            yield _with_digest(kind.name, item, content)
    for item, keys in host_state.linked_rows(connection, peer):
        yield _with_digest(ROWS, item, keys)
    last = int.from_bytes(told.get((EVENT, _ONLY), b""), "big")
    for number, event in host_state.events_after(connection, last):
        last = number
        yield event, _UNTRACKED
    yield Item(EVENT, _ONLY, None), last.to_bytes(8, "big")


def _with_digest(kind: str, item: bytes, content: Any) -> tuple[Item, bytes]:
    packed = pack(content)
    return Item(kind, item, packed), _digest(packed)


def _digest(content: bytes) -> bytes:
    return hashlib.blake2b(content, digest_size=16).digest()


def _node(unit: Unit, peer: int) -> dict[str, Any]:
    state = unit.state
    return {
        "name": state.name,
        "address": state.address,
        "peer": peer,
        "next_table": state.next_table,
        "next_peer": state.next_peer,
        "forgotten": list(retention.load(unit.connection).forgotten),
    }
