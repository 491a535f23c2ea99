"""What a mailbox sets limits to: the size of a mail, how many go in an hour, and a recipient whom it refuses.

Frozen batches stay as they are: only how they are cut into mails changes, and when the mails go.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from replicator.engine.mailboxes import NodeMailbox
from replicator.engine.node import Node, Unit
from replicator.errors import MailTooLarge, RecipientRefused
from replicator.store import batches, notices, outgoing
from replicator.store.state import Peer

SMALLEST_PART = 4_000
"""Bytes: a mailbox that does not take a mail of so much content is not one."""
REFUSED = "refused-recipient"
"""Kind of the notice about a peer whose mail is not taken."""
REFUSED_FULL = "refused-full"
"""The same where it is because the peer's mailbox is full."""
WRAPPING = 8_000
"""Bytes of a mail at most besides its content: seal, headers, also those that servers add, and the sentence."""


@dataclass(slots=True)
class Budget:
    """Mails that may still go by a mailbox in this run."""

    mailbox: int
    left: int
    per_hour: int

    @classmethod
    def of(cls, unit: Unit, box: NodeMailbox, gone: int = 0) -> Budget:
        """`gone` is how many this run has sent by it already."""
        if not box.limited:
            return cls(box.number, 1 << 30, 0)
        settings = unit.node.settings
        limits = [settings.mails_per_run - gone if settings.mails_per_run else 1 << 30]
        hour = outgoing.load(unit.connection, box.number).left(unit.now, settings.mails_per_hour)
        left = max(0, min([*limits, *([] if hour is None else [hour])]))
        return cls(box.number, left, settings.mails_per_hour)

    def spend(self, node: Node, mails: int) -> None:
        self.left = max(0, self.left - mails)
        if self.per_hour and mails:
            with node.unit() as unit:
                found = outgoing.load(unit.connection, self.mailbox)
                found.count(unit.now, mails)
                outgoing.save(unit.connection, found, self.mailbox)


def learn_size(node: Node, refused: MailTooLarge, tried: int, mailbox: int, *, several: bool = False) -> None:
    """A mail with so many bytes of content was too large: all that waits for the mailbox is cut smaller, from now on,
    and fewer parts share a mail. `several`: this one had several parts.

    Raises MailTooLarge again where nothing sensible is left.
    """
    room = tried // 2
    if refused.limit is not None:
        # Base64 in lines makes 78 bytes of 57.
        fits = (refused.limit - WRAPPING) * 57 // 78
        room = fits if fits < tried else room
    if several and tried > SMALLEST_PART:
        room = max(room, SMALLEST_PART)  # its parts may be taken one by one
    if room < SMALLEST_PART:
        raise refused
    with node.unit() as unit:
        found = outgoing.load(unit.connection, mailbox)
        found.part_bytes = room
        outgoing.save(unit.connection, found, mailbox)
        batches.recut(unit.connection, mailbox, room)
        unit.notice("mail-size", str(room), f"the mailbox takes no larger mails: they hold {room:,} bytes from now on")


def note_refused(node: Node, peer: Peer, box: NodeMailbox, refused: RecipientRefused) -> None:
    """A person has to see to it, and everything that is meant for this peer waits until then."""
    by = "" if box.is_main else f" by the mailbox {box.label}"
    kind = REFUSED_FULL if refused.full else REFUSED
    with node.unit() as unit:
        message = f"mail to {peer.name} is not taken{by}: {refused}"
        unit.notice(kind, subject(peer, box), message, waiting=True)


def note_taken(node: Node, peer: Peer, box: NodeMailbox) -> None:
    with node.unit() as unit:
        settle_refused(unit, [subject(peer, box)])


def settle_refused(unit: Unit, subjects: Iterable[str]) -> None:
    """Nobody needs to see to these any more."""
    for each in subjects:
        notices.settle(unit.connection, (REFUSED, REFUSED_FULL), each)


def refused_before(unit: Unit) -> set[str]:
    """Subjects of what is on record."""
    return notices.known(unit.connection, REFUSED) | notices.known(unit.connection, REFUSED_FULL)


def subject(peer: Peer, box: NodeMailbox) -> str:
    """Of a notice about a peer at a mailbox."""
    return peer.name if box.is_main else f"{peer.name}/{box.name}"
