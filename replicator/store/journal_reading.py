"""Reading the journal back: the changes of its slices, for people and for those who repair."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace

from sqlalchemy import Connection

from replicator.protocol.codec import decode_segment
from replicator.protocol.codec_detail import Detail, decode_details
from replicator.protocol.control_bodies import WHOLE
from replicator.protocol.images import lay_back
from replicator.protocol.messages import Segment, SegmentEntry, SegmentKind, TableBlock
from replicator.protocol.verdicts import Verdict
from replicator.protocol.versions import reshaping
from replicator.store import journal, sql, table_versions
from replicator.store.journal import Group
from replicator.types import Image, Key, Position, Table, TableDefinition, Value


@dataclass(frozen=True, slots=True)
class JournalChange:
    """One change or record of the journal."""

    n: int
    order: int
    table: int
    """0: a record that is not a row; then `change` is its kind and `body` its content."""
    change: str
    key_values: tuple[Value, ...]
    image: Image | None
    mask: int
    before: tuple[Value, ...] | None
    """Old values of the masked columns; of a delete the whole old row. None: not known here."""
    at: int | None
    verdict_for: int | None
    body: object = None
    verdict: Verdict | None = None
    """Host: what became of a station's change; told by `journal_picking` only, as is what follows."""
    recipients: int | None = None
    """Host: number of the set of stations that get it by their rules."""
    origin: int = 0
    """Host: the station that has it as it is, and to which it does not go."""
    form: Table | None = None
    """The table as it was then: of which the row, its mask and its key are."""


def stood_before(change: JournalChange, definition: TableDefinition) -> tuple[bool, Image | None]:
    """Whether the journal tells how the row stood before one of a station's changes, and the row; None: there was none.

    Of an insert over a row nobody saw the old values: they are NULLs, those of the key as well.
    """
    if change.change == "N":
        return True, None
    if change.change == "D":
        return change.before is not None, change.before
    if change.image is None or change.before is None or len(change.before) != change.mask.bit_count():
        return False, None
    image = lay_back(change.image, change.mask, change.before)
    known = tuple(image[place] for place in definition.key_indexes) == change.key_values
    return known, image if known else None


def definition_then(change: JournalChange, definitions: Mapping[int, TableDefinition]) -> TableDefinition:
    """The definition that a row change is of."""
    return definitions[change.table] if change.form is None else change.form.definition


def as_of(change: JournalChange, table: Table) -> JournalChange:
    """The change as it is of this version of its table: what that has no column for is left out."""
    form = change.form
    if form is None or form.version == table.version or not change.table:
        return change
    shape = reshaping(form, table)
    image, before, mask = change.image, change.before, change.mask
    if before is not None:
        whole = change.change == "D"
        before = shape.image(before) if whole else shape.masked(mask, before)
    return replace(
        change,
        image=None if image is None else shape.image(image),
        mask=shape.mask(mask),
        before=before,
        form=table,
    )


def slices_backward(connection: Connection, before: int | None, limit: int) -> list[int]:
    """Newest slices first, those below number `before`."""
    where, parameters = ("", ()) if before is None else (" WHERE id < ?", (before,))
    found = sql.rows(
        connection, f"SELECT id FROM replicator_slice{where} ORDER BY id DESC LIMIT ?", (*parameters, limit)
    )
    return [number for (number,) in found]


def slices_of(connection: Connection, n: int) -> list[int]:
    """The slices that hold group n, in order: it goes over from those that end with it into the next, perhaps."""
    ending = sql.rows(connection, "SELECT id FROM replicator_slice WHERE last_n = ? ORDER BY id", (n,))
    found = [number for (number,) in ending]
    behind = sql.one(
        connection,
        "SELECT id, first_n FROM replicator_slice WHERE last_n > ? ORDER BY last_n, id LIMIT 1",
        (n,),
    )
    if behind is not None and behind[1] <= n:
        found.append(behind[0])
    return found


def first_slice_behind(connection: Connection, n: int) -> int | None:
    """The first slice that holds anything behind group n; None: there is none."""
    row = sql.one(connection, "SELECT id FROM replicator_slice WHERE last_n > ? ORDER BY last_n, id LIMIT 1", (n,))
    return None if row is None else row[0]


def slices_after(connection: Connection, n: int) -> Iterator[int]:
    """Slices that hold groups behind n, oldest first."""
    for (number,) in sql.rows(connection, "SELECT id FROM replicator_slice WHERE last_n > ? ORDER BY id", (n,)):
        yield number


def slices_between(connection: Connection, after: int, through: int) -> list[int]:
    """Slices that hold groups behind `after` up to `through`, oldest first."""
    found = sql.rows(
        connection,
        "SELECT id FROM replicator_slice WHERE last_n > ? AND first_n <= ? ORDER BY id",
        (after, through),
    )
    return [number for (number,) in found]


def first_logged_after(connection: Connection, moment: int, now: int) -> Group | None:
    """The first group that entered the journal after this moment. What says that it comes from the future was written
    while the clock was wrong, and tells nothing."""
    # Before that was noted, only the time of this node's own groups is by its clock.
    query = (
        "SELECT min(n) FROM replicator_journal WHERE (logged_at > ? AND logged_at <= ?)"
        " OR (logged_at = 0 AND origin = 0 AND at > ? AND at <= ?)"
    )
    row = sql.one(connection, query, (moment, now, moment, now))
    return None if row is None or row[0] is None else journal.group(connection, row[0])


def changes_of_slice(
    connection: Connection, slice_id: int, definitions: Mapping[int, TableDefinition]
) -> list[JournalChange]:
    """All changes and records of a slice, in order; what went to several is there once.

    Changes are as the tables were then (`JournalChange.form`, where a table was ever changed).
    """
    found = sql.rows(
        connection,
        "SELECT digest, size, raw_size, peer, frame, detail FROM replicator_slice_segment"
        " WHERE slice = ? AND frame IS NOT NULL ORDER BY ordinal",
        (slice_id,),
    )
    forms = {known.table.form: known.table for known in table_versions.load_versions(connection)}
    changes: dict[tuple[int, int], JournalChange] = {}
    for digest, size, raw_size, peer, frame, detail in found:
        segment = decode_segment(frame, SegmentEntry(digest, size, raw_size, SegmentKind.LOG))
        for change in _of_segment(segment, detail, peer or None, definitions, forms):
            changes.setdefault((change.n, change.order), change)
        for record in segment.controls:
            if record.kind not in ("ack", WHOLE):
                changes[record.number, record.order] = JournalChange(
                    record.number, record.order, 0, record.kind, (), None, 0, None, None, peer, record.body
                )
    return [changes[place] for place in sorted(changes)]


Forms = Mapping[tuple[int, Position], Table]


def _of_segment(
    segment: Segment, detail: bytes | None, peer: int | None, definitions: Mapping[int, TableDefinition], forms: Forms
) -> Iterator[JournalChange]:
    for block, more in zip(segment.blocks, decode_details(detail, segment.blocks), strict=True):
        form = forms.get((block.table, block.version))
        definition = definitions.get(block.table) if form is None else form.definition
        if definition is not None:
            yield from entries_of_block(block, more, peer if block.verdict else None, definition, form)


def entries_of_block(
    block: TableBlock,
    more: Detail,
    verdict_for: int | None,
    definition: TableDefinition,
    form: Table | None = None,
) -> Iterator[JournalChange]:
    """A block's entries; upward the block itself has masks and old values, downward the detail."""
    images, keys = iter(block.rows), iter(block.keys)
    masks = iter(block.masks if block.masks is not None else more.masks or ())
    before = iter(block.before if block.before is not None else more.before or ())
    gone = iter(more.gone or ())
    times: list[int] | list[None] = block.times or more.times or [None] * len(block.classes)
    places, number = definition.key_indexes, block.table
    for n, order, change, at in zip(block.numbers, block.orders, block.classes, times, strict=True):
        if change == "D":
            old = next(gone, None)
            yield JournalChange(n, order, number, change, next(keys), None, 0, old, at, verdict_for, form=form)
            continue
        image = next(images)
        mask, old = (next(masks, 0), next(before, None)) if change == "C" else (0, None)
        key = tuple(image[place] for place in places)
        yield JournalChange(n, order, number, change, key, image, mask, old, at, verdict_for, form=form)


def groups_with(connection: Connection, table: int, key: Key) -> list[int]:
    """Groups that touch this row, ascending."""
    found = sql.rows(
        connection, "SELECT n FROM replicator_journal_key WHERE table_id = ? AND row_key = ? ORDER BY n", (table, key)
    )
    return [n for (n,) in found]
