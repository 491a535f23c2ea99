"""Comparisons on every database: how they go, what a station has named and what was found."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from replicator.errors import UnknownName
from replicator.protocol.working_set import Version
from replicator.store import compared_rows, comparisons, rows
from replicator.store.compared_rows import Finding, FoundRow
from replicator.store.comparisons import State
from replicator.types import Key

if TYPE_CHECKING:
    from store_places import Store

NOW = 1_764_000_000_000_000
PEER, CUSTOMERS, ORDERS = 3, 1, 2
KEYS = [b"\x91\x01", b"\x91\x02", b"\x91\xa1a", b"\x91\xa1b"]


def test_a_comparison_and_its_end(store: Store) -> None:
    with store.transaction() as connection:
        number = comparisons.add(connection, PEER, [CUSTOMERS, ORDERS], at=NOW)
        assert comparisons.load(connection, number).state == State.WAITING
        comparisons.set_other(connection, number, 17)
        comparisons.set_repair(connection, number)
        comparisons.set_epochs(connection, number, (1, 2), (0, 3))
        comparisons.set_state(connection, number, State.SENT)
        found = comparisons.find(connection, number, PEER)
        assert found is not None
        assert (found.repair, found.asked_here, found.out_epoch, found.in_epoch) == (True, True, (1, 2), (0, 3))
        assert comparisons.find_other(connection, 17, PEER) == found
        assert comparisons.find(connection, number, PEER + 1) is None
        assert comparisons.in_state(connection, State.SENT, State.WAITING) == [found]
        second = comparisons.add(connection, PEER + 1, [ORDERS], at=NOW, asked_here=False)
        assert [each.id for each in comparisons.recent(connection, 5)] == [number, second]
        comparisons.end(connection, number, NOW + 1, void="it was overtaken")
        ended = comparisons.load(connection, number)
        assert (ended.state, ended.ended_at, ended.reason) == (State.VOID, NOW + 1, "it was overtaken")
        comparisons.forget(connection, NOW + 1)
        assert len(comparisons.recent(connection, 5)) == 2
        comparisons.forget(connection, NOW + 2)
        assert [each.id for each in comparisons.recent(connection, 5)] == [second]
        comparisons.delete_of_peer(connection, PEER + 1)
        assert comparisons.compared_tables(connection, second) == []
        with pytest.raises(UnknownName, match="comparison list"):
            comparisons.load(connection, second)


def test_tables_and_answers(store: Store) -> None:
    with store.transaction() as connection:
        number = comparisons.add(connection, PEER, [CUSTOMERS, ORDERS], at=NOW)
        comparisons.take_table(connection, number, CUSTOMERS, (2, 7), 7, (1, 4), b"\x01" * 32)
        table = comparisons.compared_table(connection, number, CUSTOMERS)
        assert table is not None
        assert (table.at, table.to_remote, table.without, table.sums) == ((2, 7), 7, (1, 4), b"\x01" * 32)
        comparisons.begin_answer(connection, number, CUSTOMERS, b"a" * 16, (2, 9), b"\x03")
        comparisons.count_piece(connection, number, CUSTOMERS, last=False)
        comparisons.count_piece(connection, number, CUSTOMERS, last=True)
        comparisons.set_answered(connection, number, ORDERS)
        comparisons.set_counts(connection, number, CUSTOMERS, 1, 2, 3)
        customers, orders = comparisons.compared_tables(connection, number)
        assert (customers.attempt, customers.at, customers.listed) == (b"a" * 16, (2, 9), b"\x03")
        assert (customers.pieces, customers.answered, customers.differences) == (2, True, 6)
        assert (orders.answered, orders.sums) == (True, None)
        comparisons.drop_tables(connection, number, [ORDERS])
        assert comparisons.compared_table(connection, number, ORDERS) is None


def test_rows_that_a_station_names(store: Store) -> None:
    first, second, third, fourth = KEYS
    with store.transaction() as connection:
        number = comparisons.add(connection, PEER, [CUSTOMERS], at=NOW)
        named = [(first, b"12345678"), (second, b"abcdefgh"), (third, b"")]
        compared_rows.add_rows(store.database, connection, number, CUSTOMERS, named)
        assert compared_rows.named_rows(connection, number, CUSTOMERS, b"", 2) == named[:2]
        assert compared_rows.named_rows(connection, number, CUSTOMERS, second, 2) == named[2:]
        assert compared_rows.named(store.database, connection, number, CUSTOMERS, KEYS) == {first, second, third}
        compared_rows.note(connection, number, CUSTOMERS, Finding.CHANGED, [first])
        compared_rows.note(connection, number, CUSTOMERS, Finding.EXTRA, [second])
        compared_rows.add_rows(store.database, connection, number, CUSTOMERS, [(fourth, b"")], Finding.MISSING.value)
        assert compared_rows.count_findings(connection, number, CUSTOMERS) == {"C": 1, "X": 1, "M": 1}
        compared_rows.set_repaired(connection, number, CUSTOMERS, [first])
        found = compared_rows.found_rows(connection, number, CUSTOMERS, b"", 9)
        assert found == [
            FoundRow(CUSTOMERS, first, "C", True),
            FoundRow(CUSTOMERS, second, "X", False),
            FoundRow(CUSTOMERS, fourth, "M", False),
        ]
        left = compared_rows.found_rows(connection, number, CUSTOMERS, b"", 9, [Finding.CHANGED, "M"], only_open=True)
        assert [row.key for row in left] == [fourth]
        compared_rows.forget_unnamed(connection, number)
        assert compared_rows.named(store.database, connection, number, CUSTOMERS, KEYS) == {first, second, fourth}
        compared_rows.forget_findings(connection, number, CUSTOMERS)
        assert compared_rows.named(store.database, connection, number, CUSTOMERS, KEYS) == {first, second}
        assert compared_rows.count_findings(connection, number, CUSTOMERS) == {}


def test_rows_that_may_be_otherwise_at_a_station(store: Store) -> None:
    first, second, third, fourth = KEYS
    versions = [
        Version(CUSTOMERS, first, 1, 5, tie="H"),
        Version(CUSTOMERS, second, 1, 6, tie="S"),
        Version(CUSTOMERS, third, 1, 7, tie="S", image=b"\x90"),
        Version(CUSTOMERS, fourth, 1, 8, tie="T"),
    ]
    with store.transaction() as connection:
        rows.save_versions(store.database, connection, versions)
        kept: list[Key] = [each.key for each in rows.exceptional_versions(connection, CUSTOMERS, b"", 9)]
        assert kept == [first, third, fourth]
        assert [each.key for each in rows.exceptional_versions(connection, CUSTOMERS, first, 1)] == [third]
        rows.keep_skipped(
            store.database, connection, {(CUSTOMERS, first): ((1, 9), (1, "a")), (CUSTOMERS, second): ((1, 9), None)}
        )
        skipped = {key: image for key, _, image in rows.skipped_of_table(connection, CUSTOMERS, b"", 9)}
        assert skipped == {first: (1, "a"), second: None}
        rows.add_link_rows(store.database, connection, PEER, CUSTOMERS, [first, third])
        assert rows.linked(store.database, connection, PEER, CUSTOMERS, [first, second]) == {first}
