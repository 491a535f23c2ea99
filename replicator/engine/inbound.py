"""A complete inbound batch as a stream of segments, in flat memory."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from replicator.engine.node import Unit
from replicator.errors import PeerFault
from replicator.protocol.bounds import BOUNDS
from replicator.protocol.codec import IncompleteManifest, batch_digest, decode_manifest, decode_segment
from replicator.protocol.messages import Manifest, Segment, SegmentEntry, SegmentKind
from replicator.store import parcels
from replicator.store.parcels import Parked
from replicator.store.spool_stream import SpoolStream


@dataclass(slots=True)
class InboundBatch:
    """An opened batch: its manifest, checked against its place, and where each segment lies in the stream."""

    manifest: Manifest
    digest: bytes
    stream: SpoolStream
    places: list[tuple[SegmentEntry, int]]

    def segments(self, kind: SegmentKind) -> Iterator[Segment]:
        """Segments of this kind, in order, decoded one at a time."""
        for entry, _ in self.entries(kind):
            yield self.segment(entry)

    def entries(self, kind: SegmentKind) -> list[tuple[SegmentEntry, int]]:
        return [(entry, start) for entry, start in self.places if entry.kind is kind]

    def segment(self, entry: SegmentEntry) -> Segment:
        start = next(start for known, start in self.places if known is entry)
        return decode_segment(self.stream.read_range(start, entry.size), entry)

    @property
    def rows(self) -> int:
        return sum(entry.rows for entry, _ in self.places)


def open_batch(unit: Unit, parked: Parked) -> InboundBatch:
    """Open a complete batch. Raises PeerFault where the manifest is not what its parts' headers said."""
    pieces = parcels.parts(unit.connection, parked.peer, parked.epoch, parked.n)
    stream = unit.node.spool.inbound_stream(parked.place, pieces, parked.total)
    try:
        manifest, start = _read_manifest(stream, parked.total)
        places = []
        for entry in manifest.segments:
            places.append((entry, start))
            start += entry.size
        if start != parked.total or manifest.epoch != parked.epoch or manifest.n != parked.n:
            raise PeerFault("a batch is not the one that its mails announced")
    except BaseException:
        stream.close()
        raise
    digest = batch_digest(manifest)
    if parked.digest is not None and not digest.startswith(parked.digest):
        stream.close()
        raise PeerFault("a batch is not the one that its mails announced")
    return InboundBatch(manifest, digest, stream, places)


def _read_manifest(stream: SpoolStream, total: int) -> tuple[Manifest, int]:
    wanted = min(total, 4096)
    while True:
        try:
            return decode_manifest(stream.read_range(0, wanted))
        except IncompleteManifest as more:
            if more.wanted > min(total, BOUNDS.manifest):
                raise PeerFault("a batch ends before its manifest does") from more
            wanted = more.wanted
