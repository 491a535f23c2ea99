"""What capture is for every database: the columns of a table, and rows that were captured as changes."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from itertools import compress
from operator import itemgetter, ne
from typing import Any, Protocol, TypeVar, cast

from replicator.databases.base import Change
from replicator.errors import UnfitTable
from replicator.protocol.keys import keys_packer
from replicator.protocol.versions import reshaping
from replicator.types import Operation, Table, TypeKind, Value


class Named(Protocol):
    """A column as it is here."""

    @property
    def name(self) -> str: ...


Local = TypeVar("Local", bound=Named)


def captured_columns(table: Table, here: Iterable[Local], key: tuple[str, ...] | None) -> list[Local]:
    """The columns of the definition as they are here, in the definition's order; `key` is the primary key here.

    Raises UnfitTable where a column is missing, or the key is another one.
    """
    present = {column.name: column for column in here}
    for name in table.definition.column_names:
        if name not in present:
            raise UnfitTable(
                f"Table {table.name} has lost its column {name}: put it back, or take the table out of replication."
            )
    if key != table.definition.primary_key:
        raise UnfitTable(
            f"Table {table.name} has another primary key now: put the old one back, or take it out of replication."
        )
    return [present[name] for name in table.definition.column_names]


# --- rows as changes --------------------------------------------------------------------------------------------------

Row = tuple[Any, ...]
Found = list[list[Change]]
"""For each row that was read: a change, none for an update that changed nothing, two for one that changed the key."""

HEAD = 4
"""Columns of a row before its values: id, operation, time in microseconds since 1970 UTC, transaction."""

_new_change = cast(Callable[[type[Change], Row], Change], tuple.__new__)
"""In half the constructor's time."""


def decoder(table: Table, read: Callable[[list[Row]], list[Row]]) -> Callable[[list[Row]], Found]:
    """A function from captured rows (HEAD, the new row, the old one) to changes, for many rows at a time.

    `read` makes portable rows of rows as they come. Equal values of a column have to be of one type.
    """
    width = len(table.definition.columns)
    middle, end = HEAD + width, HEAD + 2 * width
    insert, delete, update = _inserts(table), _deletes(table), _updates(table)

    def same(operation: str, rows: list[Row]) -> Found:
        """All of one operation."""
        heads = [(row[0], row[2], row[3]) for row in rows]
        new = [] if operation == "D" else read([row[HEAD:middle] for row in rows])
        old = [] if operation == "I" else read([row[middle:end] for row in rows])
        if operation == "U":
            return update(heads, new, old)
        return insert(heads, new) if operation == "I" else delete(heads, old)

    def decode(rows: list[Row]) -> Found:
        operations = list(map(itemgetter(1), rows))
        several = set(operations)
        if len(several) < 2:
            return same(operations[0], rows) if rows else []
        found: Found = [[] for _ in rows]
        for operation in several:
            places = [place for place, each in enumerate(operations) if each == operation]
            for place, changes in zip(places, same(operation, [rows[place] for place in places]), strict=True):
                found[place] = changes
        return found

    return decode


def as_changes_of(form: Table, table: Table, decode: Callable[[list[Row]], Found]) -> Callable[[list[Row]], Found]:
    """The same for rows that were captured as another version of the table (protocol.md 7.8)."""
    shape = reshaping(form, table)

    def change(each: Change) -> Change:
        image, before = each.image, each.before
        if image is None:
            return each._replace(before=None if before is None else shape.image(before))
        if each.operation is Operation.INSERT:
            return each._replace(image=shape.image(image), mask=(1 << len(shape.places)) - 1)
        return each._replace(
            image=shape.image(image),
            mask=shape.mask(each.mask),
            before=None if before is None else shape.masked(each.mask, before),
        )

    return lambda rows: [list(map(change, some)) for some in decode(rows)]


Head = tuple[int, int, int | None]
"""Id, time, transaction."""


def _inserts(table: Table) -> Callable[[list[Head], list[Row]], Found]:
    number, keys_of, insert = table.id, keys_packer(table.definition), Operation.INSERT
    everything = (1 << len(table.definition.columns)) - 1

    def make(heads: list[Head], new: list[Row]) -> Found:
        return [
            [_new_change(Change, (identity, number, insert, key, image, everything, None, at, transaction))]
            for (identity, at, transaction), key, image in zip(heads, keys_of(new), new, strict=True)
        ]

    return make


def _deletes(table: Table) -> Callable[[list[Head], list[Row]], Found]:
    number, keys_of, delete = table.id, keys_packer(table.definition), Operation.DELETE

    def make(heads: list[Head], old: list[Row]) -> Found:
        return [
            [_new_change(Change, (identity, number, delete, key, None, 0, image, at, transaction))]
            for (identity, at, transaction), key, image in zip(heads, keys_of(old), old, strict=True)
        ]

    return make


def _updates(table: Table) -> Callable[[list[Head], list[Row], list[Row]], Found]:
    number, keys_of, update = table.id, keys_packer(table.definition), Operation.UPDATE
    inserts, deletes = _inserts(table), _deletes(table)
    key_places = table.definition.key_indexes
    signed = frozenset(place for place, column in enumerate(table.definition.columns) if column.type.kind in _SIGNED)

    def make(heads: list[Head], new: list[Row], old: list[Row]) -> Found:
        masked = _masks(new, old, signed)
        found: Found = []
        for (identity, at, transaction), key, image, (mask, before) in zip(
            heads, keys_of(new), new, masked, strict=True
        ):
            entry = (identity, number, update, key, image, mask, before, at, transaction)
            found.append([_new_change(Change, entry)] if mask else [])
        for bit in (1 << place for place in key_places):
            for place, (mask, _) in enumerate(masked):
                if mask & bit:
                    (gone,), (came,) = deletes([heads[place]], [old[place]]), inserts([heads[place]], [new[place]])
                    found[place] = [*gone, *came]
        return found

    return make


_SIGNED = {TypeKind.REAL, TypeKind.ANY}
"""Kinds with two zeros, which are equal and differ."""


def _masks(new: Sequence[Row], old: Sequence[Row], signed: frozenset[int]) -> list[tuple[int, Row]]:
    """For each pair of rows: the mask of the columns that differ in any bit, and their old values.

    A column at a time: most columns are the same in all rows.
    """
    pairs = enumerate(zip(zip(*new, strict=True), zip(*old, strict=True), strict=True))
    differing = [
        (1 << place, one, other) for place, (one, other) in pairs if one != other or (place in signed and 0.0 in one)
    ]
    if not differing:
        return [(0, ())] * len(new)
    bits = [bit for bit, _, _ in differing]
    flags = [
        list(map(_differ if _has_floats(one) or _has_floats(other) else ne, one, other)) for _, one, other in differing
    ]
    values = zip(*(other for _, _, other in differing), strict=True)
    found: list[tuple[int, Row]] = []
    whole = sum(bits)
    for which, before in zip(zip(*flags, strict=True), values, strict=True):
        if False in which:
            found.append((sum(compress(bits, which)), tuple(compress(before, which))))
        else:
            found.append((whole, before))
    return found


def _has_floats(values: Sequence[Value]) -> bool:
    return float in set(map(type, values))


def _differ(one: Value, other: Value) -> bool:
    return not identical(one, other)


def identical(one: Value, other: Value) -> bool:
    """Neither 0.0 and -0.0, nor 1 and 1.0; NaN is itself."""
    if type(one) is not type(other):
        return False
    if one == other:
        return not isinstance(one, float) or one != 0.0 or repr(one) == repr(other)
    return bool(one != one and other != other)
