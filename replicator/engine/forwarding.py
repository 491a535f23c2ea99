"""Forwarding what is not the replicator's to a person, after the run's own mail (the protocol has no part in this).

A mail is deleted once the sending server has taken it over. A copy is kept at home for some days: by it a mail that was
not deleted, as the run died or the server does not obey, is known and goes no second time; and a server further on may
give up, and many return the headers only. No circle: what is never forwarded is decided by
`transport.forwarding.barred`, a mail that comes back stops all forwarding until a person has seen to it, and only so
many go in an hour whatever happens.
"""

from __future__ import annotations

from collections.abc import Container
from dataclasses import dataclass
from pathlib import Path

from replicator.engine.mailbox_limits import Budget
from replicator.engine.mailboxes import TROUBLE, Away, NodeMailbox, Trouble
from replicator.engine.node import Node
from replicator.engine.unrecognised import MOVES_KEPT, UNFORWARDED, WAITING, answers_us, lie_in, subject_of
from replicator.errors import MailboxTrouble, MailRefused, MailTooLarge, RecipientRefused, TryLater
from replicator.protocol.envelope import MAGIC
from replicator.store import copies, notices, outgoing
from replicator.transport import mime
from replicator.transport.base import Fetched
from replicator.transport.bounces import read_bounce
from replicator.transport.forwarding import barred, digest_in, forwarded, forwarded_digest
from replicator.transport.origin import Head, read_head

AN_HOUR = 30
"""Mails forwarded at most: should there be a circle that nobody has thought of, it turns slowly."""
FORWARDED = "forwarded-mail"
"""Kinds of notices; the subject is the mail's hint, or the address."""
NOT_YET = "unforwarded-yet"
REFUSED = "forward-refused"
RETURNED = "forward-returned"
"""A forwarded mail has come back: nothing more is forwarded until a person says that it is done."""


@dataclass(slots=True)
class Forwarded:
    mails: int = 0
    bytes: int = 0


class _Only(Container[str]):
    """All hints of a mailbox but those on record."""

    def __init__(self, box: NodeMailbox, subjects: set[str]) -> None:
        self._box = box
        self._subjects = subjects

    def __contains__(self, hint: object) -> bool:
        return subject_of(self._box, str(hint)) not in self._subjects


class _NotSent(Exception):
    """The mailbox that sends can't be used."""

    def __init__(self, trouble: Trouble) -> None:
        super().__init__(str(trouble))
        self.trouble = trouble


def forward(node: Node, gone: int, away: Away) -> Forwarded:
    """Forward what waits in all mailboxes, by the account's own, as far as limits let it.

    `gone` is how many mails this run has sent; mailboxes that are `away` are left out. Raises the trouble of the
    account's own mailbox when none can be used; what a server refuses stays in the mailbox and is told.
    """
    done = Forwarded()
    boxes, main = node.mailboxes, node.mailboxes[0]
    if node.settings.unrecognised.way != "forward" or main in away:
        return done
    with node.database.transaction(write=False) as connection:
        waiting, refused = notices.known(connection, WAITING), notices.known(connection, REFUSED)
        stopped = node.settings.unrecognised.to in notices.known(connection, RETURNED)
    if refused and not waiting:
        # Somebody has taken it away; a copy of this computer may have forwarded it.
        with node.unit() as unit:
            notices.settle_all(unit.connection, (REFUSED,), refused)
    if not waiting or stopped:
        return done
    with node.unit() as unit:
        hour = outgoing.load(unit.connection, outgoing.FORWARDING).left(unit.now, AN_HOUR) or 0
        budget = Budget.of(unit, main, gone)
        budget.left = min(budget.left, hour)
    for box in boxes:
        here = lie_in(box, waiting)
        if box in away or not here:
            continue
        try:
            if not _forward_from(node, box, here, budget, done):
                break
        except _NotSent as failed:
            away.note(main, failed.trouble, boxes)
            break
        except TROUBLE as trouble:
            away.note(box, trouble, boxes)
    return done


def _forward_from(node: Node, box: NodeMailbox, waiting: set[str], budget: Budget, done: Forwarded) -> bool:
    """What waits in one mailbox; whether there may be more."""
    if budget.left <= 0:
        return False
    for fetched in box.mailbox.fetch(largest=node.settings.mail_bytes, skip=_Only(box, waiting)):
        if fetched.raw is not None and not _forward(node, box, fetched, fetched.raw, budget, done):
            return False
        if budget.left <= 0:
            return False
    return True


def _forward(node: Node, box: NodeMailbox, fetched: Fetched, raw: bytes, budget: Budget, done: Forwarded) -> bool:
    """One mail; whether others may follow."""
    to, own, subject = node.settings.unrecognised.to, node.mailbox.address, subject_of(box, fetched.hint)
    head = read_head(raw)
    # A server may have numbered its mails anew, or the address is another one now: then it is looked at as a new mail.
    known = answers_us(node, head)
    if mime.extract(raw, MAGIC).payloads or barred(head, raw, recipient=to, sender=own, answers_us=known):
        with node.unit() as unit:
            notices.settle(unit.connection, (WAITING,), subject)
        return True
    digest = forwarded_digest(raw, own)
    if copies.find_sent(_folder(node), digest) is not None:
        # The run died before it was deleted, or the server does not delete: it has gone, and goes only once.
        box.mailbox.delete([fetched.id])
        return True
    mail = forwarded(raw, head, node=node.name, sender=own, recipient=to, date=node.runtime.now())
    copy = copies.keep(_folder(node), digest, raw, node.runtime)
    with node.unit() as unit:
        hour = outgoing.load(unit.connection, outgoing.FORWARDING)
        hour.count(unit.now, 1)
        outgoing.save(unit.connection, hour, outgoing.FORWARDING)
    try:
        node.mailbox.send(mail)
    except (MailTooLarge, MailRefused, RecipientRefused, TryLater) as refused:
        copies.drop(copy, node.runtime)
        return _note_refusal(node, subject, head, refused)
    except TROUBLE as trouble:
        raise _NotSent(trouble) from trouble
    copies.mark_sent(copy, node.runtime)
    box.mailbox.delete([fetched.id])
    budget.spend(node, 1)
    done.mails += 1
    done.bytes += len(raw)
    with node.unit() as unit:
        notices.settle(unit.connection, (WAITING,), subject)
        notices.settle(unit.connection, (NOT_YET, REFUSED), to)
        notices.forget(unit.connection, (FORWARDED,), unit.now - MOVES_KEPT)
        unit.notice(FORWARDED, f"{unit.now}/{subject}", f"{head.title} was forwarded to {to}")
    return True


def _note_refusal(node: Node, subject: str, head: Head, refused: MailboxTrouble) -> bool:
    """What is about this mail alone lets others follow; what is about the recipient or the moment does not."""
    to = node.settings.unrecognised.to
    with node.unit() as unit:
        if isinstance(refused, RecipientRefused):
            unit.notice(REFUSED, to, f"unrecognised mail can't be forwarded to {to}: {refused}", waiting=True)
            return False
        if isinstance(refused, TryLater):
            unit.notice(NOT_YET, to, f"unrecognised mail waits to be forwarded to {to}: {refused}")
            return False
        why = "it is too large for the sending server" if isinstance(refused, MailTooLarge) else str(refused)
        notices.settle(unit.connection, (WAITING,), subject)
        unit.notice(UNFORWARDED, subject, f"{head.title} is left alone and can't be forwarded: {why}")
    return True


def take_returned(node: Node, raw: bytes) -> bool:
    """Whether this mail is a bounce of one that was forwarded. It is put on record, so that it may be deleted."""
    bounce = read_bounce(raw)
    digest = None if bounce is None else digest_in(bounce.message_id)
    copy = None if digest is None else copies.find_sent(_folder(node), digest)
    if bounce is None or copy is None:
        return False
    to = node.settings.unrecognised.to or bounce.recipient
    status = f" (status {bounce.status})" if bounce.status else ""
    if bounce.delayed:
        with node.unit() as unit:
            unit.notice(NOT_YET, to, f"mail that was forwarded to {to} has not arrived yet{status}")
        return True
    kept = copies.move(copy, node.aside, node.runtime)
    why = "the mailbox there is full" if bounce.mailbox_full else "it is not taken there"
    with node.unit() as unit:
        unit.notice(
            RETURNED,
            to,
            f"a mail that was forwarded to {to} has come back, as {why}{status}: it is kept as {kept.name} in the "
            "folder aside, and nothing is forwarded until you say that it is done (status --done NUMBER)",
            waiting=True,
        )
    return True


def _folder(node: Node) -> Path:
    return node.aside / "forwarded"
