"""What a person should know, told once and kept: mail set aside, foreign mail, writes that no trigger saw."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import NamedTuple

from sqlalchemy import Connection

from replicator.store import sql

SUBJECT_LENGTH = 500
"""Characters; what is longer is cut."""


class Notice(NamedTuple):
    id: int
    at: int
    kind: str
    subject: str
    message: str
    waiting: bool
    """A person has to do something."""


def add(connection: Connection, now: int, kind: str, subject: str, message: str, waiting: bool) -> bool:
    """Whether it is new: the same subject of the same kind is told once.

    What a peer sent may be quoted in it: bytes that are not UTF-8 (surrogate escapes) are told as such, and it ends
    where nobody would read on.
    """
    subject, message = _fit(subject, SUBJECT_LENGTH), _fit(message, 2_000)
    there = sql.one(
        connection, "SELECT 1 FROM replicator_notice WHERE kind = ? AND subject = ? LIMIT 1", (kind, subject)
    )
    if there is not None:
        return False
    sql.run(
        connection,
        "INSERT INTO replicator_notice (at, kind, subject, message, waiting) VALUES (?, ?, ?, ?, ?)",
        (now, kind, subject, message, int(waiting)),
    )
    return True


def _fit(text: str, longest: int) -> str:
    return text[:longest].encode("utf-8", "backslashreplace").decode("utf-8")[:longest]


def known(connection: Connection, kind: str) -> set[str]:
    return {
        subject for (subject,) in sql.rows(connection, "SELECT subject FROM replicator_notice WHERE kind = ?", (kind,))
    }


def recent(connection: Connection, limit: int = 50, waiting_only: bool = False) -> list[Notice]:
    where = "WHERE waiting <> 0 " if waiting_only else ""
    found = sql.rows(
        connection,
        f"SELECT id, at, kind, subject, message, waiting FROM replicator_notice {where}ORDER BY id DESC LIMIT ?",
        (limit,),
    )
    return [
        Notice(number, at, kind, subject, text, bool(waiting)) for number, at, kind, subject, text, waiting in found
    ]


def newest(connection: Connection) -> int:
    """Number of the newest; 0: there is none."""
    row = sql.one(connection, "SELECT max(id) FROM replicator_notice")
    return int(row[0] or 0) if row else 0


def after(connection: Connection, number: int, limit: int) -> list[Notice]:
    """Those that were added since `newest` gave this number, newest first."""
    found = sql.rows(
        connection,
        "SELECT id, at, kind, subject, message, waiting FROM replicator_notice WHERE id > ? ORDER BY id DESC LIMIT ?",
        (number, limit),
    )
    return [
        Notice(number, at, kind, subject, text, bool(waiting)) for number, at, kind, subject, text, waiting in found
    ]


def settle(connection: Connection, kinds: Sequence[str], subject: str) -> None:
    """The cause is gone."""
    sql.run(
        connection,
        f"DELETE FROM replicator_notice WHERE kind IN ({sql.marks(len(kinds))}) AND subject = ?",
        (*kinds, subject[:SUBJECT_LENGTH]),
    )


def since(connection: Connection, kinds: Sequence[str], subject: str) -> int | None:
    """When the oldest of these kinds was told, microseconds since 1970 UTC; None: there is none."""
    row = sql.one(
        connection,
        f"SELECT min(at) FROM replicator_notice WHERE kind IN ({sql.marks(len(kinds))}) AND subject = ?",
        (*kinds, subject[:SUBJECT_LENGTH]),
    )
    return row[0] if row else None


def settle_all(connection: Connection, kinds: Iterable[str], subjects: Iterable[str]) -> None:
    """The cause of these is gone."""
    pairs = [(kind, subject) for kind in kinds for subject in subjects]
    sql.many(connection, "DELETE FROM replicator_notice WHERE kind = ? AND subject = ?", pairs)


def forget(connection: Connection, kinds: Iterable[str], before: int) -> None:
    """Those of these kinds that were told before this time, in microseconds, and wait for nobody."""
    for kind in kinds:
        sql.run(connection, "DELETE FROM replicator_notice WHERE kind = ? AND at < ? AND waiting = 0", (kind, before))


def done(connection: Connection, number: int) -> bool:
    """A person has seen to what waited: it goes, so that it is told anew if it comes again. Whether it was there."""
    found = sql.run(connection, "DELETE FROM replicator_notice WHERE id = ? AND waiting <> 0", (number,))
    return found.rowcount > 0
