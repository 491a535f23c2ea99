"""The record of a range as the audit goes through it: by number, a window at a time (protocol.md 8.4).

Pure. Of a number that has a long history the beginning counts, where and when it was drawn, and the end.
"""

from __future__ import annotations

from bisect import bisect_right
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from operator import itemgetter
from typing import Any, NamedTuple, Protocol, cast

from replicator.protocol.number_ledger import Span, State
from replicator.protocol.number_uses import CHANGED, UseKind, read_detail, times_of
from replicator.types import Key

MOST = 20_000
"""Numbers and events in memory, about."""

_GRANTED, _RETURNED, _LOST, _RETIRED = ("granted", "claimed"), ("returned",), ("lost",), ("retired",)
_SINCE = {State.HELD: _GRANTED, State.FREE: _RETURNED, State.LOST: _LOST, State.RETIRED: _RETIRED}


class Happening(Protocol):
    """As `store.number_uses` reads it."""

    @property
    def id(self) -> int: ...
    @property
    def at(self) -> int: ...
    @property
    def kind(self) -> str: ...
    @property
    def lowest(self) -> int: ...
    @property
    def highest(self) -> int: ...
    @property
    def holder(self) -> int: ...
    @property
    def reason(self) -> str: ...
    @property
    def detail(self) -> bytes | None: ...


class Drawn(NamedTuple):
    """How a number came to be used for the first time."""

    rank: int
    """Below others: it tells better when that was."""
    id: int
    node: int
    at: int
    last: int
    """Number of the last time in the record."""


class Plain(NamedTuple):
    """Numbers in a row that one node drew, each for the first and only time as far as the record tells."""

    lowest: int
    highest: int
    id: int
    node: int
    times: list[int]
    """A single one stands for all."""

    def part(self, lowest: int, highest: int) -> Plain:
        times = self.times
        if len(times) > 1:
            times = times[lowest - self.lowest : highest - self.lowest + 1]
        return self._replace(lowest=lowest, highest=highest, times=times)


class Ended(NamedTuple):
    """How its row went, the last time."""

    id: int
    at: int
    by: int
    key: Key
    reason: str


_drawn = cast(Callable[[type[Drawn], tuple[Any, ...]], Drawn], tuple.__new__)
"""In half the constructor's time: there is one a number."""

_RANKS = {str(UseKind.USED): 0, str(UseKind.REFUSED): 1, str(UseKind.RESTORED): 2}
_RESTORED = 2


class Record:
    """`pages`: of all that happened, by lowest number. `name_of`: how a node is called."""

    def __init__(self, pages: Iterable[Sequence[Happening]], name_of: Callable[[int], str]) -> None:
        self.drawn: dict[int, Drawn] = {}
        """By number; whoever has told of one takes it away, here and in `ended`."""
        self.ended: dict[int, Ended] = {}
        self._pages, self._name_of = iter(pages), name_of
        self._plain: deque[Plain] = deque()
        self._in_plain, self._reached = 0, -(2**63)
        self._ledger: deque[Happening] = deque()
        self._under_way: list[Happening] = []
        self._bound: int | None = -(2**63)
        """Up to here all is read; None: to the end."""

    # --- reading -----------------------------------------------------------------------------------------------------

    def windows(self, rows: Iterable[Sequence[tuple[int, Any]]]) -> Iterator[tuple[int | None, Sequence[Any]]]:
        """(bound, rows up to it), upwards, until the bound is None: to the end. All that is in the record up to the
        bound is at hand then."""
        pages, page, told = iter(rows), cast(Sequence[Any], ()), -(2**63)
        while True:
            if not page:
                page = next((some for some in pages if some), ())
            target = page[-1][0] if page else None
            self._read(target, told)
            if self._bound is None or (target is not None and target <= self._bound):
                yield target, page
                if target is None:
                    return
                told, page = target, ()
            else:
                cut = bisect_right(page, self._bound, key=itemgetter(0))
                yield self._bound, page[:cut]
                told, page = self._bound, page[cut:]

    def _read(self, target: int | None, told: int) -> None:
        while self._bound is not None and (target is None or self._bound < target):
            if self._bound > told and self._at_hand() >= MOST:
                return
            page = next(self._pages, None)
            if page is None:
                self._bound = None
                return
            for happening in page:
                self._take(happening)
            self._bound = page[-1].lowest - 1

    def _at_hand(self) -> int:
        return len(self.drawn) + self._in_plain + len(self.ended) + len(self._ledger)

    def _take(self, happening: Happening) -> None:
        kind = happening.kind
        if happening.detail is None:
            self._ledger.append(happening)
            return
        times, keys = read_detail(happening.detail)
        numbers = range(happening.lowest, happening.highest + 1)
        if kind in _RANKS:
            self._drew(Plain(happening.lowest, happening.highest, happening.id, happening.holder, times), _RANKS[kind])
        if kind == UseKind.VOIDED:
            what = "its row got another number" if happening.reason == CHANGED else "its row was deleted"
            for number, at, key in zip(numbers, times_of(times, len(numbers)), keys, strict=True):
                self._gone(number, Ended(happening.id, at, happening.holder, key, what))
        elif kind == UseKind.REFUSED:
            what = f"its row was not taken: {happening.reason}"
            for number, key in zip(numbers, keys, strict=True):
                self._gone(number, Ended(happening.id, happening.at, 0, key, what))

    def _drew(self, span: Plain, rank: int) -> None:
        """Spans come in the order of their lowest numbers. Those that overlap are looked at number by number."""
        if not rank and span.lowest > self._reached:
            self._plain.append(span)
            self._in_plain += span.highest - span.lowest + 1
        else:
            while self._plain and self._plain[-1].highest >= span.lowest:
                other = self._plain.pop()
                self._in_plain -= other.highest - other.lowest + 1
                self.expand(other)
            self.expand(span, rank)
        self._reached = max(self._reached, span.highest)

    def expand(self, span: Plain, rank: int = 0) -> None:
        """Put it down number by number, in `drawn`."""
        drawn, id_, node = self.drawn, span.id, span.node
        numbers = range(span.lowest, span.highest + 1)
        for number, at in zip(numbers, times_of(span.times, len(numbers)), strict=True):
            known = drawn.get(number)
            new = _drawn(Drawn, (rank, id_, node, at, id_))
            if known is None:
                drawn[number] = new
            else:
                drawn[number] = min(known, new)._replace(last=max(known.last, id_))

    def _gone(self, number: int, ended: Ended) -> None:
        known = self.ended.get(number)
        if known is None or known.id < ended.id:
            self.ended[number] = ended

    # --- asking ------------------------------------------------------------------------------------------------------

    def plain(self, bound: int | None) -> list[Plain]:
        """Takes away those up to the bound."""
        found: list[Plain] = []
        while self._plain and (bound is None or self._plain[0].lowest <= bound):
            each = self._plain.popleft()
            if bound is not None and each.highest > bound:
                self._plain.appendleft(each.part(bound + 1, each.highest))
                each = each.part(each.lowest, bound)
            self._in_plain -= each.highest - each.lowest + 1
            found.append(each)
        return found

    def numbers(self, bound: int | None) -> set[int]:
        """Those at hand up to the bound that are not plain."""
        if bound is None:
            return {*self.drawn, *self.ended}
        return {number for known in (self.drawn, self.ended) for number in known if number <= bound}

    def since(self, span: Span) -> tuple[int, int | None]:
        """(since when the ledger has this span's first number so, who held it until then). To be asked upwards."""
        ledger, first = self._ledger, span.lowest
        while ledger and ledger[0].lowest <= first:
            self._under_way.append(ledger.popleft())
        self._under_way = [each for each in self._under_way if each.highest >= first]
        fitting = [each for each in self._under_way if each.kind in _SINCE[span.state]]
        if not fitting:
            return 0, None
        last = max(fitting, key=lambda each: each.id)
        return last.at, last.holder if span.state is State.FREE else None

    def remark(self, drawn: Drawn, holder: int | None) -> str:
        """What is unusual in how it was drawn; `holder`: whose number it was."""
        if drawn.rank == _RESTORED:
            return f"its row came back from {self._name_of(drawn.node)} after the host was restored"
        if holder is not None and drawn.node != holder:
            return f"its row came from {self._name_of(drawn.node)}"
        return ""

    def before(self, ended: Ended) -> str:
        return f"{ended.reason} before, at {self._name_of(ended.by)}"
