"""A host whose database was set back goes on under a new epoch of its log (protocol.md 5.12).

What it wrote and mailed after the backup it has forgotten, and its stations know it. So each link begins with a word
that says where the common past ends (`resync`); the station answers with a new epoch of its own stream that opens with
the rows whose versions are lost here, and goes on with its own changes. Only then it gets a snapshot.
"""

from __future__ import annotations

from dataclasses import replace

from replicator.engine import streams
from replicator.engine.collect import finish_open_group
from replicator.engine.node import Node, Unit
from replicator.engine.number_ledgers import host_restored
from replicator.engine.publish import freeze
from replicator.engine.restarting import RESYNC
from replicator.protocol.control_bodies import ResyncBody
from replicator.protocol.link import MINUTE
from replicator.protocol.timelines import Timelines
from replicator.store import batches, notices, timelines
from replicator.store.state import LinkState

RESTORED = "host-restored"
"""Kind of the notice that tells of it."""

BEGINNING = 1_735_689_600_000_000
"""1 January 2025 UTC, in microseconds."""


def begin_timeline(node: Node, reason: str) -> None:
    """At a host whose database is older than its side file: a new timeline, durable when it returns."""
    _begin(node, reason, 0, image=False)


def begin_timeline_told(node: Node, reason: str) -> None:
    """At a host of which an operator says that it was set back, perhaps as a whole; a halted one goes on.

    The side file may have been set back too, and with it what it says of epochs: one that no station can have seen is
    made of the clock, in minutes, as a count can't be. Positions behind what a station has acknowledged may mean two
    things then, since the host may have gone on under the same epoch.
    """
    _begin(node, reason, (node.runtime.now() - BEGINNING) // MINUTE, image=True)


def _begin(node: Node, reason: str, above: int, *, image: bool) -> None:
    side = node.side()
    with node.unit() as unit:
        finish_open_group(unit)
        epoch = max(unit.state.host_epoch, side.epoch, above) + 1
    # protocol.md 3.4: for the epoch the side file comes first, so that none is used twice.
    node.side_file.write(replace(side, epoch=epoch))
    with node.unit() as unit:
        _end_timelines(unit, image)
        unit.state.host_epoch = epoch
        unit.state.run = max(unit.state.run, side.run)
        unit.state.next_table = unused_table(unit)
        host_restored(unit, side.number_high_water, f"the host was set back and began epoch {epoch}", image=image)
        for peer in unit.peers:
            ask(unit, unit.link(peer))
        notices.add(
            unit.connection,
            unit.now,
            RESTORED,
            str(epoch),
            f"{reason}; it asks its stations for what it has forgotten. What was written here after that backup and "
            f"reached no station is lost: enter it again. Rules and tables that were changed since must be set again",
            waiting=False,
        )
    if side.halted is not None:
        node.side_file.write(replace(node.side(), epoch=epoch, halted=None))


def _end_timelines(unit: Unit, image: bool) -> None:
    """Common with a station is what stands in this log; where it may be a fork, what the station has confirmed."""
    for peer in unit.peers:
        end = unit.link(peer).link.out.high if image else unit.state.position
        timelines.end(unit.connection, peer, unit.state.host_epoch, end)


def unused_table(unit: Unit) -> int:
    """Tables that were added after the backup have numbers that stations know: none of them is used again."""
    jump = int.from_bytes(unit.node.runtime.random(3)) + 1
    return unit.state.next_table + jump if unit.state.next_table < 2**30 else unit.state.next_table


def of_link(unit: Unit, peer: int) -> Timelines:
    """The lost timelines of this host's link to a station."""
    return Timelines(unit.state.host_epoch, timelines.load(unit.connection, peer))


def ask(unit: Unit, state: LinkState) -> None:
    """Open a stream that asks the station for what was forgotten here, unless one of this timeline is on its way."""
    link, connection, peer = state.link, unit.connection, state.peer
    under_way = state.mode == RESYNC and link.out.acknowledged < link.out.n
    if under_way and link.out.epoch[0] == unit.state.host_epoch:
        return
    unit.journal.finish()
    position, acknowledged = unit.state.position, link.out.acknowledged
    body = ResyncBody(
        timelines.load(connection, peer),
        link.out.epoch,
        acknowledged,
        batches.digest_of(connection, peer, "out", acknowledged),
        link.inbound.epoch,
        link.inbound.n,
        link.inbound.digest,
        max(state.applied_n, 0),
    )
    first = streams.record(unit.node, position, RESYNC, body.plain())
    streams.begin_stream(unit, state, streams.following(unit, state))
    state.mode = RESYNC
    # It brings nothing of the log: who acknowledges it knows no more of that than before.
    freeze(unit, state, [(first, False)], state.link.out.high, opener=RESYNC)
