"""Receive: mail is opened, checked, stored, committed, and only then deleted (protocol.md 4.1, 5.4).

Input is hostile until it is authenticated. What is not ours is for `unrecognised`; what is ours but can't be opened or
breaks the protocol is set aside with the reason. One bad mail never stops the rest.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from replicator.engine.apply import apply_before_opening
from replicator.engine.bounced import settle_bounces, take_bounce
from replicator.engine.fitness import hear_database
from replicator.engine.forwarding import take_returned
from replicator.engine.incarnation import LEFT, begin_anew
from replicator.engine.mailboxes import TROUBLE, Away, NodeMailbox
from replicator.engine.node import Node, Unit
from replicator.engine.progress import Progress, Silent
from replicator.engine.restarting import RESYNC, welcome_back
from replicator.engine.routing import queue_parts
from replicator.engine.succeeding import accept, hear_address
from replicator.engine.timelines import ask
from replicator.engine.unrecognised import Strangers
from replicator.engine.unsealing import Opened, Outdated, UsedTwice, enrol, open_mail
from replicator.errors import Halted, PeerFault
from replicator.protocol import link as links
from replicator.protocol.envelope import MAGIC
from replicator.protocol.link import Heard, InboundStream, Placement
from replicator.protocol.messages import Acknowledgement, Header, PartPlace
from replicator.protocol.repeating import to_repeat
from replicator.protocol.succession import SUCCEEDED
from replicator.store import aside, batches, number_pace, parcels, slices, state, trails
from replicator.store.spool import InboundBatch
from replicator.store.state import LinkState, Peer
from replicator.store.trails import MailTrail
from replicator.transport import mime
from replicator.transport.base import Fetched
from replicator.types import Epoch, Role


@dataclass(slots=True)
class Received:
    mails: int = 0
    bytes: int = 0
    set_aside: int = 0
    foreign: int = 0
    """Mails that are not the replicator's, those known from before included."""
    moved: int = 0
    """How many of them were moved to another folder."""
    bounces: int = 0
    """Mails of ours, or forwarded by us, that did not reach their recipient."""


LONGEST_NAME = 400
"""Of a mail, for those who ask by which one something came."""


class Left(Exception):
    """This mail stays where it is."""


def receive(node: Node, *, progress: Progress | None = None, away: Away | None = None) -> Received:
    """Take in all mail that lies in the mailboxes; `away` notes which of them can't be used in this run.

    Raises Halted when a mail shows that this node must stop, and the trouble of the account's own mailbox when all of
    them are away.
    """
    received, away = Received(), away or Away()
    boxes = node.mailboxes
    for box in boxes:
        try:
            _receive_from(node, box, received, progress or Silent())
        except TROUBLE as trouble:
            away.note(box, trouble, boxes)
    return received


def _receive_from(node: Node, box: NodeMailbox, received: Received, progress: Progress) -> None:
    strangers, size = Strangers(node, box), 0
    mails = box.mailbox.fetch(largest=node.settings.mail_bytes, skip=strangers.known)
    for done, fetched in enumerate(mails, start=1):
        if _take_mail(node, fetched, strangers, received, progress):
            box.mailbox.delete([fetched.id])
        size += fetched.size
        progress.fetched(box.name, done, done + fetched.behind, size)
    strangers.done()
    received.foreign += strangers.count
    received.moved += strangers.moved


def _take_mail(node: Node, fetched: Fetched, strangers: Strangers, received: Received, progress: Progress) -> bool:
    """Whether the mail may leave the mailbox: what it holds is stored."""
    if fetched.raw is None:
        strangers.absent(fetched)
        return False
    found = mime.extract(fetched.raw, MAGIC)
    if not found.payloads:
        if take_bounce(node, fetched.raw) or take_returned(node, fetched.raw):
            received.bounces += 1
            return True
        strangers.met(fetched, found.reason or "it is not from a replicator")
        return False
    try:
        fault = _take_all(node, found.payloads, _name(fetched), received, progress)
    except Left:
        return False
    if fault is not None:
        _set_aside(node, fetched, fault, received)
    received.mails += 1
    return True


def _name(fetched: Fetched) -> str:
    found = None if fetched.raw is None else mime.message_id_of(fetched.raw)
    return found or fetched.id.encode("ascii", "replace").decode()[:LONGEST_NAME]


def _take_all(
    node: Node, payloads: tuple[bytes, ...], mail: str, received: Received, progress: Progress
) -> PeerFault | None:
    """Take what a mail holds, one by one: one that is bad does not stop those behind it. Gives the first fault."""
    first: PeerFault | None = None
    for payload in payloads:
        try:
            _take(node, payload, mail, progress)
            received.bytes += len(payload)
        except Outdated:
            received.bytes += len(payload)
        except PeerFault as fault:
            first = first or fault
    return first


def _set_aside(node: Node, fetched: Fetched, fault: PeerFault, received: Received) -> None:
    """Keep the mail with the reason before it leaves the mailbox."""
    assert fetched.raw is not None  # noqa: S101 - the caller has looked
    path = aside.keep(node.aside, fetched.raw, node.runtime)
    with node.unit() as unit:
        waiting = isinstance(fault, UsedTwice)
        unit.notice("set-aside", path.name, f"a mail was set aside as {path.name}: {fault}", waiting)
    received.set_aside += 1
    received.bytes += fetched.size


def _take(node: Node, blob: bytes, mail: str, progress: Progress) -> None:
    """`mail`: a name for those who ask later by which mail something came."""
    opened = open_mail(node, blob)
    if _opens_epoch(node, opened) and not apply_before_opening(node, opened.peer.id, progress):
        raise Left
    gone: list[InboundBatch] = []
    freed: list[bytes] = []
    behind: list[Callable[[], None]] = []
    heard, unasked, replaced = Heard.NOTHING_NEW, False, False
    with node.unit() as unit:
        peer = unit.peers[opened.peer.id]
        if not peer.enabled:
            raise Left
        links.check_binding(opened.header, unit.state.name, peer.name, unit.state.role)
        if opened.successor is not None:
            behind.append(accept(unit, peer, opened.header, opened.successor))
        behind += enrol(unit, peer, opened)
        if unit.is_host:
            hear_database(unit, peer, opened.header)
        else:
            hear_address(unit, peer, opened.header)
        if unit.now - (peer.heard_at or 0) >= number_pace.ONE_RUN:
            number_pace.note_contact(unit.connection, peer.id, unit.now)
        peer.heard_at = unit.now
        state.save_peer(unit.connection, peer)
        settle_bounces(unit.connection, peer)
        found = unit.link(peer.id)
        welcome_back(found)
        heard = _hear(unit, found, opened.header, freed)
        replaced = unit.is_host and opened.header.notice == SUCCEEDED
        heard = Heard.SUCCESSOR if replaced else heard
        if heard not in (Heard.SUCCESSOR, Heard.SET_BACK):
            links.heard_probe(found.link, opened.header.probe)
            unasked = _place(unit, found, peer, opened, mail, gone, progress) is Placement.UNASKED
        freed = slices.unneeded(unit.connection, freed)
    for step in behind:
        step()
    node.spool.delete_segments(freed)
    for batch in gone:
        node.spool.delete_batch(batch)
    if replaced:
        _stop_replaced(node, opened.peer.name)
    _stop_if_forked(node, opened.peer.name, heard, opened.header.acknowledgement.epoch)
    if unasked:
        begin_anew(node, f"{opened.peer.name} was set back, and goes on without what this node knows")


def _opens_epoch(node: Node, opened: Opened) -> bool:
    """At a host: does a station begin anew with this mail?"""
    part = opened.header.part
    if part is None or part.opener != "open" or node.role is not Role.HOST or not opened.peer.enabled:
        return False
    with node.unit() as unit:
        return part.epoch > unit.link(opened.peer.id).link.inbound.epoch


def _stop_replaced(node: Node, station: str) -> None:
    """A station has accepted another host in this one's place. Raises Halted."""
    reason = (
        f"{station} tells that a backup station has taken this host's place, as it was believed lost. What was written "
        f"here since reaches nobody: leave this host halted, and enter at the new one what is missing there"
    )
    node.halt(reason)
    raise Halted(f"this node has halted, and sends and applies nothing: {reason}")


def _stop_if_forked(node: Node, peer: str, heard: Heard, known: Epoch) -> None:
    """`known`: the epoch of this node's stream that the peer has heard."""
    if heard is Heard.SUCCESSOR:
        reason = f"{peer} has heard from a later copy of this node: another computer works under its name"
        if node.role is Role.STATION:
            reason += (
                ". If this one is to go on and not the other, say: replicator restored. If this one is the copy, make "
                "it a station of its own, which loses nothing: replicator copy"
            )
    elif heard is Heard.SET_BACK:
        reason = f"{peer} knows of batches that this node never made: its database was set back to an earlier state"
        if node.role is Role.STATION:
            begin_anew(node, reason)
            return
        reason += (
            ". If that is so, say: replicator restored, and it asks its stations for what it has forgotten. If another "
            "computer works as this host, leave this one halted"
        )
    else:
        return
    node.halt(reason, known[1] if node.role is Role.STATION else known[0])
    raise Halted(f"this node has halted, and sends and applies nothing: {reason}")


# --- streams ----------------------------------------------------------------------------------------------------------


def _hear(unit: Unit, found: LinkState, header: Header, freed: list[bytes]) -> Heard:
    """Step 4: the acknowledgement and echo; acknowledged batches go, what is shown to be lost is queued again."""
    link, connection, peer = found.link, unit.connection, found.peer
    wait, known = unit.node.settings.probe_wait, link.out.acknowledged
    heard = links.hear(
        link,
        header,
        lambda n: batches.digest_of(connection, peer, "out", n),
        unit.now,
        wait,
        lambda n: batches.digest_of(connection, peer, "in", n),
        asking=found.mode == RESYNC,
    )
    if heard in (Heard.SUCCESSOR, Heard.SET_BACK):
        return heard
    if heard is Heard.ADVANCED:
        high, bytes_freed, digests = batches.drop_batches(connection, peer, link.out.acknowledged)
        link.out.unacknowledged_bytes -= bytes_freed
        if high is not None:
            link.out.high = high
        freed += digests
        trails.note_acknowledged(connection, peer, link.out.epoch, known, link.out.acknowledged, unit.now)
    acknowledgement = header.acknowledgement
    if acknowledgement.epoch < link.out.epoch:
        # Nothing of the present epoch has reached the peer when it said this, not even its first batch.
        acknowledgement = Acknowledgement(link.out.epoch, 0, None, 0, probe=acknowledgement.probe)
    if acknowledgement.epoch == link.out.epoch:
        repeats = to_repeat(acknowledgement, batches.unacknowledged(connection, peer))
        if repeats:
            links.repeated(link, unit.now, wait)
        for repeat in repeats:
            queue_parts(unit, peer, repeat.n, repeat.ranges)
            batches.mark_sent(connection, peer, repeat.n, link.out.probe, repeat.named)
    return heard


def _place(
    unit: Unit,
    found: LinkState,
    peer: Peer,
    opened: Opened,
    mail: str,
    gone: list[InboundBatch],
    progress: Progress,
) -> Placement | None:
    """Steps 7 to 9: park the part that came, if it belongs to this stream. Where the mail has none: None."""
    part, payload = opened.header.part, opened.payload
    if part is None:
        return None
    if part.offset + len(payload) > part.total or not payload:
        raise PeerFault("its piece of a batch lies outside the batch")
    connection, settings = unit.connection, unit.node.settings
    room = settings.parked_windows * settings.window_bytes
    before = found.link.inbound
    placement = links.place(found.link, part, parcels.parked_bytes(connection, peer.id), room)
    if placement is Placement.UNTOLD:
        ask(unit, found)
    if placement is Placement.OPEN:
        _leave(unit, found, before, part.opener)
        gone += parcels.drop_other_epochs(connection, peer.id, part.epoch)
    if placement in (Placement.OPEN, Placement.PARK):
        _park(unit, peer, part, payload, progress)
        trail = MailTrail(peer.id, trails.IN, *part.epoch, part.n, mail, unit.now)
        trails.note_mails(unit.database, connection, [trail])
    return placement


def _leave(unit: Unit, found: LinkState, before: InboundStream, opener: str | None) -> None:
    """The peer's stream begins anew. Of one that a host was set back in, its end is still to be compared; of a station,
    what it holds is still to be read."""
    if opener == RESYNC and before.n:
        found.left_epoch = before.epoch
        batches.rename_digests(unit.connection, found.peer, "in", LEFT)
    else:
        if opener == "open":
            found.left_epoch = before.epoch
        batches.forget_digests(unit.connection, found.peer, "in")


def _park(unit: Unit, peer: Peer, part: PartPlace, payload: bytes, progress: Progress) -> None:
    connection = unit.connection
    there = parcels.parked(connection, peer.id, part.epoch, part.n)
    if there is not None and there.digest != part.digest:
        # Its sender was set back, and has made another batch of this number: what came of the first is void.
        parcels.drop(connection, there.place)
        there = None
    if there is not None and there.total != part.total:
        raise PeerFault("its batch has another size than the same batch had before")
    if parcels.has_part(connection, peer.id, part, len(payload)):
        return
    unit.node.spool.require_room(len(payload))
    unit.node.spool.add_part(InboundBatch(peer.id, part.epoch, part.n), part.offset, payload)
    parked = parcels.add_part(connection, peer.id, part, len(payload))
    progress.received(peer.name, parked.n, parked.received, parked.total)
