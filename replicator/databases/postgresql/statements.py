"""PostgreSQL text: names and lists of them; the driver's own connection for bulk paths."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, TypeAlias, cast

import psycopg
from sqlalchemy import Connection

from replicator.errors import UnfitTable

Driver: TypeAlias = psycopg.Connection[tuple[Any, ...]]


def driver(connection: Connection) -> Driver:
    """The driver's own connection: SQLAlchemy's rows would cost as much again."""
    return cast(Driver, connection.connection.driver_connection)


def quoted(name: str) -> str:
    """A name as SQL. Raises UnfitTable for a name that no SQL text can hold."""
    if "\0" in name or not name.isprintable():
        raise UnfitTable(f"The name {name!r} holds characters that can't be carried: rename it.")
    return '"' + name.replace('"', '""') + '"'


def names(columns: Sequence[str], prefix: str = "") -> str:
    """Quoted names in a row: `names(["a", "b"], "new.")` is `new."a", new."b"`."""
    return ", ".join(prefix + quoted(column) for column in columns)


def execute(raw: Driver, sql: str, parameters: Sequence[Any] | None = None) -> psycopg.Cursor[tuple[Any, ...]]:
    """One statement. Placeholders (`%s`, and `%%` for a percent sign) only with `parameters`."""
    return raw.execute(sql.encode(), parameters)


def fetch(raw: Driver, sql: str, parameters: Sequence[Any] | None = None) -> list[tuple[Any, ...]]:
    return execute(raw, sql, parameters).fetchall()


def scalar(raw: Driver, sql: str, parameters: Sequence[Any] | None = None) -> Any:
    row = execute(raw, sql, parameters).fetchone()
    return None if row is None else row[0]
