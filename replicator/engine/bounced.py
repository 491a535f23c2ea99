"""A bounce in the mailbox: which batches did not reach which peer, and what a person has to do about it (RFC 3464).

Nothing is sent because of it, but for mails that were too large: those go again in smaller pieces, which is not for a
person to see to. A batch that did not arrive is not acknowledged, and comes again by itself once a probe is answered.
"""

from __future__ import annotations

from contextlib import suppress

from sqlalchemy import Connection

from replicator.engine.mailbox_limits import learn_size
from replicator.engine.node import Node, Unit
from replicator.engine.routing import queue_parts
from replicator.errors import MailTooLarge
from replicator.store import batches, notices, outgoing
from replicator.store.outgoing import SentMail
from replicator.store.state import Peer
from replicator.transport.bounces import Bounce, read_bounce

BOUNCE = "bounce"
"""Kind of the notice about a peer that mail does not reach."""
FULL = "bounce-full"
"""The same where it is because the peer's mailbox is full."""
DELAYED = "bounce-delayed"
"""Only a warning."""
KINDS = (BOUNCE, FULL, DELAYED)


def settle_bounces(connection: Connection, peer: Peer) -> None:
    """Something was heard of the peer: mail passes."""
    notices.settle(connection, KINDS, peer.name)


def take_bounce(node: Node, raw: bytes) -> bool:
    """Whether this mail is a bounce of one of ours. It is put on record, so that it may be deleted."""
    bounce = read_bounce(raw)
    if bounce is None:
        return False
    with node.unit() as unit:
        sent = outgoing.sent_mail(unit.connection, bounce.message_id)
        peer = None if sent is None else unit.peers.get(sent.peer)
        if sent is None or peer is None:
            return False
        if _came_all_the_same(unit, sent):
            return True
        kind = FULL if bounce.mailbox_full else DELAYED if bounce.delayed else BOUNCE
        message = f"{_what(sent)} to {peer.name} <{peer.address}> {_reason(bounce, sent)}"
        unit.notice(kind, peer.name, message, not bounce.delayed)
        part = unit.part_bytes_at(sent.mailbox)
    # Of several mails of one size that come back the first says all; later parts are smaller already.
    if bounce.too_large and part >= sent.length > 0:
        with suppress(MailTooLarge):  # can't be made smaller: the notice stands
            refused = MailTooLarge(f"the mail server of {peer.name} takes no mail of this size")
            learn_size(node, refused, sent.length, sent.mailbox, several=sent.last_n > sent.first_n)
            with node.unit() as unit:
                _queue_again(unit, sent)
    return True


def _came_all_the_same(unit: Unit, sent: SentMail) -> bool:
    """Its batches came another way, or another time, before the bounce did: nobody needs to see to it."""
    out = unit.link(sent.peer).link.out
    return sent.last_n > 0 and out.epoch == sent.epoch and out.acknowledged >= sent.last_n


def _queue_again(unit: Unit, sent: SentMail) -> None:
    """What the mail carried goes once more, as it is cut from now on."""
    out = unit.link(sent.peer).link.out
    if out.epoch != sent.epoch:
        return
    for batch in batches.unacknowledged(unit.connection, sent.peer):
        if sent.first_n <= batch.n <= sent.last_n:
            queue_parts(unit, sent.peer, batch.n, [(0, batch.size)], only=sent.mailbox)
            batches.mark_sent(unit.connection, sent.peer, batch.n, out.probe, batch.repeated)


def _what(sent: SentMail) -> str:
    if not sent.first_n:
        return "a mail"
    return f"batch {sent.first_n}" if sent.first_n == sent.last_n else f"batches {sent.first_n} to {sent.last_n}"


def _reason(bounce: Bounce, sent: SentMail) -> str:
    """What the report says, to follow the address."""
    status = f" (status {bounce.status})" if bounce.status else ""
    several = sent.last_n > sent.first_n
    if bounce.delayed:
        return f"{'have' if several else 'has'} not been taken yet{status}; the server goes on trying"
    if bounce.mailbox_full:
        return f"came back: the mailbox is full{status}; make room there"
    if bounce.unknown_address:
        return f"came back: there is no such address{status}; change it with: replicator station set"
    if bounce.too_large:
        return f"came back: too large for the server{status}; smaller mails are sent from now on"
    return f"came back{status}; ask the mail provider"
