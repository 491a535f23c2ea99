"""A station whose database was set back goes on under a new epoch of its stream (protocol.md 5.11).

Nothing of the old history is merged into the new one by mistake: the host takes the new epoch's first batch, which
opens with what the station still knows, and leads it from there to the present. Groups that were not acknowledged are
sent again as they were; the host knows by their uid those that it has judged already, and answers with the rows.

Where the host was set back, its stations do the same, and give back in that first batch what it has forgotten (5.12).
"""

from __future__ import annotations

from dataclasses import replace

from replicator.engine import given_back, known_forms, streams
from replicator.engine.collect import collect
from replicator.engine.inbound import InboundBatch
from replicator.engine.marking import tell_of_gap
from replicator.engine.node import Node, Unit
from replicator.engine.publish import freeze
from replicator.errors import PeerFault
from replicator.protocol import link as links
from replicator.protocol.control_bodies import OpenBody, ResyncBody, resync_body
from replicator.protocol.messages import SegmentKind
from replicator.protocol.timelines import Timelines
from replicator.store import batches, notices, numbers, spool, timelines
from replicator.store.state import LinkState
from replicator.types import HOST_PEER

RESTORED = "restored"
"""Kind of the notice that tells of it."""
ASKED = "host-asked"
"""Kind of the notice that the host was set back, and got back from here what it had forgotten."""
LEFT = "left"
"""Direction of the digests that are kept of the host's stream before it said that it was set back."""


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
        node.side_file.write(replace(node.side(), epoch=epoch, halted=None))
    for batch in gone:
        node.spool.delete_batch(batch)


def take_resync(unit: Unit, batch: InboundBatch) -> None:
    """The host was set back: begin anew with what it has forgotten. Raises PeerFault."""
    told = _told(batch)
    collect(unit)
    unit.journal.finish()
    state = unit.link(HOST_PEER)
    timelines.replace(unit.connection, HOST_PEER, _common(unit, state, told, batch.manifest.epoch[0]).ends)
    batches.forget_digests(unit.connection, HOST_PEER, LEFT)
    side = unit.node.side()
    epoch = max(state.link.out.epoch[1], side.epoch) + 1
    unit.node.side_file.write(replace(side, epoch=epoch))
    links.forget_peak(state.link)
    state.link.out.high = (0, _still_known(unit, state, told))
    tell_of_gap(unit, told)
    _renew(unit, epoch, keeps_numbers=True)
    unit.notice(
        ASKED, str(batch.manifest.epoch[0]), f"{unit.peers[HOST_PEER].name} was set back, and gets back what it forgot"
    )


def _told(batch: InboundBatch) -> ResyncBody:
    records = [record for segment in batch.segments(SegmentKind.LOG) for record in segment.controls]
    if [record.kind for record in records] != ["resync"]:
        raise PeerFault("the host begins anew without saying where")
    return resync_body(records[0].body)


def _common(unit: Unit, state: LinkState, told: ResyncBody, present: int) -> Timelines:
    """Where its lost timelines end. Nothing is common if another copy of this station has confirmed them."""
    ends = Timelines(present, told.ends)
    if told.acknowledged and told.stream == state.left_epoch:
        mine = batches.digest_of(unit.connection, HOST_PEER, LEFT, told.acknowledged)
        if mine != told.digest:
            return ends.nothing_common()
    return ends


def _still_known(unit: Unit, state: LinkState, told: ResyncBody) -> int:
    """The sequence number up to which the host still has this station's groups: if that is of this very history."""
    same = told.n and told.inbound == state.link.out.epoch
    if same and batches.digest_of(unit.connection, HOST_PEER, "out", told.n) == told.known:
        return told.applied
    return 0


def _renew(unit: Unit, epoch: int, *, keeps_numbers: bool = False) -> list[spool.InboundBatch]:
    """In one transaction: a stream that begins with `open`, then everything that was not acknowledged.

    `keeps_numbers`: not this node was set back, so what it has used of its blocks is known.
    """
    collect(unit)
    unit.journal.finish()
    connection, state = unit.connection, unit.link(HOST_PEER)
    gone = streams.void_parked(unit)
    streams.begin_stream(unit, state, (0, epoch))
    numbers.forget_requests(connection)
    if not keeps_numbers:
        numbers.retire_all(connection)
        numbers.stop(connection, stopped=False)
    judged = state.judged_n
    streams.send_again(unit, state)
    _open(unit, state, judged)
    return gone


def _open(unit: Unit, state: LinkState, judged: int) -> None:
    """The first batch: what this station knows of the host's log.

    As long as nothing has come of a host's new timeline, the rows that it lost go with it.
    """
    stream, n = state.link.inbound.epoch, state.judged_n
    held, forms = numbers.in_hand(unit.connection), known_forms.known(unit)
    body = OpenBody(stream, state.seen, unit.state.last_n, held, forms)
    lost = Timelines(stream[0], timelines.load(unit.connection, HOST_PEER))
    entries = [streams.request(unit, state, "open", body.plain()), *given_back.segments(unit, n, lost, judged)]
    freeze(unit, state, [(entry, False) for entry in entries], (0, n), opener="open")
