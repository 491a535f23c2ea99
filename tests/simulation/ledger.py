"""What the application wrote, everywhere: the checker's own memory of every committed write."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable
from dataclasses import dataclass, field
from typing import NamedTuple

from tests.simulation.schema import SPECS, Content, Row, RowKey, token


class Write(NamedTuple):
    """The net effect of one transaction on one row. `old` and `new` are whole rows, as the writer saw and left them."""

    node: str
    transaction: int
    table: str
    key: RowKey
    old: Row | None
    new: Row | None
    made: int
    """How often the transaction inserted the row, also one that it deleted again."""

    def changed(self) -> dict[str, object]:
        """Traceable values that this write brought into the row, by column."""
        if self.new is None:
            return {}
        old = self.old or {}
        return {
            column: self.new[column]
            for column in SPECS[self.table].tokens
            if self.new[column] is not None and token(self.new[column]) != token(old.get(column))
        }

    def overwrote(self) -> set[str]:
        """Traceable values that were in the row and are no longer: the writer had seen them."""
        if self.old is None:
            return set()
        new = self.new or {}
        return {
            token(self.old[column])
            for column in SPECS[self.table].tokens
            if token(self.old[column]) != token(new.get(column))
        }


def difference(
    node: str, transaction: int, before: Content, after: Content, made: Counter[tuple[str, RowKey]]
) -> list[Write]:
    """`made`: how often each row was inserted on the way."""
    writes = []
    for table, rows in after.items():
        old_rows = before[table]
        passing = [key for (name, key), number in made.items() if name == table and number]
        for key in dict.fromkeys([*old_rows, *rows, *passing]):
            old, new = old_rows.get(key), rows.get(key)
            if old is None or new is None or any(token(old[column]) != token(new[column]) for column in new):
                writes.append(Write(node, transaction, table, key, old, new, made[table, key]))
    return writes


@dataclass
class Ledger:
    written: int = 0
    """How many writes there ever were, those that were lost with the power included."""
    present: set[tuple[str, RowKey]] = field(default_factory=set)
    """Rows that were there from the beginning."""
    _writes: dict[int, Write] = field(default_factory=dict)
    """By their number, from 0."""
    _excused: set[int] = field(default_factory=set)
    """Numbers of writes that may be lost."""

    def begin(self, content: Content) -> None:
        self.present = {(table, key) for table, rows in content.items() for key in rows}

    def add(self, writes: Iterable[Write]) -> None:
        for write in writes:
            self._writes[self.written] = write
            self.written += 1

    def forget(self, lost: list[Write]) -> None:
        """A power cut took these back: nobody ever heard of them."""
        gone = {id(write) for write in lost}
        self._writes = {number: write for number, write in self._writes.items() if id(write) not in gone}

    def excuse(self, node: str, since: int, known: Collection[tuple[str, RowKey, str]] = ()) -> None:
        """The node was set back to when so many writes had been made: what it wrote since is promised no more, but for
        values that others know and give back.

        It may have reached the others all the same, and then counts for what it overwrote.
        """
        for number, write in self._writes.items():
            values = {(write.table, write.key, token(value)) for value in write.changed().values()}
            if number >= since and write.node == node and values.isdisjoint(known):
                self._excused.add(number)

    def promised(self) -> list[Write]:
        return [write for number, write in self._writes.items() if number not in self._excused]

    def made(self) -> Counter[tuple[str, RowKey]]:
        """How often each row was inserted."""
        found = Counter(self.present)
        for write in self._writes.values():
            found[write.table, write.key] += write.made
        return found

    def overwritten(self) -> set[tuple[str, RowKey, str]]:
        return {(w.table, w.key, value) for w in self._writes.values() for value in w.overwrote()}
