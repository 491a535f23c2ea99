"""Bases move on before the journal behind them is purged, so that it can always be replayed from where it begins.

A base is written anew in part whenever what may go comes to a quarter of it, not for each little step; until then the
journal stays. From the first transaction of a move on, the base promises nothing before the place where it goes: some
of its segments are of then already, and the journal's changes, told once more, lead to the same rows. So a crash at any
moment leaves a base that is sound, and the next move does all of it again. The journal goes afterwards.
"""

from __future__ import annotations

from sqlalchemy import Connection

from replicator.engine import bases as keeping
from replicator.engine.bases import AT_ONCE, Packing
from replicator.engine.node import Node
from replicator.engine.rebuilding import gather, patched
from replicator.store import bases, journal, purging, slices
from replicator.store.bases import Base, BaseSegment
from replicator.store.net_changes import NetChanges

SHARE = 4
"""A base moves when what may go of the journal is at least this part of it."""
TOGETHER = 4
"""Segments that are read, and written anew, at a time."""


def covered(connection: Connection, through: int) -> int:
    """Up to which slice the bases hold what the journal told; at most `through`."""
    n = bases.covered(bases.load(connection))
    return through if n is None else min(through, slices.last_through(connection, (0, n)))


def roll(node: Node, through: int, *, all_of_it: bool) -> None:
    """Move the bases to the end of slice `through`, if it is worth it or `all_of_it` is wanted."""
    with node.database.transaction(write=False) as connection:
        end = slices.end_of(connection, through)[1] if through else 0
        behind = [base for base in bases.load(connection) if base.complete and base.n < end]
        if not behind:
            return
        first = slices.last_through(connection, (0, min(base.n for base in behind)))
        due = purging.bytes_between(connection, first, through)
        group = journal.group(connection, end)
    if not all_of_it and due * SHARE < sum(base.size for base in behind):
        return
    gone = {base.id for base in behind if base.ended_n and base.ended_n <= end}
    with node.unit() as unit:
        for base in behind:
            if base.id in gone:
                bases.drop(unit.connection, base.id)
            else:
                at = base.at if group is None else group.logged_at or group.at
                bases.save(unit.connection, base._replace(reach_n=max(base.reach_n, end), at=max(base.at, at)))
    keeping.sweep(node)
    moving = [base for base in behind if base.id not in gone]
    with NetChanges() as net:
        with node.database.transaction(write=False) as connection:
            gather(connection, net, moving, end)
        for base in moving:
            _move(node, base, net)
            _arrive(node, base, end)


def _move(node: Node, base: Base, net: NetChanges) -> None:
    if base.id not in net.touched:
        return
    net.begin()
    after = -1
    while True:
        with node.database.transaction(write=False) as connection:
            # What is written anew stands behind those that were there, and is not read once more.
            read = bases.segments(connection, base.id, after, base.next_ordinal, TOGETHER)
        if not read:
            break
        after = read[-1].ordinal
        _renew(node, base, read, net)
    packing = Packing(node, base)
    for images in net.rest(base.id):
        packing.add(images)
        if packing.size >= AT_ONCE:
            packing.store()
    packing.finish()
    packing.store()


def _renew(node: Node, base: Base, read: list[BaseSegment], net: NetChanges) -> None:
    """Write these segments anew, in one transaction, where their rows have changed or they have become small."""
    packing, gone = Packing(node, base), []
    small = sum(segment.raw_size * 2 < node.settings.slice_bytes for segment in read)
    for segment in read:
        before = segment.images()
        now = [image for some in patched(before, base, net) for image in some]
        if now != before or (small > 1 and segment.raw_size * 2 < node.settings.slice_bytes):
            packing.add(now)
            gone.append(segment.ordinal)
    if not gone:
        return
    packing.finish()
    with node.unit() as unit:
        bases.delete_segments(unit.connection, base.id, gone)
        packing.store_in(unit)


def _arrive(node: Node, base: Base, end: int) -> None:
    with node.unit() as unit:
        count, size = bases.totals(unit.connection, base.id)
        moved = bases.find(unit.connection, base.id)
        bases.save(unit.connection, moved._replace(n=end, rows=count, size=size))
