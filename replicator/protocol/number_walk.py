"""An audit's way up the numbers of a range, once (protocol.md 8.4). Pure."""

from __future__ import annotations

from bisect import bisect_left
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from itertools import chain

from replicator.protocol.number_fates import Entry, Fate, Fault, KeyValues, Numbered, Run, Sums, Waiting
from replicator.protocol.number_ledger import Span, State
from replicator.protocol.number_record import Drawn, Ended, Plain, Record
from replicator.types import Key

_FATES = {State.HELD: Fate.HELD, State.FREE: Fate.RETURNED, State.RETIRED: Fate.RETIRED, State.LOST: Fate.LOST}
_CLASHES = {State.FREE: Fault.USED_THOUGH_FREE, State.RETIRED: Fault.USED_THOUGH_RETIRED}


@dataclass(slots=True)
class _Window:
    """A stretch of what is known, in order of the numbers; whoever takes a part of it takes it away."""

    rows: Numbered
    numbers: list[int]
    """Of the rows."""
    others: list[int]
    """Of which the record tells more than that they were drawn."""

    def below(self, number: int) -> _Window:
        """Takes what is below this number."""
        rows, others = bisect_left(self.numbers, number), bisect_left(self.others, number)
        taken = _Window(self.rows[:rows], self.numbers[:rows], self.others[:others])
        self.rows, self.numbers, self.others = self.rows[rows:], self.numbers[rows:], self.others[others:]
        return taken


def _expected(span: Span, node: int) -> bool:
    """The ledger has it that a number of the span was drawn by this node."""
    return span.state not in _CLASHES and (not span.serial or span.holder == node)


class Walk:
    """Goes up the numbers once."""

    def __init__(
        self,
        sums: Sums,
        spans: Iterator[Span],
        record: Record,
        waiting: Mapping[int, Waiting],
        read_key: Callable[[Key], KeyValues],
        *,
        table_tells: bool,
    ) -> None:
        self._of, self._record, self._waiting, self._read_key = sums, record, waiting, read_key
        self._waits = deque(sorted(waiting))
        self._table_tells = table_tells
        self._next = sums.first
        """The next number to be told of."""
        self._last: int | None = None
        """The last one that a row had."""
        self._spans = spans
        self._span: Span | None = None

    def pieces(self, rows: Iterable[Numbered]) -> Iterator[Entry | Run]:
        for bound, some in self._record.windows(rows):
            yield from self._window(bound, some)
        yield from self._gap(self._of.following - 1)
        for span in chain([self._span] if self._span else (), self._spans):
            if span.highest >= self._of.following:
                self._of.fault(Fault.IN_TWO_SPANS, max(span.lowest, self._of.following))

    # --- many numbers ------------------------------------------------------------------------------------------------

    def _window(self, bound: int | None, rows: Numbered) -> Iterator[Entry | Run]:
        """All that is known up to `bound` (None: to the end)."""
        known = self._record.numbers(bound)
        while self._waits and (bound is None or self._waits[0] <= bound):
            known.add(self._waits.popleft())
        window = _Window(rows, [row[0] for row in rows], sorted(known))
        for span in self._record.plain(bound):
            yield from self._singles(window.below(span.lowest))
            yield from self._plain(span, window.below(span.highest + 1))
        yield from self._singles(window)

    def _plain(self, span: Plain, window: _Window) -> Iterator[Entry | Run]:
        """Numbers that were drawn once; those of which more is known stand between runs of others."""
        low = span.lowest
        for stop in [*window.others, span.highest + 1]:
            if low < stop:
                yield from self._stretch(span.part(low, stop - 1), window.below(stop))
            if stop <= span.highest:
                self._record.expand(span.part(stop, stop))
                yield from self._singles(window.below(stop + 1))
            low = stop + 1

    def _stretch(self, span: Plain, window: _Window) -> Iterator[Entry | Run]:
        """Of these nothing else is known; each should stand in one row."""
        first, last = span.lowest, span.highest
        inside = self._of.first <= first and last < self._of.following
        if inside and window.numbers == list(range(first, last + 1)):
            while first <= last:
                if first > self._next or self._span is None or first > self._span.highest:
                    yield from self._gap(first - 1)
                ledger = self._span
                if ledger is None or ledger.lowest > first or not _expected(ledger, span.node):
                    break
                end = min(last, ledger.highest)
                some = window.below(end + 1)
                yield Run(first, end, span.node, span.part(first, end).times, some.rows)
                self._next, self._last, first = end + 1, end, end + 1
            if first > last:
                return
        self._record.expand(span.part(first, last))
        window.others = list(range(first, last + 1))
        yield from self._singles(window)

    def _singles(self, window: _Window) -> Iterator[Entry]:
        keys: dict[int, KeyValues] = {}
        for row in window.rows:
            number = row[0]
            if number == self._last:
                self._of.fault(Fault.IN_TWO_ROWS, number)
            else:
                keys[number] = row[1:]
            self._last = number
        if not keys and not window.others:
            return
        first, following, drawn, ended = self._of.first, self._of.following, self._record.drawn, self._record.ended
        for number in sorted(keys.keys() | set(window.others)) if window.others else keys:
            if first <= number < following:
                if number > self._next or self._span is None or number > self._span.highest:
                    yield from self._gap(number - 1)
                yield self._one(number, keys.get(number), drawn.pop(number, None), ended.pop(number, None))
                self._next = number + 1
            else:
                drawn.pop(number, None)
                ended.pop(number, None)
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
    ) -> Entry:
        """A number that something is known of besides the ledger."""
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
        if key is None and number in self._waiting:
            waits = self._waiting[number]
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
