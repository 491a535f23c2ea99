"""A base of each replicated table at the host: its rows where the journal begins to tell of them.

Rows and position are of one snapshot, as for an initial load; what is written while it is read stands behind it in the
journal. A base that a crash left half done is begun anew. With the journal it makes each later state of the table
(`rebuilding`), and moves on with what is purged (`rolling`).
"""

from __future__ import annotations

from collections.abc import Collection, Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field

from sqlalchemy import Connection

from replicator.engine.node import Node, Unit
from replicator.engine.packing import Packer
from replicator.engine.pinning import pin
from replicator.engine.progress import Progress
from replicator.engine.soundness import blaming_tables, unusable
from replicator.protocol.messages import SegmentEntry
from replicator.protocol.order import parents_first
from replicator.store import bases
from replicator.store.bases import Base, BaseSegment
from replicator.types import Image, Role, Table

AT_ONCE = 1_000_000
"""Bytes of segments, about, that are written in one transaction."""
SWEPT = 20
"""Segments that are deleted in one transaction."""


def keep(node: Node, show: Progress) -> int:
    """In each run of a host: what is replicated and has no base gets one. Returns how many.

    Where no bases are wanted, those that are there go.
    """
    if node.role is not Role.HOST or node.database.is_joined:
        return 0  # a snapshot would not see what is part of another's transaction: the next run does it
    with node.database.transaction(write=False) as connection:
        missing = bases.any_missing(connection) if node.settings.keeps_bases else bool(bases.load(connection))
    if not missing:
        return 0
    if not node.settings.keeps_bases:
        _drop_all(node)
        return 0
    with node.unit() as unit:
        known = bases.current(unit.connection)
        lacking = [table for table in unit.tables.values() if table.id not in known or not known[table.id].complete]
        # What is said of a table that is gone or was changed, the run has said.
        wanted = [table.id for table in lacking if unusable(unit, table) is None]
    with blaming_tables(node, "keeping a base for the journal's replay"):
        return take(node, wanted, show)
    return 0


def _drop_all(node: Node) -> None:
    with node.unit() as unit:
        for base in bases.load(unit.connection):
            bases.drop(unit.connection, base.id)
    sweep(node)


def sweep(node: Node) -> None:
    """Delete segments that are nobody's any more, in short transactions."""
    left = SWEPT
    while left == SWEPT:
        with node.unit() as unit:
            left = bases.sweep(unit.connection, SWEPT)


def take(node: Node, numbers: Collection[int], show: Progress) -> int:
    """Take a base of each of these tables as it stands now, in place of one that is there. Returns how many."""
    if not numbers:
        return 0
    with node.unit() as unit:
        for number, base in bases.current(unit.connection).items():
            if number in numbers:
                bases.drop(unit.connection, base.id)
    sweep(node)
    with ExitStack() as stack:
        pinned = pin(node, stack, lambda unit: _begin(unit, numbers))
        begun, reader = pinned.found, pinned.reader
        total, done = sum(node.database.count(reader, table) for table, _ in begun), 0
        for table, base in begun:
            for count in _write(node, reader, table, base):
                done += count
                show.kept(done, max(total, done))
    with node.unit() as unit:
        known = bases.current(unit.connection)
        for table, _ in begun:
            base = known[table.id]
            count, size = bases.totals(unit.connection, base.id)
            base = base._replace(complete=True, rows=count, size=size)
            bases.save(unit.connection, base._replace(begun_n=pinned.settled_n, reach_n=pinned.settled_n))
    return len(begun)


def _begin(unit: Unit, numbers: Collection[int]) -> list[tuple[Table, Base]]:
    """Records without rows yet, at the position of this transaction."""
    n = unit.state.last_n
    tables = parents_first(unit.tables[number] for number in numbers)
    first = bases.next_number(unit.connection)
    begun = [
        (table, Base(number, table.id, table.name, table.definition, n, n, n, 0, unit.now, complete=False))
        for number, table in enumerate(tables, start=first)
    ]
    for _, base in begun:
        bases.save(unit.connection, base)
    return begun


def _write(node: Node, reader: Connection, table: Table, base: Base) -> Iterator[int]:
    """Gives how many rows were written, each time."""
    packing = Packing(node, base)
    for images in node.database.scan(reader, table):
        packing.add(images)
        if packing.size >= AT_ONCE:
            yield packing.store()
    packing.finish()
    yield packing.store()


@dataclass(slots=True)
class Packing:
    """Rows on their way into segments of a base."""

    node: Node
    base: Base
    made: list[tuple[bytes, bytes, SegmentEntry]] = field(default_factory=list)
    """Digest, compressed bytes, entry."""
    size: int = 0
    _packer: Packer = field(init=False)
    _last: tuple[bytes, bytes] = (b"", b"")

    def __post_init__(self) -> None:
        table = Table(self.base.table, self.base.name, self.base.definition)
        self._packer = Packer(self.node.settings.slice_bytes, 1, table, self._remember)

    def add(self, images: list[Image]) -> None:
        self._take(self._packer.add(images))

    def finish(self) -> None:
        """What is left makes a segment, too."""
        self._take(self._packer.finish())

    def store(self) -> int:
        """Write what was made, in a transaction of its own. Gives the number of rows."""
        with self.node.unit() as unit:
            return self.store_in(unit)

    def store_in(self, unit: Unit) -> int:
        """Write what was made behind all segments that are there."""
        if not self.made:
            return 0
        base = bases.find(unit.connection, self.base.id)
        segments = [
            BaseSegment(base.next_ordinal + place, digest, len(frame), entry.raw_size, entry.rows, frame)
            for place, (digest, frame, entry) in enumerate(self.made)
        ]
        bases.add_segments(unit.connection, base.id, segments)
        bases.save(unit.connection, base._replace(next_ordinal=base.next_ordinal + len(segments)))
        self.made, self.size = [], 0
        return sum(segment.rows for segment in segments)

    def _take(self, entries: Iterator[SegmentEntry]) -> None:
        for entry in entries:
            self.made.append((*self._last, entry))

    def _remember(self, digest: bytes, frame: bytes) -> int:
        self._last = (digest, frame)
        self.size += len(frame)
        return len(frame)
