"""Bases on every database, and what of the journal a replay reads."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from replicator.errors import PeerFault
from replicator.protocol.codec import encode_segment, raw_size
from replicator.protocol.messages import Segment, TableBlock
from replicator.store import bases, catalogue, journal, journal_reading, slices
from replicator.store.bases import Base, BaseSegment
from replicator.store.journal import Group
from replicator.store.net_changes import PAGE, NetChanges
from replicator.store.slices import Slice
from replicator.types import ColumnDefinition, ColumnType, Image, Table, TableDefinition, TypeKind

if TYPE_CHECKING:
    from store_places import Store

NOW = 1_764_000_000_000_000
DEFINITION = TableDefinition(
    "größe", tuple(ColumnDefinition(name, ColumnType(TypeKind.TEXT)) for name in ("id", "word")), ("id",)
)


def segment(ordinal: int, rows: list[Image]) -> BaseSegment:
    digest, frame = encode_segment(Segment(1, blocks=[TableBlock(7, classes="C" * len(rows), rows=rows)]))
    return BaseSegment(ordinal, digest, len(frame), raw_size(frame), len(rows), frame)


def test_bases(store: Store) -> None:
    base = Base(3, 7, "größe", DEFINITION, 2**40, 2**40, 2**40, 0, NOW, complete=False)
    first, second = segment(0, [("a", "ä"), ("b", None)]), segment(2**40, [("c", "x" * 100_000)])
    with store.transaction() as connection:
        catalogue.save_table(connection, Table(7, "größe", DEFINITION), NOW)
        assert bases.any_missing(connection)
        assert bases.next_number(connection) == 1
        bases.save(connection, base)
        bases.add_segments(connection, 3, [first, second])
        assert bases.any_missing(connection), "it is not complete"
        assert bases.covered([base]) is None
        whole = base._replace(complete=True, rows=3, size=2**40, next_ordinal=2**40 + 1)
        bases.save(connection, whole)
    with store.transaction() as connection:
        assert not bases.any_missing(connection)
        assert bases.load(connection) == [whole]
        assert bases.find(connection, 3) == whole
        assert bases.covered([whole, whole._replace(n=5)]) == 5
        assert bases.segments(connection, 3, -1, 2**40, 9) == [first]
        assert list(bases.all_segments(connection, whole)) == [first, second]
        assert [image for each in (first, second) for image in each.images()][:2] == [("a", "ä"), ("b", None)]
        assert bases.totals(connection, 3) == (3, first.size + second.size)
        assert bases.totals(connection, 8) == (0, 0)
        bases.delete_segments(connection, 3, [0])
        assert bases.sweep(connection, 5) == 0
        bases.drop(connection, 3)
        assert bases.next_number(connection) == 4
        bases.add_segments(connection, 8, [first])
        assert bases.next_number(connection) == 9
        assert (bases.sweep(connection, 1), bases.sweep(connection, 5), bases.sweep(connection, 5)) == (1, 1, 0)


def test_bases_of_the_forms_that_a_table_had(store: Store) -> None:
    first = Base(1, 7, "größe", DEFINITION, 5, 5, 5, 0, NOW, complete=True)
    second = first._replace(id=2, begun_n=2**41 + 1, complete=False)
    with store.transaction() as connection:
        catalogue.save_table(connection, Table(7, "größe", DEFINITION), NOW)
        bases.save(connection, first)
        bases.end(connection, 7, 2**41)
        bases.end(connection, 8, 9)
        assert bases.any_missing(connection)
        assert bases.current(connection) == {}
        bases.save(connection, second)
        assert bases.load(connection) == [first._replace(ended_n=2**41), second]
        assert bases.current(connection) == {7: second}
        bases.end(connection, 7, 2**42)
        assert bases.load(connection) == [first._replace(ended_n=2**41)], "half a base is none"


def test_a_damaged_segment_is_told() -> None:
    sound = segment(0, [("a", "b")])
    with pytest.raises(PeerFault):
        sound._replace(frame=sound.frame[:-1] + bytes((sound.frame[-1] ^ 1,))).images()


def test_what_a_replay_reads_of_the_journal(store: Store) -> None:
    def group(n: int, origin: int, at: int, logged_at: int) -> Group:
        return Group(n, 1, bytes(16), 1, n, origin, 0, 0, None, None, 1, 0, 0, 1, at, 1, logged_at)

    with store.transaction() as connection:
        for number, (first, last) in enumerate([(1, 3), (3, 5), (6, 6)], start=1):
            slices.insert_slice(connection, Slice(number, 1, first, last, True), [])
        assert journal_reading.slices_between(connection, 0, 9) == [1, 2, 3]
        assert journal_reading.slices_between(connection, 3, 5) == [2]
        assert journal_reading.slices_between(connection, 5, 5) == []
        # Of a station's group that came before its coming was noted, nothing is known; nor of what is in the future.
        groups = [
            group(1, 0, 50, 0),
            group(2, 4, 900, 0),
            group(3, 0, 60, 2000),
            group(4, 4, 10, 80),
            group(5, 0, 90, 90),
        ]
        journal.insert_groups(connection, groups)

        def found(moment: int) -> int | None:
            first = journal_reading.first_logged_after(connection, moment, 1000)
            return None if first is None else first.n

        assert [found(moment) for moment in (40, 50, 79, 80, 90)] == [1, 4, 4, 5, None]


def test_what_many_changes_come_to() -> None:
    with NetChanges() as net:
        net.add(1, [(b"a", ("a", 1)), (b"b", ("b", 1)), (b"c", ("c", "ä\udcff"))])
        net.add(1, [(b"a", ("a", 2)), (b"b", None)])
        net.add(2, [(b"a", ("other", 0))])
        net.add(3, [])
        assert net.touched == {1, 2}
        for _ in range(2):
            net.begin()
            assert net.take(1, [b"a", b"b", b"x"]) == {b"a": ("a", 2), b"b": None}
            assert list(net.rest(1)) == [[("c", "ä\udcff")]]
        net.begin()
        net.add(1, [(b"%d" % number, (str(number), "x" * 1000)) for number in range(PAGE)])
        pages = list(net.rest(1))
        assert len(pages) > 1
        assert sum(map(len, pages)) == PAGE + 2
