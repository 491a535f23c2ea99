"""Send: what waits for each link goes out, with the acknowledgement on it (protocol.md 5.3).

State is durable before a mail speaks of it: the run counter is raised and committed, then the side file, then the mails
go. A mail that the mailbox has taken leaves the queue; one that was sent twice is a duplicate, which is harmless.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace

from replicator.engine.mailbox_limits import REFUSED, Budget, learn_size, note_refused, note_taken
from replicator.engine.node import Node, Unit
from replicator.engine.progress import Progress, Silent
from replicator.engine.publish import part_ranges
from replicator.errors import MailboxTrouble, MailTooLarge, RecipientRefused
from replicator.protocol import link as links
from replicator.protocol.envelope import seal
from replicator.protocol.messages import Acknowledgement, Direction, Header, PartPlace
from replicator.store import batches, notices, outgoing, parcels, slices, state
from replicator.store.batches import Batch, BatchSegment, Queued
from replicator.store.state import LinkState, Peer
from replicator.transport import mime
from replicator.transport.base import Mail

QUEUE_PAGE = 64
"""Mails sent before they are taken out of the queue in one transaction."""


@dataclass(slots=True)
class Sent:
    mails: int = 0
    bytes: int = 0
    rows: int = 0
    held_back: int = 0
    """Mails that wait for a later run: as many as the settings let go have gone."""


@dataclass(frozen=True, slots=True)
class _Letter:
    """One peer's share of a run: what every mail to it carries."""

    peer: Peer
    address: str
    acknowledgement: Acknowledgement
    header: Header
    secret: bytes
    public: bytes


def send(node: Node, *, resend_now: bool = False, progress: Progress | None = None) -> Sent:
    """Send to every enabled peer what it should get. `resend_now`: everything un-acknowledged as well."""
    sent = Sent()
    with node.unit() as unit:
        # Whoever has waited longest comes first, so that all get their turn where few mails may go.
        peers = sorted((peer for peer in unit.peers.values() if peer.enabled), key=lambda peer: peer.sent_at or 0)
        budget, refused_before = Budget.of(unit), notices.known(unit.connection, REFUSED)
    for peer in peers:
        if not budget.left:
            break
        with node.unit() as unit:
            letter = _prepare(unit, unit.peers[peer.id], resend_now)
            run = unit.state.run
        if letter is None:
            continue
        # protocol.md 3.4: database commit first, then the side file, then send.
        node.side_file.write(replace(node.side(), run=run))
        try:
            _send_letter(node, letter, sent, budget, progress or Silent())
        except RecipientRefused as refused:
            note_refused(node, peer, refused)  # the others get theirs
        else:
            if peer.name in refused_before:
                note_taken(node, peer)
    if not budget.left:
        with node.unit() as unit:
            sent.held_back = sum(batches.queue_size(unit.connection, peer.id)[0] for peer in peers)
    return sent


def _prepare(unit: Unit, peer: Peer, resend_now: bool) -> _Letter | None:
    """Decide whether anything goes to this peer, and what stands at the head of it. None: nothing."""
    settings, found = unit.node.settings, unit.link(peer.id)
    link = found.link
    if resend_now:
        repeat_all(unit, found)
    waiting = batches.queued(unit.connection, peer.id, limit=1)
    enrolling = not unit.is_host and unit.node.identity.bootstrap_key is not None
    hello = peer.sent_at is None or unit.now - peer.sent_at >= settings.hello_wait
    silence = links.probe_is_due(link, unit.now, enrolling)
    if unit.is_host and peer.sent_at is None and not waiting:
        hello = False  # nothing to say to a station that has no rule and has never been heard
    if not (waiting or link.inbound.acknowledgement_due or hello or silence):
        return None
    number = 0
    if (hello and not waiting) or silence or resend_now:
        number = links.probe(link, unit.now, settings.probe_wait, in_silence=silence)
        # What goes out together with a probe is not shown to be lost by its answer.
        batches.mark_queue_sent(unit.connection, peer.id, number)
    missing = parcels.missing(unit.connection, peer.id, link.inbound.epoch, link.inbound.n, link.inbound.high)
    acknowledgement = links.acknowledgement(link, missing)
    link.inbound.acknowledgement_due = False
    peer.sent_at = unit.now
    state.save_peer(unit.connection, peer)
    unit.state.run = max(unit.node.side().run, unit.state.run) + 1
    return _letter(unit, peer, found, acknowledgement, number)


def _letter(unit: Unit, peer: Peer, found: LinkState, acknowledgement: Acknowledgement, probe: int) -> _Letter | None:
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
    )
    secret = bytes(bootstrap if bootstrap is not None else identity.private_key)
    return _Letter(peer, unit.state.address, acknowledgement, header, secret, public)


def repeat_all(unit: Unit, found: LinkState) -> None:
    """Queue all that is not acknowledged, whole."""
    for batch in batches.unacknowledged(unit.connection, found.peer):
        batches.enqueue(unit.connection, found.peer, batch.n, part_ranges(batch.size, unit.part_bytes))
        batches.mark_sent(unit.connection, found.peer, batch.n, found.link.out.probe, False)


def _send_letter(node: Node, letter: _Letter, sent: Sent, budget: Budget, progress: Progress) -> None:
    """All that waits for this peer, a page at a time; an acknowledgement of its own where nothing waits."""
    first, mailed, rows_before = True, 0, sent.rows
    with node.unit() as unit:
        _, total = batches.queue_size(unit.connection, letter.peer.id)
    while budget.left:
        with node.unit() as unit:
            page = _page(unit, letter, min(QUEUE_PAGE, budget.left), alone=first)
        if not page:
            return
        first, gone = False, list[_Due]()
        try:
            for due in page:
                _send_due(node, letter, due, sent)
                gone.append(due)
                if due.length:
                    mailed += due.length
                    progress.sent(letter.peer.name, mailed, total, sent.rows - rows_before)
        except MailTooLarge as refused:
            _have_gone(node, gone, budget)
            learn_size(node, refused, due.length)
        except MailboxTrouble:
            _have_gone(node, gone, budget)
            raise
        else:
            _have_gone(node, gone, budget)


@dataclass(frozen=True, slots=True)
class _Due:
    """A mail that is to go now: a part of a batch, or nothing but what stands at its head."""

    message_id: str
    item: Queued | None = None
    batch: Batch | None = None
    segments: list[BatchSegment] = field(default_factory=list)

    @property
    def length(self) -> int:
        return 0 if self.item is None else self.item.length


def _page(unit: Unit, letter: _Letter, most: int, *, alone: bool) -> list[_Due]:
    """What goes next. By its Message-ID a bounce is known, so that is noted before the mail goes.

    `alone`: where nothing waits, a mail goes that carries the acknowledgement only.
    """
    peer, connection = letter.peer.id, unit.connection
    queue = batches.queued(connection, peer, limit=most)
    frozen = {n: batches.batch(connection, peer, n) for n in {item.n for item in queue}}
    segments = {n: batches.batch_segments(connection, peer, n) for n in frozen}
    batches.dequeue(connection, [item.id for item in queue if frozen[item.n] is None])
    page = [
        _Due(mime.new_message_id(unit.node.runtime, letter.address), item, frozen[item.n], segments[item.n])
        for item in queue
        if frozen[item.n] is not None
    ]
    if not page and alone:
        page = [_Due(mime.new_message_id(unit.node.runtime, letter.address))]
    outgoing.remember_mails(connection, peer, [(due.message_id, due.length) for due in page], unit.now)
    return page


def _have_gone(node: Node, gone: list[_Due], budget: Budget) -> None:
    """These mails are at the mailbox: they leave the queue."""
    items = [due.item.id for due in gone if due.item is not None]
    if items:
        with node.unit() as unit:
            batches.dequeue(unit.connection, items)
    budget.spend(node, len(gone))


def _send_due(node: Node, letter: _Letter, due: _Due, sent: Sent) -> None:
    item, batch = due.item, due.batch
    if item is None or batch is None:
        _send_mail(node, letter, letter.header, b"", due.message_id, sent)
        return
    payload = read_stream(node, batch.manifest, due.segments, item.start, item.length)
    epoch = letter.header.echo.epoch
    place = PartPlace(epoch, batch.n, batch.size, item.start, batch.peer_epoch, batch.opener)
    _send_mail(node, letter, replace(letter.header, part=place), payload, due.message_id, sent)
    if item.start == 0:
        sent.rows += batch.row_count


def read_stream(node: Node, manifest: bytes, segments: list[BatchSegment], start: int, length: int) -> bytes:
    """A range of a batch's frozen stream: its manifest, then its segments from the journal or the spool."""
    pieces, position, end = [], len(manifest), start + length
    if start < position:
        pieces.append(manifest[start:end])
    with node.database.transaction(write=False) as connection:
        for segment in segments:
            first, last = max(start - position, 0), min(end - position, segment.size)
            position += segment.size
            if first >= last:
                continue
            frame = slices.frame(connection, segment.digest) if segment.in_journal else None
            if frame is not None and len(frame) == segment.size:
                pieces.append(frame[first:last])
            else:
                with node.spool.outbound_stream(b"", [(segment.digest, segment.size)]) as stream:
                    pieces.append(stream.read_range(first, last - first))
    return b"".join(pieces)


def _send_mail(node: Node, letter: _Letter, header: Header, payload: bytes, message_id: str, sent: Sent) -> None:
    sealed = seal(header, payload, letter.secret, letter.public, node.runtime)
    mail = Mail(
        sender=letter.address,
        recipient=letter.peer.address,
        subject=f"Replicator: {header.sender} to {header.receiver}",
        sentence=mime.sentence_for_people(header.sender, header.receiver),
        payloads=(sealed,),
        message_id=message_id,
        date=node.runtime.now(),
    )
    node.mailbox.send(mail)
    sent.mails += 1
    sent.bytes += len(sealed)
