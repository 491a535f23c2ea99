"""What was learned of a mailbox that a node sends by: the size of mail it takes, how many went lately, and which."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import NamedTuple

from sqlalchemy import Connection

from replicator.store import sql, tables
from replicator.types import Epoch

MAIN = 1
"""Number of the mailbox that the account names."""

FORWARDING = 0
"""Number of the row that counts forwarded mails. It is no mailbox, and has a name that none can have."""

HOUR = 60 * 60 * 1_000_000
"""Microseconds."""

KEPT = 14 * 24 * HOUR
"""How long it is known to whom a mail went: servers give up within a week."""


@dataclass(slots=True)
class MailboxState:
    """One row of replicator_mailbox."""

    part_bytes: int = 0
    """Most content of one mail, before base64, that the mailbox was found to take; 0: nothing is known."""
    hour_began: int = 0
    """Microseconds since 1970 UTC."""
    hour_mails: int = 0
    """Mails that went since."""

    def count(self, now: int, mails: int) -> None:
        """So many mails have gone. Hours follow each other as mails go, not as the clock strikes."""
        if now - self.hour_began >= HOUR or now < self.hour_began:
            self.hour_began, self.hour_mails = now, 0
        self.hour_mails += mails

    def left(self, now: int, mails_per_hour: int) -> int | None:
        """How many may still go in this hour; None: there is no limit."""
        if not mails_per_hour:
            return None
        over = now - self.hour_began >= HOUR or now < self.hour_began
        return mails_per_hour - (0 if over else self.hour_mails)


def load(connection: Connection, number: int = MAIN) -> MailboxState:
    row = sql.one(
        connection, "SELECT part_bytes, hour_began, hour_mails FROM replicator_mailbox WHERE id = ?", (number,)
    )
    return MailboxState(*row) if row else MailboxState()


def save(connection: Connection, found: MailboxState, number: int = MAIN) -> None:
    values = (found.part_bytes, found.hour_began, found.hour_mails, number)
    changed = sql.run(
        connection, "UPDATE replicator_mailbox SET part_bytes = ?, hour_began = ?, hour_mails = ? WHERE id = ?", values
    )
    if not changed.rowcount:
        name = "(forwarding)" if number == FORWARDING else ""
        columns = ("part_bytes", "hour_began", "hour_mails", "id", "name")
        sql.insert(connection, tables.mailbox, columns, [(*values, name)])


def forget_size(connection: Connection, number: int) -> None:
    """Another server takes the mail from now on."""
    sql.run(connection, "UPDATE replicator_mailbox SET part_bytes = 0 WHERE id = ?", (number,))


class SentMail(NamedTuple):
    """A mail of ours, as far as it is told again when it comes back."""

    message_id: str
    peer: int
    mailbox: int
    """That it went by."""
    length: int
    """Bytes of batches in it, and of what stands between them."""
    epoch: Epoch
    first_n: int
    """The first of its batches; 0: it carried none."""
    last_n: int


def remember_mails(connection: Connection, mails: Iterable[SentMail], now: int) -> None:
    """These mails go. What was sent long ago is forgotten."""
    sql.insert(
        connection,
        tables.sent_mail,
        ("message_id", "peer", "mailbox", "length", "epoch_epoch", "epoch_n", "first_n", "last_n", "sent_at"),
        [
            (mail.message_id, mail.peer, mail.mailbox, mail.length, *mail.epoch, mail.first_n, mail.last_n, now)
            for mail in mails
        ],
    )
    sql.run(connection, "DELETE FROM replicator_sent_mail WHERE sent_at < ?", (now - KEPT,))


def sent_mail(connection: Connection, message_id: str) -> SentMail | None:
    """The mail of ours that has this Message-ID; None for others'."""
    row = sql.one(
        connection,
        "SELECT message_id, peer, mailbox, length, epoch_epoch, epoch_n, first_n, last_n FROM replicator_sent_mail"
        " WHERE message_id = ?",
        (message_id,),
    )
    if row is None:
        return None
    message_id, peer, mailbox, length, epoch, epoch_n, first_n, last_n = row
    return SentMail(message_id, peer, mailbox, length, (epoch, epoch_n), first_n, last_n)
