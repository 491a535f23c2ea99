"""Number ranges: a column whose numbers host and stations draw from blocks that the host grants (design.md 6).

Pure. A *range* is a column of a table, with a text around the number or without one; a new text for the same column
(a new year) is a new range. Who draws how is `Way`; the databases enforce it by triggers (databases/numbering.py).
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from enum import StrEnum

from replicator.types import Value

HIGHEST = 2**63 - 1
"""A number is a 64 bit integer at most."""

_PLACE = re.compile(r"\{n(?::0([1-9][0-9]?))?\}", re.ASCII)


class Way(StrEnum):
    """How the application comes to its numbers."""

    FILLED = "filled"
    """It leaves the column empty, and gets the next one in its own transaction: rolled back, it was not used."""
    KEYS = "keys"
    """The database counts (auto-increment, identity, serial); its counter leapfrogs from block to block."""
    CHOSEN = "chosen"
    """It writes the number itself, which has to be one of the node's."""


class Empty(StrEnum):
    """What stands in a column that is to be filled."""

    NULL = "null"
    ZERO = "0"
    TEXT = "''"


@dataclass(frozen=True, slots=True)
class Form:
    """The text around a number: `RE-2026-{n:05}` is RE-2026-00001 for 1. Without any the column holds the number."""

    before: str = ""
    digits: int = 0
    """Filled up with zeros to so many; longer numbers stay whole."""
    after: str = ""

    @classmethod
    def parse(cls, text: str) -> Form:
        """Read `{n}`, `RE-{n:05}`. Raises ValueError where the number has no place in it, or several."""
        found = list(_PLACE.finditer(text))
        if len(found) != 1:
            raise ValueError(text)
        before, after = text[: found[0].start()], text[found[0].end() :]
        around = before + after
        if before[-1:].isdigit() or after[:1].isdigit() or not around.isprintable():
            raise ValueError(text)
        if any(sign in around for sign in "{}\\"):
            # MariaDB's catalogue doesn't give a backslash back as it stands in a trigger.
            raise ValueError(text)
        return cls(before, int(found[0][1] or 0), after)

    def __str__(self) -> str:
        return f"{self.before}{{n:0{self.digits}}}{self.after}" if self.digits else f"{self.before}{{n}}{self.after}"

    def __bool__(self) -> bool:
        return bool(self.before or self.digits or self.after)

    def text(self, number: int) -> str:
        return f"{self.before}{number:0{self.digits}d}{self.after}"

    def number(self, value: Value) -> int | None:
        """The number that a value of the column is; None: it is none of this form."""
        if type(value) is int:
            return None if self else value
        if not isinstance(value, str):
            return None
        inner = value[len(self.before) : len(value) - len(self.after)]
        if not inner.isdecimal() or not inner.isascii() or len(inner) > 19:
            return None
        return int(inner) if self.text(int(inner)) == value else None


@dataclass(frozen=True, slots=True)
class NumberRange:
    """A range, as every node that draws from it knows it."""

    id: int
    """Given by the host, the same everywhere, never used twice."""
    table: int
    column: str
    way: Way
    fill: Empty | None
    """Of a filled range: what stands for 'not filled yet'."""
    start: int
    """The first number that was ever granted."""
    form: Form = field(default_factory=Form)


@dataclass(frozen=True, slots=True)
class Share:
    """A node's part in a range: how much it gets at a time, and when it asks for more."""

    block: int
    refill: int = 25
    """Per cent of a block: with no more than that left of the first of two, the next one is asked for."""
    closed: bool = False
    """It draws no more: what it has left goes back."""

    def wanted(self, left: int) -> int:
        """How many numbers to ask for, with so many left in hand: two blocks are to be there before the first ends."""
        if self.closed or left > self.block + self.block * self.refill // 100:
            return 0
        return 2 * self.block - min(left, self.block) if left <= self.block * self.refill // 100 else self.block


@dataclass(frozen=True, slots=True)
class Block:
    """Numbers that a node may draw, both ends included."""

    lowest: int
    highest: int
    serial: int
    """Of its grant: rising within the range, never used twice. Blocks are drawn in this order."""

    def __len__(self) -> int:
        return self.highest - self.lowest + 1
