"""Versions of a table: rows of one as rows of another, and what has changed between two (protocol.md 7.8). Pure.

A column is told by its number, which the host gives it once: it keeps it when it is renamed, and no other column ever
gets it. So any two versions can be held against each other, whatever lies between them.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Final, NamedTuple

from replicator.protocol.images import columns_of
from replicator.types import ColumnDefinition, Image, Position, Table, TableDefinition, TypeKind, Value

_PER_EPOCH: Final = 1 << 20
"""Numbers of columns in one host epoch: a host that was set back gives other ones (protocol.md 5.12)."""


class _Untold:
    """What a row says nothing of: the place of a column that its version does not have."""

    def __repr__(self) -> str:
        return "UNTOLD"


UNTOLD: Final = _Untold()

_ZERO: Mapping[TypeKind, Value] = {
    TypeKind.INTEGER: 0,
    TypeKind.REAL: 0.0,
    TypeKind.NUMERIC: 0,
    TypeKind.BOOLEAN: 0,
    TypeKind.BLOB: b"",
    TypeKind.DATE: "1970-01-01",
    TypeKind.TIME: "00:00:00",
    TypeKind.TIMESTAMP: "1970-01-01 00:00:00",
    TypeKind.TIMESTAMP_WITH_ZONE: "1970-01-01 00:00:00+00",
    TypeKind.INTERVAL: "00:00:00",
    TypeKind.UUID: "00000000-0000-0000-0000-000000000000",
    TypeKind.JSON: "null",
}


def value_of_old_rows(column: ColumnDefinition) -> Value:
    """What a row gets in a column that it is older than: the literal default, else NULL; where that can't be, what is
    nothing in its type."""
    default = column.default
    if default is not None and default.expression is None:
        return default.literal
    if default is not None and default.expression in ("true", "false"):
        return int(default.expression == "true")
    return None if column.nullable else _ZERO.get(column.type.kind, "")


def fills_old_rows(column: ColumnDefinition) -> bool:
    """Is what old rows get the same at every place, so that the column may be added without asking anybody?"""
    default = column.default
    if default is not None and default.expression not in (None, "true", "false"):
        return False
    return column.nullable or (default is not None and value_of_old_rows(column) is not None)


@dataclass(frozen=True, slots=True)
class Reshaping:
    """From rows of one version of a table to rows of another."""

    places: tuple[int, ...]
    """For each column of the new version its place in the old one; -1: the old one has none."""
    fill: Image
    """For each column of the new version what old rows get in it."""
    missing: int
    """Mask of the new version's columns that the old one has not."""
    left: int
    """Mask of the old version's columns that the new one has not."""

    @property
    def is_plain(self) -> bool:
        """Rows stay as they are."""
        return self.places == tuple(range(len(self.places))) and not self.left

    @property
    def told(self) -> int:
        """Mask of the new version's columns that rows of the old one say something of."""
        return (1 << len(self.places)) - 1 & ~self.missing

    def image(self, image: Image, present: Image | None = None) -> Image:
        """The row; of what it says nothing it keeps what is `present`, else what old rows get."""
        rest = self.fill if present is None else present
        return tuple([rest[at] if place < 0 else image[place] for at, place in enumerate(self.places)])

    def untold(self, image: Image) -> Image:
        """The row with `UNTOLD` where it says nothing."""
        return tuple([UNTOLD if place < 0 else image[place] for place in self.places])

    def images(self, images: Sequence[Image]) -> list[Image]:
        return list(images) if self.is_plain else [self.image(image) for image in images]

    def mask(self, mask: int) -> int:
        return sum(1 << at for at, place in enumerate(self.places) if place >= 0 and mask >> place & 1)

    def masked(self, mask: int, values: tuple[Value, ...]) -> tuple[Value, ...]:
        """Values of the masked columns of the old version, in their order: of those that are left, in the new one's."""
        known = dict(zip(columns_of(mask), values, strict=True))
        return tuple(known[place] for place in self.places if place in known)


@lru_cache(maxsize=1024)
def reshaping(old: Table, new: Table) -> Reshaping:
    """Between two versions of one table."""
    at = {number: place for place, number in enumerate(old.column_ids)}
    places = tuple(at.get(number, -1) for number in new.column_ids)
    kept = set(places)
    return Reshaping(
        places,
        tuple(value_of_old_rows(column) for column in new.definition.columns),
        sum(1 << place for place, source in enumerate(places) if source < 0),
        sum(1 << place for place in range(len(old.definition.columns)) if place not in kept),
    )


def as_named(old: Table, new: Table) -> Table:
    """The old version with the columns' names of the new one, where that has them: as they stand in the database once
    the application has changed it."""
    names = dict(zip(new.column_ids, new.definition.column_names, strict=True))
    renamed = {
        column.name: names.get(number, column.name)
        for number, column in zip(old.column_ids, old.definition.columns, strict=True)
    }
    if len(set(renamed.values())) != len(renamed) or all(one == other for one, other in renamed.items()):
        return old  # one that is gone has the name of another one now

    def named(columns: tuple[str, ...]) -> tuple[str, ...]:
        return tuple(renamed[column] for column in columns)

    definition = old.definition
    return replace(
        old,
        definition=replace(
            definition,
            columns=tuple(replace(column, name=renamed[column.name]) for column in definition.columns),
            primary_key=named(definition.primary_key),
            unique_keys=tuple(replace(key, columns=named(key.columns)) for key in definition.unique_keys),
            foreign_keys=tuple(replace(key, columns=named(key.columns)) for key in definition.foreign_keys),
            indexes=tuple(replace(index, columns=named(index.columns)) for index in definition.indexes),
        ),
    )


def without(definition: TableDefinition, names: Collection[str]) -> TableDefinition:
    """The definition without these columns, none of which is part of a key, and without the indexes of any of them."""
    if not names:
        return definition
    return replace(
        definition,
        columns=tuple(column for column in definition.columns if column.name not in names),
        indexes=tuple(index for index in definition.indexes if not set(index.columns).intersection(names)),
    )


# --- what has changed -------------------------------------------------------------------------------------------------


class Difference(NamedTuple):
    """What is other in one version of a table than in another one."""

    added: tuple[str, ...] = ()
    dropped: tuple[str, ...] = ()
    renamed: tuple[tuple[str, str], ...] = ()
    """(old name, new name)."""
    altered: tuple[str, ...] = ()
    """Columns of another type, or that may be NULL where they might not, or the other way round; by their new name."""
    keys: bool = False
    """Unique or foreign keys."""
    rest: bool = False
    """Defaults, indexes, options: rows fit all the same."""

    @property
    def is_addition(self) -> bool:
        return not (self.dropped or self.renamed or self.altered or self.keys)

    def sentence(self) -> str:
        parts = [
            *(f"{name} added" for name in self.added),
            *(f"{name} dropped" for name in self.dropped),
            *(f"{old} renamed to {new}" for old, new in self.renamed),
            *(f"{name} altered" for name in self.altered),
            *(["keys changed"] if self.keys else []),
            *(["defaults or indexes changed"] if self.rest else []),
        ]
        return ", ".join(parts) or "nothing changed"


def difference(old: Table, new: Table) -> Difference:
    before = dict(zip(old.column_ids, old.definition.columns, strict=True))
    after = dict(zip(new.column_ids, new.definition.columns, strict=True))
    both = [(before[number], column) for number, column in after.items() if number in before]
    names = {one.name: other.name for one, other in both}
    return Difference(
        tuple(column.name for number, column in after.items() if number not in before),
        tuple(column.name for number, column in before.items() if number not in after),
        tuple((one.name, other.name) for one, other in both if one.name != other.name),
        tuple(other.name for one, other in both if not _same_values(one, other)),
        _keys(old.definition, names) != _keys(new.definition, {}),
        any(one.default != other.default for one, other in both)
        or {(index.name, index.columns) for index in old.definition.indexes}
        != {(index.name, index.columns) for index in new.definition.indexes},
    )


def _same_values(one: ColumnDefinition, other: ColumnDefinition) -> bool:
    return one.type == other.type and one.nullable == other.nullable and one.collation == other.collation


def _keys(definition: TableDefinition, names: Mapping[str, str]) -> object:
    """With the columns' new names, where they have one."""

    def named(columns: tuple[str, ...]) -> tuple[str, ...]:
        return tuple(names.get(column, column) for column in columns)

    return (
        named(definition.primary_key),
        {frozenset(named(key.columns)) for key in definition.unique_keys},
        {
            (named(key.columns), key.parent, key.parent_columns, key.on_delete, key.on_update)
            for key in definition.foreign_keys
        },
    )


class Ambiguous(ValueError):
    """Columns are gone and others are there: `gone` may have been renamed to `come`, or be dropped."""

    def __init__(self, gone: Sequence[str], come: Sequence[str]) -> None:
        super().__init__("renamed, or dropped and added")
        self.gone, self.come = tuple(gone), tuple(come)


def next_version(
    table: Table,
    definition: TableDefinition,
    version: Position,
    known: Sequence[Table] = (),
    renamed: Mapping[str, str] | None = None,
    again: Mapping[str, int] | None = None,
) -> Table:
    """The table as it stands now, as its version `version`. `known`: all versions so far. `renamed`: old names of
    columns with their new ones; None: nobody has said. `again`: columns that were left out and come again, with the
    numbers that they had.

    Raises Ambiguous where only a person can tell, ValueError for names that are not there.
    """
    ids = dict(zip(table.definition.column_names, table.column_ids, strict=True))
    names = set(definition.column_names)
    come = [name for name in definition.column_names if name not in ids]
    gone = [name for name in table.definition.column_names if name not in names]
    if renamed is None and come and gone:
        raise Ambiguous(gone, come)
    numbers = {name: number for name, number in ids.items() if name in names}
    numbers.update((name, number) for name, number in (again or {}).items() if name in come)
    for old, new in (renamed or {}).items():
        if old not in gone or new not in come or new in numbers:
            raise ValueError(f"{old} can't have been renamed to {new}")
        numbers[new] = ids[old]
    free = _free(version[0], [table, *known])
    every = tuple(numbers[name] if name in numbers else next(free) for name in definition.column_names)
    return Table(table.id, table.name, definition, table.area, table.policy, version, every)


def _free(epoch: int, known: Sequence[Table]) -> Iterator[int]:
    """Numbers that no column has had."""
    base = epoch * _PER_EPOCH
    used = [number for table in known for number in table.column_ids if base <= number < base + _PER_EPOCH]
    return iter(range(max(used, default=base) + 1, base + _PER_EPOCH))
