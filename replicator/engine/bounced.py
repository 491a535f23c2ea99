"""A bounce in the mailbox: which peer did not get our mail, and what a person has to do about it (RFC 3464).

Nothing is sent because of it: a batch that did not arrive is not acknowledged, and comes again by itself.
"""

from __future__ import annotations

from contextlib import suppress

from replicator.engine.mailbox_limits import learn_size
from replicator.engine.node import Node
from replicator.errors import MailTooLarge
from replicator.store import outgoing
from replicator.transport.bounces import Bounce, read_bounce

BOUNCE = "bounce"
"""Kind of the notice about a peer that mail does not reach; settled when something is heard of it again."""


def take_bounce(node: Node, raw: bytes) -> bool:
    """Whether this mail is a bounce of one of ours. It is put on record, so that it may be deleted."""
    bounce = read_bounce(raw)
    if bounce is None:
        return False
    with node.unit() as unit:
        sent = outgoing.sent_mail(unit.connection, bounce.message_id)
        peer = None if sent is None else unit.peers.get(sent[0])
        if sent is None or peer is None:
            return False
        unit.notice(BOUNCE, peer.name, f"mail to {peer.name} <{peer.address}> {_reason(bounce)}", not bounce.delayed)
        part = unit.part_bytes
    # Of several mails of one size that come back the first says all; later parts are smaller already.
    if bounce.too_large and part >= sent[1] > 0:
        with suppress(MailTooLarge):  # can't be made smaller: the notice stands
            learn_size(node, MailTooLarge(f"the mail server of {peer.name} takes no mail of this size"), sent[1])
    return True


def _reason(bounce: Bounce) -> str:
    """What the report says, to follow the address."""
    status = f" (status {bounce.status})" if bounce.status else ""
    if bounce.mailbox_full:
        return f"is not taken: the mailbox is full{status}; make room there"
    if bounce.unknown_address:
        return f"is not taken: there is no such address{status}; change it with: replicator station set"
    if bounce.too_large:
        return f"is not taken: it is too large for the server{status}; smaller mails are sent from now on"
    if bounce.delayed:
        return f"has not been taken yet{status}; the server goes on trying"
    return f"came back{status}; ask the mail provider"
