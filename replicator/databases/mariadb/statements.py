"""MariaDB text: names and lists of them; the driver's own connection for bulk paths."""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import Any, TypeAlias, cast

import pymysql
from sqlalchemy import Connection

from replicator.errors import DatabaseBusy, UnfitTable

APPLYING = "@replicator_applying"
"""Set on our connection while we write what other places changed: triggers ask for it and stay silent."""

_SKIPPED = 1684
"""A table is missing from what the catalogue says, as it is being altered just now. A warning, no error."""
_LOOKS, _PAUSE = 100, 0.02
"""How often we look, and seconds in between."""

Driver: TypeAlias = pymysql.Connection


def driver(connection: Connection) -> Driver:
    """The driver's own connection: SQLAlchemy's rows would cost as much again."""
    return cast(Driver, connection.connection.driver_connection)


def quoted(name: str) -> str:
    """A name as SQL. Raises UnfitTable for a name that no SQL text can hold."""
    if not name or "\0" in name or not name.isprintable() or name.endswith(" "):
        raise UnfitTable(f"The name {name!r} holds characters that can't be carried: rename it.")
    return "`" + name.replace("`", "``") + "`"


def names(columns: Sequence[str], prefix: str = "") -> str:
    """Quoted names in a row: `names(["a", "b"], "NEW.")` is ``NEW.`a`, NEW.`b` ``."""
    return ", ".join(prefix + quoted(column) for column in columns)


def execute(raw: Driver, sql: str, parameters: Sequence[Any] | None = None) -> Any:
    """One statement; returns the cursor. Placeholders (`%s`, and `%%` for a percent sign) only with `parameters`."""
    cursor = raw.cursor()
    cursor.execute(sql, parameters)
    return cursor


def fetch(raw: Driver, sql: str, parameters: Sequence[Any] | None = None) -> list[tuple[Any, ...]]:
    return list(execute(raw, sql, parameters).fetchall())


def scalar(raw: Driver, sql: str, parameters: Sequence[Any] | None = None) -> Any:
    row = execute(raw, sql, parameters).fetchone()
    return None if row is None else row[0]


def look_up(raw: Driver, sql: str, parameters: Sequence[Any] | None = None) -> list[tuple[Any, ...]]:
    """Rows of information_schema, whole: it leaves out whatever somebody is altering. Raises DatabaseBusy."""
    for _ in range(_LOOKS):
        cursor = execute(raw, sql, parameters)
        found = list(cursor.fetchall())
        if not cursor.warning_count or all(number != _SKIPPED for _, number, _ in fetch(raw, "SHOW WARNINGS")):
            return found
        time.sleep(_PAUSE)
    raise DatabaseBusy("The database is in use (a table is being altered again and again): try again.")
