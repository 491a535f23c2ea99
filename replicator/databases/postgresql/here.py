"""A replicated table as it stands in this database: what its columns' types are, and what follows for its values.

The types are looked up once a transaction for each table: the application may alter a table between two of ours, and
within one it can't, once we have touched it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from types import NoneType
from typing import Any, cast

from replicator.databases.portable import key_columns
from replicator.databases.postgresql.arrays import Array, integers, texts
from replicator.databases.postgresql.carriage import INTEGERS, Carriage, LocalType, Read, blob_text, carriage, text_of
from replicator.databases.postgresql.columntypes import type_words
from replicator.databases.postgresql.schemas import Schemas
from replicator.databases.postgresql.statements import Driver, fetch, quoted
from replicator.errors import ConstraintViolation
from replicator.types import ColumnDefinition, Table, TableDefinition, Value

Row = tuple[Any, ...]

_TYPES = """
WITH RECURSIVE base AS (
  SELECT a.attnum, a.atttypid AS type FROM pg_attribute a
  WHERE a.attrelid = to_regclass(%s) AND a.attnum > 0 AND NOT a.attisdropped
  UNION ALL SELECT b.attnum, t.typbasetype FROM base b JOIN pg_type t ON t.oid = b.type WHERE t.typtype = 'd')
SELECT a.attname::text, t.typname::text, format_type(a.atttypid, a.atttypmod), format_type(a.atttypid, -1)
FROM pg_attribute a JOIN base b ON b.attnum = a.attnum JOIN pg_type t ON t.oid = b.type AND t.typtype <> 'd'
WHERE a.attrelid = to_regclass(%s)
"""


def local_types(raw: Driver, relation: str) -> dict[str, LocalType]:
    """By column. `relation` is a name with its schema, as SQL."""
    found = fetch(raw, _TYPES, (relation, relation))
    return {name: LocalType(*rest) for name, *rest in found}


class Here:
    """How a table's values are carried."""

    def __init__(self, table: Table, place: str, types: Mapping[str, LocalType]) -> None:
        self.table = table
        self.place = place
        """The table's name with its schema, as SQL."""
        self.definition = table.definition
        self.types = {column.name: types.get(column.name) or _expected(column) for column in self.definition.columns}
        self.carriages = carriages(self.definition, self.types)
        self.sequence: str | None = None
        """Of the numbers that the key gets, as SQL; '' if there is none. None: not looked up yet (identities)."""

    def select(self, columns: Sequence[str] | None = None, prefix: str = "t.") -> str:
        """These columns (all, if not told) as SQL expressions that `reader` knows."""
        some = self.definition.column_names if columns is None else columns
        return ", ".join(self.carriages[name].sql(prefix + quoted(name)) for name in some)

    def reader(self, columns: Sequence[str] | None = None) -> Callable[[list[Row]], list[Row]]:
        """A function from rows of these columns as they come to portable ones."""
        some = self.definition.column_names if columns is None else columns
        return _rows_reader([self.carriages[name].read for name in some])

    def texts(self, columns: Sequence[str], rows: Sequence[Row]) -> list[Sequence[str | None]]:
        """The values of these columns of portable rows, a column at a time, as texts that PostgreSQL reads as their
        types.

        Raises ConstraintViolation for what no text here says.
        """
        return [self._texts(name, values) for name, values in zip(columns, zip(*rows, strict=True), strict=True)]

    def _texts(self, name: str, values: Sequence[Value]) -> Sequence[str | None]:
        write = self.carriages[name].write
        if write is blob_text:
            return list(map(write, values))
        found = values if write is text_of and set(map(type, values)) <= _TEXT else list(map(write, values))
        texts = cast(Sequence[str | None], found)
        _require_storable(texts)
        return texts

    def copied(self, columns: Sequence[str], rows: Sequence[Row]) -> list[Sequence[str | int | float | None]]:
        """The same for COPY, for which the driver writes numbers as well."""
        found: list[Sequence[Any]] = []
        for name, values in zip(columns, zip(*rows, strict=True), strict=True):
            is_plain = self.carriages[name].write is text_of and set(map(type, values)) <= _NUMBER
            found.append(values if is_plain else self._texts(name, values))
        return found

    def arrays(self, columns: Sequence[str], rows: Sequence[Row]) -> tuple[str, list[Array]]:
        """A parameter for each column and what stands for it. Cast to the bare types: others would cut values."""
        slots = ", ".join(f"%s::{self.types[name].bare}[]" for name in columns)
        found: list[Array] = []
        for name, values in zip(columns, zip(*rows, strict=True), strict=True):
            is_whole = self.types[name].name in INTEGERS and set(map(type, values)) <= _WHOLE
            found.append(integers(values) if is_whole else texts(self._texts(name, values)))
        return slots, found


def _expected(column: ColumnDefinition) -> LocalType:
    """Of a column that is gone: whatever uses it fails by itself, and a look at the table says why."""
    words = type_words(column.type)
    return LocalType("text", words, words)


def carriages(definition: TableDefinition, types: Mapping[str, LocalType]) -> dict[str, Carriage]:
    keys = key_columns(definition)
    return {
        column.name: carriage(column, types[column.name], in_key=column.name in keys) for column in definition.columns
    }


def _rows_reader(readers: Sequence[Read | None]) -> Callable[[list[Row]], list[Row]]:
    places = [(place, read) for place, read in enumerate(readers) if read is not None]

    def read_rows(rows: list[Row]) -> list[Row]:
        if not places or not rows:
            return rows
        columns: list[Iterable[Any]] = list(zip(*rows, strict=True))
        for place, read in places:
            columns[place] = map(read, columns[place])
        return list(zip(*columns, strict=True))

    return read_rows


_TEXT = {str, NoneType}
_WHOLE = {int}
_NUMBER = {int, float, NoneType}


def _require_storable(texts: Sequence[str | None]) -> None:
    """Raises ConstraintViolation. All at once: to look at each would take longer than to write it."""
    joined = "".join(filter(None, texts))
    try:
        if not joined.isascii():
            joined.encode()
    except UnicodeEncodeError:
        raise ConstraintViolation("PostgreSQL can't store a text that isn't UTF-8.") from None
    if "\0" in joined:
        raise ConstraintViolation("PostgreSQL can't store a text with a NUL.")


class Cache:
    """What stands here, for the time of a transaction."""

    def __init__(self, schemas: Callable[[], Schemas]) -> None:
        self._schemas = schemas
        self._known: dict[tuple[int, str], Here] = {}
        self.last: str | None = None
        """The table that was last asked for, as SQL."""

    def here(self, raw: Driver, table: Table) -> Here:
        key = id(raw), table.name
        found = self._known.get(key)
        if found is None or found.table is not table:
            place = self._schemas().table(table.name)
            found = self._known[key] = Here(table, place, local_types(raw, place))
        self.last = found.place
        return found

    def forget(self) -> None:
        self._known.clear()
        self.last = None
