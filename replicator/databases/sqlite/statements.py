"""SQLite text: names, literals, value lists, and running a statement so that every text value comes through.

Python's driver knows text only as UTF-8. Text that isn't travels as str with surrogate escapes (types.Value); the two
places where that meets the driver are here: reading falls back to a lenient decoder, writing binds the bytes and casts
them to text. Both cost nothing as long as all text is UTF-8.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Sequence
from itertools import chain, islice
from typing import Any, TypeAlias, TypeVar, cast

from sqlalchemy import Connection

from replicator.databases.weighing import PAGE_BYTES, SAMPLED, weight
from replicator.errors import UnfitTable
from replicator.types import Value

Row: TypeAlias = tuple[Value, ...]
Read = TypeVar("Read")

CHUNK = 1000
"""Rows or keys that one reading statement handles."""
STEP = 16
"""Rows between two looks at what they weigh."""

_VALUES = 240
"""Bound by one inserting statement. More gain nothing."""


def driver(connection: Connection) -> sqlite3.Connection:
    """The driver's own connection, for bulk paths: SQLAlchemy's rows would cost as much again."""
    return cast(sqlite3.Connection, connection.connection.driver_connection)


def quoted(name: str) -> str:
    """A name as SQL. Raises UnfitTable for a name that no SQL text can hold."""
    if "\0" in name or not name.isprintable():
        raise UnfitTable(f"The name {name!r} holds characters that can't be carried: rename it.")
    return '"' + name.replace('"', '""') + '"'


def names(columns: Sequence[str], prefix: str = "") -> str:
    """Quoted names in a row: `names(["a", "b"], "new.")` is `new."a", new."b"`."""
    return ", ".join(prefix + quoted(column) for column in columns)


def literal(value: Value) -> str:
    """A value as SQL that gives the same value bit for bit."""
    match value:
        case None:
            return "NULL"
        case bool() | int():
            return str(int(value))
        case float():
            return repr(value) if abs(value) != float("inf") else ("9e999" if value > 0 else "-9e999")
        case bytes():
            return f"x'{value.hex()}'"
        case str() if "\0" in value or _broken(value):
            return f"CAST(x'{value.encode('utf-8', 'surrogateescape').hex()}' AS TEXT)"
        case _:
            return "'" + str(value).replace("'", "''") + "'"


def _broken(text: str) -> bool:
    return any("\udc80" <= character <= "\udcff" for character in text)


def lenient(text: bytes) -> str:
    """For a connection's `text_factory`: text that isn't UTF-8 comes with surrogate escapes."""
    return text.decode("utf-8", "surrogateescape")


def fetch(raw: sqlite3.Connection, sql: str, parameters: Sequence[Value] = ()) -> list[Row]:
    """All rows of a query that is known to be short. Text that isn't UTF-8 comes with surrogate escapes.

    The driver's complaint about such text carries no SQLite code: it comes from the driver itself.
    """
    return _leniently(raw, lambda: raw.execute(sql, parameters).fetchall())


def fetch_page(raw: sqlite3.Connection, sql: str, parameters: Sequence[Value] = ()) -> tuple[list[Row], bool]:
    """The first rows of a query, as many as weigh PAGE_BYTES or some more; and whether these are all."""
    return _leniently(raw, lambda: _page(raw.execute(sql, parameters)))


def _page(cursor: sqlite3.Cursor) -> tuple[list[Row], bool]:
    page: list[Row] = []
    weighed = 0
    while rows := cursor.fetchmany(STEP):
        page += rows
        weighed += weight(rows[::SAMPLED]) * SAMPLED
        if weighed >= PAGE_BYTES:
            cursor.close()
            return page, False
    return page, True


def _leniently(raw: sqlite3.Connection, read: Callable[[], Read]) -> Read:
    """Again, with surrogate escapes, where the driver has met text that isn't UTF-8."""
    try:
        return read()
    except sqlite3.OperationalError as error:
        if hasattr(error, "sqlite_errorcode"):
            raise
    raw.text_factory = lenient
    try:
        return read()
    finally:
        raw.text_factory = str


def bindable(rows: Sequence[Sequence[Value]]) -> tuple[str, list[Value]]:
    """`(?, ?), (?, CAST(? AS TEXT))` and the flat parameters for it, where some text is not UTF-8."""
    parameters: list[Value] = []
    groups = []
    for row in rows:
        slots = []
        for value in row:
            broken = isinstance(value, str) and _broken(value)
            slots.append("CAST(? AS TEXT)" if broken else "?")
            parameters.append(value.encode("utf-8", "surrogateescape") if broken else value)
        groups.append(f"({', '.join(slots)})")
    return ", ".join(groups), parameters


def fetch_by_values(
    raw: sqlite3.Connection, before: str, columns: str, wanted: Sequence[Row], after: str = ""
) -> list[Row]:
    """Rows of the query `before` WHERE `columns` are among `wanted` `after`; SQLite finds them by index if it can.

    A single column is compared to a list, several to VALUES; both use the columns' collations and affinities.
    """
    width = len(wanted[0])
    group = f"({', '.join('?' * width)})"
    parameters = [value for row in wanted for value in row]

    def query(groups: str) -> str:
        if width == 1:
            # ((1), (2)) is a plain list: a parenthesis around one value means nothing.
            return f"{before} WHERE {columns} IN ({groups}) {after}"
        return f"{before} WHERE ({columns}) IN (VALUES {groups}) {after}"

    try:
        return fetch(raw, query(", ".join([group] * len(wanted))), parameters)
    except UnicodeEncodeError:
        return fetch(raw, query(bindable(wanted)[0]), bindable(wanted)[1])


def execute_many(raw: sqlite3.Connection, before: str, after: str, rows: Sequence[Row], width: int) -> None:
    """Run `before (?, ?, …) after` for each row, which must be harmless to run twice for the same row."""
    sql = f"{before} ({', '.join('?' * width)}) {after}"
    try:
        raw.executemany(sql, rows)
    except UnicodeEncodeError:
        # Rows up to the broken text are written; writing them again in the slow way changes nothing.
        for row in rows:
            slots, parameters = bindable([row])
            raw.execute(f"{before} {slots} {after}", parameters)


def insert_many(
    raw: sqlite3.Connection, before: str, after: str, rows: Sequence[Row], width: int, shared: Row = ()
) -> None:
    """Run `before (?, …), (?, …) … after` for all rows, which must be harmless to run twice for the same row.

    Many rows to a statement take SQLite three quarters of the time that a statement for each takes. `shared` are the
    values of the last columns where they are the same in every row: bound once a statement, they save as much again.
    """
    common = "".join(f", ?{number}" for number in range(1, len(shared) + 1))
    together = max(1, _VALUES // width)

    def statement(count: int) -> str:
        slots = map(str, range(len(shared) + 1, len(shared) + 1 + count * width))
        groups = [f"(?{', ?'.join(islice(slots, width))}{common})" for _ in range(count)]
        return f"{before} {', '.join(groups)} {after}"

    whole = len(rows) - len(rows) % together
    values = list(chain.from_iterable(rows))
    step = together * width
    try:
        if whole:
            pieces = [(*shared, *values[start : start + step]) for start in range(0, whole * width, step)]
            raw.executemany(statement(together), pieces)
        if whole < len(rows):
            raw.executemany(statement(1), [(*shared, *row) for row in rows[whole:]])
    except UnicodeEncodeError:
        # Rows up to the broken text are written; writing them again in the slow way changes nothing.
        for row in rows:
            slots, parameters = bindable([(*row, *shared)])
            raw.execute(f"{before} {slots} {after}", parameters)


def scalar(raw: sqlite3.Connection, sql: str, parameters: Sequence[Value] = ()) -> Any:
    row = raw.execute(sql, parameters).fetchone()
    return None if row is None else row[0]
