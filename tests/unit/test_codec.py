"""Everything comes back exactly; what is damaged or hostile is refused with one sentence, before it costs anything."""

from __future__ import annotations

import contextlib
import math
import struct
import tracemalloc
from dataclasses import replace
from typing import Any

import golden_messages
import message_strategies as some
import msgpack
import pytest
import zstandard
from hypothesis import given, settings
from hypothesis import strategies as st

from replicator.errors import PeerFault
from replicator.protocol import codec
from replicator.protocol.bounds import BOUNDS, Bounds
from replicator.protocol.codec_columns import put_column, read_column
from replicator.protocol.codec_segment import LAYOUT, read_segment
from replicator.protocol.messages import ControlRecord, GroupHead, Segment, SegmentEntry, SegmentKind, TableBlock
from replicator.protocol.tape import TapeReader, TapeWriter

MEBIBYTE = 2**20


def exact(value: Any) -> Any:
    """Something that is equal only when types and bits are."""
    if isinstance(value, float):
        return ("real", struct.pack("<d", value))
    if isinstance(value, (list, tuple)):
        return (type(value), [exact(item) for item in value])
    if isinstance(value, str):
        return ("text", value.encode("utf-8", "surrogateescape"))
    return (type(value), value)


def exact_block(block: TableBlock) -> Any:
    return [exact(getattr(block, name)) for name in TableBlock.__dataclass_fields__]


def column_tape(values: list[Any]) -> bytes:
    tape = TapeWriter()
    put_column(tape, values)
    return bytes(tape)


def encoded(segment: Segment, kind: SegmentKind = SegmentKind.LOG) -> tuple[bytes, SegmentEntry]:
    digest, frame = codec.encode_segment(segment)
    return frame, SegmentEntry(digest, len(frame), codec.raw_size(frame), kind)


def compressed(raw: bytes) -> tuple[bytes, SegmentEntry]:
    frame = zstandard.compress(raw)
    return frame, SegmentEntry(codec.digest(raw), len(frame), len(raw))


# --- columns --------------------------------------------------------------------------------------------------------


@given(some.columns())
def test_columns_come_back_exactly(values: list[Any]) -> None:
    tape = TapeReader(column_tape(values), "column")
    assert exact(read_column(tape, "values", len(values))) == exact(values)
    tape.end()


@pytest.mark.parametrize(
    "values",
    [
        [0.0, -0.0, math.inf, -math.inf, 5e-324, 0.1, 1e22],
        [struct.unpack("<d", bytes.fromhex("010000000000f87f"))[0]],
        [-0.0] * 10,
        [0.29, 1.15, 4.35, 19.99, 1234567.89],
        [2**63 - 1, -(2**63)] * 5,
        [2**63 - 1 - number for number in range(100)],
        [-(2**63) + number for number in range(100)],
        list(range(0, 3_000_000, 1000)),
        ["", "a", None, b"", b"a", 0, 0.0, "0"] * 3,
        ["a\0", "\0b", ""] * 5,
        ["\udcff\0", "\udcc3", "\udca4"],
        ["\udcff" * 10] * 10,
        ["x" * 70_000] * 3,
        [None] * 1000,
        [f"{number:010}" for number in range(1000)],
        [f"K{number % 300}" for number in range(70_000)],
    ],
)
def test_edges_of_columns(values: list[Any]) -> None:
    assert exact(read_column(TapeReader(column_tape(values), "column"), "values", len(values))) == exact(values)


@pytest.mark.parametrize("value", [True, 2**63, -(2**63) - 1, (1,), [], {}, 1j, bytearray(b"x"), "\ud800"])
def test_values_that_are_not_portable_are_refused(value: Any) -> None:
    with pytest.raises(ValueError):
        column_tape([value])


def test_columns_are_small() -> None:
    dates = [f"2026-{number % 12 + 1:02}-{number % 28 + 1:02}" for number in range(1000)]
    prices = [number * 0.25 for number in range(1000)]
    sizes = [
        len(zstandard.compress(column_tape(column))) for column in (list(range(10**6, 10**6 + 1000)), dates, prices)
    ]
    assert [size < limit for size, limit in zip(sizes, (60, 500, 150), strict=True)] == [True] * 3, sizes


# --- segments -------------------------------------------------------------------------------------------------------


@settings(max_examples=60, deadline=None)
@given(some.segments)
def test_segments_come_back_exactly(segment: Segment) -> None:
    frame, expected = encoded(segment)
    back = codec.decode_segment(frame, expected)
    assert list(map(exact_block, back.blocks)) == list(map(exact_block, segment.blocks))
    assert (back.host_epoch, back.origin) == (segment.host_epoch, segment.origin)
    assert len(back.groups) == len(segment.groups)
    assert len(back.controls) == len(segment.controls)
    for here, there in zip(segment.groups, back.groups, strict=True):
        assert replace(here, control=None) == replace(there, control=None)
        assert (here.control is None) == (there.control is None)
        if here.control is not None and there.control is not None:
            assert codec.pack(here.control[1]) == codec.pack(there.control[1])
    assert codec.encode_segment(back) == codec.encode_segment(segment), "same content, same bytes"


@settings(max_examples=30, deadline=None)
@given(st.lists(some.blocks(SegmentKind.CONTENT), max_size=3))
def test_content_comes_back_exactly(blocks: list[TableBlock]) -> None:
    back = codec.decode_segment(*encoded(Segment(3, blocks=blocks), SegmentKind.CONTENT))
    assert list(map(exact_block, back.blocks)) == list(map(exact_block, blocks))


def test_tuples_in_bodies_become_lists() -> None:
    segment = Segment(groups=[GroupHead(1, b"u", (0, 1), (0, 0), 0, control=("refresh", (4, b"\x91\x01")))])
    back = codec.decode_segment(*encoded(segment))
    assert back.groups[0].control == ("refresh", [4, b"\x91\x01"])


@pytest.mark.parametrize(
    "block",
    [
        TableBlock(1, [1], [1], "X", rows=[(1,)]),
        TableBlock(1, [1], [1], "N"),
        TableBlock(1, [1], [], "N", rows=[(1,)]),
        TableBlock(1, [1], [1], "D", rows=[(1,)]),
        TableBlock(1, [1, 1], [1, 2], "NN", rows=[(1,), (1, 2)]),
        TableBlock(1, [1], [1], "N", rows=[()]),
        TableBlock(1, [1], [1], "N", rows=[(1,)], times=[]),
        TableBlock(1, [1], [1], "C", rows=[(1,)], masks=[1], before=[()]),
        TableBlock(1, [1], [1], "C", rows=[(1,)], masks=[-1]),
        TableBlock(1, [1], [1], "C", rows=[(1,)], before=[(1,)]),
    ],
)
def test_our_own_mistakes_are_refused_before_they_travel(block: TableBlock) -> None:
    with pytest.raises(ValueError):
        codec.encode_segment(Segment(blocks=[block]))


def test_a_segment_that_no_peer_would_take_is_not_made() -> None:
    rows = [(number,) for number in range(5)]
    segment = Segment(blocks=[TableBlock(1, [1] * 5, [0] * 5, "NNNNN", rows=rows)])
    codec.encode_segment(segment, Bounds(entries=5, cells=5))
    for tight in (Bounds(entries=4), Bounds(cells=4), Bounds(segment_raw=20)):
        with pytest.raises(ValueError, match="more"):
            codec.encode_segment(segment, tight)


SEGMENTS = [golden_messages.SEGMENT_DOWN, golden_messages.SEGMENT_UP]


@settings(max_examples=150, deadline=None)
@given(st.sampled_from(SEGMENTS), some.damages())
def test_a_damaged_frame_is_refused(segment: Segment, damage: some.Damage) -> None:
    frame, expected = encoded(segment)
    for entry in (expected, replace(expected, size=len(damage(frame)))):
        with pytest.raises(PeerFault):
            codec.decode_segment(damage(frame), entry)


@settings(max_examples=400, deadline=None)
@given(st.sampled_from(SEGMENTS), st.lists(some.damages(), min_size=1, max_size=3))
def test_a_hostile_tape_gives_a_segment_or_a_fault(segment: Segment, damages: list[some.Damage]) -> None:
    """Sealed and digested by the peer itself: nothing but the checks of each field stands in the way."""
    tape = golden_messages.tape(segment)
    for damage in damages:
        tape = damage(tape) or b"\0"
    try:
        back = codec.decode_segment(*compressed(tape))
    except PeerFault:
        return
    codec.encode_segment(back)  # whatever passes keeps all that a segment promises


@settings(max_examples=300, deadline=None)
@given(st.binary(max_size=200))
def test_noise_is_refused(noise: bytes) -> None:
    for decode in (codec.decode_header, codec.unpack):
        with contextlib.suppress(PeerFault):
            decode(noise)
    with pytest.raises(PeerFault):
        codec.decode_segment(noise, SegmentEntry(b"\0" * 32, max(1, len(noise)), 1))
    with pytest.raises((PeerFault, codec.IncompleteManifest)):
        codec.decode_manifest(noise)


def test_numbering_must_fit_the_kind() -> None:
    for segment, kind in (
        (golden_messages.SEGMENT_DOWN, SegmentKind.CONTENT),
        (golden_messages.SEGMENT_CONTENT, SegmentKind.LOG),
    ):
        with pytest.raises(PeerFault, match="does not fit"):
            codec.decode_segment(*encoded(segment, kind))
    with pytest.raises(PeerFault, match="among content"):
        codec.decode_segment(*encoded(Segment(controls=[ControlRecord(1, 1, "ack", 0)]), SegmentKind.CONTENT))


# --- hostile sizes --------------------------------------------------------------------------------------------------


def head(*scalars: Any) -> TapeWriter:
    tape = TapeWriter()
    tape.put(LAYOUT, 0, 0, *scalars)
    return tape


def rows_of_nulls(entries: int, columns: int) -> bytes:
    tape = head(1, 7, 1, b"N" * entries, 0, b"\0" * entries, 0, b"\0" * entries, columns, *[1] * columns, 0, 0)
    return bytes(tape)


HOSTILE_TAPES = {
    "nothing": b"",
    "rows of nulls": rows_of_nulls(1_000_000, 2000),
    "huge array": b"\xdd\xff\xff\xff\xff",
    "huge map": b"\xdf\xff\xff\xff\xff",
    "huge string": bytes(head()) + b"\xc6\xff\xff\xff\xff",
    "nested arrays": b"\x91" * 1_000_000,
    "nested maps": b"\x81" * 1_000_000,
    "empty arrays": b"\x90" * 1_000_000,
    "timestamp": b"\xd6\xff\0\0\0\0",
    "extension": b"\xc7\0\x05",
    "a billion blocks": bytes(head(1_000_000_000)),
    "many groups": bytes(head(0, 200_000)),
    "boolean for a number": b"\xc3" * 10,
    "long lengths": bytes(head(0, 2, 0, b"\1\2", 6, b"\xff" * 15 + b"\x7f")),
}


@pytest.mark.parametrize("name", HOSTILE_TAPES)
def test_hostile_tapes_cost_no_memory(name: str) -> None:
    frame, expected = compressed(HOSTILE_TAPES[name])
    tracemalloc.start()
    try:
        with pytest.raises(PeerFault):
            codec.decode_segment(frame, expected)
        assert tracemalloc.get_traced_memory()[1] < 40 * MEBIBYTE
    finally:
        tracemalloc.stop()


def test_a_bomb_is_not_inflated() -> None:
    """100 MB of zeros in 10 kB, with honest and with lying sizes."""
    honest = zstandard.compress(bytes(100 * 10**6))
    silent = zstandard.ZstdCompressor(write_content_size=False).compress(bytes(10**6))
    lying = b"".join((honest[:6], (1000).to_bytes(4, "little"), honest[10:]))
    cases = [
        (honest, 100 * 10**6),
        (honest, 1000),
        (silent, 10**6),
        (silent, 1),
        (lying, 1000),
        (honest + honest, 1000),
    ]
    tracemalloc.start()
    try:
        for frame, size in cases:
            with pytest.raises(PeerFault):
                codec.decode_segment(frame, SegmentEntry(b"\0" * 32, len(frame), size))
        assert tracemalloc.get_traced_memory()[1] < 8 * MEBIBYTE
    finally:
        tracemalloc.stop()


def test_two_frames_are_not_one() -> None:
    frame, expected = encoded(golden_messages.SEGMENT_DOWN)
    with pytest.raises(PeerFault):
        codec.decode_segment(frame * 2, replace(expected, size=2 * len(frame)))


def test_the_digest_is_checked() -> None:
    frame, expected = encoded(golden_messages.SEGMENT_DOWN)
    with pytest.raises(PeerFault, match="digest"):
        codec.decode_segment(frame, replace(expected, digest=b"\0" * 32))


# --- manifest and header --------------------------------------------------------------------------------------------


@given(some.manifests, st.binary(max_size=5))
def test_manifests_come_back_exactly(manifest: Any, rest: bytes) -> None:
    data = codec.encode_manifest(manifest)
    assert codec.decode_manifest(data + rest) == (manifest, len(data))


@given(some.manifests, st.floats(0, 1, exclude_max=True))
def test_a_manifest_says_how_much_it_needs(manifest: Any, share: float) -> None:
    data = codec.encode_manifest(manifest)
    prefix = data[: int(share * len(data))]
    with pytest.raises(codec.IncompleteManifest) as caught:
        codec.decode_manifest(prefix)
    assert caught.value.wanted == (len(data) if len(prefix) >= 4 else 4)


@settings(max_examples=300)
@given(some.manifests, some.damages())
def test_a_damaged_manifest_is_refused_or_read_differently(manifest: Any, damage: some.Damage) -> None:
    """It lies in a sealed part, and the chain shows another digest; here only: no other error, and no equal digest."""
    try:
        other, end = codec.decode_manifest(damage(codec.encode_manifest(manifest)))
    except (PeerFault, codec.IncompleteManifest):
        return
    assert end > 0
    if other != manifest and strip(other) != strip(manifest):
        assert codec.batch_digest(other) != codec.batch_digest(manifest)


def strip(manifest: Any) -> Any:
    """Without what the digest leaves out, because it is checked against the segments themselves."""
    entries = tuple(replace(entry, size=1, raw_size=1, rows=0) for entry in manifest.segments)
    return replace(manifest, segments=entries)


def test_a_huge_manifest_is_refused_at_its_first_bytes() -> None:
    with pytest.raises(PeerFault):
        codec.decode_manifest(b"\xff\xff\xff\xff")


@given(some.headers)
def test_headers_come_back_exactly(header: Any) -> None:
    assert codec.decode_header(codec.encode_header(header)) == header


@settings(max_examples=300)
@given(some.headers, some.damages())
def test_a_damaged_header_raises_nothing_but_faults(header: Any, damage: some.Damage) -> None:
    try:
        back = codec.decode_header(damage(codec.encode_header(header)))
    except PeerFault:
        return
    codec.encode_header(back)


def test_a_header_is_small() -> None:
    assert len(codec.encode_header(golden_messages.HEADER_DOWN)) < 100


# --- plain data and rows --------------------------------------------------------------------------------------------


@given(some.plain_data)
def test_plain_data_comes_back(value: Any) -> None:
    packed = codec.pack(value)
    assert codec.pack(codec.unpack(packed)) == packed


def test_plain_data_is_canonical() -> None:
    assert codec.pack({"b": 1, "a": (1, 2)}) == codec.pack({"a": [1, 2], "b": 1})
    assert codec.unpack(codec.pack({1: "x", "text": b"\xff", b"k": None})) == {1: "x", "text": b"\xff", b"k": None}


@pytest.mark.parametrize(
    "value", [2**63, -(2**63) - 1, {1.5: 1}, {(1,): 1}, {1}, object(), "\ud800", msgpack.ExtType(5, b"")]
)
def test_what_is_not_plain_is_refused(value: Any) -> None:
    with pytest.raises(ValueError):
        codec.pack(value)


def test_nesting_is_bounded() -> None:
    value: Any = 1
    for _ in range(BOUNDS.depth):
        value = [value]
    assert codec.unpack(codec.pack(value)) == value
    with pytest.raises(ValueError):
        codec.pack([value])
    for hostile in (
        b"\x91" * 500 + b"\1",
        b"\x91" * 100_000 + b"\1",
        b"\x81\1" * 600 + b"\1",
        b"\xdd\xff\xff\xff\xff",
        b"\x81\x90\1",
    ):
        with pytest.raises(PeerFault):
            codec.unpack(hostile)
    with pytest.raises(PeerFault):
        codec.unpack(codec.pack([1, 2, 3]), 3)


@given(st.lists(st.lists(some.values, min_size=1, max_size=5).map(tuple), max_size=20))
def test_rows_come_back_exactly(rows: list[tuple[Any, ...]]) -> None:
    assert exact(codec.unpack_rows([codec.pack_row(row) for row in rows])) == exact(rows)


def test_many_rows_come_back_in_one_step() -> None:
    rows = [(number, "x") for number in range(70_000)]
    assert codec.unpack_rows([codec.pack_row(row) for row in rows]) == rows


def test_a_reader_names_what_is_damaged() -> None:
    with pytest.raises(PeerFault, match=r"^The segment is damaged: .*\.$"):
        read_segment(TapeReader(b"\1\2", "segment"), SegmentKind.LOG, BOUNDS)
