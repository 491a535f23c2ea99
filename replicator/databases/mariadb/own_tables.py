"""Reading and writing the replicator's own tables in sets."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from functools import lru_cache
from itertools import islice
from typing import Any

import pymysql
from sqlalchemy import Table

from replicator.databases.mariadb.carrying import literal

BYTES_WITHIN = "LOCATE(?, {}) > 0"
"""See `Database.bytes_within`."""

_TOGETHER = 500
"""Rows in one statement: larger ones gain nothing."""
_LARGEST = 1_000_000
"""Characters aimed at for one statement: max_allowed_packet bounds it."""


def upsert(
    raw: pymysql.Connection[Any], table: Table, rows: Sequence[tuple[Any, ...]], shared: Mapping[str, Any]
) -> None:
    """See `Database.upsert`. Of rows with the same key the last one counts.

    The values are written into the statement a column at a time: the driver would take three times as long.
    """
    own = tuple(column.name for column in table.columns if column.name not in shared)
    head, tail = _around(table, (*own, *shared))
    end = "".join(f", {literal(value)}" for value in shared.values()) + ")"
    with raw.cursor() as cursor:
        for start in range(0, len(rows), _TOGETHER):
            columns = map(_literals, zip(*rows[start : start + _TOGETHER], strict=True))
            for some in _lots(list(map(", ".join, zip(*columns, strict=True)))):
                cursor.execute(f"{head} ({f'{end}, ('.join(some)}{end} {tail}")


def _lots(listed: list[str]) -> Iterator[list[str]]:
    """As they come, unless they are so long that one statement would be too much for the server."""
    if sum(map(len, listed)) <= _LARGEST:
        yield listed
        return
    some: list[str] = []
    size = 0
    for row in listed:
        if some and size + len(row) > _LARGEST:
            yield some
            some, size = [], 0
        some.append(row)
        size += len(row)
    yield some


def _literals(values: Sequence[Any]) -> list[str]:
    kinds = set(map(type, values))
    if kinds == {bytes}:
        return [f"x'{value.hex()}'" for value in values]
    return list(map(str if kinds == {int} else literal, values))


@lru_cache(maxsize=256)
def _around(table: Table, columns: tuple[str, ...]) -> tuple[str, str]:
    """What stands before and behind the rows."""
    key = {column.name for column in table.primary_key}
    # A table that is all key has nothing to change; saying so needs an assignment all the same.
    changed = [name for name in columns if name not in key] or [columns[0]]
    settings = ", ".join(f"{name} = VALUES({name})" for name in changed)
    return f"INSERT INTO {table.name} ({', '.join(columns)}) VALUES", f"ON DUPLICATE KEY UPDATE {settings}"


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
