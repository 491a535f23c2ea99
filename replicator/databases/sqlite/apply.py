"""Reading and writing the application's rows in sets, and keeping triggers quiet meanwhile."""

from __future__ import annotations

import sqlite3
from collections.abc import Collection, Hashable, Iterator, Sequence
from contextlib import contextmanager
from typing import TypeAlias

from replicator.databases.key_rows import chunks, unpack_keys
from replicator.databases.sqlite.columntypes import affinity, type_words
from replicator.databases.sqlite.statements import (
    CHUNK,
    Row,
    bindable,
    execute_many,
    fetch,
    fetch_by_values,
    fetch_page,
    insert_many,
    names,
    quoted,
    scalar,
)
from replicator.databases.sqlite.triggers import PREFIX
from replicator.databases.sqlite.values import comparable
from replicator.protocol.keys import key_packer
from replicator.types import Image, Key, Table, TableDefinition, Value


@contextmanager
def triggers_dropped(raw: sqlite3.Connection, tables: Collection[Table]) -> Iterator[None]:
    """Within: no trigger of these tables fires. They are dropped and made again in the same transaction.

    The application's are made again in their order and ours after them, so that ours fire first (see capture). A guard
    that each trigger would have to ask costs the application 1.35 times its write for every row that we write; this
    costs it nothing.
    """
    names_of = list({table.name.lower(): table.name for table in tables}.values())
    standing = _triggers(raw, names_of)
    _drop(raw, standing)
    try:
        yield
    finally:
        # SQLite itself rolls back on some errors; then the triggers stand already.
        if raw.in_transaction:
            # A capture that was made meanwhile is the newer one, and has to be the last to be made again all the same.
            made = _triggers(raw, names_of)
            _drop(raw, made)
            captured_anew = {table for table, name, _ in made if name.startswith(PREFIX)}
            kept = [each for each in standing if not (each[1].startswith(PREFIX) and each[0] in captured_anew)]
            for _, _, sql in sorted([*kept, *made], key=lambda trigger: trigger[1].startswith(PREFIX)):
                raw.execute(sql)


Trigger: TypeAlias = tuple[str, str, str]
"""Table, name, SQL."""


def _triggers(raw: sqlite3.Connection, tables: Collection[str]) -> list[Trigger]:
    """All of these tables, in the order in which they were made."""
    return [
        (table, name, sql)
        for table in tables
        for name, sql in fetch(
            raw,
            "SELECT name, sql FROM sqlite_schema WHERE type = 'trigger' AND tbl_name = ? COLLATE NOCASE ORDER BY rowid",
            (table,),
        )
    ]


def _drop(raw: sqlite3.Connection, triggers: Collection[Trigger]) -> None:
    for _, name, _ in triggers:
        raw.execute(f"DROP TRIGGER {quoted(name)}")


def has_exact_key(definition: TableDefinition) -> bool:
    """Two keys that SQLite calls equal are the same bytes: no NOCASE, no column without affinity in the key."""
    strict = "strict" in definition.options
    key = [definition.columns[place] for place in definition.key_indexes]
    return all(
        column.collation is None and affinity(type_words(column.type, strict=strict), strict=strict) != "BLOB"
        for column in key
    )


def _select(definition: TableDefinition) -> str:
    """Names of columns are led by that of the table: SQLite takes a quoted name that no column has for a text."""
    table = quoted(definition.name)
    return f"SELECT {names(definition.column_names, f'{table}.')} FROM {table}"


def read_images(raw: sqlite3.Connection, table: Table, keys: Collection[Key]) -> dict[Key, Image]:
    definition = table.definition
    before, columns = _select(definition), names(definition.primary_key)
    found: dict[Key, Image] = {}
    simple = len(definition.primary_key) == 1 and has_exact_key(definition)
    place = definition.key_indexes[0]
    key_of = key_packer(definition)
    for some in chunks(keys, CHUNK):
        wanted = unpack_keys(some)
        rows = fetch_by_values(raw, before, columns, wanted)
        if simple:
            # Packing each key anew would cost as much as reading its row.
            names_of = {values[0]: key for values, key in zip(wanted, some, strict=True)}
            found.update((names_of[row[place]], row) for row in rows if row[place] in names_of)
        else:
            these = set(some)
            found.update((key, row) for row in rows if (key := key_of(row)) in these)
    return found


def write_images(raw: sqlite3.Connection, table: Table, images: Sequence[Image]) -> None:
    """Insert or update. A row whose key SQLite only calls equal takes over the key as well."""
    definition = table.definition
    key = definition.primary_key
    upsert(raw, definition.name, definition.column_names, key, images, set_key=not has_exact_key(definition))


def upsert(
    raw: sqlite3.Connection,
    table: str,
    columns: Sequence[str],
    key: Sequence[str],
    rows: Sequence[Row],
    *,
    set_key: bool = False,
    shared: Row = (),
) -> None:
    """Insert rows of all `columns`, or update the row with the same `key`: nothing else of it is touched.

    `shared`: values of the last columns, the same in every row, which the rows leave out.
    """
    if not rows:
        return
    changed = [column for column in columns if set_key or column not in key]
    settings = ", ".join(f"{quoted(column)} = excluded.{quoted(column)}" for column in changed)
    insert_many(
        raw,
        f"INSERT INTO {quoted(table)} ({names(columns)}) VALUES",
        f"ON CONFLICT ({names(key)}) DO {f'UPDATE SET {settings}' if settings else 'NOTHING'}",
        rows,
        len(columns) - len(shared),
        shared,
    )


def delete_keys(raw: sqlite3.Connection, table: Table, keys: Collection[Key]) -> None:
    definition = table.definition
    place_of_key = ", ".join(quoted(name) for name in definition.primary_key)
    exact = has_exact_key(definition)
    if not exact:
        present = read_images(raw, table, keys)
        keys = [key for key in keys if key in present]
    width = len(definition.primary_key)
    for some in chunks(keys, CHUNK):
        execute_many(
            raw, f"DELETE FROM {quoted(definition.name)} WHERE ({place_of_key}) =", "", unpack_keys(some), width
        )


def scan(raw: sqlite3.Connection, table: Table) -> Iterator[list[Image]]:
    """Page by page after the last key, so that no cursor stays open and the caller may write in between."""
    definition = table.definition
    key = names(definition.primary_key)
    order = f"ORDER BY {key} LIMIT {CHUNK}"
    places = definition.key_indexes
    page, whole = fetch_page(raw, f"{_select(definition)} {order}")
    while page:
        yield page
        if whole and len(page) < CHUNK:
            return
        last = tuple(page[-1][place] for place in places)
        slots, parameters = bindable([last])
        page, whole = fetch_page(raw, f"{_select(definition)} WHERE ({key}) > {slots} {order}", parameters)


def count(raw: sqlite3.Connection, table: Table) -> int:
    return int(scalar(raw, f"SELECT count(*) FROM {quoted(table.name)}"))


def find_keys(
    raw: sqlite3.Connection, table: Table, columns: Sequence[str], wanted: Collection[tuple[Value, ...]]
) -> dict[Hashable, Key]:
    definition = table.definition
    compare = comparable(definition, columns)
    key_of = key_packer(definition)
    places = definition.indexes_of(columns)
    rows = find_rows(raw, table, columns, wanted)
    return {compare([row[place] for place in places]): key_of(row) for row in rows}


def find_rows(
    raw: sqlite3.Connection, table: Table, columns: Sequence[str], wanted: Collection[tuple[Value, ...]]
) -> Iterator[Image]:
    """The rows that have one of these combinations of values in the columns."""
    for some in chunks((values for values in wanted if None not in values), CHUNK):
        yield from fetch_by_values(raw, _select(table.definition), names(columns), some)


def as_numbers(raw: sqlite3.Connection, texts: Collection[str]) -> dict[str, Value]:
    """What a column for numbers makes of each of these."""
    raw.execute("CREATE TEMP TABLE IF NOT EXISTS replicator_numbers (text TEXT, number NUMERIC)")
    try:
        raw.executemany("INSERT INTO temp.replicator_numbers VALUES (?1, ?1)", [(text,) for text in texts])
        return dict(fetch(raw, "SELECT text, number FROM temp.replicator_numbers"))
    finally:
        raw.execute("DELETE FROM temp.replicator_numbers")


def count_rows(
    raw: sqlite3.Connection, table: Table, columns: Sequence[str], wanted: Collection[tuple[Value, ...]]
) -> dict[Hashable, int]:
    compare = comparable(table.definition, columns)
    return {compare(row[:-1]): row[-1] for row in counted_rows(raw, table, columns, wanted)}


def counted_rows(
    raw: sqlite3.Connection, table: Table, columns: Sequence[str], wanted: Collection[tuple[Value, ...]]
) -> Iterator[Row]:
    """The combinations of values that are there, each with how many rows have it behind it."""
    listed = names(columns)
    before = f"SELECT {listed}, count(*) FROM {quoted(table.name)}"
    for some in chunks((values for values in wanted if None not in values), CHUNK):
        yield from fetch_by_values(raw, before, listed, some, f"GROUP BY {listed}")
