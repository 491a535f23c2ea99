"""Some changes of a slice of the journal, for those who look for them: what is not wanted is not made an object of."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import NamedTuple

from sqlalchemy import Connection

from replicator.protocol.codec import decompress_segment
from replicator.protocol.codec_picking import BlockHead, pick_segment
from replicator.protocol.control_bodies import WHOLE
from replicator.protocol.keys import pack_key, unpack_key
from replicator.protocol.messages import SegmentEntry, SegmentKind
from replicator.protocol.verdicts import Verdict, verdict_of
from replicator.store import sql, table_versions
from replicator.store.journal_reading import JournalChange, entries_of_block
from replicator.types import Key, Position, Table, TableDefinition

Place = tuple[int, int]
"""(n of the group, place in it from 0)."""

ROOM = 1 << 62


@dataclass(frozen=True, slots=True)
class Wanted:
    """Which changes are wanted: those that fit all of this."""

    table: int | None = None
    keys: frozenset[Key] | None = None
    """Of these rows of the table."""
    after: Place | None = None
    before: Place | None = None
    """Behind and before these places, which are not among them."""
    since: int | None = None
    until: int | None = None
    """Made not before and not behind these moments, microseconds since 1970 UTC."""
    groups: Collection[int] | None = None
    """Of these groups."""
    verdicts: Collection[Verdict] | None = None
    records: bool = True
    """Records that are no rows as well."""
    limit: int = ROOM
    newest: bool = False
    """So many: the last of them, or the first."""


class Picked(NamedTuple):
    changes: list[JournalChange]
    """In order."""
    bytes: int
    """That were looked through, before compression."""
    first: Place | None
    last: Place | None
    """Where the slice's changes begin and end; None: it has none."""


def pick(connection: Connection, slice_id: int, definitions: Mapping[int, TableDefinition], wanted: Wanted) -> Picked:
    """Those changes of a slice that are wanted, with what became of them where this node is the judge."""
    versions = {known.table.form: known.table for known in table_versions.load_versions(connection)}
    reader = _Reader(definitions, wanted, versions)
    segments = [
        _Frame(decompress_segment(frame, SegmentEntry(digest, size, raw_size, SegmentKind.LOG)), *rest)
        for digest, size, raw_size, frame, *rest in sql.rows(
            connection,
            "SELECT digest, size, raw_size, frame, detail, peer, recipients FROM replicator_slice_segment"
            " WHERE slice = ? AND frame IS NOT NULL ORDER BY ordinal",
            (slice_id,),
        )
    ]
    for each in segments:
        if each.peer:
            reader.note_verdicts(each)
    for each in sorted(segments, key=lambda each: bool(each.peer)):
        reader.take(each)
    places = sorted(reader.found)
    chosen = places[-wanted.limit :] if wanted.newest else places[: wanted.limit]
    size = sum(len(each.raw) for each in segments)
    return Picked([reader.found[place] for place in chosen], size, reader.first, reader.last)


class _Frame(NamedTuple):
    raw: bytes
    detail: bytes | None
    peer: int | None
    """Host: whom it is for alone."""
    recipients: int | None


@dataclass(slots=True)
class _Reader:
    definitions: Mapping[int, TableDefinition]
    wanted: Wanted
    versions: Mapping[tuple[int, Position], Table]
    """Of tables that were ever changed."""
    found: dict[Place, JournalChange] = field(default_factory=dict)
    first: Place | None = None
    last: Place | None = None
    _due: dict[Place, int] = field(default_factory=dict)
    """To whom a change goes as a verdict."""
    _shared: set[Place] = field(default_factory=set)
    """Those of them that go to others, too."""

    def note_verdicts(self, frame: _Frame) -> None:
        def note(head: BlockHead) -> list[int]:
            if head.verdict and frame.peer:
                self._due.update((place, frame.peer) for place in zip(head.numbers, head.orders, strict=True))
            return []

        pick_segment(frame.raw, frame.detail, note)

    def take(self, frame: _Frame) -> None:
        segment, details = pick_segment(frame.raw, frame.detail, lambda head: self._choose(head, bool(frame.peer)))
        for block, more in zip(segment.blocks, details, strict=True):
            form = self.versions.get((block.table, block.version))
            definition = self.definitions.get(block.table) if form is None else form.definition
            if definition is not None:
                for change in entries_of_block(block, more, None, definition, form):
                    self._add(change, frame, segment.origin)
        if self.wanted.records:
            for record in segment.controls:
                place = record.number, record.order
                if record.kind not in ("ack", WHOLE) and self._is_within(place):
                    self.found[place] = JournalChange(
                        *place, 0, record.kind, (), None, 0, None, None, frame.peer, record.body
                    )

    def _choose(self, head: BlockHead, private: bool) -> list[int]:
        places = list(zip(head.numbers, head.orders, strict=True))
        if places:
            self.first = min(self.first or places[0], places[0])
            self.last = max(self.last or places[-1], places[-1])
        if self._due and not private:
            self._shared.update(place for place in places if place in self._due)
        chosen = self._fitting(head, places)
        if private:
            # What became of these the whole entry tells; they are few.
            return [place for place in chosen if places[place] not in self._shared]
        verdicts = self.wanted.verdicts
        if verdicts is not None:
            clean = Verdict.ACCEPTED if head.origin else None
            chosen = (
                place for place in chosen if (Verdict.ALTERED if places[place] in self._due else clean) in verdicts
            )
        return _limited(chosen, self.wanted)

    def _add(self, change: JournalChange, frame: _Frame, origin: int) -> None:
        place = change.n, change.order
        must = self._due.get(place, 0)
        shared = not frame.peer
        verdict = verdict_of(origin, must, change.change, change.mask, shared=shared, known=change.before is not None)
        if self.wanted.verdicts is None or verdict in self.wanted.verdicts:
            recipients = frame.recipients if shared else None
            self.found[place] = replace(
                change, verdict_for=must or None, verdict=verdict, recipients=recipients, origin=origin
            )

    def _is_within(self, place: Place) -> bool:
        wanted = self.wanted
        return (
            (wanted.after is None or place > wanted.after)
            and (wanted.before is None or place < wanted.before)
            and (wanted.groups is None or place[0] in wanted.groups)
        )

    def _fitting(self, head: BlockHead, places: list[Place]) -> Iterator[int]:
        """Entries of the block that fit, ascending."""
        wanted = self.wanted
        if head.table not in self.definitions or wanted.table not in (None, head.table):
            return iter(())
        first = 0 if wanted.after is None else bisect_right(places, wanted.after)
        last = len(places) if wanted.before is None else bisect_left(places, wanted.before)
        chosen: Iterator[int] = iter(range(first, last))
        groups = wanted.groups
        if groups is not None:
            chosen = (place for place in chosen if head.numbers[place] in groups)
        if wanted.since is not None or wanted.until is not None:
            times, since, until = head.times(), wanted.since, wanted.until
            if times is not None and since is not None:
                chosen = (place for place in chosen if times[place] >= since)
            if times is not None and until is not None:
                chosen = (place for place in chosen if times[place] <= until)
        if wanted.keys is not None:
            form = self.versions.get((head.table, head.version))
            definition = self.definitions[head.table] if form is None else form.definition
            keys = head.keys(definition.key_indexes)
            packed, alike = wanted.keys, set(map(unpack_key, wanted.keys))
            # 1 and 1.0 are alike to Python, and two keys.
            chosen = (place for place in chosen if keys[place] in alike and pack_key(keys[place]) in packed)
        return chosen


def _limited(chosen: Iterator[int], wanted: Wanted) -> list[int]:
    places = list(chosen)
    return places[-wanted.limit :] if wanted.newest else places[: wanted.limit]
