"""What capture is for every database: the columns of a table, and rows that were captured as changes."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Protocol, TypeVar

from replicator.databases.base import Change
from replicator.errors import UnfitTable
from replicator.protocol.keys import key_packer
from replicator.types import Image, Key, Operation, Table, Value


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


def change_maker(table: Table) -> Callable[[int, str, int, int | None, Image, Image], list[Change]]:
    """A function from (id, operation, time, transaction, new row, old row) to changes: none for an update that changed
    nothing, a delete and an insert for one of the key."""
    number, key_of = table.id, key_packer(table.definition)
    everything = (1 << len(table.definition.columns)) - 1
    insert, update, delete = Operation.INSERT, Operation.UPDATE, Operation.DELETE

    def make(identity: int, operation: str, at: int, transaction: int | None, new: Image, old: Image) -> list[Change]:
        gone, came = operation == "D", operation == "I"
        if operation == "U":
            key: Key = key_of(new)
            if key_of(old) == key:
                places = changed(new, old)
                if not places:
                    return []
                mask, before = sum(1 << place for place in places), tuple(old[place] for place in places)
                return [Change(identity, number, update, key, new, mask, before, at, transaction)]
            gone = came = True
        found = []
        if gone:
            found.append(Change(identity, number, delete, key_of(old), None, 0, old, at, transaction))
        if came:
            found.append(Change(identity, number, insert, key_of(new), new, everything, None, at, transaction))
        return found

    return make


def changed(new: Image, old: Image) -> list[int]:
    """Places of the columns whose values differ in any bit."""
    return [place for place, value in enumerate(new) if not identical(value, old[place])]


def identical(one: Value, other: Value) -> bool:
    """Neither 0.0 and -0.0, nor 1 and 1.0; NaN is itself."""
    if isinstance(one, float):
        return isinstance(other, float) and repr(one) == repr(other)
    return type(one) is type(other) and bool(one == other)
