"""The segments of one slice of the journal: records with the same recipients and origin, a column at a time.

A segment is encoded and compressed once and kept once, however many stations get it. What is private to a link (acks,
verdicts, rules) is a segment of its own (protocol.md 4, Segments; 5.2).
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Set
from dataclasses import dataclass, field
from operator import itemgetter
from typing import TYPE_CHECKING, NamedTuple

from replicator.protocol.codec import encode_segment, raw_size
from replicator.protocol.codec_detail import Detail, encode_details
from replicator.protocol.codec_plain import unpack
from replicator.protocol.control_bodies import WHOLE, plain_whole
from replicator.protocol.keys import unpack_key
from replicator.protocol.messages import ControlRecord, GroupHead, Segment, SegmentKind, TableBlock
from replicator.protocol.succession import JUDGED, JudgedGroup, judged_plain
from replicator.store import slices
from replicator.store.journal import Group
from replicator.store.slices import SliceSegment
from replicator.types import NOWHERE, Image, Key, Position, Table, Value

if TYPE_CHECKING:
    from replicator.engine.node import Unit


_TOLD_TOGETHER = 5_000
"""Groups in one record to a backup station."""


class Entry(NamedTuple):
    """One change or record, as it goes into the journal."""

    n: int
    order: int
    table: int
    change: str
    """N, C or D (protocol.md 7.9)."""
    key: Key
    image: Image | None
    mask: int
    before: tuple[Value, ...] | None
    """Old values of the masked columns; of a delete the whole old row. None: nobody saw them."""
    base: Position
    at: int
    recipients: int | None
    origin: int
    """Host: the station whose clean record it is, else 0."""
    must: int
    """Host: the station that gets it as a verdict, else 0."""


@dataclass(slots=True)
class Cutter:
    """Makes the segments of one slice."""

    unit: Unit
    slice_id: int
    made: list[SliceSegment] = field(default_factory=list)
    _begin_at: list[tuple[int, int]] = field(default_factory=list)
    """With each its first place (n, order)."""

    def for_host(self, begun: list[Group], entries: list[Entry]) -> None:
        heads = [_head(group) for group in begun]
        details = [Detail(gone=_gone(rows)) for rows in _by_table(entries).values()]
        blocks = upward_blocks(entries, self.unit.tables)
        self._add(Segment(groups=heads, blocks=blocks), details, peer=0)

    def for_stations(
        self,
        begun: list[Group],
        entries: list[Entry],
        controls: dict[int, list[ControlRecord]],
        contents: list[tuple[int, int]],
        torn: Set[int] = frozenset(),
    ) -> None:
        """`torn`: numbers of transactions that go over from the slice before, or into the next."""
        epoch, tables = self.unit.state.host_epoch, self.unit.tables
        shared: defaultdict[tuple[int | None, int], list[Entry]] = defaultdict(list)
        verdicts: defaultdict[int, list[Entry]] = defaultdict(list)
        for entry in entries:
            if entry.recipients is not None or not entry.must:
                shared[entry.recipients, entry.origin].append(entry)
            if entry.must:
                verdicts[entry.must].append(entry)
        whole = {group.n for group in begun if not group.merged and group.entries > 1} | torn
        for (recipients, origin), found in shared.items():
            by_table = _by_table(found)
            blocks = [_block(table, rows, tables) for table, rows in by_table.items()]
            details = [_detail(rows) for rows in by_table.values()]
            together = _together(found, whole)
            self._add(Segment(epoch, origin, blocks=blocks, controls=together), details, recipients=recipients)
        private = self._acknowledgements(begun, entries, controls)
        self._tell_backups(begun, private)
        for peer in sorted({*private, *verdicts}):
            by_table = _by_table(verdicts[peer])
            blocks = [_block(table, rows, tables, verdict=True) for table, rows in by_table.items()]
            details = [_detail(rows) for rows in by_table.values()]
            together = _together(verdicts[peer], whole)
            self._add(Segment(epoch, blocks=blocks, controls=[*private.get(peer, ()), *together]), details, peer=peer)
        self._put_in_order()
        for peer, n in contents:
            for known in slices.take_content(self.unit.connection, n):
                self.made.append(
                    SliceSegment(
                        self.slice_id,
                        len(self.made),
                        None,
                        peer,
                        0,
                        str(known.kind),
                        known.digest,
                        known.size,
                        known.raw_size,
                        known.rows,
                        None,
                        None,
                    )
                )

    def _put_in_order(self) -> None:
        """By their first places: a station begins a new stretch of the log with a segment that lies behind all before
        it, and what is private to its link may begin before the last of those that it has in common with others."""
        places = sorted(range(len(self.made)), key=self._begin_at.__getitem__)
        self.made = [self.made[place]._replace(ordinal=ordinal) for ordinal, place in enumerate(places)]

    def _add(
        self, segment: Segment, details: list[Detail], *, recipients: int | None = None, peer: int | None = None
    ) -> None:
        digest, frame = encode_segment(segment)
        rows = sum(len(block.classes) for block in segment.blocks)
        self._begin_at.append(min(segment.ends(), default=(0, 0)))
        self.made.append(
            SliceSegment(
                self.slice_id,
                len(self.made),
                recipients,
                peer,
                segment.origin,
                str(SegmentKind.LOG),
                digest,
                len(frame),
                raw_size(frame),
                rows,
                frame,
                encode_details(details) if details else None,
            )
        )

    def _acknowledgements(
        self, begun: list[Group], entries: list[Entry], controls: dict[int, list[ControlRecord]]
    ) -> dict[int, list[ControlRecord]]:
        """One `ack` for each group of a station; runs of them are merged, never across a row record (5.2)."""
        if not any(group.origin for group in begun):
            return controls
        targets = self._targets(entries, controls)
        private: defaultdict[int, list[ControlRecord]] = defaultdict(list)
        open_run: dict[int, bool] = {}
        heads = {group.n: group for group in begun}
        for n in sorted({*heads, *targets}):
            group = heads.get(n)
            if group is not None and group.origin:
                record = ControlRecord(n, 0, "ack", [[0, group.origin_epoch], group.origin_n])
                acks = private[group.origin]
                if open_run.get(group.origin):
                    acks[-1] = record
                else:
                    acks.append(record)
                open_run[group.origin] = True
            for peer in targets.get(n, ()):
                open_run[peer] = False
        for peer, records in controls.items():
            private[peer] += records
        return dict(private)

    def _tell_backups(self, begun: list[Group], private: dict[int, list[ControlRecord]]) -> None:
        """A backup station learns of each group whose it is, in the very slice in which the group begins: wherever its
        log ends, it knows what the rows that it has are of."""
        backups = [peer.id for peer in self.unit.peers.values() if peer.backup]
        if not backups:
            return
        told = [
            JudgedGroup(group.n, group.at, group.origin, group.uid, (group.born_epoch, group.born_n))
            for group in begun
            if group.origin or group.control is None
        ]
        for start in range(0, len(told), _TOLD_TOGETHER):
            groups = told[start : start + _TOLD_TOGETHER]
            record = ControlRecord(groups[0].n, 0, JUDGED, judged_plain(groups))
            for peer in backups:
                private.setdefault(peer, []).append(record)

    def _targets(self, entries: list[Entry], controls: dict[int, list[ControlRecord]]) -> defaultdict[int, set[int]]:
        """Which links get a row or another record of which group."""
        kinds: defaultdict[int, set[tuple[int | None, int, int]]] = defaultdict(set)
        for entry in entries:
            kinds[entry.n].add((entry.recipients, entry.origin, entry.must))
        stations = self.unit.recipient_sets.stations
        targets: defaultdict[int, set[int]] = defaultdict(set)
        for n, found in kinds.items():
            for recipients, origin, must in found:
                targets[n].update(peer for peer in stations.get(recipients or 0, ()) if peer != origin)
                if must:
                    targets[n].add(must)
        for peer, records in controls.items():
            for record in records:
                targets[record.number].add(peer)
        return targets


def _together(entries: list[Entry], whole: Set[int]) -> list[ControlRecord]:
    """Says of which transactions these are changes, so that a station never takes a part of one (protocol.md 5.14)."""
    numbers = {entry.n for entry in entries} & whole if whole else ()
    return [ControlRecord(entries[-1].n, entries[-1].order, WHOLE, plain_whole(numbers))] if numbers else []


# --- blocks -----------------------------------------------------------------------------------------------------------


def _head(group: Group) -> GroupHead:
    request = None
    if group.control is not None:
        request = (group.control, None if group.body is None else unpack(group.body))
    return GroupHead(
        group.n,
        group.uid,
        (group.born_epoch, group.born_n),
        (group.rule_epoch, group.rule_n),
        group.at,
        bool(group.merged),
        request,
    )


def _by_table(entries: list[Entry]) -> dict[int, list[Entry]]:
    found: defaultdict[int, list[Entry]] = defaultdict(list)
    for entry in entries:
        found[entry[2]].append(entry)
    return dict(sorted(found.items(), key=itemgetter(0)))


def upward_blocks(entries: list[Entry], tables: Mapping[int, Table]) -> list[TableBlock]:
    """A station's changes, a block a table, in the versions that the tables are in."""
    return [_upward(table, rows, tables) for table, rows in _by_table(entries).items()]


def _block(table: int, entries: list[Entry], tables: Mapping[int, Table], *, verdict: bool = False) -> TableBlock:
    numbers, orders, _, changes, keys, images = list(zip(*entries, strict=True))[:6]
    classes = "".join(changes)
    if "D" in classes:
        deleted = [unpack_key(key) for key, image in zip(keys, images, strict=True) if image is None]
        rows = [image for image in images if image is not None]
    else:
        deleted, rows = [], list(images)
    return TableBlock(
        table,
        numbers=list(numbers),
        orders=list(orders),
        classes=classes,
        rows=rows,
        keys=deleted,
        verdict=verdict,
        version=tables[table].version if table in tables else NOWHERE,
    )


def _upward(table: int, entries: list[Entry], tables: Mapping[int, Table]) -> TableBlock:
    block = _block(table, entries, tables)
    block.bases, block.times = (list(column) for column in list(zip(*entries, strict=True))[8:10])
    block.masks, block.before = _masks(entries)
    return block


def _masks(entries: list[Entry]) -> tuple[list[int], list[tuple[Value, ...]]]:
    """Masks and old values of changed rows; NULLs where nobody saw the old values (an insert over a row)."""
    changed = [entry[6:8] for entry in entries if entry[3] == "C"]
    return (
        [mask for mask, _ in changed],
        [(None,) * mask.bit_count() if before is None else before for mask, before in changed],
    )


def _gone(entries: list[Entry]) -> list[tuple[Value, ...]] | None:
    """Whole old rows of deletes, where all of them are known."""
    gone = [entry.before for entry in entries if entry[3] == "D"]
    return [row for row in gone if row is not None] if gone and all(row is not None for row in gone) else None


def _detail(entries: list[Entry]) -> Detail:
    masks, before = _masks(entries)
    bases, times = list(zip(*entries, strict=True))[8:10]
    return Detail(list(times), masks, before, _gone(entries), list(bases))
