"""A node's own stream begins anew, at either role and whatever for: all of it here (protocol.md 5.8, 5.11 to 5.13)."""

from __future__ import annotations

from typing import Any

from replicator.engine.node import Node, Unit
from replicator.protocol import link as links
from replicator.protocol.codec import encode_segment, raw_size
from replicator.protocol.messages import ControlRecord, GroupHead, Segment, SegmentEntry
from replicator.store import batches, parcels, slices
from replicator.store.spool import InboundBatch
from replicator.store.state import LinkState
from replicator.types import HOST_PEER, Epoch, Position


def spool(node: Node, segment: Segment) -> SegmentEntry:
    """Keep a segment that no slice of the journal holds; as a batch's manifest names it."""
    digest, frame = encode_segment(segment)
    size = node.spool.add_segment(digest, frame)
    return SegmentEntry(digest, size, raw_size(frame), rows=sum(len(block.classes) for block in segment.blocks))


def begin_stream(unit: Unit, state: LinkState, epoch: Epoch) -> None:
    """What is on its way of the old one is void. Its first batch is for the caller to freeze."""
    batches.drop_batches(unit.connection, state.peer, state.link.out.n)
    batches.forget_digests(unit.connection, state.peer, "out")
    links.new_outbound_epoch(state.link, epoch)


# --- at a host --------------------------------------------------------------------------------------------------------


def following(unit: Unit, state: LinkState) -> Epoch:
    """The next epoch of the host's stream, in its present timeline."""
    epoch, number = state.link.out.epoch
    return unit.state.host_epoch, number + 1 if epoch == unit.state.host_epoch else 1


def record(node: Node, position: Position, kind: str, body: dict[str, Any]) -> SegmentEntry:
    """A control record, with which a stream of the host's begins."""
    return spool(node, Segment(position[0], controls=[ControlRecord(position[1], 0, kind, body)]))


# --- at a station -----------------------------------------------------------------------------------------------------


def void_parked(unit: Unit) -> list[InboundBatch]:
    """What has come of the host and was not applied. Its files are the caller's to delete, behind the commit."""
    gone = [parked.place for parked in parcels.all_parked(unit.connection, HOST_PEER)]
    for batch in gone:
        parcels.drop(unit.connection, batch)
    return gone


def send_again(unit: Unit, state: LinkState) -> None:
    """What the host has not acknowledged goes out again, and awaits its verdict, again perhaps: from the first group of
    a slice on."""
    high = state.link.out.high
    state.cut_slice = slices.last_through(unit.connection, high)
    again = slices.first_behind(unit.connection, state.cut_slice)
    state.judged_n = high[1] if again is None else min(again - 1, high[1])


def request(unit: Unit, state: LinkState, kind: str, body: dict[str, Any]) -> SegmentEntry:
    """With what the stream begins: a request by itself, numbered as the last group that the host is known to have."""
    head = GroupHead(
        state.judged_n, unit.node.runtime.random(16), state.link.out.epoch, state.rule, unit.now, control=(kind, body)
    )
    return spool(unit.node, Segment(groups=[head]))
