"""What the application wrote, everywhere: the checker's own memory of every committed write."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
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
    writes: list[Write] = field(default_factory=list)
    present: set[tuple[str, RowKey]] = field(default_factory=set)
    """Rows that were there from the beginning."""
    excused: set[int] = field(default_factory=set)
    """Identities of writes that may be lost."""

    def begin(self, content: Content) -> None:
        self.present = {(table, key) for table, rows in content.items() for key in rows}

    def add(self, writes: Iterable[Write]) -> None:
        self.writes += writes

    def forget(self, lost: list[Write]) -> None:
        """A power cut took these back: nobody ever heard of them."""
        gone = {id(write) for write in lost}
        self.writes = [write for write in self.writes if id(write) not in gone]

    def excuse(self, node: str, since: int) -> None:
        """The node was set back to when the ledger held so many writes: what it wrote since is promised no more.

        It may have reached the others all the same, and then counts for what it overwrote.
        """
        self.excused |= {id(write) for write in self.writes[since:] if write.node == node}

    def promised(self) -> list[Write]:
        return [write for write in self.writes if id(write) not in self.excused]

    def made(self) -> Counter[tuple[str, RowKey]]:
        """How often each row was inserted."""
        found = Counter(self.present)
        for write in self.writes:
            found[write.table, write.key] += write.made
        return found

    def overwritten(self) -> set[tuple[str, RowKey, str]]:
        return {(w.table, w.key, value) for w in self.writes for value in w.overwrote()}
