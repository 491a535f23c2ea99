"""The journal, its slices and batches on every database, in large and awkward values."""

from __future__ import annotations

from hashlib import shake_256
from typing import TYPE_CHECKING

import pytest

from replicator.errors import UnknownName
from replicator.protocol.codec import encode_segment, raw_size
from replicator.protocol.keys import pack_key
from replicator.protocol.messages import PartPlace, Segment, SegmentEntry, SegmentKind, TableBlock
from replicator.protocol.proposals import Conflict, ConflictKind
from replicator.protocol.verdicts import Verdict
from replicator.protocol.working_set import Version
from replicator.store import (
    batches,
    conflicts,
    journal,
    journal_picking,
    journal_reading,
    parcels,
    purging,
    rows,
    scope_keys,
    slice_index,
    slices,
    sql,
    state,
    timelines,
    trails,
)
from replicator.store.batches import Batch, BatchSegment
from replicator.store.journal import Group
from replicator.store.journal_picking import Wanted
from replicator.store.slice_index import Contents, Origin, Sought
from replicator.store.slices import Slice, SliceSegment
from replicator.store.spool import InboundBatch
from replicator.store.tables import journal_key
from replicator.store.timelines import Salvaged
from replicator.store.trails import BatchTrail, MailTrail
from replicator.types import ColumnDefinition, ColumnType, Table, TableDefinition, TypeKind

if TYPE_CHECKING:
    from store_places import Store

NOW = 1_764_000_000_000_000
FAR = 2**62
UID = bytes(range(16))
DIGEST = bytes(range(200, 232))
OTHER = b"%s'\\\0?" * 5 + b"\xff\xfe"
"""A digest that holds what drivers might take for something else."""
LARGE = bytes(range(256)) * 4096
KEYS = sorted([b"", b"\0", b"\x91\xa1a", b"\x91\xa1A", b"'%s?\\", b"\xff" + shake_256(b"long").digest(2599)])

DEFINITION = TableDefinition(
    "t", tuple(ColumnDefinition(name, ColumnType(TypeKind.TEXT)) for name in ("id", "größe")), ("id",)
)


def group(n: int, **changed: object) -> Group:
    found = Group(n, 1, UID, 1, n, 0, 0, 0, None, None, 1, 0, 0, 1, NOW)
    for name, value in changed.items():
        setattr(found, name, value)
    return found


def test_groups(store: Store) -> None:
    large = group(FAR, control="open", body=LARGE)
    with store.transaction() as connection:
        journal.insert_groups(connection, [group(1, entries=2), group(2, control="refresh", body=b"\0%"), large])
        one = group(1, entries=3)
        journal.update_entries(connection, one)
        assert journal.group(connection, 1) == one
        assert journal.group(connection, 3) is None
        assert journal.group(connection, FAR) == large
        assert list(journal.groups(connection, 1, 5)) == [1, 2]
        assert journal.has_pending(connection, 0)
        assert not journal.has_pending(connection, 1)
        assert journal.open_requests(connection, 0, "refresh") == [(2, b"\0%")]
        assert [each.n for each in journal.requests_between(connection, 2, FAR)] == [2, FAR]
        assert journal.groups_numbered(connection, [1, 3, FAR]) == {1: one, FAR: large}
        assert journal.find_groups(connection, 2, FAR, origin=0) == {2, FAR}
        assert journal.find_groups(connection, 0, 9, origin=7, origin_n=3) == set()
        assert journal.find_groups(connection, 0, 1, uid=UID) == {1}


def test_which_groups_touch_a_row(store: Store) -> None:
    with store.transaction() as connection:
        store.database.upsert(connection, journal_key, [(1, key, n) for key in KEYS for n in (3, 4)])
        store.database.upsert(connection, journal_key, [(1, KEYS[0], 4), (1, KEYS[0], 5), (1, KEYS[0], 5)])
        assert journal.pending(connection, 3, 1, KEYS) == {key: 4 if key else 5 for key in KEYS}
        assert journal.pending(connection, 4, 1, KEYS) == {b"": 5}
        assert journal.first_pending(connection, 2, 1, KEYS) == dict.fromkeys(KEYS, 3)
        assert journal.first_pending(connection, 4, 1, KEYS) == {b"": 5}
        assert journal.pending_keys(connection, 3, 1, b"", 2) == KEYS[1:3]
        assert journal_reading.groups_with(connection, 1, b"") == [3, 4, 5]
        many = [b"%06d" % number for number in range(sql.CHUNK + 7)]
        store.database.upsert(connection, journal_key, [(2, key, 9) for key in many])
        assert len(journal.pending(connection, 0, 2, many)) == len(many)


def _segment(slice_: int, ordinal: int, digest: bytes, frame: bytes | None, peer: int | None = None) -> SliceSegment:
    return SliceSegment(slice_, ordinal, None if peer else 1, peer, 0, "log", digest, 10, 20, 1, frame, None)


def test_slices(store: Store) -> None:
    with store.transaction() as connection:
        assert slices.next_slice_id(connection) == 1
        slices.insert_slice(connection, Slice(1, 1, 1, 4, True), [_segment(1, 0, DIGEST, LARGE)])
        content = [_segment(2, 0, OTHER, None, 1), _segment(2, 1, DIGEST, LARGE)]
        slices.insert_slice(connection, Slice(2, 1, 5, 6, False), content)
        slices.mark_whole(connection, 2)
    with store.transaction() as connection:
        assert slices.slices_after(connection, 0, 9) == [Slice(1, 1, 1, 4, True), Slice(2, 1, 5, 6, True)]
        assert slices.next_slice_id(connection) == 3
        found = slices.segments_of(connection, [2, 1])
        assert [(each.slice, each.digest, each.frame) for each in found] == [
            (1, DIGEST, b""),
            (2, OTHER, None),
            (2, DIGEST, b""),
        ]
        assert slices.frame(connection, DIGEST) == LARGE
        assert slices.frame(connection, OTHER) is None
        assert journal_reading.slices_backward(connection, None, 1) == [2]
        assert journal_reading.slices_backward(connection, 2, 9) == [1]
        assert journal_reading.slices_of(connection, 5) == [2]
        assert list(journal_reading.slices_after(connection, 4)) == [2]
        assert journal_reading.changes_of_slice(connection, 9, {}) == []
        assert slices.groups_uncut(connection, 6) == 0
        assert [slices.last_through(connection, (0, n)) for n in (3, 4, 6)] == [0, 1, 2]
        assert [slices.ending_at(connection, (1, n)) for n in (4, 5, 6)] == [1, None, 2]
        assert slices.ending_at(connection, (2, 4)) is None
        assert [slices.first_behind(connection, slice_id) for slice_id in (0, 1, 2)] == [1, 5, None]
        assert slices.end_of(connection, 2) == (1, 6)
        assert slices.end_of(connection, 9) == (0, 0)
        assert slices.content_behind(connection, 1, 1) == [OTHER]
        assert slices.content_behind(connection, 2, 1) == slices.content_behind(connection, 1, 2) == []


def test_what_of_the_spool_is_needed(store: Store) -> None:
    entry = SegmentEntry(OTHER, 10, 20, SegmentKind.CONTENT, 3)
    with store.transaction() as connection:
        slices.insert_content(connection, FAR, [entry, SegmentEntry(DIGEST, 1, 2, SegmentKind.CONTENT, 1)])
        assert slices.unneeded(connection, [DIGEST, OTHER, UID * 2]) == [UID * 2]
        assert slices.spooled(connection) == {DIGEST, OTHER}
        assert slices.take_content(connection, FAR)[0] == entry
        assert slices.spooled(connection) == set()
        slices.insert_slice(connection, Slice(1, 1, 1, 1, True), [_segment(1, 0, OTHER, None, 1)])
        assert slices.unneeded(connection, [OTHER]) == [OTHER]


def _batch(n: int, size: int = 1000) -> Batch:
    return Batch(1, n, DIGEST, LARGE, None, 0, 2, 1, FAR, size, size, 5, 1, 0, NOW + n)


def test_batches(store: Store) -> None:
    segments = [BatchSegment(OTHER, 9, False), BatchSegment(DIGEST, 1, True)]
    with store.transaction() as connection:
        for n in (1, 2):
            batches.insert_batch(connection, _batch(n), segments)
        batches.mark_sent(connection, 1, 1, 4, True)
    with store.transaction() as connection:
        assert batches.batch(connection, 1, 2) == _batch(2)
        assert batches.batch(connection, 1, 3) is None
        assert batches.batch_segments(connection, 1, 1) == [
            BatchSegment(OTHER, 9, False),
            BatchSegment(DIGEST, 1, True),
        ]
        assert [(each.n, each.sent_probe, each.repeated) for each in batches.unacknowledged(connection, 1)] == [
            (1, 4, True),
            (2, 1, False),
        ]
        assert batches.oldest_at(connection, 1) == NOW + 1
        assert slices.spooled(connection) == {OTHER}
        assert batches.drop_batches(connection, 1, 1) == ((1, FAR), 1000, [OTHER])
        assert batches.drop_batches(connection, 1, 1) == (None, 0, [])
        assert batches.oldest_at(connection, 2) is None


def test_the_queue(store: Store) -> None:
    with store.transaction() as connection:
        batches.insert_batch(connection, _batch(1, 2**40), [])
        assert not batches.waits(connection, 1, [1, 2])
        batches.enqueue(connection, 1, 1, 2, [(0, 100), (100, 2**40)])
        assert sorted(batches.waiting_ranges(connection, 1, 1, 2)) == [(0, 100), (100, 2**40)]
        assert batches.waiting_ranges(connection, 1, 1, 1) == []
        assert [(item.start, item.length) for item in batches.queued(connection, 1, 2)] == [(0, 100), (100, 2**40)]
        assert batches.waits(connection, 1, [1, 2])
        assert batches.queue_bytes(connection, 1, [1, 2]) == 100 + 2**40
        assert batches.queue_bytes(connection, 1, [1]) == 0
        batches.mark_queue_sent(connection, 1, [2], 7)
        assert batches.unacknowledged(connection, 1)[0].sent_probe == 7
        batches.recut(connection, 2, 2**39)
        assert [item.length for item in batches.queued(connection, 1, 2)] == [100, 2**39, 2**39]
        batches.dequeue(connection, [item.id for item in batches.queued(connection, 1, 2, 2)])
        assert len(batches.queued(connection, 1, 2)) == 1


def test_digests(store: Store) -> None:
    with store.transaction() as connection:
        batches.remember_digest(connection, 1, "in", 1, OTHER)
        batches.remember_digest(connection, 1, "out", 1, DIGEST)
        assert batches.digest_of(connection, 1, "in", 1) == OTHER
        batches.forget_digests(connection, 1, "in")
        assert batches.digest_of(connection, 1, "in", 1) is None
        assert batches.digest_of(connection, 1, "out", 1) == DIGEST
        batches.remember_digest(connection, 1, "left", 9, OTHER)
        batches.rename_digests(connection, 1, "out", "left")
        assert [batches.digest_of(connection, 1, "left", n) for n in (1, 9)] == [DIGEST, None]
        assert batches.digest_of(connection, 1, "out", 1) is None


def test_parts_that_come(store: Store) -> None:
    epoch, place = (1, 2), InboundBatch(1, (1, 2), 3)
    with store.transaction() as connection:
        for offset, length, received in ((50, 50, 50), (50, 50, 50), (0, 40, 90)):
            part = PartPlace(epoch, 3, 100, offset, (0, 1), None, b"\0%\xff'")
            assert parcels.add_part(connection, 1, part, length).received == received
        assert parcels.has_part(connection, 1, part, 40)
        assert not parcels.has_part(connection, 1, part, 41)
        assert parcels.parts(connection, 1, epoch, 3) == [(0, 40), (50, 50)]
        found = parcels.parked(connection, 1, epoch, 3)
        assert found is not None
        assert parcels.all_parked(connection, 1) == [found]
        assert parcels.parked_bytes(connection, 1) == 90
        assert [gap.n for gap in parcels.missing(connection, 1, epoch, 2, 4)] == [3, 4]
        assert parcels.drop_other_epochs(connection, 1, epoch) == []
        assert parcels.drop_other_epochs(connection, 1, (2, 1)) == [place]
        parcels.drop(connection, place)
        assert parcels.parked_bytes(connection, 1) == 0


# --- rows -------------------------------------------------------------------------------------------------------------


def test_versions(store: Store) -> None:
    versions = [Version(1, key, 1, FAR, 0, 2, 3, 1, NOW, "S", LARGE if not key else None) for key in KEYS]
    changed = [versions[3]._replace(n=8, tie="", at=0), versions[4]._replace(n=9), versions[4]._replace(n=10)]
    with store.transaction() as connection:
        rows.save_versions(store.database, connection, versions)
        rows.save_versions(store.database, connection, changed)
        expected = {version.key: version for version in [*versions, *changed]}
        assert rows.load_versions(store.database, connection, 1, KEYS) == expected
        assert rows.versions_of_table(connection, 1, b"", 9) == [expected[key] for key in KEYS[1:]]
        assert rows.load_versions(store.database, connection, 2, KEYS) == {}
        behind = [(1, 1, (1, 9)), (1, 1, (1, FAR)), (1, 3, (0, 5)), (2, 9, (0, 0))]
        found = [[version.key for version in rows.versions_behind(connection, 1, span, b"", 9)] for span in behind]
        lost = [key for key in KEYS[1:] if expected[key].n > 9]
        assert found == [lost, [], KEYS[1:], []]
        assert rows.versions_behind(connection, 1, behind[0], b"", 1) == [expected[lost[0]]]


def test_what_stations_have(store: Store) -> None:
    with store.transaction() as connection:
        for _ in range(2):
            rows.add_link_rows(store.database, connection, 1, 1, KEYS)
        rows.add_link_rows(store.database, connection, 1, 2, KEYS)
        assert rows.link_rows(connection, 1, 1, b"", 2) == KEYS[1:3]
        assert rows.count_link_rows(connection, 1, 1) == len(KEYS)
        rows.copy_link_rows(connection, of=1, to=7)
        assert rows.link_rows(connection, 7, 1, b"", 9) == KEYS[1:]
        rows.remove_link_rows(connection, 1, 1, KEYS[:4])
        assert rows.link_rows(connection, 1, 1, b"", 9) == KEYS[4:]
        rows.clear_link_rows(connection, 1, 1)
        assert rows.link_rows(connection, 1, 1, b"", 9) == []
        rows.clear_all_link_rows(connection, 1)
        assert rows.link_rows(connection, 1, 2, b"", 9) == []


def test_what_was_skipped(store: Store) -> None:
    with store.transaction() as connection:
        assert not rows.has_skipped(connection)
        skipped = {(table, key): ((1, 2), (1, "ä") if key else None) for table in (1, 2) for key in KEYS}
        rows.keep_skipped(store.database, connection, skipped)
        assert rows.has_skipped(connection)
        assert sorted(rows.skipped_keys(connection)) == sorted(skipped)
        assert rows.skipped_of_table(connection, 2, KEYS[4], 1) == [(KEYS[5], (1, 2), (1, "ä"))]
        page = rows.skipped_images(connection, (1, KEYS[4]), 2)
        assert page == [(1, KEYS[5], (1, "ä")), (2, KEYS[1], (1, "ä"))]
        rows.drop_skipped(connection, list(skipped)[1:])
        assert rows.skipped_keys(connection) == [(1, b"")]


def test_timelines(store: Store) -> None:
    key, other = KEYS[1:3]
    with store.transaction() as connection:
        timelines.end(connection, 1, 1, (1, FAR))
        timelines.end(connection, 1, 3, (3, 4))
        timelines.end(connection, 2, 3, (3, 5))
        assert timelines.load(connection, 1) == {1: (1, FAR), 3: (3, 4)}
        timelines.end(connection, 1, 2, (2, 9))
        assert timelines.load(connection, 1) == {1: (1, FAR), 2: (2, 9)}, "what came after it is over as well"
        timelines.replace(connection, 1, {7: (0, 0)})
        assert timelines.load(connection, 1) == {7: (0, 0)}
        timelines.clear(connection, 1)
        assert timelines.load(connection, 1) == {}
        assert timelines.load(connection, 2) == {3: (3, 5)}
        for origin in ((1, 7), (1, FAR)):
            timelines.keep_salvaged(store.database, connection, 1, {key: Salvaged((2, 1), origin)})
        assert timelines.load_salvaged(store.database, connection, 1, [key, other]) == {key: Salvaged((2, 1), (1, FAR))}


def test_groups_that_were_seen(store: Store) -> None:
    with store.transaction() as connection:
        rows.remember_groups(connection, 1, [(UID, (1, FAR)), (b"\0" * 16, (1, 2))])
        assert rows.seen_groups(connection, 1, [UID, b"\xff" * 16]) == {UID}
        assert rows.seen_groups(connection, 2, [UID]) == set()


def test_conflicts(store: Store) -> None:
    kind = next(iter(ConflictKind))
    found = Conflict(1, KEYS[-1], kind, (1, "a"), None, (1, "ä" * 40_000), 0b10, FAR, NOW, 2)
    known = {number: Table(number, f"t{number}", DEFINITION) for number in (1, 2)}
    with store.transaction() as connection:
        here = (1, FAR), UID
        conflicts.record(connection, 1, NOW, [(*here, found), (*here, found._replace(key=b"", mask=0))], known)
        assert conflicts.station_images(connection, str(kind), 1, KEYS) == {(KEYS[-1], None), (b"", None)}
        assert conflicts.station_images(connection, "other", 1, KEYS) == set()
        conflicts.record(connection, 0, NOW + 9, [((1, 3), None, found._replace(table=2))], known)
        assert conflicts.count(connection) == 3
        first, second, third = conflicts.recent(connection)
        assert (first.key, second.key, third.uid, first.n) == (KEYS[-1], b"", None, FAR)
        assert (first.column_names, second.column_names) == ('["größe"]', None)
        assert (first.station_at, first.host_at, first.host_writer) == (FAR, NOW, 2)
        assert conflicts.recent(connection, table=1, peer=1, after=first.id) == [second]
        assert conflicts.load(connection, third.id) == third
        with pytest.raises(UnknownName):
            conflicts.load(connection, third.id + 1)
        conflicts.settle(connection, second.id, NOW + 1, "station")
        assert [row.id for row in conflicts.recent(connection, only_open=True)] == [first.id, third.id]
        settled = conflicts.load(connection, second.id)
        assert (settled.settled_at, settled.settled_by) == (NOW + 1, "station")
        conflicts.forget(connection, NOW + 9)
        assert [row.id for row in conflicts.recent(connection)] == [third.id]


def test_keys_of_a_scope(store: Store) -> None:
    with store.transaction() as connection:
        for _ in range(2):
            scope_keys.add(store.database, connection, scope_keys.CONTENT, 1, KEYS)
        assert scope_keys.there(store.database, connection, scope_keys.CONTENT, 1, [*KEYS, b"none"]) == set(KEYS)
        assert scope_keys.page(connection, scope_keys.CONTENT, 1, KEYS[1], 3) == KEYS[2:5]
        assert scope_keys.there(store.database, connection, scope_keys.CONTENT + 1, 1, KEYS) == set()
        scope_keys.clear(connection)
        assert scope_keys.page(connection, scope_keys.CONTENT, 1, b"", 3) == []


def test_what_a_peer_had_goes_with_it(store: Store) -> None:
    with store.transaction() as connection:
        rows.add_link_rows(store.database, connection, 1, 1, KEYS)
        batches.insert_batch(connection, _batch(1), [])
        state.delete_peer(connection, 1)
        assert rows.link_rows(connection, 1, 1, b"", 9) == []
        assert batches.batch(connection, 1, 1) is None


# --- looking for something --------------------------------------------------------------------------------------------


def _noted(store: Store, slice_id: int, contents: Contents) -> None:
    with store.transaction() as connection:
        times = contents.first_at, contents.last_at
        slices.insert_slice(connection, Slice(slice_id, 1, slice_id, slice_id, True, 5, *times), [])
        slice_index.insert(connection, slice_id, contents)


def test_what_is_in_which_slice(store: Store) -> None:
    with store.transaction() as connection:
        slices.insert_slice(connection, Slice(1, 1, 1, 1, True), [])  # of an earlier version
    _noted(
        store, 2, Contents(NOW, NOW + 5, {1: {KEYS[0], KEYS[5]}}, {0: Origin(), 7: Origin(3, 5, Verdict.ALTERED.bit)})
    )
    _noted(
        store, 3, Contents(NOW + 9, NOW + 9, {1: {KEYS[4]}, 2: {KEYS[5]}}, {7: Origin(6, FAR, Verdict.RETURNED.bit)})
    )
    every = Verdict.ALTERED.bit | Verdict.RETURNED.bit
    with store.transaction() as connection:

        def find(newest: bool = True, first: int = 0, last: int = 9, limit: int = 9, **sought: object) -> list[int]:
            return slice_index.find(
                store.database,
                connection,
                Sought(**sought),  # type: ignore[arg-type]
                first=first,
                last=last,
                newest=newest,
                limit=limit,
            )

        assert find() == [3, 2, 1]
        assert find(newest=False) == [1, 2, 3]
        assert find(limit=2) == [3, 2]
        assert find(newest=False, limit=1) == [1]
        assert find(first=2, last=2) == [2]
        assert find(table=1) == [3, 2, 1]
        assert find(table=2) == [3, 1]
        assert find(table=3) == [1]
        assert find(table=1, keys=(KEYS[5],)) == [2, 1]
        assert find(table=1, keys=(KEYS[5], KEYS[4])) == [3, 2, 1]
        assert find(table=2, keys=(KEYS[0],)) == [1]
        assert find(since=NOW + 6) == [3, 1]
        assert find(until=NOW + 8) == [2, 1]
        assert find(since=NOW + 5, until=NOW + 5, table=1) == [2, 1]
        assert find(origin=0) == [2, 1]
        assert find(origin=7, origin_n=5) == [2, 1]
        assert find(origin=7, origin_n=FAR, table=2) == [3, 1]
        assert find(verdicts=Verdict.ALTERED.bit) == [2, 1]
        assert find(verdicts=every, table=2, since=NOW) == [3, 1]
        assert find(verdicts=Verdict.ACCEPTED.bit, origin=7) == [1]
        assert [each.id for each in slices.slices_numbered(connection, [1, 3, 8]).values()] == [1, 3]
        assert journal_reading.first_slice_behind(connection, 1) == 2
        assert journal_reading.first_slice_behind(connection, 3) is None
        purging.delete_slices(connection, 2)
        assert find() == [3]
        assert find(table=1, keys=(KEYS[0],)) == []
        assert find(table=2) == [3]
        slice_index.delete(connection, 3)
        assert find(table=2) == []


def test_changes_that_are_picked(store: Store) -> None:
    rows_ = [(f"k{place}", "größe" * place) for place in range(50)]
    block = TableBlock(1, numbers=[4] * 20 + [5] * 30, orders=[*range(20), *range(30)], classes="N" * 50, rows=rows_)
    digest, frame = encode_segment(Segment(1, origin=7, blocks=[block]))
    segment = SliceSegment(1, 0, 3, None, 7, "log", digest, len(frame), raw_size(frame), 50, frame, None)
    with store.transaction() as connection:
        slices.insert_slice(connection, Slice(1, 1, 4, 5, True), [segment])
        wanted = Wanted(
            table=1, keys=frozenset(map(pack_key, [("k3",), ("k44",)])), after=(4, 3), verdicts={Verdict.ACCEPTED}
        )
        picked = journal_picking.pick(connection, 1, {1: DEFINITION}, wanted)
        assert [(each.n, each.order, each.image, each.verdict) for each in picked.changes] == [
            (5, 24, rows_[44], Verdict.ACCEPTED)
        ]
        assert (picked.first, picked.last) == ((4, 0), (5, 29))
        newest = journal_picking.pick(connection, 1, {1: DEFINITION}, Wanted(limit=2, newest=True, before=(5, 29)))
        assert [(each.n, each.order) for each in newest.changes] == [(5, 27), (5, 28)]
        assert newest.changes[0].recipients == 3
        assert journal_picking.pick(connection, 1, {}, Wanted()).changes == []


def test_trails(store: Store) -> None:
    def batch(n: int, high: int, epoch: int = 1, **changed: object) -> BatchTrail:
        found = BatchTrail(1, trails.OUT, 1, epoch, n, 1, high, None, 10, 3, 0, NOW + n)
        return found._replace(**changed)  # type: ignore[arg-type]

    mail = MailTrail(1, trails.OUT, 1, 1, 2, "<%s'ü@example.com>", NOW)
    with store.transaction() as connection:
        for each in (batch(1, 5), batch(2, 9), batch(1, FAR, 2, opener="snap"), batch(3, 2, high_epoch=2)):
            trails.note_batch(store.database, connection, each)
        trails.note_batch(store.database, connection, batch(7, 1, direction=trails.IN, judged_n=4))
        trails.note_mails(store.database, connection, [mail, mail, mail._replace(message_id="<2>", at=NOW + 1)])
        trails.note_acknowledged(connection, 1, (1, 1), 1, 2, NOW + 50)
    with store.transaction() as connection:
        found = trails.covering(connection, 1, trails.OUT, (1, 6))
        assert [(each.epoch, each.n, each.acknowledged_at) for each in found] == [
            ((1, 1), 2, NOW + 50),
            ((1, 2), 1, None),
            ((1, 1), 3, None),
        ]
        assert [each.message_id for each in trails.mails_of(connection, found[0])] == ["<%s'ü@example.com>", "<2>"]
        assert trails.covering(connection, 2, trails.OUT, (1, 6)) == []
        judged = trails.judged_by(connection, 1, 4)
        assert judged is not None
        assert judged.n == 7
        assert trails.judged_by(connection, 1, 5) is None
        assert trails.purge(connection, NOW + 2, 100) == 4
        assert [each.n for each in trails.covering(connection, 1, trails.OUT, (1, 0))] == [2, 3]
        assert trails.purge(connection, NOW + 2, 100) == 0


def test_conflicts_of_a_row(store: Store) -> None:
    with store.transaction() as connection:
        found = [((1, n), None, Conflict(1, KEYS[n], ConflictKind.BOTH_CHANGED, None, None, None)) for n in (1, 2, 1)]
        conflicts.record(connection, 7, NOW, found, {1: Table(1, "t", DEFINITION)})
        assert [row.n for row in conflicts.of_row(connection, 1, KEYS[:2])] == [1, 1]
        assert conflicts.of_row(connection, 2, KEYS[1:2]) == []
