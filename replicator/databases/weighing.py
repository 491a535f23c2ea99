"""How much rows weigh: their number says nothing of the memory they take, when one may hold a photograph."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from replicator.types import Value

SAMPLED = 7
"""Every so-manieth row of a page is weighed. Odd, so that rows of two kinds in turn are both met."""

PAGE_BYTES = 4_000_000
"""Of rows that are read at a time, about: one that is larger by itself comes alone with a few before it."""


def weight(rows: Iterable[Sequence[Value]]) -> int:
    """Bytes of their texts (a character counts as one) and blobs; what else is in them is small and counted nowhere."""
    return sum(len(value) for row in rows for value in row if isinstance(value, (str, bytes)))


class PageSize:
    """How many rows the next page of a query may have, where a page comes as a whole: by what the last ones weighed.

    It begins small and grows by a factor of four at most, as light rows may be followed by heavy ones.
    """

    def __init__(self, most: int) -> None:
        self._most = most
        self.rows = min(64, most)

    def note(self, page: Sequence[Sequence[Value]]) -> bool:
        """Whether the page was full, so that another one may follow."""
        full = len(page) >= self.rows
        sample = page[::SAMPLED] if len(page) > SAMPLED * SAMPLED else page
        fitting = len(sample) * PAGE_BYTES // max(weight(sample), 1)
        self.rows = max(1, min(self._most, 4 * self.rows, fitting))
        return full
