"""Small inputs that would be large if they were taken at their word.

`python -m tests.fuzzing.bombs NAME` reads one frame in a process of its own and prints what came of it, and by how many
bytes the process' peak grew: what zstd takes for itself is seen there only.
"""

from __future__ import annotations

import json
import resource
import sys

import zstandard

from replicator.errors import PeerFault
from replicator.protocol import codec
from replicator.protocol.bounds import BOUNDS
from replicator.protocol.codec import decode_segment
from replicator.protocol.codec_numbers import put_integers
from replicator.protocol.codec_texts import put_blobs, put_texts
from replicator.protocol.messages import SegmentEntry, SegmentKind
from replicator.protocol.tape import TapeWriter

BLOCK = 128 * 1024
"""Bytes that a run-length block of zstd makes of one."""
GIGABYTES = 16_384
"""So many blocks are two of them."""
WINDOW = b"\x38"
"""128 KiB, as zstd's frame head writes it."""

Announced = tuple[bytes, SegmentEntry]
"""A frame and the entry of a manifest that fits it."""


def run_length_frame(claimed: int | None, blocks: int) -> bytes:
    """A zstd frame (RFC 8878) of zeros, four bytes a block, whose head claims this size or none."""
    head = b"\0" + WINDOW if claimed is None else b"\xc0" + WINDOW + claimed.to_bytes(8, "little")
    block, last = ((final | 1 << 1 | BLOCK << 3).to_bytes(3, "little") + b"\0" for final in (0, 1))
    return b"\x28\xb5\x2f\xfd" + head + block * (blocks - 1) + last


FRAMES = {
    "claims little": (run_length_frame(100, GIGABYTES), 100),
    "claims nothing": (run_length_frame(None, GIGABYTES), 100),
    "claims gigabytes": (run_length_frame(GIGABYTES * BLOCK, GIGABYTES), GIGABYTES * BLOCK),
    "claims the most": (run_length_frame(BOUNDS.segment_raw, GIGABYTES), BOUNDS.segment_raw),
    "claims more than there is": (run_length_frame(BOUNDS.segment_raw, 1), BOUNDS.segment_raw),
    "two frames": (run_length_frame(BLOCK, 1) + run_length_frame(GIGABYTES * BLOCK, GIGABYTES), BLOCK),
}
"""Name -> (frame, size before compression that the manifest says)."""


def announced(raw: bytes) -> Announced:
    frame = zstandard.ZstdCompressor(level=3).compress(raw)
    return frame, SegmentEntry(codec.digest(raw), len(frame), len(raw), SegmentKind.LOG)


def rows(count: int, width: int, blocks: int = 1, *, nulls: bool = False) -> Announced:
    """Rows of NULLs, or of numbers that take two bytes here and an object each in memory."""
    tape = TapeWriter()
    tape.put(1, 1, 0, blocks)
    for _ in range(blocks):
        tape.put(1, 1, b"N" * count)
        put_integers(tape, [1] * count)
        put_integers(tape, [0] * count)
        tape.put(width)
        for _ in range(width):
            tape.put(1 if nulls else 2)
            if not nulls:
                put_integers(tape, [300 + 2 * (place % 2) + place % 30_000 for place in range(count)])
    tape.put(0, 0)
    return announced(bytes(tape))


def bodies(number: int, body: bytes) -> Announced:
    """So many control records with this body."""
    tape = TapeWriter()
    tape.put(1, 1, 0, 0, 0, number)
    put_integers(tape, [1] * number)
    put_integers(tape, [0] * number)
    put_texts(tape, ["ack"] * number)
    put_blobs(tape, [body] * number)
    return announced(bytes(tape))


def empty_lists(number: int) -> bytes:
    """Plain data: a list of them, a byte each."""
    return b"\xdd" + number.to_bytes(4, "big") + b"\x90" * number


def main(name: str) -> None:
    frame, claimed = FRAMES[name]
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    try:
        decode_segment(frame, SegmentEntry(bytes(32), len(frame), claimed, SegmentKind.LOG))
        told = "taken"
    except PeerFault as fault:
        told = str(fault)
    print(json.dumps([told, 1024 * (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before)]))


if __name__ == "__main__":
    main(sys.argv[1])
