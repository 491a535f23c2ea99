"""Mailing: what waits for a peer goes out by one mailbox, in as few mails as its size allows."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from functools import cached_property

from replicator.engine.mail_packing import first_page, packed, weight
from replicator.engine.mailbox_limits import Budget, learn_size
from replicator.engine.mailboxes import NodeMailbox
from replicator.engine.node import Node, Unit
from replicator.engine.progress import Progress
from replicator.errors import ConfigurationError, MailboxTrouble, MailTooLarge, SpoolLoss
from replicator.protocol.codec import encode_header
from replicator.protocol.envelope import OVERHEAD, seal
from replicator.protocol.messages import PREFIX_SIZE, Acknowledgement, Header, PartPlace
from replicator.store import batches, outgoing, routes, slices, trails
from replicator.store.batches import Batch, BatchSegment, Queued
from replicator.store.outgoing import SentMail
from replicator.store.state import Peer
from replicator.store.trails import MailTrail
from replicator.transport import mime
from replicator.transport.base import Mail
from replicator.types import NOWHERE, Epoch

QUEUE_PAGE = 64
"""Mails sent before they are taken out of the queue in one transaction."""
LOOK_AHEAD = 500
"""Parts looked at to fill them."""
ATTACHMENT = 300
"""Bytes that an attachment of its own costs, before base64: its head and its last line."""


@dataclass(slots=True)
class Sent:
    mails: int = 0
    bytes: int = 0
    rows: int = 0
    """Those of a batch once, by however many mailboxes it went."""
    held_back: int = 0
    """Mails that wait for a later run, about: as many as the settings let go have gone."""


@dataclass(frozen=True)
class Letter:
    """One peer's share of a run: what every mail to it carries."""

    peer: Peer
    address: str
    epoch: Epoch
    """Of the stream that its batches are of."""
    acknowledgement: Acknowledgement
    header: Header
    secret: bytes
    public: bytes

    @cached_property
    def envelope(self) -> int:
        """Bytes that each part costs beside its content."""
        place = PartPlace((1 << 40, 1 << 40), 1 << 40, 1 << 40, 1 << 40, (1 << 40, 1 << 40), "resync")
        return OVERHEAD + ATTACHMENT + len(encode_header(replace(self.header, part=place)))


@dataclass
class Errand:
    """What goes to one peer in this run, by several mailboxes perhaps."""

    letter: Letter
    speaks: bool
    """There is something to say though nothing waits: an acknowledgement, or a question."""
    owed: frozenset[int]
    """Mailboxes that were away when there was."""
    total: int
    """Bytes of batches that wait for all of its mailboxes."""
    mailed: int = 0
    rows: int = 0
    counted: set[int] = field(default_factory=set)
    """Batches whose rows are counted."""


@dataclass(frozen=True, slots=True)
class _Due:
    """A mail that is to go now: parts of batches, or nothing but what stands at its head."""

    message_id: str
    items: list[Queued] = field(default_factory=list)
    weight: int = 0
    """Bytes of the parts, and of what stands between them."""


@dataclass(slots=True)
class _Page:
    """Mails that go before they leave the queue, with the batches that they are cut from."""

    mails: list[_Due] = field(default_factory=list)
    frozen: dict[int, Batch] = field(default_factory=dict)
    segments: dict[int, list[BatchSegment]] = field(default_factory=dict)


def mail_all(node: Node, errand: Errand, box: NodeMailbox, budget: Budget, sent: Sent, progress: Progress) -> bool:
    """All that waits there for the peer, a page at a time; a mail without a part where nothing waits.

    Whether any mail went. Raises RecipientRefused, and what else `Mailbox.send` raises.
    """
    alone, before = errand.speaks or box.number in errand.owed, sent.mails
    while budget.left:
        with node.unit() as unit:
            page = _page(unit, errand.letter, box, min(QUEUE_PAGE, budget.left), alone=alone)
        if not page.mails:
            break
        alone, gone = False, list[_Due]()
        due = page.mails[0]
        try:
            for due in page.mails:
                _send_due(node, errand, box, page, due, sent)
                gone.append(due)
                if due.items:
                    progress.sent(errand.letter.peer.name, errand.mailed, errand.total, errand.rows)
        except MailTooLarge as refused:
            _have_gone(node, errand, box, gone, budget)
            learn_size(node, refused, due.weight, box.number, several=len(due.items) > 1)
        except (MailboxTrouble, ConfigurationError, SpoolLoss):
            _have_gone(node, errand, box, gone, budget)
            raise
        else:
            _have_gone(node, errand, box, gone, budget)
    return sent.mails > before


def _page(unit: Unit, letter: Letter, box: NodeMailbox, most: int, *, alone: bool) -> _Page:
    """What goes next. By its Message-ID a bounce is known, so that is noted before the mail goes.

    `alone`: where nothing waits, a mail goes that carries the acknowledgement only.
    """
    peer, connection, page = letter.peer.id, unit.connection, _Page()
    sender = box.address or letter.address
    queue = batches.queued(connection, peer, box.number, limit=LOOK_AHEAD)
    mails = list(packed(queue, unit.part_bytes_at(box.number), letter.envelope)) if queue else []
    if len(queue) == LOOK_AHEAD and len(mails) > 1:
        mails.pop()  # more may fit into it
    mails = first_page(mails, most)
    for n in sorted({item.n for mail in mails for item in mail}):
        batch = batches.batch(connection, peer, n)
        if batch is not None:
            page.frozen[n], page.segments[n] = batch, batches.batch_segments(connection, peer, n)
    lost = [item.id for mail in mails for item in mail if item.n not in page.frozen]
    batches.dequeue(connection, lost)
    for mail in mails:
        items = [item for item in mail if item.n in page.frozen]
        if items:
            page.mails.append(
                _Due(mime.new_message_id(unit.node.runtime, sender), items, weight(items, letter.envelope))
            )
    if not page.mails and alone:
        page.mails.append(_Due(mime.new_message_id(unit.node.runtime, sender)))
    outgoing.remember_mails(connection, [_record(letter, box, due) for due in page.mails], unit.now)
    return page


def _record(letter: Letter, box: NodeMailbox, due: _Due) -> SentMail:
    numbers = [item.n for item in due.items]
    epoch = letter.epoch if numbers else NOWHERE
    first, last = min(numbers, default=0), max(numbers, default=0)
    return SentMail(due.message_id, letter.peer.id, box.number, due.weight, epoch, first, last)


def _have_gone(node: Node, errand: Errand, box: NodeMailbox, gone: list[_Due], budget: Budget) -> None:
    """These mails are at the mailbox: they leave its queue."""
    items = [item.id for due in gone for item in due.items]
    was_owed = bool(gone) and box.number in errand.owed
    if items or was_owed:
        with node.unit() as unit:
            batches.dequeue(unit.connection, items)
            mails = (
                MailTrail(errand.letter.peer.id, trails.OUT, *errand.letter.epoch, item.n, due.message_id, unit.now)
                for due in gone
                for item in due.items
            )
            trails.note_mails(unit.database, unit.connection, mails)
            if was_owed:
                routes.set_owed(unit.connection, errand.letter.peer.id, [box.number], False)
    budget.spend(node, len(gone))


def _send_due(node: Node, errand: Errand, box: NodeMailbox, page: _Page, due: _Due, sent: Sent) -> None:
    letter = errand.letter
    headers = [(letter.header, b"")] if not due.items else []
    for item in due.items:
        batch = page.frozen[item.n]
        payload = read_stream(node, batch.manifest, page.segments[item.n], item.start, item.length)
        prefix = batch.digest[:PREFIX_SIZE]
        place = PartPlace(letter.epoch, batch.n, batch.size, item.start, batch.peer_epoch, batch.opener, prefix)
        headers.append((replace(letter.header, part=place), payload))
    sealed = tuple(seal(header, payload, letter.secret, letter.public, node.runtime) for header, payload in headers)
    box.mailbox.send(_mail(node, letter, box, due.message_id, sealed))
    sent.mails += 1
    sent.bytes += sum(map(len, sealed))
    _count_rows(errand, page, due, sent)


def _count_rows(errand: Errand, page: _Page, due: _Due, sent: Sent) -> None:
    for item in due.items:
        errand.mailed += item.length
        if item.start == 0 and item.n not in errand.counted:
            errand.counted.add(item.n)
            errand.rows += page.frozen[item.n].row_count
            sent.rows += page.frozen[item.n].row_count


def _mail(node: Node, letter: Letter, box: NodeMailbox, message_id: str, sealed: tuple[bytes, ...]) -> Mail:
    sender, receiver = letter.header.sender, letter.header.receiver
    return Mail(
        sender=box.address or letter.address,
        recipient=letter.peer.address,
        subject=f"Replicator: {sender} to {receiver}",
        sentence=mime.sentence_for_people(sender, receiver),
        payloads=sealed,
        message_id=message_id,
        date=node.runtime.now(),
    )


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
