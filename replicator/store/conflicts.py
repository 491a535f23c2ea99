"""Conflicts, as they are put on record, looked at and settled (protocol.md 5.7)."""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping, Sequence
from functools import cache
from typing import NamedTuple

from sqlalchemy import Connection

from replicator.errors import UnknownName
from replicator.protocol.codec_plain import pack_row
from replicator.protocol.images import columns_of
from replicator.protocol.proposals import Conflict
from replicator.store import sql, tables
from replicator.types import Image, Key, Position, Table


class ConflictRow(NamedTuple):
    """A row of replicator_conflict. Images are packed rows; None: there was no row."""

    id: int
    at: int
    host_epoch: int
    n: int
    peer: int
    uid: bytes | None
    table_id: int
    key: Key
    kind: str
    host_image: bytes | None
    station_image: bytes | None
    result_image: bytes | None
    column_names: str | None
    station_at: int | None
    host_at: int | None
    host_writer: int | None
    settled_at: int | None
    settled_by: str | None
    version_epoch: int
    version_n: int

    @property
    def version(self) -> Position:
        """Of the table, that the images are of."""
        return self.version_epoch, self.version_n


Found = tuple[Position, bytes | None, Conflict]
"""(Position of the group that brought it, its uid where that is told, conflict)."""

_COLUMNS = tuple("row_key" if name == "key" else name for name in ConflictRow._fields)
_SELECT = f"SELECT {', '.join(_COLUMNS)} FROM replicator_conflict"


def record(
    connection: Connection,
    peer: int,
    at: int,
    found: Sequence[Found],
    known: Mapping[int, Table],
) -> None:
    """Put conflicts with this peer on record, in one statement. `known`: the replicated tables."""

    def packed(image: Image | None) -> bytes | None:
        return None if image is None else pack_row(image)

    @cache
    def names(form: Table, mask: int) -> str | None:
        of_table = form.definition.column_names
        return json.dumps([of_table[place] for place in columns_of(mask)], ensure_ascii=False) if mask else None

    sql.insert(
        connection,
        tables.conflict,
        (*_COLUMNS[1:-4], *_COLUMNS[-2:]),
        [
            (
                at,
                *position,
                peer,
                uid,
                conflict.table,
                conflict.key,
                str(conflict.kind),
                packed(conflict.host_image),
                packed(conflict.station_image),
                packed(conflict.result),
                names(form, conflict.mask),
                conflict.station_at,
                conflict.host_at,
                conflict.host_writer,
                *form.version,
            )
            for position, uid, conflict in found
            for form in (conflict.form or known[conflict.table],)
        ],
    )


def station_images(
    connection: Connection, kind: str, table: int, keys: Collection[Key]
) -> set[tuple[Key, bytes | None]]:
    """Rows of stations that are on record as conflicts of this kind: (key, packed row; None: it was deleted)."""
    known: set[tuple[Key, bytes | None]] = set()
    for chunk in sql.in_chunks(list(keys)):
        found = sql.rows(
            connection,
            "SELECT row_key, station_image FROM replicator_conflict WHERE kind = ? AND table_id = ?"
            f" AND row_key IN ({sql.marks(len(chunk))})",
            (kind, table, *chunk),
        )
        known.update((key, image) for key, image in found)
    return known


def recent(
    connection: Connection,
    *,
    table: int | None = None,
    peer: int | None = None,
    after: int | None = None,
    only_open: bool = False,
    limit: int = 50,
) -> list[ConflictRow]:
    """The newest `limit` of them, or the first after number `after`; oldest first. `only_open`: not settled yet."""
    conditions, parameters = [], []
    for condition, value in (("table_id = ?", table), ("peer = ?", peer), ("id > ?", after)):
        if value is not None:
            conditions.append(condition)
            parameters.append(value)
    if only_open:
        conditions.append("settled_at IS NULL")
    where = f" WHERE {' AND '.join(conditions)}" if conditions else ""
    order = "DESC" if after is None else "ASC"
    found = sql.rows(connection, f"{_SELECT}{where} ORDER BY id {order} LIMIT ?", (*parameters, limit))
    return sorted(map(ConflictRow._make, found))


def of_row(connection: Connection, table: int, keys: Sequence[Key]) -> list[ConflictRow]:
    """All that is on record of a row, whose key may be written in several ways; the oldest first."""
    found = sql.rows(
        connection,
        f"{_SELECT} WHERE table_id = ? AND row_key IN ({sql.marks(len(keys))}) ORDER BY id",
        (table, *keys),
    )
    return [ConflictRow._make(row) for row in found]


def load(connection: Connection, number: int) -> ConflictRow:
    """Raises UnknownName."""
    row = sql.one(connection, f"{_SELECT} WHERE id = ?", (number,))
    if row is None:
        raise UnknownName(f"there is no conflict {number}; see: replicator conflict list")
    return ConflictRow._make(row)


def count(connection: Connection) -> int:
    row = sql.one(connection, "SELECT count(*) FROM replicator_conflict")
    return int(row[0]) if row else 0


def settle(connection: Connection, number: int, at: int, by: str) -> None:
    """A person has decided: whose row was taken."""
    sql.run(connection, "UPDATE replicator_conflict SET settled_at = ?, settled_by = ? WHERE id = ?", (at, by, number))


def forget(connection: Connection, before: int) -> None:
    """Those that were put on record before this time, in microseconds since 1970 UTC."""
    sql.run(connection, "DELETE FROM replicator_conflict WHERE at < ?", (before,))
