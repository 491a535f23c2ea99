"""A table goes over into another version of its definition, at either end (protocol.md 7.8).

What was captured in the old form becomes groups of the old form; then capture is made anew, and everything after is in
the new one: one transaction, in which nobody else writes to the table. Where definitions commit by themselves, the
versions are on record before, and what is captured tells which of them it is of; so the step may be repeated.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator
from typing import NamedTuple

from replicator.databases.base import Change, Retyped
from replicator.engine.collect import collect, number_found
from replicator.engine.node import Unit
from replicator.protocol.edits import reshape_edit
from replicator.protocol.images import changed_mask, masked
from replicator.protocol.keys import key_packer
from replicator.protocol.versions import Reshaping, as_named, reshaping, without
from replicator.store import catalogue, quarantine, reshaped, table_versions
from replicator.types import Image, Operation, Table, TableDefinition

_CHUNK = 2000
"""Rows at a time."""


def standing(unit: Unit, table: Table) -> TableDefinition:
    """The table as it stands, but for columns that leave. Raises UnknownName, UnfitTable."""
    definition = unit.database.inspect(unit.connection, table.name)
    return without(definition, table_versions.leaving(unit.connection, table.id))


def prepare(unit: Unit, new: Table) -> None:
    """Put the version on record, in a transaction of its own where definitions commit by themselves."""
    unit.database.hold_table(unit.connection, new.name)
    table_versions.note(unit.connection, unit.tables[new.id], unit.now, from_n=0)
    table_versions.note(unit.connection, new, unit.now)
    unit.forget_catalogue()


class Taken(NamedTuple):
    """What was found when a table went over."""

    old: Table
    """The version before."""
    retyped: Retyped
    """Captured in the type that a column had before."""


def take_over(unit: Unit, new: Table) -> Taken:
    """From here on the table is captured, judged and journalled in this version."""
    old = unit.tables[new.id]
    prepare(unit, new)
    # What was captured is read by the names that the columns have now.
    unit.tables[new.id] = as_named(old, new)
    retyped = make_capture(unit, unit.tables[new.id], new)
    unit.journal.finish()
    catalogue.save_table(unit.connection, new, unit.now)
    table_versions.note(unit.connection, new, unit.now, from_n=unit.state.last_n + 1)
    _rewrite(unit, reshaping(old, new), new)
    unit.forget_catalogue()
    return Taken(old, retyped)


def make_capture(unit: Unit, old: Table, new: Table) -> Retyped:
    """Make the capture anew, and collect what was captured before, in the old form: nothing lies between. Nobody else
    writes to the table (`hold_table`)."""
    database, connection = unit.database, unit.connection
    if database.capabilities.transactional_definitions:
        found = database.retyped(connection, old)
        collect(unit)
        database.install_capture(connection, new)
    else:
        # By now nobody has anything open that was captured by the old triggers.
        database.install_capture(connection, new)
        found = database.retyped(connection, old)
        collect(unit)
    return found


def send_retyped(unit: Unit, table: Table, retyped: Retyped) -> int:
    """Rows that were rounded when they were captured, as they stand. To be called behind a collect. Gives how many."""
    return number_found(unit, _rounded(unit, table, retyped)) if retyped.rows else 0


def _rounded(unit: Unit, table: Table, retyped: Retyped) -> Iterator[list[Change]]:
    kept = [place for place, name in enumerate(retyped.columns) if name in table.definition.column_names]
    places = table.definition.indexes_of([retyped.columns[place] for place in kept])
    keys = list(retyped.rows)
    for start in range(0, len(keys), _CHUNK):
        images = unit.database.read_images(unit.connection, table, keys[start : start + _CHUNK])
        found = []
        for key, image in images.items():
            captured = list(image)
            for place, here in zip(kept, places, strict=True):
                captured[here] = retyped.rows[key][place]
            if mask := changed_mask(tuple(captured), image):
                before = masked(tuple(captured), mask)
                found.append(Change(0, table.id, Operation.UPDATE, key, image, mask, before, unit.now, None))
        if found:
            yield found


def _rewrite(unit: Unit, shape: Reshaping, new: Table) -> None:
    """Rows that are kept for later are rows of the new version."""
    if shape.is_plain and not shape.missing:
        return
    connection = unit.connection
    edited = None if unit.is_host else lambda packed: reshape_edit(packed, shape)
    reshaped.rewrite(connection, new.id, shape, edited)
    quarantine.reshape(connection, new.id, shape)


def send_found(unit: Unit, taken: Taken, new: Table, came: Collection[str], *, unseen: bool = False) -> int:
    """Rows whose values in these columns, which have come, are others than old rows get there: nothing else tells of
    what was written to them before they were captured. And those that were captured as something else than they are.
    Gives how many.

    `unseen`: the triggers were gone, so nothing tells of any column: all rows count as changed.
    """
    if unseen:
        return send_all(unit, new, new.definition.column_names)
    found = send_retyped(unit, new, taken.retyped)
    return found + (number_found(unit, _written(unit, taken.old, new, came)) if came else 0)


def send_all(unit: Unit, table: Table, columns: Collection[str]) -> int:
    """What stands in these columns, of all rows: nothing tells what stood there before. Gives how many rows."""
    mask = sum(1 << place for place in table.definition.indexes_of(columns))
    pack_key = key_packer(table.definition)
    return number_found(
        unit,
        (
            [
                Change(0, table.id, Operation.UPDATE, pack_key(image), image, mask, None, unit.now, None)
                for image in images
            ]
            for images in unit.database.scan(unit.connection, table)
        ),
    )


def _written(unit: Unit, old: Table, new: Table, came: Collection[str]) -> Iterator[list[Change]]:
    definition = new.definition
    fill = reshaping(old, new).fill
    wanted = sum(1 << place for place in definition.indexes_of(came))
    pack_key = key_packer(definition)
    for images in unit.database.scan(unit.connection, new):
        bare = [tuple(_bare(image, fill, wanted)) for image in images]
        stored = unit.database.as_stored(unit.connection, new, definition.column_names, bare)
        found = []
        for image, untouched in zip(images, stored, strict=True):
            mask = changed_mask(tuple(untouched), image) & wanted
            if mask:
                found.append(
                    Change(
                        0,
                        new.id,
                        Operation.UPDATE,
                        pack_key(image),
                        image,
                        mask,
                        masked(tuple(untouched), mask),
                        unit.now,
                        None,
                    )
                )
        if found:
            yield found


def _bare(image: Image, fill: Image, wanted: int) -> Iterator[object]:
    """The row as it was when the columns were new."""
    for place, value in enumerate(image):
        yield fill[place] if wanted >> place & 1 else value
