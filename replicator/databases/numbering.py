"""Numbers that the application may draw, enforced by triggers on its tables (protocol.md 5.6, design.md 6).

What is drawn stands in our tables and is written in the application's own transaction: rolled back, it was not used.
The triggers are silent, as all of ours, while rows of other places are written (`Database.replaying`). What they refuse
names the range and what to do, the range first, as MariaDB cuts off sentences behind 128 characters.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Collection, Iterator, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection

from replicator.protocol.numbers import Empty, NumberRange, Way
from replicator.types import Table, TypeKind

RANGES, STOCK = "replicator_number_range", "replicator_number_stock"
"""Our tables, see store/tables/numbers.py."""

MOST_DIGITS = 18
"""Of a number within a text: it fits 64 bits."""

NumberedRow = tuple[Any, ...]
"""The number, and behind it the key's values of the row that has it: in one, as there may be millions."""
NUMBERED_ROWS = 5_000
"""Read at a time."""


@dataclass(frozen=True, slots=True)
class Sentences:
    """What the database says when it refuses."""

    none_left: str
    halted: str
    not_ours: str

    @classmethod
    def of(cls, table: Table, known: NumberRange) -> Sentences:
        name = f"{table.name}.{known.column}"
        lacking = {
            Way.FILLED: "this number was not drawn here; leave the column empty (see: replicator numbers list)",
            Way.CHOSEN: "this number is not one of this place's blocks (see: replicator numbers list)",
            Way.KEYS: "the key is of no block of this place; run the replicator for more (see: numbers list)",
        }[known.way]
        return cls(
            none_left=f"{name}: no number is left here; run the replicator to get more (see: replicator numbers list)",
            halted=f"{name}: this node has halted and gives no numbers (see: replicator status)",
            not_ours=f"{name}: {lacking}",
        )


def is_text(table: Table, known: NumberRange) -> bool:
    """The column holds texts, so that the number in it has to be written and read as one."""
    definition = table.definition
    return definition.columns[definition.index_of(known.column)].type.kind is TypeKind.TEXT


def empty_condition(known: NumberRange, column: str) -> str:
    """SQL: nothing stands in the column yet. `column` is SQL, too."""
    return {
        None: f"{column} IS NULL",
        Empty.NULL: f"{column} IS NULL",
        Empty.ZERO: f"({column} IS NULL OR {column} = 0)",
        Empty.TEXT: f"({column} IS NULL OR {column} = '')",
    }[known.fill]


class Numbering(ABC):
    """A part of `Database`."""

    @abstractmethod
    def numbers_stand(self, connection: Connection, table: Table, ranges: Sequence[NumberRange]) -> bool:
        """Would `enforce_numbers` find nothing to do? Cheap: asked at each run."""

    @abstractmethod
    def enforce_numbers(self, connection: Connection, table: Table, ranges: Sequence[NumberRange]) -> bool:
        """See to it that only numbers of these ranges' blocks come into the table; [] takes the triggers away.

        True: something was missing or different, and was made.
        Not within `replaying` of this table, and not in a transaction that has written to it.
        """

    @abstractmethod
    def unnumbered(self, connection: Connection, table: Table) -> AbstractContextManager[None]:
        """Within: what we write is captured as any change, but no number is drawn or looked at."""

    @abstractmethod
    def highest_number(
        self, connection: Connection, table: Table, known: NumberRange, lowest: int, highest: int
    ) -> int | None:
        """The highest number of the range between these two that stands in the table."""

    @abstractmethod
    def numbered_rows(self, connection: Connection, table: Table, known: NumberRange) -> Iterator[list[NumberedRow]]:
        """All rows that have a number of the range, by number, in chunks, flat in memory.

        The connection is a snapshot's; it is asked nothing else until all is read.
        """

    @abstractmethod
    def set_counter(self, connection: Connection, table: Table, column: str, following: int) -> None:
        """The next key that the database counts is this one. It can't be set below the highest key that is there.

        Raises UnfitTable where the table's key does not count so that its counter can be set.
        """

    @abstractmethod
    def counter(self, connection: Connection, table: Table, column: str) -> int | None:
        """The next key that the database would count; None: it does not count."""


def tables_numbered(ranges: Collection[NumberRange]) -> set[int]:
    """Numbers of the tables that these ranges are of."""
    return {known.table for known in ranges}
