"""One message of each sort, with every field in use. `schemas/golden/1` holds what format version 1 makes of them.

The files are made once per format version, by `python -m tests.unit.golden_messages`; a change of their bytes is a new
format version.
"""

from __future__ import annotations

import json
from typing import Any

from nacl.public import PrivateKey

from replicator.protocol import codec, messages
from replicator.protocol.codec_segment import put_segment
from replicator.protocol.describe import plain
from replicator.protocol.envelope import seal
from replicator.protocol.hello import DatabaseTold, database_notice
from replicator.protocol.messages import Direction, SegmentKind
from replicator.protocol.tape import TapeWriter
from replicator.resources import schemas_folder
from replicator.runtime import Runtime
from tests.unit import golden_records
from tests.unit.golden_records import SEGMENT_RECORDS, SEGMENT_REQUESTS

FOLDER = schemas_folder() / "golden" / "1"

HOST_SECRET = bytes(range(32))
STATION_SECRET = bytes(range(32, 64))
HOST_PUBLIC = bytes(PrivateKey(HOST_SECRET).public_key)
STATION_PUBLIC = bytes(PrivateKey(STATION_SECRET).public_key)
PAYLOAD = b"a piece of a batch"
RUNTIME = Runtime(now=lambda: 0, random=lambda size: bytes(range(100, 100 + size)))

HEADER_DOWN = messages.Header(
    sender="host",
    receiver="Köln",
    direction=Direction.DOWN,
    acknowledgement=messages.Acknowledgement(
        epoch=(0, 3),
        n=41,
        digest=b"\x11" * 32,
        high=44,
        missing=(messages.MissingParts(42, ((0, 1000), (5000, 70))), messages.MissingParts(43)),
        probe=6,
    ),
    echo=messages.Echo((2, 1), 17, b"\x33" * 4),
    probe=9,
    part=messages.PartPlace((2, 1), 18, 3_000_000, 1_000_000, (0, 3), None, b"\x44" * 4),
)
HEADER_UP = messages.Header(
    sender="Köln",
    receiver="host",
    direction=Direction.UP,
    acknowledgement=messages.Acknowledgement((0, 0), 0, None, 0),
    echo=messages.Echo((0, 1), 0),
    part=messages.PartPlace((0, 1), 1, 180, 0, (0, 0), "open", b"\x55" * 4),
    new_key=STATION_PUBLIC,
    notice="hello",
)
HEADER_HELLO = messages.Header(
    sender="Köln",
    receiver="host",
    direction=Direction.UP,
    acknowledgement=messages.Acknowledgement((2, 1), 18, b"\x33" * 32, 18),
    echo=messages.Echo((0, 1), 3),
    probe=1,
    notice=database_notice(DatabaseTold("postgresql", "16.3")),
)
SEGMENT_DOWN = messages.Segment(
    host_epoch=2,
    origin=1,
    blocks=[
        messages.TableBlock(
            table=4,
            numbers=[100, 100, 100, 101, 102, 103, 104, 105, 106, 107],
            orders=[0, 1, 2, 0, 0, 0, 0, 0, 0, 0],
            classes="NCCNNNNNND",
            rows=[
                (1, "Müller", 12.5, "2026-01-31", None, b"\x00\xff", 2**63 - 1, "a\0b"),
                (2, "Köln \udcff", 0.0, "2026-02-28", "x", b"", -(2**63), ""),
                (3, "", -0.0, "2026-03-01", None, b"\x00", 0, "c"),
                (4, "Köln", float("inf"), "2026-03-02", 7, b"1", 1, "d"),
                (5, "Köln", -1e300, "2026-03-03", 2.5, b"2", 2, "e"),
                (6, "Bonn", 0.1, "2026-03-04", b"z", b"3", 3, "f"),
                (7, "Bonn", 5e-324, "2026-03-05", None, b"4", 4, "g"),
                (8, "Bonn", 1.0, "2026-03-06", None, b"5", 5, "h"),
                (9, "Köln", 2.0, "2026-03-07", None, b"6", 6, "i"),
            ],
            keys=[(10,)],
        ),
        messages.TableBlock(table=5, numbers=[108], orders=[3], classes="D", keys=[("A", 7)], verdict=True),
    ],
    controls=[
        messages.ControlRecord(101, 5, "ack", [[0, 3], 41]),
        messages.ControlRecord(109, 0, "rule", {"table": 4, "to_remote": "new,changed", "to_host": "none"}),
    ],
)
SEGMENT_UP = messages.Segment(
    groups=[
        messages.GroupHead(7, b"\x01" * 16, (1, 7), (2, 90), 1_790_000_000_000_000, merged=True),
        messages.GroupHead(
            8, b"\x02" * 16, (1, 8), (2, 90), 1_790_000_001_000_000, control=("refresh", [4, b"\x91\x05"])
        ),
    ],
    blocks=[
        messages.TableBlock(
            table=4,
            numbers=[7] * 12,
            orders=list(range(12)),
            classes="NCCNNNNNNNND",
            rows=[(number, city, number * 0.25) for number, city in enumerate(["Köln", "Bonn"] * 5 + ["Köln"])],
            keys=[(99,)],
            times=[1_790_000_000_000_000 + 1000 * number for number in range(12)],
            masks=[0b110, 0b010],
            before=[("Ulm", 1.5), ("Köln",)],
            bases=[(0, 0), (2, 80), (2, 81), *[(0, 0)] * 8, (1, 3)],
        )
    ],
)
CHANGED = {name: value for name, value in golden_records.CHANGED.items() if name != "area"} | {"policy": "host"}
SEGMENT_CHANGED = messages.Segment(
    host_epoch=2,
    blocks=[
        messages.TableBlock(table=4, numbers=[111], orders=[0], classes="C", rows=[(1, "Celle", 9)], version=(2, 1))
    ],
    controls=[messages.ControlRecord(110, 0, "schema", {"tables": [CHANGED]})],
)
SEGMENT_CONTENT = messages.Segment(
    host_epoch=2,
    blocks=[messages.TableBlock(table=4, classes="NNN", rows=[(1, "a", 0.5), (2, None, 1.5), (3, "c", None)])],
)


def tape(segment: messages.Segment) -> bytes:
    writer = TapeWriter()
    put_segment(writer, segment)
    return bytes(writer)


def entry(segment: messages.Segment, kind: SegmentKind = SegmentKind.LOG) -> messages.SegmentEntry:
    """The entry of a segment; its compressed size is pinned, because compressor versions differ."""
    digest, _ = codec.encode_segment(segment)
    return messages.SegmentEntry(
        digest, 100, len(tape(segment)), kind, sum(len(block.classes) for block in segment.blocks)
    )


MANIFEST = messages.Manifest(
    epoch=(2, 1),
    n=18,
    previous=b"\x22" * 32,
    peer_epoch=(0, 3),
    high=(2, 109),
    opener=None,
    segments=(entry(SEGMENT_DOWN), entry(SEGMENT_CONTENT, SegmentKind.CONTENT)),
    schema_version=1,
)
MANIFEST_FIRST = messages.Manifest((0, 1), 1, None, (0, 0), (0, 8), "open", (entry(SEGMENT_UP),))


def golden() -> dict[str, tuple[bytes, str, Any]]:
    """Name of the file -> (bytes, definition in the schema, message)."""
    return {
        "header-down": (codec.encode_header(HEADER_DOWN), "header", HEADER_DOWN),
        "header-up": (codec.encode_header(HEADER_UP), "header", HEADER_UP),
        "header-hello": (codec.encode_header(HEADER_HELLO), "header", HEADER_HELLO),
        "manifest": (codec.encode_manifest(MANIFEST), "manifest", MANIFEST),
        "manifest-first": (codec.encode_manifest(MANIFEST_FIRST), "manifest", MANIFEST_FIRST),
        "segment-down": (tape(SEGMENT_DOWN), "segment", SEGMENT_DOWN),
        "segment-up": (tape(SEGMENT_UP), "segment", SEGMENT_UP),
        "segment-changed": (tape(SEGMENT_CHANGED), "segment", SEGMENT_CHANGED),
        "segment-content": (tape(SEGMENT_CONTENT), "segment", SEGMENT_CONTENT),
        "segment-records": (tape(SEGMENT_RECORDS), "segment", SEGMENT_RECORDS),
        "segment-requests": (tape(SEGMENT_REQUESTS), "segment", SEGMENT_REQUESTS),
        "envelope": (seal(HEADER_UP, PAYLOAD, STATION_SECRET, HOST_PUBLIC, RUNTIME), "header", HEADER_UP),
    }


def text(message: Any) -> str:
    return json.dumps(plain(message), indent=1, ensure_ascii=False) + "\n"


if __name__ == "__main__":
    FOLDER.mkdir(parents=True, exist_ok=True)
    for name, (data, _, message) in golden().items():
        (FOLDER / f"{name}.bin").write_bytes(data)
        (FOLDER / f"{name}.json").write_text(text(message))
    for name, segment in (
        ("down", SEGMENT_DOWN),
        ("up", SEGMENT_UP),
        ("content", SEGMENT_CONTENT),
        ("changed", SEGMENT_CHANGED),
        ("records", SEGMENT_RECORDS),
        ("requests", SEGMENT_REQUESTS),
    ):
        (FOLDER / f"segment-{name}.frame.bin").write_bytes(codec.encode_segment(segment)[1])
