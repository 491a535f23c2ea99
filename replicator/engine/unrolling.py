"""A host's batch as records in stream order, a slice of its log at a time, in flat memory."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from itertools import repeat
from operator import itemgetter
from typing import TypeAlias

from replicator.engine.inbound import InboundBatch
from replicator.engine.node import Unit
from replicator.errors import PeerFault
from replicator.protocol.control_bodies import WHOLE, rule_body, whole_body
from replicator.protocol.keys import keys_packer, pack_key
from replicator.protocol.messages import ControlRecord, Segment, SegmentKind, TableBlock
from replicator.protocol.replaying import Record
from replicator.protocol.versions import reshaping
from replicator.types import HOST_PEER, Image, Key, Position, Table

Step: TypeAlias = Record | ControlRecord
Place: TypeAlias = tuple[int, int]
"""(n, order) of a record in the host's log."""


@dataclass(slots=True)
class Window:
    """Records in stream order, and which groups among them are transactions that belong together (`n`)."""

    steps: list[Step]
    whole: frozenset[int] = frozenset()


def windows(unit: Unit, batch: InboundBatch) -> Iterator[Window]:
    """Records in stream order, a slice of the host's log at a time.

    A slice comes as several segments (by recipients, and what is private to this link), the next slice's after it: a
    segment whose first place lies behind all places seen so far begins a new slice.
    """
    window: list[Segment] = []
    last: Place = (0, -1)
    for segment in batch.segments(SegmentKind.LOG):
        places = segment.ends()
        if not places:
            continue
        if window and min(places) > last:
            yield _in_order(unit, window)
            window = []
        window.append(segment)
        last = max(last, *places)
    if window:
        yield _in_order(unit, window)


def _in_order(unit: Unit, window: list[Segment]) -> Window:
    """The records of one slice. A rule in it may bring a table whose rows stand in it already."""
    tables, forms = dict(unit.tables), dict[tuple[int, Position], Table]()
    controls, whole = [], set[int]()
    for record in (record for segment in window for record in segment.controls):
        if record.kind == WHOLE:
            whole.update(whole_body(record.body))
        else:
            controls.append(record)
    for record in controls:
        if record.kind == "rule":
            for table in rule_body(record.body).tables:
                tables.setdefault(table.id, table)
                forms[table.form] = table
    # What it sent itself comes only to a station that was set back, and then counts as a verdict.
    own = unit.link(HOST_PEER).number
    blocks = [
        (block, _records(unit, tables[block.table], forms, block, segment.host_epoch, own=segment.origin == own != 0))
        for segment in window
        for block in segment.blocks
        if block.table in tables  # else a table whose definition never came: it has no rule here
    ]
    if len(blocks) == 1 and not controls:
        return Window(list(blocks[0][1]), frozenset(whole))
    # An ack precedes the rows of its group.
    steps: list[tuple[int, int, int, Step]] = [(record.number, record.order, 0, record) for record in controls]
    for block, records in blocks:
        steps.extend(zip(block.numbers, block.orders, repeat(1), records, strict=False))
    steps.sort(key=itemgetter(0, 1, 2))
    return Window([step for _, _, _, step in steps], frozenset(whole))


def _records(
    unit: Unit, table: Table, forms: Mapping[tuple[int, Position], Table], block: TableBlock, epoch: int, *, own: bool
) -> list[Record]:
    """A block's entries as records, at the speed of C where nothing was deleted."""
    rows = rows_here(unit, table, forms, block)
    if any(len(key) != len(table.definition.primary_key) for key in block.keys[:1]):
        raise PeerFault(f"a batch has keys of {table.name} with another number of columns")
    images: Iterable[Image | None] = rows
    keys: Iterable[Key] = keys_packer(table.definition)(rows)
    if block.keys:
        images, keys = _with_deleted(block, iter(images), iter(keys))
    positions = zip(repeat(epoch), block.numbers, strict=False)
    fields = zip(positions, repeat(table.id), block.classes, keys, images, repeat(block.verdict or own), strict=False)
    return list(map(Record._make, fields))


def rows_here(unit: Unit, table: Table, forms: Mapping[tuple[int, Position], Table], block: TableBlock) -> list[Image]:
    """A block's rows as rows of the table as it is here; `UNTOLD` where they say nothing (protocol.md 7.8).

    `forms`: versions that come along, beside those that are known. Raises PeerFault.
    """
    if block.version == table.version:
        form = table
    else:
        form = forms.get((block.table, block.version)) or unit.form_of(block)
    if any(len(image) != len(form.definition.columns) for image in block.rows[:1]):
        raise PeerFault(f"a batch has rows of {table.name} with another number of columns")
    if form is table:
        return block.rows
    shape = reshaping(form, table)
    if shape.left and block.rows:
        unit.note_behind(table.id)
    return [shape.untold(image) for image in block.rows] if shape.missing else shape.images(block.rows)


def _with_deleted(
    block: TableBlock, images: Iterator[Image | None], keys: Iterator[Key]
) -> tuple[list[Image | None], list[Key]]:
    deleted = map(pack_key, block.keys)
    gone = [change == "D" for change in block.classes]
    return [None if out else next(images) for out in gone], [next(deleted if out else keys) for out in gone]
