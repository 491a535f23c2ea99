"""What a mailbox sets limits to: the size of a mail, how many go in an hour, and a recipient whom it refuses.

Frozen batches stay as they are: only how they are cut into mails changes, and when the mails go.
"""

from __future__ import annotations

from dataclasses import dataclass

from replicator.engine.node import Node, Unit
from replicator.errors import MailTooLarge, RecipientRefused
from replicator.store import batches, notices, outgoing
from replicator.store.state import Peer

SMALLEST_PART = 4_000
"""Bytes: a mailbox that does not take a mail of so much content is not one."""
REFUSED = "refused-recipient"
"""Kind of the notice about a peer whose mail is not taken."""
WRAPPING = 8_000
"""Bytes of a mail at most besides its content: seal, headers, also those that servers add, and the sentence."""


@dataclass(slots=True)
class Budget:
    """Mails that may still go in this run."""

    left: int
    per_hour: int

    @classmethod
    def of(cls, unit: Unit) -> Budget:
        settings = unit.node.settings
        limits = [settings.mails_per_run or 1 << 30]
        hour = outgoing.load(unit.connection).left(unit.now, settings.mails_per_hour)
        return cls(max(0, min([*limits, *([] if hour is None else [hour])])), settings.mails_per_hour)

    def spend(self, node: Node, mails: int) -> None:
        self.left = max(0, self.left - mails)
        if self.per_hour and mails:
            with node.unit() as unit:
                found = outgoing.load(unit.connection)
                found.count(unit.now, mails)
                outgoing.save(unit.connection, found)


def learn_size(node: Node, refused: MailTooLarge, tried: int) -> None:
    """A mail with so many bytes of content was too large: all that waits is cut smaller, from now on.

    Raises MailTooLarge again where nothing sensible is left.
    """
    room = tried // 2
    if refused.limit is not None:
        # Base64 in lines makes 78 bytes of 57.
        fits = (refused.limit - WRAPPING) * 57 // 78
        room = fits if fits < tried else room
    if room < SMALLEST_PART:
        raise refused
    with node.unit() as unit:
        found = outgoing.load(unit.connection)
        found.part_bytes = room
        outgoing.save(unit.connection, found)
        batches.recut(unit.connection, room)
        unit.notice("mail-size", str(room), f"the mailbox takes no larger mails: they hold {room:,} bytes from now on")


def note_refused(node: Node, peer: Peer, refused: RecipientRefused) -> None:
    """A person has to see to it, and everything that is meant for this peer waits until then."""
    with node.unit() as unit:
        unit.notice(REFUSED, peer.name, f"mail to {peer.name} is not taken: {refused}", waiting=True)


def note_taken(node: Node, peer: Peer) -> None:
    with node.unit() as unit:
        notices.settle(unit.connection, REFUSED, peer.name)
