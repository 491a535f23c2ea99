"""Publish: slices become numbered, frozen batches in each link's stream, and wait to be mailed (protocol.md 5.2).

A batch is one transaction at the receiver, so it holds whole groups only; its size is aimed at, its parts are mailed
one by one. The batch's bytes never change once it has a number.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from replicator.engine.node import Node, Unit
from replicator.engine.routing import queue_parts
from replicator.protocol import link as links
from replicator.protocol.codec import batch_digest, encode_manifest
from replicator.protocol.messages import Manifest, SegmentEntry
from replicator.store import batches, slices, trails
from replicator.store.batches import Batch, BatchSegment
from replicator.store.slices import Slice, SliceSegment
from replicator.store.state import LinkState
from replicator.store.trails import BatchTrail
from replicator.types import Position

LOOK_AHEAD = 200
"""Slices looked at for one batch at a time."""


def publish(node: Node) -> int:
    """Fill every link's window. Returns how many batches were cut."""
    with node.unit() as unit:
        peers = [peer.id for peer in unit.peers.values() if peer.enabled]
    shelf = Shelf()
    return sum(_publish_link(node, peer, shelf) for peer in peers)


@dataclass(slots=True)
class Shelf:
    """Segments of slices, read once for all links of a run."""

    segments: dict[int, list[SliceSegment]] = field(default_factory=dict)

    def of(self, unit: Unit, wanted: list[Slice]) -> list[SliceSegment]:
        unknown = [slice_.id for slice_ in wanted if slice_.id not in self.segments]
        if unknown:
            if len(self.segments) > 2000:
                self.segments.clear()
                unknown = [slice_.id for slice_ in wanted]
            for number in unknown:
                self.segments[number] = []
            for segment in slices.segments_of(unit.connection, unknown):
                self.segments[segment.slice].append(segment)
        return [segment for slice_ in wanted for segment in self.segments[slice_.id]]


def _publish_link(node: Node, peer: int, shelf: Shelf) -> int:
    count = 0
    while True:
        with node.unit() as unit:
            if unit.link(peer).mode:
                return count
            made = cut_batch(unit, peer, shelf)
        if made is None:
            return count
        count += made


def cut_batch(unit: Unit, peer: int, shelf: Shelf) -> int | None:
    """Put the next slices into a batch. None: nothing left, or no room in the window. 0: passed over, nothing in them
    for this link."""
    state = unit.link(peer)
    if not links.may_cut(state.link, unit.node.settings.window_bytes):
        return None
    taken, segments = _next_slices(unit, state, shelf)
    if not taken:
        return None
    state.cut_slice = taken[-1].id
    if not segments:
        return 0
    epoch = taken[-1].host_epoch if unit.is_host else 0
    known = [(segment.entry, segment.frame is not None) for segment in segments]
    freeze(unit, state, known, (epoch, taken[-1].last_n))
    return 1


def _next_slices(unit: Unit, state: LinkState, shelf: Shelf) -> tuple[list[Slice], list[SliceSegment]]:
    """The next slices up to the aimed-at size that end with a whole group, and what of them is for this link."""
    waiting = slices.slices_after(unit.connection, state.cut_slice, LOOK_AHEAD)
    taken: list[Slice] = []
    segments: list[SliceSegment] = []
    size = 0
    while waiting:
        for slice_ in waiting:
            taken.append(slice_)
            mine = [segment for segment in shelf.of(unit, [slice_]) if _is_for(unit, segment, state)]
            segments += mine
            size += sum(segment.raw_size for segment in mine)
            if slice_.whole and (size >= unit.node.settings.batch_bytes or (slice_.closing and mine)):
                return taken, segments
        waiting = slices.slices_after(unit.connection, taken[-1].id, LOOK_AHEAD)
    while taken and not taken[-1].whole:
        # A group is never split over batches.
        gone = taken.pop().id
        segments = [segment for segment in segments if segment.slice != gone]
    return taken, segments


def _is_for(unit: Unit, segment: SliceSegment, state: LinkState) -> bool:
    peer = state.peer
    if segment.peer is not None:
        return segment.peer == peer
    if segment.origin == peer and unit.is_host:
        # Its own clean records: the ack says it all, unless it was set back and has to hear of them.
        return segment.slice < state.rewound_slice
    if segment.recipients is None:
        return False
    return peer in unit.recipient_sets.stations[segment.recipients]


def freeze(
    unit: Unit,
    state: LinkState,
    segments: list[tuple[SegmentEntry, bool]],
    high: Position,
    opener: str | None = None,
) -> Batch:
    """Give these segments the next number in the link's stream and queue their parts for sending.

    With each segment whether its bytes stand in the journal; else they lie in the spool.
    """
    link, settings = state.link, unit.node.settings
    manifest = Manifest(
        epoch=link.out.epoch,
        n=link.out.n + 1,
        previous=link.out.digest,
        peer_epoch=link.inbound.epoch,
        high=high,
        opener=opener,
        segments=tuple(entry for entry, _ in segments),
    )
    digest, encoded = batch_digest(manifest), encode_manifest(manifest)
    size = len(encoded) + sum(entry.size for entry in manifest.segments)
    # A snapshot is exempt from the window (protocol.md 4).
    window_size = 0 if opener == "snap" else size
    n = links.cut(link, digest, window_size, unit.now, settings.probe_wait)
    batch = Batch(
        peer=state.peer,
        n=n,
        digest=digest,
        manifest=encoded,
        opener=opener,
        peer_epoch_epoch=link.inbound.epoch[0],
        peer_epoch_n=link.inbound.epoch[1],
        high_epoch=high[0],
        high_n=high[1],
        size=size,
        window_size=window_size,
        row_count=sum(entry.rows for entry in manifest.segments),
        sent_probe=link.out.probe,
        repeated=0,
        created_at=unit.now,
    )
    stored = [BatchSegment(entry.digest, entry.size, in_journal) for entry, in_journal in segments]
    batches.insert_batch(unit.connection, batch, stored)
    batches.remember_digest(unit.connection, state.peer, "out", n, digest)
    trail = (state.peer, trails.OUT, *link.out.epoch, n, *high, opener, size, batch.row_count, 0, unit.now)
    trails.note_batch(unit.database, unit.connection, BatchTrail(*trail))
    queue_parts(unit, state.peer, n, [(0, size)], is_new=True)
    return batch
