"""Reading and writing the application's rows in sets."""

from __future__ import annotations

from collections.abc import Callable, Collection, Hashable, Iterable, Iterator, Sequence
from itertools import islice

import msgpack

from replicator.databases.postgresql.columntypes import Row, reading, row_reader, type_words, writing
from replicator.databases.postgresql.comparing import comparable
from replicator.databases.postgresql.statements import Driver, execute, fetch, names, quoted, scalar
from replicator.errors import ConstraintViolation
from replicator.protocol.keys import key_packer
from replicator.types import Image, Key, Table, Value

CHUNK = 1000
"""Rows or keys that one reading statement handles."""

_FEW = 20
"""So many rows are written by one statement without a temporary table."""


def place_of(schema: str, table: Table) -> str:
    return f"{quoted(schema)}.{quoted(table.name)}"


def unpack_keys(keys: Iterable[Key]) -> list[Row]:
    unpacker = msgpack.Unpacker(use_list=False, unicode_errors="surrogateescape", strict_map_key=False)
    unpacker.feed(b"".join(keys))
    return list(unpacker)


def _chunks(items: Iterable[Row]) -> Iterator[list[Row]]:
    rest = iter(items)
    while chunk := list(islice(rest, CHUNK)):
        yield chunk


class Writer:
    """Portable rows of some columns of a table as texts that PostgreSQL reads as these columns' types."""

    def __init__(self, table: Table, columns: Sequence[str]) -> None:
        definitions = [table.definition.columns[place] for place in table.definition.indexes_of(columns)]
        self._writers = [writing(column) for column in definitions]
        self.columns = columns

    def texts(self, rows: Iterable[Row]) -> list[tuple[str | None, ...]]:
        """Raises ConstraintViolation for what no text here says."""
        writers = self._writers
        found = [tuple(write(value) for write, value in zip(writers, row, strict=True)) for row in rows]
        for row in found:
            for text in row:
                if text is not None and ("\0" in text or not _is_text(text)):
                    raise ConstraintViolation("PostgreSQL can't store a text with a NUL, or one that isn't UTF-8.")
        return found


def _is_text(text: str) -> bool:
    return text.isascii() or not any("\ud800" <= letter <= "\udfff" for letter in text)


def _fetch_by_values(
    raw: Driver, schema: str, table: Table, columns: Sequence[str], wanted: list[Row], select: str, after: str = ""
) -> list[Row]:
    """Rows of `select` … for which the columns are among `wanted`, found by index where there is one."""
    texts = Writer(table, columns).texts(wanted)
    if not texts:
        return []
    arrays = ", ".join(f"%s::{_type_here(raw, schema, table, column)}[]" for column in columns)
    listed = names(columns, "t.")
    of = place_of(schema, table).replace("%", "%%")
    statement = (
        f"{select.replace('%', '%%')} FROM {of} t WHERE ({listed.replace('%', '%%')}) IN"
        f" (SELECT * FROM unnest({arrays})) {after.replace('%', '%%')}"
    )
    return fetch(raw, statement, [list(column) for column in zip(*texts, strict=True)])


def _type_here(raw: Driver, schema: str, table: Table, column: str) -> str:
    found = scalar(
        raw,
        "SELECT format_type(atttypid, atttypmod) FROM pg_attribute WHERE attrelid = %s::regclass AND attname = %s",
        (place_of(schema, table), column),
    )
    return str(found or type_words(table.definition.columns[table.definition.index_of(column)].type))


def _select(table: Table, columns: Sequence[str] | None = None) -> tuple[str, Callable[[Row], Row] | None]:
    """SELECT of these columns (all, if not told), and what makes portable values of them."""
    definition = table.definition
    some = [definition.columns[place] for place in definition.indexes_of(columns or definition.column_names)]
    listed = ", ".join(reading(column, f"t.{quoted(column.name)}") for column in some)
    return f"SELECT {listed}", row_reader(some)


def _portable(rows: list[Row], read: Callable[[Row], Row] | None) -> list[Row]:
    return rows if read is None else list(map(read, rows))


def read_images(raw: Driver, schema: str, table: Table, keys: Collection[Key]) -> dict[Key, Image]:
    select, read = _select(table)
    key_of = key_packer(table.definition)
    wanted = set(keys)
    found: dict[Key, Image] = {}
    for some in _chunks(unpack_keys(keys)):
        rows = _fetch_by_values(raw, schema, table, table.definition.primary_key, some, select)
        # What the database only calls equal (citext, 1.0 and 1.00) is another key.
        found.update((key, row) for row in _portable(rows, read) if (key := key_of(row)) in wanted)
    return found


def write_images(raw: Driver, schema: str, table: Table, images: Sequence[Image]) -> None:
    """Insert or update by primary key. A row whose key the database only calls equal takes over the key as well."""
    if not images:
        return
    columns = table.definition.column_names
    texts = Writer(table, columns).texts(images)
    key = table.definition.primary_key
    of = place_of(schema, table)
    changed = [column for column in columns if column not in key or not _has_exact_key(table)]
    settings = ", ".join(f"{quoted(column)} = excluded.{quoted(column)}" for column in changed)
    tail = f"ON CONFLICT ({names(key)}) DO {f'UPDATE SET {settings}' if settings else 'NOTHING'}"
    head = f"INSERT INTO {of} ({names(columns)}) OVERRIDING SYSTEM VALUE"
    if len(texts) <= _FEW:
        slots = ", ".join([f"({', '.join(['%s'] * len(columns))})"] * len(texts))
        values = [text for row in texts for text in row]
        execute(raw, f"{_escaped(head)} VALUES {slots} {_escaped(tail)}", values)
        return
    execute(raw, "DROP TABLE IF EXISTS pg_temp.replicator_rows")
    execute(
        raw,
        f"CREATE TEMP TABLE replicator_rows ON COMMIT DROP AS SELECT {names(columns)} FROM {of} WITH NO DATA",
    )
    with raw.cursor().copy(b"COPY pg_temp.replicator_rows FROM STDIN") as copy:
        for row in texts:
            copy.write_row(row)
    execute(raw, f"{head} SELECT {names(columns)} FROM pg_temp.replicator_rows {tail}")


def _escaped(sql: str) -> str:
    return sql.replace("%", "%%")


def _has_exact_key(table: Table) -> bool:
    """Two keys that the database calls equal are the same: no citext, no numeric, no collation that says otherwise."""
    definition = table.definition
    key = [definition.columns[place] for place in definition.key_indexes]
    return all(column.collation is None and column.type.kind not in ("numeric", "real") for column in key)


def delete_keys(raw: Driver, schema: str, table: Table, keys: Collection[Key]) -> None:
    if not _has_exact_key(table):
        keys = list(read_images(raw, schema, table, keys))
    columns = table.definition.primary_key
    of = _escaped(place_of(schema, table))
    types = [_type_here(raw, schema, table, column) for column in columns]
    arrays = ", ".join(f"%s::{words}[]" for words in types)
    for some in _chunks(unpack_keys(keys)):
        texts = Writer(table, columns).texts(some)
        execute(
            raw,
            f"DELETE FROM {of} t WHERE ({_escaped(names(columns, 't.'))}) IN (SELECT * FROM unnest({arrays}))",
            [list(column) for column in zip(*texts, strict=True)],
        )


def scan(raw: Driver, schema: str, table: Table) -> Iterator[list[Image]]:
    """Page by page after the last key, so that no cursor stays open and the caller may write in between."""
    select, read = _select(table)
    columns = table.definition.primary_key
    listed, of = names(columns, "t."), place_of(schema, table)
    places = table.definition.key_indexes
    order = f"ORDER BY {listed} LIMIT {CHUNK}"
    page = fetch(raw, f"{select} FROM {of} t {order}")
    types = [_type_here(raw, schema, table, column) for column in columns]
    while page:
        rows = _portable(page, read)
        yield rows
        if len(page) < CHUNK:
            return
        last = Writer(table, columns).texts([tuple(rows[-1][place] for place in places)])[0]
        slots = ", ".join(f"%s::{words}" for words in types)
        page = fetch(
            raw, f"{_escaped(select)} FROM {_escaped(of)} t WHERE ({_escaped(listed)}) > ({slots}) {order}", last
        )


def count(raw: Driver, schema: str, table: Table) -> int:
    return int(scalar(raw, f"SELECT count(*) FROM {place_of(schema, table)}"))


def find_keys(
    raw: Driver,
    schema: str,
    table: Table,
    columns: Sequence[str],
    wanted: Collection[tuple[Value, ...]],
    *,
    hold: bool,
) -> dict[Hashable, Key]:
    select, read = _select(table)
    after = "FOR KEY SHARE OF t" if hold else ""
    compare, key_of = comparable(table.definition, columns), key_packer(table.definition)
    places = table.definition.indexes_of(columns)
    found: dict[Hashable, Key] = {}
    for some in _chunks(values for values in wanted if None not in values):
        for row in _portable(_fetch_by_values(raw, schema, table, columns, some, select, after), read):
            found[compare([row[place] for place in places])] = key_of(row)
    return found


def count_rows(
    raw: Driver, schema: str, table: Table, columns: Sequence[str], wanted: Collection[tuple[Value, ...]]
) -> dict[Hashable, int]:
    select, read = _select(table, columns)
    compare = comparable(table.definition, columns)
    found: dict[Hashable, int] = {}
    for some in _chunks(values for values in wanted if None not in values):
        rows = _fetch_by_values(
            raw, schema, table, columns, some, f"{select}, count(*)", f"GROUP BY {names(columns, 't.')}"
        )
        for *values, number in rows:
            portable = tuple(values) if read is None else read(tuple(values))
            key = compare(portable)
            found[key] = found.get(key, 0) + number
    return found
