"""Quarantine: changes that the database refuses, and what depends on them (protocol.md 5.14).

At the host a station's changes, with all that judging them anew needs; at a station the host's records (peer 0). Their
values stand here from the transaction on that could not apply them, until they are applied, replaced by a later version
or dropped by a person.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from typing import NamedTuple

from sqlalchemy import Connection

from replicator.errors import UnknownName
from replicator.protocol.codec_plain import pack_row, unpack_rows
from replicator.protocol.set_aside import SetAsideProposal
from replicator.protocol.versions import Reshaping
from replicator.store import sql, tables
from replicator.types import Key, Position

LAST = 2**63 - 1
"""Above every number."""


class SetAside(NamedTuple):
    """A row of replicator_quarantine. Moments are microseconds since 1970 UTC."""

    id: int
    since: int
    peer: int
    group_epoch: int
    group_n: int
    place: int
    whole: int
    """The group was a transaction of its origin: all of it is here, and goes together."""
    table_id: int
    key: Key
    change: str
    """'N', 'C' or 'D'."""
    image: bytes | None
    """The packed row that can't stand; None: a delete."""
    proposal: bytes | None
    """At the host: the rest of what judging it anew needs, packed."""
    cause: int | None
    """The one that it waits for; None: the database refuses it itself."""
    error: str
    tries: int
    next_at: int
    asked: int
    """At a station: the host has been asked for the row."""

    @property
    def group(self) -> Position:
        return self.group_epoch, self.group_n


_NAMES = {"key": "row_key", "change": "change_class"}
_COLUMNS = tuple(_NAMES.get(name, name) for name in SetAside._fields)
_SELECT = f"SELECT {', '.join(_COLUMNS)} FROM replicator_quarantine"


def add(connection: Connection, entries: Iterable[SetAside]) -> None:
    """They get their numbers here, in this order."""
    sql.insert(connection, tables.quarantine, _COLUMNS[1:], [entry[1:] for entry in entries])


def is_empty(connection: Connection, peer: int | None = None) -> bool:
    where, values = ("", ()) if peer is None else (" WHERE peer = ?", (peer,))
    return sql.one(connection, f"SELECT 1 FROM replicator_quarantine{where} LIMIT 1", values) is None


def held(connection: Connection, peer: int, table: int, keys: Collection[Key], before: int = LAST) -> dict[Key, int]:
    """Those of these rows that have a change here, each with the number of its last one. `before`: of lower numbers."""
    found: dict[Key, int] = {}
    for chunk in sql.in_chunks(list(keys)):
        numbers = sql.rows(
            connection,
            "SELECT row_key, max(id) FROM replicator_quarantine WHERE peer = ? AND table_id = ?"
            f" AND row_key IN ({sql.marks(len(chunk))}) AND id < ? GROUP BY row_key",
            (peer, table, *chunk, before),
        )
        found.update((key, number) for key, number in numbers)
    return found


def held_keys(
    connection: Connection, peer: int, table: int, after: Key, limit: int, before: int = LAST
) -> list[tuple[Key, int]]:
    """Rows of a table that have a change here, with its number, by key, a page at a time. `before`: of lower ones."""
    found = sql.rows(
        connection,
        "SELECT row_key, max(id) FROM replicator_quarantine WHERE peer = ? AND table_id = ? AND row_key > ?"
        " AND id < ? GROUP BY row_key ORDER BY row_key LIMIT ?",
        (peer, table, after, before, limit),
    )
    return [(key, number) for key, number in found]


def of_row(connection: Connection, peer: int, table: int, key: Key) -> list[SetAside]:
    found = sql.rows(
        connection, f"{_SELECT} WHERE peer = ? AND table_id = ? AND row_key = ? ORDER BY id", (peer, table, key)
    )
    return list(map(SetAside._make, found))


def page(
    connection: Connection,
    *,
    table: int | None = None,
    peer: int | None = None,
    due: int | None = None,
    after: int = 0,
    limit: int = 50,
) -> list[SetAside]:
    """Those behind number `after`, oldest first. `due`: only those that are to be tried again by then."""
    conditions, parameters = ["id > ?"], [after]
    for condition, value in (("table_id = ?", table), ("peer = ?", peer), ("next_at <= ?", due)):
        if value is not None:
            conditions.append(condition)
            parameters.append(value)
    found = sql.rows(
        connection, f"{_SELECT} WHERE {' AND '.join(conditions)} ORDER BY id LIMIT ?", (*parameters, limit)
    )
    return list(map(SetAside._make, found))


def of_group(connection: Connection, peer: int, group: Position) -> list[SetAside]:
    found = sql.rows(
        connection, f"{_SELECT} WHERE peer = ? AND group_epoch = ? AND group_n = ? ORDER BY id", (peer, *group)
    )
    return list(map(SetAside._make, found))


def load(connection: Connection, number: int) -> SetAside:
    """Raises UnknownName."""
    row = sql.one(connection, f"{_SELECT} WHERE id = ?", (number,))
    if row is None:
        raise UnknownName(f"there is no change {number} in quarantine; see: replicator quarantine list")
    return SetAside._make(row)


def postpone(connection: Connection, entries: Iterable[tuple[int, int, int, int | None, str]]) -> None:
    """(id, tries, next_at, cause, error) of each that was tried and still can't be applied."""
    sql.many(
        connection,
        "UPDATE replicator_quarantine SET tries = ?, next_at = ?, cause = ?, error = ?, asked = 0 WHERE id = ?",
        [(tries, next_at, cause, error, number) for number, tries, next_at, cause, error in entries],
    )


def mark_asked(connection: Connection, entries: Iterable[tuple[int, int, int]]) -> None:
    """(id, tries, next_at) of each that the host is asked for."""
    sql.many(
        connection,
        "UPDATE replicator_quarantine SET tries = ?, next_at = ?, asked = 1 WHERE id = ?",
        [(tries, next_at, number) for number, tries, next_at in entries],
    )


def drop(connection: Connection, numbers: Iterable[int]) -> None:
    sql.many(connection, "DELETE FROM replicator_quarantine WHERE id = ?", [(number,) for number in numbers])


def drop_rows(connection: Connection, peer: int, rows: Iterable[tuple[int, Key]]) -> None:
    sql.many(
        connection,
        "DELETE FROM replicator_quarantine WHERE peer = ? AND table_id = ? AND row_key = ?",
        [(peer, table, key) for table, key in rows],
    )


class Count(NamedTuple):
    peer: int
    table_id: int
    changes: int
    waiting: int
    """Of them: those that the host has not been asked for."""
    since: int
    error: str
    """Of the oldest one."""


def counts(connection: Connection) -> list[Count]:
    """By whose they are and by table."""
    found: Sequence[tuple[int, ...]] = sql.rows(
        connection,
        "SELECT peer, table_id, count(*), sum(1 - asked), min(since), min(id) FROM replicator_quarantine"
        " GROUP BY peer, table_id ORDER BY peer, table_id",
    )
    return [
        Count(peer, table, changes, int(waiting), since, load(connection, first).error)
        for peer, table, changes, waiting, since, first in found
    ]


def reshape(connection: Connection, table: int, shape: Reshaping) -> None:
    """What is here of a table, as of the version that it is in now."""
    after = 0
    while found := page(connection, table=table, after=after, limit=500):
        after = found[-1].id
        sql.many(
            connection,
            "UPDATE replicator_quarantine SET image = ?, proposal = ? WHERE id = ?",
            [(*_reshaped(entry, shape), entry.id) for entry in found],
        )


def _reshaped(entry: SetAside, shape: Reshaping) -> tuple[bytes | None, bytes | None]:
    image = None if entry.image is None else pack_row(shape.image(unpack_rows([bytes(entry.image)])[0]))
    if entry.proposal is None or entry.image is None:
        return image, entry.proposal
    told = SetAsideProposal.unpacked(bytes(entry.proposal))
    before = None if told.before is None else shape.masked(told.mask, told.before)
    return image, told._replace(mask=shape.mask(told.mask), before=before).packed()
