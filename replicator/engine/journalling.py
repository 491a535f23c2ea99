"""Writing the journal: groups and their changes, a slice at a time, as the segments that are mailed.

A slice is a piece of the journal of at most about 1 MB, the same for all links. Its records with the same recipients
and the same origin form a segment, encoded and compressed once, kept once, however many stations get it. What is
private to a link (acks, verdicts, rules) is a segment of its own (protocol.md 4, Segments; 5.2).
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass, field
from operator import itemgetter
from typing import TYPE_CHECKING, Any, NamedTuple, cast

from replicator.protocol.codec import encode_segment, raw_size
from replicator.protocol.codec_detail import Detail, encode_details
from replicator.protocol.codec_plain import pack_row, unpack
from replicator.protocol.keys import unpack_key
from replicator.protocol.messages import ControlRecord, GroupHead, Segment, SegmentKind, TableBlock
from replicator.store import batches, journal, tables
from replicator.store.batches import Slice, SliceSegment
from replicator.store.journal import Group
from replicator.types import NOWHERE, Image, Key, Position, Value

if TYPE_CHECKING:
    from replicator.engine.node import Unit

_entry = cast(Callable[[type["Entry"], tuple[Any, ...]], "Entry"], tuple.__new__)
"""Four times as fast as the constructor; a run makes one an entry."""

MOST_ENTRIES = 20_000
MOST_GROUPS = 10_000
SAMPLE = 16
"""Every so many entries a row is packed, to learn how big the slice gets."""


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
class Journal:
    """The journal of one unit, written when it ends and whenever a slice is full."""

    unit: Unit
    group: Group | None = None
    """The group under way."""
    _begun: list[Group] = field(default_factory=list)
    _written: bool = False
    """The group under way stands in the database already: a slice was cut in its middle."""
    _torn: int = 0
    """The last slice, if it was cut in the middle of a group."""
    _entries: list[Entry] = field(default_factory=list)
    _controls: dict[int, list[ControlRecord]] = field(default_factory=dict)
    _contents: list[tuple[int, int]] = field(default_factory=list)
    _size: float = 0

    # --- groups ------------------------------------------------------------------------------------------------------

    def open(self, group: Group) -> Group:
        """Begin a group; the one before is whole."""
        self.close()
        if len(self._begun) >= MOST_GROUPS or self._size > 0.75 * self.unit.node.settings.slice_bytes:
            self._cut(whole=True)
        self.group = group
        self._begun.append(group)
        return group

    def close(self) -> None:
        """The group under way is whole."""
        if self.group is not None and self._written:
            journal.update_entries(self.unit.connection, self.group)
        self.group, self._written = None, False

    def resume(self, group: Group) -> None:
        """Go on with a group whose beginning was written by an earlier unit."""
        self.close()
        self.group, self._written = group, True
        self._torn = batches.next_slice_id(self.unit.connection) - 1

    def pause(self) -> None:
        """The group under way goes on in a later unit. Nothing more may be journalled in this one."""
        self._cut(whole=False)
        if self.group is not None:
            journal.update_entries(self.unit.connection, self.group)
        self.group, self._written, self._torn = None, False, 0

    def add(
        self,
        table: int,
        change: str,
        key: Key,
        image: Image | None,
        mask: int,
        before: tuple[Value, ...] | None,
        at: int,
        base: Position = NOWHERE,
        recipients: int | None = None,
        origin: int = 0,
        must: int = 0,
    ) -> None:
        """A change of the group under way."""
        group, entries = self.group, self._entries
        assert group is not None  # noqa: S101 - the callers open one
        order = group.entries
        group.entries = order + 1
        row = (group.n, order, table, change, key, image, mask, before, base, at, recipients, origin, must)
        entries.append(_entry(Entry, row))
        if not order % SAMPLE or len(entries) == 1:
            self._size += SAMPLE * (len(pack_row(image or ())) + len(pack_row(before or ())) + 8)
            if self._size > self.unit.node.settings.slice_bytes or len(entries) >= MOST_ENTRIES:
                self._cut(whole=False)

    def add_control(self, peer: int, kind: str, body: Any, *, content: bool = False) -> None:
        """Host: a record that is not a row, for one station. `content`: its rows stand in replicator_content."""
        group = self.group
        assert group is not None  # noqa: S101 - the callers open one
        self._controls.setdefault(peer, []).append(ControlRecord(group.n, group.entries, kind, body))
        group.entries += 1
        if content:
            self._contents.append((peer, group.n))

    def finish(self) -> None:
        """All is whole: the rest becomes a slice. Called at the end of the unit."""
        self.close()
        self._cut(whole=True)

    # --- slices ------------------------------------------------------------------------------------------------------

    def _cut(self, *, whole: bool) -> None:
        unit, entries = self.unit, self._entries
        if not self._begun and not entries and not self._controls:
            if whole and self._torn:
                # It was cut behind the group's last change: the group ends in it after all.
                batches.mark_whole(unit.connection, self._torn)
                self._torn = 0
            return
        journal.insert_groups(unit.connection, self._begun)
        if self.group is not None:
            self._written = True
        if not unit.is_host:
            # Which own changes are pending is asked by row; the host's rows find their history by their versions.
            keys = dict.fromkeys([(entry[2], entry[4], entry[0]) for entry in entries])
            unit.database.upsert(unit.connection, tables.journal_key, list(keys))
        first = min([group.n for group in self._begun] + [entry.n for entry in entries[:1]], default=unit.state.last_n)
        last = unit.state.last_n
        cutter = _Cutter(unit, batches.next_slice_id(unit.connection))
        if unit.is_host:
            cutter.for_stations(self._begun, entries, self._controls, self._contents)
        else:
            cutter.for_host(self._begun, entries)
        slice_ = Slice(cutter.slice_id, unit.state.host_epoch, first, last, whole)
        batches.insert_slice(unit.connection, slice_, cutter.made)
        self._begun, self._entries, self._controls, self._contents, self._size = [], [], {}, [], 0
        self._torn = 0 if whole else slice_.id


@dataclass(slots=True)
class _Cutter:
    """Makes the segments of one slice."""

    unit: Unit
    slice_id: int
    made: list[SliceSegment] = field(default_factory=list)

    def for_host(self, begun: list[Group], entries: list[Entry]) -> None:
        heads = [_head(group) for group in begun]
        found = _by_table(entries)
        blocks = [_upward(table, rows) for table, rows in found.items()]
        details = [Detail(gone=_gone(rows)) for rows in found.values()]
        self._add(Segment(groups=heads, blocks=blocks), details, peer=0)

    def for_stations(
        self,
        begun: list[Group],
        entries: list[Entry],
        controls: dict[int, list[ControlRecord]],
        contents: list[tuple[int, int]],
    ) -> None:
        epoch = self.unit.state.host_epoch
        shared: defaultdict[tuple[int | None, int], list[Entry]] = defaultdict(list)
        verdicts: defaultdict[int, list[Entry]] = defaultdict(list)
        for entry in entries:
            if entry.recipients is not None or not entry.must:
                shared[entry.recipients, entry.origin].append(entry)
            if entry.must:
                verdicts[entry.must].append(entry)
        for (recipients, origin), found in shared.items():
            by_table = _by_table(found)
            blocks = [_block(table, rows) for table, rows in by_table.items()]
            details = [_detail(rows) for rows in by_table.values()]
            self._add(Segment(epoch, origin, blocks=blocks), details, recipients=recipients)
        private = self._acknowledgements(begun, entries, controls)
        for peer in sorted({*private, *verdicts}):
            by_table = _by_table(verdicts[peer])
            blocks = [_block(table, rows, verdict=True) for table, rows in by_table.items()]
            details = [_detail(rows) for rows in by_table.values()]
            self._add(Segment(epoch, blocks=blocks, controls=private.get(peer, [])), details, peer=peer)
        for peer, n in contents:
            for known in batches.take_content(self.unit.connection, n):
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

    def _add(
        self, segment: Segment, details: list[Detail], *, recipients: int | None = None, peer: int | None = None
    ) -> None:
        digest, frame = encode_segment(segment)
        rows = sum(len(block.classes) for block in segment.blocks)
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


def _block(table: int, entries: list[Entry], *, verdict: bool = False) -> TableBlock:
    numbers, orders, _, changes, keys, images = list(zip(*entries, strict=True))[:6]
    classes = "".join(changes)
    if "D" in classes:
        deleted = [unpack_key(key) for key, image in zip(keys, images, strict=True) if image is None]
        rows = [image for image in images if image is not None]
    else:
        deleted, rows = [], list(images)
    return TableBlock(
        table, numbers=list(numbers), orders=list(orders), classes=classes, rows=rows, keys=deleted, verdict=verdict
    )


def _upward(table: int, entries: list[Entry]) -> TableBlock:
    block = _block(table, entries)
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
