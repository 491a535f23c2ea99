"""Some entries of a segment are what a reader of all of it would find at their places."""

from __future__ import annotations

import struct
from collections.abc import Sequence
from typing import Any

import message_strategies as some
import pytest
from hypothesis import given
from hypothesis import strategies as st

from replicator.errors import PeerFault
from replicator.protocol import codec
from replicator.protocol.bounds import BOUNDS
from replicator.protocol.codec_columns import pick_column, put_column, read_column
from replicator.protocol.codec_detail import Detail, decode_details, encode_details
from replicator.protocol.codec_picking import BlockHead, pick_segment
from replicator.protocol.codec_segment import read_segment
from replicator.protocol.messages import Segment, SegmentKind, TableBlock
from replicator.protocol.tape import TapeReader, TapeWriter


def exact(value: Any) -> Any:
    """Something that is equal only when types and bits are."""
    if isinstance(value, float):
        return ("real", struct.pack("<d", value))
    if isinstance(value, (list, tuple)):
        return [exact(item) for item in value]
    return (type(value), value)


@given(st.data(), some.columns())
def test_values_of_a_column(data: st.DataObject, values: list[Any]) -> None:
    for number in (len(values) // 5, len(values)):
        chosen = data.draw(st.sets(st.integers(0, max(len(values) - 1, 0)), max_size=number)) if values else set()
        tape = TapeWriter()
        put_column(tape, values)
        tape.put(4711)
        reader = TapeReader(bytes(tape), "test")
        found = pick_column(reader, "it", len(values), sorted(chosen))
        assert exact(found) == exact([values[place] for place in sorted(chosen)])
        assert reader.integer("what follows") == 4711


@given(st.data(), some.segments)
def test_entries_of_a_segment(data: st.DataObject, segment: Segment) -> None:
    dice = data.draw(st.randoms(use_true_random=False))
    share = data.draw(st.sampled_from([0.0, 0.1, 0.5, 1.0]))
    raw, detail = _tape(segment), encode_details([_detail(block) for block in segment.blocks])
    every = read_segment(TapeReader(raw, "test"), SegmentKind.LOG, BOUNDS)
    whole = decode_details(detail, every.blocks)
    places: list[list[int]] = []

    def choose(head: BlockHead) -> list[int]:
        block = every.blocks[len(places)]
        count = len(block.classes)
        assert (head.origin, head.table, head.verdict, head.classes) == (
            segment.origin,
            block.table,
            block.verdict,
            block.classes,
        )
        assert (head.numbers, head.orders) == (block.numbers, block.orders)
        assert head.times() == whole[len(places)].times
        width = len(block.keys[0]) if block.keys else 1
        if not block.rows or len(block.rows[0]) >= width:
            rows, keys = iter(block.rows), iter(block.keys)
            expected = [next(keys) if one == "D" else next(rows)[:width] for one in block.classes]
            assert exact(head.keys(range(width))) == exact(expected)
        places.append([place for place in range(count) if dice.random() < share])
        return places[-1]

    found, details = pick_segment(raw, detail, choose)
    assert (found.host_epoch, found.origin) == (segment.host_epoch, segment.origin)
    assert found.controls == ([] if segment.groups else segment.controls)
    for picked, beside, block, more, mine in zip(found.blocks, details, every.blocks, whole, places, strict=True):
        _compare(picked, beside, block, more, mine)


def _tape(segment: Segment) -> bytes:
    digest, frame = codec.encode_segment(segment)
    entry = codec.SegmentEntry(digest, len(frame), codec.raw_size(frame), SegmentKind.LOG)
    return codec.decompress_segment(frame, entry)


def _detail(block: TableBlock) -> Detail:
    """As a host keeps it beside."""
    count, width = len(block.classes), len(block.rows[0]) if block.rows else 0
    masks = [place % 2**width for place in range(block.classes.count("C"))]
    return Detail(
        times=list(range(count)),
        masks=masks,
        before=[tuple(range(mask.bit_count())) for mask in masks],
        gone=[(place, "gone") for place in range(block.classes.count("D"))],
        bases=[(1, place) for place in range(count)],
    )


def _compare(picked: TableBlock, beside: Detail, block: TableBlock, more: Detail, places: Sequence[int]) -> None:
    def of_class(values: Sequence[Any] | None, classes: str) -> list[Any] | None:
        if values is None:
            return None
        among = [place for place, one in enumerate(block.classes) if one in classes]
        return [values[among.index(place)] for place in places if block.classes[place] in classes]

    assert picked.classes == "".join(block.classes[place] for place in places)
    assert picked.numbers == [block.numbers[place] for place in places]
    assert picked.times == of_class(more.times, "NCD")
    for name, classes in (("rows", "NC"), ("keys", "D"), ("masks", "C"), ("before", "C"), ("bases", "NCD")):
        assert exact(getattr(picked, name)) == exact(of_class(getattr(block, name), classes)), name
    for name, classes in (("masks", "C"), ("before", "C"), ("gone", "D"), ("bases", "NCD")):
        assert getattr(beside, name) == of_class(getattr(more, name), classes), name


def test_damage_is_told() -> None:
    block = TableBlock(
        1, numbers=[1] * 40, orders=list(range(40)), classes="N" * 40, rows=[(n, "x") for n in range(40)]
    )
    raw = _tape(Segment(1, blocks=[block]))
    with pytest.raises(PeerFault):
        pick_segment(raw[: len(raw) // 2], None, lambda _: [0])
    assert read_column(TapeReader(b"\x00", "test"), "it", 0) == []
    with pytest.raises(PeerFault):
        pick_column(TapeReader(b"\x00", "test"), "it", 9, [1])
