"""Sound batches of every sort, taken out of mails that real nodes sent, as cases to start from."""

from __future__ import annotations

from dataclasses import replace

import zstandard

from replicator.operations.rules_admin import set_rule
from replicator.protocol.bounds import BOUNDS
from replicator.protocol.codec import decode_manifest
from replicator.protocol.codec_segment import put_segment, read_segment
from replicator.protocol.envelope import MAGIC, open_envelope
from replicator.protocol.keys import pack_key
from replicator.protocol.messages import ControlRecord, GroupHead, Segment, SegmentKind
from replicator.protocol.tape import TapeReader, TapeWriter
from replicator.transport.mime import extract
from replicator.types import Kinds
from tests.fuzzing.cases import Case
from tests.fuzzing.nodes import HOST, STATION, Nodes

WRITES = (
    "INSERT INTO customers VALUES (10, 'Neu', 1.25, 'neu@example.com')",
    "INSERT INTO customers VALUES (11, 'Neuer', NULL, NULL)",
    "UPDATE customers SET name = 'Meier', credit = 2 WHERE id = 1",
    "DELETE FROM customers WHERE id = 3",
    "INSERT INTO orders VALUES (10, 10, 'glue', x'0102'), (11, 2, NULL, NULL)",
    "UPDATE orders SET item = 'bolts' WHERE id = 2",
    "INSERT INTO places VALUES ('Aachen', 3, '')",
    "DELETE FROM places WHERE town = 'Ulm'",
    "UPDATE places SET note = 'b' WHERE town = 'Köln'",
)


def sound_batches(nodes: Nodes) -> list[Case]:
    """Changes both ways, a request, a rule that brings content, and a snapshot."""
    changes = [_sent(nodes, sender, receiver, *WRITES) for sender, receiver in ((HOST, STATION), (STATION, HOST))]
    rule = _rule(nodes)
    return [*changes, _swap(nodes), _request(changes[1]), rule, _snapshot(rule)]


def _sent(nodes: Nodes, sender: str, receiver: str, *writes: str) -> Case:
    nodes.set_back(sender)
    nodes.write(sender, *writes)
    nodes.run(sender)
    (mail,) = nodes.mails(receiver)
    return _case_in(nodes, mail, sender, receiver)


def _case_in(nodes: Nodes, mail: bytes, sender: str, receiver: str) -> Case:
    with nodes.opened(sender) as node:
        public = node.identity.public_key
    with nodes.opened(receiver) as node:
        secret = bytes(node.identity.private_key)
    (blob,) = extract(mail, MAGIC).payloads
    _, stream = open_envelope(blob, secret, public)
    manifest, start = decode_manifest(stream)
    segments = []
    for entry in manifest.segments:
        frame = stream[start : start + entry.size]
        segments.append((entry.kind, zstandard.ZstdDecompressor().decompress(frame)))
        start += entry.size
    return Case(receiver == HOST, manifest.opener, tuple(segments))


def _swap(nodes: Nodes) -> Case:
    """Two rows change places in a unique key: the host's rows are moved aside and put right again at a station."""
    writes = ("'-' WHERE id = 1", "'maier@example.com' WHERE id = 3", "'x@y' WHERE id = 1")
    return _sent(nodes, HOST, STATION, *(f"UPDATE customers SET email = {write}" for write in writes))


def _request(changes: Case) -> Case:
    """A station asks for rows, one that is there and one that is not."""
    kind, tape = changes.segments[0]
    segment = read_segment(TapeReader(tape, "segment"), kind, BOUNDS)
    last = max(group.number for group in segment.groups)
    at, rule = segment.groups[-1].at, segment.groups[-1].rule_version
    heads = [
        GroupHead(
            last + number, bytes((number,)) * 16, (1, last + number), rule, at, control=("refresh", [1, pack_key(key)])
        )
        for number, key in enumerate(((1,), (77,)), 1)
    ]
    return replace(changes, segments=((kind, written(Segment(groups=heads))),))


def _rule(nodes: Nodes) -> Case:
    """Rows stop going down and go down again: two records, the second with content."""
    nodes.set_back(HOST)
    with nodes.opened(HOST) as host:
        set_rule(host, STATION, "places", to_remote=Kinds.CHANGED, to_host=Kinds.NONE)
        set_rule(host, STATION, "places", to_remote=Kinds.ALL, to_host=Kinds.ALL)
    nodes.run(HOST)
    (mail,) = nodes.mails(STATION)
    return _case_in(nodes, mail, HOST, STATION)


def _snapshot(rule: Case) -> Case:
    """A new epoch that opens with the content of that rule."""
    content = [segment for segment in rule.segments if segment[0] is SegmentKind.CONTENT]
    records = [
        record
        for kind, tape in rule.segments
        if kind is SegmentKind.LOG
        for record in read_segment(TapeReader(tape, "segment"), kind, BOUNDS).controls
    ]
    last = next(record for record in reversed(records) if record.kind == "rule")
    body = {key: value for key, value in last.body.items() if key != "scope"}
    body |= {"version": [1, last.number], "epoch": [0, 1], "judged": 1, "content": len(content)}
    opener = Segment(1, controls=[ControlRecord(last.number + 1, 0, "snap", body)])
    return Case(False, "snap", ((SegmentKind.LOG, written(opener)), *content))


def written(segment: Segment) -> bytes:
    tape = TapeWriter()
    put_segment(tape, segment)
    return bytes(tape)
