"""Reading and writing the replicator's own tables in sets."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from functools import lru_cache
from itertools import chain, islice
from typing import Any

import pymysql
from sqlalchemy import Table

_TOGETHER = 500
"""Rows in one statement: larger ones gain nothing, and max_allowed_packet bounds them."""


def upsert(
    raw: pymysql.Connection[Any], table: Table, rows: Sequence[tuple[Any, ...]], shared: Mapping[str, Any]
) -> None:
    """See `Database.upsert`. Of rows with the same key the last one counts."""
    own = tuple(column.name for column in table.columns if column.name not in shared)
    common = tuple(shared.values())
    with raw.cursor() as cursor:
        for start in range(0, len(rows), _TOGETHER):
            some = rows[start : start + _TOGETHER]
            values = chain.from_iterable((*row, *common) for row in some)
            cursor.execute(_statement(table, (*own, *shared), len(some)), list(values))


def find(
    raw: pymysql.Connection[Any],
    table: Table,
    columns: Sequence[str],
    shared: Mapping[str, Any],
    keys: Collection[bytes],
) -> list[tuple[Any, ...]]:
    """See `Database.find_own`."""
    (last,) = (column.name for column in table.primary_key if column.name not in shared)
    where = "".join(f"{name} = %s AND " for name in shared)
    found: list[tuple[Any, ...]] = []
    rest = iter(keys)
    with raw.cursor() as cursor:
        while some := list(islice(rest, _TOGETHER)):
            # Written into the statement: to have the driver do so would cost more than finding the rows.
            listed = ", ".join(f"x'{key.hex()}'" for key in some)
            cursor.execute(
                f"SELECT {', '.join(columns)} FROM {table.name} WHERE {where}{last} IN ({listed})",
                list(shared.values()),
            )
            found += cursor.fetchall()
    return found


@lru_cache(maxsize=1024)
def _statement(table: Table, columns: tuple[str, ...], count: int) -> str:
    key = {column.name for column in table.primary_key}
    # A table that is all key has nothing to change; saying so needs an assignment all the same.
    changed = [name for name in columns if name not in key] or [columns[0]]
    settings = ", ".join(f"{name} = VALUES({name})" for name in changed)
    group = f"({', '.join(['%s'] * len(columns))})"
    return (
        f"INSERT INTO {table.name} ({', '.join(columns)}) VALUES {', '.join([group] * count)}"
        f" ON DUPLICATE KEY UPDATE {settings}"
    )
