"""A replicated table as it stands in this database: what its columns' types are, and what follows for its values.

The types are looked up once a transaction for each table: the application may alter a table between two of ours, and
within one it can't, once we have touched it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from replicator.databases.portable import key_columns
from replicator.databases.postgresql.carriage import Carriage, LocalType, Read, carriage
from replicator.databases.postgresql.columntypes import type_words
from replicator.databases.postgresql.schemas import Schemas
from replicator.databases.postgresql.statements import Driver, fetch, quoted
from replicator.errors import ConstraintViolation
from replicator.types import ColumnDefinition, Table, TableDefinition

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

    def reader(self, columns: Sequence[str] | None = None) -> Callable[[Row], Row] | None:
        some = self.definition.column_names if columns is None else columns
        return row_reader([self.carriages[name].read for name in some])

    def texts(self, columns: Sequence[str], rows: Iterable[Row]) -> list[tuple[str | None, ...]]:
        """Portable rows of these columns as texts that PostgreSQL reads as their types.

        Raises ConstraintViolation for what no text here says.
        """
        writers = [self.carriages[name].write for name in columns]
        found = [tuple(write(value) for write, value in zip(writers, row, strict=True)) for row in rows]
        for row in found:
            for text in row:
                if text is not None and ("\0" in text or not _is_text(text)):
                    raise ConstraintViolation("PostgreSQL can't store a text with a NUL, or one that isn't UTF-8.")
        return found

    def arrays(self, columns: Sequence[str]) -> str:
        """A parameter for each column, an array of texts. Cast to the bare types: a cast to others would cut values."""
        return ", ".join(f"%s::{self.types[name].bare}[]" for name in columns)


def _expected(column: ColumnDefinition) -> LocalType:
    """Of a column that is gone: whatever uses it fails by itself, and a look at the table says why."""
    words = type_words(column.type)
    return LocalType("text", words, words)


def carriages(definition: TableDefinition, types: Mapping[str, LocalType]) -> dict[str, Carriage]:
    keys = key_columns(definition)
    return {
        column.name: carriage(column, types[column.name], in_key=column.name in keys) for column in definition.columns
    }


def row_reader(readers: Sequence[Read | None]) -> Callable[[Row], Row] | None:
    """A function from rows as they come to portable ones; None where they are that already."""
    places = [(place, read) for place, read in enumerate(readers) if read is not None]
    if not places:
        return None

    def read_row(row: Row) -> Row:
        values = list(row)
        for place, read in places:
            values[place] = read(values[place])
        return tuple(values)

    return read_row


def _is_text(text: str) -> bool:
    return text.isascii() or not any("\ud800" <= letter <= "\udfff" for letter in text)


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
