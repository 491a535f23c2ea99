"""What a journal keeps of a segment's blocks beside what travels: times, masks and old values, as bytes.

Downward neither masks nor old values travel, upward not the old rows of deletes; whoever reads a journal wants to see
them. The bytes belong to the segment that they were made with and never leave the node.
"""

from __future__ import annotations

from dataclasses import dataclass

import zstandard

from replicator.protocol.bounds import BOUNDS
from replicator.protocol.codec_numbers import put_integers, read_integers
from replicator.protocol.codec_segment import put_masks, put_pairs, put_rows, read_masks, read_pairs, read_rows
from replicator.protocol.messages import TableBlock
from replicator.protocol.tape import TapeReader, TapeWriter
from replicator.types import Position, Value

TIMES, MASKS, GONE, BASES = 1, 2, 4, 8


@dataclass(slots=True)
class Detail:
    """Of one block: an element an entry in `times`, a 'C' entry in `masks` and `before`, a 'D' entry in `gone`."""

    times: list[int] | None = None
    masks: list[int] | None = None
    before: list[tuple[Value, ...]] | None = None
    gone: list[tuple[Value, ...]] | None = None
    """Whole old rows of deletes; None where one of them is not known."""
    bases: list[Position] | None = None
    """Host: the row's version before, an element an entry: the way back through a row's history."""


def encode_details(details: list[Detail]) -> bytes:
    """The details of a segment's blocks, in their order."""
    tape = TapeWriter()
    for detail in details:
        flags = (
            TIMES * (detail.times is not None)
            | MASKS * (detail.masks is not None)
            | GONE * (detail.gone is not None)
            | BASES * (detail.bases is not None)
        )
        tape.put(flags)
        if detail.times is not None:
            put_integers(tape, detail.times)
        if detail.masks is not None:
            put_masks(tape, detail.masks, detail.before)
        if detail.gone is not None:
            put_rows(tape, detail.gone)
        if detail.bases is not None:
            put_pairs(tape, detail.bases)
    return zstandard.ZstdCompressor(level=1).compress(bytes(tape))


def decode_details(data: bytes | None, blocks: list[TableBlock]) -> list[Detail]:
    """The details of these blocks; raises PeerFault when they don't belong to them."""
    if data is None:
        return [Detail() for _ in blocks]
    tape = TapeReader(zstandard.ZstdDecompressor().decompress(data), "detail")
    details = []
    for block in blocks:
        flags = tape.integer("flags", 0, TIMES | MASKS | GONE | BASES)
        changed, deleted = block.classes.count("C"), block.classes.count("D")
        detail = Detail()
        if flags & TIMES:
            detail.times = read_integers(tape, "times", len(block.classes))
        if flags & MASKS:
            width = len(block.rows[0]) if block.rows else 0
            detail.masks, detail.before, _ = read_masks(tape, width, changed, True, BOUNDS, BOUNDS.cells)
        if flags & GONE:
            detail.gone, _ = read_rows(tape, "old rows", deleted, BOUNDS, BOUNDS.cells)
        if flags & BASES:
            detail.bases = read_pairs(tape, "bases", len(block.classes))
        details.append(detail)
    tape.end()
    return details
