"""What the outlook of numbers goes by: how many were drawn by when, and when the other end was heard.

Little is kept: numbers of two weeks, at most one sample an hour, and the last contacts.
"""

from __future__ import annotations

from sqlalchemy import Connection

from replicator.protocol.link import DAY
from replicator.store import sql

KEPT = 14 * DAY
SPACED = DAY // 24
"""Between two samples of a range, microseconds."""
CONTACTS = 20
"""That are remembered of a peer."""
ONE_CONTACT = 600_000_000
"""What is heard within so many microseconds is one contact: people run it twice to have the answer at once."""
ONE_RUN = 60_000_000
"""After a mail so long no other one needs to be noted."""


def note_drawn(connection: Connection, peer: int, number: int, now: int, drawn: int) -> None:
    """So many numbers of the range were drawn since ever; peer 0 is the node itself."""
    which = (peer, number)
    row = sql.one(connection, "SELECT max(at) FROM replicator_number_pace WHERE peer = ? AND range_id = ?", which)
    if row is not None and row[0] is not None and now - row[0] < SPACED:
        return
    sql.run(
        connection,
        "DELETE FROM replicator_number_pace WHERE peer = ? AND range_id = ? AND (at < ? OR at >= ?)",
        (*which, now - KEPT, now),
    )
    sql.run(
        connection,
        "INSERT INTO replicator_number_pace (peer, range_id, at, drawn) VALUES (?, ?, ?, ?)",
        (*which, now, drawn),
    )


def forget_drawn(connection: Connection, peer: int, number: int) -> None:
    """A part begins anew, or is closed: what was drawn before counts no more."""
    sql.run(connection, "DELETE FROM replicator_number_pace WHERE peer = ? AND range_id = ?", (peer, number))


def drawn(connection: Connection, peer: int, number: int) -> list[tuple[int, int]]:
    """(when, numbers drawn since ever), rising."""
    found = sql.rows(
        connection,
        "SELECT at, drawn FROM replicator_number_pace WHERE peer = ? AND range_id = ? ORDER BY at",
        (peer, number),
    )
    return [(at, count) for at, count in found]


def note_contact(connection: Connection, peer: int, now: int) -> None:
    """The peer was heard."""
    known = contacts(connection, peer)
    if known and 0 <= now - known[-1] < ONE_CONTACT:
        return
    oldest = known[-CONTACTS + 1] if len(known) >= CONTACTS else 0
    # A clock that was set back leaves moments to come, which tell nothing.
    sql.run(connection, "DELETE FROM replicator_contact WHERE peer = ? AND (at < ? OR at >= ?)", (peer, oldest, now))
    sql.run(connection, "INSERT INTO replicator_contact (peer, at) VALUES (?, ?)", (peer, now))


def contacts(connection: Connection, peer: int) -> list[int]:
    """When the peer was heard, microseconds since 1970 UTC, rising."""
    found = sql.rows(connection, "SELECT at FROM replicator_contact WHERE peer = ? ORDER BY at", (peer,))
    return [at for (at,) in found]
