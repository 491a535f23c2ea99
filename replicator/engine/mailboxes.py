"""The mailboxes that a node mails by, and which of them a run could not use.

A node has one mailbox as a rule; it may have more, such as a folder on a stick beside its mail account. Every batch
goes by all that are set for its peer: duplicates are harmless, and whichever is quickest counts. One that is away stops
none of the others; a run fails only when all are.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

from replicator.errors import ConfigurationError, MailboxTrouble
from replicator.store.outgoing import MAIN
from replicator.transport.base import Mailbox

Trouble = MailboxTrouble | ConfigurationError
"""Why a mailbox can't be used: a configuration error is one of a file or a password that it names."""
TROUBLE = (MailboxTrouble, ConfigurationError)
OWN = "of the account"
"""Stands for the name of the account's own mailbox."""


@dataclass(slots=True)
class NodeMailbox:
    """One of them."""

    name: str
    """Of its section in the configuration; empty: the account's own."""
    mailbox: Mailbox
    number: int = 0
    """In replicator_mailbox; 0: not given yet."""
    address: str = ""
    """That its mail comes from; empty: the node's."""
    sends: bool = True
    """False: it is only fetched from."""
    stations: frozenset[str] = frozenset()
    """At a host: whom it serves; empty: everybody."""
    is_folder: bool = False

    @property
    def is_main(self) -> bool:
        return self.number == MAIN

    @property
    def limited(self) -> bool:
        """Whether the limits of mails a run and an hour hold for it: a provider sets them, and a stick has none."""
        return self.is_main or not self.is_folder

    @property
    def label(self) -> str:
        """To follow 'mailbox' in a sentence."""
        return self.name or OWN

    def serves(self, peer: str) -> bool:
        return self.sends and (not self.stations or peer in self.stations)


@dataclass(slots=True)
class Away:
    """Which mailboxes were of no use in this run, by their numbers. They are not tried again in it."""

    troubles: dict[int, Trouble] = field(default_factory=dict)

    def __contains__(self, box: NodeMailbox) -> bool:
        return box.number in self.troubles

    def note(self, box: NodeMailbox, trouble: Trouble, among: Iterable[NodeMailbox]) -> None:
        """Raises the first one's trouble when none `among` these can be used any more."""
        self.troubles[box.number] = trouble
        if all(other in self for other in among):
            raise self.troubles[min(other.number for other in among)]


@dataclass(frozen=True, slots=True)
class AwayMailbox:
    """What a run tells of a mailbox that it could not use."""

    name: str
    """Empty: the account's own."""
    reason: str
    """A sentence."""
    waiting_mails: int
    waiting_bytes: int
    """Of batches, once for each peer that they are for."""

    @property
    def label(self) -> str:
        return self.name or OWN
