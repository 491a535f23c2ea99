"""A station's segment as proposals in stream order, checked against the tables that are replicated here."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import repeat
from typing import TypeVar

from replicator.databases.portable import alters
from replicator.engine.node import Unit
from replicator.errors import PeerFault
from replicator.protocol.images import columns_of, full_mask, same_image
from replicator.protocol.keys import keys_packer, pack_key, unpack_key
from replicator.protocol.messages import TableBlock
from replicator.protocol.proposals import Conflict, ConflictKind, Proposal
from replicator.protocol.versions import Reshaping, reshaping, value_of_old_rows
from replicator.types import Table

Numbered = tuple[int, Proposal]
"""(the group's sequence number, one of its changes)."""

_Item = TypeVar("_Item")


def proposals(unit: Unit, blocks: list[TableBlock]) -> list[Numbered]:
    """A segment's changes. Raises PeerFault where a block lacks what upward blocks carry, or doesn't fit its table, and
    ConstraintViolation for a value that its column can't hold here."""
    found: list[Numbered] = []
    for block in blocks:
        table = unit.tables.get(block.table)
        if table is None:
            _pass_over(unit, block)
        else:
            found += zip(block.numbers, _as_stored_here(unit, table, _of_block(unit, table, block)), strict=True)
    if len(blocks) > 1:
        found.sort(key=place)
    return found


def numbered(unit: Unit, blocks: list[TableBlock]) -> Iterator[tuple[int, list[Numbered]]]:
    """The same as their station wrote them: (table, changes) of each block."""
    for block in blocks:
        table = unit.tables.get(block.table)
        if table is None:
            _pass_over(unit, block)
        else:
            yield table.id, list(zip(block.numbers, _of_block(unit, table, block), strict=True))


def as_stored_here(unit: Unit, table: int, changes: list[Proposal]) -> list[Proposal]:
    """What `proposals` makes of them. Raises ConstraintViolation for a value that its column can't hold."""
    return _as_stored_here(unit, unit.tables[table], changes)


def place(numbered: Numbered) -> tuple[int, int]:
    """In the order of the station's stream."""
    return numbered[0], numbered[1].order


def _of_block(unit: Unit, table: Table, block: TableBlock) -> list[Proposal]:
    """The block's changes as changes of the table as it is now."""
    form = unit.form_of(block)
    found = _of_form(form, block)
    return found if form.version == table.version else _reshaped(found, reshaping(form, table))


def _reshaped(changes: list[Proposal], shape: Reshaping) -> list[Proposal]:
    """protocol.md 7.8: a column that the station did not have is not in the mask, so the host's value stays; of one
    that is gone the value is left out."""
    found = []
    for change in changes:
        if change.image is None:
            found.append(change)
            continue
        old = change.before
        found.append(
            change._replace(
                image=shape.image(change.image),
                mask=shape.told if change.change == "N" else shape.mask(change.mask),
                before=None if old is None else shape.masked(change.mask, old),
            )
        )
    return found


def dropped(unit: Unit, blocks: list[TableBlock]) -> dict[int, list[Conflict]]:
    """By sequence number: what stations wrote to columns that the host has dropped, to be put on record."""
    found: dict[int, list[Conflict]] = {}
    for block in blocks:
        table = unit.tables.get(block.table)
        if table is None or block.version == table.version:
            continue
        form = unit.form_of(block)
        if not (left := reshaping(form, table).left):
            continue
        nothing = {place: value_of_old_rows(form.definition.columns[place]) for place in columns_of(left)}
        for number, change in zip(block.numbers, _of_form(form, block), strict=True):
            if change.image is None:
                continue
            mask = change.mask & left
            if change.change == "N":
                told = (place for place, value in nothing.items() if change.image[place] not in (None, value))
                mask = sum(1 << place for place in told)
            if mask:
                conflict = Conflict(table.id, change.key, ConflictKind.COLUMN_DROPPED, None, change.image, None, mask)
                found.setdefault(number, []).append(conflict._replace(station_at=change.at, form=form))
    return found


def _of_form(table: Table, block: TableBlock) -> list[Proposal]:
    _check(table, block)
    classes = block.classes
    keys = _merged(classes, "D", map(pack_key, block.keys), iter(keys_packer(table.definition)(block.rows)))
    images = _merged(classes, "D", repeat(None), iter(block.rows))
    # An insert has all columns for its mask; a delete needs none.
    full = repeat(full_mask(len(table.definition.columns)))
    masks = _merged(classes, "C", iter(block.masks or ()), full)
    olds = _merged(classes, "C", iter(block.before or ()), repeat(None))
    as_they_are = repeat(None)
    fields = zip(
        block.orders,
        repeat(table.id),
        classes,
        keys,
        images,
        masks,
        olds,
        block.bases or (),
        block.times or (),
        as_they_are,
        strict=False,
    )
    return list(map(Proposal._make, fields))


def _as_stored_here(unit: Unit, table: Table, changes: list[Proposal]) -> list[Proposal]:
    """What a station writes in another way than this database does is judged, logged and sent on as it is written here.

    A key that is written otherwise here would else name two rows: the change is one of the row under the key that this
    database knows, and `Proposal.sent` says that the station has another.
    """
    definition, database = table.definition, unit.database
    images = [change.image for change in changes if change.image is not None]
    stored = database.as_stored(unit.connection, table, definition.column_names, images)
    keys = [unpack_key(change.key) for change in changes if change.image is None]
    stored_keys = database.as_stored(unit.connection, table, definition.primary_key, keys)
    if stored is images and stored_keys is keys:
        return changes
    altered = alters(definition)
    linked = definition.indexes_of({*definition.primary_key, *(c for f in definition.foreign_keys for c in f.columns)})
    rows, gone = iter(stored), iter(stored_keys)
    found = []
    for change in changes:
        if change.image is None:
            key = pack_key(next(gone))
            found.append(change if key == change.key else change._replace(key=key, sent=change.key))
            continue
        image = tuple(next(rows))
        if same_image(image, change.image):
            found.append(change)
            continue
        moved = any(image[place] != change.image[place] for place in linked)
        key = pack_key([image[place] for place in definition.key_indexes]) if moved else change.key
        told = moved or altered(change.image, image)
        found.append(change._replace(image=image, key=key, sent=change.key if told else None))
    return found


def _merged(classes: str, letter: str, there: Iterator[_Item], elsewhere: Iterator[_Item]) -> list[_Item]:
    """An element an entry: from `there` where its class is `letter`, else from `elsewhere`."""
    count = classes.count(letter)
    if not count or count == len(classes):
        source: Iterator[_Item] = there if count else elsewhere
        return [item for item, _ in zip(source, classes, strict=False)]
    return [next(there) if change == letter else next(elsewhere) for change in classes]


def _check(table: Table, block: TableBlock) -> None:
    definition = table.definition
    if block.times is None or block.bases is None or block.masks is None or block.before is None:
        raise PeerFault("a batch lacks what changes of a station carry")
    if any(len(image) != len(definition.columns) for image in block.rows[:1]):
        raise PeerFault(f"a batch has rows of {table.name} with another number of columns")
    if any(len(key) != len(definition.primary_key) for key in block.keys[:1]):
        raise PeerFault(f"a batch has keys of {table.name} with another number of columns")


def _pass_over(unit: Unit, block: TableBlock) -> None:
    """Changes of a table that was taken out of replication here, and the station did not know yet."""
    if not 0 < block.table < unit.state.next_table:
        raise PeerFault("a batch names a table that is not replicated here")
    text = f"table number {block.table} is no longer replicated; a station's last changes of it were not taken"
    unit.notice("removed-table", str(block.table), text)
