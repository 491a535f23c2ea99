"""Statements of our own, written once with `?` for every driver.

Executed by the driver itself: at the sizes of a run the statement compiler would cost more than the database. Nothing
but the style of placeholders is translated here; what really differs between databases is a method of
`databases.base.Database`.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import lru_cache
from typing import Any, Protocol, cast

from sqlalchemy import Connection, Table

CHUNK = 500
"""Values in one IN list: below every driver's limit of parameters."""

Row = tuple[Any, ...]


@lru_cache(maxsize=2048)
def _styled(statement: str, paramstyle: str) -> str:
    return statement if paramstyle == "qmark" else statement.replace("%", "%%").replace("?", "%s")


class Cursor(Protocol):
    """What every driver's cursor has (PEP 249)."""

    rowcount: int

    def execute(self, statement: str, parameters: Sequence[Any], /) -> Any: ...

    def fetchall(self) -> list[Row]: ...

    def fetchone(self) -> Row | None: ...

    def close(self) -> None: ...


def run(connection: Connection, statement: str, parameters: Sequence[Any] = ()) -> Cursor:
    """Execute one statement. Parameters are positional.

    By the driver's own cursor: SQLAlchemy's result would cost several times what a small query does.
    """
    driver = connection.connection.driver_connection
    cursor = cast(Cursor, driver.cursor())  # type: ignore[union-attr]
    cursor.execute(_styled(statement, connection.dialect.paramstyle), tuple(parameters))
    return cursor


def rows(connection: Connection, statement: str, parameters: Sequence[Any] = ()) -> list[Row]:
    return run(connection, statement, parameters).fetchall()


def one(connection: Connection, statement: str, parameters: Sequence[Any] = ()) -> Row | None:
    cursor = run(connection, statement, parameters)
    row = cursor.fetchone()
    cursor.close()  # what is only half read would hold a lock
    return row


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
