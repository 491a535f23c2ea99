"""The audit's accounting against a plain model, which has an entry for every number and no spans, windows or pages."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from itertools import count, pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from replicator.errors import PeerFault
from replicator.protocol import number_record
from replicator.protocol.codec_plain import pack
from replicator.protocol.number_audit import Accounting
from replicator.protocol.number_fates import Entry, Fate, Fault, Run, Waiting, singly
from replicator.protocol.number_ledger import Ledger, Span, State
from replicator.protocol.number_record import Record
from replicator.protocol.number_uses import CHANGED, LONGEST, Use, UseKind, read_detail, spans_of
from replicator.store.number_uses import Happening

KOELN, LAPTOP = 1, 2
NAMES = {0: "Zentrale", KOELN: "koeln", LAPTOP: "laptop"}


@dataclass
class Book:
    """A host's books, written a step at a time, each step a transaction."""

    start: int = 1
    ledger: Ledger = field(init=False)
    happened: list[Happening] = field(default_factory=list)
    rows: dict[int, bytes] = field(default_factory=dict)
    """By number: the row that has it."""
    drawn: dict[int, tuple[int, int]] = field(default_factory=dict)
    """By number: where and when for the first time."""
    voided: dict[int, tuple[int, int]] = field(default_factory=dict)
    """The same of when its row went."""
    told: int = 0
    """Of the ledger's events."""
    _numbers: Iterator[int] = field(default_factory=lambda: count(1))

    def __post_init__(self) -> None:
        self.ledger = Ledger(high_water=self.start)

    def note(self, uses: Sequence[Use], now: int) -> None:
        for event in self.ledger.events[self.told :]:
            values = (event.kind, event.lowest, event.highest, event.holder, event.reason, None)
            self.happened.append(Happening(next(self._numbers), now, *values))
        self.told = len(self.ledger.events)
        for span in spans_of(uses):
            values = (str(span.kind), span.lowest, span.highest, span.node, span.reason, span.detail())
            self.happened.append(Happening(next(self._numbers), now, *values))

    def audit(self, page: int = 3, **more: object) -> tuple[Accounting, list[Entry]]:
        accounting = Accounting(self.start, self.ledger.high_water)
        ordered = sorted(self.happened, key=lambda row: (row.lowest, row.id))
        pages = [ordered[place : place + page] for place in range(0, len(ordered), page)]
        rows = [(number, key) for number, key in sorted(self.rows.items())]
        chunks = [rows[place : place + page] for place in range(0, len(rows), page)]
        spans = sorted(self.ledger.spans.values(), key=lambda span: span.lowest)
        record = Record(pages, NAMES.__getitem__)
        entries = accounting.pieces(spans, record, chunks, read_key=lambda key: (key,), **more)  # type: ignore[arg-type]
        return accounting, list(singly(entries))


STEPS = st.lists(
    st.tuples(
        st.sampled_from(["grant", "draw", "draw", "draw", "delete", "change", "again", "back", "lose", "host"]),
        st.sampled_from([0, KOELN, LAPTOP]),
        st.integers(1, 9),
    ),
    max_size=60,
)


def play(book: Book, steps: list[tuple[str, int, int]]) -> dict[int, Fate]:
    """By number what has become of it, as a plain man would put it down."""
    blocks: dict[int, list[int]] = {0: [], KOELN: [], LAPTOP: []}
    fates: dict[int, Fate] = {}
    for now, (what, node, size) in enumerate(steps, start=1000):
        uses: list[Use] = []
        if what == "grant":
            for block in book.ledger.grant(node, size):
                for number in range(block.lowest, block.highest + 1):
                    blocks[node].append(number)
                    fates[number] = Fate.HELD
        elif what == "draw":
            taken, blocks[node] = blocks[node][:size], blocks[node][size:]
            for number in taken:
                book.rows[number], book.drawn[number], fates[number] = b"%d" % number, (node, now), Fate.USED
                uses.append(Use(UseKind.USED, number, b"%d" % number, node, now))
        elif what in ("delete", "change"):
            for number in sorted(book.rows)[size : 2 * size]:
                key = book.rows.pop(number)
                fates[number], book.voided[number] = Fate.VOIDED, (node, now)
                uses.append(Use(UseKind.VOIDED, number, key, node, now, "" if what == "delete" else CHANGED))
        elif what == "again":
            for number in [number for number, fate in sorted(fates.items()) if fate is Fate.VOIDED][:size]:
                book.rows[number], fates[number] = b"again %d" % number, Fate.USED
                uses.append(Use(UseKind.USED, number, book.rows[number], node, now))
        elif what == "back":
            _give_back(book, node, blocks[node], fates)
            blocks[node] = []
        elif what == "lose":
            book.ledger.keep_only(node, [], "restored")
            for number in blocks[node]:
                fates[number] = Fate.LOST
            blocks[node] = []
        elif what == "host":
            known = book.ledger.high_water
            book.ledger.restored(known + size, "the host was restored")
            for number in [*range(known, known + size), *blocks[0]]:
                fates[number] = Fate.LOST
            fates.update({number: Fate.LOST for number, fate in fates.items() if fate is Fate.RETURNED})
            blocks[0] = []
        book.note(uses, now)
    return fates


def _give_back(book: Book, node: int, left: list[int], fates: dict[int, Fate]) -> None:
    for span in list(book.ledger.spans.values()):
        mine = [number for number in left if span.lowest <= number <= span.highest]
        if mine and span.holder == node:
            assert book.ledger.give_back(node, mine[0], span.highest)
            for number in mine:
                fates[number] = Fate.LOST if span.highest < book.ledger.floor else Fate.RETURNED


@settings(max_examples=300, deadline=None)
@given(STEPS, st.integers(1, 40), st.integers(1, 7), st.integers(1, 12))
def test_each_number_has_the_fate_that_it_has(
    steps: list[tuple[str, int, int]], start: int, page: int, most: int
) -> None:
    book = Book(start)
    fates = play(book, steps)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(number_record, "MOST", most)
        accounting, entries = book.audit(page)
    told = {number: entry for entry in entries for number in range(entry.lowest, entry.highest + 1)}
    assert [n for each in entries for n in range(each.lowest, each.highest + 1)] == list(
        range(start, book.ledger.high_water)
    )
    assert {number: entry.fate for number, entry in told.items()} == fates
    assert accounting.sums == {fate: list(fates.values()).count(fate) for fate in Fate}
    assert accounting.adds_up
    assert not accounting.faults
    for number, (node, at) in book.drawn.items():
        assert (told[number].node, told[number].at) == (node, at)
        if told[number].fate is Fate.USED:
            assert told[number].key == (book.rows[number],)
        else:
            assert (told[number].ended_by, told[number].ended_at) == book.voided[number]
    for one, other in pairwise(entries):
        if one.fate is other.fate and one.fate not in (Fate.USED, Fate.VOIDED):
            assert one[3:] != other[3:], "neighbours of one state are one line"


USES = st.lists(
    st.builds(
        Use,
        st.sampled_from(list(UseKind)),
        st.integers(1, 30),
        st.binary(min_size=1, max_size=2),
        st.sampled_from([0, KOELN]),
        st.integers(0, 5),
        st.sampled_from(["", "why"]),
    )
)


@given(USES)
def test_spans_hold_what_they_were_made_of(uses: list[Use]) -> None:
    """Of what is kept; a row that was written anew in one go has not gone."""
    told = set()
    for span in spans_of(uses):
        times, keys = read_detail(span.detail())
        numbers = range(span.lowest, span.highest + 1)
        assert len(times) in (1, len(numbers))
        assert len(keys) in (0, len(numbers))
        for place, number in enumerate(numbers):
            told.add((span.kind, number, span.node, span.reason, times[place] if len(times) > 1 else times[0]))
    everything = {(use.kind, use.number, use.node, use.reason, use.at) for use in uses}
    assert told <= everything
    replaced = {(use.number, use.node) for use in uses if use.kind is UseKind.VOIDED}
    kept = {(kind, number, node, reason) for kind, number, node, reason, _ in told}
    for kind, number, node, reason, _ in everything:
        assert (kind, number, node, reason) in kept or (number, node) in replaced


def test_numbers_in_a_row_are_few_rows_of_the_record() -> None:
    uses = [Use(UseKind.USED, number, b"k", KOELN, 10**15 + 37 * number) for number in range(1, 2501)]
    spans = spans_of([*uses, Use(UseKind.USED, 9000, b"k", KOELN, 7)])
    assert [(span.lowest, span.highest) for span in spans] == [(1, 1000), (1001, 2000), (2001, 2500), (9000, 9000)]
    assert sum(len(span.detail()) for span in spans) < 3 * 2500
    assert read_detail(spans[1].detail())[0][:2] == [10**15 + 37 * 1001, 10**15 + 37 * 1002]
    assert LONGEST == 1000
    (together,) = spans_of([use._replace(at=5) for use in uses[:900]])
    assert together.times == [5]


def test_a_row_that_is_written_anew_in_one_go_has_not_gone() -> None:
    used, voided = Use(UseKind.USED, 5, b"a", 0, 1), Use(UseKind.VOIDED, 5, b"a", 0, 2)
    assert spans_of([voided, used]) == []
    assert [span.kind for span in spans_of([used, voided, used])] == [UseKind.USED]
    assert len(spans_of([voided, used._replace(key=b"other")])) == 2


def faults_of(book: Book) -> dict[Fault, list[int]]:
    accounting, _ = book.audit()
    return accounting.faults


def book_with_ten() -> Book:
    book = Book()
    book.ledger.grant(KOELN, 10)
    return book


def test_what_must_not_be_is_found() -> None:
    book = book_with_ten()
    book.ledger.give_back(KOELN, 8, 10)
    book.rows = {5: b"a", 9: b"b", 11: b"c"}
    assert faults_of(book) == {Fault.USED_THOUGH_FREE: [9], Fault.NEVER_GRANTED: [11]}
    book = book_with_ten()
    book.ledger.retire(KOELN, 6, "passed by")
    book.rows = {7: b"a"}
    assert faults_of(book) == {Fault.USED_THOUGH_RETIRED: [7]}
    book = book_with_ten()
    book.note([Use(UseKind.USED, 3, b"a", KOELN, 5)], 6)
    assert faults_of(book) == {Fault.VANISHED: [3]}


@pytest.mark.parametrize(("lowest", "highest"), [(1, 4), (4, 6), (8, 10), (1, 10)])
def test_a_hole_in_the_ledger_is_no_part_of_the_sums(lowest: int, highest: int) -> None:
    book = book_with_ten()
    book.ledger.spans = {
        span.lowest: span
        for span in (Span(1, lowest - 1, State.HELD, KOELN, 1), Span(highest + 1, 10, State.HELD, KOELN, 2))
        if span.lowest <= span.highest
    }
    accounting, entries = book.audit()
    assert not accounting.adds_up
    assert accounting.faults == {Fault.IN_NO_SPAN: [lowest]}
    assert accounting.fault_counts == {Fault.IN_NO_SPAN: highest - lowest + 1}
    assert sum(entry.highest - entry.lowest + 1 for entry in entries) == 10 - (highest - lowest + 1)


def test_a_used_number_in_a_hole_of_the_ledger() -> None:
    book = book_with_ten()
    book.ledger.spans = {1: Span(1, 4, State.HELD, KOELN, 1), 7: Span(7, 10, State.HELD, KOELN, 2)}
    book.rows = {5: b"a"}
    accounting, _ = book.audit()
    assert accounting.fault_counts == {Fault.IN_NO_SPAN: 2}
    assert accounting.sums[Fate.USED] == 1


def test_spans_that_overlap_are_counted_once() -> None:
    book = book_with_ten()
    book.ledger.spans = {1: Span(1, 6, State.HELD, KOELN, 1), 5: Span(5, 12, State.FREE)}
    accounting, _ = book.audit()
    assert accounting.faults == {Fault.IN_TWO_SPANS: [5, 11]}
    assert accounting.sums[Fate.HELD] == 6


def test_a_number_in_two_rows_across_pages() -> None:
    book = book_with_ten()
    accounting = Accounting(1, 11)
    rows = [[(2, "a"), (3, "b")], [(3, "c"), (3, "d")], [], [(4, "e")]]
    list(accounting.pieces(book.ledger.spans.values(), Record([], str), rows))
    assert accounting.fault_counts == {Fault.IN_TWO_ROWS: 2}
    assert accounting.sums[Fate.USED] == 3


def test_a_row_in_quarantine_has_its_number() -> None:
    book = book_with_ten()
    accounting, entries = book.audit(waiting={4: Waiting(KOELN, ("k",), 77)})
    (used,) = [entry for entry in entries if entry.fate is Fate.USED]
    assert (used.lowest, used.node, used.key, used.at) == (4, KOELN, ("k",), 77)
    assert "quarantine" in used.reason
    assert accounting.adds_up


def test_whose_number_it_was_the_ledger_knows() -> None:
    book = book_with_ten()
    book.rows = {1: b"a", 2: b"b"}
    book.note([Use(UseKind.USED, 1, b"a", LAPTOP, 5), Use(UseKind.RESTORED, 2, b"b", LAPTOP, 0)], 9)
    _, entries = book.audit()
    assert [(e.node, e.at, e.reason) for e in entries[:2]] == [
        (KOELN, 5, "its row came from laptop"),
        (KOELN, 0, "its row came back from laptop after the host was restored"),
    ]


def test_a_damaged_record_is_no_traceback() -> None:
    with pytest.raises(PeerFault):
        read_detail(pack([1])[:-1])


def test_what_is_as_it_should_be_comes_in_runs() -> None:
    """A million numbers must not cost a million steps: but for the exceptions they are told in one."""
    book = Book()
    book.ledger.grant(KOELN, 3000)
    book.ledger.grant(LAPTOP, 100)
    numbers = range(1, 3051)
    book.rows = {number: b"%d" % number for number in numbers}
    uses = [Use(UseKind.USED, n, b"k", KOELN if n <= 3000 else LAPTOP, 10 * n) for n in numbers]
    book.note(uses, 1)
    del book.rows[500]
    book.note([Use(UseKind.VOIDED, 500, b"k", 0, 7)], 2)
    accounting = Accounting(1, 3101)
    rows = sorted(book.rows.items())
    chunks = [rows[place : place + 700] for place in range(0, len(rows), 700)]
    ordered = sorted(book.happened, key=lambda row: (row.lowest, row.id))
    spans = sorted(book.ledger.spans.values(), key=lambda span: span.lowest)
    pieces = list(accounting.pieces(spans, Record([ordered], str), chunks))
    assert len(pieces) < 15
    assert [piece.lowest for piece in pieces if not isinstance(piece, Run)] == [500, 3051]
    assert [(run.node, run.times[0]) for run in pieces if isinstance(run, Run)][-1] == (LAPTOP, 30010)
    assert accounting.sums[Fate.USED] == 3049
    assert accounting.adds_up
    assert not accounting.faults
