"""Reading and writing the application's rows in sets."""

from __future__ import annotations

from collections.abc import Collection, Hashable, Iterator, Sequence
from typing import Any

from replicator.databases.key_rows import chunks, unpack_keys
from replicator.databases.postgresql.comparing import comparable
from replicator.databases.postgresql.here import Here, Row
from replicator.databases.postgresql.spelling import require_canonical_keys
from replicator.databases.postgresql.statements import Driver, execute, fetch, names, quoted, scalar
from replicator.databases.weighing import PageSize
from replicator.protocol.keys import key_packer
from replicator.types import Image, Key, Table, Value

CHUNK = 1000
"""Rows or keys that one reading statement handles."""

_FEW = 20
"""So many rows are written by one statement without a temporary table."""


def _by_values(here: Here, columns: Sequence[str], wanted: list[Row], before: str, after: str = "") -> tuple[str, Any]:
    """The statement `before … after` on the rows `t` in which these columns are among `wanted`, with its parameters."""
    slots, lists = here.arrays(columns, wanted)
    condition = f"WHERE ({_escaped(names(columns, 't.'))}) IN (SELECT * FROM unnest({slots}))"
    return f"{_escaped(before)} {_escaped(here.place)} t {condition} {_escaped(after)}", lists


def read_images(raw: Driver, here: Here, keys: Collection[Key]) -> dict[Key, Image]:
    definition = here.definition
    key_of, read = key_packer(definition), here.reader()
    wanted = set(keys)
    found: dict[Key, Image] = {}
    for some in chunks(unpack_keys(keys), CHUNK):
        rows = fetch(raw, *_by_values(here, definition.primary_key, some, f"SELECT {here.select()} FROM"))
        # What the database only calls equal (citext, a key written otherwise) is another key.
        found.update((key, row) for row in read(rows) if (key := key_of(row)) in wanted)
    return found


def write_images(raw: Driver, here: Here, images: Sequence[Image]) -> None:
    """Insert or update by primary key. A row whose key the database only calls equal takes over the key as well."""
    if not images:
        return
    columns, key = here.definition.column_names, here.definition.primary_key
    require_canonical_keys(raw, here, images)
    changed = [column for column in columns if column not in key or not _has_exact_key(here.table)]
    settings = ", ".join(f"{quoted(column)} = excluded.{quoted(column)}" for column in changed)
    tail = f"ON CONFLICT ({names(key)}) DO {f'UPDATE SET {settings}' if settings else 'NOTHING'}"
    head = f"INSERT INTO {here.place} ({names(columns)}) OVERRIDING SYSTEM VALUE"
    if len(images) <= _FEW:
        slots = ", ".join([f"({', '.join(['%s'] * len(columns))})"] * len(images))
        values = [text for row in zip(*here.texts(columns, images), strict=True) for text in row]
        execute(raw, f"{_escaped(head)} VALUES {slots} {_escaped(tail)}", values)
        return
    rows = zip(*here.copied(columns, images), strict=True)
    execute(raw, "DROP TABLE IF EXISTS pg_temp.replicator_rows")
    execute(
        raw,
        f"CREATE TEMP TABLE replicator_rows ON COMMIT DROP AS SELECT {names(columns)} FROM {here.place} WITH NO DATA",
    )
    with raw.cursor().copy(b"COPY pg_temp.replicator_rows FROM STDIN") as copy:
        for row in rows:
            copy.write_row(row)
    execute(raw, f"{head} SELECT {names(columns)} FROM pg_temp.replicator_rows {tail}")


def _escaped(sql: str) -> str:
    return sql.replace("%", "%%")


def _has_exact_key(table: Table) -> bool:
    """Two keys that the database calls equal are the same: no citext, no number, no collation that says otherwise."""
    definition = table.definition
    key = [definition.columns[place] for place in definition.key_indexes]
    return all(column.collation is None and column.type.kind not in ("numeric", "real") for column in key)


def delete_keys(raw: Driver, here: Here, keys: Collection[Key]) -> None:
    if not _has_exact_key(here.table):
        keys = list(read_images(raw, here, keys))
    for some in chunks(unpack_keys(keys), CHUNK):
        execute(raw, *_by_values(here, here.definition.primary_key, some, "DELETE FROM"))


def scan(raw: Driver, here: Here) -> Iterator[list[Image]]:
    """Page by page after the last key, so that no cursor stays open and the caller may write in between."""
    columns, places = here.definition.primary_key, here.definition.key_indexes
    select, read = f"SELECT {here.select()} FROM {here.place} t", here.reader()
    listed = names(columns, "t.")
    size, order = PageSize(CHUNK), f"ORDER BY {listed} LIMIT"
    page = fetch(raw, f"{select} {order} {size.rows}")
    slots = ", ".join(f"%s::{here.types[column].bare}" for column in columns)
    while page:
        rows = read(page)
        yield rows
        if not size.note(page):
            return
        last = [text for (text,) in here.texts(columns, [tuple(rows[-1][place] for place in places)])]
        behind = f"({_escaped(listed)}) > ({slots}) {_escaped(order)} {size.rows}"
        page = fetch(raw, f"{_escaped(select)} WHERE {behind}", last)


def count(raw: Driver, here: Here) -> int:
    return int(scalar(raw, f"SELECT count(*) FROM {here.place}"))


def find_keys(
    raw: Driver, here: Here, columns: Sequence[str], wanted: Collection[tuple[Value, ...]], *, hold: bool
) -> dict[Hashable, Key]:
    select, read = f"SELECT {here.select()} FROM", here.reader()
    after = "FOR KEY SHARE OF t" if hold else ""
    compare, key_of = comparable(here.definition, columns), key_packer(here.definition)
    places = here.definition.indexes_of(columns)
    found: dict[Hashable, Key] = {}
    for some in chunks((values for values in wanted if None not in values), CHUNK):
        for row in read(fetch(raw, *_by_values(here, columns, some, select, after))):
            found[compare([row[place] for place in places])] = key_of(row)
    return found


def count_rows(
    raw: Driver, here: Here, columns: Sequence[str], wanted: Collection[tuple[Value, ...]]
) -> dict[Hashable, int]:
    select, read = f"SELECT {here.select(columns)}, count(*) FROM", here.reader(columns)
    compare = comparable(here.definition, columns)
    after = f"GROUP BY {names(columns, 't.')}"
    found: dict[Hashable, int] = {}
    for some in chunks((values for values in wanted if None not in values), CHUNK):
        counted = fetch(raw, *_by_values(here, columns, some, select, after))
        for values, (*_, number) in zip(read([row[:-1] for row in counted]), counted, strict=True):
            key = compare(values)
            found[key] = found.get(key, 0) + number
    return found
