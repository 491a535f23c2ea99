"""A backup station keeps what a host would need: the host's state, and of its rows what only a host knows.

Where its log ends, all of it belongs together (protocol.md 10.2).
"""

from __future__ import annotations

from typing import Any

from replicator.engine.node import Unit
from replicator.errors import PeerFault
from replicator.protocol.codec_plain import pack, pack_row, unpack
from replicator.protocol.replaying import Replay
from replicator.protocol.succession import Item, Successor, judged_body, state_body
from replicator.store import host_state, purging, succession
from replicator.store.rows import remember_new_groups
from replicator.store.succession import COMPLETE

FORGOTTEN_TOGETHER = 100_000
"""Groups that are no longer to be known, of one station."""


def begin_anew(unit: Unit, named: list[Successor]) -> None:
    """A snapshot: the host tells its state anew. Until all of it has come, this station could not be the host."""
    succession.replace_successors(unit.connection, named)
    succession.put_items(unit.database, unit.connection, [Item(COMPLETE, b"", None)])


def take_state(unit: Unit, body: Any) -> None:
    """Raises PeerFault."""
    told = state_body(body)
    if told.whole:
        succession.clear_items(unit.connection)
    seen: dict[int, list[tuple[bytes, tuple[int, int]]]] = {}
    items = []
    for item in told.items:
        if item.kind == host_state.SEEN:
            peer, uid, born = _seen(item)
            seen.setdefault(peer, []).append((uid, born))
        else:
            items.append(item)
            if item.kind == "horizon" and item.content is not None:
                _forget(unit, item)
    succession.put_items(unit.database, unit.connection, items)
    for peer, groups in seen.items():
        remember_new_groups(unit.database, unit.connection, peer, groups)


def _seen(item: Item) -> tuple[int, bytes, tuple[int, int]]:
    try:
        peer, uid = unpack(item.item)
        epoch, n = unpack(item.content or b"")
        if type(peer) is not int or type(uid) is not bytes or type(epoch) is not int or type(n) is not int:
            raise TypeError("a group is expected")
    except (TypeError, ValueError) as error:
        raise PeerFault("a group that the host knows is malformed") from error
    return peer, uid, (epoch, n)


def _forget(unit: Unit, item: Item) -> None:
    """Groups of a station that no backup of it holds any more need not be known."""
    row = host_state.unpacked(item)
    peer, epoch, n = row.get("peer"), row.get("heard_born_epoch"), row.get("heard_born_n")
    if isinstance(peer, int) and isinstance(epoch, int) and isinstance(n, int):
        purging.delete_seen_groups(unit.connection, peer, (epoch, n), FORGOTTEN_TOGETHER)


def take_judged(unit: Unit, body: Any) -> dict[int, int]:
    """Which groups of stations the host has judged, in the order of its log. Gives when each was made, by its number.
    Raises PeerFault."""
    groups = judged_body(body)
    seen: dict[int, list[tuple[bytes, tuple[int, int]]]] = {}
    for each in groups:
        if each.origin:
            seen.setdefault(each.origin, []).append((each.uid, each.born))
    for peer, found in seen.items():
        remember_new_groups(unit.database, unit.connection, peer, found)
        original = _copied(unit, peer)
        if original:
            # The station that it is a copy of may send the same groups.
            remember_new_groups(unit.database, unit.connection, original, found)
    return {each.n: each.at for each in groups}


def _copied(unit: Unit, peer: int) -> int:
    """Number of the station that this one is a copy of, 0 if it is none."""
    item = succession.item(unit.connection, host_state.LINK, pack([peer]))
    found = 0 if item is None else host_state.unpacked(item).get("copy_of", 0)
    return found if isinstance(found, int) else 0


def mark(replay: Replay, times: dict[int, int]) -> None:
    """Of the rows that are about to be written: when they were changed, and what stood before they were deleted."""
    for table, plans in replay.plans.items():
        state = replay.working_set[table]
        for key, planned in plans.items():
            version = state.versions.get(key)
            if planned.refused or version is None or version != planned.version:
                continue
            image = None
            if version.deleted and not version.tie and planned.original is not None:
                image = pack_row(planned.original)
            state.set_version(version._replace(at=times.get(version.n, 0), image=version.image or image))
