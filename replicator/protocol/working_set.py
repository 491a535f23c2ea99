"""The rows that a piece of a batch is about, loaded in sets, changed in memory, flushed in sets.

Load, decide, write: the engine fills a `WorkingSet` (rows, versions, who holds which unique value, how many children a
parent has), the pure functions of `judging` and `replaying` decide on it one change after the other, and the engine
writes the difference in the same transaction. No copy outlives the transaction.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, NamedTuple, cast

from replicator.protocol.key_indexes import ChildCount, Comparable, KeyIndex
from replicator.protocol.keys import pack_key
from replicator.types import NOWHERE, ForeignKey, Image, Key, Position, Table, TableDefinition, Tie

Alike = Callable[[Image, Image], bool]


class Version(NamedTuple):
    """What the replicator knows of a row, in the column order of replicator_row_version (protocol.md 3.2, 3.3)."""

    table_id: int
    key: Key
    epoch: int
    n: int
    deleted: int = 0
    writer: int = 0
    writer_epoch: int = 0
    clean: int = 1
    at: int = 0
    """Host: time of the last change. Station: number of the own group that sent the row as new, 0 for others."""
    tie: str = ""
    """Station: the row's tie. Host: `MADE` or `REMADE` where the group of this version brought the row into being."""
    image: bytes | None = None
    """Host: last image of a deleted row (packed). Station: old values of local edits."""

    @property
    def position(self) -> Position:
        return self.epoch, self.n

    @property
    def made(self) -> bool:
        """Host: the group of this version found no row, or deleted it first. What it does to the row afterwards goes
        to all who get its new rows: a group is one change, however many statements it took."""
        return self.tie != ""


MADE, REMADE = "N", "R"
"""Of a host's version: the group found no row and made one; it deleted the row and made it anew."""

new_version = cast(Callable[[type[Version], tuple[Any, ...]], Version], tuple.__new__)
"""`new_version(Version, values)` makes one of all its values in half the constructor's time: there is one a change."""


def made_by_group(version: Version | None, position: Position, was_there: bool, is_there: bool) -> str:
    """The host's mark for a row's next version, in the group at `position`: `MADE`, `REMADE` or none."""
    mine = version is not None and version.position == position
    if not is_there:
        return ""
    if was_there:
        return version.tie if mine and version is not None else ""
    return REMADE if mine else MADE


@dataclass(frozen=True, slots=True)
class ParentLink:
    """A foreign key of a table to a replicated parent: where the child keeps it, and the parent's index of it."""

    foreign_key: ForeignKey
    indexes: tuple[int, ...]
    parent: TableState
    index: KeyIndex
    key_indexes: tuple[int, ...] | None
    """Where the child keeps the parent's primary key, in that key's order; None where it refers to something else."""

    def key_of_parent(self, child: Image) -> Key | None:
        """The parent's key, where the child tells it."""
        return None if self.key_indexes is None else pack_key([child[index] for index in self.key_indexes])

    def wanted(self, child: Image) -> Hashable | None:
        """The value that the parent must hold; None where a NULL says that there is no parent."""
        return self.index.comparable([child[index] for index in self.indexes])


@dataclass(slots=True)
class TableState:
    """One table's part of the working set."""

    table: Table
    rows: dict[Key, Image] = field(default_factory=dict)
    """Present rows; a key that was loaded and isn't here has no row."""
    versions: dict[Key, Version] = field(default_factory=dict)
    dirty_rows: dict[Key, None] = field(default_factory=dict)
    dirty_versions: dict[Key, None] = field(default_factory=dict)
    unique: list[KeyIndex] = field(default_factory=list)
    """Unique keys besides the primary key, and referenced columns of children: checked or looked up."""
    referenced: list[KeyIndex] = field(default_factory=list)
    children: list[ChildCount] = field(default_factory=list)
    """Foreign keys that refer to this table."""
    own_counts: list[ChildCount] = field(default_factory=list)
    """The same objects seen from the child: to be kept up when this table's rows change."""
    parents: list[ParentLink] = field(default_factory=list)
    numbered: frozenset[int] = frozenset()
    """At the host: places of columns whose numbers come from a range. They never give way in a unique key."""
    alike: Alike | None = None
    """Whether two rows that differ do so only in how a value is written; None: no column can be written otherwise."""

    def put(self, key: Key, image: Image | None) -> None:
        """Change a row in memory (None: it goes) and keep the indexes up."""
        old = self.rows.get(key)
        if image is None:
            self.rows.pop(key, None)
        else:
            self.rows[key] = image
        self.dirty_rows[key] = None
        for index in self.unique:
            index.moved(key, old, image)
        for index in self.referenced:
            index.moved(key, old, image)
        for count in self.own_counts:
            count.moved(old, image)

    def put_all(self, images: Mapping[Key, Image | None]) -> None:
        """The same for many rows of a table that no key depends on."""
        for key, image in images.items():
            if image is None:
                self.rows.pop(key, None)
            else:
                self.rows[key] = image
        self.dirty_rows.update(dict.fromkeys(images))

    def orphans(self, key: Key, old: Image, new: Image | None) -> bool:
        """Would other rows that refer to this one be left without it, if `new` took the place of `old`?"""
        return next(self.orphaned(key, old, new), None) is not None

    def orphaned(self, key: Key, old: Image, new: Image | None) -> Iterator[tuple[ChildCount, Hashable, int]]:
        """By which foreign keys, with the value that they refer to and how many they are."""
        for count in self.children:
            value = count.of_parent(old)
            if value is None or (new is not None and count.of_parent(new) == value):
                continue
            children = count.counts.get(value, 0)
            if count.child.id == self.table.id:
                # A row that refers to itself does not hold itself.
                present = self.rows.get(key)
                children -= present is not None and count.of_child(present) == value
            if children > 0:
                yield count, value, children

    def set_version(self, version: Version) -> None:
        self.versions[version.key] = version
        self.dirty_versions[version.key] = None

    def set_versions(self, versions: Mapping[Key, Version]) -> None:
        self.versions.update(versions)
        self.dirty_versions.update(dict.fromkeys(versions))

    def position(self, key: Key) -> Position:
        version = self.versions.get(key)
        return NOWHERE if version is None else (version.epoch, version.n)

    def tie(self, key: Key) -> Tie:
        version = self.versions.get(key)
        return Tie.NONE if version is None else Tie(version.tie)


@dataclass(slots=True)
class WorkingSet:
    tables: dict[int, TableState] = field(default_factory=dict)

    def __getitem__(self, table: int) -> TableState:
        return self.tables[table]


ComparableOf = Callable[[Table, Sequence[str]], Comparable]
AlikeOf = Callable[[TableDefinition], Alike | None]


def build(
    tables: dict[int, Table],
    comparable_of: ComparableOf,
    outside: Iterable[tuple[str, ForeignKey]] = (),
    alike_of: AlikeOf = lambda _definition: None,
) -> WorkingSet:
    """An empty working set that knows the keys between these tables. Keys to tables outside are not ours to check.

    `outside`: (table, foreign key) of the application's other tables that refer to these: what they refer to stays.
    """
    working_set = WorkingSet(
        {number: TableState(table, alike=alike_of(table.definition)) for number, table in tables.items()}
    )
    by_name = {state.table.name: state for state in working_set.tables.values()}
    for state in working_set.tables.values():
        definition = state.table.definition
        keys = [unique.columns for unique in definition.unique_keys]
        if any(definition.columns[place].collation for place in definition.key_indexes):
            # 'a' and 'A' are two keys to us and one to the database: to be looked for like any unique value.
            keys.append(definition.primary_key)
        for columns in keys:
            state.unique.append(KeyIndex(state.table, columns, comparable_of(state.table, columns)))
    for child in working_set.tables.values():
        for foreign in child.table.definition.foreign_keys:
            parent = by_name.get(foreign.parent)
            if parent is not None:
                _connect(child, parent, foreign, comparable_of)
    for number, (name, foreign) in enumerate(outside, start=1):
        parent = by_name[foreign.parent]
        child_table = _outsider(-number, name, foreign, parent.table)
        comparable = comparable_of(parent.table, foreign.parent_columns)
        parent.children.append(ChildCount(child_table, parent.table, foreign, comparable))
    return working_set


def _outsider(number: int, name: str, foreign: ForeignKey, parent: Table) -> Table:
    """A table that is not replicated, as far as its key to a replicated one goes: columns like the parent's."""
    definition = parent.definition
    columns = tuple(
        replace(definition.columns[place], name=column)
        for place, column in zip(definition.indexes_of(foreign.parent_columns), foreign.columns, strict=True)
    )
    return Table(number, name, TableDefinition(name, columns, foreign.columns, options=definition.options))


def _connect(child: TableState, parent: TableState, foreign: ForeignKey, comparable_of: ComparableOf) -> None:
    comparable = comparable_of(parent.table, foreign.parent_columns)
    known = [*parent.unique, *parent.referenced]
    index = next((index for index in known if index.columns == foreign.parent_columns), None)
    if index is None:
        index = KeyIndex(parent.table, foreign.parent_columns, comparable)
        parent.referenced.append(index)
    count = ChildCount(child.table, parent.table, foreign, comparable, child, index)
    parent.children.append(count)
    child.own_counts.append(count)
    indexes = child.table.definition.indexes_of(foreign.columns)
    place = dict(zip(foreign.parent_columns, indexes, strict=True))
    primary = parent.table.definition.primary_key
    names_the_key = len(primary) == len(indexes) and all(column in place for column in primary)
    key_indexes = tuple(place[column] for column in primary) if names_the_key else None
    child.parents.append(ParentLink(foreign, indexes, parent, index, key_indexes))
