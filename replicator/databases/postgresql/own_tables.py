"""Reading and writing the replicator's own tables in sets."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from functools import lru_cache
from operator import itemgetter
from typing import Any

from sqlalchemy import Dialect, Table
from sqlalchemy.dialects.postgresql.base import PGDialect

from replicator.databases.postgresql import arrays
from replicator.databases.postgresql.statements import Driver

BYTES_WITHIN = "position(? in {}) > 0"
"""See `Database.bytes_within`."""

_DIALECT: Dialect = PGDialect()  # type: ignore[no-untyped-call]


def upsert(raw: Driver, table: Table, rows: Sequence[tuple[Any, ...]], shared: Mapping[str, Any]) -> None:
    """See `Database.upsert`. A column at a time as an array: one statement, whatever the number of rows."""
    if not rows:
        return
    own = tuple(column.name for column in table.columns if column.name not in shared)
    key = [place for place, name in enumerate(own) if table.columns[name].primary_key]
    if key:
        # One statement may not touch a row twice; the last one counts, as if they had come one by one.
        rows = list({itemgetter(*key)(row): row for row in rows}.values())
    else:
        rows = rows[-1:]
    columns = zip(own, zip(*rows, strict=True), strict=True)
    lists = [arrays.maker(_type_of(table, name))(values) for name, values in columns]
    raw.cursor().execute(_upserting(table, own, tuple(shared)), [*shared.values(), *lists])


def find(
    raw: Driver, table: Table, columns: Sequence[str], shared: Mapping[str, Any], keys: Collection[bytes]
) -> list[tuple[Any, ...]]:
    """See `Database.find_own`."""
    if not keys:
        return []
    cursor = raw.cursor(binary=True)
    cursor.execute(_finding(table, tuple(columns), tuple(shared)), [arrays.blobs(list(keys)), *shared.values()])
    return cursor.fetchall()


def _type_of(table: Table, name: str) -> str:
    return str(table.columns[name].type.compile(_DIALECT))


@lru_cache(maxsize=256)
def _upserting(table: Table, own: tuple[str, ...], shared: tuple[str, ...]) -> bytes:
    columns = [*shared, *own]
    values = [f"%s::{_type_of(table, name)}" for name in shared] + [f"u.{name}" for name in own]
    lists = ", ".join(f"%s::{_type_of(table, name)}[]" for name in own)
    changed = [name for name in columns if not table.columns[name].primary_key]
    settings = ", ".join(f"{name} = excluded.{name}" for name in changed)
    return (
        f"INSERT INTO {table.name} ({', '.join(columns)}) SELECT {', '.join(values)}"
        f" FROM unnest({lists}) AS u ({', '.join(own)})"
        f" ON CONFLICT ({', '.join(column.name for column in table.primary_key)})"
        f" DO {f'UPDATE SET {settings}' if settings else 'NOTHING'}"
    ).encode()


@lru_cache(maxsize=256)
def _finding(table: Table, columns: tuple[str, ...], shared: tuple[str, ...]) -> bytes:
    """Each row by index, whatever the planner thinks: of a table that has grown in this transaction it knows nothing,
    and would read all of it for each lot of keys. OFFSET 0 keeps it from making a join of it."""
    (last,) = (column.name for column in table.primary_key if column.name not in shared)
    where = " AND ".join([*(f"{name} = %s" for name in shared), f"{last} = k.sought"])
    return (
        f"SELECT f.* FROM unnest(%s) AS k (sought) CROSS JOIN LATERAL"
        f" (SELECT {', '.join(columns)} FROM {table.name} WHERE {where} OFFSET 0) AS f"
    ).encode()
