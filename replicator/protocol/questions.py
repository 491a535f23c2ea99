"""What a station has asked the host for again, and what of that is answered (protocol.md 7.7, `refresh`). Pure."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

from replicator.types import Key

Where = tuple[int, Key]
"""A row: (table, key)."""


@dataclass(slots=True)
class Questions:
    """A station's requests for rows that were open when the batch began, and those made since.

    A request is a group of the station's stream, so what the host has judged up to is what it has answered.
    """

    numbered: dict[Where, tuple[int, int]] = field(default_factory=dict)
    """First and last sequence number of the requests for a row."""
    new: dict[Where, None] = field(default_factory=dict)
    """Asked within this batch: they have no number yet."""

    @classmethod
    def of(cls, requests: Iterable[tuple[int, Where]]) -> Questions:
        """`requests`: (sequence number, row), ascending."""
        questions = cls()
        for n, where in requests:
            first, _ = questions.numbered.get(where, (n, n))
            questions.numbered[where] = first, n
        return questions

    def is_answered(self, where: Where, judged: int) -> bool:
        """Has the host said again, in this batch, what stands there?"""
        asked = self.numbered.get(where)
        return asked is not None and asked[0] <= judged

    def is_open(self, where: Where, judged: int) -> bool:
        """Is an answer still to come?"""
        asked = self.numbered.get(where)
        return where in self.new or (asked is not None and asked[1] > judged)

    def open(self, table: int, judged: int) -> set[Key]:
        """Rows of a table whose answer is still to come."""
        found = {key for (number, key), (_, last) in self.numbered.items() if number == table and last > judged}
        return found | {key for number, key in self.new if number == table}
