"""What is in which slice of the journal, so that nobody who looks for something need read all of them.

A slice tells from when to when its changes are; `replicator_slice_table` of which tables and rows they are,
`replicator_slice_origin` of which stations and what became of them. Keys stand there as CRC-32, four bytes a row: what
is found by them may, seldom, be another row's. Slices that an earlier version made are not noted anywhere, and so may
hold anything.
"""

from __future__ import annotations

import sys
from array import array
from collections.abc import Iterable
from dataclasses import dataclass, field
from zlib import crc32

from sqlalchemy import Connection

from replicator.databases.base import Database
from replicator.store import sql, tables
from replicator.types import Key

_SWAPPED = sys.byteorder == "little"


@dataclass(slots=True)
class Contents:
    """What is to be noted of one slice."""

    first_at: int
    last_at: int
    """The earliest and the latest of its changes and groups, microseconds since 1970 UTC."""
    keys: dict[int, set[Key]] = field(default_factory=dict)
    """Rows by table."""
    origins: dict[int, Origin] = field(default_factory=dict)
    """Host: by station, 0 for its own."""


@dataclass(slots=True)
class Origin:
    first_n: int = 0
    last_n: int = 0
    """The lowest and the highest number that the station gave to a group; 0: there is none."""
    verdicts: int = 0
    """Bits of `protocol.verdicts.Verdict`."""

    def count(self, n: int) -> None:
        self.first_n = min(self.first_n or n, n)
        self.last_n = max(self.last_n, n)


@dataclass(frozen=True, slots=True)
class Sought:
    """Which slices are looked for: those that may hold what fits all of these."""

    table: int | None = None
    keys: tuple[Key, ...] = ()
    """Any of these rows of the table."""
    since: int | None = None
    until: int | None = None
    """Changes not before and not behind these moments."""
    origin: int | None = None
    origin_n: int | None = None
    """With an origin: its group of this number."""
    verdicts: int = 0
    """Any of these bits."""


def insert(connection: Connection, slice_id: int, contents: Contents) -> None:
    sql.insert(
        connection,
        tables.slice_table,
        ("table_id", "slice", "row_keys"),
        [(table, slice_id, signature(keys)) for table, keys in contents.keys.items()],
    )
    sql.insert(
        connection,
        tables.slice_origin,
        ("origin", "slice", "first_n", "last_n", "verdicts"),
        [
            (number, slice_id, origin.first_n, origin.last_n, origin.verdicts)
            for number, origin in contents.origins.items()
        ],
    )


def signature(keys: Iterable[Key]) -> bytes:
    """The CRC-32 of each, big-endian, in any order."""
    sums = array("I", map(crc32, keys))
    if _SWAPPED:
        sums.byteswap()
    return sums.tobytes()


def find(
    database: Database,
    connection: Connection,
    sought: Sought,
    *,
    first: int,
    last: int,
    newest: bool,
    limit: int,
) -> list[int]:
    """Slices from `first` to `last` that may hold what is sought: the newest first, or the oldest."""
    noted = _first_noted(connection)
    found: list[int] = []
    if noted is not None and last >= noted:
        found += _find_noted(database, connection, sought, max(first, noted), last, newest, limit)
    older = last if noted is None else min(last, noted - 1)
    if first <= older and _has_older(connection, noted):
        found += _all(connection, first, older, newest, limit)
    return sorted(found, reverse=newest)[:limit]


def _first_noted(connection: Connection) -> int | None:
    """Slices from this one on are noted; None: none is."""
    row = sql.one(
        connection, "SELECT id FROM replicator_slice WHERE first_at IS NOT NULL ORDER BY id LIMIT 1"
    )  # those of an earlier version stand before it, if there are any
    return None if row is None else row[0]


def _has_older(connection: Connection, noted: int | None) -> bool:
    row = sql.one(connection, "SELECT min(id) FROM replicator_slice")
    return row is not None and row[0] is not None and (noted is None or row[0] < noted)


def _all(connection: Connection, first: int, last: int, newest: bool, limit: int) -> list[int]:
    found = sql.rows(
        connection,
        f"SELECT id FROM replicator_slice WHERE id BETWEEN ? AND ? ORDER BY id {_order(newest)} LIMIT ?",
        (first, last, limit),
    )
    return [number for (number,) in found]


def _order(newest: bool) -> str:
    return "DESC" if newest else "ASC"


def _find_noted(
    database: Database, connection: Connection, sought: Sought, first: int, last: int, newest: bool, limit: int
) -> list[int]:
    """By the index that leaves the fewest; what else is sought is asked of each slice that it gives."""
    if sought.table is not None:
        start, slice_ = "replicator_slice_table t", "t.slice"
    elif sought.origin is not None:
        start, slice_ = "replicator_slice_origin o", "o.slice"
    else:
        start, slice_ = "replicator_slice s", "s.id"
    told = _Conditions()
    told.add(f"{slice_} BETWEEN ? AND ?", first, last)
    if sought.table is not None:
        told.add("t.table_id = ?", sought.table)
    if sought.keys:
        condition = database.bytes_within.format("t.row_keys")
        told.add(f"({' OR '.join([condition] * len(sought.keys))})", *(signature([key]) for key in sought.keys))
    for name, alias, column, conditions in (
        ("replicator_slice_origin", "o", "slice", _of_origin(sought)),
        ("replicator_slice", "s", "id", _of_moments(sought)),
    ):
        if start == f"{name} {alias}":
            told.add(str(conditions), *conditions.parameters)
        elif conditions.texts:
            told.add(
                f"EXISTS (SELECT 1 FROM {name} {alias} WHERE {alias}.{column} = {slice_} AND {conditions})",
                *conditions.parameters,
            )
    found = sql.rows(
        connection,
        f"SELECT {slice_} FROM {start} WHERE {told} ORDER BY {slice_} {_order(newest)} LIMIT ?",
        (*told.parameters, limit),
    )
    return [number for (number,) in found]


@dataclass(slots=True)
class _Conditions:
    """Conditions that all have to hold, with their parameters."""

    texts: list[str] = field(default_factory=list)
    parameters: list[object] = field(default_factory=list)

    def add(self, text: str, *parameters: object) -> None:
        self.texts.append(text)
        self.parameters += parameters

    def __str__(self) -> str:
        return " AND ".join(self.texts) or "1 = 1"


def _of_origin(sought: Sought) -> _Conditions:
    found = _Conditions()
    if sought.origin is not None:
        found.add("o.origin = ?", sought.origin)
    if sought.origin_n is not None:
        found.add("o.first_n <= ? AND o.last_n >= ?", sought.origin_n, sought.origin_n)
    if sought.verdicts:
        found.add("o.verdicts & ? <> 0", sought.verdicts)
    return found


def _of_moments(sought: Sought) -> _Conditions:
    found = _Conditions()
    if sought.since is not None:
        found.add("s.last_at >= ?", sought.since)
    if sought.until is not None:
        found.add("s.first_at <= ?", sought.until)
    return found


def delete(connection: Connection, through: int) -> None:
    """Forget what was noted of the slices up to this one."""
    for name in ("slice_table", "slice_origin"):
        sql.run(connection, f"DELETE FROM replicator_{name} WHERE slice <= ?", (through,))
