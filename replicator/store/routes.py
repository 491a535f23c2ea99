"""Which mailboxes the mail for each peer goes by (replicator_route), and the numbers that stand for mailboxes."""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

from sqlalchemy import Connection

from replicator.store import sql, tables
from replicator.store.outgoing import MAIN

Pair = tuple[int, int]
"""(peer, mailbox)."""


class Route(NamedTuple):
    """One way to a peer."""

    mailbox: int
    owed: bool
    """A mail was to go while the mailbox was away."""
    part_bytes: int
    """Most content of one mail that the mailbox was found to take; 0: nothing is known."""


class KnownMailbox(NamedTuple):
    """What is kept of a mailbox, also while it is not in the configuration any more."""

    number: int
    name: str
    away_since: int
    """Microseconds since 1970 UTC; 0: the last run could use it."""


def of_peer(connection: Connection, peer: int) -> list[Route]:
    found = sql.rows(
        connection,
        "SELECT r.mailbox, r.owed, m.part_bytes FROM replicator_route r"
        " LEFT JOIN replicator_mailbox m ON m.id = r.mailbox WHERE r.peer = ? ORDER BY r.mailbox",
        (peer,),
    )
    return [Route(mailbox, bool(owed), part_bytes or 0) for mailbox, owed, part_bytes in found]


def pairs(connection: Connection) -> set[Pair]:
    return {(peer, mailbox) for peer, mailbox in sql.rows(connection, "SELECT peer, mailbox FROM replicator_route")}


def add(connection: Connection, new: Iterable[Pair]) -> None:
    sql.insert(connection, tables.route, ("peer", "mailbox"), list(new))


def remove(connection: Connection, gone: Iterable[Pair]) -> None:
    """With what waits for them."""
    gone = list(gone)
    for table in ("route", "send_queue"):
        sql.many(connection, f"DELETE FROM replicator_{table} WHERE peer = ? AND mailbox = ?", gone)


def set_owed(connection: Connection, peer: int, mailboxes: Iterable[int], owed: bool) -> None:
    """A mail to the peer is to go by these though nothing else waits, or has gone."""
    sql.many(
        connection,
        "UPDATE replicator_route SET owed = ? WHERE peer = ? AND mailbox = ?",
        [(int(owed), peer, mailbox) for mailbox in mailboxes],
    )


# --- mailboxes --------------------------------------------------------------------------------------------------------


def known(connection: Connection) -> dict[str, KnownMailbox]:
    """By name; the account's own is named ''."""
    found = sql.rows(connection, "SELECT id, name, away_since FROM replicator_mailbox")
    return {name: KnownMailbox(number, name, away_since) for number, name, away_since in found}


def add_mailbox(connection: Connection, name: str) -> int:
    """Its number, which no other one gets."""
    row = sql.one(connection, "SELECT max(id) FROM replicator_mailbox")
    number = MAIN if not name else max(MAIN, (row[0] if row else None) or 0) + 1
    sql.insert(connection, tables.mailbox, ("id", "name"), [(number, name)])
    return number


def set_away(connection: Connection, number: int, since: int) -> None:
    sql.run(connection, "UPDATE replicator_mailbox SET away_since = ? WHERE id = ?", (since, number))
