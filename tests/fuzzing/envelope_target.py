"""Envelopes: as they come from anybody, and as only a peer's key can seal them, with anything inside.

The first byte of an input says what the rest is: 0 a whole envelope, 1 what stands in the box behind the repeated outer
bytes (length, header, payload), 2 all that stands in the box.
"""

from __future__ import annotations

from random import Random

from nacl.public import PrivateKey

from replicator.errors import PeerFault
from replicator.protocol import link as links
from replicator.protocol.bounds import Bounds
from replicator.protocol.codec import decode_header, encode_header
from replicator.protocol.envelope import open_envelope, peek, seal
from replicator.protocol.link import InboundStream, Link, OutboundStream
from replicator.protocol.messages import Header
from replicator.protocol.repeating import Unacknowledged, to_repeat
from replicator.runtime import Runtime
from replicator.types import Role
from tests.fuzzing.mutating import some_bytes, some_tape
from tests.fuzzing.sealing import LENGTH_BYTES, outer, sealed, with_header
from tests.fuzzing.target import Target, demand

STATION_SECRET, HOST_SECRET = bytes(range(32)), bytes(range(32, 64))
STATION_PUBLIC = bytes(PrivateKey(STATION_SECRET).public_key)
HOST_PUBLIC = bytes(PrivateKey(HOST_SECRET).public_key)
OUTER = outer(STATION_PUBLIC, HOST_PUBLIC)
WHOLE, INSIDE, ALL_INSIDE = range(3)
TIGHT = Bounds(header=300, part_payload=40, missing=2, ranges=3, name=10)


def seeds() -> list[bytes]:
    from tests.unit.golden_messages import HEADER_DOWN, HEADER_UP

    found = []
    for header in (HEADER_UP, HEADER_DOWN):
        tape = encode_header(header)
        runtime = Runtime(now=lambda: 0, random=bytes)
        found.append(bytes((WHOLE,)) + seal(header, b"a piece", STATION_SECRET, HOST_PUBLIC, runtime))
        found.append(bytes((INSIDE,)) + with_header(tape, b"a piece"))
        found.append(bytes((ALL_INSIDE,)) + OUTER + with_header(tape, b""))
    return found


def mutate(data: bytes, dice: Random) -> bytes:
    mode, rest = data[:1] or b"\1", data[1:]
    start = (len(OUTER) if mode[0] == ALL_INSIDE else 0) + LENGTH_BYTES
    if mode[0] == WHOLE or len(rest) < start or dice.random() < 0.1:
        return mode + some_bytes(rest, dice)
    end = start + int.from_bytes(rest[start - LENGTH_BYTES : start], "big")
    tape = some_tape(rest[start:end], dice)
    return mode + rest[: start - LENGTH_BYTES] + with_header(tape, rest[end:])


def run(data: bytes) -> None:
    if not data:
        return
    mode, rest = data[0], data[1:]
    inside = rest if mode == ALL_INSIDE else OUTER + rest
    blob = rest if mode == WHOLE else sealed(inside, STATION_SECRET, HOST_PUBLIC)
    for bounds in (Bounds(), TIGHT):
        try:
            clear = peek(blob, bounds)
            demand(len(clear.sender_key) == len(clear.receiver_key) == 8, "a key id of another length")
            header, payload = open_envelope(blob, HOST_SECRET, STATION_PUBLIC, bounds)
        except PeerFault:
            continue
        demand(len(payload) <= bounds.part_payload, "a payload beyond its bound")
        demand(decode_header(encode_header(header)) == header, "a header that is not what it is read as")
        _hear(header)


def _hear(header: Header) -> None:
    """Whatever an authentic header says, the link's rules bear it, in any state of the link."""
    for role in Role:
        for me in ("host", "Köln"):
            try:
                links.check_binding(header, me, "host", role)
            except PeerFault as fault:
                demand(len(str(fault)) < 2000, "a fault as long as a book")
        for n in (0, 17, 41, 50):
            link = Link(
                role, OutboundStream((0, 3), n, min(n, 17), b"\x11" * 32), InboundStream((2, 1), 17, b"\x22" * 32)
            )
            links.hear(link, header, lambda n: b"\x11" * 32, 1_000, 1)
            demand(0 <= link.out.acknowledged <= link.out.n, "acknowledged beyond what was made")
            links.heard_probe(link, header.probe)
            if header.part is not None:
                links.place(link, header.part, 10, 5)
            _repeat(header)
            demand(links.acknowledgement(link, ()).high >= 0, "an acknowledgement below zero")


def _repeat(header: Header) -> None:
    """However many ranges are named, no byte is sent more than once."""
    batches = [Unacknowledged(n, 6_000, 2, False) for n in range(40, 46)]
    for repeat in to_repeat(header.acknowledgement, batches):
        demand(sum(length for _, length in repeat.ranges) <= 6_000, "more is sent again than there is")
        demand(all(start >= 0 and length > 0 for start, length in repeat.ranges), "a range that is none")


TARGET = Target("envelope", seeds, mutate, run)
