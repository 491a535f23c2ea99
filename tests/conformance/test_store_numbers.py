"""Number ranges in the replicator's own tables, on every database: ranges, shares, blocks in hand, the ledger."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from replicator.protocol.number_ledger import Event, Ledger, Span, State
from replicator.protocol.number_uses import Use, UseKind, read_detail
from replicator.protocol.numbers import HIGHEST, Block, Empty, Form, NumberRange, Share, Way
from replicator.store import number_pace, number_spans, number_uses, numbers
from replicator.store.numbers import IN_HAND, RETIRED, USED_UP, StockBlock, StoredRange

if TYPE_CHECKING:
    from store_places import Store

NOW = 1_764_000_000_000_000
INVOICES = NumberRange(1, 7, "number", Way.FILLED, Empty.NULL, 100, Form("RÄ-2026-", 5))
KEYS = NumberRange(2, 8, "id", Way.KEYS, None, 1)


def test_ranges_and_shares(store: Store) -> None:
    with store.transaction() as connection:
        numbers.insert_range(connection, INVOICES, "invoices", HIGHEST, NOW)
        numbers.insert_range(connection, KEYS, "items", 2**31 - 1, NOW)
        numbers.save_share(connection, 0, 1, Share(50))
        numbers.save_share(connection, 3, 1, Share(20, 50))
        numbers.set_requested(connection, 1)
        assert numbers.waiting(connection) == []
        numbers.set_requested(connection, 1, 3)
        assert numbers.waiting(connection) == [(3, 1)]
        assert numbers.columns(connection) == {7: {"number"}, 8: {"id"}}
        assert numbers.counted_elsewhere(connection) == frozenset()
        numbers.save_share(connection, 3, 2, Share(1000))
        assert numbers.counted_elsewhere(connection) == {8}
        numbers.drop_share(connection, 3, 2)
    with store.transaction() as connection:
        found = numbers.load_ranges(connection)
        assert found == {
            1: StoredRange(INVOICES, "invoices", HIGHEST, False),
            2: StoredRange(KEYS, "items", 2**31 - 1, False),
        }
        assert numbers.load_shares(connection) == {(0, 1): Share(50), (3, 1): Share(20, 50)}
        assert numbers.requested(connection) == {1}
        numbers.save_share(connection, 0, 1, Share(70, 10, closed=True))
        assert numbers.requested(connection) == set()
        numbers.set_requested(connection, 1)
        numbers.forget_requests(connection)
        assert numbers.requested(connection) == set()
        numbers.drop_share(connection, 3, 1)
        assert list(numbers.load_shares(connection)) == [(0, 1)]
        numbers.change_range(connection, 1, Way.CHOSEN, None)
        numbers.stop(connection, stopped=True)
    with store.transaction() as connection:
        changed = numbers.load_ranges(connection)[1]
        assert (changed.range.way, changed.range.fill, changed.stopped) == (Way.CHOSEN, None, True)
        numbers.stop(connection, stopped=False)
        assert not numbers.load_ranges(connection)[1].stopped


def test_blocks_in_hand(store: Store) -> None:
    with store.transaction() as connection:
        numbers.insert_range(connection, INVOICES, "invoices", HIGHEST, NOW)
        blocks = [(Block(100, 149, 1), 110), (Block(150, 199, 2), 150), (Block(5, 6, 3), 7)]
        numbers.add_blocks(connection, 1, blocks)
        numbers.add_blocks(connection, 1, [(Block(100, 149, 1), 100), (Block(200, 200, 4), 200)])
    with store.transaction() as connection:
        numbers.hold(connection, 1)
        found = numbers.stock(connection, 1)
        assert found == [
            StockBlock(Block(100, 149, 1), 110, IN_HAND),
            StockBlock(Block(150, 199, 2), 150, IN_HAND),
            StockBlock(Block(5, 6, 3), 7, USED_UP),
            StockBlock(Block(200, 200, 4), 200, IN_HAND),
        ]
        assert [each.left for each in found] == [40, 50, 0, 1]
        assert numbers.left(connection, 1) == 91
        assert numbers.left(connection, 2) == 0
        numbers.shorten(connection, 1, found[0])
        assert numbers.stock(connection, 1)[0] == StockBlock(Block(100, 109, 1), 110, USED_UP)
        held = [(100, 109, 1), (150, 199, 2), (5, 6, 3), (200, 200, 4)]
        assert numbers.in_hand(connection) == [(1, Block(*each)) for each in held]
        numbers.advance(connection, 1, found[1], 160)
        numbers.use_up(connection, 1, found[3])
        assert [(each.following, each.state) for each in numbers.stock(connection, 1)][1::2] == [
            (160, IN_HAND),
            (200, USED_UP),
        ]
        numbers.advance(connection, 1, found[1], 200)
        assert numbers.left(connection, 1) == 0
        numbers.retire_all(connection)
        assert numbers.in_hand(connection) == []
        assert {each.state for each in numbers.stock(connection, 1)} == {RETIRED}
        assert numbers.left(connection, 1) == 0


def test_the_ledger_and_its_events(store: Store) -> None:
    with store.transaction() as connection:
        numbers.insert_range(connection, INVOICES, "invoices", 10_000, NOW)
        with pytest.raises(KeyError):
            number_spans.load_ledger(connection, 9)
        ledger = number_spans.load_ledger(connection, 1)
        assert ledger == Ledger(high_water=100, highest=10_000)
        ledger.grant(3, 50)
        ledger.grant(4, 50)
        number_spans.save_ledger(connection, 1, ledger, NOW)
    with store.transaction() as connection:
        ledger = number_spans.load_ledger(connection, 1)
        assert (ledger.high_water, ledger.serial) == (200, 2)
        assert ledger.give_back(3, 120, 149)
        ledger.keep_only(4, [], "ö was restored")
        number_spans.save_ledger(connection, 1, ledger, NOW + 1)
        assert ledger.changed == {}
        assert number_spans.held(connection, 1, 3) == [Span(100, 119, State.HELD, 3, 1)]
        assert (number_spans.top(connection, 1, 3), number_spans.top(connection, 1, 9)) == (119, 0)
        number_spans.note(connection, 1, [Event("voided", 101, 101, 3)], NOW + 2)
    with store.transaction() as connection:
        assert number_spans.spans(connection, 1) == [
            Span(100, 119, State.HELD, 3, 1),
            Span(120, 149, State.FREE),
            Span(150, 199, State.LOST, 4, 2, "ö was restored"),
        ]
        # What is lost is never granted again, so it needn't be looked at.
        assert sorted(number_spans.load_ledger(connection, 1).spans) == [100, 120]
        assert sorted(number_spans.load_ledger(connection, 1, whole=True).spans) == [100, 120, 150]
        assert [row[1:] for row in number_spans.events(connection, 1)] == [
            (NOW, 1, "granted", 100, 149, 3, ""),
            (NOW, 1, "granted", 150, 199, 4, ""),
            (NOW + 1, 1, "returned", 120, 149, 3, ""),
            (NOW + 1, 1, "lost", 150, 199, 4, "ö was restored"),
            (NOW + 2, 1, "voided", 101, 101, 3, ""),
        ]


def test_how_much_was_granted_of_late(store: Store) -> None:
    with store.transaction() as connection:
        for number in (1, 2):
            numbers.insert_range(connection, replace(INVOICES, id=number), "invoices", 10_000, NOW)
        assert number_spans.granted_of_late(connection, 1, NOW) == 0
        for number, at in ((1, NOW), (2, NOW), (1, NOW + 700), (1, NOW + 1000)):
            ledger = number_spans.load_ledger(connection, number)
            ledger.grant(3, 50)
            ledger.keep_only(3, [], "lost at once")
            number_spans.save_ledger(connection, number, ledger, at)
    with store.transaction() as connection:
        granted = [number_spans.granted_of_late(connection, 1, NOW + after) for after in (500, 1000, 1299, 1300, 5000)]
        assert granted == [50, 50, 50, 100, 150]
        assert number_spans.granted_of_late(connection, 2, NOW + 5000) == 50


def test_the_record_of_uses(store: Store) -> None:
    drawn = [Use(UseKind.USED, number, b"key", 3, NOW + number) for number in range(100, 1400)]
    with store.transaction() as connection:
        numbers.insert_range(connection, INVOICES, "invoices", 10_000, NOW)
        ledger = number_spans.load_ledger(connection, 1)
        ledger.grant(3, 1300)
        ledger.grant(4, 50)
        number_spans.save_ledger(connection, 1, ledger, NOW)
        number_uses.add(connection, 1, drawn, NOW + 5000)
        gone = [Use(UseKind.VOIDED, number, b"\x00k%d" % number, 0, NOW, "changed") for number in (102, 103)]
        number_uses.add(connection, 1, gone, NOW + 6000)
        number_uses.add(connection, 2, drawn[:1], NOW)
    with store.transaction() as connection:
        (page,) = number_uses.happenings(connection, 1)
        assert [(each.at, each.kind, each.lowest, each.highest, each.holder, each.reason) for each in page] == [
            (NOW, "granted", 100, 1399, 3, ""),
            (NOW + 5000, "used", 100, 1099, 3, ""),
            (NOW + 6000, "voided", 102, 103, 0, "changed"),
            (NOW + 5000, "used", 1100, 1399, 3, ""),
            (NOW, "granted", 1400, 1449, 4, ""),
        ]
        assert page[0].detail is None
        assert read_detail(page[1].detail or b"") == ([use.at for use in drawn[:1000]], [])
        assert read_detail(page[2].detail or b"") == ([NOW], [b"\x00k102", b"\x00k103"])
        assert [(span.lowest, span.highest) for span in number_uses.spans(connection, 1)] == [(100, 1399), (1400, 1449)]
        assert number_uses.range_end(connection, 1) == 1450
        assert number_uses.last_used(connection, 1, 100, 1399) == 1399
        assert number_uses.last_used(connection, 1, 100, 1200) == 1200
        assert number_uses.last_used(connection, 1, 1400, 1449) is None


def test_the_record_is_read_by_number_a_page_at_a_time(store: Store) -> None:
    """As it comes, it is in order of the time; several things may have happened to one number."""
    wanted = []
    with store.transaction() as connection:
        numbers.insert_range(connection, INVOICES, "invoices", 10_000, NOW)
        for turn in range(3):
            numbers_now = range(2 * number_uses.PAGE - 1, 0, -2)
            uses = [Use(UseKind.USED, number, b"k", turn, NOW) for number in numbers_now]
            number_uses.add(connection, 1, uses, NOW + turn)
            wanted += [(number, turn) for number in numbers_now]
    with store.transaction() as connection:
        pages = list(number_uses.happenings(connection, 1))
        assert [len(page) for page in pages] == [number_uses.PAGE] * 3
        assert [(each.lowest, each.holder) for page in pages for each in page] == sorted(wanted)
        ledger = number_spans.load_ledger(connection, 1)
        for _ in range(number_uses.PAGE + 20):
            ledger.grant(ledger.serial % 2, 1)
        number_spans.save_ledger(connection, 1, ledger, NOW)
        assert list(number_uses.spans(connection, 1)) == number_spans.spans(connection, 1)


def test_names_of_removed_stations(store: Store) -> None:
    with store.transaction() as connection:
        number_uses.keep_name(connection, 3, "köln")
        number_uses.keep_name(connection, 4, "laptop")
        number_uses.keep_name(connection, 3, "Köln-Süd")
    with store.transaction() as connection:
        assert number_uses.names(connection) == {3: "Köln-Süd", 4: "laptop"}


def test_the_pace_of_numbers_is_kept_for_two_weeks(store: Store) -> None:
    hour = number_pace.SPACED
    with store.transaction() as connection:
        numbers.insert_range(connection, INVOICES, "invoices", HIGHEST, NOW)
        assert numbers.drawn(connection, 1) == 0
        numbers.add_blocks(connection, 1, [(Block(100, 149, 1), 110), (Block(150, 151, 2), 152)])
        assert numbers.drawn(connection, 1) == 12
        for at, drawn in ((NOW, 1), (NOW + hour // 2, 2), (NOW + hour, 3), (NOW + 2 * hour, 4)):
            number_pace.note_drawn(connection, 0, 1, at, drawn)
        number_pace.note_drawn(connection, 3, 1, NOW, 9)
    with store.transaction() as connection:
        assert number_pace.drawn(connection, 0, 1) == [(NOW, 1), (NOW + hour, 3), (NOW + 2 * hour, 4)]
        number_pace.note_drawn(connection, 0, 1, NOW + number_pace.KEPT + hour, 5)
        assert [drawn for _, drawn in number_pace.drawn(connection, 0, 1)] == [3, 4, 5]
        number_pace.forget_drawn(connection, 0, 1)
        assert number_pace.drawn(connection, 0, 1) == []
        assert number_pace.drawn(connection, 3, 1) == [(NOW, 9)]


def test_the_last_contacts_are_kept(store: Store) -> None:
    minute = number_pace.ONE_CONTACT
    with store.transaction() as connection:
        for step in range(30):
            number_pace.note_contact(connection, 1, NOW + step * minute)
        number_pace.note_contact(connection, 1, NOW + 29 * minute + 1)
        number_pace.note_contact(connection, 2, NOW)
    with store.transaction() as connection:
        assert number_pace.contacts(connection, 1) == [NOW + step * minute for step in range(10, 30)]
        number_pace.note_contact(connection, 1, NOW + 12 * minute)
        assert number_pace.contacts(connection, 1) == [NOW + step * minute for step in (11, 12)]
        assert number_pace.contacts(connection, 2) == [NOW]
