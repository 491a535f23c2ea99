"""A station whose database was set back goes on under a new epoch of its stream (protocol.md 5.11).

Nothing of the old history is merged into the new one by mistake: the host takes the new epoch's first batch, which
opens with what the station still knows, and leads it from there to the present. Groups that were not acknowledged are
sent again as they were; the host knows by their uid those that it has judged already, and answers with the rows.
"""

from __future__ import annotations

from dataclasses import replace

from replicator.engine.collect import collect
from replicator.engine.node import Node, Unit
from replicator.engine.publish import freeze
from replicator.protocol import link as links
from replicator.protocol.codec import encode_segment, raw_size
from replicator.protocol.control_bodies import OpenBody
from replicator.protocol.messages import GroupHead, Segment, SegmentEntry
from replicator.store import batches, notices, parcels, slices
from replicator.store.spool import InboundBatch
from replicator.store.state import LinkState
from replicator.types import HOST_PEER

RESTORED = "restored"
"""Kind of the notice that tells of it."""


def begin_anew(node: Node, reason: str) -> None:
    """At a station: a new incarnation of its stream, durable when it returns; a halted node goes on.

    `reason` is how it was noticed, for people.
    """
    side = node.side()
    with node.unit() as unit:
        epoch = max(unit.link(HOST_PEER).link.out.epoch[1], side.epoch) + 1
    # protocol.md 3.4: for the epoch the side file comes first, so that none is used twice.
    node.side_file.write(replace(side, epoch=epoch))
    with node.unit() as unit:
        gone = _renew(unit, epoch)
        unit.state.run = max(unit.state.run, side.run)
        notices.add(
            unit.connection,
            unit.now,
            RESTORED,
            str(epoch),
            f"{reason}; it goes on with what it knows, and the host brings it up to date. What was written here after "
            f"that backup and had not been sent is lost: enter it again",
            waiting=False,
        )
    if side.halted is not None:
        node.side_file.write(replace(side, epoch=epoch, halted=None))
    for batch in gone:
        node.spool.delete_batch(batch)


def _renew(unit: Unit, epoch: int) -> list[InboundBatch]:
    """In one transaction: a stream that begins with `open`, then everything that was not acknowledged."""
    collect(unit)
    unit.journal.finish()
    connection, state = unit.connection, unit.link(HOST_PEER)
    link = state.link
    gone = [parked.place for parked in parcels.all_parked(connection, HOST_PEER)]
    for batch in gone:
        parcels.drop(connection, batch)
    batches.drop_batches(connection, HOST_PEER, link.out.n)
    batches.forget_digests(connection, HOST_PEER, "out")
    links.new_outbound_epoch(link, (0, epoch))
    # What the host has not acknowledged awaits its verdict, again perhaps.
    state.judged_n = link.out.high[1]
    state.cut_slice = slices.last_through(connection, link.out.high)
    _open(unit, state)
    return gone


def _open(unit: Unit, state: LinkState) -> None:
    """The first batch: a request by itself, numbered as the last group that the host is known to have."""
    link, n = state.link, state.link.out.high[1]
    body = OpenBody(link.inbound.epoch, state.seen, unit.state.last_n)
    head = GroupHead(
        n, unit.node.runtime.random(16), link.out.epoch, state.rule, unit.now, control=("open", body.plain())
    )
    digest, frame = encode_segment(Segment(groups=[head]))
    size = unit.node.spool.add_segment(digest, frame)
    entry = SegmentEntry(digest, size, raw_size(frame))
    freeze(unit, state, [(entry, False)], (0, n), opener="open")
