"""Writing the replicator's own tables in sets."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import lru_cache
from operator import itemgetter
from typing import Any

from sqlalchemy import Dialect, Table
from sqlalchemy.dialects.postgresql.base import PGDialect

from replicator.databases.postgresql.statements import Driver

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
    parameters = [*shared.values(), *map(list, zip(*rows, strict=True))]
    raw.cursor().execute(_statement(table, own, tuple(shared)), parameters)


@lru_cache(maxsize=256)
def _statement(table: Table, own: tuple[str, ...], shared: tuple[str, ...]) -> bytes:
    def type_of(name: str) -> str:
        return str(table.columns[name].type.compile(_DIALECT))

    columns = [*shared, *own]
    values = [f"%s::{type_of(name)}" for name in shared] + [f"u.{name}" for name in own]
    arrays = ", ".join(f"%s::{type_of(name)}[]" for name in own)
    changed = [name for name in columns if not table.columns[name].primary_key]
    settings = ", ".join(f"{name} = excluded.{name}" for name in changed)
    return (
        f"INSERT INTO {table.name} ({', '.join(columns)}) SELECT {', '.join(values)}"
        f" FROM unnest({arrays}) AS u ({', '.join(own)})"
        f" ON CONFLICT ({', '.join(column.name for column in table.primary_key)})"
        f" DO {f'UPDATE SET {settings}' if settings else 'NOTHING'}"
    ).encode()
