"""Send: what waits for each link goes out, with the acknowledgement on it (protocol.md 5.3).

State is durable before a mail speaks of it: the run counter is raised and committed, then the side file, then the mails
go, by every mailbox that is set for the peer. What a mailbox has taken leaves its queue; what was sent twice, or by two
mailboxes, is a duplicate, which is harmless.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace

from replicator.engine.lost_content import begin_stream_anew
from replicator.engine.mail_packing import mails_waiting
from replicator.engine.mailbox_limits import (
    Budget,
    note_refused,
    note_taken,
    refused_before,
    settle_refused,
    subject,
)
from replicator.engine.mailboxes import TROUBLE, Away, NodeMailbox, Trouble
from replicator.engine.mailing import Errand, Letter, Sent, mail_all
from replicator.engine.node import Node, Unit
from replicator.engine.progress import Progress, Silent
from replicator.engine.routing import queue_parts
from replicator.engine.succeeding import answer_former_hosts
from replicator.errors import RecipientLater, RecipientRefused, SpoolLoss
from replicator.protocol import link as links
from replicator.protocol.hello import DatabaseTold, database_notice
from replicator.protocol.messages import Acknowledgement, Direction, Header
from replicator.protocol.succession import claim_notice
from replicator.store import batches, notices, parcels, routes, state, succession
from replicator.store.state import LinkState, Peer

NO_MAILBOX = "no-mailbox"
"""Kind of the notice about a peer that no mailbox is set for."""
MOST_PUT_OFF = 5
"""Peers put off at one mailbox in one run: after so many it is the server that wants to be left alone."""


def send(node: Node, *, resend_now: bool = False, progress: Progress | None = None, away: Away | None = None) -> Sent:
    """Send to every enabled peer what it should get. `resend_now`: everything un-acknowledged as well.

    Mailboxes that are `away` are left out, and so is one that fails, from then on. Raises the first one's trouble when
    none that sends is left; and RecipientLater at the end, when the others have theirs, for a peer that was put off.
    """
    run = _Run(node, away or Away(), progress or Silent())
    with node.unit() as unit:
        # Whoever has waited longest comes first, so that all get their turn where few mails may go.
        peers = sorted((peer for peer in unit.peers.values() if peer.enabled), key=lambda peer: peer.sent_at or 0)
        run.begin(unit, peers)
    for peer in peers:
        boxes = run.usable(peer)
        if not boxes:
            continue
        with node.unit() as unit:
            errand = _prepare(unit, unit.peers[peer.id], boxes, resend_now)
            number = unit.state.run
        if errand is None:
            continue
        # protocol.md 3.4: database commit first, then the side file, then send.
        node.side_file.write(replace(node.side(), run=number))
        for box in boxes:
            run.mail(errand, box)
    run.end(peers)
    run.sent.mails += answer_former_hosts(node, run.away)
    for lost in run.lost:
        begin_stream_anew(node, lost)
    if run.put_off:
        raise next(iter(run.put_off.values()))
    return run.sent


@dataclass
class _Run:
    """The sending of one run, mailbox by mailbox."""

    node: Node
    away: Away
    progress: Progress
    sent: Sent = field(default_factory=Sent)
    boxes: list[NodeMailbox] = field(default_factory=list)
    """Those that send."""
    budgets: dict[int, Budget] = field(default_factory=dict)
    refused: set[str] = field(default_factory=set)
    lost: list[int] = field(default_factory=list)
    """Peers of whose batches something is no longer in the spool."""
    put_off: dict[str, RecipientLater] = field(default_factory=dict)
    """Peers that no mailbox could send to for now, with the reason."""

    def begin(self, unit: Unit, peers: list[Peer]) -> None:
        self.boxes = [box for box in self.node.mailboxes if box.sends]
        self.budgets = {box.number: Budget.of(unit, box) for box in self.boxes}
        self.refused = refused_before(unit)
        self._settle_needless(unit, peers)
        _note_unserved(unit, peers, self.boxes)

    def _settle_needless(self, unit: Unit, peers: list[Peer]) -> None:
        """That a mailbox takes no mail for a peer needs nobody where nothing waits there, as the peer got all another
        way, nor where the mailbox is no longer there."""
        needed = set()
        for peer in peers if self.refused else ():
            boxes = [box for box in self.boxes if box.serves(peer.name)]
            only = len(boxes) == 1
            needed |= {
                subject(peer, box) for box in boxes if only or batches.waits(unit.connection, peer.id, [box.number])
            }
        settle_refused(unit, self.refused - needed)

    def usable(self, peer: Peer) -> list[NodeMailbox]:
        return [
            box
            for box in self.boxes
            if box not in self.away and self.budgets[box.number].left and box.serves(peer.name)
        ]

    def mail(self, errand: Errand, box: NodeMailbox) -> None:
        """All that waits there for this peer. A mailbox that fails is left out from now on."""
        peer = errand.letter.peer
        if box in self.away or peer.id in self.lost:
            return
        try:
            went = mail_all(self.node, errand, box, self.budgets[box.number], self.sent, self.progress)
        except RecipientRefused as refused:
            note_refused(self.node, peer, box, refused)  # the others get theirs
        except SpoolLoss:
            self.lost.append(peer.id)
        except TROUBLE as trouble:
            with self.node.unit() as unit:
                # The acknowledgement has not gone this way.
                routes.set_owed(unit.connection, peer.id, [box.number], True)
            self._note_failed(peer, box, trouble)
        else:
            self.put_off.pop(peer.name, None)
            if went and subject(peer, box) in self.refused:
                note_taken(self.node, peer, box)

    def _note_failed(self, peer: Peer, box: NodeMailbox, trouble: Trouble) -> None:
        if isinstance(trouble, RecipientLater):
            # Greylisting, as a rule: a matter of this peer's server, and the others get theirs.
            self.put_off[peer.name] = trouble
            if len(self.put_off) < MOST_PUT_OFF:
                return
        self.away.note(box, trouble, self.boxes)

    def end(self, peers: list[Peer]) -> None:
        """Count what the limits have kept back."""
        spent = [box for box in self.boxes if box not in self.away and not self.budgets[box.number].left]
        if not spent:
            return
        with self.node.unit() as unit:
            rooms = {box.number: unit.part_bytes_at(box.number) for box in spent}
            self.sent.held_back = sum(
                mails_waiting(unit.connection, peer.id, number, room)
                for peer in peers
                for number, room in rooms.items()
            )


def _note_unserved(unit: Unit, peers: list[Peer], boxes: list[NodeMailbox]) -> None:
    """A peer that no mailbox serves gets nothing: a person has to know."""
    known = notices.known(unit.connection, NO_MAILBOX)
    for peer in peers:
        served = any(box.serves(peer.name) for box in boxes)
        if served and peer.name in known:
            notices.settle(unit.connection, (NO_MAILBOX,), peer.name)
        elif not served:
            message = f"no mailbox sends mail to {peer.name}: name it with --station at one, or see 'account show'"
            unit.notice(NO_MAILBOX, peer.name, message, waiting=True)


def _prepare(unit: Unit, peer: Peer, boxes: list[NodeMailbox], resend_now: bool) -> Errand | None:
    """Decide whether anything goes to this peer by these mailboxes, and what stands at the head of it."""
    settings, found = unit.node.settings, unit.link(peer.id)
    link, numbers = found.link, [box.number for box in boxes]
    if resend_now:
        repeat_all(unit, found)
    waiting = batches.waits(unit.connection, peer.id, numbers)
    owed = frozenset(route.mailbox for route in unit.routes(peer.id) if route.owed and route.mailbox in numbers)
    enrolling = not unit.is_host and unit.node.identity.bootstrap_key is not None
    hello = links.hello_is_due(unit.now, peer.sent_at, settings.hello_wait)
    silence = links.probe_is_due(link, unit.now, enrolling)
    if unit.is_host and peer.sent_at is None and not waiting:
        hello = False  # nothing to say to a station that has no rule and has never been heard
    speaks = link.inbound.acknowledgement_due or hello or silence
    if not (waiting or speaks or owed):
        return None
    number = 0
    if (hello and not waiting) or silence or resend_now:
        number = links.probe(link, unit.now, settings.probe_wait, in_silence=silence)
        # What goes out together with a probe is not shown to be lost by its answer.
        batches.mark_queue_sent(unit.connection, peer.id, numbers, number)
    if speaks:
        # One that is away now gets the word out later, though nothing else may wait then.
        others = [route.mailbox for route in unit.routes(peer.id) if route.mailbox not in numbers and not route.owed]
        routes.set_owed(unit.connection, peer.id, others, True)
    missing = parcels.missing(unit.connection, peer.id, link.inbound.epoch, link.inbound.n, link.inbound.high)
    acknowledgement = links.acknowledgement(link, missing)
    link.inbound.acknowledgement_due = False
    peer.sent_at = unit.now
    state.save_peer(unit.connection, peer)
    unit.state.run = max(unit.node.side().run, unit.state.run) + 1
    letter = _letter(unit, peer, found, acknowledgement, number)
    return (
        None if letter is None else Errand(letter, speaks, owed, batches.queue_bytes(unit.connection, peer.id, numbers))
    )


def _letter(unit: Unit, peer: Peer, found: LinkState, acknowledgement: Acknowledgement, probe: int) -> Letter | None:
    identity = unit.node.identity
    bootstrap = identity.bootstrap_key
    public = peer.public_key or peer.bootstrap_key
    if public is None:
        return None
    header = Header(
        sender=unit.state.name,
        receiver=peer.name,
        direction=Direction.DOWN if unit.is_host else Direction.UP,
        acknowledgement=acknowledgement,
        echo=links.echo(found.link),
        probe=probe,
        new_key=identity.public_key if bootstrap is not None else None,
        notice=_notice(unit),
    )
    secret = bytes(bootstrap if bootstrap is not None else identity.private_key)
    return Letter(peer, unit.state.address, found.link.out.epoch, acknowledgement, header, secret, public)


def _notice(unit: Unit) -> str | None:
    """A station tells of its database; a host that took another one's place, where it is to be reached."""
    if not unit.is_host:
        return database_notice(_database(unit))
    return claim_notice(unit.state.address) if succession.former_hosts(unit.connection) else None


def _database(unit: Unit) -> DatabaseTold:
    return DatabaseTold(unit.database.name, unit.database.version(unit.connection))


def repeat_all(unit: Unit, found: LinkState) -> None:
    """Queue all that is not acknowledged, whole."""
    for batch in batches.unacknowledged(unit.connection, found.peer):
        queue_parts(unit, found.peer, batch.n, [(0, batch.size)])
        batches.mark_sent(unit.connection, found.peer, batch.n, found.link.out.probe, False)
