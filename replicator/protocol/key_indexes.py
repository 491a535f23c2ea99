"""What a working set knows of its keys: who holds a unique value, how many rows refer to a parent."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Sequence
from operator import itemgetter
from typing import TYPE_CHECKING, Any

from replicator.types import ForeignKey, Image, Key, Table, Value

if TYPE_CHECKING:
    from replicator.protocol.working_set import TableState

Comparable = Callable[[Sequence[Value]], Hashable | None]


class KeyIndex:
    """Which row holds which value of a unique set of columns, for the values that were asked for or that changed."""

    __slots__ = ("columns", "comparable", "holders", "indexes", "pick")

    def __init__(self, table: Table, columns: tuple[str, ...], comparable: Comparable) -> None:
        self.columns = columns
        self.indexes = table.definition.indexes_of(columns)
        self.comparable = comparable
        self.pick: Callable[[Image], Any] = itemgetter(*self.indexes)
        """What two rows must have equal for `of` to be equal; cheaper, and enough in most cases."""
        self.holders: dict[Hashable, Key] = {}

    def values(self, image: Image) -> tuple[Value, ...]:
        return tuple(image[index] for index in self.indexes)

    def of(self, image: Image) -> Hashable | None:
        """The comparable value of a row; None where a NULL takes it out of the key."""
        return self.comparable([image[index] for index in self.indexes])

    def moved(self, key: Key, old: Image | None, new: Image | None) -> None:
        if old is not None and new is not None and self.pick(old) == self.pick(new):
            return
        before = None if old is None else self.of(old)
        after = None if new is None else self.of(new)
        if before == after:
            return
        if before is not None and self.holders.get(before) == key:
            del self.holders[before]
        if after is not None:
            self.holders[after] = key


class ChildCount:
    """How many rows of a child table refer to a parent value."""

    __slots__ = (
        "child",
        "child_state",
        "comparable",
        "counts",
        "foreign_key",
        "indexes",
        "parent_index",
        "parent_indexes",
        "pick",
    )

    def __init__(
        self,
        child: Table,
        parent: Table,
        foreign_key: ForeignKey,
        comparable: Comparable,
        child_state: TableState | None = None,
        parent_index: KeyIndex | None = None,
    ) -> None:
        """`child_state` and `parent_index` (of the columns referred to): None for a table that isn't replicated."""
        self.child = child
        self.child_state = child_state
        self.parent_index = parent_index
        self.foreign_key = foreign_key
        self.indexes = child.definition.indexes_of(foreign_key.columns)
        self.parent_indexes = parent.definition.indexes_of(foreign_key.parent_columns)
        self.comparable = comparable
        self.pick: Callable[[Image], Any] = itemgetter(*self.indexes)
        self.counts: dict[Hashable, int] = {}

    def of_child(self, image: Image) -> Hashable | None:
        return self.comparable([image[index] for index in self.indexes])

    def of_parent(self, image: Image) -> Hashable | None:
        return self.comparable([image[index] for index in self.parent_indexes])

    def has_parent(self, value: Hashable) -> bool:
        """Is a row known that holds this value?"""
        return self.parent_index is not None and value in self.parent_index.holders

    def is_moved_by(self, image: Image | None, mask: int) -> bool:
        """Does a change of a child touch what it refers by? `mask`: a bit for each of the columns that were written."""
        return image is None or any(mask >> index & 1 for index in self.indexes)

    def moved(self, old: Image | None, new: Image | None) -> None:
        if old is not None and new is not None and self.pick(old) == self.pick(new):
            return
        before = None if old is None else self.of_child(old)
        after = None if new is None else self.of_child(new)
        if before == after:
            return
        if before is not None:
            self.counts[before] = self.counts.get(before, 0) - 1
        if after is not None:
            self.counts[after] = self.counts.get(after, 0) + 1
