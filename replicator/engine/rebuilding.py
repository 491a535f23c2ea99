"""Building tables as they were after a group of the journal: their bases, with what the journal's changes come to.

The changes are read once, oldest first, and the last image of each row is kept (`NetChanges`); then the base is read
segment by segment, and its rows take over what became of them. Nothing is sorted, and memory stays flat.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator
from operator import itemgetter

from sqlalchemy import Connection

from replicator.protocol.codec import decode_segment
from replicator.protocol.keys import keys_packer, pack_key
from replicator.protocol.messages import SegmentEntry, SegmentKind, TableBlock
from replicator.store import bases, journal_reading, purging, sql
from replicator.store.bases import Base
from replicator.store.net_changes import NetChanges
from replicator.types import Image, Key

Tell = Callable[[int], None]
"""Takes the last group that was read."""

_Entry = tuple[int, int, int, Key, Image | None]
"""Group, place in it, base, key, the row afterwards."""


def gather(
    connection: Connection, net: NetChanges, wanted: Collection[Base], through: int, tell: Tell = lambda _: None
) -> None:
    """Take the changes behind these bases, up to the group `through`, into `net`, by base."""
    if not wanted:
        return
    packers = {base.id: keys_packer(base.definition) for base in wanted}
    of_table: dict[int, list[Base]] = {}
    for base in wanted:
        of_table.setdefault(base.table, []).append(base)
    for number in journal_reading.slices_between(connection, min(base.n for base in wanted), through):
        entries: list[_Entry] = []
        for digest, size, raw_size, frame in purging.log_frames(connection, number):
            segment = decode_segment(frame, SegmentEntry(digest, size, raw_size, SegmentKind.LOG))
            for block in segment.blocks:
                for base in of_table.get(block.table, ()):
                    last = min(through, base.ended_n) if base.ended_n else through
                    # What is before and behind may be of another version of the table.
                    if block.numbers[-1] > base.n and block.numbers[0] <= last:
                        entries += _entries(block, base, packers[base.id], last)
        _keep(net, entries)
        if entries:
            tell(entries[-1][0])


def _entries(
    block: TableBlock, base: Base, pack_keys: Callable[[list[Image]], list[Key]], through: int
) -> Iterator[_Entry]:
    rows = zip(pack_keys(block.rows), block.rows, strict=True)
    gone = ((pack_key(key), None) for key in block.keys)
    for n, order, change in zip(block.numbers, block.orders, block.classes, strict=True):
        key, image = next(gone) if change == "D" else next(rows)
        if base.n < n <= through:
            yield n, order, base.id, key, image


def _keep(net: NetChanges, entries: list[_Entry]) -> None:
    # What went to different stations stands in segments of its own, and one row may be in several.
    entries.sort(key=itemgetter(0, 1))
    last: dict[int, dict[Key, Image | None]] = {}
    for _, _, base, key, image in entries:
        last.setdefault(base, {})[key] = image
    for base, changes in last.items():
        net.add(base, changes.items())


def rows_of(connection: Connection, base: Base, net: NetChanges) -> Iterator[list[Image]]:
    """All rows of a table, some at a time, as `net` says. May be asked for several times, one after the other."""
    net.begin()
    for segment in bases.all_segments(connection, base):
        yield from patched(segment.images(), base, net)
    if base.id in net.touched:
        yield from net.rest(base.id)


def patched(images: list[Image], base: Base, net: NetChanges) -> Iterator[list[Image]]:
    """These rows of a base, some at a time, as they are by now; those that are gone are left out."""
    if base.id not in net.touched:
        yield images
        return
    pack_keys = keys_packer(base.definition)
    for some in sql.in_chunks(images):
        keys = pack_keys(some)
        changed = net.take(base.id, keys)
        if not changed:
            yield list(some)
            continue
        now = [changed.get(key, image) for key, image in zip(keys, some, strict=True)]
        yield [image for image in now if image is not None]
