"""Small tables and loaded working sets for tests of judging and replaying.

    CUSTOMER = table(1, "customer", "id integer!, name text(12)!, note text", unique=["name"])
    place = Place(CUSTOMER)
    place.has(CUSTOMER, 7, "Anna", None, version=(1, 3))

A `Place` stands for one end's database, wholly loaded: what the engine would load in sets is all there.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Hashable, Iterable, Sequence
from typing import Any

from replicator.protocol import working_set
from replicator.protocol.keys import key_packer, pack_key
from replicator.protocol.working_set import TableState, Version, WorkingSet
from replicator.types import (
    ColumnDefinition,
    ColumnType,
    ForeignKey,
    Image,
    Key,
    Position,
    Table,
    TableDefinition,
    TypeKind,
    UniqueKey,
    Value,
)

_COLUMN = re.compile(r"(\w+) (\w+)(?:\((\d+)\))?(!?)")


def table(
    number: int,
    name: str,
    columns: str,
    *,
    key: str = "id",
    unique: Iterable[str] = (),
    foreign: Iterable[tuple[str, str, str]] = (),
    on_delete: str = "NO ACTION",
) -> Table:
    """A table from 'id integer!, name text(12)' (! is NOT NULL); keys of several columns are written 'a b'.

    `foreign` is (columns, parent, parent's columns).
    """
    found = [_COLUMN.fullmatch(column.strip()) for column in columns.split(",")]
    definition = TableDefinition(
        name,
        tuple(
            ColumnDefinition(
                match[1], ColumnType(TypeKind(match[2]), int(match[3]) if match[3] else None), nullable=not match[4]
            )
            for match in found
            if match is not None
        ),
        tuple(key.split()),
        tuple(UniqueKey(tuple(names.split())) for names in unique),
        tuple(
            ForeignKey(tuple(own.split()), parent, tuple(theirs.split()), on_delete) for own, parent, theirs in foreign
        ),
    )
    assert len(definition.columns) == len(found)
    return Table(number, name, definition)


def comparable(_table: Table, _columns: Sequence[str]) -> Callable[[Sequence[Value]], Hashable | None]:
    """As a database does that compares values as they are."""
    return lambda values: None if None in values else tuple(values)


def key_of(*values: Value) -> Key:
    return pack_key(values)


class Place:
    """A working set with everything loaded."""

    def __init__(self, *tables: Table) -> None:
        self.working: WorkingSet = working_set.build({table.id: table for table in tables}, comparable)

    def state(self, table: Table) -> TableState:
        return self.working[table.id]

    def has(self, table: Table, *image: Value, version: Position | None = (1, 1), **known: Any) -> Key:
        """A present row, with its version (None: never journalled). `known`: further fields of the version."""
        state = self.state(table)
        key = key_packer(table.definition)(image)
        state.put(key, image)
        if version is not None:
            state.versions[key] = Version(table.id, key, *version, **known)
        self.written()
        return key

    def lacks(self, table: Table, *key: Value, version: Position = (1, 1), **known: Any) -> Key:
        """A row that was deleted and left its version."""
        packed = pack_key(key)
        self.state(table).versions[packed] = Version(table.id, packed, *version, deleted=1, **known)
        return packed

    def written(self) -> None:
        """As after a flush: nothing is left to write."""
        for state in self.working.tables.values():
            state.dirty_rows.clear()
            state.dirty_versions.clear()

    def row(self, table: Table, *key: Value) -> Image | None:
        return self.state(table).rows.get(pack_key(key))

    def rows(self, table: Table) -> list[Image]:
        return sorted(self.state(table).rows.values(), key=repr)

    def version(self, table: Table, *key: Value) -> Version:
        return self.state(table).versions[pack_key(key)]

    def broken_keys(self) -> list[str]:
        """Unique and foreign keys that do not hold, told by looking at all rows afresh."""
        found: list[str] = []
        by_name = {state.table.name: state for state in self.working.tables.values()}
        for state in by_name.values():
            definition = state.table.definition
            for unique in definition.unique_keys:
                values = [_pick(state.table, image, unique.columns) for image in state.rows.values()]
                held = [value for value in values if None not in value]
                found += [f"{state.table.name}: {value} twice" for value in set(held) if held.count(value) > 1]
            for foreign in definition.foreign_keys:
                parent = by_name[foreign.parent]
                there = {_pick(parent.table, image, foreign.parent_columns) for image in parent.rows.values()}
                for image in state.rows.values():
                    value = _pick(state.table, image, foreign.columns)
                    if None not in value and value not in there:
                        found.append(f"{state.table.name}: {image} without its {foreign.parent}")
        return found

    def stale_indexes(self) -> list[str]:
        """Where an index or a count of children does not say what the rows say."""
        found: list[str] = []
        for state in self.working.tables.values():
            for index in (*state.unique, *state.referenced):
                told = {value: key for key, image in state.rows.items() if (value := index.of(image)) is not None}
                if index.holders != told:
                    found.append(f"{state.table.name}{index.columns}")
            for count in state.own_counts:
                children = [value for image in state.rows.values() if (value := count.of_child(image)) is not None]
                told_counts = {value: children.count(value) for value in children}
                if {value: n for value, n in count.counts.items() if n} != told_counts:
                    found.append(f"children in {state.table.name}")
        return found


def _pick(table: Table, image: Image, columns: Sequence[str]) -> tuple[Value, ...]:
    return tuple(image[index] for index in table.definition.indexes_of(columns))
