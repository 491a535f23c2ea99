"""Statements of our own, written once with `?` for every driver.

`Connection.exec_driver_sql` is used throughout: at the sizes of a run the statement compiler would cost more than the
database. Nothing but the style of placeholders is translated here; what really differs between databases is a method of
`databases.base.Database`.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import lru_cache
from typing import Any, cast

from sqlalchemy import Connection, CursorResult, Table

CHUNK = 500
"""Values in one IN list: below every driver's limit of parameters."""

Row = tuple[Any, ...]


@lru_cache(maxsize=2048)
def _styled(statement: str, paramstyle: str) -> str:
    return statement if paramstyle == "qmark" else statement.replace("%", "%%").replace("?", "%s")


def run(connection: Connection, statement: str, parameters: Sequence[Any] = ()) -> CursorResult[Any]:
    """Execute one statement. Parameters are positional."""
    return connection.exec_driver_sql(_styled(statement, connection.dialect.paramstyle), tuple(parameters))


def rows(connection: Connection, statement: str, parameters: Sequence[Any] = ()) -> list[Row]:
    """All rows, as the driver's own tuples: SQLAlchemy's would cost as much again as reading them."""
    result = run(connection, statement, parameters)
    found = [] if result.cursor is None else result.cursor.fetchall()
    result.close()
    return cast(list[Row], found)


def one(connection: Connection, statement: str, parameters: Sequence[Any] = ()) -> Row | None:
    row = run(connection, statement, parameters).first()
    return None if row is None else tuple(row)


def many(connection: Connection, statement: str, parameters: Sequence[Row]) -> None:
    """Execute for each row of parameters in one call of the driver."""
    if parameters:
        connection.exec_driver_sql(_styled(statement, connection.dialect.paramstyle), list(parameters))


@lru_cache(maxsize=256)
def _insert(name: str, columns: tuple[str, ...]) -> str:
    return f"INSERT INTO {name} ({', '.join(columns)}) VALUES ({', '.join('?' * len(columns))})"


def insert(connection: Connection, table: Table, columns: tuple[str, ...], values: Sequence[Row]) -> None:
    many(connection, _insert(table.name, columns), values)


def in_chunks(values: Sequence[Any], size: int = CHUNK) -> Iterator[Sequence[Any]]:
    for start in range(0, len(values), size):
        yield values[start : start + size]


def marks(count: int) -> str:
    """Placeholders for an IN list."""
    return ", ".join("?" * count)
