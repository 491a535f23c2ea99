"""A batch as plain data, as a peer may make it, and how it becomes a mail that is sealed with that peer's key.

What has to be right so that the parser behind is reached (digests, sizes, place in the stream, acknowledgements) is
filled in when the mail is made; what an input wants to have wrong stands in it as edits of the header's and the
manifest's tapes.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from random import Random
from typing import Any

import zstandard

from replicator.errors import PeerFault
from replicator.protocol import codec
from replicator.protocol import link as links
from replicator.protocol.bounds import BOUNDS
from replicator.protocol.codec_plain import pack, unpack
from replicator.protocol.link import Link
from replicator.protocol.messages import (
    PREFIX_SIZE,
    Direction,
    Header,
    Manifest,
    PartPlace,
    SegmentEntry,
    SegmentKind,
)
from tests.fuzzing.messages import some_segment_tape
from tests.fuzzing.mutating import HOSTILE_SCALARS, NUMBERS, scalars_of, some_items

MAX_EDITS = 8


@dataclass(frozen=True, slots=True)
class Case:
    """One hostile batch."""

    upward: bool
    opener: str | None
    """A new epoch of the sender's stream begins with it."""
    segments: tuple[tuple[SegmentKind, bytes], ...]
    """Kind and tape."""
    header: tuple[tuple[int, bytes], ...] = field(default=())
    """(which scalar of the header's tape, what stands there instead)."""
    manifest: tuple[tuple[int, bytes], ...] = field(default=())
    cut: int = 0
    """Bytes of the stream that are left out at its end."""
    busy: bool = False
    """The receiver's application has written rows that the batch changes, too."""


def to_bytes(case: Case) -> bytes:
    segments = [[kind is SegmentKind.CONTENT, tape] for kind, tape in case.segments]
    edits = [[list(edit) for edit in edits] for edits in (case.header, case.manifest)]
    return pack([case.upward, case.opener, segments, *edits, case.cut, case.busy])


def from_bytes(data: bytes) -> Case | None:
    """None for bytes that are no case: nothing to try."""
    try:
        upward, opener, segments, header, manifest, cut, busy = unpack(data)
        kinds = (SegmentKind.LOG, SegmentKind.CONTENT)
        return Case(
            bool(upward),
            # No sender can write half a letter; what a reader makes of one is tried by the edits of the tapes.
            opener.encode("utf-8", "replace").decode() if isinstance(opener, str) else None,
            tuple((kinds[bool(kind)], bytes(memoryview(tape))) for kind, tape in segments),
            _edits(header),
            _edits(manifest),
            min(max(int(cut), 0), 1 << 20),
            bool(busy),
        )
    except (PeerFault, ValueError, TypeError, OverflowError):
        return None


def _edits(plain: Any) -> tuple[tuple[int, bytes], ...]:
    return tuple((int(place), bytes(memoryview(scalar))) for place, scalar in plain[:MAX_EDITS])


def edited(tape: bytes, edits: tuple[tuple[int, bytes], ...]) -> bytes:
    scalars = scalars_of(tape)
    for place, scalar in edits:
        scalars[place % len(scalars)] = scalar
    return b"".join(scalars)


@dataclass(frozen=True, slots=True)
class Sending:
    """Who sends to whom, and how the sender's end of the link stands."""

    sender: str
    receiver: str
    link: Link


def stream_of(case: Case, sending: Sending) -> tuple[Manifest, bytes]:
    """The batch as it would be next in the sender's stream."""
    frames, entries = [], []
    for kind, tape in case.segments:
        frame = zstandard.ZstdCompressor(level=1).compress(tape)
        frames.append(frame)
        entries.append(SegmentEntry(codec.digest(tape), len(frame), max(len(tape), 1), kind, 3))
    out, peer_epoch = sending.link.out, sending.link.inbound.epoch
    epoch, n, previous = out.epoch, out.n + 1, out.digest
    if case.opener is not None:
        epoch, n, previous = (epoch[0], epoch[1] + 1), 1, None
    high = (0, out.high[1] + 50) if case.upward else (out.high[0], out.high[1] + 50)
    manifest = Manifest(epoch, n, previous, peer_epoch, high, case.opener, tuple(entries))
    head = edited(codec.encode_manifest(manifest)[4:], case.manifest)
    stream = b"".join((len(head).to_bytes(4, "big"), head, *frames))
    return manifest, stream[: len(stream) - case.cut] or b"\0"


def plaintext_of(case: Case, sending: Sending) -> tuple[bytes, bytes]:
    """(header's tape, payload): what is to be sealed."""
    manifest, stream = stream_of(case, sending)
    header = Header(
        sender=sending.sender,
        receiver=sending.receiver,
        direction=Direction.UP if case.upward else Direction.DOWN,
        acknowledgement=links.acknowledgement(sending.link, ()),
        echo=links.echo(sending.link),
        part=PartPlace(
            manifest.epoch,
            manifest.n,
            len(stream),
            0,
            manifest.peer_epoch,
            case.opener,
            codec.batch_digest(manifest)[:PREFIX_SIZE],
        ),
        notice="database sqlite 3.45.1" if case.upward else None,
    )
    return edited(codec.encode_header(header), case.header), stream[: BOUNDS.part_payload]


# --- mutation ---------------------------------------------------------------------------------------------------------


def some_case(case: Case, dice: Random) -> Case:
    match dice.randrange(20):
        case 0:
            return replace(case, header=_some_edits(case.header, 30, dice))
        case 1:
            return replace(case, manifest=_some_edits(case.manifest, 12 + 5 * len(case.segments), dice))
        case 2:
            return replace(case, cut=dice.choice((0, 1, 10, 200)))
        case 3:
            return replace(case, opener=dice.choice((None, "snap", "open", "resync", "rule")))
        case 4:
            return replace(case, segments=tuple(some_items(case.segments, dice, lambda old: _some_segment(old, dice))))
        case 5:
            return replace(case, upward=not case.upward)
        case 6 | 7:
            return replace(case, busy=not case.busy)
    place = dice.randrange(max(len(case.segments), 1))
    changed = list(case.segments)
    changed[place : place + 1] = [_some_segment(changed[place] if changed else None, dice)]
    return replace(case, segments=tuple(changed))


def _some_segment(old: tuple[SegmentKind, bytes] | None, dice: Random) -> tuple[SegmentKind, bytes]:
    kind, tape = old or (SegmentKind.LOG, b"\x01\x01\x00\x00\x00\x00")
    if dice.random() < 0.03:
        return dice.choice((SegmentKind.LOG, SegmentKind.CONTENT)), tape
    return kind, some_segment_tape(tape, kind, dice)


def _some_edits(edits: tuple[tuple[int, bytes], ...], fields: int, dice: Random) -> tuple[tuple[int, bytes], ...]:
    if edits and dice.random() < 0.3:
        return edits[:-1]
    scalar = dice.choice(HOSTILE_SCALARS) if dice.random() < 0.5 else pack(dice.choice(NUMBERS))
    return (*edits, (dice.randrange(fields), scalar))[-MAX_EDITS:]
