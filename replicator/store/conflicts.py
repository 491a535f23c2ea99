"""Conflicts as they were put on record (protocol.md 5.7; `rows.record_conflicts` writes them)."""

from __future__ import annotations

from typing import NamedTuple

from sqlalchemy import Connection

from replicator.errors import UnknownName
from replicator.store import sql
from replicator.types import Key


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


_COLUMNS = ", ".join("row_key" if name == "key" else name for name in ConflictRow._fields)
_SELECT = f"SELECT {_COLUMNS} FROM replicator_conflict"


def recent(
    connection: Connection,
    *,
    table: int | None = None,
    peer: int | None = None,
    after: int | None = None,
    limit: int = 50,
) -> list[ConflictRow]:
    """The newest `limit` of them, or the first after number `after`; oldest first."""
    conditions, parameters = [], []
    for condition, value in (("table_id = ?", table), ("peer = ?", peer), ("id > ?", after)):
        if value is not None:
            conditions.append(condition)
            parameters.append(value)
    where = f" WHERE {' AND '.join(conditions)}" if conditions else ""
    order = "DESC" if after is None else "ASC"
    found = sql.rows(connection, f"{_SELECT}{where} ORDER BY id {order} LIMIT ?", (*parameters, limit))
    return sorted(map(ConflictRow._make, found))


def load(connection: Connection, number: int) -> ConflictRow:
    """Raises UnknownName."""
    row = sql.one(connection, f"{_SELECT} WHERE id = ?", (number,))
    if row is None:
        raise UnknownName(f"there is no conflict {number}; see: replicator conflict list")
    return ConflictRow._make(row)


def count(connection: Connection) -> int:
    row = sql.one(connection, "SELECT count(*) FROM replicator_conflict")
    return int(row[0]) if row else 0
