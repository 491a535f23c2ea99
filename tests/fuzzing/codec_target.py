"""What stands behind the seal: manifests, segments before compression, compressed frames, plain data.

The first byte of an input says what the rest is.
"""

from __future__ import annotations

from random import Random

import zstandard

from replicator.errors import PeerFault
from replicator.protocol import codec
from replicator.protocol.bounds import BOUNDS, Bounds
from replicator.protocol.codec import IncompleteManifest, batch_digest, decode_manifest, decode_segment
from replicator.protocol.codec_plain import pack, unpack
from replicator.protocol.codec_segment import check_size, put_segment, read_segment
from replicator.protocol.definitions import definition_from_plain, definition_to_plain
from replicator.protocol.messages import Manifest, Segment, SegmentEntry, SegmentKind
from replicator.protocol.tape import TapeReader, TapeWriter
from tests.fuzzing.messages import some_segment_tape
from tests.fuzzing.mutating import some_bytes, some_plain, some_tape
from tests.fuzzing.target import Target, demand

MANIFEST, LOG, CONTENT, FRAME, PLAIN = range(5)
KINDS = {LOG: SegmentKind.LOG, CONTENT: SegmentKind.CONTENT, FRAME: SegmentKind.LOG}
TIGHT = Bounds(
    entries=8, groups=2, blocks=2, cells=30, columns=6, uid=8, control=20, control_bodies=40, name=8, depth=3
)
LENGTH_BYTES = 4

DEFINITION = {
    "name": "customers",
    "columns": [
        {"name": "id", "type": {"kind": "integer", "bits": 64}, "not_null": True},
        {"name": "name", "type": {"kind": "text", "length": 30, "declared": "VARCHAR(30)"}, "default": {"literal": ""}},
    ],
    "primary_key": ["id"],
    "unique_keys": [{"columns": ["name"], "name": "one_name"}],
    "foreign_keys": [{"columns": ["id"], "parent": "people", "parent_columns": ["id"], "on_delete": "CASCADE"}],
    "indexes": [{"name": "by_name", "columns": ["name"]}],
    "options": ["WITHOUT ROWID"],
}


def seeds() -> list[bytes]:
    from tests.unit.golden_messages import FOLDER, SEGMENT_CONTENT, SEGMENT_DOWN, SEGMENT_UP

    found = [bytes((MANIFEST,)) + (FOLDER / f"manifest{name}.bin").read_bytes() for name in ("", "-first")]
    for mode, segment in ((LOG, SEGMENT_DOWN), (LOG, SEGMENT_UP), (CONTENT, SEGMENT_CONTENT)):
        found.append(bytes((mode,)) + written(segment))
    found += [bytes((FRAME,)) + path.read_bytes() for path in sorted(FOLDER.glob("*.frame.bin"))]
    for plain in (DEFINITION, [[0, 3], 41], {"rules": [[1, 7, 7]], "tables": [DEFINITION], "content": 1, "scope": [1]}):
        found.append(bytes((PLAIN,)) + pack(plain))
    return found


def written(segment: Segment) -> bytes:
    tape = TapeWriter()
    put_segment(tape, segment)
    return bytes(tape)


def mutate(data: bytes, dice: Random) -> bytes:
    mode, rest = data[:1] or b"\1", data[1:]
    match mode[0]:
        case _ if dice.random() < 0.05:
            return mode + some_bytes(rest, dice)
        case 0:
            tape = some_tape(rest[LENGTH_BYTES:], dice)
            return mode + len(tape).to_bytes(LENGTH_BYTES, "big") + tape
        case 1 | 2:
            return mode + some_segment_tape(rest, KINDS[mode[0]], dice)
        case 4:
            return mode + _some_packed(rest, dice)
    return mode + some_bytes(rest, dice)


def _some_packed(data: bytes, dice: Random) -> bytes:
    try:
        return pack(some_plain(unpack(data), dice))
    except (PeerFault, ValueError, OverflowError):
        return some_bytes(data, dice)


def run(data: bytes) -> None:
    if not data:
        return
    mode, rest = data[0], data[1:]
    if mode == MANIFEST:
        _manifest(rest)
    elif mode in (LOG, CONTENT):
        _segment(rest, KINDS[mode])
    elif mode == FRAME:
        _frame(rest)
    elif mode == PLAIN:
        _plain(rest)


def _manifest(data: bytes) -> None:
    try:
        manifest, end = decode_manifest(data)
    except IncompleteManifest as more:
        demand(len(data) < more.wanted <= BOUNDS.manifest, "a manifest that wants too much, or what is there")
        return
    except PeerFault:
        return
    demand(isinstance(manifest, Manifest) and end <= len(data), "a manifest that ends behind its stream")
    again, _ = decode_manifest(codec.encode_manifest(manifest))
    demand(again == manifest and len(batch_digest(manifest)) == 32, "a manifest that is not what it is read as")


def _segment(tape: bytes, kind: SegmentKind) -> None:
    """Compressed as its peer would, so that the parser behind zstd is reached."""
    frame = zstandard.ZstdCompressor(level=1).compress(tape)
    entry = SegmentEntry(codec.digest(tape), len(frame), len(tape), kind)
    for bounds in (BOUNDS, TIGHT):
        try:
            segment = decode_segment(frame, entry, bounds)
        except PeerFault:
            continue
        check_size(segment, bounds)
        # NaN is unlike itself, so bytes are compared: written again, it reads and writes as the same.
        once = written(segment)
        demand(written(read_segment(TapeReader(once, "segment"), kind, BOUNDS)) == once, "a segment that changes")


def _frame(frame: bytes) -> None:
    """A frame as it comes, with whatever size its head claims and the manifest repeats."""
    try:
        claimed = codec.raw_size(frame)
        decode_segment(frame, SegmentEntry(bytes(32), len(frame), claimed, SegmentKind.LOG))
    except PeerFault:
        return
    demand(False, "a segment with a digest of zeros")


def _plain(data: bytes) -> None:
    try:
        value = unpack(data)
    except PeerFault:
        return
    packed = pack(value)
    demand(pack(unpack(packed)) == packed, "plain data that changes")
    try:
        definition = definition_from_plain(value)
    except PeerFault:
        return
    demand(
        definition_from_plain(definition_to_plain(definition)) == definition, "a table that is not what it is read as"
    )


TARGET = Target("codec", seeds, mutate, run)
