"""A station gives a host that was set back what it has forgotten: rows whose versions are lost (protocol.md 5.12).

They travel with the request that opens the station's new epoch, each with the lost version that it is: how the host had
it, without what was changed here since. That follows with the station's own groups, to be judged like any other.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

from replicator.databases.weighing import weight
from replicator.engine import streams
from replicator.engine.node import Unit
from replicator.engine.segmenting import Entry, upward_blocks
from replicator.protocol.codec_plain import unpack_rows
from replicator.protocol.edits import read_edit
from replicator.protocol.images import lay_back
from replicator.protocol.keys import pack_key
from replicator.protocol.messages import Segment, SegmentEntry
from replicator.protocol.order import parents_first
from replicator.protocol.timelines import Timelines
from replicator.protocol.working_set import Version
from replicator.store import journal, journal_reading, quarantine, rows
from replicator.store.journal_reading import JournalChange, as_of, stood_before
from replicator.types import HOST_PEER, Image, Key, Position, Table, Tie

PAGE = 2000


def segments(unit: Unit, number: int, timelines: Timelines, judged: int) -> Iterator[SegmentEntry]:
    """What is to be given back, as segments in the spool; `number` is the group's that they belong to.

    `judged`: own changes up to here have their verdict. Deleted rows come first, children before parents; then those
    that stood, parents before children.
    """
    waiting: list[Entry] = []
    size = 0
    for order, (table, key, image, base) in enumerate(_lost(unit, timelines, judged)):
        change = "D" if image is None else "N"
        waiting.append(Entry(number, order, table, change, key, image, 0, None, base, 0, None, 0, 0))
        size += len(key) + (0 if image is None else 8 * len(image) + weight([image]))
        if size >= unit.node.settings.slice_bytes or len(waiting) >= PAGE:
            yield streams.spool(unit.node, Segment(blocks=upward_blocks(waiting, unit.tables)))
            waiting, size = [], 0
    if waiting:
        yield streams.spool(unit.node, Segment(blocks=upward_blocks(waiting, unit.tables)))


Lost = tuple[int, Key, Image | None, Position]
"""(table, key, how the host had it, at which version)."""


def _lost(unit: Unit, timelines: Timelines, judged: int) -> Iterator[Lost]:
    ordered = parents_first(unit.tables.values())
    originals = _Originals(unit, judged)
    for table in reversed(ordered):
        for found in _of_table(unit, table, timelines, originals):
            yield from (lost for lost in found if lost[2] is None)
    for table in ordered:
        for found in _of_table(unit, table, timelines, originals):
            yield from (lost for lost in found if lost[2] is not None)


def _of_table(unit: Unit, table: Table, timelines: Timelines, originals: _Originals) -> Iterator[list[Lost]]:
    """Lost versions that stand here, then those that could not be applied, a page at a time."""
    for span in timelines.spans():
        after = b""
        while versions := rows.versions_behind(unit.connection, table.id, span, after, PAGE):
            after = versions[-1].key
            yield list(_standing(unit, table, versions, originals))
    after = b""
    while skipped := rows.skipped_of_table(unit.connection, table.id, after, PAGE):
        after = skipped[-1][0]
        yield [(table.id, key, image, at) for key, at, image in skipped if timelines.is_lost(at)]
    number = 0
    while held := quarantine.page(unit.connection, peer=HOST_PEER, table=table.id, after=number, limit=PAGE):
        number = held[-1].id
        images = [None if entry.image is None else unpack_rows([entry.image])[0] for entry in held]
        yield [
            (table.id, entry.key, image, entry.group)
            for entry, image in zip(held, images, strict=True)
            if timelines.is_lost(entry.group)
        ]


def _standing(unit: Unit, table: Table, versions: list[Version], originals: _Originals) -> Iterator[Lost]:
    keys = [version.key for version in versions]
    here = unit.database.read_images(unit.connection, table, keys)
    pending = originals.of(table, keys)
    for version in versions:
        key = version.key
        if key in pending:
            known, image = pending[key]
        else:
            known, image = _as_the_host_had_it(version, here.get(key))
        if known:
            yield table.id, key, image, version.position


def _as_the_host_had_it(version: Version, here: Image | None) -> tuple[bool, Image | None]:
    """Whether this station can tell, and the row. Nothing is told of rows that are not shared: what is missing here may
    have been withheld by a rule."""
    if version.tie == Tie.SHARED and here is not None:
        return True, here if version.image is None else lay_back(here, *read_edit(version.image))
    return version.tie == Tie.NONE and bool(version.deleted) and here is None, None


@dataclass(slots=True)
class _Originals:
    """Rows as they were before this station's own changes that await a verdict."""

    unit: Unit
    judged: int
    _slices: dict[int, dict[tuple[int, int, Key], JournalChange]] = field(default_factory=dict)

    def of(self, table: Table, keys: list[Key]) -> dict[Key, tuple[bool, Image | None]]:
        """Of those that have such changes: whether it is known, and the row."""
        first = journal.first_pending(self.unit.connection, self.judged, table.id, keys)
        return {key: self._before(table, key, n) for key, n in first.items()}

    def _before(self, table: Table, key: Key, n: int) -> tuple[bool, Image | None]:
        for slice_id in journal_reading.slices_of(self.unit.connection, n):
            change = self._changes(slice_id).get((n, table.id, key))
            if change is not None:
                # Of a row that was made anew here nothing can be told: the host may have had one that was hidden here.
                return (False, None) if change.change == "N" else stood_before(as_of(change, table), table.definition)
        return False, None

    def _changes(self, slice_id: int) -> dict[tuple[int, int, Key], JournalChange]:
        """The first change of each group to each row of the slice."""
        if slice_id not in self._slices:
            if len(self._slices) >= 4:
                self._slices.clear()
            found: dict[tuple[int, int, Key], JournalChange] = {}
            definitions = {number: table.definition for number, table in self.unit.tables.items()}
            for change in journal_reading.changes_of_slice(self.unit.connection, slice_id, definitions):
                if change.table:
                    found.setdefault((change.n, change.table, pack_key(change.key_values)), change)
            self._slices[slice_id] = found
        return self._slices[slice_id]
