"""Marks, horizons and what is purged, on every database."""

from __future__ import annotations

from typing import TYPE_CHECKING

from replicator.protocol.codec import encode_segment
from replicator.protocol.messages import Segment
from replicator.protocol.working_set import Version
from replicator.store import batches, journal, purging, retention, rows, slices, sql
from replicator.store.batches import Batch
from replicator.store.journal import Group
from replicator.store.purging import OldSlice, Tombstone
from replicator.store.retention import Horizon, JudgedOf, Mark, Retention
from replicator.store.slices import Slice, SliceSegment
from replicator.store.tables import journal_key

if TYPE_CHECKING:
    from sqlalchemy import Connection
    from store_places import Store

NOW = 1_764_000_000_000_000
FAR = 2**61
UID = bytes(range(16))
DIGEST = b"%s'\\\0?" * 5 + b"\xff\xfe"
KEYS = sorted([b"", b"\0", b"\x91\xa1a", b"'%s?\\", b"\xff" * 2600])


# --- what is noted ----------------------------------------------------------------------------------------------------


def test_the_state(store: Store) -> None:
    with store.transaction() as connection:
        assert retention.load(connection) == Retention()
        changed = Retention(2, FAR, NOW, NOW + 1, 1)
        for _ in range(2):
            retention.save(connection, changed)
        assert retention.load(connection) == changed
        assert changed.forgotten == (2, FAR)


def test_marks(store: Store) -> None:
    links = [JudgedOf(1, (0, 3), FAR), JudgedOf(7, (0, 1), 1)]
    marks = [Mark(at, FAR, 5, 1, FAR, 2, 3, 4, 5) for at in (NOW, NOW + 10, NOW + 20)]
    with store.transaction() as connection:
        assert retention.newest_mark(connection) == 0
        assert retention.mark_through(connection, NOW) is None
        for mark in (*marks, marks[-1]):
            retention.add_mark(connection, mark, links)
        assert retention.newest_mark(connection) == NOW + 20
        assert retention.mark_through(connection, NOW - 1) is None
        assert retention.mark_through(connection, NOW + 19) == marks[1]
        assert retention.mark_behind(connection, NOW + 19, marks[1].last_n) == marks[1]
        assert retention.mark_behind(connection, NOW + 19, marks[1].last_n - 1) is None
        assert sorted(retention.links_of(connection, marks[1])) == links
        retention.forget_marks(connection, NOW + 15)
        assert retention.mark_through(connection, NOW + 9) is None
        assert retention.links_of(connection, marks[0]) == []
        assert sorted(retention.links_of(connection, marks[1])) == links
        # A clock that was ahead and has been set right.
        retention.add_mark(connection, marks[0], [])
        assert retention.newest_mark(connection) == NOW
        assert (marks[0].settled, marks[0].born, marks[0].forgotten) == ((1, FAR), (2, 3), (4, 5))


def test_horizons(store: Store) -> None:
    one = Horizon(1, (0, 2), FAR, (3, FAR), (1, 4), (0, 5), 6, (7, 8), (9, 10))
    with store.transaction() as connection:
        assert retention.horizon(connection, 1) == Horizon(1)
        retention.save_horizons(connection, [Horizon(1), Horizon(2)])
        retention.save_horizons(connection, [one])
        assert retention.horizon(connection, 1) == one
        assert retention.horizons(connection) == {1: one, 2: Horizon(2)}


# --- the journal ------------------------------------------------------------------------------------------------------


def _group(n: int) -> Group:
    return Group(n, 1, UID, 2, n + 100, 0, 0, 0, None, None, 1, 0, 0, 1, NOW + n)


def _slice(connection: Connection, number: int, first: int, last: int, *, whole: bool = True) -> None:
    digest, frame = encode_segment(Segment(1))
    segments = [
        SliceSegment(number, 0, 1, None, 0, "log", digest, len(frame), 20, 1, frame, None),
        SliceSegment(number, 1, None, 4, 0, "content", DIGEST, 10, 20, 1, None, None),
    ]
    slices.insert_slice(connection, Slice(number, 1, first, last, whole, 10 * number), segments)
    journal.insert_groups(connection, [_group(n) for n in range(first, last + 1)])


def test_slices_are_taken_out_from_the_oldest_on(store: Store) -> None:
    with store.transaction() as connection:
        assert purging.newest_slice(connection) == purging.last_whole(connection, 9) == 0
        assert purging.first_kept(connection) is None
        for number, first, last, whole in ((1, 1, 4, True), (2, 5, 6, False), (3, 7, 9, True)):
            _slice(connection, number, first, last, whole=whole)
        assert purging.newest_slice(connection) == 3
        assert [purging.last_whole(connection, number) for number in (1, 2, 3)] == [1, 1, 3]
        assert purging.slice_sizes(connection, 1, 3) == [(2, 20), (3, 30)]
        assert purging.bytes_between(connection, 0, 2) == 30
        assert purging.bytes_between(connection, 3, 9) == 0
        assert purging.oldest_slices(connection, 3, 2) == [OldSlice(1, 4, 10, True), OldSlice(2, 6, 20, False)]
        assert purging.spooled_content(connection, 2) == [DIGEST, DIGEST]
        ((digest, size, _, frame),) = purging.log_frames(connection, 2)
        assert (size, slices.frame(connection, digest)) == (len(frame), frame)
        assert purging.first_group_behind(connection, 1) == NOW + 5
        assert purging.first_group_behind(connection, 3) is None
        purging.delete_slices(connection, 2)
        assert purging.first_kept(connection) == 7
        assert slices.next_slice_id(connection) == 4
        assert purging.log_frames(connection, 2) == []


def test_groups_go_in_small_lots(store: Store) -> None:
    with store.transaction() as connection:
        assert purging.oldest_group(connection) is purging.born_of_oldest(connection) is None
        journal.insert_groups(connection, [_group(n) for n in (3, 5, 6, 8, 9, FAR)])
        assert purging.oldest_group(connection) == (3, NOW + 3)
        assert purging.born_of_oldest(connection) == (2, 103)
        assert purging.count_groups(connection, 9) == 4
        assert [purging.delete_groups(connection, 9, 3) for _ in range(3)] == [3, 1, 0]
        assert list(journal.groups(connection, 0, FAR)) == [9, FAR]
        arguments = (connection, "replicator_journal", "n", "merged = ? AND ", (1,))
        assert [purging.delete_range(*arguments, 9, 5), purging.delete_range(*arguments, FAR, 5)] == [0, 1]


def test_which_groups_touched_a_row_is_forgotten(store: Store) -> None:
    with store.transaction() as connection:
        store.database.upsert(connection, journal_key, [(t, key, n) for t in (1, 2) for key in KEYS for n in (3, 4)])
        purging.delete_journal_keys(connection, 1, KEYS[:3], 3)
        assert journal.pending(connection, 0, 1, KEYS) == dict.fromkeys(KEYS, 4)
        purging.delete_journal_keys(connection, 1, KEYS[:3], 4)
        assert journal.pending(connection, 0, 1, KEYS) == dict.fromkeys(KEYS[3:], 4)
        purging.delete_keys_of_table(connection, 2, 3)
        assert journal.pending(connection, 0, 2, KEYS) == dict.fromkeys(KEYS, 4)
        purging.delete_keys_of_table(connection, 2, 4)
        assert journal.pending(connection, 0, 2, KEYS) == {}


def test_the_first_batch_under_way(store: Store) -> None:
    with store.transaction() as connection:
        assert batches.first_unacknowledged(connection, 1) is None
        for n, opener in ((1, "snap"), (2, None)):
            batch = Batch(1, n, UID * 2, b"\0", opener, 0, 2, 1, FAR + n, 9, 9, 5, 1, 0, NOW)
            batches.insert_batch(connection, batch, [])
        assert batches.first_unacknowledged(connection, 1) == ("snap", (1, FAR + 1))
        batches.drop_batches(connection, 1, 1)
        assert batches.first_unacknowledged(connection, 1) == (None, (1, FAR + 2))


# --- groups that were seen, deleted rows ------------------------------------------------------------------------------


def test_seen_groups_go_epoch_by_epoch(store: Store) -> None:
    places = [(1, n) for n in range(1, 8)] + [(2, 3), (2, 4), (4, 1)]
    with store.transaction() as connection:
        for peer in (1, 2):
            found = [(bytes([peer, place]) * 8, born) for place, born in enumerate(places)]
            rows.remember_groups(connection, peer, found)
        assert purging.count_seen_groups(connection, 1, (2, 4)) == 8
        assert [purging.delete_seen_groups(connection, 1, (2, 4), 3) for _ in range(5)] == [3, 3, 1, 1, 0]
        left = sql.rows(connection, "SELECT peer, count(*) FROM replicator_seen_group GROUP BY peer ORDER BY peer")
        assert [tuple(row) for row in left] == [(1, 2), (2, 10)]
        assert purging.delete_seen_groups(connection, 3, (9, 9), 3) == 0


def test_deleted_rows_are_found_in_the_order_of_their_deletes(store: Store) -> None:
    standing = [Version(1, key, 1, 7, tie="S") for key in KEYS]
    gone = [Version(2, key, epoch, 5 + place, 1) for epoch in (1, 2) for place, key in enumerate(KEYS)]
    with store.transaction() as connection:
        rows.save_versions(store.database, connection, [*standing, *gone, *gone])
        found = purging.oldest_tombstones(connection, (2, 6), 99)
        assert found == [Tombstone(each.epoch, each.n, 2, each.key) for each in gone[:7]]
        assert purging.count_tombstones(connection, (2, 6)) == 7
        assert purging.oldest_tombstones(connection, (2, 6), 2) == found[:2]
        assert purging.oldest_tombstones(connection, (1, 5), 99) == found[:1]
        purging.delete_tombstones(connection, found[3])
        assert purging.oldest_tombstones(connection, (2, 6), 99) == found[4:]
        purging.delete_tombstones(connection, found[-1])
        assert purging.count_tombstones(connection, (9, 9)) == 3
        purging.delete_versions(connection, 2, KEYS[1:])
        assert list(rows.load_versions(store.database, connection, 2, KEYS)) == KEYS[:1]
        assert len(rows.load_versions(store.database, connection, 1, KEYS)) == len(KEYS)
