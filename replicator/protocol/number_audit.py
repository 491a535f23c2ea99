"""The audit of a range: each number up to the high-water mark has exactly one fate, and the sums add up.

Pure (protocol.md 8.4). Three sources, all in order of the numbers and read once: the ledger's spans, the record of what
happened, and the rows of the table. What the table says of a number goes before the record, and the record before the
ledger.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from itertools import chain
from typing import NamedTuple

from replicator.protocol.number_ledger import Span, State
from replicator.protocol.number_record import Drawn, Ended, Record
from replicator.types import Key, Value

SHOWN = 20
"""Numbers that a finding names."""


class Fate(StrEnum):
    USED = "used"
    VOIDED = "voided"
    HELD = "held"
    RETURNED = "returned"
    RETIRED = "retired"
    LOST = "lost"


_FATES = {State.HELD: Fate.HELD, State.FREE: Fate.RETURNED, State.RETIRED: Fate.RETIRED, State.LOST: Fate.LOST}

KeyValues = tuple[Value, ...]
Numbered = Sequence[tuple[int, KeyValues]]


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
class Accounting:
    """One range; `entries` once, then the sums and faults are known."""

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

    def entries(
        self,
        spans: Iterable[Span],
        record: Record,
        rows: Iterable[Numbered] | None,
        waiting: Mapping[int, Waiting] | None = None,
        read_key: Callable[[Key], KeyValues] = lambda _key: (),
    ) -> Iterator[Entry]:
        """Each number of the range once, in order. `rows`: None where the table is no longer to be had, so that the
        record alone tells. `waiting`: by number. `read_key`: of a key in the record."""
        walk = _Walk(self, iter(spans), record, waiting or {}, read_key, table_tells=rows is not None)
        for entry in _joined(walk.entries(rows or ())):
            self.sums[entry.fate] += entry.highest - entry.lowest + 1
            yield entry

    def fault(self, kind: Fault, number: int, count: int = 1) -> None:
        self.fault_counts[kind] = self.fault_counts.get(kind, 0) + count
        named = self.faults.setdefault(kind, [])
        if len(named) < SHOWN:
            named.append(number)


def _joined(entries: Iterable[Entry]) -> Iterator[Entry]:
    """Neighbours that are not used are one, where nothing tells them apart."""
    last: Entry | None = None
    for entry in entries:
        if last is not None:
            if _alike(last, entry):
                last = last._replace(highest=entry.highest)
                continue
            yield last
            last = None
        if entry.fate in _SINGLE:
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


class _Walk:
    """Goes up the numbers once."""

    def __init__(
        self,
        accounting: Accounting,
        spans: Iterator[Span],
        record: Record,
        waiting: Mapping[int, Waiting],
        read_key: Callable[[Key], KeyValues],
        *,
        table_tells: bool,
    ) -> None:
        self._of, self._record, self._waiting, self._read_key = accounting, record, waiting, read_key
        self._waits = sorted(waiting)
        self._table_tells = table_tells
        self._next = accounting.first
        """The next number to be told of."""
        self._last: int | None = None
        """The last one that a row had."""
        self._spans = spans
        self._span: Span | None = None

    def entries(self, rows: Iterable[Numbered]) -> Iterator[Entry]:
        for bound, some in self._record.windows(rows):
            yield from self._window(bound, some)
        yield from self._gap(self._of.following - 1)
        for span in chain([self._span] if self._span else (), self._spans):
            if span.highest >= self._of.following:
                self._of.fault(Fault.IN_TWO_SPANS, max(span.lowest, self._of.following))

    def _window(self, bound: int | None, rows: Numbered) -> Iterator[Entry]:
        """All that is known up to `bound` (None: to the end)."""
        keys: dict[int, KeyValues] = {}
        for number, key in rows:
            if number == self._last:
                self._of.fault(Fault.IN_TWO_ROWS, number)
            else:
                keys[number] = key
            self._last = number
        known = self._record.numbers(bound)
        known.update(keys)
        while self._waits and (bound is None or self._waits[0] <= bound):
            known.add(self._waits.pop(0))
        first, following, drawn, ended = self._of.first, self._of.following, self._record.drawn, self._record.ended
        waiting, none, one = self._waiting, None, self._one
        for number in sorted(known):
            if first <= number < following:
                if number > self._next or self._span is none or number > self._span.highest:
                    yield from self._gap(number - 1)
                found = one(number, keys.get(number), drawn.pop(number, none), ended.pop(number, none), waiting)
                if found is not None:
                    yield found
                    self._next = number + 1
            else:
                drawn.pop(number, none)
                ended.pop(number, none)
                if number in keys:
                    self._outside(number)

    def _outside(self, number: int) -> None:
        if number < self._of.first:
            self._of.before += 1
        else:
            self._of.fault(Fault.NEVER_GRANTED, number)

    # --- one number --------------------------------------------------------------------------------------------------

    def _one(
        self,
        number: int,
        key: KeyValues | None,
        drawn: Drawn | None,
        ended: Ended | None,
        waiting: Mapping[int, Waiting],
    ) -> Entry | None:
        """A number that something is known of besides the ledger; None: nothing but that it is as the ledger says."""
        span = self._span
        if span is None or not span.lowest <= number <= span.highest:
            self._of.fault(Fault.IN_NO_SPAN, number)
            span = None
        holder = span.holder if span is not None and span.serial else None
        node, at, reason = holder, 0, ""
        if drawn is not None:
            node, at = drawn.node if holder is None else holder, drawn.at
            reason = self._record.remark(drawn, holder)
        elif key is not None:
            reason = "when it was drawn is not on record"
        if key is None and number in waiting:
            waits = waiting[number]
            node, key = waits.node if node is None else node, waits.key
            reason, at = "its row waits in the host's quarantine", at or waits.at
        elif key is None and not self._table_tells and drawn is not None and (ended is None or drawn.last > ended.id):
            return Entry(number, number, Fate.USED, node, at, None, 0, None, reason)
        if key is not None:
            if ended is not None:
                reason = "; ".join(filter(None, [reason, self._record.before(ended)]))
            if span is not None and span.state in _CLASHES:
                self._of.fault(_CLASHES[span.state], number)
            return Entry(number, number, Fate.USED, node, at, key, 0, None, reason)
        if ended is not None:
            gone = self._read_key(ended.key)
            what = "; ".join(filter(None, [ended.reason, reason]))
            return Entry(number, number, Fate.VOIDED, node, at, gone, ended.at, ended.by, what)
        self._of.fault(Fault.VANISHED, number)
        return Entry(number, number, Fate.VOIDED, node, at, None, 0, None, "its row went without a trace")

    # --- the ledger --------------------------------------------------------------------------------------------------

    def _gap(self, highest: int) -> Iterator[Entry]:
        """Numbers from the next one up to this one of which only the ledger knows; the span behind them is at hand."""
        while True:
            span = self._span
            while span is None or span.highest < self._next:
                following = next(self._spans, None)
                if following is None:
                    self._missing(highest)
                    return
                if span is not None and following.lowest <= span.highest:
                    self._of.fault(Fault.IN_TWO_SPANS, following.lowest)
                span = self._span = following
            if span.lowest > self._next:
                self._missing(min(highest, span.lowest - 1))
            if self._next > highest:
                return
            last = min(span.highest, highest)
            if last >= self._next:
                yield self._told(span, self._next, last)
                self._next = last + 1

    def _missing(self, highest: int) -> None:
        if highest >= self._next:
            self._of.fault(Fault.IN_NO_SPAN, self._next, highest - self._next + 1)
            self._next = highest + 1

    def _told(self, span: Span, lowest: int, highest: int) -> Entry:
        at, last = self._record.since(span)
        node = span.holder if span.serial or span.state is State.HELD else last
        return Entry(lowest, highest, _FATES[span.state], node, at, None, 0, None, span.reason)


_CLASHES = {State.FREE: Fault.USED_THOUGH_FREE, State.RETIRED: Fault.USED_THOUGH_RETIRED}
