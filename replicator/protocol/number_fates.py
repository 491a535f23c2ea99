"""What an audit says of numbers: the fate of each, what must not be, and sums (protocol.md 8.4)."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, NamedTuple

from replicator.protocol.number_uses import times_of
from replicator.types import Value

SHOWN = 20
"""Numbers that a finding names."""


class Fate(StrEnum):
    USED = "used"
    VOIDED = "voided"
    HELD = "held"
    RETURNED = "returned"
    RETIRED = "retired"
    LOST = "lost"


KeyValues = tuple[Value, ...]
Numbered = Sequence[tuple[Any, ...]]
"""Rows: a number, and behind it the values of the row's key."""


class Entry(NamedTuple):
    """Numbers of one fate, both ends included; a used or voided one by itself. Times are microseconds since 1970 UTC,
    0 where nobody knows."""

    lowest: int
    highest: int
    fate: Fate
    node: int | None
    """Peer that drew it, holds it or held it last, 0 for the host; None: nobody knows, or nobody did."""
    at: int
    """Used, voided: when it was drawn, by the clock of the node that did. Others: since when it is so."""
    key: KeyValues | None
    """Of the row that has it, or had it."""
    ended_at: int
    """Voided: when its row went."""
    ended_by: int | None
    """Voided: at which node."""
    reason: str


class Run(NamedTuple):
    """Used numbers that follow one another, drawn by one node, and nothing else is to be said of them: what an `Entry`
    says of each, in one."""

    lowest: int
    highest: int
    node: int
    times: list[int]
    """A single one stands for all."""
    rows: Numbered

    def each(self) -> Iterator[Entry]:
        numbers = range(self.lowest, self.highest + 1)
        for number, at, row in zip(numbers, times_of(self.times, len(numbers)), self.rows, strict=True):
            yield Entry(number, number, Fate.USED, self.node, at, row[1:], 0, None, "")


class Fault(StrEnum):
    """What must not be."""

    IN_NO_SPAN = "in no span of the ledger"
    IN_TWO_SPANS = "in two spans of the ledger"
    IN_TWO_ROWS = "in two rows"
    NEVER_GRANTED = "in a row, and never granted"
    USED_THOUGH_FREE = "in a row, and free by the ledger"
    USED_THOUGH_RETIRED = "in a row, and retired as unused by the ledger"
    VANISHED = "drawn, and its row went without a trace"


class Waiting(NamedTuple):
    """A number whose row the host's database refuses: it waits in quarantine."""

    node: int
    key: KeyValues
    at: int


@dataclass(slots=True)
class Sums:
    """What an audit of one range comes to."""

    first: int
    following: int
    """The high-water mark: the next number that was never granted."""
    sums: dict[Fate, int] = field(default_factory=lambda: dict.fromkeys(Fate, 0))
    before: int = 0
    """Rows with a number below the first: from before the range."""
    faults: dict[Fault, list[int]] = field(default_factory=dict)
    """The first numbers of each."""
    fault_counts: dict[Fault, int] = field(default_factory=dict)

    @property
    def total(self) -> int:
        return self.following - self.first

    @property
    def adds_up(self) -> bool:
        return sum(self.sums.values()) == self.total

    def fault(self, kind: Fault, number: int, count: int = 1) -> None:
        self.fault_counts[kind] = self.fault_counts.get(kind, 0) + count
        named = self.faults.setdefault(kind, [])
        if len(named) < SHOWN:
            named.append(number)


def singly(pieces: Iterable[Entry | Run]) -> Iterator[Entry]:
    for piece in pieces:
        if isinstance(piece, Run):
            yield from piece.each()
        else:
            yield piece
