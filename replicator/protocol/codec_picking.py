"""Some entries of a segment, without making objects of all the others.

Who looks for a few rows in the journal reads segments of thousands. Where a column's bytes lie is found as
`codec_segment` and `codec_detail` do, but only the values at the wanted places are made.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import repeat
from typing import NamedTuple

import zstandard

from replicator.protocol import codec_detail as detail_flags
from replicator.protocol import codec_segment as flags
from replicator.protocol.bounds import BOUNDS
from replicator.protocol.codec_columns import among, pick_column
from replicator.protocol.codec_detail import Detail
from replicator.protocol.codec_numbers import pick_integers, read_integers, read_places
from replicator.protocol.messages import Segment, TableBlock
from replicator.protocol.tape import COUNT, LARGEST, TapeReader
from replicator.types import NOWHERE, Position, Value

Places = Sequence[int]
"""Of entries in a block, ascending."""

_DELETED, _CHANGED = ord("D"), ord("C")


@dataclass(slots=True)
class BlockHead:
    """What is known of a block's entries before any of them is read."""

    origin: int
    """The segment's: whose clean records these are."""
    table: int
    version: Position
    """Of the table, that the rows are of."""
    verdict: bool
    classes: str
    numbers: list[int]
    orders: list[int]
    _flags: int
    _rest: bytes
    _beside: bytes | None
    """The rest of what the journal keeps beside, where it has times."""

    def times(self) -> list[int] | None:
        """When each entry was made, where that is kept."""
        count = len(self.classes)
        if self._beside is not None:
            return read_integers(TapeReader(self._beside, "detail"), "times", count)
        return read_integers(TapeReader(self._rest, "segment"), "times", count) if self._flags & flags.TIMES else None

    def keys(self, key_indexes: Sequence[int]) -> list[tuple[Value, ...]]:
        """The primary key of each entry. `key_indexes`: the places of its columns in a row."""
        tape, count, deleted = TapeReader(self._rest, "segment"), len(self.classes), self.classes.count("D")
        if self._flags & flags.TIMES:
            pick_integers(tape, "times", count, ())
        if self._flags & flags.BASES:
            _pick_pairs(tape, "bases", count, ())
        rows = _some_columns(tape, "row values", count - deleted, key_indexes)
        keys = _some_columns(tape, "key values", deleted, range(len(key_indexes)))
        if not deleted:
            return rows
        take, take_deleted = iter(rows).__next__, iter(keys).__next__
        return [take_deleted() if change == "D" else take() for change in self.classes]


Choose = Callable[[BlockHead], Places]
"""Which entries of a block are wanted."""


def pick_segment(raw: bytes, detail: bytes | None, choose: Choose) -> tuple[Segment, list[Detail]]:
    """The chosen entries of a log segment and what the journal keeps beside them; with its control records.

    `raw`: the segment's tape, whose digest was checked. Groups are left out; a segment that has any has no control
    records. Raises PeerFault where the bytes are damaged.
    """
    tape = TapeReader(raw, "segment")
    kept = None if detail is None else zstandard.ZstdDecompressor().decompress(detail)
    beside = None if kept is None else TapeReader(kept, "detail")
    tape.integer("layout version", flags.LAYOUT, flags.LAYOUT)
    segment = Segment(tape.integer("host epoch"), tape.integer("origin"))
    details: list[Detail] = []
    for _ in range(tape.integer("number of blocks", 0, BOUNDS.blocks)):
        block, found = _pick_block(_Tapes(tape, raw, beside, kept or b""), segment.origin, choose)
        segment.blocks.append(block)
        details.append(found)
    if not tape.integer("number of groups", 0, BOUNDS.groups):
        segment.controls = flags.read_controls(tape, BOUNDS)
    return segment, details


class _Tapes(NamedTuple):
    """A segment and what is kept beside it, each with its bytes."""

    tape: TapeReader
    raw: bytes
    beside: TapeReader | None
    kept: bytes


def _pick_block(tapes: _Tapes, origin: int, choose: Choose) -> tuple[TableBlock, Detail]:
    tape, beside = tapes.tape, tapes.beside
    table = tape.integer("table", 0, LARGEST)
    has = tape.integer("block flags", 0, flags.ALL_FLAGS)
    classes = tape.blob("classes", BOUNDS.entries)
    version = tape.pair("version of the table") if has & flags.VERSION else NOWHERE
    count, changed, deleted = len(classes), classes.count(b"C"), classes.count(b"D")
    numbers = read_integers(tape, "numbers", count, 0, COUNT) if has & flags.NUMBERED else []
    orders = read_integers(tape, "orders", count, 0, COUNT) if has & flags.NUMBERED else []
    rest = tapes.raw[tape.position :]
    kept = 0 if beside is None else beside.integer("flags")
    timed = beside is not None and kept & detail_flags.TIMES
    aside = tapes.kept[beside.position :] if beside is not None and timed else None
    text = classes.decode("ascii")
    verdict = bool(has & flags.VERDICT)
    places = choose(BlockHead(origin, table, version, verdict, text, numbers, orders, has, rest, aside))
    block = TableBlock(table, verdict=verdict, version=version, classes="".join(text[place] for place in places))
    block.numbers = [numbers[place] for place in places]
    block.orders = [orders[place] for place in places]
    if has & flags.TIMES:
        block.times = pick_integers(tape, "times", count, places)
    if beside is not None and timed:
        block.times = pick_integers(beside, "times", count, places)
    if has & flags.BASES:
        block.bases = _pick_pairs(tape, "bases", count, places)
    gone = among(classes, _DELETED, places)
    standing = [place - before for place, before in zip(places, gone, strict=True) if classes[place] != _DELETED]
    leaving = [before for place, before in zip(places, gone, strict=True) if classes[place] == _DELETED]
    touched = [place for place in places if classes[place] == _CHANGED]
    altered = among(classes, _CHANGED, touched)
    block.rows = _pick_rows(tape, "row values", count - deleted, standing)
    block.keys = _pick_rows(tape, "key values", deleted, leaving)
    if has & flags.MASKS:
        block.masks, block.before = _pick_masks(tape, changed, bool(has & flags.BEFORE), altered)
    found = Detail()
    if beside is not None:
        if kept & detail_flags.MASKS:
            found.masks, found.before = _pick_masks(beside, changed, True, altered)
        if kept & detail_flags.GONE:
            found.gone = _pick_rows(beside, "old rows", deleted, leaving)
        if kept & detail_flags.BASES:
            found.bases = _pick_pairs(beside, "bases", count, places)
    return block, found


def _pick_rows(tape: TapeReader, field: str, count: int, places: Places) -> list[tuple[Value, ...]]:
    if not count:
        return []
    width = tape.integer(f"{field}, columns", 1, BOUNDS.columns)
    columns = [pick_column(tape, field, count, places) for _ in range(width)]
    return list(zip(*columns, strict=True))


def _some_columns(tape: TapeReader, field: str, count: int, wanted: Sequence[int]) -> list[tuple[Value, ...]]:
    """These columns of all rows, in the order in which they are named."""
    if not count:
        return []
    found: dict[int, list[Value]] = {}
    every = range(count)
    for place in range(tape.integer(f"{field}, columns", 1, BOUNDS.columns)):
        values = pick_column(tape, field, count, every if place in wanted else ())
        if place in wanted:
            found[place] = values
    return list(zip(*(found[place] for place in wanted), strict=True))


def _pick_pairs(tape: TapeReader, field: str, count: int, places: Places) -> list[Position]:
    firsts = pick_integers(tape, field, count, places)
    return list(zip(firsts, pick_integers(tape, field, count, places), strict=True))


def _pick_masks(
    tape: TapeReader, count: int, with_before: bool, wanted: Places
) -> tuple[list[int], list[tuple[Value, ...]] | None]:
    """Masks and old values of some of the `count` changed entries."""
    number = tape.integer("number of masks", 0, count)
    distinct = [int.from_bytes(tape.blob("mask", BOUNDS.columns // 8 + 1), "little") for _ in range(number)]
    which = read_places(tape, "masks", count, number) if distinct else []
    masks = [distinct[which[place]] for place in wanted]
    if not with_before:
        return masks, None
    totals = list(map(which.count, range(number)))
    places: list[list[int]] = [[] for _ in distinct]
    order = which if isinstance(which, bytes) else None
    if order is not None:
        for place in wanted:
            places[order[place]].append(order.count(order[place], 0, place))
    elif wanted:
        left, met = set(wanted), [0] * number
        for place, mask in enumerate(which):
            if place in left:
                places[mask].append(met[mask])
            met[mask] += 1
    takes = []
    for mask, total, mine in zip(distinct, totals, places, strict=True):
        columns = [pick_column(tape, "old values", total, mine) for _ in range(mask.bit_count())]
        takes.append((zip(*columns, strict=True) if columns else repeat(())).__next__)
    return masks, [takes[which[place]]() for place in wanted]
