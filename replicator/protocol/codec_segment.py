"""A segment as a tape and back: blocks of changes, group heads and control records, all a column at a time.

Layout, in order: layout version, host epoch, origin; blocks; groups; controls; each list as a count and its elements.
`read_segment` checks everything that the types of `messages` promise: parallel lengths, ranges, classes, masks.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import repeat
from typing import Any, TypeVar

from replicator.protocol.bounds import Bounds
from replicator.protocol.codec_columns import columns_of, put_column, read_column
from replicator.protocol.codec_numbers import put_integers, put_places, read_integers, read_places
from replicator.protocol.codec_plain import count_containers, pack, unpack
from replicator.protocol.codec_texts import put_blobs, put_texts, read_blobs, read_texts
from replicator.protocol.messages import ControlRecord, GroupHead, Segment, SegmentKind, TableBlock
from replicator.protocol.tape import COUNT, LARGEST, TapeReader, TapeWriter
from replicator.types import NOWHERE, Position, Value

LAYOUT = 1

_Item = TypeVar("_Item")

NUMBERED, TIMES, MASKS, BEFORE, BASES, VERDICT, VERSION = (1 << bit for bit in range(7))
ALL_FLAGS = 0b1111111
"""Programs that know of no changes of tables refuse the last one: it stands only where a table was changed."""


def check_size(segment: Segment, bounds: Bounds) -> None:
    """ValueError for more blocks, entries, groups, records or values than `read_segment` takes."""
    cells = 0
    for block in segment.blocks:
        cells += sum(len(rows) * len(rows[0]) for rows in (block.rows, block.keys) if rows)
        cells += sum(map(len, block.before or ()))
    entries = sum(len(block.classes) for block in segment.blocks)
    for name, number, most in (
        ("blocks", len(segment.blocks), bounds.blocks),
        ("entries", entries, bounds.entries),
        ("groups", len(segment.groups), bounds.groups),
        ("control records", len(segment.controls), bounds.groups),
        ("values", cells, bounds.cells),
    ):
        if number > most:
            raise ValueError(f"the segment has more than {most} {name}")


def put_segment(tape: TapeWriter, segment: Segment) -> None:
    """Write a segment. Raises ValueError for lists that aren't parallel and values that aren't portable."""
    tape.put(LAYOUT, segment.host_epoch, segment.origin, len(segment.blocks))
    for block in segment.blocks:
        _put_block(tape, block)
    _put_groups(tape, segment.groups)
    _put_controls(tape, segment.controls)


def read_segment(tape: TapeReader, kind: SegmentKind, bounds: Bounds) -> Segment:
    """Read a segment of that kind to its end. Every fault is a PeerFault."""
    tape.integer("layout version", LAYOUT, LAYOUT)
    segment = Segment(tape.integer("host epoch"), tape.integer("origin"))
    entries, cells = bounds.entries, bounds.cells
    for _ in range(tape.integer("number of blocks", 0, bounds.blocks)):
        block, cells = _read_block(tape, kind, bounds, entries, cells)
        entries -= len(block.classes)
        segment.blocks.append(block)
    segment.groups = _read_groups(tape, bounds)
    segment.controls = read_controls(tape, bounds)
    if kind is SegmentKind.CONTENT and (segment.groups or segment.controls):
        raise tape.fault("groups or control records stand among content")
    tape.end()
    return segment


# --- blocks ---------------------------------------------------------------------------------------------------------


def _put_block(tape: TapeWriter, block: TableBlock) -> None:
    count = len(block.classes)
    changed, deleted = block.classes.count("C"), block.classes.count("D")
    if changed + deleted + block.classes.count("N") != count:
        raise ValueError("a class is none of N, C, D")
    _same_length("rows", block.rows, count - deleted)
    _same_length("keys", block.keys, deleted)
    numbered = bool(block.numbers or block.orders)
    flags = (
        NUMBERED * numbered
        | TIMES * (block.times is not None)
        | MASKS * (block.masks is not None)
        | BEFORE * (block.before is not None)
        | BASES * (block.bases is not None)
        | VERDICT * block.verdict
        | VERSION * (block.version != NOWHERE)
    )
    tape.put(block.table, flags, block.classes.encode())
    if block.version != NOWHERE:
        tape.put_pair(block.version)
    if numbered:
        put_integers(tape, _same_length("numbers", block.numbers, count))
        put_integers(tape, _same_length("orders", block.orders, count))
    if block.times is not None:
        put_integers(tape, _same_length("times", block.times, count))
    if block.bases is not None:
        put_pairs(tape, _same_length("bases", block.bases, count))
    put_rows(tape, block.rows)
    put_rows(tape, block.keys)
    if block.masks is not None:
        put_masks(tape, _same_length("masks", block.masks, changed), block.before)
    elif block.before is not None:
        raise ValueError("old values without masks")


def _read_block(
    tape: TapeReader, kind: SegmentKind, bounds: Bounds, entries: int, cells: int
) -> tuple[TableBlock, int]:
    block = TableBlock(tape.integer("table", 0, LARGEST))
    flags = tape.integer("block flags", 0, ALL_FLAGS)
    classes = tape.blob("classes", entries)
    if classes.translate(None, b"NCD"):
        raise tape.fault("a class is none of N, C, D")
    count, changed, deleted = len(classes), classes.count(b"C"), classes.count(b"D")
    if flags & VERSION:
        block.version = tape.pair("version of the table")
    if bool(flags & NUMBERED) != (kind is SegmentKind.LOG) and count:
        raise tape.fault(f"numbering does not fit a {kind} segment")
    block.classes = classes.decode("ascii")
    block.verdict = bool(flags & VERDICT)
    if flags & NUMBERED:
        block.numbers = read_integers(tape, "numbers", count, 0, COUNT)
        block.orders = read_integers(tape, "orders", count, 0, COUNT)
    if flags & TIMES:
        block.times = read_integers(tape, "times", count)
    if flags & BASES:
        block.bases = read_pairs(tape, "bases", count)
    block.rows, cells = read_rows(tape, "row values", count - deleted, bounds, cells)
    block.keys, cells = read_rows(tape, "key values", deleted, bounds, cells)
    if flags & MASKS:
        width = len(block.rows[0]) if block.rows else 0
        block.masks, block.before, cells = read_masks(tape, width, changed, bool(flags & BEFORE), bounds, cells)
    elif flags & BEFORE:
        raise tape.fault("old values stand without masks")
    return block, cells


def put_rows(tape: TapeWriter, rows: Sequence[tuple[Value, ...]]) -> None:
    """Rows of one width, as columns. The width is left out when there are none."""
    if not rows:
        return
    width = len(rows[0])
    if not width or set(map(len, rows)) != {width}:
        raise ValueError("rows of one block have different numbers of columns")
    tape.put(width)
    for column in columns_of(rows):
        put_column(tape, column)


def read_rows(
    tape: TapeReader, field: str, count: int, bounds: Bounds, cells: int
) -> tuple[list[tuple[Value, ...]], int]:
    """`count` rows, and what is left of `cells`."""
    if not count:
        return [], cells
    width = tape.integer(f"{field}, columns", 1, bounds.columns)
    cells = _spend(tape, cells, count * width)
    columns = [read_column(tape, field, count) for _ in range(width)]
    return list(zip(*columns, strict=True)), cells


def put_masks(tape: TapeWriter, masks: Sequence[int], before: Sequence[tuple[Value, ...]] | None) -> None:
    """The distinct masks, which of them each entry has, and the old values, grouped by mask, as columns."""
    if before is not None:
        _same_length("old values", before, len(masks))
    places = {mask: place for place, mask in enumerate(dict.fromkeys(masks))}
    tape.put(len(places))
    for mask in places:
        if mask < 0:
            raise ValueError("a mask is negative")
        tape.put(mask.to_bytes((mask.bit_length() + 7) // 8, "little"))
    if places:
        put_places(tape, list(map(places.__getitem__, masks)), len(places))
    if before is None:
        return
    grouped: dict[int, list[tuple[Value, ...]]] = {mask: [] for mask in places}
    for mask, values in zip(masks, before, strict=True):
        grouped[mask].append(values)
    for mask, rows in grouped.items():
        width = mask.bit_count()
        if set(map(len, rows)) != {width}:
            raise ValueError("old values don't fit their mask")
        for column in columns_of(rows):
            put_column(tape, column)


def read_masks(
    tape: TapeReader, width: int, count: int, with_before: bool, bounds: Bounds, cells: int
) -> tuple[list[int], list[tuple[Value, ...]] | None, int]:
    """`count` masks over `width` columns, the old values if they come along, and what is left of `cells`."""
    distinct = []
    for _ in range(tape.integer("number of masks", 0, count)):
        mask = int.from_bytes(tape.blob("mask", bounds.columns // 8 + 1), "little")
        if mask >> width:
            raise tape.fault("a mask names a column that the rows don't have")
        distinct.append(mask)
    if count and not distinct:
        raise tape.fault("masks are missing")
    places = read_places(tape, "masks", count, len(distinct)) if distinct else []
    masks = list(map(distinct.__getitem__, places))
    if not with_before:
        return masks, None, cells
    numbers = [0] * len(distinct)
    for place in places:
        numbers[place] += 1
    takes = []
    for mask, number in zip(distinct, numbers, strict=True):
        cells = _spend(tape, cells, number * mask.bit_count())
        columns = [read_column(tape, "old values", number) for _ in range(mask.bit_count())]
        takes.append((zip(*columns, strict=True) if columns else repeat(())).__next__)
    return masks, [takes[place]() for place in places], cells


def _spend(tape: TapeReader, cells: int, wanted: int) -> int:
    if wanted > cells:
        raise tape.fault("it holds more values than a segment may")
    return cells - wanted


# --- groups and control records -------------------------------------------------------------------------------------


def _put_groups(tape: TapeWriter, groups: Sequence[GroupHead]) -> None:
    tape.put(len(groups))
    if not groups:
        return
    put_integers(tape, [group.number for group in groups])
    put_blobs(tape, [group.uid for group in groups])
    put_pairs(tape, [group.born for group in groups])
    put_pairs(tape, [group.rule_version for group in groups])
    put_integers(tape, [group.at for group in groups])
    put_integers(tape, [group.merged | 2 * (group.control is not None) for group in groups])
    controls = [group.control for group in groups if group.control is not None]
    put_texts(tape, [kind for kind, _ in controls])
    put_blobs(tape, [pack(body) for _, body in controls])


def _read_groups(tape: TapeReader, bounds: Bounds) -> list[GroupHead]:
    count = tape.integer("number of groups", 0, bounds.groups)
    if not count:
        return []
    numbers = read_integers(tape, "group numbers", count, 0, COUNT)
    uids = read_blobs(tape, "group ids", count)
    if max(map(len, uids)) > bounds.uid:
        raise tape.fault("a group's id is too long")
    born = read_pairs(tape, "first numbering", count)
    rules = read_pairs(tape, "rule versions", count)
    times = read_integers(tape, "group times", count)
    flags = read_integers(tape, "group flags", count, 0, 3)
    requests = iter(_read_bodies(tape, "requests", sum(flag >> 1 for flag in flags), bounds))
    return [
        GroupHead(number, uid, first, rule, at, bool(flag & 1), next(requests) if flag & 2 else None)
        for number, uid, first, rule, at, flag in zip(numbers, uids, born, rules, times, flags, strict=True)
    ]


def _put_controls(tape: TapeWriter, controls: Sequence[ControlRecord]) -> None:
    tape.put(len(controls))
    put_integers(tape, [record.number for record in controls])
    put_integers(tape, [record.order for record in controls])
    put_texts(tape, [record.kind for record in controls])
    put_blobs(tape, [pack(record.body) for record in controls])


def read_controls(tape: TapeReader, bounds: Bounds) -> list[ControlRecord]:
    count = tape.integer("number of control records", 0, bounds.groups)
    numbers = read_integers(tape, "record numbers", count, 0, COUNT)
    orders = read_integers(tape, "record orders", count, 0, COUNT)
    bodies = _read_bodies(tape, "control records", count, bounds)
    return [
        ControlRecord(number, order, kind, body)
        for number, order, (kind, body) in zip(numbers, orders, bodies, strict=True)
    ]


def _read_bodies(tape: TapeReader, field: str, count: int, bounds: Bounds) -> list[tuple[str, Any]]:
    """Kinds and unpacked bodies of `count` control records or requests."""
    kinds = read_texts(tape, f"{field}, kinds", count)
    if kinds and max(map(len, kinds)) > bounds.name:
        raise tape.fault(f"a kind among the {field} is too long")
    bodies = read_blobs(tape, field, count)
    if sum(map(len, bodies)) > bounds.control_bodies:
        raise tape.fault(f"the {field} are too long")
    found: list[tuple[str, Any]] = []
    room = bounds.containers
    for kind, packed in zip(kinds, bodies, strict=True):
        body = unpack(packed, bounds.control)
        room -= count_containers(body)
        if room < 0:
            raise tape.fault(f"the {field} hold more lists than they may")
        found.append((kind, body))
    return found


def put_pairs(tape: TapeWriter, pairs: Sequence[Position]) -> None:
    put_integers(tape, [pair[0] for pair in pairs])
    put_integers(tape, [pair[1] for pair in pairs])


def read_pairs(tape: TapeReader, field: str, count: int) -> list[Position]:
    firsts = read_integers(tape, field, count, 0, COUNT)
    return list(zip(firsts, read_integers(tape, field, count, 0, COUNT), strict=True))


def _same_length(name: str, values: Sequence[_Item], count: int) -> Sequence[_Item]:
    if len(values) != count:
        raise ValueError(f"{len(values)} {name} where {count} belong")
    return values
