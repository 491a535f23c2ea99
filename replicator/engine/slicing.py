"""The journal becomes slices: pieces of at most about 1 MB, the same for all links, each as segments by recipients.

A segment holds records with the same recipients and the same origin; it is encoded and compressed once and kept once in
the spool, however many stations get it. What is private to a link (acks, verdicts, rules) is a segment of its own
(protocol.md 4, Segments; 5.2).
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, field

from replicator.engine.collect import unpack_mask
from replicator.engine.node import Node, Unit
from replicator.protocol.codec import encode_segment, raw_size
from replicator.protocol.codec_plain import unpack, unpack_rows
from replicator.protocol.keys import unpack_key
from replicator.protocol.messages import ControlRecord, GroupHead, Segment, SegmentEntry, SegmentKind, TableBlock
from replicator.store import batches, journal
from replicator.store.batches import Slice, SliceSegment
from replicator.store.journal import Entry, Group
from replicator.types import Value

GROUPS = 10_000
"""Groups in one slice at most."""
ENTRIES = 20_000


def slice_journal(node: Node) -> int:
    """Cut what is new in the journal, a slice a transaction. Returns how many slices were made."""
    count = 0
    while True:
        with node.unit() as unit:
            if not _has_more(unit) or not cut_slice(unit):
                return count
        count += 1


def _has_more(unit: Unit) -> bool:
    state = unit.state
    return state.sliced_n < state.last_n or not state.sliced_whole


@dataclass(slots=True)
class Piece:
    """Groups and entries of one slice. `begun`: groups whose beginning stands in it."""

    groups: dict[int, Group]
    begun: list[Group]
    entries: list[Entry]
    last: Group
    whole: bool


def cut_slice(unit: Unit) -> bool:
    """Make the next slice; False when nothing is left."""
    piece = _next_piece(unit)
    if piece is None:
        return False
    number = batches.next_slice_id(unit.connection)
    shared = _Builder(unit, number)
    segments = shared.for_stations(piece) if unit.is_host else shared.for_host(piece)
    last_entry = piece.entries[-1].id if piece.entries else unit.state.sliced_entry
    slice_ = Slice(number, piece.last.host_epoch, piece.last.n, last_entry, piece.whole)
    batches.insert_slice(unit.connection, slice_, segments)
    state = unit.state
    state.sliced_n, state.sliced_entry, state.sliced_whole = piece.last.n, last_entry, piece.whole
    return True


def _next_piece(unit: Unit) -> Piece | None:
    state, connection = unit.state, unit.connection
    groups = journal.groups_after(connection, state.sliced_n, GROUPS)
    if not state.sliced_whole:
        begun_before = journal.group(connection, state.sliced_n)
        groups = [begun_before, *groups] if begun_before is not None else groups
    if not groups:
        return None
    newest = groups[-1]
    last_entry = newest.first_entry + newest.entries - 1
    entries = _entries(unit, state.sliced_entry, last_entry)
    if entries:
        reached = entries[-1]
        # All groups up to the one the last entry belongs to, and the empty ones right behind it.
        whole = any(group.n == reached.n and reached.id == group.first_entry + group.entries - 1 for group in groups)
        taken = [group for group in groups if group.n <= reached.n]
        for group in groups[len(taken) :] if whole else ():
            if group.entries:
                break
            taken.append(group)
    else:
        taken, whole = groups, True
    begun = [group for group in taken if group.n > state.sliced_n]
    return Piece({group.n: group for group in taken}, begun, entries, taken[-1], whole)


def _entries(unit: Unit, after: int, last: int) -> list[Entry]:
    """Entries from `after` on, about as many as make the aimed-at size."""
    limit, size = unit.node.settings.slice_bytes, 0
    taken: list[Entry] = []
    for chunk in journal.entries_after(unit.connection, after, last):
        for entry in chunk:
            size += len(entry.key) + len(entry.image or b"") + len(entry.old_values or b"") + 8
            if taken and (size > limit or len(taken) >= ENTRIES):
                return taken
            taken.append(entry)
    return taken


@dataclass(slots=True)
class _Builder:
    unit: Unit
    slice_id: int
    made: list[SliceSegment] = field(default_factory=list)

    def _add(self, segment: Segment, rows: int, *, recipients: int | None = None, peer: int | None = None) -> None:
        entry = store_segment(self.unit, segment, SegmentKind.LOG, rows)
        self._append(entry, segment.origin, recipients, peer)

    def _append(self, entry: SegmentEntry, origin: int, recipients: int | None, peer: int | None) -> None:
        self.made.append(
            SliceSegment(
                self.slice_id,
                len(self.made),
                recipients,
                peer,
                origin,
                str(entry.kind),
                entry.digest,
                entry.size,
                entry.raw_size,
                entry.rows,
            )
        )

    # --- upward ------------------------------------------------------------------------------------------------------

    def for_host(self, piece: Piece) -> list[SliceSegment]:
        heads = [
            GroupHead(
                group.n,
                group.uid,
                (group.born_epoch, group.born_n),
                (group.rule_epoch, group.rule_n),
                group.at,
                bool(group.merged),
                None if group.control is None else (group.control, None if group.body is None else unpack(group.body)),
            )
            for group in piece.begun
        ]
        blocks = [upward_block(table, entries, piece.groups) for table, entries in _by_table(piece.entries).items()]
        self._add(Segment(groups=heads, blocks=blocks), len(piece.entries), peer=0)
        return self.made

    # --- downward ----------------------------------------------------------------------------------------------------

    def for_stations(self, piece: Piece) -> list[SliceSegment]:
        shared: defaultdict[tuple[int, int], list[Entry]] = defaultdict(list)
        verdicts: defaultdict[int, list[Entry]] = defaultdict(list)
        controls = self._acknowledgements(piece)
        contents: list[tuple[int, int]] = []
        stations = self.unit.recipient_sets.stations
        for entry in piece.entries:
            if entry.change == "X":
                (peer,) = stations[entry.recipients or 0]
                order = entry.id - piece.groups[entry.n].first_entry
                body = None if entry.image is None else unpack(entry.image)
                controls[peer].append(ControlRecord(entry.n, order, entry.key.decode(), body))
                contents.append((peer, entry.n))
                continue
            if entry.recipients is not None and not (entry.origin and stations[entry.recipients] == (entry.origin,)):
                # (What only its own origin would get, nobody gets: the ack says it all.)
                shared[entry.recipients, entry.origin].append(entry)
            if entry.must is not None:
                verdicts[entry.must].append(entry)
        for (recipients, origin), entries in shared.items():
            segment = Segment(piece.last.host_epoch, origin, blocks=_downward(entries, piece.groups, verdict=False))
            self._add(segment, len(entries), recipients=recipients)
        for peer in sorted({*controls, *verdicts}):
            blocks = _downward(verdicts[peer], piece.groups, verdict=True)
            segment = Segment(piece.last.host_epoch, blocks=blocks, controls=controls[peer])
            self._add(segment, len(verdicts[peer]), peer=peer)
        for peer, n in contents:
            for content in batches.take_content(self.unit.connection, n):
                self._append(content, 0, None, peer)
        return self.made

    def _acknowledgements(self, piece: Piece) -> defaultdict[int, list[ControlRecord]]:
        """One `ack` for each group of a station; runs of them are merged, never across a row record (5.2)."""
        targets = self._targets(piece)
        controls: defaultdict[int, list[ControlRecord]] = defaultdict(list)
        open_run: dict[int, bool] = {}
        begun = {group.n for group in piece.begun}
        for n in sorted(piece.groups):
            group = piece.groups[n]
            if group.origin and n in begun:
                record = ControlRecord(n, 0, "ack", [[0, group.origin_epoch], group.origin_n])
                acks = controls[group.origin]
                if open_run.get(group.origin):
                    acks[-1] = record
                else:
                    acks.append(record)
                open_run[group.origin] = True
            for peer in targets.get(n, ()):
                open_run[peer] = False
        return controls

    def _targets(self, piece: Piece) -> dict[int, set[int]]:
        """Which links get a row or control record of which group."""
        kinds: defaultdict[int, set[tuple[int | None, int, int | None]]] = defaultdict(set)
        for entry in piece.entries:
            kinds[entry.n].add((entry.recipients, entry.origin, entry.must))
        stations = self.unit.recipient_sets.stations
        return {
            n: {
                peer
                for recipients, origin, must in found
                for peer in (*(stations[recipients] if recipients else ()), *((must,) if must else ()))
                if peer != origin
            }
            for n, found in kinds.items()
        }


def store_segment(unit: Unit, segment: Segment, kind: SegmentKind, rows: int) -> SegmentEntry:
    """Encode a segment and keep it in the spool, durable before the commit that names it."""
    digest, frame = encode_segment(segment)
    size = unit.node.spool.add_segment(digest, frame)
    return SegmentEntry(digest, size, raw_size(frame), kind, rows)


def _by_table(entries: list[Entry]) -> dict[int, list[Entry]]:
    tables: defaultdict[int, list[Entry]] = defaultdict(list)
    for entry in entries:
        tables[entry.table_id].append(entry)
    return dict(sorted(tables.items()))


def _block(table: int, entries: list[Entry], groups: dict[int, Group]) -> TableBlock:
    firsts = {n: group.first_entry for n, group in groups.items()}
    images = [entry.image for entry in entries if entry.image is not None]
    return TableBlock(
        table,
        numbers=[entry.n for entry in entries],
        orders=[entry.id - firsts[entry.n] for entry in entries],
        classes="".join([entry.change for entry in entries]),
        rows=unpack_rows(images),
        keys=[unpack_key(entry.key) for entry in entries if entry.image is None],
    )


def upward_block(table: int, entries: list[Entry], groups: dict[int, Group]) -> TableBlock:
    block = _block(table, entries, groups)
    changed = [entry for entry in entries if entry.change == "C"]
    block.times = [entry.at for entry in entries]
    block.masks = [unpack_mask(entry.mask) for entry in changed]
    block.before = _old_values(changed, block.masks)
    block.bases = [(entry.base_epoch or 0, entry.base_n or 0) for entry in entries]
    return block


def _old_values(changed: list[Entry], masks: list[int]) -> list[tuple[Value, ...]]:
    """Old values of the masked columns; NULLs for a change whose old values nobody saw (an insert over a row)."""
    known = unpack_rows([entry.old_values for entry in changed if entry.old_values is not None])
    if len(known) == len(changed):
        return known
    found = iter(known)
    return [
        (None,) * mask.bit_count() if entry.old_values is None else next(found)
        for entry, mask in zip(changed, masks, strict=True)
    ]


def _downward(entries: list[Entry], groups: dict[int, Group], *, verdict: bool) -> list[TableBlock]:
    blocks = []
    for table, found in _by_table(entries).items():
        block = _block(table, found, groups)
        block.verdict = verdict
        blocks.append(block)
    return blocks
