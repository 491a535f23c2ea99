"""What was learned of the mailbox that a node sends by: the size of mail it takes, how many went lately, and which."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from sqlalchemy import Connection

from replicator.store import sql, tables

MAIN = 1
"""Number of the mailbox that the account names."""

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
    sql.run(connection, "DELETE FROM replicator_mailbox WHERE id = ?", (number,))
    sql.run(
        connection,
        "INSERT INTO replicator_mailbox (id, part_bytes, hour_began, hour_mails) VALUES (?, ?, ?, ?)",
        (number, found.part_bytes, found.hour_began, found.hour_mails),
    )


def remember_mails(connection: Connection, peer: int, mails: Iterable[tuple[str, int]], now: int) -> None:
    """These mails go to this peer: (Message-ID, bytes of a batch). What was sent long ago is forgotten."""
    sql.insert(
        connection,
        tables.sent_mail,
        ("message_id", "peer", "length", "sent_at"),
        [(message_id, peer, length, now) for message_id, length in mails],
    )
    sql.run(connection, "DELETE FROM replicator_sent_mail WHERE sent_at < ?", (now - KEPT,))


def sent_mail(connection: Connection, message_id: str) -> tuple[int, int] | None:
    """(the peer that a mail of ours went to, bytes of a batch in it); None for other mails."""
    row = sql.one(connection, "SELECT peer, length FROM replicator_sent_mail WHERE message_id = ?", (message_id,))
    return None if row is None else (int(row[0]), int(row[1]))
