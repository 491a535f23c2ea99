"""The code holds to the schemas, and format version 1 stays what it is, byte by byte."""

from __future__ import annotations

import json
from typing import Any

import golden_messages
import pytest
from jsonschema import Draft202012Validator

from replicator.protocol import codec
from replicator.protocol.codec_segment import read_segment
from replicator.protocol.describe import plain
from replicator.protocol.envelope import open_envelope, peek
from replicator.protocol.messages import Segment, SegmentEntry, SegmentKind
from replicator.protocol.tape import TapeReader
from replicator.resources import schemas_folder
from tests.unit import golden_records

SCHEMA = json.loads((schemas_folder() / "message-1.schema.json").read_text())
GOLDEN = golden_messages.golden()
SEGMENTS = {
    "down": (golden_messages.SEGMENT_DOWN, SegmentKind.LOG),
    "up": (golden_messages.SEGMENT_UP, SegmentKind.LOG),
    "content": (golden_messages.SEGMENT_CONTENT, SegmentKind.CONTENT),
    "changed": (golden_messages.SEGMENT_CHANGED, SegmentKind.LOG),
    "records": (golden_records.SEGMENT_RECORDS, SegmentKind.LOG),
    "requests": (golden_records.SEGMENT_REQUESTS, SegmentKind.LOG),
}


def validator(definition: str) -> Draft202012Validator:
    return Draft202012Validator({"$ref": f"#/$defs/{definition}", "$defs": SCHEMA["$defs"]})


def stored(name: str) -> bytes:
    return (golden_messages.FOLDER / f"{name}.bin").read_bytes()


def test_the_schema_is_a_schema() -> None:
    Draft202012Validator.check_schema(SCHEMA)


@pytest.mark.parametrize("name", GOLDEN)
def test_writes_exactly_the_golden_bytes(name: str) -> None:
    data, _, message = GOLDEN[name]
    assert data == stored(name)
    assert golden_messages.text(message) == (golden_messages.FOLDER / f"{name}.json").read_text()


@pytest.mark.parametrize("name", GOLDEN)
def test_golden_messages_fit_the_schema(name: str) -> None:
    _, definition, message = GOLDEN[name]
    validator(definition).validate(plain(message))
    Draft202012Validator(SCHEMA).validate(plain(message))


def test_reads_golden_headers() -> None:
    assert codec.decode_header(stored("header-down")) == golden_messages.HEADER_DOWN
    assert codec.decode_header(stored("header-up")) == golden_messages.HEADER_UP
    assert codec.decode_header(stored("header-hello")) == golden_messages.HEADER_HELLO


def test_reads_golden_manifests() -> None:
    for name, message in (("manifest", golden_messages.MANIFEST), ("manifest-first", golden_messages.MANIFEST_FIRST)):
        assert codec.decode_manifest(stored(name) + b"the first segment") == (message, len(stored(name)))


@pytest.mark.parametrize("name", SEGMENTS)
def test_reads_golden_segments(name: str) -> None:
    segment, kind = SEGMENTS[name]
    tape = stored(f"segment-{name}")
    assert read_segment(TapeReader(tape, "segment"), kind, codec.BOUNDS) == segment
    frame = stored(f"segment-{name}.frame")
    expected = SegmentEntry(codec.digest(tape), len(frame), len(tape), kind)
    assert codec.decode_segment(frame, expected) == segment


def test_there_is_a_golden_record_and_request_of_every_kind() -> None:
    (kinds,) = [part["enum"] for part in (SCHEMA["$defs"]["record"]["properties"]["kind"],)]
    assert sorted(golden_records.RECORDS) == kinds
    requests = {part["if"]["prefixItems"][0]["const"] for part in SCHEMA["$defs"]["request"]["allOf"]}
    assert set(golden_records.REQUESTS) == requests


@pytest.mark.parametrize("kind", golden_records.RECORDS)
def test_reads_golden_records(kind: str) -> None:
    told = golden_records.RECORDS[kind]
    segment = read_segment(TapeReader(stored("segment-records"), "segment"), SegmentKind.LOG, codec.BOUNDS)
    (record,) = [record for record in segment.controls if record.kind == kind]
    assert told.read(record.body) == told.meaning
    validator("record").validate(plain(record))


@pytest.mark.parametrize("kind", golden_records.REQUESTS)
def test_reads_golden_requests(kind: str) -> None:
    told = golden_records.REQUESTS[kind]
    segment = read_segment(TapeReader(stored("segment-requests"), "segment"), SegmentKind.LOG, codec.BOUNDS)
    (request,) = [group.control for group in segment.groups if group.control and group.control[0] == kind]
    assert told.read(request[1]) == told.meaning
    validator("request").validate(plain(request))


def test_reads_the_golden_envelope() -> None:
    blob = stored("envelope")
    opened = open_envelope(blob, golden_messages.HOST_SECRET, golden_messages.STATION_PUBLIC)
    assert opened == (golden_messages.HEADER_UP, golden_messages.PAYLOAD)
    outer: Any = plain(peek(blob))
    validator("outer").validate(outer)


def test_batch_digests_stay_what_they_are() -> None:
    digests = [
        codec.batch_digest(golden_messages.MANIFEST).hex(),
        codec.batch_digest(golden_messages.MANIFEST_FIRST).hex(),
    ]
    assert digests == DIGESTS


@pytest.mark.parametrize(
    "damage",
    [
        {"host_epoch": -1},
        {"host_epoch": 1.5},
        {"unknown": 1},
        {"controls": [{"number": 1, "order": 0, "kind": "ack", "body": {}}]},
        {"controls": [{"number": 1, "order": 0, "kind": "rule", "body": []}]},
        {"blocks": [{"table": 1}]},
    ],
)
def test_the_schema_refuses_damaged_segments(damage: dict[str, Any]) -> None:
    assert not validator("segment").is_valid({**plain(Segment()), **damage})


DIGESTS = [
    "3dd851d8e206025526ed2344483e9e19107b0034121e8da013d8de23fbbb1640",
    "917fdb834f975598ec85336d0d9046965756795152d0c111e4a30805028f31fb",
]
