"""Columns whose type here keeps a value in another form than the definition's kind has: a uuid as 32 digits in
char(32), a timestamp with zone in a DATETIME, a number of any size in an INTEGER, NaN anywhere.

Each form goes there and back without loss, and what has neither form passes as it is. A table without such a column,
which is nearly every one, costs nothing.
"""

from __future__ import annotations

import re
import sqlite3
from collections.abc import Callable, Collection, Hashable, Iterator, Mapping, Sequence
from itertools import groupby
from math import nan
from operator import itemgetter

from replicator.databases.base import Change
from replicator.databases.portable import takes_numbers, with_dashes, without_dashes
from replicator.databases.sqlite import apply, collect
from replicator.databases.sqlite.columntypes import affinity, column_type
from replicator.databases.sqlite.statements import Row, fetch
from replicator.databases.sqlite.values import comparable
from replicator.errors import ConstraintViolation
from replicator.protocol.images import columns_of
from replicator.protocol.keys import key_packer, pack_key, unpack_key
from replicator.types import ColumnType, Image, Key, Table, TypeKind, Value

One = Callable[[Value], Value]
_UUID_DIGITS = 32
_WITHOUT_ZONE = re.compile(r"\d{4}-\d\d-\d\d[ T]\d\d:\d\d(?::\d\d(?:\.\d+)?)?", re.ASCII)
_WHOLE = re.compile(r"0|-?[1-9]\d*", re.ASCII)
_LARGEST = 2**63


def _in_utc(value: Value) -> Value:
    return f"{value}+00" if isinstance(value, str) and _WITHOUT_ZONE.fullmatch(value) else value


def _without_zone(value: Value) -> Value:
    return (
        value[:-3]
        if isinstance(value, str) and value.endswith("+00") and _WITHOUT_ZONE.fullmatch(value[:-3])
        else value
    )


def _as_text(value: Value) -> Value:
    return str(value) if type(value) is int else value


def _as_integer(value: Value) -> Value:
    if not isinstance(value, str) or not _WHOLE.fullmatch(value):
        return value
    number = int(value)
    if not -_LARGEST <= number < _LARGEST:
        raise ConstraintViolation(f"The number {value} is larger than an INTEGER of SQLite: declare its column TEXT.")
    return number


def _not_a_number(value: Value) -> Value:
    return nan if value == "NaN" else value


def _as_words(value: Value) -> Value:
    """SQLite has no NaN: it would become NULL."""
    return "NaN" if value != value else value


def forms(wanted: ColumnType, declared: str) -> tuple[One, One] | None:
    """(from the form here to the portable one, and back) for a column declared so; None: they are the same."""
    here = column_type(declared)
    if wanted.kind is TypeKind.UUID and affinity(declared) == "TEXT" and here.length == _UUID_DIGITS:
        return with_dashes, without_dashes
    if wanted.kind is TypeKind.TIMESTAMP_WITH_ZONE and here.kind is TypeKind.TIMESTAMP:
        return _in_utc, _without_zone
    if _is_wide(wanted) and affinity(declared) == "INTEGER":
        return _as_text, _as_integer
    if _may_be_nan(wanted):
        return _not_a_number, _as_words
    return None


def _may_be_nan(wanted: ColumnType) -> bool:
    """A double of a database that tells its width, as SQLite does not."""
    return wanted.kind is TypeKind.REAL and wanted.bits is not None


def _may_be_converted(wanted: ColumnType) -> bool:
    return wanted.kind in (TypeKind.UUID, TypeKind.TIMESTAMP_WITH_ZONE) or _is_wide(wanted) or _may_be_nan(wanted)


def _is_wide(wanted: ColumnType) -> bool:
    return wanted.kind is TypeKind.NUMERIC and not takes_numbers(wanted) and not wanted.scale


def rows_of(raw: sqlite3.Connection, table: Table) -> Rows:
    """The table's rows, converted where that is needed."""
    columns = table.definition.columns
    if not any(_may_be_converted(column.type) for column in columns):
        return Rows(table)
    declared: dict[str, str] = dict(fetch(raw, "SELECT name, type FROM pragma_table_xinfo(?)", (table.name,)))
    found = {
        place: both
        for place, column in enumerate(columns)
        if (both := forms(column.type, declared.get(column.name, ""))) is not None
    }
    return ConvertedRows(table, found) if found else Rows(table)


class Rows:
    """`apply` and `collect` for a table whose values are portable as they are."""

    def __init__(self, table: Table) -> None:
        self.table = table

    def changes(self, changes: list[Change]) -> list[Change]:
        """Captured changes of this table with portable values."""
        return changes

    def as_stored(self, raw: sqlite3.Connection, columns: Sequence[str], rows: Sequence[Row]) -> Sequence[Row]:
        """Text of many digits is rounded by a column for numbers; all else stays as it is."""
        definition = self.table.definition
        numbers = [
            place
            for place, name in enumerate(columns)
            if (kind := definition.columns[definition.index_of(name)].type).kind is TypeKind.NUMERIC
            and takes_numbers(kind)
        ]
        texts = {row[place] for place in numbers for row in rows if isinstance(row[place], str)}
        if not texts:
            return rows
        stored = apply.as_numbers(raw, texts)
        found = []
        for row in rows:
            values = list(row)
            for place in numbers:
                if isinstance(values[place], str):
                    values[place] = stored[values[place]]
            found.append(tuple(values))
        return found

    def waiting_keys(self, raw: sqlite3.Connection) -> set[Key]:
        return collect.waiting_keys(raw, self.table)

    def read_images(self, raw: sqlite3.Connection, keys: Collection[Key]) -> dict[Key, Image]:
        return apply.read_images(raw, self.table, keys)

    def write_images(self, raw: sqlite3.Connection, images: Sequence[Image]) -> None:
        apply.write_images(raw, self.table, images)

    def keyed(self, rows: list[Row]) -> list[Row]:
        """Rows of something and, behind it, the key's values: with a portable key."""
        return rows

    def delete_keys(self, raw: sqlite3.Connection, keys: Collection[Key]) -> None:
        apply.delete_keys(raw, self.table, keys)

    def scan(self, raw: sqlite3.Connection) -> Iterator[list[Image]]:
        return apply.scan(raw, self.table)

    def find_keys(
        self, raw: sqlite3.Connection, columns: Sequence[str], wanted: Collection[Row]
    ) -> dict[Hashable, Key]:
        return apply.find_keys(raw, self.table, columns, wanted)

    def count_rows(
        self, raw: sqlite3.Connection, columns: Sequence[str], wanted: Collection[Row]
    ) -> dict[Hashable, int]:
        return apply.count_rows(raw, self.table, columns, wanted)


class ConvertedRows(Rows):
    """The same for a table with columns that keep another form."""

    def __init__(self, table: Table, places: Mapping[int, tuple[One, One]]) -> None:
        super().__init__(table)
        self._to_portable = {place: both[0] for place, both in places.items()}
        self._to_local = {place: both[1] for place, both in places.items()}
        self._key = table.definition.key_indexes

    # --- values -----------------------------------------------------------------------------------------------------

    @staticmethod
    def _converted(row: Row, places: Sequence[int], converters: Mapping[int, One]) -> Row:
        """A row of the columns at these places of an image."""
        return tuple(
            converters[place](value) if place in converters else value for place, value in zip(places, row, strict=True)
        )

    def _whole(self, row: Row, converters: Mapping[int, One]) -> Row:
        values = list(row)
        for place, convert in converters.items():
            values[place] = convert(values[place])
        return tuple(values)

    def _portable(self, image: Image) -> Image:
        return self._whole(image, self._to_portable)

    def _local_key(self, key: Key) -> Key:
        return pack_key(self._converted(unpack_key(key), self._key, self._to_local))

    def _portable_key(self, key: Key) -> Key:
        return pack_key(self._converted(unpack_key(key), self._key, self._to_portable))

    def keyed(self, rows: list[Row]) -> list[Row]:
        return [(row[0], *self._converted(row[1:], self._key, self._to_portable)) for row in rows]

    def changes(self, changes: list[Change]) -> list[Change]:
        return list(map(self._change, changes))

    def _change(self, change: Change) -> Change:
        before = change.before
        if before is not None:
            places = range(len(before)) if change.image is None else columns_of(change.mask)
            before = self._converted(before, places, self._to_portable)
        image = None if change.image is None else self._portable(change.image)
        return change._replace(key=self._portable_key(change.key), image=image, before=before)

    # --- rows -------------------------------------------------------------------------------------------------------

    def waiting_keys(self, raw: sqlite3.Connection) -> set[Key]:
        return {self._portable_key(key) for key in collect.waiting_keys(raw, self.table)}

    def read_images(self, raw: sqlite3.Connection, keys: Collection[Key]) -> dict[Key, Image]:
        local = {self._local_key(key): key for key in keys}
        found = apply.read_images(raw, self.table, local.keys())
        return {local[key]: self._portable(image) for key, image in found.items()}

    def write_images(self, raw: sqlite3.Connection, images: Sequence[Image]) -> None:
        apply.write_images(raw, self.table, [self._whole(image, self._to_local) for image in images])

    def delete_keys(self, raw: sqlite3.Connection, keys: Collection[Key]) -> None:
        apply.delete_keys(raw, self.table, [self._local_key(key) for key in keys])

    def scan(self, raw: sqlite3.Connection) -> Iterator[list[Image]]:
        for page in apply.scan(raw, self.table):
            yield list(map(self._portable, page))

    def find_keys(
        self, raw: sqlite3.Connection, columns: Sequence[str], wanted: Collection[Row]
    ) -> dict[Hashable, Key]:
        definition = self.table.definition
        places = definition.indexes_of(columns)
        compare, key_of = comparable(definition, columns), key_packer(definition)
        local = [self._converted(values, places, self._to_local) for values in wanted]
        images = map(self._portable, apply.find_rows(raw, self.table, columns, local))
        return {compare([image[place] for place in places]): key_of(image) for image in images}

    def count_rows(
        self, raw: sqlite3.Connection, columns: Sequence[str], wanted: Collection[Row]
    ) -> dict[Hashable, int]:
        places = self.table.definition.indexes_of(columns)
        compare = comparable(self.table.definition, columns)
        local = [self._converted(values, places, self._to_local) for values in wanted]
        found = apply.counted_rows(raw, self.table, columns, local)
        return {compare(self._converted(row[:-1], places, self._to_portable)): row[-1] for row in found}


def converted(chunk: list[Change], rows: Mapping[int, Rows]) -> list[Change]:
    """Captured changes of several tables with portable values."""
    found: list[Change] = []
    for number, changes in groupby(chunk, itemgetter(Change._fields.index("table"))):
        found += rows[number].changes(list(changes))
    return found
