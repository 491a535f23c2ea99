"""The audit of a range: each number up to the high-water mark has exactly one fate, and the sums add up.

Pure (protocol.md 8.4). Three sources, all in order of the numbers and read once: the ledger's spans, the record of what
happened, and the rows of the table. What the table says of a number goes before the record, and the record before the
ledger.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass

from replicator.protocol.number_fates import Entry, Fate, KeyValues, Numbered, Run, Sums, Waiting
from replicator.protocol.number_ledger import Span
from replicator.protocol.number_record import Record
from replicator.protocol.number_walk import Walk
from replicator.types import Key


@dataclass(slots=True)
class Accounting(Sums):
    """One range; `pieces` once, then the sums and faults are known."""

    def pieces(
        self,
        spans: Iterable[Span],
        record: Record,
        rows: Iterable[Numbered] | None,
        waiting: Mapping[int, Waiting] | None = None,
        read_key: Callable[[Key], KeyValues] = lambda _key: (),
    ) -> Iterator[Entry | Run]:
        """Each number of the range once, in order. `rows`: None where the table is no longer to be had, so that the
        record alone tells. `waiting`: by number. `read_key`: of a key in the record."""
        walk = Walk(self, iter(spans), record, waiting or {}, read_key, table_tells=rows is not None)
        for piece in _joined(walk.pieces(rows or ())):
            self.sums[Fate.USED if isinstance(piece, Run) else piece.fate] += piece.highest - piece.lowest + 1
            yield piece


def _joined(pieces: Iterable[Entry | Run]) -> Iterator[Entry | Run]:
    """Neighbours that are not used are one, where nothing tells them apart."""
    last: Entry | None = None
    for entry in pieces:
        if last is not None:
            if not isinstance(entry, Run) and _alike(last, entry):
                last = last._replace(highest=entry.highest)
                continue
            yield last
            last = None
        if isinstance(entry, Run) or entry.fate in _SINGLE:
            yield entry
        else:
            last = entry
    if last is not None:
        yield last


_SINGLE = (Fate.USED, Fate.VOIDED)
_WHENEVER = (Fate.HELD, Fate.RETURNED)
"""Several grants, or returns, in a row are told as one, since the first."""


def _alike(last: Entry, entry: Entry) -> bool:
    same = (last.fate, last.node, last.reason) == (entry.fate, entry.node, entry.reason)
    return same and last.highest + 1 == entry.lowest and (entry.fate in _WHENEVER or entry.at == last.at)
