"""A copy of a station becomes a station of its own, and keeps its database (protocol.md 5.13).

Two computers with one station's name are found out by chain and echo: one goes on under a new epoch, the other halts.
What only the halted one knows must not be lost. It goes on under another name, in a stream of its own that begins with
the request `copy`: behind it comes all that the host had not acknowledged under the old name, as it was numbered then.
The host knows by the uids what came under the old name too. A snapshot then brings the copy up to date.
"""

from __future__ import annotations

from dataclasses import dataclass

from replicator.engine import compared, known_forms, streams
from replicator.engine.collect import collect
from replicator.engine.node import Node, Unit
from replicator.engine.publish import freeze
from replicator.engine.succeeding import exchange_with
from replicator.engine.timelines import ask
from replicator.errors import Halted
from replicator.protocol import link as links
from replicator.protocol.control_bodies import CopyBody, copy_body
from replicator.protocol.link import InboundStream
from replicator.store import batches, journal, notices, numbers, state, timelines
from replicator.store.spool import InboundBatch
from replicator.store.state import LinkState
from replicator.types import HOST_PEER, NOWHERE

COPY = "copy"
"""Opener of the first batch, and kind of its request."""
TAKEN = "copy-taken"
"""Kind of the notice at the host."""
BECAME = "became-another"
"""Kind of the notice at the copy."""


@dataclass(frozen=True, slots=True)
class NewName:
    """Who the copy is from now on, as its invitation says."""

    station: str
    address: str
    invitation: str
    epoch: int
    """Of its stream, which the host expects to begin there."""
    host_public_key: bytes
    """Another one than before: of a backup station that took the host's place meanwhile."""
    host_address: str


def number_unsent(node: Node) -> int:
    """All that was captured is numbered. Gives the last group that the host has acknowledged."""
    with node.unit() as unit:
        collect(unit)
        return unit.link(HOST_PEER).link.out.high[1]


def _unacknowledged(unit: Unit) -> int:
    """How many changes of this station the host has not acknowledged."""
    known = unit.link(HOST_PEER).link.out.high[1]
    return sum(group.entries for group in journal.groups(unit.connection, known + 1, unit.state.last_n).values())


def become(node: Node, new: NewName, run: int) -> int:
    """In one transaction the database is the new station's. Returns how many changes it brings along.

    `run`: of the side file, so that a database of before passes for no restore under the new name.
    """
    with node.unit() as unit:
        collect(unit)
        unit.journal.finish()
        brings = _unacknowledged(unit)
        gone = _begin_stream(unit, new)
        former = unit.state.name
        host = unit.peers[HOST_PEER]
        if host.public_key != new.host_public_key:
            exchange_with(unit, host, new.host_public_key, new.host_address)
        unit.state.run = max(unit.state.run, run)
        unit.state.name, unit.state.address = new.station, new.address
        host.invitation, host.heard_at, host.sent_at = new.invitation, None, None
        state.save_peer(unit.connection, host)
        compared.give_up(unit, f"this node was a copy of {former} then")
        for kind in ("another-computer", "restored"):
            notices.settle_all(unit.connection, (kind,), notices.known(unit.connection, kind))
        unit.notice(BECAME, new.station, f"this node was a copy of {former} and is the station {new.station} now")
    for batch in gone:
        node.spool.delete_batch(batch)
    return brings


def _begin_stream(unit: Unit, new: NewName) -> list[InboundBatch]:
    """A link that nothing was heard on yet; its first batch says what this database knows of the host."""
    connection, link = unit.connection, unit.link(HOST_PEER)
    gone = streams.void_parked(unit)
    streams.begin_stream(unit, link, (0, new.epoch))
    batches.forget_digests(connection, HOST_PEER, "in")
    # Its blocks are the other one's.
    numbers.retire_all(connection)
    numbers.forget_requests(connection)
    numbers.stop(connection, stopped=False)
    links.forget_peak(link.link)
    link.link.inbound = InboundStream(NOWHERE)
    link.number = 0
    streams.send_again(unit, link)
    first = streams.request(unit, link, COPY, CopyBody(link.seen, unit.state.last_n, known_forms.known(unit)).plain())
    freeze(unit, link, [(first, False)], (0, link.judged_n), opener=COPY)
    # Of the new link's log nothing is applied yet: its snapshot says where it begins.
    link.seen = NOWHERE
    return gone


# --- at the host ------------------------------------------------------------------------------------------------------


def take_copy(unit: Unit, link: LinkState, body: object) -> None:
    """A copy begins its stream. Raises PeerFault, Halted where it has seen more of this host's log than there is."""
    told = copy_body(body)
    name = unit.peers[link.peer].name
    if told.seen > unit.state.position:
        reason = f"{name}, which was a copy, knows more of this host's log than the host: its database was set back"
        unit.node.halt(reason, told.seen[0])
        raise Halted(f"this node has halted: {reason}; nothing is sent or applied until a person decides")
    link.resent_until = told.resent
    known_forms.learn(unit, told.forms)
    if told.seen != NOWHERE and told.seen[0] < unit.state.host_epoch:
        _ask_back(unit, link, told.seen[0])
    former = unit.peers.get(link.copy_of)
    whose = f"of {former.name} " if former is not None else ""
    unit.notice(TAKEN, name, f"{name} begins as a copy {whose}and gives back what only it knows")


def _ask_back(unit: Unit, link: LinkState, epoch: int) -> None:
    """This host was restored since: what the copy knows of the time that was forgotten is asked for, as of any station.

    What is common with it is what was common with the station that it was. If that is gone, nothing passes for common.
    """
    ends = timelines.load(unit.connection, link.copy_of) or {epoch: NOWHERE}
    timelines.replace(unit.connection, link.peer, ends)
    ask(unit, link)
